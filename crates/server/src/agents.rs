//! The agents that send to this server: which there are, what they tell of themselves, and what they are asked for. An agent
//! asks whether there is something for it and waits for the answer; nothing here connects to one. It must never remember more
//! than its bounds, nor lose what an agent was asked for before the agent said that it has it.

mod book;
mod names;

pub use book::{AGENTS_MAX, Ask, Known, Told, Wanted};
pub use names::{base_of, name_at};

use crate::clock::now_ms;
use book::Book;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use stdx::metrics::{Registry, Value};
use stdx::{Error, ErrorKind, Result};
use store::captures::Cause;
use tokio::sync::{Notify, Semaphore, watch};

/// How long a question of an agent waits for an answer: proxies cut off what is silent for a minute.
pub const WAIT_MAX: Duration = Duration::from_secs(25);
/// Bytes of one part of a capture that an agent hands over.
pub const UPLOAD_BYTES_MAX: usize = 64 << 20;
/// Parts that are taken at one time.
pub const UPLOADS_MAX: usize = 2;
/// What names these bounds.
pub const AGENTS: &str = "agents";
/// See [`AGENTS`].
pub const UPLOAD: &str = "bytes of a part of an agent's capture";
/// See [`AGENTS`].
pub const UPLOADS: &str = "captures of agents that are taken at a time";

/// The agents.
pub struct Agents {
    book: Mutex<Book>,
    /// Something is asked for.
    asked: Notify,
    stopping: watch::Receiver<bool>,
    /// Bounds what is handed over.
    pub uploads: Semaphore,
    /// What happened.
    pub counters: Counters,
}

/// What happened with agents.
pub struct Counters {
    asked: Value,
    unasked: Value,
    known: Value,
    /// Parts of captures that were taken.
    pub received: Value,
    /// Parts of captures that were refused.
    pub refused: Value,
}

impl Agents {
    /// None yet.
    pub fn new(registry: &Registry, stopping: watch::Receiver<bool>) -> Agents {
        let counters = Counters {
            asked: registry.counter("midwatch_agents_asked_total", "Captures that agents were asked for."),
            unasked: registry.counter(
                "midwatch_agents_not_asked_total",
                "Captures that agents were not asked for because too many were concerned, or waited.",
            ),
            known: registry.gauge("midwatch_agents", "Agents that were heard of in the last minutes."),
            received: registry
                .counter("midwatch_captures_received_total", "Parts of captures that agents handed over."),
            refused: registry.counter(
                "midwatch_captures_not_received_total",
                "Parts of captures of agents that were refused: damaged, too large, or not asked for.",
            ),
        };
        Agents {
            book: Mutex::default(),
            asked: Notify::new(),
            stopping,
            uploads: Semaphore::new(UPLOADS_MAX),
            counters,
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// What an agent tells of itself; returns what it is asked for, at once or as soon as there is something.
    ///
    /// # Errors
    /// `Busy` if there are too many agents, or this one asks too often.
    pub async fn poll(&self, told: Told, address: String, wait: Duration) -> Result<Vec<Ask>> {
        let id = told.id.clone();
        self.book().hear(told, address, now_ms())?;
        self.counters.known.set(self.book().alive(now_ms()) as f64);
        let mut stopping = self.stopping.clone();
        let found = async {
            loop {
                // Before looking, so that nothing falls between the look and the wait.
                let mut asked = std::pin::pin!(self.asked.notified());
                asked.as_mut().enable();
                let asks = self.book().asks_of(&id, now_ms());
                if !asks.is_empty() {
                    return asks;
                }
                tokio::select! {
                    () = asked => {}
                    _ = stopping.wait_for(|stop| *stop) => return Vec::new(),
                }
            }
        };
        Ok(tokio::time::timeout(wait.min(WAIT_MAX), found).await.unwrap_or_default())
    }

    /// Asks those that are concerned for what they have of a capture. Returns the names of the hosts.
    pub fn ask(&self, capture: &str, cause: &Cause, after_ms: i64) -> Vec<String> {
        let wanted = Wanted::of(cause);
        let (hosts, left_out) = self.book().ask(capture, cause, after_ms, &wanted, now_ms());
        self.counters.asked.add(hosts.len() as f64);
        self.counters.unasked.add(left_out as f64);
        if !hosts.is_empty() {
            self.asked.notify_waiters();
        }
        hosts
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<Known> {
        self.book().list(now_ms())
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.book().len()
    }

    /// The host of an agent that was heard of.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn host_of(&self, id: &str) -> Result<String> {
        let text = "this agent was not heard of; it has to ask what there is for it first";
        self.book().host_of(id).ok_or_else(|| Error::new(ErrorKind::NotFound, text))
    }
}
