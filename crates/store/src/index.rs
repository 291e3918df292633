//! From matchers to series and from labels to series: for each label name its values, for each value the ids that
//! have it, as compressed sets. It must never touch samples, and an id is only what its owner (a head or a block)
//! means by it.

mod select;
mod values;

use hashbrown::HashTable;
use model::Labels;
use std::collections::BTreeMap;
use stdx::ids::IdSets;
use values::Values;

/// Labels of dense ids `0..len`, and the ways back.
#[derive(Default)]
pub struct LabelIndex {
    series: Vec<Labels>,
    by_labels: HashTable<u32>,
    names: BTreeMap<Box<str>, Values>,
    sets: IdSets,
    labels_bytes: usize,
}

impl LabelIndex {
    /// Adds a series, which must not be there yet; its id is the number of series before it.
    pub fn push(&mut self, labels: Labels) -> u32 {
        let id = self.series.len() as u32;
        for (name, value) in labels.iter() {
            match self.names.get_mut(name) {
                Some(values) => values.push(value, id, &mut self.sets),
                None => {
                    let mut values = Values::default();
                    values.push(value, id, &mut self.sets);
                    self.names.insert(name.into(), values);
                }
            }
        }
        self.labels_bytes += labels.heap_bytes();
        let series = &self.series;
        self.by_labels.insert_unique(labels.hash64(), id, |id| series[*id as usize].hash64());
        self.series.push(labels);
        id
    }

    /// The id of a series.
    pub fn find(&self, labels: &Labels) -> Option<u32> {
        self.by_labels.find(labels.hash64(), |id| self.series[*id as usize] == *labels).copied()
    }

    /// The labels of an id.
    pub fn labels(&self, id: u32) -> &Labels {
        &self.series[id as usize]
    }

    /// All series, by id.
    pub fn series(&self) -> &[Labels] {
        &self.series
    }

    /// Gives back memory that was taken in advance; for an index that will not change.
    pub fn finish(&mut self) {
        self.series.shrink_to_fit();
        let series = &self.series;
        self.by_labels.shrink_to_fit(|id| series[*id as usize].hash64());
        self.names.values_mut().for_each(Values::finish);
        self.sets.finish();
    }

    /// An estimate of the memory taken, in bytes, the labels included.
    pub fn heap_bytes(&self) -> usize {
        self.labels_bytes + self.series.capacity() * size_of::<Labels>() + self.index_bytes()
    }

    /// The part of [`LabelIndex::heap_bytes`] besides the labels themselves: what it costs to find them.
    pub fn index_bytes(&self) -> usize {
        let names: usize = self
            .names
            .iter()
            .map(|(name, values)| name.len() + 16 + size_of::<Values>() + values.heap_bytes())
            .sum();
        self.by_labels.allocation_size() + names + self.sets.heap_bytes()
    }

    /// For each label name: its values with the number of series of each.
    pub fn names(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = (&str, usize)>)> {
        self.names
            .iter()
            .map(|(name, values)| (&**name, values.iter().map(|(text, set)| (text, self.sets.len(set)))))
    }
}

#[cfg(test)]
mod tests;
