//! Copies a data folder while it is in use, without its lock and without the help of the program that has it: blocks
//! never change and so are linked or copied, the log is copied up to its last whole record, and the list of files is
//! written last, so that a backup that was interrupted is never taken for a whole one. Format:
//! `docs/formats/backup.md`. It must never write into the data folder, nor into a folder that holds something else.

mod beside;
mod captures;
mod list;
mod restore;
#[cfg(test)]
mod tests;

pub use restore::{Restored, restore};

use crate::block;
use crate::durable::sync_folder;
use crate::folder;
use crate::manifest::{self, BlockEntry, Manifest};
use crate::objects::{Objects, io_error};
use crate::progress::{Progress, Watch};
use crate::segment::settled_end;
use crate::tables::{self, header::FileEntry};
use crate::verify::{Finding, Report, Severity};
use crate::wal;
use beside::beside_of;
use list::{List, Listed};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use stdx::{Error, ErrorKind, Result};

/// Says whose folder it is. Made first.
const IDENTITY: &str = "MIDWATCH-BACKUP";
const IDENTITY_TEXT: &str = "This folder holds a backup of a data folder of Midwatch. It is whole if BACKUP.json is there.\n\
    midwatch verify FOLDER checks it, midwatch restore FOLDER --data NEW brings it back.\n";
/// Folders of objects.
const SUBS: [&str; 6] = ["blocks", "tiers", "manifest", "tables/logs", "tables/spans", "tables/changes"];
/// How often it begins again because the log was cut while it was copied.
const ROUNDS_MAX: usize = 20;
/// Bytes that are copied between two looks at whether to go on.
const PIECE_BYTES: u64 = 4 << 20;

/// How a backup is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct BackupOptions {
    /// Copy blocks even where a second name for the same file would do. A second name costs no space, and shares every
    /// fault of the disk with the first.
    pub copy: bool,
}

/// What a backup holds, and what making it took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backup {
    /// Files in the backup.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// Files that were there from the backup before.
    pub kept: u64,
    /// Files that are second names of those in the data folder.
    pub linked: u64,
    /// Bytes that were copied.
    pub copied_bytes: u64,
    /// Blocks, and segments of the log.
    pub blocks: u64,
    /// Segments of the log.
    pub segments: u64,
    /// What is damaged in the data folder and so in the backup, in words.
    pub problems: Vec<String>,
}

/// Whether the folder is a backup, or the beginning of one.
pub fn is_backup(folder: &Path) -> bool {
    folder.join(IDENTITY).is_file()
}

/// Makes `dest` a backup of the data folder, durable when this returns: all that was acknowledged before it was called.
/// What an earlier backup in `dest` has already is kept, and what it had besides is removed once the new one is whole.
///
/// # Errors
/// `Invalid` if a folder is not what it should be, `Conflict` if another backup goes there or `dest` is of another data
/// folder, `Corrupt` if the list of blocks is damaged, `Busy` if the log was cut again and again meanwhile, `Unavailable`,
/// `Cancelled`.
pub fn backup(
    data: &Path,
    dest: &Path,
    options: BackupOptions,
    now_ms: i64,
    go_on: &mut dyn FnMut(&Progress) -> bool,
) -> Result<Backup> {
    folder::must_be_ours(data)?;
    let objects = Objects::existing(data)?;
    let _lock = prepare(data, dest)?;
    let before = match List::read(dest) {
        Ok(list) => Some(list),
        Err(e) if e.kind == ErrorKind::NotFound => None,
        Err(e) => {
            let text = format!(
                "the backup in {} cannot be read and is left as it is: name another folder",
                dest.display()
            );
            return Err(Error::wrap(e.kind, text, e));
        }
    };
    let id = folder::id_of(data);
    let mut work = Work {
        data,
        dest,
        objects,
        options,
        before: before.as_ref(),
        before_manifest: before
            .as_ref()
            .and_then(|list| Manifest::read(&Objects::existing(dest).ok()?, list.manifest).ok()),
        done: BTreeMap::new(),
        watch: Watch::new(go_on),
        result: Backup::default(),
    };
    for _ in 0..ROUNDS_MAX {
        let (manifest, damaged) = Manifest::load(&work.objects)?;
        if let Some(text) = damaged.first() {
            let advice = "stop the program and start it again, which mends it, then make the backup";
            return Err(Error::corrupt(format!("{text}; {advice}")));
        }
        may_follow(before.as_ref(), &id, &manifest, dest)?;
        let Some(list) = work.round(&manifest, &id, now_ms)? else { continue };
        list.write(dest)?;
        remove_unnamed(dest, &list)?;
        work.result.files = list.files.len() as u64;
        work.result.bytes = list.files.iter().map(|f| f.bytes).sum();
        work.result.blocks = manifest.blocks.len() as u64;
        return Ok(work.result);
    }
    let text = format!(
        "the log was cut {ROUNDS_MAX} times while it was copied; what was copied is kept: try again, or give the program a \
         larger store.wal_size"
    );
    Err(Error::new(ErrorKind::Busy, text))
}

/// Checks and makes the folder that the backup goes to, and locks it.
fn prepare(data: &Path, dest: &Path) -> Result<File> {
    let shown = dest.display();
    let io = |e| io_error(dest, e);
    if dest.exists() && !dest.is_dir() {
        return Err(Error::invalid(format!("{shown} is not a folder; name another for the backup")));
    }
    std::fs::create_dir_all(dest).map_err(io)?;
    let (from, to) = (data.canonicalize().map_err(|e| io_error(data, e))?, dest.canonicalize().map_err(io)?);
    if from.starts_with(&to) || to.starts_with(&from) {
        let text =
            format!("{shown} and the data folder lie inside of each other; name another for the backup");
        return Err(Error::invalid(text));
    }
    if !is_backup(dest)
        && let Some(other) = folder::stranger(dest)?
    {
        return Err(Error::invalid(format!(
            "{shown} is not a backup of Midwatch (it holds {other:?}); name an empty or new folder"
        )));
    }
    let lock = folder::lock(dest)?;
    if !is_backup(dest) {
        put(&dest.join(IDENTITY), IDENTITY_TEXT.as_bytes())?;
    }
    for sub in SUBS {
        std::fs::create_dir_all(dest.join(sub)).map_err(io)?;
    }
    sync_folder(dest)?;
    if let Some(parent) = to.parent() {
        // Best effort: the parent may be a folder that we may not open.
        let _ = sync_folder(parent);
    }
    Ok(lock)
}

/// A backup is only ever replaced by a later one of the same data: after a disk was lost, the first backup of the empty
/// folder that follows must not remove the one that everything hangs on.
fn may_follow(before: Option<&List>, id: &str, manifest: &Manifest, dest: &Path) -> Result<()> {
    let Some(before) = before else { return Ok(()) };
    let why = if before.id != id {
        "is of another data folder"
    } else if before.manifest > manifest.number {
        "is newer than the data folder, which was restored or replaced since"
    } else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::Conflict,
        format!("the backup in {} {why}; it is left as it is: name another folder", dest.display()),
    ))
}

struct Work<'a> {
    data: &'a Path,
    dest: &'a Path,
    objects: Objects,
    options: BackupOptions,
    before: Option<&'a List>,
    before_manifest: Option<Manifest>,
    /// Files of blocks that are in the backup now, by path.
    done: BTreeMap<String, Listed>,
    watch: Watch<'a>,
    result: Backup,
}

impl Work<'_> {
    /// Tries to copy all that the manifest names and the log behind it. `None` if something of it went meanwhile.
    fn round(&mut self, manifest: &Manifest, id: &str, now_ms: i64) -> Result<Option<List>> {
        let manifest_path = manifest::path(manifest.number);
        let Some(manifest_bytes) = unless_gone(self.objects.get(&manifest_path))? else { return Ok(None) };
        self.result.problems.clear();
        let mut files = Vec::new();
        let new = manifest.parts().filter(|(sub, b)| !self.done.contains_key(&block::paths_in(sub, b.id)[0]));
        self.watch
            .expect(2 * new.clone().count() as u64, new.map(|(_, b)| b.series_bytes + b.chunks_bytes).sum());
        for (sub, entry) in manifest.parts() {
            for (path, bytes, crc32) in files_of(sub, entry) {
                match self.block_file(entry, &path, bytes, crc32)? {
                    Some(listed) => files.push(listed),
                    None if self.is_newest(manifest) => self.result.problems.push(format!(
                        "{path} is missing in the data folder: {} samples of {} series are lost",
                        entry.samples, entry.series
                    )),
                    None => return Ok(None),
                }
            }
        }
        for entry in &manifest.tables.files {
            for (path, bytes) in entry.paths().into_iter().zip([entry.bytes, entry.index_bytes]) {
                match self.table_file(entry, &path, bytes)? {
                    Some(listed) => files.push(listed),
                    None if self.is_newest(manifest) => self.result.problems.push(format!(
                        "{path} is missing in the data folder: {} rows of {} are lost",
                        entry.rows, entry.table
                    )),
                    None => return Ok(None),
                }
            }
        }
        for sub in SUBS.iter().chain(&["tables"]) {
            sync_folder(&self.dest.join(sub))?;
        }
        let wal = format!("wal-{:012}", self.before.map_or(0, |list| list.run) + 1);
        let Some(mut segments) = self.log(manifest.wal_floor, &wal)? else { return Ok(None) };
        let floor = manifest.tables.floor("");
        let Some(of_tables) = self.tables_log(floor, &wal)? else { return Ok(None) };
        segments.extend(of_tables);
        let (now, _) = Manifest::load(&self.objects)?;
        if now.wal_floor != manifest.wal_floor || now.tables.floor("") != floor {
            // A segment may have been removed before it was listed.
            return Ok(None);
        }
        self.result.segments = segments.len() as u64;
        files.extend(segments);
        files.extend(self.captures()?);
        put(&self.dest.join(&manifest_path), &manifest_bytes)?;
        sync_folder(&self.dest.join("manifest"))?;
        let crc32 = crc32fast::hash(&manifest_bytes);
        files.push(Listed { path: manifest_path, bytes: manifest_bytes.len() as u64, crc32 });
        Ok(Some(List {
            format: list::FORMAT,
            id: id.into(),
            run: self.before.map_or(0, |list| list.run) + 1,
            made_ms: now_ms,
            manifest: manifest.number,
            wal,
            files,
        }))
    }

    fn is_newest(&self, manifest: &Manifest) -> bool {
        Manifest::numbers(&self.objects).is_ok_and(|all| all.last() == Some(&manifest.number))
    }

    /// Brings one file of a block into the backup. `None` if it is not there.
    fn block_file(
        &mut self,
        entry: &BlockEntry,
        path: &str,
        bytes: u64,
        crc32: Option<u32>,
    ) -> Result<Option<Listed>> {
        if let Some(listed) = self.done.get(path) {
            return Ok(Some(listed.clone()));
        }
        let listed = match self.kept(entry, path, bytes, crc32)? {
            Some(listed) => {
                self.result.kept += 1;
                self.watch.bytes(bytes)?;
                listed
            }
            None => match unless_gone(self.bring(path))? {
                Some(listed) => listed,
                None => return Ok(None),
            },
        };
        if listed.bytes != bytes || crc32.is_some_and(|crc32| crc32 != listed.crc32) {
            self.result.problems.push(format!(
                "{path} is damaged in the data folder and was copied as it is; `midwatch verify` says what is lost"
            ));
        }
        self.watch.file()?;
        self.done.insert(path.into(), listed.clone());
        Ok(Some(listed))
    }

    /// Brings one part of a file of a table into the backup. `None` if it is not there.
    fn table_file(&mut self, entry: &FileEntry, path: &str, bytes: u64) -> Result<Option<Listed>> {
        if let Some(listed) = self.done.get(path) {
            return Ok(Some(listed.clone()));
        }
        self.watch.expect(1, bytes);
        let is_same = self.before_manifest.as_ref().is_some_and(|m| m.tables.files.contains(entry))
            && std::fs::metadata(self.dest.join(path)).is_ok_and(|m| m.len() == bytes);
        let before = self.before.and_then(|l| l.files.iter().find(|f| f.path == path && f.bytes == bytes));
        let listed = match before.filter(|_| is_same) {
            Some(listed) => {
                self.result.kept += 1;
                self.watch.bytes(bytes)?;
                listed.clone()
            }
            None => match unless_gone(self.bring(path))? {
                Some(listed) => listed,
                None => return Ok(None),
            },
        };
        if listed.bytes != bytes {
            self.result.problems.push(format!(
                "{path} is damaged in the data folder and was copied as it is; `midwatch verify` says what is lost"
            ));
        }
        self.watch.file()?;
        self.done.insert(path.into(), listed.clone());
        Ok(Some(listed))
    }

    /// Copies the log of the tables from `floor` on, as [`Work::log`] does, into the same folder.
    fn tables_log(&mut self, floor: u64, name: &str) -> Result<Option<Vec<Listed>>> {
        let from = self.data.join(tables::log::FOLDER);
        let all = tables::log::segments(&from)?;
        let newest = all.last().map(|(number, _)| *number);
        let mut files = Vec::new();
        for (number, length) in all.into_iter().filter(|(number, _)| *number >= floor) {
            // What is written to it at this moment is not acknowledged yet, and may be cut off.
            let end = if newest == Some(number) { length } else { u64::MAX };
            let path = tables::log::segment_path(Path::new(name), number).display().to_string();
            let (source, file) = (tables::log::segment_path(&from, number), self.dest.join(&path));
            let watch = &mut self.watch;
            let copied = copy(&source, &file, end, &mut |n| watch.bytes(n));
            let Some((bytes, crc32)) = unless_gone(copied)? else { return Ok(None) };
            self.result.copied_bytes += bytes;
            files.push(Listed { path, bytes, crc32 });
        }
        sync_folder(&self.dest.join(name))?;
        Ok(Some(files))
    }

    /// What an earlier backup, or one that was interrupted, left of this very file.
    fn kept(
        &mut self,
        entry: &BlockEntry,
        path: &str,
        bytes: u64,
        crc32: Option<u32>,
    ) -> Result<Option<Listed>> {
        let file = self.dest.join(path);
        if std::fs::metadata(&file).map_or(true, |m| m.len() != bytes) {
            return Ok(None);
        }
        let is_same = self.before_manifest.as_ref().is_some_and(|m| m.parts().any(|(_, e)| e == entry));
        let listed =
            self.before.and_then(|list| list.files.iter().find(|f| f.path == path && f.bytes == bytes));
        if let (true, Some(listed)) = (is_same, listed) {
            return Ok(Some(listed.clone()));
        }
        let Some(wanted) = crc32 else { return Ok(None) };
        let found = crc32_of(&file, &mut |_| Ok(()))?;
        Ok((found == wanted).then(|| Listed { path: path.into(), bytes, crc32: found }))
    }

    /// Links or copies one file of a block; durable but for its name.
    fn bring(&mut self, path: &str) -> Result<Listed> {
        let to = self.dest.join(path);
        let _ = std::fs::remove_file(&to);
        if !self.options.copy && std::fs::hard_link(self.data.join(path), &to).is_ok() {
            self.result.linked += 1;
            let mut bytes = 0;
            let watch = &mut self.watch;
            let crc32 = crc32_of(&to, &mut |n| {
                bytes += n;
                watch.bytes(n)
            })?;
            return Ok(Listed { path: path.into(), bytes, crc32 });
        }
        let bytes = self.objects.size(path)?;
        let staged = self.dest.join(format!("{path}#0"));
        let io = |e| io_error(&staged, e);
        let mut out = File::create(&staged).map_err(io)?;
        let (mut crc, mut at) = (crc32fast::Hasher::new(), 0);
        while at < bytes {
            let piece = self.objects.get_range(path, at, PIECE_BYTES.min(bytes - at))?;
            crc.update(&piece);
            out.write_all(&piece).map_err(io)?;
            at += piece.len() as u64;
            self.watch.bytes(piece.len() as u64)?;
        }
        out.sync_all().map_err(io)?;
        std::fs::rename(&staged, &to).map_err(|e| io_error(&to, e))?;
        self.result.copied_bytes += bytes;
        Ok(Listed { path: path.into(), bytes, crc32: crc.finalize() })
    }

    /// Copies the log from `floor` on. Never links: the program still writes to it. `None` if a segment went meanwhile.
    fn log(&mut self, floor: u64, name: &str) -> Result<Option<Vec<Listed>>> {
        let from = self.data.join("wal");
        let to = self.dest.join(name);
        let _ = std::fs::remove_dir_all(&to);
        std::fs::create_dir(&to).map_err(|e| io_error(&to, e))?;
        let all = wal::segments(&from)?;
        let newest = all.last().map(|(number, _)| *number);
        let mut files = Vec::new();
        self.watch.expect(all.len() as u64, all.iter().map(|(_, bytes)| bytes).sum());
        for (number, _) in all.into_iter().filter(|(number, _)| *number >= floor) {
            let end = match newest == Some(number) {
                true => unless_gone(settled_end(&from, number))?.map(|end| end.whole + end.rest.bytes),
                false => Some(u64::MAX),
            };
            let source = wal::segment_path(&from, number);
            let file = wal::segment_path(&to, number);
            let watch = &mut self.watch;
            let copied = end.map(|end| copy(&source, &file, end, &mut |n| watch.bytes(n))).transpose();
            let Some((bytes, crc32)) = unless_gone(copied)?.flatten() else { return Ok(None) };
            self.result.copied_bytes += bytes;
            self.watch.file()?;
            let path = wal::segment_path(Path::new(name), number).display().to_string();
            files.push(Listed { path, bytes, crc32 });
        }
        self.beside(&to, name, &mut files)?;
        sync_folder(&to)?;
        Ok(Some(files))
    }

    /// Copies what lies beside the samples. These files are lines that are only added, or replaced whole by a rename: whatever
    /// moment the copy is of, a reader leaves out at most a line that was being written.
    fn beside(&mut self, to: &Path, name: &str, files: &mut Vec<Listed>) -> Result<()> {
        for file in beside_of(self.data)? {
            let source = self.data.join(&file);
            if !source.is_file() {
                continue;
            }
            let folder = to.join(&file).parent().map_or_else(|| to.to_path_buf(), Path::to_path_buf);
            std::fs::create_dir_all(&folder).map_err(|e| io_error(&folder, e))?;
            let watch = &mut self.watch;
            if let Some((bytes, crc32)) =
                unless_gone(copy(&source, &to.join(&file), u64::MAX, &mut |n| watch.bytes(n)))?
            {
                sync_folder(&folder)?;
                self.result.copied_bytes += bytes;
                files.push(Listed { path: format!("{name}/{file}"), bytes, crc32 });
            }
        }
        Ok(())
    }
}

/// The files of a block, with their sizes and, where known, checksums.
fn files_of(sub: &str, entry: &BlockEntry) -> [(String, u64, Option<u32>); 2] {
    let [series, chunks] = block::paths_in(sub, entry.id);
    [(series, entry.series_bytes, entry.series_crc32), (chunks, entry.chunks_bytes, entry.chunks_crc32)]
}

/// Removes what a newer backup does not need. Only what carries names of ours.
fn remove_unnamed(dest: &Path, list: &List) -> Result<()> {
    for sub in SUBS {
        let folder = dest.join(sub);
        for entry in std::fs::read_dir(&folder).map_err(|e| io_error(&folder, e))? {
            let name = entry.map_err(|e| io_error(&folder, e))?.file_name().to_string_lossy().into_owned();
            let path = format!("{sub}/{name}");
            let is_ours = name.starts_with(|c: char| c.is_ascii_digit());
            if is_ours && !list.files.iter().any(|f| f.path == path) {
                let _ = std::fs::remove_file(dest.join(path));
            }
        }
    }
    captures::remove_unnamed(dest, list)?;
    for entry in std::fs::read_dir(dest).map_err(|e| io_error(dest, e))? {
        let name = entry.map_err(|e| io_error(dest, e))?.file_name().to_string_lossy().into_owned();
        let is_log = name.strip_prefix("wal-").is_some_and(|n| n.parse::<u64>().is_ok());
        if is_log && name != list.wal {
            let _ = std::fs::remove_dir_all(dest.join(name));
        }
    }
    Ok(())
}

/// For `verify`: checks the list of a backup and every file that it names. The folder of its log; `None` if there is no
/// list that can be read.
///
/// # Errors
/// `Unavailable`, `Cancelled`.
pub(crate) fn check_list(
    folder: &Path,
    report: &mut Report,
    watch: &mut Watch<'_>,
) -> Result<Option<PathBuf>> {
    let list = match List::read(folder) {
        Ok(list) => list,
        Err(e) => {
            let advice = match e.kind {
                ErrorKind::NotFound => "run the same `midwatch backup` again: what is there already is kept",
                _ => "nothing says any more what belongs to this backup; make a new one, in another folder",
            };
            report.add(Finding::new(list::NAME, Severity::Damage, e.to_string()).advice(advice));
            return Ok(None);
        }
    };
    report.files += 1;
    watch.expect(list.files.len() as u64, list.files.iter().map(|f| f.bytes).sum());
    for file in &list.files {
        if let Some(what) = file.problem(folder, watch)? {
            let advice =
                "copy it anew: make another backup into a new folder, while the data folder is whole";
            report.add(Finding::new(&file.path, Severity::Damage, what).advice(advice));
        }
        watch.file()?;
    }
    Ok(Some(folder.join(list.wal)))
}

fn unless_gone<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Writes a small file whole or not at all; durable but for its name.
fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut staged = path.as_os_str().to_owned();
    staged.push("#0");
    let write = || -> std::io::Result<()> {
        let mut out = File::create(&staged)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        std::fs::rename(&staged, path)
    };
    write().map_err(|e| io_error(path, e))
}

/// Copies a file up to `end`, readable by the same people, durable but for its name. Its length, and its checksum.
fn copy(from: &Path, to: &Path, end: u64, progress: &mut dyn FnMut(u64) -> Result<()>) -> Result<(u64, u32)> {
    let source = File::open(from).map_err(|e| io_error(from, e))?;
    let permissions = source.metadata().map_err(|e| io_error(from, e))?.permissions();
    let mut source = source.take(end);
    let mut out = File::create_new(to).map_err(|e| io_error(to, e))?;
    // Before there is anything in it to read.
    out.set_permissions(permissions).map_err(|e| io_error(to, e))?;
    let (mut crc, mut bytes, mut buffer) = (crc32fast::Hasher::new(), 0, vec![0; 1 << 20]);
    loop {
        let n = source.read(&mut buffer).map_err(|e| io_error(from, e))?;
        if n == 0 {
            out.sync_all().map_err(|e| io_error(to, e))?;
            return Ok((bytes, crc.finalize()));
        }
        crc.update(&buffer[..n]);
        out.write_all(&buffer[..n]).map_err(|e| io_error(to, e))?;
        bytes += n as u64;
        progress(n as u64)?;
    }
}

/// The checksum of a whole file.
fn crc32_of(path: &Path, progress: &mut dyn FnMut(u64) -> Result<()>) -> Result<u32> {
    let io = |e| io_error(path, e);
    let mut file = File::open(path).map_err(io)?;
    let (mut crc, mut buffer) = (crc32fast::Hasher::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).map_err(io)? {
            0 => return Ok(crc.finalize()),
            n => {
                crc.update(&buffer[..n]);
                progress(n as u64)?;
            }
        }
    }
}
