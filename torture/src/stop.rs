//! Ctrl-C: everything that takes long asks here now and then, so that what was started is ended and what was mounted is
//! unmounted by those who did it. It must never end the program itself.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

static STOPPED: AtomicBool = AtomicBool::new(false);

/// What is told when somebody pressed Ctrl-C.
pub const STOPPED_TEXT: &str = "stopped";

/// Begins to listen for SIGINT and SIGTERM, on a thread of its own.
///
/// # Errors
/// If the system gives no thread or no handler.
pub fn listen() -> Result<(), String> {
    let failed = |e: std::io::Error| format!("cannot listen for signals: {e}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        let handler = |kind| signal(kind).map_err(failed);
        (handler(SignalKind::interrupt())?, handler(SignalKind::terminate())?)
    };
    let wait = move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                STOPPED.store(true, Relaxed);
                eprintln!("\ntorture: ending what was started");
            }
        });
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).map(drop).map_err(failed)
}

/// An error once somebody pressed Ctrl-C.
///
/// # Errors
/// [`STOPPED_TEXT`].
pub fn check() -> Result<(), String> {
    if STOPPED.load(Relaxed) { Err(STOPPED_TEXT.into()) } else { Ok(()) }
}

/// Sleeps, in short steps.
///
/// # Errors
/// As [`check`].
pub fn sleep(duration: Duration) -> Result<(), String> {
    let end = Instant::now() + duration;
    loop {
        check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}

/// Asks until there is an answer.
///
/// # Errors
/// As [`check`]; or that `what` did not happen within `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Result<T, String> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if Instant::now() >= end {
            return Err(format!("{what} did not happen within {} s", limit.as_secs()));
        }
        check()?;
        std::thread::sleep(Duration::from_millis(2));
    }
}
