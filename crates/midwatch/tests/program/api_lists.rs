//! The parts of Prometheus's HTTP API that answer about expressions, targets, rules and the server itself: their shapes are
//! what its clients read, and what makes no sense is told.

use crate::support::http::encode;
use crate::support::service::{Service, TEXT};
use crate::support::{Home, eventually, now_ms, series};
use serde_json::{Value as Json, json};

#[test]
fn expressions_are_formatted_and_taken_apart() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let both = |route: &str, promql: &str| -> Json {
        let query = format!("query={}", encode(promql));
        let got = midwatch.data(&format!("/api/v1/{route}?{query}"));
        let posted = midwatch.post(&format!("/api/v1/{route}"), &form, query.as_bytes()).unwrap().json();
        assert_eq!(posted["data"], got, "{promql}");
        got
    };
    assert_eq!(both("format_query", "foo/bar"), "foo / bar");
    let long = "sum by(job)(rate(http_requests_total{code=~\"5..\",handler!=\"/metrics\",instance=\"one-of-them:9090\"}[5m]))";
    let shown = both("format_query", long);
    assert_eq!(shown.as_str().unwrap().lines().count(), 3, "{shown}");
    let tree = both("parse_query", "foo/bar");
    assert_eq!(
        (&tree["type"], &tree["op"], &tree["lhs"]["name"]),
        (&json!("binaryExpr"), &json!("/"), &json!("foo"))
    );
    for route in ["format_query", "parse_query"] {
        for promql in ["", "foo bar", "sum("] {
            let answer = midwatch.get(&format!("/api/v1/{route}?query={}", encode(promql)));
            assert_eq!((answer.status, &answer.json()["errorType"]), (400, &json!("bad_data")), "{promql}");
        }
    }
    let chain = encode(&vec!["a"; 5_000].join("+"));
    assert_eq!(midwatch.get(&format!("/api/v1/format_query?query={chain}")).status, 200);
    let answer = midwatch.get(&format!("/api/v1/parse_query?query={chain}"));
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("more than 100 levels"), "{}", answer.text());
}

#[test]
fn targets_pools_and_what_targets_say_of_their_metrics() {
    let body = "# HELP jobs_total Jobs done.\n# TYPE jobs_total counter\njobs_total 3\n\
        # HELP wait_seconds Waiting.\n# TYPE wait_seconds histogram\n\
        wait_seconds_bucket{le=\"+Inf\"} 1\nwait_seconds_sum 1\nwait_seconds_count 1\n";
    let one = Service::fixed("200 OK", TEXT, body);
    let home = Home::new();
    let midwatch = home.serve_scraping(&format!(
        "scrape_configs:\n- job_name: shop\n  scrape_interval: 1s\n  static_configs: [{{targets: ['{}']}}]\n\
         - job_name: none\n  static_configs: [{{targets: ['127.0.0.1:1']}}]\n  relabel_configs: [{{action: drop}}]\n",
        one.address
    ));
    let instance = one.address.to_string();
    let target = json!({"instance": instance, "job": "shop"});
    let of = |query: &str| midwatch.data(&format!("/api/v1/targets/metadata{query}"));
    let all = eventually("metadata of the target", || match of("") {
        all if all.as_array().unwrap().len() == 2 => Ok(all),
        other => Err(other.to_string()),
    });
    assert_eq!(
        all,
        json!([
            {"target": target, "metric": "jobs_total", "type": "counter", "help": "Jobs done.", "unit": ""},
            {"target": target, "metric": "wait_seconds", "type": "histogram", "help": "Waiting.", "unit": ""},
        ])
    );
    assert_eq!(of("?limit=1").as_array().unwrap().len(), 1);
    assert_eq!(
        of("?metric=jobs_total"),
        json!([{"target": target, "type": "counter", "help": "Jobs done.", "unit": ""}])
    );
    assert_eq!(of(&format!("?match_target={}", encode("{job=\"other\"}"))), json!([]));
    assert_eq!(midwatch.get("/api/v1/targets/metadata?match_target=%7B").status, 400);

    assert_eq!(midwatch.data("/api/v1/scrape_pools"), json!({"scrapePools": ["none", "shop"]}));
    let count = |query: &str| {
        let data = midwatch.data(&format!("/api/v1/targets{query}"));
        ["activeTargets", "droppedTargets"].map(|list| data[list].as_array().unwrap().len())
    };
    for (query, want) in [
        ("", [1, 1]),
        ("?state=active", [1, 0]),
        ("?state=Dropped", [0, 1]),
        ("?scrapePool=shop", [1, 0]),
        ("?scrapePool=none", [0, 1]),
    ] {
        assert_eq!(count(query), want, "{query}");
    }
    let yaml = midwatch.data("/api/v1/status/config")["yaml"].as_str().unwrap().to_string();
    assert!(yaml.contains("- job_name: \"shop\"") && yaml.contains(&instance), "{yaml}");
    let metadata = midwatch.data("/api/v1/metadata?metric=jobs_total&limit_per_metric=1");
    assert_eq!(metadata, json!({"jobs_total": [{"type": "counter", "help": "Jobs done.", "unit": ""}]}));
    assert_eq!(midwatch.data("/api/v1/metadata?limit=1").as_object().unwrap().len(), 1);
}

#[test]
fn rules_alerts_and_status_have_the_shapes_that_clients_read() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    for (path, want) in [
        ("rules", json!({"groups": []})),
        (
            "rules?type=alert&rule_name[]=a&file[]=b&rule_group[]=c&group_limit=5&exclude_alerts=true",
            json!({"groups": []}),
        ),
        ("alerts", json!({"alerts": []})),
        ("status/walreplay", json!({"min": 0, "max": 0, "current": 0, "state": "done"})),
        ("status/config", json!({"yaml": "scrape_configs: []\n"})),
        ("targets/metadata", json!([])),
        ("scrape_pools", json!({"scrapePools": []})),
    ] {
        assert_eq!(midwatch.data(&format!("/api/v1/{path}")), want, "{path}");
    }
    // It tells of its alerts by itself.
    let own = midwatch.data("/api/v1/alertmanagers");
    assert_eq!(own["activeAlertmanagers"][0]["url"], format!("http://{}/api/v2/alerts", midwatch.address));
    for query in ["type=all", "exclude_alerts=2", "group_limit=-1", "group_next_token=abc", "match[]=%7B%7D"]
    {
        let answer = midwatch.get(&format!("/api/v1/rules?{query}"));
        assert_eq!((answer.status, &answer.json()["errorType"]), (400, &json!("bad_data")), "{query}");
    }
    let build = midwatch.data("/api/v1/status/buildinfo");
    for name in ["version", "revision", "branch", "buildUser", "buildDate", "goVersion"] {
        assert!(build[name].is_string(), "{name}: {build}");
    }
    // A field of this name makes Grafana take a server for Mimir.
    assert_eq!(build["features"], Json::Null);
    let runtime = midwatch.data("/api/v1/status/runtimeinfo");
    for name in [
        "startTime",
        "CWD",
        "hostname",
        "serverTime",
        "lastConfigTime",
        "GOGC",
        "GODEBUG",
        "storageRetention",
    ] {
        assert!(runtime[name].is_string(), "{name}: {runtime}");
    }
    let features = midwatch.data("/api/v1/features");
    for (group, name, want) in [
        ("api", "query_stats", true),
        ("api", "admin", false),
        ("promql", "duration_expr", true),
        ("promql_functions", "rate", true),
        ("promql_operators", "limit_ratio", true),
        ("rules", "keep_firing_for", false),
    ] {
        assert_eq!(features[group][name], want, "{group} {name}");
    }
}

#[test]
fn a_query_tells_its_cost_and_lists_say_that_they_were_cut() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let end_ms = now_ms() / 1000 * 1000;
    let samples: Vec<(i64, f64)> = (0..10).map(|i| (end_ms - 9_000 + i * 1000, i as f64)).collect();
    midwatch.write(&[
        series("cost", &[("i", "a"), ("über.label", "x")], &samples),
        series("cost", &[("i", "b"), ("über.label", "y")], &samples),
    ]);
    let at = format!("time={}", end_ms / 1000);
    let plain = midwatch.data(&format!("/api/v1/query?query=cost&{at}"));
    assert_eq!(plain["stats"], Json::Null);
    let told =
        midwatch.data(&format!("/api/v1/query?query={}&{at}&stats=all", encode("sum_over_time(cost[5s])")));
    let samples = &told["stats"]["samples"];
    assert_eq!(samples["totalQueryableSamples"], 10, "{told}");
    assert!(samples["peakSamples"].as_u64().unwrap() <= 10);
    let timings = &told["stats"]["timings"];
    for name in [
        "evalTotalTime",
        "resultSortTime",
        "queryPreparationTime",
        "innerEvalTime",
        "execQueueTime",
        "execTotalTime",
    ] {
        assert!(timings[name].is_number(), "{name}: {timings}");
    }
    let cut = |path: &str| {
        let body = midwatch.get(path).json();
        assert_eq!(body["status"], "success", "{path}: {body}");
        body["warnings"] == json!(["results truncated due to limit"])
    };
    for (path, is_cut) in [
        (format!("query?query=cost&{at}&limit=1"), true),
        (format!("query?query=cost&{at}&limit=2"), false),
        (format!("query?query=cost&{at}&limit=0"), false),
        (
            format!(
                "query_range?query=cost&start={}&end={}&step=1&limit=1",
                end_ms / 1000 - 5,
                end_ms / 1000
            ),
            true,
        ),
        ("series?match[]=cost&limit=1".into(), true),
        ("labels?limit=1".into(), true),
        ("label/i/values?limit=1".into(), true),
        ("label/i/values?limit=2".into(), false),
    ] {
        assert_eq!(cut(&format!("/api/v1/{path}")), is_cut, "{path}");
    }
    // A sample is looked for as far back as the request says.
    let later = end_ms / 1000 + 30;
    let found = |lookback: &str| {
        let data = midwatch.data(&format!("/api/v1/query?query=cost&time={later}&lookback_delta={lookback}"));
        data["result"].as_array().unwrap().len()
    };
    assert_eq!([found("1m"), found("10s"), found("60")], [2, 0, 2]);
    // A name that no URL holds as it is.
    assert_eq!(midwatch.data("/api/v1/label/U___fc_ber_2e_label/values"), json!(["x", "y"]));
    assert_eq!(midwatch.data("/api/v1/label/%C3%BCber.label/values"), json!(["x", "y"]));
}
