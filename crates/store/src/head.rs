//! The newest samples, in memory: one generation of the head. A generation takes appends until it is
//! cut; then it never changes again, is written to a block, and is dropped with all that it
//! knew of its series, so that series that come and go cannot pile up.
//! It must never be changed by anyone but the one writer, and never before the log is durable.

use crate::chunk::{self, Chunk, SAMPLES_MAX};
use crate::index::LabelIndex;
use crate::open::Open;
use crate::view::{Lifetime, lifetime};
use model::Labels;
use stdx::{Error, Result};

/// A generation of the head.
#[derive(Default)]
pub struct Head {
    /// Labels and the way back to ids.
    pub index: LabelIndex,
    series: Vec<HeadSeries>,
    /// Samples held.
    pub samples: u64,
    /// First and last sample time over all series.
    pub range_ms: Option<(i64, i64)>,
    heap_bytes: usize,
}

/// Samples of one series: sealed chunks, the open end, and what came late. Where two hold the same
/// instant, the one that is named first here wins.
#[derive(Default)]
struct HeadSeries {
    sealed: Vec<Chunk>,
    open: Open,
    late: Option<Box<Late>>,
}

/// Samples that came after later ones of their series.
#[derive(Default)]
struct Late {
    sealed: Vec<Chunk>,
    open: Vec<(i64, f64)>,
}

/// Samples of one series as they are kept, in order of precedence.
pub enum Piece {
    /// A chunk, not yet decoded.
    Sealed(Chunk),
    /// Decoded samples in order of time.
    Plain(Vec<i64>, Vec<f64>),
}

impl HeadSeries {
    fn newest(&self) -> Option<(i64, u64)> {
        let sealed = || self.sealed.last().map(|c| (c.summary.last_ms, c.summary.last.to_bits()));
        self.open.newest().or_else(sealed)
    }
}

impl Head {
    /// Adds a series without samples.
    pub fn add_series(&mut self, labels: Labels) -> u32 {
        self.series.push(HeadSeries::default());
        self.heap_bytes += size_of::<HeadSeries>();
        self.index.push(labels)
    }

    /// Appends one sample, in any order of time.
    ///
    /// # Errors
    /// `Internal` if a full chunk cannot be sealed; the sample is kept then all the same.
    pub fn push(&mut self, id: u32, timestamp_ms: i64, value: f64) -> Result<()> {
        let series = &mut self.series[id as usize];
        self.samples += 1;
        let (min, max) = self.range_ms.unwrap_or((timestamp_ms, timestamp_ms));
        self.range_ms = Some((min.min(timestamp_ms), max.max(timestamp_ms)));
        let newest = series.newest().map(|(t, _)| t);
        if newest.is_some_and(|newest| timestamp_ms <= newest) {
            let late = series.late.get_or_insert_default();
            late.open.push((timestamp_ms, value));
            self.heap_bytes += 16;
            if late.open.len() >= SAMPLES_MAX {
                let (t, v) = in_order(std::mem::take(&mut late.open));
                let chunk = chunk::seal(&t, &v)?;
                self.heap_bytes += chunk.heap_bytes() + size_of::<Chunk>();
                late.sealed.push(chunk);
            }
            return Ok(());
        }
        let before = series.open.heap_bytes();
        series.open.push(timestamp_ms, value.to_bits());
        self.heap_bytes += series.open.heap_bytes() - before;
        if series.open.len() >= SAMPLES_MAX {
            self.heap_bytes = self.heap_bytes.saturating_sub(series.open.heap_bytes());
            let chunk = series.open.seal()?;
            self.heap_bytes += chunk.heap_bytes() + size_of::<Chunk>();
            series.sealed.reserve_exact(1);
            series.sealed.push(chunk);
        }
        Ok(())
    }

    /// Whether the open end holds this instant, and with which bits. Older instants are not looked at.
    pub fn recent_value(&self, id: u32, timestamp_ms: i64) -> Option<u64> {
        let series = &self.series[id as usize];
        let late = series.late.iter().flat_map(|late| &late.open).find(|(t, _)| *t == timestamp_ms);
        let late = late.map(|(_, v)| v.to_bits());
        let open = &series.open;
        if open.range_ms().is_none_or(|(first, last)| timestamp_ms < first || timestamp_ms > last) {
            return late;
        }
        let (t, v) = open.decode().ok()?;
        t.binary_search(&timestamp_ms).ok().map(|i| v[i].to_bits()).or(late)
    }

    /// Time and bits of the newest in-order sample.
    pub fn newest(&self, id: u32) -> Option<(i64, u64)> {
        self.series[id as usize].newest()
    }

    /// What the series holds in `start_ms..=end_ms` (and some samples around it), by precedence.
    ///
    /// # Errors
    /// `Corrupt` if the open end does not decode (a bug, or bad memory).
    pub fn pieces(&self, id: u32, start_ms: i64, end_ms: i64, out: &mut Vec<Piece>) -> Result<()> {
        let series = &self.series[id as usize];
        let overlaps = |first: i64, last: i64| first <= end_ms && last >= start_ms;
        let sealed = |chunks: &[Chunk], out: &mut Vec<Piece>| {
            for c in chunks.iter().filter(|c| overlaps(c.summary.first_ms, c.summary.last_ms)) {
                out.push(Piece::Sealed(c.clone()));
            }
        };
        sealed(&series.sealed, out);
        if series.open.range_ms().is_some_and(|(first, last)| overlaps(first, last)) {
            let (t, v) = series.open.decode()?;
            out.push(Piece::Plain(t, v));
        }
        if let Some(late) = &series.late {
            sealed(&late.sealed, out);
            if !late.open.is_empty() {
                let (t, v) = in_order(late.open.clone());
                out.push(Piece::Plain(t, v));
            }
        }
        Ok(())
    }

    /// All chunks of a series by precedence, the open end and the late samples sealed for this.
    ///
    /// # Errors
    /// As [`Head::pieces`].
    pub fn chunks(&self, id: u32) -> Result<Vec<Chunk>> {
        let mut pieces = Vec::new();
        self.pieces(id, i64::MIN, i64::MAX, &mut pieces)?;
        pieces
            .into_iter()
            .map(|piece| match piece {
                Piece::Sealed(chunk) => Ok(chunk),
                Piece::Plain(t, v) => chunk::seal(&t, &v),
            })
            .collect()
    }

    /// Since when and until when the series has samples in chunks that overlap the range.
    pub fn lifetime(&self, id: u32, start_ms: i64, end_ms: i64) -> Option<Lifetime> {
        let series = &self.series[id as usize];
        let late_sealed = series.late.iter().flat_map(|late| &late.sealed);
        let sealed = series.sealed.iter().chain(late_sealed).map(|c| &c.summary);
        let mut life = lifetime(sealed.filter(|s| s.first_ms <= end_ms && s.last_ms >= start_ms));
        let mut add = |first_ms: i64, last_ms: i64, samples: u64| {
            if first_ms <= end_ms && last_ms >= start_ms {
                let l = life.get_or_insert(Lifetime { first_ms, last_ms, samples: 0 });
                l.first_ms = l.first_ms.min(first_ms);
                l.last_ms = l.last_ms.max(last_ms);
                l.samples += samples;
            }
        };
        if let Some((first_ms, last_ms)) = series.open.range_ms() {
            add(first_ms, last_ms, series.open.len() as u64);
        }
        series.late.iter().flat_map(|late| &late.open).for_each(|(t, _)| add(*t, *t, 1));
        life
    }

    /// Number of series without a sample after `since_ms`.
    pub fn silent_series(&self, since_ms: i64) -> usize {
        self.series.iter().filter(|s| s.newest().is_none_or(|(newest_ms, _)| newest_ms < since_ms)).count()
    }

    /// All ids, by labels.
    pub fn in_order_of_labels(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = (0..self.series.len() as u32).collect();
        ids.sort_unstable_by(|a, b| self.index.labels(*a).cmp(self.index.labels(*b)));
        ids
    }

    /// An estimate of the memory taken, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.heap_bytes + self.index.heap_bytes()
    }

    /// The part of [`Head::heap_bytes`] that samples take; the rest is the series themselves.
    pub fn samples_bytes(&self) -> usize {
        self.heap_bytes.saturating_sub(self.series.len() * size_of::<HeadSeries>())
    }

    /// Number of series.
    pub fn len(&self) -> usize {
        self.series.len()
    }
}

/// Sorts by time; of several samples at one instant the first that came stays.
fn in_order(mut samples: Vec<(i64, f64)>) -> (Vec<i64>, Vec<f64>) {
    samples.sort_by_key(|(t, _)| *t);
    samples.dedup_by_key(|(t, _)| *t);
    samples.into_iter().unzip()
}

/// Joins pieces, given by precedence, into samples of strictly increasing time in `start_ms..=end_ms`.
///
/// # Errors
/// `Corrupt` if a chunk does not decode.
pub fn merge(pieces: &[Piece], start_ms: i64, end_ms: i64) -> Result<(Vec<i64>, Vec<f64>)> {
    let (mut t, mut v) = (Vec::new(), Vec::new());
    for piece in pieces {
        match piece {
            Piece::Sealed(chunk) => chunk.decode(&mut t, &mut v)?,
            Piece::Plain(times, values) => {
                t.extend_from_slice(times);
                v.extend_from_slice(values);
            }
        }
    }
    if t.len() != v.len() {
        return Err(Error::corrupt("times and values differ in number"));
    }
    if t.windows(2).any(|w| w[0] >= w[1]) {
        (t, v) = in_order(t.into_iter().zip(v).collect());
    }
    let from = t.partition_point(|t| *t < start_ms);
    let to = t.partition_point(|t| *t <= end_ms).max(from);
    t.truncate(to);
    v.truncate(to);
    t.drain(..from);
    v.drain(..from);
    Ok((t, v))
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
            let id = head.add_series(Labels::default());
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
