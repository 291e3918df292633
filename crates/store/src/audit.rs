//! What was done to the data on somebody's word: lines in `audit.log` that are only ever added, each durable before what
//! it tells of begins. Values of labels are personal data themselves, so they stand in it as a keyed hash: whoever
//! knows a value can find its line, whoever reads the line does not learn the value. Format: `docs/formats/audit.md`.

use crate::delete::{Deletion, Reach};
use crate::durable::sync_folder;
use crate::objects::io_error;
use model::Matcher;
use model::labels::NAME;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value as Json, json};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use stdx::{Error, ErrorKind, Result};

const FILE: &str = "audit.log";
const KEY_FILE: &str = "AUDIT_KEY";
const KEY_BYTES: usize = 32;
/// More is not read: some hundred thousand lines.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Characters of a text that somebody gave.
const TEXT_CHARS_MAX: usize = 1000;

/// Who asks, in their own words, and why.
#[derive(Clone, Debug, Default)]
pub struct Who {
    /// A name that the asker gave.
    pub user: String,
    /// The machine that they say they are on.
    pub host: String,
    /// Where the request came from; empty for a command on this machine.
    pub address: String,
    /// Why.
    pub reason: String,
}

/// One line at a time, whoever writes.
static WRITING: Mutex<()> = Mutex::new(());

/// The file, open to add to it.
pub struct Audit {
    path: PathBuf,
    file: File,
    key: hmac::Key,
    lines: u64,
    /// Checksum of the last line.
    previous: u32,
}

/// A line as it is read back.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// Whole: the entry.
    Whole(Json),
    /// Its checksum is wrong, or a line before it is missing.
    Damaged {
        /// From 1.
        number: u64,
        /// What is wrong.
        why: &'static str,
    },
}

impl Audit {
    /// Opens the file of a data folder, and its key; makes both if they are not there.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn open(folder: &Path) -> Result<Audit> {
        let path = folder.join(FILE);
        let io = |e| io_error(&path, e);
        let _one = WRITING.lock().unwrap_or_else(|e| e.into_inner());
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(io)?;
        // What a crash left of a line must not run into the next one.
        if file.seek(SeekFrom::End(0)).map_err(io)? > 0 {
            file.seek(SeekFrom::End(-1)).map_err(io)?;
            let mut last = [0];
            file.read_exact(&mut last).map_err(io)?;
            if last != *b"\n" {
                file.write_all(b"\n").map_err(io)?;
            }
        }
        let key = read_key(folder, true)?.ok_or_else(|| Error::new(ErrorKind::Internal, "no key"))?;
        sync_folder(folder)?;
        let text = text_of(&path)?;
        let lines: Vec<&str> = text.lines().collect();
        let previous = lines.last().map_or(0, |line| crc32fast::hash(line.as_bytes()));
        Ok(Audit { path, file, key, lines: lines.len() as u64, previous })
    }

    /// Notes that a deletion begins; durable when this returns. Returns the number of the entry.
    ///
    /// # Errors
    /// `Unavailable`: then nothing may be deleted.
    pub fn begin(&mut self, now_ms: i64, who: &Who, deletion: &Deletion, plan: &Reach) -> Result<u64> {
        let sets: Vec<Vec<Json>> =
            deletion.matchers.iter().map(|set| set.iter().map(|m| self.matcher(m)).collect()).collect();
        let number = self.lines + 1;
        let bound = |ms: i64| (ms != i64::MIN && ms != i64::MAX).then_some(ms);
        self.add(json!({
            "number": number,
            "what": "delete_series_begins",
            "at_ms": now_ms,
            "user": cut(&who.user),
            "host": cut(&who.host),
            "address": cut(&who.address),
            "reason": cut(&who.reason),
            "match": sets,
            "start_ms": bound(deletion.start_ms),
            "end_ms": bound(deletion.end_ms),
            "series": plan.series,
            "samples": plan.samples,
            "blocks": plan.blocks,
        }))?;
        Ok(self.lines)
    }

    /// Notes how it ended.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn end(&mut self, now_ms: i64, begun: u64, outcome: &Result<Reach>) -> Result<()> {
        let number = self.lines + 1;
        let mut entry = json!({
            "number": number, "what": "delete_series_ended", "at_ms": now_ms, "entry": begun,
        });
        match outcome {
            Ok(reach) => {
                entry["result"] = if reach.remaining.is_empty() { "done" } else { "incomplete" }.into();
                entry["series"] = reach.series.into();
                entry["samples"] = reach.samples.into();
                entry["blocks"] = json!(reach.blocks);
                entry["remaining"] = json!(reach.remaining);
            }
            Err(e) => {
                entry["result"] = "failed".into();
                entry["error"] = cut(&e.to_string()).into();
            }
        }
        self.add(entry)
    }

    /// Notes something else that was done on somebody's word.
    ///
    /// # Errors
    /// `Unavailable`: then it must not be done.
    pub fn note(&mut self, now_ms: i64, what: &str, who: &Who, details: Json) -> Result<()> {
        let number = self.lines + 1;
        self.add(json!({
            "number": number,
            "what": what,
            "at_ms": now_ms,
            "user": cut(&who.user),
            "host": cut(&who.host),
            "address": cut(&who.address),
            "reason": cut(&who.reason),
            "details": details,
        }))
    }

    fn add(&mut self, mut entry: Json) -> Result<()> {
        // Others of this process write to it as well: a line follows the one that is the last now.
        let _one = WRITING.lock().unwrap_or_else(|e| e.into_inner());
        let text = text_of(&self.path)?;
        if let Some(last) = text.lines().last().filter(|l| crc32fast::hash(l.as_bytes()) != self.previous) {
            let lines = text.lines().count() as u64;
            entry["number"] = (lines + 1).into();
            (self.lines, self.previous) = (lines, crc32fast::hash(last.as_bytes()));
        }
        entry["previous"] = self.previous.into();
        let text = entry.to_string();
        let line = format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes()));
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_all());
        written.map_err(|e| io_error(&self.path, e))?;
        self.lines += 1;
        self.previous = crc32fast::hash(line.trim_end().as_bytes());
        Ok(())
    }

    fn matcher(&self, m: &Matcher) -> Json {
        // The name of a metric is what it measures, not whom.
        let is_plain = m.name == NAME && m.op == model::MatchOp::Equal;
        let value = if is_plain { m.value.clone() } else { seal(&self.key, &m.value) };
        json!({ "label": m.name, "op": m.op.as_str(), "value": value })
    }
}

/// The entries of a data folder, oldest first, and what is wrong with them.
///
/// # Errors
/// `Unavailable` if the file is there and cannot be read.
pub fn read(folder: &Path) -> Result<Vec<Line>> {
    let text = text_of(&folder.join(FILE))?;
    let mut previous = 0;
    let mut out = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let number = i as u64 + 1;
        let whole = line.split_once(' ').and_then(|(sum, entry)| {
            let is_right = u32::from_str_radix(sum, 16).ok()? == crc32fast::hash(entry.as_bytes());
            is_right.then(|| serde_json::from_str::<Json>(entry).ok()).flatten()
        });
        match whole {
            None => out.push(Line::Damaged { number, why: "its checksum is wrong" }),
            Some(entry) => {
                if entry["previous"] != previous {
                    let why = "the line before it is not the one that was there";
                    out.push(Line::Damaged { number, why });
                }
                out.push(Line::Whole(entry));
            }
        }
        previous = crc32fast::hash(line.as_bytes());
    }
    Ok(out)
}

/// How a value stands in the audit of this folder; `None` if there is no key yet, and so no value in it.
///
/// # Errors
/// `Unavailable`.
pub fn sealed(folder: &Path, value: &str) -> Result<Option<String>> {
    Ok(read_key(folder, false)?.map(|key| seal(&key, value)))
}

fn seal(key: &hmac::Key, value: &str) -> String {
    let tag = hmac::sign(key, value.as_bytes());
    let hex: String = tag.as_ref().iter().take(16).map(|b| format!("{b:02x}")).collect();
    format!("hmac-sha256:{hex}")
}

fn read_key(folder: &Path, may_make: bool) -> Result<Option<hmac::Key>> {
    let path = folder.join(KEY_FILE);
    let io = |e| io_error(&path, e);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && !may_make => return Ok(None),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let mut bytes = vec![0; KEY_BYTES];
            SystemRandom::new()
                .fill(&mut bytes)
                .map_err(|_| Error::new(ErrorKind::Unavailable, "the system gives no random numbers"))?;
            let mut file = private(&path).map_err(io)?;
            file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(io)?;
            bytes
        }
        Err(e) => return Err(io(e)),
    };
    if bytes.len() != KEY_BYTES {
        let text =
            format!("{} has {} bytes instead of {KEY_BYTES}; move it away", path.display(), bytes.len());
        return Err(Error::corrupt(text));
    }
    Ok(Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
}

/// A new file that only its owner can read.
fn private(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn text_of(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(|e| io_error(path, e))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(e) => return Err(io_error(path, e)),
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::MatchOp;

    fn deletion() -> Deletion {
        let set = vec![
            Matcher::equal(NAME, "logins_total"),
            Matcher::new("user", MatchOp::Equal, "ada@example.org").unwrap(),
        ];
        Deletion { matchers: vec![set], start_ms: i64::MIN, end_ms: 5 }
    }

    #[test]
    fn values_are_found_by_who_knows_them_and_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(sealed(folder.path(), "ada@example.org").unwrap(), None);
        let mut audit = Audit::open(folder.path()).unwrap();
        let number = audit.begin(1, &Who::default(), &deletion(), &Reach::default()).unwrap();
        audit.end(2, number, &Err(Error::corrupt("no"))).unwrap();
        let again = Audit::open(folder.path()).unwrap();
        assert_eq!(again.lines, 2);
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        // "ada" alone may stand in a hexadecimal number.
        assert!(!text.contains("ada@") && !text.contains("example"), "{text}");
        assert!(text.contains("logins_total"));
        let seal = sealed(folder.path(), "ada@example.org").unwrap().unwrap();
        assert!(text.contains(&seal));
        let Line::Whole(end) = &read(folder.path()).unwrap()[1] else { panic!("{text}") };
        assert_eq!((&end["result"], &end["entry"]), (&"failed".into(), &1.into()));
    }

    #[test]
    fn what_was_changed_or_taken_out_is_told() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..3 {
            let mut audit = Audit::open(folder.path()).unwrap();
            audit.begin(n, &Who::default(), &deletion(), &Reach::default()).unwrap();
        }
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        let damaged = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let lines = read(folder.path()).unwrap();
            lines.iter().filter(|l| matches!(l, Line::Damaged { .. })).count()
        };
        assert_eq!(damaged(&text), 0);
        assert!(damaged(&text.replacen("\"at_ms\":1", "\"at_ms\":7", 1)) >= 1);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(damaged(&format!("{}\n{}\n", lines[0], lines[2])), 1);
        // A line that a crash cut off is one damaged line; the next one stands on its own.
        assert_eq!(damaged(&text[..text.len() - 10]), 1);
        let mut audit = Audit::open(folder.path()).unwrap();
        audit.begin(9, &Who::default(), &deletion(), &Reach::default()).unwrap();
        let lines = read(folder.path()).unwrap();
        assert!(matches!(&lines[..], [.., Line::Damaged { number: 3, .. }, Line::Whole(_)]), "{lines:?}");
    }

    #[test]
    fn several_that_write_at_once_make_one_chain() {
        let folder = tempfile::tempdir().unwrap();
        let who = Who { user: "ada".into(), ..Who::default() };
        let mut long = Audit::open(folder.path()).unwrap();
        std::thread::scope(|scope| {
            for n in 0..4 {
                let (folder, who) = (folder.path(), &who);
                scope.spawn(move || {
                    for i in 0..10 {
                        let details = json!({ "i": i });
                        Audit::open(folder).unwrap().note(n, "silence", who, details).unwrap();
                    }
                });
            }
            long.note(9, "silence", &who, json!({})).unwrap();
        });
        long.note(9, "silence", &who, json!({})).unwrap();
        let lines = read(folder.path()).unwrap();
        assert_eq!(lines.len(), 42);
        for (i, line) in lines.iter().enumerate() {
            let Line::Whole(entry) = line else { panic!("{line:?}") };
            assert_eq!(entry["number"], i + 1);
        }
    }
}
