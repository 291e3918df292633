//! From nouns to Arrow rows. It must never fail on any content: what is out of range is bounded here.

use super::BATCH_BYTES_MAX;
use super::schema::{Table, event_fields, item, link_fields, pairs_field, pairs_fields};
use arrow_array::builder::{ArrayBuilder, Int64Builder, StringBuilder, UInt8Builder, UInt64Builder};
use arrow_array::{
    ArrayRef, ListArray, MapArray, RecordBatch, StringArray, StructArray, TimestampNanosecondArray,
};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::Fields;
use model::{Change, LogBatch, Origin, Pairs, Span, SpanBatch, SpanEvent, SpanLink};
use std::fmt::Write;
use std::sync::Arc;
use stdx::{Error, ErrorKind, Result};

/// Collects names and values of row after row.
#[derive(Default)]
pub struct PairsColumn {
    keys: StringBuilder,
    values: StringBuilder,
    ends: Vec<i32>,
}

impl PairsColumn {
    /// Adds one to the present row.
    pub fn push(&mut self, name: &str, value: &str) {
        self.keys.append_value(name);
        self.values.append_value(value);
    }

    /// Ends the present row.
    pub fn end_row(&mut self) {
        self.ends.push(self.keys.len() as i32);
    }

    fn row(&mut self, pairs: &Pairs) {
        pairs.iter().for_each(|(name, value)| self.push(name, value));
        self.end_row();
    }

    /// The column.
    ///
    /// # Errors
    /// `Internal`, which would be a mistake here.
    pub fn finish(mut self) -> Result<ArrayRef> {
        let keys: ArrayRef = Arc::new(self.keys.finish());
        let values: ArrayRef = Arc::new(self.values.finish());
        let entries = StructArray::try_new(pairs_fields(), vec![keys, values], None).map_err(wrong)?;
        let map = MapArray::try_new(pairs_field(), offsets(&self.ends), entries, None, false);
        Ok(Arc::new(map.map_err(wrong)?))
    }
}

fn offsets(ends: &[i32]) -> OffsetBuffer<i32> {
    let mut all = Vec::with_capacity(ends.len() + 1);
    all.push(0);
    all.extend_from_slice(ends);
    OffsetBuffer::new(ScalarBuffer::from(all))
}

pub fn wrong(e: arrow_schema::ArrowError) -> Error {
    Error::wrap(ErrorKind::Internal, "rows do not fit their table", e)
}

fn times(times: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from_iter_values(times.collect::<Vec<_>>()).with_timezone("UTC"))
}

fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(texts.collect::<Vec<_>>()))
}

fn bounded(bytes: usize) -> Result<()> {
    // Looked at before memory is taken: what is said once of many rows stands in each of them.
    if bytes > BATCH_BYTES_MAX {
        let text = format!(
            "a delivery of {bytes} bytes of text, counting what is said of each origin once for every row, is more than {} MiB; \
             nothing of it was kept: send less at a time",
            BATCH_BYTES_MAX >> 20
        );
        return Err(Error::new(ErrorKind::TooLarge, text).bound("rows of one batch"));
    }
    Ok(())
}

/// Identifiers as text, without allocating for each.
fn id<T: std::fmt::Display>(out: &mut StringBuilder, id: Option<T>) {
    match id {
        // Writing to a builder cannot fail; its end makes the value.
        Some(id) => {
            let _ = write!(out, "{id}");
            out.append_value("");
        }
        None => out.append_null(),
    }
}

/// Log records.
pub fn logs(batch: &LogBatch) -> Result<RecordBatch> {
    let rows = batch.len();
    let default = Origin::default();
    let origin = |i: u32| batch.origins.get(i as usize).unwrap_or(&default);
    let resource_bytes: usize = batch
        .rows()
        .map(|r| origin(r.origin))
        .map(|o| o.attributes.bytes() + o.service.len() + o.host.len())
        .sum();
    bounded(batch.bytes() + resource_bytes)?;
    let mut severity = UInt8Builder::with_capacity(rows);
    let mut pattern = UInt64Builder::with_capacity(rows);
    let (mut trace_id, mut span_id) = (StringBuilder::new(), StringBuilder::new());
    let (mut attributes, mut resource) = (PairsColumn::default(), PairsColumn::default());
    for (i, row) in batch.rows().enumerate() {
        severity.append_value(row.severity.number());
        pattern.append_option((row.pattern != 0).then_some(row.pattern));
        id(&mut trace_id, row.trace_id);
        id(&mut span_id, row.span_id);
        batch.attributes(i).for_each(|(name, value)| attributes.push(name, value));
        attributes.end_row();
        resource.row(&origin(row.origin).attributes);
    }
    let columns: Vec<ArrayRef> = vec![
        times(batch.rows().map(|r| r.time_ns)),
        texts(batch.rows().map(|r| origin(r.origin).service.as_str())),
        texts(batch.rows().map(|r| origin(r.origin).host.as_str())),
        Arc::new(severity.finish()),
        texts(batch.rows().map(|r| r.body)),
        Arc::new(pattern.finish()),
        Arc::new(trace_id.finish()),
        Arc::new(span_id.finish()),
        attributes.finish()?,
        resource.finish()?,
    ];
    RecordBatch::try_new(Table::Logs.schema(), columns).map_err(wrong)
}

/// About the bytes of text of a span.
fn span_bytes(span: &Span) -> usize {
    let events: usize = span.events.iter().map(|e| e.name.len() + e.attributes.bytes()).sum();
    let links: usize = span.links.iter().map(|l| 48 + l.attributes.bytes()).sum();
    span.name.len() + span.status_message.len() + span.attributes.bytes() + events + links
}

/// Spans.
pub fn spans(batch: &SpanBatch) -> Result<RecordBatch> {
    let default = Origin::default();
    let origin = |s: &Span| batch.origins.get(s.origin as usize).unwrap_or(&default);
    let all = &batch.spans;
    let of_origin = |o: &Origin| o.attributes.bytes() + o.service.len() + o.host.len();
    bounded(all.iter().map(|s| span_bytes(s) + of_origin(origin(s))).sum())?;
    let mut duration = Int64Builder::with_capacity(all.len());
    let mut ids: [StringBuilder; 3] = Default::default();
    let (mut attributes, mut resource) = (PairsColumn::default(), PairsColumn::default());
    for span in all {
        duration.append_value(i64::try_from(span.duration_ns).unwrap_or(i64::MAX));
        id(&mut ids[0], Some(span.trace_id));
        id(&mut ids[1], Some(span.span_id));
        id(&mut ids[2], span.parent_id);
        attributes.row(&span.attributes);
        resource.row(&origin(span).attributes);
    }
    let [mut trace_id, mut span_id, mut parent_id] = ids;
    let columns: Vec<ArrayRef> = vec![
        times(all.iter().map(|s| s.start_ns)),
        Arc::new(duration.finish()),
        Arc::new(trace_id.finish()),
        Arc::new(span_id.finish()),
        Arc::new(parent_id.finish()),
        texts(all.iter().map(|s| origin(s).service.as_str())),
        texts(all.iter().map(|s| origin(s).host.as_str())),
        texts(all.iter().map(|s| s.name.as_str())),
        texts(all.iter().map(|s| s.kind.name())),
        texts(all.iter().map(|s| s.status.name())),
        texts(all.iter().map(|s| s.status_message.as_str())),
        attributes.finish()?,
        resource.finish()?,
        events(all)?,
        links(all)?,
    ];
    RecordBatch::try_new(Table::Spans.schema(), columns).map_err(wrong)
}

fn pairs<'a>(all: impl Iterator<Item = &'a Pairs>) -> Result<ArrayRef> {
    let mut column = PairsColumn::default();
    all.for_each(|pairs| column.row(pairs));
    column.finish()
}

fn list(fields: Fields, columns: Vec<ArrayRef>, lengths: impl Iterator<Item = usize>) -> Result<ArrayRef> {
    let items = StructArray::try_new(fields.clone(), columns, None).map_err(wrong)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(item(fields), offsets, Arc::new(items), None).map_err(wrong)?))
}

fn events(all: &[Span]) -> Result<ArrayRef> {
    let each = || all.iter().flat_map(|s| &s.events);
    let columns = vec![
        times(each().map(|e: &SpanEvent| e.time_ns)),
        texts(each().map(|e| e.name.as_str())),
        pairs(each().map(|e| &e.attributes))?,
    ];
    list(event_fields(), columns, all.iter().map(|s| s.events.len()))
}

fn links(all: &[Span]) -> Result<ArrayRef> {
    let each = || all.iter().flat_map(|s| &s.links);
    let (mut trace_id, mut span_id) = (StringBuilder::new(), StringBuilder::new());
    for link in each() {
        id(&mut trace_id, Some(link.trace_id));
        id(&mut span_id, Some(link.span_id));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(trace_id.finish()),
        Arc::new(span_id.finish()),
        pairs(each().map(|l: &SpanLink| &l.attributes))?,
    ];
    list(link_fields(), columns, all.iter().map(|s| s.links.len()))
}

/// Changes.
pub fn changes(all: &[Change]) -> Result<RecordBatch> {
    let bytes = |c: &Change| {
        [&c.id, &c.kind, &c.title, &c.service, &c.host, &c.author, &c.link]
            .map(String::len)
            .iter()
            .sum::<usize>()
            + c.attributes.bytes()
    };
    bounded(all.iter().map(bytes).sum())?;
    let column = |of: fn(&Change) -> &str| texts(all.iter().map(of));
    let columns: Vec<ArrayRef> = vec![
        times(all.iter().map(|c| c.time_ns)),
        column(|c| &c.id),
        column(|c| &c.kind),
        column(|c| &c.title),
        column(|c| &c.service),
        column(|c| &c.host),
        column(|c| &c.author),
        column(|c| &c.link),
        pairs(all.iter().map(|c| &c.attributes))?,
    ];
    RecordBatch::try_new(Table::Changes.schema(), columns).map_err(wrong)
}
