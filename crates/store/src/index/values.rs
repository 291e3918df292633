//! The values of one label name: their texts one after the other in one buffer, each with the set of series that have
//! it. A value is found by its text through a hash table, or by a pass over the buffer, which reads texts at memory
//! speed. It must never hold a text twice.

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;
use stdx::ids::{IdSets, SetRef};

/// Values of which the places in the buffer are counted from one base: with the longest values that [`model::Labels`]
/// can hold, their places still fit into 32 bits.
const PER_BASE: usize = 1024;

#[derive(Default)]
pub(super) struct Values {
    texts: String,
    bases: Vec<usize>,
    /// Where each text begins, from the base of its part on.
    starts: Vec<u32>,
    sets: Vec<SetRef>,
    by_text: HashTable<u32>,
    /// Keyed, so that nobody can aim collisions at us.
    hasher: RandomState,
    /// Series with this label.
    series: usize,
}

impl Values {
    /// Notes that a series, later than all before, has this value.
    pub(super) fn push(&mut self, text: &str, id: u32, sets: &mut IdSets) {
        self.series += 1;
        match self.number(text) {
            Some(number) => sets.insert(&mut self.sets[number as usize], id),
            None => {
                let number = self.sets.len() as u32;
                if self.sets.len().is_multiple_of(PER_BASE) {
                    self.bases.push(self.texts.len());
                }
                let base = self.bases.last().copied().unwrap_or_default();
                self.starts.push((self.texts.len() - base) as u32);
                self.texts.push_str(text);
                self.sets.push(sets.one(id));
                let Values { texts, bases, starts, hasher, .. } = self;
                let hash = |n: &u32| hasher.hash_one(text_of(texts, bases, starts, *n as usize));
                self.by_text.insert_unique(hasher.hash_one(text), number, hash);
            }
        }
    }

    fn number(&self, text: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        self.by_text.find(hash, |n| self.text(*n as usize) == text).copied()
    }

    fn text(&self, number: usize) -> &str {
        text_of(&self.texts, &self.bases, &self.starts, number)
    }

    /// The series with this value.
    pub(super) fn get(&self, text: &str) -> Option<SetRef> {
        Some(self.sets[self.number(text)? as usize])
    }

    /// Every value with the series that have it, in the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, SetRef)> {
        let (mut at, mut rest) = (0, self.texts.as_str());
        (1..=self.sets.len()).map(move |next| {
            let end = start_of(&self.bases, &self.starts, next).unwrap_or(self.texts.len());
            let (text, after) = rest.split_at(end - at);
            (at, rest) = (end, after);
            (text, self.sets[next - 1])
        })
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.sets.len()
    }

    /// How many series have one.
    pub(super) fn series(&self) -> usize {
        self.series
    }

    pub(super) fn finish(&mut self) {
        self.texts.shrink_to_fit();
        self.starts.shrink_to_fit();
        self.sets.shrink_to_fit();
        let Values { texts, bases, starts, hasher, by_text, .. } = self;
        by_text.shrink_to_fit(|n| hasher.hash_one(text_of(texts, bases, starts, *n as usize)));
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.texts.capacity()
            + 8 * self.bases.capacity()
            + 4 * (self.starts.capacity() + self.sets.capacity())
            + self.by_text.allocation_size()
    }
}

fn start_of(bases: &[usize], starts: &[u32], number: usize) -> Option<usize> {
    starts.get(number).map(|start| bases[number / PER_BASE] + *start as usize)
}

fn text_of<'a>(texts: &'a str, bases: &[usize], starts: &[u32], number: usize) -> &'a str {
    let start = start_of(bases, starts, number).unwrap_or(texts.len());
    &texts[start..start_of(bases, starts, number + 1).unwrap_or(texts.len())]
}
