//! OpenTelemetry's protocol: metrics, logs and traces by HTTP on the main port, and by gRPC and HTTP on the ports that senders expect. Both ways
//! meet in one function for each kind of data; what it acknowledges is durable.
//! A port that somebody else has must never keep the rest from starting, unless that was asked for.

mod grpc;
mod http;
mod logs;
mod traces;

use crate::app::App;
use crate::clock::now_ms;
use crate::http::guard;
use crate::listener::{self, Versions};
use crate::settings::OtlpSettings;
use crate::sink::Delivered;
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use ingest::body::{Encoding, decompress};
use ingest::otlp::{self, Content, Deltas};
use model::{Reject, RejectReason};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use http::{logs as http_logs, metrics as http_metrics, traces as http_traces};

/// The name in the books.
const SOURCE: &str = "otlp";
/// Bodies larger than this are decoded where threads may block.
const LARGE_BYTES: usize = 64 << 10;

/// What all requests share.
pub struct Otlp {
    settings: OtlpSettings,
    /// Held until what was added up is durable: requests with deltas come one after the other.
    deltas: Arc<tokio::sync::Mutex<Deltas>>,
    delta_bytes: Arc<AtomicUsize>,
}

impl Otlp {
    /// Nothing is added up yet.
    pub fn new(settings: OtlpSettings) -> Otlp {
        let deltas = Arc::new(tokio::sync::Mutex::new(Deltas::new(settings.delta_bytes_max)));
        Otlp { settings, deltas, delta_bytes: Arc::default() }
    }

    /// Memory of the sums of deltas, in bytes.
    pub fn delta_bytes(&self) -> usize {
        self.delta_bytes.load(Relaxed)
    }
}

/// Ports that were opened, by what they are for, and what kept others from it.
#[derive(Default)]
pub struct Ports {
    listeners: Vec<(&'static str, TcpListener)>,
    /// In words, with what to do next.
    pub problems: Vec<String>,
}

impl Ports {
    /// Opens them.
    ///
    /// # Errors
    /// One that is taken, if the settings say that this is fatal.
    pub async fn open(settings: &OtlpSettings) -> Result<Ports> {
        let mut ports = Ports::default();
        for (what, setting, address) in [
            ("gRPC", "otlp.listen_grpc", settings.listen_grpc),
            ("HTTP", "otlp.listen_http", settings.listen_http),
        ] {
            let Some(address) = address else { continue };
            match TcpListener::bind(address).await {
                Ok(listener) => ports.listeners.push((what, listener)),
                Err(e) => {
                    let why = match e.kind() {
                        std::io::ErrorKind::AddrInUse => "another program has it, perhaps a collector".into(),
                        _ => e.to_string(),
                    };
                    let text = format!(
                        "OTLP by {what} is not taken at {address}: {why}. Free it, choose another with {setting}, or send to \
                         /v1/metrics of the main port"
                    );
                    if settings.is_required {
                        return Err(Error::new(ErrorKind::Conflict, text));
                    }
                    ports.problems.push(text);
                }
            }
        }
        Ok(ports)
    }

    /// What listens where.
    pub fn addresses(&self) -> Vec<(&'static str, SocketAddr)> {
        self.listeners.iter().filter_map(|(what, l)| Some((*what, l.local_addr().ok()?))).collect()
    }

    /// Serves until told to stop.
    pub fn serve(
        self,
        app: &Arc<App>,
        stopping: &watch::Receiver<bool>,
        grace: Duration,
    ) -> Vec<JoinHandle<()>> {
        let one = |(_, listener)| {
            let (router, registry, stopping) = (router(app.clone()), app.registry.clone(), stopping.clone());
            tokio::spawn(async move {
                listener::serve(listener, router, Versions::Both, &registry, stopping, grace).await;
            })
        };
        self.listeners.into_iter().map(one).collect()
    }
}

/// Both ports take both ways: what is meant shows in the request.
fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/metrics", post(http::metrics))
        .route("/v1/traces", post(http::traces))
        .route(grpc::METRICS, post(grpc::metrics))
        .route(grpc::TRACES, post(grpc::traces))
        .route("/v1/logs", post(http::logs))
        .route(grpc::LOGS, post(grpc::logs))
        .fallback(http::unknown)
        .layer(axum::middleware::from_fn_with_state(app.clone(), crate::api::count_limits))
        .layer(axum::middleware::from_fn_with_state(app.trusted.clone(), guard))
        .with_state(app)
}

/// What a request brings.
#[derive(Clone, Copy, Debug)]
enum Signal {
    Metrics,
    Traces,
    Logs,
}

/// Takes what one request holds. Returns the message of the answer.
///
/// # Errors
/// Nothing was kept: `Invalid` and `TooLarge` will be refused again, `Busy` and `Unavailable` may not.
async fn export(
    app: &Arc<App>,
    signal: Signal,
    body: Bytes,
    encoding: Encoding,
    content: Content,
) -> Result<Vec<u8>> {
    match signal {
        Signal::Metrics => metrics(app, body, encoding, content).await,
        Signal::Traces => traces::take(app, body, encoding, content).await,
        Signal::Logs => logs::take(app, body, encoding, content).await,
    }
}

async fn metrics(app: &Arc<App>, body: Bytes, encoding: Encoding, content: Content) -> Result<Vec<u8>> {
    let (sink, large) = (app.sink.clone(), body.len() > LARGE_BYTES || encoding != Encoding::Identity);
    let read = move || -> Result<(Vec<u8>, bool)> {
        let message = decompress(&body, encoding, sink.limits())?;
        let message = otlp::metrics_message(message, content, sink.limits())?;
        let has_deltas = otlp::has_deltas(&message)?;
        Ok((message, has_deltas))
    };
    let read = if large { blocking(read).await } else { read() };
    let (message, has_deltas) = refused(app, SOURCE, read)?;
    let (delivered, points) = match has_deltas {
        true => with_deltas(app, message).await,
        false => {
            let inside = app.clone();
            let decode = move || {
                let (sink, settings) = (&inside.sink, &inside.otlp.settings.metrics);
                otlp::decode_metrics(&message, settings, sink.limits(), sink.known(), None)
            };
            let received = refused(app, SOURCE, if large { blocking(decode).await } else { decode() })?;
            let points = received.points;
            app.sink.deliver(SOURCE, received.decoded).await.map(|delivered| (delivered, points))
        }
    }?;
    Ok(otlp::metrics_answer(content, &delivered.rejects, points))
}

/// Adds up and delivers as one step, on a thread of its own: a sender that leaves must not leave half of it behind.
async fn with_deltas(app: &Arc<App>, message: Vec<u8>) -> Result<(Delivered, u64)> {
    let mut deltas = app.otlp.deltas.clone().lock_owned().await;
    let inside = app.clone();
    blocking(move || {
        let (sink, settings) = (&inside.sink, &inside.otlp.settings.metrics);
        let mut adding = deltas.adding(now_ms());
        let received =
            otlp::decode_metrics(&message, settings, sink.limits(), sink.known(), Some(&mut adding));
        let received = refused(&inside, SOURCE, received)?;
        let delivered = sink.deliver_blocking(SOURCE, received.decoded)?;
        adding.keep();
        inside.otlp.delta_bytes.store(deltas.bytes(), Relaxed);
        Ok((delivered, received.points))
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let broken =
        || Error::new(ErrorKind::Internal, "taking the request failed inside; this is a bug worth reporting");
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(broken()))
}

/// A body that makes no sense is one refusal in the books.
fn refused<T>(app: &App, source: &str, result: Result<T>) -> Result<T> {
    if let Err(e) = &result {
        let reason = match e.kind {
            ErrorKind::TooLarge => RejectReason::TooLarge,
            _ => RejectReason::Malformed,
        };
        app.sink.refuse(source, Reject { reason, samples: 1, message: e.to_string() });
    }
    result
}
