//! A capture as the page shows it: the rows of a moment, what went on second by second, and what is different from another
//! one. What was read last is kept, since a page asks for one moment after the other. It must never compute what the
//! decider should: it reads, picks and passes on.

use super::Capturing;
use capture::compare::{Side, compare, rows_at, shape};
use model::{Columns, Values};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use stdx::{Error, Result};

/// Rows of one answer.
const ROWS_MAX: usize = 5_000;
/// Log records that are looked at.
const LOGS_MAX: usize = 200_000;
/// Log records of one answer.
const LOGS_TOLD: usize = 500;
/// Seconds of a timeline.
const SECONDS_MAX: i64 = 7_200;
/// Severities from here on are warnings (OpenTelemetry's numbers).
const WARNING: u8 = 13;
const ERROR: u8 = 17;

/// What was read of one capture.
pub struct Loaded {
    id: String,
    has_after: bool,
    trigger_ms: i64,
    from_ms: i64,
    to_ms: i64,
    tables: BTreeMap<String, Columns>,
    /// Time and severity of log records.
    logs: Vec<(i64, u8)>,
    /// Shapes of warnings and errors before the trigger.
    warnings: BTreeMap<String, f64>,
}

/// Captures that are held in memory: the one that is looked at, and the one that it is compared with.
const HELD_MAX: usize = 2;

fn load(captures: &Capturing, id: &str) -> Result<Arc<Loaded>> {
    let capture = captures.kept.get(id)?;
    let before = capture.before.map_err(Error::corrupt)?;
    let has_after = capture.after.is_some();
    {
        let last = captures.held.lock().unwrap_or_else(|e| e.into_inner());
        let is_it =
            |l: &&Arc<Loaded>| l.id == id && l.has_after == has_after && l.trigger_ms == before.trigger_ms;
        if let Some(found) = last.iter().find(is_it) {
            return Ok(found.clone());
        }
    }
    let to_ms = capture.after.as_ref().map_or(before.to_ms, |a| a.to_ms);
    let mut tables = BTreeMap::new();
    for table in capture::class::ALL.iter().map(|c| c.name).chain(["alerts"]) {
        tables.insert(table.to_string(), captures.kept.columns(id, table)?);
    }
    let records = captures.kept.logs(id, i64::MIN, i64::MAX, LOGS_MAX)?.records;
    let (mut logs, mut warnings) = (Vec::new(), BTreeMap::new());
    for row in records.rows() {
        let time_ms = row.time_ns / 1_000_000;
        logs.push((time_ms, row.severity.number()));
        if row.severity.number() >= WARNING && time_ms <= before.trigger_ms {
            *warnings.entry(shape(row.body)).or_insert(0.0) += 1.0;
        }
    }
    let loaded = Arc::new(Loaded {
        id: id.into(),
        has_after,
        trigger_ms: before.trigger_ms,
        from_ms: before.from_ms,
        to_ms,
        tables,
        logs,
        warnings,
    });
    let mut last = captures.held.lock().unwrap_or_else(|e| e.into_inner());
    last.retain(|l| l.id != id);
    last.push(loaded.clone());
    if last.len() > HELD_MAX {
        last.remove(0);
    }
    Ok(loaded)
}

/// The rows of a table at a moment: of the last reading at or before it; of messages those until then, the newest last.
///
/// # Errors
/// `NotFound`; `Corrupt`; `Invalid` if there is no such table.
pub fn at(captures: &Capturing, id: &str, table: &str, at_ms: i64, limit: usize) -> Result<Json> {
    if table == "logs" {
        return logs_at(captures, id, at_ms, limit.min(LOGS_TOLD));
    }
    let loaded = load(captures, id)?;
    let columns = loaded.tables.get(table).ok_or_else(|| {
        let names: Vec<&str> = loaded.tables.keys().map(String::as_str).chain(["logs"]).collect();
        Error::invalid(format!("there is no such table in a capture; there are {}", names.join(", ")))
    })?;
    let mut rows = match table {
        "kernel" => (0..columns.len()).filter(|row| columns.times()[*row] <= at_ms).collect(),
        _ => rows_at(columns, at_ms),
    };
    let all = rows.len();
    let sort = match table {
        "processes" => Some("cpu_ms"),
        "sockets" => Some("receive_queue_bytes"),
        "cgroups" => Some("memory_bytes"),
        "interrupts" => Some("count"),
        "files" => Some("descriptors"),
        _ => None,
    };
    match sort.and_then(|name| columns.integers(name)) {
        Some(by) => rows.sort_by_key(|row| std::cmp::Reverse(by[*row])),
        // The newest.
        None => rows = rows.split_off(rows.len().saturating_sub(limit.min(ROWS_MAX))),
    }
    rows.truncate(limit.min(ROWS_MAX));
    let time_ms = rows.first().map(|row| columns.times()[*row]);
    let names: Vec<&str> = columns.columns.iter().map(|(name, _)| name.as_str()).collect();
    let cell = |values: &Values, row: usize| match values {
        Values::Times(times) => json!(times[row]),
        Values::Integers(numbers) => json!(numbers[row]),
        Values::Texts(texts) => json!(texts.get(row)),
    };
    let shown: Vec<Json> = rows
        .iter()
        .map(|row| Json::Array(columns.columns.iter().map(|(_, values)| cell(values, *row)).collect()))
        .collect();
    Ok(json!({ "table": table, "time_ms": time_ms, "columns": names, "rows": shown, "rows_total": all }))
}

fn logs_at(captures: &Capturing, id: &str, at_ms: i64, limit: usize) -> Result<Json> {
    // A minute before the moment, as many as can be shown.
    let (from_ns, to_ns) = ((at_ms - 60_000).saturating_mul(1_000_000), at_ms.saturating_mul(1_000_000));
    let found = captures.kept.logs(id, from_ns, to_ns, LOGS_MAX)?;
    let all = found.records.len();
    let mut rows: Vec<(i64, Json)> = (0..all)
        .map(|i| {
            let (row, origin) = (found.records.row(i), found.records.origin(i));
            let time_ms = row.time_ns / 1_000_000;
            (time_ms, json!([time_ms, row.severity.name(), origin.service, row.body]))
        })
        .collect();
    rows.sort_by_key(|(time_ms, _)| *time_ms);
    let rows: Vec<Json> = rows.into_iter().skip(all.saturating_sub(limit)).map(|(_, row)| row).collect();
    Ok(json!({
        "table": "logs", "time_ms": at_ms, "columns": ["time", "severity", "service", "body"], "rows": rows,
        "rows_total": all,
    }))
}

/// What went on in each second, line by line for charts that move together.
///
/// # Errors
/// As [`at`].
pub fn timeline(captures: &Capturing, id: &str) -> Result<Json> {
    let loaded = load(captures, id)?;
    let first = loaded.from_ms.div_euclid(1_000);
    let count = (loaded.to_ms.div_euclid(1_000) - first + 1).clamp(1, SECONDS_MAX) as usize;
    let place = |time_ms: i64| usize::try_from(time_ms.div_euclid(1_000) - first).ok().filter(|i| *i < count);
    let mut lines: Vec<(&str, &str, Vec<Option<f64>>)> = Vec::new();
    let none = Columns::default();
    let mut line = |name, unit, table: &str, of: &dyn Fn(&Columns, usize) -> Option<f64>| {
        let mut values = vec![None; count];
        let columns = loaded.tables.get(table).unwrap_or(&none);
        for (row, time_ms) in columns.times().iter().enumerate() {
            if let (Some(i), Some(n)) = (place(*time_ms), of(columns, row)) {
                *values[i].get_or_insert(0.0) += n;
            }
        }
        lines.push((name, unit, values));
    };
    let number = |columns: &Columns, name: &str, row: usize| columns.integers(name)?[row].map(|n| n as f64);
    let is = |columns: &Columns, name: &str, row: usize, texts: &[&str]| {
        let found = columns.texts(name).is_some_and(|t| texts.contains(&t.get(row)));
        Some(f64::from(u8::from(found)))
    };
    line("CPU of processes", "cores", "processes", &|c, r| number(c, "cpu_ms", r).map(|ms| ms / 1_000.0));
    line("memory of processes", "bytes", "processes", &|c, r| number(c, "resident_bytes", r));
    line("processes", "", "processes", &|_, _| Some(1.0));
    line("blocked (D)", "", "processes", &|c, r| is(c, "state", r, &["D"]));
    line("connections", "", "sockets", &|c, r| is(c, "state", r, &["ESTABLISHED"]));
    line("closing connections", "", "sockets", &|c, r| {
        is(c, "state", r, &["CLOSE_WAIT", "TIME_WAIT", "FIN_WAIT1", "FIN_WAIT2"])
    });
    line("in receive queues", "bytes", "sockets", &|c, r| number(c, "receive_queue_bytes", r));
    line("in send queues", "bytes", "sockets", &|c, r| number(c, "send_queue_bytes", r));
    let mut events = |name, of: &mut dyn Iterator<Item = i64>| {
        let mut values = vec![Some(0.0); count];
        of.filter_map(place).for_each(|i| *values[i].get_or_insert(0.0) += 1.0);
        lines.push((name, "", values));
    };
    let kernel = loaded.tables.get("kernel").map_or(&[][..], |k| k.times());
    events("kernel messages", &mut kernel.iter().copied());
    events("log records", &mut loaded.logs.iter().map(|l| l.0));
    events("errors logged", &mut loaded.logs.iter().filter(|l| l.1 >= ERROR).map(|l| l.0));
    let lines: Vec<Json> = lines
        .into_iter()
        .map(|(name, unit, values)| json!({ "name": name, "unit": unit, "values": values }))
        .collect();
    Ok(json!({
        "start_ms": first * 1_000, "step_ms": 1_000, "count": count, "trigger_ms": loaded.trigger_ms, "lines": lines,
    }))
}

/// What is different in one capture from another.
///
/// # Errors
/// As [`at`].
pub fn differences(captures: &Capturing, id: &str, other: &str) -> Result<Json> {
    let (here, there) = (load(captures, id)?, load(captures, other)?);
    let none = Columns::default();
    fn side<'a>(loaded: &'a Loaded, none: &'a Columns) -> Side<'a> {
        let table = |name: &str| loaded.tables.get(name).unwrap_or(none);
        Side {
            trigger_ms: loaded.trigger_ms,
            processes: table("processes"),
            sockets: table("sockets"),
            kernel: table("kernel"),
            logs: &loaded.warnings,
        }
    }
    let found = compare(&side(&here, &none), &side(&there, &none));
    let shown: Vec<Json> = found
        .iter()
        .map(|d| json!({ "kind": d.kind, "what": d.what, "here": d.here, "there": d.there, "weight": d.weight }))
        .collect();
    Ok(json!({ "id": id, "with": other, "differences": shown }))
}
