//! Reading the write-ahead log: each segment alone, frame by frame, several at a time on several cores, told in order.
//! It must never tell of a frame whose checksum is wrong, nor of anything after it.

use crate::appender::HEADER_BYTES;
use crate::objects::io_error;
use crate::wal::{
    KIND, RECORD_HISTOGRAMS, RECORD_METADATA, RECORD_SAMPLES, RECORD_SERIES, RECORD_STARTS, segment_path,
};
use crate::wal_histogram;
use crate::xor::Reader;
use foldhash::{HashMap, HashMapExt};
use model::{HistogramAt, Labels, LabelsBuilder, Metadata, MetricKind};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::mpsc::sync_channel;
use stdx::{Error, Result};

/// What a reader of the log is told.
pub trait Replay {
    /// A series of this segment.
    ///
    /// # Errors
    /// Ends the replay.
    fn series(&mut self, segment_id: u32, labels: Labels) -> Result<()>;
    /// A sample of a series that was told before in this segment, and its start, 0 if that is not known.
    ///
    /// # Errors
    /// Ends the replay.
    fn sample(&mut self, segment_id: u32, timestamp_ms: i64, bits: u64, start_ms: i64) -> Result<()>;
    /// A native histogram of such a series.
    ///
    /// # Errors
    /// Ends the replay.
    fn histogram(&mut self, segment_id: u32, at: HistogramAt) -> Result<()>;
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

/// Decoded frames that wait for being told, for each segment that is read ahead.
const FRAMES_AHEAD: usize = 16;

/// Reads segments, each up to the first frame that is not whole, on so many threads at a time, and tells of them in the
/// order of `numbers`. `ended` comes before anything of the next one is told; it gets an error if the file cannot be read,
/// or `replay` fails.
///
/// # Errors
/// If a segment that is there cannot be opened: that is no damage, it may work the next time, and what comes after it must
/// not be told without it.
pub fn replay_all<R: Replay>(
    folder: &Path,
    numbers: &[u64],
    threads: usize,
    replay: &mut R,
    mut ended: impl FnMut(&mut R, u64, Result<Rest>),
) -> Result<()> {
    std::thread::scope(|scope| {
        let mut ahead = VecDeque::new();
        let mut numbers = numbers.iter().copied();
        loop {
            while ahead.len() < threads.max(1)
                && let Some(number) = numbers.next()
            {
                let file = open(&segment_path(folder, number));
                if let Err(e) = file.as_ref()
                    && e.kind != stdx::ErrorKind::NotFound
                {
                    return file.map(drop);
                }
                let (sender, frames) = sync_channel(FRAMES_AHEAD);
                let reading = scope.spawn(move || {
                    let gone = || Error::new(stdx::ErrorKind::Cancelled, "nobody listens");
                    let path = segment_path(folder, number);
                    read_file(&path, file?, number, |records| sender.send(records).map_err(|_| gone()))
                });
                ahead.push_back((number, frames, reading));
            }
            let Some((number, frames, reading)) = ahead.pop_front() else { return Ok(()) };
            let told = frames.iter().flatten().try_for_each(|record| record.tell(replay));
            drop(frames);
            let failed = || Err(Error::new(stdx::ErrorKind::Internal, "reading the log failed inside"));
            let read = reading.join().unwrap_or_else(|_| failed());
            ended(replay, number, told.and(read));
        }
    })
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|e| io_error(path, e))
}

/// Reads one segment on this thread, and no more of it than is there when this begins. Returns how long that is, in
/// bytes, too.
///
/// # Errors
/// If the file cannot be read, or `replay` fails.
pub fn replay_file(folder: &Path, number: u64, replay: &mut impl Replay) -> Result<(u64, Rest)> {
    let path = segment_path(folder, number);
    let file = open(&path)?;
    let length = file.metadata().map_err(|e| io_error(&path, e))?.len();
    let rest =
        read_frames(BufReader::with_capacity(1 << 20, file).take(length), length, number, |records| {
            records.into_iter().try_for_each(|record| record.tell(replay))
        })?;
    Ok((length, rest))
}

fn read_file(
    path: &Path,
    file: File,
    number: u64,
    each: impl FnMut(Vec<Record>) -> Result<()>,
) -> Result<Rest> {
    let length = file.metadata().map_err(|e| io_error(path, e))?.len();
    read_frames(BufReader::with_capacity(1 << 20, file), length, number, each)
        .map_err(|e| Error::new(e.kind, format!("{}: {e}", path.display())))
}

/// Gives the records of each whole frame to `each`. `length` is that of the file, in bytes.
fn read_frames(
    mut file: impl Read,
    length: u64,
    number: u64,
    mut each: impl FnMut(Vec<Record>) -> Result<()>,
) -> Result<Rest> {
    let io = |e| Error::wrap(stdx::ErrorKind::Unavailable, "cannot be read", e);
    let mut header = Vec::new();
    file.by_ref().take(HEADER_BYTES).read_to_end(&mut header).map_err(io)?;
    if header != KIND.header(number) {
        return Ok(Rest { bytes: length, is_damage: length > HEADER_BYTES });
    }
    let mut states = States::default();
    let (mut at, mut frame) = (HEADER_BYTES, Vec::new());
    loop {
        frame.clear();
        file.by_ref().take(8).read_to_end(&mut frame).map_err(io)?;
        if frame.len() == 8 {
            let payload = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]);
            let left = length.saturating_sub(at + 8);
            file.by_ref().take(u64::from(payload).min(left)).read_to_end(&mut frame).map_err(io)?;
        }
        match split_frame(&frame).map(|(payload, _)| decode_frame(payload, &mut states)) {
            Some(Ok(records)) => each(records)?,
            Some(Err(_)) => return Ok(Rest { bytes: length.saturating_sub(at), is_damage: true }),
            None if frame.is_empty() => return Ok(Rest { bytes: 0, is_damage: false }),
            None => {
                file.read_to_end(&mut frame).map_err(io)?;
                return Ok(Rest { bytes: frame.len() as u64, is_damage: holds_a_frame(&frame) });
            }
        }
        at += frame.len() as u64;
    }
}

/// Whether a whole frame lies behind the one that is not. Looks no further than is quick: a random length may ask for a
/// checksum of everything that follows.
pub fn holds_a_frame(bytes: &[u8]) -> bool {
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

enum Record {
    Series(u32, Labels),
    /// The starts of some of them, by their place.
    Samples(Vec<(u32, i64, u64)>, Vec<(usize, i64)>),
    Histograms(Vec<(u32, HistogramAt)>),
    Metadata(Metadata),
}

impl Record {
    fn tell(self, replay: &mut impl Replay) -> Result<()> {
        match self {
            Record::Series(id, labels) => replay.series(id, labels),
            Record::Metadata(m) => {
                replay.metadata(m);
                Ok(())
            }
            Record::Samples(samples, starts) => {
                let mut starts = starts.into_iter().peekable();
                samples.into_iter().enumerate().try_for_each(|(place, (id, timestamp_ms, bits))| {
                    let start = starts.next_if(|(of, _)| *of == place);
                    replay.sample(id, timestamp_ms, bits, start.map_or(0, |(_, start_ms)| start_ms))
                })
            }
            Record::Histograms(all) => all.into_iter().try_for_each(|(id, at)| replay.histogram(id, at)),
        }
    }
}

/// By id of a segment. Ids are dense, as they are written; one that is not takes no more memory than a dense one.
#[derive(Default)]
pub struct ById<T> {
    dense: Vec<Option<T>>,
    sparse: HashMap<u32, T>,
}

impl<T> ById<T> {
    /// What stands under the id.
    pub fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        match self.dense.get_mut(id as usize) {
            Some(value) => value.as_mut(),
            None => self.sparse.get_mut(&id),
        }
    }

    /// Puts a value under the id.
    pub fn insert(&mut self, id: u32, value: T) {
        const AHEAD_MAX: usize = 1 << 16;
        let at = id as usize;
        if at >= self.dense.len() && at < self.dense.len() * 2 + AHEAD_MAX && self.sparse.is_empty() {
            self.dense.resize_with(at + 1, || None);
        }
        match self.dense.get_mut(at) {
            Some(place) => *place = Some(value),
            None => {
                self.sparse.insert(id, value);
            }
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.dense.clear();
        self.sparse = HashMap::new();
    }
}

/// Bits of the last value of each series.
type States = ById<u64>;

fn decode_frame(payload: &[u8], states: &mut States) -> Result<Vec<Record>> {
    let corrupt = |what: &str| Error::corrupt(format!("a log record has {what}"));
    let mut reader = Reader::new(payload);
    let (mut records, mut starts) = (Vec::new(), Vec::new());
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
                states.insert(id, 0);
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
                    let state = states.get_mut(key).ok_or_else(|| corrupt("an unknown series"))?;
                    *state = reader.value(*state)?;
                    samples.push((key, now, *state));
                }
                Record::Samples(samples, std::mem::take(&mut starts))
            }
            RECORD_STARTS => {
                starts = decode_starts(&mut reader)?;
                continue;
            }
            RECORD_HISTOGRAMS => {
                let (mut all, mut before) = (Vec::new(), wal_histogram::Before::default());
                let (mut id, mut now) = (0i64, 0i64);
                for _ in 0..reader.varint()? {
                    id = id.wrapping_add(reader.signed()?);
                    now = now.wrapping_add(reader.signed()?);
                    let key = u32::try_from(id).map_err(|_| corrupt("a wrong id"))?;
                    states.get_mut(key).ok_or_else(|| corrupt("an unknown series"))?;
                    all.push((key, wal_histogram::get(&mut reader, now, &mut before)?));
                }
                Record::Histograms(all)
            }
            _ => return Err(corrupt("an unknown kind")),
        });
    }
    Ok(records)
}

/// Places in the record of samples that follows, rising, and starts.
fn decode_starts(reader: &mut Reader<'_>) -> Result<Vec<(usize, i64)>> {
    let (mut starts, mut place, mut start_ms) = (Vec::new(), 0u64, 0i64);
    for _ in 0..reader.varint()? {
        place = place.saturating_add(reader.varint()?);
        start_ms = start_ms.wrapping_add(reader.signed()?);
        starts.push((usize::try_from(place).unwrap_or(usize::MAX), start_ms));
    }
    Ok(starts)
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
    use crate::wal::{Frame, Wal, remove_below, segments};
    use model::Histogram;
    use model::histogram::Buckets;

    fn replay(folder: &Path, number: u64, replay: &mut impl Replay) -> Result<Rest> {
        let mut outcome = None;
        replay_all(folder, &[number], 1, replay, |_, _, rest| outcome = Some(rest)).unwrap();
        outcome.unwrap()
    }

    #[derive(Default, PartialEq, Debug, Clone)]
    struct Seen(Vec<String>);

    impl Replay for Seen {
        fn series(&mut self, id: u32, labels: Labels) -> Result<()> {
            self.0.push(format!("{id} is {labels}"));
            Ok(())
        }
        fn sample(&mut self, id: u32, t: i64, bits: u64, start_ms: i64) -> Result<()> {
            let since = if start_ms == 0 { String::new() } else { format!(" since {start_ms}") };
            self.0.push(format!("{id} at {t} = {}{since}", f64::from_bits(bits)));
            Ok(())
        }
        fn histogram(&mut self, id: u32, at: HistogramAt) -> Result<()> {
            let HistogramAt { timestamp_ms, start_ms, histogram } = at;
            self.0.push(format!("{id} at {timestamp_ms} = {} observed since {start_ms}", histogram.count));
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
            let (samples, metadata) = ([(1, t, bits(0.5)), (0, t, bits(3.0))], [meta.clone()]);
            wal.add_frame(Frame { samples: &samples, metadata: &metadata, ..Frame::default() }, |id| {
                &labels[id as usize]
            });
            let histogram = |count: f64| Histogram {
                count,
                positive: Buckets::from_pairs([(3, count)]),
                ..Histogram::default()
            };
            let at = |timestamp_ms, start_ms, count| {
                (0, HistogramAt { timestamp_ms, start_ms, histogram: histogram(count).into() })
            };
            let frame = Frame {
                samples: &[(1, t + 1, bits(0.5)), (1, t - 1, bits(-1.0))],
                starts: &[(8, 40)],
                samples_before: 7,
                histograms: &[at(t + 1, 0, 4.0), at(t + 2, 30, 5.0)],
                ..Frame::default()
            };
            wal.add_frame(frame, |id| &labels[id as usize]);
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
            "1 at 1999 = -1 since 40",
            "0 at 2001 = 4 observed since 0",
            "0 at 2002 = 5 observed since 30",
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
