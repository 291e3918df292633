//! Native histograms as the protocols write them (counts or differences between neighbours, in spans) to the one checked
//! [`Histogram`]. Remote write and scraped protobuf number their fields differently and mean the same.
//! It must never make room for what a message only claims to hold.

use crate::series::Refused;
use crate::wire::{Field, Reader, WireError};
use model::histogram::{BUCKETS_MAX, Buckets, CUSTOM_SCHEMA, ResetHint, SCHEMA_MAX, SCHEMA_MIN, Span};
use model::{Histogram, HistogramAt, RejectReason, is_stale};
use std::sync::Arc;

/// The finest schema that a sender may use: it is reduced to the finest that is kept. Finer ones, and those coarser than
/// the coarsest, are reserved and mean nothing yet.
const SENT_SCHEMA_MAX: i32 = 52;

/// Whole or fractional counts of one side, as they were sent.
#[derive(Default)]
pub(crate) struct Side {
    pub spans: Vec<Span>,
    /// Whole counts: the first, then differences.
    pub deltas: Vec<i64>,
    pub counts: Vec<f64>,
}

/// A histogram as it was sent.
#[derive(Default)]
pub(crate) struct Parts {
    pub schema: i32,
    pub hint: ResetHint,
    /// Counts are fractions (`counts`), else whole (`deltas`).
    pub is_float: bool,
    pub count: f64,
    /// The same, of whole counts.
    pub whole_count: u64,
    pub sum: f64,
    pub zero_threshold: f64,
    pub zero_count: f64,
    pub whole_zero_count: u64,
    pub positive: Side,
    pub negative: Side,
    pub custom_bounds: Vec<f64>,
}

fn refused(reason: RejectReason, message: String) -> Refused {
    Refused { reason, message: format!("a native histogram: {message}") }
}

impl From<WireError> for Refused {
    fn from(e: WireError) -> Refused {
        refused(RejectReason::Malformed, e.to_string())
    }
}

/// Reads a `prometheus.Histogram` of remote write 1.0 or 2.0. `bounds` are the custom bounds of the one before, which are
/// shared where they are the same.
pub(crate) fn from_remote_write(message: &[u8], bounds: &mut Arc<[f64]>) -> Result<HistogramAt, Refused> {
    let (mut parts, mut timestamp_ms, mut start_ms) = (Parts::default(), 0, 0);
    let mut fields = Reader::new(message);
    while let Some((number, field)) = fields.field()? {
        match number {
            1 => (parts.whole_count, parts.is_float) = (field.varint()?, false),
            2 => (parts.count, parts.is_float) = (field.double()?, true),
            3 => parts.sum = field.double()?,
            4 => parts.schema = zigzag(field.varint()?) as i32,
            5 => parts.zero_threshold = field.double()?,
            6 => parts.whole_zero_count = field.varint()?,
            7 => parts.zero_count = field.double()?,
            8 => parts.negative.span(field)?,
            9 => parts.negative.deltas(field)?,
            10 => doubles(field, &mut parts.negative.counts)?,
            11 => parts.positive.span(field)?,
            12 => parts.positive.deltas(field)?,
            13 => doubles(field, &mut parts.positive.counts)?,
            14 => parts.hint = ResetHint::from_number(field.varint()?),
            15 => timestamp_ms = field.varint()? as i64,
            16 => doubles(field, &mut parts.custom_bounds)?,
            17 => start_ms = field.varint()? as i64,
            _ => {}
        }
    }
    Ok(HistogramAt { timestamp_ms, start_ms, histogram: Arc::new(parts.finish(bounds)?) })
}

impl Side {
    /// One `BucketSpan`.
    pub fn span(&mut self, field: Field<'_>) -> Result<(), Refused> {
        let (mut offset, mut length, mut fields) = (0, 0, Reader::new(field.bytes()?));
        while let Some((number, field)) = fields.field()? {
            match number {
                1 => offset = zigzag(field.varint()?) as i32,
                2 => length = field.varint()? as u32,
                _ => {}
            }
        }
        if self.spans.len() >= BUCKETS_MAX {
            return Err(too_many());
        }
        self.spans.push(Span { offset, length });
        Ok(())
    }

    /// Differences, packed or one by one.
    pub fn deltas(&mut self, field: Field<'_>) -> Result<(), Refused> {
        let mut push = |n: u64| {
            self.deltas.push(zigzag(n));
            if self.deltas.len() > BUCKETS_MAX { Err(too_many()) } else { Ok(()) }
        };
        match field {
            Field::Bytes(packed) => {
                let mut numbers = Reader::new(packed);
                while let Some(number) = numbers.packed_varint()? {
                    push(number)?;
                }
                Ok(())
            }
            field => push(field.varint()?),
        }
    }

    /// Index and count of each bucket that is not empty, at a schema that is coarser by `steps`.
    fn buckets(&self, name: &str, is_float: bool, steps: u32) -> Result<Buckets, Refused> {
        let bad = |text: String| refused(RejectReason::Malformed, text);
        let sent = if is_float { self.counts.len() } else { self.deltas.len() };
        let length: u64 = self.spans.iter().map(|s| u64::from(s.length)).sum();
        if length != sent as u64 {
            return Err(bad(format!("the {name} spans are of {length} buckets, but there are {sent}")));
        }
        let (mut pairs, mut at, mut index, mut whole): (Vec<(i32, f64)>, usize, i64, i64) =
            (Vec::with_capacity(sent), 0, 0, 0);
        for (i, span) in self.spans.iter().enumerate() {
            if i > 0 && span.offset < 0 {
                return Err(bad(format!("a {name} span goes back by {}", -i64::from(span.offset))));
            }
            index += i64::from(span.offset);
            for _ in 0..span.length {
                let count = match is_float {
                    true => self.counts[at],
                    false => {
                        let next = whole.checked_add(self.deltas[at]).filter(|n| *n >= 0);
                        whole = next.ok_or_else(|| bad(format!("a {name} bucket has a count below 0")))?;
                        whole as f64
                    }
                };
                let coarse = match steps {
                    0 => index,
                    _ => ((index - 1) >> steps) + 1,
                };
                let coarse = i32::try_from(coarse)
                    .map_err(|_| bad(format!("the {name} spans reach bucket {coarse}")))?;
                match pairs.last_mut() {
                    Some((last, sum)) if *last == coarse => *sum += count,
                    _ if count == 0.0 => {}
                    _ => pairs.push((coarse, count)),
                }
                at += 1;
                index += 1;
            }
        }
        Ok(Buckets::from_pairs(pairs))
    }
}

impl Parts {
    /// The histogram that was meant, without buckets that hold nothing. One that says that its series has ended says
    /// nothing else.
    pub fn finish(self, shared: &mut Arc<[f64]>) -> Result<Histogram, Refused> {
        if is_stale(self.sum) {
            return Ok(Histogram::stale());
        }
        let (schema, steps) = match self.schema {
            s if s == i32::from(CUSTOM_SCHEMA) => (CUSTOM_SCHEMA, 0),
            s @ -4..=8 => (s as i8, 0),
            s if (i32::from(SCHEMA_MAX)..=SENT_SCHEMA_MAX).contains(&s) => {
                (SCHEMA_MAX, (s - i32::from(SCHEMA_MAX)) as u32)
            }
            s => {
                let text = format!(
                    "schema {s} is unknown here; {SCHEMA_MIN} to {SENT_SCHEMA_MAX} and {CUSTOM_SCHEMA} are taken"
                );
                return Err(refused(RejectReason::Unsupported, text));
            }
        };
        let positive = self.positive.buckets("positive", self.is_float, steps)?;
        let negative = self.negative.buckets("negative", self.is_float, steps)?;
        let (count, zero_count) = match self.is_float {
            true => (self.count, self.zero_count),
            false => (self.whole_count as f64, self.whole_zero_count as f64),
        };
        if !self.is_float {
            // Of fractions nothing is asked: they are not exact.
            let inside = positive.counts.iter().chain(&negative.counts).sum::<f64>() + zero_count;
            // What is not a number is counted, and in no bucket.
            if inside > count || (inside < count && !self.sum.is_nan()) {
                let text = format!("its buckets hold {inside} observations, and its count is {count}");
                return Err(refused(RejectReason::Malformed, text));
            }
        }
        if shared[..] != self.custom_bounds[..] {
            *shared = self.custom_bounds.into();
        }
        let histogram = Histogram {
            schema,
            hint: self.hint,
            count,
            sum: self.sum,
            zero_threshold: self.zero_threshold,
            zero_count,
            positive,
            negative,
            custom_bounds: shared.clone(),
        };
        histogram.check().map_err(|e| refused(RejectReason::Malformed, e.to_string()))?;
        Ok(histogram)
    }
}

fn too_many() -> Refused {
    refused(RejectReason::TooLarge, format!("more than {BUCKETS_MAX} buckets"))
}

/// A `sint32` or `sint64`.
pub(crate) fn zigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// Doubles, packed or one by one.
pub(crate) fn doubles(field: Field<'_>, out: &mut Vec<f64>) -> Result<(), Refused> {
    match field {
        Field::Bytes(packed) => {
            let (all, rest) = packed.as_chunks::<8>();
            if !rest.is_empty() {
                return Err(WireError::Truncated.into());
            }
            if out.len() + all.len() > BUCKETS_MAX {
                return Err(too_many());
            }
            out.extend(all.iter().map(|b| f64::from_le_bytes(*b)));
        }
        field => {
            if out.len() >= BUCKETS_MAX {
                return Err(too_many());
            }
            out.push(field.double()?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
