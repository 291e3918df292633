//! Which granules of a file (some thousand rows each) have a word: hashes of words in buckets, each with its granules,
//! packed in bits, so that a lookup reads one bucket of some hundred bytes. It may name a granule that has not the word
//! (one file in some hundred, for a word that is not there); it must never leave out one that has it.
//! Format: `docs/formats/tables.md`.

use crate::xor::{Reader, put_varint};
use foldhash::HashMap;
use stdx::{Error, Result};

/// Words in a bucket on the average.
const BUCKET_WORDS: usize = 128;
/// Bits of a word's hash that are kept beside its bucket.
const PRINT_BITS: u32 = 16;
/// Granules of one file at the most: their numbers have 16 bits while the index is made.
pub const GRANULES_MAX: usize = 1 << 16;

/// The hash of a word, whatever its case.
pub fn hash_word(word: &[u8]) -> u64 {
    const A: u64 = 0x9e37_79b9_7f4a_7c15;
    const B: u64 = 0xd6e8_feb8_6659_fd93;
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let mut hash = (word.len() as u64).wrapping_mul(B) ^ A;
    for chunk in word.chunks(8) {
        let mut eight = [0; 8];
        eight[..chunk.len()].copy_from_slice(chunk);
        eight.iter_mut().for_each(|b| *b = b.to_ascii_lowercase());
        hash = fold(hash ^ u64::from_le_bytes(eight), A);
    }
    fold(hash ^ A, B)
}

/// The hash under which the name of an attribute is found.
pub fn hash_name(name: &str) -> u64 {
    !hash_word(name.as_bytes())
}

/// Collects the words of granule after granule.
#[derive(Default)]
pub struct Words {
    /// Hashes of the present granule: a table without deletions, 0 is an empty place.
    seen: Vec<u64>,
    count: usize,
    /// 48 bits of a hash, and the number of a granule that has it.
    pairs: Vec<u64>,
    granule: u64,
}

impl Words {
    /// Notes a word of the present granule.
    #[inline]
    pub fn add(&mut self, hash: u64) {
        let hash = hash | 1;
        if (self.count + 1) * 2 > self.seen.len() {
            self.grow();
        }
        let mask = self.seen.len() - 1;
        let mut at = (hash >> 20) as usize & mask;
        loop {
            match self.seen[at] {
                0 => {
                    self.seen[at] = hash;
                    self.count += 1;
                    self.pairs.push(hash & !0xffff | self.granule);
                    return;
                }
                there if there == hash => return,
                _ => at = (at + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        let larger = vec![0; (self.seen.len() * 2).max(1 << 12)];
        let old = std::mem::replace(&mut self.seen, larger);
        let mask = self.seen.len() - 1;
        for hash in old.into_iter().filter(|h| *h != 0) {
            let mut at = (hash >> 20) as usize & mask;
            while self.seen[at] != 0 {
                at = (at + 1) & mask;
            }
            self.seen[at] = hash;
        }
    }

    /// Begins the next granule.
    pub fn end_granule(&mut self) {
        self.granule += 1;
        self.count = 0;
        self.seen.fill(0);
    }

    /// Packs what was collected of so many granules: the directory, and the buckets.
    pub fn finish(mut self, granules: usize) -> (Directory, Vec<u8>) {
        self.pairs.sort_unstable();
        self.pairs.dedup();
        let mut words = 0;
        let mut before = None;
        for pair in &self.pairs {
            words += usize::from(before != Some(pair >> 16));
            before = Some(pair >> 16);
        }
        let bits = (words / BUCKET_WORDS).max(1).ilog2();
        let mut directory = Directory { bits, granules, ends: Vec::with_capacity(1 << bits) };
        let (mut out, mut at) = (Vec::new(), 0);
        for bucket in 0..1u64 << bits {
            let end = at + self.pairs[at..].partition_point(|p| bucket_of(*p, bits) <= bucket);
            put_bucket(&mut out, &self.pairs[at..end], bits, granules);
            directory.ends.push(out.len() as u64);
            at = end;
        }
        (directory, out)
    }
}

fn bucket_of(hash: u64, bits: u32) -> u64 {
    if bits == 0 { 0 } else { hash >> (64 - bits) }
}

fn print_of(hash: u64, bits: u32) -> u64 {
    hash << bits >> (64 - PRINT_BITS)
}

/// Bits of the number of a granule.
fn width(granules: usize) -> u32 {
    granules.max(2).next_power_of_two().ilog2()
}

/// Words whose kept bits are equal are one.
fn put_bucket(out: &mut Vec<u8>, pairs: &[u64], bits: u32, granules: usize) {
    let mut words: Vec<(u64, Vec<u64>)> = Vec::new();
    for pair in pairs {
        let (print, granule) = (print_of(*pair, bits), pair & 0xffff);
        match words.last_mut() {
            Some((last, all)) if *last == print => all.push(granule),
            _ => words.push((print, vec![granule])),
        }
    }
    put_varint(out, words.len() as u64);
    let Some(rice) = rice_of(words.len()) else { return };
    let mut writer = BitWriter::default();
    let mut before = 0;
    let width = width(granules);
    for (print, mut all) in words {
        all.sort_unstable();
        all.dedup();
        writer.rice(print - before, rice);
        before = print;
        if all.len() * width as usize >= granules {
            writer.put(1, 1);
            let mut all = all.into_iter().peekable();
            (0..granules as u64).for_each(|g| writer.put(u64::from(all.next_if_eq(&g).is_some()), 1));
        } else {
            writer.put(0, 1);
            writer.gamma(all.len() as u64);
            all.into_iter().for_each(|g| writer.put(g, width));
        }
    }
    writer.finish(out);
}

/// Low bits that are written as they are of the difference between two of `words` words.
fn rice_of(words: usize) -> Option<u32> {
    Some(((1u64 << PRINT_BITS).checked_div(words as u64)?).max(1).ilog2())
}

/// Where each bucket ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Directory {
    bits: u32,
    granules: usize,
    ends: Vec<u64>,
}

impl Directory {
    /// Writes it.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.bits));
        let mut before = 0;
        for end in &self.ends {
            put_varint(out, end - before);
            before = *end;
        }
    }

    /// Reads what [`Directory::put`] wrote.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn read(r: &mut Reader<'_>, granules: usize) -> Result<Directory> {
        let bits = r.varint()? as u32;
        if bits > 32 || 1usize << bits > r.rest().len() {
            return Err(Error::corrupt("an index has more buckets than it can have"));
        }
        let (mut ends, mut end) = (Vec::with_capacity(1 << bits), 0u64);
        for _ in 0..1u64 << bits {
            end = end.checked_add(r.varint()?).ok_or_else(|| Error::corrupt("an index is too large"))?;
            ends.push(end);
        }
        Ok(Directory { bits, granules, ends })
    }

    /// Bytes of all buckets.
    pub fn bytes(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Where the bucket of a word lies.
    pub fn bucket(&self, hash: u64) -> std::ops::Range<u64> {
        let bucket = bucket_of(hash | 1, self.bits) as usize;
        let end = self.ends.get(bucket).copied().unwrap_or(0);
        let start = if bucket == 0 { 0 } else { self.ends.get(bucket - 1).copied().unwrap_or(0) };
        start..end
    }

    /// Which granules have the word, by its bucket: all that may.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn look_up(&self, hash: u64, bucket: &[u8]) -> Result<Vec<u32>> {
        let mut r = Reader::new(bucket);
        let words = r.varint()?;
        let Some(rice) = rice_of(usize::try_from(words).unwrap_or(usize::MAX)) else { return Ok(Vec::new()) };
        let wanted = print_of(hash | 1, self.bits);
        let width = width(self.granules);
        let mut bits = BitReader { bytes: r.rest(), at: 0 };
        let mut print = 0u64;
        for _ in 0..words {
            print += bits.rice(rice)?;
            let is_it = print == wanted;
            let mut found = Vec::new();
            if bits.take(1)? == 1 {
                if is_it {
                    for granule in 0..self.granules as u32 {
                        if bits.take(1)? == 1 {
                            found.push(granule);
                        }
                    }
                } else {
                    bits.skip(self.granules as u64);
                }
            } else {
                let n = bits.gamma()?;
                if is_it {
                    for _ in 0..n.min(self.granules as u64) {
                        found.push(bits.take(width)? as u32);
                    }
                } else {
                    bits.skip(n.saturating_mul(u64::from(width)));
                }
            }
            if is_it {
                return Ok(found);
            }
            if print > wanted {
                break;
            }
        }
        Ok(Vec::new())
    }
}

/// Low bits first.
#[derive(Default)]
struct BitWriter {
    out: Vec<u8>,
    word: u64,
    filled: u32,
}

impl BitWriter {
    fn put(&mut self, value: u64, bits: u32) {
        self.word |= value << self.filled;
        self.filled += bits;
        while self.filled >= 8 {
            self.out.push(self.word as u8);
            self.word >>= 8;
            self.filled -= 8;
        }
    }

    /// How many times `1 << low` as so many ones and a zero, then the rest.
    fn rice(&mut self, value: u64, low: u32) {
        (0..value >> low).for_each(|_| self.put(1, 1));
        self.put(0, 1);
        self.put(value & ((1 << low) - 1), low);
    }

    /// A number from 1 on: as many ones as it has bits after the first, a zero, then these.
    fn gamma(&mut self, value: u64) {
        let bits = value.max(1).ilog2();
        (0..bits).for_each(|_| self.put(1, 1));
        self.put(0, 1);
        self.put(value & ((1 << bits) - 1), bits);
    }

    fn finish(mut self, out: &mut Vec<u8>) {
        if self.filled > 0 {
            self.out.push(self.word as u8);
        }
        out.extend_from_slice(&self.out);
    }
}

struct BitReader<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: u64,
}

impl BitReader<'_> {
    fn take(&mut self, bits: u32) -> Result<u64> {
        let mut value = 0;
        for i in 0..bits {
            let byte = usize::try_from(self.at / 8).ok().and_then(|at| self.bytes.get(at));
            let byte = byte.ok_or_else(|| Error::corrupt("a bucket of an index ends too early"))?;
            value |= u64::from(byte >> (self.at % 8) & 1) << i;
            self.at += 1;
        }
        Ok(value)
    }

    fn skip(&mut self, bits: u64) {
        self.at = self.at.saturating_add(bits);
    }

    fn ones(&mut self) -> Result<u64> {
        let mut n = 0;
        while self.take(1)? == 1 {
            n += 1;
        }
        Ok(n)
    }

    fn rice(&mut self, low: u32) -> Result<u64> {
        let high = self.ones()?;
        Ok(high.min(1 << 32) << low | self.take(low)?)
    }

    fn gamma(&mut self) -> Result<u64> {
        let bits = self.ones()?.min(32) as u32;
        Ok(1 << bits | self.take(bits)?)
    }
}

/// What a row must have to be wanted, as hashes of words: of each clause one alternative, of that all words.
pub type Clauses = Vec<Vec<Vec<u64>>>;

/// Which granules may satisfy all clauses; `None` if the index says nothing. `look_up` gives the granules of a word.
///
/// # Errors
/// Those of `look_up`.
pub fn candidates(
    clauses: &Clauses,
    granules: usize,
    mut look_up: impl FnMut(u64) -> Result<Vec<u32>>,
) -> Result<Option<Vec<bool>>> {
    let mut known: HashMap<u64, Vec<u32>> = HashMap::default();
    let mut all: Option<Vec<bool>> = None;
    for clause in clauses {
        let mut any = vec![false; granules];
        for words in clause {
            let mut these: Option<Vec<u32>> = None;
            for word in words {
                if !known.contains_key(word) {
                    known.insert(*word, look_up(*word)?);
                }
                let found = &known[word];
                these = Some(match these {
                    None => found.clone(),
                    Some(these) => these.into_iter().filter(|g| found.contains(g)).collect(),
                });
            }
            match these {
                Some(these) => these
                    .into_iter()
                    .filter(|g| (*g as usize) < granules)
                    .for_each(|g| any[g as usize] = true),
                None => any.fill(true),
            }
        }
        all = Some(match all {
            None => any,
            Some(all) => all.into_iter().zip(any).map(|(a, b)| a && b).collect(),
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

        #[test]
        fn no_granule_that_has_a_word_is_left_out(
            granules in prop::collection::vec(prop::collection::btree_set(0u32..600, 0..120), 1..20),
        ) {
            let word = |w: u32| hash_word(format!("word{w}").as_bytes());
            let mut words = Words::default();
            for granule in &granules {
                granule.iter().chain(granule).for_each(|w| words.add(word(*w)));
                words.end_granule();
            }
            let (directory, buckets) = words.finish(granules.len());
            let mut out = Vec::new();
            directory.put(&mut out);
            prop_assert_eq!(&Directory::read(&mut Reader::new(&out), granules.len()).unwrap(), &directory);
            prop_assert_eq!(directory.bytes(), buckets.len() as u64);
            let mut wrong = 0;
            for w in 0..800 {
                let range = directory.bucket(word(w));
                let found = directory.look_up(word(w), &buckets[range.start as usize..range.end as usize]).unwrap();
                let wanted: Vec<u32> =
                    (0..granules.len() as u32).filter(|g| granules[*g as usize].contains(&w)).collect();
                let found: BTreeSet<u32> = found.into_iter().collect();
                prop_assert!(wanted.iter().all(|g| found.contains(g)), "{w}: {found:?} lacks some of {wanted:?}");
                wrong += found.len() - wanted.len();
            }
            prop_assert!(wrong < 60 * granules.len(), "{wrong} are named wrongly");
        }

        #[test]
        fn a_damaged_bucket_is_an_error_or_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200), hash: u64) {
            let directory = Directory { bits: 3, granules: 100, ends: vec![0; 8] };
            let _ = directory.look_up(hash, &bytes);
        }
    }

    #[test]
    fn hashes_are_what_files_have() {
        assert_eq!(hash_word(b"Connection"), hash_word(b"cONNECTION"));
        assert_ne!(hash_word(b"a"), hash_word(b"a\0"));
    }
}
