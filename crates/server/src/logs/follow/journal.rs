//! Where files were left, in `log-files.json` of the data folder: written whole and durably, or left as it was
//! (docs/formats/log-files.md). What cannot be read is begun anew, and then files are followed from their ends.

use super::reader::Identity;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const FILE: &str = "log-files.json";
const FORMAT: u32 = 1;
/// Files that are remembered; the longest unseen go.
const PLACES_MAX: usize = 5_000;
/// More is not read.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Where one file was left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The path at which it was followed.
    pub path: PathBuf,
    /// Device and number.
    #[serde(flatten)]
    pub identity: Identity,
    /// Of how many bytes at the beginning the fingerprint is.
    pub head_bytes: u64,
    /// FNV-1a of these bytes, in hexadecimal: a number that is used again is another file.
    pub head: String,
    /// Everything before was written.
    pub offset: u64,
    /// What ends here was being written when this was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<u64>,
}

impl Place {
    /// As the attribute of a record has it.
    pub fn position(&self, offset: u64) -> String {
        format!("{}:{}:{}:{offset}", self.identity.device, self.identity.inode, self.head)
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Content {
    format: u32,
    files: Vec<Place>,
}

/// All places.
pub struct Journal {
    path: PathBuf,
    places: Vec<Place>,
    is_changed: bool,
}

impl Journal {
    /// Reads what is there.
    pub fn open(data: &Path) -> Journal {
        let path = data.join(FILE);
        let is_small = std::fs::metadata(&path).is_ok_and(|m| m.len() <= FILE_BYTES_MAX);
        let bytes = if is_small { std::fs::read(&path).unwrap_or_default() } else { Vec::new() };
        let content: Content = serde_json::from_slice(&bytes).unwrap_or_default();
        let places = if content.format == FORMAT { content.files } else { Vec::new() };
        Journal { path, places, is_changed: false }
    }

    /// All, to be settled.
    pub fn places_mut(&mut self) -> impl Iterator<Item = &mut Place> {
        self.is_changed = true;
        self.places.iter_mut()
    }

    /// Where the file was left, if it is known and the same.
    pub fn find(&self, identity: Identity, is_same: impl Fn(&Place) -> bool) -> Option<u64> {
        self.places.iter().rev().find(|p| p.identity == identity && is_same(p)).map(|p| p.offset)
    }

    /// All.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.iter()
    }

    /// Files that were followed at a path.
    pub fn of_path<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Place> {
        self.places.iter().filter(move |p| p.path == path)
    }

    /// Notes where a file is now.
    pub fn put(&mut self, place: Place) {
        self.is_changed = true;
        // A number that is used again stands for the new file alone; how the old one began is remembered, for its copy.
        for known in self.places.iter_mut().filter(|p| p.identity == place.identity && p.head != place.head) {
            if known.head_bytes > 0 && known.offset > 0 && place.offset == 0 {
                known.identity = Identity { device: 0, inode: known.identity.inode };
                known.pending = None;
            }
        }
        self.places.retain(|p| p.identity != place.identity);
        self.places.push(place);
        if self.places.len() > PLACES_MAX {
            self.places.remove(0);
        }
    }

    /// Writes it down, if something changed. What cannot be written now is written the next time.
    pub fn save(&mut self) {
        if !self.is_changed {
            return;
        }
        let content = Content { format: FORMAT, files: self.places.clone() };
        if let Ok(bytes) = serde_json::to_vec_pretty(&content) {
            self.is_changed = store::durable::replace(&self.path, &bytes).is_err();
        }
    }
}
