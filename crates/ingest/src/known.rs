//! From the bytes of a series' labels, as a sender wrote them, to the [`Labels`] that they mean: most series of a
//! request were in the one before, and need not be checked, sorted and packed again.
//! It must never give labels for bytes that were not read in full once, nor keep a series alive: what nobody else
//! holds is forgotten.

use foldhash::{HashMap, HashMapExt};
use model::Labels;
use std::hash::{BuildHasher, Hasher};
use std::sync::RwLock;

/// Two hashes of raw bytes, each keyed at random for this cache. The bytes themselves are not kept: that two different
/// ones share both has a chance of about 1 in 10^25 among a million series, and nobody outside can aim at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Key(u64, u64);

/// Label sets by the raw bytes that they were read from. Bounded; shared by all requests.
#[derive(Debug)]
pub struct KnownLabels {
    first: foldhash::quality::RandomState,
    second: foldhash::quality::RandomState,
    known: RwLock<HashMap<Key, Labels>>,
    series_max: usize,
}

impl KnownLabels {
    /// Holds at most `series_max` label sets, 40 to 90 bytes each beside the labels, which the store holds as well. With 0 it
    /// holds none.
    pub fn new(series_max: usize) -> KnownLabels {
        KnownLabels {
            first: Default::default(),
            second: Default::default(),
            known: RwLock::new(HashMap::new()),
            series_max,
        }
    }

    pub(crate) fn key(&self, raw: &[u8]) -> Key {
        Key(self.first.hash_one(raw), self.second.hash_one(raw))
    }

    /// The key of what is made of parts, each with a key of its own, in their order.
    pub(crate) fn key_of(&self, parts: impl Iterator<Item = Key>) -> Key {
        let (mut first, mut second) = (self.first.build_hasher(), self.second.build_hasher());
        let mut count = 0u64;
        for Key(a, b) in parts {
            first.write_u64(a);
            second.write_u64(b);
            count += 1;
        }
        first.write_u64(count);
        second.write_u64(count);
        Key(first.finish(), second.finish())
    }

    /// Looks up one.
    pub(crate) fn get(&self, key: &Key) -> Option<Labels> {
        self.known.read().unwrap_or_else(|e| e.into_inner()).get(key).cloned()
    }

    /// Looks up many under one lock.
    pub(crate) fn find(&self, keys: &[Key], mut each: impl FnMut(usize, Option<&Labels>)) {
        let known = self.known.read().unwrap_or_else(|e| e.into_inner());
        keys.iter().enumerate().for_each(|(i, key)| each(i, known.get(key)));
    }

    /// Remembers label sets, as long as there is room.
    pub(crate) fn add(&self, new: Vec<(Key, Labels)>) {
        if new.is_empty() || self.series_max == 0 {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(|e| e.into_inner());
        if known.len() + new.len() > self.series_max {
            known.retain(|_, labels| labels.is_shared());
        }
        let room = self.series_max.saturating_sub(known.len());
        known.extend(new.into_iter().take(room));
    }

    /// Forgets what only this holds: series that the store has let go of. To be called from time to time.
    pub fn forget_unused(&self) {
        let mut known = self.known.write().unwrap_or_else(|e| e.into_inner());
        known.retain(|_, labels| labels.is_shared());
        if known.len() * 4 < known.capacity() {
            known.shrink_to_fit();
        }
    }

    /// Label sets that are held now.
    pub fn len(&self) -> usize {
        self.known.read().unwrap_or_else(|e| e.into_inner()).len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_and_only_what_others_hold_stays() {
        let known = KnownLabels::new(3);
        let all: Vec<Labels> = (0..5).map(|i| Labels::default().with("i", &i.to_string())).collect();
        let key = |i: usize| known.key(&[i as u8]);
        known.add((0..3).map(|i| (key(i), all[i].clone())).collect());
        known.add(vec![(key(3), all[3].clone())]);
        assert_eq!(known.len(), 3, "no room: all are held elsewhere");
        let mut found = Vec::new();
        known.find(&[key(2), key(3)], |_, labels| found.push(labels.cloned()));
        assert_eq!(found, [Some(all[2].clone()), None]);

        let last = all[4].clone();
        drop((found, all));
        known.add(vec![(key(4), last.clone())]);
        assert_eq!(known.len(), 1, "what nobody holds made room");
        drop(last);
        known.forget_unused();
        assert!(known.is_empty());
        let none = KnownLabels::new(0);
        none.add(vec![(none.key(b"x"), Labels::default())]);
        assert!(none.is_empty());
    }
}
