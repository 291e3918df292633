//! Where a store lies: all of it in one folder; or its blocks in a bucket, and its log in a folder on this machine, since
//! an acknowledgement cannot wait for a bucket. It must never let the log of one bucket be read into another.

use crate::durable;
use crate::folder::DataFolder;
use crate::lease::unique_name;
use crate::objects::{Location, Objects, io_error};
use crate::settings::Settings;
use std::path::Path;
use stdx::{Error, Result};

/// The file in a log's folder that says which bucket it belongs to, and its name.
const BUCKET: &str = "BUCKET";
/// The object at the top of a bucket's prefix.
const IDENTITY: &str = "MIDWATCH";
const IDENTITY_TEXT: &str = "These objects are the data of Midwatch. Blocks are Parquet files.\n";

/// The parts of a store's place, locked and checked.
pub struct Place {
    /// The folder on this machine.
    pub folder: DataFolder,
    /// Manifests and blocks.
    pub objects: Objects,
    /// The name of the log, if it does not lie beside the manifests.
    pub log: Option<String>,
}

impl Place {
    /// Opens a folder, or a bucket with its log.
    ///
    /// # Errors
    /// As `DataFolder::open`; `Invalid` if the log belongs to another bucket; for a bucket as `Objects::claim`.
    pub fn open(data: &Path, settings: &Settings) -> Result<Place> {
        Place::open_by(data, settings, Objects::open)
    }

    /// As [`Place::open`], with another way to open a bucket.
    pub fn open_by(
        data: &Path,
        settings: &Settings,
        open: impl Fn(&Location) -> Result<Objects>,
    ) -> Result<Place> {
        let location = Location::parse(data)?;
        match &location {
            Location::Folder(path) => {
                if let Some((bucket, _)) = read_bucket(path)? {
                    return Err(Error::invalid(format!(
                        "{} holds only the log of {bucket}; start with --data {bucket} --wal {}",
                        path.display(),
                        path.display()
                    )));
                }
                let folder = DataFolder::open(path)?;
                let objects = open(&location)?;
                Ok(Place { folder, objects, log: None })
            }
            Location::Bucket { .. } => {
                let wal = &settings.wal;
                if wal.join("manifest").exists() {
                    return Err(Error::invalid(format!(
                        "{} is a data folder of its own; name another with --wal",
                        wal.display()
                    )));
                }
                let folder = DataFolder::open(wal).map_err(|mut e| {
                    e.message = e.message.replace("--data", "--wal");
                    e
                })?;
                let log = log_of(&folder.path, &location)?;
                let objects = open(&location)?;
                objects.claim(IDENTITY, IDENTITY_TEXT)?;
                Ok(Place { folder, objects, log: Some(log) })
            }
        }
    }
}

/// Address of the bucket and name of the log in this folder, if it is the folder of a log.
fn read_bucket(folder: &Path) -> Result<Option<(String, String)>> {
    let file = folder.join(BUCKET);
    match std::fs::read_to_string(&file) {
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(e) => Err(io_error(&file, e)),
        Ok(text) => {
            let mut lines = text.lines();
            match (lines.next(), lines.next()) {
                (Some(bucket), Some(name)) if !name.is_empty() => Ok(Some((bucket.into(), name.into()))),
                _ => Err(Error::corrupt(format!(
                    "{} is damaged: it should name a bucket and a log; move the folder {} away to begin a new log",
                    file.display(),
                    folder.display()
                ))),
            }
        }
    }
}

/// The name of the log in this folder, which belongs to this bucket from now on.
fn log_of(folder: &Path, location: &Location) -> Result<String> {
    match read_bucket(folder)? {
        Some((bucket, name)) if bucket == location.to_string() => Ok(name),
        Some((bucket, _)) => Err(Error::invalid(format!(
            "{} holds the log of {bucket}, not of {location}; name another with --wal",
            folder.display()
        ))),
        None => {
            let name = unique_name();
            let file = folder.join(BUCKET);
            let text = format!("{location}\n{name}\n");
            durable::replace(&file, text.as_bytes()).map_err(|e| io_error(&file, e))?;
            Ok(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_stays_with_its_bucket() {
        let folder = tempfile::tempdir().unwrap();
        let of = |text: &str| Location::parse(Path::new(text)).unwrap();
        let name = log_of(folder.path(), &of("s3://one/a")).unwrap();
        assert_eq!(log_of(folder.path(), &of("s3://one/a/")).unwrap(), name);
        let error = log_of(folder.path(), &of("s3://one/b")).unwrap_err();
        assert!(error.message.contains("of s3://one/a, not of s3://one/b"), "{error}");
        let error = Place::open(folder.path(), &Settings::default()).err().unwrap();
        assert!(error.message.contains("holds only the log of s3://one/a"), "{error}");
        std::fs::write(folder.path().join(BUCKET), "s3://one/a\n").unwrap();
        assert_eq!(log_of(folder.path(), &of("s3://one/a")).unwrap_err().kind, stdx::ErrorKind::Corrupt);
    }

    #[test]
    fn a_data_folder_is_not_taken_for_a_log() {
        let folder = tempfile::tempdir().unwrap();
        drop(Place::open(folder.path(), &Settings::default()).unwrap());
        let settings = Settings { wal: folder.path().into(), ..Settings::default() };
        let error = Place::open(Path::new("s3://bucket/a"), &settings).err().unwrap();
        assert!(error.message.contains("is a data folder of its own; name another with --wal"), "{error}");
    }
}
