//! What predicates need of the index of a file: words that a wanted row must have. It must never ask for a word that a
//! wanted row may lack; what says nothing about words asks for nothing.

use super::index::{Clauses, hash_name, hash_word};
use super::predicate::{AttributeTest, Predicate};
use super::schema::Table;
use super::words::{inner_words_of, long_words_of};
use arrow_schema::DataType;

/// Words of one predicate that are looked up at the most.
const WORDS_MAX: usize = 16;
/// Values of one predicate that are looked up at the most.
const VALUES_MAX: usize = 100;

/// The words that rows must have which satisfy all predicates.
pub fn clauses(table: Table, predicates: &[Predicate]) -> Clauses {
    predicates.iter().filter_map(|p| clause(table, p)).collect()
}

fn hashes(words: Vec<&[u8]>) -> Vec<u64> {
    words.into_iter().take(WORDS_MAX).map(hash_word).collect()
}

/// Alternatives, each with the words that it needs.
fn clause(table: Table, predicate: &Predicate) -> Option<Vec<Vec<u64>>> {
    let is_text = |name: &str| {
        table.schema().field_with_name(name).is_ok_and(|field| *field.data_type() == DataType::Utf8)
    };
    let any_of = |values: &[String]| {
        let all: Vec<Vec<u64>> = values.iter().map(|v| hashes(long_words_of(v))).collect();
        // A value without a word may be anywhere.
        (all.len() <= VALUES_MAX && all.iter().all(|words| !words.is_empty())).then_some(all)
    };
    match predicate {
        Predicate::Equals { column, value } if is_text(column) => any_of(std::slice::from_ref(value)),
        Predicate::In { column, values } if is_text(column) => any_of(values),
        Predicate::Attribute { name, test } => {
            let mut words = vec![hash_name(name)];
            if let AttributeTest::Equals(value) = test {
                words.extend(hashes(long_words_of(value)));
            }
            Some(vec![words])
        }
        Predicate::Contains(text) => one(hashes(inner_words_of(text))),
        Predicate::Word(text) | Predicate::Id(text) => one(hashes(long_words_of(text))),
        _ => None,
    }
}

fn one(words: Vec<u64>) -> Option<Vec<Vec<u64>>> {
    (!words.is_empty()).then_some(vec![words])
}
