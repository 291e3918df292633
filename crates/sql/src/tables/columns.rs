//! Columns that several tables share: instants, label sets as maps, and the number of a series.

use datafusion::arrow::array::{
    ArrayRef, MapBuilder, MapFieldNames, StringArray, StringBuilder, TimestampNanosecondArray, UInt32Array,
};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::Result;
use model::labels::NAME;
use model::{Histogram, Labels};
use std::fmt::Write;
use std::sync::Arc;

/// Nanoseconds of a millisecond.
pub const NS_PER_MS: i64 = 1_000_000;

/// The zone of all instants, as the engine's `now()` has it.
pub fn zone() -> Arc<str> {
    "UTC".into()
}

/// The type of instants.
pub fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some(zone()))
}

/// Instants from milliseconds; one that nanoseconds cannot hold is the nearest that they can.
pub fn instants(ms: impl Iterator<Item = i64>) -> ArrayRef {
    let ns = TimestampNanosecondArray::from_iter_values(ms.map(|ms| ms.saturating_mul(NS_PER_MS)));
    Arc::new(ns.with_timezone(zone()))
}

/// A column of maps from text to text.
pub fn map_field(name: &str) -> Field {
    let entries = [Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)];
    Field::new_map(name, "entries", Arc::new(entries[0].clone()), Arc::new(entries[1].clone()), false, false)
}

/// Label sets as maps, without the metric's name.
fn maps<'a>(sets: impl Iterator<Item = &'a Labels>) -> Result<ArrayRef> {
    let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
    let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for labels in sets {
        for (name, value) in labels.iter().filter(|(name, _)| *name != NAME) {
            builder.keys().append_value(name);
            builder.values().append_value(value);
        }
        builder.append(true)?;
    }
    Ok(Arc::new(builder.finish()))
}

/// Label sets of rows that come in runs: each set once, and for each row which one.
#[derive(Default)]
pub struct Runs {
    sets: Vec<Labels>,
    rows: Vec<u32>,
}

impl Runs {
    /// So many rows of one set.
    pub fn push(&mut self, labels: &Labels, rows: usize) {
        let run = self.sets.len() as u32;
        self.sets.push(labels.clone());
        self.rows.resize(self.rows.len() + rows, run);
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    fn spread(&self, values: &ArrayRef) -> Result<ArrayRef> {
        Ok(take(values, &UInt32Array::from(self.rows.clone()), None)?)
    }

    /// The column of names; empty text where a series has none.
    pub fn names(&self) -> Result<ArrayRef> {
        let names = StringArray::from_iter_values(self.sets.iter().map(Labels::name));
        self.spread(&(Arc::new(names) as ArrayRef))
    }

    /// The column of labels.
    pub fn labels(&self) -> Result<ArrayRef> {
        self.spread(&maps(self.sets.iter())?)
    }

    /// The column of numbers of series.
    pub fn ids(&self) -> Result<ArrayRef> {
        let ids = datafusion::arrow::array::Int64Array::from_iter_values(self.sets.iter().map(series_id));
        self.spread(&(Arc::new(ids) as ArrayRef))
    }
}

/// The number of a series: the same in every process and version, different for different label sets (64 bits of FNV-1a over
/// names and values, each ended by a byte that no text has).
pub fn series_id(labels: &Labels) -> i64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut byte = |b: u8| hash = (hash ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3);
    for (name, value) in labels.iter() {
        name.bytes().chain([0xff]).chain(value.bytes()).chain([0xff]).for_each(&mut byte);
    }
    // FNV leaves the upper bits of short texts alike.
    hash ^= hash >> 32;
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) as i64
}

/// A native histogram in one line: count, sum, and each bucket that is not empty with its bounds.
pub fn histogram_text(histogram: &Histogram) -> String {
    let mut out = format!("{{count:{}, sum:{}", histogram.count, histogram.sum);
    for (lower, upper, count) in histogram.buckets() {
        let _ = write!(out, ", ({lower},{upper}]:{count}");
    }
    out + "}"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_series_stay() {
        let labels = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied()).unwrap();
        let up = labels(&[(NAME, "up"), ("job", "a")]);
        assert_eq!(series_id(&up), series_id(&labels(&[("job", "a"), (NAME, "up")])));
        assert_ne!(series_id(&up), series_id(&labels(&[(NAME, "up"), ("jo", "ba")])));
        assert_eq!(series_id(&up), 5_528_052_915_539_958_730);
    }
}
