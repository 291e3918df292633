//! A plain table in memory, column by column: what the classes of a capture are handed around as. It knows nothing of
//! what the columns mean, nor of how they are written.

use std::sync::Arc;

/// Values of one column; as many as the table has rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Milliseconds since 1970.
    Times(Vec<i64>),
    /// Numbers; `None` is not known.
    Integers(Vec<Option<i64>>),
    /// Texts by their place among the words.
    Texts(Texts),
}

/// A column of texts: each text once, and for each row its place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Texts {
    /// Different texts, in the order in which they came.
    pub words: Vec<Arc<str>>,
    /// For each row the place of its text in `words`.
    pub at: Vec<u32>,
}

impl Texts {
    /// The text of a row; empty beyond the end.
    pub fn get(&self, row: usize) -> &str {
        self.at.get(row).and_then(|at| self.words.get(*at as usize)).map_or("", |word| word)
    }
}

/// A table: columns of the same length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// Names and values. The first column is the time of the row.
    pub columns: Vec<(String, Values)>,
}

impl Columns {
    /// Rows.
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, |(_, values)| match values {
            Values::Times(times) => times.len(),
            Values::Integers(numbers) => numbers.len(),
            Values::Texts(texts) => texts.at.len(),
        })
    }

    /// No rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of a column.
    pub fn get(&self, name: &str) -> Option<&Values> {
        self.columns.iter().find(|(n, _)| n == name).map(|(_, values)| values)
    }

    /// A column of texts; `None` if there is none of this name or it holds something else.
    pub fn texts(&self, name: &str) -> Option<&Texts> {
        match self.get(name) {
            Some(Values::Texts(texts)) => Some(texts),
            _ => None,
        }
    }

    /// A column of numbers.
    pub fn integers(&self, name: &str) -> Option<&[Option<i64>]> {
        match self.get(name) {
            Some(Values::Integers(numbers)) => Some(numbers),
            _ => None,
        }
    }

    /// Some of the rows, by their places; what lies beyond the end is left out.
    pub fn pick(&self, rows: &[usize]) -> Columns {
        let some = |values: &Values| match values {
            Values::Times(all) => Values::Times(rows.iter().filter_map(|r| all.get(*r).copied()).collect()),
            Values::Integers(all) => {
                Values::Integers(rows.iter().filter_map(|r| all.get(*r).copied()).collect())
            }
            Values::Texts(all) => Values::Texts(Texts {
                words: all.words.clone(),
                at: rows.iter().filter_map(|r| all.at.get(*r).copied()).collect(),
            }),
        };
        Columns { columns: self.columns.iter().map(|(name, values)| (name.clone(), some(values))).collect() }
    }

    /// The times of the rows, milliseconds since 1970; empty if the first column holds something else.
    pub fn times(&self) -> &[i64] {
        match self.columns.first() {
            Some((_, Values::Times(times))) => times,
            _ => &[],
        }
    }
}
