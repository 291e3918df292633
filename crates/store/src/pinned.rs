//! Files that are held open, so that they can be read to the end although their names are removed meanwhile. It must
//! never write.

use crate::objects::io_error;
use foldhash::{HashMap, HashMapExt};
use std::fs::File;
use std::path::Path;
use stdx::Result;

/// Open files by their paths as objects.
pub struct Pinned(HashMap<String, File>);

impl Pinned {
    /// Opens files below a folder; one that is not there is left out.
    ///
    /// # Errors
    /// `Unavailable` if one cannot be opened.
    pub fn open(folder: &Path, paths: impl Iterator<Item = String>) -> Result<Pinned> {
        let mut files = HashMap::new();
        for path in paths {
            let full = folder.join(&path);
            match File::open(&full) {
                Ok(file) => drop(files.insert(path, file)),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(io_error(&full, e)),
            }
        }
        Ok(Pinned(files))
    }

    /// Whether the file was there.
    pub fn holds(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// The file, to be read by position; `None` if it is not held.
    pub fn file(&self, path: &str) -> Option<std::io::Result<File>> {
        self.0.get(path).map(File::try_clone)
    }
}
