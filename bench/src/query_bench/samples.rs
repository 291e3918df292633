//! What is asked about: many series for minutes, some for hours. The same for every program.

use crate::http::Http;
use crate::load::feed;
use crate::load::send::HEADERS;
use crate::load::stream::{Population, SCRAPE_MS, Stream};
use crate::memory_bench::BATCH;
use crate::stop;
use ingest::remote_write;
use model::{Labels, SeriesData};
use std::net::SocketAddr;
use stdx::{Error, ErrorKind, Result};

const MINUTES_10: i64 = 40;
const HOURS_6: i64 = 1_440;

/// A metric whose series are all of some instances times some handlers times some codes.
struct Metric {
    name: &'static str,
    instance: &'static str,
    instances: usize,
    handlers: usize,
    codes: &'static [&'static str],
    samples: i64,
}

/// Upper bounds of the buckets of a histogram.
const BOUNDS: &[&str] = &["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf"];

const METRICS: [Metric; 3] = [
    Metric {
        name: "rpc_duration_seconds_bucket",
        instance: "rpc",
        instances: 60,
        handlers: 10,
        codes: BOUNDS,
        samples: MINUTES_10,
    },
    Metric {
        name: "http_requests_total",
        instance: "api",
        instances: 190,
        handlers: 9,
        codes: &["200", "201", "400", "404", "500", "503"],
        samples: MINUTES_10,
    },
    Metric {
        name: "rpc_requests_total",
        instance: "rpc",
        instances: 60,
        handlers: 18,
        codes: &["ok"],
        samples: HOURS_6,
    },
];

/// Sends all: so many series, with their last samples at that time.
///
/// # Errors
/// Cancelled; or if one request is not acknowledged.
pub fn send(address: SocketAddr, series: usize, now_ms: i64) -> Result<()> {
    let mut left = series;
    // Oldest first: others refuse what is older than what they have.
    for metric in METRICS.iter().rev() {
        left = left.saturating_sub(metric.instances * metric.handlers * metric.codes.len());
        one(address, metric, now_ms)?;
    }
    let start_ms = now_ms - (MINUTES_10 + 1) * SCRAPE_MS;
    let mut parts = Stream::new(&Population::new(left, start_ms))?.split(feed::CONNECTIONS);
    feed::all(address, &mut parts, MINUTES_10 as usize, BATCH, |_| Ok(()))
}

fn one(address: SocketAddr, metric: &Metric, now_ms: i64) -> Result<()> {
    let mut http = Http::connect(address)?;
    let is_buckets = metric.name.ends_with("_bucket");
    let mut all = Vec::new();
    for instance in 0..metric.instances {
        for handler in 0..metric.handlers {
            for (place, code) in metric.codes.iter().enumerate() {
                let (instance, handler) =
                    (format!("{}-{instance:02}", metric.instance), format!("/v1/h{handler}"));
                let pairs = [
                    ("__name__", metric.name),
                    ("job", metric.instance),
                    ("instance", &instance),
                    ("handler", &handler),
                    (if is_buckets { "le" } else { "code" }, code),
                ];
                let labels = Labels::from_pairs(pairs);
                let labels =
                    labels.map_err(|e| Error::wrap(ErrorKind::Internal, "a series of the bench", e))?;
                // Buckets hold what those below them hold.
                let rise = if is_buckets { place + 1 } else { 1 + all.len() % 97 };
                all.push((labels, rise as i64));
            }
        }
    }
    for first in (0..metric.samples).step_by(BATCH) {
        for part in all.chunks(500) {
            stop::check()?;
            let steps = first..(first + BATCH as i64).min(metric.samples);
            let data: Vec<SeriesData> = part
                .iter()
                .map(|(labels, rise)| {
                    let times = steps.clone().map(|k| now_ms - (metric.samples - k) * SCRAPE_MS).collect();
                    let values = steps.clone().map(|k| (k * rise) as f64).collect();
                    SeriesData::numbers(labels.clone(), times, values)
                })
                .collect();
            http.post_with("/api/v1/write", HEADERS, &remote_write::encode(&data))?;
        }
    }
    Ok(())
}
