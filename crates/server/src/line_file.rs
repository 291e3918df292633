//! A file of JSON lines that are added: what people said of rules and of advice. Each line is durable before it is answered; a line
//! that a crash cut off is one line. It must never grow past its bound, nor lose what is there.

use serde_json::Value as Json;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use stdx::{Error, ErrorKind, Result};

/// The file, as far as writing has to know it.
pub struct LineFile {
    path: PathBuf,
    /// Its name in the list of limits.
    bound: &'static str,
    bytes_max: u64,
    bytes: u64,
    /// A crash cut the last line off: the next one must not run into it.
    is_cut: bool,
}

impl LineFile {
    /// Reads the file and hands over its lines; `take` gives `None` for one that means nothing. Says how many of these there were, too.
    pub fn open(
        path: PathBuf,
        bound: &'static str,
        bytes_max: u64,
        mut take: impl FnMut(&Json) -> Option<()>,
    ) -> (LineFile, usize) {
        let mut bytes = Vec::new();
        if let Ok(file) = File::open(&path) {
            let _ = file.take(2 * bytes_max).read_to_end(&mut bytes);
        }
        let mut damaged = 0;
        for line in String::from_utf8_lossy(&bytes).lines().filter(|l| !l.trim().is_empty()) {
            let taken = serde_json::from_str::<Json>(line).ok().and_then(|json| take(&json));
            damaged += usize::from(taken.is_none());
        }
        let is_cut = bytes.last().is_some_and(|b| *b != b'\n');
        (LineFile { path, bound, bytes_max, bytes: bytes.len() as u64, is_cut }, damaged)
    }

    /// How long it is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a line; durable when this returns.
    ///
    /// # Errors
    /// `TooLarge` when the file is full, `Unavailable` if it cannot be written.
    pub fn add(&mut self, line: &Json) -> Result<()> {
        if self.bytes >= self.bytes_max {
            let text =
                format!("{} has more than {} bytes; move it away", self.path.display(), self.bytes_max);
            return Err(Error::new(ErrorKind::TooLarge, text).bound(self.bound));
        }
        let text = format!("{}{line}\n", if self.is_cut { "\n" } else { "" });
        // Whatever a failure leaves there, the next line begins on a new one.
        self.is_cut = true;
        self.append(&text).map_err(|e| self.unwritten(&e))?;
        self.bytes += text.len() as u64;
        self.is_cut = false;
        Ok(())
    }

    fn append(&self, text: &str) -> std::io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let is_new = !self.path.exists();
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        match is_new {
            true => store::durable::alone_in(folder, || store::durable::sync_names(folder)),
            false => Ok(()),
        }
    }

    /// Puts these lines in the place of all that is there: after a crash there are the old ones or these.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be written.
    pub fn rewrite(&mut self, lines: impl Iterator<Item = Json>) -> Result<()> {
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        store::durable::replace(&self.path, text.as_bytes()).map_err(|e| self.unwritten(&e))?;
        (self.bytes, self.is_cut) = (text.len() as u64, false);
        Ok(())
    }

    fn unwritten(&self, e: &std::io::Error) -> Error {
        Error::new(ErrorKind::Unavailable, format!("{} cannot be written: {e}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn open(path: &Path, bytes_max: u64) -> (LineFile, usize, Vec<i64>) {
        let mut seen = Vec::new();
        let (file, damaged) = LineFile::open(path.into(), "lines", bytes_max, |json| {
            seen.push(json["n"].as_i64()?);
            Some(())
        });
        (file, damaged, seen)
    }

    #[test]
    fn wherever_it_is_cut_off_only_the_last_line_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some/lines.jsonl");
        let (mut file, ..) = open(&path, 1_000);
        for n in 0..3 {
            file.add(&json!({ "n": n })).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(file.bytes(), whole.len() as u64);
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut file, damaged, seen) = open(&path, 1_000);
            let ends = whole[..cut].iter().filter(|b| **b == b'\n').count();
            // A line whose end alone is missing is whole.
            assert!(seen.len() == ends || (seen.len() == ends + 1 && damaged == 0), "cut at {cut}: {seen:?}");
            file.add(&json!({ "n": 9 })).unwrap();
            let (_, after, again) = open(&path, 1_000);
            assert_eq!(
                (after, again.len(), again.last()),
                (damaged, seen.len() + 1, Some(&9)),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_full_file_takes_no_line_and_can_be_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines.jsonl");
        let (mut file, ..) = open(&path, 20);
        for n in 0..3 {
            file.add(&json!({ "n": n })).unwrap();
        }
        let error = file.add(&json!({ "n": 4 })).unwrap_err();
        assert_eq!((error.kind, error.bound), (ErrorKind::TooLarge, Some("lines")));
        file.rewrite([json!({ "n": 2 })].into_iter()).unwrap();
        file.add(&json!({ "n": 4 })).unwrap();
        assert_eq!(open(&path, 20).2, [2, 4]);
    }
}
