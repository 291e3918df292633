//! Finds out how much of a segment of the log is whole, while a program may be writing to it. It must never wait long,
//! nor take a write that is going on for damage.

use crate::appender::HEADER_BYTES;
use crate::wal_read::{Replay, Rest, replay_file};
use model::{HistogramAt, Labels, Metadata};
use std::path::Path;
use std::time::Duration;
use stdx::Result;

/// A write that goes on while it is read is whole within so many looks.
const LOOKS_MAX: usize = 200;
/// A file that did not change over so many looks is not being written.
const UNCHANGED_MAX: usize = 10;
const PAUSE: Duration = Duration::from_millis(5);

/// The end of a segment.
pub struct End {
    /// Bytes of whole frames, the header included.
    pub whole: u64,
    /// What follows, if that was not being written.
    pub rest: Rest,
}

/// Nothing is kept of what is read.
struct Ignore;

impl Replay for Ignore {
    fn series(&mut self, _: u32, _: Labels) -> Result<()> {
        Ok(())
    }
    fn sample(&mut self, _: u32, _: i64, _: u64, _: i64) -> Result<()> {
        Ok(())
    }
    fn histogram(&mut self, _: u32, _: HistogramAt) -> Result<()> {
        Ok(())
    }
    fn metadata(&mut self, _: Metadata) {}
}

/// Where a segment ends that may be written to at this moment: at least all that was there when this began, if it is
/// whole.
///
/// # Errors
/// `NotFound` if it is not there (any more), `Unavailable`.
pub fn settled_end(folder: &Path, number: u64) -> Result<End> {
    let (mut length, mut rest) = replay_file(folder, number, &mut Ignore)?;
    let wanted = length.max(HEADER_BYTES);
    let mut unchanged = 0;
    for _ in 0..LOOKS_MAX {
        let whole = length - rest.bytes;
        if whole >= wanted {
            return Ok(End { whole, rest: Rest { bytes: 0, is_damage: false } });
        }
        if unchanged >= UNCHANGED_MAX {
            break;
        }
        std::thread::sleep(PAUSE);
        let before = length;
        (length, rest) = replay_file(folder, number, &mut Ignore)?;
        unchanged = if length == before { unchanged + 1 } else { 0 };
    }
    Ok(End { whole: length - rest.bytes, rest })
}
