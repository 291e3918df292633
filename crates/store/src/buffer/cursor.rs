//! How far a buffer was acknowledged: two slots in one file, written in turns, so that a kill in the middle of one leaves the
//! other. It is not synced: after a power cut it may say less than was acknowledged, and frames are sent once more.

use crate::objects::io_error;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use stdx::Result;

const MAGIC: &[u8; 8] = b"MWCUR\0\0\x01";
const SLOT_BYTES: usize = 64;

/// What it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Frames below this number were acknowledged, or dropped.
    pub acknowledged: u64,
    /// See [`super::Reading`].
    pub dropped_frames: u64,
    /// See [`super::Reading`].
    pub dropped_samples: u64,
}

pub(super) struct Cursor {
    pub place: Place,
    path: PathBuf,
    file: File,
    turn: u64,
}

impl Cursor {
    pub fn open(path: &Path) -> Result<Cursor> {
        let io = |e| io_error(path, e);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        let mut bytes = [0; 2 * SLOT_BYTES];
        let mut read = 0;
        while read < bytes.len() {
            match file.read_at(&mut bytes[read..], read as u64).map_err(io)? {
                0 => break,
                n => read += n,
            }
        }
        let slots = bytes.chunks_exact(SLOT_BYTES).filter_map(decode);
        let (turn, place) = slots.max_by_key(|(turn, _)| *turn).unwrap_or_default();
        Ok(Cursor { place, path: path.into(), file, turn })
    }

    pub fn write(&mut self) -> Result<()> {
        self.turn += 1;
        let at = (self.turn % 2) * SLOT_BYTES as u64;
        self.file.write_all_at(&encode(self.turn, &self.place), at).map_err(|e| io_error(&self.path, e))
    }
}

fn encode(turn: u64, place: &Place) -> [u8; SLOT_BYTES] {
    let mut out = [0; SLOT_BYTES];
    out[..8].copy_from_slice(MAGIC);
    let numbers = [turn, place.acknowledged, place.dropped_frames, place.dropped_samples];
    for (slot, n) in out[8..40].chunks_exact_mut(8).zip(numbers) {
        slot.copy_from_slice(&n.to_le_bytes());
    }
    let sum = crc32fast::hash(&out[..40]);
    out[40..44].copy_from_slice(&sum.to_le_bytes());
    out
}

fn decode(slot: &[u8]) -> Option<(u64, Place)> {
    let sum = u32::from_le_bytes(slot.get(40..44)?.try_into().ok()?);
    if slot.get(..8)? != MAGIC || crc32fast::hash(slot.get(..40)?) != sum {
        return None;
    }
    let number = |at: usize| Some(u64::from_le_bytes(slot.get(at..at + 8)?.try_into().ok()?));
    let place =
        Place { acknowledged: number(16)?, dropped_frames: number(24)?, dropped_samples: number(32)? };
    Some((number(8)?, place))
}
