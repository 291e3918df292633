//! A part of a capture of one machine, whether it is the server's or an agent's: the ring, what is read at this moment, and
//! what others add. It must never hold the ring's lock while it waits for the disk.

use capture::Ring;
use capture::class::{Class, FILES, SOCKETS};
use model::{Columns, Values};
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;
use stdx::{Error, ErrorKind, Result};
use store::captures::{Captures, Cause, ClassTold, Draft, Manifest, Part};

/// Rows of one file of the ring.
const ROWS_MAX: usize = 1_000_000;
/// Rows of the open files of everyone, at the trigger.
const FILES_MAX: usize = 20_000;

/// What is read at the trigger beside the ring: rows, and what cannot be read, in words.
pub type ReadNow = (Columns, Option<String>);

/// Of which machine, and where to.
pub struct Place<'a> {
    /// The captures.
    pub kept: &'a Captures,
    /// The last minutes.
    pub ring: &'a Mutex<Ring>,
    /// The machine.
    pub host: &'a str,
    /// How long before the trigger.
    pub before_ms: i64,
    /// Reads a class once more, at the trigger; nothing where nothing is recorded.
    pub now: &'a (dyn Fn(&'static Class, i64) -> ReadNow + Sync),
}

impl Place<'_> {
    /// Writes what lies before the trigger, or between it and now (part, trigger, now; milliseconds since 1970). `samples`
    /// writes samples of a time and says what it left out; `rest` adds other tables and notes.
    ///
    /// # Errors
    /// Those of the captures, and of what adds to them.
    pub fn write(
        &self,
        id: &str,
        (part, trigger_ms, now_ms): (Part, i64, i64),
        causes: Vec<Cause>,
        samples: impl FnOnce(&Draft, i64, i64) -> Result<Option<String>> + Send,
        rest: impl FnOnce(&Draft, i64, i64, &mut Vec<String>) -> Result<()>,
    ) -> Result<Manifest> {
        let begun = Instant::now();
        let frozen = self.ring.lock().unwrap_or_else(|e| e.into_inner()).freeze();
        let (from_ms, to_ms) = match part {
            Part::Before => (trigger_ms.saturating_sub(self.before_ms), trigger_ms),
            Part::After => (trigger_ms + 1, now_ms),
        };
        let draft = self.kept.begin(id, part)?;
        let mut notes = Vec::new();
        let mut classes = Vec::new();
        let (samples, rest) = std::thread::scope(|scope| {
            let samples = scope.spawn(|| samples(&draft, from_ms, to_ms));
            let rest = (|| -> Result<()> {
                for reading in &frozen.readings {
                    let class = reading.class;
                    let (columns, readings_left_out) = frozen.columns(class, from_ms, to_ms, ROWS_MAX);
                    let (more, note) = match part {
                        Part::Before => (self.now)(class, to_ms),
                        Part::After => Default::default(),
                    };
                    draft.columns(class.name, &joined(columns, more))?;
                    notes.extend(note);
                    classes.push(ClassTold {
                        name: class.name.into(),
                        period_seconds: reading.told.period_seconds,
                        problem: reading.told.problem.clone(),
                        readings_left_out,
                    });
                }
                rest(&draft, from_ms, to_ms, &mut notes)
            })();
            (samples.join(), rest)
        });
        rest?;
        let failed =
            |_| Error::new(ErrorKind::Internal, "the samples of a capture failed inside; this is a bug");
        notes.extend(samples.map_err(failed)??);
        draft.finish(Manifest {
            format: 1,
            id: id.into(),
            part,
            host: self.host.into(),
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
}

/// What is read once more at the trigger: the sockets as they are now, and the open files of everyone, not only of the
/// busiest.
pub fn read_now(proc_root: &Path, class: &Class, to_ms: i64) -> ReadNow {
    if *class == FILES {
        let (more, denied) = recorder::files_of_everyone(proc_root, to_ms, FILES_MAX);
        let note = format!("the open files of {denied} processes may not be read; they are other users'");
        return (more, (denied > 0).then_some(note));
    }
    if *class == SOCKETS {
        return (recorder::sockets_now(proc_root, to_ms), None);
    }
    Default::default()
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
