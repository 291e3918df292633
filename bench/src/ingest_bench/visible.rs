//! How long until a query sees what was acknowledged. It must never ask for anything that was there before.

use crate::http::{Http, encode};
use crate::load::send::HEADERS;
use crate::stop;
use ingest::remote_write;
use model::{Labels, SeriesData};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};
use stdx::{Error, ErrorKind, Result};

/// No sample takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// Sends so many samples, each in a request of its own, and asks for it until it is there: milliseconds of each from
/// its acknowledgement to the end of the answer that has it. Half are the first of a new series.
///
/// # Errors
/// Cancelled; or if one is not acknowledged, or not found within a minute.
pub fn milliseconds(address: SocketAddr, tries: usize) -> Result<Vec<f64>> {
    let (mut write, mut read) = (Http::connect(address)?, Http::connect(address)?);
    let mut out = Vec::new();
    for i in 0..tries {
        let series = format!("{}", i / 2);
        let pairs = [("__name__", "bench_visible"), ("series", &series)];
        let labels = Labels::from_pairs(pairs);
        let labels = labels.map_err(|e| Error::wrap(ErrorKind::Internal, "a series of the bench", e))?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (now_ms, value) = (now.as_millis() as i64, i as f64 + 1.0);
        let body = remote_write::encode(&[SeriesData {
            labels,
            timestamps_ms: vec![now_ms],
            values: vec![value],
            ..Default::default()
        }]);
        let query = encode(&format!("bench_visible{{series=\"{series}\"}} == {value}"));
        let path = format!("/api/v1/query?query={query}&time={}", now_ms as f64 / 1e3);
        write.post_with("/api/v1/write", HEADERS, &body)?;
        let begun = Instant::now();
        loop {
            stop::check()?;
            let answer = read.get(&path)?;
            let elapsed = begun.elapsed();
            // Nothing in the answer but the result can have such a pair of a time and a value.
            if answer.windows(8).any(|w| w == b"\"value\":") {
                out.push(elapsed.as_secs_f64() * 1e3);
                break;
            }
            if elapsed > LIMIT {
                return Err(Error::new(ErrorKind::Unavailable, "a sample cannot be found after a minute"));
            }
        }
        // The next sample has another time.
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(out)
}
