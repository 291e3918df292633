//! What readers get: the heads and blocks as they were when it was made. Blocks and cut heads never change;
//! the newest head may still take samples while a view exists, later than those already seen.
//! It must never write, and never give a sample that a checksum does not confirm.

use crate::archive;
use crate::block::Block;
use crate::chunk::Summary;
use crate::head::{Head, Piece, merge, merge_into};
use crate::join::{self, Joined};
use crate::open::Coded;
use crate::pieces::{self, Placed};
use crate::tier::Tiers;
use foldhash::{HashMap, HashMapExt};
use model::{Labels, Matcher, SeriesData};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, RwLock};
use stdx::{Error, ErrorKind, Result};

/// A stable set of heads and blocks to read from. Cheap to make and to clone.
#[derive(Clone)]
pub struct View {
    pub(crate) blocks: Arc<Vec<Arc<Block>>>,
    /// Oldest first; the last one takes appends.
    pub(crate) heads: Vec<Arc<RwLock<Head>>>,
    /// Times of archived blocks that are not here.
    pub(crate) away: Arc<Vec<(i64, i64)>>,
    pub(crate) warnings: Arc<Mutex<Vec<String>>>,
    pub(crate) tiers: Arc<Tiers>,
}

/// The parts of one series in a range, not yet joined.
pub struct SeriesPieces {
    /// The series.
    pub labels: Labels,
    /// Its numbers.
    pub(crate) pieces: Vec<Piece>,
    /// Its native histograms, if there are any.
    pub(crate) histograms: Option<Box<Placed>>,
}

/// A part of a series: its summary where it is a whole chunk.
pub enum Part<'a> {
    /// A sealed chunk's summary.
    Summary(&'a Summary),
    /// An open end, not yet decoded.
    Open(&'a Coded),
    /// Decoded samples.
    Samples(&'a [i64], &'a [f64]),
}

impl SeriesPieces {
    pub(crate) fn new(labels: Labels, pieces: Vec<Piece>) -> SeriesPieces {
        let mut new = SeriesPieces { labels, pieces: Vec::new(), histograms: None };
        match pieces.iter().any(Piece::is_histograms) {
            true => new.add(pieces),
            false => new.pieces = pieces,
        }
        new
    }

    /// Parts that those which are there take precedence over.
    pub(crate) fn add(&mut self, more: Vec<Piece>) {
        pieces::add(&mut self.pieces, &mut self.histograms, more);
    }

    /// Whether it has native histograms, which none of the methods here looks at ([`View::select`] does).
    pub fn has_histograms(&self) -> bool {
        self.histograms.is_some()
    }

    /// All of it in `start_ms..=end_ms`: numbers, their starts, and native histograms.
    ///
    /// # Errors
    /// `Corrupt` if a chunk does not decode.
    pub fn data(self, start_ms: i64, end_ms: i64) -> Result<SeriesData> {
        let histograms = self.histograms.as_deref().map_or(&[][..], |placed| placed);
        pieces::data(self.labels, &self.pieces, histograms, start_ms, end_ms)
    }

    /// Joins the parts: strictly increasing times in `start_ms..=end_ms`.
    ///
    /// # Errors
    /// `Corrupt` if a chunk does not decode.
    pub fn samples(&self, start_ms: i64, end_ms: i64) -> Result<(Vec<i64>, Vec<f64>)> {
        merge(&self.pieces, start_ms, end_ms)
    }

    /// As [`SeriesPieces::samples`], in memory that is used again for the next series.
    ///
    /// # Errors
    /// As there.
    pub fn samples_in<'b>(
        &self,
        start_ms: i64,
        end_ms: i64,
        (times, values): &'b mut (Vec<i64>, Vec<f64>),
    ) -> Result<(&'b [i64], &'b [f64])> {
        let range = merge_into(&self.pieces, start_ms, end_ms, times, values)?;
        Ok((&times[range.clone()], &values[range]))
    }

    /// The parts by precedence, without decoding.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.pieces.iter().map(|piece| match piece {
            Piece::Sealed(chunk) => Part::Summary(&chunk.summary),
            Piece::Open(coded) => Part::Open(coded),
            Piece::Plain(t, v) | Piece::Started(t, v, _) => Part::Samples(t, v),
            Piece::Histograms(_) => Part::Samples(&[], &[]),
        })
    }

    /// True if no two parts overlap in time, so that summaries may be added up.
    pub fn is_disjoint(&self) -> bool {
        let mut last = i64::MIN;
        self.parts().all(|part| {
            let (from, to) = match part {
                Part::Summary(s) => (s.first_ms, s.last_ms),
                Part::Open(coded) => match coded.range_ms() {
                    Some(range) => range,
                    None => return true,
                },
                Part::Samples(t, _) => match (t.first(), t.last()) {
                    (Some(from), Some(to)) => (*from, *to),
                    _ => return true,
                },
            };
            let ok = last < from || last == i64::MIN;
            last = to;
            ok
        })
    }

    /// Decodes one part.
    ///
    /// # Errors
    /// `Corrupt` if a chunk does not decode.
    pub fn decode_part(&self, index: usize) -> Result<(Vec<i64>, Vec<f64>)> {
        merge(&self.pieces[index..=index], i64::MIN, i64::MAX)
    }
}

/// Since when and until when a series is known, and how much of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Lifetime {
    /// First sample, milliseconds since 1970.
    pub first_ms: i64,
    /// Last sample.
    pub last_ms: i64,
    /// Samples, counted per chunk (a sample that came twice may count twice).
    pub samples: u64,
}

/// Series of blocks from which on another thread pays: some milliseconds of reading.
const SERIES_PER_THREAD: usize = 20_000;
/// Threads that read blocks for one query at the most.
const THREADS_MAX: usize = 4;
/// Series of a head that are read under one lock.
const IDS_PER_LOCK: usize = 256;

/// Does `count` things on as many cores as there are, at most `threads`, and takes what comes of them in order.
fn on_cores<T: Send>(
    count: usize,
    threads: usize,
    one: &(impl Fn(usize) -> Result<T> + Sync),
    mut take: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if threads.min(cores).min(count) < 2 {
        return (0..count).try_for_each(|i| take(one(i)?));
    }
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<T>)>> = Mutex::default();
    let work = || {
        loop {
            let i = next.fetch_add(1, Relaxed);
            if i >= count {
                return;
            }
            let result = one(i);
            done.lock().unwrap_or_else(|e| e.into_inner()).push((i, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(cores).min(count).min(THREADS_MAX) {
            scope.spawn(work);
        }
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(|e| e.into_inner());
    done.sort_unstable_by_key(|(i, _)| *i);
    done.into_iter().try_for_each(|(_, result)| take(result?))
}

impl View {
    /// The series that pass the matchers and may have samples in `start_ms..=end_ms`, with their parts.
    ///
    /// # Errors
    /// `TooLarge` past a limit; `Unavailable` if a block cannot be read now. Damaged blocks and chunks are left out
    /// and told by [`View::warnings`].
    pub fn pieces(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        series_max: usize,
        samples_max: usize,
    ) -> Result<Vec<SeriesPieces>> {
        let mut found = Joined::new(series_max, samples_max);
        self.warn(archive::warning(&self.away, start_ms, end_ms).into_iter().collect());
        let mut wanted = Vec::new();
        for block in self.blocks.iter().filter(|b| b.overlaps(start_ms, end_ms)) {
            if let Some(index) = self.or_warn(block, block.index())? {
                let ids = index.labels.select(matchers);
                wanted.push((block, index, ids));
            }
        }
        let read = |i: usize| {
            let (block, index, ids) = &wanted[i];
            let mut warnings = Vec::new();
            let read = block.read_ids(index, ids, start_ms, end_ms, samples_max, &mut warnings);
            self.warn(warnings);
            self.or_warn(block, read)
        };
        let series: usize = wanted.iter().map(|(.., ids)| ids.len()).sum();
        on_cores(wanted.len(), series / SERIES_PER_THREAD, &read, |block| {
            found.next_source();
            let all = block.unwrap_or_default();
            all.into_iter().try_for_each(|(labels, pieces)| found.add(&labels, pieces))
        })?;
        for lock in &self.heads {
            let head = lock.read().unwrap_or_else(|e| e.into_inner());
            if head.range_ms.is_none_or(|(first, last)| first > end_ms || last < start_ms) {
                continue;
            }
            let ids = head.index().select(matchers);
            drop(head);
            found.next_source();
            // Ids and labels of a head only grow. The writer waits for the lock: a large read gives it up often.
            for part in ids.chunks(IDS_PER_LOCK) {
                let head = lock.read().unwrap_or_else(|e| e.into_inner());
                let index = head.index();
                for id in part {
                    let mut pieces = Vec::new();
                    head.pieces(*id, start_ms, end_ms, &mut pieces)?;
                    if !pieces.is_empty() {
                        found.add(index.labels(*id), pieces)?;
                    }
                }
            }
        }
        Ok(found.series)
    }

    /// The parts of the one series with exactly these labels; `None` if it has none in the range.
    ///
    /// # Errors
    /// As [`View::pieces`].
    pub fn one_series(
        &self,
        labels: &Labels,
        start_ms: i64,
        end_ms: i64,
        samples_max: usize,
    ) -> Result<Option<SeriesPieces>> {
        let exact: Vec<Matcher> = labels.iter().map(|(n, v)| Matcher::equal(n, v)).collect();
        // Series with these labels and more pass the matchers as well.
        let found = self.pieces(&exact, start_ms, end_ms, usize::MAX, samples_max)?;
        Ok(found.into_iter().find(|series| series.labels == *labels))
    }

    /// As [`View::pieces`], joined; series without a sample in the range are left out.
    ///
    /// # Errors
    /// As [`View::pieces`].
    pub fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        series_max: usize,
        samples_max: usize,
    ) -> Result<Vec<SeriesData>> {
        let found = self.pieces(matchers, start_ms, end_ms, series_max, samples_max)?;
        join::all(found, start_ms, end_ms)
    }

    /// As [`View::select`], one series after another: few are in memory at a time.
    ///
    /// # Errors
    /// As [`View::pieces`], and those of `sink`.
    pub fn select_each(
        &self,
        matchers: &[Matcher],
        (start_ms, end_ms): (i64, i64),
        series_max: usize,
        samples_max: usize,
        sink: &mut dyn FnMut(SeriesData) -> Result<()>,
    ) -> Result<()> {
        let found = self.pieces(matchers, start_ms, end_ms, series_max, samples_max)?;
        join::each(found, start_ms, end_ms, sink)
    }

    /// The label sets of series that pass the matchers and have chunks that overlap the range.
    ///
    /// # Errors
    /// As [`View::pieces`].
    pub fn series(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        series_max: usize,
    ) -> Result<Vec<Labels>> {
        let mut found: HashMap<Labels, ()> = HashMap::new();
        self.for_each_series(matchers, start_ms, end_ms, |labels, _| {
            found.insert(labels.clone(), ());
            if found.len() > series_max { Err(too_many_series(series_max)) } else { Ok(()) }
        })?;
        Ok(found.into_keys().collect())
    }

    /// Since when and until when each matching series is known, over all that is kept.
    ///
    /// # Errors
    /// As [`View::pieces`].
    pub fn lifetimes(&self, matchers: &[Matcher], series_max: usize) -> Result<Vec<(Labels, Lifetime)>> {
        let mut found: HashMap<Labels, Lifetime> = HashMap::new();
        self.for_each_series(matchers, i64::MIN, i64::MAX, |labels, life| {
            match found.get_mut(labels) {
                Some(known) => {
                    known.first_ms = known.first_ms.min(life.first_ms);
                    known.last_ms = known.last_ms.max(life.last_ms);
                    known.samples += life.samples;
                }
                None => {
                    found.insert(labels.clone(), life);
                }
            }
            if found.len() > series_max { Err(too_many_series(series_max)) } else { Ok(()) }
        })?;
        Ok(found.into_iter().collect())
    }

    /// Tells each matching series with chunks that overlap the range, and its lifetime there; one that lies in
    /// several blocks is told for each. Collects nothing, so it costs least.
    ///
    /// # Errors
    /// As [`View::pieces`], and those of `found`.
    pub fn for_each_series(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        mut found: impl FnMut(&Labels, Lifetime) -> Result<()>,
    ) -> Result<()> {
        self.warn(archive::warning(&self.away, start_ms, end_ms).into_iter().collect());
        for block in self.blocks.iter().filter(|b| b.overlaps(start_ms, end_ms)) {
            let Some(index) = self.or_warn(block, block.index())? else { continue };
            for id in index.labels.select(matchers) {
                let rows = index.summaries(id).iter();
                if let Some(life) = lifetime(rows.filter(|s| s.first_ms <= end_ms && s.last_ms >= start_ms)) {
                    found(index.labels.labels(id), life)?;
                }
            }
        }
        for lock in &self.heads {
            let head = lock.read().unwrap_or_else(|e| e.into_inner());
            let ids = head.index().select(matchers);
            drop(head);
            for part in ids.chunks(IDS_PER_LOCK) {
                let head = lock.read().unwrap_or_else(|e| e.into_inner());
                let index = head.index();
                for id in part {
                    if let Some(life) = head.lifetime(*id, start_ms, end_ms) {
                        found(index.labels(*id), life)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Times of the first and the last sample that there may be; `None` if there is none.
    pub fn range_ms(&self) -> Option<(i64, i64)> {
        let heads =
            self.heads.iter().filter_map(|lock| lock.read().unwrap_or_else(|e| e.into_inner()).range_ms);
        let all = self.blocks.iter().map(|b| (b.entry.first_ms, b.entry.last_ms)).chain(heads);
        all.reduce(|(first, last), (from, to)| (first.min(from), last.max(to)))
    }

    /// What had to be left out so far, in words: the answer is partial.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    pub(crate) fn warn(&self, texts: Vec<String>) {
        let mut warnings = self.warnings.lock().unwrap_or_else(|e| e.into_inner());
        for text in texts {
            if !warnings.contains(&text) {
                warnings.push(text);
            }
        }
    }

    /// A block that cannot be read (damaged, missing, a bad sector) is left out and told; a limit is an error.
    fn or_warn<T>(&self, block: &Block, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(e) if matches!(e.kind, ErrorKind::TooLarge | ErrorKind::Cancelled) => Err(e),
            Err(e) => {
                self.warn(vec![format!("block {} was left out: {e}", block.entry.id)]);
                Ok(None)
            }
        }
    }

    /// For each label name and value the number of series in the newest head: where series come from.
    pub fn with_head_index<T>(&self, read: impl FnOnce(&crate::index::LabelIndex) -> T) -> Option<T> {
        let head = self.heads.last()?.read().unwrap_or_else(|e| e.into_inner());
        Some(read(&head.index()))
    }
}

pub(crate) fn too_many_series(max: usize) -> Error {
    let text = format!("this selects more than {max} series; use narrower label matchers");
    Error::new(ErrorKind::TooLarge, text).bound("query.series_max")
}

/// The lifetime over some chunks; `None` without any.
pub fn lifetime<'a>(summaries: impl Iterator<Item = &'a Summary>) -> Option<Lifetime> {
    summaries.fold(None, |life, s| {
        let life = life.unwrap_or(Lifetime { first_ms: s.first_ms, last_ms: s.last_ms, samples: 0 });
        Some(Lifetime {
            first_ms: life.first_ms.min(s.first_ms),
            last_ms: life.last_ms.max(s.last_ms),
            samples: life.samples + u64::from(s.count),
        })
    })
}
