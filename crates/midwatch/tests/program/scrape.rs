//! A configuration of Prometheus is carried out as Prometheus does it: targets, relabelling, credentials, formats; and the
//! targets are shown in Prometheus's shape.

use crate::support::service::{OPEN_METRICS, PROTOBUF, Service, TEXT, free_port};
use crate::support::{Home, Midwatch, eventually};
use ingest::wire::{put_bytes_field, put_double_field, put_varint, put_varint_field};
use serde_json::Value as Json;

/// The active target of a job, once it has been scraped.
pub fn target(midwatch: &Midwatch, job: &str) -> Json {
    eventually(job, || {
        let targets = midwatch.data("/api/v1/targets");
        let active = targets["activeTargets"].as_array().unwrap();
        let found = active.iter().find(|t| t["scrapePool"] == job && t["health"] != "unknown");
        found.cloned().ok_or(targets.to_string())
    })
}

fn job(name: &str, service: &Service, more: &str) -> String {
    let target = service.address;
    format!("- job_name: {name}\n  static_configs: [{{targets: ['{target}']}}]\n{more}")
}

fn configuration(jobs: &[String]) -> String {
    format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{}", jobs.concat())
}

#[test]
fn text_with_everything_in_it() {
    let body = "# HELP t_requests_total Requests.\n# TYPE t_requests_total counter\n\
                t_requests_total{path=\"/a b\\\"c\\\\d\\n\",who=\"é\"} 3\n\
                # TYPE t_latency_seconds histogram\n\
                t_latency_seconds_bucket{le=\"0.5\"} 4\nt_latency_seconds_bucket{le=\"+Inf\"} 5\n\
                t_latency_seconds_sum 2.5\nt_latency_seconds_count 5\n\
                t_nan NaN\nt_infinite -Inf\nt_exponent 1.5e-3\n";
    let service = Service::fixed("200 OK", TEXT, body);
    let home = Home::new();
    let midwatch = home.serve_scraping(&configuration(&[job("text", &service, "")]));
    let (labels, value) =
        eventually("a sample", || midwatch.query("t_requests_total").pop().ok_or("none".into()));
    assert_eq!(value, 3.0);
    assert_eq!((&*labels["path"], &*labels["who"], &*labels["job"]), ("/a b\"c\\d\n", "é", "text"));
    assert_eq!(labels["instance"], service.address.to_string());
    for (promql, want) in [
        ("t_latency_seconds_bucket{le=\"0.5\"}", 4.0),
        ("t_latency_seconds_bucket{le=\"+Inf\"}", 5.0),
        ("t_infinite", f64::NEG_INFINITY),
        ("t_exponent", 0.0015),
        ("up{job=\"text\"}", 1.0),
        ("scrape_samples_scraped{job=\"text\"}", 8.0),
        ("scrape_samples_post_metric_relabeling{job=\"text\"}", 8.0),
        ("histogram_quantile(0.5, t_latency_seconds_bucket)", 0.3125),
    ] {
        assert_eq!(midwatch.value(promql), Ok(want), "{promql}");
    }
    assert!(midwatch.value("t_nan").unwrap().is_nan());
    let about = midwatch.data("/api/v1/metadata?metric=t_requests_total");
    assert_eq!(about["t_requests_total"][0]["help"], "Requests.");

    let shown = target(&midwatch, "text");
    assert_eq!(shown["health"], "up");
    assert_eq!(shown["scrapeUrl"], format!("http://{}/metrics", service.address));
    assert_eq!((&shown["lastError"], &shown["scrapeInterval"]), (&"".into(), &"1s".into()));
    assert_eq!(shown["discoveredLabels"]["__address__"], service.address.to_string());
}

#[test]
fn open_metrics_and_protobuf() {
    let open =
        "# TYPE o_things counter\n# UNIT o_seconds seconds\no_things_total 7 # {trace_id=\"x\"} 1\n# EOF\n";
    let open = Service::fixed("200 OK", OPEN_METRICS, open);
    let cut_off = Service::fixed("200 OK", OPEN_METRICS, "# TYPE c_things counter\nc_things_total 7\n");
    let proto = Service::start(|request| {
        assert!(request.header("accept").contains("application/vnd.google.protobuf"), "{}", request.head);
        request.reply("200 OK", PROTOBUF, &family("p_temperature_celsius", 1, 2, "room", "hall", 21.5))
    });
    let home = Home::new();
    let jobs = [job("open", &open, ""), job("cut", &cut_off, ""), job("proto", &proto, "")];
    let midwatch = home.serve_scraping(&configuration(&jobs));
    eventually("OpenMetrics", || match midwatch.value("o_things_total") {
        Ok(7.0) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    eventually("protobuf", || match midwatch.value("p_temperature_celsius{room=\"hall\"}") {
        Ok(21.5) => Ok(()),
        other => Err(format!("{other:?} {}", midwatch.data("/api/v1/targets"))),
    });
    // Without its last line an answer may have lost any of the others.
    let shown = target(&midwatch, "cut");
    assert_eq!(shown["health"], "down", "{shown}");
    assert!(shown["lastError"].as_str().unwrap().contains("EOF"), "{shown}");
    assert_eq!(midwatch.value("up{job=\"cut\"}"), Ok(0.0));
}

/// One family of one value, with its length before it: type 0 is a counter (field 3), 1 a gauge (field 2).
fn family(name: &str, kind: u64, field: u32, label: &str, value: &str, number: f64) -> Vec<u8> {
    let (mut pair, mut inner, mut metric, mut family) = (vec![], vec![], vec![], vec![]);
    put_bytes_field(&mut pair, 1, label.as_bytes());
    put_bytes_field(&mut pair, 2, value.as_bytes());
    put_double_field(&mut inner, 1, number);
    put_bytes_field(&mut metric, 1, &pair);
    put_bytes_field(&mut metric, field, &inner);
    put_bytes_field(&mut family, 1, name.as_bytes());
    put_varint_field(&mut family, 3, kind);
    put_bytes_field(&mut family, 4, &metric);
    let mut out = Vec::new();
    put_varint(&mut out, family.len() as u64);
    out.extend(family);
    out
}

#[test]
fn relabelling_of_targets_and_of_series() {
    let body = "r_keep{code=\"200\",pod=\"a\"} 1\nr_drop_me 2\nr_old_name 3\n";
    let (service, other) = (Service::fixed("200 OK", TEXT, body), Service::fixed("200 OK", TEXT, body));
    let home = Home::new();
    let midwatch = home.serve_scraping(&format!(
        "scrape_configs:
- job_name: relabelled
  scrape_interval: 1s
  metrics_path: /wrong
  static_configs:
  - targets: ['{}', '{}']
    labels: {{tier: front, secret_team: x}}
  relabel_configs:
  - {{source_labels: [__address__], regex: '{}', action: keep}}
  - {{source_labels: [__address__], regex: '(.+):(.+)', target_label: instance, replacement: 'host-${{1}}'}}
  - {{target_label: __metrics_path__, replacement: /right}}
  - {{regex: secret_.*, action: labeldrop}}
  metric_relabel_configs:
  - {{source_labels: [__name__], regex: 'r_drop_.*', action: drop}}
  - {{source_labels: [__name__], regex: 'r_old_(.*)', target_label: __name__, replacement: 'r_new_$1'}}
  - {{source_labels: [code], regex: '(.).*', target_label: class, replacement: '${{1}}xx'}}
",
        service.address, other.address, service.address
    ));
    let (labels, _) = eventually("a sample", || midwatch.query("r_keep").pop().ok_or("none".into()));
    let labels: Vec<(&str, &str)> = labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let want = [
        ("__name__", "r_keep"),
        ("class", "2xx"),
        ("code", "200"),
        ("instance", "host-127.0.0.1"),
        ("job", "relabelled"),
        ("pod", "a"),
        ("tier", "front"),
    ];
    assert_eq!(labels, want);
    assert_eq!(midwatch.value("r_new_name"), Ok(3.0));
    assert_eq!(midwatch.query("{__name__=~\"r_drop_me|r_old_name\"}"), []);
    assert_eq!(midwatch.value("scrape_samples_scraped"), Ok(3.0));
    assert_eq!(midwatch.value("scrape_samples_post_metric_relabeling"), Ok(2.0));
    assert_eq!(other.requests(), 0, "a target that relabelling dropped is never asked");
    let targets = midwatch.data("/api/v1/targets");
    assert_eq!(targets["activeTargets"].as_array().map(Vec::len), Some(1));
    let dropped = &targets["droppedTargets"][0]["discoveredLabels"]["__address__"];
    assert_eq!(*dropped, other.address.to_string(), "{targets}");
    assert_eq!(target(&midwatch, "relabelled")["scrapeUrl"], format!("http://{}/right", service.address));
}

#[test]
fn credentials_reach_the_target_and_nobody_else() {
    // "reader:p:ss" in base 64.
    let guarded = |want: &'static str| {
        Service::start(move |request| match request.header("authorization") == want {
            true => request.reply("200 OK", TEXT, b"guarded 1\n"),
            false => request.reply("401 Unauthorized", "text/plain", b"who are you?"),
        })
    };
    let (basic, bearer) = (guarded("Basic cmVhZGVyOnA6c3M="), guarded("Bearer t0ken-from-a-file"));
    let home = Home::new();
    home.write("token", "t0ken-from-a-file\n");
    let midwatch = home.serve_scraping(&configuration(&[
        job("basic", &basic, "  basic_auth: {username: reader, password: 'p:ss'}\n"),
        job("bearer", &bearer, "  authorization: {credentials_file: token}\n"),
        job("nobody", &basic, ""),
    ]));
    for name in ["basic", "bearer"] {
        let shown = target(&midwatch, name);
        assert_eq!(shown["health"], "up", "{shown}");
        assert_eq!(midwatch.value(&format!("guarded{{job={name:?}}}")), Ok(1.0));
    }
    let shown = target(&midwatch, "nobody");
    assert_eq!(shown["health"], "down", "{shown}");
    assert!(shown["lastError"].as_str().unwrap().contains("401"), "{shown}");
    // Nothing that it tells anybody holds a secret.
    for path in ["/api/v1/targets", "/api/v1/status/flags", "/api/v1/status/midwatch", "/metrics"] {
        let text = midwatch.get(path).text();
        assert!(!text.contains("p:ss") && !text.contains("t0ken"), "{path}: {text}");
    }
    // A new token is read without a restart.
    home.write("token", "another");
    eventually("the new token is used", || match midwatch.value("up{job=\"bearer\"}") {
        Ok(0.0) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn targets_of_files_come_and_go_while_it_runs() {
    let one = Service::fixed("200 OK", TEXT, "f_value 1\n");
    let two = Service::fixed("200 OK", TEXT, "f_value 2\n");
    let home = Home::new();
    home.write(
        "targets-a.json",
        &format!("[{{\"targets\": [\"{}\"], \"labels\": {{\"n\": \"one\"}}}}]", one.address),
    );
    let midwatch = home.serve_scraping(
        "scrape_configs:\n- job_name: files\n  scrape_interval: 1s\n  file_sd_configs:\n  \
         - {files: ['targets-*.json', 'targets-*.yml'], refresh_interval: 1s}\n",
    );
    let values = |want: &[f64]| {
        eventually(&format!("the values {want:?}"), || {
            let mut found: Vec<f64> = midwatch.query("f_value").into_iter().map(|(_, v)| v).collect();
            found.sort_by(f64::total_cmp);
            if found == want { Ok(()) } else { Err(format!("{found:?}")) }
        })
    };
    values(&[1.0]);
    home.write("targets-b.yml", &format!("- targets: ['{}']\n  labels: {{n: two}}\n", two.address));
    values(&[1.0, 2.0]);
    // A file that is being written badly changes nothing, and is told.
    home.write("targets-b.yml", "- targets: [");
    eventually("the problem is shown", || {
        let problems = midwatch.data("/api/v1/targets")["problems"].to_string();
        if problems.contains("targets-b.yml") { Ok(()) } else { Err(problems) }
    });
    values(&[1.0, 2.0]);
    // What is taken out ends at once, with a stale marker.
    home.write("targets-b.yml", "[]");
    values(&[1.0]);
    let gone = midwatch.export("f_value{n=\"two\"}");
    assert!(gone[0].values.last().is_some_and(|v| model::is_stale(*v)), "{gone:?}");
}

#[test]
fn a_target_that_is_down_is_shown_with_why_and_its_series_end() {
    let service = Service::fixed("200 OK", TEXT, "d_value 1\n");
    let page = Service::fixed("200 OK", "text/html", "<h1>not metrics</h1>");
    let lost = Service::fixed("404 Not Found", "text/plain", "nothing here");
    let nobody = free_port();
    let home = Home::new();
    let jobs = [
        job("goes", &service, ""),
        job("page", &page, ""),
        job("lost", &lost, ""),
        format!("- {{job_name: nobody, static_configs: [{{targets: ['127.0.0.1:{nobody}']}}]}}\n"),
    ];
    let midwatch = home.serve_scraping(&configuration(&jobs));
    for (name, why) in [("page", "text/html"), ("lost", "404"), ("nobody", "refused")] {
        let shown = target(&midwatch, name);
        assert_eq!(shown["health"], "down", "{shown}");
        assert!(shown["lastError"].as_str().unwrap().contains(why), "{shown}");
        assert_eq!(midwatch.value(&format!("up{{job={name:?}}}")), Ok(0.0));
    }
    eventually("it is up", || midwatch.value("d_value"));
    drop(service);
    eventually("its series end", || match midwatch.query("d_value") {
        rows if rows.is_empty() => Ok(()),
        rows => Err(format!("{rows:?}")),
    });
    assert_eq!(midwatch.value("up{job=\"goes\"}"), Ok(0.0));
    assert!(midwatch.own("midwatch_scrapes_total{result=\"failed\"}") >= 4.0);
}
