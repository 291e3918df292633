//! Native histograms of remote write: a table of what is sent and what comes out of it.

use super::*;
use crate::wire::{put_bytes_field, put_double_field, put_varint, put_varint_field};

fn sint(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

/// What a sender would write, or would not.
#[derive(Clone)]
struct Sent {
    schema: i64,
    count: u64,
    float_count: Option<f64>,
    sum: f64,
    zero: u64,
    spans: Vec<(i64, u64)>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
    negative: Vec<i64>,
    bounds: Vec<f64>,
}

/// Five observations: two, none and two in the buckets -1 to 1, one in the zero bucket.
fn sent() -> Sent {
    Sent {
        schema: 1,
        count: 5,
        float_count: None,
        sum: 4.5,
        zero: 1,
        spans: vec![(-1, 2), (0, 1)],
        deltas: vec![2, -2, 2],
        counts: vec![],
        negative: vec![],
        bounds: vec![],
    }
}

impl Sent {
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self.float_count {
            None => put_varint_field(&mut out, 1, self.count),
            Some(count) => put_double_field(&mut out, 2, count),
        }
        put_double_field(&mut out, 3, self.sum);
        put_varint_field(&mut out, 4, sint(self.schema));
        put_double_field(&mut out, 5, if self.bounds.is_empty() { 0.001 } else { 0.0 });
        put_varint_field(&mut out, 6, self.zero);
        put_double_field(&mut out, 7, self.zero as f64);
        let packed = |deltas: &[i64]| {
            let mut bytes = Vec::new();
            deltas.iter().for_each(|d| put_varint(&mut bytes, sint(*d)));
            bytes
        };
        let span = |out: &mut Vec<u8>, number, (offset, length): (i64, u64)| {
            let mut one = Vec::new();
            put_varint_field(&mut one, 1, sint(offset));
            put_varint_field(&mut one, 2, length);
            put_bytes_field(out, number, &one);
        };
        if !self.negative.is_empty() {
            span(&mut out, 8, (0, self.negative.len() as u64));
            put_bytes_field(&mut out, 9, &packed(&self.negative));
        }
        self.spans.iter().for_each(|s| span(&mut out, 11, *s));
        put_bytes_field(&mut out, 12, &packed(&self.deltas));
        self.counts.iter().for_each(|c| put_double_field(&mut out, 13, *c));
        put_varint_field(&mut out, 14, 2);
        put_varint_field(&mut out, 15, 1_700_000_000_000);
        let bounds: Vec<u8> = self.bounds.iter().flat_map(|b| b.to_le_bytes()).collect();
        put_bytes_field(&mut out, 16, &bounds);
        put_varint_field(&mut out, 17, 1_600_000_000_000);
        out
    }

    fn read(&self) -> Result<HistogramAt, Refused> {
        from_remote_write(&self.bytes(), &mut Arc::default())
    }
}

#[test]
fn whole_counts_are_added_up_and_empty_buckets_left_out() {
    let read = sent().read().unwrap();
    assert_eq!((read.timestamp_ms, read.start_ms), (1_700_000_000_000, 1_600_000_000_000));
    let want = Histogram {
        schema: 1,
        hint: ResetHint::NotReset,
        count: 5.0,
        sum: 4.5,
        zero_threshold: 0.001,
        zero_count: 1.0,
        positive: Buckets::from_pairs([(-1, 2.0), (1, 2.0)]),
        ..Default::default()
    };
    assert_eq!(*read.histogram, want);
}

#[test]
fn fractions_negative_sides_and_custom_bounds() {
    let float = Sent { float_count: Some(4.75), deltas: vec![], counts: vec![0.5, 0.0, 3.25], ..sent() };
    let h = float.read().unwrap().histogram;
    assert_eq!((h.count, h.positive.iter().collect::<Vec<_>>()), (4.75, vec![(-1, 0.5), (1, 3.25)]));

    let negative = Sent { count: 12, negative: vec![3, 1], ..sent() };
    let h = negative.read().unwrap().histogram;
    assert_eq!(h.negative.iter().collect::<Vec<_>>(), [(0, 3.0), (1, 4.0)]);

    let custom =
        Sent { schema: -53, count: 4, zero: 0, spans: vec![(0, 3)], bounds: vec![0.5, 2.0], ..sent() };
    let mut shared = Arc::default();
    let first = from_remote_write(&custom.bytes(), &mut shared).unwrap().histogram;
    let second = from_remote_write(&custom.bytes(), &mut shared).unwrap().histogram;
    assert_eq!(first.custom_bounds[..], [0.5, 2.0]);
    assert!(Arc::ptr_eq(&first.custom_bounds, &second.custom_bounds), "the same bounds are there once");
}

#[test]
fn a_marker_is_nothing_but_a_marker() {
    let stale = f64::from_bits(model::STALE_NAN_BITS);
    let h = Sent { sum: stale, count: 99, ..sent() }.read().unwrap().histogram;
    assert!(h.is_stale());
    assert_eq!((h.count, h.positive.counts.len(), h.hint), (0.0, 0, ResetHint::Unknown));
}

/// Bucket `i` of a schema is bucket `ceil(i / 2^steps)` of one that is coarser by so many steps.
#[test]
fn finer_schemas_are_reduced_to_the_finest_that_is_kept() {
    let fine = Sent {
        schema: 10,
        count: 10,
        zero: 0,
        spans: vec![(-5, 10)],
        deltas: vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ..sent()
    };
    let h = fine.read().unwrap().histogram;
    assert_eq!(h.schema, 8);
    // -5 | -4 -3 -2 -1 ... : ceil(-5/4) = -1, -4 is -1, -3 to 0 are 0, 1 to 4 are 1.
    assert_eq!(h.positive.iter().collect::<Vec<_>>(), [(-1, 2.0), (0, 4.0), (1, 4.0)]);
    let finest = Sent { schema: 52, ..fine.clone() };
    let h = finest.read().unwrap().histogram;
    assert_eq!((h.schema, h.positive.iter().collect::<Vec<_>>()), (8, vec![(0, 6.0), (1, 4.0)]));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_reason() {
    use RejectReason::*;
    let custom =
        Sent { schema: -53, count: 4, zero: 0, spans: vec![(0, 3)], bounds: vec![0.5, 2.0], ..sent() };
    for (bad, reason, words) in [
        (Sent { schema: 53, ..sent() }, Unsupported, "schema 53 is unknown here; -4 to 52 and -53"),
        (Sent { schema: -5, ..sent() }, Unsupported, "schema -5"),
        (Sent { count: 6, ..sent() }, Malformed, "its buckets hold 5 observations, and its count is 6"),
        (Sent { count: 4, sum: f64::NAN, ..sent() }, Malformed, "its count is 4"),
        (Sent { deltas: vec![2, -3, 2], ..sent() }, Malformed, "below 0"),
        (Sent { deltas: vec![i64::MAX, i64::MAX, 0], ..sent() }, Malformed, "below 0"),
        (Sent { deltas: vec![2], ..sent() }, Malformed, "spans are of 3 buckets, but there are 1"),
        (Sent { spans: vec![(0, 2), (-1, 1)], ..sent() }, Malformed, "goes back by 1"),
        (Sent { spans: vec![(0, u64::from(u32::MAX))], ..sent() }, Malformed, "4294967295 buckets"),
        (Sent { spans: vec![(i64::from(i32::MAX), 3)], ..sent() }, Malformed, "reach bucket 2147483648"),
        (Sent { deltas: vec![0; BUCKETS_MAX + 1], ..sent() }, TooLarge, "more than 10000 buckets"),
        (Sent { float_count: Some(1.0), counts: vec![1.0, -1.0, 1.0], ..sent() }, Malformed, "the count -1"),
        (Sent { bounds: vec![2.0, 0.5], ..custom.clone() }, Malformed, "do not increase"),
        (Sent { bounds: vec![2.0], ..custom }, Malformed, "outside of 1 bounds"),
    ] {
        let error = bad.read().unwrap_err();
        assert_eq!(error.reason, reason, "{}", error.message);
        assert!(error.message.contains(words), "{} lacks {words}", error.message);
    }
    // What is not a number is counted, and in no bucket.
    assert!(Sent { count: 6, sum: f64::NAN, ..sent() }.read().is_ok());
}

#[test]
fn no_bytes_make_it_panic() {
    let whole = sent().bytes();
    for at in 0..whole.len() {
        let _ = from_remote_write(&whole[..at], &mut Arc::default());
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            if let Ok(read) = from_remote_write(&bytes, &mut Arc::default()) {
                assert_eq!(read.histogram.check(), Ok(()));
            }
        }
    }
}
