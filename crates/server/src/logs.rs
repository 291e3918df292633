//! Log records on their way to the store: templates are found, metrics counted, records made durable, and the books kept. All ways
//! in meet here. It must never acknowledge what is not durable.

pub mod follow;
mod live;
pub mod patterns;
pub mod push;
pub mod search;
pub mod settings;
pub mod syslog;

pub use live::Live;
pub use settings::{FileSettings, LogSettings};

use crate::clock::now_ms;
use crate::sink::Sink;
use ingest::logs::{Context, Decoded, Zone};
use look::logs::metric::{LogMetric, Spec};
use model::{LogBatch, LogRow, Origin, Pairs, Reject};
use patterns::PatternBook;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stdx::metrics::{Kind, Registry};
use stdx::{Error, ErrorKind, Result};
use store::Store;
use store::tables::Pending;

/// Bytes of text that are written at one time; larger deliveries are written in parts.
const PART_BYTES_MAX: usize = 12 << 20;
/// Records that are written at one time.
const PART_RECORDS_MAX: usize = 100_000;
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
        Logs {
            zone: zone.unwrap_or_else(|| Zone::fixed(0)),
            hostname: hostname.into(),
            patterns: PatternBook::open(store.folder(), settings.patterns, registry),
            live: Live::default(),
            registry: registry.clone(),
            metrics: Mutex::new(metrics),
            settings,
            store,
            sink,
        }
    }

    /// What of the templates could not be read at the start, in words.
    pub fn problem(&self) -> Option<String> {
        let broken = self.patterns.broken();
        (broken > 0)
            .then(|| format!("{broken} templates of log records could not be read; they are learnt anew"))
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

    /// Writes what was decoded; when this returns, it is durable and can be found.
    ///
    /// # Errors
    /// `Busy` or `Unavailable`: not all was kept, send it again.
    pub async fn deliver(self: &Arc<Self>, source: &str, decoded: Decoded) -> Result<Taken> {
        let (inside, source) = (self.clone(), source.to_string());
        // A task of its own: a sender that leaves takes this future with it, but not what the books have to say.
        let settled = tokio::spawn(async move {
            let parts = inside.prepare(&source, &decoded);
            let mut outcome = Ok(());
            let mut written = Vec::new();
            for part in parts {
                let kept = match inside.store.tables().append_logs(part.clone()) {
                    Ok(pending) => pending.wait().await.map(drop),
                    Err(e) => Err(e),
                };
                match kept {
                    Ok(()) => written.push(part),
                    Err(e) => {
                        outcome = Err(e);
                        break;
                    }
                }
            }
            inside.settle(&source, decoded, written, outcome)
        });
        settled.await.map_err(|e| Error::wrap(ErrorKind::Internal, "the delivery ended early", e))?
    }

    /// As [`Logs::deliver`], for threads that may block.
    ///
    /// # Errors
    /// As [`Logs::deliver`].
    pub fn deliver_blocking(&self, source: &str, decoded: Decoded) -> Result<Taken> {
        let (mut outcome, mut written) = (Ok(()), Vec::new());
        for part in self.prepare(source, &decoded) {
            let kept = self.store.tables().append_logs(part.clone()).and_then(Pending::wait_blocking);
            match kept {
                Ok(_) => written.push(part),
                Err(e) => {
                    outcome = Err(e);
                    break;
                }
            }
        }
        self.settle(source, decoded, written, outcome)
    }

    /// Finds the templates, and cuts what is too large into parts.
    fn prepare(&self, source: &str, decoded: &Decoded) -> Vec<LogBatch> {
        for (how, count) in decoded.altered.each().into_iter().filter(|(_, n)| *n > 0) {
            let labels = vec![("source", kind(source).to_string()), ("how", how.to_string())];
            let help = "Log records that were kept with a part of them changed, by what was changed.";
            self.registry
                .value(Kind::Counter, "midwatch_log_records_altered_total", help, labels)
                .add(count as f64);
        }
        let ids = self.patterns.learn(&decoded.batch);
        let batch = &decoded.batch;
        if batch.is_empty() {
            return Vec::new();
        }
        let mut parts = vec![LogBatch::default()];
        let is_one = batch.bytes() <= PART_BYTES_MAX && batch.len() <= PART_RECORDS_MAX;
        if is_one {
            let mut whole = batch.clone();
            ids.iter().enumerate().for_each(|(i, id)| whole.set_pattern(i, *id));
            return vec![whole];
        }
        for (i, row) in batch.rows().enumerate() {
            let is_full =
                parts.last().is_some_and(|p| p.bytes() >= PART_BYTES_MAX || p.len() >= PART_RECORDS_MAX);
            if is_full || parts.last().is_none_or(|p| p.origins.is_empty()) {
                if is_full {
                    parts.push(LogBatch::default());
                }
                if let Some(part) = parts.last_mut() {
                    part.origins.clone_from(&batch.origins);
                }
            }
            if let Some(part) = parts.last_mut() {
                part.push(LogRow { pattern: ids.get(i).copied().unwrap_or(0), ..row }, batch.attributes(i));
            }
        }
        parts
    }

    fn settle(
        &self,
        source: &str,
        decoded: Decoded,
        written: Vec<LogBatch>,
        outcome: Result<()>,
    ) -> Result<Taken> {
        let accepted = written.iter().map(|part| part.len() as u64).sum();
        self.sink.book(source, accepted, &decoded.rejects);
        let mut metrics = self.metrics.lock().unwrap_or_else(|e| e.into_inner());
        for part in &written {
            metrics.iter_mut().for_each(|metric| metric.observe(part));
        }
        drop(metrics);
        written.into_iter().for_each(|part| self.live.send(part));
        outcome?;
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

    /// Begins to count, until the program ends; `[[logs.metrics]]` in the configuration counts for good.
    ///
    /// # Errors
    /// `Invalid` for what makes no sense, `Conflict` if the name is taken by another, `TooLarge` if there are too many.
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
        metrics.push(metric);
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
