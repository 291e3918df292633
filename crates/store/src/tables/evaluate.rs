//! Applies predicates to rows. Rows may have attributes in columns of their own beside the map (`attributes.NAME`), as
//! they are in files. It must never panic on any rows or predicate.

use super::predicate::{AttributeTest, Prepared};
use super::schema::Table;
use super::words::WordFinder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampNanosecondType, UInt8Type, UInt64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, MapArray, RecordBatch, StringArray};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;

/// What a column's name begins with that holds one attribute: of the row, and of its resource.
pub const PROMOTED: [&str; 2] = ["attributes.", "resource."];

/// Which rows of a table lie in the range (both ends included) and satisfy all predicates.
pub fn select(table: Table, rows: &RecordBatch, from_ns: i64, to_ns: i64, all: &[Prepared]) -> BooleanArray {
    let times = super::recent::times(rows);
    let in_range = |i: usize| times.get(i).is_some_and(|t| (from_ns..=to_ns).contains(t));
    let mut chosen = BooleanBuffer::collect_bool(rows.num_rows(), in_range);
    for predicate in all {
        if chosen.count_set_bits() == 0 {
            break;
        }
        chosen = &chosen & &evaluate(table, rows, predicate, &chosen);
    }
    BooleanArray::new(chosen, None)
}

/// Which rows satisfy the predicate; of rows that are not in `among` anything may be said.
fn evaluate(table: Table, rows: &RecordBatch, predicate: &Prepared, among: &BooleanBuffer) -> BooleanBuffer {
    let n = rows.num_rows();
    let none = || BooleanBuffer::new_unset(n);
    let by_row = |test: &dyn Fn(usize) -> bool| BooleanBuffer::collect_bool(n, |i| among.value(i) && test(i));
    match predicate {
        Prepared::In { column, values, numbers } => match rows.column_by_name(column) {
            None => none(),
            Some(array) => match texts(array) {
                Some(texts) => {
                    let is_one = |t: &str| match values.as_slice() {
                        [value] => value == t,
                        values => values.binary_search_by(|v| v.as_str().cmp(t)).is_ok(),
                    };
                    by_row(&|i| texts.is_valid(i) && is_one(texts.value(i)))
                }
                None => by_row(&|i| number(array, i).is_some_and(|v| numbers.contains(&v))),
            },
        },
        Prepared::Between { column, min, max } => match rows.column_by_name(column) {
            None => none(),
            Some(array) => {
                let range = i128::from(*min)..=i128::from(*max);
                // The most of a column of 64 bits without sign is beyond any bound that can be given.
                by_row(&|i| {
                    number(array, i)
                        .is_some_and(|v| range.contains(&v) || (*max == i64::MAX && v > *range.end()))
                })
            }
        },
        Prepared::Attribute { name, test } => attribute(rows, name, test, among),
        Prepared::Contains(finder) => text(table, rows, &|t| finder.find(t).is_some(), among),
        Prepared::Word(finder) => text(table, rows, &|t| finder.is_in(t), among),
        Prepared::Regex(regex) => text(table, rows, &|t| regex.is_match(t), among),
        Prepared::Id(finder) => anywhere(rows, finder, among),
        Prepared::Not(inner) => !&evaluate(table, rows, inner, among),
    }
}

fn texts(array: &ArrayRef) -> Option<&StringArray> {
    array.as_string_opt::<i32>()
}

fn number(array: &ArrayRef, row: usize) -> Option<i128> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::UInt8 => array.as_primitive_opt::<UInt8Type>().map(|a| i128::from(a.value(row))),
        DataType::UInt64 => array.as_primitive_opt::<UInt64Type>().map(|a| i128::from(a.value(row))),
        DataType::Int64 => array.as_primitive_opt::<Int64Type>().map(|a| i128::from(a.value(row))),
        DataType::Timestamp(..) => {
            array.as_primitive_opt::<TimestampNanosecondType>().map(|a| i128::from(a.value(row)))
        }
        _ => None,
    }
}

fn text(
    table: Table,
    rows: &RecordBatch,
    test: &dyn Fn(&[u8]) -> bool,
    among: &BooleanBuffer,
) -> BooleanBuffer {
    match rows.column_by_name(table.text_column()).and_then(texts) {
        None => BooleanBuffer::new_unset(rows.num_rows()),
        Some(texts) => {
            BooleanBuffer::collect_bool(texts.len(), |i| among.value(i) && test(texts.value(i).as_bytes()))
        }
    }
}

/// Keys and values of a map, and where each row's begin.
fn map_parts(map: &MapArray) -> Option<(&StringArray, &StringArray, &[i32])> {
    Some((map.keys().as_string_opt::<i32>()?, map.values().as_string_opt::<i32>()?, map.value_offsets()))
}

fn attribute(rows: &RecordBatch, name: &str, test: &AttributeTest, among: &BooleanBuffer) -> BooleanBuffer {
    let maps: Vec<_> = ["attributes", "resource"]
        .into_iter()
        .filter_map(|m| map_parts(rows.column_by_name(m)?.as_map_opt()?))
        .collect();
    let own: Vec<&StringArray> = PROMOTED
        .into_iter()
        .filter_map(|prefix| texts(rows.column_by_name(&format!("{prefix}{name}"))?))
        .collect();
    let (wanted, if_there) = match test {
        AttributeTest::Exists => (None, true),
        AttributeTest::Equals(value) => (Some(value.as_str()), true),
        AttributeTest::NotEquals(value) => (Some(value.as_str()), false),
    };
    BooleanBuffer::collect_bool(rows.num_rows(), |i| {
        if !among.value(i) {
            return false;
        }
        let (mut is_there, mut is_equal) = (false, wanted.is_none());
        let mut see = |value: &str| {
            is_there = true;
            is_equal |= wanted == Some(value);
        };
        own.iter().filter(|a| a.is_valid(i)).for_each(|a| see(a.value(i)));
        for (keys, values, ends) in &maps {
            for at in ends[i] as usize..ends[i + 1] as usize {
                if keys.value(at) == name {
                    see(values.value(at));
                }
            }
        }
        is_there && is_equal == if_there
    })
}

/// Rows that have the word in any text.
fn anywhere(rows: &RecordBatch, finder: &WordFinder, among: &BooleanBuffer) -> BooleanBuffer {
    let mut found = vec![false; rows.num_rows()];
    for array in rows.columns() {
        search(array, finder, &mut |i| {
            if let Some(found) = found.get_mut(i) {
                *found = true;
            }
        });
    }
    BooleanBuffer::collect_bool(found.len(), |i| among.value(i) && found[i])
}

/// Calls `hit` with each row of the column that has the word.
fn search(array: &ArrayRef, finder: &WordFinder, hit: &mut dyn FnMut(usize)) {
    match array.data_type() {
        DataType::Utf8 => {
            let Some(texts) = texts(array) else { return };
            (0..texts.len())
                .filter(|i| texts.is_valid(*i) && finder.is_in(texts.value(*i).as_bytes()))
                .for_each(hit);
        }
        DataType::Map(..) => {
            let Some((_, values, ends)) = array.as_map_opt().and_then(map_parts) else { return };
            let is_in = |at: usize| values.is_valid(at) && finder.is_in(values.value(at).as_bytes());
            (0..array.len()).filter(|i| (ends[*i] as usize..ends[i + 1] as usize).any(is_in)).for_each(hit);
        }
        DataType::List(_) => {
            let Some(list) = array.as_list_opt::<i32>() else { return };
            let Some(items) = list.values().as_struct_opt() else { return };
            let ends = list.value_offsets();
            for column in items.columns() {
                search(column, finder, &mut |at| {
                    let row = ends.partition_point(|end| *end as usize <= at);
                    hit(row.saturating_sub(1));
                });
            }
        }
        _ => {}
    }
}
