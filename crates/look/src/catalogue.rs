//! All series that can be looked at, numbered, grouped and indexed as they come and go.
//! It must never hold more than its limit, and never gives one number to two series.

use crate::entity::{self, Belongs};
use crate::index::Index;
use crate::natural;
use foldhash::quality::RandomState;
use hashbrown::HashTable;
use model::{Labels, Matcher};
use std::hash::BuildHasher;

/// Limits.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most series; one takes about 120 bytes here besides its labels, which are shared with the store as long as
    /// that writes the series.
    pub series_max: usize,
    /// The most series that are kept though they have been silent for longer than [`Settings::silent_after_s`]; those
    /// silent longest are forgotten first.
    pub silent_max: usize,
    /// When a series counts as silent, seconds.
    pub silent_after_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { series_max: 2_000_000, silent_max: 200_000, silent_after_s: 3_600 }
    }
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub id: u32,
    pub labels: Labels,
    pub thing: u32,
    /// When it last had a sample, or was added, seconds since 1970.
    seen_s: u32,
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
    by_key: HashTable<u32>,
    hasher: RandomState,
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
    /// Ids with their places, in order, those included that are gone until there are too many of them.
    by_id: Vec<(u32, u32)>,
    by_labels: HashTable<u32>,
    pub(crate) things: Bunches,
    pub(crate) metrics: Bunches,
    pub(crate) index: Index,
}

impl Catalogue {
    /// An empty catalogue.
    pub fn new(settings: Settings) -> Self {
        Catalogue { settings, ..Catalogue::default() }
    }

    /// One without series that gives no id again.
    pub fn emptied(&self) -> Catalogue {
        Catalogue { settings: self.settings.clone(), next_id: self.next_id, ..Catalogue::default() }
    }

    /// Adds a series, or finds it; its id names it until the process ends. `None` when the limit is reached.
    pub fn add(&mut self, labels: &Labels, now_s: u32) -> Option<u32> {
        if let Some(place) = self.place_of(labels) {
            let entry = self.entries[place as usize].as_mut()?;
            entry.seen_s = entry.seen_s.max(now_s);
            return Some(entry.id);
        }
        if self.len() >= self.settings.series_max || self.next_id == u32::MAX {
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
        let name_bytes = labels.name().len().min(63) as u8;
        let thing = self.things.add(belongs, place, labels, &self.entries);
        self.metrics.add(of_metric(labels), place, labels, &self.entries);
        let entry = Entry { id, labels: labels.clone(), thing, seen_s: now_s, name_bytes };
        self.entries[place as usize] = Some(entry);
        self.by_id.push((id, place));
        let entries = &self.entries;
        self.by_labels.insert_unique(labels.hash64(), place, |place| hash_at(entries, *place));
        Some(id)
    }

    /// Forgets a series; false if there is none.
    pub fn remove(&mut self, id: u32) -> bool {
        let Some(place) = self.place(id) else { return false };
        let Some(entry) = self.entries[place as usize].as_ref() else { return false };
        let labels = entry.labels.clone();
        let belongs = self.things.all[entry.thing as usize].belongs.clone();
        self.index.remove(place, &labels, belongs.kind.as_str(), &belongs.title);
        self.things.remove(&belongs, place, &labels, &self.entries);
        self.metrics.remove(&of_metric(&labels), place, &labels, &self.entries);
        if let Ok(entry) = self.by_labels.find_entry(labels.hash64(), |other| *other == place) {
            entry.remove();
        }
        self.entries[place as usize] = None;
        self.free.push(place);
        if self.by_id.len() > 1024 && self.by_id.len() > 2 * self.len() {
            let entries = &self.entries;
            self.by_id.retain(|(id, place)| entries[*place as usize].as_ref().is_some_and(|e| e.id == *id));
            self.by_id.shrink_to(2 * self.len());
        }
        true
    }

    /// Notes which series had samples a moment ago (those with an id from `next_id` on were not asked about), and tells
    /// which of the others should be forgotten: those silent since before `oldest_s`, from when on anything is kept at
    /// all, and those silent longest where there are too many.
    pub fn age(
        &mut self,
        had_samples: impl Fn(u32) -> bool,
        next_id: u32,
        now_s: u32,
        oldest_s: u32,
    ) -> Vec<u32> {
        let mut silent: Vec<(u32, u32)> = Vec::new();
        for entry in self.entries.iter_mut().flatten().filter(|e| e.id < next_id) {
            if had_samples(entry.id) {
                entry.seen_s = entry.seen_s.max(now_s);
            } else if entry.seen_s.saturating_add(self.settings.silent_after_s) < now_s {
                silent.push((entry.seen_s, entry.id));
            }
        }
        silent.sort_unstable();
        let too_many = silent.len().saturating_sub(self.settings.silent_max);
        let gone = too_many.max(silent.partition_point(|(seen_s, _)| *seen_s < oldest_s));
        silent.truncate(gone);
        silent.into_iter().map(|(_, id)| id).collect()
    }

    /// The id that the next new series gets.
    pub fn next_id(&self) -> u32 {
        self.next_id
    }

    /// Labels of a series.
    pub fn get(&self, id: u32) -> Option<&Labels> {
        self.entry(id).map(|e| &e.labels)
    }

    /// What a series belongs to.
    pub fn belongs(&self, id: u32) -> Option<&Belongs> {
        Some(&self.things.all[self.entry(id)?.thing as usize].belongs)
    }

    /// The id of a series.
    pub fn id_of(&self, labels: &Labels) -> Option<u32> {
        self.entries[self.place_of(labels)? as usize].as_ref().map(|e| e.id)
    }

    fn place_of(&self, labels: &Labels) -> Option<u32> {
        let is_it = |place: &u32| self.entries[*place as usize].as_ref().is_some_and(|e| e.labels == *labels);
        self.by_labels.find(labels.hash64(), is_it).copied()
    }

    fn place(&self, id: u32) -> Option<u32> {
        let at = self.by_id.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        let place = self.by_id[at].1;
        self.entries[place as usize].as_ref().filter(|e| e.id == id).map(|_| place)
    }

    fn entry(&self, id: u32) -> Option<&Entry> {
        self.entries[self.place(id)? as usize].as_ref()
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
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Labels)> {
        self.entries.iter().flatten().map(|e| (e.id, &e.labels))
    }

    /// Which slots pass all matchers. Each matcher looks at the distinct values of its label only.
    pub(crate) fn passing(&self, matchers: &[Matcher]) -> Vec<bool> {
        let mut pass: Vec<bool> = self.entries.iter().map(Option::is_some).collect();
        for matcher in matchers {
            // An absent label is an empty value.
            let mut this = vec![matcher.matches_empty(); pass.len()];
            for (value, source) in self.index.values(&matcher.name) {
                let passes = matcher.matches(value);
                self.index.for_each_place(source, |p| this[p as usize] = passes);
            }
            pass.iter_mut().zip(this).for_each(|(all, this)| *all &= this);
        }
        pass
    }

    /// Bytes on the heap, nearly, besides the labels, which the store holds too.
    pub fn heap_bytes(&self) -> usize {
        let bunches = |b: &Bunches| {
            let text = |b: &Bunch| b.belongs.title.len() + b.belongs.parent.len() + 4 * b.places.capacity();
            b.all.iter().map(text).sum::<usize>()
                + b.all.capacity() * size_of::<Bunch>()
                + b.by_key.allocation_size()
                + 4 * (b.order.capacity() + b.free.capacity())
        };
        self.entries.capacity() * size_of::<Option<Entry>>()
            + 4 * self.free.capacity()
            + self.by_id.capacity() * 8
            + self.by_labels.allocation_size()
            + bunches(&self.things)
            + bunches(&self.metrics)
            + self.index.heap_bytes()
    }
}

fn of_metric(labels: &Labels) -> Belongs {
    Belongs { kind: entity::Kind::Metric, title: labels.name().to_string(), parent: String::new() }
}

fn hash_at(entries: &[Option<Entry>], place: u32) -> u64 {
    entries[place as usize].as_ref().map_or(0, |e| e.labels.hash64())
}

impl Bunches {
    fn add(&mut self, belongs: Belongs, place: u32, labels: &Labels, entries: &[Option<Entry>]) -> u32 {
        let bunch = self.find(&belongs).unwrap_or_else(|| self.add_bunch(belongs));
        let places = &mut self.all[bunch as usize].places;
        let at = position(places, labels, entries);
        places.insert(at, place);
        bunch
    }

    fn find(&self, belongs: &Belongs) -> Option<u32> {
        let hash = self.hasher.hash_one(belongs);
        self.by_key.find(hash, |bunch| self.all[*bunch as usize].belongs == *belongs).copied()
    }

    /// Where a bunch stands in the order, or would stand.
    fn at(&self, belongs: &Belongs) -> usize {
        self.order.partition_point(|b| self.all[*b as usize].belongs.order(belongs).is_lt())
    }

    fn add_bunch(&mut self, belongs: Belongs) -> u32 {
        let (at, hash) = (self.at(&belongs), self.hasher.hash_one(&belongs));
        let new = Bunch { belongs, places: Vec::new() };
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
        let Bunches { all, hasher, .. } = self;
        self.by_key.insert_unique(hash, bunch, |b| hasher.hash_one(&all[*b as usize].belongs));
        bunch
    }

    fn remove(&mut self, belongs: &Belongs, place: u32, labels: &Labels, entries: &[Option<Entry>]) {
        let Some(bunch) = self.find(belongs) else { return };
        let places = &mut self.all[bunch as usize].places;
        let at = position(places, labels, entries);
        if places.get(at) == Some(&place) {
            places.remove(at);
        }
        if places.is_empty() {
            *places = Vec::new();
            let hash = self.hasher.hash_one(belongs);
            if let Ok(entry) = self.by_key.find_entry(hash, |other| *other == bunch) {
                entry.remove();
            }
            let at = self.at(belongs);
            match self.order.get(at) {
                Some(found) if *found == bunch => drop(self.order.remove(at)),
                // Two of the same order, such as a thing and its namesake without a parent.
                _ => self.order.retain(|b| *b != bunch),
            }
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
