//! A small shop that exists in arithmetic alone: customers, eight services, queues, a data base, a cache, and faults
//! that break it. It tells what the services would have told: metrics, log records, spans, changes.
//!
//! A decider: `Demo::step(to)` gives what happened until then. Time and chance come from outside, the same seed gives
//! the same story. It must never read a clock, open a socket, or know what becomes of what it tells.
//!
//! ```
//! let start_ns = 1_700_000_000 * demo::SECOND_NS;
//! let mut demo = demo::Demo::new(7, start_ns, start_ns, vec![]);
//! let told = demo.step(start_ns + 60 * demo::SECOND_NS);
//! assert!(told.spans.spans.len() > 500 && told.news.is_empty());
//! ```
//!
//! Requests are simulated one after the other in the order of their arrival; each takes its places in queues (the
//! threads of a service, the connections of a pool, the one writer of a shard) at the times that are left by those
//! before it. What a later request would have held up in an earlier one is not seen: an error of milliseconds at the
//! load of this shop.

mod chance;
mod faults;
mod otlp;
mod requests;
mod schedule;
mod tell;
mod world;

#[cfg(test)]
mod tests;

pub use faults::{FAULTS, Fault};
pub use otlp::{change, logs, metrics, spans};
pub use schedule::{Episode, endless};
pub use tell::{Snapshot, Told};

use schedule::Turn;
pub use world::SERVICES;
use world::World;

/// Nanoseconds of a second: the unit of all times here.
pub const SECOND_NS: i64 = 1_000_000_000;
/// Metrics are told so often, at whole multiples.
pub const METRICS_NS: i64 = 5 * SECOND_NS;
/// The version of the services that runs when nothing is deployed.
pub const VERSION: &str = "1.4.1";

/// Something that a person is told while it happens.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// When.
    pub time_ns: i64,
    /// What, in a sentence.
    pub text: String,
    /// A query that shows it, in PromQL; empty: none.
    pub promql: &'static str,
    /// Words that find it on the page Look; empty: none.
    pub look: &'static str,
    /// The service in which it is.
    pub service: &'static str,
    /// Whether it begins (or ends).
    pub begins: bool,
}

/// The shop.
pub struct Demo {
    world: World,
    now_ns: i64,
    detail_from_ns: i64,
    turns: Vec<Turn>,
}

impl Demo {
    /// A shop that opens at `start_ns` (nanoseconds since 1970), in which the episodes happen. What is before
    /// `detail_from_ns` is told in outline: metrics every 15 s, of traces and their log records what failed and one
    /// in fifty.
    pub fn new(seed: u64, start_ns: i64, detail_from_ns: i64, episodes: Vec<Episode>) -> Demo {
        let world = World::new(seed, start_ns, detail_from_ns);
        Demo { world, now_ns: start_ns, detail_from_ns, turns: schedule::turns(episodes) }
    }

    /// All that happens until `to_ns`, which must not be before the last one: at most an hour at a time, the rest is
    /// left for the next call.
    pub fn step(&mut self, to_ns: i64) -> Told {
        let to_ns = to_ns.min(self.now_ns + 3_600 * SECOND_NS);
        let mut told = Told::default();
        while self.now_ns < to_ns {
            let every_ns = if self.now_ns < self.detail_from_ns { 3 * METRICS_NS } else { METRICS_NS };
            let next_tick = (self.now_ns / every_ns + 1) * every_ns;
            let next_turn = self.turns.first().map_or(i64::MAX, |t| t.time_ns.max(self.now_ns));
            let until = to_ns.min(next_tick).min(next_turn);
            self.world.run(until);
            self.now_ns = until;
            while self.turns.first().is_some_and(|t| t.time_ns <= self.now_ns) {
                let turn = self.turns.remove(0);
                let change = faults::turn(&mut self.world, turn.fault, turn.begins, self.now_ns);
                told.changes.extend(change);
                told.news.push(turn.news(self.now_ns));
            }
            if until == next_tick {
                told.snapshots.push(self.world.tell.snapshot(until));
            }
        }
        self.world.tell.take(self.now_ns, &mut told);
        told
    }

    /// Breaks the shop (or heals it) from now on, and says so at the next step.
    pub fn turn(&mut self, fault: &'static Fault, begins: bool) {
        self.turns.insert(0, Turn { time_ns: self.now_ns, fault, begins });
    }

    /// Until when it has been told.
    pub fn now_ns(&self) -> i64 {
        self.now_ns
    }
}
