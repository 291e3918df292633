//! Since when samples count, for those that say so: a few bytes for a run of samples with one start, and for samples that
//! each begin where the one before ended. It must never cost anything where no start is known.
//! Format: `docs/formats/chunk.md`.

use crate::xor::{Reader, put_signed, put_varint};
use stdx::{Error, Result};

/// Runs of one and the same start.
const SAME_START: u8 = 0;
/// Runs of one and the same distance from the sample before.
const SAME_DISTANCE: u8 = 1;

/// Codes the starts of samples, in milliseconds since 1970; 0 is not known. Both are of one length. Nothing if none is known.
pub fn encode(timestamps_ms: &[i64], starts_ms: &[i64]) -> Vec<u8> {
    if starts_ms.iter().all(|s| *s == 0) {
        return Vec::new();
    }
    let mut same_start = vec![SAME_START];
    put_runs(&mut same_start, starts_ms.iter().copied());
    let mut same_distance = vec![SAME_DISTANCE];
    let before = timestamps_ms.iter().take(1).chain(timestamps_ms);
    put_runs(&mut same_distance, starts_ms.iter().zip(before).map(|(start, t)| start.wrapping_sub(*t)));
    if same_distance.len() < same_start.len() { same_distance } else { same_start }
}

fn put_runs(out: &mut Vec<u8>, numbers: impl Iterator<Item = i64>) {
    let (mut numbers, mut last) = (numbers.peekable(), 0i64);
    while let Some(number) = numbers.next() {
        let mut length = 1u64;
        while numbers.next_if_eq(&number).is_some() {
            length += 1;
        }
        put_varint(out, length);
        put_signed(out, number.wrapping_sub(last));
        last = number;
    }
}

/// Inverse of [`encode`]: as many as there are times.
///
/// # Errors
/// `Corrupt` if the bytes are not of so many samples.
pub fn decode(bytes: &[u8], timestamps_ms: &[i64], out: &mut Vec<i64>) -> Result<()> {
    let n = timestamps_ms.len();
    if bytes.is_empty() {
        out.extend(std::iter::repeat_n(0, n));
        return Ok(());
    }
    let wrong = || Error::corrupt("start times are of another number of samples");
    let first = out.len();
    let mut reader = Reader::new(bytes);
    let kind = reader.byte()?;
    let mut number = 0i64;
    while !reader.is_empty() {
        let length = usize::try_from(reader.varint()?).map_err(|_| wrong())?;
        number = number.wrapping_add(reader.signed()?);
        if length > n - (out.len() - first) {
            return Err(wrong());
        }
        out.extend(std::iter::repeat_n(number, length));
    }
    if out.len() - first != n {
        return Err(wrong());
    }
    match kind {
        SAME_START => {}
        SAME_DISTANCE => {
            let before = timestamps_ms.iter().take(1).chain(timestamps_ms);
            out[first..].iter_mut().zip(before).for_each(|(start, t)| *start = start.wrapping_add(*t));
        }
        _ => return Err(Error::corrupt("start times of an unknown kind")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(timestamps_ms: &[i64], starts_ms: &[i64]) -> usize {
        let bytes = encode(timestamps_ms, starts_ms);
        let mut back = vec![7];
        decode(&bytes, timestamps_ms, &mut back).unwrap();
        assert_eq!(back[1..], *starts_ms);
        bytes.len()
    }

    #[test]
    fn what_is_usual_is_short() {
        let t: Vec<i64> = (0..480).map(|i| 1_700_000_000_000 + i * 15_000 + i % 7).collect();
        assert_eq!(round_trip(&t, &[0; 480]), 0);
        assert!(round_trip(&t, &[t[0] - 5; 480]) < 12);
        // Each begins where the one before ended.
        let delta: Vec<i64> = [t[0] - 15_000].iter().chain(&t[..479]).copied().collect();
        assert!(round_trip(&t, &delta) < 16);
        // A restart in the middle, and then no start.
        let mut restarted = vec![t[0]; 200];
        restarted.extend([t[200]; 100]);
        restarted.extend([0; 180]);
        assert!(round_trip(&t, &restarted) < 32);
    }

    proptest! {
        #[test]
        fn any_starts_come_back(all in prop::collection::vec((any::<i64>(), prop_oneof![Just(0), 0..3i64, any::<i64>()]), 1..50)) {
            let (t, s): (Vec<i64>, Vec<i64>) = all.into_iter().unzip();
            round_trip(&t, &s);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, n in 0..20usize) {
            let _ = decode(&bytes, &vec![5; n], &mut Vec::new());
        }
    }
}
