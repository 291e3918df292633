//! Tests of scrape: tables of input and what is wanted.

use super::*;
use crate::relabel::{Action, RelabelConfig};
use model::RejectReason;
use model::batch::is_stale;

struct Driver {
    cache: ScrapeCache,
    limits: Limits,
    at_ms: i64,
}

impl Driver {
    fn new(target: Target) -> Driver {
        Driver { cache: ScrapeCache::new(target), limits: Limits::default(), at_ms: 0 }
    }

    /// One scrape, a second after the last.
    fn scrape(&mut self, body: &str) -> Scraped {
        self.at_ms += 1_000;
        let scrape = Scrape { format: Format::Text, at_ms: self.at_ms, limits: &self.limits };
        self.cache.scrape(body.as_bytes(), scrape).unwrap()
    }

    /// What it brought: `labels value`, in order.
    fn lines(&mut self, body: &str) -> String {
        shown(&self.scrape(body).decoded.batch)
    }
}

fn shown(batch: &Batch) -> String {
    let mut lines: Vec<String> = Vec::new();
    for s in &batch.samples {
        let value = if is_stale(s.value) { "stale".to_string() } else { s.value.to_string() };
        lines.push(format!("{} {value} @{}", batch.series[s.series as usize], s.timestamp_ms / 1000));
    }
    lines.join("\n")
}

fn target(labels: &[(&str, &str)]) -> Target {
    Target { labels: Labels::from_pairs(labels.iter().copied()).unwrap(), ..Target::default() }
}

#[test]
fn what_vanishes_gets_one_stale_marker() {
    let mut d = Driver::new(target(&[("job", "j")]));
    assert_eq!(d.lines("a 1\nb 2\n"), "a{job=\"j\"} 1 @1\nb{job=\"j\"} 2 @1");
    assert_eq!(d.lines("a 3\n"), "a{job=\"j\"} 3 @2\nb{job=\"j\"} stale @2");
    assert_eq!(d.lines("a 4\n"), "a{job=\"j\"} 4 @3");
    assert_eq!(d.lines("b 5\na 5\n"), "b{job=\"j\"} 5 @4\na{job=\"j\"} 5 @4", "it came back");
    let mut down = Batch::default();
    d.cache.stale_all(5_000, &mut down);
    d.cache.stale_all(6_000, &mut down);
    assert_eq!(down.samples.len(), 2, "once, not twice");
    assert_eq!(d.lines("a 7\n"), "a{job=\"j\"} 7 @5", "b was marked already");
}

#[test]
fn what_was_not_seen_for_two_scrapes_is_forgotten() {
    let mut d = Driver::new(Target::default());
    assert_eq!(d.scrape("a 1\nb 1\nc 1\n").series_added, 3);
    for (want, body) in [(3, "a 1\n"), (3, "a 1\n"), (1, "a 1\n"), (1, "a 1\n")] {
        d.scrape(body);
        assert_eq!(d.cache.series(), want);
    }
    let back = d.scrape("a 1\nc 2\n");
    assert_eq!((back.series_added, back.samples, back.series_vanished), (1, 2, 0));
    for i in 0..100 {
        d.scrape(&format!("a{i} 1\nb{i} 1\n"));
    }
    assert!(d.cache.entries.len() <= 8, "places are used again: {}", d.cache.entries.len());
}

#[test]
fn a_failed_scrape_changes_nothing_but_what_the_caller_does() {
    let mut d = Driver::new(Target::default());
    d.scrape("a 1\n");
    let scrape = Scrape { format: Format::OpenMetrics, at_ms: 9_000, limits: &d.limits };
    assert!(d.cache.scrape(b"a 1\nnew 1\n", scrape).is_err());
    let mut down = Batch::default();
    d.cache.stale_all(9_000, &mut down);
    assert_eq!(shown(&down), "a stale @9", "never a marker for what was not kept");
}

#[test]
fn series_with_their_own_timestamps_get_no_markers() {
    let mut d = Driver::new(Target::default());
    assert_eq!(d.lines("a 1 500000\nb 1\n"), "a 1 @500\nb 1 @1");
    assert_eq!(d.lines(""), "b stale @2");
    let mut d = Driver::new(Target { honor_timestamps: false, ..Target::default() });
    assert_eq!(d.lines("a 1 500000\n"), "a 1 @1");
    assert_eq!(d.lines(""), "a stale @2");
}

#[test]
fn label_conflicts_as_prometheus_solves_them() {
    let body = "x{job=\"body\",exported_job=\"old\",a=\"1\"} 1\n";
    let labels = [("job", "target"), ("instance", "i")];
    let mut d = Driver::new(target(&labels));
    let want =
        r#"x{a="1", exported_exported_job="body", exported_job="old", instance="i", job="target"} 1 @1"#;
    assert_eq!(d.lines(body), want);
    let mut d = Driver::new(Target { honor_labels: true, ..target(&labels) });
    assert_eq!(d.lines(body), r#"x{a="1", exported_job="old", instance="i", job="body"} 1 @1"#);
    // An exposed label without a value: with honor_labels there is to be none, otherwise the target's counts.
    let empty = "y{instance=\"\"} 1\n";
    let mut d = Driver::new(Target { honor_labels: true, ..target(&labels) });
    assert_eq!(d.lines(empty), r#"y{job="target"} 1 @1"#);
    let mut d = Driver::new(target(&labels));
    assert_eq!(d.lines(empty), r#"y{instance="i", job="target"} 1 @1"#);
}

#[test]
fn relabelling_is_remembered_and_counted() {
    let drop = RelabelConfig {
        source_labels: vec!["__name__".into()],
        regex: "go_.*".into(),
        action: Action::Drop,
        ..RelabelConfig::default()
    };
    let merge = RelabelConfig { regex: "pid".into(), action: Action::LabelDrop, ..RelabelConfig::default() };
    let metric_relabel = Arc::new(Rules::compile(&[drop, merge]).unwrap());
    let mut d = Driver::new(Target { metric_relabel, ..Target::default() });
    for _ in 0..3 {
        let scraped = d.scrape("go_x 1\na{pid=\"1\"} 1\n");
        assert_eq!((scraped.samples, scraped.samples_kept), (2, 1));
        assert_eq!(scraped.decoded.batch.series[0].to_string(), "a");
    }
    let other = d.lines("a{pid=\"2\"} 1\n");
    assert_eq!(other, "a 1 @4", "no marker for labels that another series still has");
}

#[test]
fn prediction_is_never_wrong() {
    let mut d = Driver::new(Target::default());
    d.scrape("a 1\nab 2\nab{x=\"1\"} 3\n");
    assert_eq!(
        d.lines("a {x=\"9\"} 1\na\t2\nab{x=\"1\"} 4\nab{x=\"1\",y=\"2\"} 5\nab 6\n"),
        "a{x=\"9\"} 1 @2\na 2 @2\nab{x=\"1\"} 4 @2\nab{x=\"1\", y=\"2\"} 5 @2\nab 6 @2"
    );
}

#[test]
fn metadata_comes_when_it_is_new_or_changed() {
    let mut d = Driver::new(Target::default());
    let body = "# HELP a Help.\n# TYPE a counter\na 1\n";
    assert_eq!(d.scrape(body).decoded.batch.metadata.len(), 1);
    assert_eq!(d.scrape(body).decoded.batch.metadata.len(), 0);
    let changed = d.scrape("# HELP a Other.\n# TYPE a counter\na 1\n").decoded.batch.metadata;
    assert_eq!((changed[0].help.as_str(), changed[0].kind), ("Other.", MetricKind::Counter));
}

#[test]
fn a_target_has_bounded_series_and_samples() {
    let mut d = Driver::new(Target::default());
    d.limits.series_per_request_max = 2;
    let scraped = d.scrape("a 1\nb 1\nc 1\nd 1\n");
    assert_eq!((scraped.samples, scraped.samples_kept, scraped.decoded.rejects[0].samples), (4, 2, 2));
    assert_eq!(scraped.decoded.rejects[0].reason, RejectReason::TooManySeries);
    d.limits = Limits { samples_per_request_max: 1, ..Limits::default() };
    let scraped = d.scrape("a 1\nb 1\n");
    assert_eq!((scraped.samples, scraped.samples_kept), (2, 1));
    assert_eq!(scraped.decoded.rejects[0].reason, RejectReason::TooLarge);
}

#[test]
fn exemplars_come_with_their_series_and_each_once() {
    let mut d = Driver::new(target(&[("job", "j")]));
    let mut scrape = |body: &str| -> (Vec<String>, Vec<model::Reject>) {
        d.at_ms += 1_000;
        let scrape = Scrape { format: Format::OpenMetrics, at_ms: d.at_ms, limits: &d.limits };
        let decoded = d.cache.scrape(format!("{body}# EOF\n").as_bytes(), scrape).unwrap().decoded;
        let batch = &decoded.batch;
        let line = |e: &model::Exemplar| {
            format!("{} {} {} @{}", batch.series[e.series as usize].name(), e.labels, e.value, e.timestamp_ms)
        };
        (batch.exemplars.iter().map(line).collect(), decoded.rejects)
    };
    let body = "a_total 1 # {trace_id=\"x\"} 0.5\nb_bucket{le=\"1\"} 1 # {trace_id=\"y\",n=\"\\\"\"} 0.25 1.5\nb_count 1\n";
    let first = scrape(body);
    assert_eq!(
        first,
        (
            vec![
                "a_total {trace_id=\"x\"} 0.5 @1000".into(),
                "b_bucket {n=\"\\\"\", trace_id=\"y\"} 0.25 @1500".into()
            ],
            vec![]
        )
    );
    // Without a time of its own it is the same one until another comes; with one, whoever keeps it knows.
    assert_eq!(scrape(body).0.len(), 1);
    assert_eq!(scrape(&body.replace("0.5", "0.75")).0[0], "a_total {trace_id=\"x\"} 0.75 @3000");
    // A bad one spoils only itself.
    for (exemplar, reason) in [
        (format!("{{a=\"{}\"}} 1 1", "x".repeat(200)), RejectReason::LabelTooLong),
        ("{a=\"1\",a=\"2\"} 1 1".into(), RejectReason::DuplicateLabel),
        ("{a} 1 1".into(), RejectReason::Malformed),
    ] {
        let (found, rejects) = scrape(&format!("a_total 1 # {exemplar}\n"));
        assert_eq!((found.len(), rejects.len(), rejects[0].reason), (0, 1, reason), "{exemplar}");
    }
    // A series that relabelling drops takes its exemplar with it.
    let drop = RelabelConfig {
        source_labels: vec!["__name__".into()],
        regex: "a_total".into(),
        action: Action::Drop,
        ..RelabelConfig::default()
    };
    let rules = Arc::new(Rules::compile(&[drop]).unwrap());
    let mut cache = ScrapeCache::new(Target { metric_relabel: rules, ..Target::default() });
    let limits = Limits::default();
    let scrape = Scrape { format: Format::OpenMetrics, at_ms: 1, limits: &limits };
    let body = b"b_total 1\na_total 1 # {t=\"x\"} 0.5 1\n# EOF\n";
    assert!(cache.scrape(body, scrape).unwrap().decoded.batch.exemplars.is_empty());
}

/// `_created` of OpenMetrics: the samples before it that have its labels count since then, and it stays a series.
#[test]
fn created_lines_say_since_when_their_neighbours_count() {
    let limits = Limits::default();
    let mut cache = ScrapeCache::new(Target::default());
    let mut starts = |body: &str, at_ms: i64| -> Vec<String> {
        let scrape = Scrape { format: Format::OpenMetrics, at_ms, limits: &limits };
        let batch = cache.scrape(format!("{body}# EOF\n").as_bytes(), scrape).unwrap().decoded.batch;
        let name = |place: u32| batch.series[batch.samples[place as usize].series as usize].to_string();
        batch.starts.iter().map(|(place, start_ms)| format!("{} {start_ms}", name(*place))).collect()
    };
    let body = "# TYPE a counter\na_total{x=\"1\"} 5\na_created{x=\"1\"} 1.5\na_total{x=\"2\"} 6\na_created{x=\"2\"} 2\n\
        # TYPE h histogram\nh_bucket{p=\"/\",le=\"1.0\"} 1\nh_bucket{p=\"/\",le=\"+Inf\"} 2\nh_count{p=\"/\"} 2\n\
        h_sum{p=\"/\"} 3\nh_created{p=\"/\"} 7\n# TYPE g gauge\ng 1\ng_created 9\n# TYPE s summary\ns_count 1\n\
        s{quantile=\"0.5\"} 1\ns_created NaN\n# TYPE z counter\nz_total 1\nz_created 3.25\n";
    let want = [
        "a_total{x=\"1\"} 1500",
        "a_total{x=\"2\"} 2000",
        "h_bucket{le=\"1.0\", p=\"/\"} 7000",
        "h_bucket{le=\"+Inf\", p=\"/\"} 7000",
        "h_count{p=\"/\"} 7000",
        "h_sum{p=\"/\"} 7000",
        "z_total 3250",
    ];
    for at_ms in [10_000, 20_000, 30_000] {
        assert_eq!(starts(body, at_ms), want, "at {at_ms}");
    }
    // A bucket more, and a counter that comes without its line.
    let changed = body.replace(
        "h_bucket{p=\"/\",le=\"+Inf\"}",
        "h_bucket{p=\"/\",le=\"5\"} 2\nh_bucket{p=\"/\",le=\"+Inf\"}",
    );
    let changed = changed.replace("a_created{x=\"1\"} 1.5\n", "");
    for at_ms in [40_000, 50_000] {
        let found = starts(&changed, at_ms);
        assert_eq!(found[0], "a_total{x=\"2\"} 2000");
        assert_eq!(found.iter().filter(|text| text.starts_with("h_bucket")).count(), 3);
        assert_eq!(found.len(), want.len());
    }
    assert_eq!(starts(body, 60_000), want);
}
