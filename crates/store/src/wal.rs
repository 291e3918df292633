//! The write-ahead log: numbered segments of checksummed frames, one frame for each batch. A segment
//! names every series that it uses, so that each can be read alone and thrown away alone.
//! A segment that failed once is sealed and never written or synced again.
//! Format: `docs/formats/wal.md`.

use crate::objects::{io_error, sync_folder};
use crate::xor::{Reader, put_signed, put_text, put_value, put_varint};
use foldhash::{HashMap, HashMapExt};
use model::{Labels, LabelsBuilder, Metadata, MetricKind};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use stdx::{Error, Result};

/// First bytes of every segment.
const MAGIC: &[u8; 8] = b"MWWAL\0\0\x01";
/// Magic and number.
const HEADER_BYTES: u64 = 16;
/// A segment is closed when it is at least this long.
pub const SEGMENT_BYTES: u64 = 64 << 20;

const RECORD_SERIES: u8 = 1;
const RECORD_SAMPLES: u8 = 2;
const RECORD_METADATA: u8 = 3;

/// What of a series is known inside the segment that is being written.
#[derive(Clone, Copy, Default)]
struct SeriesState {
    segment: u64,
    bits: u64,
}

/// Writes the log. One per store.
pub struct Wal {
    folder: PathBuf,
    file: Option<File>,
    number: u64,
    next: u64,
    written: u64,
    states: Vec<SeriesState>,
    frames: Vec<u8>,
}

/// The file of a segment.
pub fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:012}.wal"))
}

/// Numbers and sizes of the segments in the folder, oldest first.
///
/// # Errors
/// If the folder cannot be read.
pub fn segments(folder: &Path) -> Result<Vec<(u64, u64)>> {
    let io = |e| io_error(folder, e);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|n| n.strip_suffix(".wal")?.parse().ok());
        if let Some(number) = number {
            found.push((number, entry.metadata().map_err(io)?.len()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

impl Wal {
    /// Will write segments from number `next` on; makes no file yet.
    pub fn new(folder: &Path, next: u64) -> Wal {
        Wal {
            folder: folder.into(),
            file: None,
            number: 0,
            next,
            written: 0,
            states: Vec::new(),
            frames: Vec::new(),
        }
    }

    /// Makes sure that there is a segment to write to. True if it is a new one: the caller repeats then
    /// what it wants to be in every segment (metadata).
    ///
    /// # Errors
    /// `Unavailable`, for example when the disk is full. It may be tried again at any time.
    pub fn open_segment(&mut self) -> Result<bool> {
        if self.file.is_some() && self.written < SEGMENT_BYTES {
            return Ok(false);
        }
        self.file = None;
        let number = self.next;
        self.next += 1;
        let path = segment_path(&self.folder, number);
        let open = || -> std::io::Result<File> {
            let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
            let mut header = MAGIC.to_vec();
            header.extend_from_slice(&number.to_le_bytes());
            file.write_all(&header)?;
            file.sync_all()?;
            Ok(file)
        };
        match open() {
            Ok(file) => {
                sync_folder(&self.folder)?;
                (self.file, self.number, self.written) = (Some(file), number, HEADER_BYTES);
                Ok(true)
            }
            Err(e) => {
                let _ = std::fs::remove_file(&path);
                Err(io_error(&path, e))
            }
        }
    }

    /// Closes the segment; the next frame goes to a new one. Returns the number of that.
    pub fn rotate(&mut self) -> u64 {
        self.file = None;
        self.states.clear();
        self.next
    }

    /// Adds a frame to those that [`Wal::flush`] writes. Samples are series id, time, bits; `labels` gives
    /// the labels of an id.
    pub fn add_frame<'a>(
        &mut self,
        samples: &[(u32, i64, u64)],
        metadata: &[Metadata],
        labels: impl Fn(u32) -> &'a Labels,
    ) {
        let start = self.frames.len();
        self.frames.extend_from_slice(&[0; 8]);
        for m in metadata {
            self.frames.push(RECORD_METADATA);
            self.frames.push(m.kind as u8);
            for text in [&m.metric, &m.help, &m.unit] {
                put_text(&mut self.frames, text);
            }
        }
        for (id, _, _) in samples {
            let at = *id as usize;
            if self.states.len() <= at {
                self.states.resize(at + 1, SeriesState::default());
            }
            if self.states[at].segment != self.number {
                self.states[at] = SeriesState { segment: self.number, bits: 0 };
                self.frames.push(RECORD_SERIES);
                put_varint(&mut self.frames, u64::from(*id));
                let labels = labels(*id);
                put_varint(&mut self.frames, labels.len() as u64);
                for (name, value) in labels.iter() {
                    put_text(&mut self.frames, name);
                    put_text(&mut self.frames, value);
                }
            }
        }
        if !samples.is_empty() {
            self.frames.push(RECORD_SAMPLES);
            put_varint(&mut self.frames, samples.len() as u64);
            let (mut last_id, mut last_ms) = (0i64, 0i64);
            for (id, timestamp_ms, bits) in samples {
                put_signed(&mut self.frames, i64::from(*id).wrapping_sub(last_id));
                put_signed(&mut self.frames, timestamp_ms.wrapping_sub(last_ms));
                let state = &mut self.states[*id as usize];
                put_value(&mut self.frames, state.bits, *bits);
                state.bits = *bits;
                (last_id, last_ms) = (i64::from(*id), *timestamp_ms);
            }
        }
        let payload = &self.frames[start + 8..];
        // A batch is far below 4 GiB: the limits of ingest see to it.
        let (length, crc) = (payload.len() as u32, crc32fast::hash(payload));
        self.frames[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.frames[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    }

    /// Writes all added frames and makes them durable. After an error the segment is sealed: what it
    /// holds of these frames may or may not come back at the next start, and nothing more is written to it.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn flush(&mut self) -> Result<u64> {
        let bytes = self.frames.len() as u64;
        let result = match &mut self.file {
            Some(file) => file.write_all(&self.frames).and_then(|()| file.sync_data()),
            None => Err(std::io::Error::other("no open segment")),
        };
        self.frames.clear();
        self.frames.shrink_to(4 << 20);
        match result {
            Ok(()) => {
                self.written += bytes;
                Ok(bytes)
            }
            Err(e) => {
                let path = segment_path(&self.folder, self.number);
                if self.written == HEADER_BYTES {
                    // Nothing in it was acknowledged; on a full disk every byte counts.
                    let _ = std::fs::remove_file(&path);
                } else if let Some(file) = &self.file {
                    // Should what failed come back at the next start, it would stand before what its sender sent in
                    // its place. Where even this fails, that may happen: nothing acknowledged is lost by it.
                    let _ = file.set_len(self.written).and_then(|()| file.sync_all());
                }
                self.rotate();
                Err(io_error(&path, e))
            }
        }
    }
}

/// Removes segments below `floor`.
///
/// # Errors
/// If the folder cannot be read; a segment that cannot be removed is left for the next time.
pub fn remove_below(folder: &Path, floor: u64) -> Result<()> {
    for (number, _) in segments(folder)?.iter().filter(|(n, _)| *n < floor) {
        let _ = std::fs::remove_file(segment_path(folder, *number));
    }
    Ok(())
}

/// What a reader of the log is told.
pub trait Replay {
    /// A series of this segment.
    ///
    /// # Errors
    /// Ends the replay.
    fn series(&mut self, segment_id: u32, labels: Labels) -> Result<()>;
    /// A sample of a series that was told before in this segment.
    ///
    /// # Errors
    /// Ends the replay.
    fn sample(&mut self, segment_id: u32, timestamp_ms: i64, bits: u64) -> Result<()>;
    /// What is known of a metric.
    fn metadata(&mut self, metadata: Metadata);
}

/// What follows the last frame that could be read.
pub struct Rest {
    /// Its length; 0 if all is well.
    pub bytes: u64,
    /// It is not what a crash leaves of an unfinished write, which was never acknowledged.
    pub is_damage: bool,
}

/// Reads one segment up to the first frame that is not whole.
///
/// # Errors
/// If the file cannot be read, or `replay` fails.
pub fn replay(folder: &Path, number: u64, replay: &mut impl Replay) -> Result<Rest> {
    let path = segment_path(folder, number);
    replay_bytes(&std::fs::read(&path).map_err(|e| io_error(&path, e))?, number, replay)
}

/// As [`replay`], of a segment that was read already.
///
/// # Errors
/// If `replay` fails.
pub fn replay_bytes(bytes: &[u8], number: u64, replay: &mut impl Replay) -> Result<Rest> {
    let Some(mut rest) = bytes.strip_prefix(MAGIC).and_then(|r| r.strip_prefix(&number.to_le_bytes())) else {
        let is_damage = bytes.len() as u64 > HEADER_BYTES;
        return Ok(Rest { bytes: bytes.len() as u64, is_damage });
    };
    let mut bits = HashMap::new();
    while let Some((payload, after)) = split_frame(rest) {
        if replay_frame(payload, &mut bits, replay)?.is_none() {
            return Ok(Rest { bytes: rest.len() as u64, is_damage: true });
        }
        rest = after;
    }
    Ok(Rest { bytes: rest.len() as u64, is_damage: holds_a_frame(rest) })
}

/// What follows the last whole frame of a segment, without decoding any.
pub fn rest(segment: &[u8], number: u64) -> Rest {
    let Some(mut rest) = segment.strip_prefix(MAGIC).and_then(|r| r.strip_prefix(&number.to_le_bytes()))
    else {
        let bytes = segment.len() as u64;
        return Rest { bytes, is_damage: bytes > HEADER_BYTES };
    };
    while let Some((_, after)) = split_frame(rest) {
        rest = after;
    }
    Rest { bytes: rest.len() as u64, is_damage: holds_a_frame(rest) }
}

/// Whether a whole frame lies behind the one that is not. Looks no further than is quick: a random length may ask for a
/// checksum of everything that follows.
fn holds_a_frame(bytes: &[u8]) -> bool {
    const BYTES_SUMMED_MAX: usize = 256 << 20;
    let mut summed = 0usize;
    for at in 1..bytes.len().saturating_sub(8) {
        let length = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
        // No frame is empty, and eight zeros would be one.
        if length == 0 || length > bytes.len() - at - 8 {
            continue;
        }
        summed += length;
        if summed > BYTES_SUMMED_MAX {
            return false;
        }
        if split_frame(&bytes[at..]).is_some() {
            return true;
        }
    }
    false
}

fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let crc = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
    let payload = bytes.get(8..8 + length)?;
    (crc32fast::hash(payload) == crc).then_some((payload, &bytes[8 + length..]))
}

/// `None` if the frame makes no sense although its checksum is right.
fn replay_frame(
    payload: &[u8],
    bits: &mut HashMap<u32, u64>,
    replay: &mut impl Replay,
) -> Result<Option<()>> {
    let Ok(records) = decode_frame(payload, bits) else { return Ok(None) };
    for record in records {
        match record {
            Record::Series(id, labels) => replay.series(id, labels)?,
            Record::Metadata(m) => replay.metadata(m),
            Record::Samples(samples) => {
                for (id, timestamp_ms, bits) in samples {
                    replay.sample(id, timestamp_ms, bits)?;
                }
            }
        }
    }
    Ok(Some(()))
}

enum Record {
    Series(u32, Labels),
    Samples(Vec<(u32, i64, u64)>),
    Metadata(Metadata),
}

fn decode_frame(payload: &[u8], bits: &mut HashMap<u32, u64>) -> Result<Vec<Record>> {
    let corrupt = |what: &str| Error::corrupt(format!("a log record has {what}"));
    let mut reader = Reader::new(payload);
    let mut records = Vec::new();
    while !reader.is_empty() {
        records.push(match reader.byte()? {
            RECORD_METADATA => {
                let kind = kind_from_number(reader.byte()?);
                let mut text = || reader.text().map(str::to_string);
                Record::Metadata(Metadata { metric: text()?, kind, help: text()?, unit: text()? })
            }
            RECORD_SERIES => {
                let id = u32::try_from(reader.varint()?).map_err(|_| corrupt("a huge id"))?;
                let mut labels = LabelsBuilder::default();
                for _ in 0..reader.varint()? {
                    let name = reader.text()?;
                    labels.push(name, reader.text()?);
                }
                bits.insert(id, 0);
                Record::Series(id, labels.build().map_err(|e| corrupt(&e.to_string()))?)
            }
            RECORD_SAMPLES => {
                let count = reader.varint()?;
                let mut samples = Vec::with_capacity(usize::try_from(count).unwrap_or(0).min(payload.len()));
                let (mut id, mut now) = (0i64, 0i64);
                for _ in 0..count {
                    id = id.wrapping_add(reader.signed()?);
                    now = now.wrapping_add(reader.signed()?);
                    let key = u32::try_from(id).map_err(|_| corrupt("a wrong id"))?;
                    let state = bits.get_mut(&key).ok_or_else(|| corrupt("an unknown series"))?;
                    *state = reader.value(*state)?;
                    samples.push((key, now, *state));
                }
                Record::Samples(samples)
            }
            _ => return Err(corrupt("an unknown kind")),
        });
    }
    Ok(records)
}

fn kind_from_number(n: u8) -> MetricKind {
    use MetricKind::*;
    [Unknown, Counter, Gauge, Histogram, GaugeHistogram, Summary, Info, StateSet]
        .into_iter()
        .find(|k| *k as u8 == n)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, PartialEq, Debug, Clone)]
    struct Seen(Vec<String>);

    impl Replay for Seen {
        fn series(&mut self, id: u32, labels: Labels) -> Result<()> {
            self.0.push(format!("{id} is {labels}"));
            Ok(())
        }
        fn sample(&mut self, id: u32, t: i64, bits: u64) -> Result<()> {
            self.0.push(format!("{id} at {t} = {}", f64::from_bits(bits)));
            Ok(())
        }
        fn metadata(&mut self, m: Metadata) {
            self.0.push(format!("{} is a {}: {}", m.metric, m.kind, m.help));
        }
    }

    fn two_segments(folder: &Path) {
        let labels = [Labels::default().with("a", "1"), Labels::default().with("a", "2")];
        let meta = Metadata {
            metric: "m".into(),
            kind: MetricKind::Counter,
            help: "Help.".into(),
            unit: String::new(),
        };
        let bits = |v: f64| v.to_bits();
        let mut wal = Wal::new(folder, 7);
        for t in [1000, 2000] {
            assert!(wal.open_segment().unwrap());
            wal.add_frame(&[(1, t, bits(0.5)), (0, t, bits(3.0))], std::slice::from_ref(&meta), |id| {
                &labels[id as usize]
            });
            wal.add_frame(&[(1, t + 1, bits(0.5)), (1, t - 1, bits(-1.0))], &[], |id| &labels[id as usize]);
            wal.flush().unwrap();
            assert!(!wal.open_segment().unwrap());
            wal.rotate();
        }
    }

    #[test]
    fn each_segment_stands_alone() {
        let folder = tempfile::tempdir().unwrap();
        two_segments(folder.path());
        let numbers: Vec<u64> = segments(folder.path()).unwrap().iter().map(|s| s.0).collect();
        assert_eq!(numbers, [7, 8]);
        let mut seen = Seen::default();
        assert_eq!(replay(folder.path(), 8, &mut seen).unwrap().bytes, 0);
        let want = [
            "m is a counter: Help.",
            "1 is {a=\"2\"}",
            "0 is {a=\"1\"}",
            "1 at 2000 = 0.5",
            "0 at 2000 = 3",
            "1 at 2001 = 0.5",
            "1 at 1999 = -1",
        ];
        assert_eq!(seen.0, want);
        remove_below(folder.path(), 8).unwrap();
        assert_eq!(segments(folder.path()).unwrap().len(), 1);
    }

    #[test]
    fn any_truncation_or_flip_gives_whole_frames_or_none() {
        let folder = tempfile::tempdir().unwrap();
        two_segments(folder.path());
        let path = segment_path(folder.path(), 7);
        let whole = std::fs::read(&path).unwrap();
        let mut all = Seen::default();
        replay(folder.path(), 7, &mut all).unwrap();
        let first_frame = all.0.iter().position(|l| l == "1 at 1001 = 0.5").unwrap();
        let check = |bytes: &[u8], what: &str| {
            std::fs::write(&path, bytes).unwrap();
            let mut seen = Seen::default();
            let lost = replay(folder.path(), 7, &mut seen).unwrap().bytes;
            assert!([0, first_frame, all.0.len()].contains(&seen.0.len()), "{what}: {seen:?}");
            assert_eq!(seen.0[..], all.0[..seen.0.len()], "{what}");
            assert_eq!(lost == 0, seen == all || bytes.is_empty() || seen.0.len() < all.0.len() && lost == 0);
        };
        for length in 0..whole.len() {
            check(&whole[..length], &format!("cut to {length}"));
        }
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            check(&bytes, &format!("bit {bit} flipped"));
        }
    }
}
