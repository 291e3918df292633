//! Drives the host recorder: a thread that wakes at each whole second, reads, and hands the batch to a second
//! thread, which waits for the disk. A slow disk never delays a reading; past a bound, readings are
//! dropped and counted.

use crate::clock::now_ms;
use crate::sink::Sink;
use capture::Ring;
use ingest::Decoded;
use model::Batch;
use recorder::{Recorder, Ticker};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stdx::metrics::{Registry, Value};
use stdx::{Error, ErrorKind, Result};

/// Readings that may wait for the disk.
const WAITING_MAX: usize = 30;
/// A reading within this distance of a whole second gets that second as its time, so that all series of all
/// ticks share regular timestamps.
const ALIGN_MS: i64 = 50;

/// The running recorder; stops when dropped.
pub struct Host {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

struct Counters {
    ticks: Value,
    dropped: Value,
    read_seconds: Value,
    late_seconds: Value,
}

impl Host {
    /// Starts the two threads. `begin` runs first on the one that reads; `deliver` takes each batch, on the second of them; what it gives back is used again.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(
        settings: recorder::Settings,
        begin: impl FnOnce() + Send + 'static,
        mut deliver: impl FnMut(Batch) -> Option<Batch> + Send + 'static,
        ring: Arc<Mutex<Ring>>,
        registry: &Registry,
    ) -> Result<Host> {
        let stop = Arc::new(AtomicBool::new(false));
        let (to_sink, batches) = sync_channel::<Batch>(WAITING_MAX);
        let (recycle, empty) = channel::<Batch>();
        let counters = Counters::new(registry);
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.into())
                .spawn(run)
                .map_err(|e| Error::wrap(ErrorKind::Unavailable, "cannot start a thread", e))
        };
        let stopped = stop.clone();
        let reader = spawn(
            "recorder",
            Box::new(move || {
                begin();
                read_loop(settings, &counters, (&to_sink, &empty), &ring, &stopped);
            }),
        )?;
        let writer = spawn(
            "recorder-sink",
            Box::new(move || {
                for batch in batches {
                    if let Some(mut batch) = deliver(batch) {
                        batch.clear();
                        let _ = recycle.send(batch);
                    }
                }
            }),
        )?;
        Ok(Host { stop, threads: vec![reader, writer] })
    }
}

/// Delivers into the store.
pub fn into_store(sink: Sink) -> impl FnMut(Batch) -> Option<Batch> + Send + 'static {
    move |batch| {
        // A failure is counted by the sink, and shown on the page of sources.
        let delivered = sink.deliver_blocking("host", Decoded { batch, rejects: Vec::new() });
        delivered.ok().map(|d| d.batch)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn read_loop(
    settings: recorder::Settings,
    counters: &Counters,
    (to_sink, empty): (&SyncSender<Batch>, &Receiver<Batch>),
    ring: &Mutex<Ring>,
    stop: &AtomicBool,
) {
    let mut recorder = Recorder::new(settings);
    let period = Duration::from_secs(1);
    let origin = Instant::now();
    let elapsed_ns = || origin.elapsed().as_nanos() as u64;
    let mut first = true;
    let mut ticker = Ticker::new(period);
    sleep_until(origin, elapsed_ns() + ns_to_whole_second(), stop);
    while !stop.load(Relaxed) {
        let tick = ticker.next(elapsed_ns());
        recorder.count_missed_ticks(tick.missed);
        sleep_until(origin, tick.due_ns, stop);
        if stop.load(Relaxed) {
            return;
        }
        let begun_ns = elapsed_ns();
        let (time_ms, aligned) = aligned(now_ms());
        counters.late_seconds.set(begun_ns.saturating_sub(tick.due_ns) as f64 / 1e9);
        let mut batch = empty.try_recv().unwrap_or_default();
        if std::mem::take(&mut first) {
            batch.metadata = recorder::metadata();
        }
        recorder.read(time_ms, begun_ns, &mut batch);
        counters.read_seconds.set((elapsed_ns() - begun_ns) as f64 / 1e9);
        counters.ticks.inc();
        match to_sink.try_send(batch) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => counters.dropped.inc(),
            Err(TrySendError::Disconnected(_)) => return,
        }
        recorder.fill(&mut ring.lock().unwrap_or_else(|e| e.into_inner()));
        if !aligned && tick.missed == 0 {
            // The wall clock was stepped or has drifted: meet its whole seconds again.
            ticker = Ticker::new(period);
            sleep_until(origin, elapsed_ns() + ns_to_whole_second(), stop);
        }
    }
}

/// The time of a reading, and whether it is a whole second.
fn aligned(now_ms: i64) -> (i64, bool) {
    let second = (now_ms + 500).div_euclid(1000) * 1000;
    if (now_ms - second).abs() <= ALIGN_MS { (second, true) } else { (now_ms, false) }
}

fn ns_to_whole_second() -> u64 {
    (1000 - now_ms().rem_euclid(1000)) as u64 * 1_000_000
}

fn sleep_until(origin: Instant, due_ns: u64, stop: &AtomicBool) {
    let due = origin + Duration::from_nanos(due_ns);
    while !stop.load(Relaxed) {
        let now = Instant::now();
        if now >= due {
            return;
        }
        // Parked rather than asleep, so that stopping does not wait for the second to end.
        std::thread::park_timeout(due - now);
    }
}

impl Counters {
    fn new(r: &Registry) -> Counters {
        Counters {
            ticks: r.counter("midwatch_recorder_ticks_total", "Readings of the host."),
            dropped: r.counter(
                "midwatch_recorder_dropped_ticks_total",
                "Readings dropped because the disk did not keep up.",
            ),
            read_seconds: r.gauge("midwatch_recorder_read_seconds", "Wall time of the last reading."),
            late_seconds: r.gauge("midwatch_recorder_late_seconds", "How late the last reading began."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::aligned;

    #[test]
    fn times_snap_to_whole_seconds_only_when_near() {
        for (now_ms, want) in [
            (1000, (1000, true)),
            (1049, (1000, true)),
            (960, (1000, true)),
            (1400, (1400, false)),
            (-30, (0, true)),
        ] {
            assert_eq!(aligned(now_ms), want);
        }
    }
}
