//! Attributes that most rows have get columns of their own in a file (`attributes.NAME`, `resource.NAME`): they compress
//! better there, and can be read alone. The map then has the others. Reading puts them back. It must never lose one or
//! make one up: of a name that comes twice in a row, the first is in the column and the others stay in the map.

use super::evaluate::PROMOTED;
use super::rows::{PairsColumn, wrong};
use arrow_array::builder::{ArrayBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, MapArray, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::collections::HashMap;
use std::sync::Arc;
use stdx::Result;

/// An attribute gets a column if one row in so many has it.
const SHARE: u64 = 20;
/// The most columns of attributes, of rows and of resources.
const COLUMNS_MAX: usize = 48;
/// A longer name gets no column, bytes.
const NAME_BYTES_MAX: usize = 200;
/// Different names that are counted; those that come later are not.
const NAMES_MAX: usize = 10_000;

/// The columns of maps.
const MAPS: [&str; 2] = ["attributes", "resource"];

/// Names of attributes and how many rows have them, for each map.
pub type Counts = [HashMap<String, u64>; 2];

fn parts(rows: &RecordBatch, map: &str) -> Option<(StringArray, StringArray, MapArray)> {
    let map = rows.column_by_name(map)?.as_map_opt()?.clone();
    Some((map.keys().as_string_opt::<i32>()?.clone(), map.values().as_string_opt::<i32>()?.clone(), map))
}

/// An attribute that has a column of its own in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Promoted {
    /// The column's name.
    pub name: String,
    /// How many rows have it.
    pub rows: u64,
    /// No row has another of the name in its map.
    pub is_whole: bool,
}

/// Counts names.
pub fn count(rows: &RecordBatch, counts: &mut Counts) {
    for (map, counts) in MAPS.iter().zip(counts) {
        let Some((keys, ..)) = parts(rows, map) else { continue };
        for key in keys.iter().flatten().filter(|k| k.len() <= NAME_BYTES_MAX) {
            if let Some(n) = counts.get_mut(key) {
                *n += 1;
            } else if counts.len() < NAMES_MAX {
                counts.insert(key.into(), 1);
            }
        }
    }
}

/// Names of the columns that attributes get, of so many rows, the most frequent first, and how many rows have each.
pub fn choose(counts: &Counts, rows: u64) -> Vec<Promoted> {
    let mut out = Vec::new();
    for (prefix, counts) in PROMOTED.iter().zip(counts) {
        let mut all: Vec<(&String, u64)> = counts
            .iter()
            .map(|(name, n)| (name, *n))
            .filter(|(_, n)| n.saturating_mul(SHARE) >= rows)
            .collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let column = |(name, rows)| Promoted { name: format!("{prefix}{name}"), rows, is_whole: true };
        out.extend(all.into_iter().take(COLUMNS_MAX).map(column));
    }
    out
}

/// The schema of a file of rows of this schema with these columns besides.
pub fn schema(table: &SchemaRef, promoted: &[Promoted]) -> SchemaRef {
    let own = table.fields().iter().cloned();
    let more = promoted.iter().map(|p| Arc::new(Field::new(&p.name, DataType::Utf8, true)));
    Arc::new(Schema::new(own.chain(more).collect::<Vec<_>>()))
}

/// Moves attributes out of the maps into their columns.
pub fn split(rows: &RecordBatch, schema: &SchemaRef, promoted: &mut [Promoted]) -> Result<RecordBatch> {
    let mut columns = rows.columns().to_vec();
    let mut own: Vec<ArrayRef> = Vec::new();
    for (map, prefix) in MAPS.iter().zip(PROMOTED) {
        let names: Vec<String> =
            promoted.iter().filter_map(|p| p.name.strip_prefix(prefix).map(str::to_string)).collect();
        let (Some((keys, values, array)), Ok(at)) = (parts(rows, map), rows.schema().index_of(map)) else {
            continue;
        };
        if names.is_empty() {
            continue;
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (rest, mut found, twice) = split_map(&keys, &values, &array, &names)?;
        let of_map = promoted.iter_mut().filter(|p| p.name.starts_with(prefix));
        of_map.zip(twice).for_each(|(p, twice)| p.is_whole &= !twice);
        columns[at] = rest;
        own.append(&mut found);
    }
    columns.append(&mut own);
    RecordBatch::try_new(schema.clone(), columns).map_err(wrong)
}

fn split_map(
    keys: &StringArray,
    values: &StringArray,
    map: &MapArray,
    names: &[&str],
) -> Result<(ArrayRef, Vec<ArrayRef>, Vec<bool>)> {
    let mut twice = vec![false; names.len()];
    let places: foldhash::HashMap<&str, usize> = names.iter().enumerate().map(|(i, n)| (*n, i)).collect();
    let mut columns: Vec<StringBuilder> = names.iter().map(|_| StringBuilder::new()).collect();
    let mut rest = PairsColumn::default();
    // Rows have mostly the names of the row before, at the same places.
    let mut guesses: Vec<(&str, Option<usize>)> = Vec::new();
    let ends = map.value_offsets();
    for row in 0..map.len() {
        let range = ends[row] as usize..ends[row + 1] as usize;
        for (nth, at) in range.enumerate() {
            let (key, value) = (keys.value(at), values.value(at));
            let place = match guesses.get(nth) {
                Some((name, place)) if *name == key => *place,
                _ => {
                    let place = places.get(key).copied();
                    if nth < 64 {
                        guesses.truncate(nth);
                        guesses.push((key, place));
                    }
                    place
                }
            };
            match place.map(|p| (p, &mut columns[p])) {
                Some((_, column)) if column.len() <= row => {
                    (column.len()..row).for_each(|_| column.append_null());
                    column.append_value(value);
                }
                other => {
                    other.iter().for_each(|(p, _)| twice[*p] = true);
                    rest.push(key, value);
                }
            }
        }
        rest.end_row();
    }
    let finish = |mut column: StringBuilder| {
        (column.len()..map.len()).for_each(|_| column.append_null());
        Arc::new(column.finish()) as ArrayRef
    };
    Ok((rest.finish()?, columns.into_iter().map(finish).collect(), twice))
}

/// Puts attributes back into one map of a file's rows.
pub fn join(rows: &RecordBatch, map: usize) -> Result<Option<ArrayRef>> {
    let (map, prefix) = (MAPS[map], PROMOTED[map]);
    let Some(array) = rows.column_by_name(map) else { return Ok(None) };
    let schema = rows.schema();
    let own: Vec<(&str, &StringArray)> = schema
        .fields()
        .iter()
        .zip(rows.columns())
        .filter_map(|(field, column)| {
            Some((field.name().strip_prefix(prefix)?, column.as_string_opt::<i32>()?))
        })
        .collect();
    let Some((keys, values, array)) = parts(rows, map).filter(|_| !own.is_empty()) else {
        return Ok(Some(array.clone()));
    };
    let ends = array.value_offsets();
    let mut out = PairsColumn::default();
    for row in 0..rows.num_rows() {
        own.iter().filter(|(_, c)| c.is_valid(row)).for_each(|(name, c)| out.push(name, c.value(row)));
        (ends[row] as usize..ends[row + 1] as usize)
            .for_each(|at| out.push(keys.value(at), values.value(at)));
        out.end_row();
    }
    out.finish().map(Some)
}
