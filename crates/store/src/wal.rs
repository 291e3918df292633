//! Writing the write-ahead log: numbered segments of checksummed frames, one frame for each batch. A segment
//! names every series that it uses, so that each can be read alone (`wal_read.rs`) and thrown away alone.
//! A segment that failed once is sealed and never written or synced again.
//! Format: `docs/formats/wal.md`.

use crate::appender::{self, Appender, Kind};
use crate::wal_histogram;
use crate::xor::{put_signed, put_text, put_value, put_varint};
use model::{HistogramAt, Labels, Metadata};
use std::path::{Path, PathBuf};
use stdx::Result;

/// Its files.
pub(crate) const KIND: Kind = Kind { suffix: ".wal", magic: b"MWWAL\0\0\x01" };
/// A segment is closed when it is at least this long, and most of it is samples: names of a million series alone are
/// longer, and to begin every segment with them would be most of what is written.
const SEGMENT_BYTES: u64 = 64 << 20;
/// So many times as long as the names in it.
const NAMES_FACTOR: u64 = 8;

pub(crate) const RECORD_SERIES: u8 = 1;
pub(crate) const RECORD_SAMPLES: u8 = 2;
pub(crate) const RECORD_METADATA: u8 = 3;
pub(crate) const RECORD_HISTOGRAMS: u8 = 4;
pub(crate) const RECORD_STARTS: u8 = 5;

/// What one frame holds.
#[derive(Clone, Copy, Default)]
pub struct Frame<'a> {
    /// Series id, time, bits.
    pub samples: &'a [(u32, i64, u64)],
    /// Starts of some of them: place in `samples` after `samples_before` are taken off, rising; milliseconds since 1970.
    pub starts: &'a [(u32, i64)],
    /// See `starts`.
    pub samples_before: u32,
    /// Series id and histogram.
    pub histograms: &'a [(u32, HistogramAt)],
    /// What is newly known of metrics.
    pub metadata: &'a [Metadata],
}

/// Writes the log. One per store.
pub struct Wal {
    out: Appender,
    /// Bytes of the names in this segment.
    names: u64,
    /// For each id the segment (its low bits) that named it last, and the bits of its last value there.
    named_in: Vec<u32>,
    last_bits: Vec<u64>,
}

/// The file of a segment.
pub fn segment_path(folder: &Path, number: u64) -> PathBuf {
    KIND.path(folder, number)
}

/// Numbers and sizes of the segments in the folder, oldest first.
///
/// # Errors
/// If the folder cannot be read.
pub fn segments(folder: &Path) -> Result<Vec<(u64, u64)>> {
    KIND.segments(folder)
}

impl Wal {
    /// Will write segments from number `next` on; makes no file yet.
    pub fn new(folder: &Path, next: u64) -> Wal {
        let out = Appender::new(&KIND, folder, next);
        Wal { out, names: 0, named_in: Vec::new(), last_bits: Vec::new() }
    }

    /// Makes sure that there is a segment to write to. True if it is a new one: the caller repeats then
    /// what it wants to be in every segment (metadata).
    ///
    /// # Errors
    /// `Unavailable`, for example when the disk is full. It may be tried again at any time.
    pub fn open_segment(&mut self) -> Result<bool> {
        let is_new = self.out.open(SEGMENT_BYTES.max(self.names * NAMES_FACTOR))?;
        if is_new {
            self.names = 0;
        }
        Ok(is_new)
    }

    /// Closes the segment; the next frame goes to a new one. Returns the number of that.
    pub fn rotate(&mut self) -> u64 {
        // Ids begin anew; so may the memory.
        (self.named_in, self.last_bits) = (Vec::new(), Vec::new());
        self.out.rotate()
    }

    /// Adds a frame to those that [`Wal::flush`] writes; `labels` gives the labels of an id.
    pub fn add_frame<'a>(&mut self, frame: Frame<'_>, labels: impl Fn(u32) -> &'a Labels) {
        let start = self.out.begin_frame();
        for m in frame.metadata {
            self.out.frames.push(RECORD_METADATA);
            self.out.frames.push(m.kind as u8);
            for text in [&m.metric, &m.help, &m.unit] {
                put_text(&mut self.out.frames, text);
            }
        }
        let ids = frame.samples.iter().map(|(id, ..)| *id);
        for id in ids.chain(frame.histograms.iter().map(|(id, _)| *id)) {
            self.name(id, &labels);
        }
        self.put_samples(frame);
        self.put_histograms(frame.histograms);
        self.out.end_frame(start);
    }

    /// Writes the labels of a series that this segment has not named yet.
    fn name<'a>(&mut self, id: u32, labels: &impl Fn(u32) -> &'a Labels) {
        let at = id as usize;
        if self.named_in.len() <= at {
            self.named_in.resize(at + 1, 0);
            self.last_bits.resize(at + 1, 0);
        }
        // Segments are numbered from 1.
        if self.named_in[at] != self.out.number() as u32 {
            (self.named_in[at], self.last_bits[at]) = (self.out.number() as u32, 0);
            let before = self.out.frames.len();
            self.out.frames.push(RECORD_SERIES);
            put_varint(&mut self.out.frames, u64::from(id));
            let labels = labels(id);
            put_varint(&mut self.out.frames, labels.len() as u64);
            for (name, value) in labels.iter() {
                put_text(&mut self.out.frames, name);
                put_text(&mut self.out.frames, value);
            }
            self.names += (self.out.frames.len() - before) as u64;
        }
    }

    fn put_samples(&mut self, frame: Frame<'_>) {
        if frame.samples.is_empty() {
            return;
        }
        if !frame.starts.is_empty() {
            self.out.frames.push(RECORD_STARTS);
            put_varint(&mut self.out.frames, frame.starts.len() as u64);
            let (mut last_place, mut last_ms) = (frame.samples_before, 0i64);
            for (place, start_ms) in frame.starts {
                put_varint(&mut self.out.frames, u64::from(place - last_place));
                put_signed(&mut self.out.frames, start_ms.wrapping_sub(last_ms));
                (last_place, last_ms) = (*place, *start_ms);
            }
        }
        self.out.frames.push(RECORD_SAMPLES);
        put_varint(&mut self.out.frames, frame.samples.len() as u64);
        let (mut last_id, mut last_ms) = (0i64, 0i64);
        for (id, timestamp_ms, bits) in frame.samples {
            put_signed(&mut self.out.frames, i64::from(*id).wrapping_sub(last_id));
            put_signed(&mut self.out.frames, timestamp_ms.wrapping_sub(last_ms));
            let last_bits = &mut self.last_bits[*id as usize];
            put_value(&mut self.out.frames, *last_bits, *bits);
            *last_bits = *bits;
            (last_id, last_ms) = (i64::from(*id), *timestamp_ms);
        }
    }

    fn put_histograms(&mut self, histograms: &[(u32, HistogramAt)]) {
        if histograms.is_empty() {
            return;
        }
        self.out.frames.push(RECORD_HISTOGRAMS);
        put_varint(&mut self.out.frames, histograms.len() as u64);
        let (mut last_id, mut last_ms) = (0i64, 0i64);
        let mut before = wal_histogram::Before::default();
        for (id, at) in histograms {
            put_signed(&mut self.out.frames, i64::from(*id).wrapping_sub(last_id));
            put_signed(&mut self.out.frames, at.timestamp_ms.wrapping_sub(last_ms));
            wal_histogram::put(&mut self.out.frames, at, &mut before);
            (last_id, last_ms) = (i64::from(*id), at.timestamp_ms);
        }
    }

    /// Bytes of the frames that [`Wal::flush`] would write.
    pub fn pending_bytes(&self) -> usize {
        self.out.frames.len()
    }

    /// Writes all added frames and makes them durable. After an error the segment is sealed: what it
    /// holds of these frames may or may not come back at the next start, and nothing more is written to it.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn flush(&mut self) -> Result<u64> {
        let flushed = self.out.flush();
        if flushed.is_err() {
            self.rotate();
        }
        flushed
    }
}

/// Removes segments below `floor`.
///
/// # Errors
/// If the folder cannot be read; a segment that cannot be removed is left for the next time.
pub fn remove_below(folder: &Path, floor: u64) -> Result<()> {
    appender::remove_below(&KIND, folder, &segments(folder)?, floor);
    Ok(())
}
