//! The newest samples, in memory: one generation of the head. A generation takes appends until it is
//! cut; then it never changes again, is written to a block, and is dropped. Generations share the index of their series
//! until many of these have ended: then the next one begins a new index, so that series that come and go cannot pile up.
//! It must never be changed by anyone but the one writer, and never before the log is durable.

use crate::cells::Cells;
use crate::chunk::{self, Chunk, SAMPLES_MAX};
use crate::head_more::{More, Several};
use crate::histogram_chunk;
use crate::index::LabelIndex;
use crate::open::{Coded, Open};
use crate::view::{Lifetime, lifetime};
use model::{Histogram, HistogramAt, Labels};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use stdx::{Error, Result};

/// A generation of the head.
#[derive(Default)]
pub struct Head {
    /// Labels and the way back to ids, of this generation and of those around it.
    index: Arc<RwLock<LabelIndex>>,
    /// By id; it ends with the last that has samples here.
    series: Vec<HeadSeries>,
    /// What their open ends hold.
    cells: Cells,
    /// How many of these have samples.
    filled: usize,
    /// What some series have besides numbers.
    more: Several,
    /// Samples held.
    pub samples: u64,
    /// First and last sample time over all series.
    pub range_ms: Option<(i64, i64)>,
    heap_bytes: usize,
}

/// Samples of one series. Most have an open end alone, and every byte here comes once for each series.
#[derive(Default)]
struct HeadSeries {
    open: Open,
    rest: Option<Box<Rest>>,
}

/// The rest of a series: sealed chunks before the open end, and what came late. Where two hold the same instant, sealed
/// chunks win over the open end, and that over what came late.
#[derive(Default)]
struct Rest {
    sealed: Vec<Chunk>,
    late: Late,
}

/// Samples that came after later ones of their series.
#[derive(Default)]
struct Late {
    sealed: Vec<Chunk>,
    open: Vec<(i64, f64)>,
}

/// One series of so many that has ended is enough for a new index.
const ENDED_SHARE: usize = 8;

/// Stands for the bits of the value where the sample is a native histogram. A number may have them too, if somebody makes
/// one for it: then a repeat is not seen as one.
pub const IS_HISTOGRAM: u64 = 0x7ffb_4d57_4849_5354;

/// Samples of one series as they are kept, in order of precedence.
pub enum Piece {
    /// A chunk, not yet decoded.
    Sealed(Chunk),
    /// An open end, not yet decoded.
    Open(Coded),
    /// Decoded samples in order of time.
    Plain(Vec<i64>, Vec<f64>),
    /// The same with the start of each, 0 where it is not known.
    Started(Vec<i64>, Vec<f64>, Vec<i64>),
    /// Native histograms in order of time.
    Histograms(Vec<HistogramAt>),
}

impl Piece {
    /// How many samples that are numbers it may give, for reserving memory.
    fn numbers(&self) -> usize {
        match self {
            Piece::Sealed(chunk) if !chunk.is_histograms() => (chunk.summary.count as usize).min(SAMPLES_MAX),
            Piece::Open(coded) => coded.len(),
            Piece::Plain(t, _) | Piece::Started(t, ..) => t.len(),
            _ => 0,
        }
    }

    /// Whether it holds native histograms, and no numbers.
    pub fn is_histograms(&self) -> bool {
        match self {
            Piece::Sealed(chunk) => chunk.is_histograms(),
            Piece::Histograms(_) => true,
            Piece::Open(_) | Piece::Plain(..) | Piece::Started(..) => false,
        }
    }

    /// Whether its numbers have starts.
    pub fn is_started(&self) -> bool {
        match self {
            Piece::Sealed(chunk) => chunk.is_started(),
            Piece::Started(..) => true,
            Piece::Open(_) | Piece::Plain(..) | Piece::Histograms(_) => false,
        }
    }
}

impl HeadSeries {
    fn newest(&self) -> Option<(i64, u64)> {
        let sealed = || self.sealed().last().map(|c| (c.summary.last_ms, c.summary.last.to_bits()));
        self.open.newest().or_else(sealed)
    }

    fn sealed(&self) -> &[Chunk] {
        self.rest.as_ref().map_or(&[], |rest| &rest.sealed)
    }

    fn late(&self) -> Option<&Late> {
        self.rest.as_ref().map(|rest| &rest.late)
    }
}

impl Head {
    /// The next generation, with the same index.
    pub fn next(&self) -> Head {
        Head { index: self.index.clone(), ..Head::default() }
    }

    /// Labels and the way back to ids. Ids may be there that have no samples here.
    pub fn index(&self) -> RwLockReadGuard<'_, LabelIndex> {
        self.index.read().unwrap_or_else(|e| e.into_inner())
    }

    /// The same, for new series.
    pub fn index_to_change(&self) -> RwLockWriteGuard<'_, LabelIndex> {
        self.index.write().unwrap_or_else(|e| e.into_inner())
    }

    /// The id of a series, which is added if it is new.
    pub fn id_of(&self, labels: Labels) -> u32 {
        let mut index = self.index_to_change();
        index.find(&labels).unwrap_or_else(|| index.push(labels))
    }

    /// Sees to it that a series has a place, and counts it if this is its first sample.
    fn enter(&mut self, id: u32) {
        let place = id as usize;
        if place >= self.series.len() {
            let added = place + 1 - self.series.len();
            self.series.resize_with(place + 1, HeadSeries::default);
            self.heap_bytes += added * size_of::<HeadSeries>();
        }
        let series = &self.series[place];
        let is_new = series.open.len() == 0 && series.rest.is_none() && !self.more.has(id);
        self.filled += usize::from(is_new);
    }

    /// A series; one without samples if there is none.
    fn of(&self, id: u32) -> &HeadSeries {
        static NONE: HeadSeries = HeadSeries { open: Open::NONE, rest: None };
        self.series.get(id as usize).unwrap_or(&NONE)
    }

    /// Appends one sample, in any order of time.
    ///
    /// # Errors
    /// `Internal` if a full chunk cannot be sealed; the sample is kept then all the same.
    pub fn push(&mut self, id: u32, timestamp_ms: i64, value: f64) -> Result<()> {
        self.push_started(id, timestamp_ms, value, 0)
    }

    /// As [`Head::push`], with the start of the sample, 0 if it is not known.
    ///
    /// # Errors
    /// As [`Head::push`].
    pub fn push_started(&mut self, id: u32, timestamp_ms: i64, value: f64, start_ms: i64) -> Result<()> {
        self.enter(id);
        let mut more = match start_ms != 0 || self.more.has(id) {
            true => Some(self.more.of(id, &mut self.heap_bytes)),
            false => None,
        };
        let series = &mut self.series[id as usize];
        self.samples += 1;
        let (min, max) = self.range_ms.unwrap_or((timestamp_ms, timestamp_ms));
        self.range_ms = Some((min.min(timestamp_ms), max.max(timestamp_ms)));
        let newest = series.newest().map(|(t, _)| t);
        if newest.is_some_and(|newest| timestamp_ms <= newest) {
            let late = &mut series.rest.get_or_insert_default().late;
            late.open.push((timestamp_ms, value));
            self.heap_bytes += 16;
            if let Some(more) = &mut more {
                self.heap_bytes += more.late_start(timestamp_ms, start_ms);
            }
            if late.open.len() >= SAMPLES_MAX {
                let (t, v) = in_order(std::mem::take(&mut late.open));
                let chunk = match more {
                    None => chunk::seal(&t, &v)?,
                    Some(more) => chunk::seal_started(&t, &v, &more.take_late_starts(&t))?,
                };
                self.heap_bytes += chunk.heap_bytes() + size_of::<Chunk>();
                late.sealed.push(chunk);
            }
            return Ok(());
        }
        if let Some(more) = &mut more {
            self.heap_bytes += more.open_start(series.open.len(), start_ms);
        }
        series.open.push(&mut self.cells, timestamp_ms, value.to_bits());
        if series.open.len() >= SAMPLES_MAX {
            let chunk = match more {
                None => series.open.seal(&mut self.cells)?,
                Some(more) => {
                    let (t, v) = series.open.decode(&self.cells)?;
                    series.open.clear(&mut self.cells);
                    chunk::seal_started(&t, &v, &more.take_open_starts(t.len()))?
                }
            };
            self.heap_bytes += chunk.heap_bytes() + size_of::<Chunk>();
            let rest = series.rest.get_or_insert_default();
            rest.sealed.reserve_exact(1);
            rest.sealed.push(chunk);
        }
        Ok(())
    }

    /// Appends one native histogram, in any order of time; it is compact ([`Histogram::compacted`]).
    ///
    /// # Errors
    /// As [`Head::push`].
    pub fn push_histogram(&mut self, id: u32, at: HistogramAt) -> Result<()> {
        self.samples += 1;
        let t = at.timestamp_ms;
        let (min, max) = self.range_ms.unwrap_or((t, t));
        self.range_ms = Some((min.min(t), max.max(t)));
        self.enter(id);
        let more = self.more.of(id, &mut self.heap_bytes);
        let before = more.heap_bytes();
        let pushed = more.push(at);
        self.heap_bytes = (self.heap_bytes + more.heap_bytes()).saturating_sub(before);
        pushed
    }

    /// Whether any series may have native histograms.
    pub fn may_have_histograms(&self) -> bool {
        !self.more.is_empty()
    }

    /// Whether the series has native histograms in chunks, or an open end, that overlap the range.
    pub fn has_histograms(&self, id: u32, start_ms: i64, end_ms: i64) -> bool {
        let overlaps = |first: i64, last: i64| first <= end_ms && last >= start_ms;
        self.more.get(id).is_some_and(|more| {
            more.sealed().any(|c| overlaps(c.summary.first_ms, c.summary.last_ms))
                || more.unsealed().any(|(first, last, _)| overlaps(first, last))
        })
    }

    /// The native histogram that the open end holds at this instant. Older instants are not looked at.
    pub fn recent_histogram(&self, id: u32, timestamp_ms: i64) -> Option<Arc<Histogram>> {
        self.more.get(id)?.recent(timestamp_ms)
    }

    /// As [`Head::recent_histogram`], in chunks too: a number at its instant would be read in its place.
    pub fn histogram_at(&self, id: u32, timestamp_ms: i64) -> Option<Arc<Histogram>> {
        self.more.get(id)?.at(timestamp_ms)
    }

    /// Whether the open ends hold a sample of any kind at this instant. Older instants are not looked at.
    pub fn has_recent(&self, id: u32, timestamp_ms: i64) -> bool {
        self.recent_value(id, timestamp_ms).is_some() || self.recent_histogram(id, timestamp_ms).is_some()
    }

    /// Whether the open end holds this instant, and with which bits. Older instants are not looked at.
    pub fn recent_value(&self, id: u32, timestamp_ms: i64) -> Option<u64> {
        let series = self.of(id);
        let late = series.late().into_iter().flat_map(|late| &late.open).find(|(t, _)| *t == timestamp_ms);
        let late = late.map(|(_, v)| v.to_bits());
        let open = &series.open;
        if open.range_ms(&self.cells).is_none_or(|(first, last)| timestamp_ms < first || timestamp_ms > last)
        {
            return late;
        }
        let (t, v) = open.decode(&self.cells).ok()?;
        t.binary_search(&timestamp_ms).ok().map(|i| v[i].to_bits()).or(late)
    }

    /// Time and bits of the newest in-order sample; those of a native histogram are [`IS_HISTOGRAM`].
    pub fn newest(&self, id: u32) -> Option<(i64, u64)> {
        let number = self.of(id).newest();
        let histogram = self.more.get(id).and_then(More::newest_ms).map(|t| (t, IS_HISTOGRAM));
        // Of two at one instant the number, which cannot have come after the histogram.
        if histogram.map(|h| h.0) > number.map(|n| n.0) { histogram } else { number }
    }

    /// What the series holds in `start_ms..=end_ms` (and some samples around it), by precedence.
    ///
    /// # Errors
    /// `Corrupt` if the open end does not decode (a bug, or bad memory).
    pub fn pieces(&self, id: u32, start_ms: i64, end_ms: i64, out: &mut Vec<Piece>) -> Result<()> {
        let series = self.of(id);
        let overlaps = |first: i64, last: i64| first <= end_ms && last >= start_ms;
        let sealed = |chunks: &[Chunk], out: &mut Vec<Piece>| {
            for c in chunks.iter().filter(|c| overlaps(c.summary.first_ms, c.summary.last_ms)) {
                out.push(Piece::Sealed(c.clone()));
            }
        };
        sealed(series.sealed(), out);
        let more = self.more.get(id);
        let plain = |t: Vec<i64>, v: Vec<f64>, starts: Option<Vec<i64>>| match starts {
            Some(starts) => Piece::Started(t, v, starts),
            None => Piece::Plain(t, v),
        };
        if series.open.range_ms(&self.cells).is_some_and(|(first, last)| overlaps(first, last)) {
            let coded = series.open.coded(&self.cells);
            out.push(match more.and_then(|more| more.open_starts(coded.len())) {
                None => Piece::Open(coded),
                Some(starts) => {
                    let (mut t, mut v) = (Vec::new(), Vec::new());
                    coded.decode_into(&mut t, &mut v)?;
                    Piece::Started(t, v, starts)
                }
            });
        }
        if let Some(late) = series.late() {
            sealed(&late.sealed, out);
            if !late.open.is_empty() {
                let (t, v) = in_order(late.open.clone());
                let starts = more.and_then(|more| more.late_starts(&t));
                out.push(plain(t, v, starts));
            }
        }
        match more {
            Some(more) => more.pieces(overlaps, out),
            None => Ok(()),
        }
    }

    /// All chunks of a series by precedence, the open end and the late samples sealed for this.
    ///
    /// # Errors
    /// As [`Head::pieces`].
    pub fn chunks(&self, id: u32) -> Result<Vec<Chunk>> {
        let mut pieces = Vec::new();
        self.pieces(id, i64::MIN, i64::MAX, &mut pieces)?;
        let mut chunks = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match piece {
                Piece::Sealed(chunk) => chunks.push(chunk),
                Piece::Open(coded) => {
                    let (mut t, mut v) = (Vec::new(), Vec::new());
                    coded.decode_into(&mut t, &mut v)?;
                    chunks.push(chunk::seal(&t, &v)?);
                }
                Piece::Plain(t, v) => chunks.push(chunk::seal(&t, &v)?),
                Piece::Started(t, v, starts) => chunks.push(chunk::seal_started(&t, &v, &starts)?),
                Piece::Histograms(all) => chunks.extend(histogram_chunk::seal(&all)?),
            }
        }
        Ok(chunks)
    }

    /// Since when and until when the series has samples in chunks that overlap the range.
    pub fn lifetime(&self, id: u32, start_ms: i64, end_ms: i64) -> Option<Lifetime> {
        let series = self.of(id);
        let late_sealed = series.late().into_iter().flat_map(|late| &late.sealed);
        let more = self.more.get(id);
        let histograms = more.into_iter().flat_map(More::sealed);
        let sealed = series.sealed().iter().chain(late_sealed).chain(histograms).map(|c| &c.summary);
        let mut life = lifetime(sealed.filter(|s| s.first_ms <= end_ms && s.last_ms >= start_ms));
        let mut add = |first_ms: i64, last_ms: i64, samples: u64| {
            if first_ms <= end_ms && last_ms >= start_ms {
                let l = life.get_or_insert(Lifetime { first_ms, last_ms, samples: 0 });
                l.first_ms = l.first_ms.min(first_ms);
                l.last_ms = l.last_ms.max(last_ms);
                l.samples += samples;
            }
        };
        if let Some((first_ms, last_ms)) = series.open.range_ms(&self.cells) {
            add(first_ms, last_ms, series.open.len() as u64);
        }
        series.late().into_iter().flat_map(|late| &late.open).for_each(|(t, _)| add(*t, *t, 1));
        more.into_iter().flat_map(More::unsealed).for_each(|(first, last, n)| add(first, last, n));
        life
    }

    /// Number of series with a sample here at `since_ms` or later.
    pub fn series_since(&self, since_ms: i64) -> usize {
        let speaks = |id: &u32| self.newest(*id).is_some_and(|(newest_ms, _)| newest_ms >= since_ms);
        (0..self.series.len() as u32).filter(speaks).count()
    }

    /// The series that have samples here, in order of labels. New series wait for the index only until it is copied.
    pub fn in_order_of_labels(&self) -> Vec<(Labels, u32)> {
        let index = self.index();
        let ids = (0..self.series.len() as u32).filter(|id| self.newest(*id).is_some());
        let mut series: Vec<(Labels, u32)> = ids.map(|id| (index.labels(id).clone(), id)).collect();
        drop(index);
        series.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        series
    }

    /// Whether the next generation should begin a new index: many series of this one have ended. A generation that is
    /// short says little of that, so half of them have to be missing.
    pub fn is_worn(&self, silent_ms: i64) -> bool {
        let known = self.index().series().len();
        match self.range_ms {
            Some((first_ms, last_ms)) if last_ms.saturating_sub(first_ms) >= silent_ms => {
                let speaking = self.series_since(last_ms.saturating_sub(silent_ms));
                known.saturating_sub(speaking) * ENDED_SHARE > known
            }
            _ => self.filled * 2 < known,
        }
    }

    /// Whether the two have one index.
    pub fn shares_index(&self, other: &Head) -> bool {
        Arc::ptr_eq(&self.index, &other.index)
    }

    /// An estimate of the memory taken, in bytes, that of the index included.
    pub fn heap_bytes(&self) -> usize {
        self.own_bytes() + self.index().heap_bytes()
    }

    /// What [`Head::heap_bytes`] would be without the index.
    pub fn own_bytes(&self) -> usize {
        self.heap_bytes + self.cells.heap_bytes()
    }

    /// The part of [`Head::heap_bytes`] that samples take; the rest is the series themselves.
    pub fn samples_bytes(&self) -> usize {
        self.own_bytes().saturating_sub(self.series.len() * size_of::<HeadSeries>())
    }

    /// Number of series that have samples here.
    pub fn len(&self) -> usize {
        self.filled
    }
}

/// Sorts by time; of several samples at one instant the first that came stays.
fn in_order(mut samples: Vec<(i64, f64)>) -> (Vec<i64>, Vec<f64>) {
    samples.sort_by_key(|(t, _)| *t);
    samples.dedup_by_key(|(t, _)| *t);
    samples.into_iter().unzip()
}

/// Joins pieces, given by precedence, into numbers of strictly increasing time in `start_ms..=end_ms`. Histograms are left
/// out: `pieces.rs` joins all there is.
///
/// # Errors
/// `Corrupt` if a chunk does not decode.
pub fn merge(pieces: &[Piece], start_ms: i64, end_ms: i64) -> Result<(Vec<i64>, Vec<f64>)> {
    let (mut t, mut v) = (Vec::new(), Vec::new());
    let range = merge_into(pieces, start_ms, end_ms, &mut t, &mut v)?;
    t.truncate(range.end);
    v.truncate(range.end);
    t.drain(..range.start);
    v.drain(..range.start);
    Ok((t, v))
}

/// As [`merge`], into memory that is used again: what is in these places of the two is the answer.
///
/// # Errors
/// As [`merge`].
pub fn merge_into(
    pieces: &[Piece],
    start_ms: i64,
    end_ms: i64,
    t: &mut Vec<i64>,
    v: &mut Vec<f64>,
) -> Result<std::ops::Range<usize>> {
    let samples = pieces.iter().map(Piece::numbers).sum();
    t.clear();
    v.clear();
    t.reserve(samples);
    v.reserve(samples);
    for piece in pieces {
        match piece {
            piece if piece.is_histograms() => {}
            Piece::Histograms(_) => {}
            Piece::Sealed(chunk) => chunk.decode(t, v)?,
            Piece::Open(coded) => coded.decode_into(t, v)?,
            Piece::Plain(times, values) | Piece::Started(times, values, _) => {
                t.extend_from_slice(times);
                v.extend_from_slice(values);
            }
        }
    }
    if t.len() != v.len() {
        return Err(Error::corrupt("times and values differ in number"));
    }
    if t.windows(2).any(|w| w[0] >= w[1]) {
        (*t, *v) = in_order(t.drain(..).zip(v.drain(..)).collect());
    }
    let from = t.partition_point(|t| *t < start_ms);
    Ok(from..t.partition_point(|t| *t <= end_ms).max(from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// Any order of arrival gives back each instant once, with the value that came first.
        #[test]
        fn any_order_reads_back_sorted(times in prop::collection::vec(0i64..3000, 1..2500)) {
            let mut head = Head::default();
            let id = head.id_of(Labels::default());
            let mut naive = BTreeMap::new();
            for (i, t) in times.iter().enumerate() {
                // The writer refuses what the head can see to be there already.
                if head.recent_value(id, *t).is_none() {
                    head.push(id, *t, i as f64).unwrap();
                }
                naive.entry(*t).or_insert(i as f64);
            }
            let mut pieces = Vec::new();
            head.pieces(id, 100, 2000, &mut pieces).unwrap();
            let (t, v) = merge(&pieces, 100, 2000).unwrap();
            let want: Vec<i64> = naive.range(100..=2000).map(|(t, _)| *t).collect();
            prop_assert_eq!(&t, &want);
            // Of two samples at one instant the first to come wins, unless it was late and the other
            // was sealed before: what is in order takes precedence.
            for (t, v) in t.iter().zip(&v) {
                prop_assert_eq!(times[*v as usize], *t);
            }
            let sealed: u64 = head.chunks(id).unwrap().iter().map(|c| u64::from(c.summary.count)).sum();
            prop_assert!(sealed <= head.samples);
        }
    }
}
