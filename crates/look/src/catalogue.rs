//! All series that can be looked at, numbered, grouped and indexed as they come and go.
//! It must never hold more than its limit, and never gives one number to two series.

use crate::entity::{self, Belongs};
use crate::index::Index;
use crate::natural;
use model::{Labels, Matcher, MetricKind};
use std::collections::HashMap;
use std::sync::Arc;

/// Limits.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most series; one takes 400 to 700 bytes here (labels included).
    pub series_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { series_max: 1_000_000 }
    }
}

/// What is known of a series besides its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Counter, gauge, ...
    pub kind: MetricKind,
    /// As metadata gave it; empty if it did not.
    pub unit: Arc<str>,
    /// When it was first seen, milliseconds since 1970-01-01 UTC.
    pub first_seen_ms: i64,
}

impl Default for Facts {
    fn default() -> Self {
        Facts { kind: MetricKind::Unknown, unit: "".into(), first_seen_ms: 0 }
    }
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub id: u32,
    pub labels: Labels,
    pub facts: Facts,
    pub thing: u32,
    /// Of the metric's name, up to 63: ranking asks for it on every search.
    pub name_bytes: u8,
}

/// Series in the order of the wall: those of one thing, or of one metric.
#[derive(Debug)]
pub(crate) struct Bunch {
    pub belongs: Belongs,
    /// Places of the entries, sorted naturally by name and labels.
    pub places: Vec<u32>,
}

/// Bunches that find themselves by key and stand in order.
#[derive(Debug, Default)]
pub(crate) struct Bunches {
    pub all: Vec<Bunch>,
    by_key: HashMap<Belongs, u32>,
    /// Indexes into `all`, sorted; without the empty ones.
    pub order: Vec<u32>,
    free: Vec<u32>,
}

/// Every series. Reading takes `&self`; give it to many readers behind one lock.
#[derive(Debug, Default)]
pub struct Catalogue {
    settings: Settings,
    /// Slots are used again, so that series which come and go do not make everything longer; ids are not.
    pub(crate) entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    next_id: u32,
    by_id: HashMap<u32, u32>,
    by_labels: HashMap<Labels, u32>,
    pub(crate) things: Bunches,
    pub(crate) metrics: Bunches,
    pub(crate) index: Index,
}

impl Catalogue {
    /// An empty catalogue.
    pub fn new(settings: Settings) -> Self {
        Catalogue { settings, ..Catalogue::default() }
    }

    /// Adds a series, or finds it; its id names it until the process ends. The facts of a known series are
    /// replaced, but for the time when it was first seen. `None` when the limit is reached.
    pub fn add(&mut self, labels: &Labels, facts: Facts) -> Option<u32> {
        if let Some(place) = self.by_labels.get(labels) {
            let entry = self.entries[*place as usize].as_mut()?;
            let first_seen_ms = entry.facts.first_seen_ms.min(facts.first_seen_ms);
            entry.facts = Facts { first_seen_ms, ..facts };
            return Some(entry.id);
        }
        if self.by_labels.len() >= self.settings.series_max || self.next_id == u32::MAX {
            return None;
        }
        let id = self.next_id;
        self.next_id += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() as u32 - 1
        });
        let belongs = entity::belongs(labels);
        self.index.add(place, labels, belongs.kind.as_str(), &belongs.title);
        let metric =
            Belongs { kind: entity::Kind::Metric, title: labels.name().to_string(), parent: String::new() };
        let name_bytes = labels.name().len().min(63) as u8;
        let thing = self.things.add(belongs, place, labels, &self.entries);
        self.metrics.add(metric, place, labels, &self.entries);
        self.entries[place as usize] = Some(Entry { id, labels: labels.clone(), facts, thing, name_bytes });
        self.by_id.insert(id, place);
        self.by_labels.insert(labels.clone(), place);
        Some(id)
    }

    /// Forgets a series; false if there is none.
    pub fn remove(&mut self, id: u32) -> bool {
        let Some(place) = self.by_id.remove(&id) else { return false };
        let Some(entry) = self.entries[place as usize].as_ref() else { return false };
        let labels = entry.labels.clone();
        let belongs = self.things.all[entry.thing as usize].belongs.clone();
        self.index.remove(place, &labels, belongs.kind.as_str(), &belongs.title);
        let metric =
            Belongs { kind: entity::Kind::Metric, title: labels.name().to_string(), parent: String::new() };
        self.things.remove(&belongs, place, &labels, &self.entries);
        self.metrics.remove(&metric, place, &labels, &self.entries);
        self.by_labels.remove(&labels);
        self.entries[place as usize] = None;
        self.free.push(place);
        true
    }

    /// Labels and facts of a series.
    pub fn get(&self, id: u32) -> Option<(&Labels, &Facts)> {
        self.entry(id).map(|e| (&e.labels, &e.facts))
    }

    /// What a series belongs to.
    pub fn belongs(&self, id: u32) -> Option<&Belongs> {
        Some(&self.things.all[self.entry(id)?.thing as usize].belongs)
    }

    /// The id of a series.
    pub fn id_of(&self, labels: &Labels) -> Option<u32> {
        let place = *self.by_labels.get(labels)?;
        self.entries[place as usize].as_ref().map(|e| e.id)
    }

    fn entry(&self, id: u32) -> Option<&Entry> {
        self.entries[*self.by_id.get(&id)? as usize].as_ref()
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.by_labels.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.by_labels.is_empty()
    }

    /// Every series with its id, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Labels, &Facts)> {
        self.entries.iter().flatten().map(|e| (e.id, &e.labels, &e.facts))
    }

    /// Which slots pass all matchers. Each matcher looks at the distinct values of its label only.
    pub(crate) fn passing(&self, matchers: &[Matcher]) -> Vec<bool> {
        let mut pass: Vec<bool> = self.entries.iter().map(Option::is_some).collect();
        for matcher in matchers {
            // An absent label is an empty value.
            let mut this = vec![matcher.matches_empty(); pass.len()];
            for (value, places) in self.index.values(&matcher.name) {
                let passes = matcher.matches(value);
                places.iter().for_each(|p| this[*p as usize] = passes);
            }
            pass.iter_mut().zip(this).for_each(|(all, this)| *all &= this);
        }
        pass
    }

    /// Bytes on the heap, nearly; labels included, though they may be shared with others.
    pub fn heap_bytes(&self) -> usize {
        let labels: usize = self.entries.iter().flatten().map(|e| e.labels.heap_bytes()).sum();
        let bunches = |b: &Bunches| {
            let text =
                |b: &Bunch| 2 * (b.belongs.title.len() + b.belongs.parent.len()) + 4 * b.places.capacity();
            b.all.iter().map(text).sum::<usize>()
                + b.all.capacity() * size_of::<Bunch>()
                + b.by_key.capacity() * (size_of::<(Belongs, u32)>() + 1)
                + 4 * (b.order.capacity() + b.free.capacity())
        };
        labels
            + self.entries.capacity() * size_of::<Option<Entry>>()
            + self.by_id.capacity() * 9
            + self.by_labels.capacity() * (size_of::<(Labels, u32)>() + 1)
            + bunches(&self.things)
            + bunches(&self.metrics)
            + self.index.heap_bytes()
    }
}

impl Bunches {
    fn add(&mut self, belongs: Belongs, place: u32, labels: &Labels, entries: &[Option<Entry>]) -> u32 {
        let bunch = match self.by_key.get(&belongs) {
            Some(bunch) => *bunch,
            None => self.add_bunch(belongs),
        };
        let places = &mut self.all[bunch as usize].places;
        let at = position(places, labels, entries);
        places.insert(at, place);
        bunch
    }

    fn add_bunch(&mut self, belongs: Belongs) -> u32 {
        let at = self.order.partition_point(|b| self.all[*b as usize].belongs.order(&belongs).is_lt());
        let new = Bunch { belongs: belongs.clone(), places: Vec::new() };
        let bunch = match self.free.pop() {
            Some(bunch) => {
                self.all[bunch as usize] = new;
                bunch
            }
            None => {
                self.all.push(new);
                self.all.len() as u32 - 1
            }
        };
        self.order.insert(at, bunch);
        self.by_key.insert(belongs, bunch);
        bunch
    }

    fn remove(&mut self, belongs: &Belongs, place: u32, labels: &Labels, entries: &[Option<Entry>]) {
        let Some(bunch) = self.by_key.get(belongs).copied() else { return };
        let places = &mut self.all[bunch as usize].places;
        let at = position(places, labels, entries);
        if places.get(at) == Some(&place) {
            places.remove(at);
        }
        if places.is_empty() {
            self.by_key.remove(belongs);
            self.order.retain(|b| *b != bunch);
            self.free.push(bunch);
        }
    }
}

/// Where a series with these labels stands, or would stand.
fn position(places: &[u32], labels: &Labels, entries: &[Option<Entry>]) -> usize {
    let before = |p: &u32| match &entries[*p as usize] {
        Some(entry) => natural::compare_series(&entry.labels, labels).is_lt(),
        None => false,
    };
    // Series mostly come in their order.
    if places.last().is_none_or(before) { places.len() } else { places.partition_point(before) }
}

#[cfg(test)]
mod tests;
