//! Configurations of Prometheus: what comes out of good ones, and what is said of each kind of bad one.

use super::*;
use crate::config::problems::Severity;
use document::nearest;
use server::{Auth, Secret};

fn load(text: &str) -> (Vec<ScrapeConfig>, Problems) {
    let (mut jobs, mut problems) = (Vec::new(), Problems { file: "p.yml".into(), ..Problems::default() });
    read(text, Path::new("/etc/p"), &ingest::Limits::default(), &mut jobs, &mut problems);
    (jobs, problems)
}

fn good(text: &str) -> Vec<ScrapeConfig> {
    let (jobs, problems) = load(text);
    assert_eq!(problems.list, [], "{text}");
    jobs
}

const WHOLE: &str = r#"
global:
  scrape_interval: 15s
scrape_configs:
  - job_name: api
    scrape_interval: 5s
    scrape_timeout: 3s
    metrics_path: /internal/metrics
    scheme: https
    params: {module: [a, b], one: x}
    honor_labels: true
    honor_timestamps: false
    follow_redirects: false
    body_size_limit: 10MB
    sample_limit: 5000
    basic_auth: {username: me, password_file: pw}
    tls_config: {server_name: api.test, insecure_skip_verify: yes}
    static_configs:
      - targets: ["10.0.0.1:80", 'db:5432']
        labels: {env: prod, shard: 7}
    file_sd_configs:
      - files: [targets/*.json]
        refresh_interval: 1m
    http_sd_configs:
      - url: http://127.0.0.1:1/targets
        authorization: {credentials: t0ken}
    relabel_configs:
      - source_labels: [__address__]
        regex: (.*):.*
        target_label: host
      - action: labeldrop
        regex: tmp_.*
    metric_relabel_configs:
      - {source_labels: [__name__], regex: go_.*, action: drop}
  - job_name: plain
    static_configs:
      - targets: [localhost:9100]
"#;

#[test]
fn everything_that_is_used() {
    let jobs = good(WHOLE);
    let api = &jobs[0];
    assert_eq!((api.job.as_str(), api.interval_ms, api.timeout_ms), ("api", 5_000, 3_000));
    assert_eq!((api.scheme.as_str(), api.metrics_path.as_str()), ("https", "/internal/metrics"));
    let params: Vec<String> = api.params.iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(params, ["module=a", "module=b", "one=x"]);
    assert!(api.honor_labels && !api.honor_timestamps && !api.follow_redirects);
    assert_eq!((api.body_bytes_max, api.samples_max), (10 << 20, 5_000));
    let Auth::Basic(name, Secret::File(file)) = &api.client.auth else { panic!("{:?}", api.client.auth) };
    assert_eq!((name.as_str(), file.as_path()), ("me", Path::new("/etc/p/pw")));
    assert_eq!(api.client.tls.server_name.as_deref(), Some("api.test"));
    assert!(api.client.tls.insecure_skip_verify);
    assert_eq!(api.static_configs[0].targets, ["10.0.0.1:80", "db:5432"]);
    let labels: Vec<String> = api.static_configs[0].labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(labels, ["env=prod", "shard=7"]);
    assert_eq!(api.file_sd[0].files, [Path::new("/etc/p/targets/*.json")]);
    assert_eq!((api.file_sd[0].refresh_ms, api.http_sd[0].refresh_ms), (60_000, 60_000));
    assert!(
        matches!(&api.http_sd[0].client.auth, Auth::Header(kind, Secret::Text(t)) if kind == "Bearer" && t == "t0ken")
    );
    let mut labels = model::LabelsBuilder::default();
    labels.set("__address__", "h:1");
    labels.set("tmp_x", "1");
    assert!(api.relabel.apply(&mut labels));
    assert_eq!((labels.get("host"), labels.get("tmp_x")), ("h", ""));
    labels.set("__name__", "go_goroutines");
    assert!(!api.metric_relabel.apply(&mut labels));

    let plain = &jobs[1];
    assert_eq!((plain.interval_ms, plain.timeout_ms), (15_000, 10_000));
    assert!(plain.honor_timestamps && plain.follow_redirects && !plain.honor_labels);
}

#[test]
fn defaults_as_in_prometheus() {
    for (global, job, want) in [
        ("", "", (60_000, 10_000)),
        ("scrape_interval: 5s", "", (5_000, 5_000)),
        ("scrape_timeout: 20s", "", (60_000, 20_000)),
        ("scrape_timeout: 20s", "scrape_interval: 15s", (15_000, 15_000)),
        ("", "scrape_interval: 1h30m", (5_400_000, 10_000)),
    ] {
        let text = format!("global: {{{global}}}\nscrape_configs:\n  - {{job_name: x, {job}}}\n");
        let jobs = good(&text);
        assert_eq!((jobs[0].interval_ms, jobs[0].timeout_ms), want, "{text}");
    }
    assert!(good("").is_empty());
    assert!(good("scrape_configs:\n").is_empty());
}

/// Each text, and what is said of it: line, severity, and a part of the message.
#[test]
fn what_is_said() {
    use Severity::{Error, Warning};
    let job = |rest: &str| format!("scrape_configs:\n- job_name: x\n  {}\n", rest.replace('\n', "\n  "));
    for (text, line, severity, part) in [
        ("rule_files: a.yml".into(), 1, Error, "rule_files: expected a list"),
        ("alerting: {}".into(), 1, Warning, "alerting has no effect"),
        ("global: {external_labels: {a: b}}".into(), 1, Warning, "global.external_labels has no effect"),
        ("globals: {}".into(), 1, Error, "unknown key globals; did you mean \"global\"?"),
        ("scrape_configs: {}".into(), 1, Error, "scrape_configs: expected a list"),
        ("just text".into(), 1, Error, "expected a table of keys"),
        ("a: [".into(), 1, Error, "unclosed bracket"),
        ("scrape_configs:\n- metrics_path: /x\n".into(), 2, Error, "scrape_configs[0].job_name is missing"),
        ("scrape_configs:\n- job_name: x\n- job_name: x\n".into(), 3, Error, "already a job \"x\""),
        (
            job("kubernetes_sd_configs: [{role: pod}]"),
            3,
            Error,
            "scrape_configs[0].kubernetes_sd_configs is not supported; ",
        ),
        (job("oauth2: {}"), 3, Error, "oauth2 is not supported"),
        (job("scrape_protocols: [A]"), 3, Warning, "scrape_configs[0].scrape_protocols has no effect"),
        (
            job("scrape_intervall: 5s"),
            3,
            Error,
            "unknown key scrape_configs[0].scrape_intervall; did you mean \"scrape_interval\"?",
        ),
        (job("scrape_interval: 5"), 3, Error, "no unit"),
        (job("scrape_interval: 0s"), 3, Error, "longer than 0"),
        (job("scrape_interval: 10s\nscrape_timeout: 20s"), 2, Error, "longer than the interval (10s)"),
        (job("scheme: gopher"), 2, Error, "http or https"),
        (job("metrics_path: metrics"), 2, Error, "begin with /"),
        (job("honor_labels: maybe"), 3, Error, "expected true or false"),
        (job("sample_limit: many"), 3, Error, "whole number"),
        (job("body_size_limit: 3 furlongs"), 3, Error, "not a size"),
        (job("static_configs:\n- targets: ['http://a:1/x']"), 4, Error, "not host:port"),
        (
            job("static_configs:\n- target: [a]"),
            4,
            Error,
            "static_configs[0].target; did you mean \"targets\"?",
        ),
        (job("static_configs:\n- targets: [a]\n  labels: [b]"), 5, Error, "expected names with values"),
        (job("file_sd_configs:\n- files: ['*/a.json']"), 4, Error, "only one of its last part"),
        (job("file_sd_configs:\n- files: [a.txt]"), 4, Error, "must end in"),
        (job("file_sd_configs:\n- refresh_interval: 5s"), 4, Error, "files is missing"),
        (job("http_sd_configs:\n- url: file:///etc/passwd"), 4, Error, "http://"),
        (job("basic_auth: {password: p}"), 3, Error, "username is missing"),
        (
            job("basic_auth: {username: u, password: p, password_file: f}"),
            3,
            Error,
            "only one of password, password_file",
        ),
        (job("authorization: {type: Basic, credentials: x}"), 3, Error, "use basic_auth"),
        (job("authorization: {}"), 3, Error, "needs one of"),
        (
            job("bearer_token: a\nbearer_token_file: b"),
            2,
            Error,
            "only one of bearer_token, bearer_token_file",
        ),
        (job("tls_config: {cert_file: c}"), 2, Error, "go together"),
        (job("tls_config: {ca_file: none.pem}"), 2, Error, "/etc/p/none.pem"),
        (job("tls_config: {key: x}"), 3, Error, "put it into a file"),
        (job("relabel_configs:\n- action: dorp"), 4, Error, "no action \"dorp\"; did you mean \"drop\"?"),
        (job("relabel_configs:\n- regex: (\n  target_label: a"), 4, Error, "relabel_configs[0]: regex"),
        (job("relabel_configs:\n- {}\n- {}"), 4, Error, "needs target_label"),
        (job("relabel_configs:\n- {action: hashmod, target_label: a}"), 4, Error, "modulus"),
    ] {
        let (_, problems) = load(&text);
        let said = |p: &crate::config::problems::Problem| {
            p.line == line && p.severity == severity && p.what.contains(part)
        };
        assert!(
            problems.list.iter().any(said),
            "{text}\nwants {line} {severity:?} {part:?}\nhas {:#?}",
            problems.list
        );
    }
}

#[test]
fn all_problems_are_said_at_once_and_good_jobs_are_kept() {
    let (jobs, problems) = load(
        "rule_files: []\nscrape_configs:\n- job_name: a\n- job_name: b\n  shceme: https\n- job_name: c\n  honor_labels: 3\n  sample_limit: x\n",
    );
    assert_eq!(problems.errors(), 3, "{:#?}", problems.list);
    assert_eq!(jobs.iter().map(|j| j.job.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn no_message_shows_a_secret() {
    for text in [
        "scrape_configs:\n- job_name: x\n  basic_auth: {password: hunter2, username: [a]}\n  bearer_token: hunter2\n",
        "scrape_configs:\n- job_name: x\n  authorization: {type: basic, credentials: hunter2}\n",
        "scrape_configs:\n- job_name: x\n  bearer_token: {hunter2: x}\n",
    ] {
        let (_, problems) = load(text);
        assert!(problems.errors() > 0);
        assert!(!format!("{:?}", problems.list).contains("hunter2"), "{:?}", problems.list);
    }
}

#[test]
fn every_key_that_is_used_is_read() {
    // A list of maps fits no key but the ones named here, so that each other one must object to it.
    let lists = [
        "scrape_configs",
        "rule_files",
        "static_configs",
        "file_sd_configs",
        "http_sd_configs",
        "relabel_configs",
        "metric_relabel_configs",
        "targets",
        "files",
        "source_labels",
    ];
    let shapes = [
        (keys::TOP, "KEY: VALUE\n"),
        (keys::GLOBAL, "global:\n  KEY: VALUE\n"),
        (keys::JOB, "scrape_configs:\n- KEY: VALUE\n"),
        (keys::CLIENT, "scrape_configs:\n- KEY: VALUE\n"),
        (keys::TLS, "scrape_configs:\n- job_name: x\n  tls_config: {KEY: VALUE}\n"),
        (keys::BASIC, "scrape_configs:\n- job_name: x\n  basic_auth: {KEY: VALUE}\n"),
        (keys::AUTHORIZATION, "scrape_configs:\n- job_name: x\n  authorization: {KEY: VALUE}\n"),
        (keys::TARGETS, "scrape_configs:\n- job_name: x\n  static_configs: [{KEY: VALUE}]\n"),
        (keys::FILE_SD, "scrape_configs:\n- job_name: x\n  file_sd_configs: [{KEY: VALUE}]\n"),
        (keys::HTTP_SD, "scrape_configs:\n- job_name: x\n  http_sd_configs: [{KEY: VALUE}]\n"),
        (keys::RELABEL, "scrape_configs:\n- job_name: x\n  relabel_configs: [{KEY: VALUE}]\n"),
    ];
    for (table, shape) in shapes {
        for (key, support) in table {
            assert!(nearest(key, ["x"]).is_none());
            let value = if lists.contains(key) { "{a: {b: c}}" } else { "[{a: b}]" };
            let (_, problems) = load(&shape.replace("KEY", key).replace("VALUE", value));
            let said = problems.list.iter().any(|p| p.what.contains(key));
            assert!(said, "{key} ({support:?}) is taken without being read: {:?}", problems.list);
        }
    }
}
