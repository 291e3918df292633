//! `exemplars.log`: lines with checksums, only ever added, and now and then written anew. It must never make sense of a
//! line whose checksum is wrong.

use super::Example;
use crate::durable::{replace, sync_folder};
use crate::objects::io_error;
use model::Labels;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use stdx::Result;

const FILE: &str = "exemplars.log";
/// More is not read: far more than what is ever written.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Longer lines are damaged.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// So many lines more than needed are allowed before the file is written anew.
const LOOSE_LINES: usize = 10_000;

#[derive(Serialize, Deserialize)]
struct Row<'a> {
    /// Milliseconds since 1970.
    t: i64,
    /// The value as text, because JSON has no NaN.
    #[serde(borrow)]
    v: std::borrow::Cow<'a, str>,
    /// Labels of the series.
    s: BTreeMap<String, String>,
    /// Its own labels.
    l: BTreeMap<String, String>,
}

fn map(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect()
}

/// One line, its end included.
pub(super) fn line(series: &Labels, example: &Example) -> String {
    let row = Row {
        t: example.timestamp_ms,
        v: example.value.to_string().into(),
        s: map(series),
        l: map(&example.labels),
    };
    // Texts and numbers can always be written.
    let json = serde_json::to_string(&row).unwrap_or_default();
    format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()))
}

fn parse(line: &str) -> Option<(Labels, Example)> {
    let (checksum, json) = line.split_once(' ')?;
    if u32::from_str_radix(checksum, 16).ok()? != crc32fast::hash(json.as_bytes()) {
        return None;
    }
    let row: Row<'_> = serde_json::from_str(json).ok()?;
    let labels = Labels::from_pairs(&row.l).ok()?;
    let example = Example { timestamp_ms: row.t, value: row.v.parse().ok()?, labels };
    Some((Labels::from_pairs(&row.s).ok()?, example))
}

/// The file of a folder.
pub(super) struct File {
    folder: PathBuf,
    lines: usize,
}

impl File {
    pub fn new(folder: &Path) -> File {
        File { folder: folder.into(), lines: 0 }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// Tells every example of the file, and returns how many lines are damaged.
    pub fn read(&mut self, mut found: impl FnMut(Labels, Example)) -> std::io::Result<usize> {
        let file = match fs::File::open(self.path()) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(e) => return Err(e),
        };
        let mut lines = BufReader::new(file.take(FILE_BYTES_MAX));
        let (mut damaged, mut line) = (0, Vec::new());
        loop {
            line.clear();
            if (&mut lines).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
                return Ok(damaged);
            }
            self.lines += 1;
            match std::str::from_utf8(&line).ok().and_then(|l| parse(l.strip_suffix('\n')?)) {
                Some((series, example)) => found(series, example),
                None => damaged += 1,
            }
        }
    }

    /// Whether, with these lines, most of it is no longer needed when so many are kept.
    pub fn is_loose(&self, lines: &str, kept: usize) -> bool {
        self.lines + lines.lines().count() > 2 * kept + LOOSE_LINES
    }

    /// Adds lines; synced when this returns.
    pub fn append(&mut self, lines: &str) -> Result<()> {
        let path = self.path();
        let io = |e| io_error(&path, e);
        let is_new = !path.exists();
        let mut file = fs::OpenOptions::new().append(true).create(true).open(&path).map_err(io)?;
        file.write_all(lines.as_bytes()).map_err(io)?;
        file.sync_data().map_err(io)?;
        self.lines += lines.lines().count();
        if is_new { sync_folder(&self.folder) } else { Ok(()) }
    }

    /// Replaces all lines; synced when this returns.
    pub fn rewrite(&mut self, lines: &str) -> Result<()> {
        let path = self.path();
        replace(&path, lines.as_bytes()).map_err(|e| io_error(&path, e))?;
        self.lines = lines.lines().count();
        Ok(())
    }
}
