//! Parts of series from several heads and blocks put together, and decoded on several cores where that pays. It must
//! never hold more samples than the caller allows.

mod ahead;

use crate::block::too_many_samples;
use crate::head::{Piece, merge};
use crate::pieces::weight;
use crate::view::{SeriesPieces, too_many_series};
use ahead::Ahead;
use hashbrown::HashTable;
use model::{Labels, SeriesData};
use stdx::Result;

/// Samples from which on a second thread pays: about a millisecond of decoding.
const SAMPLES_PER_THREAD: usize = 100_000;
/// Threads that decode for one query at the most.
const THREADS_MAX: usize = 4;

/// Series by their labels, from one source after the other.
#[derive(Default)]
pub(crate) struct Joined {
    pub series: Vec<SeriesPieces>,
    series_max: usize,
    samples_max: usize,
    samples: usize,
    /// Places in `series` by labels. Made for the second source: within one no series comes twice.
    by_labels: HashTable<u32>,
    /// Series of sources before this one.
    before: usize,
}

impl Joined {
    /// Nothing yet; it will take so many series and samples.
    pub fn new(series_max: usize, samples_max: usize) -> Joined {
        Joined { series_max, samples_max, ..Joined::default() }
    }

    /// What is added from now on comes from another source.
    pub fn next_source(&mut self) {
        let Joined { series, by_labels, before, .. } = self;
        by_labels.reserve(series.len() - *before, |i| series[*i as usize].labels.hash64());
        for i in *before..series.len() {
            let hash = |i: &u32| series[*i as usize].labels.hash64();
            by_labels.insert_unique(series[i].labels.hash64(), i as u32, hash);
        }
        *before = series.len();
    }

    /// Adds parts of a series.
    ///
    /// # Errors
    /// `TooLarge` past a limit.
    pub fn add(&mut self, labels: &Labels, pieces: Vec<Piece>) -> Result<()> {
        self.samples += pieces.iter().map(weight).sum::<usize>();
        if self.samples > self.samples_max {
            return Err(too_many_samples(self.samples_max));
        }
        let is_it = |i: &u32| self.series[*i as usize].labels == *labels;
        match self.by_labels.find(labels.hash64(), is_it) {
            Some(i) => self.series[*i as usize].add(pieces),
            None if self.series.len() >= self.series_max.min(u32::MAX as usize) => {
                return Err(too_many_series(self.series_max));
            }
            None => self.series.push(SeriesPieces::new(labels.clone(), pieces)),
        }
        Ok(())
    }
}

/// Decodes series, all at once; those without a sample in the range are left out.
///
/// # Errors
/// `Corrupt` if a chunk does not decode.
pub(crate) fn all(series: Vec<SeriesPieces>, start_ms: i64, end_ms: i64) -> Result<Vec<SeriesData>> {
    let mut out = Vec::with_capacity(series.len());
    each(series, start_ms, end_ms, &mut |data| {
        out.push(data);
        Ok(())
    })?;
    Ok(out)
}

/// Decodes series and hands them over one after another, in order; those without a sample in the range are left out. Other
/// threads decode a little ahead where that pays, so that few are held at a time.
///
/// # Errors
/// `Corrupt` if a chunk does not decode; those of `sink`, after which nothing more is handed over.
pub(crate) fn each(
    series: Vec<SeriesPieces>,
    start_ms: i64,
    end_ms: i64,
    sink: &mut dyn FnMut(SeriesData) -> Result<()>,
) -> Result<()> {
    let work: usize = series.iter().map(coded).sum();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = (work / SAMPLES_PER_THREAD).min(cores).clamp(1, THREADS_MAX);
    if threads == 1 {
        for one in series {
            if let Some(data) = data_of(one, start_ms, end_ms)? {
                sink(data)?;
            }
        }
        return Ok(());
    }
    let ahead = Ahead::new(series, start_ms, end_ms);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| ahead.decode());
        }
        // Whatever happens to this thread, the others must not wait for it.
        let _stop = ahead.stop_at_end();
        while let Some(batch) = ahead.next() {
            for data in batch? {
                sink(data)?;
            }
        }
        Ok(())
    })
}

/// Samples to decode, those that lie plain left out.
fn coded(series: &SeriesPieces) -> usize {
    let histograms = series.histograms.iter().flat_map(|placed| placed.iter().map(|(_, piece)| piece));
    let is_coded = |p: &&Piece| matches!(p, Piece::Sealed(_) | Piece::Open(_));
    series.pieces.iter().chain(histograms).filter(is_coded).map(weight).sum()
}

fn data_of(one: SeriesPieces, start_ms: i64, end_ms: i64) -> Result<Option<SeriesData>> {
    if one.histograms.is_some() || one.pieces.iter().any(Piece::is_started) {
        let data = one.data(start_ms, end_ms)?;
        return Ok((!data.timestamps_ms.is_empty() || !data.histograms.is_empty()).then_some(data));
    }
    let (timestamps_ms, values) = decoded(one.pieces, start_ms, end_ms)?;
    Ok((!timestamps_ms.is_empty()).then(|| SeriesData::numbers(one.labels, timestamps_ms, values)))
}

/// As [`merge`], without copying what is decoded already.
fn decoded(mut pieces: Vec<Piece>, start_ms: i64, end_ms: i64) -> Result<(Vec<i64>, Vec<f64>)> {
    match pieces.as_mut_slice() {
        [Piece::Plain(t, v)] if t.len() == v.len() => {
            // A plain part is in order of time, each instant once.
            let from = t.partition_point(|t| *t < start_ms);
            let to = t.partition_point(|t| *t <= end_ms).max(from);
            if to - from < t.len() / 4 {
                return Ok((t[from..to].to_vec(), v[from..to].to_vec()));
            }
            t.truncate(to);
            v.truncate(to);
            t.drain(..from);
            v.drain(..from);
            Ok((std::mem::take(t), std::mem::take(v)))
        }
        _ => merge(&pieces, start_ms, end_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::seal;

    fn piece(start: i64, is_sealed: bool) -> Piece {
        let t: Vec<i64> = (0..400).map(|i| start + i).collect();
        let v: Vec<f64> = t.iter().map(|t| *t as f64).collect();
        if is_sealed { Piece::Sealed(seal(&t, &v).unwrap()) } else { Piece::Plain(t, v) }
    }

    fn labels(i: usize) -> Labels {
        Labels::from_pairs([("i", i.to_string())]).unwrap()
    }

    #[test]
    fn many_series_of_two_sources_in_order_on_any_number_of_threads() {
        for count in [1, 7, 1_500] {
            let mut joined = Joined::new(count, usize::MAX);
            joined.next_source();
            (0..count).step_by(2).for_each(|i| joined.add(&labels(i), vec![piece(0, true)]).unwrap());
            joined.next_source();
            (0..count).for_each(|i| joined.add(&labels(i), vec![piece(400, i % 3 == 0)]).unwrap());
            let wanted: Vec<Labels> = joined.series.iter().map(|s| s.labels.clone()).collect();
            assert_eq!(wanted.len(), count);
            let found = all(joined.series, 390, 410).unwrap();
            for (series, labels) in found.iter().zip(&wanted) {
                let has_first = labels.get("i").parse::<usize>().unwrap() % 2 == 0;
                let want: Vec<i64> = (if has_first { 390..=410 } else { 400..=410 }).collect();
                assert_eq!((&series.labels, &series.timestamps_ms), (labels, &want));
                assert!(series.values.iter().zip(&want).all(|(v, t)| *v == *t as f64));
            }
            assert_eq!(found.len(), count);
        }
    }

    #[test]
    fn a_sink_that_fails_gets_nothing_more_and_nobody_waits() {
        let mut joined = Joined::new(1_000, usize::MAX);
        (0..1_000).for_each(|i| joined.add(&labels(i), vec![piece(0, true)]).unwrap());
        let mut taken = 0;
        let done = each(joined.series, 0, 1_000, &mut |_| {
            taken += 1;
            if taken == 300 { Err(stdx::Error::corrupt("enough")) } else { Ok(()) }
        });
        assert_eq!((done.unwrap_err().to_string().contains("enough"), taken), (true, 300));
    }

    #[test]
    fn limits_are_errors() {
        let mut joined = Joined::new(1, 800);
        joined.add(&labels(1), vec![piece(0, true)]).unwrap();
        assert!(joined.add(&labels(2), vec![]).is_err(), "a second series");
        joined.next_source();
        joined.add(&labels(1), vec![piece(400, false)]).unwrap();
        assert!(joined.add(&labels(1), vec![piece(800, false)]).is_err(), "more samples");
    }
}
