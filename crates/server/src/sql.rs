//! SQL inside the server: the same gate, time limit and books as for PromQL, answers that are passed on while they are made, and
//! the port that speaks PostgreSQL's protocol. A port that somebody else has must never keep the rest from starting, unless
//! that was asked for.

use crate::api;
use crate::app::App;
use crate::http::ApiError;
use crate::settings::PostgresSettings;
use ::sql::answer::{Bounds, Format};
use ::sql::postgres::{Admitted, Host, Postgres, Stop, Work};
use ::sql::{Limits, Query, Sources, SqlError};
use axum::body::Bytes;
use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Parts of an answer that may wait for the client.
const PARTS_WAITING: usize = 4;
/// A client that takes nothing for so long has gone.
const TAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// Its name in the list of limits.
pub const CONNECTIONS: &str = "postgres.connections_max";

/// A question that came by HTTP.
pub struct Asking {
    pub query: Query,
    pub format: Format,
    /// Rows that the client wants at the most.
    pub limit: usize,
    pub timeout_ms: Option<u64>,
}

/// The parts of an answer. Dropping it ends the query.
pub struct Parts {
    receiver: mpsc::Receiver<std::io::Result<Bytes>>,
    _task: Ends,
}

struct Ends(JoinHandle<std::result::Result<(), SqlError>>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl futures_core::Stream for Parts {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(context)
    }
}

/// What one query may take.
pub fn limits(app: &App) -> Limits {
    Limits { memory_bytes_max: app.settings.query.bytes_max, ..Limits::default() }
}

fn bounds(app: &App, limit: usize) -> Bounds {
    let settings = &app.settings.sql;
    Bounds { limit, rows_max: settings.rows_max, bytes_max: settings.answer_bytes_max }
}

/// Asks when its turn comes. Returns when the answer begins.
///
/// # Errors
/// What is wrong with the question, or what keeps it from being asked.
pub async fn ask(app: &Arc<App>, asking: Asking) -> std::result::Result<Parts, ApiError> {
    let (sender, receiver) = mpsc::channel(PARTS_WAITING);
    let (begun, begins) = oneshot::channel();
    let (inside, gate, timeout_ms) = (app.clone(), app.gate.clone(), asking.timeout_ms);
    let work = move |stop: Stop| run(&inside, &asking, &stop, begun, &sender);
    let mut task = Ends(tokio::spawn(async move { gate.run(timeout_ms, work).await }));
    match begins.await {
        Ok(()) => Ok(Parts { receiver, _task: task }),
        Err(_) => match (&mut task.0).await {
            Ok(Err(e)) => Err(e.into()),
            _ => {
                Err(Error::new(ErrorKind::Internal, "the query failed inside; this is a bug worth reporting")
                    .into())
            }
        },
    }
}

fn run(
    app: &Arc<App>,
    asking: &Asking,
    stop: &Stop,
    begun: oneshot::Sender<()>,
    sender: &mpsc::Sender<std::io::Result<Bytes>>,
) -> std::result::Result<(), SqlError> {
    let sources = api::sql_sources(app, stop.clone());
    let mut rows = app.sql.start(&asking.query, &sources, &limits(app), &**stop)?;
    let begun = Cell::new(Some(begun));
    let runtime = tokio::runtime::Handle::current();
    let take = |part: std::io::Result<Bytes>| {
        if let Some(begun) = begun.take() {
            let _ = begun.send(());
        }
        let sent = runtime.block_on(tokio::time::timeout(TAKE_TIMEOUT, sender.send(part)));
        matches!(sent, Ok(Ok(())))
    };
    let view = sources.view.clone();
    let written = ::sql::answer::write(
        &mut rows,
        asking.format,
        &bounds(app, asking.limit),
        &|| view.warnings(),
        &**stop,
        &mut |part| take(Ok(part.into())),
    );
    if let Err(e) = written {
        if begun.take().is_some() {
            // The status of the answer still says it.
            return Err(e);
        }
        // Nothing was too long for a client that has left.
        if let Some(bound) = e.bound.filter(|_| !sender.is_closed()) {
            app.limits.hit(bound, &e.message);
        }
        // An answer in JSON says it itself; others can only break off.
        if asking.format != Format::Json {
            take(Err(std::io::Error::other(e.to_string())));
        }
    }
    Ok(())
}

/// The port for PostgreSQL's protocol, if it could be opened, and what kept it from that.
#[derive(Default)]
pub struct PostgresPort {
    listener: Option<TcpListener>,
    /// In words, with what to do next.
    pub problem: Option<String>,
}

impl PostgresPort {
    /// Opens it.
    ///
    /// # Errors
    /// It is taken, and the settings say that this is fatal.
    pub async fn open(settings: &PostgresSettings) -> Result<PostgresPort> {
        let Some(address) = settings.listen else { return Ok(PostgresPort::default()) };
        let why = match TcpListener::bind(address).await {
            Ok(listener) => return Ok(PostgresPort { listener: Some(listener), problem: None }),
            Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => "another program has it".to_string(),
            Err(e) => e.to_string(),
        };
        let text = format!(
            "PostgreSQL's protocol is not spoken at {address}: {why}. Free it, choose another with postgres.listen, or ask in \
             SQL with `midwatch sql`"
        );
        match settings.is_required {
            true => Err(Error::new(ErrorKind::Conflict, text)),
            false => Ok(PostgresPort { listener: None, problem: Some(text) }),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref().and_then(|l| l.local_addr().ok())
    }

    /// Serves until told to stop.
    pub fn serve(self, app: &Arc<App>, stopping: &watch::Receiver<bool>) -> Option<JoinHandle<()>> {
        let (app, stopping) = (app.clone(), stopping.clone());
        self.listener.map(|listener| tokio::spawn(serve(listener, app, stopping)))
    }
}

async fn serve(listener: TcpListener, app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    let settings = app.settings.postgres.clone();
    let open =
        app.registry.gauge("midwatch_postgres_connections", "Open connections of PostgreSQL's protocol.");
    let idle = ::sql::postgres::Settings { idle_timeout_ms: settings.idle_timeout_ms };
    let postgres = Arc::new(Postgres::new(app.sql.clone(), Arc::new(Shell(app.clone())), idle));
    let places = Arc::new(Semaphore::new(settings.connections_max));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, mostly: give others the time to close theirs.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            let text = format!("{} connections are open already", settings.connections_max);
            app.limits.hit(CONNECTIONS, &text);
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (postgres, open) = (postgres.clone(), open.clone());
        open.add(1.0);
        connections.spawn(async move {
            postgres.serve(stream).await;
            open.add(-1.0);
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
    connections.shutdown().await;
}

/// What connections need of this program.
struct Shell(Arc<App>);

impl Host for Shell {
    fn sources(&self, stop: &Stop) -> Sources {
        api::sql_sources(&self.0, stop.clone())
    }

    fn limits(&self) -> Limits {
        limits(&self.0)
    }

    fn bounds(&self) -> Bounds {
        bounds(&self.0, usize::MAX)
    }

    fn admit(&self, work: Work) -> Admitted {
        let gate = self.0.gate.clone();
        Box::pin(async move {
            gate.run(None, move |stop| -> Result<()> {
                work(stop);
                Ok(())
            })
            .await
        })
    }

    fn hit(&self, bound: &'static str, message: &str) {
        self.0.limits.hit(bound, message);
    }
}
