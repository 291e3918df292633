//! The open end of a series in memory: samples in increasing order of time, coded one after another as they come, cheaply
//! and small enough for hundreds of them. What is kept for longer is sealed into chunks.
//! The coding is of this process alone: it must never be written to a file.

use crate::cells::{Cells, Chain};
use crate::chunk::{self, Chunk};
use crate::xor::{Reader, put_number, put_signed, put_varint};
use stdx::Result;

/// Samples of one series in increasing order of time.
///
/// The first sample is its time (signed) and its value as a number after 0. Each of the others is a varint of
/// `zigzag(d) << 1 | same`, where `d` is the change of the distance in time and `same` says that the value has the bits of
/// the one before; else the value follows as a number. `d` = 0 with `same` is followed by a varint of how often that
/// comes one after another: what does not change takes no memory.
#[derive(Clone, Default)]
pub struct Open {
    bytes: Chain,
    last_ms: i64,
    last_bits: u64,
    /// The distance in time that is expected next; 0 where it would not fit.
    step_ms: i32,
    count: u16,
    /// Samples at the end that are as expected in time and value, not yet in `bytes`.
    run: u16,
}

impl Open {
    /// Without samples.
    pub const NONE: Open =
        Open { bytes: Chain::EMPTY, last_ms: 0, last_bits: 0, step_ms: 0, count: 0, run: 0 };

    /// Number of samples.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Time of the newest sample in milliseconds, and the bits of its value.
    pub fn newest(&self) -> Option<(i64, u64)> {
        (self.count > 0).then_some((self.last_ms, self.last_bits))
    }

    /// Times of the oldest and the newest sample in milliseconds.
    pub fn range_ms(&self, cells: &Cells) -> Option<(i64, i64)> {
        if self.count == 0 {
            return None;
        }
        Some((Reader::new(cells.first(&self.bytes)).signed().ok()?, self.last_ms))
    }

    /// Appends a sample that is later than all before. At most `u16::MAX` of them.
    pub fn push(&mut self, cells: &mut Cells, timestamp_ms: i64, bits: u64) {
        let mut out = std::mem::take(&mut cells.scratch);
        out.clear();
        if self.count == 0 {
            put_signed(&mut out, timestamp_ms);
            put_number(&mut out, 0, bits);
            (self.step_ms, self.run) = (0, 0);
        } else {
            let delta = timestamp_ms.wrapping_sub(self.last_ms);
            let change = delta.wrapping_sub(i64::from(self.step_ms));
            let is_same = bits == self.last_bits;
            if change == 0 && is_same {
                self.run += 1;
            } else {
                self.end_run(&mut out);
                put_change(&mut out, change, is_same);
                if !is_same {
                    put_number(&mut out, self.last_bits, bits);
                }
            }
            self.step_ms = i32::try_from(delta).unwrap_or(0);
        }
        (self.last_ms, self.last_bits) = (timestamp_ms, bits);
        self.count += 1;
        cells.push(&mut self.bytes, &out);
        cells.scratch = out;
    }

    fn end_run(&mut self, out: &mut Vec<u8>) {
        if self.run > 0 {
            put_change(out, 0, true);
            put_varint(out, u64::from(self.run));
            self.run = 0;
        }
    }

    /// All samples, still coded.
    pub fn coded(&self, cells: &Cells) -> Coded {
        let mut bytes = Vec::new();
        cells.read(&self.bytes, &mut bytes);
        Coded { bytes: bytes.into_boxed_slice(), last_ms: self.last_ms, count: self.count, run: self.run }
    }

    /// All samples.
    ///
    /// # Errors
    /// `Corrupt`: a bug, or bad memory.
    pub fn decode(&self, cells: &Cells) -> Result<(Vec<i64>, Vec<f64>)> {
        let mut bytes = Vec::new();
        cells.read(&self.bytes, &mut bytes);
        let (mut t, mut v) = (Vec::with_capacity(self.len()), Vec::with_capacity(self.len()));
        decode(&bytes, self.len(), self.run, &mut t, &mut v)?;
        Ok((t, v))
    }

    /// Seals all samples into a chunk; afterwards there are none.
    ///
    /// # Errors
    /// As [`Open::decode`], and `Internal`.
    pub fn seal(&mut self, cells: &mut Cells) -> Result<Chunk> {
        let (t, v) = self.decode(cells)?;
        let chunk = chunk::seal(&t, &v)?;
        self.clear(cells);
        Ok(chunk)
    }

    /// Forgets all samples.
    pub fn clear(&mut self, cells: &mut Cells) {
        cells.clear(&mut self.bytes);
        *self = Open::default();
    }
}

/// A copy of the samples of an open end as they are coded: a tenth of their size, so that many can be held until each is
/// wanted.
#[derive(Clone)]
pub struct Coded {
    bytes: Box<[u8]>,
    last_ms: i64,
    count: u16,
    run: u16,
}

impl Coded {
    /// Number of samples.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Times of the oldest and the newest sample in milliseconds.
    pub fn range_ms(&self) -> Option<(i64, i64)> {
        if self.is_empty() {
            return None;
        }
        Some((Reader::new(&self.bytes).signed().ok()?, self.last_ms))
    }

    /// The value of all samples, if they have the same; found without decoding them.
    pub fn constant(&self) -> Option<f64> {
        if self.is_empty() {
            return None;
        }
        let mut reader = Reader::new(&self.bytes);
        reader.signed().ok()?;
        let bits = reader.number(0).ok()?;
        while !reader.is_empty() {
            match reader.varint128().ok()? {
                // How often the last one comes again.
                1 => drop(reader.varint().ok()?),
                code if code & 1 == 1 => {}
                _ => return None,
            }
        }
        Some(f64::from_bits(bits))
    }

    /// Appends all samples to these.
    ///
    /// # Errors
    /// As [`Open::decode`].
    pub fn decode_into(&self, t: &mut Vec<i64>, v: &mut Vec<f64>) -> Result<()> {
        decode(&self.bytes, self.len(), self.run, t, v)
    }
}

/// Appends `n` samples.
fn decode(bytes: &[u8], n: usize, run: u16, t: &mut Vec<i64>, v: &mut Vec<f64>) -> Result<()> {
    if n == 0 {
        return Ok(());
    }
    let end = t.len() + n;
    t.reserve(n);
    v.reserve(n);
    let mut reader = Reader::new(bytes);
    let (mut now, mut step) = (reader.signed()?, 0i64);
    let mut bits = reader.number(0)?;
    t.push(now);
    v.push(f64::from_bits(bits));
    let mut repeat = |now: &mut i64, step: i64, bits: u64, times: u64, t: &mut Vec<i64>| {
        for _ in 0..times.min((end - t.len()) as u64) {
            *now = now.wrapping_add(step);
            t.push(*now);
            v.push(f64::from_bits(bits));
        }
    };
    while !reader.is_empty() {
        let code = reader.varint128()?;
        let (change, is_same) = (unzigzag(code >> 1), code & 1 == 1);
        if change == 0 && is_same {
            let times = reader.varint()?;
            repeat(&mut now, step, bits, times, t);
        } else {
            let delta = step.wrapping_add(change);
            if !is_same {
                bits = reader.number(bits)?;
            }
            repeat(&mut now, delta, bits, 1, t);
            step = i32::try_from(delta).map_or(0, i64::from);
        }
    }
    repeat(&mut now, step, bits, u64::from(run), t);
    Ok(())
}

/// A change may have 64 bits, and one more says whether the value is the same: 65 bits are rare, but may come.
fn put_change(out: &mut Vec<u8>, change: i64, is_same: bool) {
    let mut code = u128::from(((change << 1) ^ (change >> 63)) as u64) << 1 | u128::from(is_same);
    while code >= 128 {
        out.push(code as u8 | 128);
        code >>= 7;
    }
    out.push(code as u8);
}

fn unzigzag(n: u128) -> i64 {
    let n = n as u64;
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns the bytes that they take.
    fn check(samples: &[(i64, u64)]) -> usize {
        let (mut open, mut cells) = (Open::default(), Cells::default());
        for (i, (t, bits)) in samples.iter().enumerate() {
            open.push(&mut cells, *t, *bits);
            assert_eq!((open.newest(), open.len()), (Some((*t, *bits)), i + 1));
        }
        assert_eq!(open.range_ms(&cells), samples.first().map(|s| (s.0, samples[samples.len() - 1].0)));
        let (t, v) = open.decode(&cells).unwrap();
        let back: Vec<_> = t.into_iter().zip(v.into_iter().map(f64::to_bits)).collect();
        assert_eq!(back, samples);
        let coded = open.coded(&cells);
        assert_eq!((coded.range_ms(), coded.len()), (open.range_ms(&cells), samples.len()));
        let is_constant = samples.iter().all(|s| s.1 == samples[0].1);
        assert_eq!(coded.constant().map(f64::to_bits), is_constant.then_some(samples[0].1));
        let mut bytes = Vec::new();
        cells.read(&open.bytes, &mut bytes);
        bytes.len()
    }

    #[test]
    fn what_does_not_change_takes_no_memory() {
        let at = |i: i64| 1_700_000_000_000 + i * 15_000;
        let same: Vec<_> = (0..480).map(|i| (at(i), 7.5f64.to_bits())).collect();
        assert!(check(&same) <= 28);
        let counter: Vec<_> = (0..480).map(|i| (at(i), ((i * 37 + i * i % 11) as f64).to_bits())).collect();
        assert!(check(&counter) < 480 * 3 + 16);
    }

    #[test]
    fn extremes_of_time_come_back() {
        check(&[(i64::MIN, 0), (i64::MAX, 0)]);
        check(&[(i64::MIN, 1), (-1, 2), (0, 2), (i64::MAX - 1, 3), (i64::MAX, u64::MAX)]);
        check(&[(0, 0), (1 << 40, 0), (2 << 40, 0), (3 << 40, 0)]);
    }

    proptest! {
        #[test]
        fn any_samples_come_back(
            steps in prop::collection::vec((prop_oneof![Just(1000i64), 1i64..4000, 1i64..1 << 45], 0u8..5, any::<u64>()), 1..481),
        ) {
            let (mut now, mut bits) = (0i64, 0u64);
            let mut samples = Vec::new();
            for (step, kind, any) in steps {
                now += step;
                bits = match kind {
                    0 | 1 => bits,
                    2 => any,
                    3 => ((any % 100_000) as f64).to_bits(),
                    _ => ((any % 100_000) as f64 / 100.0).to_bits(),
                };
                samples.push((now, bits));
            }
            check(&samples);
        }
    }
}
