//! From Arrow rows back to nouns, for those who would rather not know Arrow. Columns that were not asked for are empty.
//! It must never panic on rows of another table: they give what can be had of them.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampNanosecondType, UInt8Type, UInt64Type};
use arrow_array::{Array, ArrayRef, ListArray, MapArray, RecordBatch, StringArray, StructArray};
use model::{
    Change, LogBatch, LogRow, Origin, Pairs, Severity, Span, SpanBatch, SpanEvent, SpanKind, SpanLink,
    SpanStatus,
};

fn column<'a>(rows: &'a RecordBatch, name: &str) -> Option<&'a ArrayRef> {
    rows.column_by_name(name)
}

fn strings<'a>(rows: &'a RecordBatch, name: &str) -> Option<&'a StringArray> {
    column(rows, name)?.as_string_opt::<i32>()
}

fn text(column: Option<&StringArray>, row: usize) -> &str {
    column.filter(|c| c.is_valid(row)).map_or("", |c| c.value(row))
}

fn times(array: Option<&ArrayRef>, row: usize) -> i64 {
    array.and_then(|c| c.as_primitive_opt::<TimestampNanosecondType>()).map_or(0, |c| c.value(row))
}

/// Names and values of one row of a map.
pub fn entries(map: Option<&MapArray>, row: usize) -> impl Iterator<Item = (&str, &str)> {
    let parts = map.and_then(|m| {
        let (keys, values) = (m.keys().as_string_opt::<i32>()?, m.values().as_string_opt::<i32>()?);
        let ends = m.value_offsets();
        Some((keys, values, ends[row] as usize..ends[row + 1] as usize))
    });
    parts.into_iter().flat_map(|(keys, values, range)| range.map(|i| (keys.value(i), values.value(i))))
}

fn pairs(map: Option<&MapArray>, row: usize) -> Pairs {
    entries(map, row).collect()
}

/// A map column.
pub fn map_column<'a>(rows: &'a RecordBatch, name: &str) -> Option<&'a MapArray> {
    column(rows, name)?.as_map_opt()
}

/// Finds equal origins again, so that they are said once.
#[derive(Default)]
struct Origins {
    all: Vec<Origin>,
    last: usize,
}

impl Origins {
    fn of(&mut self, origin: Origin) -> u32 {
        if self.all.get(self.last) != Some(&origin) {
            self.last = self.all.iter().position(|o| *o == origin).unwrap_or(self.all.len());
            if self.last == self.all.len() {
                self.all.push(origin);
            }
        }
        self.last as u32
    }
}

fn origin(rows: &RecordBatch, row: usize) -> Origin {
    Origin {
        service: text(strings(rows, "service"), row).into(),
        host: text(strings(rows, "host"), row).into(),
        attributes: pairs(map_column(rows, "resource"), row),
    }
}

/// Log records of rows of the table of logs, in their order.
pub fn to_log_batch(rows: &RecordBatch) -> LogBatch {
    let mut out = LogBatch::default();
    let mut origins = Origins::default();
    let numbers: Vec<u32> = (0..rows.num_rows()).map(|i| origins.of(origin(rows, i))).collect();
    out.origins = origins.all;
    let severity = column(rows, "severity").and_then(|c| c.as_primitive_opt::<UInt8Type>());
    let pattern = column(rows, "pattern").and_then(|c| c.as_primitive_opt::<UInt64Type>());
    let (trace, span) = (strings(rows, "trace_id"), strings(rows, "span_id"));
    let (body, attributes) = (strings(rows, "body"), map_column(rows, "attributes"));
    for (i, origin) in numbers.into_iter().enumerate() {
        let row = LogRow {
            time_ns: times(column(rows, "time"), i),
            origin,
            severity: Severity::from_number(severity.map_or(0, |c| c.value(i))),
            body: text(body, i),
            pattern: pattern.filter(|c| c.is_valid(i)).map_or(0, |c| c.value(i)),
            trace_id: text(trace, i).parse().ok(),
            span_id: text(span, i).parse().ok(),
        };
        out.push(row, entries(attributes, i));
    }
    out
}

fn kind(name: &str) -> SpanKind {
    (0..=5).map(SpanKind::from_number).find(|k| k.name() == name).unwrap_or_default()
}

fn status(name: &str) -> SpanStatus {
    (0..=2).map(SpanStatus::from_number).find(|s| s.name() == name).unwrap_or_default()
}

/// The elements of one row of a list of structures.
fn items(list: Option<&ListArray>, row: usize) -> Option<StructArray> {
    list?.value(row).as_struct_opt().cloned()
}

fn events(list: Option<&ListArray>, row: usize) -> Vec<SpanEvent> {
    let Some(all) = items(list, row) else { return Vec::new() };
    let name = all.column_by_name("name").and_then(|c| c.as_string_opt::<i32>());
    let attributes = all.column_by_name("attributes").and_then(|c| c.as_map_opt());
    let event = |i| SpanEvent {
        time_ns: times(all.column_by_name("time"), i),
        name: text(name, i).into(),
        attributes: pairs(attributes, i),
    };
    (0..all.len()).map(event).collect()
}

fn links(list: Option<&ListArray>, row: usize) -> Vec<SpanLink> {
    let Some(all) = items(list, row) else { return Vec::new() };
    let strings = |name| all.column_by_name(name).and_then(|c| c.as_string_opt::<i32>());
    let attributes = all.column_by_name("attributes").and_then(|c| c.as_map_opt());
    let link = |i| {
        Some(SpanLink {
            trace_id: text(strings("trace_id"), i).parse().ok()?,
            span_id: text(strings("span_id"), i).parse().ok()?,
            attributes: pairs(attributes, i),
        })
    };
    (0..all.len()).filter_map(link).collect()
}

/// Spans of rows of the table of spans, in their order; rows without their identifiers (not asked for) are left out.
pub fn to_spans(rows: &RecordBatch) -> SpanBatch {
    let mut out = SpanBatch::default();
    let mut origins = Origins::default();
    let strings = |name| strings(rows, name);
    let duration = column(rows, "duration_ns").and_then(|c| c.as_primitive_opt::<Int64Type>());
    let lists = |name| column(rows, name).and_then(|c| c.as_list_opt::<i32>());
    for i in 0..rows.num_rows() {
        let (Ok(trace_id), Ok(span_id)) =
            (text(strings("trace_id"), i).parse(), text(strings("span_id"), i).parse())
        else {
            continue;
        };
        out.spans.push(Span {
            trace_id,
            span_id,
            parent_id: text(strings("parent_id"), i).parse().ok(),
            origin: origins.of(origin(rows, i)),
            name: text(strings("name"), i).into(),
            kind: kind(text(strings("kind"), i)),
            start_ns: times(column(rows, "time"), i),
            duration_ns: duration.map_or(0, |c| c.value(i).max(0) as u64),
            status: status(text(strings("status"), i)),
            status_message: text(strings("status_message"), i).into(),
            attributes: pairs(map_column(rows, "attributes"), i),
            events: events(lists("events"), i),
            links: links(lists("links"), i),
        });
    }
    out.origins = origins.all;
    out
}

/// Changes of rows of the table of changes, in their order.
pub fn to_changes(rows: &RecordBatch) -> Vec<Change> {
    let text = |name, i| text(strings(rows, name), i).to_string();
    let change = |i| Change {
        time_ns: times(column(rows, "time"), i),
        id: text("id", i),
        kind: text("kind", i),
        title: text("title", i),
        service: text("service", i),
        host: text("host", i),
        author: text("author", i),
        link: text("link", i),
        attributes: pairs(map_column(rows, "attributes"), i),
    };
    (0..rows.num_rows()).map(change).collect()
}
