//! Queries that somebody gave a name: kept in `queries.json` of the data folder, for everybody who uses this Midwatch. Bounded in
//! number and length; each change is written whole and made durable before it is answered. Format: `docs/formats/queries.md`.
//! It must never run a query, nor lose what is there because a part of it cannot be read.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use stdx::{Error, ErrorKind, Result};

const FILE: &str = "queries.json";
const FORMAT: u32 = 1;
/// Queries that are kept; its name in the list of limits.
pub const QUERIES: &str = "saved queries";
/// And how many.
pub const QUERIES_MAX: usize = 500;
/// Characters of a name.
const NAME_CHARS_MAX: usize = 100;
/// Bytes of one query.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// More is not read.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A query with a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedQuery {
    /// What people call it; one of each.
    pub name: String,
    /// `sql` or `promql`.
    pub language: String,
    /// The query.
    pub query: String,
    /// When it was saved last, milliseconds since 1970.
    pub saved_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct Contents {
    format: u32,
    queries: Vec<SavedQuery>,
}

/// All of them.
pub struct SavedQueries {
    path: PathBuf,
    /// In order of name; or why the file cannot be read, which then is left as it is.
    state: Mutex<std::result::Result<Vec<SavedQuery>, String>>,
}

impl SavedQueries {
    /// Reads those of a data folder.
    pub fn open(data: &Path) -> SavedQueries {
        let path = data.join(FILE);
        let state = read(&path);
        SavedQueries { path, state: Mutex::new(state) }
    }

    /// All of them, in order of name.
    ///
    /// # Errors
    /// `Corrupt` if the file could not be read.
    pub fn list(&self) -> Result<Vec<SavedQuery>> {
        self.state.lock().unwrap_or_else(|e| e.into_inner()).clone().map_err(Error::corrupt)
    }

    /// Keeps one; one of the same name is replaced.
    ///
    /// # Errors
    /// `Invalid` if it makes no sense, `TooLarge` past the bounds, `Unavailable` if it cannot be written.
    pub fn save(&self, saved: SavedQuery) -> Result<()> {
        let name = saved.name.trim().to_string();
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(Error::invalid("a saved query needs a name, without control characters"));
        }
        if !matches!(saved.language.as_str(), "sql" | "promql") {
            return Err(Error::invalid("the language of a saved query is sql or promql"));
        }
        if saved.query.trim().is_empty() {
            return Err(Error::invalid("the query is empty; write one first"));
        }
        if name.chars().count() > NAME_CHARS_MAX || saved.query.len() > TEXT_BYTES_MAX {
            let text = format!(
                "a name has up to {NAME_CHARS_MAX} characters, a saved query up to {TEXT_BYTES_MAX} bytes; shorten it"
            );
            return Err(Error::new(ErrorKind::TooLarge, text).bound(QUERIES));
        }
        self.change(|queries| {
            queries.retain(|q| q.name != name);
            if queries.len() >= QUERIES_MAX {
                let text = format!("{QUERIES_MAX} queries are saved already; delete one first");
                return Err(Error::new(ErrorKind::TooLarge, text).bound(QUERIES));
            }
            queries.push(SavedQuery { name, ..saved });
            queries.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(())
        })
    }

    /// Forgets one.
    ///
    /// # Errors
    /// `NotFound` if there is none of that name; `Unavailable` if that cannot be written.
    pub fn delete(&self, name: &str) -> Result<()> {
        self.change(|queries| {
            let before = queries.len();
            queries.retain(|q| q.name != name);
            match queries.len() < before {
                true => Ok(()),
                false => Err(Error::new(ErrorKind::NotFound, "there is no saved query of that name")),
            }
        })
    }

    fn change(&self, change: impl FnOnce(&mut Vec<SavedQuery>) -> Result<()>) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let mut queries = state.clone().map_err(Error::corrupt)?;
        change(&mut queries)?;
        write(&self.path, &queries)
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "the query could not be saved", e))?;
        *state = Ok(queries);
        Ok(())
    }
}

fn read(path: &Path) -> std::result::Result<Vec<SavedQuery>, String> {
    let told = |what: &str| {
        format!(
            "{FILE} in the data folder {what}; move it away to begin anew, or bring it back from a backup"
        )
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(told(&format!("cannot be read ({e})"))),
    };
    let mut text = String::new();
    let read = file.take(FILE_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|e| told(&format!("cannot be read ({e})")))?;
    let contents: Contents = serde_json::from_str(&text).map_err(|e| told(&format!("is damaged ({e})")))?;
    match contents.format {
        FORMAT => Ok(contents.queries.into_iter().take(QUERIES_MAX).collect()),
        other => Err(told(&format!("has format {other}, which a newer version wrote"))),
    }
}

fn write(path: &Path, queries: &[SavedQuery]) -> std::io::Result<()> {
    let contents = Contents { format: FORMAT, queries: queries.to_vec() };
    let text = serde_json::to_string_pretty(&contents)? + "\n";
    store::durable::replace(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(name: &str, query: &str) -> SavedQuery {
        SavedQuery { name: name.into(), language: "sql".into(), query: query.into(), saved_ms: 7 }
    }

    #[test]
    fn kept_over_restarts_replaced_and_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let queries = SavedQueries::open(folder.path());
        queries.save(saved("b", "SELECT 1")).unwrap();
        queries.save(saved(" a ", "SELECT 2")).unwrap();
        queries.save(saved("b", "SELECT 3")).unwrap();
        let again = SavedQueries::open(folder.path());
        assert_eq!(again.list().unwrap(), [saved("a", "SELECT 2"), saved("b", "SELECT 3")]);
        again.delete("a").unwrap();
        assert_eq!(again.delete("a").unwrap_err().kind, ErrorKind::NotFound);
        assert_eq!(SavedQueries::open(folder.path()).list().unwrap(), [saved("b", "SELECT 3")]);
    }

    #[test]
    fn bounds() {
        let folder = tempfile::tempdir().unwrap();
        let queries = SavedQueries::open(folder.path());
        for (bad, kind) in [
            (saved("", "SELECT 1"), ErrorKind::Invalid),
            (saved("a\nb", "SELECT 1"), ErrorKind::Invalid),
            (saved("a", " "), ErrorKind::Invalid),
            (SavedQuery { language: "perl".into(), ..saved("a", "1") }, ErrorKind::Invalid),
            (saved(&"é".repeat(NAME_CHARS_MAX + 1), "SELECT 1"), ErrorKind::TooLarge),
            (saved("a", &"x".repeat(TEXT_BYTES_MAX + 1)), ErrorKind::TooLarge),
        ] {
            assert_eq!(queries.save(bad.clone()).unwrap_err().kind, kind, "{bad:?}");
        }
        *queries.state.lock().unwrap() =
            Ok((0..QUERIES_MAX).map(|i| saved(&format!("{i:04}"), "1")).collect());
        queries.save(saved("0007", "2")).unwrap();
        assert_eq!(queries.save(saved("more", "1")).unwrap_err().bound, Some(QUERIES));
    }

    #[test]
    fn a_damaged_file_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "{\"format\":1,\"queries\":[").unwrap();
        let queries = SavedQueries::open(folder.path());
        assert_eq!(queries.list().unwrap_err().kind, ErrorKind::Corrupt);
        assert_eq!(queries.save(saved("a", "SELECT 1")).unwrap_err().kind, ErrorKind::Corrupt);
        assert!(std::fs::read_to_string(folder.path().join(FILE)).unwrap().ends_with('['));
    }
}
