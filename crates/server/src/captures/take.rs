//! Turns the ring, the store and what is known at this moment into a capture of the server's own machine. It must never wait
//! for more than the disk, nor write more rows of anything than its bounds.

use super::Taken;
use super::part::{Place, read_now};
use crate::app::App;
use model::{Columns, Texts, Values};
use std::collections::HashSet;
use stdx::{Error, ErrorKind, Result};
use store::captures::{Cause, Draft, Manifest, Part, id_at};
use store::tables::{Order, Scan, Table};

/// Log records, spans and changes of one file.
const RECORDS_MAX: usize = 200_000;
/// Series and samples of one capture; the time before the trigger is halved until it keeps to them.
const SERIES_MAX: usize = 1_000_000;
const SAMPLES_MAX: usize = 5_000_000;

/// Takes a capture now.
pub fn before(app: &App, cause: &Cause, now_ms: i64) -> Result<Taken> {
    let mut id = id_at(now_ms);
    for n in 2..100 {
        match write(app, &id, Part::Before, now_ms, now_ms, vec![cause.clone()]) {
            Err(e) if e.kind == ErrorKind::Conflict => id = format!("{}-{n}", id_at(now_ms)),
            done => {
                done?;
                let took_ms = (crate::clock::now_ms() - now_ms).max(0);
                return Ok(Taken { id, is_joined: false, took_ms });
            }
        }
    }
    Err(Error::new(ErrorKind::Conflict, "there are captures of this millisecond already"))
}

/// Writes a part: what lies before the trigger, or between it and now.
pub fn write(
    app: &App,
    id: &str,
    part: Part,
    trigger_ms: i64,
    now_ms: i64,
    causes: Vec<Cause>,
) -> Result<Manifest> {
    let captures = &app.captures;
    let place = Place {
        kept: &captures.kept,
        ring: &captures.ring,
        host: &app.settings.hostname,
        before_ms: captures.settings.before_ms,
        now: &|class, to_ms| {
            app.settings.host.as_ref().map_or_else(Default::default, |h| read_now(&h.proc_root, class, to_ms))
        },
    };
    let samples = |draft: &Draft, from_ms, to_ms| metrics(app, draft, from_ms, to_ms);
    let rest = |draft: &Draft, from_ms, to_ms, notes: &mut Vec<String>| {
        draft.columns("alerts", &alerts(app, to_ms))?;
        records(app, draft, from_ms, to_ms, notes)
    };
    place.write(id, (part, trigger_ms, now_ms), causes, samples, rest)
}

/// The samples of all series; returns what was left out, in words.
fn metrics(app: &App, draft: &Draft, from_ms: i64, to_ms: i64) -> Result<Option<String>> {
    let view = app.store.view();
    // Where there are too many samples for five minutes, it is fewer minutes.
    let mut start_ms = from_ms;
    let found = loop {
        match view.pieces(&[], start_ms, to_ms, SERIES_MAX, SAMPLES_MAX) {
            Err(e) if e.kind == ErrorKind::TooLarge && to_ms - start_ms > 2_000 => {
                start_ms = to_ms - (to_ms - start_ms) / 2;
            }
            found => break found?,
        }
    };
    draft.metrics(|push| {
        for series in found {
            push(&series.data(start_ms, to_ms)?)?;
        }
        Ok(())
    })?;
    let seconds = (to_ms - start_ms) / 1000;
    Ok((start_ms > from_ms)
        .then(|| format!("there are so many series that only the last {seconds} s of samples were kept")))
}

/// Log records, spans and changes: those of the tables, and the spans that are not kept there.
fn records(app: &App, draft: &Draft, from_ms: i64, to_ms: i64, notes: &mut Vec<String>) -> Result<()> {
    let (from_ns, to_ns) = (from_ms.saturating_mul(1_000_000), to_ms.saturating_mul(1_000_000));
    let tables = app.store.tables();
    for table in Table::ALL {
        // Of too many rows the newest stay: they come first.
        let scan = || Scan { from_ns, to_ns, order: Order::NewestFirst, ..Scan::new(table) };
        let mut others = None;
        if table == Table::Spans {
            let mut kept = HashSet::new();
            for rows in tables.scan(scan())? {
                kept.extend(store::tables::to_spans(&rows?).spans.iter().map(|s| (s.trace_id, s.span_id)));
                if kept.len() > RECORDS_MAX {
                    break;
                }
            }
            others = Some(app.captures.spans.others(&kept, from_ns, to_ns));
        }
        if draft.rows(table, tables.scan(scan())?, others.as_ref(), RECORDS_MAX)? {
            notes.push(format!("only the newest {RECORDS_MAX} {} were kept", table.name()));
        }
    }
    Ok(())
}

/// Alerts that are there now, one row each.
fn alerts(app: &App, now_ms: i64) -> Columns {
    let mut rows: Vec<([String; 4], [Option<i64>; 2])> = Vec::new();
    for group in app.monitors.groups() {
        group.each(|_, rule, _, run| {
            rows.extend(run.state.active().map(|a| {
                let texts = [
                    rule.name.clone(),
                    a.state.as_str().to_string(),
                    a.labels.to_string(),
                    a.value.to_string(),
                ];
                (texts, [Some(a.active_at_ms), a.fired_at_ms])
            }));
        });
    }
    let text = |i: usize| {
        let words = rows.iter().map(|(texts, _)| texts[i].as_str().into()).collect();
        Values::Texts(Texts { words, at: (0..rows.len() as u32).collect() })
    };
    let number = |i: usize| Values::Integers(rows.iter().map(|(_, numbers)| numbers[i]).collect());
    let columns = [
        ("time", Values::Times(vec![now_ms; rows.len()])),
        ("monitor", text(0)),
        ("state", text(1)),
        ("labels", text(2)),
        ("value", text(3)),
        ("active_since_ms", number(0)),
        ("fired_at_ms", number(1)),
    ];
    Columns { columns: columns.map(|(name, values)| (name.to_string(), values)).to_vec() }
}
