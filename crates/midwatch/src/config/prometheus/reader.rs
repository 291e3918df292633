//! Walking a tree by tables of keys: what is unknown, has no effect or is refused is said here, once for all places.
//! It must never let a key pass that no table has.

use super::keys::{Key, Support};
use crate::config::problems::Problems;
use crate::config::values;
use document::did_you_mean;
use document::{Node, Value};
use std::fmt;

/// Where in the file: `scrape_configs[0].params`.
#[derive(Clone, Debug, Default)]
pub struct Place(String);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Place {
    /// A place of that name.
    pub fn named(name: &str) -> Place {
        Place(name.into())
    }

    /// The place of a key here.
    pub fn key(&self, key: &str) -> Place {
        let key: String = key.chars().take(100).collect();
        Place(if self.0.is_empty() { key } else { format!("{}.{key}", self.0) })
    }

    /// Says what should be here.
    pub fn expected(&self, node: &Node, what: &str, problems: &mut Problems) {
        let place = if self.0.is_empty() { String::new() } else { format!("{self}: ") };
        problems.error(node.line, format!("{place}expected {what}, found {}", node.kind()));
    }

    /// A text that is not empty.
    pub fn text(&self, node: &Node, to: &mut String, problems: &mut Problems) {
        match node.text() {
            Some(text) if !text.is_empty() => *to = text.into(),
            _ => self.expected(node, "a text", problems),
        }
    }

    /// A text, or nothing, which is the empty text.
    pub fn any_text(&self, node: &Node, to: &mut String, problems: &mut Problems) {
        match (&node.value, node.text()) {
            (_, Some(text)) => *to = text.into(),
            (Value::Null, _) => to.clear(),
            _ => self.expected(node, "a text", problems),
        }
    }

    /// A duration; nothing leaves `to_ms` as it is.
    pub fn duration(&self, node: &Node, to_ms: &mut u64, problems: &mut Problems) {
        if let Some(ms) = self.parsed(node, values::duration_ms, problems) {
            if ms == 0 {
                problems.error(node.line, format!("{self} must be longer than 0"));
            } else {
                *to_ms = ms;
            }
        }
    }

    /// A single value that `parse` reads; `None` for nothing, and for what it cannot read, which is a problem.
    pub fn parsed<T>(
        &self,
        node: &Node,
        parse: fn(&str) -> Result<T, String>,
        problems: &mut Problems,
    ) -> Option<T> {
        match (&node.value, node.text()) {
            (Value::Null, _) => None,
            (_, Some(text)) => {
                parse(text).map_err(|e| problems.error(node.line, format!("{self}: {e}"))).ok()
            }
            _ => {
                self.expected(node, "a single value", problems);
                None
            }
        }
    }
}

/// Calls `on` for each key that is used, with its place; says what is wrong with the others.
pub fn each(
    node: &Node,
    place: &Place,
    tables: &[&[Key]],
    problems: &mut Problems,
    mut on: impl FnMut(&str, &Node, &Place, &mut Problems),
) {
    let entries = match &node.value {
        Value::Map(entries) => entries,
        Value::Null => return,
        _ => return place.expected(node, "a table of keys", problems),
    };
    for entry in entries {
        let at = place.key(&entry.key);
        let mut known = tables.iter().flat_map(|table| table.iter());
        match known.find(|(name, _)| *name == entry.key).map(|(_, support)| support) {
            Some(Support::Used(_)) => on(&entry.key, &entry.value, &at, problems),
            Some(Support::NoEffect(why)) => {
                problems.warning(entry.line, format!("{at} has no effect: {why}"))
            }
            Some(Support::Refused(instead)) => {
                problems.error(entry.line, format!("{at} is not supported; {instead}"));
            }
            None => {
                let names = tables.iter().flat_map(|table| table.iter()).map(|(name, _)| *name);
                let hint = did_you_mean(&entry.key, names);
                problems.error(entry.line, format!("unknown key {at}{hint}"));
            }
        }
    }
}

/// The items of a list with their places; nothing is an empty list.
pub fn list_of<'n>(node: &'n Node, place: &Place, problems: &mut Problems) -> Vec<(&'n Node, Place)> {
    match &node.value {
        Value::List(items) => {
            items.iter().enumerate().map(|(i, item)| (item, Place(format!("{place}[{i}]")))).collect()
        }
        Value::Null => Vec::new(),
        _ => {
            place.expected(node, "a list", problems);
            Vec::new()
        }
    }
}

/// A list of texts; a single one is a list of one.
pub fn texts_of(node: &Node, place: &Place, problems: &mut Problems) -> Vec<String> {
    if let Some(text) = node.text() {
        return vec![text.into()];
    }
    let mut out = Vec::new();
    for (item, place) in list_of(node, place, problems) {
        let mut text = String::new();
        place.any_text(item, &mut text, problems);
        out.push(text);
    }
    out
}

/// A truth value; nothing leaves `to` as it is.
pub fn bool_of(node: &Node, place: &Place, to: &mut bool, problems: &mut Problems) {
    match (node.truth(), &node.value) {
        (Some(truth), _) => *to = truth,
        (None, Value::Null) => {}
        _ => place.expected(node, "true or false", problems),
    }
}
