//! Scraping: from configurations to targets, one task for each target, and what is known of all of them. Begin with
//! [`ScrapeManager::start`]. It must never keep a sample itself (the [`Sink`] does), nor decide what is interesting.

mod manager;
mod run;
mod schedule;
mod sources;
mod target;

pub use manager::{DroppedTarget, ScrapeManager};
pub use run::{Health, LastScrape, TargetStatus};
pub use target::{Pairs, TargetSpec};

use crate::client::Clients;
use crate::sink::Sink;
use std::sync::Arc;
use stdx::metrics::{Kind, Registry, Value};
use tokio::sync::Semaphore;

/// The most targets that are scraped; more are named as a problem.
pub const TARGETS_MAX: usize = 10_000;
/// Scrapes that run at one time; a target that hangs holds one place until its timeout.
const PARALLEL_MAX: usize = 256;
/// Memory of all bodies that are being read at one time.
const BODIES_BYTES_MAX: usize = 512 << 20;

/// What all targets share.
struct Engine {
    clients: Clients,
    sink: Sink,
    places: Semaphore,
    /// This host's name, for URLs that work from elsewhere.
    hostname: String,
    counters: Counters,
}

struct Counters {
    ok: Value,
    failed: Value,
    missed: Value,
    targets: Value,
}

impl Engine {
    fn new(sink: Sink, registry: &Registry, hostname: String) -> Arc<Engine> {
        let scrapes = |result: &str| {
            let labels = vec![("result", result.to_string())];
            registry.value(Kind::Counter, "midwatch_scrapes_total", "Scrapes, by how they ended.", labels)
        };
        let counters = Counters {
            ok: scrapes("ok"),
            failed: scrapes("failed"),
            missed: registry.counter(
                "midwatch_scrape_missed_total",
                "Scrapes that did not take place, because the one before took longer than the interval.",
            ),
            targets: registry.gauge("midwatch_scrape_targets", "Targets that are scraped."),
        };
        let clients = Clients::new(BODIES_BYTES_MAX);
        Arc::new(Engine { clients, sink, places: Semaphore::new(PARALLEL_MAX), hostname, counters })
    }
}

#[cfg(test)]
mod tests;
