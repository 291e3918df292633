//! Bounds what queries may cost together: so many at one time, so many waiting, each for so long, and none
//! for a client that has left. Evaluation happens on threads that may block, never on the tasks' own.

use crate::settings::QuerySettings;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use stdx::metrics::{Registry, Value};
use stdx::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;

/// Admits queries. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    settings: QuerySettings,
    running: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    queries: Value,
    refused: Value,
    seconds: Value,
    abandoned: Value,
}

/// Asked often by what runs inside the gate; true when it should end.
pub type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// Sets the flag when the client's request is dropped.
struct Leaves(Arc<AtomicBool>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl Gate {
    /// An open gate.
    pub fn new(settings: QuerySettings, registry: &Registry) -> Gate {
        Gate {
            running: Arc::new(Semaphore::new(settings.concurrent_max.max(1))),
            waiting: Arc::default(),
            queries: registry.counter("midwatch_queries_total", "Queries evaluated."),
            refused: registry
                .counter("midwatch_queries_refused_total", "Queries refused: too many were waiting."),
            seconds: registry
                .counter("midwatch_query_seconds_total", "Time spent on queries, waiting not included."),
            abandoned: registry.counter(
                "midwatch_queries_abandoned_total",
                "Queries that were stopped because their client had left.",
            ),
            settings,
        }
    }

    /// The limits.
    pub fn settings(&self) -> &QuerySettings {
        &self.settings
    }

    /// Queries that run, and that wait, at this moment.
    pub fn present(&self) -> (usize, usize) {
        let running = self.settings.concurrent_max.max(1).saturating_sub(self.running.available_permits());
        (running, self.waiting.load(Relaxed).saturating_sub(running))
    }

    /// Runs `work` on a thread that may block. `timeout_ms` shortens the limit, never lengthens it.
    ///
    /// # Errors
    /// `Busy` if too many wait; `Cancelled` if the time is over before it starts; `Internal` if it panics; and
    /// what `work` returns.
    pub async fn run<T: Send + 'static, E: From<Error> + Send + 'static>(
        &self,
        timeout_ms: Option<u64>,
        work: impl FnOnce(Stop) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let limit_ms = timeout_ms.unwrap_or(u64::MAX).min(self.settings.timeout_ms);
        let deadline = Instant::now() + Duration::from_millis(limit_ms);
        let left = Arc::new(AtomicBool::new(false));
        let _leaves = Leaves(left.clone());
        if self.waiting.fetch_add(1, Relaxed) >= self.settings.waiting_max + self.settings.concurrent_max {
            self.waiting.fetch_sub(1, Relaxed);
            self.refused.inc();
            let text = "too many queries are waiting; try again in a moment";
            return Err(Error::new(ErrorKind::Busy, text).bound("query.waiting_max").into());
        }
        let waiting = Waiting(self.waiting.clone());
        let permit = tokio::time::timeout_at(deadline.into(), self.running.clone().acquire_owned());
        let Ok(Ok(permit)) = permit.await else {
            let text = format!("the query waited longer than {limit_ms} ms for its turn");
            return Err(Error::new(ErrorKind::Cancelled, text).bound("query.timeout").into());
        };
        let has_left = left.clone();
        let stop: Stop = Arc::new(move || left.load(Relaxed) || Instant::now() >= deadline);
        let (queries, seconds, abandoned) =
            (self.queries.clone(), self.seconds.clone(), self.abandoned.clone());
        let task = tokio::task::spawn_blocking(move || {
            // Held until the work ends, even if the client has left before.
            let _held = (permit, waiting);
            let started = Instant::now();
            let result = work(stop);
            if has_left.load(Relaxed) {
                abandoned.inc();
            }
            queries.inc();
            seconds.add(started.elapsed().as_secs_f64());
            result
        });
        task.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Internal, "the query failed inside; this is a bug worth reporting")
                .into())
        })
    }
}

struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
