//! What some series have in the head besides numbers: native histograms, and since when their numbers count. It lies
//! beside the series, so that those without it pay nothing; nobody may ask for it by a hash before looking at its mark.

use crate::chunk::{Chunk, SAMPLES_MAX};
use crate::head::Piece;
use crate::histogram_chunk;
use foldhash::HashMap;
use model::{Histogram, HistogramAt};
use std::sync::Arc;
use stdx::Result;

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
    /// In order of time.
    open: Vec<HistogramAt>,
    late_sealed: Vec<Chunk>,
    /// Histograms that came after later ones, as they came.
    late: Vec<HistogramAt>,
    newest: Option<(i64, Arc<Histogram>)>,
    /// Bytes of the histograms in `open` and `late`, and of chunks.
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
        let is_late = self.newest_ms().is_some_and(|newest| at.timestamp_ms <= newest);
        self.bytes += bytes_of(&at);
        if !is_late {
            self.newest = Some((at.timestamp_ms, at.histogram.clone()));
        }
        let (open, sealed) = match is_late {
            false => (&mut self.open, &mut self.sealed),
            true => (&mut self.late, &mut self.late_sealed),
        };
        open.push(at);
        if open.len() >= SAMPLES_MAX {
            let chunks = histogram_chunk::seal(&in_order(open.clone()))?;
            self.bytes -= open.iter().map(bytes_of).sum::<usize>();
            self.bytes += chunks.iter().map(|c| c.heap_bytes() + size_of::<Chunk>()).sum::<usize>();
            *open = Vec::new();
            sealed.extend(chunks);
        }
        Ok(())
    }

    /// Time of the newest histogram that came in order.
    pub fn newest_ms(&self) -> Option<i64> {
        self.newest.as_ref().map(|newest| newest.0)
    }

    /// The histogram at this instant, if it is not in a chunk yet or is the newest.
    pub fn recent(&self, timestamp_ms: i64) -> Option<Arc<Histogram>> {
        if let Some((_, h)) = self.newest.as_ref().filter(|newest| newest.0 == timestamp_ms) {
            return Some(h.clone());
        }
        let late = || self.late.iter().find(|at| at.timestamp_ms == timestamp_ms);
        let found = self.open.binary_search_by_key(&timestamp_ms, |at| at.timestamp_ms).ok();
        found.map(|i| &self.open[i]).or_else(late).map(|at| at.histogram.clone())
    }

    /// Adds what there is of histograms, by precedence.
    ///
    /// # Errors
    /// `Corrupt`: a bug, or bad memory.
    pub fn pieces(&self, overlaps: impl Fn(i64, i64) -> bool, out: &mut Vec<Piece>) -> Result<()> {
        for (sealed, open) in [(&self.sealed, &self.open), (&self.late_sealed, &self.late)] {
            let chunks = sealed.iter().filter(|c| overlaps(c.summary.first_ms, c.summary.last_ms));
            out.extend(chunks.cloned().map(Piece::Sealed));
            if open.iter().any(|at| overlaps(at.timestamp_ms, at.timestamp_ms)) {
                out.push(Piece::Histograms(in_order(open.clone())));
            }
        }
        Ok(())
    }

    /// Sealed chunks.
    pub fn sealed(&self) -> impl Iterator<Item = &Chunk> {
        self.sealed.iter().chain(&self.late_sealed)
    }

    /// Times of the histograms that are not in a chunk.
    pub fn times(&self) -> impl Iterator<Item = i64> + '_ {
        self.open.iter().chain(&self.late).map(|at| at.timestamp_ms)
    }

    /// An estimate of what histograms take, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.bytes
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
