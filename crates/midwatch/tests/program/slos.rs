//! Objectives: made by a request, counted over what is stored already, told by alerts, kept over a kill, imported from OpenSLO.

use crate::support::{Home, Midwatch, eventually, now_ms, series};
use serde_json::{Value as Json, json};

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Two hours of a counter, a sample each 15 s, with `per_s` requests and a share of them that fails from some time on.
fn traffic(midwatch: &Midwatch, per_s: f64, bad_from_ms: i64) {
    let now = now_ms();
    let (mut all, mut bad, mut totals, mut bads) = (0.0, 0.0, Vec::new(), Vec::new());
    let mut at = now - 7_200_000;
    while at <= now {
        totals.push((at, all));
        bads.push((at, bad));
        all += per_s * 15.0;
        if at >= bad_from_ms {
            bad += per_s * 15.0 * 0.5;
        }
        at += 15_000;
    }
    midwatch.write(&[
        series("shop_requests_total", &[("job", "shop")], &totals),
        series("shop_failures_total", &[("job", "shop"), ("route", "/pay")], &bads),
    ]);
}

fn make(midwatch: &Midwatch, body: &Json) -> (u16, Json) {
    let answer = midwatch.post("/api/v1/slos", &[JSON], body.to_string().as_bytes()).unwrap();
    (answer.status, answer.json())
}

fn is(midwatch: &Midwatch, id: &str, state: &str) -> Json {
    eventually(state, || {
        let slo = midwatch.data(&format!("/api/v1/slos/{id}"));
        if slo["state"] == state { Ok(slo) } else { Err(slo.to_string()) }
    })
}

fn shop() -> Json {
    json!({ "user": "ada", "reason": "asked for", "slo": {
        "name": "Shop works", "service": "shop", "about": "Customers can buy.", "objective": "99.9 %",
        "total": "shop_requests_total", "bad": "shop_failures_total",
    } })
}

#[test]
fn a_promise_is_counted_over_what_is_stored_told_and_kept() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    traffic(&midwatch, 10.0, now_ms() - 600_000);
    let (status, made) = make(&midwatch, &shop());
    assert_eq!((status, made["data"]["slos"][0]["id"].as_str()), (200, Some("shop-works")), "{made}");
    let slo = is(&midwatch, "shop-works", "burns_fast");
    // 10 minutes of two hours in which half was bad.
    let bad = slo["budget"]["bad"].as_f64().unwrap();
    assert!((2_800.0..=3_200.0).contains(&bad), "{bad}");
    assert!(slo["says"].as_str().unwrap().contains("went wrong"), "{}", slo["says"]);
    // The alert is an ordinary one, and its series can be asked for.
    eventually("the alert fires", || {
        let all = midwatch.data("/api/v1/monitors");
        let fires = all["monitors"].as_array().unwrap().iter().any(|m| {
            m["name"] == "Shop works burns fast" && m["state"] == "firing" && m["slo"] == "shop-works"
        });
        if fires { Ok(()) } else { Err(all["monitors"].to_string()) }
    });
    let left = eventually("a series", || midwatch.value("slo:budget_left:ratio{slo=\"shop-works\"}"));
    assert!(left < -30.0, "{left}");
    // Home says it, by service; the badge says it in words.
    let home_page = midwatch.data("/api/v1/home");
    let subject = &home_page["subjects"][0];
    assert_eq!(
        (subject["title"].as_str(), subject["state"].as_str()),
        (Some("shop"), Some("bad")),
        "{subject}"
    );
    assert_eq!(subject["tiles"][0]["link"]["slo"], "shop-works");
    let badge = midwatch.get("/api/v1/slos/shop-works/badge.svg");
    assert_eq!(badge.header("content-type"), "image/svg+xml; charset=utf-8");
    assert!(badge.text().contains("Shop works: burns fast: "), "{}", badge.text());
    // What was counted is there after a kill, and is of one piece with what comes then.
    midwatch.kill();
    let midwatch = home.serve_quietly();
    let again = is(&midwatch, "shop-works", "burns_fast");
    assert!((again["budget"]["bad"].as_f64().unwrap() - bad).abs() < 200.0, "{}", again["budget"]);
    let url = format!("http://{}", midwatch.address);
    let listed = home.run(&["slo", "list", "--url", &url]);
    assert_eq!(listed.code, Some(2), "{}", listed.stderr);
    assert!(
        listed.stdout.contains("burns fast") && listed.stdout.contains("shop-works"),
        "{}",
        listed.stdout
    );
    let shown = home.run(&["slo", "show", "shop-works", "--url", &url]);
    assert!(shown.stdout.contains("Customers can buy."), "{}", shown.stdout);
    // Once removed it is gone, and the audit knows who made it.
    let removed = midwatch.post("/api/v1/slos/shop-works/remove", &[], b"").unwrap();
    assert_eq!(removed.status, 200, "{}", removed.text());
    assert_eq!(midwatch.get("/api/v1/slos/shop-works").status, 404);
    let audit = home.run(&["audit", "--json"]);
    let text = format!("{}{}", audit.stdout, audit.stderr);
    assert!(text.contains("slo_added") && text.contains("slo_removed") && text.contains("ada"), "{text}");
}

#[test]
fn what_cannot_be_judged_is_said() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    traffic(&midwatch, 0.0001, i64::MAX);
    for (name, keys, state) in [
        ("Nothing there", json!({ "total": "no_such_total", "bad": "no_such_bad" }), "no_data"),
        (
            "Hardly used",
            json!({ "total": "shop_requests_total", "bad": "shop_failures_total" }),
            "too_little",
        ),
    ] {
        let mut body = json!({ "slo": { "name": name, "objective": "99 %", "window": "7d" } });
        keys.as_object().unwrap().iter().for_each(|(k, v)| body["slo"][k] = v.clone());
        let (status, made) = make(&midwatch, &body);
        assert_eq!(status, 200, "{made}");
        is(&midwatch, made["data"]["slos"][0]["id"].as_str().unwrap(), state);
    }
    let page = midwatch.data("/api/v1/home");
    assert_ne!(page["headline"], "All fine. See you tomorrow.");
    for (slo, part) in [
        (json!({ "name": "a" }), "an objective counts one of"),
        (json!({ "name": "a", "total": "b", "bad": "c", "objective": "100 %" }), "leaves no budget"),
        (json!({ "name": "a", "total": "b((", "bad": "c", "objective": "99 %" }), "cannot be asked"),
        (
            json!({ "name": "a", "total": "b", "bad": "c", "objective": "99 %", "windw": "1d" }),
            "did you mean",
        ),
        (json!({ "name": "Hardly used", "total": "b", "bad": "c", "objective": "99 %" }), "already"),
    ] {
        let (status, answer) = make(&midwatch, &json!({ "slo": slo }));
        assert!([400, 409].contains(&status), "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(part), "{answer}");
    }
}

#[test]
fn openslo_is_taken_over_and_what_is_not_understood_is_said() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let url = format!("http://{}", midwatch.address);
    let file = home.write(
        "open.yaml",
        r#"
apiVersion: openslo/v1
kind: AlertCondition
metadata: { name: fast }
spec:
  severity: page
  condition: { kind: burnrate, op: gte, threshold: 10, lookbackWindow: 2h, alertAfter: 10m }
---
apiVersion: openslo/v1
kind: SLO
metadata: { name: web-available, displayName: Web is there }
spec:
  description: |
    Pages come.
  service: web
  indicator:
    metadata: { name: web }
    spec:
      ratioMetric:
        counter: true
        good: { metricSource: { type: Prometheus, spec: { query: 'sum(rate(web_total{code!~"5.."}[5m]))' } } }
        total: { metricSource: { type: Prometheus, spec: { query: 'sum(rate(web_total[5m]))' } } }
  timeWindow: [{ duration: 28d, isRolling: true }]
  budgetingMethod: Occurrences
  objectives: [{ target: 0.995 }]
  alertPolicies:
    - kind: AlertPolicy
      metadata: { name: policy }
      spec: { conditions: [{ conditionRef: fast }] }
---
apiVersion: openslo/v1
kind: SLO
metadata: { name: slices }
spec:
  service: web
  indicatorRef: nowhere
  budgetingMethod: Timeslices
  objectives: [{ target: 0.9 }]
"#,
    );
    let imported = home.run(&["slo", "import", file.to_str().unwrap(), "--url", &url]);
    assert_eq!(imported.code, Some(1), "one of two cannot be used");
    assert!(imported.stderr.contains("open.yaml:37: error: slices: budgetingMethod"), "{}", imported.stderr);
    assert!(imported.stdout.contains("99.5 % of requests are good, over 28 days."), "{}", imported.stdout);
    let slo = midwatch.data("/api/v1/slos/web-is-there");
    assert_eq!(slo["asks"]["good"], "sum(increase(web_total{code!~\"5..\"}[30s] anchored))");
    let checked = home.run(&["slo", "check", file.to_str().unwrap()]);
    assert_eq!(checked.code, Some(1));
}
