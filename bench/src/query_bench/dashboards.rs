//! People with dashboards open: each asks all panels of its own at once every few seconds. It must never ask faster than they
//! would: a program that is slow is late, and that is what is measured.

use super::queries;
use crate::http::{Http, path_of};
use crate::programs::Server;
use crate::stop;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stdx::{Error, ErrorKind, Result};

/// Dashboards that are open.
pub const DASHBOARDS: usize = 20;
/// How often each asks.
pub const EVERY: Duration = Duration::from_secs(5);
/// Connections of one dashboard: as many as a browser opens to one host.
const CONNECTIONS: usize = 6;
/// How often all is asked.
const REFRESHES: u32 = 6;

/// What came of it.
pub struct Outcome {
    /// Milliseconds from when a panel was due until its answer was there, the waiting for a connection included.
    pub panels_ms: Vec<f64>,
    /// Panels that were refused or failed.
    pub failed: usize,
    /// Panels whose answer held no series: less was asked of the program than meant.
    pub empty: usize,
    /// CPU of the program, as a share of one core.
    pub cpu_percent: f64,
}

/// Opens all dashboards over the data that ends at `now_ms`.
///
/// # Errors
/// Cancelled; or if the program is gone.
pub fn run(server: &mut Server, now_ms: i64) -> Result<Outcome> {
    let (cpu, begun) = (server.process.usage()?.cpu_seconds, Instant::now());
    let address = server.address;
    let threads: Vec<Result<Part>> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..DASHBOARDS)
            .flat_map(|d| (0..CONNECTIONS).map(move |c| (d, c)))
            .map(|(d, c)| scope.spawn(move || connection(address, d, c, begun, now_ms)))
            .collect();
        let panicked = || Err(Error::new(ErrorKind::Internal, "a dashboard of the bench panicked"));
        all.into_iter().map(|t| t.join().unwrap_or_else(|_| panicked())).collect()
    });
    let took = begun.elapsed().as_secs_f64();
    let mut outcome = Outcome { panels_ms: Vec::new(), failed: 0, empty: 0, cpu_percent: 0.0 };
    for thread in threads {
        let part = thread?;
        outcome.panels_ms.extend(part.panels_ms);
        outcome.failed += part.failed;
        outcome.empty += part.empty;
    }
    outcome.cpu_percent = (server.process.usage()?.cpu_seconds - cpu) / took * 100.0;
    Ok(outcome)
}

/// What came of one connection; as in [`Outcome`].
#[derive(Default)]
struct Part {
    panels_ms: Vec<f64>,
    failed: usize,
    empty: usize,
}

/// Every sixth panel of one dashboard, all in order.
fn connection(
    address: SocketAddr,
    dashboard: usize,
    number: usize,
    begun: Instant,
    now_ms: i64,
) -> Result<Part> {
    let panels = queries::panels(dashboard);
    let paths: Vec<String> = panels
        .iter()
        .skip(number)
        .step_by(CONNECTIONS)
        .map(|(text, range)| path_of(text, *range, now_ms))
        .collect();
    let mut part = Part::default();
    // Dashboards were not all opened at the same moment.
    let offset = EVERY * dashboard as u32 / DASHBOARDS as u32;
    let mut http = Http::connect(address)?;
    for refresh in 0..REFRESHES {
        let due = begun + offset + EVERY * refresh;
        stop::sleep_until(due)?;
        for path in &paths {
            stop::check()?;
            match http.get(path) {
                Ok(answer) => {
                    part.panels_ms.push(due.elapsed().as_secs_f64() * 1e3);
                    part.empty += usize::from(answer.windows(11).any(|w| w == b"\"result\":[]"));
                }
                Err(_) => {
                    part.failed += 1;
                    http = Http::connect(address)?;
                }
            }
        }
    }
    Ok(part)
}
