//! Native histograms of one series, sealed: the layout (schema, zero bucket, which buckets there are) once, then a column
//! for the count, the sum, and each bucket. A chunk holds what can have one layout: a sample that lacks some of the
//! buckets has nothing in them. It must never take memory for what a chunk only claims to hold.
//! Format: `docs/formats/chunk.md`.

mod column;
#[cfg(test)]
mod tests;

use crate::chunk::{Chunk, Encoding, SAMPLES_MAX, encode_timestamps, summarise, timestamps};
use crate::starts;
use crate::xor::{Reader, put_signed, put_varint};
use column::{get_column, put_column};
use model::histogram::{BUCKETS_MAX, Buckets, CUSTOM_SCHEMA, ResetHint, SCHEMA_MAX, SCHEMA_MIN};
use model::{Histogram, HistogramAt, STALE_NAN_BITS};
use std::collections::BTreeSet;
use std::sync::Arc;
use stdx::{Error, ErrorKind, Result};

/// The most numbers in one chunk: samples times columns. It bounds what decoding one takes, to some megabytes.
pub const NUMBERS_MAX: usize = 1 << 18;
/// Columns besides those of buckets: count, sum, zero bucket.
const COLUMNS: usize = 3;
/// In the place of a hint: the sample marks the end of its series.
const STALE: u8 = 4;

/// What all samples of a chunk share.
#[derive(Clone, Debug, Default)]
struct Layout {
    schema: i8,
    zero_threshold: f64,
    positive: BTreeSet<i32>,
    negative: BTreeSet<i32>,
    custom_bounds: Arc<[f64]>,
}

impl Layout {
    fn of(h: &Histogram) -> Layout {
        Layout {
            schema: h.schema,
            zero_threshold: h.zero_threshold,
            positive: h.positive.iter().map(|(i, _)| i).collect(),
            negative: h.negative.iter().map(|(i, _)| i).collect(),
            custom_bounds: h.custom_bounds.clone(),
        }
    }

    fn columns(&self) -> usize {
        COLUMNS + self.positive.len() + self.negative.len()
    }

    fn has_scale_of(&self, h: &Histogram) -> bool {
        let same_bounds = Arc::ptr_eq(&self.custom_bounds, &h.custom_bounds)
            || self.custom_bounds.iter().map(|b| b.to_bits()).eq(h.custom_bounds.iter().map(|b| b.to_bits()));
        self.schema == h.schema && self.zero_threshold.to_bits() == h.zero_threshold.to_bits() && same_bounds
    }

    /// Takes the buckets of one more, mostly those of the one before; false, and nothing changed, if it is of another scale,
    /// or `rows` samples would be too much then.
    fn admit(&mut self, h: &Histogram, before: &Histogram, rows: usize) -> bool {
        if !self.has_scale_of(h) {
            return false;
        }
        if h.positive.spans == before.positive.spans && h.negative.spans == before.negative.spans {
            return self.columns() * rows <= NUMBERS_MAX;
        }
        let before = self.clone();
        self.positive.extend(h.positive.iter().map(|(i, _)| i));
        self.negative.extend(h.negative.iter().map(|(i, _)| i));
        let fits = self.columns() * rows <= NUMBERS_MAX && self.columns() - COLUMNS <= BUCKETS_MAX;
        if !fits {
            *self = before;
        }
        fits
    }
}

/// Seals histograms, in strictly increasing order of time, into as many chunks as they have layouts.
///
/// # Errors
/// `Internal`: a bug.
pub fn seal(all: &[HistogramAt]) -> Result<Vec<Chunk>> {
    let mut chunks = Vec::new();
    let (mut first, mut layout): (usize, Option<Layout>) = (0, None);
    for (i, at) in all.iter().enumerate() {
        let rows = i + 1 - first;
        let h = &at.histogram;
        let fits = rows <= SAMPLES_MAX
            && (h.is_stale()
                || match &mut layout {
                    None => true,
                    Some(layout) => layout.admit(h, &all[i - 1].histogram, rows),
                });
        if !fits {
            chunks.push(seal_one(&all[first..i], &layout.take().unwrap_or_default())?);
            first = i;
        }
        if layout.is_none() && !h.is_stale() {
            layout = Some(Layout::of(h));
        }
    }
    if first < all.len() {
        chunks.push(seal_one(&all[first..], &layout.unwrap_or_default())?);
    }
    Ok(chunks)
}

fn seal_one(all: &[HistogramAt], layout: &Layout) -> Result<Chunk> {
    let times: Vec<i64> = all.iter().map(|at| at.timestamp_ms).collect();
    if all.is_empty() || times.windows(2).any(|w| w[0] >= w[1]) {
        return Err(Error::new(ErrorKind::Internal, "histograms to be sealed are not in order of time"));
    }
    let mut out = Vec::with_capacity(256);
    put_kinds(&mut out, all);
    let starts: Vec<i64> = all.iter().map(|at| at.start_ms).collect();
    let starts = starts::encode(&times, &starts);
    put_varint(&mut out, starts.len() as u64);
    out.extend(starts);
    put_layout(&mut out, layout);
    let rows: Vec<&Histogram> = all.iter().map(|at| &*at.histogram).filter(|h| !h.is_stale()).collect();
    if !rows.is_empty() {
        put_columns(&mut out, &rows, layout)?;
    }
    let counts: Vec<f64> = all.iter().map(|at| observations(&at.histogram)).collect();
    let summary = summarise(&times, &counts, Encoding::Histograms);
    Ok(Chunk { summary, timestamps: encode_timestamps(&times)?.into(), values: out.into() })
}

/// Hints in runs, and in their place what says that a series ended.
fn put_kinds(out: &mut Vec<u8>, all: &[HistogramAt]) {
    let kind = |at: &HistogramAt| if at.histogram.is_stale() { STALE } else { at.histogram.hint as u8 };
    let runs: Vec<_> = all.chunk_by(|a, b| kind(a) == kind(b)).collect();
    put_varint(out, runs.len() as u64);
    for run in runs {
        out.push(kind(&run[0]));
        put_varint(out, run.len() as u64);
    }
}

fn put_layout(out: &mut Vec<u8>, layout: &Layout) {
    put_signed(out, i64::from(layout.schema));
    out.extend(layout.zero_threshold.to_bits().to_le_bytes());
    for side in [&layout.positive, &layout.negative] {
        let indices: Vec<i64> = side.iter().map(|i| i64::from(*i)).collect();
        let runs: Vec<_> = indices.chunk_by(|a, b| a + 1 == *b).collect();
        put_varint(out, runs.len() as u64);
        let mut end = 0;
        for run in runs {
            put_signed(out, run[0] - end);
            put_varint(out, run.len() as u64);
            end = run[0] + run.len() as i64;
        }
    }
    put_varint(out, layout.custom_bounds.len() as u64);
    layout.custom_bounds.iter().for_each(|b| out.extend(b.to_bits().to_le_bytes()));
}

fn put_columns(out: &mut Vec<u8>, rows: &[&Histogram], layout: &Layout) -> Result<()> {
    let mut buckets: Vec<Vec<f64>> = Vec::with_capacity(layout.columns());
    for is_positive in [true, false] {
        let indices = if is_positive { &layout.positive } else { &layout.negative };
        let side = |h: &'_ Histogram| -> Vec<(i32, f64)> {
            if is_positive { h.positive.iter().collect() } else { h.negative.iter().collect() }
        };
        let first = buckets.len();
        buckets.resize_with(first + indices.len(), || vec![0.0; rows.len()]);
        for (row, h) in rows.iter().enumerate() {
            let mut places = indices.iter().enumerate();
            for (index, count) in side(h) {
                // Every bucket has its place: the layout is of all of them.
                if let Some((place, _)) = places.find(|(_, i)| **i == index) {
                    buckets[first + place][row] = count;
                }
            }
        }
    }
    let zero: Vec<f64> = rows.iter().map(|h| h.zero_count).collect();
    let counts: Vec<f64> = rows.iter().map(|h| h.count).collect();
    let sums: Vec<f64> = rows.iter().map(|h| h.sum).collect();
    let inside = column::sums(&zero, &buckets);
    put_column(out, &counts, inside.as_deref())?;
    put_column(out, &sums, None)?;
    put_column(out, &zero, None)?;
    buckets.iter().try_for_each(|column| put_column(out, column, None))
}

/// What stands before the columns.
struct Header {
    /// Hint of each sample, or [`STALE`].
    kinds: Vec<u8>,
    starts_ms: Vec<i64>,
    layout: Histogram,
    positive: Vec<i32>,
    negative: Vec<i32>,
}

fn wrong(what: &str) -> Error {
    Error::corrupt(format!("a chunk of histograms {what}"))
}

fn get_header(reader: &mut Reader<'_>, times: &[i64]) -> Result<Header> {
    let mut kinds = Vec::with_capacity(times.len());
    for _ in 0..reader.varint()? {
        let (kind, length) = (reader.byte()?, reader.varint()?);
        if kind > STALE || length > (times.len() - kinds.len()) as u64 {
            return Err(wrong("has other samples than it says"));
        }
        kinds.extend(std::iter::repeat_n(kind, length as usize));
    }
    if kinds.len() != times.len() {
        return Err(wrong("has other samples than it says"));
    }
    let mut starts_ms = Vec::with_capacity(times.len());
    let length = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
    starts::decode(reader.bytes(length)?, times, &mut starts_ms)?;

    let schema = reader.signed()?;
    let is_known = |s: &i8| *s == CUSTOM_SCHEMA || (SCHEMA_MIN..=SCHEMA_MAX).contains(s);
    let schema = i8::try_from(schema).ok().filter(is_known).ok_or_else(|| wrong("has an unknown schema"))?;
    let zero_threshold = get_double(reader)?;
    let mut sides = [get_side(reader)?, get_side(reader)?];
    let [positive, negative] = sides.each_mut().map(std::mem::take);
    let bounds = reader.varint()?;
    if bounds > BUCKETS_MAX as u64 {
        return Err(wrong("has too many bounds"));
    }
    let bytes = reader.bytes(8 * bounds as usize)?;
    let bounds = bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b));
    let layout =
        Histogram { schema, zero_threshold, custom_bounds: bounds.collect(), ..Histogram::default() };
    if (COLUMNS + positive.len() + negative.len()) * times.len() > NUMBERS_MAX + COLUMNS * SAMPLES_MAX {
        return Err(wrong("holds too many numbers"));
    }
    Ok(Header { kinds, starts_ms, layout, positive, negative })
}

fn get_double(reader: &mut Reader<'_>) -> Result<f64> {
    let bytes: [u8; 8] = reader.bytes(8)?.try_into().map_err(|_| wrong("is cut"))?;
    Ok(f64::from_le_bytes(bytes))
}

/// Indices of the buckets of one side, rising.
fn get_side(reader: &mut Reader<'_>) -> Result<Vec<i32>> {
    let (mut indices, mut next) = (Vec::new(), 0i64);
    for span in 0..reader.varint()? {
        let (offset, length) = (reader.signed()?, reader.varint()?);
        let is_back = span > 0 && offset < 0;
        if is_back || offset.unsigned_abs() > 1 << 32 || length > (BUCKETS_MAX - indices.len()) as u64 {
            return Err(wrong("has spans that make no sense"));
        }
        let first = next + offset;
        next = first + length as i64;
        let (first, end) = i32::try_from(first)
            .ok()
            .zip(i32::try_from(next).ok())
            .ok_or_else(|| wrong("has buckets beyond all bounds"))?;
        indices.extend(first..end);
    }
    Ok(indices)
}

/// Appends all samples.
///
/// # Errors
/// `Corrupt` if the bytes do not decode to what the summary says.
pub fn decode(chunk: &Chunk, out: &mut Vec<HistogramAt>) -> Result<()> {
    let times = timestamps(chunk)?;
    let mut reader = Reader::new(&chunk.values);
    let header = get_header(&mut reader, &times)?;
    let rows = header.kinds.iter().filter(|kind| **kind != STALE).count();
    let mut all = Rows::default();
    if rows > 0 {
        all = get_columns(&mut reader, rows, &header)?;
    }
    if !reader.is_empty() {
        return Err(wrong("goes on after its end"));
    }
    let stale = Arc::new(Histogram::stale());
    let mut row = 0;
    out.reserve(times.len());
    for (i, timestamp_ms) in times.iter().copied().enumerate() {
        let histogram = match header.kinds[i] {
            STALE => stale.clone(),
            hint => {
                let h = all.histogram(row, &header, ResetHint::from_number(u64::from(hint)));
                row += 1;
                Arc::new(h)
            }
        };
        out.push(HistogramAt { timestamp_ms, start_ms: header.starts_ms[i], histogram });
    }
    Ok(())
}

/// The numbers of all samples that are no markers, column by column.
#[derive(Default)]
struct Rows {
    counts: Vec<f64>,
    sums: Vec<f64>,
    zero: Vec<f64>,
    buckets: Vec<Vec<f64>>,
}

fn get_columns(reader: &mut Reader<'_>, rows: usize, header: &Header) -> Result<Rows> {
    let (counts, is_inside) = get_column(reader, rows)?;
    let mut all = Rows {
        counts,
        sums: get_column(reader, rows)?.0,
        zero: get_column(reader, rows)?.0,
        ..Rows::default()
    };
    for _ in 0..header.positive.len() + header.negative.len() {
        all.buckets.push(get_column(reader, rows)?.0);
    }
    if is_inside {
        all.counts =
            column::sums(&all.zero, &all.buckets).ok_or_else(|| wrong("has counts that do not add up"))?;
    }
    Ok(all)
}

impl Rows {
    fn histogram(&self, row: usize, header: &Header, hint: ResetHint) -> Histogram {
        let (positive, negative) = self.buckets.split_at(header.positive.len());
        let side = |indices: &[i32], columns: &[Vec<f64>]| {
            let all = indices.iter().zip(columns).map(|(i, column)| (*i, column[row]));
            Buckets::from_pairs(all.filter(|(_, count)| *count != 0.0))
        };
        Histogram {
            hint,
            count: self.counts[row],
            sum: self.sums[row],
            zero_count: self.zero[row],
            positive: side(&header.positive, positive),
            negative: side(&header.negative, negative),
            ..header.layout.clone()
        }
    }
}

/// How many numbers decoding the chunk makes; no more than its bytes allow for if it is damaged.
pub fn numbers(chunk: &Chunk) -> usize {
    let found = timestamps(chunk).and_then(|times| {
        let header = get_header(&mut Reader::new(&chunk.values), &times)?;
        Ok(times.len() * (COLUMNS + header.positive.len() + header.negative.len()))
    });
    found.unwrap_or(chunk.summary.count as usize)
}

/// Decodes it, and compares what comes out with what the summary says.
///
/// # Errors
/// `Corrupt`, with what differs.
pub fn check(chunk: &Chunk) -> Result<()> {
    let mut all = Vec::new();
    decode(chunk, &mut all)?;
    for at in &all {
        at.histogram.check().map_err(|e| Error::corrupt(format!("a histogram of it makes no sense: {e}")))?;
    }
    let count = |at: Option<&HistogramAt>| at.map(|at| observations(&at.histogram).to_bits());
    let ends = (Some(chunk.summary.first.to_bits()), Some(chunk.summary.last.to_bits()));
    if (count(all.first()), count(all.last())) != ends {
        return Err(wrong("is not what its summary says"));
    }
    Ok(())
}

/// What a histogram is in a summary: the number of its observations.
fn observations(h: &Histogram) -> f64 {
    if h.is_stale() { f64::from_bits(STALE_NAN_BITS) } else { h.count }
}
