//! Every distinct text of the series (metric names, label pairs, titles of things) in one buffer, each with the series
//! that have it. A word is found by one scan of the buffer, which is far smaller than the series are.
//! It knows series only as small numbers (places), and must never hold a text twice.

use crate::typo::Typed;
use foldhash::quality::RandomState;
use hashbrown::HashTable;
use memchr::memmem::Finder;
use model::Labels;
use std::collections::HashMap;
use std::hash::BuildHasher;
use stdx::ids::{IdSets, SetRef};

/// Bytes of one text that are searched.
const TEXT_BYTES_MAX: usize = 256;
/// Bytes of all texts that are searched: a place in them has 32 bits.
const ALL_BYTES_MAX: usize = 1 << 31;
/// The buffer is rebuilt when more than half of it, and more than this, belongs to series that are gone.
const DEAD_BYTES_MIN: usize = 64 << 10;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SourceKind {
    Metric,
    Label,
    Thing,
}

/// One text. What it was before it was made lower case, cut and joined is read off the buffer where that is the same.
#[derive(Debug)]
pub(crate) struct Source {
    start: u32,
    bytes: u16,
    /// Bytes of the label's name, or of the kind of a thing, before the separator.
    name_bytes: u16,
    hash: u32,
    set: SetRef,
    pub kind: SourceKind,
    is_alive: bool,
}

impl Source {
    fn end(&self) -> usize {
        self.start as usize + usize::from(self.bytes)
    }
}

/// The metric's name, the label's name and value, or the thing's kind and title.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key<'a> {
    kind: SourceKind,
    name: &'a str,
    value: &'a str,
}

/// How well a word fits a text; smaller is better.
pub(crate) mod fit {
    pub const METRIC: u8 = 0;
    pub const THING: u8 = 3;
    pub const METRIC_START: u8 = 4;
    pub const VALUE: u8 = 5;
    pub const METRIC_WORD: u8 = 6;
    pub const THING_WORD: u8 = 7;
    pub const METRIC_WORD_START: u8 = 8;
    pub const VALUE_WORD: u8 = 9;
    pub const VALUE_START: u8 = 10;
    pub const LABEL_NAME: u8 = 14;
    pub const LABEL_NAME_START: u8 = 15;
    pub const METRIC_INSIDE: u8 = 16;
    pub const INSIDE: u8 = 18;
    pub const TYPO: u8 = 22;
    pub const TYPO_STEP: u8 = 4;
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Texts in lower case, each followed by a line feed (which no text holds).
    text: String,
    /// One bit for each byte of `text`: a word begins here.
    begins: Vec<u64>,
    pub sources: Vec<Source>,
    /// Names and values of sources of which `text` holds something else.
    originals: HashMap<u32, (Box<str>, Box<str>)>,
    /// The series of each source.
    sets: IdSets,
    by_key: HashTable<u32>,
    /// Keyed, so that nobody can aim collisions at us.
    hasher: RandomState,
    dead_bytes: usize,
}

fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Index {
    /// Adds a series at `place`, with the kind and title of what it belongs to.
    pub fn add(&mut self, place: u32, labels: &Labels, kind: &str, title: &str) {
        for key in keys(labels, kind, title) {
            match self.source(key) {
                Some(source) => self.sets.insert(&mut self.sources[source as usize].set, place),
                None => {
                    let set = self.sets.one(place);
                    self.add_source(key, set);
                }
            }
        }
    }

    /// Removes it again; the same arguments as for `add`.
    pub fn remove(&mut self, place: u32, labels: &Labels, kind: &str, title: &str) {
        for key in keys(labels, kind, title) {
            let Some(id) = self.source(key) else { continue };
            let source = &mut self.sources[id as usize];
            if self.sets.remove(&mut source.set, place) {
                source.is_alive = false;
                self.dead_bytes += usize::from(source.bytes) + 1;
                if let Ok(entry) = self.by_key.find_entry(spread(source.hash), |other| *other == id) {
                    entry.remove();
                }
                self.originals.remove(&id);
            }
        }
        if self.dead_bytes > DEAD_BYTES_MIN && self.dead_bytes > self.text.len() / 2 {
            self.rebuild();
        }
    }

    fn hash(&self, key: Key<'_>) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    fn source(&self, key: Key<'_>) -> Option<u32> {
        let hash = self.hash(key);
        let is_it = |id: &u32| {
            let source = &self.sources[*id as usize];
            source.hash == hash && source.kind == key.kind && self.parts(source) == (key.name, key.value)
        };
        self.by_key.find(spread(hash), is_it).copied()
    }

    /// The metric's name, the label's name and value, or the thing's kind and title, as they were given.
    pub fn parts<'a>(&'a self, source: &Source) -> (&'a str, &'a str) {
        if !self.originals.is_empty()
            && let Ok(id) = self.sources.binary_search_by_key(&source.start, |s| s.start)
            && let Some((name, value)) = self.originals.get(&(id as u32))
        {
            return (name, value);
        }
        let text = &self.text[source.start as usize..source.end()];
        match source.kind {
            SourceKind::Metric => (text, ""),
            _ => (
                text.get(..usize::from(source.name_bytes)).unwrap_or_default(),
                text.get(usize::from(source.name_bytes) + 1..).unwrap_or_default(),
            ),
        }
    }

    /// How many series have the text.
    pub fn count(&self, source: &Source) -> usize {
        if source.is_alive { self.sets.len(source.set) } else { 0 }
    }

    /// Calls `each` with the places of the series that have the text.
    pub fn for_each_place(&self, source: &Source, each: impl FnMut(u32)) {
        if source.is_alive {
            self.sets.for_each(source.set, each);
        }
    }

    fn add_source(&mut self, key: Key<'_>, set: SetRef) {
        let start = self.text.len();
        let room = if start < ALL_BYTES_MAX { TEXT_BYTES_MAX } else { 0 };
        let (separator, parts) = match key.kind {
            SourceKind::Metric => (None, [key.name, ""]),
            SourceKind::Label => (Some('='), [key.name, key.value]),
            SourceKind::Thing => (Some(' '), [key.name, key.value]),
        };
        let (mut name_bytes, mut before, mut is_whole) = (0, ' ', true);
        let chars = parts[0].chars().map(|c| (c, false));
        let chars = chars.chain(separator.map(|c| (c, true))).chain(parts[1].chars().map(|c| (c, false)));
        for (c, is_separator) in chars {
            if self.text.len() - start >= room {
                is_whole = false;
                break;
            }
            if is_separator {
                name_bytes = self.text.len() - start;
            }
            let one = if c == '\n' { ' ' } else { c };
            if begins_word(before, one) {
                let at = self.text.len();
                self.begins.resize(at / 64 + 1, 0);
                self.begins[at / 64] |= 1 << (at % 64);
            }
            before = one;
            self.text.extend(one.to_lowercase());
            is_whole &= one == c && self.text.ends_with(c);
        }
        let bytes = self.text.len() - start;
        self.text.push('\n');
        let (id, hash) = (self.sources.len() as u32, self.hash(key));
        if !is_whole {
            self.originals.insert(id, (key.name.into(), key.value.into()));
        }
        self.sources.push(Source {
            start: start as u32,
            bytes: bytes as u16,
            name_bytes: name_bytes as u16,
            hash,
            set,
            kind: key.kind,
            is_alive: true,
        });
        let sources = &self.sources;
        self.by_key.insert_unique(spread(hash), id, |id| spread(sources[*id as usize].hash));
    }

    /// Leaves out the texts that no series has any more.
    fn rebuild(&mut self) {
        let mut old = std::mem::take(self);
        self.sets = std::mem::take(&mut old.sets);
        for source in old.sources.iter().filter(|s| s.is_alive) {
            let (name, value) = old.parts(source);
            self.add_source(Key { kind: source.kind, name, value }, source.set);
        }
    }

    /// Bytes on the heap, nearly.
    pub fn heap_bytes(&self) -> usize {
        let original = |(name, value): &(Box<str>, Box<str>)| name.len() + value.len() + 32;
        self.text.capacity()
            + 8 * self.begins.capacity()
            + self.sources.capacity() * size_of::<Source>()
            + self.originals.values().map(original).sum::<usize>()
            + self.originals.capacity() * (size_of::<(u32, (Box<str>, Box<str>))>() + 1)
            + self.sets.heap_bytes()
            + self.by_key.allocation_size()
    }

    fn begins(&self, at: usize) -> bool {
        self.begins.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Calls `found(source, fit)` for every text that holds `pattern` (in lower case, not empty; a space stands for any
    /// separator), once each with the best fit.
    pub fn find<'a>(&'a self, pattern: &str, mut found: impl FnMut(&'a Source, u8)) {
        let needle = pattern.split(' ').next().unwrap_or(pattern);
        if needle.is_empty() {
            return;
        }
        let finder = Finder::new(needle.as_bytes());
        let (mut at, mut current, mut best) = (0, 0, u8::MAX);
        while let Some(step) = finder.find(&self.text.as_bytes()[at..]) {
            at += step;
            if at >= self.sources[current].end() {
                if best != u8::MAX {
                    found(&self.sources[current], best);
                }
                best = u8::MAX;
                current += 1;
                if at >= self.sources[current].end() {
                    current += self.sources[current..].partition_point(|s| s.end() <= at);
                }
            }
            let source = &self.sources[current];
            if !source.is_alive {
                at = source.end();
                continue;
            }
            if self.holds(at, pattern.as_bytes()) {
                best = best.min(self.fit(source, at, pattern.len()));
                // Nothing better can come in this text, or it is not worth looking for.
                if best < fit::METRIC_INSIDE {
                    at = source.end();
                    continue;
                }
            }
            at += 1;
        }
        if best != u8::MAX {
            found(&self.sources[current], best);
        }
    }

    /// Whether the pattern stands at `at`; spaces in it match whatever is no letter or digit.
    fn holds(&self, at: usize, pattern: &[u8]) -> bool {
        let separator = |b: u8| b.is_ascii() && !b.is_ascii_alphanumeric() && b != b'\n';
        match self.text.as_bytes().get(at..at + pattern.len()) {
            Some(text) => text.iter().zip(pattern).all(|(t, p)| t == p || (*p == b' ' && separator(*t))),
            None => false,
        }
    }

    fn fit(&self, source: &Source, at: usize, bytes: usize) -> u8 {
        let (start, end) = (source.start as usize, at + bytes);
        let (name_end, text_end) = (start + usize::from(source.name_bytes), source.end());
        let word_begins = self.begins(at);
        let next = self.text.as_bytes().get(end).copied().unwrap_or(b'\n');
        let word_ends =
            end == text_end || self.begins(end) || (next.is_ascii() && !next.is_ascii_alphanumeric());
        match source.kind {
            SourceKind::Metric if at == start && end == text_end => fit::METRIC,
            SourceKind::Metric if at == start => fit::METRIC_START,
            SourceKind::Metric if word_begins && word_ends => fit::METRIC_WORD,
            SourceKind::Metric if word_begins => fit::METRIC_WORD_START,
            SourceKind::Metric => fit::METRIC_INSIDE,
            SourceKind::Thing if at == name_end + 1 && end == text_end => fit::THING,
            SourceKind::Thing if word_begins && word_ends => fit::THING_WORD,
            SourceKind::Thing if word_begins => fit::VALUE_START,
            SourceKind::Label if at < name_end && at == start => {
                if word_ends {
                    fit::LABEL_NAME
                } else {
                    fit::LABEL_NAME_START
                }
            }
            SourceKind::Label if at < name_end => fit::INSIDE,
            SourceKind::Label if at == name_end + 1 && end == text_end => fit::VALUE,
            SourceKind::Label if word_begins && word_ends => fit::VALUE_WORD,
            SourceKind::Label if word_begins => fit::VALUE_START,
            SourceKind::Thing | SourceKind::Label => fit::INSIDE,
        }
    }

    /// Calls `found` for every text with a word that the typed one may have been meant to be.
    pub fn find_nearly<'a>(&'a self, typed: &str, mut found: impl FnMut(&'a Source, u8)) {
        let Some(typed) = Typed::new(typed) else { return };
        for source in self.sources.iter().filter(|s| s.is_alive) {
            let (start, end) = (source.start as usize, source.end());
            let (mut best, mut at) = (usize::MAX, start);
            while let Some(word) = self.next_word(at, end) {
                // Numbers are not mistyped words.
                if !self.text.as_bytes()[word].is_ascii_digit() {
                    let word_end = self.next_word(word + 1, end).unwrap_or(end);
                    let errors = typed.compare(&self.text.as_bytes()[word..word_end]);
                    best = best.min(errors.unwrap_or(usize::MAX));
                }
                at = word + 1;
            }
            if best <= 2 {
                found(source, fit::TYPO + fit::TYPO_STEP * best.saturating_sub(1) as u8);
            }
        }
    }

    /// The place of the next beginning of a word in `from..end`.
    fn next_word(&self, from: usize, end: usize) -> Option<usize> {
        let mut at = from;
        while at < end {
            let rest = self.begins.get(at / 64)? >> (at % 64);
            if rest != 0 {
                at += rest.trailing_zeros() as usize;
                return (at < end).then_some(at);
            }
            at = (at / 64 + 1) * 64;
        }
        None
    }

    /// Calls `found` for every pair of the label `name` (a beginning of it, if no label has just this name): those with just this
    /// value, else those that begin so, else those that hold it. False if there is none.
    pub fn find_label<'a>(&'a self, name: &str, value: &str, mut found: impl FnMut(&'a Source, u8)) -> bool {
        if name == model::NAME && !value.is_empty() {
            self.find(value, |s, fit| {
                if s.kind == SourceKind::Metric {
                    found(s, fit)
                }
            });
            return true;
        }
        let all = || self.sources.iter().filter(|s| s.kind == SourceKind::Label && s.is_alive);
        let pair = |s: &Source| {
            let text = &self.text.as_bytes()[s.start as usize..s.end()];
            text.split_at(usize::from(s.name_bytes))
        };
        let exact = all().any(|s| pair(s).0 == name.as_bytes());
        let fits = |s: &&Source| {
            let own = pair(s).0;
            if exact { own == name.as_bytes() } else { own.starts_with(name.as_bytes()) }
        };
        let sources: Vec<&'a Source> = all().filter(fits).collect();
        let finder = Finder::new(value.as_bytes());
        for fit in [fit::VALUE, fit::VALUE_START, fit::INSIDE] {
            let fits = |s: &&&Source| {
                let own = pair(s).1.get(1..).unwrap_or_default();
                match fit {
                    fit::VALUE => own == value.as_bytes(),
                    fit::VALUE_START => own.starts_with(value.as_bytes()),
                    _ => finder.find(own).is_some(),
                }
            };
            let mut any = false;
            for source in sources.iter().filter(fits) {
                found(source, fit);
                any = true;
            }
            if any {
                return true;
            }
        }
        false
    }

    /// The values of a label as they were given; the metrics' names for `__name__`.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a Source)> + 'a {
        self.sources.iter().filter(|s| s.is_alive).filter_map(move |s| match s.kind {
            SourceKind::Metric if name == model::NAME => Some((self.parts(s).0, s)),
            SourceKind::Label => {
                Some(self.parts(s)).filter(|(own, _)| *own == name).map(|(_, value)| (value, s))
            }
            _ => None,
        })
    }
}

/// The texts of a series.
fn keys<'a>(labels: &'a Labels, kind: &'a str, title: &'a str) -> impl Iterator<Item = Key<'a>> {
    let of_label = |(name, value)| match name {
        model::NAME => Key { kind: SourceKind::Metric, name: value, value: "" },
        name => Key { kind: SourceKind::Label, name, value },
    };
    labels.iter().map(of_label).chain([Key { kind: SourceKind::Thing, name: kind, value: title }])
}

/// Words begin after separators, at a capital after a small letter or digit, and where letters and digits meet.
fn begins_word(before: char, c: char) -> bool {
    c.is_alphanumeric()
        && (!before.is_alphanumeric()
            || (c.is_uppercase() && !before.is_uppercase())
            || (c.is_ascii_digit() != before.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
