//! Native histograms: one sample that holds a whole distribution. The field's two kinds are one type here: buckets whose
//! bounds grow by a factor (exponential), and buckets with bounds of one's own (custom).
//! A histogram is data only; arithmetic on it belongs to the query, layouts on disk to the store. It must never be taken
//! from outside without [`Histogram::check`].
//!
//! Formulas: the exponential bucket `i` of schema `s` holds `2^((i-1)/2^s) < v <= 2^(i/2^s)` (the data model of
//! OpenTelemetry and Prometheus); the custom bucket `i` holds `bounds[i-1] < v <= bounds[i]`, the last one everything above.

use std::fmt;
use std::sync::Arc;

/// The schema that stands for custom bounds.
pub const CUSTOM_SCHEMA: i8 = -53;
/// The coarsest exponential schema: bounds grow by 65,536.
pub const SCHEMA_MIN: i8 = -4;
/// The finest exponential schema: bounds grow by 0.27 %.
pub const SCHEMA_MAX: i8 = 8;
/// The most buckets of one histogram, both sides together.
pub const BUCKETS_MAX: usize = 10_000;

/// Whether this sample may be subtracted from the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResetHint {
    /// Compare the two to find out.
    #[default]
    Unknown = 0,
    /// The counter was reset between the sample before and this one.
    Reset = 1,
    /// It was not.
    NotReset = 2,
    /// Not a counter: a gauge of a distribution.
    Gauge = 3,
}

impl ResetHint {
    /// From the number in a protocol or a file; anything else is unknown.
    pub fn from_number(n: u64) -> ResetHint {
        match n {
            1 => ResetHint::Reset,
            2 => ResetHint::NotReset,
            3 => ResetHint::Gauge,
            _ => ResetHint::Unknown,
        }
    }
}

/// A run of buckets without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// Index of the first bucket (in the first span), or the gap since the end of the span before.
    pub offset: i32,
    /// Number of buckets.
    pub length: u32,
}

/// Buckets of one side: where they are, and how much is in each (absolute, not as differences).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    /// In order of index.
    pub spans: Vec<Span>,
    /// As many as the lengths of the spans add up to.
    pub counts: Vec<f64>,
}

impl Buckets {
    /// Index and count of each bucket, in order of index.
    pub fn iter(&self) -> impl Iterator<Item = (i32, f64)> + '_ {
        let mut next = 0i32;
        let indices = self.spans.iter().flat_map(move |span| {
            let first = next.wrapping_add(span.offset);
            next = first.wrapping_add(span.length as i32);
            first..next
        });
        indices.zip(self.counts.iter().copied())
    }

    /// From pairs in strictly increasing order of index.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (i32, f64)>) -> Buckets {
        let mut buckets = Buckets::default();
        let mut end = 0i32;
        for (index, count) in pairs {
            match buckets.spans.last_mut() {
                Some(span) if index == end => span.length += 1,
                _ => {
                    let mut gap = i64::from(index) - i64::from(end);
                    while gap > i64::from(i32::MAX) && !buckets.spans.is_empty() {
                        // More than one span can say.
                        buckets.spans.push(Span { offset: i32::MAX, length: 0 });
                        gap -= i64::from(i32::MAX);
                    }
                    buckets.spans.push(Span { offset: gap as i32, length: 1 });
                }
            }
            end = index.wrapping_add(1);
            buckets.counts.push(count);
        }
        buckets
    }

    /// Whether no bucket is empty, and no span can be joined with the one before it.
    pub fn is_compact(&self) -> bool {
        let mut spans = self.spans.iter().enumerate();
        self.counts.iter().all(|c| *c != 0.0) && spans.all(|(i, s)| s.length > 0 && (i == 0 || s.offset > 0))
    }
}

/// A distribution at one instant. Counts are floats: whole numbers are exact up to 2^53, and queries make fractions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// [`SCHEMA_MIN`] to [`SCHEMA_MAX`], or [`CUSTOM_SCHEMA`].
    pub schema: i8,
    /// Whether it continues the sample before it.
    pub hint: ResetHint,
    /// All observations; the stale marker as the `sum` marks a series that ended.
    pub count: f64,
    /// Sum of all observations.
    pub sum: f64,
    /// Observations within this distance from zero are in the zero bucket. Zero with custom bounds.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// Buckets above zero, or all buckets with custom bounds.
    pub positive: Buckets,
    /// Buckets below zero, by the index of their mirror image. Empty with custom bounds.
    pub negative: Buckets,
    /// Upper bounds in strictly increasing order, without infinity; shared, since they hardly ever change.
    pub custom_bounds: Arc<[f64]>,
}

impl Histogram {
    /// Whether bounds are custom ones.
    pub fn is_custom(&self) -> bool {
        self.schema == CUSTOM_SCHEMA
    }

    /// Whether it marks the end of its series.
    pub fn is_stale(&self) -> bool {
        crate::is_stale(self.sum)
    }

    /// The histogram that marks the end of a series.
    pub fn stale() -> Histogram {
        Histogram { sum: f64::from_bits(crate::STALE_NAN_BITS), ..Histogram::default() }
    }

    /// The same in the one way in which it is stored: buckets that hold nothing are not there, and one that marks the end
    /// of a series is nothing else.
    pub fn compacted(histogram: Arc<Histogram>) -> Arc<Histogram> {
        if histogram.is_stale() {
            return Arc::new(Histogram::stale());
        }
        if histogram.positive.is_compact() && histogram.negative.is_compact() {
            return histogram;
        }
        let compact = |b: &Buckets| Buckets::from_pairs(b.iter().filter(|(_, count)| *count != 0.0));
        let (positive, negative) = (compact(&histogram.positive), compact(&histogram.negative));
        Arc::new(Histogram { positive, negative, ..(*histogram).clone() })
    }

    /// Lower bound, upper bound and count of each bucket that is not empty, from the smallest values to the largest; for
    /// people and other programs (the header has the formulas).
    pub fn buckets(&self) -> Vec<(f64, f64, f64)> {
        let upper = |i: i32| (f64::from(i) * f64::exp2(-f64::from(self.schema))).exp2();
        let bounds = &self.custom_bounds;
        let custom = |i: i32| bounds.get(i as usize).copied().unwrap_or(f64::INFINITY);
        let positive = self.positive.iter().map(|(i, count)| match self.is_custom() {
            true if i <= 0 => (f64::NEG_INFINITY, custom(0), count),
            true => (custom(i - 1), custom(i), count),
            false => (upper(i.saturating_sub(1)), upper(i), count),
        });
        let negative: Vec<_> = self.negative.iter().collect();
        let negative = negative.iter().rev().map(|(i, n)| (-upper(*i), -upper(i.saturating_sub(1)), *n));
        let zero = (-self.zero_threshold, self.zero_threshold, self.zero_count);
        negative.chain([zero]).chain(positive).filter(|(_, _, count)| *count != 0.0).collect()
    }

    /// What is wrong with a histogram from outside.
    ///
    /// # Errors
    /// The first broken rule, in words.
    pub fn check(&self) -> Result<(), BadHistogram> {
        let bad = |text: String| Err(BadHistogram(text));
        let custom = self.is_custom();
        if !custom && !(SCHEMA_MIN..=SCHEMA_MAX).contains(&self.schema) {
            let schema = self.schema;
            return bad(format!(
                "schema {schema} is not one of {SCHEMA_MIN} to {SCHEMA_MAX} and {CUSTOM_SCHEMA}"
            ));
        }
        if self.positive.counts.len() + self.negative.counts.len() > BUCKETS_MAX {
            return bad(format!("more than {BUCKETS_MAX} buckets"));
        }
        for (side, buckets) in [("positive", &self.positive), ("negative", &self.negative)] {
            let mut end = 0i64;
            let mut length = 0u64;
            for (i, span) in buckets.spans.iter().enumerate() {
                if i > 0 && span.offset < 0 {
                    return bad(format!("a {side} span goes back by {}", -i64::from(span.offset)));
                }
                end += i64::from(span.offset) + i64::from(span.length);
                length += u64::from(span.length);
                if !(i64::from(i32::MIN)..=i64::from(i32::MAX)).contains(&end) {
                    return bad(format!("the {side} spans reach bucket {end}"));
                }
            }
            if length != buckets.counts.len() as u64 {
                let have = buckets.counts.len();
                return bad(format!("the {side} spans are of {length} buckets, but there are {have}"));
            }
            if let Some(count) = buckets.counts.iter().find(|c| !at_least_zero(**c)) {
                return bad(format!("a {side} bucket has the count {count}"));
            }
        }
        if !at_least_zero(self.count) && !self.is_stale() || !at_least_zero(self.zero_count) {
            return bad(format!(
                "the count is {} and that of the zero bucket {}",
                self.count, self.zero_count
            ));
        }
        if !at_least_zero(self.zero_threshold) {
            return bad(format!("the zero bucket is {} wide", self.zero_threshold));
        }
        if !custom && !self.custom_bounds.is_empty() {
            return bad("an exponential histogram has bounds of its own".into());
        }
        if custom {
            if !self.negative.counts.is_empty() || self.zero_count != 0.0 || self.zero_threshold != 0.0 {
                return bad("a histogram with custom bounds has negative buckets or a zero bucket".into());
            }
            if self.custom_bounds.len() > BUCKETS_MAX {
                return bad(format!("more than {BUCKETS_MAX} bounds"));
            }
            let sorted = self.custom_bounds.windows(2).all(|w| w[0] < w[1]);
            if !sorted || self.custom_bounds.iter().any(|b| b.is_nan() || *b == f64::INFINITY) {
                return bad("the bounds do not increase, or one is infinite or not a number".into());
            }
            let outside = |i: i32| i < 0 || i as usize > self.custom_bounds.len();
            if let Some((i, _)) = self.positive.iter().find(|(i, _)| outside(*i)) {
                return bad(format!("bucket {i} lies outside of {} bounds", self.custom_bounds.len()));
            }
        }
        Ok(())
    }
}

/// False also for what is not a number.
fn at_least_zero(value: f64) -> bool {
    value >= 0.0
}

/// A rule that a histogram breaks, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadHistogram(String);

impl fmt::Display for BadHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadHistogram {}

#[cfg(test)]
mod tests {
    use super::*;

    fn exponential() -> Histogram {
        let positive = Buckets::from_pairs([(-2, 1.0), (-1, 2.0), (3, 4.0)]);
        Histogram {
            schema: 1,
            count: 8.0,
            sum: 12.5,
            zero_threshold: 0.001,
            zero_count: 1.0,
            positive,
            ..Default::default()
        }
    }

    #[test]
    fn spans_and_indices_are_the_same_thing() {
        let buckets = exponential().positive;
        assert_eq!(buckets.spans, [Span { offset: -2, length: 2 }, Span { offset: 3, length: 1 }]);
        assert_eq!(buckets.iter().collect::<Vec<_>>(), [(-2, 1.0), (-1, 2.0), (3, 4.0)]);
        assert_eq!(Buckets::from_pairs(buckets.iter()), buckets);
        let far = Buckets::from_pairs([(i32::MIN, 1.0), (i32::MAX - 1, 2.0)]);
        assert_eq!(far.iter().collect::<Vec<_>>(), [(i32::MIN, 1.0), (i32::MAX - 1, 2.0)]);
        assert_eq!(Histogram { positive: far, count: 3.0, ..Default::default() }.check(), Ok(()));
    }

    #[test]
    fn what_is_the_same_is_stored_the_same() {
        let mut spelt_out = exponential();
        let spans = [(-3, 3), (0, 0), (1, 2), (0, 1)];
        spelt_out.positive = Buckets {
            spans: spans.map(|(offset, length)| Span { offset, length }).into(),
            counts: vec![0.0, 1.0, 2.0, 0.0, 0.0, 4.0],
        };
        assert_eq!(spelt_out.check(), Ok(()));
        assert_eq!(*Histogram::compacted(Arc::new(spelt_out)), exponential());
        let stale = Histogram { sum: Histogram::stale().sum, ..exponential() };
        let stale = Histogram::compacted(Arc::new(stale));
        assert!(stale.is_stale() && stale.count == 0.0 && stale.positive.counts.is_empty());
    }

    #[test]
    fn buckets_with_their_bounds() {
        let negative = Buckets::from_pairs([(0, 2.0), (2, 3.0)]);
        let h = Histogram { schema: 0, negative, ..exponential() };
        let want = [
            (-4.0, -2.0, 3.0),
            (-1.0, -0.5, 2.0),
            (-0.001, 0.001, 1.0),
            (0.125, 0.25, 1.0),
            (0.25, 0.5, 2.0),
            (4.0, 8.0, 4.0),
        ];
        assert_eq!(h.buckets(), want);
        let custom = Histogram {
            schema: CUSTOM_SCHEMA,
            positive: Buckets::from_pairs([(0, 1.0), (1, 2.0), (2, 3.0)]),
            custom_bounds: [0.5, 1.0].into(),
            ..Default::default()
        };
        let (first, last) = (f64::NEG_INFINITY, f64::INFINITY);
        assert_eq!(custom.buckets(), [(first, 0.5, 1.0), (0.5, 1.0, 2.0), (1.0, last, 3.0)]);
    }

    #[test]
    fn each_broken_rule_is_told() {
        let ok = exponential();
        assert_eq!(ok.check(), Ok(()));
        assert_eq!(Histogram::stale().check(), Ok(()));
        let custom = Histogram {
            schema: CUSTOM_SCHEMA,
            count: 3.0,
            positive: Buckets::from_pairs([(0, 1.0), (2, 2.0)]),
            custom_bounds: [0.5, 1.0].into(),
            ..Default::default()
        };
        assert_eq!(custom.check(), Ok(()));
        type Case = (&'static str, fn(&mut Histogram));
        let of_exponential: [Case; 8] = [
            ("schema 9 is not", |h| h.schema = 9),
            ("are of 4 buckets, but there are 3", |h| h.positive.spans[0].length = 3),
            ("goes back by 1", |h| h.positive.spans[1].offset = -1),
            ("reach bucket", |h| h.positive.spans[1].offset = i32::MAX),
            ("a positive bucket has the count -1", |h| h.positive.counts[0] = -1.0),
            ("the count is NaN", |h| h.count = f64::NAN),
            ("the zero bucket is -1 wide", |h| h.zero_threshold = -1.0),
            ("bounds of its own", |h| h.custom_bounds = [1.0].into()),
        ];
        let of_custom: [Case; 4] = [
            ("do not increase", |h| h.custom_bounds = [1.0, 1.0].into()),
            ("do not increase", |h| h.custom_bounds = [1.0, f64::INFINITY].into()),
            ("bucket 2 lies outside of 1 bounds", |h| h.custom_bounds = [1.0].into()),
            ("a zero bucket", |h| h.zero_count = 1.0),
        ];
        let all = of_exponential.map(|c| (&ok, c)).into_iter().chain(of_custom.map(|c| (&custom, c)));
        for (from, (text, spoil)) in all {
            let mut histogram = from.clone();
            spoil(&mut histogram);
            let error = histogram.check().unwrap_err().to_string();
            assert!(error.contains(text), "{error} does not say {text}");
        }
    }
}
