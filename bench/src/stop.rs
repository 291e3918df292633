//! Ctrl-C: everything that waits here waits in short steps, so that what was started is ended by those who started
//! it. It must never end the program itself.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use stdx::{Error, ErrorKind, Result};
use tokio::signal::unix::{SignalKind, signal};

static STOPPED: AtomicBool = AtomicBool::new(false);

const STEP: Duration = Duration::from_millis(50);

/// Begins to listen for SIGINT and SIGTERM, on a thread of its own.
///
/// # Errors
/// If the system gives no thread or no handler.
pub fn listen() -> Result<()> {
    let failed = |e| Error::wrap(ErrorKind::Unavailable, "cannot listen for signals", e);
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
                eprintln!("\nbench: ending what was started");
            }
        });
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).map_err(failed)?;
    Ok(())
}

/// An error once somebody pressed Ctrl-C.
///
/// # Errors
/// Cancelled.
pub fn check() -> Result<()> {
    if STOPPED.load(Relaxed) { Err(Error::new(ErrorKind::Cancelled, "stopped")) } else { Ok(()) }
}

/// Sleeps until then.
///
/// # Errors
/// Cancelled.
pub fn sleep_until(then: Instant) -> Result<()> {
    loop {
        check()?;
        let left = then.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(STEP));
    }
}

/// Asks until there is an answer.
///
/// # Errors
/// Cancelled; or Unavailable after `limit`, saying that `what` did not happen.
pub fn wait_for<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if Instant::now() >= end {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("{what} did not happen within {} s", limit.as_secs()),
            ));
        }
        sleep_until(Instant::now() + STEP)?;
    }
}
