//! Taking one part of a capture that another machine took, from the file that it sent. It must never put anything in place
//! whose checksum was not read back from this disk, nor alter a part that is there.

use super::draft::{begin, publish};
use super::manifest::{Manifest, Part, compare, sum_of};
use super::zip::{members, not_ours, read_at};
use crate::objects::io_error;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use stdx::{Error, ErrorKind, Result};

/// Bytes of a manifest.
const MANIFEST_BYTES_MAX: u64 = 4 << 20;

/// Brings the part in a file among the captures; see [`super::Captures::receive`].
pub(super) fn receive(from: &Path, captures: &Path, id: &str, host: &str) -> Result<(Manifest, bool)> {
    let io = |e| io_error(from, e);
    let mut file = File::open(from).map_err(io)?;
    let all = members(&mut file, from)?;
    let mut parts = [Part::Before, Part::After].into_iter();
    let found = parts.find_map(|part| all.iter().find(|m| m.name == part.manifest()).map(|m| (part, m)));
    let (part, member) = found.ok_or_else(|| not_ours("there is no manifest in it"))?;
    if member.bytes > MANIFEST_BYTES_MAX {
        return Err(not_ours("its manifest is longer than any of ours"));
    }
    let bytes = read_at(&mut file, member.start, member.bytes).map_err(io)?;
    let manifest = Manifest::decode(&bytes)?;
    if manifest.part != part || manifest.id != id || manifest.host != host {
        return Err(not_ours("it is of another capture, part or host than was asked for"));
    }
    let place = captures.join(id);
    let there = place.join(part.manifest());
    if there.exists() {
        return match Manifest::read(&there)? == manifest {
            true => Ok((manifest, false)),
            false => Err(Error::new(ErrorKind::Conflict, format!("there is another capture {id} already"))),
        };
    }
    if part == Part::After && !place.is_dir() {
        let text = format!("the minutes before the trigger of {id} have to come first");
        return Err(Error::new(ErrorKind::NotFound, text));
    }
    let temporary = begin(captures, id, part)?;
    let taken = take(&mut file, &all, (&manifest, &bytes), &temporary)
        .and_then(|()| publish(captures, &temporary, &manifest));
    match taken {
        Ok(()) => Ok((manifest, true)),
        Err(e) => {
            // What cannot be removed now is collected at the next start.
            let _ = std::fs::remove_dir_all(&temporary);
            Err(e)
        }
    }
}

fn take(
    file: &mut File,
    all: &[super::zip::Member],
    (manifest, bytes): (&Manifest, &[u8]),
    temporary: &Path,
) -> Result<()> {
    let io = |e| io_error(temporary, e);
    let put = |name: &str, mut reader: &mut dyn Read| -> std::io::Result<()> {
        let mut out = File::create_new(temporary.join(name))?;
        std::io::copy(&mut reader, &mut out)?;
        out.sync_all()
    };
    for entry in &manifest.files {
        // A file of another part would lie in the way of that part.
        if entry.name != manifest.part.file(&entry.table) {
            return Err(not_ours("it names a file of another part"));
        }
        let member = all.iter().find(|m| m.name == entry.name).filter(|m| m.bytes == entry.bytes);
        let member = member.ok_or_else(|| Error::corrupt(format!("{} is missing or cut off", entry.name)))?;
        file.seek(SeekFrom::Start(member.start)).map_err(io)?;
        put(&entry.name, &mut Read::by_ref(file).take(member.bytes)).map_err(io)?;
        let kept = File::open(temporary.join(&entry.name)).and_then(|f| sum_of(f, entry.bytes));
        if let Some(problem) = compare(entry, kept) {
            return Err(Error::corrupt(format!("{} was not taken: {problem}", manifest.id)));
        }
    }
    put(manifest.part.manifest(), &mut &bytes[..]).map_err(io)
}
