//! Log records on their way to the store: templates are found, metrics counted, records made durable, and the books kept. All ways
//! in meet here. It must never acknowledge what is not durable.

pub mod follow;
pub mod journald;
mod kept_metrics;
mod live;
pub mod patterns;
pub mod push;
pub mod search;
pub mod settings;
pub mod syslog;

pub use live::Live;
pub use settings::{FileSettings, JournalSettings, LogSettings};

use crate::clock::now_ms;
use crate::sink::Sink;
use ingest::logs::{Context, Decoded, Zone};
use kept_metrics::KeptMetrics;
use look::logs::metric::{LogMetric, Spec};
use model::{LogBatch, Origin, Pairs, Reject};
use patterns::PatternBook;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stdx::metrics::{Kind, Registry};
use stdx::{Error, ErrorKind, Result};
use store::Store;
use store::tables::Pending;

/// How often metrics of records are written.
pub const METRICS_PERIOD: Duration = Duration::from_secs(5);
/// Metrics of records at the most.
const METRICS_MAX: usize = 100;

/// What all ways in share.
pub struct Logs {
    settings: LogSettings,
    store: Arc<Store>,
    sink: Sink,
    registry: Registry,
    zone: Zone,
    /// What records that name no host are given.
    hostname: String,
    /// Templates of lines.
    pub patterns: PatternBook,
    /// Those who watch records as they come.
    pub live: Live,
    metrics: Mutex<Vec<LogMetric>>,
    kept_metrics: KeptMetrics,
}

/// What became of a delivery.
#[derive(Debug, Default)]
pub struct Taken {
    /// Records that are durable.
    pub accepted: u64,
    /// What was refused.
    pub rejects: Vec<Reject>,
    /// All records, kept or not.
    pub records: u64,
}

impl Logs {
    /// Reads the templates of before.
    pub fn open(
        mut settings: LogSettings,
        hostname: &str,
        store: Arc<Store>,
        sink: Sink,
        registry: &Registry,
    ) -> Logs {
        let zone = std::fs::read("/etc/localtime").ok().and_then(|bytes| Zone::from_tzif(&bytes));
        if settings.usual_files {
            let named: Vec<String> = settings.files.iter().map(|f| f.path.clone()).collect();
            settings.files.extend(FileSettings::usual().into_iter().filter(|f| !named.contains(&f.path)));
        }
        let mut metrics = Vec::new();
        for spec in settings.metrics.iter().take(METRICS_MAX) {
            // Settings were checked when they were read.
            metrics.extend(LogMetric::new(spec.clone()));
        }
        let (kept_metrics, kept) = KeptMetrics::open(store.folder());
        for spec in kept {
            let is_named = metrics.iter().any(|m| m.spec().name == spec.name);
            if !is_named && metrics.len() < METRICS_MAX {
                metrics.extend(LogMetric::new(spec));
            }
        }
        Logs {
            zone: zone.unwrap_or_else(|| Zone::fixed(0)),
            hostname: hostname.into(),
            patterns: PatternBook::open(store.folder(), settings.patterns, registry),
            live: Live::default(),
            registry: registry.clone(),
            metrics: Mutex::new(metrics),
            kept_metrics,
            settings,
            store,
            sink,
        }
    }

    /// What could not be read at the start, in words.
    pub fn problems(&self) -> Vec<String> {
        let broken = self.patterns.broken();
        let patterns = (broken > 0)
            .then(|| format!("{broken} templates of log records could not be read; they are learnt anew"));
        patterns.into_iter().chain(self.kept_metrics.problem().map(String::from)).collect()
    }

    /// The settings.
    pub fn settings(&self) -> &LogSettings {
        &self.settings
    }

    /// The tables.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// What decoders have to know.
    pub fn context(&self) -> Context<'_> {
        let now_ns = now_ms().saturating_mul(1_000_000);
        let kept_ns = self.store.settings().tables.logs_retention_ms.saturating_mul(1_000_000);
        Context {
            now_ns,
            oldest_ns: now_ns.saturating_sub(kept_ns),
            zone: &self.zone,
            limits: self.sink.limits(),
        }
    }

    /// Where records come from that say nothing else.
    pub fn origin(&self, service: &str) -> Origin {
        Origin { service: service.into(), host: self.hostname.clone(), attributes: Pairs::new() }
    }

    /// Writes what was decoded, whole or not at all; when this returns, it is durable and can be found.
    ///
    /// # Errors
    /// `Busy` or `Unavailable`: nothing was kept, send it again; `TooLarge`: nothing was kept, send less at a time.
    pub async fn deliver(self: &Arc<Self>, source: &str, decoded: Decoded) -> Result<Taken> {
        let (inside, source) = (self.clone(), source.to_string());
        // A task of its own: a sender that leaves takes this future with it, but not what the books have to say.
        let settled = tokio::spawn(async move {
            let batch = inside.prepare(&source, &decoded);
            let outcome = match inside.store.tables().append_logs(batch.clone()) {
                Ok(pending) => pending.wait().await.map(drop),
                Err(e) => Err(e),
            };
            inside.settle(&source, decoded, batch, outcome)
        });
        settled.await.map_err(|e| Error::wrap(ErrorKind::Internal, "the delivery ended early", e))?
    }

    /// As [`Logs::deliver`], for threads that may block.
    ///
    /// # Errors
    /// As [`Logs::deliver`].
    pub fn deliver_blocking(&self, source: &str, decoded: Decoded) -> Result<Taken> {
        let batch = self.prepare(source, &decoded);
        let kept = self.store.tables().append_logs(batch.clone()).and_then(Pending::wait_blocking);
        self.settle(source, decoded, batch, kept.map(drop))
    }

    /// The records with their templates.
    fn prepare(&self, source: &str, decoded: &Decoded) -> LogBatch {
        for (how, count) in decoded.altered.each().into_iter().filter(|(_, n)| *n > 0) {
            let labels = vec![("source", kind(source).to_string()), ("how", how.to_string())];
            let help = "Log records that were kept with a part of them changed, by what was changed.";
            self.registry
                .value(Kind::Counter, "midwatch_log_records_altered_total", help, labels)
                .add(count as f64);
        }
        let ids = self.patterns.learn(&decoded.batch);
        let mut batch = decoded.batch.clone();
        ids.iter().enumerate().for_each(|(i, id)| batch.set_pattern(i, *id));
        batch
    }

    fn settle(&self, source: &str, decoded: Decoded, batch: LogBatch, outcome: Result<()>) -> Result<Taken> {
        let accepted = if outcome.is_ok() { batch.len() as u64 } else { 0 };
        self.sink.book(source, accepted, &decoded.rejects);
        outcome?;
        let mut metrics = self.metrics.lock().unwrap_or_else(|e| e.into_inner());
        metrics.iter_mut().for_each(|metric| metric.observe(&batch));
        drop(metrics);
        if accepted > 0 {
            self.live.send(batch);
        }
        Ok(Taken { accepted, rejects: decoded.rejects, records: decoded.records })
    }

    /// Counts what a source lost.
    pub fn refuse(&self, source: &str, reject: Reject) {
        self.sink.book(source, 0, &[reject]);
    }

    /// The metrics of records: what they are made of, how many series they have, and how many records found no room.
    pub fn metrics(&self) -> Vec<(Spec, usize, u64)> {
        let metrics = self.metrics.lock().unwrap_or_else(|e| e.into_inner());
        metrics.iter().map(|m| (m.spec().clone(), m.size().0, m.size().1)).collect()
    }

    /// Those that were asked for while the program ran, not by the configuration.
    fn added(&self, metrics: &[LogMetric]) -> Vec<Spec> {
        let is_added = |spec: &&Spec| !self.settings.metrics.iter().any(|s| s.name == spec.name);
        metrics.iter().map(LogMetric::spec).filter(is_added).cloned().collect()
    }

    /// Begins to count. When this returns, it is counted after a restart too. May block for the disk.
    ///
    /// # Errors
    /// `Invalid` for what makes no sense, `Conflict` if the name is taken by another, `TooLarge` if there are too many,
    /// `Corrupt` or `Unavailable` if it cannot be kept.
    pub fn add_metric(&self, spec: Spec) -> Result<()> {
        let metric = LogMetric::new(spec).map_err(Error::invalid)?;
        let mut metrics = self.metrics.lock().unwrap_or_else(|e| e.into_inner());
        if metrics.iter().any(|m| m.spec() == metric.spec()) {
            return Ok(());
        }
        if metrics.iter().any(|m| m.spec().name == metric.spec().name) {
            let text =
                format!("a metric {} of log records is there already, made otherwise", metric.spec().name);
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        if metrics.len() >= METRICS_MAX {
            let text = format!(
                "{METRICS_MAX} metrics of log records are the most; remove one from the configuration"
            );
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        let mut kept = self.added(&metrics);
        kept.push(metric.spec().clone());
        self.kept_metrics.write(&kept)?;
        metrics.push(metric);
        Ok(())
    }

    /// Counts no more. What was counted stays. May block for the disk.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` if the configuration asks for it, `Corrupt` or `Unavailable` if that cannot be kept.
    pub fn remove_metric(&self, name: &str) -> Result<()> {
        let mut metrics = self.metrics.lock().unwrap_or_else(|e| e.into_inner());
        if !metrics.iter().any(|m| m.spec().name == name) {
            return Err(Error::new(ErrorKind::NotFound, "there is no metric of log records of that name"));
        }
        let mut kept = self.added(&metrics);
        let before = kept.len();
        kept.retain(|spec| spec.name != name);
        if kept.len() == before {
            let text = format!("{name} is in the configuration, under [[logs.metrics]]: take it out there");
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        self.kept_metrics.write(&kept)?;
        metrics.retain(|m| m.spec().name != name);
        Ok(())
    }

    /// What was counted, to be delivered.
    pub fn collect_metrics(&self, now_ms: i64) -> Vec<model::Batch> {
        let mut metrics = self.metrics.lock().unwrap_or_else(|e| e.into_inner());
        let period_ms = METRICS_PERIOD.as_millis() as i64;
        metrics.iter_mut().map(|m| m.collect(now_ms, period_ms)).filter(|b| !b.samples.is_empty()).collect()
    }
}

/// The kind of a source: its first word, so that labels stay few.
fn kind(source: &str) -> &str {
    source.split(' ').next().unwrap_or(source)
}

/// Writes the metrics of records, and the templates, until told to stop and once more then.
pub async fn run(app: Arc<crate::app::App>, mut stopping: tokio::sync::watch::Receiver<bool>) {
    loop {
        let is_last = tokio::select! {
            () = tokio::time::sleep(METRICS_PERIOD) => false,
            _ = stopping.wait_for(|stop| *stop) => true,
        };
        for batch in app.logs.collect_metrics(now_ms() / 1000 * 1000) {
            let decoded = ingest::Decoded { batch, rejects: Vec::new() };
            // A failure is counted by the sink, and what was counted comes again with the next.
            let _ = app.sink.deliver("log_metrics", decoded).await;
        }
        let inside = app.clone();
        let _ = tokio::task::spawn_blocking(move || inside.logs.patterns.save()).await;
        if is_last {
            return;
        }
    }
}
