//! Native histograms in the log: each stands alone, but for custom bounds, which the one before it in its record mostly has
//! too. It must never make room for more than the record can hold. Format: `docs/formats/wal.md`.

use crate::xor::{Reader, put_signed, put_value, put_varint};
use model::histogram::{BUCKETS_MAX, Buckets, ResetHint, Span};
use model::{Histogram, HistogramAt};
use std::sync::Arc;
use stdx::{Error, Result};

const HINT: u8 = 0b11;
const HAS_START: u8 = 1 << 2;
const IS_STALE: u8 = 1 << 3;
/// All counts are whole and below 2^53.
const IS_WHOLE: u8 = 1 << 4;
/// Has the custom bounds of the last before it that had some.
const SAME_BOUNDS: u8 = 1 << 5;
const IS_KNOWN: u8 = 0x3f;

/// The zero threshold that most have: 2^-128.
const USUAL_THRESHOLD: f64 = 1.0 / (1u128 << 127) as f64 / 2.0;

/// What is remembered from one histogram of a record to the next.
#[derive(Default)]
pub struct Before {
    bounds: Arc<[f64]>,
}

fn whole(count: f64) -> Option<u64> {
    const LIMIT: f64 = (1u64 << 53) as f64;
    (count < LIMIT && (count as u64 as f64).to_bits() == count.to_bits()).then_some(count as u64)
}

fn counts(h: &Histogram) -> impl Iterator<Item = f64> + '_ {
    [h.count, h.zero_count].into_iter().chain(h.positive.counts.iter().chain(&h.negative.counts).copied())
}

/// Appends one, without its time.
pub fn put(out: &mut Vec<u8>, at: &HistogramAt, before: &mut Before) {
    let h = &*at.histogram;
    let is_whole = counts(h).all(|c| whole(c).is_some());
    let is_same =
        h.is_custom() && (Arc::ptr_eq(&h.custom_bounds, &before.bounds) || h.custom_bounds == before.bounds);
    let flag = |is: bool, bit: u8| if is { bit } else { 0 };
    out.push(
        h.hint as u8
            | flag(at.start_ms != 0, HAS_START)
            | flag(h.is_stale(), IS_STALE)
            | flag(is_whole, IS_WHOLE)
            | flag(is_same, SAME_BOUNDS),
    );
    if at.start_ms != 0 {
        put_signed(out, at.start_ms.wrapping_sub(at.timestamp_ms));
    }
    if h.is_stale() {
        return;
    }
    put_signed(out, i64::from(h.schema));
    if !h.is_custom() {
        put_value(out, USUAL_THRESHOLD.to_bits(), h.zero_threshold.to_bits());
    }
    put_value(out, 0, h.sum.to_bits());
    for side in [&h.positive, &h.negative] {
        put_varint(out, side.spans.len() as u64);
        for span in &side.spans {
            put_signed(out, i64::from(span.offset));
            put_varint(out, u64::from(span.length));
        }
    }
    if h.is_custom() && !is_same {
        put_varint(out, h.custom_bounds.len() as u64);
        h.custom_bounds.iter().for_each(|b| out.extend(b.to_bits().to_le_bytes()));
        before.bounds = h.custom_bounds.clone();
    }
    let mut last = 0.0f64;
    for count in counts(h) {
        match is_whole {
            true => put_signed(out, count as i64 - last as i64),
            false => put_value(out, last.to_bits(), count.to_bits()),
        }
        last = count;
    }
}

fn wrong(what: impl std::fmt::Display) -> Error {
    Error::corrupt(format!("a log record has a histogram that makes no sense: {what}"))
}

/// Inverse of [`put`].
///
/// # Errors
/// `Corrupt`, also for what breaks a rule of histograms.
pub fn get(reader: &mut Reader<'_>, timestamp_ms: i64, before: &mut Before) -> Result<HistogramAt> {
    let flags = reader.byte()?;
    if flags & !IS_KNOWN != 0 {
        return Err(wrong("unknown flags"));
    }
    let start_ms = match flags & HAS_START != 0 {
        true => timestamp_ms.wrapping_add(reader.signed()?),
        false => 0,
    };
    if flags & IS_STALE != 0 {
        return Ok(HistogramAt { timestamp_ms, start_ms, histogram: Arc::new(Histogram::stale()) });
    }
    let mut h = Histogram { hint: ResetHint::from_number(u64::from(flags & HINT)), ..Histogram::default() };
    h.schema = i8::try_from(reader.signed()?).map_err(|_| wrong("its schema"))?;
    if !h.is_custom() {
        h.zero_threshold = f64::from_bits(reader.value(USUAL_THRESHOLD.to_bits())?);
    }
    h.sum = f64::from_bits(reader.value(0)?);
    let lengths = [get_spans(reader, &mut h.positive)?, get_spans(reader, &mut h.negative)?];
    if h.is_custom() && flags & SAME_BOUNDS == 0 {
        let n = usize::try_from(reader.varint()?).ok().filter(|n| *n <= BUCKETS_MAX);
        let bytes = reader.bytes(8 * n.ok_or_else(|| wrong("too many bounds"))?)?;
        before.bounds = bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect();
    }
    if h.is_custom() {
        h.custom_bounds = before.bounds.clone();
    }
    let mut last = 0.0f64;
    let mut next = || -> Result<f64> {
        last = match flags & IS_WHOLE != 0 {
            true => (last as i64).wrapping_add(reader.signed()?) as f64,
            false => f64::from_bits(reader.value(last.to_bits())?),
        };
        Ok(last)
    };
    (h.count, h.zero_count) = (next()?, next()?);
    for (side, length) in [&mut h.positive, &mut h.negative].into_iter().zip(lengths) {
        // Each takes a byte at least: what is only claimed fails before it has taken much.
        for _ in 0..length {
            side.counts.push(next()?);
        }
    }
    h.check().map_err(wrong)?;
    Ok(HistogramAt { timestamp_ms, start_ms, histogram: Arc::new(h) })
}

/// Reads spans and returns of how many buckets they are.
fn get_spans(reader: &mut Reader<'_>, side: &mut Buckets) -> Result<u64> {
    let mut length = 0u64;
    for _ in 0..reader.varint()? {
        let (offset, n) = (i32::try_from(reader.signed()?), u32::try_from(reader.varint()?));
        let (Ok(offset), Ok(n)) = (offset, n) else { return Err(wrong("its spans")) };
        length += u64::from(n);
        if length > BUCKETS_MAX as u64 {
            return Err(wrong("too many buckets"));
        }
        side.spans.push(Span { offset, length: n });
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::histogram::CUSTOM_SCHEMA;

    fn all() -> Vec<HistogramAt> {
        let exponential = Histogram {
            schema: 3,
            hint: ResetHint::NotReset,
            count: 1_000_007.0,
            sum: 0.1,
            zero_threshold: USUAL_THRESHOLD,
            zero_count: 7.0,
            positive: Buckets::from_pairs([(-9, 500_000.0), (-8, 499_000.0), (i32::MAX - 10, 1_000.0)]),
            ..Default::default()
        };
        let fractions = Histogram {
            schema: -4,
            count: 1e300,
            sum: f64::NAN,
            zero_threshold: 0.25,
            zero_count: 0.5,
            negative: Buckets::from_pairs([(i32::MIN + 1, 0.25), (0, f64::INFINITY)]),
            ..Default::default()
        };
        let custom = Histogram {
            schema: CUSTOM_SCHEMA,
            count: 3.0,
            positive: Buckets::from_pairs([(0, 1.0), (2, 2.0)]),
            custom_bounds: [-0.5, 1.0].into(),
            ..Default::default()
        };
        let other = Histogram { custom_bounds: [0.5, 2.0, 3.0].into(), ..custom.clone() };
        let each = [exponential, custom.clone(), custom, Histogram::stale(), fractions, other];
        let times = [(5, 0), (i64::MAX, i64::MIN), (-1, -2), (7, 6), (8, 0), (9, 1)];
        let histograms = each.map(Arc::new).into_iter();
        times
            .into_iter()
            .zip(histograms)
            .map(|((timestamp_ms, start_ms), histogram)| HistogramAt { timestamp_ms, start_ms, histogram })
            .collect()
    }

    #[test]
    fn every_kind_comes_back() {
        let (mut out, mut before) = (Vec::new(), Before::default());
        let mut lengths = Vec::new();
        for at in &all() {
            put(&mut out, at, &mut before);
            lengths.push(out.len());
        }
        assert!(lengths[2] - lengths[1] < 16, "the same bounds are there once");
        let (mut reader, mut before) = (Reader::new(&out), Before::default());
        for at in all() {
            let back = get(&mut reader, at.timestamp_ms, &mut before).unwrap();
            assert_eq!(format!("{back:?}"), format!("{at:?}"));
        }
        assert!(reader.is_empty());
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let (mut whole, mut before) = (Vec::new(), Before::default());
        all().iter().for_each(|at| put(&mut whole, at, &mut before));
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (mut reader, mut before) = (Reader::new(&bytes), Before::default());
            while !reader.is_empty() {
                let Ok(at) = get(&mut reader, 0, &mut before) else { break };
                assert_eq!(at.histogram.check(), Ok(()));
            }
        }
    }
}
