//! A queue on disk for what waits to be sent to another machine: numbered frames in segments, each frame with a checksum.
//! What was pushed is there after a kill; at the bound the oldest goes first, and is counted. What was acknowledged stays
//! for a while, so that a capture has the last minutes. Format: `docs/formats/agent.md`. It must never give a frame whose
//! checksum is wrong, give frames out of order, or take more of the disk than its bound. It knows nothing of what a frame
//! holds, and reads no clock.

mod cursor;
mod segment;
#[cfg(test)]
mod tests;

use crate::durable;
use crate::objects::io_error;
use cursor::{Cursor, Place};
use segment::{HEADER_BYTES, Segment};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use stdx::{Error, ErrorKind, Result};

pub use segment::Frame;

/// Segments at one time.
const SEGMENTS_MAX: usize = 4_096;
/// The bound is divided into about so many segments: so much of it goes at once when it is reached.
const SEGMENTS_OF_BOUND: u64 = 16;
/// Sizes of a segment.
const SEGMENT_BYTES: (u64, u64) = (16 << 10, 4 << 20);
/// The file that keeps two programs from one buffer.
const LOCK: &str = "lock";

/// How much is buffered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// All segments together, bytes.
    pub bytes_max: u64,
    /// How long frames stay that were acknowledged, milliseconds, as far as the bound allows.
    pub keep_ms: i64,
}

/// What is buffered, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Of all segments, those included that are only kept.
    pub bytes: u64,
    /// The bound.
    pub bytes_max: u64,
    /// Frames that wait to be acknowledged.
    pub waiting_frames: u64,
    /// What they hold.
    pub waiting_samples: u64,
    /// Since when, milliseconds since 1970, to the length of a segment.
    pub oldest_ms: Option<i64>,
    /// Frames that went because the bound was reached, or were damaged, since the buffer was made.
    pub dropped_frames: u64,
    /// What they held, as far as that is known.
    pub dropped_samples: u64,
}

/// The buffer. One for each folder.
pub struct Buffer {
    folder: PathBuf,
    settings: Settings,
    segments: VecDeque<Segment>,
    /// The last segment, to be written to.
    file: Option<File>,
    is_unsynced: bool,
    next: u64,
    cursor: Cursor,
    /// Where the frame `cursor.place.acknowledged` begins, if that was found out: the segment's first number, and the offset.
    at: Option<(u64, u64)>,
    _lock: File,
}

impl Buffer {
    /// Opens the buffer of a folder, which is made if it is not there. Returns what is damaged, in words, too.
    ///
    /// # Errors
    /// `Conflict` if another program has it; `Unavailable`.
    pub fn open(folder: &Path, settings: Settings) -> Result<(Buffer, Vec<String>)> {
        std::fs::create_dir_all(folder).map_err(|e| io_error(folder, e))?;
        let lock = lock(&folder.join(LOCK))?;
        let mut cursor = Cursor::open(&folder.join("cursor"))?;
        let mut problems = Vec::new();
        let mut segments: VecDeque<Segment> = VecDeque::new();
        for (first, path) in segment::list(folder)? {
            let (segment, problem) = segment::scan(&path, first)?;
            problems.extend(problem);
            if let Some(before) = segments.back()
                && before.next < first
            {
                let lost = first - before.next.max(cursor.place.acknowledged).min(first);
                cursor.place.dropped_frames += lost;
            }
            match segment.is_empty() {
                true => std::fs::remove_file(&path).map_err(|e| io_error(&path, e))?,
                false => segments.push_back(segment),
            }
        }
        let next = segments.back().map_or(cursor.place.acknowledged.max(1), |s| s.next);
        let first = segments.front().map_or(next, |s| s.first);
        // Newer than everything that is here: what was acknowledged did not outlive a power cut.
        cursor.place.acknowledged = cursor.place.acknowledged.clamp(first, next);
        let mut buffer = Buffer {
            folder: folder.into(),
            settings,
            segments,
            file: None,
            is_unsynced: false,
            next,
            cursor,
            at: None,
            _lock: lock,
        };
        buffer.count_acknowledged()?;
        if let Some(last) = buffer.segments.back() {
            let path = segment::path(folder, last.first);
            let open = || -> std::io::Result<File> {
                let file = OpenOptions::new().append(true).open(&path)?;
                // What a kill left half written is not to stand before what comes now.
                file.set_len(last.bytes)?;
                Ok(file)
            };
            buffer.file = Some(open().map_err(|e| io_error(&path, e))?);
        }
        Ok((buffer, problems))
    }

    /// What of each segment was acknowledged before: frames of one segment alone have to be looked at.
    fn count_acknowledged(&mut self) -> Result<()> {
        let acknowledged = self.cursor.place.acknowledged;
        for segment in &mut self.segments {
            if segment.next <= acknowledged {
                segment.acknowledged_samples = segment.samples;
            } else if segment.first < acknowledged {
                let frames = segment::Frames::open(&self.folder, segment, HEADER_BYTES)?;
                for frame in frames.take_while(|f| f.as_ref().is_ok_and(|f| f.number < acknowledged)) {
                    segment.acknowledged_samples += u64::from(frame?.samples);
                }
            }
        }
        Ok(())
    }

    /// Adds a frame, whose number is given by the buffer; it is there after a kill when this returns, and after a power cut
    /// once [`Buffer::sync`] returned. What goes for it, the oldest first, is counted.
    ///
    /// # Errors
    /// `TooLarge` if it is more than a quarter of the bound; `Unavailable`: it is not kept.
    pub fn push(&mut self, first_ms: i64, last_ms: i64, samples: u32, payload: &[u8]) -> Result<u64> {
        let frame = segment::encode(self.next, first_ms, last_ms, samples, payload);
        let bytes = frame.len() as u64;
        if bytes > self.settings.bytes_max / 4 {
            let text = format!("a frame of {bytes} bytes is more than a quarter of the buffer; enlarge it");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        self.forget_kept(last_ms);
        self.make_room(bytes)?;
        if let Err(e) = self.append(&frame) {
            // A full disk: the oldest makes room there too.
            if self.segments.len() < 2 {
                return Err(e);
            }
            self.drop_oldest()?;
            self.append(&frame)?;
        }
        let number = self.next;
        self.next += 1;
        if let Some(segment) = self.segments.back_mut() {
            segment.add(bytes, first_ms, last_ms, samples);
        }
        self.is_unsynced = true;
        Ok(number)
    }

    fn append(&mut self, frame: &[u8]) -> Result<()> {
        let segment_bytes =
            (self.settings.bytes_max / SEGMENTS_OF_BOUND).clamp(SEGMENT_BYTES.0, SEGMENT_BYTES.1);
        let is_full = |s: &Segment| {
            s.bytes > HEADER_BYTES && s.bytes.saturating_add(frame.len() as u64) > segment_bytes
        };
        if self.file.is_none() || self.segments.back().is_none_or(is_full) {
            self.sync()?;
            let path = segment::path(&self.folder, self.next);
            // An empty one of that number is left over if the first frame could not be written.
            let _ = std::fs::remove_file(&path);
            self.file =
                Some(durable::create(&path, &segment::header(self.next)).map_err(|e| io_error(&path, e))?);
            self.segments.retain(|s| s.first != self.next);
            self.segments.push_back(Segment::new(self.next));
        }
        let (Some(file), Some(segment)) = (&mut self.file, self.segments.back()) else {
            return Err(Error::new(
                ErrorKind::Internal,
                "a buffer has no segment to write to; this is a bug",
            ));
        };
        if let Err(e) = file.write_all(frame) {
            let path = segment::path(&self.folder, segment.first);
            if file.set_len(segment.bytes).is_err() {
                // Nothing more is written behind what is there; readers stop at what is known to be whole.
                self.file = None;
            }
            return Err(io_error(&path, e));
        }
        Ok(())
    }

    /// Makes everything durable that was pushed.
    ///
    /// # Errors
    /// `Unavailable`: what was pushed since is there after a kill, perhaps not after a power cut.
    pub fn sync(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.is_unsynced) {
            return Ok(());
        }
        let Some(file) = &self.file else { return Ok(()) };
        file.sync_data().map_err(|e| io_error(&self.folder, e))
    }

    /// The oldest frames that wait, in order: at least one if there is one, more while they are at most so many bytes.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn waiting(&mut self, bytes_max: usize) -> Result<Vec<Frame>> {
        let mut found: Vec<Frame> = Vec::new();
        let mut bytes = 0;
        let mut number = self.cursor.place.acknowledged;
        while number < self.next {
            let Some(segment) = self.segments.iter().find(|s| s.next > number) else { break };
            number = number.max(segment.first);
            let from = match self.at {
                Some((first, at)) if first == segment.first && number == self.cursor.place.acknowledged => at,
                _ => HEADER_BYTES,
            };
            let end = segment.next;
            for frame in segment::Frames::open(&self.folder, segment, from)? {
                let frame = match frame {
                    Ok(frame) => frame,
                    Err(e) if e.kind == ErrorKind::Corrupt => break,
                    Err(e) => return Err(e),
                };
                if frame.number < number {
                    continue;
                }
                if !found.is_empty() && bytes + frame.payload.len() > bytes_max {
                    return Ok(found);
                }
                bytes += frame.payload.len();
                number = frame.number + 1;
                found.push(frame);
            }
            if number < end {
                // The disk changed what was whole before: the rest of this segment is lost. What was found first comes first.
                if !found.is_empty() {
                    return Ok(found);
                }
                self.give_up(end)?;
                number = end;
            }
        }
        Ok(found)
    }

    /// Counts as dropped what waits in the segment that ends before this number.
    fn give_up(&mut self, end: u64) -> Result<()> {
        let place = &mut self.cursor.place;
        if let Some(segment) = self.segments.iter_mut().find(|s| s.next == end) {
            place.dropped_frames += end - segment.first.max(place.acknowledged);
            place.dropped_samples += segment.samples.saturating_sub(segment.acknowledged_samples);
            segment.acknowledged_samples = segment.samples;
        }
        place.acknowledged = end;
        self.at = None;
        if end == self.next {
            // Nothing is written behind what cannot be read.
            self.file = None;
        }
        self.cursor.write()
    }

    /// Notes that frames of [`Buffer::waiting`] arrived.
    ///
    /// # Errors
    /// `Unavailable`: they are sent again after a restart.
    pub fn acknowledge(&mut self, frames: &[Frame]) -> Result<()> {
        let Some(last) = frames.last() else { return Ok(()) };
        for frame in frames.iter().filter(|f| f.number >= self.cursor.place.acknowledged) {
            let of = |s: &&mut Segment| (s.first..s.next).contains(&frame.number);
            if let Some(segment) = self.segments.iter_mut().find(of) {
                segment.acknowledged_samples += u64::from(frame.samples);
            }
        }
        if last.number >= self.cursor.place.acknowledged {
            self.cursor.place.acknowledged = last.number + 1;
            self.at = Some((last.segment, last.end));
        }
        self.cursor.write()
    }

    /// Frames that have something of this time or later, whether they were acknowledged or not, the oldest first; of too many
    /// the newest. Says whether there were more.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn since(&self, from_ms: i64, bytes_max: u64) -> Result<(Vec<Frame>, bool)> {
        let mut chosen = Vec::new();
        let mut bytes = 0;
        let mut is_cut = false;
        for segment in self.segments.iter().rev().filter(|s| s.last_ms >= from_ms) {
            bytes += segment.bytes;
            is_cut |= bytes > bytes_max;
            if !is_cut || chosen.is_empty() {
                chosen.push(segment);
            }
        }
        let mut found = Vec::new();
        for segment in chosen.into_iter().rev() {
            let frames = segment::Frames::open(&self.folder, segment, HEADER_BYTES)?.map_while(|f| f.ok());
            found.extend(frames.filter(|f| f.last_ms >= from_ms));
        }
        Ok((found, is_cut))
    }

    /// What there is.
    pub fn read(&self) -> Reading {
        let Place { acknowledged, dropped_frames, dropped_samples } = self.cursor.place;
        let oldest = self.segments.iter().find(|s| s.next > acknowledged);
        Reading {
            bytes: self.bytes(),
            bytes_max: self.settings.bytes_max,
            waiting_frames: self
                .segments
                .iter()
                .map(|s| s.next - s.first.max(acknowledged).min(s.next))
                .sum(),
            waiting_samples: self
                .segments
                .iter()
                .map(|s| s.samples.saturating_sub(s.acknowledged_samples))
                .sum(),
            oldest_ms: oldest.map(|s| s.first_ms),
            dropped_frames,
            dropped_samples,
        }
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.bytes).sum()
    }

    /// Removes what was acknowledged and is older than is to be kept.
    fn forget_kept(&mut self, now_ms: i64) {
        let oldest_ms = now_ms.saturating_sub(self.settings.keep_ms);
        while self.segments.len() > 1
            && self
                .segments
                .front()
                .is_some_and(|s| s.next <= self.cursor.place.acknowledged && s.last_ms < oldest_ms)
        {
            if self.drop_oldest().is_err() {
                break;
            }
        }
    }

    fn make_room(&mut self, bytes: u64) -> Result<()> {
        // The header of a new segment may come with it.
        while !self.segments.is_empty()
            && (self.bytes() + bytes + HEADER_BYTES > self.settings.bytes_max
                || self.segments.len() >= SEGMENTS_MAX)
        {
            self.drop_oldest()?;
        }
        Ok(())
    }

    /// Removes the oldest segment, and counts what was not acknowledged of it.
    fn drop_oldest(&mut self) -> Result<()> {
        let Some((first, end)) = self.segments.front().map(|s| (s.first, s.next)) else { return Ok(()) };
        let path = segment::path(&self.folder, first);
        if end > self.cursor.place.acknowledged {
            self.give_up(end)?;
        }
        self.segments.pop_front();
        if self.segments.is_empty() {
            self.file = None;
        }
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io_error(&path, e)),
            _ => Ok(()),
        }
    }
}

fn lock(path: &Path) -> Result<File> {
    let io = |e| io_error(path, e);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            let text = format!(
                "another agent uses {}; stop it, or name another folder",
                path.parent().unwrap_or(path).display()
            );
            Err(Error::new(ErrorKind::Conflict, text))
        }
        Err(std::fs::TryLockError::Error(e)) => Err(io(e)),
    }
}
