//! Sends requests that are ready over several connections, as fast as they are acknowledged or at a pace, and says
//! how long that took. It must never send a request twice: an answer that is not good ends the run.

use super::stream::{Request, Requests};
use crate::http::Http;
use crate::stop;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stdx::{Error, ErrorKind, Result};

/// Headers of a request.
pub const HEADERS: &str = "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
                       User-Agent: bench\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n";

/// What sending took.
pub struct Sent {
    /// From the first request to the last acknowledgement.
    pub seconds: f64,
    /// Samples sent.
    pub samples: usize,
    /// Of each request, milliseconds from when it was due to its acknowledgement.
    pub latencies_ms: Vec<f64>,
}

/// Sends all requests, each list over a connection of its own. With a pace, requests are due so that all
/// connections together send so many samples a second; without, each is due when the one before is acknowledged.
///
/// # Errors
/// Cancelled; or if one request is not acknowledged.
pub fn all(address: SocketAddr, requests: &Requests, pace: Option<f64>) -> Result<Sent> {
    let samples: usize = requests.iter().flatten().map(|r| r.samples).sum();
    let total = requests.iter().map(Vec::len).sum::<usize>().max(1);
    let connections = requests.len();
    // Between two requests of all connections together.
    let gap_seconds = pace.map(|rate| samples as f64 / rate / total as f64);
    let begun = Instant::now();
    let lists: Vec<Result<Vec<f64>>> = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for (number, list) in requests.iter().enumerate() {
            let due = move |i: usize| {
                let gap = gap_seconds?;
                Some(begun + Duration::from_secs_f64(gap * (i * connections + number) as f64))
            };
            threads.push(scope.spawn(move || one(address, list, due)));
        }
        let panicked = || Err(Error::new(ErrorKind::Internal, "a connection of the bench panicked"));
        threads.into_iter().map(|t| t.join().unwrap_or_else(|_| panicked())).collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let mut latencies_ms = Vec::new();
    for list in lists {
        latencies_ms.extend(list?);
    }
    Ok(Sent { seconds, samples, latencies_ms })
}

/// One connection: milliseconds of each request.
fn one(address: SocketAddr, list: &[Request], due: impl Fn(usize) -> Option<Instant>) -> Result<Vec<f64>> {
    let mut http = Http::connect(address)?;
    let mut latencies_ms = Vec::new();
    for (i, request) in list.iter().enumerate() {
        stop::check()?;
        let due = due(i).unwrap_or_else(Instant::now);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        http.post_with("/api/v1/write", HEADERS, &request.body)?;
        latencies_ms.push(due.elapsed().as_secs_f64() * 1e3);
    }
    Ok(latencies_ms)
}
