//! The zone of times that name none: offsets from UTC since when, as a TZif file (RFC 9636) has them. It must never look one up
//! by itself: bytes are given.

/// Offsets of one place, by the instants at which they begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Before the first change, in seconds east of UTC.
    first_s: i64,
    /// Seconds since 1970 and the offset from then on, in order.
    changes: Vec<(i64, i64)>,
}

/// Changes that are read at most (the largest real file has a few hundred).
const CHANGES_MAX: usize = 5_000;

/// UTC.
pub static UTC: Zone = Zone { first_s: 0, changes: Vec::new() };

impl Zone {
    /// A place that is always `offset_s` seconds east of UTC.
    pub fn fixed(offset_s: i64) -> Zone {
        Zone { first_s: offset_s.clamp(-86_400, 86_400), changes: Vec::new() }
    }

    /// From a TZif file, as `/etc/localtime` is; `None` if it is none. Changes after the last that the file lists follow its
    /// last offset: files of today list them up to 2037.
    pub fn from_tzif(bytes: &[u8]) -> Option<Zone> {
        // The first block has 32-bit times, the second the same in 64 bits.
        let (first, rest) = Block::read(bytes, 4)?;
        match bytes.get(4).copied()? >= b'2' {
            true => Block::read(rest, 8).map(|(block, _)| block.zone()),
            false => Some(first.zone()),
        }
    }

    /// The instant of a local time, both in seconds since 1970. Of two (when clocks go back) the first one.
    pub fn to_utc_s(&self, local_s: i64) -> i64 {
        let mut offset_s = self.first_s;
        for (since_s, next_s) in &self.changes {
            // In the hour that is skipped or comes twice the offset before holds.
            if local_s - offset_s.max(*next_s) < *since_s {
                break;
            }
            offset_s = *next_s;
        }
        local_s - offset_s
    }
}

struct Block<'a> {
    times: &'a [u8],
    kinds: &'a [u8],
    types: &'a [u8],
    time_bytes: usize,
}

impl<'a> Block<'a> {
    fn read(bytes: &'a [u8], time_bytes: usize) -> Option<(Block<'a>, &'a [u8])> {
        let header = bytes.get(..44).filter(|h| h.starts_with(b"TZif"))?;
        let count = |i: usize| {
            let at = 20 + 4 * i;
            header[at..at + 4].iter().fold(0usize, |n, b| n << 8 | usize::from(*b))
        };
        let (utc, standard, leaps, times, types, names) =
            (count(0), count(1), count(2), count(3), count(4), count(5));
        if times > CHANGES_MAX || types == 0 || types > 256 {
            return None;
        }
        let mut rest = &bytes[44..];
        let mut take = |length: usize| -> Option<&'a [u8]> {
            let (head, tail) = rest.split_at_checked(length)?;
            rest = tail;
            Some(head)
        };
        let block = Block {
            times: take(times * time_bytes)?,
            kinds: take(times)?,
            types: take(types * 6)?,
            time_bytes,
        };
        take(names)?;
        take(leaps.checked_mul(time_bytes + 4)?)?;
        take(standard)?;
        take(utc)?;
        Some((block, rest))
    }

    fn offset_s(&self, kind: usize) -> i64 {
        let bytes = self.types.get(kind * 6..kind * 6 + 4).unwrap_or(&[0; 4]);
        i64::from(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).clamp(-93_600, 93_600)
    }

    fn zone(&self) -> Zone {
        let time = |bytes: &[u8]| match *bytes {
            [a, b, c, d] => i64::from(i32::from_be_bytes([a, b, c, d])),
            _ => bytes.iter().fold(0i64, |n, b| n << 8 | i64::from(*b)),
        };
        let times = self.times.chunks_exact(self.time_bytes).map(time);
        let mut changes: Vec<(i64, i64)> =
            times.zip(self.kinds).map(|(at, kind)| (at, self.offset_s(usize::from(*kind)))).collect();
        changes.sort_by_key(|(at, _)| *at);
        Zone { first_s: self.offset_s(0), changes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of version 2 with one change at 1000 from +1 h to +2 h.
    fn file() -> Vec<u8> {
        let mut out = Vec::new();
        for time_bytes in [4, 8] {
            out.extend(b"TZif2");
            out.extend([0; 15]);
            for count in [0u32, 0, 0, 1, 2, 4] {
                out.extend(count.to_be_bytes());
            }
            let at = 100_000i64.to_be_bytes();
            out.extend(&at[8 - time_bytes..]);
            out.push(1);
            for offset in [3600i32, 7200] {
                out.extend(offset.to_be_bytes());
                out.extend([0, 0]);
            }
            out.extend(b"LMT\0");
        }
        out
    }

    #[test]
    fn offsets_hold_from_their_changes_on() {
        let zone = Zone::from_tzif(&file()).unwrap();
        for (local_s, utc_s) in [(0, -3600), (103_599, 99_999), (107_200, 100_000), (200_000, 192_800)] {
            assert_eq!(zone.to_utc_s(local_s), utc_s, "{local_s}");
        }
        assert_eq!(Zone::fixed(-3600).to_utc_s(0), 3600);
        for end in 0..file().len() {
            assert_eq!(Zone::from_tzif(&file()[..end]), None, "cut at {end}");
        }
    }
}
