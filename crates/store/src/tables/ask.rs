//! What pages ask of a table beside its rows: counts over time, which fields there are with their commonest values, and
//! everything about one identifier. It must never take more memory for many different values than for few.

use super::back::entries;
use super::evaluate::PROMOTED;
use super::recent::times;
use super::{Order, Predicate, Scan, ScanStats, Table, Tables};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt8Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use model::Severity;
use std::collections::HashMap;
use stdx::{Error, Result};

/// Counts of rows over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// When the first bucket begins, nanoseconds since 1970.
    pub start_ns: i64,
    /// Length of a bucket, nanoseconds.
    pub width_ns: i64,
    /// For each value of what was asked by, the most frequent first, the count in each bucket. One group without a name
    /// if nothing was asked by; groups beyond the bound are together in one with the name `other`.
    pub groups: Vec<(String, Vec<u64>)>,
    /// What was read for it.
    pub stats: ScanStats,
}

/// The most buckets.
const BUCKETS_MAX: usize = 2_000;
/// The most groups; the others are counted together.
const GROUPS_MAX: usize = 50;
/// Rows that are looked at to find out which fields there are: the newest.
const SAMPLE_ROWS: usize = 50_000;
/// The most fields, and different values of one, that are counted.
const FIELDS_MAX: usize = 1_000;
const VALUES_MAX: usize = 500;
/// The most values of a field that are told, and bytes of one.
const VALUES_TOLD: usize = 10;
const VALUE_BYTES_MAX: usize = 200;

/// A field and its commonest values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Field {
    /// Its name: of a column, or of an attribute with `attributes.` or `resource.` before it.
    pub name: String,
    /// Rows that have it, among those that were looked at.
    pub rows: u64,
    /// Its commonest values and how many rows have each, among those that were looked at; long ones are cut.
    pub values: Vec<(String, u64)>,
    /// There are more values than were counted.
    pub has_more: bool,
}

/// Which fields there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    /// Those that most rows have first.
    pub fields: Vec<Field>,
    /// Rows that were looked at: the newest.
    pub rows: u64,
    /// There are rows that were not looked at.
    pub is_sample: bool,
    /// What was read for it.
    pub stats: ScanStats,
}

/// Rows of one table about an identifier.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which table.
    pub table: Table,
    /// The newest rows, the newest first.
    pub rows: Vec<RecordBatch>,
    /// There are more.
    pub has_more: bool,
    /// What was read for it.
    pub stats: ScanStats,
}

/// The value of a single-valued column, as text.
fn value(array: &ArrayRef, name: &str, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    if let Some(texts) = array.as_string_opt::<i32>() {
        return Some(texts.value(row).to_string());
    }
    if let Some(numbers) = array.as_primitive_opt::<UInt8Type>() {
        let number = numbers.value(row);
        let is_severity = name == "severity";
        return Some(if is_severity {
            Severity::from_number(number).name().into()
        } else {
            number.to_string()
        });
    }
    let small = array.as_primitive_opt::<UInt64Type>().map(|a| a.value(row).to_string());
    small.or_else(|| array.as_primitive_opt::<Int64Type>().map(|a| a.value(row).to_string()))
}

impl Tables {
    /// Counts rows in so many equal parts of a time range (both ends included), by a column or not.
    ///
    /// # Errors
    /// `Invalid` if something asked for makes no sense; those of reading.
    pub fn histogram(
        &self,
        table: Table,
        (from_ns, to_ns): (i64, i64),
        predicates: Vec<Predicate>,
        buckets: usize,
        by: Option<&str>,
    ) -> Result<Histogram> {
        if to_ns < from_ns || !(1..=BUCKETS_MAX).contains(&buckets) {
            let text = format!(
                "from 1 to {BUCKETS_MAX} buckets of a time that does not end before it begins can be counted"
            );
            return Err(Error::invalid(text));
        }
        let span = i128::from(to_ns) - i128::from(from_ns) + 1;
        let width = (span + buckets as i128 - 1) / buckets as i128;
        let columns = Some(std::iter::once("time").chain(by).map(String::from).collect());
        let mut rows = self.scan(Scan { from_ns, to_ns, predicates, columns, ..Scan::new(table) })?;
        let mut groups: HashMap<String, Vec<u64>> = HashMap::new();
        for batch in rows.by_ref() {
            let batch = batch?;
            let column = by.and_then(|by| batch.column_by_name(by));
            let mut last: Option<String> = None;
            for (row, time_ns) in times(&batch).iter().enumerate() {
                let name = match (column, by) {
                    (Some(column), Some(by)) => value(column, by, row).unwrap_or_default(),
                    _ => String::new(),
                };
                let name = match groups.len() >= GROUPS_MAX && !groups.contains_key(&name) {
                    true => "other".to_string(),
                    false => name,
                };
                if last.as_ref() != Some(&name) && !groups.contains_key(&name) {
                    groups.insert(name.clone(), vec![0; buckets]);
                }
                let bucket = ((i128::from(*time_ns) - i128::from(from_ns)) / width) as usize;
                if let Some(count) = groups.get_mut(&name).and_then(|g| g.get_mut(bucket)) {
                    *count += 1;
                }
                last = Some(name);
            }
        }
        let mut groups: Vec<(String, Vec<u64>)> = groups.into_iter().collect();
        groups.sort_by_key(|(name, counts)| (std::cmp::Reverse(counts.iter().sum::<u64>()), name.clone()));
        let width_ns = i64::try_from(width).unwrap_or(i64::MAX);
        Ok(Histogram { start_ns: from_ns, width_ns, groups, stats: rows.stats().clone() })
    }

    /// Which fields rows have, by the newest of those that are wanted.
    ///
    /// # Errors
    /// `Invalid` if something asked for makes no sense; those of reading.
    pub fn fields(
        &self,
        table: Table,
        (from_ns, to_ns): (i64, i64),
        predicates: Vec<Predicate>,
    ) -> Result<Fields> {
        let schema = table.schema();
        let is_single = |name: &str| name != "time" && name != table.text_column() && !name.ends_with("_id");
        let columns = schema.fields().iter().filter(|f| {
            PROMOTED.iter().any(|p| p.strip_suffix('.') == Some(f.name()))
                || !f.data_type().is_nested() && is_single(f.name())
        });
        let columns = Some(columns.map(|f| f.name().clone()).collect());
        let (limit, order) = (Some(SAMPLE_ROWS + 1), Order::NewestFirst);
        let mut found =
            self.scan(Scan { from_ns, to_ns, predicates, columns, order, limit, ..Scan::new(table) })?;
        let mut counts = FieldCounts::default();
        let mut rows = 0;
        for batch in found.by_ref() {
            let batch = batch?;
            rows += batch.num_rows();
            for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
                match array.as_map_opt() {
                    Some(map) => (0..map.len()).for_each(|row| {
                        for (name, value) in entries(Some(map), row) {
                            counts.add(field.name(), name, value);
                        }
                    }),
                    None => (0..array.len())
                        .filter_map(|row| value(array, field.name(), row))
                        .for_each(|value| counts.add("", field.name(), &value)),
                }
            }
        }
        let is_sample = rows > SAMPLE_ROWS;
        Ok(Fields { fields: counts.finish(), rows: rows as u64, is_sample, stats: found.stats().clone() })
    }

    /// Everything that has this identifier as a word, in all tables: at most so many rows of each.
    ///
    /// # Errors
    /// `Invalid` if there is no word in it; those of reading.
    pub fn by_id(&self, text: &str, (from_ns, to_ns): (i64, i64), limit: usize) -> Result<Vec<Found>> {
        let mut all = Vec::new();
        for table in Table::ALL {
            let mut found = self.scan(Scan {
                from_ns,
                to_ns,
                predicates: vec![Predicate::Id(text.into())],
                order: Order::NewestFirst,
                limit: Some(limit.saturating_add(1)),
                ..Scan::new(table)
            })?;
            let mut rows: Vec<RecordBatch> = found.by_ref().collect::<Result<_>>()?;
            let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
            if count > limit
                && let Some(last) = rows.last_mut()
            {
                *last = last.slice(0, last.num_rows() - (count - limit));
            }
            all.push(Found { table, rows, has_more: count > limit, stats: found.stats().clone() });
        }
        Ok(all)
    }
}

/// Counts of values by field.
#[derive(Default)]
struct FieldCounts(HashMap<&'static str, HashMap<String, FieldCount>>);

#[derive(Default)]
struct FieldCount {
    rows: u64,
    values: HashMap<String, u64>,
    /// There are values that were not counted one by one.
    has_more: bool,
}

impl FieldCounts {
    fn add(&mut self, map: &str, name: &str, value: &str) {
        let map = PROMOTED.into_iter().find(|p| p.strip_suffix('.') == Some(map)).unwrap_or("");
        let fields = self.0.entry(map).or_default();
        let is_full = fields.len() >= FIELDS_MAX;
        let field = match fields.get_mut(name) {
            Some(field) => field,
            None if is_full => return,
            None => fields.entry(name.into()).or_default(),
        };
        field.rows += 1;
        let is_full = field.values.len() >= VALUES_MAX;
        let end = value.floor_char_boundary(VALUE_BYTES_MAX);
        match field.values.get_mut(&value[..end]) {
            Some(n) => *n += 1,
            None if is_full => field.has_more = true,
            None => drop(field.values.insert(value[..end].into(), 1)),
        }
    }

    fn finish(self) -> Vec<Field> {
        let mut out = Vec::new();
        for (map, fields) in self.0 {
            for (name, FieldCount { rows, values, has_more }) in fields {
                let has_more = has_more || values.len() > VALUES_TOLD;
                let mut values: Vec<(String, u64)> = values.into_iter().collect();
                values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
                values.truncate(VALUES_TOLD);
                out.push(Field { name: format!("{map}{name}"), rows, values, has_more });
            }
        }
        out.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.name.cmp(&b.name)));
        out.truncate(FIELDS_MAX);
        out
    }
}
