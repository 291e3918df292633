//! What every process of the shop has: its name, its peers, its stores, and how it calls others. It must never hold
//! what belongs to one role alone.

use crate::cache::Cache;
use crate::clock::Chance;
use crate::config::Config;
use crate::db::Pool;
use crate::telemetry::Telemetry;
use axum::http::Method;
use opentelemetry::logs::Severity;
use opentelemetry::trace::{SpanKind, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Why a request is not answered as asked.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The HTTP status.
    pub status: u16,
    /// For people and logs.
    pub message: String,
}

impl Fault {
    /// With a status and a sentence.
    pub fn new(status: u16, message: impl Into<String>) -> Fault {
        Fault { status, message: message.into() }
    }
}

/// A request, read.
#[derive(Debug, Clone)]
pub struct Req {
    /// GET, POST, DELETE.
    pub method: Method,
    /// Path, with its slash.
    pub path: String,
    /// Parameters after the question mark.
    pub query: HashMap<String, String>,
    /// JSON, or null.
    pub body: Value,
    /// The span of this request.
    pub cx: Context,
    /// Who asks: `x-user-id`.
    pub user: String,
    /// With which key: `x-api-key`.
    pub key: String,
    /// Which request this is, from nginx on: `x-request-id`.
    pub request_id: String,
}

impl Req {
    /// The parts of the path.
    pub fn parts(&self) -> Vec<&str> {
        self.path.split('/').filter(|p| !p.is_empty()).collect()
    }

    /// A parameter as a number.
    pub fn number(&self, name: &str, default: u64) -> u64 {
        self.query.get(name).and_then(|v| v.parse().ok()).unwrap_or(default)
    }

    /// A member of the body as a number.
    pub fn field(&self, name: &str) -> Result<i64, Fault> {
        self.body[name].as_i64().ok_or_else(|| Fault::new(400, format!("the body has no number \"{name}\"")))
    }
}

/// One process of the shop.
pub struct Shop {
    /// The role: gateway, cart.
    pub name: &'static str,
    /// The release that runs: 1.4.1.
    pub version: String,
    /// Spans, logs, metrics.
    pub telemetry: Telemetry,
    /// Addresses of the others, by name.
    pub peers: HashMap<String, String>,
    /// What etcd says.
    pub config: Config,
    /// PostgreSQL's primary.
    pub db: Option<Pool>,
    /// PostgreSQL's replica, for reading.
    pub replica: Option<Pool>,
    /// Redis.
    pub cache: Option<Cache>,
    /// Chance.
    pub chance: Chance,
    /// Requests answered, those to the admin excluded.
    pub served: AtomicU64,
    /// The fault `memory-leak`: KiB that each request leaves behind.
    pub leak_kib: AtomicU64,
    /// What was left behind.
    pub leaked: Mutex<Vec<Vec<u8>>>,
    /// The fault `cpu-hog`: percent of the time that a runaway job takes from this process.
    pub hog_percent: AtomicU64,
    pub(crate) http: reqwest::Client,
}

impl Shop {
    /// The pool of the primary.
    pub fn db(&self) -> Result<&Pool, Fault> {
        self.db.as_ref().ok_or_else(|| Fault::new(500, "this service has no data base"))
    }

    /// Redis.
    pub fn cache(&self) -> Result<&Cache, Fault> {
        self.cache.as_ref().ok_or_else(|| Fault::new(500, "this service has no Redis"))
    }

    /// A log line that belongs to `cx`.
    pub fn log(&self, cx: &Context, severity: Severity, message: &str, fields: &[(&'static str, String)]) {
        self.telemetry.log(cx, severity, message, fields);
    }

    /// Calls a peer once. Its answer, or what to tell whoever asked us.
    pub async fn call(
        &self,
        req: &Req,
        peer: &'static str,
        method: Method,
        path: &str,
        body: &Value,
        timeout: Duration,
    ) -> Result<Value, Fault> {
        let address =
            self.peers.get(peer).ok_or_else(|| Fault::new(500, format!("no address of {peer} is known")))?;
        let url = format!("http://{address}{path}");
        let attributes = vec![
            KeyValue::new("http.request.method", method.to_string()),
            KeyValue::new("url.full", url.clone()),
            KeyValue::new("peer.service", peer),
            KeyValue::new("user.id", req.user.clone()),
        ];
        let cx = self.telemetry.span(&req.cx, format!("{method} {peer}"), SpanKind::Client, attributes);
        let begun = Instant::now();
        let mut request = self
            .http
            .request(method.clone(), url)
            .timeout(timeout)
            .header("traceparent", Telemetry::traceparent(&cx))
            .header("x-user-id", &req.user)
            .header("x-api-key", &req.key)
            .header("x-request-id", &req.request_id);
        if !body.is_null() {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                response.bytes().await.map(|bytes| (status, bytes))
            }
            Err(e) => Err(e),
        };
        let (status, result) = match answer {
            Ok((status, bytes)) => (status, read(peer, status, &bytes)),
            Err(e) if e.is_timeout() => {
                (0, Err(Fault::new(504, format!("{peer} did not answer within {} ms", timeout.as_millis()))))
            }
            Err(e) => (0, Err(Fault::new(502, format!("cannot reach {peer}: {}", innermost(&e))))),
        };
        let labels = [
            KeyValue::new("http.request.method", method.to_string()),
            KeyValue::new("peer.service", peer),
            KeyValue::new("http.response.status_code", i64::from(status)),
        ];
        self.telemetry.called.record(begun.elapsed().as_secs_f64(), &labels);
        cx.span().set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        Telemetry::end(&cx, result.as_ref().err().map(|f| f.message.as_str()));
        result
    }

    /// The same, again at once after a failure of the peer, as often as etcd says.
    pub async fn call_again(
        &self,
        req: &Req,
        peer: &'static str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Value, Fault> {
        let timeout = Duration::from_millis(self.config.number(&format!("{peer}_timeout_ms"), 2_000));
        let mut left = self.config.number(&format!("{peer}_retries"), 1);
        loop {
            match self.call(req, peer, method.clone(), path, body, timeout).await {
                Err(fault) if fault.status >= 500 && left > 0 => {
                    left -= 1;
                    self.telemetry.retries.add(1, &[KeyValue::new("peer.service", peer)]);
                    let fields = [("peer", peer.to_string()), ("left", left.to_string())];
                    self.log(&req.cx, Severity::Warn, &format!("calling again: {}", fault.message), &fields);
                }
                other => return other,
            }
        }
    }

    /// Does the harm of `memory-leak`, if it is on: 300 MiB at most.
    pub fn leak(&self) {
        let kib = self.leak_kib.load(Ordering::Relaxed) as usize;
        if kib > 0
            && let Ok(mut leaked) = self.leaked.lock()
            && leaked.iter().map(Vec::len).sum::<usize>() < 300 << 20
        {
            // Written, not only asked for: the kernel gives memory when it is touched.
            leaked.push((0..kib << 10).map(|i| i as u8).collect());
        }
    }
}

fn read(peer: &str, status: u16, bytes: &[u8]) -> Result<Value, Fault> {
    let value: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let message = value["error"].as_str().unwrap_or("no reason given");
    match status {
        200..=299 => Ok(value),
        400..=499 => Err(Fault::new(status, message)),
        _ => Err(Fault::new(502, format!("{peer} answered {status}: {message}"))),
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}
