//! Many sets of small numbers at little cost: a set of one takes no memory of its own, a small one an array, a large
//! one a compressed bitmap. It must never hold more than a few bytes for an id, however ids are spread.

pub use roaring::RoaringBitmap as Bitmap;

/// Names one set of [`IdSets`]: the one id of a set of one (below `LIST`), else the place of its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetRef(u32);

/// From here on a reference is the place of a list; ids so large have lists even alone.
const LIST: u32 = 1 << 31;
/// A list of fewer ids is never a bitmap.
const FEW_MAX: usize = 32;
/// Bytes that a bitmap takes for each 65,536 numbers in which it has ids, besides the ids (nearly).
const PART_BYTES: usize = 64;

#[derive(Debug)]
enum List {
    Few(Vec<u32>),
    Many(Bitmap),
}

/// Sets of ids, named by [`SetRef`]. None of them is ever empty, but for the moment before it is removed.
#[derive(Debug, Default)]
pub struct IdSets {
    lists: Vec<List>,
    free: Vec<u32>,
    heap_bytes: usize,
}

impl IdSets {
    /// A set of one id.
    pub fn one(&mut self, id: u32) -> SetRef {
        if id < LIST { SetRef(id) } else { self.list(vec![id]) }
    }

    fn list(&mut self, ids: Vec<u32>) -> SetRef {
        self.heap_bytes += 4 * ids.capacity();
        let list = List::Few(ids);
        SetRef(
            LIST | match self.free.pop() {
                Some(place) => {
                    self.lists[place as usize] = list;
                    place
                }
                None => {
                    self.lists.push(list);
                    self.lists.len() as u32 - 1
                }
            },
        )
    }

    /// Adds an id. Ids in increasing order are the fastest.
    pub fn insert(&mut self, set: &mut SetRef, id: u32) {
        if set.0 < LIST {
            let (low, high) = (set.0.min(id), set.0.max(id));
            if low < high {
                *set = self.list(vec![low, high]);
            }
            return;
        }
        let list = &mut self.lists[(set.0 & !LIST) as usize];
        match list {
            List::Many(bitmap) => {
                let is_new_part = bitmap.max().is_none_or(|max| max >> 16 < id >> 16);
                if bitmap.insert(id) {
                    self.heap_bytes += if is_new_part { 2 + PART_BYTES } else { 2 };
                }
            }
            List::Few(ids) => {
                let before = ids.capacity();
                match ids.last() {
                    Some(last) if *last >= id => {
                        if let Err(at) = ids.binary_search(&id) {
                            ids.insert(at, id);
                        }
                    }
                    _ => ids.push(id),
                }
                self.heap_bytes += 4 * (ids.capacity() - before);
                if ids.len() > FEW_MAX && ids.len() == before {
                    let bytes = bitmap_bytes(ids);
                    if bytes < 4 * ids.len() {
                        self.heap_bytes = (self.heap_bytes + bytes).saturating_sub(4 * ids.capacity());
                        let bitmap = Bitmap::from_sorted_iter(ids.iter().copied());
                        *list = List::Many(bitmap.unwrap_or_else(|_| ids.iter().copied().collect()));
                    }
                }
            }
        }
    }

    /// Removes an id; true if the set was left empty: it must not be used again then.
    pub fn remove(&mut self, set: &mut SetRef, id: u32) -> bool {
        if set.0 < LIST {
            return set.0 == id;
        }
        let place = set.0 & !LIST;
        let list = &mut self.lists[place as usize];
        let left = match list {
            List::Many(bitmap) => {
                if bitmap.remove(id) {
                    self.heap_bytes = self.heap_bytes.saturating_sub(2);
                }
                if bitmap.len() < FEW_MAX as u64 / 2 {
                    let ids: Vec<u32> = bitmap.iter().collect();
                    self.heap_bytes =
                        (self.heap_bytes + 4 * ids.capacity()).saturating_sub(bitmap_bytes(&ids));
                    *list = List::Few(ids);
                }
                FEW_MAX
            }
            List::Few(ids) => {
                if let Ok(at) = ids.binary_search(&id) {
                    ids.remove(at);
                }
                if ids.capacity() > 8 && ids.len() < ids.capacity() / 4 {
                    let before = ids.capacity();
                    ids.shrink_to_fit();
                    self.heap_bytes = self.heap_bytes.saturating_sub(4 * (before - ids.capacity()));
                }
                ids.len()
            }
        };
        if left == 0 {
            self.drop_list(place);
        }
        left == 0
    }

    fn drop_list(&mut self, place: u32) {
        if let List::Few(ids) = &self.lists[place as usize] {
            self.heap_bytes = self.heap_bytes.saturating_sub(4 * ids.capacity());
        }
        self.lists[place as usize] = List::Few(Vec::new());
        self.free.push(place);
    }

    fn get(&self, set: SetRef) -> Result<u32, &List> {
        if set.0 < LIST { Ok(set.0) } else { Err(&self.lists[(set.0 & !LIST) as usize]) }
    }

    /// How many ids are in a set.
    pub fn len(&self, set: SetRef) -> usize {
        match self.get(set) {
            Ok(_) => 1,
            Err(List::Few(ids)) => ids.len(),
            Err(List::Many(bitmap)) => bitmap.len() as usize,
        }
    }

    /// The smallest id of a set.
    pub fn first(&self, set: SetRef) -> Option<u32> {
        match self.get(set) {
            Ok(id) => Some(id),
            Err(List::Few(ids)) => ids.first().copied(),
            Err(List::Many(bitmap)) => bitmap.min(),
        }
    }

    /// Calls `each` with the ids of a set, in order.
    pub fn for_each(&self, set: SetRef, mut each: impl FnMut(u32)) {
        match self.get(set) {
            Ok(id) => each(id),
            Err(List::Few(ids)) => ids.iter().for_each(|id| each(*id)),
            Err(List::Many(bitmap)) => bitmap.iter().for_each(each),
        }
    }

    /// Those of `ids` that are in the set.
    pub fn and(&self, ids: &Bitmap, set: SetRef) -> Bitmap {
        match self.get(set) {
            Ok(id) => [id].into_iter().filter(|id| ids.contains(*id)).collect(),
            Err(List::Few(few)) => few.iter().copied().filter(|id| ids.contains(*id)).collect(),
            Err(List::Many(bitmap)) => ids & bitmap,
        }
    }

    /// All ids of some sets.
    pub fn union(&self, sets: impl IntoIterator<Item = SetRef>) -> Bitmap {
        let (mut all, mut few) = (Bitmap::new(), Vec::new());
        for set in sets {
            match self.get(set) {
                Ok(id) => few.push(id),
                Err(List::Few(ids)) => few.extend_from_slice(ids),
                Err(List::Many(bitmap)) => all |= bitmap,
            }
        }
        if !few.is_sorted() {
            few.sort_unstable();
        }
        few.dedup();
        if !few.is_empty() {
            let few: Bitmap =
                Bitmap::from_sorted_iter(few.iter().copied()).unwrap_or_else(|_| few.into_iter().collect());
            if all.is_empty() { all = few } else { all |= few }
        }
        all
    }

    /// Gives back what was taken in advance, and packs runs; for sets that will not change.
    pub fn finish(&mut self) {
        self.lists.shrink_to_fit();
        for list in &mut self.lists {
            match list {
                List::Few(ids) => ids.shrink_to_fit(),
                List::Many(bitmap) => {
                    bitmap.optimize();
                }
            }
        }
        let bytes = |list: &List| match list {
            List::Few(ids) => 4 * ids.capacity(),
            List::Many(bitmap) => {
                let s = bitmap.statistics();
                (s.n_bytes_array_containers + s.n_bytes_bitset_containers + s.n_bytes_run_containers) as usize
                    + PART_BYTES * s.n_containers as usize
            }
        };
        self.heap_bytes = self.lists.iter().map(bytes).sum();
    }

    /// Memory taken, in bytes; a little too much where bitmaps are dense.
    pub fn heap_bytes(&self) -> usize {
        self.heap_bytes + self.lists.capacity() * size_of::<List>() + 4 * self.free.capacity()
    }
}

/// What sorted ids take in a bitmap, nearly, as long as it is not dense.
fn bitmap_bytes(ids: &[u32]) -> usize {
    let parts = 1 + ids.windows(2).filter(|w| w[0] >> 16 != w[1] >> 16).count();
    2 * ids.len() + PART_BYTES * parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn ids(sets: &IdSets, set: SetRef) -> Vec<u32> {
        let mut ids = Vec::new();
        sets.for_each(set, |id| ids.push(id));
        ids
    }

    proptest! {
        #[test]
        fn the_same_as_a_tree(
            steps in prop::collection::vec((prop::bool::weighted(0.6), 0..3u32, 0..400u32), 1..600),
            spread in prop::sample::select(vec![1u32, 700, 10_000_000]),
        ) {
            let mut sets = IdSets::default();
            let mut all: Vec<(Option<SetRef>, BTreeSet<u32>)> = vec![Default::default(); 3];
            for (is_insert, which, id) in steps {
                let id = id * spread;
                let (set, tree) = &mut all[which as usize];
                match (is_insert, set.as_mut()) {
                    (true, None) => *set = Some(sets.one(id)),
                    (true, Some(set)) => sets.insert(set, id),
                    (false, None) => continue,
                    (false, Some(some)) => {
                        tree.remove(&id);
                        let is_empty = sets.remove(some, id);
                        prop_assert_eq!(is_empty, tree.is_empty());
                        if is_empty {
                            *set = None;
                        }
                        continue;
                    }
                }
                tree.insert(id);
            }
            let mut union = BTreeSet::new();
            for (set, tree) in &all {
                let Some(set) = *set else { continue };
                let want: Vec<u32> = tree.iter().copied().collect();
                prop_assert_eq!(&ids(&sets, set), &want);
                prop_assert_eq!((sets.len(set), sets.first(set)), (want.len(), want.first().copied()));
                let half: Bitmap = want.iter().copied().step_by(2).chain([5]).collect();
                let both = half.iter().filter(|id| tree.contains(id)).collect::<Bitmap>();
                prop_assert_eq!(sets.and(&half, set), both);
                union.extend(tree);
            }
            let found = sets.union(all.iter().filter_map(|(set, _)| *set));
            prop_assert!(found.iter().eq(union.iter().copied()));
            let before: Vec<_> = all.iter().filter_map(|(set, _)| Some(ids(&sets, (*set)?))).collect();
            sets.finish();
            let after: Vec<_> = all.iter().filter_map(|(set, _)| Some(ids(&sets, (*set)?))).collect();
            prop_assert_eq!(before, after);
        }
    }

    #[test]
    fn small_at_any_density() {
        for (count, apart, bytes_max) in [
            (1u32, 1, 0.0),
            (1_000, 1, 2.3),
            (200_000, 1, 2.1),
            (1_000, 20, 2.3),
            (60, 70_000, 7.0),
            (5_000, 5_000, 6.7),
        ] {
            let mut sets = IdSets::default();
            let mut set = sets.one(0);
            (1..count).for_each(|i| sets.insert(&mut set, i * apart));
            let each = sets.heap_bytes as f64 / f64::from(count);
            assert!(each <= bytes_max, "{count} ids {apart} apart: {each} bytes each");
        }
    }
}
