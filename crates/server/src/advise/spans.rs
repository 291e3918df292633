//! Spans of the window and of its baselines. It must never read more than its bound, half of it for the window.

use super::lines::stopped;
use super::{Partial, Question, is_of, range_ns, ranges};
use crate::app::App;
use crate::gate::Stop;
use look::advise::{Event, Requests, SPANS_MAX, Timed, Times, Timing, Tone};
use look::changed::Ask;
use model::SpanStatus;
use stdx::Result;
use store::tables::{Scan, Table, to_spans};

pub fn gather(
    app: &App,
    (question, ask): (&Question, &Ask),
    requests: &mut Requests,
    partial: &mut Partial,
    stop: &Stop,
) -> Result<Timing> {
    let mut times = Times::default();
    let mut is_cut = false;
    for (range, is_inside) in ranges(ask) {
        let room = (SPANS_MAX - times.len()) / if is_inside { 2 } else { 1 };
        let last = times.len() + room;
        let (from_ns, to_ns) = range_ns(range);
        let columns = [
            "time",
            "duration_ns",
            "trace_id",
            "span_id",
            "parent_id",
            "service",
            "resource",
            "name",
            "status",
        ];
        let columns = Some(columns.map(String::from).to_vec());
        let mut rows =
            app.store.tables().scan(Scan { from_ns, to_ns, columns, ..Scan::new(Table::Spans) })?;
        for batch in rows.by_ref() {
            if stop() {
                return Err(stopped());
            }
            let batch = to_spans(&batch?);
            let wanted: Vec<bool> = batch.origins.iter().map(|o| is_of(&question.selectors, o)).collect();
            for span in batch.spans.iter().filter(|s| wanted[s.origin as usize]) {
                if times.len() >= last {
                    is_cut = true;
                    break;
                }
                let service = batch.origin(span).service.as_str();
                times.add(Timed {
                    service,
                    operation: &span.name,
                    ids: (span.trace_id, span.span_id, span.parent_id),
                    start_ns: span.start_ns,
                    duration_ns: span.duration_ns,
                    is_error: span.status == SpanStatus::Error,
                    is_inside,
                });
                let request = (span.trace_id, Some(span.span_id));
                let event = Event::Operation(span.name.clone());
                requests.add(service, request, event, Tone::default, span.start_ns / 1_000_000, is_inside);
            }
            if is_cut && times.len() >= last {
                break;
            }
        }
        if rows.stats().is_partial() {
            partial.notes.push("a damaged file of spans was left out".into());
        }
    }
    partial.looked_at[2] = times.len();
    if is_cut {
        partial.notes.push(format!("there are more than the {SPANS_MAX} spans that are read at the most"));
    }
    Ok(times.compare())
}
