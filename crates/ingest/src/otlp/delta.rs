//! Deltas added up to what Prometheus's questions expect: values since a start. One stream for each series, in bounded memory,
//! and nothing that was added stays if what came of it could not be kept.
//! It must never add a point twice, nor one that is older than what was added already.

use super::histogram::add;
use foldhash::{HashMap, HashMapExt};
use model::{Histogram, Labels};

/// Memory of a stream besides its buckets, and of one bucket.
const STREAM_BYTES: usize = 256;
const BUCKET_BYTES: usize = 16;
/// A stream that has been silent for so long makes room for a new one.
const SILENT_MS: i64 = 15 * 60 * 1000;
/// Room is looked for at most so often: it costs a look at every stream.
const SWEEP_EVERY_MS: i64 = 1_000;

/// What is added up.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Amount {
    Number(f64),
    /// And whether all of them had a sum.
    Histogram(Histogram, bool),
}

impl Amount {
    fn bytes(&self) -> usize {
        match self {
            Amount::Number(_) => STREAM_BYTES,
            Amount::Histogram(h, _) => {
                let buckets = h.positive.counts.len() + h.negative.counts.len() + h.custom_bounds.len();
                STREAM_BYTES + BUCKET_BYTES * buckets
            }
        }
    }

    /// The sum; `None` if the two do not fit together.
    fn plus(&self, delta: &Amount) -> Option<Amount> {
        match (self, delta) {
            (Amount::Number(a), Amount::Number(b)) => Some(Amount::Number(a + b)),
            (Amount::Histogram(a, x), Amount::Histogram(b, y)) => {
                Some(Amount::Histogram(add(a, b)?, *x && *y))
            }
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
struct Stream {
    amount: Amount,
    /// Since when it counts.
    start_ms: i64,
    /// When the newest point was.
    last_ms: i64,
    /// When it came, by our clock.
    touched_ms: i64,
}

/// All streams of deltas.
#[derive(Debug, Default)]
pub struct Deltas {
    streams: HashMap<Labels, Stream>,
    bytes: usize,
    bytes_max: usize,
    swept_ms: i64,
}

/// What became of a point.
#[derive(Debug, PartialEq)]
pub(super) enum Added {
    /// The amount since `start_ms`.
    Total { amount: Amount, start_ms: i64 },
    /// It was added before: a sender that did not hear the answer sends again.
    Again,
    /// It is older than what was added already.
    Late,
    /// There is no memory for another stream.
    Full,
}

impl Deltas {
    /// Holds streams of about `bytes_max` together.
    pub fn new(bytes_max: usize) -> Deltas {
        Deltas { streams: HashMap::new(), bytes: 0, bytes_max, swept_ms: 0 }
    }

    /// Streams that are held now.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Memory of the streams, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Starts adding the points of a request that came at `now_ms`.
    pub fn adding(&mut self, now_ms: i64) -> Adding<'_> {
        Adding { deltas: self, before: Vec::new(), now_ms }
    }

    fn put(&mut self, labels: Labels, stream: Option<Stream>) -> Option<Stream> {
        self.bytes += stream.as_ref().map_or(0, |s| s.amount.bytes());
        let before = match stream {
            Some(stream) => self.streams.insert(labels, stream),
            None => self.streams.remove(&labels),
        };
        self.bytes -= before.as_ref().map_or(0, |s| s.amount.bytes());
        before
    }

    /// Whether there is room, after a look for streams that have ended.
    fn has_room(&mut self, bytes: usize, now_ms: i64) -> bool {
        if self.bytes + bytes > self.bytes_max && now_ms.abs_diff(self.swept_ms) >= SWEEP_EVERY_MS as u64 {
            self.swept_ms = now_ms;
            let mut freed = 0;
            self.streams.retain(|_, stream| {
                let stays = now_ms.saturating_sub(stream.touched_ms) < SILENT_MS;
                freed += if stays { 0 } else { stream.amount.bytes() };
                stays
            });
            self.bytes -= freed;
        }
        self.bytes + bytes <= self.bytes_max
    }
}

/// The points of one request being added. Dropped without [`Adding::keep`], it was never there.
#[derive(Debug)]
pub struct Adding<'d> {
    deltas: &'d mut Deltas,
    /// What each changed stream was before, in the order of the changes.
    before: Vec<(Labels, Option<Stream>)>,
    now_ms: i64,
}

impl Adding<'_> {
    /// Adds a point of the series `labels`, which lasted from `start_ms` (0: not known) to `time_ms`.
    pub(super) fn add(&mut self, labels: &Labels, start_ms: i64, time_ms: i64, delta: Amount) -> Added {
        let start_ms = if start_ms == 0 { time_ms } else { start_ms };
        let known = self.deltas.streams.get(labels);
        let (amount, start_ms) = match known {
            Some(stream) if time_ms == stream.last_ms => return Added::Again,
            Some(stream) if time_ms < stream.last_ms => return Added::Late,
            // Other bounds: a new stream begins.
            Some(stream) => match stream.amount.plus(&delta) {
                Some(amount) => (amount, stream.start_ms),
                None => (delta, start_ms),
            },
            None => (delta, start_ms),
        };
        let grows = amount.bytes().saturating_sub(known.map_or(0, |s| s.amount.bytes()));
        if grows > 0 && !self.deltas.has_room(grows, self.now_ms) {
            return Added::Full;
        }
        let total = Added::Total { amount: amount.clone(), start_ms };
        let stream = Stream { amount, start_ms, last_ms: time_ms, touched_ms: self.now_ms };
        let before = self.deltas.put(labels.clone(), Some(stream));
        self.before.push((labels.clone(), before));
        total
    }

    /// What came of it is durable.
    pub fn keep(mut self) {
        self.before.clear();
    }
}

impl Drop for Adding<'_> {
    fn drop(&mut self) {
        for (labels, before) in std::mem::take(&mut self.before).into_iter().rev() {
            self.deltas.put(labels, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str) -> Labels {
        Labels::from_pairs([("__name__", name)]).unwrap()
    }

    fn total(value: f64, start_ms: i64) -> Added {
        Added::Total { amount: Amount::Number(value), start_ms }
    }

    #[test]
    fn points_are_added_once_and_in_order() {
        let mut deltas = Deltas::new(10_000);
        let x = series("x");
        let mut adding = deltas.adding(0);
        for (start_ms, time_ms, delta, want) in [
            (1_000, 2_000, 5.0, total(5.0, 1_000)),
            (2_000, 3_000, 2.0, total(7.0, 1_000)),
            (2_000, 3_000, 2.0, Added::Again),
            (1_000, 2_500, 1.0, Added::Late),
            (9_000, 10_000, -1.0, total(6.0, 1_000)),
        ] {
            assert_eq!(adding.add(&x, start_ms, time_ms, Amount::Number(delta)), want);
        }
        assert_eq!(adding.add(&series("y"), 0, 7, Amount::Number(1.0)), total(1.0, 7));
        adding.keep();
        assert_eq!((deltas.len(), deltas.bytes()), (2, 2 * STREAM_BYTES));
    }

    #[test]
    fn what_was_not_kept_never_happened() {
        let mut deltas = Deltas::new(10_000);
        let (x, y) = (series("x"), series("y"));
        let mut adding = deltas.adding(0);
        adding.add(&x, 1, 2, Amount::Number(5.0));
        adding.keep();
        for _ in 0..2 {
            let mut adding = deltas.adding(0);
            assert_eq!(adding.add(&x, 2, 3, Amount::Number(1.0)), total(6.0, 1));
            assert_eq!(adding.add(&x, 3, 4, Amount::Number(1.0)), total(7.0, 1));
            assert_eq!(adding.add(&y, 3, 4, Amount::Number(1.0)), total(1.0, 3));
        }
        assert_eq!((deltas.len(), deltas.bytes()), (1, STREAM_BYTES));
    }

    #[test]
    fn silent_streams_make_room() {
        let mut deltas = Deltas::new(2 * STREAM_BYTES);
        let mut add = |name: &str, now_ms| {
            let mut adding = deltas.adding(now_ms);
            let added = adding.add(&series(name), 1, now_ms, Amount::Number(1.0));
            adding.keep();
            added
        };
        assert_eq!(add("a", 10_000), total(1.0, 1));
        assert_eq!(add("b", SILENT_MS), total(1.0, 1));
        assert_eq!(add("c", SILENT_MS + 1), Added::Full);
        assert_eq!(add("c", SILENT_MS + 20_000), total(1.0, 1), "a has been silent for too long");
        assert_eq!(add("b", SILENT_MS + 20_000), total(2.0, 1));
        assert_eq!(add("a", SILENT_MS + 40_000), Added::Full);
    }

    #[test]
    fn a_histogram_with_other_bounds_begins_anew() {
        let custom = |bounds: &[f64], count: f64| {
            let histogram = Histogram {
                schema: model::histogram::CUSTOM_SCHEMA,
                count,
                custom_bounds: bounds.into(),
                ..Default::default()
            };
            Amount::Histogram(histogram, true)
        };
        let mut deltas = Deltas::new(10_000);
        let (mut adding, x) = (deltas.adding(0), series("x"));
        for (time_ms, amount, want, since) in [
            (2, custom(&[1.0], 1.0), custom(&[1.0], 1.0), 1),
            (3, custom(&[1.0], 2.0), custom(&[1.0], 3.0), 1),
            (4, custom(&[2.0], 5.0), custom(&[2.0], 5.0), 3),
        ] {
            assert_eq!(
                adding.add(&x, time_ms - 1, time_ms, amount),
                Added::Total { amount: want, start_ms: since }
            );
        }
    }
}
