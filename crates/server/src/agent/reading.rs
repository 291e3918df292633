//! A thread that reads this machine for others: what it may do is less than they may (`confine.rs`). It must never write.

use super::confine::Confinement;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use stdx::{Error, ErrorKind, Result};

/// Readings that may wait.
const WAITING_MAX: usize = 16;

type Job = Box<dyn FnOnce() + Send>;

/// The thread; it ends when this goes.
pub(super) struct Reading(SyncSender<Job>);

impl Reading {
    /// Starts it, confined.
    ///
    /// # Errors
    /// `Unavailable` if there can be no more threads.
    pub fn start(confinement: Arc<Confinement>) -> Result<Reading> {
        let (jobs, received) = sync_channel::<Job>(WAITING_MAX);
        let run = move || {
            confinement.read();
            for job in received {
                // A bug in one reading is not the end of the others.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            }
        };
        let thread = std::thread::Builder::new().name("reading".into()).spawn(run);
        thread
            .map(|_| Reading(jobs))
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "cannot start a thread", e))
    }

    /// Reads there and waits for it; nothing if that fails.
    pub fn run<T: Default + Send + 'static>(&self, read: impl FnOnce() -> T + Send + 'static) -> T {
        let (reply, answer) = sync_channel(1);
        let job = move || {
            let _ = reply.send(read());
        };
        let _ = self.0.send(Box::new(job));
        answer.recv().unwrap_or_default()
    }
}
