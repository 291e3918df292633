//! Sends what no memory would hold: requests are made on the way, many samples of each series in one, as a sender does
//! that catches up. Its own time is in what it takes, so nothing here may be read as a program's speed.

use super::send::HEADERS;
use super::stream::{Stream, ranges};
use crate::http::Http;
use crate::stop;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use stdx::{Error, ErrorKind, Result};

/// Connections; each has series of its own.
pub const CONNECTIONS: usize = 2;
/// Samples in one request.
const REQUEST_SAMPLES: usize = 6_000;

/// Sends so many samples of each series, `batch` of them in one request, and calls `each` with the share of it that is
/// done, about every half second.
///
/// # Errors
/// Cancelled; or if one request is not acknowledged.
pub fn all(
    address: SocketAddr,
    parts: &mut [Stream],
    samples: usize,
    batch: usize,
    mut each: impl FnMut(f64) -> Result<()>,
) -> Result<()> {
    let total: usize = parts.iter().map(Stream::len).sum::<usize>() * samples;
    let (sent, running) = (AtomicUsize::new(0), AtomicUsize::new(parts.len()));
    std::thread::scope(|scope| {
        let threads: Vec<_> = parts
            .iter_mut()
            .map(|part| {
                let (sent, running) = (&sent, &running);
                scope.spawn(move || {
                    let outcome = one(address, part, samples, batch, sent);
                    running.fetch_sub(1, Relaxed);
                    outcome
                })
            })
            .collect();
        let mut watched = Ok(());
        while running.load(Relaxed) > 0 && watched.is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(500));
            watched = each(sent.load(Relaxed) as f64 / total.max(1) as f64);
        }
        let panicked = || Err(Error::new(ErrorKind::Internal, "a connection of the bench panicked"));
        for thread in threads {
            thread.join().unwrap_or_else(|_| panicked())?;
        }
        watched
    })
}

fn one(
    address: SocketAddr,
    part: &mut Stream,
    samples: usize,
    batch: usize,
    sent: &AtomicUsize,
) -> Result<()> {
    let mut http = Http::connect(address)?;
    let mut left = samples;
    while left > 0 {
        let batch = batch.clamp(1, left);
        for range in ranges(0..part.len(), (REQUEST_SAMPLES / batch).max(1)) {
            stop::check()?;
            let request = part.request(range, batch);
            http.post_with("/api/v1/write", HEADERS, &request.body)?;
            sent.fetch_add(request.samples, Relaxed);
        }
        left -= batch;
    }
    Ok(())
}
