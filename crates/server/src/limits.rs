//! The books of the bounds: what each is, how much of it is used now, how often it was hit and when last. Nothing is
//! bounded here; those who do name the setting in their error, and it is counted on the way out.

use crate::app::App;
use crate::clock::now_ms;
use model::RejectReason;
use std::collections::BTreeMap;
use std::sync::Mutex;
use stdx::metrics::{Kind, Registry};
use store::Status;

/// How often each bound was hit by a request.
pub struct LimitBooks {
    registry: Registry,
    hits: Mutex<BTreeMap<&'static str, Hits>>,
}

/// How often a bound was hit since the start of the process.
#[derive(Clone, Debug, Default)]
pub struct Hits {
    /// Requests, or samples.
    pub count: u64,
    /// When last, milliseconds since 1970; 0 if never.
    pub last_ms: i64,
    /// What the last one was told.
    pub message: String,
}

/// A bound as it is now.
pub struct LimitReading {
    /// The setting, or what is bounded where there is no setting.
    pub name: &'static str,
    /// `bytes`, `s`, or what is counted.
    pub unit: &'static str,
    /// The bound.
    pub limit: f64,
    /// What is used of it, where that is known.
    pub used: Option<f64>,
    /// How often it was hit.
    pub hits: Hits,
    /// What is counted: `requests` or `samples`; empty where nothing is refused.
    pub counted: &'static str,
    /// What happens at the bound.
    pub at_bound: &'static str,
}

impl LimitBooks {
    /// Empty books.
    pub fn new(registry: &Registry) -> LimitBooks {
        LimitBooks { registry: registry.clone(), hits: Mutex::default() }
    }

    /// Counts a request that was refused.
    pub fn hit(&self, bound: &'static str, message: &str) {
        let help = "Requests refused because of a limit, by its setting.";
        let labels = vec![("limit", bound.to_string())];
        self.registry.value(Kind::Counter, "midwatch_limit_hits_total", help, labels).inc();
        let mut hits = self.hits.lock().unwrap_or_else(|e| e.into_inner());
        let entry = hits.entry(bound).or_default();
        entry.count += 1;
        entry.last_ms = now_ms();
        entry.message = message.chars().take(400).collect();
    }

    fn of(&self, bound: &str) -> Hits {
        let hits = self.hits.lock().unwrap_or_else(|e| e.into_inner());
        hits.get(bound).cloned().unwrap_or_default()
    }
}

/// Bounds of SQL, which are shown also by a program that was built without.
mod of_sql {
    pub const ROWS: &str = "sql.rows_max";
    pub const BYTES: &str = "sql.answer_size";
    pub const TEXT: &str = "bytes of one SQL query";
    pub const TEXT_BYTES_MAX: usize = 64 << 10;
    pub const OPERATORS: &str = "operators of one SQL query";
    pub const OPERATORS_MAX: usize = 2_000;
    pub const STEPS: &str = "steps of one SQL query";
    pub const STEPS_MAX: usize = 2_000;
    pub const RESULT: &str = "bytes that one function of SQL makes at once";
    pub const RESULT_BYTES_MAX: usize = 64 << 20;
    pub const CONNECTIONS: &str = "postgres.connections_max";
}

/// Silences at one time.
pub const SILENCES: &str = "silences";
/// Overrides of rotas at one time.
pub const OVERRIDES: &str = "overrides of rotas";

/// Who counts the hits of a bound.
enum Counted {
    /// Requests that were refused, by the name of the bound.
    Requests,
    /// Samples that were refused for a reason. Several bounds may share one.
    Samples(RejectReason),
    /// Nothing is refused.
    Nothing,
}

struct Row {
    name: &'static str,
    unit: &'static str,
    limit: fn(&App) -> f64,
    used: fn(&App, &Status) -> Option<f64>,
    counted: Counted,
    at_bound: &'static str,
}

macro_rules! row {
    ($name:expr, $unit:literal, $limit:expr, $used:expr, $counted:expr, $at:literal) => {
        Row { name: $name, unit: $unit, limit: $limit, used: $used, counted: $counted, at_bound: $at }
    };
}

/// Every bound, those that people meet first.
#[rustfmt::skip]
const ROWS: &[Row] = {
    use Counted::{Nothing, Requests, Samples};
    use RejectReason as R;
    &[
        row!("store.series_max", "series", |a| a.settings.store.series_max as f64, |_, s| Some(s.head_series as f64), Samples(R::TooManySeries), "samples of further series are refused"),
        row!("store.series_per_metric_max", "series", |a| a.settings.store.series_per_metric_max as f64, |_, s| Some(s.metric_series as f64), Samples(R::TooManySeriesOfMetric), "samples of further series of that metric are refused"),
        row!("store.series_per_source_max", "series", |a| a.settings.store.series_per_source_max as f64, |_, s| Some(s.source_series as f64), Samples(R::TooManySeriesOfSource), "samples of further series of that job are refused"),
        row!("store.head_memory", "bytes", |a| 2.0 * a.settings.store.head_bytes_max as f64, |_, s| Some(s.head_bytes as f64), Requests, "at half of this the head is cut; at all of it nothing more is taken until blocks can be written"),
        row!("store.wal_size", "bytes", |a| 2.0 * a.settings.store.wal_bytes_max as f64, |_, s| Some(s.wal_bytes as f64), Requests, "at half of this the head is cut; at all of it nothing more is taken until blocks can be written"),
        row!("store.queue_batches_max", "batches", |a| a.settings.store.queue_batches_max as f64, |_, _| None, Requests, "more are refused as busy; senders try again"),
        row!("store.queue_memory", "bytes", |a| a.settings.store.queue_bytes_max as f64, |_, _| None, Requests, "more are refused as busy; senders try again"),
        row!("store.index_memory", "bytes", |a| a.settings.store.index_bytes_max as f64, |_, s| Some(s.index_bytes as f64), Nothing, "indexes of the oldest blocks are read anew when they are asked for"),
        row!("store.metadata_max", "metrics", |a| a.settings.store.metadata_max as f64, |_, s| Some(s.metadata as f64), Nothing, "type and help of further metrics are not kept; counted in midwatch_store_metadata_refused_total"),
        row!("store.exemplars_max", "exemplars", |a| a.settings.store.exemplars_max as f64, |a, _| Some(a.sink.exemplars().present().0 as f64), Nothing, "the oldest make room for newer ones; counted in midwatch_exemplars_evicted_total"),
        row!("tables.memory", "bytes", |a| 2.0 * a.settings.store.tables.memory_bytes_max as f64, |a, _| Some(a.store.tables().status().tables.iter().map(|t| t.recent_bytes as f64).sum()), Requests, "at half of this recent rows become files; at all of it nothing more is taken until files can be written"),
        row!("tables.log_size", "bytes", |a| 2.0 * a.settings.store.tables.log_bytes_max as f64, |_, _| None, Requests, "at half of this recent rows become files; at all of it nothing more is taken until files can be written"),
        row!("tables.queue_batches_max", "batches", |a| a.settings.store.tables.queue_batches_max as f64, |_, _| None, Requests, "more are refused as busy; senders try again"),
        row!("tables.queue_memory", "bytes", |a| a.settings.store.tables.queue_bytes_max as f64, |_, _| None, Requests, "more are refused as busy; senders try again"),
        row!("rows of one batch", "bytes", |_| store::tables::BATCH_BYTES_MAX as f64, |_, _| None, Requests, "the request is refused whole; send less at a time"),
        row!("tables.size", "bytes", |a| a.settings.store.tables.files_bytes_max as f64, |a, _| Some(a.store.tables().status().tables.iter().map(|t| t.files_bytes as f64).sum()), Nothing, "the oldest files of log records and spans are removed"),
        row!("retention_size", "bytes", |a| a.settings.store.blocks_bytes_max as f64, |_, s| Some(s.blocks_bytes as f64), Nothing, "the oldest blocks are removed"),
        row!("ingest.labels_per_series_max", "labels", |a| a.settings.ingest.labels_per_series_max as f64, |_, _| None, Samples(R::TooManyLabels), "samples of the series are refused"),
        row!("ingest.label_name_size", "bytes", |a| a.settings.ingest.label_name_bytes_max as f64, |_, _| None, Samples(R::LabelTooLong), "samples of the series are refused"),
        row!("ingest.label_value_size", "bytes", |a| a.settings.ingest.label_value_bytes_max as f64, |_, _| None, Samples(R::LabelTooLong), "samples of the series are refused"),
        row!("ingest.body_size", "bytes", |a| a.settings.ingest.body_bytes_max as f64, |_, _| None, Requests, "the request is refused whole"),
        row!("ingest.decoded_size", "bytes", |a| a.settings.ingest.decoded_bytes_max as f64, |_, _| None, Samples(R::TooLarge), "the request is refused whole"),
        row!("ingest.samples_per_request_max", "samples", |a| a.settings.ingest.samples_per_request_max as f64, |_, _| None, Samples(R::TooLarge), "samples past it are refused"),
        row!("ingest.series_per_request_max", "series", |a| a.settings.ingest.series_per_request_max as f64, |_, _| None, Samples(R::TooLarge), "samples of further series of that request or target are refused"),
        row!("buckets of histograms per request", "buckets", |a| a.settings.ingest.histogram_buckets_per_request_max as f64, |_, _| None, Samples(R::TooLarge), "native histograms past it are refused"),
        row!("ingest.line_size", "bytes", |a| a.settings.ingest.line_bytes_max as f64, |_, _| None, Samples(R::TooLarge), "the line is refused"),
        row!("ingest.future", "s", |a| a.settings.ingest.future_ms_max as f64 / 1000.0, |_, _| None, Samples(R::TooFarInFuture), "the sample is refused"),
        row!("ingest.log_records_per_request_max", "records", |a| a.settings.ingest.log_records_per_request_max as f64, |_, _| None, Samples(R::TooLarge), "records past it are refused"),
        row!("ingest.log_body_size", "bytes", |a| a.settings.ingest.log_body_bytes_max as f64, |_, _| None, Nothing, "the text is cut and the record marked; counted in midwatch_log_records_altered_total"),
        row!("ingest.log_attributes_max", "attributes", |a| a.settings.ingest.log_attributes_max as f64, |_, _| None, Nothing, "further attributes are left out and the record marked; counted in midwatch_log_records_altered_total"),
        row!("ingest.log_attribute_size", "bytes", |a| a.settings.ingest.log_attribute_bytes_max as f64, |_, _| None, Nothing, "the value is cut; counted in midwatch_log_records_altered_total"),
        row!("logs.patterns_max", "templates", |a| a.logs.settings().patterns.templates_max as f64, |a, _| Some(a.logs.patterns.read(|p| p.len()) as f64), Nothing, "the template that was not seen for longest makes room"),
        row!("logs.patterns_per_service_max", "templates", |a| a.logs.settings().patterns.templates_per_service_max as f64, |_, _| None, Nothing, "the template of that service that was not seen for longest makes room"),
        row!("log watchers at a time", "watchers", |_| crate::api::WATCHERS_MAX as f64, |a, _| Some(a.logs.live.watchers() as f64), Nothing, "more are refused as busy"),
        row!("otlp.delta_memory", "bytes", |a| a.settings.otlp.delta_bytes_max as f64, |a, _| Some(a.otlp.delta_bytes() as f64), Samples(R::TooManySeries), "deltas of further series are refused"),
        row!("spans per request", "spans", |_| ingest::otlp::traces::SPANS_PER_REQUEST_MAX as f64, |_, _| None, Samples(R::TooLarge), "spans past it are refused"),
        row!("attributes of a span", "attributes", |_| ingest::otlp::traces::ATTRIBUTES_MAX as f64, |_, _| None, Nothing, "more are left out of the span, which says so; counted in midwatch_spans_cut_total, as are events, links and long values"),
        row!("spans.waiting_max", "spans", |a| a.settings.tail.spans_max as f64, |a, _| Some(a.spans.waiting() as f64), Nothing, "traces are decided early"),
        row!("operations counted", "series", |_| ingest::spans::metrics::SERIES_MAX as f64, |a, _| Some(a.spans.counted().0 as f64), Nothing, "further ones are counted as other; counted in midwatch_span_metrics_overflowed"),
        row!("calls between services counted", "edges", |_| ingest::spans::graph::EDGES_MAX as f64, |a, _| Some(a.spans.counted().1 as f64), Nothing, "further ones are not counted; counted in midwatch_span_metrics_overflowed"),
        row!("a plan in words", "bytes", |_| critic::plan::TEXT_BYTES_MAX as f64, |_, _| None, Requests, "the plan is refused"),
        row!("queries of one critique", "queries", |_| critic::critique::QUERIES_MAX as f64, |_, _| None, Nothing, "what would need more is told as not checked"),
        row!("objectives", "objectives", |_| monitor::slo::SLOS_MAX as f64, |a, _| Some(a.monitors.groups().iter().filter(|g| g.group.slo.is_some()).count() as f64), Nothing, "further ones are left out, and named with the problems of files"),
        row!("monitors in the ledger", "monitors", |_| monitor::ledger::MONITORS_MAX as f64, |a, _| Some(a.monitors.with_book(|b| b.ledger.len()) as f64), Nothing, "the one that was in a file longest ago is forgotten; the review says how many"),
        row!("episodes in the ledger", "episodes", |_| monitor::ledger::EPISODES_MAX as f64, |a, _| Some(a.monitors.with_book(|b| b.ledger.episodes().count()) as f64), Nothing, "the oldest is forgotten; the review says how many"),
        row!(crate::monitors::DECISIONS, "monitors", |_| crate::monitors::DECISIONS_MAX as f64, |a, _| Some(a.monitors.with_book(|b| b.decisions.len()) as f64), Requests, "further decisions are refused"),
        row!("files of critic rules", "files", |_| critic::library::FILES_MAX as f64, |a, _| Some(a.critics.shelf.files() as f64), Nothing, "further files are left out and named; counted in midwatch_critic_rules_broken"),
        row!(crate::advise::LEDGER_GIVEN, "answers", |_| crate::advise::LEDGER_GIVEN_MAX as f64, |a, _| Some(a.advice.size().0 as f64), Nothing, "the oldest that nobody judged is forgotten, then the oldest"),
        row!(crate::advise::LEDGER_BYTES, "bytes", |_| crate::advise::LEDGER_BYTES_MAX as f64, |a, _| Some(a.advice.size().1 as f64), Nothing, "the file is written anew with what is newest and what was judged"),
        row!(crate::critique::LEDGER_BYTES, "bytes", |_| crate::critique::LEDGER_BYTES_MAX as f64, |a, _| Some(a.critics.ledger.bytes() as f64), Requests, "further words are refused; move the file away"),
        row!("rules of all files", "rules", |_| crate::monitors::RULES_MAX as f64, |a, _| Some(a.monitors.groups().iter().map(|g| g.group.rules.len() as f64).sum()), Nothing, "groups past it are left out and named among the problems of files"),
        row!("alerts that fire at a time", "alerts", |_| monitor::notify::dispatch::ALERTS_MAX as f64, |a, _| Some(a.monitors.notify().notifier.len() as f64), Nothing, "nobody is told of further ones; counted in midwatch_alerts_refused_total"),
        row!("notifications that wait for one target", "notifications", |_| monitor::notify::outbox::WAITING_MAX as f64, |a, _| Some(a.monitors.notify().outbox.longest() as f64), Nothing, "the oldest repetition, or the oldest, makes room; counted in midwatch_notifications_lost_total"),
        row!(crate::agents::AGENTS, "agents", |_| crate::agents::AGENTS_MAX as f64, |a, _| Some(a.agents.len() as f64), Requests, "further ones are refused as busy; their samples are taken all the same"),
        row!(crate::agents::UPLOAD, "bytes", |_| crate::agents::UPLOAD_BYTES_MAX as f64, |_, _| None, Requests, "the part is refused and stays at the agent"),
        row!(crate::agents::UPLOADS, "captures", |_| crate::agents::UPLOADS_MAX as f64, |a, _| Some((crate::agents::UPLOADS_MAX - a.agents.uploads.available_permits()) as f64), Requests, "more are refused as busy; agents try again"),
        row!("captures.memory", "bytes", |a| a.settings.captures.memory_bytes as f64, |a, _| Some(a.captures.ring().read().iter().map(|r| r.memory_bytes as f64).sum()), Nothing, "the oldest of each class in the ring goes first; counted in midwatch_ring_dropped"),
        row!("captures.size", "bytes", |a| a.settings.captures.retention.bytes_max as f64, |_, _| None, Nothing, "the oldest captures that are not pinned are removed"),
        row!(crate::captures::WAITING, "triggers", |_| crate::captures::WAITING_MAX as f64, |_, _| None, Requests, "more are refused as busy; those of monitors are counted in midwatch_captures_refused_total"),
        row!(SILENCES, "silences", |_| monitor::notify::silence::SILENCES_MAX as f64, |a, _| Some(a.monitors.notify().notifier.silences().len() as f64), Requests, "further ones are refused"),
        row!(OVERRIDES, "overrides", |_| monitor::notify::rota::OVERRIDES_MAX as f64, |a, _| Some(a.monitors.notify().notifier.overrides().len() as f64), Requests, "further ones are refused"),
        row!("query.concurrent_max", "queries", |a| a.settings.query.concurrent_max as f64, |a, _| Some(a.gate.present().0 as f64), Nothing, "more wait for their turn"),
        row!("query.waiting_max", "queries", |a| a.settings.query.waiting_max as f64, |a, _| Some(a.gate.present().1 as f64), Requests, "more are refused as busy"),
        row!("query.timeout", "s", |a| a.settings.query.timeout_ms as f64 / 1000.0, |_, _| None, Requests, "the query ends with an error"),
        row!("query.samples_max", "samples", |a| a.settings.query.samples_max as f64, |_, _| None, Requests, "the query ends with an error"),
        row!("query.memory_max", "bytes", |a| a.settings.query.bytes_max as f64, |_, _| None, Requests, "the query ends with an error"),
        row!("query.series_max", "series", |a| a.settings.query.series_max as f64, |_, _| None, Requests, "the query ends with an error"),
        row!(crate::sweep::SAMPLES, "samples", |_| crate::sweep::SAMPLES_MAX as f64, |_, _| None, Requests, "the comparison ends with an error"),
        row!(crate::sweep::SERIES, "series", |a| a.settings.query.series_max.max(crate::sweep::SERIES_MAX) as f64, |_, _| None, Requests, "the comparison ends with an error"),
        row!(of_sql::ROWS, "rows", |a| a.settings.sql.rows_max as f64, |_, _| None, Requests, "the answer in SQL ends with an error"),
        row!(of_sql::BYTES, "bytes", |a| a.settings.sql.answer_bytes_max as f64, |_, _| None, Requests, "the answer in SQL ends with an error"),
        row!(of_sql::TEXT, "bytes", |_| of_sql::TEXT_BYTES_MAX as f64, |_, _| None, Requests, "the query is refused"),
        row!(of_sql::OPERATORS, "operators", |_| of_sql::OPERATORS_MAX as f64, |_, _| None, Requests, "the query is refused"),
        row!(of_sql::STEPS, "steps", |_| of_sql::STEPS_MAX as f64, |_, _| None, Requests, "the query is refused"),
        row!(of_sql::RESULT, "bytes", |_| of_sql::RESULT_BYTES_MAX as f64, |_, _| None, Requests, "the query ends with an error"),
        row!(crate::saved::QUERIES, "queries", |_| crate::saved::QUERIES_MAX as f64, |a, _| a.saved.list().ok().map(|all| all.len() as f64), Requests, "further ones are refused"),
        row!(crate::periods::PERIODS, "periods", |_| crate::periods::PERIODS_MAX as f64, |a, _| a.periods.list().ok().map(|all| all.len() as f64), Requests, "further ones are refused"),
        row!(of_sql::CONNECTIONS, "connections", |a| a.settings.postgres.connections_max as f64, |_, _| None, Requests, "more are closed at once"),
        row!(crate::api::EXPORTS_BOUND, "exports", |_| crate::api::EXPORTS_MAX as f64, |a, _| Some((crate::api::EXPORTS_MAX - a.exports.available_permits()) as f64), Requests, "more are refused as busy"),
        row!(crate::transport::LARGE_ANSWERS_BOUND, "answers", |_| crate::transport::LARGE_ANSWERS_MAX as f64, |a, _| Some((crate::transport::LARGE_ANSWERS_MAX - a.large_answers.available_permits()) as f64), Requests, "more are refused as busy"),
        row!("connections at a time", "connections", |_| crate::listener::CONNECTIONS_MAX as f64, |_, _| None, Nothing, "more wait until one is closed"),
    ]
};

/// Every bound as it is now.
pub fn read(app: &App, status: &Status) -> Vec<LimitReading> {
    let sources = app.sink.sources();
    let refused = |reason: RejectReason| {
        let of_all = sources.iter().flat_map(|s| &s.rejects).filter(|r| r.reject.reason == reason);
        of_all.fold(Hits::default(), |mut hits, r| {
            hits.count += r.reject.samples;
            if r.last_ms >= hits.last_ms {
                hits.last_ms = r.last_ms;
                hits.message.clone_from(&r.reject.message);
            }
            hits
        })
    };
    ROWS.iter()
        .map(|row| {
            let (hits, counted) = match row.counted {
                Counted::Requests => (app.limits.of(row.name), "requests"),
                Counted::Samples(reason) => (refused(reason), "samples"),
                Counted::Nothing => (Hits::default(), ""),
            };
            LimitReading {
                name: row.name,
                unit: row.unit,
                limit: (row.limit)(app),
                used: (row.used)(app, status),
                hits,
                counted,
                at_bound: row.at_bound,
            }
        })
        .collect()
}

/// The list of bounds for docs/reference/limits.md: name, unit, what happens, and what counts it.
#[cfg(test)]
fn document() -> String {
    let mut out = "\
# Limits

Generated from the code: do not edit. Everything is bounded. What is over a bound is refused with a sentence that says which
one it was and what to do next, and counted; `GET /api/v1/status/limits` and the page *Midwatch* show how much of each is
used, how often it was hit since the start of the program, and when last. The names are settings
([configuration.md](configuration.md) has defaults and bounds); those without a dot are fixed.

| limit | counts | at the limit | counter |
|---|---|---|---|
"
    .to_string();
    for row in ROWS {
        let counter = match row.counted {
            Counted::Requests => format!("`midwatch_limit_hits_total{{limit=\"{}\"}}`", row.name),
            Counted::Samples(reason) => {
                format!("`midwatch_samples_rejected_total{{reason=\"{}\"}}`", reason.as_str())
            }
            Counted::Nothing => "nothing is refused".into(),
        };
        out += &format!("| `{}` | {} | {} | {counter} |\n", row.name, row.unit, row.at_bound);
    }
    out += "
`store.head_memory` and `store.wal_size` are shown with twice their value: at the value itself the head is cut early, and
only at twice that, when blocks cannot be written, something is refused. Some reasons are shared by several limits
(`too_large`, `label_too_long`): each of them then shows the count of all; the message names the one that was hit last.
A limit never removes anything that is stored. What uses it up: [the page *Cardinality*](../guide/cardinality.md).
";
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_up_to_date() {
        let path = std::env::var("CARGO_MANIFEST_DIR").unwrap() + "/../../docs/reference/limits.md";
        let document = document();
        if std::env::var_os("MIDWATCH_BLESS").is_some() {
            std::fs::write(&path, &document).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == document, "docs/reference/limits.md is old: run the test with MIDWATCH_BLESS=1");
    }

    #[cfg(feature = "sql")]
    #[test]
    fn bounds_of_sql_are_those_of_the_engine() {
        use of_sql::*;
        assert_eq!(
            (ROWS, BYTES, CONNECTIONS),
            (sql::answer::ROWS, sql::answer::BYTES, crate::sql::CONNECTIONS)
        );
        assert_eq!((TEXT, TEXT_BYTES_MAX), (sql::allowed::TEXT, sql::Limits::default().text_bytes_max));
        assert_eq!((OPERATORS, OPERATORS_MAX), (sql::allowed::OPERATORS, sql::allowed::OPERATORS_MAX));
        assert_eq!((STEPS, STEPS_MAX), (sql::allowed::COMPLEXITY, sql::allowed::STEPS_MAX));
        assert_eq!((RESULT, RESULT_BYTES_MAX), (sql::RESULT, sql::RESULT_BYTES_MAX));
    }

    #[test]
    fn hits_are_counted_and_the_last_is_remembered() {
        let registry = Registry::default();
        let books = LimitBooks::new(&registry);
        assert_eq!(books.of("query.samples_max").count, 0);
        books.hit("query.samples_max", "too many");
        books.hit("query.samples_max", "still too many");
        let hits = books.of("query.samples_max");
        assert_eq!((hits.count, hits.message.as_str()), (2, "still too many"));
        assert_eq!(registry.read()[0].values[0].1, 2.0);
    }
}
