//! Asks the server whether it wants a capture of this machine, and waits for the answer: the server never connects to the
//! agent. With the question goes what there is to know of the agent. It must never take a capture twice, nor stop asking.

use super::backoff::{Backoff, random};
use super::link::{retry_after, said};
use super::{Shared, capture, stop_of};
use crate::clock::now_ms;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};
use store::captures::Cause;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long the server may keep a question: so often it hears how the agent is, too.
const WAIT: Duration = Duration::from_secs(10);
/// How long its answer may take after that.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an answer is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Captures that are remembered as begun.
const BEGUN_MAX: usize = 16;
/// Captures that are being taken or handed over at one time.
const TAKING_MAX: usize = 8;
/// How long a server that knows no agents is left alone.
const OLD_SERVER_PAUSE: Duration = Duration::from_secs(300);

/// What the server asks for.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Ask {
    /// How it calls its own.
    pub capture: String,
    /// How ours is to be called.
    pub name: String,
    /// Why.
    pub cause: Cause,
    /// When, by the server's clock.
    pub trigger_ms: i64,
    /// How long to go on.
    pub after_ms: i64,
}

/// Asks until the agent stops, and until what was begun by then is written.
pub(super) async fn run(shared: Arc<Shared>, mut stopping: watch::Receiver<bool>) {
    let mut taking = JoinSet::new();
    capture::resume(&shared, &mut taking, &stopping).await;
    let mut begun: VecDeque<String> = VecDeque::new();
    let mut backoff = Backoff::default();
    let mut is_told = false;
    loop {
        let answer = tokio::select! {
            answer = poll(&shared, &begun) => answer,
            () = stop_of(&mut stopping) => break,
        };
        let pause = match answer {
            Ok((asks, ahead_ms)) => {
                backoff.succeeded();
                is_told = false;
                while taking.try_join_next().is_some() {}
                for ask in asks {
                    // It is asked again for what does not fit now.
                    if begun.contains(&ask.capture) || taking.len() >= TAKING_MAX {
                        continue;
                    }
                    if begun.len() >= BEGUN_MAX {
                        begun.pop_front();
                    }
                    begun.push_back(ask.capture.clone());
                    (shared.say)(&format!("The server asks for a capture: {}.", why(&ask.cause)));
                    taking.spawn(capture::take(shared.clone(), ask, ahead_ms, stopping.clone()));
                }
                Duration::ZERO
            }
            Err((told, e)) => {
                if e.kind == ErrorKind::NotFound && !std::mem::replace(&mut is_told, true) {
                    (shared.say)("This server asks for no captures: it is older than this agent.");
                }
                let pause = backoff.failed(told, random());
                if e.kind == ErrorKind::NotFound { OLD_SERVER_PAUSE } else { pause }
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop_of(&mut stopping) => break,
        }
    }
    // Each of them writes what it has when the agent stops.
    while taking.join_next().await.is_some() {}
}

fn why(cause: &Cause) -> String {
    let text: String = format!("{} {} {}", cause.kind, cause.name, cause.text).chars().take(200).collect();
    text.trim().to_string()
}

/// One question; returns what is asked for, and by how much our clock is ahead.
async fn poll(
    shared: &Shared,
    begun: &VecDeque<String>,
) -> Result<(Vec<Ask>, i64), (Option<Duration>, Error)> {
    let reading = shared.measure();
    let behind_ms = (shared.counters.behind_seconds.get() * 1000.0) as u64;
    let unwritten = shared.counters.unwritten.get() as u64;
    let body = json!({
        "id": shared.id, "host": shared.settings.hostname, "version": env!("CARGO_PKG_VERSION"), "taken": begun,
        "buffered_samples": reading.waiting_samples, "buffer_bytes": reading.bytes,
        "buffer_bytes_max": reading.bytes_max, "dropped_samples": reading.dropped_samples + unwritten,
        "behind_ms": behind_ms, "problems": shared.problems(), "wait_ms": WAIT.as_millis() as u64,
    });
    let message = ("application/json", Vec::new(), Bytes::from(body.to_string()));
    let sent =
        shared.link.send("/api/v1/agents/asks", message, WAIT + ANSWER_TIMEOUT, ANSWER_BYTES_MAX).await;
    let sent = sent.map_err(|e| (None, e))?;
    if sent.status != 200 {
        let kind = if sent.status == 404 { ErrorKind::NotFound } else { ErrorKind::Unavailable };
        return Err((retry_after(&sent.headers), Error::new(kind, said(&sent.body))));
    }
    let bad = |_| (None, Error::new(ErrorKind::Unavailable, "the server's answer makes no sense"));
    let mut json: Json = serde_json::from_slice(&sent.body).map_err(bad)?;
    let asks: Vec<Ask> = serde_json::from_value(json["data"]["asks"].take()).map_err(bad)?;
    let ahead_ms = json["data"]["now_ms"].as_i64().map_or(0, |server_ms| now_ms().saturating_sub(server_ms));
    Ok((asks, ahead_ms))
}
