//! The ring: all classes together, each within its own budget, and what could not be read of them. It is pushed once a
//! second by whoever reads the machine, and frozen when a capture is taken: that copies little and takes no time.

use crate::class::{self, Class};
use crate::events::{Events, Message};
use crate::track::{FrozenTrack, Track};
use model::Columns;
use std::sync::Arc;

/// How much the ring holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long, milliseconds.
    pub span_ms: i64,
    /// Memory of all classes together, bytes; each has its part of it.
    pub memory_bytes: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { span_ms: 300_000, memory_bytes: class::ALL.iter().map(|c| c.budget_bytes).sum() }
    }
}

/// What is told of a class: how it is read, or why not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Why it cannot be read, or not wholly; empty: it can.
    pub problem: String,
    /// Seconds between two readings; longer than one where reading costs too much.
    pub period_seconds: u64,
}

/// A class in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Which.
    pub class: &'static Class,
    /// Memory that it takes, bytes.
    pub memory_bytes: usize,
    /// Memory that it may take, bytes.
    pub budget_bytes: usize,
    /// Time of what is oldest, milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Rows of the newest reading; of messages how many there are.
    pub rows: u64,
    /// Rows that found no place, since the start.
    pub refused: u64,
    /// Parts that went before their time because the budget was used up, since the start.
    pub dropped_early: u64,
    /// How it is read.
    pub told: Told,
}

/// The ring.
#[derive(Debug)]
pub struct Ring {
    settings: Settings,
    tracks: Vec<(Track, Told)>,
    kernel: (Events, Told),
}

/// Budget of a class, with all of them scaled to the memory that was set.
fn budget_bytes(settings: &Settings, class: &Class) -> usize {
    let all: usize = class::ALL.iter().map(|c| c.budget_bytes).sum();
    (class.budget_bytes as u128 * settings.memory_bytes as u128 / all as u128) as usize
}

impl Ring {
    /// Nothing yet.
    pub fn new(settings: Settings) -> Ring {
        let tracks = class::ALL.iter().filter(|c| ***c != class::KERNEL);
        let tracks = tracks.map(|class| {
            (Track::new(class, settings.span_ms, budget_bytes(&settings, class)), Told::default())
        });
        let kernel = Events::new(settings.span_ms, budget_bytes(&settings, &class::KERNEL));
        Ring { settings, tracks: tracks.collect(), kernel: (kernel, Told::default()) }
    }

    /// How much it holds.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The readings of a class; `None` for the kernel's messages, which have none.
    pub fn track(&mut self, class: &Class) -> Option<&mut Track> {
        self.tracks
            .iter_mut()
            .zip(class::ALL.iter().filter(|c| ***c != class::KERNEL))
            .find(|(_, c)| **c == class)
            .map(|((track, _), _)| track)
    }

    /// A message of the kernel.
    pub fn message(&mut self, message: Message) {
        self.kernel.0.push(message);
    }

    /// Forgets messages that are older than the span.
    pub fn forget_messages(&mut self, now_ms: i64) {
        self.kernel.0.forget(now_ms);
    }

    /// Tells how a class is read.
    pub fn tell(&mut self, class: &Class, told: Told) {
        if *class == class::KERNEL {
            self.kernel.1 = told;
            return;
        }
        let others = class::ALL.iter().filter(|c| ***c != class::KERNEL);
        if let Some(((_, before), _)) = self.tracks.iter_mut().zip(others).find(|(_, c)| **c == class) {
            *before = told;
        }
    }

    /// Each class in numbers.
    pub fn read(&self) -> Vec<Reading> {
        let others = class::ALL.into_iter().filter(|c| **c != class::KERNEL);
        let mut all: Vec<Reading> = self
            .tracks
            .iter()
            .zip(others)
            .map(|((track, told), class)| Reading {
                class,
                memory_bytes: track.memory_bytes(),
                budget_bytes: budget_bytes(&self.settings, class),
                since_ms: track.since_ms(),
                rows: track.rows_now(),
                refused: track.refused,
                dropped_early: track.dropped_early,
                told: told.clone(),
            })
            .collect();
        let (events, told) = &self.kernel;
        let kernel = Reading {
            class: &class::KERNEL,
            memory_bytes: events.memory_bytes(),
            budget_bytes: budget_bytes(&self.settings, &class::KERNEL),
            since_ms: events.since_ms(),
            rows: events.len() as u64,
            refused: 0,
            dropped_early: events.dropped_early,
            told: told.clone(),
        };
        all.insert(2.min(all.len()), kernel);
        all
    }

    /// What there is now, to be written while the ring goes on.
    pub fn freeze(&self) -> Frozen {
        let span = self.settings.span_ms;
        let (kernel, _) = self.kernel.0.columns(i64::MIN, i64::MAX, usize::MAX);
        Frozen {
            span_ms: span,
            tracks: self.tracks.iter().map(|(track, _)| track.freeze()).collect(),
            kernel: Arc::new(kernel),
            readings: self.read(),
        }
    }
}

/// The ring at one instant.
#[derive(Clone, Debug)]
pub struct Frozen {
    /// How long the ring is.
    pub span_ms: i64,
    /// Each class in numbers, at that instant.
    pub readings: Vec<Reading>,
    tracks: Vec<FrozenTrack>,
    kernel: Arc<Columns>,
}

impl Frozen {
    /// The rows of a class in `from_ms..=to_ms`, at most `rows_max`; with how many readings (of the kernel: messages)
    /// were left out for that.
    pub fn columns(&self, class: &Class, from_ms: i64, to_ms: i64, rows_max: usize) -> (Columns, u64) {
        if *class == class::KERNEL {
            return self.messages(from_ms, to_ms, rows_max);
        }
        let track = self.tracks.iter().find(|t| *t.class == *class);
        track.map_or_else(|| (Columns::default(), 0), |t| t.columns(from_ms, to_ms, rows_max))
    }

    fn messages(&self, from_ms: i64, to_ms: i64, rows_max: usize) -> (Columns, u64) {
        let times = self.kernel.times();
        let rows: Vec<usize> =
            (0..times.len()).filter(|row| (from_ms..=to_ms).contains(&times[*row])).collect();
        let left_out = rows.len().saturating_sub(rows_max);
        (self.kernel.pick(&rows[left_out..]), left_out as u64)
    }
}
