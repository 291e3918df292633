//! From matchers to series: for each label name its values, for each value the sorted ids that have it.
//! It must never touch samples, and an id is only what its owner (a head or a block) means by it.

use foldhash::{HashMap, HashMapExt};
use model::{Labels, MatchOp, Matcher};
use std::collections::BTreeMap;

/// Labels of dense ids `0..len`, and the way back.
#[derive(Default)]
pub struct LabelIndex {
    series: Vec<Labels>,
    names: BTreeMap<Box<str>, HashMap<Box<str>, Vec<u32>>>,
    heap_bytes: usize,
}

impl LabelIndex {
    /// Adds a series; its id is the number of series before it.
    pub fn push(&mut self, labels: Labels) -> u32 {
        let id = self.series.len() as u32;
        for (name, value) in labels.iter() {
            if !self.names.contains_key(name) {
                self.names.insert(name.into(), HashMap::new());
            }
            let Some(values) = self.names.get_mut(name) else { continue };
            match values.get_mut(value) {
                Some(ids) => ids.push(id),
                None => {
                    self.heap_bytes += value.len() + 56;
                    values.insert(value.into(), vec![id]);
                }
            }
            self.heap_bytes += 4;
        }
        self.heap_bytes += labels.heap_bytes() + size_of::<Labels>();
        self.series.push(labels);
        id
    }

    /// The labels of an id.
    pub fn labels(&self, id: u32) -> &Labels {
        &self.series[id as usize]
    }

    /// All series, by id.
    pub fn series(&self) -> &[Labels] {
        &self.series
    }

    /// An estimate of the memory taken, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// For each label name: its values with the number of series of each.
    pub fn names(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = (&str, usize)>)> {
        self.names.iter().map(|(n, values)| (&**n, values.iter().map(|(v, ids)| (&**v, ids.len()))))
    }

    /// The ids, sorted, of the series that pass all matchers.
    pub fn select(&self, matchers: &[Matcher]) -> Vec<u32> {
        let (exclude, require): (Vec<_>, Vec<_>) = matchers.iter().partition(|m| m.matches_empty());
        let mut found: Option<Vec<u32>> = None;
        for matcher in require {
            let ids = self.ids_where(&matcher.name, matcher, true);
            found = Some(match found {
                None => ids,
                Some(before) => intersect(&before, &ids),
            });
            if found.as_ref().is_some_and(Vec::is_empty) {
                return Vec::new();
            }
        }
        let mut found = found.unwrap_or_else(|| (0..self.series.len() as u32).collect());
        for matcher in exclude {
            // It matches the empty value: only series that have the label with another value fall out.
            found = subtract(&found, &self.ids_where(&matcher.name, matcher, false));
        }
        found
    }

    /// The ids whose value of `name` (which they have) is matched, or is not, as `want` says.
    fn ids_where(&self, name: &str, matcher: &Matcher, want: bool) -> Vec<u32> {
        let Some(values) = self.names.get(name) else { return Vec::new() };
        if want && matcher.op == MatchOp::Equal {
            return values.get(matcher.value.as_str()).cloned().unwrap_or_default();
        }
        let mut lists = values.iter().filter(|(v, _)| matcher.matches(v) == want).map(|(_, ids)| ids);
        let Some(first) = lists.next() else { return Vec::new() };
        let mut ids = first.clone();
        let mut sorted = true;
        for list in lists {
            sorted = false;
            ids.extend_from_slice(list);
        }
        if !sorted {
            // A series has one value of a label, so that no id comes twice.
            ids.sort_unstable();
        }
        ids
    }
}

fn intersect(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (small, large) = if a.len() < b.len() { (a, b) } else { (b, a) };
    if small.len() * 16 < large.len() {
        return small.iter().copied().filter(|id| large.binary_search(id).is_ok()).collect();
    }
    let mut rest = large;
    let mut out = Vec::with_capacity(small.len());
    for id in small {
        let skip = rest.iter().take_while(|other| *other < id).count();
        rest = &rest[skip..];
        if rest.first() == Some(id) {
            out.push(*id);
        }
    }
    out
}

fn subtract(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut rest = b;
    a.iter()
        .copied()
        .filter(|id| {
            let skip = rest.iter().take_while(|other| *other < id).count();
            rest = &rest[skip..];
            rest.first() != Some(id)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The index against asking every series.
    fn check(series: &[Labels], matchers: &[Matcher]) {
        let mut index = LabelIndex::default();
        series.iter().for_each(|l| {
            index.push(l.clone());
        });
        let naive: Vec<u32> =
            (0..series.len() as u32).filter(|i| Matcher::all(matchers, &series[*i as usize])).collect();
        assert_eq!(index.select(matchers), naive, "{matchers:?}");
    }

    proptest! {
        #[test]
        fn the_same_as_asking_every_series(
            series in prop::collection::vec(prop::collection::vec((0..3usize, 0..4usize), 0..4), 0..40),
            matchers in prop::collection::vec((0..4usize, 0..4usize, 0..7usize), 0..4),
        ) {
            let names = ["a", "b", "c", "d"];
            let values = ["", "x", "y", "xy", "x|y", "x.*", ".*"];
            let ops = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
            let series: Vec<Labels> = series
                .iter()
                .map(|pairs| {
                    let unique: BTreeMap<_, _> = pairs.iter().copied().collect();
                    Labels::from_pairs(unique.into_iter().map(|(n, v)| (names[n], values[v]))).unwrap()
                })
                .collect();
            let matchers: Vec<Matcher> = matchers
                .iter()
                .map(|(n, op, v)| Matcher::new(names[*n], ops[*op], values[*v]).unwrap())
                .collect();
            check(&series, &matchers);
        }
    }
}
