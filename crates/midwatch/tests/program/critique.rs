//! Plans are criticised from what is recorded; rules come from a folder; what is said of a rule, and a rule of thumb, are kept
//! over a kill; and headroom says when something is full.

use crate::support::{Home, Midwatch, now_ms};
use serde_json::{Value as Json, json};

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn post(midwatch: &Midwatch, path: &str, body: &Json) -> (u16, Json) {
    let answer = midwatch.post(path, &[JSON], body.to_string().as_bytes()).unwrap();
    let json = answer.json();
    (answer.status, json)
}

/// Samples of the last hour, each 15 s.
fn import(midwatch: &Midwatch, series: &[(Json, &dyn Fn(f64) -> f64)]) {
    let now = now_ms();
    let times: Vec<i64> = (0..240).map(|i| now - (239 - i) * 15_000).collect();
    let lines: String = series
        .iter()
        .map(|(labels, value)| {
            let values: Vec<f64> = times.iter().map(|t| value((*t - now) as f64 / 1000.0)).collect();
            json!({ "metric": labels, "values": values, "timestamps": times }).to_string() + "\n"
        })
        .collect();
    let answer = midwatch.post("/api/v1/import", &[], lines.as_bytes()).unwrap();
    assert!(answer.status < 300, "{}", answer.text());
}

fn rules(data: &Json) -> Vec<&str> {
    data["critiques"].as_array().unwrap().iter().map(|c| c["rule"].as_str().unwrap()).collect()
}

#[test]
fn a_plan_is_criticised_and_what_is_said_of_rules_is_kept() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let up = |n: usize| json!({ "__name__": "up", "job": "api", "instance": format!("api-{n}") });
    let memory = json!({ "__name__": "process_resident_memory_bytes", "job": "api", "instance": "api-1" });
    let grows = |s: f64| if s > -600.0 { 3e9 } else { 1e9 };
    import(&midwatch, &[(up(1), &|_| 1.0), (up(2), &|_| 0.0), (memory, &grows)]);
    let told = json!({ "title": "deployed api 1.42", "kind": "deploy", "service": "api", "time": (now_ms() - 1_200_000) / 1000 });
    assert_eq!(post(&midwatch, "/api/v1/changes", &told).0, 200);

    let ask = |midwatch: &Midwatch| {
        let (status, answer) =
            post(midwatch, "/api/v1/critique", &json!({ "plan": "restart api-1 and frob it" }));
        assert_eq!(status, 200, "{answer}");
        answer["data"].clone()
    };
    let data = ask(&midwatch);
    let said = rules(&data);
    for rule in ["last-healthy-copy", "restart-destroys-evidence", "changed-shortly-before"] {
        assert!(said.contains(&rule), "{rule}: {data:#}");
    }
    assert_eq!(data["understood"]["words"], "restarting api-1");
    assert_eq!(data["understood"]["not_understood"], json!(["frob"]));
    let first = &data["critiques"][0];
    assert_eq!(
        (first["rule"].as_str(), first["evidence"][0]["query"].as_str()),
        (Some("last-healthy-copy"), Some("sum(up{job=\"api\"})"))
    );

    let url = format!("http://{}", midwatch.address);
    let shown = home.run(&["critique", "restart api-1", "--url", &url]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(
        shown.stdout.contains("It takes the last healthy copy away") && shown.stdout.contains("Next:"),
        "{}",
        shown.stdout
    );

    // Not here, because ...
    let no = json!({ "rule": "last-healthy-copy", "verdict": "not_here", "service": "api", "because": "nobody asks it at night", "author": "ada" });
    assert_eq!(post(&midwatch, "/api/v1/critic/feedback", &no).0, 200);
    let thumb = json!({ "see": "checkout stalls", "look": "locks on orders", "because": "it was that", "author": "ada" });
    let (status, written) = post(&midwatch, "/api/v1/critic/rules", &thumb);
    assert_eq!(status, 200, "{written}");
    for (path, body, part) in [
        ("/api/v1/critique", json!({}), "say what you are about to do"),
        ("/api/v1/critique", json!({ "plan": "x", "paln": 1 }), "unknown field"),
        ("/api/v1/critique", json!({ "plan": "x".repeat(5000) }), "at most 4000 bytes"),
        ("/api/v1/critique", json!({ "action": "panic" }), "is no action"),
        ("/api/v1/critique", json!({ "plan": "restart api", "window": "1y" }), "a minute to a week"),
        ("/api/v1/critic/feedback", json!({ "rule": "none", "verdict": "wrong", "because": "x" }), "no rule"),
        (
            "/api/v1/critic/feedback",
            json!({ "rule": "last-healthy-copy", "verdict": "bad" }),
            "is no verdict",
        ),
        ("/api/v1/critic/feedback", json!({ "rule": "last-healthy-copy", "verdict": "not_here" }), "say why"),
        ("/api/v1/critic/rules", json!({ "see": "a", "look": "b", "because": "" }), "is missing"),
        ("/api/v1/critic/rules/last-healthy-copy/remove", json!({}), "no rule of thumb"),
    ] {
        let (status, answer) = post(&midwatch, path, &body);
        assert!(
            status >= 400 && answer["error"].as_str().unwrap().contains(part),
            "{path} {body:.60}: {answer}"
        );
    }
    midwatch.kill();
    let midwatch = home.serve_quietly();
    let data = ask(&midwatch);
    assert!(!rules(&data).contains(&"last-healthy-copy"), "{data:#}");
    assert_eq!(data["adapted"][0]["because"], "nobody asks it at night");
    let (_, data) = post(&midwatch, "/api/v1/critique", &json!({ "plan": "checkout stalls again" }));
    assert_eq!(rules(&data["data"]), [written["data"]["id"].as_str().unwrap()], "{data:#}");
    let all = midwatch.data("/api/v1/critic/rules");
    let of = |id: &str| all["rules"].as_array().unwrap().iter().find(|r| r["id"] == id).unwrap().clone();
    assert_eq!(of("last-healthy-copy")["not_here"][0]["author"], "ada");
    assert_eq!(all["problems"], json!([]));
    let gone = format!("/api/v1/critic/rules/{}/remove", written["data"]["id"].as_str().unwrap());
    assert_eq!(post(&midwatch, &gone, &json!({})).0, 200);
}

#[test]
fn what_fills_is_told_with_when() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let disk = |name: &str| json!({ "__name__": name, "job": "node", "instance": "h1", "mountpoint": "/", "fstype": "ext4" });
    // 100 GB, of which 40 are used an hour ago, and 10 more each hour: full in five hours.
    import(
        &midwatch,
        &[
            (disk("node_filesystem_size_bytes"), &|_| 100e9),
            (disk("node_filesystem_avail_bytes"), &|s| 50e9 - 10e9 * s / 3600.0),
        ],
    );
    let data = midwatch.data("/api/v1/headroom");
    let first = &data["items"][0];
    assert_eq!(
        (first["id"].as_str(), first["state"].as_str()),
        (Some("disk-space"), Some("bad")),
        "{data:#}"
    );
    let soonest = first["soonest_s"].as_f64().unwrap() / 3600.0;
    assert!((4.5..5.5).contains(&soonest), "{first}");
    assert!(first["says"].as_str().unwrap().starts_with("in "), "{first}");
}
