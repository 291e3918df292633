//! Texts that many label sets share (names of metrics, nodes, jobs), kept once for the whole process and named by a
//! number. What is in it stays in it, so that a text can be lent for ever: therefore it takes a text only when it comes
//! again, and must never hold more than its limits; texts that it does not take lie in the label sets themselves.

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{LazyLock, OnceLock, RwLock};

/// A number takes up to four bytes in a label set.
const TEXT_BYTES_MIN: usize = 6;
/// Texts this long are seldom shared.
const TEXT_BYTES_MAX: usize = 256;
/// The most texts of the process: numbers have 21 bits at the most.
const TEXTS_MAX: usize = 1 << 18;
/// The most bytes of all texts together.
const ALL_BYTES_MAX: usize = 16 << 20;
/// Texts are kept in parts of so many, which never move.
const PART: usize = 1 << 10;
/// Marks of texts that were seen once. Of two that fall on one mark the first is forgotten.
const MARKS: usize = 1 << 15;

/// That of the process.
pub static SHARED: LazyLock<Dictionary> = LazyLock::new(|| Dictionary::new(TEXTS_MAX, ALL_BYTES_MAX));

type Part = Box<[OnceLock<Box<str>>]>;

/// Texts by number, and numbers by text.
pub struct Dictionary {
    parts: Box<[OnceLock<Part>]>,
    numbers: RwLock<Numbers>,
    seen: Box<[AtomicU32]>,
    /// Keyed, so that nobody can aim collisions at us.
    hasher: RandomState,
    texts_max: usize,
    bytes_max: usize,
}

struct Numbers {
    by_text: HashTable<u32>,
    bytes: usize,
}

impl Dictionary {
    fn new(texts_max: usize, bytes_max: usize) -> Dictionary {
        Dictionary {
            parts: (0..texts_max.div_ceil(PART)).map(|_| OnceLock::new()).collect(),
            numbers: RwLock::new(Numbers { by_text: HashTable::new(), bytes: 0 }),
            seen: (0..MARKS).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::default(),
            texts_max,
            bytes_max,
        }
    }

    /// The number of a text that is in it, or that now comes for the second time and finds room.
    pub fn number(&self, text: &str) -> Option<u32> {
        if text.len() < TEXT_BYTES_MIN || text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let hash = self.hasher.hash_one(text);
        let is_it = |number: &u32| self.text(*number) == text;
        let known = self.numbers.read().unwrap_or_else(|e| e.into_inner());
        if let Some(number) = known.by_text.find(hash, is_it) {
            return Some(*number);
        }
        drop(known);
        let mark = (hash >> 32) as u32 | 1;
        if self.seen[hash as usize % MARKS].swap(mark, Relaxed) != mark {
            return None;
        }
        let mut numbers = self.numbers.write().unwrap_or_else(|e| e.into_inner());
        if let Some(number) = numbers.by_text.find(hash, is_it) {
            return Some(*number);
        }
        let count = numbers.by_text.len();
        if count >= self.texts_max || numbers.bytes + text.len() > self.bytes_max {
            return None;
        }
        let part = self.parts[count / PART].get_or_init(|| (0..PART).map(|_| OnceLock::new()).collect());
        part[count % PART].set(text.into()).ok()?;
        numbers.bytes += text.len();
        let rehash = |number: &u32| self.hasher.hash_one(self.text(*number));
        numbers.by_text.insert_unique(hash, count as u32, rehash);
        Some(count as u32)
    }

    /// The text of a number; empty if it never gave that number.
    pub fn text(&self, number: u32) -> &str {
        let part = self.parts.get(number as usize / PART).and_then(OnceLock::get);
        part.and_then(|part| part[number as usize % PART].get()).map_or("", |text| text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_when_it_comes_again() {
        let dictionary = Dictionary::new(10, 1 << 20);
        assert_eq!(dictionary.number("worker-0001"), None);
        assert_eq!(dictionary.number("worker-0001"), Some(0));
        assert_eq!((dictionary.number("worker-0001"), dictionary.text(0)), (Some(0), "worker-0001"));
        assert_eq!(dictionary.text(1), "");
        for too_short_or_long in ["eu-1", "x".repeat(TEXT_BYTES_MAX + 1).as_str()] {
            assert!((0..3).all(|_| dictionary.number(too_short_or_long).is_none()));
        }
    }

    #[test]
    fn it_is_bounded() {
        let twice = |dictionary: &Dictionary, text: &str| {
            dictionary.number(text);
            dictionary.number(text)
        };
        let few = Dictionary::new(3_000, 1 << 20);
        let numbers: Vec<_> = (0..5_000).filter_map(|i| twice(&few, &format!("checkout-{i}"))).collect();
        assert!(numbers.iter().copied().eq(0..3_000), "{}", numbers.len());
        assert_eq!(few.text(2_999), "checkout-2999");
        let small = Dictionary::new(1 << 18, 100);
        assert_eq!((0..50).filter_map(|i| twice(&small, &format!("payments-{i:02}"))).count(), 9);
    }
}
