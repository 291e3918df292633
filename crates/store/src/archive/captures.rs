//! Captures in the archive: one object each, as it is exported. A capture is written there and read back before it goes from
//! here; pinned ones stay. It must never remove a capture that the archive does not have whole.

use super::{copy, stopping};
use crate::captures::{Captures, FOLDER, Retention, due_for_archive, export, id_time_ms};
use crate::objects::{Objects, io_error};
use crate::store::Store;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use stdx::{Error, ErrorKind, Result};

/// What ends the name of an archived capture.
const END: &str = ".zip";
/// Why one that was brought back stays here.
const BROUGHT_BACK: &str = "brought back from the archive";

fn path(id: &str) -> String {
    format!("{FOLDER}/{id}{END}")
}

/// A file on its way to the archive or back; it goes when this does, and at the next start what a kill left.
struct OnItsWay {
    folder: PathBuf,
    name: String,
}

impl OnItsWay {
    fn new(captures: &Captures, id: &str) -> Result<OnItsWay> {
        let folder = captures.folder().join(".archive.unfinished");
        std::fs::create_dir_all(&folder).map_err(|e| io_error(&folder, e))?;
        let way = OnItsWay { folder, name: format!("{id}{END}") };
        // One of an attempt before.
        let _ = std::fs::remove_file(way.path());
        Ok(way)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
    }
}

impl Store {
    /// Moves captures to the archive that are older than blocks are when they move there, or that take most of what captures
    /// may take; and removes those that the archive's retention no longer covers. Returns the names of those that went.
    /// Call it as [`Store::archive`].
    ///
    /// # Errors
    /// The first that occurred; the rest is tried again at the next call.
    pub fn archive_captures(
        &self,
        captures: &Captures,
        retention: &Retention,
        now_ms: i64,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Vec<String>> {
        if self.settings.archive.is_none() || self.shared.is_fenced.load(Relaxed) {
            return Ok(Vec::new());
        }
        let due = due_for_archive(&captures.list()?, retention, self.settings.archive_after_ms, now_ms);
        let is_known = self.archive.captures().is_some();
        if due.is_empty() && is_known && self.settings.archive_retention_ms.is_none() {
            return Ok(Vec::new());
        }
        let objects = self.archive_objects()?;
        let mut result = Ok(Vec::new());
        for id in due {
            if !go_on() {
                break;
            }
            match (archive_one(&objects, captures, &id, go_on), &mut result) {
                (Ok(()), Ok(gone)) => gone.push(id),
                (Ok(()), Err(_)) => {}
                // A damaged one stays, and holds up no other.
                (Err(e), result) if e.kind == ErrorKind::Corrupt => *result = Err(e),
                (Err(e), _) => return Err(e),
            }
        }
        let mut there = objects.list(FOLDER)?;
        if let Some(retention_ms) = self.settings.archive_retention_ms {
            let oldest_ms = now_ms.saturating_sub(retention_ms);
            for (path, _) in &there {
                if id_of(path).and_then(id_time_ms).is_some_and(|t| t < oldest_ms) {
                    objects.delete(path)?;
                }
            }
            there = objects.list(FOLDER)?;
        }
        let mut known: Vec<(String, u64)> =
            there.iter().filter_map(|(path, bytes)| Some((id_of(path)?.to_string(), *bytes))).collect();
        known.sort_unstable_by(|a, b| b.cmp(a));
        self.archive.set_captures(known);
        result
    }

    /// Names and sizes of archived captures, the newest first, as of the last pass.
    pub fn archived_captures(&self) -> Vec<(String, u64)> {
        self.archive.captures().unwrap_or_default()
    }

    /// Brings a capture back from the archive, where it stays too; every checksum is compared. It is pinned, so that it
    /// does not leave again until somebody lets go of it.
    ///
    /// # Errors
    /// `NotFound` if it is not in the archive; `Conflict` if it is here; `Corrupt`; `Invalid` without an archive.
    pub fn bring_capture_back(&self, captures: &Captures, id: &str) -> Result<()> {
        if self.settings.archive.is_none() {
            return Err(Error::invalid(
                "there is no archive: name a folder or bucket with `archive` in the configuration",
            ));
        }
        if !crate::captures::is_id(id) {
            return Err(Error::invalid("a capture is called by lower-case letters, digits and -"));
        }
        let objects = self.archive_objects()?;
        let size = objects.size(&path(id)).map_err(|e| match e.kind {
            ErrorKind::NotFound => {
                let text = format!("{id} is not in the archive; `midwatch archive list` shows what is");
                Error::new(ErrorKind::NotFound, text)
            }
            _ => e,
        })?;
        let way = OnItsWay::new(captures, id)?;
        let here = Objects::existing(&way.folder)?;
        copy((&objects, &path(id)), (&here, &way.name), (size, None), &mut |_| Ok(()))?;
        let found = crate::captures::verify_file(&way.path())?.0;
        if found != id {
            return Err(Error::corrupt(format!("the archive has {found} under the name {id}")));
        }
        captures.import(&way.path())?;
        captures.pin(id, Some(BROUGHT_BACK))
    }
}

fn id_of(path: &str) -> Option<&str> {
    Path::new(path).file_name()?.to_str()?.strip_suffix(END).filter(|id| crate::captures::is_id(id))
}

fn archive_one(objects: &Objects, captures: &Captures, id: &str, go_on: &dyn Fn() -> bool) -> Result<()> {
    let way = OnItsWay::new(captures, id)?;
    let io = |e| io_error(&way.path(), e);
    let mut out = BufWriter::with_capacity(1 << 18, File::create_new(way.path()).map_err(io)?);
    // Every checksum is compared on the way: what is damaged stays where it is.
    let bytes = export(captures, id, &mut out)?;
    out.flush().map_err(io)?;
    drop(out);
    let here = Objects::existing(&way.folder)?;
    let each = &mut |_| if go_on() { Ok(()) } else { Err(stopping()) };
    copy((&here, &way.name), (objects, &path(id)), (bytes, None), each)?;
    match captures.delete(id) {
        // It was pinned meanwhile: it stays, and is in the archive too.
        Err(e) if e.kind == ErrorKind::Conflict => Ok(()),
        deleted => deleted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::captures::{Manifest, Part, id_at};
    use model::{Columns, Values};
    use stdx::metrics::Registry;

    const DAY_MS: i64 = 86_400_000;
    const NOW_MS: i64 = 1_700_000_000_000;

    fn open(home: &Path) -> (Store, Captures) {
        let settings = crate::Settings {
            archive: Some(home.join("archive")),
            archive_after_ms: 10 * DAY_MS,
            archive_retention_ms: Some(100 * DAY_MS),
            ..crate::Settings::default()
        };
        let store = Store::open(&home.join("data"), settings, &Registry::default()).unwrap();
        (store, Captures::open(&home.join("data")).unwrap().0)
    }

    /// A capture that was taken so many days ago.
    fn capture(captures: &Captures, days: i64) -> String {
        let trigger_ms = NOW_MS - days * DAY_MS;
        let id = id_at(trigger_ms);
        for part in [Part::Before, Part::After] {
            let draft = captures.begin(&id, part).unwrap();
            let columns = vec![("time".into(), Values::Times(vec![trigger_ms; 500]))];
            draft.columns("processes", &Columns { columns }).unwrap();
            let manifest = Manifest {
                format: 1,
                id: id.clone(),
                part,
                host: "db".into(),
                trigger_ms,
                from_ms: trigger_ms,
                to_ms: trigger_ms,
                took_ms: 0,
                causes: Vec::new(),
                classes: Vec::new(),
                notes: Vec::new(),
                files: Vec::new(),
            };
            draft.finish(manifest).unwrap();
        }
        id
    }

    fn ids(captures: &Captures) -> Vec<String> {
        captures.list().unwrap().into_iter().map(|c| c.id).collect()
    }

    fn archived(store: &Store) -> Vec<String> {
        store.archived_captures().into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn old_captures_move_away_pinned_ones_stay_and_one_comes_back() {
        let home = tempfile::tempdir().unwrap();
        let (store, captures) = open(home.path());
        let [young, pinned, old, older] = [3, 20, 30, 40].map(|days| capture(&captures, days));
        captures.pin(&pinned, Some("incident 7")).unwrap();
        let pass = |now_ms| store.archive_captures(&captures, &Retention::default(), now_ms, &|| true);
        assert_eq!(pass(NOW_MS).unwrap(), [older.as_str(), old.as_str()], "the oldest first");
        assert_eq!(ids(&captures), [young.as_str(), pinned.as_str()]);
        assert_eq!(archived(&store), [old.as_str(), older.as_str()]);
        assert!(pass(NOW_MS).unwrap().is_empty());

        let before = store.archived_captures();
        store.bring_capture_back(&captures, &old).unwrap();
        assert!(captures.verify(&old).unwrap().problems.is_empty());
        assert_eq!(captures.get(&old).unwrap().pinned.as_deref(), Some(BROUGHT_BACK));
        assert!(pass(NOW_MS).unwrap().is_empty(), "it stays");
        captures.pin(&old, None).unwrap();
        assert_eq!(pass(NOW_MS).unwrap(), [old.as_str()], "until somebody lets go of it");
        assert_eq!(store.archived_captures(), before);
        let e = store.bring_capture_back(&captures, "never").unwrap_err();
        assert_eq!(e.kind, ErrorKind::NotFound);
        assert_eq!(store.bring_capture_back(&captures, &young).unwrap_err().kind, ErrorKind::NotFound);

        // The archive's own retention.
        pass(NOW_MS + 65 * DAY_MS).unwrap();
        assert_eq!(archived(&store), [young.as_str(), old.as_str()]);
        assert!(
            std::fs::read_dir(home.path().join("data/captures/.archive.unfinished"))
                .unwrap()
                .next()
                .is_none()
        );
    }

    #[test]
    fn what_takes_too_much_moves_before_it_would_be_removed() {
        let home = tempfile::tempdir().unwrap();
        let (store, captures) = open(home.path());
        let all = [1, 2, 3, 4].map(|days| capture(&captures, days));
        let bytes_max = captures.list().unwrap().iter().map(|c| c.bytes).sum();
        let retention = Retention { bytes_max, ..Retention::default() };
        let gone = store.archive_captures(&captures, &retention, NOW_MS, &|| true).unwrap();
        assert_eq!(gone, [all[3].as_str()]);
        assert!(captures.retain(&retention, NOW_MS).unwrap().is_empty(), "nothing is left to remove");
    }

    #[test]
    fn a_damaged_capture_stays_and_damage_in_the_archive_is_told() {
        let home = tempfile::tempdir().unwrap();
        let (store, captures) = open(home.path());
        let (damaged, whole) = (capture(&captures, 40), capture(&captures, 30));
        let spoil = |path: &Path, at: usize| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[at] ^= 1;
            std::fs::write(path, bytes).unwrap();
        };
        spoil(&captures.folder().join(&damaged).join("processes.parquet"), 8);
        let e = store.archive_captures(&captures, &Retention::default(), NOW_MS, &|| true).unwrap_err();
        assert_eq!(e.kind, ErrorKind::Corrupt);
        assert_eq!((ids(&captures), archived(&store)), (vec![damaged], vec![whole.clone()]));
        let object = home.path().join("archive").join(path(&whole));
        let length = std::fs::metadata(&object).unwrap().len() as usize;
        spoil(&object, length / 2);
        assert!(store.bring_capture_back(&captures, &whole).is_err());
        assert!(captures.get(&whole).is_err(), "nothing of it is here");
        assert_eq!(
            store.archive_captures(&captures, &Retention::default(), NOW_MS, &|| false).unwrap().len(),
            0
        );
    }
}
