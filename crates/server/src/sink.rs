//! The one door to the store: checks times, appends, and counts per source what came and what was
//! refused, so that "why is this number missing?" has an answer. It must never drop without counting.

use crate::clock::now_ms;
use ingest::Decoded;
use model::{Batch, Reject, RejectReason};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use stdx::metrics::{Kind, Registry, Value};
use stdx::{Error, ErrorKind, Result};
use store::Store;
use store::exemplars::Exemplars;

/// Sources that are remembered one by one at the most; more are counted together as `other`.
const SOURCES_MAX: usize = 2_000;

/// Appends to the store and keeps the books. Cheap to clone.
#[derive(Clone)]
pub struct Sink {
    store: Arc<Store>,
    limits: Arc<ingest::Limits>,
    known: Arc<ingest::KnownLabels>,
    exemplars: Arc<Exemplars>,
    registry: Registry,
    sources: Arc<Mutex<BTreeMap<String, Source>>>,
}

struct Source {
    samples: u64,
    /// Shared by all sources of one kind.
    counter: Value,
    last_ms: i64,
    rejects: Vec<Refused>,
}

/// What one source had refused for one reason.
#[derive(Clone, Debug)]
pub struct Refused {
    /// How many samples, since the start of the process.
    pub reject: Reject,
    /// When it last happened.
    pub last_ms: i64,
}

/// One source's books.
#[derive(Clone, Debug)]
pub struct SourceReading {
    /// Its name: `host`, `midwatch`, `remote_write`, `import`, `otlp`, or `scrape JOB INSTANCE`.
    pub source: String,
    /// Samples accepted since the start of the process.
    pub samples: u64,
    /// When the last came.
    pub last_ms: i64,
    /// What was refused.
    pub rejects: Vec<Refused>,
}

/// What became of one delivery.
#[derive(Debug, Default)]
pub struct Delivered {
    /// Samples that are durable.
    pub accepted: u64,
    /// How many of them are native histograms.
    pub histograms: u64,
    /// Exemplars that are kept.
    pub exemplars: u64,
    /// All refusals, the decoder's included.
    pub rejects: Vec<Reject>,
    /// The batch, to be emptied and used again.
    pub batch: Batch,
}

impl Sink {
    /// A sink with empty books.
    pub fn new(store: Arc<Store>, limits: ingest::Limits, registry: Registry) -> Sink {
        let known = Arc::new(ingest::KnownLabels::new(store.settings().series_max));
        let settings = store.settings();
        let exemplars = Arc::new(Exemplars::open(store.folder(), settings.exemplars_max, &registry));
        Sink { store, limits: Arc::new(limits), known, exemplars, registry, sources: Arc::default() }
    }

    /// Examples of what was counted.
    pub fn exemplars(&self) -> &Exemplars {
        &self.exemplars
    }

    /// The limits on what arrives.
    pub fn limits(&self) -> &ingest::Limits {
        &self.limits
    }

    /// Label sets that senders repeat.
    pub fn known(&self) -> &ingest::KnownLabels {
        &self.known
    }

    /// Appends what was decoded; when this returns, it is durable.
    ///
    /// # Errors
    /// `Busy` or `Unavailable`: nothing was kept, send it again.
    pub async fn deliver(&self, source: &str, decoded: Decoded) -> Result<Delivered> {
        let (mut batch, rejects) = self.check(decoded);
        let samples = (batch.samples.len() + batch.histograms.len()) as u64;
        let exemplars = self.exemplars.take(&mut batch);
        let appended = self.store.append(batch);
        let (sink, source) = (self.clone(), source.to_string());
        // A task of its own: a sender that leaves takes this future with it, but not what the books have to say.
        let settled = tokio::spawn(async move {
            let outcome = match appended {
                Ok(pending) => pending.wait().await,
                Err(e) => Err(e),
            };
            let mut delivered = sink.settle(&source, rejects, samples, outcome)?;
            delivered.exemplars = sink.exemplars.add(exemplars);
            Ok(delivered)
        });
        settled.await.map_err(|e| Error::wrap(ErrorKind::Internal, "the delivery ended early", e))?
    }

    /// As [`Sink::deliver`], for threads that may block.
    ///
    /// # Errors
    /// As [`Sink::deliver`].
    pub fn deliver_blocking(&self, source: &str, decoded: Decoded) -> Result<Delivered> {
        let (mut batch, rejects) = self.check(decoded);
        let samples = (batch.samples.len() + batch.histograms.len()) as u64;
        let exemplars = self.exemplars.take(&mut batch);
        let outcome = self.store.append(batch).and_then(|pending| pending.wait_blocking());
        let mut delivered = self.settle(source, rejects, samples, outcome)?;
        delivered.exemplars = self.exemplars.add(exemplars);
        Ok(delivered)
    }

    /// Counts what a decoder refused without a batch (a whole body that makes no sense).
    pub fn refuse(&self, source: &str, reject: Reject) {
        self.count(source, 0, &[reject]);
    }

    /// Counts what was kept elsewhere than among samples (spans, log records), and what was refused of it.
    pub fn book(&self, source: &str, accepted: u64, rejects: &[Reject]) {
        self.count(source, accepted, rejects);
    }

    fn check(&self, mut decoded: Decoded) -> (Batch, Vec<Reject>) {
        let now_ms = now_ms();
        let oldest_ms = now_ms.saturating_sub(self.store.settings().retention_ms);
        ingest::check_times(&mut decoded.batch, now_ms, oldest_ms, &self.limits, &mut decoded.rejects);
        (decoded.batch, decoded.rejects)
    }

    fn settle(
        &self,
        source: &str,
        mut rejects: Vec<Reject>,
        samples: u64,
        outcome: Result<store::Appended>,
    ) -> Result<Delivered> {
        match outcome {
            Ok(mut outcome) => {
                for reject in std::mem::take(&mut outcome.rejects) {
                    match rejects.iter_mut().find(|r| r.reason == reject.reason) {
                        Some(known) => known.samples += reject.samples,
                        None => rejects.push(reject),
                    }
                }
                self.count(source, outcome.accepted, &rejects);
                let store::Appended { accepted, histograms, batch, .. } = outcome;
                Ok(Delivered { accepted, histograms, exemplars: 0, rejects, batch })
            }
            Err(e) => {
                // Whoever pushes is told and sends it again; what is read here comes only once.
                if !matches!(source, "remote_write" | "import" | "otlp") {
                    rejects.push(Reject {
                        reason: RejectReason::NotWritten,
                        samples,
                        message: e.to_string(),
                    });
                }
                self.count(source, 0, &rejects);
                let labels = vec![("source", kind(source).to_string())];
                let help = "Deliveries that could not be kept; the sender was told to try again.";
                self.registry.value(Kind::Counter, "midwatch_deliveries_failed_total", help, labels).inc();
                Err(e)
            }
        }
    }

    fn count(&self, source: &str, accepted: u64, rejects: &[Reject]) {
        let mut sources = self.sources.lock().unwrap_or_else(|e| e.into_inner());
        let full = sources.len() >= SOURCES_MAX && !sources.contains_key(source);
        let name = if full { "other" } else { source };
        if !sources.contains_key(name) {
            let labels = vec![("source", kind(name).to_string())];
            let help = "Samples accepted, by source.";
            let counter = self.registry.value(Kind::Counter, "midwatch_samples_accepted_total", help, labels);
            sources.insert(name.into(), Source { samples: 0, counter, last_ms: 0, rejects: Vec::new() });
        }
        let Some(entry) = sources.get_mut(name) else { return };
        let now_ms = now_ms();
        if accepted > 0 {
            entry.samples += accepted;
            entry.counter.add(accepted as f64);
            entry.last_ms = now_ms;
        }
        for reject in rejects {
            let labels =
                vec![("source", kind(name).to_string()), ("reason", reject.reason.as_str().to_string())];
            let help = "Samples refused, by source and reason.";
            let counter = self.registry.value(Kind::Counter, "midwatch_samples_rejected_total", help, labels);
            counter.add(reject.samples as f64);
            match entry.rejects.iter_mut().find(|r| r.reject.reason == reject.reason) {
                Some(known) => {
                    known.reject.samples += reject.samples;
                    known.reject.message.clone_from(&reject.message);
                    known.last_ms = now_ms;
                }
                None => entry.rejects.push(Refused { reject: reject.clone(), last_ms: now_ms }),
            }
        }
    }

    /// Samples accepted from all sources since the start of the process.
    pub fn accepted(&self) -> f64 {
        let sources = self.sources.lock().unwrap_or_else(|e| e.into_inner());
        sources.values().map(|s| s.samples as f64).sum()
    }

    /// The books of every source, by name.
    pub fn sources(&self) -> Vec<SourceReading> {
        let sources = self.sources.lock().unwrap_or_else(|e| e.into_inner());
        sources
            .iter()
            .map(|(name, s)| SourceReading {
                source: name.clone(),
                samples: s.samples,
                last_ms: s.last_ms,
                rejects: s.rejects.clone(),
            })
            .collect()
    }
}

/// The kind of a source: its first word, so that the counters' labels stay few.
fn kind(source: &str) -> &str {
    source.split(' ').next().unwrap_or(source)
}
