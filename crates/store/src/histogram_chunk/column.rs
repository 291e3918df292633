//! One column of a chunk of histograms: a number of each sample. It must never give other bits than it was given.

use crate::chunk::{SAMPLES_MAX, as_integers, compress, decompress};
use crate::xor::{Reader, put_signed, put_varint};
use pco::DeltaSpec;
use stdx::{Error, Result};

/// One whole number for all.
const SAME_WHOLE: u8 = 0;
/// The same bits for all.
const SAME: u8 = 1;
/// pco of whole numbers.
const WHOLE: u8 = 2;
/// pco of doubles.
const DOUBLES: u8 = 3;
/// What the other columns add up to.
const SUMS: u8 = 4;

/// Sums of whole numbers that are below this are exact.
const EXACT_MAX: f64 = (1u64 << 53) as f64;

/// What zero bucket and buckets of each sample add up to, if all are whole numbers and so are the sums.
pub fn sums(zero: &[f64], buckets: &[Vec<f64>]) -> Option<Vec<f64>> {
    let is_whole = |n: &f64| *n >= 0.0 && *n < EXACT_MAX && n.trunc() == *n;
    let mut out = zero.to_vec();
    if !out.iter().all(is_whole) {
        return None;
    }
    for column in buckets {
        for (sum, n) in out.iter_mut().zip(column) {
            if !is_whole(n) {
                return None;
            }
            *sum += n;
        }
        if !out.iter().all(is_whole) {
            return None;
        }
    }
    Some(out)
}

/// Writes a column; `known` is what a reader will know without it.
pub fn put_column(out: &mut Vec<u8>, numbers: &[f64], known: Option<&[f64]>) -> Result<()> {
    let bits = |n: &f64| n.to_bits();
    if known.is_some_and(|known| known.iter().map(bits).eq(numbers.iter().map(bits))) {
        out.push(SUMS);
        return Ok(());
    }
    let whole = as_integers(numbers);
    let same = numbers.iter().all(|n| n.to_bits() == numbers[0].to_bits());
    let (kind, bytes) = match (whole, same) {
        (Some(whole), true) => {
            out.push(SAME_WHOLE);
            put_signed(out, whole[0]);
            return Ok(());
        }
        (None, true) => {
            out.push(SAME);
            out.extend(numbers[0].to_bits().to_le_bytes());
            return Ok(());
        }
        (Some(whole), false) => (WHOLE, compress(&whole, DeltaSpec::TryConsecutive(1))?),
        (None, false) => (DOUBLES, compress(numbers, DeltaSpec::TryConsecutive(1))?),
    };
    out.push(kind);
    put_varint(out, bytes.len() as u64);
    out.extend(bytes);
    Ok(())
}

/// Reads a column of `rows` numbers; true, and none of them, if they are the sums of other columns.
///
/// # Errors
/// `Corrupt`.
pub fn get_column(reader: &mut Reader<'_>, rows: usize) -> Result<(Vec<f64>, bool)> {
    debug_assert!(rows <= SAMPLES_MAX);
    let numbers = match reader.byte()? {
        SAME_WHOLE => vec![reader.signed()? as f64; rows],
        SAME => {
            let bits: [u8; 8] = reader.bytes(8)?.try_into().unwrap_or_default();
            vec![f64::from_le_bytes(bits); rows]
        }
        WHOLE => {
            let mut whole = vec![0i64; rows];
            decompress(packed(reader)?, &mut whole)?;
            whole.into_iter().map(|n| n as f64).collect()
        }
        DOUBLES => {
            let mut doubles = vec![0f64; rows];
            decompress(packed(reader)?, &mut doubles)?;
            doubles
        }
        SUMS => return Ok((Vec::new(), true)),
        _ => return Err(Error::corrupt("a chunk of histograms has a column of an unknown kind")),
    };
    Ok((numbers, false))
}

fn packed<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8]> {
    let length = reader.varint()?;
    reader.bytes(usize::try_from(length).unwrap_or(usize::MAX))
}
