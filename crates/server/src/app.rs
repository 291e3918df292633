//! What every request handler shares: the store, the books, the catalogue, and the gate that bounds queries.
//! It holds things together and does nothing itself.

use crate::agents::Agents;
use crate::captures::Capturing;
use crate::cardinality::Remembered;
use crate::catalogue::SeriesCatalogue;
use crate::critique::Critics;
use crate::discovery::Discovery;
use crate::gate::Gate;
use crate::home::HomeCache;
use crate::limits::LimitBooks;
use crate::logs::Logs;
use crate::monitors::Monitors;
use crate::named::NamedFile;
use crate::otlp::Otlp;
use crate::pace::Pace;
use crate::periods::Period;
use crate::saved::SavedQuery;
use crate::scrape::ScrapeManager;
use crate::settings::Settings;
use crate::sink::Sink;
use crate::spans::Spans;
use crate::transport::Trusted;
use crate::usage::Usage;
use std::net::SocketAddr;
use std::sync::Arc;
use stdx::metrics::Registry;
use store::Store;

/// The state of a running server.
pub struct App {
    /// As started.
    pub settings: Settings,
    /// Where it listens.
    pub address: SocketAddr,
    /// What is kept.
    pub store: Arc<Store>,
    /// The door to the store.
    pub sink: Sink,
    /// The ring of the last minutes, and the captures.
    pub captures: Arc<Capturing>,
    /// Agents that send to this server.
    pub agents: Agents,
    /// What OTLP's requests share.
    pub otlp: Otlp,
    /// What requests with spans share.
    pub spans: Spans,
    /// What is watched.
    pub monitors: Arc<Monitors>,
    /// Members of systems that vote.
    pub membership: crate::membership::Membership,
    /// What log records go through.
    pub logs: Arc<Logs>,
    /// Measurements of this process.
    pub registry: Registry,
    /// The targets.
    pub scrape: Arc<ScrapeManager>,
    /// Local services, if they are looked for.
    pub discovery: Option<Discovery>,
    /// Every series by words.
    pub catalogue: SeriesCatalogue,
    /// Advice that was given, and what was said of it.
    pub advice: crate::advise::Ledger,
    /// The critic's rules, and what was said of them.
    pub critics: Critics,
    /// The last report of Home.
    pub home: HomeCache,
    /// Rates of this process.
    pub pace: Pace,
    /// Bounds exports.
    pub exports: Arc<tokio::sync::Semaphore>,
    /// Bounds long answers.
    pub large_answers: Arc<tokio::sync::Semaphore>,
    /// Which origins of pages may ask, and by which names.
    pub trusted: Trusted,
    /// Where series come from, as of the last seconds.
    pub cardinality: Remembered,
    /// Queries with names.
    pub saved: NamedFile<SavedQuery>,
    /// Good periods with names.
    pub periods: NamedFile<Period>,
    /// Which metrics are asked for.
    pub usage: Usage,
    /// How often each bound was hit.
    pub limits: LimitBooks,
    /// Bounds queries.
    pub gate: Gate,
    /// Answers questions in SQL.
    #[cfg(feature = "sql")]
    pub sql: Arc<sql::Engine>,
    /// When the process started, milliseconds since 1970.
    pub started_ms: i64,
    /// Changes with each start: ids of the catalogue are only good within one.
    pub epoch: String,
}
