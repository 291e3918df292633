//! Starts and stops everything: store, recorder, scraping, discovery, upkeep, and the listener, in an order in
//! which nothing is served before it is there, and nothing is lost on the way out.

use crate::agents::Agents;
use crate::app::App;
use crate::captures::{self, Capturing};
use crate::catalogue::SeriesCatalogue;
use crate::clock::now_ms;
use crate::critique::Critics;
use crate::discovery::{Discovery, Surroundings};
use crate::gate::Gate;
use crate::host::{self, Host};
use crate::limits::LimitBooks;
use crate::listener::Versions;
use crate::logs::follow::Follower;
use crate::logs::journald::JournalFollower;
use crate::logs::syslog::Sockets;
use crate::logs::{self, Logs};
use crate::monitors::{self, Monitors};
use crate::named::NamedFile;
use crate::otlp::{Otlp, Ports};
use crate::pace::Pace;
use crate::scrape::ScrapeManager;
use crate::settings::Settings;
use crate::sink::Sink;
use crate::spans::{self, Spans};
#[cfg(feature = "sql")]
use crate::sql::PostgresPort;
use crate::transport::LARGE_ANSWERS_MAX;
use crate::upkeep::Upkeep;
use crate::usage::Usage;
use crate::{api, listener, membership, own};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stdx::metrics::Registry;
use stdx::{Error, ErrorKind, Result};
use store::Store;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often Midwatch records itself.
const OWN_PERIOD: Duration = Duration::from_secs(5);
/// How often new series come into the catalogue.
const CATALOGUE_PERIOD: Duration = Duration::from_millis(500);
/// How long open requests may take once the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A running server.
pub struct Server {
    app: Arc<App>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    host: Option<Host>,
    upkeep: Upkeep,
    captures: captures::Thread,
    follower: Option<Follower>,
    journal: Option<JournalFollower>,
    monitors: monitors::Threads,
    otlp: Vec<(&'static str, SocketAddr)>,
    postgres: Option<SocketAddr>,
    problems: Vec<String>,
}

impl Server {
    /// Starts a server; when this returns, it takes requests.
    ///
    /// # Errors
    /// A sentence that says what to do: the port is in use, the data folder is not ours, locked, read-only ...
    pub async fn start(settings: Settings) -> Result<Server> {
        let registry = Registry::default();
        let (listener, address) = listen(settings.listen).await?;
        let ports = Ports::open(&settings.otlp).await?;
        let syslog = Sockets::open(settings.logs.syslog_udp, settings.logs.syslog_tcp).await?;
        let (mut otlp, problems) = (ports.addresses(), ports.problems.clone());
        otlp.extend(syslog.addresses());
        #[cfg(feature = "sql")]
        let postgres_port = PostgresPort::open(&settings.postgres).await?;
        #[cfg(feature = "sql")]
        let (postgres, problems) = (
            postgres_port.address(),
            problems.into_iter().chain(postgres_port.problem.clone()).collect::<Vec<String>>(),
        );
        #[cfg(not(feature = "sql"))]
        let postgres: Option<SocketAddr> = None;
        let (data, store_settings, store_registry) =
            (settings.data.clone(), settings.store.clone(), registry.clone());
        let store = blocking(move || Store::open(&data, store_settings, &store_registry)).await??;
        let store = Arc::new(store);
        let sink = Sink::new(store.clone(), settings.ingest.clone(), registry.clone());
        let (stop, stopping) = watch::channel(false);
        let scrape = Arc::new(ScrapeManager::start(
            settings.scrape.clone(),
            sink.clone(),
            &registry,
            &settings.hostname,
            stopping.clone(),
        ));
        let discovery = settings.discover.clone().map(|d| {
            let surroundings = Surroundings {
                own_ports: [address]
                    .iter()
                    .chain(otlp.iter().map(|(_, a)| a))
                    .chain(&postgres)
                    .map(SocketAddr::port)
                    .collect(),
                hostname: settings.hostname.clone(),
                proc_root: settings.host.clone().unwrap_or_default().proc_root,
            };
            Discovery::start(d, surroundings, scrape.clone(), &registry, stopping.clone())
        });
        let started_ms = now_ms();
        let (log_settings, hostname) = (settings.logs.clone(), settings.hostname.clone());
        let (log_store, log_sink, log_registry) = (store.clone(), sink.clone(), registry.clone());
        let open_logs = move || Logs::open(log_settings, &hostname, log_store, log_sink, &log_registry);
        let logs = Arc::new(blocking(open_logs).await?);
        let (mut watched, query) = (settings.monitors.clone(), settings.query.clone());
        if settings.membership.has_rules() {
            watched.shipped.push(("membership (comes with Midwatch)", membership::RULES));
        }
        let (store_of, sink_of, registry_of) = (store.clone(), sink.clone(), registry.clone());
        let start = move || Monitors::start(watched, query, store_of, sink_of, &registry_of, address);
        let monitors = blocking(start).await??;
        let (capture_settings, folder, capture_registry) =
            (settings.captures.clone(), store.folder().to_path_buf(), registry.clone());
        let open = move || Capturing::open(capture_settings, &folder, &capture_registry);
        let captures = Arc::new(blocking(open).await??);
        monitors.monitors().capture_with(captures.clone());
        let (critic_settings, folder, critic_registry) =
            (settings.critic.clone(), store.folder().to_path_buf(), registry.clone());
        let critics = blocking(move || Critics::open(&critic_settings, &folder, &critic_registry)).await?;
        let folder = store.folder().to_path_buf();
        let advice = blocking(move || crate::advise::Ledger::open(&folder)).await?;
        let (tail, tail_store, tail_registry) = (settings.tail.clone(), store.clone(), registry.clone());
        let spans = move || Spans::new(tail, &tail_registry, tail_store.tables(), started_ms);
        let spans = blocking(spans).await?;
        let app = Arc::new(App {
            monitors: monitors.monitors(),
            membership: Default::default(),
            critics,
            advice,
            captures,
            agents: Agents::new(&registry, stopping.clone()),
            gate: Gate::new(settings.query.clone(), &registry),
            #[cfg(feature = "sql")]
            sql: Arc::new(sql::Engine::new(sql_threads())?),
            epoch: format!("{started_ms:x}"),
            catalogue: SeriesCatalogue::default(),
            home: Default::default(),
            exports: Arc::new(tokio::sync::Semaphore::new(api::EXPORTS_MAX)),
            large_answers: Arc::new(tokio::sync::Semaphore::new(LARGE_ANSWERS_MAX)),
            trusted: settings.trusted.clone(),
            pace: Pace::default(),
            otlp: Otlp::new(settings.otlp.clone()),
            spans,
            logs,
            limits: LimitBooks::new(&registry),
            cardinality: Default::default(),
            usage: Usage::open(store.folder()),
            saved: NamedFile::open(store.folder()),
            periods: NamedFile::open(store.folder()),
            settings,
            address,
            store,
            sink,
            registry,
            scrape,
            discovery,
            started_ms,
        });
        let mut tasks = vec![
            tokio::spawn(serve(listener, app.clone(), stopping.clone())),
            tokio::spawn(catalogue(app.clone(), stopping.clone())),
            tokio::spawn(spans::run(app.clone(), stopping.clone())),
        ];
        tasks.extend(ports.serve(&app, &stopping, STOP_TIMEOUT));
        if app.settings.host.is_some() && app.settings.changes.enabled {
            tasks.push(tokio::spawn(crate::changes::run(app.clone(), stopping.clone())));
        }
        if !app.settings.membership.etcd.is_empty() {
            tasks.push(tokio::spawn(membership::run(app.clone(), stopping.clone())));
        }
        tasks.extend(syslog.serve(&app, &stopping));
        tasks.push(tokio::spawn(logs::run(app.clone(), stopping.clone())));
        #[cfg(feature = "sql")]
        tasks.extend(postgres_port.serve(&app, &stopping));
        // Without the host's recording nothing is recorded unasked: a store for others' data alone stays that.
        if app.settings.host.is_some() {
            tasks.push(tokio::spawn(own_metrics(app.clone(), stopping)));
        }
        let host = match app.settings.host.clone() {
            Some(settings) => {
                let deliver = host::into_store(app.sink.clone());
                Some(Host::start(settings, || {}, deliver, app.captures.ring.clone(), &app.registry)?)
            }
            None => None,
        };
        let upkeep = Upkeep::start(app.clone())?;
        let captures = captures::Thread::start(app.clone())?;
        let is_following = !app.logs.settings().files.is_empty();
        let follower = if is_following { Some(Follower::start(app.logs.clone())?) } else { None };
        let journal = app.logs.settings().followed_journal();
        let journal = journal.map(|j| JournalFollower::start(app.logs.clone(), j)).transpose()?;
        Ok(Server {
            app,
            stop,
            tasks,
            host,
            upkeep,
            captures,
            follower,
            journal,
            monitors,
            otlp,
            postgres,
            problems,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.app.address
    }

    /// Where it takes OTLP besides, and in which way.
    pub fn otlp(&self) -> &[(&'static str, SocketAddr)] {
        &self.otlp
    }

    /// Where it speaks PostgreSQL's protocol.
    pub fn postgres(&self) -> Option<SocketAddr> {
        self.postgres
    }

    /// What was found to be wrong at the start, with the data or with ports, in words.
    pub fn messages(&self) -> Vec<String> {
        let data = self.app.store.status().messages;
        data.into_iter().chain(self.problems.iter().cloned()).chain(self.app.logs.problems()).collect()
    }

    /// Takes no more requests, ends those that are open, and closes the store. Returns what could not be done, in words.
    pub async fn stop(mut self) -> Vec<String> {
        let (host, followers) = (self.host.take(), (self.follower.take(), self.journal.take()));
        // What is still to come of an open capture is written while the ring and the store are there.
        let captures = self.captures;
        let _ = blocking(move || drop((host, followers, captures))).await;
        let _ = self.stop.send(true);
        for task in self.tasks.drain(..) {
            let _ = task.await;
        }
        // The store's own runtime must not end on a task of this one.
        let (app, upkeep, monitors) = (self.app, self.upkeep, self.monitors);
        let handed_over = blocking(move || {
            drop(monitors);
            drop(upkeep);
            // What cannot be written is counted, and no reason to hold up the end.
            let _ = app.sink.exemplars().flush();
            app.store.hand_over()
        });
        if let Ok(Err(e)) = handed_over.await {
            return vec![format!(
                "The newest samples are not in the bucket yet, only in the log of this machine: {e}"
            )];
        }
        Vec::new()
    }
}

#[cfg(feature = "sql")]
/// Threads for SQL: as many as there are processors, within reason.
fn sql_threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::new(ErrorKind::Internal, "a part of the program failed inside; this is a bug"))
}

async fn listen(address: SocketAddr) -> Result<(tokio::net::TcpListener, SocketAddr)> {
    let fail = |e: std::io::Error| {
        let text = match e.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("{address} is in use by another program; choose another port with --listen")
            }
            std::io::ErrorKind::PermissionDenied => {
                format!("no permission to listen on {address}; choose a port above 1023 with --listen")
            }
            _ => format!("cannot listen on {address}: {e}"),
        };
        Error::new(ErrorKind::Conflict, text)
    };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    Ok((listener, address))
}

async fn serve(listener: tokio::net::TcpListener, app: Arc<App>, stopping: watch::Receiver<bool>) {
    let registry = app.registry.clone();
    listener::serve(listener, api::router(app), Versions::Http1, &registry, stopping, STOP_TIMEOUT).await;
}

/// Waits for the period, or until the server stops: then false.
async fn next(period: Duration, stopping: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = tokio::time::sleep(period) => true,
        _ = stopping.wait_for(|stop| *stop) => false,
    }
}

async fn catalogue(app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    loop {
        let new = app.store.take_new_series();
        if app.catalogue.is_due() {
            // A million series take half a minute: whoever only sends or asks by name does not wait for that.
            let (inside, is_stopping) = (app.clone(), stopping.clone());
            let _ =
                blocking(move || inside.catalogue.fill(&inside.store, now_ms(), &|| *is_stopping.borrow()))
                    .await;
        } else if !new.is_empty() {
            let inside = app.clone();
            let _ = blocking(move || inside.catalogue.add(&new, now_ms())).await;
        }
        if !next(CATALOGUE_PERIOD, &mut stopping).await {
            return;
        }
    }
}

async fn own_metrics(app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    let mut first = true;
    while next(OWN_PERIOD, &mut stopping).await {
        // A failure is counted by the sink.
        if own::record(&app, first).await.is_ok() {
            first = false;
        }
    }
}
