//! What a regular expression asks of a whole text, where that can be said without running it: anything, one of some
//! texts, some beginnings. An index looks those up; only the rest it has to scan. It must never leave out what the
//! expression matches, and its own work is bounded whatever the expression.

use crate::matcher::whole_regex;
use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

/// Texts that an expression is taken apart into at the most, such as the alternatives of `a|b|c`.
const TEXTS_MAX: usize = 10_000;
/// Texts that come of multiplying, as in `[ab][cd]`, at the most.
const PRODUCT_MAX: usize = 256;
/// Repetitions that are written out, as in `a{3}`, at the most.
const REPEAT_MAX: u32 = 64;
/// Bytes that are written while an expression is taken apart, at the most.
const WORK_BYTES_MAX: usize = 4 << 20;

/// An expression that has to match the whole text.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) kind: Kind,
    pub(crate) matches_empty: bool,
}

/// What it asks for.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Any text.
    Any,
    /// Any text but the empty one.
    Present,
    /// One of these, sorted.
    Set(Vec<String>),
    /// A text that begins with one of these (sorted, none the beginning of another) and matches the expression if there
    /// is one; or the empty text if the pattern says so.
    Begins(Vec<String>, Option<Regex>),
    /// A text that ends so.
    Ends(String),
    /// A text that holds this somewhere.
    Holds(String),
    /// What the expression matches.
    Other(Regex),
}

impl Pattern {
    /// Takes an expression apart; `.` matches newlines too. It is compiled only where it will be run.
    ///
    /// # Errors
    /// The expression's own message, in one line; also past the bound on its size.
    pub(crate) fn new(pattern: &str) -> Result<Pattern, String> {
        let compiled = || whole_regex(pattern);
        let mut parser = regex_syntax::ParserBuilder::new().dot_matches_new_line(true).build();
        let Ok(hir) = parser.parse(pattern) else {
            // The same parser inside says what is wrong, in its words.
            let regex = compiled()?;
            return Ok(Pattern { matches_empty: regex.is_match(""), kind: Kind::Other(regex) });
        };
        if let Some(kind) = around(&hir) {
            return Ok(Pattern { kind, matches_empty: false });
        }
        let heads = Taker { work: 0 }.heads(&hir, true, true);
        let (kind, matches_empty) = match heads.and_then(sort_out) {
            Some(Known::All(kind, matches_empty)) => (kind, matches_empty),
            Some(Known::Beginnings(heads, matches_empty)) => {
                (Kind::Begins(heads, Some(compiled()?)), matches_empty)
            }
            None => {
                let regex = compiled()?;
                let matches_empty = regex.is_match("");
                (Kind::Other(regex), matches_empty)
            }
        };
        Ok(Pattern { kind, matches_empty })
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        if text.is_empty() {
            return self.matches_empty;
        }
        match &self.kind {
            Kind::Any | Kind::Present => true,
            Kind::Set(texts) => texts.binary_search_by(|t| t.as_str().cmp(text)).is_ok(),
            Kind::Begins(heads, regex) => {
                // No head begins another: the last one that is not after the text is the only one that can begin it.
                let at = heads.partition_point(|h| h.as_str() <= text);
                at > 0 && text.starts_with(&heads[at - 1]) && regex.as_ref().is_none_or(|r| r.is_match(text))
            }
            Kind::Ends(end) => text.ends_with(end.as_str()),
            Kind::Holds(part) => text.contains(part.as_str()),
            Kind::Other(regex) => regex.is_match(text),
        }
    }
}

/// One way in which a matched text can begin, and what comes then.
#[derive(Clone)]
struct Head {
    text: String,
    then: Then,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Nothing.
    End,
    /// Anything, also nothing: `.*`.
    Any,
    /// At least one character: `.+`.
    More,
    /// Something that has to be asked of the expression.
    Unknown,
}

fn one(text: &str, then: Then) -> Vec<Head> {
    vec![Head { text: text.into(), then }]
}

/// Any character at all.
fn is_any(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            matches!(class.ranges(), [range] if range.start() == '\0' && range.end() == char::MAX)
        }
        HirKind::Capture(capture) => is_any(&capture.sub),
        _ => false,
    }
}

fn is_anything(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Repetition(r) => r.min == 0 && r.max.is_none() && is_any(&r.sub),
        HirKind::Capture(capture) => is_anything(&capture.sub),
        _ => false,
    }
}

/// `.*text` and `.*text.*`.
fn around(hir: &Hir) -> Option<Kind> {
    let HirKind::Concat(parts) = hir.kind() else { return None };
    let (before, literal, after) = match parts.as_slice() {
        [before, literal] => (before, literal, None),
        [before, literal, after] => (before, literal, Some(after)),
        _ => return None,
    };
    let HirKind::Literal(literal) = literal.kind() else { return None };
    let text = std::str::from_utf8(&literal.0).ok()?.to_string();
    match after {
        _ if !is_anything(before) => None,
        None => Some(Kind::Ends(text)),
        Some(after) => is_anything(after).then_some(Kind::Holds(text)),
    }
}

/// What is known of an expression, and whether the empty text matches.
enum Known {
    /// It need not be run.
    All(Kind, bool),
    /// These are the beginnings of what it matches; the rest has to be asked of it.
    Beginnings(Vec<String>, bool),
}

/// What heads amount to; `None` if a match can begin with anything.
fn sort_out(heads: Vec<Head>) -> Option<Known> {
    let of_nothing = |then: Then| heads.iter().any(|h| h.text.is_empty() && h.then == then);
    let matches_empty = of_nothing(Then::End) || of_nothing(Then::Any);
    if of_nothing(Then::Any) || (of_nothing(Then::More) && matches_empty) {
        return Some(Known::All(Kind::Any, true));
    }
    if of_nothing(Then::Unknown) {
        return None;
    }
    if of_nothing(Then::More) {
        return Some(Known::All(Kind::Present, false));
    }
    let is_set = heads.iter().all(|h| h.then == Then::End);
    let is_whole = heads.iter().all(|h| h.then == Then::Any || h.text.is_empty());
    let mut texts: Vec<String> = heads.into_iter().map(|h| h.text).collect();
    texts.sort_unstable();
    texts.dedup();
    if is_set {
        return Some(Known::All(Kind::Set(texts), matches_empty));
    }
    texts.retain(|t| !t.is_empty());
    let mut shortest: Vec<String> = Vec::new();
    for text in texts {
        if shortest.last().is_none_or(|s| !text.starts_with(s.as_str())) {
            shortest.push(text);
        }
    }
    Some(match is_whole {
        true => Known::All(Kind::Begins(shortest, None), matches_empty),
        false => Known::Beginnings(shortest, matches_empty),
    })
}

/// Takes expressions apart within a bound.
struct Taker {
    work: usize,
}

impl Taker {
    /// The ways in which a match can begin, all of them; `None` if that would be too many. `first` and `last` say
    /// whether nothing can stand before and after.
    fn heads(&mut self, hir: &Hir, first: bool, last: bool) -> Option<Vec<Head>> {
        match hir.kind() {
            HirKind::Empty => Some(one("", Then::End)),
            HirKind::Literal(literal) => {
                self.spend(literal.0.len())?;
                Some(match std::str::from_utf8(&literal.0) {
                    Ok(text) => one(text, Then::End),
                    Err(_) => one("", Then::Unknown),
                })
            }
            HirKind::Class(class) => self.class(class),
            HirKind::Look(Look::Start | Look::StartLF) if first => Some(one("", Then::End)),
            HirKind::Look(Look::End | Look::EndLF) if last => Some(one("", Then::End)),
            HirKind::Look(_) => Some(one("", Then::Unknown)),
            HirKind::Repetition(repetition) => self.repetition(repetition),
            HirKind::Capture(capture) => self.heads(&capture.sub, first, last),
            HirKind::Concat(parts) => {
                let mut heads = one("", Then::End);
                for (i, part) in parts.iter().enumerate() {
                    let first = first && heads.iter().all(|h| h.text.is_empty() && h.then == Then::End);
                    let is_end = |h: &Hir| matches!(h.kind(), HirKind::Look(Look::End | Look::EndLF));
                    let last = last && parts[i + 1..].iter().all(is_end);
                    if heads.iter().all(|h| h.then == Then::Unknown) {
                        break;
                    }
                    let next = self.heads(part, first, last)?;
                    heads = self.concat(heads, &next)?;
                }
                Some(heads)
            }
            HirKind::Alternation(parts) => {
                let mut all = Vec::new();
                for part in parts {
                    all.append(&mut self.heads(part, first, last)?);
                    if all.len() > TEXTS_MAX {
                        return None;
                    }
                }
                Some(all)
            }
        }
    }

    fn class(&mut self, class: &Class) -> Option<Vec<Head>> {
        let bytes_as_text;
        let class = match class {
            Class::Unicode(class) => class,
            Class::Bytes(class) => match class.to_unicode_class() {
                Some(class) => {
                    bytes_as_text = class;
                    &bytes_as_text
                }
                None => return Some(one("", Then::Unknown)),
            },
        };
        let count: usize = class.ranges().iter().map(regex_syntax::hir::ClassUnicodeRange::len).sum();
        if count > PRODUCT_MAX {
            return Some(one("", Then::Unknown));
        }
        self.spend(4 * count)?;
        let chars = class.ranges().iter().flat_map(|r| r.start()..=r.end());
        Some(chars.map(|c| Head { text: c.into(), then: Then::End }).collect())
    }

    fn repetition(&mut self, repetition: &Repetition) -> Option<Vec<Head>> {
        let Repetition { min, max, ref sub, .. } = *repetition;
        match (min, max) {
            (0, None) if is_any(sub) => return Some(one("", Then::Any)),
            (1, None) if is_any(sub) => return Some(one("", Then::More)),
            (0, Some(0)) => return Some(one("", Then::End)),
            (0, Some(1)) => {
                let mut heads = self.heads(sub, false, false)?;
                heads.extend(one("", Then::End));
                return Some(heads);
            }
            (0, _) => return Some(one("", Then::Unknown)),
            _ => {}
        }
        let sub = self.heads(sub, false, false)?;
        let mut heads = one("", Then::End);
        for _ in 0..min.min(REPEAT_MAX) {
            heads = self.concat(heads, &sub)?;
        }
        if max != Some(min) || min > REPEAT_MAX {
            heads.iter_mut().for_each(|h| h.then = Then::Unknown);
        }
        Some(heads)
    }

    /// The heads of one thing after another.
    fn concat(&mut self, heads: Vec<Head>, next: &[Head]) -> Option<Vec<Head>> {
        if matches!(next, [Head { text, then: Then::End }] if text.is_empty()) {
            return Some(heads);
        }
        let open = heads.iter().filter(|h| h.then == Then::End).count();
        let product = open.saturating_mul(next.len());
        let too_many = open > 1 && next.len() > 1 && product > PRODUCT_MAX || product > TEXTS_MAX;
        let mut all = Vec::with_capacity(if too_many { heads.len() } else { heads.len() - open + product });
        for head in heads {
            if head.then != Then::End || too_many {
                all.push(Head { then: Then::Unknown, ..head });
                continue;
            }
            for Head { text, then } in next {
                self.spend(head.text.len() + text.len())?;
                all.push(Head { text: [head.text.as_str(), text].concat(), then: *then });
            }
        }
        Some(all)
    }

    /// `None` when the bound is passed. Each step counts a little, so that empty texts are bounded too.
    fn spend(&mut self, bytes: usize) -> Option<()> {
        self.work += bytes + 16;
        (self.work <= WORK_BYTES_MAX).then_some(())
    }
}

#[cfg(test)]
mod tests;
