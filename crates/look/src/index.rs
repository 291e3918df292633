//! Every distinct text of the series (metric names, label pairs, titles of things) in one buffer, each with the series
//! that have it. A word is found by one scan of the buffer, which is far smaller than the series are.
//! It knows series only as small numbers (places), and must never hold a text twice.

use crate::typo::Typed;
use memchr::memmem::Finder;
use model::Labels;
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of one text that are searched.
const TEXT_BYTES_MAX: usize = 256;
/// The buffer is rebuilt when more than half of it, and more than this, belongs to series that are gone.
const DEAD_BYTES_MIN: usize = 64 << 10;
/// Between a label's name and value in a key.
const SPLIT: char = '\u{1f}';

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceKind {
    Metric,
    Label,
    Thing,
}

#[derive(Debug)]
pub(crate) struct Source {
    key: Arc<str>,
    pub kind: SourceKind,
    start: u32,
    bytes: u32,
    /// Bytes of the label's name, or of the kind of a thing, before the separator.
    name_bytes: u32,
    /// The series with this text, sorted.
    pub places: Vec<u32>,
}

impl Source {
    fn end(&self) -> usize {
        (self.start + self.bytes) as usize
    }

    /// The metric's name, the label's name and value, or the thing's kind and title, as they were given.
    pub fn parts(&self) -> (&str, &str) {
        self.key[1..].split_once(SPLIT).unwrap_or((&self.key[1..], ""))
    }
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
    text: Vec<u8>,
    /// One bit for each byte of `text`: a word begins here.
    begins: Vec<u64>,
    pub sources: Vec<Source>,
    by_key: HashMap<Arc<str>, u32>,
    dead_bytes: usize,
}

impl Index {
    /// Adds a series at `place`, with the kind and title of what it belongs to.
    pub fn add(&mut self, place: u32, labels: &Labels, kind: &str, title: &str) {
        self.each_key(labels, kind, title, |index, key| {
            let source = match index.by_key.get(key) {
                Some(source) => *source,
                None => index.add_source(key.into()),
            };
            let places = &mut index.sources[source as usize].places;
            match places.last() {
                Some(last) if *last >= place => {
                    if let Err(at) = places.binary_search(&place) {
                        places.insert(at, place);
                    }
                }
                _ => places.push(place),
            }
        });
    }

    /// Removes it again; the same arguments as for `add`.
    pub fn remove(&mut self, place: u32, labels: &Labels, kind: &str, title: &str) {
        self.each_key(labels, kind, title, |index, key| {
            let Some(source) = index.by_key.get(key) else { return };
            let source = &mut index.sources[*source as usize];
            if let Ok(at) = source.places.binary_search(&place) {
                source.places.remove(at);
            }
            if source.places.is_empty() {
                index.dead_bytes += source.bytes as usize + 1;
                source.places = Vec::new();
                index.by_key.remove(key);
            }
        });
        if self.dead_bytes > DEAD_BYTES_MIN && self.dead_bytes > self.text.len() / 2 {
            self.rebuild();
        }
    }

    fn each_key(&mut self, labels: &Labels, kind: &str, title: &str, mut each: impl FnMut(&mut Index, &str)) {
        let mut key = String::with_capacity(128);
        for (name, value) in labels.iter() {
            key.clear();
            if name == model::NAME {
                key.extend(["m", value]);
            } else {
                key.extend(["l", name]);
                key.push(SPLIT);
                key.push_str(value);
            }
            each(self, &key);
        }
        key.clear();
        key.extend(["t", kind]);
        key.push(SPLIT);
        key.push_str(title);
        each(self, &key);
    }

    fn add_source(&mut self, key: Arc<str>) -> u32 {
        let kind = match key.as_bytes()[0] {
            b'm' => SourceKind::Metric,
            b'l' => SourceKind::Label,
            _ => SourceKind::Thing,
        };
        let start = self.text.len();
        let (mut name_bytes, mut before) = (0, ' ');
        for c in key[1..].chars() {
            if self.text.len() - start >= TEXT_BYTES_MAX {
                break;
            }
            let c = match c {
                SPLIT if kind == SourceKind::Label => '=',
                SPLIT => ' ',
                '\n' => ' ',
                c => c,
            };
            if matches!((c, kind), ('=', SourceKind::Label) | (' ', SourceKind::Thing)) && name_bytes == 0 {
                name_bytes = self.text.len() - start;
            }
            if begins_word(before, c) {
                let at = self.text.len();
                self.begins.resize(at / 64 + 1, 0);
                self.begins[at / 64] |= 1 << (at % 64);
            }
            before = c;
            for lower in c.to_lowercase() {
                self.text.extend(lower.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        let bytes = self.text.len() - start;
        self.text.push(b'\n');
        let id = self.sources.len() as u32;
        self.by_key.insert(key.clone(), id);
        self.sources.push(Source {
            key,
            kind,
            start: start as u32,
            bytes: bytes as u32,
            name_bytes: name_bytes as u32,
            places: Vec::new(),
        });
        id
    }

    /// Leaves out the texts that no series has any more.
    fn rebuild(&mut self) {
        let old = std::mem::take(self);
        for source in old.sources.into_iter().filter(|s| !s.places.is_empty()) {
            let id = self.add_source(source.key);
            self.sources[id as usize].places = source.places;
        }
    }

    /// Bytes on the heap, nearly.
    pub fn heap_bytes(&self) -> usize {
        let source = |s: &Source| s.key.len() + 16 + 4 * s.places.capacity();
        self.text.capacity()
            + 8 * self.begins.capacity()
            + self.sources.capacity() * size_of::<Source>()
            + self.sources.iter().map(source).sum::<usize>()
            + self.by_key.capacity() * (size_of::<(Arc<str>, u32)>() + 1)
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
        while let Some(step) = finder.find(&self.text[at..]) {
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
            if source.places.is_empty() {
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
        match self.text.get(at..at + pattern.len()) {
            Some(text) => text.iter().zip(pattern).all(|(t, p)| t == p || (*p == b' ' && separator(*t))),
            None => false,
        }
    }

    fn fit(&self, source: &Source, at: usize, bytes: usize) -> u8 {
        let (start, end) = (source.start as usize, at + bytes);
        let (name_end, text_end) = (start + source.name_bytes as usize, start + source.bytes as usize);
        let word_begins = self.begins(at);
        let next = self.text.get(end).copied().unwrap_or(b'\n');
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
        for source in self.sources.iter().filter(|s| !s.places.is_empty()) {
            let (start, end) = (source.start as usize, source.end());
            let (mut best, mut at) = (usize::MAX, start);
            while let Some(word) = self.next_word(at, end) {
                // Numbers are not mistyped words.
                if !self.text[word].is_ascii_digit() {
                    let word_end = self.next_word(word + 1, end).unwrap_or(end);
                    let errors = typed.compare(&self.text[word..word_end]);
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
        let all = || self.sources.iter().filter(|s| s.kind == SourceKind::Label && !s.places.is_empty());
        let pair = |s: &Source| {
            let text = &self.text[s.start as usize..s.end()];
            text.split_at(s.name_bytes as usize)
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

    /// The pairs of a label whose values pass (values as they were given); the metric's name for `__name__`.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a [u32])> + 'a {
        self.sources.iter().filter(|s| !s.places.is_empty()).filter_map(move |s| {
            let (own, value) = s.parts();
            match s.kind {
                SourceKind::Metric if name == model::NAME => Some((own, s.places.as_slice())),
                SourceKind::Label if own == name => Some((value, s.places.as_slice())),
                _ => None,
            }
        })
    }
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
