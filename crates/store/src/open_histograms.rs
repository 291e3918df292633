//! The open end of a series of native histograms in memory: each coded after the one before, so that a bucket that grows a
//! little takes a byte. What is kept for longer is sealed into chunks.
//! The coding is of this process alone: it must never be written to a file.

use crate::xor::{Reader, put_number, put_signed, put_varint};
use model::histogram::{Buckets, ResetHint, Span};
use model::{Histogram, HistogramAt};
use std::sync::Arc;
use stdx::{Error, Result};

/// Native histograms in increasing order of time.
///
/// Each is a byte of flags; the change of the distance in time; the change of the start, if there is one. Then, unless it
/// marks the end of the series, the sum as a number after the sum before; the layout, unless it is that of the last that
/// had one; and the counts: a bit for each says whether it is another than before (than 0 with a new layout), then those that are,
/// as numbers after those.
#[derive(Default)]
pub struct OpenHistograms {
    bytes: Vec<u8>,
    count: u16,
    first_ms: i64,
    step_ms: i64,
    /// The newest.
    last: Option<HistogramAt>,
    /// The newest that marks no end: its layout and counts are what the next is coded after.
    before: Option<Arc<Histogram>>,
    /// Custom bounds that were met.
    bounds: Vec<Arc<[f64]>>,
}

const HINT: u8 = 0b11;
const IS_STALE: u8 = 1 << 2;
const SAME_LAYOUT: u8 = 1 << 3;
const OTHER_START: u8 = 1 << 4;

fn have_same_layout(a: &Histogram, b: &Histogram) -> bool {
    a.schema == b.schema
        && a.zero_threshold.to_bits() == b.zero_threshold.to_bits()
        && a.positive.spans == b.positive.spans
        && a.negative.spans == b.negative.spans
        && (Arc::ptr_eq(&a.custom_bounds, &b.custom_bounds) || a.custom_bounds == b.custom_bounds)
}

fn counts(h: &Histogram) -> impl Iterator<Item = f64> + '_ {
    [h.count, h.zero_count].into_iter().chain(h.positive.counts.iter().chain(&h.negative.counts).copied())
}

impl OpenHistograms {
    /// Number of samples.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// The newest sample.
    pub fn last(&self) -> Option<&HistogramAt> {
        self.last.as_ref()
    }

    /// Times of the oldest and the newest sample in milliseconds.
    pub fn range_ms(&self) -> Option<(i64, i64)> {
        self.last.as_ref().map(|last| (self.first_ms, last.timestamp_ms))
    }

    /// Bytes on the heap. Custom bounds are left out: they are mostly shared with others.
    pub fn heap_bytes(&self) -> usize {
        let side = |b: &Buckets| size_of_val(&*b.spans) + size_of_val(&*b.counts);
        let last = self.before.as_ref().map_or(0, |h| {
            2 * size_of::<usize>() + size_of::<Histogram>() + side(&h.positive) + side(&h.negative)
        });
        self.bytes.capacity() + last
    }

    /// Appends a sample that is later than all before. At most `u16::MAX` of them.
    pub fn push(&mut self, at: HistogramAt) {
        let room = 64 + self.bytes.len() / 8;
        if self.bytes.capacity() - self.bytes.len() < room {
            // Doubling would waste a quarter of the memory of all open ends.
            self.bytes.reserve_exact(2 * room);
        }
        let h = &*at.histogram;
        let (last_ms, last_start_ms) =
            self.last.as_ref().map_or((0, 0), |last| (last.timestamp_ms, last.start_ms));
        let before = self.before.as_deref().filter(|before| have_same_layout(before, h));
        let flag = |is: bool, bit: u8| if is { bit } else { 0 };
        self.bytes.push(
            h.hint as u8
                | flag(h.is_stale(), IS_STALE)
                | flag(before.is_some(), SAME_LAYOUT)
                | flag(at.start_ms != last_start_ms, OTHER_START),
        );
        let step_ms = at.timestamp_ms.wrapping_sub(last_ms);
        put_signed(&mut self.bytes, step_ms.wrapping_sub(self.step_ms));
        if at.start_ms != last_start_ms {
            put_signed(&mut self.bytes, at.start_ms.wrapping_sub(last_start_ms));
        }
        if !h.is_stale() {
            let sum_before = self.before.as_ref().map_or(0, |before| before.sum.to_bits());
            put_number(&mut self.bytes, sum_before, h.sum.to_bits());
            let zeroes = std::iter::repeat(0.0);
            match before {
                Some(before) => put_counts(&mut self.bytes, h, counts(before)),
                None => {
                    let bounds = place_of(&mut self.bounds, &h.custom_bounds);
                    put_layout(&mut self.bytes, h, bounds);
                    put_counts(&mut self.bytes, h, zeroes);
                }
            }
            self.before = Some(at.histogram.clone());
        }
        if self.count == 0 {
            self.first_ms = at.timestamp_ms;
            self.step_ms = 0;
        } else {
            self.step_ms = step_ms;
        }
        self.count += 1;
        self.last = Some(at);
    }

    /// All samples.
    ///
    /// # Errors
    /// `Corrupt`: a bug, or bad memory.
    pub fn decode(&self) -> Result<Vec<HistogramAt>> {
        let mut all: Vec<HistogramAt> = Vec::with_capacity(self.len());
        let mut reader = Reader::new(&self.bytes);
        let (mut now, mut step_ms, mut start_ms) = (0i64, 0i64, 0i64);
        let mut before: Arc<Histogram> = Arc::default();
        let stale = Arc::new(Histogram::stale());
        while !reader.is_empty() {
            let flags = reader.byte()?;
            step_ms = step_ms.wrapping_add(reader.signed()?);
            now = now.wrapping_add(step_ms);
            if all.is_empty() {
                step_ms = 0;
            }
            if flags & OTHER_START != 0 {
                start_ms = start_ms.wrapping_add(reader.signed()?);
            }
            let histogram = match flags & IS_STALE != 0 {
                true => stale.clone(),
                false => {
                    before = Arc::new(self.get(&mut reader, flags, &before)?);
                    before.clone()
                }
            };
            all.push(HistogramAt { timestamp_ms: now, start_ms, histogram });
        }
        Ok(all)
    }

    fn get(&self, reader: &mut Reader<'_>, flags: u8, before: &Histogram) -> Result<Histogram> {
        let sum = f64::from_bits(reader.number(before.sum.to_bits())?);
        let mut h = match flags & SAME_LAYOUT != 0 {
            true => before.clone(),
            false => self.get_layout(reader)?,
        };
        h.hint = ResetHint::from_number(u64::from(flags & HINT));
        h.sum = sum;
        let Histogram { count, zero_count, positive, negative, .. } = &mut h;
        let n = 2 + positive.counts.len() + negative.counts.len();
        let marks = reader.bytes(n.div_ceil(8))?;
        let all =
            [count, zero_count].into_iter().chain(positive.counts.iter_mut()).chain(&mut negative.counts);
        for (i, number) in all.enumerate() {
            if marks[i / 8] >> (i % 8) & 1 == 1 {
                *number = f64::from_bits(reader.number(number.to_bits())?);
            }
        }
        Ok(h)
    }

    fn get_layout(&self, reader: &mut Reader<'_>) -> Result<Histogram> {
        let wrong = || Error::corrupt("a histogram in memory makes no sense");
        let schema = i8::try_from(reader.signed()?).map_err(|_| wrong())?;
        let threshold: [u8; 8] = reader.bytes(8)?.try_into().map_err(|_| wrong())?;
        let bounds = self.bounds.get(reader.varint()? as usize).ok_or_else(wrong)?.clone();
        let mut side = || -> Result<Buckets> {
            let mut buckets = Buckets::default();
            let mut length = 0;
            for _ in 0..reader.varint()? {
                let (offset, n) = (reader.signed()?, reader.varint()?);
                buckets.spans.push(Span { offset: offset as i32, length: n as u32 });
                length += n as usize;
            }
            buckets.counts.resize(length, 0.0);
            Ok(buckets)
        };
        let (positive, negative) = (side()?, side()?);
        let zero_threshold = f64::from_le_bytes(threshold);
        Ok(Histogram {
            schema,
            zero_threshold,
            custom_bounds: bounds,
            positive,
            negative,
            ..Histogram::default()
        })
    }
}

fn place_of(known: &mut Vec<Arc<[f64]>>, bounds: &Arc<[f64]>) -> usize {
    known.iter().position(|b| Arc::ptr_eq(b, bounds) || b == bounds).unwrap_or_else(|| {
        known.push(bounds.clone());
        known.len() - 1
    })
}

fn put_layout(out: &mut Vec<u8>, h: &Histogram, bounds: usize) {
    put_signed(out, i64::from(h.schema));
    out.extend(h.zero_threshold.to_bits().to_le_bytes());
    put_varint(out, bounds as u64);
    for side in [&h.positive, &h.negative] {
        put_varint(out, side.spans.len() as u64);
        for span in &side.spans {
            put_signed(out, i64::from(span.offset));
            put_varint(out, u64::from(span.length));
        }
    }
}

fn put_counts(out: &mut Vec<u8>, h: &Histogram, before: impl Iterator<Item = f64>) {
    let marks = out.len();
    let n = 2 + h.positive.counts.len() + h.negative.counts.len();
    out.resize(marks + n.div_ceil(8), 0);
    for (i, (now, before)) in counts(h).zip(before).enumerate() {
        if now.to_bits() != before.to_bits() {
            out[marks + i / 8] |= 1 << (i % 8);
            put_number(out, before.to_bits(), now.to_bits());
        }
    }
}
