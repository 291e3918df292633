//! Exemplars from a target to whoever asks for them: found by the selectors of an expression, over a restart, and gone when
//! their series is deleted.

use crate::support::http::encode;
use crate::support::service::{OPEN_METRICS, Service};
use crate::support::{Home, Midwatch, eventually, now_ms};
use serde_json::{Value as Json, json};

const CONFIG: &str = "[admin]\ndelete_series = true\n";

fn serve(home: &Home, target: &str) -> Midwatch {
    home.write("midwatch.toml", &format!("scrape_config_files = [\"prometheus.yml\"]\n{CONFIG}"));
    home.write(
        "prometheus.yml",
        &format!(
            "scrape_configs:\n- job_name: shop\n  scrape_interval: 1s\n  static_configs: [{{targets: ['{target}']}}]\n"
        ),
    );
    home.serve(&["--no-host", "--no-discover", "--config", "midwatch.toml"])
}

fn found(midwatch: &Midwatch, promql: &str, more: &str) -> Json {
    midwatch.data(&format!("/api/v1/query_exemplars?query={}{more}", encode(promql)))
}

#[test]
fn from_a_target_to_the_answer_and_over_a_restart() {
    let at_s = now_ms() / 1000 - 60;
    let body = format!(
        "# TYPE wait_seconds histogram\n\
         wait_seconds_bucket{{le=\"0.5\"}} 3 # {{trace_id=\"abc\"}} 0.25 {at_s}.5\n\
         wait_seconds_bucket{{le=\"+Inf\"}} 4 # {{trace_id=\"def\",user=\"ada\"}} 7 {at_s}\n\
         wait_seconds_sum 8\nwait_seconds_count 4\n# EOF\n"
    );
    let target = Service::fixed("200 OK", OPEN_METRICS, body);
    let (home, address) = (Home::new(), target.address.to_string());
    let midwatch = serve(&home, &address);
    let series =
        |le: &str| json!({"__name__": "wait_seconds_bucket", "instance": address, "job": "shop", "le": le});
    let fast = json!({"seriesLabels": series("0.5"), "exemplars": [
        {"labels": {"trace_id": "abc"}, "value": "0.25", "timestamp": at_s as f64 + 0.5}]});
    let slow = json!({"seriesLabels": series("+Inf"), "exemplars": [
        {"labels": {"trace_id": "def", "user": "ada"}, "value": "7", "timestamp": at_s}]});
    let both = json!([slow, fast]);
    let promql = "histogram_quantile(0.9, sum by (le) (rate(wait_seconds_bucket[5m])))";
    eventually("both are there", || match found(&midwatch, promql, "") {
        all if all == both => Ok(()),
        other => Err(other.to_string()),
    });
    for (promql, more, want) in [
        ("wait_seconds_bucket{le=\"0.5\"}", String::new(), json!([fast])),
        ("wait_seconds_bucket", format!("&start={}&end={}", at_s, at_s), json!([slow])),
        ("wait_seconds_bucket", format!("&start={}", at_s + 1), json!([])),
        ("wait_seconds_count + on() wait_seconds_bucket", String::new(), both.clone()),
        ("1 + 1", String::new(), json!([])),
    ] {
        assert_eq!(found(&midwatch, promql, &more), want, "{promql} {more}");
    }
    for query in ["", "?query=", "?query=sum(", "?query=up&start=2&end=1", "?query=up&start=noon"] {
        let answer = midwatch.get(&format!("/api/v1/query_exemplars{query}"));
        assert_eq!((answer.status, &answer.json()["errorType"]), (400, &json!("bad_data")), "{query}");
    }
    // The target says the same with each scrape: that is one exemplar.
    assert_eq!(midwatch.own("midwatch_exemplars"), 2.0);

    drop(target);
    assert_eq!(midwatch.stop().code, Some(0));
    let midwatch = serve(&home, &address);
    assert_eq!(found(&midwatch, promql, ""), both, "after a restart");

    let form = format!("match[]={}&yes=1&reason=test", encode("{le=\"+Inf\"}"));
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let deleted = midwatch.post("/api/v1/admin/tsdb/delete_series", &headers, form.as_bytes()).unwrap();
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    assert_eq!(found(&midwatch, promql, ""), json!([fast]));
    let file = std::fs::read_to_string(home.path("midwatch-data/exemplars.log")).unwrap();
    assert!(!file.contains("ada"), "{file}");
}
