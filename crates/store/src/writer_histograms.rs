//! How the writer takes native histograms: by the rules of numbers. The first sample of an instant stays, whatever its
//! kind; a repeat is no error; what is late is taken. It must never look at a number that is not at the same instant.

use crate::head::{Head, IS_HISTOGRAM};
use crate::writer::{Appended, Group, NEVER, Writer};
use foldhash::HashMap;
use model::batch::count_reject;
use model::{Batch, Histogram, HistogramAt, RejectReason};
use std::sync::Arc;
use stdx::Result;

/// Histograms of the present group that the head does not have yet.
#[derive(Default)]
pub(crate) struct Histograms {
    group: HashMap<(u32, i64), Arc<Histogram>>,
}

impl Histograms {
    /// About what those of a batch take in memory while it waits, in bytes.
    pub fn bytes_of(batch: &Batch) -> usize {
        let of = |h: &Histogram| {
            let side = |b: &model::histogram::Buckets| size_of_val(&*b.spans) + size_of_val(&*b.counts);
            size_of::<Histogram>() + side(&h.positive) + side(&h.negative)
        };
        let all = batch.histograms.iter();
        size_of_val(&*batch.histograms) + all.map(|h| of(&h.at.histogram)).sum::<usize>()
    }

    /// Forgets the group.
    pub fn clear(&mut self) {
        self.group.clear();
    }

    /// Something to say of the histogram that the series has at this instant, if it has one.
    pub fn known(&self, head: &Head, id: u32, newest: (i64, u64), timestamp_ms: i64) -> Option<String> {
        let is_newest = newest == (timestamp_ms, IS_HISTOGRAM);
        match self.find(head, id, timestamp_ms).or_else(|| head.histogram_at(id, timestamp_ms)) {
            Some(h) => Some(format!("of {} observations ", h.count)),
            None => is_newest.then(String::new),
        }
    }

    fn find(&self, head: &Head, id: u32, timestamp_ms: i64) -> Option<Arc<Histogram>> {
        let in_group =
            if self.group.is_empty() { None } else { self.group.get(&(id, timestamp_ms)).cloned() };
        in_group.or_else(|| head.recent_histogram(id, timestamp_ms))
    }
}

/// Whether the two say the same, bit for bit.
fn are_same(a: &Histogram, b: &Histogram) -> bool {
    // A sum that is no number differs from itself.
    let sums = a.sum.to_bits() == b.sum.to_bits();
    let same_sum = |h: &Histogram| Histogram { sum: 0.0, ..h.clone() };
    sums && (a == b || (a.sum.is_nan() && same_sum(a) == same_sum(b)))
}

impl Writer {
    /// Checks the histograms of a batch and adds them to the group.
    pub(crate) fn take_histograms(
        &mut self,
        batch: &Batch,
        ids: &[Result<u32, RejectReason>],
        head: &Head,
        outcome: &mut Appended,
        group: &mut Group,
    ) {
        for sample in &batch.histograms {
            let series = || batch.series.get(sample.series as usize);
            let id = match ids.get(sample.series as usize) {
                Some(Ok(id)) => *id,
                refused => {
                    let reason = refused.and_then(|r| r.as_ref().err().copied());
                    let reason = reason.unwrap_or(RejectReason::Malformed);
                    count_reject(&mut outcome.rejects, reason, 1, || self.counts.message(reason, series()));
                    continue;
                }
            };
            let histogram = Histogram::compacted(sample.at.histogram.clone());
            let t = sample.at.timestamp_ms;
            let newest = self.newest[id as usize];
            if t > newest.0 || newest == NEVER {
                self.newest[id as usize] = (t, IS_HISTOGRAM);
            } else {
                let had = match self.histograms.find(head, id, t) {
                    Some(known) if are_same(&known, &histogram) => {
                        outcome.accepted += 1;
                        continue;
                    }
                    Some(known) => Some(format!("a histogram of {} observations", known.count)),
                    None => self.number_at(group, head, id, t).map(|had| format!("the value {had}")),
                };
                if let Some(had) = had {
                    count_reject(&mut outcome.rejects, RejectReason::DuplicateTimestamp, 1, || {
                        let series = series().map(ToString::to_string).unwrap_or_default();
                        let count = histogram.count;
                        format!("{series} has {had} at {t} ms already; a histogram of {count} was not taken")
                    });
                    continue;
                }
                self.shared.stats.late.inc();
            }
            self.histograms.group.insert((id, t), histogram.clone());
            group.histograms.push((id, HistogramAt { histogram, ..sample.at.clone() }));
            outcome.accepted += 1;
        }
    }

    /// The number that the series has at this instant.
    fn number_at(&mut self, group: &Group, head: &Head, id: u32, timestamp_ms: i64) -> Option<f64> {
        let newest = self.newest[id as usize];
        let bits = match newest {
            (t, bits) if t == timestamp_ms && bits != IS_HISTOGRAM => Some(bits),
            _ => head.recent_value(id, timestamp_ms).or_else(|| {
                let of_group = || group.samples.iter().map(|(id, t, bits)| ((*id, *t), *bits)).collect();
                self.group.get_or_insert_with(of_group).get(&(id, timestamp_ms)).copied()
            }),
        };
        bits.map(f64::from_bits)
    }
}
