//! Targets as Prometheus makes them: a table of configurations, and what comes out.

use super::*;
use ingest::relabel::{Action, RelabelConfig, Rules};

fn rule(source: &str, regex: &str, target: &str, replacement: &str) -> RelabelConfig {
    RelabelConfig {
        source_labels: vec![source.into()],
        regex: regex.into(),
        target_label: target.into(),
        replacement: replacement.into(),
        ..RelabelConfig::default()
    }
}

fn check(config: ScrapeConfig, address: &str, group: &[(&str, &str)], want: &str) {
    let group: Pairs = group.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    let got = match resolve(&Arc::new(config), address, &group) {
        Outcome::Target(t) => format!("{} {} {}/{}", t.url, t.labels, t.timeout_ms, t.interval_ms),
        Outcome::Dropped(labels) => format!("dropped {labels:?}"),
        Outcome::Broken(why) => why,
    };
    assert_eq!(got, want);
}

fn job() -> ScrapeConfig {
    ScrapeConfig { job: "api".into(), interval_ms: 15_000, timeout_ms: 10_000, ..ScrapeConfig::default() }
}

fn with(rules: &[RelabelConfig]) -> ScrapeConfig {
    ScrapeConfig { relabel: Rules::compile(rules).unwrap(), ..job() }
}

#[test]
fn labels_and_urls() {
    check(job(), "a:1", &[], r#"http://a:1/metrics {instance="a:1", job="api"} 10000/15000"#);
    check(job(), "[::1]:9", &[], r#"http://[::1]:9/metrics {instance="[::1]:9", job="api"} 10000/15000"#);
    let group = [("env", "prod"), ("job", "own"), ("__scheme__", "https"), ("__scrape_interval__", "1m")];
    check(job(), "a:1", &group, r#"https://a:1/metrics {env="prod", instance="a:1", job="own"} 10000/60000"#);
    let params = ScrapeConfig {
        metrics_path: "/probe?x=1".into(),
        params: [("module", "http"), ("module", "tcp"), ("q", "a b&c")]
            .map(|(n, v)| (n.into(), v.into()))
            .into(),
        ..job()
    };
    let url = "http://a:1/probe?x=1&module=http&module=tcp&q=a+b%26c";
    check(params, "a:1", &[], &format!(r#"{url} {{instance="a:1", job="api"}} 10000/15000"#));
}

#[test]
fn relabelling() {
    let blackbox = with(&[
        rule("__address__", "(.*)", "__param_target", "$1"),
        rule("__param_target", "(.*)", "instance", "$1"),
        rule("", "(.*)", "__address__", "prober:9115"),
    ]);
    check(
        blackbox,
        "example.org",
        &[],
        r#"http://prober:9115/metrics?target=example.org {instance="example.org", job="api"} 10000/15000"#,
    );
    let meta = with(&[
        rule("__meta_filepath", ".*/(.*)[.]json", "file", "$1"),
        rule("__meta_filepath", ".*", "__tmp", "x"),
    ]);
    let group = [("__meta_filepath", "/etc/targets/web.json")];
    check(meta, "a:1", &group, r#"http://a:1/metrics {file="web", instance="a:1", job="api"} 10000/15000"#);
    let drop = with(&[RelabelConfig { action: Action::Drop, ..rule("env", "dev", "", "$1") }]);
    let got = match resolve(&Arc::new(drop), "a:1", &vec![("env".into(), "dev".into())]) {
        Outcome::Dropped(labels) => labels,
        _ => panic!("it is not dropped"),
    };
    let names: Vec<&str> = got.iter().map(|(n, _)| n.as_str()).collect();
    let want = [
        "__address__",
        "__metrics_path__",
        "__scheme__",
        "__scrape_interval__",
        "__scrape_timeout__",
        "env",
        "job",
    ];
    assert_eq!(names, want);
}

#[test]
fn what_cannot_be_scraped() {
    let broken = |address: &str, group: &[(&str, &str)], why: &str| {
        check(job(), address, group, &format!("target {address:?}: {why}"));
    };
    broken("", &[], "it has no address");
    for address in ["http://a:1", "a:1/metrics", "amy:secret@a:1", "a:1?x", "a b"] {
        broken(address, &[], "an address is HOST:PORT and nothing else");
    }
    broken("a:99999", &[], "invalid port number");
    broken("a:1", &[("__scheme__", "file")], "the scheme is \"file\"; only http and https can be scraped");
    broken("a:1", &[("__scrape_timeout__", "20s")], "scrape_timeout is longer than scrape_interval");
    broken("a:1", &[("__scrape_interval__", "0s")], "__scrape_interval__ must be longer than 0");
}
