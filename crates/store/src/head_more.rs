//! What some series have in the head besides numbers: native histograms, and since when their numbers count. It lies
//! beside the series, so that those without it pay nothing; nobody may ask for it by a hash before looking at its mark.

use crate::chunk::{Chunk, SAMPLES_MAX};
use crate::head::Piece;
use crate::histogram_chunk;
use crate::open_histograms::OpenHistograms;
use foldhash::HashMap;
use model::{Histogram, HistogramAt};
use std::sync::Arc;
use stdx::Result;

/// Histograms that are sealed together: in a chunk one takes a third of what it takes in the open end. Merging joins what
/// is this short.
const OPEN_MAX: usize = SAMPLES_MAX / 4;

/// By id, for the few that have it.
#[derive(Default)]
pub struct Several {
    /// A bit for each id, up to the highest that has it.
    marks: Vec<u64>,
    by_id: HashMap<u32, Box<More>>,
}

impl Several {
    /// Whether there is anything under this id.
    pub fn has(&self, id: u32) -> bool {
        self.marks.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    /// Whether no series has any.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// What is there.
    pub fn get(&self, id: u32) -> Option<&More> {
        if self.has(id) { self.by_id.get(&id).map(|more| &**more) } else { None }
    }

    /// The same, made if it is not there; what that takes is added to `heap_bytes`.
    pub fn of(&mut self, id: u32, heap_bytes: &mut usize) -> &mut More {
        if !self.has(id) {
            let word = id as usize / 64;
            if self.marks.len() <= word {
                self.marks.resize(word + 1, 0);
            }
            self.marks[word] |= 1 << (id % 64);
            // Its place in the table too.
            *heap_bytes += size_of::<More>() + 24;
        }
        self.by_id.entry(id).or_default()
    }
}

/// What one series has besides numbers. Where two of its parts hold the same instant, the one that is named first wins.
#[derive(Default)]
pub struct More {
    sealed: Vec<Chunk>,
    open: OpenHistograms,
    late_sealed: Vec<Chunk>,
    /// Histograms that came after later ones, as they came.
    late: Vec<HistogramAt>,
    /// The last that was sealed in order.
    last_sealed: Option<(i64, Arc<Histogram>)>,
    /// Bytes of the histograms in `late`, and of chunks.
    bytes: usize,
    /// From which sample of the open end on which start holds; 0 is not known.
    open_starts: Vec<(u16, i64)>,
    /// Starts of late samples by time, as they came; those not known are not there.
    late_starts: Vec<(i64, i64)>,
}

impl More {
    /// Adds a histogram.
    ///
    /// # Errors
    /// `Internal` if a full chunk cannot be sealed; the sample is kept then all the same.
    pub fn push(&mut self, at: HistogramAt) -> Result<()> {
        let of_chunks =
            |chunks: &[Chunk]| chunks.iter().map(|c| c.heap_bytes() + size_of::<Chunk>()).sum::<usize>();
        if self.newest_ms().is_some_and(|newest| at.timestamp_ms <= newest) {
            self.bytes += bytes_of(&at);
            self.late.push(at);
            if self.late.len() >= SAMPLES_MAX {
                let chunks = histogram_chunk::seal(&in_order(self.late.clone()))?;
                self.bytes -= self.late.iter().map(bytes_of).sum::<usize>();
                self.bytes += of_chunks(&chunks);
                self.late = Vec::new();
                self.late_sealed.extend(chunks);
            }
            return Ok(());
        }
        self.open.push(at);
        if self.open.len() >= OPEN_MAX {
            let chunks = histogram_chunk::seal(&self.open.decode()?)?;
            self.bytes += of_chunks(&chunks);
            self.last_sealed = self.open.last().map(|at| (at.timestamp_ms, at.histogram.clone()));
            self.open = OpenHistograms::default();
            self.sealed.extend(chunks);
        }
        Ok(())
    }

    /// Time of the newest histogram that came in order.
    pub fn newest_ms(&self) -> Option<i64> {
        let sealed = || self.last_sealed.as_ref().map(|last| last.0);
        self.open.last().map(|at| at.timestamp_ms).or_else(sealed)
    }

    /// The histogram at this instant, if it is not in a chunk yet or is the newest.
    pub fn recent(&self, timestamp_ms: i64) -> Option<Arc<Histogram>> {
        let is_it = |at: &&HistogramAt| at.timestamp_ms == timestamp_ms;
        let near = self.open.last().filter(is_it).or_else(|| self.late.iter().find(is_it));
        if let Some(at) = near {
            return Some(at.histogram.clone());
        }
        if let Some((_, h)) = self.last_sealed.as_ref().filter(|last| last.0 == timestamp_ms) {
            return Some(h.clone());
        }
        let is_inside = |(first, last)| (first..=last).contains(&timestamp_ms);
        self.open.range_ms().filter(|range| is_inside(*range))?;
        let all = self.open.decode().ok()?;
        let found = all.binary_search_by_key(&timestamp_ms, |at| at.timestamp_ms).ok()?;
        Some(all[found].histogram.clone())
    }

    /// As [`More::recent`], in chunks too.
    pub fn at(&self, timestamp_ms: i64) -> Option<Arc<Histogram>> {
        let holds = |c: &&Chunk| (c.summary.first_ms..=c.summary.last_ms).contains(&timestamp_ms);
        let in_chunks = || {
            self.sealed().filter(holds).find_map(|chunk| {
                let mut all = Vec::new();
                histogram_chunk::decode(chunk, &mut all).ok()?;
                let found = all.binary_search_by_key(&timestamp_ms, |at| at.timestamp_ms).ok()?;
                Some(all[found].histogram.clone())
            })
        };
        self.recent(timestamp_ms).or_else(in_chunks)
    }

    /// Adds what there is of histograms, by precedence.
    ///
    /// # Errors
    /// `Corrupt`: a bug, or bad memory.
    pub fn pieces(&self, overlaps: impl Fn(i64, i64) -> bool, out: &mut Vec<Piece>) -> Result<()> {
        let sealed = |chunks: &[Chunk], out: &mut Vec<Piece>| {
            let chunks = chunks.iter().filter(|c| overlaps(c.summary.first_ms, c.summary.last_ms));
            out.extend(chunks.cloned().map(Piece::Sealed));
        };
        sealed(&self.sealed, out);
        if self.open.range_ms().is_some_and(|(first, last)| overlaps(first, last)) {
            out.push(Piece::Histograms(self.open.decode()?));
        }
        sealed(&self.late_sealed, out);
        if self.late.iter().any(|at| overlaps(at.timestamp_ms, at.timestamp_ms)) {
            out.push(Piece::Histograms(in_order(self.late.clone())));
        }
        Ok(())
    }

    /// Sealed chunks.
    pub fn sealed(&self) -> impl Iterator<Item = &Chunk> {
        self.sealed.iter().chain(&self.late_sealed)
    }

    /// First and last time and number of histograms that are not in a chunk.
    pub fn unsealed(&self) -> impl Iterator<Item = (i64, i64, u64)> + '_ {
        let open = self.open.range_ms().map(|(first, last)| (first, last, self.open.len() as u64));
        open.into_iter().chain(self.late.iter().map(|at| (at.timestamp_ms, at.timestamp_ms, 1)))
    }

    /// An estimate of what histograms take, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.bytes + self.open.heap_bytes()
    }

    /// Notes the start of the sample that comes next in the open end of numbers, at this place. Returns what that took.
    pub fn open_start(&mut self, place: usize, start_ms: i64) -> usize {
        if self.open_starts.last().map_or(0, |(_, start)| *start) == start_ms {
            return 0;
        }
        self.open_starts.push((place as u16, start_ms));
        size_of::<(u16, i64)>()
    }

    /// Notes the start of a late number. Returns what that took.
    pub fn late_start(&mut self, timestamp_ms: i64, start_ms: i64) -> usize {
        if start_ms == 0 {
            return 0;
        }
        self.late_starts.push((timestamp_ms, start_ms));
        size_of::<(i64, i64)>()
    }

    /// Starts of the `n` samples in the open end of numbers; `None` if none is known.
    pub fn open_starts(&self, n: usize) -> Option<Vec<i64>> {
        if self.open_starts.is_empty() {
            return None;
        }
        let mut starts = vec![0; n];
        for (i, (first, start_ms)) in self.open_starts.iter().enumerate() {
            let end = self.open_starts.get(i + 1).map_or(n, |next| usize::from(next.0));
            starts[usize::from(*first).min(n)..end.min(n)].fill(*start_ms);
        }
        Some(starts)
    }

    /// Starts of late numbers at these times; `None` if none is known.
    pub fn late_starts(&self, timestamps_ms: &[i64]) -> Option<Vec<i64>> {
        if self.late_starts.is_empty() {
            return None;
        }
        // Of two at one instant the first that came counts, as it does for the samples.
        let mut all = self.late_starts.clone();
        all.sort_by_key(|(t, _)| *t);
        all.dedup_by_key(|(t, _)| *t);
        let of = |t: &i64| all.binary_search_by_key(t, |(t, _)| *t).map_or(0, |i| all[i].1);
        Some(timestamps_ms.iter().map(of).collect())
    }

    /// As [`More::open_starts`] when the open end is sealed; all that is not known is 0.
    pub fn take_open_starts(&mut self, n: usize) -> Vec<i64> {
        let starts = self.open_starts(n).unwrap_or_else(|| vec![0; n]);
        self.open_starts = Vec::new();
        starts
    }

    /// As [`More::late_starts`] when the late numbers are sealed.
    pub fn take_late_starts(&mut self, timestamps_ms: &[i64]) -> Vec<i64> {
        let starts = self.late_starts(timestamps_ms).unwrap_or_else(|| vec![0; timestamps_ms.len()]);
        self.late_starts = Vec::new();
        starts
    }
}

/// Memory of one histogram, its custom bounds left out: they are shared.
fn bytes_of(at: &HistogramAt) -> usize {
    let h = &at.histogram;
    let side = |b: &model::histogram::Buckets| size_of_val(&*b.spans) + size_of_val(&*b.counts);
    size_of::<HistogramAt>() + 16 + size_of::<Histogram>() + side(&h.positive) + side(&h.negative)
}

/// Sorts by time; of several at one instant the first that came stays.
fn in_order(mut all: Vec<HistogramAt>) -> Vec<HistogramAt> {
    all.sort_by_key(|at| at.timestamp_ms);
    all.dedup_by_key(|at| at.timestamp_ms);
    all
}
