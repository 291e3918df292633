//! Finding series as one types: every word must be there; the best fitting come first, in groups.
//!
//! Cost: one scan of the distinct texts for each word, one visit of each series that has one of them, one pass over the
//! series in their standing order. Nothing is sorted but groups and, within them, series of different fit.

use crate::catalogue::{Bunches, Catalogue};
use crate::entity::Kind;
use crate::index::{Source, SourceKind};
use crate::query::{self, What, Word};
use model::Matcher;

/// How results are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum GroupBy {
    /// By what they belong to.
    #[default]
    Entity,
    /// By metric name.
    Metric,
}

/// What to find.
#[derive(Clone, Copy)]
pub struct Find<'a> {
    /// What was typed; see [`query`]. Empty finds all.
    pub q: &'a str,
    /// Series must pass all of these too.
    pub matchers: &'a [Matcher],
    /// Series must pass this too (given their id), where it is there: the caller's own filter, such as having samples in a range of time.
    pub keep: Option<&'a dyn Fn(u32) -> bool>,
    /// Grouping.
    pub group: GroupBy,
    /// The most ids in the answer.
    pub limit: usize,
}

impl Default for Find<'_> {
    fn default() -> Self {
        Find { q: "", matchers: &[], keep: None, group: GroupBy::Entity, limit: 200_000 }
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// How many series were found, the ones past the limit included.
    pub total: usize,
    /// Whether `ids` holds fewer than that.
    pub truncated: bool,
    /// Group `i` holds `ids[first .. first + count]`.
    pub groups: Vec<Group>,
    /// Series in the order in which to show them.
    pub ids: Vec<u32>,
    /// How the last word could go on, best first.
    pub suggestions: Vec<Suggestion>,
}

/// Series that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Name of the thing or metric.
    pub title: String,
    /// Its kind.
    pub kind: Kind,
    /// What it is part of; may be empty.
    pub parent: String,
    /// Index of its first id.
    pub first: usize,
    /// How many ids.
    pub count: usize,
}

/// A way in which the last word could go on.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// Text to put into the search box.
    pub text: String,
    /// `metric` or `label`.
    pub kind: &'static str,
    /// How many of the found series have it.
    pub series: usize,
}

/// The most suggestions of an answer.
pub const SUGGESTIONS_MAX: usize = 10;
/// The low bits of a score hold the length of the metric's name, up to 63.
const NAME_BITS: u16 = 6;
/// The score of a series that does not fit.
const OUT: u16 = u16::MAX;

impl Catalogue {
    /// Finds series. Reads only what it holds: no samples.
    pub fn find(&self, find: Find<'_>) -> Found {
        let words = query::parse(find.q);
        if words.is_empty() && find.matchers.is_empty() && find.keep.is_none() {
            return self.gather(&find, None);
        }
        let scores = self.scores(&words, &find);
        let mut found = self.gather(&find, Some(&scores));
        found.suggestions = self.suggest(&words, &scores);
        found
    }

    /// A score for each place, smaller is better, `OUT` for what does not fit.
    fn scores(&self, words: &[Word], find: &Find<'_>) -> Vec<u16> {
        let count = self.entries.len();
        let mut scores = vec![0u16; count];
        if !find.matchers.is_empty() {
            let pass = self.passing(find.matchers);
            scores.iter_mut().zip(pass).for_each(|(score, pass)| *score = if pass { 0 } else { OUT });
        }
        let mut best = vec![u8::MAX; count];
        for word in words {
            best.fill(u8::MAX);
            self.fits(word, |source, fit| {
                self.index.for_each_place(source, |p| best[p as usize] = best[p as usize].min(fit));
            });
            for (score, best) in scores.iter_mut().zip(&best) {
                let fits = (*best != u8::MAX) != word.exclude;
                let add = if word.exclude { 0 } else { u16::from(*best) };
                *score = if fits && *score != OUT { score.saturating_add(add) } else { OUT };
            }
        }
        for (place, score) in scores.iter_mut().enumerate().filter(|(_, score)| **score != OUT) {
            match &self.entries[place] {
                Some(entry) if find.keep.is_none_or(|keep| keep(entry.id)) => {
                    // Among metrics whose names fit equally well the shorter comes first.
                    let bytes = if words.is_empty() { 0 } else { entry.name_bytes };
                    *score = (*score << NAME_BITS) | u16::from(bytes);
                }
                _ => *score = OUT,
            }
        }
        scores
    }

    /// Every text that fits a word. Typing errors are forgiven only where nothing fits as it was typed.
    fn fits<'a>(&'a self, word: &Word, mut found: impl FnMut(&'a Source, u8)) {
        match &word.what {
            What::Text(text) => self.text_fits(text, word.exclude, found),
            What::Label { name, value, text } => {
                let any = self.index.find_label(name, value, &mut found);
                if !any && !text.is_empty() {
                    self.text_fits(text, word.exclude, found);
                }
            }
        }
    }

    fn text_fits<'a>(&'a self, text: &str, exclude: bool, mut found: impl FnMut(&'a Source, u8)) {
        let mut any = false;
        self.index.find(text, |source, fit| {
            any = true;
            found(source, fit);
        });
        if !any && !exclude {
            self.index.find_nearly(text, found);
        }
    }

    /// Puts what fits into groups; everything, in its standing order, when there are no scores.
    fn gather(&self, find: &Find<'_>, scores: Option<&[u16]>) -> Found {
        let bunches: &Bunches = match find.group {
            GroupBy::Entity => &self.things,
            GroupBy::Metric => &self.metrics,
        };
        // A thing and its series keep their standing order among equals, whatever the length of names.
        let shift = if find.group == GroupBy::Entity { NAME_BITS } else { 0 };
        // For each bunch with results: its best score, its index, and where its places stand in `places`.
        let mut chosen: Vec<(u16, u32, usize, usize)> = Vec::new();
        let mut places: Vec<u32> = Vec::with_capacity(self.len());
        for index in &bunches.order {
            let (all, first) = (&bunches.all[*index as usize].places, places.len());
            let mut best = 0;
            if let Some(scores) = scores {
                places.extend(all.iter().filter(|p| scores[**p as usize] != OUT));
                let own = &mut places[first..];
                let score = |p: &u32| scores[*p as usize] >> shift;
                best = own.iter().map(score).min().unwrap_or(OUT);
                if own.iter().any(|p| score(p) != best) {
                    own.sort_by_key(score);
                }
            } else {
                places.extend(all);
            }
            if places.len() > first {
                chosen.push((best, *index, first, places.len()));
            }
        }
        chosen.sort_by_key(|c| c.0);
        let mut found = Found { total: places.len(), ..Found::default() };
        found.truncated = found.total > find.limit;
        found.ids.reserve(found.total.min(find.limit));
        for (_, index, from, to) in chosen {
            let room = find.limit - found.ids.len();
            if room == 0 {
                break;
            }
            let first = found.ids.len();
            let ids = places[from..to].iter().filter_map(|p| Some(self.entries[*p as usize].as_ref()?.id));
            found.ids.extend(ids.take(room));
            let belongs = &bunches.all[index as usize].belongs;
            found.groups.push(Group {
                title: belongs.title.clone(),
                kind: belongs.kind,
                parent: belongs.parent.clone(),
                first,
                count: found.ids.len() - first,
            });
        }
        found
    }

    /// Metrics and labels that the last word fits, with how many of the found series have them.
    fn suggest(&self, words: &[Word], scores: &[u16]) -> Vec<Suggestion> {
        let Some(word) = words.last().filter(|w| !w.exclude) else { return Vec::new() };
        let mut candidates: Vec<(u8, usize, &Source)> = Vec::new();
        self.fits(word, |source, fit| {
            if source.kind != SourceKind::Thing {
                candidates.push((fit, self.index.count(source), source));
            }
        });
        candidates.sort_by(|a, b| (a.0, b.1).cmp(&(b.0, a.1)));
        let mut out = Vec::new();
        for (_, _, source) in candidates.into_iter().take(10 * SUGGESTIONS_MAX) {
            let mut series = 0;
            self.index.for_each_place(source, |p| series += usize::from(scores[p as usize] != OUT));
            if series == 0 {
                continue;
            }
            let (name, value) = self.index.parts(source);
            let quote = |t: &str| if t.contains([' ', '"']) { format!("\"{t}\"") } else { t.to_string() };
            out.push(match source.kind {
                SourceKind::Label => {
                    Suggestion { text: format!("{name}={}", quote(value)), kind: "label", series }
                }
                _ => Suggestion { text: quote(name), kind: "metric", series },
            });
            if out.len() == SUGGESTIONS_MAX {
                break;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests;
