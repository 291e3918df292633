//! The life of one target: wait until it is due, fetch, decode, deliver, and tell what happened. When it is down or
//! gone its series get stale markers. It must never hold up another target, nor end because of a bad answer.

use super::Engine;
use super::schedule::{Schedule, stable_hash};
use super::target::{Pairs, TargetSpec};
use crate::client::{Answer, Ask};
use crate::clock::now_ms;
use ingest::Decoded;
use ingest::exposition::{Format, accept};
use ingest::scrape::{Scrape, ScrapeCache, Scraped, Target};
use model::{Batch, Labels, NAME, STALE_NAN_BITS};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Longer bodies are decoded on a thread of their own.
const INLINE_BYTES_MAX: usize = 1 << 20;

/// The series that report on a scrape, in the order of [`Report::values`].
const REPORTS: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// Whether the last scrape worked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It was not scraped yet.
    #[default]
    Unknown,
    /// It worked.
    Up,
    /// It did not.
    Down,
}

impl Health {
    /// As the Prometheus API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Up => "up",
            Health::Down => "down",
        }
    }
}

/// What is known of one target.
#[derive(Clone, Debug)]
pub struct TargetStatus {
    /// The name of its job in the configuration.
    pub pool: String,
    /// Found by discovery, not by configuration.
    pub found: bool,
    /// Labels before relabelling.
    pub discovered_labels: Pairs,
    /// Labels of its series.
    pub labels: Labels,
    /// Where it is.
    pub scrape_url: String,
    /// The same for someone on another host.
    pub global_url: String,
    /// How often.
    pub interval_ms: u64,
    /// How long a scrape may take.
    pub timeout_ms: u64,
    /// How the last scrape went.
    pub last: LastScrape,
}

/// How the last scrape of a target went.
#[derive(Clone, Debug, Default)]
pub struct LastScrape {
    /// Whether it worked.
    pub health: Health,
    /// Why it did not, or what of it could not be kept; or "".
    pub error: String,
    /// When it began, milliseconds since 1970-01-01 UTC; 0 if there was none.
    pub at_ms: i64,
    /// How long it took.
    pub duration_s: f64,
    /// Samples in the body.
    pub samples: u64,
}

/// A target's task.
pub(super) struct TargetTask {
    spec: Arc<TargetSpec>,
    engine: Arc<Engine>,
    last: Arc<Mutex<LastScrape>>,
    source: String,
    reports: Vec<Labels>,
    cache: ScrapeCache,
    headers: Vec<(&'static str, String)>,
}

impl TargetTask {
    pub fn new(spec: Arc<TargetSpec>, engine: Arc<Engine>, last: Arc<Mutex<LastScrape>>) -> TargetTask {
        let timeout_s = spec.timeout_ms as f64 / 1_000.0;
        TargetTask {
            source: spec.source(),
            reports: REPORTS.iter().map(|name| spec.labels.with(NAME, name)).collect(),
            cache: cache(&spec),
            headers: vec![
                ("accept", accept(spec.config.native_histograms).to_string()),
                ("x-prometheus-scrape-timeout-seconds", timeout_s.to_string()),
            ],
            spec,
            engine,
            last,
        }
    }

    /// Runs until `stop` says so; when it is dropped instead, the process ends, and nothing more is written.
    pub async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let schedule = Schedule::new(self.spec.interval_ms, stable_hash(&self.spec.key()));
        let mut due_ms = schedule.after(now_ms());
        let mut last_ms = 0;
        loop {
            let wait = Duration::from_millis((due_ms - now_ms()).max(0) as u64);
            let fetch = async {
                tokio::time::sleep(wait).await;
                let place = self.engine.places.acquire().await;
                let (began_ms, began) = (now_ms(), Instant::now());
                let answer = self.fetch().await;
                drop(place);
                (began_ms, began, answer)
            };
            let (began_ms, began, answer) = tokio::select! {
                end = &mut stop => {
                    if end.is_ok() {
                        self.end(last_ms).await;
                    }
                    return;
                }
                fetched = fetch => fetched,
            };
            // A clock that was set back must not give two scrapes one time.
            last_ms = schedule.align(due_ms, began_ms);
            self.settle(last_ms, began, answer).await;
            let (next_ms, missed) = schedule.next(due_ms, now_ms());
            self.engine.counters.missed.add(missed as f64);
            due_ms = next_ms;
        }
    }

    async fn fetch(&self) -> Result<Answer> {
        let config = &self.spec.config;
        let ask = Ask {
            url: &self.spec.url,
            client: &config.client,
            headers: &self.headers,
            timeout: Duration::from_millis(self.spec.timeout_ms),
            body_bytes_max: config.body_bytes_max.min(self.engine.sink.limits().decoded_bytes_max),
            cut: false,
            follow_redirects: config.follow_redirects,
        };
        self.engine.clients.get(ask).await
    }

    /// Decodes, delivers, and writes down how it went.
    async fn settle(&mut self, at_ms: i64, began: Instant, answer: Result<Answer>) {
        let scraped = match answer {
            Ok(answer) => self.decode(at_ms, answer).await,
            Err(e) => Err(e),
        };
        let duration_s = began.elapsed().as_secs_f64();
        let (health, mut error) = match &scraped {
            Ok(_) => (Health::Up, String::new()),
            Err(e) => (Health::Down, e.to_string()),
        };
        let mut scraped = scraped.unwrap_or_else(|_| self.stale(at_ms));
        let values = [
            f64::from(health == Health::Up),
            duration_s,
            scraped.samples as f64,
            scraped.samples_kept as f64,
            scraped.series_added as f64,
        ];
        for (labels, value) in self.reports.iter().zip(values) {
            scraped.decoded.batch.push(labels, at_ms, value);
        }
        if let Err(e) = self.engine.sink.deliver(&self.source, scraped.decoded).await {
            error = format!("the samples could not be kept: {e}");
        }
        match health {
            Health::Up => self.engine.counters.ok.inc(),
            _ => self.engine.counters.failed.inc(),
        }
        let mut last = self.last.lock().unwrap_or_else(|e| e.into_inner());
        *last = LastScrape { health, error, at_ms, duration_s, samples: scraped.samples };
    }

    async fn decode(&mut self, at_ms: i64, answer: Answer) -> Result<Scraped> {
        let format = match Format::from_content_type(&answer.content_type) {
            Some(format) => format,
            // Old exporters say nothing; whoever says something else, a page for people most likely, is no exporter.
            None if answer.content_type.is_empty() => Format::Text,
            None => {
                let message = format!("the answer is {}, which is no format of metrics", answer.content_type);
                return Err(Error::new(ErrorKind::Unavailable, message));
            }
        };
        let kept_max = self.spec.config.samples_max as u64;
        let limits = Arc::clone(&self.engine);
        let mut cache = std::mem::replace(&mut self.cache, cache(&self.spec));
        let inline = answer.body.len() <= INLINE_BYTES_MAX;
        let work = move || {
            let scrape = Scrape { format, at_ms, limits: limits.sink.limits() };
            let scraped = cache.scrape_up_to(&answer.body, scrape, kept_max);
            (cache, scraped)
        };
        let (cache, scraped) = if inline {
            work()
        } else {
            let done = tokio::task::spawn_blocking(work).await;
            done.map_err(|e| Error::wrap(ErrorKind::Internal, "decoding the answer", e))?
        };
        self.cache = cache;
        scraped
    }

    /// The target is down: its series end. The memory of them is given back, since only good scrapes forget.
    fn stale(&mut self, at_ms: i64) -> Scraped {
        let mut scraped = Scraped::default();
        self.cache.stale_all(at_ms, &mut scraped.decoded.batch);
        if self.cache.series() > 0 {
            self.cache = cache(&self.spec);
        }
        scraped
    }

    /// The target is gone: its series and the reports on it end, after all that came before.
    async fn end(&mut self, last_ms: i64) {
        if last_ms == 0 {
            return;
        }
        let at_ms = now_ms().max(last_ms + 1);
        let mut batch = Batch::default();
        self.cache.stale_all(at_ms, &mut batch);
        self.reports.iter().for_each(|labels| batch.push(labels, at_ms, f64::from_bits(STALE_NAN_BITS)));
        let decoded = Decoded { batch, rejects: Vec::new() };
        // A failure is counted by the sink; the series then end by themselves some minutes later.
        let _ = self.engine.sink.deliver(&self.source, decoded).await;
    }
}

fn cache(spec: &TargetSpec) -> ScrapeCache {
    ScrapeCache::new(Target {
        labels: spec.labels.clone(),
        honor_labels: spec.config.honor_labels,
        honor_timestamps: spec.config.honor_timestamps,
        metric_relabel: Arc::new(spec.config.metric_relabel.clone()),
    })
}
