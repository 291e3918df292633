//! Buckets of one series as a row of a tier's file, and back: `docs/formats/tier.md`. What follows from other columns
//! costs nothing. It must never lose a bit of any value, nor trust a length that it reads.

use super::bucket::Bucket;
use crate::chunk::{Chunk, Encoding, Summary, compress, decompress};
use pco::DeltaSpec;
use pco::data_types::Number;
use stdx::{Error, ErrorKind, Result};

/// The most buckets in one row.
pub const BUCKETS_MAX: usize = 480;

/// How a column is stored: the byte before it.
mod tag {
    /// Every number is the expected one.
    pub const EXPECTED: u8 = 0;
    /// All have the bits that follow.
    pub const CONSTANT: u8 = 1;
    /// pco of 64-bit integers: differences from what is expected.
    pub const DIFFERENCES: u8 = 2;
    /// pco of doubles.
    pub const FLOATS: u8 = 3;
}

/// How values are stored: the first byte of `values`.
mod mode {
    /// All are whole numbers; differences are those of integers.
    pub const INTEGERS: u8 = 1;
    /// Differences are those of the places that doubles have in their order.
    pub const FLOATS: u8 = 2;
}

/// A row of buckets in order of time, at least one and at most [`BUCKETS_MAX`], with their summary.
///
/// # Errors
/// `Internal` if there are none or too many.
pub fn encode(buckets: &[Bucket], resolution_ms: i64) -> Result<Chunk> {
    let (Some(first), Some(last), true) = (buckets.first(), buckets.last(), buckets.len() <= BUCKETS_MAX)
    else {
        let text = format!("cannot store {} buckets in one row", buckets.len());
        return Err(Error::new(ErrorKind::Internal, text));
    };
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(&(buckets.len() as u32).to_le_bytes());
    out.extend_from_slice(&resolution_ms.to_le_bytes());
    out.extend_from_slice(&first.end_ms.to_le_bytes());
    for column in time_columns(buckets, resolution_ms) {
        put_integers(&mut out, &column)?;
    }
    Ok(Chunk {
        summary: summary(buckets, first, last),
        timestamps: out.into(),
        values: encode_values(buckets)?.into(),
    })
}

fn time_columns(buckets: &[Bucket], resolution_ms: i64) -> [Vec<i64>; 5] {
    let each = |f: &dyn Fn(&Bucket) -> i64| buckets.iter().map(f).collect::<Vec<_>>();
    let steps = buckets.windows(2).map(|w| (w[1].end_ms - w[0].end_ms) / resolution_ms - 1).collect();
    [
        steps,
        each(&|b| b.first_ms - (b.end_ms - resolution_ms)),
        each(&|b| b.end_ms - b.last_ms),
        each(&|b| b.count as i64),
        each(&|b| b.stale_ms.map_or(0, |t| t - b.last_ms + 1)),
    ]
}

/// The same meaning as of a chunk of samples, over all buckets.
fn summary(buckets: &[Bucket], first: &Bucket, last: &Bucket) -> Summary {
    let whole = buckets.iter().filter(|b| b.count > 0);
    let mut s = Summary {
        first_ms: first.first_ms,
        last_ms: last.stale_ms.unwrap_or(last.last_ms),
        count: u32::try_from(buckets.iter().map(|b| b.count).sum::<u64>())
            .map_or(i32::MAX as u32, |count| count.min(i32::MAX as u32)),
        min: f64::NAN,
        max: f64::NAN,
        sum: 0.0,
        first: f64::NAN,
        last: f64::NAN,
        increase: 0.0,
        encoding: Encoding::Buckets,
    };
    let mut before: Option<&Bucket> = None;
    for b in whole {
        match before {
            None => s.first = b.first,
            Some(before) => s.increase += b.first - before.last + before.fall_to(b),
        }
        s.increase += b.last - b.first + b.falls;
        (s.min, s.max) = (s.min.min(b.min), s.max.max(b.max));
        s.sum += b.sum;
        s.last = b.last;
        before = Some(b);
    }
    s
}

/// The six numbers of each bucket in the order in which they are stored: what is expected of one depends on those before.
const COLUMNS: usize = 6;

fn value_columns(buckets: &[Bucket]) -> [Vec<f64>; COLUMNS] {
    let each = |f: &dyn Fn(&Bucket) -> f64| buckets.iter().map(f).collect::<Vec<_>>();
    [
        each(&|b| b.last),
        each(&|b| b.first),
        each(&|b| b.min),
        each(&|b| b.max),
        each(&|b| b.sum),
        each(&|b| b.falls),
    ]
}

/// What number `column` of bucket `i` is expected to be. `have` holds all columns before it, and it up to `i`.
fn expected(have: &[Vec<f64>; COLUMNS], column: usize, i: usize, count: u64) -> f64 {
    let [last, first, ..] = have;
    let guess = match column {
        0 => i.checked_sub(1).map_or(0.0, |before| last[before]),
        // A counter goes on where it was.
        1 => last[i.saturating_sub(1)],
        2 if first[i] < last[i] => first[i],
        3 if first[i] > last[i] => first[i],
        2 | 3 => last[i],
        4 => (first[i] + last[i]) * count as f64 / 2.0,
        _ => 0.0,
    };
    // The bits of a NaN that arithmetic gives differ between machines.
    if guess.is_nan() { 0.0 } else { guess }
}

fn encode_values(buckets: &[Bucket]) -> Result<Vec<u8>> {
    let have = value_columns(buckets);
    let whole = have.iter().flatten().all(|v| is_whole(*v));
    let mut out = vec![if whole { mode::INTEGERS } else { mode::FLOATS }];
    for (column, values) in have.iter().enumerate() {
        let expected: Vec<f64> =
            (0..values.len()).map(|i| expected(&have, column, i, buckets[i].count)).collect();
        let is_expected = |(v, e): (&f64, &f64)| v.to_bits() == e.to_bits();
        let differences = |of: fn(f64, f64) -> i64| -> Vec<i64> {
            values.iter().zip(&expected).map(|(v, e)| of(*v, *e)).collect()
        };
        if values.iter().zip(&expected).all(is_expected) {
            out.push(tag::EXPECTED);
        } else if values.iter().all(|v| v.to_bits() == values[0].to_bits()) {
            out.push(tag::CONSTANT);
            out.extend_from_slice(&values[0].to_bits().to_le_bytes());
        } else if whole {
            put_pco(&mut out, tag::DIFFERENCES, &differences(|v, e| (v as i64).wrapping_sub(e as i64)))?;
        } else if column == 0 {
            put_pco(&mut out, tag::FLOATS, values)?;
        } else {
            let (mut plain, mut from_expected) = (Vec::new(), Vec::new());
            put_pco(&mut plain, tag::FLOATS, values)?;
            let differences = differences(|v, e| place(v).wrapping_sub(place(e)));
            put_pco(&mut from_expected, tag::DIFFERENCES, &differences)?;
            out.extend(if plain.len() <= from_expected.len() { plain } else { from_expected });
        }
    }
    Ok(out)
}

/// Whole numbers whose bits come back from an integer.
fn is_whole(v: f64) -> bool {
    v.abs() < (1u64 << 53) as f64 && (v as i64 as f64).to_bits() == v.to_bits()
}

/// The place of a double in the order of all, so that neighbours differ by one.
fn place(v: f64) -> i64 {
    let bits = v.to_bits() as i64;
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

/// The double at a place.
fn at_place(place: i64) -> f64 {
    f64::from_bits(if place < 0 { place ^ i64::MAX } else { place } as u64)
}

fn put_integers(out: &mut Vec<u8>, numbers: &[i64]) -> Result<()> {
    match numbers.first() {
        _ if numbers.iter().all(|n| *n == 0) => out.push(tag::EXPECTED),
        Some(first) if numbers.iter().all(|n| n == first) => {
            out.push(tag::CONSTANT);
            out.extend_from_slice(&first.to_le_bytes());
        }
        _ => put_pco(out, tag::DIFFERENCES, numbers)?,
    }
    Ok(())
}

fn put_pco<T: Number>(out: &mut Vec<u8>, tag: u8, numbers: &[T]) -> Result<()> {
    let bytes = compress(numbers, DeltaSpec::TryConsecutive(1))?;
    out.push(tag);
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(&bytes);
    Ok(())
}

/// Bytes that are read from front to back.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or_else(|| damaged("a row ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().unwrap_or_default()))
    }

    fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.take(8)?.try_into().unwrap_or_default()))
    }

    fn pco<T: Number + Default>(&mut self, n: usize) -> Result<Vec<T>> {
        let length = self.u32()? as usize;
        let mut out = vec![T::default(); n];
        decompress(self.take(length)?, &mut out)?;
        Ok(out)
    }

    fn integers(&mut self, n: usize) -> Result<Vec<i64>> {
        match self.byte()? {
            tag::EXPECTED => Ok(vec![0; n]),
            tag::CONSTANT => Ok(vec![self.i64()?; n]),
            tag::DIFFERENCES => self.pco(n),
            other => Err(damaged(&format!("a column of kind {other}"))),
        }
    }
}

fn damaged(what: &str) -> Error {
    Error::corrupt(format!("a row of summaries does not decode: {what}"))
}

/// The buckets of a row, in order of time.
///
/// # Errors
/// `Corrupt`.
pub fn decode(row: &Chunk) -> Result<Vec<Bucket>> {
    let mut bytes = Bytes(&row.timestamps);
    let n = bytes.u32()? as usize;
    let (resolution_ms, first_end_ms) = (bytes.i64()?, bytes.i64()?);
    if row.summary.encoding != Encoding::Buckets || n == 0 || n > BUCKETS_MAX || resolution_ms <= 0 {
        return Err(damaged(&format!("{n} buckets of {resolution_ms} ms")));
    }
    let steps = bytes.integers(n - 1)?;
    let [first, last, count, stale] =
        [bytes.integers(n)?, bytes.integers(n)?, bytes.integers(n)?, bytes.integers(n)?];
    let counts: Vec<u64> = count.iter().map(|c| *c as u64).collect();
    let [lasts, firsts, mins, maxs, sums, falls] = decode_values(&mut Bytes(&row.values), &counts)?;
    let mut end_ms = first_end_ms;
    let mut out = Vec::with_capacity(n);
    for i in 0..n {
        if let Some(step) = i.checked_sub(1).map(|before| steps[before]) {
            let step_ms = step.checked_add(1).and_then(|s| s.checked_mul(resolution_ms));
            let next = step_ms.filter(|s| *s > 0).and_then(|s| end_ms.checked_add(s));
            end_ms = next.ok_or_else(|| damaged("its times do not rise"))?;
        }
        let last_ms = end_ms.wrapping_sub(last[i]);
        out.push(Bucket {
            end_ms,
            first_ms: end_ms.wrapping_sub(resolution_ms).wrapping_add(first[i]),
            last_ms,
            count: counts[i],
            sum: sums[i],
            min: mins[i],
            max: maxs[i],
            first: firsts[i],
            last: lasts[i],
            falls: falls[i],
            stale_ms: (stale[i] != 0).then(|| last_ms.wrapping_add(stale[i].wrapping_sub(1))),
        });
    }
    Ok(out)
}

fn decode_values(bytes: &mut Bytes<'_>, counts: &[u64]) -> Result<[Vec<f64>; COLUMNS]> {
    let whole = match bytes.byte()? {
        mode::INTEGERS => true,
        mode::FLOATS => false,
        other => return Err(damaged(&format!("values of kind {other}"))),
    };
    let n = counts.len();
    let mut have: [Vec<f64>; COLUMNS] = Default::default();
    for column in 0..COLUMNS {
        match bytes.byte()? {
            tag::CONSTANT => have[column] = vec![f64::from_bits(bytes.i64()? as u64); n],
            tag::FLOATS => have[column] = bytes.pco(n)?,
            kind @ (tag::EXPECTED | tag::DIFFERENCES) => {
                let differences = if kind == tag::EXPECTED { vec![0; n] } else { bytes.pco(n)? };
                have[column].reserve(n);
                for (i, difference) in differences.into_iter().enumerate() {
                    let expected = expected(&have, column, i, counts[i]);
                    let value = match (kind, whole) {
                        (tag::EXPECTED, _) => expected,
                        (_, true) => (expected as i64).wrapping_add(difference) as f64,
                        (_, false) => at_place(place(expected).wrapping_add(difference)),
                    };
                    have[column].push(value);
                }
            }
            other => return Err(damaged(&format!("a column of kind {other}"))),
        }
    }
    Ok(have)
}

/// How many buckets a row says it holds.
pub fn len(row: &Chunk) -> usize {
    Bytes(&row.timestamps).u32().unwrap_or(0) as usize
}

/// Decodes a row, and compares what comes out with its summary.
///
/// # Errors
/// `Corrupt`, with what differs.
pub fn check(row: &Chunk) -> Result<()> {
    let buckets = decode(row)?;
    let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else {
        return Err(damaged("it is empty"));
    };
    let want = summary(&buckets, first, last);
    let ends = |s: &Summary| (s.first_ms, s.last_ms, s.count, s.first.to_bits(), s.last.to_bits());
    if ends(&want) == ends(&row.summary) { Ok(()) } else { Err(damaged("it is not what its summary says")) }
}
