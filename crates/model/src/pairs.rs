//! Attributes: names and values as text, in one buffer. Used by log records, spans and changes, which
//! have many small ones. Values that were numbers, booleans, lists or maps where they came from are kept as
//! their text (lists and maps as JSON). It must never sort or drop by itself: who fills it decides.

use std::fmt;

/// Names and values in the order in which they were added, in one buffer.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Pairs {
    text: String,
    /// Where each name and each value ends in `text`.
    ends: Vec<(u32, u32)>,
}

impl Pairs {
    /// None.
    pub fn new() -> Pairs {
        Pairs::default()
    }

    /// Adds one at the end; a name that is there already stays and comes twice ([`Pairs::set`] replaces).
    pub fn push(&mut self, name: &str, value: &str) {
        self.text.push_str(name);
        let name_end = self.text.len() as u32;
        self.text.push_str(value);
        self.ends.push((name_end, self.text.len() as u32));
    }

    /// Adds one, or replaces the value of the first of that name. Rebuilds the buffer when it replaces.
    pub fn set(&mut self, name: &str, value: &str) {
        if self.get(name).is_none() {
            return self.push(name, value);
        }
        let mut new = Pairs::new();
        let mut replaced = false;
        for (n, v) in self.iter() {
            if n == name && !replaced {
                replaced = true;
                new.push(n, value);
            } else {
                new.push(n, v);
            }
        }
        *self = new;
    }

    /// The value of the first of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        (0..self.ends.len()).map(|i| self.at(i))
    }

    fn at(&self, i: usize) -> (&str, &str) {
        let from = if i == 0 { 0 } else { self.ends[i - 1].1 as usize };
        let (name_end, value_end) = self.ends[i];
        (&self.text[from..name_end as usize], &self.text[name_end as usize..value_end as usize])
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all names and values.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(all: I) -> Pairs {
        let mut pairs = Pairs::new();
        for (name, value) in all {
            pairs.push(name, value);
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_comes_back_in_order_and_set_replaces_the_first() {
        let mut pairs: Pairs = [("a", "1"), ("", ""), ("b", "zwei"), ("a", "3")].into_iter().collect();
        assert_eq!(pairs.iter().collect::<Vec<_>>(), [("a", "1"), ("", ""), ("b", "zwei"), ("a", "3")]);
        assert_eq!((pairs.get("a"), pairs.get("c"), pairs.len(), pairs.bytes()), (Some("1"), None, 4, 9));
        pairs.set("a", "eins");
        pairs.set("c", "4");
        assert_eq!(
            pairs.iter().collect::<Vec<_>>(),
            [("a", "eins"), ("", ""), ("b", "zwei"), ("a", "3"), ("c", "4")]
        );
    }
}
