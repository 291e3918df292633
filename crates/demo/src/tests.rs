//! The shop runs, breaks as it says, and tells all of it: by seeds, so that each run is the same.

use crate::tell::Value;
use crate::{
    Demo, Episode, FAULTS, METRICS_NS, SECOND_NS, Snapshot, Told, change, endless, logs, metrics, spans,
};
use model::{Severity, SpanStatus};
use std::collections::{HashMap, HashSet};

const START: i64 = 1_790_000_000 * SECOND_NS;
const MINUTE: i64 = 60 * SECOND_NS;

/// Two healthy minutes, and two with the fault.
fn broken(name: &str) -> (Told, Told) {
    let fault = FAULTS.iter().find(|f| f.name == name).unwrap();
    let episode = Episode { fault, start_ns: START + 2 * MINUTE, end_ns: START + 4 * MINUTE };
    let mut demo = Demo::new(11, START, START, vec![episode]);
    (demo.step(START + 2 * MINUTE - 1), demo.step(START + 4 * MINUTE - 1))
}

/// The sum of all series of a metric whose attributes contain the text.
fn total(snapshot: &Snapshot, service: &str, metric: &str, with: &str) -> f64 {
    let of = snapshot.series.iter().filter(|((s, m, labels), _)| {
        *s == service && *m == metric && (with.is_empty() || labels.iter().any(|(_, v)| v == with))
    });
    of.map(|(_, v)| match v {
        Value::Counter(n) | Value::Gauge(n) => *n,
        Value::Histogram(h) => h.buckets.iter().sum::<u64>() as f64,
    })
    .sum()
}

/// The mean of a histogram between two snapshots, in ms.
fn mean_ms((before, after): (&Snapshot, &Snapshot), service: &str, metric: &str, with: &str) -> f64 {
    let sums = |s: &Snapshot| {
        let of = s.series.iter().filter(|((x, m, labels), _)| {
            *x == service && *m == metric && labels.iter().any(|(_, v)| v == with)
        });
        of.fold((0.0, 0.0), |(n, sum), (_, v)| match v {
            Value::Histogram(h) => (n + h.buckets.iter().sum::<u64>() as f64, sum + h.sum),
            _ => (n, sum),
        })
    };
    let ((n0, s0), (n1, s1)) = (sums(before), sums(after));
    (s1 - s0) / (n1 - n0) * 1e3
}

fn ends(told: &Told) -> (&Snapshot, &Snapshot) {
    (told.snapshots.first().unwrap(), told.snapshots.last().unwrap())
}

#[test]
fn a_healthy_shop_has_no_errors_and_answers_quickly() {
    let mut demo = Demo::new(3, START, START, vec![]);
    let told = demo.step(START + 5 * MINUTE);
    assert!(told.changes.is_empty() && told.news.is_empty());
    assert_eq!(told.spans.spans.iter().filter(|s| s.status == SpanStatus::Error).count(), 0);
    assert!(told.logs.rows().all(|r| r.severity <= Severity::INFO));
    assert!(mean_ms(ends(&told), "gateway", "http.server.request.duration", "/products/{id}") < 10.0);
    assert_eq!(told.snapshots.len() as i64, 5 * MINUTE / METRICS_NS);
}

#[test]
fn the_same_seed_tells_the_same_story_however_it_is_cut() {
    let mut once = Demo::new(5, START, START, endless(START + 20 * SECOND_NS, None));
    let mut often = Demo::new(5, START, START, endless(START + 20 * SECOND_NS, None));
    let whole = once.step(START + 4 * MINUTE);
    let (mut traces, mut lines, mut news) = (HashSet::new(), 0, vec![]);
    for i in 1..=240 {
        let told = often.step(START + i * SECOND_NS);
        traces.extend(told.spans.spans.iter().map(|s| s.span_id));
        lines += told.logs.len();
        news.extend(told.news);
    }
    assert_eq!(traces, whole.spans.spans.iter().map(|s| s.span_id).collect());
    assert_eq!((lines, news.len()), (whole.logs.len(), whole.news.len()));
    assert_eq!(news[0].text, FAULTS[0].begins);
}

#[test]
fn nothing_is_told_before_it_happened() {
    let mut demo = Demo::new(9, START, START, endless(START, None));
    for i in 1..60 {
        let now = START + i * SECOND_NS;
        let told = demo.step(now);
        assert!(told.spans.spans.iter().all(|s| s.start_ns + s.duration_ns as i64 <= now));
        assert!(told.logs.rows().all(|r| r.time_ns <= now));
    }
}

#[test]
fn spans_hang_together() {
    let mut demo = Demo::new(13, START, START, vec![]);
    let told = demo.step(START + MINUTE);
    let by_id: HashMap<_, _> = told.spans.spans.iter().map(|s| (s.span_id, s)).collect();
    assert_eq!(by_id.len(), told.spans.spans.len());
    let (mut roots, mut orphans) = (0, 0);
    for span in &told.spans.spans {
        match span.parent_id.map(|p| by_id.get(&p)) {
            None => roots += 1,
            // Its parent has not ended yet.
            Some(None) => orphans += 1,
            Some(Some(parent)) => {
                assert_eq!(parent.trace_id, span.trace_id);
                assert!(parent.start_ns <= span.start_ns, "{} before {}", span.name, parent.name);
            }
        }
    }
    assert!(roots > 300 && orphans < 10, "{roots} roots, {orphans} without parent");
}

#[test]
fn each_fault_does_what_it_says() {
    let route = |told: &Told, service: &str, route: &str| {
        mean_ms(ends(told), service, "http.server.request.duration", route)
    };
    let operation = |told: &Told, service: &str, operation: &str| {
        mean_ms(ends(told), service, "db.client.operation.duration", operation)
    };
    let grown = |told: &Told, service: &str, metric: &str, with: &str| {
        let (a, b) = ends(told);
        total(b, service, metric, with) - total(a, service, metric, with)
    };
    for fault in FAULTS {
        let (before, after) = broken(fault.name);
        assert_eq!(after.news.len(), 1, "{}", fault.name);
        let (was, is) = match fault.name {
            "bad-deploy" => {
                assert_eq!(after.changes[0].title, "checkout 1.4.2 deployed");
                let failed = |t: &Told| grown(t, "checkout", "http.server.request.duration", "502");
                (failed(&before) + 1.0, failed(&after))
            }
            "slow-sql" => (route(&before, "gateway", "/orders"), route(&after, "gateway", "/orders")),
            "pool-exhaustion" => {
                assert_eq!(total(ends(&after).1, "checkout", "db.client.connection.count", "idle"), 0.0);
                let failed = |t: &Told| grown(t, "checkout", "http.server.request.duration", "503");
                (failed(&before) + 1.0, failed(&after))
            }
            "cache-flushed" => {
                let misses = |t: &Told| grown(t, "catalogue", "shop.cache.lookups", "miss");
                (misses(&before) + 1.0, misses(&after))
            }
            "retry-storm" => {
                let calls = |t: &Told| grown(t, "catalogue", "http.server.request.duration", "");
                (calls(&before) / 2.0, calls(&after))
            }
            "slow-shard" => {
                let other = operation(&after, "stock", "update stock_1");
                assert!(other < 5.0, "another shard takes {other} ms");
                (operation(&before, "stock", "update stock_2"), operation(&after, "stock", "update stock_2"))
            }
            "full-disk" => {
                let failed = |t: &Told| grown(t, "worker", "shop.jobs", "failed");
                (failed(&before) + 1.0, failed(&after))
            }
            "memory-leak" => {
                let memory = |t: &Told| total(ends(t).1, "cart", "process.memory.usage", "");
                (memory(&before) / 2.0, memory(&after))
            }
            "cpu-hog" => (route(&before, "gateway", "/products"), route(&after, "gateway", "/products")),
            other => panic!("no test of {other}"),
        };
        assert!(is > 4.0 * was, "{}: {was:.1} before, {is:.1} now", fault.name);
    }
}

#[test]
fn a_fault_that_ended_leaves_nothing_behind() {
    for fault in FAULTS {
        let episode = Episode { fault, start_ns: START + MINUTE, end_ns: START + 2 * MINUTE };
        let mut demo = Demo::new(17, START, START, vec![episode]);
        demo.step(START + 4 * MINUTE);
        let later = demo.step(START + 6 * MINUTE);
        let errors = later.spans.spans.iter().filter(|s| s.status == SpanStatus::Error).count();
        assert_eq!(errors, 0, "{}", fault.name);
    }
}

#[test]
fn the_long_past_is_told_in_outline() {
    let fault = &FAULTS[0];
    let episode = Episode { fault, start_ns: START + 10 * MINUTE, end_ns: START + 15 * MINUTE };
    let mut demo = Demo::new(19, START, START + 20 * MINUTE, vec![episode]);
    let (past, present) = (demo.step(START + 20 * MINUTE), demo.step(START + 25 * MINUTE));
    let per_minute = |t: &Told, minutes: usize| t.spans.spans.len() / minutes;
    assert!(per_minute(&past, 20) * 5 < per_minute(&present, 5));
    // What failed is there in full.
    assert!(past.spans.spans.iter().filter(|s| s.status == SpanStatus::Error).count() > 50);
    assert_eq!((past.snapshots.len(), present.snapshots.len()), (80, 60));
}

#[test]
fn all_of_it_is_in_the_bodies_that_are_sent() {
    let (_, told) = broken("bad-deploy");
    let read = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let count = |value: &serde_json::Value, list: &str, scope: &str, of: &str| -> usize {
        let resources = value[list].as_array().unwrap();
        resources.iter().map(|r| r[scope][0][of].as_array().unwrap().len()).sum()
    };
    assert_eq!(count(&read(logs(&told.logs)), "resourceLogs", "scopeLogs", "logRecords"), told.logs.len());
    let sent = read(spans(&told.spans));
    assert_eq!(count(&sent, "resourceSpans", "scopeSpans", "spans"), told.spans.spans.len());
    let sent = metrics(&told.snapshots[..1]);
    assert!(sent.contains("\"exemplars\"") && sent.contains("\"service.version\""));
    let value = read(sent);
    let points: usize = value["resourceMetrics"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|r| r["scopeMetrics"][0]["metrics"].as_array().unwrap())
        .map(|m| {
            ["sum", "gauge", "histogram"]
                .iter()
                .filter_map(|k| m[k]["dataPoints"].as_array())
                .map(Vec::len)
                .sum::<usize>()
        })
        .sum();
    assert_eq!(points, told.snapshots[0].series.len());
    let sent = read(change(&told.changes[0]));
    assert_eq!((&sent["kind"], &sent["service"]), (&"deploy".into(), &"checkout".into()));
    assert_eq!(sent["attributes"], serde_json::json!({ "before": "1.4.1", "after": "1.4.2" }));
}
