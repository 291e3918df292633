//! A sealed chunk: up to [`SAMPLES_MAX`] samples of one series, compressed once, never changed, with
//! the summary that overviews and pruning need. It must never lose a bit of any value.
//!
//! The layout is described in `docs/formats/chunk.md`. Timestamps are kept apart from values and as
//! differences, because all series of one scrape then have the very same timestamp bytes.

use crate::starts;
use crate::xor::{Reader, put_varint};
use bytes::Bytes;
use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DeltaSpec, ModeSpec};
use std::sync::OnceLock;
use stdx::{Error, Result};

/// The most samples in one chunk. Longer chunks compress better and decode faster per sample; shorter
/// ones waste less when a query needs a few. 480 was measured to be the knee on real scrapes.
pub const SAMPLES_MAX: usize = 480;

/// Compressed samples of one series and what is known of them without decoding.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// What is known without decoding.
    pub summary: Summary,
    /// See `docs/formats/chunk.md`; empty for a single sample.
    pub timestamps: Bytes,
    /// See `docs/formats/chunk.md`; empty if all values have the same bits.
    pub values: Bytes,
}

/// What a chunk's row says in plain columns. Stale markers count as samples, but not for `min` to `last`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Time of the first sample, milliseconds since 1970.
    pub first_ms: i64,
    /// Time of the last sample.
    pub last_ms: i64,
    /// Number of samples, stale markers included.
    pub count: u32,
    /// Smallest value that is not NaN; NaN if there is none.
    pub min: f64,
    /// Largest value that is not NaN; NaN if there is none.
    pub max: f64,
    /// Sum of the values that are not NaN.
    pub sum: f64,
    /// First value.
    pub first: f64,
    /// Last value.
    pub last: f64,
    /// Sum of all rises, a fall counting as a restart from zero: a counter's increase inside the chunk.
    pub increase: f64,
    /// How `values` is encoded.
    pub encoding: Encoding,
}

/// How the values of a chunk are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// All values have the bits of `first`; no bytes.
    Constant = 0,
    /// All values are integers below 2^53: pco on `i64`.
    Integers = 1,
    /// pco on `f64`.
    Floats = 2,
    /// No samples but summaries of them: a row of a tier.
    Buckets = 3,
    /// Native histograms (`histogram_chunk.rs`); what the summary says is of their counts.
    Histograms = 16,
    /// Another encoding, and start times in front of it.
    Started = 17,
}

impl Encoding {
    /// From the number in a file.
    pub fn from_number(n: i32) -> Option<Encoding> {
        use Encoding::*;
        let all = [Constant, Integers, Floats, Buckets, Histograms, Started];
        all.into_iter().find(|e| *e as i32 == n)
    }
}

/// Seals samples into a chunk. `timestamps_ms` strictly increasing, same length as `values`, at least
/// one and at most [`SAMPLES_MAX`] long.
///
/// # Errors
/// `Internal` if the arguments break these rules.
pub fn seal(timestamps_ms: &[i64], values: &[f64]) -> Result<Chunk> {
    let n = timestamps_ms.len();
    if n == 0 || n != values.len() || n > SAMPLES_MAX {
        let text = format!("cannot seal {n} timestamps with {} values", values.len());
        return Err(Error::new(stdx::ErrorKind::Internal, text));
    }
    let timestamps = encode_timestamps(timestamps_ms)?;
    let constant = values.iter().all(|v| v.to_bits() == values[0].to_bits());
    let (encoding, bytes) = if constant {
        (Encoding::Constant, Vec::new())
    } else if let Some(integers) = as_integers(values) {
        (Encoding::Integers, compress(&integers, DeltaSpec::TryConsecutive(1))?)
    } else {
        // Measured readings wander around a value as often as from one to the next.
        (Encoding::Floats, compress(values, DeltaSpec::Auto)?)
    };
    let summary = summarise(timestamps_ms, values, encoding);
    Ok(Chunk { summary, timestamps: timestamps.into(), values: bytes.into() })
}

/// As [`seal`], with the start of each sample, 0 where it is not known.
///
/// # Errors
/// As [`seal`].
pub fn seal_started(timestamps_ms: &[i64], values: &[f64], starts_ms: &[i64]) -> Result<Chunk> {
    let mut chunk = seal(timestamps_ms, values)?;
    let starts = starts::encode(timestamps_ms, starts_ms);
    if !starts.is_empty() {
        let mut all = vec![chunk.summary.encoding as u8];
        put_varint(&mut all, starts.len() as u64);
        all.extend(starts);
        all.extend_from_slice(&chunk.values);
        chunk.summary.encoding = Encoding::Started;
        chunk.values = all.into();
    }
    Ok(chunk)
}

/// The differences between times, which rise.
pub(crate) fn encode_timestamps(timestamps_ms: &[i64]) -> Result<Vec<u8>> {
    let deltas: Vec<i64> = timestamps_ms.windows(2).map(|w| w[1].wrapping_sub(w[0])).collect();
    Ok(match deltas.first() {
        None => Vec::new(),
        // A perfectly regular chunk is its period, in eight bytes.
        Some(first) if deltas.iter().all(|d| d == first) => first.to_le_bytes().to_vec(),
        Some(_) => compress(&deltas, DeltaSpec::NoOp)?,
    })
}

/// Times of all samples of a chunk, whatever they are.
///
/// # Errors
/// `Corrupt` if they are not as many as the summary says, do not rise, or end elsewhere.
pub(crate) fn timestamps(chunk: &Chunk) -> Result<Vec<i64>> {
    let n = chunk.summary.count as usize;
    if n == 0 || n > SAMPLES_MAX {
        return Err(Error::corrupt(format!("a chunk claims {n} samples")));
    }
    let mut times = Vec::with_capacity(n);
    decode_timestamps(&chunk.timestamps, chunk.summary.first_ms, n, &mut times)?;
    if times.windows(2).any(|w| w[0] >= w[1]) || times.last() != Some(&chunk.summary.last_ms) {
        return Err(Error::corrupt("its times do not rise to the last"));
    }
    Ok(times)
}

/// The values as integers, if that keeps every bit (which -0 and NaN would not).
pub(crate) fn as_integers(values: &[f64]) -> Option<Vec<i64>> {
    const LIMIT: f64 = (1u64 << 53) as f64;
    values
        .iter()
        .map(|v| {
            let integer = *v as i64;
            (v.abs() < LIMIT && (integer as f64).to_bits() == v.to_bits()).then_some(integer)
        })
        .collect()
}

pub(crate) fn summarise(timestamps_ms: &[i64], values: &[f64], encoding: Encoding) -> Summary {
    let (mut min, mut max, mut sum, mut increase) = (f64::NAN, f64::NAN, 0.0, 0.0);
    let mut previous = f64::NAN;
    for v in values.iter().filter(|v| !v.is_nan()) {
        min = v.min(min);
        max = v.max(max);
        sum += v;
        if !previous.is_nan() {
            increase += if *v >= previous { v - previous } else { *v };
        }
        previous = *v;
    }
    Summary {
        first_ms: timestamps_ms[0],
        last_ms: timestamps_ms[timestamps_ms.len() - 1],
        count: values.len() as u32,
        min,
        max,
        sum,
        first: values[0],
        last: values[values.len() - 1],
        increase,
        encoding,
    }
}

impl Summary {
    /// All that it says, in the order of the columns, for checksums.
    pub fn words(&self) -> [u64; 10] {
        [
            self.first_ms as u64,
            self.last_ms as u64,
            u64::from(self.count),
            self.min.to_bits(),
            self.max.to_bits(),
            self.sum.to_bits(),
            self.first.to_bits(),
            self.last.to_bits(),
            self.increase.to_bits(),
            self.encoding as u64,
        ]
    }
}

impl Chunk {
    /// Whether its samples are native histograms, and no numbers.
    pub fn is_histograms(&self) -> bool {
        self.summary.encoding == Encoding::Histograms
    }

    /// Whether it says since when its numbers count.
    pub fn is_started(&self) -> bool {
        self.summary.encoding == Encoding::Started
    }

    /// As [`Chunk::decode`], with the start of each sample, 0 where it is not known.
    ///
    /// # Errors
    /// As [`Chunk::decode`].
    pub fn decode_started(
        &self,
        timestamps_ms: &mut Vec<i64>,
        values: &mut Vec<f64>,
        starts_ms: &mut Vec<i64>,
    ) -> Result<()> {
        let first = timestamps_ms.len();
        match self.is_started() {
            false => self.decode(timestamps_ms, values)?,
            true => {
                let (inner, starts) = self.without_starts()?;
                inner.decode(timestamps_ms, values)?;
                return starts::decode(&starts, &timestamps_ms[first..], starts_ms);
            }
        }
        starts_ms.resize(starts_ms.len() + timestamps_ms.len() - first, 0);
        Ok(())
    }

    /// The chunk as it would be without start times, and those.
    fn without_starts(&self) -> Result<(Chunk, Bytes)> {
        let mut reader = Reader::new(&self.values);
        let encoding = match Encoding::from_number(i32::from(reader.byte()?)) {
            Some(plain @ (Encoding::Constant | Encoding::Integers | Encoding::Floats)) => plain,
            _ => return Err(Error::corrupt("start times stand in front of no numbers")),
        };
        let length = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
        let starts = reader.bytes(length)?;
        let rest = self.values.slice_ref(reader.rest());
        let summary = Summary { encoding, ..self.summary };
        let chunk = Chunk { summary, timestamps: self.timestamps.clone(), values: rest };
        Ok((chunk, self.values.slice_ref(starts)))
    }

    /// Appends all samples to the two arrays.
    ///
    /// # Errors
    /// `Corrupt` if the bytes do not decode to what the summary says.
    pub fn decode(&self, timestamps_ms: &mut Vec<i64>, values: &mut Vec<f64>) -> Result<()> {
        let n = self.summary.count as usize;
        if n == 0 || n > SAMPLES_MAX {
            return Err(Error::corrupt(format!("a chunk claims {n} samples")));
        }
        decode_timestamps(&self.timestamps, self.summary.first_ms, n, timestamps_ms)?;
        match self.summary.encoding {
            Encoding::Constant => values.extend(std::iter::repeat_n(self.summary.first, n)),
            Encoding::Integers => {
                let mut integers = [0i64; SAMPLES_MAX];
                decompress(&self.values, &mut integers[..n])?;
                values.extend(integers[..n].iter().map(|i| *i as f64));
            }
            Encoding::Floats => {
                let start = values.len();
                values.resize(start + n, 0.0);
                decompress(&self.values, &mut values[start..])?;
            }
            Encoding::Started => {
                timestamps_ms.truncate(timestamps_ms.len() - n);
                return self.without_starts()?.0.decode(timestamps_ms, values);
            }
            Encoding::Buckets => return Err(Error::corrupt("a chunk holds summaries instead of samples")),
            Encoding::Histograms => {
                return Err(Error::corrupt("a chunk holds histograms instead of numbers"));
            }
        }
        Ok(())
    }

    /// Decodes it, and compares what comes out with what the summary says of its ends.
    ///
    /// # Errors
    /// `Corrupt`, with what differs.
    pub fn check(&self) -> Result<()> {
        if self.summary.encoding == Encoding::Buckets {
            return crate::tier::check_row(self);
        }
        if self.is_histograms() {
            return crate::histogram_chunk::check(self);
        }
        let (mut t, mut v) = (Vec::with_capacity(SAMPLES_MAX), Vec::with_capacity(SAMPLES_MAX));
        self.decode_started(&mut t, &mut v, &mut Vec::new())?;
        if t.windows(2).any(|w| w[0] >= w[1]) {
            return Err(Error::corrupt("its times do not rise"));
        }
        let ends = |v: &[f64]| (v.first().map(|v| v.to_bits()), v.last().map(|v| v.to_bits()));
        let s = &self.summary;
        if t.last() != Some(&s.last_ms) || ends(&v) != (Some(s.first.to_bits()), Some(s.last.to_bits())) {
            return Err(Error::corrupt("its samples are not those of its summary"));
        }
        Ok(())
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.timestamps.len() + self.values.len()
    }

    /// Checksum over all that the chunk says, for its row in a block.
    pub fn checksum(&self, series: u32) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&series.to_le_bytes());
        self.summary.words().iter().for_each(|word| crc.update(&word.to_le_bytes()));
        crc.update(&self.timestamps);
        crc.update(&self.values);
        crc.finalize()
    }
}

fn decode_timestamps(bytes: &[u8], first_ms: i64, n: usize, out: &mut Vec<i64>) -> Result<()> {
    let mut deltas = [0i64; SAMPLES_MAX];
    let deltas = &mut deltas[..n - 1];
    match <[u8; 8]>::try_from(bytes) {
        Ok(period) => deltas.fill(i64::from_le_bytes(period)),
        Err(_) if n == 1 => {}
        Err(_) => decompress(bytes, deltas)?,
    }
    let mut now = first_ms;
    out.push(now);
    out.extend(deltas.iter().map(|d| {
        now = now.wrapping_add(*d);
        now
    }));
    Ok(())
}

fn pco_error(e: pco::errors::PcoError) -> Error {
    Error::wrap(stdx::ErrorKind::Corrupt, "a chunk does not decode", e)
}

/// One pco chunk with one page, without the file header (it is the same for all: see [`header`]). pco finds out whether the
/// numbers are multiples of one (0.001 of a decimal fraction, 4096 of pages), which halves floats and costs a third more time.
pub(crate) fn compress<T: pco::data_types::Number>(numbers: &[T], delta: DeltaSpec) -> Result<Vec<u8>> {
    let config = ChunkConfig::default().with_compression_level(8).with_mode_spec(ModeSpec::Auto);
    let config = config.with_delta_spec(delta);
    let mut out = Vec::with_capacity(128);
    let mut compressor = FileCompressor::default().chunk_compressor(numbers, &config).map_err(pco_error)?;
    compressor.write_meta(&mut out).map_err(pco_error)?;
    compressor.write_page(0, &mut out).map_err(pco_error)?;
    // Eight bytes are the sign of a regular chunk; a pco chunk is never taken for one.
    if out.len() == 8 {
        out.push(0);
    }
    Ok(out)
}

/// pco's file header for the version that we write; kept out of every chunk.
fn header() -> &'static [u8] {
    static HEADER: OnceLock<Vec<u8>> = OnceLock::new();
    HEADER.get_or_init(|| FileCompressor::default().write_header(Vec::new()).unwrap_or_default())
}

pub(crate) fn decompress<T: pco::data_types::Number>(bytes: &[u8], out: &mut [T]) -> Result<()> {
    let (file, _) = FileDecompressor::new(header()).map_err(pco_error)?;
    let (mut chunk, rest) = file.chunk_decompressor::<T, _>(bytes).map_err(pco_error)?;
    let mut page = chunk.page_decompressor(rest, out.len()).map_err(pco_error)?;
    let progress = page.read(out).map_err(pco_error)?;
    if progress.n_processed != out.len() {
        return Err(Error::corrupt("a chunk holds fewer samples than it claims"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(timestamps_ms: &[i64], values: &[f64]) -> Chunk {
        let chunk = seal(timestamps_ms, values).unwrap();
        let (mut t, mut v) = (Vec::new(), Vec::new());
        chunk.decode(&mut t, &mut v).unwrap();
        assert_eq!(t, timestamps_ms);
        let bits = |v: &[f64]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&v), bits(values));
        chunk
    }

    #[test]
    fn each_encoding_keeps_every_bit() {
        use Encoding::*;
        let stale = f64::from_bits(model::STALE_NAN_BITS);
        let odd_nan = f64::from_bits(0xfff8_0000_0000_1234);
        for (values, encoding) in [
            (vec![1.5], Constant),
            (vec![stale, stale, stale], Constant),
            (vec![1.0, 2.0, -3.0, 9_007_199_254_740_991.0], Integers),
            (vec![0.0, -0.0], Floats),
            (vec![1.0, stale, f64::NAN, odd_nan, f64::INFINITY, f64::NEG_INFINITY], Floats),
            (vec![9_007_199_254_740_992.0, 1.0], Floats),
            (vec![5e-324, f64::MAX, f64::MIN], Floats),
        ] {
            let t: Vec<i64> = (0..values.len() as i64).map(|i| i * 1000 + i % 3).collect();
            assert_eq!(round_trip(&t, &values).summary.encoding, encoding, "{values:?}");
        }
    }

    #[test]
    fn a_regular_chunk_of_a_constant_is_eight_bytes() {
        let t: Vec<i64> = (0..480).map(|i| 1_700_000_000_000 + i * 1000).collect();
        assert_eq!(round_trip(&t, &[7.0; 480]).heap_bytes(), 8);
    }

    #[test]
    fn the_summary_survives_restarts_and_markers() {
        let stale = f64::from_bits(model::STALE_NAN_BITS);
        let s = seal(&[1, 2, 3, 4, 5], &[5.0, 8.0, 2.0, stale, 3.0]).unwrap().summary;
        assert_eq!((s.min, s.max, s.sum, s.first, s.last), (2.0, 8.0, 18.0, 5.0, 3.0));
        assert_eq!((s.count, s.increase, s.first_ms, s.last_ms), (5, 3.0 + 2.0 + 1.0, 1, 5));
    }

    proptest! {
        #[test]
        fn any_samples_come_back(
            samples in prop::collection::vec((1i64..1 << 40, any::<u64>()), 1..SAMPLES_MAX),
            start in -(1i64 << 50)..1 << 50,
        ) {
            let mut t = start;
            let times: Vec<i64> = samples.iter().map(|(d, _)| { t += d; t }).collect();
            let values: Vec<f64> = samples.iter().map(|(_, v)| f64::from_bits(*v)).collect();
            round_trip(&times, &values);
        }

        #[test]
        fn damaged_bytes_never_panic(
            values in prop::collection::vec(-1e6f64..1e6, 2..100),
            at in any::<prop::sample::Index>(),
            bit in 0u8..8,
        ) {
            let times: Vec<i64> = (0..values.len() as i64).map(|i| i * i).collect();
            let mut chunk = seal(&times, &values).unwrap();
            let mut bytes = chunk.values.to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            chunk.values = bytes.into();
            let _ = chunk.decode(&mut Vec::new(), &mut Vec::new());
        }
    }
}
