//! `midwatch export --table logs`: rows of log records, spans or changes, as a Parquet file or as lines of JSON. It works beside
//! the program that uses the folder.

use crate::cli::{ExportFormat, TableName};
use anyhow::bail;
use model::time::format_rfc3339_ms;
use model::{Change, LogBatch, Pairs, SpanBatch};
use serde_json::{Map, Value as Json, json};
use std::io::Write;
use std::path::Path;
use store::tables::{Order, ReadOnlyTables, Scan, Table, TableWriter, to_changes, to_log_batch, to_spans};

/// Rows that were written, and what was left out because it is damaged.
pub struct Written {
    /// How many.
    pub rows: u64,
    /// In words.
    pub problems: Vec<String>,
}

fn table_of(name: TableName) -> Table {
    match name {
        TableName::Logs => Table::Logs,
        TableName::Spans => Table::Spans,
        TableName::Changes => Table::Changes,
    }
}

/// Writes the rows of a time, milliseconds since 1970.
///
/// # Errors
/// If the folder cannot be read, the output not written, or the format is none for rows.
pub fn write(
    data: &Path,
    table: TableName,
    (start_ms, end_ms): (i64, i64),
    format: ExportFormat,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<Written> {
    let table = table_of(table);
    let tables = ReadOnlyTables::open(data)?;
    let scan = Scan {
        from_ns: start_ms.saturating_mul(1_000_000),
        to_ns: end_ms.saturating_mul(1_000_000).saturating_add(999_999),
        // Lines are read by people; for a file the order of service and time is smaller, and quicker.
        order: if format == ExportFormat::Jsonl { Order::OldestFirst } else { Order::Any },
        ..Scan::new(table)
    };
    let mut rows = tables.scan(scan)?;
    let mut count = 0;
    match format {
        ExportFormat::Openmetrics => bail!("--format openmetrics is for samples; rows are parquet or jsonl"),
        ExportFormat::Parquet => {
            let mut writer = TableWriter::new(out, table)?;
            for batch in rows.by_ref() {
                let batch = batch?;
                count += batch.num_rows() as u64;
                writer.push(&batch)?;
            }
            writer.finish()?.flush()?;
        }
        ExportFormat::Jsonl => {
            for batch in rows.by_ref() {
                let batch = batch?;
                count += batch.num_rows() as u64;
                let lines = match table {
                    Table::Logs => of_logs(&to_log_batch(&batch)),
                    Table::Spans => of_spans(&to_spans(&batch)),
                    Table::Changes => to_changes(&batch).iter().map(of_change).collect(),
                };
                for line in lines {
                    writeln!(out, "{line}")?;
                }
            }
            out.flush()?;
        }
    }
    let problems = tables.messages().iter().chain(&rows.stats().damaged).cloned().collect();
    Ok(Written { rows: count, problems })
}

/// An instant to the nanosecond.
fn instant(ns: i64) -> String {
    let whole = format_rfc3339_ms(ns.div_euclid(1_000_000_000) * 1_000);
    format!("{}.{:09}Z", whole.trim_end_matches('Z'), ns.rem_euclid(1_000_000_000))
}

fn map<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Json {
    Json::Object(pairs.map(|(name, value)| (name.to_string(), value.into())).collect::<Map<_, _>>())
}

fn of_pairs(pairs: &Pairs) -> Json {
    map(pairs.iter())
}

fn of_logs(batch: &LogBatch) -> Vec<Json> {
    let one = |(i, row): (usize, model::LogRow<'_>)| {
        let origin = &batch.origins[row.origin as usize];
        json!({
            "time": instant(row.time_ns),
            "service": origin.service,
            "host": origin.host,
            "severity": row.severity.number(),
            "body": row.body,
            "pattern": format!("{:016x}", row.pattern),
            "trace_id": row.trace_id.map(|id| id.to_string()),
            "span_id": row.span_id.map(|id| id.to_string()),
            "attributes": map(batch.attributes(i)),
            "resource": of_pairs(&origin.attributes),
        })
    };
    batch.rows().enumerate().map(one).collect()
}

fn of_spans(batch: &SpanBatch) -> Vec<Json> {
    let one = |span: &model::Span| {
        let origin = batch.origin(span);
        let event = |e: &model::SpanEvent| json!({ "time": instant(e.time_ns), "name": e.name, "attributes": of_pairs(&e.attributes) });
        let link = |l: &model::SpanLink| json!({ "trace_id": l.trace_id.to_string(), "span_id": l.span_id.to_string(), "attributes": of_pairs(&l.attributes) });
        json!({
            "time": instant(span.start_ns),
            "duration_ns": span.duration_ns,
            "trace_id": span.trace_id.to_string(),
            "span_id": span.span_id.to_string(),
            "parent_id": span.parent_id.map(|id| id.to_string()),
            "service": origin.service,
            "host": origin.host,
            "name": span.name,
            "kind": span.kind.name(),
            "status": span.status.name(),
            "status_message": span.status_message,
            "attributes": of_pairs(&span.attributes),
            "resource": of_pairs(&origin.attributes),
            "events": span.events.iter().map(event).collect::<Vec<_>>(),
            "links": span.links.iter().map(link).collect::<Vec<_>>(),
        })
    };
    batch.spans.iter().map(one).collect()
}

fn of_change(change: &Change) -> Json {
    json!({
        "time": instant(change.time_ns),
        "id": change.id,
        "kind": change.kind,
        "title": change.title,
        "service": change.service,
        "host": change.host,
        "author": change.author,
        "link": change.link,
        "attributes": of_pairs(&change.attributes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_nanoseconds() {
        for (ns, want) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1_767_225_600_000_000_017, "2026-01-01T00:00:00.000000017Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(instant(ns), want);
        }
    }
}
