//! Sends what is buffered, the oldest first, until the server has taken it: again and again with growing pauses while it
//! does not, in larger requests when much waits. A frame leaves the buffer when the server has said what became of it, and
//! not before. It must never send a second request while one is under way, nor drop anything that it does not count.

use super::backoff::{Backoff, random};
use super::link::{retry_after, said};
use super::{STOP_TIMEOUT, Shared, blocking};
use bytes::Bytes;
use ingest::{KnownLabels, Limits};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName};
use std::sync::Arc;
use std::time::Duration;
use stdx::{Error, Result};
use store::buffer::Frame;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// Bytes of frames in one request, as they are buffered, and samples.
const REQUEST_BYTES: usize = 2 << 20;
const REQUEST_SAMPLES: u32 = 200_000;
/// From the first byte sent to the answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of an answer is read.
const ANSWER_BYTES_MAX: usize = 4 << 10;
/// Different series of which a request is put together.
const SERIES_MAX: usize = 1 << 20;
/// What says how many samples were taken. An answer without it is not from Midwatch, or not from this door of it.
const WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");

/// What an answer means for the frames that were sent.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// They are there, but for so many samples that the server will never take; why.
    Arrived(u64, String),
    /// Too much at once.
    TooMuch,
    /// Not now; how long the server asks to be left alone, and what is wrong.
    Later(Option<Duration>, String),
}

fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8], samples: u64) -> Outcome {
    let written: Option<u64> =
        headers.get(WRITTEN).and_then(|v| v.to_str().ok()).and_then(|text| text.parse().ok());
    match (status.as_u16(), written) {
        (200..=299, None) => Outcome::Arrived(0, String::new()),
        (200..=299 | 400, Some(written)) => Outcome::Arrived(samples.saturating_sub(written), said(body)),
        (413, _) => Outcome::TooMuch,
        (401 | 403, _) => {
            let text = format!("the server answered {status}: check the credentials ({})", said(body));
            Outcome::Later(retry_after(headers), text)
        }
        (404 | 405, _) => {
            let text = format!("the server answered {status}: is this the address of a Midwatch?");
            Outcome::Later(retry_after(headers), text)
        }
        _ => Outcome::Later(retry_after(headers), format!("the server answered {status}: {}", said(body))),
    }
}

/// Runs until told to stop, and then as long as the server takes what is left, within a few seconds.
pub(super) async fn run(shared: Arc<Shared>, mut stopping: watch::Receiver<bool>) {
    let mut sender = Sender {
        shared,
        backoff: Backoff::default(),
        bytes_max: REQUEST_BYTES,
        is_told: false,
        is_reached: false,
        refused: String::new(),
    };
    let mut pause = Duration::ZERO;
    loop {
        let stop = stopping.wait_for(|stop| *stop);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop => break,
        }
        let begun = Instant::now();
        pause = match sender.step().await {
            // One that waited for its turn is sent at once.
            Step::Sent { is_all } if is_all => sender.shared.settings.every.saturating_sub(begun.elapsed()),
            Step::Sent { .. } => Duration::ZERO,
            Step::Failed(pause) => pause,
            Step::Nothing => {
                let stop = stopping.wait_for(|stop| *stop);
                tokio::select! {
                    () = sender.shared.pushed.notified() => Duration::ZERO,
                    _ = stop => break,
                }
            }
        };
    }
    let last = async { while matches!(sender.step().await, Step::Sent { .. }) {} };
    let _ = timeout(STOP_TIMEOUT, last).await;
}

enum Step {
    /// Something arrived; whether it was all that waited.
    Sent {
        is_all: bool,
    },
    Failed(Duration),
    Nothing,
}

struct Sender {
    shared: Arc<Shared>,
    backoff: Backoff,
    /// Less after the server said that it was too much.
    bytes_max: usize,
    /// That it cannot be reached was said.
    is_told: bool,
    /// It was reached before.
    is_reached: bool,
    /// What was said last of samples that are refused.
    refused: String,
}

impl Sender {
    async fn step(&mut self) -> Step {
        match self.try_step().await {
            Ok(step) => step,
            Err(e) => self.failed(None, &e.to_string()),
        }
    }

    async fn try_step(&mut self) -> Result<Step> {
        let (shared, bytes_max) = (self.shared.clone(), self.bytes_max);
        let read = blocking(move || {
            let mut frames = shared.buffer().waiting(bytes_max)?;
            let mut samples = 0u32;
            let fit = frames.iter().take_while(|f| {
                samples = samples.saturating_add(f.samples);
                samples <= REQUEST_SAMPLES
            });
            let count = fit.count().max(1);
            frames.truncate(count);
            let body = body_of(&frames)?;
            Ok::<_, Error>((frames, body))
        });
        let (frames, body) = read.await??;
        if frames.is_empty() {
            return Ok(Step::Nothing);
        }
        let samples: u64 = frames.iter().map(|f| u64::from(f.samples)).sum();
        self.shared.counters.requests.inc();
        let headers = vec![
            ("Content-Encoding", "snappy".to_string()),
            ("X-Prometheus-Remote-Write-Version", "0.1.0".to_string()),
        ];
        let message = ("application/x-protobuf", headers, body);
        let sent = self.shared.link.send("/api/v1/write", message, REQUEST_TIMEOUT, ANSWER_BYTES_MAX).await;
        let outcome = match sent {
            Ok(sent) => judge(sent.status, &sent.headers, &sent.body, samples),
            Err(e) => Outcome::Later(None, e.to_string()),
        };
        match outcome {
            Outcome::Arrived(refused, why) => {
                self.arrived(frames, samples, refused, why).await?;
                let is_all = self.shared.buffer().read().waiting_frames == 0;
                Ok(Step::Sent { is_all })
            }
            Outcome::TooMuch if frames.len() > 1 => {
                self.bytes_max = frames.iter().map(|f| f.payload.len()).sum::<usize>() / 2;
                Ok(Step::Sent { is_all: false })
            }
            Outcome::TooMuch => {
                let why = "one second of this machine is more than the server takes at once".to_string();
                self.arrived(frames, samples, samples, why).await?;
                Ok(Step::Sent { is_all: false })
            }
            Outcome::Later(told, why) => Ok(self.failed(told, &why)),
        }
    }

    async fn arrived(&mut self, frames: Vec<Frame>, samples: u64, refused: u64, why: String) -> Result<()> {
        let shared = self.shared.clone();
        blocking(move || shared.buffer().acknowledge(&frames)).await??;
        let refused = refused.min(samples);
        self.shared.counters.sent.add((samples - refused) as f64);
        self.shared.counters.refused.add(refused as f64);
        self.backoff.succeeded();
        // Step by step back to large requests.
        self.bytes_max = self.bytes_max.saturating_mul(2).min(REQUEST_BYTES);
        if std::mem::take(&mut self.is_told) || !self.is_reached {
            self.is_reached = true;
            (self.shared.say)(&format!("{} takes what is sent.", self.shared.link.shown()));
        }
        if refused > 0 && self.refused != why {
            (self.shared.say)(&format!("The server refused {refused} samples: {why}"));
            self.refused = why;
        }
        Ok(())
    }

    fn failed(&mut self, told: Option<Duration>, why: &str) -> Step {
        self.shared.counters.failed.inc();
        if !std::mem::replace(&mut self.is_told, true) {
            let text = format!(
                "{} does not take what is sent: {why}. It is buffered, and tried again.",
                self.shared.link.shown()
            );
            (self.shared.say)(&text);
        }
        Step::Failed(self.backoff.failed(told, random()))
    }
}

/// One frame goes as it is; several are put together, so that each name goes once.
fn body_of(frames: &[Frame]) -> Result<Bytes> {
    if let [one] = frames {
        return Ok(one.payload.clone().into());
    }
    let (limits, known) = (Limits::default(), KnownLabels::new(SERIES_MAX));
    let batches: Result<Vec<_>> = frames
        .iter()
        .map(|f| ingest::remote_write::decode(&f.payload, &limits, &known).map(|decoded| decoded.batch))
        .collect();
    Ok(ingest::remote_write::encode_batches(&batches?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_mean_for_what_was_sent() {
        let later = |told: Option<u64>, why: &str| Outcome::Later(told.map(Duration::from_secs), why.into());
        // Status, samples written, seconds to wait, body; of 10 samples that were sent.
        for (status, written, wait, body, want) in [
            (204, Some("10"), None, "", Outcome::Arrived(0, String::new())),
            (200, None, None, "", Outcome::Arrived(0, String::new())),
            (400, Some("7"), None, "3 too old", Outcome::Arrived(3, "3 too old".into())),
            // Somebody in between, who never looked at the samples.
            (400, None, None, "no", later(None, "the server answered 400 Bad Request: no")),
            (413, None, None, "", Outcome::TooMuch),
            (
                429,
                Some("0"),
                Some("3"),
                "busy",
                later(Some(3), "the server answered 429 Too Many Requests: busy"),
            ),
            (
                503,
                Some("0"),
                Some("1"),
                "disk",
                later(Some(1), "the server answered 503 Service Unavailable: disk"),
            ),
            (500, None, None, "", later(None, "the server answered 500 Internal Server Error: ")),
            (
                404,
                None,
                None,
                "",
                later(None, "the server answered 404 Not Found: is this the address of a Midwatch?"),
            ),
            (
                401,
                None,
                None,
                "who?",
                later(None, "the server answered 401 Unauthorized: check the credentials (who?)"),
            ),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(written) = written {
                headers.insert(WRITTEN, written.parse().unwrap());
            }
            if let Some(wait) = wait {
                headers.insert("retry-after", wait.parse().unwrap());
            }
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(judge(status, &headers, body.as_bytes(), 10), want, "{status}");
        }
    }
}
