//! Turns the ring, the store and what is known at this moment into the files of a part of a capture. It must never wait
//! for more than the disk, nor write more rows of anything than its bounds.

use super::Taken;
use crate::app::App;
use capture::class::{self, FILES, SOCKETS};
use model::{Columns, Texts, Values};
use std::collections::HashSet;
use std::time::Instant;
use stdx::{Error, ErrorKind, Result};
use store::captures::{Cause, ClassTold, Draft, Manifest, Part, id_at};
use store::tables::{Order, Scan, Table};

/// Rows of one file of the ring.
const ROWS_MAX: usize = 1_000_000;
/// Log records, spans and changes of one file.
const RECORDS_MAX: usize = 200_000;
/// Series and samples of one capture; the time before the trigger is halved until it keeps to them.
const SERIES_MAX: usize = 1_000_000;
const SAMPLES_MAX: usize = 5_000_000;
/// Rows of the open files of everyone, at the trigger.
const FILES_MAX: usize = 20_000;

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
    let begun = Instant::now();
    let captures = &app.captures;
    let frozen = captures.ring().freeze();
    let (from_ms, to_ms) = match part {
        Part::Before => (trigger_ms.saturating_sub(captures.settings.before_ms), trigger_ms),
        Part::After => (trigger_ms + 1, now_ms),
    };
    let draft = captures.kept.begin(id, part)?;
    let mut notes = Vec::new();
    let mut classes = Vec::new();
    let (samples, rest) = std::thread::scope(|scope| {
        let samples = scope.spawn(|| metrics(app, &draft, from_ms, to_ms));
        let rest = (|| -> Result<()> {
            for reading in &frozen.readings {
                let class = reading.class;
                let (columns, readings_left_out) = frozen.columns(class, from_ms, to_ms, ROWS_MAX);
                let (columns, more) = at_trigger(app, class, columns, part, to_ms);
                draft.columns(class.name, &columns)?;
                notes.extend(more);
                classes.push(ClassTold {
                    name: class.name.into(),
                    period_seconds: reading.told.period_seconds,
                    problem: reading.told.problem.clone(),
                    readings_left_out,
                });
            }
            draft.columns("alerts", &alerts(app, to_ms))?;
            records(app, &draft, from_ms, to_ms, &mut notes)
        })();
        (samples.join(), rest)
    });
    rest?;
    let failed = |_| Error::new(ErrorKind::Internal, "the samples of a capture failed inside; this is a bug");
    notes.extend(samples.map_err(failed)??);
    draft.finish(Manifest {
        format: 1,
        id: id.into(),
        part,
        host: app.settings.hostname.clone(),
        trigger_ms,
        from_ms,
        to_ms,
        took_ms: match part {
            Part::Before => (crate::clock::now_ms() - trigger_ms).max(0),
            Part::After => begun.elapsed().as_millis() as i64,
        },
        causes,
        classes,
        notes,
        files: Vec::new(),
    })
}

/// What is read once more at the trigger: the sockets as they are now, and the open files of everyone, not only of the
/// busiest.
fn at_trigger(
    app: &App,
    class: &class::Class,
    columns: Columns,
    part: Part,
    to_ms: i64,
) -> (Columns, Option<String>) {
    let Some(host) = app.settings.host.as_ref().filter(|_| part == Part::Before) else {
        return (columns, None);
    };
    if *class == FILES {
        let (more, denied) = recorder::files_of_everyone(&host.proc_root, to_ms, FILES_MAX);
        let note = format!("the open files of {denied} processes may not be read; they are other users'");
        return (joined(columns, more), (denied > 0).then_some(note));
    }
    if *class == SOCKETS {
        return (joined(columns, recorder::sockets_now(&host.proc_root, to_ms)), None);
    }
    (columns, None)
}

/// One table after the other; they have the same columns, or one has none.
fn joined(first: Columns, second: Columns) -> Columns {
    if first.columns.is_empty() || second.is_empty() {
        return if first.is_empty() { second } else { first };
    }
    let both = first.columns.into_iter().zip(second.columns).map(|((name, a), (_, b))| {
        let values = match (a, b) {
            (Values::Times(a), Values::Times(b)) => Values::Times([a, b].concat()),
            (Values::Integers(a), Values::Integers(b)) => Values::Integers([a, b].concat()),
            (Values::Texts(mut a), Values::Texts(b)) => {
                let base = a.words.len() as u32;
                a.words.extend(b.words);
                a.at.extend(b.at.into_iter().map(|at| at + base));
                Values::Texts(a)
            }
            (a, _) => a,
        };
        (name, values)
    });
    Columns { columns: both.collect() }
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
