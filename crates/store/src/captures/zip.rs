//! A capture as one file: a zip whose members are the files of the folder as they are, not compressed once more, so that
//! every program that knows zip can take them out. Reads back only what it wrote or what is like it, within bounds: a file
//! may come from anywhere. It must never write a file whose checksum is not that of its manifest.

use super::draft::begin;
use super::manifest::{
    BEFORE, FILES_MAX, FileEntry, Manifest, Part, compare, sum_of, verify as verify_folder,
};
use super::{Captures, Verified};
use crate::durable::sync_folder;
use crate::objects::io_error;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use stdx::{Error, ErrorKind, Result};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// Bytes of the end record without its comment, and how far before the end of the file it may begin.
const END_BYTES: usize = 22;
const END_SEARCH_BYTES: u64 = 66_000;
/// The first of January 1980, the earliest that the format knows: the same capture gives the same bytes.
const DATE: u16 = 0x21;
/// Bytes of a name.
const NAME_BYTES_MAX: usize = 128;
/// Two manifests beside the files.
const MEMBERS_MAX: usize = 2 * FILES_MAX + 2;
/// Without the extension for large files a zip has less than 4 GiB.
const ZIP_BYTES_MAX: u64 = u32::MAX as u64 - (1 << 20);

fn le(out: &mut Vec<u8>, parts: &[(u64, usize)]) {
    for (value, bytes) in parts {
        out.extend_from_slice(&value.to_le_bytes()[..*bytes]);
    }
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let mut out = [0; 8];
    out.get_mut(..length)?.copy_from_slice(bytes.get(at..at + length)?);
    Some(u64::from_le_bytes(out))
}

/// Writes a capture as one file, with every checksum compared on the way. Returns its bytes.
///
/// # Errors
/// `NotFound`; `Corrupt` if a file is damaged: what was written so far is no whole zip then; `TooLarge` from 4 GiB on;
/// `Unavailable`.
pub fn export(captures: &Captures, id: &str, out: &mut dyn Write) -> Result<u64> {
    let capture = captures.get(id)?;
    let parts: Vec<Manifest> =
        std::iter::once(capture.before.map_err(Error::corrupt)?).chain(capture.after).collect();
    pack(&captures.folder_of(id)?, &parts, out)
}

/// Writes one part of a capture as [`export`] writes all of it: to be handed over ([`Captures::receive`]).
///
/// # Errors
/// As [`export`]; `NotFound` if that part is not there.
pub fn export_part(captures: &Captures, id: &str, part: Part, out: &mut dyn Write) -> Result<u64> {
    let folder = captures.folder_of(id)?;
    let manifest = Manifest::read(&folder.join(part.manifest()))?;
    pack(&folder, &[manifest], out)
}

fn pack(folder: &Path, parts: &[Manifest], out: &mut dyn Write) -> Result<u64> {
    let id = parts.first().map_or("", |p| p.id.as_str());
    let mut names: Vec<(String, Option<FileEntry>)> = Vec::new();
    for manifest in parts {
        names.push((manifest.part.manifest().into(), None));
        names.extend(manifest.files.iter().map(|f| (f.name.clone(), Some(f.clone()))));
    }
    if parts.iter().flat_map(|p| &p.files).map(|f| f.bytes).sum::<u64>() > ZIP_BYTES_MAX {
        let text = "the capture is too large for a zip; copy its folder";
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    let (mut central, mut at) = (Vec::new(), 0u64);
    for (name, entry) in &names {
        let path = folder.join(name);
        let io = |e| io_error(&path, e);
        let bytes_max = entry.as_ref().map_or(1 << 30, |e| e.bytes);
        let mut file = File::open(&path).map_err(io)?;
        let (crc32, bytes) = crc32_of(&mut file, bytes_max).map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        let header = |signature: u32, is_central: bool| {
            let mut out = Vec::new();
            le(&mut out, &[(u64::from(signature), 4)]);
            if is_central {
                le(&mut out, &[(10, 2)]);
            }
            // Version, flags, method (stored), time, date, checksum, sizes, length of the name, no extra field.
            le(&mut out, &[(10, 2), (0, 2), (0, 2), (0, 2), (u64::from(DATE), 2), (u64::from(crc32), 4)]);
            le(&mut out, &[(bytes, 4), (bytes, 4), (name.len() as u64, 2), (0, 2)]);
            if is_central {
                // No comment, first disk, no attributes, and where the member begins.
                le(&mut out, &[(0, 2), (0, 2), (0, 2), (0, 4), (at, 4)]);
            }
            out.extend_from_slice(name.as_bytes());
            out
        };
        central.extend(header(CENTRAL, true));
        let local = header(LOCAL, false);
        let gone = |e| io_error(Path::new("the exported file"), e);
        out.write_all(&local).map_err(gone)?;
        let mut reader = Copied { file, out };
        let found = sum_of(&mut reader, bytes);
        if let Some(problem) = entry.as_ref().and_then(|e| compare(e, found)) {
            return Err(Error::corrupt(format!("{id} cannot be exported: {problem}")));
        }
        at += local.len() as u64 + bytes;
    }
    let start = at;
    let mut end = central;
    let length = end.len() as u64;
    let count = names.len() as u64;
    le(
        &mut end,
        &[(u64::from(END), 4), (0, 2), (0, 2), (count, 2), (count, 2), (length, 4), (start, 4), (0, 2)],
    );
    out.write_all(&end).map_err(|e| io_error(Path::new("the exported file"), e))?;
    Ok(start + end.len() as u64)
}

/// Gives what it reads to somebody else too.
struct Copied<'a> {
    file: File,
    out: &'a mut dyn Write,
}

impl Read for Copied<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.out.write_all(&buffer[..n])?;
        Ok(n)
    }
}

fn crc32_of(file: &mut File, bytes_max: u64) -> std::io::Result<(u32, u64)> {
    let (mut hasher, mut bytes, mut buffer) = (crc32fast::Hasher::new(), 0, vec![0; 1 << 20]);
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 || bytes > bytes_max {
            return Ok((hasher.finalize(), bytes));
        }
        hasher.update(&buffer[..n]);
        bytes += n as u64;
    }
}

/// A member of a zip: its name, where its bytes begin, and how many they are.
pub(super) struct Member {
    pub name: String,
    pub start: u64,
    pub bytes: u64,
}

pub(super) fn not_ours(why: &str) -> Error {
    Error::invalid(format!("this is not a capture that Midwatch exported: {why}"))
}

/// The members of a zip.
pub(super) fn members(file: &mut File, path: &Path) -> Result<Vec<Member>> {
    let io = |e| io_error(path, e);
    let size = file.seek(SeekFrom::End(0)).map_err(io)?;
    let tail_at = size.saturating_sub(END_SEARCH_BYTES);
    let tail = read_at(file, tail_at, size - tail_at).map_err(io)?;
    let is_end = |at: &usize| number(&tail, *at, 4) == Some(u64::from(END));
    let end = (0..tail.len().saturating_sub(END_BYTES - 1)).rev().find(is_end);
    let end = end.ok_or_else(|| not_ours("it is no zip, or its end is missing"))?;
    let at =
        |offset, length| number(&tail, end + offset, length).ok_or_else(|| not_ours("its end is cut off"));
    let (count, length, start) = (at(10, 2)? as usize, at(12, 4)?, at(16, 4)?);
    if count > MEMBERS_MAX || start.saturating_add(length) > size || length > 1 << 20 {
        return Err(not_ours("its list of members is none of ours"));
    }
    let list = read_at(file, start, length).map_err(io)?;
    let (mut out, mut position) = (Vec::new(), 0);
    for _ in 0..count {
        let at = |offset, length| {
            number(&list, position + offset, length).ok_or_else(|| not_ours("its list of members is cut off"))
        };
        if at(0, 4)? != u64::from(CENTRAL) {
            return Err(not_ours("its list of members is damaged"));
        }
        let (method, bytes, packed) = (at(10, 2)?, at(24, 4)?, at(20, 4)?);
        let (name_bytes, extra, comment) = (at(28, 2)? as usize, at(30, 2)? as usize, at(32, 2)? as usize);
        let offset = at(42, 4)?;
        let name = list.get(position + 46..position + 46 + name_bytes).unwrap_or_default();
        let name = std::str::from_utf8(name).ok().filter(|n| !n.is_empty() && n.len() <= NAME_BYTES_MAX);
        let name = name.ok_or_else(|| not_ours("a member has no name that can be read"))?;
        if method != 0 || packed != bytes {
            return Err(not_ours(
                "another program packed it anew; unpack it with that and name the folder instead",
            ));
        }
        // The local header has a name and an extra field of its own lengths.
        let local = read_at(file, offset, 30).map_err(io)?;
        if number(&local, 0, 4) != Some(u64::from(LOCAL)) {
            return Err(not_ours("a member does not begin where the list says"));
        }
        let skip = number(&local, 26, 2).unwrap_or(0) + number(&local, 28, 2).unwrap_or(0);
        let begin = offset + 30 + skip;
        if begin.saturating_add(bytes) > size {
            return Err(not_ours("a member ends behind the end of the file"));
        }
        out.push(Member { name: name.into(), start: begin, bytes });
        position += 46 + name_bytes + extra + comment;
    }
    Ok(out)
}

/// At most so many bytes from there.
pub(super) fn read_at(file: &mut File, at: u64, length: u64) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut out = Vec::new();
    file.take(length).read_to_end(&mut out)?;
    Ok(out)
}

/// The manifests of an exported capture.
fn manifests(file: &mut File, path: &Path, all: &[Member]) -> Result<Vec<(Manifest, Vec<u8>)>> {
    let mut out = Vec::new();
    for part in [Part::Before, Part::After] {
        let Some(member) = all.iter().find(|m| m.name == part.manifest()) else {
            if part == Part::Before {
                return Err(not_ours("there is no manifest in it"));
            }
            continue;
        };
        if member.bytes > 4 << 20 {
            return Err(not_ours("its manifest is longer than any of ours"));
        }
        let bytes = read_at(file, member.start, member.bytes).map_err(|e| io_error(path, e))?;
        let manifest = Manifest::decode(&bytes)?;
        if manifest.part != part {
            return Err(not_ours("a manifest is of another part"));
        }
        out.push((manifest, bytes));
    }
    let ids: Vec<&str> = out.iter().map(|(m, _)| m.id.as_str()).collect();
    match ids.windows(2).all(|two| two[0] == two[1]) {
        true => Ok(out),
        false => Err(not_ours("its two parts are of two captures")),
    }
}

/// See [`super::verify_file`].
pub fn verify(path: &Path) -> Result<(String, Verified)> {
    if path.is_dir() {
        let manifest = Manifest::read(&path.join(BEFORE))?;
        return Ok((manifest.id, verify_folder(path)));
    }
    let mut file = File::open(path).map_err(|e| io_error(path, e))?;
    let all = members(&mut file, path)?;
    let manifests = manifests(&mut file, path, &all)?;
    let mut out = Verified::default();
    for entry in manifests.iter().flat_map(|(m, _)| &m.files) {
        let found = match all.iter().find(|m| m.name == entry.name) {
            None => Err(std::io::ErrorKind::NotFound.into()),
            Some(member) => file
                .seek(SeekFrom::Start(member.start))
                .and_then(|_| sum_of(Read::by_ref(&mut file).take(member.bytes), entry.bytes)),
        };
        match compare(entry, found) {
            Some(problem) => out.problems.push(problem),
            None => {
                out.files += 1;
                out.bytes += entry.bytes;
            }
        }
    }
    let id = manifests.into_iter().next().map(|(m, _)| m.id).unwrap_or_default();
    Ok((id, out))
}

/// Brings a file or a folder among the captures of a data folder; returns the capture's name.
pub fn import(from: &Path, captures: &Path) -> Result<String> {
    let (id, verified) = verify(from)?;
    if let Some(problem) = verified.problems.first() {
        return Err(Error::corrupt(format!("{} was not opened: {problem}", from.display())));
    }
    let place = captures.join(&id);
    if place.exists() {
        return Err(Error::new(ErrorKind::Conflict, format!("there is a capture {id} already")));
    }
    let temporary = begin(captures, &id, Part::Before)?;
    let io = |e| io_error(&temporary, e);
    let put = |name: &str, mut reader: &mut dyn Read| -> std::io::Result<()> {
        let mut file = File::create_new(temporary.join(name))?;
        std::io::copy(&mut reader, &mut file)?;
        file.sync_all()
    };
    if from.is_dir() {
        for part in [Part::Before, Part::After] {
            let Ok(manifest) = Manifest::read(&from.join(part.manifest())) else { continue };
            let names = manifest.files.iter().map(|f| f.name.as_str());
            for name in names.chain([part.manifest()]) {
                put(name, &mut File::open(from.join(name)).map_err(io)?).map_err(io)?;
            }
        }
    } else {
        let mut file = File::open(from).map_err(|e| io_error(from, e))?;
        let all = members(&mut file, from)?;
        for (manifest, bytes) in manifests(&mut file, from, &all)? {
            put(manifest.part.manifest(), &mut bytes.as_slice()).map_err(io)?;
            for entry in &manifest.files {
                let member = all.iter().find(|m| m.name == entry.name);
                let member = member.ok_or_else(|| not_ours("a member is missing"))?;
                file.seek(SeekFrom::Start(member.start)).map_err(|e| io_error(from, e))?;
                put(&entry.name, &mut Read::by_ref(&mut file).take(member.bytes)).map_err(io)?;
            }
        }
    }
    // What lies there now, and not what was read before, is what counts.
    if let Some(problem) = verify_folder(&temporary).problems.first() {
        return Err(Error::corrupt(format!("{} was not opened: {problem}", from.display())));
    }
    sync_folder(&temporary)?;
    std::fs::rename(&temporary, &place).map_err(io)?;
    sync_folder(captures)?;
    Ok(id)
}
