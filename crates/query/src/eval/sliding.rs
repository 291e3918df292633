//! Functions over windows that overlap: each window of a series starts and ends no earlier than the one before, so that what
//! was computed of one serves the next, and the work does not grow with how long windows are.
//! It must never give another answer than the function over one window alone would, but for the last digit of a sum.

use super::over_time::{self, Window};
use super::rates;
use crate::number::Sum;
use std::collections::VecDeque;

type Out = Option<f64>;

/// A function over the windows of one series, in order.
pub(crate) enum Sliding {
    Extreme(Extreme),
    Counter(Counter),
    Total(Total),
}

impl Sliding {
    pub(crate) fn min() -> Sliding {
        Sliding::Extreme(Extreme::new(|v, old| v < old))
    }

    pub(crate) fn max() -> Sliding {
        Sliding::Extreme(Extreme::new(|v, old| v > old))
    }

    pub(crate) fn rate() -> Sliding {
        Sliding::Counter(Counter::new(true))
    }

    pub(crate) fn increase() -> Sliding {
        Sliding::Counter(Counter::new(false))
    }

    pub(crate) fn sum() -> Sliding {
        Sliding::Total(Total::new(false))
    }

    pub(crate) fn avg() -> Sliding {
        Sliding::Total(Total::new(true))
    }

    /// The value of the next window.
    pub(crate) fn next(&mut self, w: &Window<'_>) -> Out {
        match self {
            Sliding::Extreme(extreme) => extreme.next(w),
            Sliding::Counter(counter) => counter.next(w),
            Sliding::Total(total) => total.next(w),
        }
    }
}

/// The minimum or maximum.
pub(crate) struct Extreme {
    better: fn(f64, f64) -> bool,
    /// Places and values that are better than all that come after them, NaN left out.
    candidates: VecDeque<(usize, f64)>,
    /// The place after the newest sample that was looked at.
    seen: usize,
}

impl Extreme {
    /// `better` compares a value with an older one.
    fn new(better: fn(f64, f64) -> bool) -> Extreme {
        Extreme { better, candidates: VecDeque::new(), seen: 0 }
    }

    /// The value of the next window; NaN only if there is nothing else in it.
    fn next(&mut self, w: &Window<'_>) -> Out {
        let new = self.seen.max(w.first) - w.first;
        for (i, v) in w.values.iter().enumerate().skip(new).filter(|(_, v)| !v.is_nan()) {
            while self.candidates.back().is_some_and(|(_, old)| (self.better)(*v, *old)) {
                self.candidates.pop_back();
            }
            self.candidates.push_back((w.first + i, *v));
        }
        self.seen = self.seen.max(w.first + w.values.len());
        while self.candidates.front().is_some_and(|(i, _)| *i < w.first) {
            self.candidates.pop_front();
        }
        self.candidates.front().map(|(_, v)| *v).or_else(|| w.values.last().copied())
    }
}

/// What a counter rose by. What restarts took away is found once for each sample.
pub(crate) struct Counter {
    per_second: bool,
    /// Places of samples that are lower than the one before them, and the value before.
    falls: VecDeque<(usize, f64)>,
    /// The place after the newest sample that was looked at.
    seen: usize,
}

impl Counter {
    fn new(per_second: bool) -> Counter {
        Counter { per_second, falls: VecDeque::new(), seen: 0 }
    }

    fn next(&mut self, w: &Window<'_>) -> Out {
        let end = w.first + w.values.len();
        for place in self.seen.max(w.first + 1)..end {
            let (before, now) = (w.values[place - 1 - w.first], w.values[place - w.first]);
            if now < before {
                self.falls.push_back((place, before));
            }
        }
        self.seen = self.seen.max(end);
        // The fall from the sample before the window to its first is not in it.
        while self.falls.front().is_some_and(|(place, _)| *place <= w.first) {
            self.falls.pop_front();
        }
        let lost = self.falls.iter().map(|(_, before)| before).sum();
        let per = if self.per_second { rates::seconds(w.start_ms, w.end_ms) } else { 1.0 };
        rates::counter(w, lost, per)
    }
}

/// Samples that are added up once and then taken as one.
const BLOCK: usize = 32;

/// A sum or an average. Windows that are long enough are put together from sums of whole blocks of samples.
pub(crate) struct Total {
    mean: bool,
    /// Sums of blocks without a gap; a block begins at a place that is a multiple of [`BLOCK`].
    blocks: VecDeque<Sum>,
    /// The number of the first of them.
    first: usize,
}

impl Total {
    fn new(mean: bool) -> Total {
        Total { mean, blocks: VecDeque::new(), first: 0 }
    }

    fn next(&mut self, w: &Window<'_>) -> Out {
        let count = w.values.len();
        let alone = if self.mean { over_time::avg } else { over_time::sum };
        if count < 4 * BLOCK {
            return alone(w, &[]);
        }
        let (low, high) = (w.first.div_ceil(BLOCK), (w.first + count) / BLOCK);
        while self.first < low && self.blocks.pop_front().is_some() {
            self.first += 1;
        }
        if self.blocks.is_empty() {
            self.first = low;
        }
        for block in self.first + self.blocks.len()..high {
            let from = block * BLOCK - w.first;
            self.blocks.push_back(added(&w.values[from..from + BLOCK]));
        }
        let mut sum = added(&w.values[..low * BLOCK - w.first]);
        for block in self.blocks.iter().take(high - low) {
            sum.add(block.sum);
            sum.compensation += block.compensation;
        }
        w.values[high * BLOCK - w.first..].iter().for_each(|v| sum.add(*v));
        if !(sum.sum + sum.compensation).is_finite() {
            // What comes of infinity and of what is not a number depends on the order.
            return alone(w, &[]);
        }
        let count = count as f64;
        Some(if self.mean { sum.sum / count + sum.compensation / count } else { sum.value() })
    }
}

fn added(values: &[f64]) -> Sum {
    let mut sum = Sum::default();
    values.iter().for_each(|v| sum.add(*v));
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Alone = fn(&Window<'_>) -> Out;

    /// Each function, and what it is over one window alone.
    const ALL: [(fn() -> Sliding, Alone); 6] = [
        (Sliding::min, |w| w.values.iter().copied().reduce(f64::min)),
        (Sliding::max, |w| w.values.iter().copied().reduce(f64::max)),
        (Sliding::rate, |w| Sliding::rate().next(w)),
        (Sliding::increase, |w| {
            let lost = w.values.windows(2).filter(|p| p[1] < p[0]).map(|p| p[0]).sum();
            rates::counter(w, lost, 1.0)
        }),
        (Sliding::sum, |w| over_time::sum(w, &[])),
        (Sliding::avg, |w| over_time::avg(w, &[])),
    ];

    proptest! {
        #[test]
        fn the_same_as_of_each_window_alone(
            values in prop::collection::vec(prop_oneof![
                20 => -1e3f64..1e3, 5 => (0i32..9).prop_map(f64::from), 1 => Just(1e300), 1 => Just(-0.1),
            ], 1..900),
            length in 1usize..500,
            stride in 1usize..200,
        ) {
            let times: Vec<i64> = (0..values.len() as i64).map(|i| i * 1000).collect();
            for (start, alone) in ALL {
                let mut sliding = start();
                for first in (0..values.len()).step_by(stride) {
                    let end = (first + length).min(values.len());
                    let window = Window {
                        timestamps_ms: &times[first..end],
                        values: &values[first..end],
                        starts_ms: &[],
                        histograms: &[],
                        resets: &[],
                        first,
                        start_ms: times[first] - 500,
                        end_ms: times[end - 1] + 500,
                        time_ms: 0,
                    };
                    let moved = Window { first: 0, ..window };
                    match (sliding.next(&window), alone(&moved)) {
                        (Some(got), Some(want)) => {
                            let size: f64 = window.values.iter().map(|v| v.abs()).sum();
                            prop_assert!((got - want).abs() <= size * 1e-15, "{got} is not {want}");
                        }
                        (got, want) => prop_assert_eq!(got, want),
                    }
                }
            }
        }
    }
}
