//! The file of objectives in the data folder: those that were made on a page or by a request. It is written anew at each change, each of
//! which is in the audit before it is done. It must never change a file that somebody else wrote.

use super::files::{OWN_SLOS, check};
use super::keep::replace;
use super::{Monitors, lock};
use crate::clock::now_ms;
use monitor::slo::{Slo, read, write};
use serde_json::json;
use std::sync::Mutex;
use stdx::{Error, ErrorKind, Result};
use store::audit::{Audit, Who};

/// The longest file, in bytes.
const FILE_BYTES_MAX: usize = 4 << 20;
const HEAD: &str = "\
# Objectives that were made on Midwatch's pages, or by its API. It is written anew at each change there: comments are lost.
slos:
";

/// One change at a time, so that none is lost.
static CHANGES: Mutex<()> = Mutex::new(());

/// Adds objectives, or puts them in the place of those of the same address; counts them from now on.
///
/// # Errors
/// `Conflict` if one is there already and `is_change` is false, or stands in another file; `Unavailable`.
pub fn put_slos(monitors: &Monitors, new: Vec<Slo>, is_change: bool, who: &Who) -> Result<()> {
    let _one = lock(&CHANGES);
    let mut own = own(monitors)?;
    for slo in &new {
        let elsewhere =
            monitors.groups().into_iter().find_map(|g| g.group.slo.clone().filter(|s| s.id == slo.id));
        if let Some(other) = elsewhere.filter(|s| s.file != OWN_SLOS) {
            let text = format!("the objective {:?} stands in {}: change it there", other.name, other.file);
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        match own.iter_mut().find(|s| s.id == slo.id) {
            Some(old) if is_change => *old = slo.clone(),
            Some(old) => {
                let text = format!(
                    "there is an objective {:?} already; give this one another name, or change that one",
                    old.name
                );
                return Err(Error::new(ErrorKind::Conflict, text));
            }
            None => own.push(slo.clone()),
        }
    }
    if own.len() > monitor::slo::SLOS_MAX {
        let text =
            format!("there are {} objectives already, which is the most; remove one", monitor::slo::SLOS_MAX);
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    let what = if is_change { "slo_changed" } else { "slo_added" };
    let each: Vec<_> = new.iter().map(|slo| json!({ "id": slo.id, "yaml": write::yaml(slo) })).collect();
    change(monitors, what, who, json!({ "slos": each }), &own)
}

/// Removes an objective that was made here.
///
/// # Errors
/// `NotFound`; `Conflict` if it stands elsewhere; `Unavailable`.
pub fn remove_slo(monitors: &Monitors, id: &str, who: &Who) -> Result<()> {
    let _one = lock(&CHANGES);
    let mut own = own(monitors)?;
    let Some(at) = own.iter().position(|s| s.id == id) else {
        let elsewhere =
            monitors.groups().into_iter().find_map(|g| g.group.slo.clone().filter(|s| s.id == id));
        return Err(match elsewhere {
            Some(slo) => {
                Error::new(ErrorKind::Conflict, format!("it stands in {}: remove it there", slo.file))
            }
            None => Error::new(
                ErrorKind::NotFound,
                "there is no objective with this id; GET /api/v1/slos lists all",
            ),
        });
    };
    let gone = own.remove(at);
    change(monitors, "slo_removed", who, json!({ "id": gone.id, "yaml": write::yaml(&gone) }), &own)
}

fn own(monitors: &Monitors) -> Result<Vec<Slo>> {
    let path = monitors.own_slos();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => {
            return Err(Error::wrap(ErrorKind::Unavailable, "the file of own objectives cannot be read", e));
        }
    };
    let file = read::read(OWN_SLOS, &text, &check);
    // What cannot be read would be lost by writing.
    match file.problems.iter().find(|p| p.is_error) {
        Some(problem) => Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "{} has to be mended by hand first: line {}: {}",
                path.display(),
                problem.line,
                problem.what
            ),
        )),
        None => Ok(file.slos),
    }
}

fn change(monitors: &Monitors, what: &str, who: &Who, details: serde_json::Value, own: &[Slo]) -> Result<()> {
    let text: String = std::iter::once(HEAD.to_string()).chain(own.iter().map(write::yaml)).collect();
    let text = if own.is_empty() { "slos: []\n".to_string() } else { text };
    if text.len() > FILE_BYTES_MAX {
        return Err(Error::new(ErrorKind::Conflict, "the file of own objectives would be longer than 4 MiB"));
    }
    Audit::open(monitors.store.folder())?.note(now_ms(), what, who, details)?;
    replace(&monitors.own_slos(), text.as_bytes()).map_err(|e| {
        Error::wrap(ErrorKind::Unavailable, "the file of own objectives cannot be written", e)
    })?;
    monitors.read_files(now_ms());
    Ok(())
}

/// Reads what somebody wants to be promised: one of our objectives as JSON, or files of either form as text.
///
/// # Errors
/// What is wrong with it.
pub fn read_new(text: &str) -> std::result::Result<(Vec<Slo>, Vec<monitor::Problem>), String> {
    if !read::is_slo_file(text) {
        return Ok((vec![read::read_one(OWN_SLOS, text, &check)?], Vec::new()));
    }
    let file = read::read(OWN_SLOS, text, &check);
    match file.problems.iter().find(|p| p.is_error) {
        Some(problem) if file.slos.is_empty() => Err(format!("line {}: {}", problem.line, problem.what)),
        None if file.slos.is_empty() => Err("there is no objective in it".into()),
        _ => Ok((file.slos, file.problems)),
    }
}
