//! What everybody has: files of lines, compressed by gzip when they are full, and zgrep through all of them. A yardstick beside
//! the program, since it does much less: nothing is taken apart, nothing is found by anything but its text.

use super::lines::{BATCH, Form, STEP_NS, id, line};
use super::{NEEDLES, now_ns};
use crate::{child, processes, stop};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use stdx::{Error, ErrorKind, Result};

/// A file is full at this size, as logrotate is usually told.
const FILE_BYTES: u64 = 100_000_000;
/// Identifiers that are looked for; each reads everything.
const ASKS: u64 = 3;

/// What it took.
pub struct Yardstick {
    /// CPU seconds of gzip for each GB of lines.
    pub cpu_per_gb: f64,
    /// Compressed, of the lines.
    pub disk_percent: f64,
    /// One identifier among all lines, ms.
    pub found_ms: Vec<f64>,
}

/// Why it cannot run here, if so.
pub fn missing() -> Option<String> {
    let lacks = ["gzip", "zgrep"].into_iter().find(|program| child::find(program).is_none())?;
    Some(format!("{lacks} is not installed"))
}

/// Writes so many lines, and looks for some of them.
///
/// # Errors
/// Cancelled, the disk is full, or something is not found.
pub fn run(form: Form, megabytes: u64) -> Result<Yardstick> {
    let folder = child::folder()?;
    let failed = |e| Error::wrap(ErrorKind::Unavailable, "cannot write the lines", e);
    let start_ns = now_ns() - (megabytes as i64 * 4_000 + 100_000) * STEP_NS;
    let (mut raw, mut kept, mut cpu, mut next) = (0, 0, 0.0, 0);
    let mut files: Vec<PathBuf> = Vec::new();
    while raw < megabytes * 1_000_000 {
        let path = folder.path().join(format!("access-{:04}.log", files.len()));
        let mut out = BufWriter::new(File::create(&path).map_err(failed)?);
        let (mut bytes, mut text) = (0, String::new());
        while bytes < FILE_BYTES && raw + bytes < megabytes * 1_000_000 {
            stop::check()?;
            for number in next..next + BATCH {
                text.clear();
                line(number, start_ns + number as i64 * STEP_NS, form, &mut text);
                text.push('\n');
                out.write_all(text.as_bytes()).map_err(failed)?;
                bytes += text.len() as u64;
            }
            next += BATCH;
        }
        out.into_inner().map_err(|e| failed(e.into_error()))?;
        raw += bytes;
        // Ended and awaited children are counted with whoever awaited them, and this process does nothing else meanwhile.
        let before = own_cpu_seconds();
        ask(Command::new("gzip").arg("-6").arg(&path))?;
        cpu += own_cpu_seconds() - before;
        files.push(path.with_extension("log.gz"));
        kept += files.last().and_then(|f| f.metadata().ok()).map_or(0, |m| m.len());
    }
    let asks = if form == Form::Identified { ASKS } else { 0 };
    let found_ms = (0..asks).map(|n| found(&files, &id(n * (NEEDLES / ASKS) * (next / NEEDLES) + 17)));
    Ok(Yardstick {
        cpu_per_gb: cpu / (raw as f64 / 1e9),
        disk_percent: kept as f64 * 100.0 / raw as f64,
        found_ms: found_ms.collect::<Result<Vec<f64>>>()?,
    })
}

fn found(files: &[PathBuf], id: &str) -> Result<f64> {
    stop::check()?;
    let begun = Instant::now();
    let answer = ask(Command::new("zgrep").arg("-h").arg(id).args(files.iter().map(|f| f as &Path)))?;
    let took_ms = begun.elapsed().as_secs_f64() * 1e3;
    match answer.iter().filter(|b| **b == b'\n').count() {
        1 => Ok(took_ms),
        n => {
            Err(Error::new(ErrorKind::Internal, format!("the identifier {id} was found {n} times, not once")))
        }
    }
}

fn ask(command: &mut Command) -> Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output =
        output.map_err(|e| Error::wrap(ErrorKind::Unavailable, format!("cannot start {name}"), e))?;
    // zgrep says 1 where a file has no match.
    match output.status.code() {
        Some(0 | 1) => Ok(output.stdout),
        _ => Err(Error::new(ErrorKind::Unavailable, format!("{name} ended with {}", output.status))),
    }
}

fn own_cpu_seconds() -> f64 {
    processes::one(std::process::id() as i32).map_or(f64::NAN, |p| p.cpu_seconds)
}
