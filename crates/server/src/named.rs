//! Things that somebody gave a name (queries, good periods): each kind in a file of the data folder, for everybody who uses this
//! Midwatch. Bounded in number and length; each change is written whole and made durable before it is answered. It must never lose
//! what is there because a part of it cannot be read.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use stdx::{Error, ErrorKind, Result};

const FORMAT: u64 = 1;
/// Characters of a name.
pub const NAME_CHARS_MAX: usize = 100;
/// More is not read.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A kind of thing with a name.
pub trait Named: Clone + Serialize + DeserializeOwned {
    /// Its file in the data folder.
    const FILE: &'static str;
    /// What the list in the file is called.
    const LIST: &'static str;
    /// How one of them is called in a sentence.
    const ONE: &'static str;
    /// The name of its bound in the list of limits.
    const BOUND: &'static str;
    /// How many are kept.
    const MAX: usize;
    /// What people call it; one of each.
    fn name(&self) -> &str;
    /// The same with another name.
    fn named(self, name: String) -> Self;
    /// Whether the rest of it makes sense.
    ///
    /// # Errors
    /// `Invalid` or `TooLarge`, in words.
    fn check(&self) -> Result<()>;
}

/// All of a kind.
pub struct NamedFile<T> {
    path: PathBuf,
    /// In order of name; or why the file cannot be read, which then is left as it is.
    state: Mutex<std::result::Result<Vec<T>, String>>,
}

impl<T: Named> NamedFile<T> {
    /// Reads those of a data folder.
    pub fn open(data: &Path) -> NamedFile<T> {
        let path = data.join(T::FILE);
        let state = read(&path);
        NamedFile { path, state: Mutex::new(state) }
    }

    /// All of them, in order of name.
    ///
    /// # Errors
    /// `Corrupt` if the file could not be read.
    pub fn list(&self) -> Result<Vec<T>> {
        self.state.lock().unwrap_or_else(|e| e.into_inner()).clone().map_err(Error::corrupt)
    }

    /// The one of a name.
    ///
    /// # Errors
    /// `NotFound`, with the names that there are; `Corrupt` if the file could not be read.
    pub fn get(&self, name: &str) -> Result<T> {
        let all = self.list()?;
        all.iter().find(|one| one.name() == name).cloned().ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(Named::name).take(20).collect();
            let known = if names.is_empty() { "none yet".into() } else { names.join(", ") };
            Error::new(ErrorKind::NotFound, format!("there is no {} {name:.100?}; there is {known}", T::ONE))
        })
    }

    /// Keeps one; one of the same name is replaced.
    ///
    /// # Errors
    /// `Invalid` if it makes no sense, `TooLarge` past the bounds, `Unavailable` if it cannot be written.
    pub fn save(&self, one: T) -> Result<()> {
        let name = one.name().trim().to_string();
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(Error::invalid(format!("a {} needs a name, without control characters", T::ONE)));
        }
        if name.chars().count() > NAME_CHARS_MAX {
            let text = format!("a name has up to {NAME_CHARS_MAX} characters; shorten it");
            return Err(Error::new(ErrorKind::TooLarge, text).bound(T::BOUND));
        }
        one.check()?;
        self.change(|all| {
            all.retain(|other| other.name() != name);
            if all.len() >= T::MAX {
                let text = format!("{} {} are kept already; delete one first", T::MAX, T::LIST);
                return Err(Error::new(ErrorKind::TooLarge, text).bound(T::BOUND));
            }
            all.push(one.named(name));
            all.sort_by(|a, b| a.name().cmp(b.name()));
            Ok(())
        })
    }

    /// Forgets one.
    ///
    /// # Errors
    /// `NotFound` if there is none of that name; `Unavailable` if that cannot be written.
    pub fn delete(&self, name: &str) -> Result<()> {
        self.change(|all| {
            let before = all.len();
            all.retain(|one| one.name() != name);
            match all.len() < before {
                true => Ok(()),
                false => Err(Error::new(ErrorKind::NotFound, format!("there is no {} of that name", T::ONE))),
            }
        })
    }

    fn change(&self, change: impl FnOnce(&mut Vec<T>) -> Result<()>) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let mut all = state.clone().map_err(Error::corrupt)?;
        change(&mut all)?;
        write(&self.path, &all).map_err(|e| {
            Error::wrap(ErrorKind::Unavailable, format!("the {} could not be saved", T::ONE), e)
        })?;
        *state = Ok(all);
        Ok(())
    }
}

fn read<T: Named>(path: &Path) -> std::result::Result<Vec<T>, String> {
    let told = |what: &str| {
        format!(
            "{} in the data folder {what}; move it away to begin anew, or bring it back from a backup",
            T::FILE
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
    let damaged = |e: serde_json::Error| told(&format!("is damaged ({e})"));
    let mut contents: Json = serde_json::from_str(&text).map_err(damaged)?;
    match contents["format"].as_u64() {
        Some(FORMAT) => {
            let all: Vec<T> = serde_json::from_value(contents[T::LIST].take()).map_err(damaged)?;
            Ok(all.into_iter().take(T::MAX).collect())
        }
        Some(other) => Err(told(&format!("has format {other}, which a newer version wrote"))),
        None => Err(told("is damaged (it has no format)")),
    }
}

fn write<T: Named>(path: &Path, all: &[T]) -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(&json!({ "format": FORMAT, T::LIST: all }))? + "\n";
    store::durable::replace(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saved::{QUERIES, SavedQuery};

    fn saved(name: &str, query: &str) -> SavedQuery {
        SavedQuery { name: name.into(), language: "sql".into(), query: query.into(), saved_ms: 7 }
    }

    fn open(data: &Path) -> NamedFile<SavedQuery> {
        NamedFile::open(data)
    }

    #[test]
    fn kept_over_restarts_replaced_and_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let queries = open(folder.path());
        queries.save(saved("b", "SELECT 1")).unwrap();
        queries.save(saved(" a ", "SELECT 2")).unwrap();
        queries.save(saved("b", "SELECT 3")).unwrap();
        let again = open(folder.path());
        assert_eq!(again.list().unwrap(), [saved("a", "SELECT 2"), saved("b", "SELECT 3")]);
        assert_eq!(again.get("a").unwrap().query, "SELECT 2");
        assert!(again.get("c").unwrap_err().to_string().contains("there is a, b"));
        again.delete("a").unwrap();
        assert_eq!(again.delete("a").unwrap_err().kind, ErrorKind::NotFound);
        assert_eq!(open(folder.path()).list().unwrap(), [saved("b", "SELECT 3")]);
    }

    #[test]
    fn bounds() {
        let folder = tempfile::tempdir().unwrap();
        let queries = open(folder.path());
        for (bad, kind) in [
            (saved("", "SELECT 1"), ErrorKind::Invalid),
            (saved("a\nb", "SELECT 1"), ErrorKind::Invalid),
            (saved(&"é".repeat(NAME_CHARS_MAX + 1), "SELECT 1"), ErrorKind::TooLarge),
        ] {
            assert_eq!(queries.save(bad.clone()).unwrap_err().kind, kind, "{bad:?}");
        }
        *queries.state.lock().unwrap() =
            Ok((0..SavedQuery::MAX).map(|i| saved(&format!("{i:04}"), "1")).collect());
        queries.save(saved("0007", "2")).unwrap();
        assert_eq!(queries.save(saved("more", "1")).unwrap_err().bound, Some(QUERIES));
    }

    #[test]
    fn a_damaged_file_is_left_as_it_is() {
        for damage in
            ["{\"format\":1,\"queries\":[", "{}", "{\"format\":2,\"queries\":[]}", "{\"format\":1}["]
        {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(SavedQuery::FILE);
            std::fs::write(&path, damage).unwrap();
            let queries = open(folder.path());
            assert_eq!(queries.list().unwrap_err().kind, ErrorKind::Corrupt);
            assert_eq!(queries.save(saved("a", "SELECT 1")).unwrap_err().kind, ErrorKind::Corrupt);
            assert_eq!(std::fs::read_to_string(path).unwrap(), damage);
        }
    }
}
