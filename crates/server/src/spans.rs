//! Spans on their way to the store: all of them are durable before they are acknowledged; which traces are kept is said when
//! their rows are written to files, and looked at again after a start. What is counted of all of them goes through the sink like
//! any other source, every ten seconds. It must never hold a lock while it waits for the disk.

use crate::app::App;
use crate::captures::RecentSpans;
use crate::clock::now_ms;
use ingest::Decoded;
use ingest::spans::tail::{Shares, TailSettings};
use ingest::spans::{Graph, SpanMetrics, Tail};
use model::{Batch, SpanBatch};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use stdx::Result;
use stdx::metrics::{Registry, Value};
use store::Store;
use store::tables::Tables;
use tokio::sync::watch;

/// How often what was counted is written.
const PERIOD: Duration = Duration::from_secs(10);
/// How often it is seen which traces are quiet.
const DECIDE_PERIOD: Duration = Duration::from_secs(1);
/// Spans that ended so long ago are not counted: they would say of now what was then.
const LATE_MS: i64 = 10 * 60 * 1000;

/// What all requests with spans share.
pub struct Spans {
    derived: Mutex<Derived>,
    tail: Arc<Mutex<Tail>>,
    counters: Counters,
}

#[derive(Default)]
struct Derived {
    metrics: SpanMetrics,
    graph: Graph,
}

struct Counters {
    received: Value,
    cut: Value,
    late: Value,
    waiting: Value,
    operations: Value,
    edges: Value,
    overflowed: Value,
    unpaired: Value,
}

impl Counters {
    fn new(r: &Registry) -> Counters {
        Counters {
            received: r.counter("midwatch_spans_received_total", "Spans that were taken."),
            cut: r.counter(
                "midwatch_spans_cut_total",
                "Attributes, events and links left out of spans that have too many, and values cut.",
            ),
            late: r.counter(
                "midwatch_spans_late_total",
                "Spans that ended too long ago to be counted in metrics; they are kept.",
            ),
            waiting: r.gauge("midwatch_spans_waiting", "Spans of traces that are not decided yet."),
            operations: r.gauge("midwatch_span_metrics_operations", "Operations that are counted."),
            edges: r.gauge("midwatch_service_graph_edges", "Calls between services that are counted."),
            overflowed: r.gauge(
                "midwatch_span_metrics_overflowed",
                "Spans since the start that were counted as other, or calls not counted: too many operations or edges.",
            ),
            unpaired: r.gauge(
                "midwatch_service_graph_unpaired",
                "Calls since the start of which only one side came.",
            ),
        }
    }
}

impl Spans {
    /// Nothing is counted yet. Where not all traces are kept, what is in no file yet waits for its decision again.
    pub fn new(settings: TailSettings, registry: &Registry, tables: &Tables, now_ms: i64) -> Spans {
        let mut tail = Tail::new(settings);
        let keeps_all = tail.keeps_all();
        if !keeps_all {
            tables.recent_spans(|batch| tail.step(&batch, now_ms));
        }
        let tail = Arc::new(Mutex::new(tail));
        if !keeps_all {
            let tail = tail.clone();
            tables.thin_spans(Box::new(move |rows| lock(&tail).keeps(rows)));
        }
        Spans { derived: Mutex::default(), tail, counters: Counters::new(registry) }
    }

    /// Writes spans; when this returns, they are durable.
    ///
    /// # Errors
    /// `Busy` or `Unavailable`: nothing was kept, send it again.
    pub async fn keep(
        &self,
        store: &Arc<Store>,
        recent: &RecentSpans,
        batch: SpanBatch,
        now_ms: i64,
    ) -> Result<()> {
        let counted = self.worth_counting(&batch, now_ms);
        recent.push(&batch, now_ms);
        let received = batch.spans.len();
        // Before they are written, so that nothing that goes to a file is unknown.
        lock(&self.tail).step(&batch, now_ms);
        store.tables().append_spans(batch)?.wait().await?;
        self.counters.received.add(received as f64);
        let mut derived = self.derived.lock().unwrap_or_else(|e| e.into_inner());
        derived.metrics.observe(&counted, now_ms);
        derived.graph.observe(&counted, now_ms);
        Ok(())
    }

    fn worth_counting(&self, batch: &SpanBatch, now_ms: i64) -> SpanBatch {
        let oldest_ns = now_ms.saturating_sub(LATE_MS).saturating_mul(1_000_000);
        let is_new = |s: &model::Span| s.start_ns.saturating_add_unsigned(s.duration_ns) >= oldest_ns;
        let spans: Vec<_> = batch.spans.iter().filter(|s| is_new(s)).cloned().collect();
        self.counters.late.add((batch.spans.len() - spans.len()) as f64);
        SpanBatch { origins: batch.origins.clone(), spans }
    }

    /// Counts what was left out of spans.
    pub fn cut(&self, count: u64) {
        self.counters.cut.add(count as f64);
    }

    /// Traces kept and dropped, by service; empty while all are kept.
    pub fn shares(&self) -> BTreeMap<String, Shares> {
        lock(&self.tail).shares.clone()
    }

    /// Spans that wait for the decision on their trace.
    pub fn waiting(&self) -> usize {
        lock(&self.tail).waiting().0
    }

    /// Operations and edges that are counted.
    pub fn counted(&self) -> (usize, usize) {
        let derived = self.derived.lock().unwrap_or_else(|e| e.into_inner());
        (derived.metrics.len(), derived.graph.len().0)
    }

    fn collect(&self, now_ms: i64) -> [Batch; 2] {
        let period_ms = PERIOD.as_millis() as i64;
        let mut derived = self.derived.lock().unwrap_or_else(|e| e.into_inner());
        let Derived { metrics, graph } = &mut *derived;
        let batches = [metrics.collect(now_ms, period_ms), graph.collect(now_ms, period_ms)];
        self.counters.operations.set(metrics.len() as f64);
        self.counters.edges.set(graph.len().0 as f64);
        self.counters.overflowed.set((metrics.overflowed + graph.overflowed) as f64);
        self.counters.unpaired.set(graph.unpaired as f64);
        batches
    }
}

fn lock(tail: &Mutex<Tail>) -> MutexGuard<'_, Tail> {
    tail.lock().unwrap_or_else(|e| e.into_inner())
}

/// Writes what was counted, and decides what is due, until told to stop, and once more then.
pub async fn run(app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    let mut counted = Instant::now();
    loop {
        let is_last = tokio::select! {
            () = tokio::time::sleep(DECIDE_PERIOD) => false,
            _ = stopping.wait_for(|stop| *stop) => true,
        };
        if is_last || counted.elapsed() >= PERIOD {
            counted = Instant::now();
            write_counted(&app).await;
        }
        decide(&app);
        if is_last {
            return;
        }
    }
}

async fn write_counted(app: &App) {
    // On whole seconds, as all that is read here.
    for batch in app.spans.collect(now_ms() / 1000 * 1000) {
        if !batch.samples.is_empty() {
            // A failure is counted by the sink.
            let _ = app.sink.deliver("spans", Decoded { batch, rejects: Vec::new() }).await;
        }
    }
}

fn decide(app: &App) {
    let mut tail = lock(&app.spans.tail);
    tail.step(&SpanBatch::default(), now_ms());
    app.spans.counters.waiting.set(tail.waiting().0 as f64);
}
