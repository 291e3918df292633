//! What is read goes into the buffer: the host once a second, the agent itself every five. What cannot be written there is
//! counted and said. It must never wait for the server.

use super::{OWN_PERIOD, STOP_TIMEOUT, Shared, blocking};
use crate::clock::now_ms;
use crate::own;
use model::Batch;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use stdx::Result;
use tokio::sync::watch;

/// How often what was buffered is made to outlive a power cut; a kill loses nothing in between.
const SYNC_PERIOD: Duration = Duration::from_secs(5);
/// How often types and texts of metrics are sent again: a server that began anew does not know them.
const METADATA_READINGS: u64 = 600;
/// How often it is said that something cannot be written, or was dropped.
const SAY_PERIOD: Duration = Duration::from_secs(60);

/// Delivers readings of the host into the buffer.
pub(super) fn into_buffer(shared: Arc<Shared>) -> impl FnMut(Batch) -> Option<Batch> + Send + 'static {
    let mut readings = 0u64;
    let mut is_confined = false;
    let mut synced = Instant::now();
    let mut said: Option<Instant> = None;
    let mut dropped = shared.buffer().read().dropped_samples;
    move |mut batch| {
        readings += 1;
        if !std::mem::replace(&mut is_confined, true) {
            shared.confinement.talk();
        }
        if readings.is_multiple_of(METADATA_READINGS) {
            batch.metadata = recorder::metadata();
        }
        let mut done = push(&shared, &batch);
        if done.is_ok() && synced.elapsed() >= SYNC_PERIOD {
            synced = Instant::now();
            done = shared.buffer().sync();
        }
        if said.is_none_or(|said| said.elapsed() >= SAY_PERIOD) {
            let now_dropped = shared.measure().dropped_samples;
            let text = match done {
                Err(e) => Some(format!("Readings cannot be buffered: {e}")),
                Ok(()) if now_dropped > dropped => Some(format!(
                    "The buffer is full: {} samples were dropped, the oldest first; --buffer makes it larger.",
                    now_dropped - dropped
                )),
                Ok(()) => None,
            };
            if let Some(text) = text {
                (shared.say)(&text);
                said = Some(Instant::now());
                dropped = now_dropped;
            }
        }
        Some(batch)
    }
}

/// Adds a batch to the buffer as one frame.
///
/// # Errors
/// As the buffer's; what is lost is counted.
fn push(shared: &Shared, batch: &Batch) -> Result<()> {
    let times = || batch.samples.iter().map(|s| s.timestamp_ms);
    let (Some(first_ms), Some(last_ms)) = (times().min(), times().max()) else { return Ok(()) };
    let body = ingest::remote_write::encode_batches(std::slice::from_ref(batch));
    let pushed = shared.buffer().push(first_ms, last_ms, batch.samples.len() as u32, &body);
    match pushed {
        Ok(_) => {
            shared.pushed.notify_one();
            Ok(())
        }
        Err(e) => {
            shared.counters.unwritten.add(batch.samples.len() as f64);
            Err(e)
        }
    }
}

/// Records the agent itself until it stops, and once more then.
pub(super) async fn own(shared: Arc<Shared>, mut stopping: watch::Receiver<bool>) {
    let first = std::sync::atomic::AtomicBool::new(true);
    loop {
        let is_last = tokio::select! {
            () = tokio::time::sleep(OWN_PERIOD) => false,
            _ = stopping.wait_for(|stop| *stop) => true,
        };
        let (inside, is_first) = (shared.clone(), first.swap(false, Relaxed));
        let work = move || {
            inside.measure();
            let families = own::families_of(&inside.registry, inside.started_ms);
            let time_ms = now_ms() / 1000 * 1000;
            push(&inside, &own::batch(families, &inside.settings.hostname, is_first, time_ms))
        };
        // What cannot be written is counted, and said by whoever writes every second.
        let _ = tokio::time::timeout(STOP_TIMEOUT, blocking(work)).await;
        if is_last {
            return;
        }
    }
}
