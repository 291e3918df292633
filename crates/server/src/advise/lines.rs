//! Lines of the window and of its baselines, put into their requests. It must never read more than its bound, half of it for the
//! window.

use super::{Partial, Question, is_of, range_ns, ranges};
use crate::app::App;
use crate::gate::Stop;
use foldhash::{HashMap, HashMapExt};
use look::advise::{Event, Requests, Tone, place_in};
use look::changed::Ask;
use stdx::{Error, ErrorKind, Result};
use store::tables::{Scan, Table, to_log_batch};

/// Lines that are read, of the window and of before.
const LINES_MAX: usize = 500_000;
/// Lines without a trace are one request if they are of one service, one host, and as close as this part of the window.
const MOMENTS: i64 = 48;
/// And at the least as close as this, milliseconds.
const MOMENT_MS_MIN: i64 = 1_000;

pub fn gather(
    app: &App,
    (question, ask): (&Question, &Ask),
    requests: &mut Requests,
    partial: &mut Partial,
    stop: &Stop,
) -> Result<()> {
    let moment_ms = ((ask.window.1 - ask.window.0) / MOMENTS).max(MOMENT_MS_MIN);
    // Templates that were merged count as one; and how each sounds.
    let mut known: HashMap<u64, (u64, Tone)> = HashMap::new();
    let mut left = LINES_MAX;
    let mut is_cut = false;
    for (range, is_inside) in ranges(ask) {
        let mut room = if is_inside { left / 2 } else { left };
        let (from_ns, to_ns) = range_ns(range);
        let columns =
            ["time", "service", "host", "resource", "severity", "body", "pattern", "trace_id", "span_id"];
        let columns = Some(columns.map(String::from).to_vec());
        let mut rows = app.store.tables().scan(Scan { from_ns, to_ns, columns, ..Scan::new(Table::Logs) })?;
        for batch in rows.by_ref() {
            if stop() {
                return Err(stopped());
            }
            let batch = to_log_batch(&batch?);
            let wanted: Vec<bool> = batch.origins.iter().map(|o| is_of(&question.selectors, o)).collect();
            for (i, row) in batch.rows().enumerate() {
                let origin = batch.origin(i);
                if row.pattern == 0 || !wanted[row.origin as usize] || origin.service.is_empty() {
                    continue;
                }
                if room == 0 {
                    is_cut = true;
                    break;
                }
                (room, left) = (room - 1, left - 1);
                let (pattern, tone) = *known.entry(row.pattern).or_insert_with(|| {
                    app.logs.patterns.read(|all| match all.get(row.pattern) {
                        Some(t) => (t.id, Tone::of(t.severity, &t.text)),
                        None => (row.pattern, Tone::of(row.severity, "")),
                    })
                });
                let time_ms = row.time_ns / 1_000_000;
                let service = origin.service.as_str();
                let mut add = |event: Event, tone: Tone| match row.trace_id {
                    Some(trace) => {
                        requests.add(service, (trace, row.span_id), event, || tone, time_ms, is_inside);
                    }
                    None => {
                        let request = (&origin.host, time_ms.div_euclid(moment_ms));
                        requests.add(service, request, event, || tone, time_ms, is_inside);
                    }
                };
                add(Event::Line(pattern), tone);
                if let Some(place) = place_in(row.body) {
                    add(Event::Place(pattern, place.into()), tone);
                }
            }
            if room == 0 {
                is_cut = true;
                break;
            }
        }
        if rows.stats().is_partial() {
            partial.notes.push("a damaged file of log records was left out".into());
        }
    }
    partial.looked_at[1] = LINES_MAX - left;
    if is_cut {
        partial
            .notes
            .push(format!("there are more than the {LINES_MAX} log records that are read at the most"));
    }
    Ok(())
}

pub fn stopped() -> Error {
    let text = "gathering evidence took longer than it may; ask for a shorter window, or for fewer series with match";
    Error::new(ErrorKind::Cancelled, text).bound("query.timeout")
}
