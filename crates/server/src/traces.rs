//! Traces as they are asked for: found by what their spans are like, shown whole, and as a map of who calls whom. Spans are read
//! from the store; what they mean is `look::trace`'s to say. It must never read more than its bounds without saying so.

pub mod map;
mod risk;
pub mod search;
pub mod show;

use crate::app::App;
use crate::gate::Stop;
use model::SpanBatch;
use stdx::{Error, ErrorKind, Result};
use store::tables::{Scan, ScanStats, to_spans};

/// Reads spans until `take` has enough (then it gives false), and says what reading them cost.
pub fn read(
    app: &App,
    scan: Scan,
    stop: &Stop,
    mut take: impl FnMut(SpanBatch) -> bool,
) -> Result<ScanStats> {
    let mut rows = app.store.tables().scan(scan)?;
    for batch in rows.by_ref() {
        if stop() {
            let text = "the search took too long; ask for a shorter range";
            return Err(Error::new(ErrorKind::Cancelled, text).bound("query.timeout"));
        }
        if !take(to_spans(&batch?)) {
            break;
        }
    }
    Ok(rows.stats().clone())
}

/// Adds spans of another batch.
fn extend(all: &mut SpanBatch, more: SpanBatch) {
    let first = all.origins.len() as u32;
    all.origins.extend(more.origins);
    all.spans.extend(more.spans.into_iter().map(|mut span| {
        span.origin += first;
        span
    }));
}

/// What a scan cost, for answers.
fn stats(stats: &ScanStats) -> serde_json::Value {
    serde_json::json!({
        "files_read": stats.files_read, "files_skipped": stats.files_skipped,
        "rows_read": stats.rows_read, "bytes_read": stats.bytes_read,
        "damaged": stats.damaged,
    })
}
