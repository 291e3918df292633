//! Words that vary although they look like words: found by the company of the templates that differ in them alone. It must
//! never join what differs in too much, and never two that differ in a word of which there are only a few (`opened` and
//! `closed` stay two).

use super::mask::ANY;
use super::{Patterns, Template, hash};
use model::Severity;

/// So many templates that differ in one place alone become one.
const COMPANY: usize = 6;
/// Templates of one group that are compared; the newest ones.
const COMPARED_MAX: usize = 400;
/// Words that look like a level or a method vary in a few ways only, and mean something.
const SAID: [&str; 12] =
    ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "true", "false", "up", "down", "null"];

impl Patterns {
    /// The template of a masked text that was not seen before, if one with places for any word fits.
    pub(super) fn find(&self, masked: &str, service: &str) -> Option<u64> {
        let ids = self.groups.get(&super::group(service, masked))?;
        let newest = ids.iter().rev().take(COMPARED_MAX);
        // Of several the one that says most.
        newest
            .filter_map(|id| self.templates.get(id))
            .filter(|t| t.service == service && fits(&t.text, masked))
            .max_by_key(|t| t.text.split(' ').filter(|word| *word != ANY).count())
            .map(|t| t.id)
    }

    /// Looks whether the template, which is new, completes a company, and returns the one that it belongs to then.
    pub(super) fn merge_around(&mut self, id: u64, masked: &str) -> u64 {
        let Some(template) = self.templates.get(&id) else { return id };
        if template.text != masked {
            return id;
        }
        let Some(ids) = self.groups.get(&super::group(&template.service, masked)) else { return id };
        let words: Vec<&str> = masked.split(' ').collect();
        // By the place in which they differ.
        let mut company: Vec<Vec<u64>> = vec![Vec::new(); words.len()];
        for other in ids.iter().rev().take(COMPARED_MAX).filter(|other| **other != id) {
            let Some(other) = self.templates.get(other).filter(|o| o.service == template.service) else {
                continue;
            };
            if let Some(place) = only_difference(&other.text, &words) {
                company[place].push(other.id);
            }
        }
        let place = (0..words.len()).max_by_key(|place| company[*place].len());
        let Some(place) = place.filter(|p| company[*p].len() + 1 >= COMPANY && may_vary(&words, *p)) else {
            return id;
        };
        let mut text = String::new();
        for (i, word) in words.iter().enumerate() {
            if i > 0 {
                text.push(' ');
            }
            match i == place {
                true => text.push_str(&wild(word)),
                false => text.push_str(word),
            }
        }
        let mut members = std::mem::take(&mut company[place]);
        // The oldest first: its line is the example.
        members.reverse();
        members.push(id);
        self.join(&members, text).unwrap_or(id)
    }

    fn join(&mut self, members: &[u64], text: String) -> Option<u64> {
        let parts: Vec<Template> = members.iter().filter_map(|id| self.remove(*id)).collect();
        let first = parts.iter().min_by_key(|t| t.history.first_ns())?.clone();
        let mut joined = Template {
            id: hash(&first.service, &text),
            former_ids: Vec::new(),
            text,
            severity: Severity::UNKNOWN,
            ..first.clone()
        };
        for part in &parts {
            joined.severity = joined.severity.max(part.severity);
            joined.former_ids.push(part.id);
            joined.former_ids.extend(&part.former_ids);
            if part.id != first.id {
                joined.history.add(&part.history);
            }
        }
        joined.former_ids.truncate(10 * COMPANY);
        let id = joined.id;
        if let Some(known) = self.remove(id) {
            joined.history.add(&known.history);
            joined.former_ids.extend(known.former_ids);
        }
        self.insert(joined);
        Some(id)
    }
}

/// A word is a value, or a name with one: `user=<*>`.
fn wild(word: &str) -> String {
    match word.find(['=', ':']) {
        Some(at) if at + 1 < word.len() => format!("{}{ANY}", &word[..=at]),
        _ if word.ends_with(':') => format!("{ANY}:"),
        _ => ANY.to_string(),
    }
}

fn may_vary(words: &[&str], place: usize) -> bool {
    let known =
        words.iter().filter(|w| !w.starts_with(ANY) && w.bytes().any(|b| b.is_ascii_alphabetic())).count();
    // Something must be left that says what it is about.
    known > 1 && !SAID.contains(&words[place]) && Severity::from_word(words[place]).is_none()
}

/// The place of the only word in which two differ.
fn only_difference(text: &str, words: &[&str]) -> Option<usize> {
    let mut place = None;
    for (i, word) in text.split(' ').enumerate() {
        if *words.get(i)? != word {
            if place.is_some() || word.contains(ANY) || words[i].contains(ANY) {
                return None;
            }
            place = Some(i);
        }
    }
    place.filter(|p| {
        // `user=alice` and `user=bob`, but not `user=alice` and `id=alice`.
        let name = |word: &str| word.find(['=', ':']).map(|at| word[..at].to_string());
        let other = text.split(' ').nth(*p).unwrap_or("");
        let (a, b) = (words[*p], other);
        let is_word = |w: &str| w.bytes().any(|b| b.is_ascii_alphanumeric());
        is_word(a) && is_word(b) && (a.ends_with(':') && b.ends_with(':') || name(a) == name(b))
    })
}

/// Whether a text has the words of a template, and anything where it has `<*>`.
fn fits(template: &str, masked: &str) -> bool {
    let mut words = masked.split(' ');
    for want in template.split(' ') {
        let Some(got) = words.next() else { return false };
        if want == got || want == ANY && got.bytes().any(|b| b.is_ascii_alphanumeric()) {
            continue;
        }
        let is_named = want.split_once(ANY).is_some_and(|(before, behind)| {
            got.len() > before.len() + behind.len() && got.starts_with(before) && got.ends_with(behind)
        });
        if !is_named {
            return false;
        }
    }
    words.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_fit_their_lines() {
        for (template, masked, want) in [
            ("user <*> logged in", "user alice logged in", true),
            ("user <*> logged in", "user <*> logged in", true),
            ("user <*> logged in", "user alice logged out", false),
            ("user <*> logged in", "user alice logged in again", false),
            ("user=<*> ok", "user=alice ok", true),
            ("user=<*> ok", "id=alice ok", false),
            ("<*>: hello", "app: hello", true),
        ] {
            assert_eq!(fits(template, masked), want, "{template} / {masked}");
        }
    }

    #[test]
    fn two_differ_in_one_place_or_not() {
        for (a, b, want) in [
            ("user alice in", "user bob in", Some(1)),
            ("user alice in", "user alice in", None),
            ("user alice in", "guest bob in", None),
            ("user=alice in", "user=bob in", Some(0)),
            ("user=alice in", "id=bob in", None),
            ("took <*> in", "took long in", None),
            ("a [ b", "a ] b", None),
        ] {
            let words: Vec<&str> = b.split(' ').collect();
            assert_eq!(only_difference(a, &words), want, "{a} / {b}");
        }
    }
}
