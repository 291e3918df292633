//! What receivers get: the first line, and the fields that the vendors' documents ask for.

use super::super::config::{Auth, Secret};
use super::super::dispatch::{Told, Why};
use super::*;

fn alert(host: &str, ends_at_ms: Option<i64>) -> Alert {
    let labels = [("alertname", "HighErrors"), ("severity", "page"), ("service", "checkout"), ("host", host)];
    Alert {
        labels: Labels::from_pairs(labels).unwrap(),
        annotations: vec![
            ("summary".into(), "12 % of requests fail <now>".into()),
            ("action".into(), "Roll back the last deploy".into()),
            ("runbook_url".into(), "https://wiki.example.org/errors".into()),
        ],
        starts_at_ms: 1_800_000_000_000,
        ends_at_ms,
        url: "http://mw:4004/monitors?id=1".into(),
        value: Some(0.1234),
        limit: "> 0.05".into(),
        is_blind: false,
    }
}

fn notification(alerts: Vec<Alert>) -> Notification {
    Notification {
        id: "00000000000000ab".into(),
        target: "team/0".into(),
        receiver: "team".into(),
        group_key: "{}:{alertname=\"HighErrors\"}".into(),
        group_labels: Labels::from_pairs([("alertname", "HighErrors")]).unwrap(),
        alerts,
        left_out: 0,
        at_ms: 1_800_000_360_000,
        why: Why::New,
        told: Told::default(),
    }
}

fn sent(kind: TargetKind, n: &Notification) -> (Request, Json) {
    let target = Target {
        kind,
        url: Secret::Text("http://x".into()),
        auth: Auth::None,
        key: None,
        send_resolved: true,
        options: vec![("channel".into(), "#ops".into()), ("priority".into(), "P2".into())],
    };
    let request = request(n, &target, "KEY", "http://mw:4004");
    let json = serde_json::from_str(&request.body).unwrap_or(Json::Null);
    (request, json)
}

#[test]
fn the_first_line_says_it_all() {
    let firing = notification(vec![alert("a", None)]);
    assert_eq!(
        headline(&firing),
        "PAGE: HighErrors: 12 % of requests fail <now>, 0.1234 where more than 0.05 is too much, since 08:00 UTC (6m)"
    );
    let two = notification(vec![alert("a", None), alert("b", None)]);
    assert_eq!(headline(&two), "PAGE: 2 x HighErrors for checkout a, checkout b, since 08:00 UTC (6m)");
    let over = notification(vec![alert("a", Some(1_800_000_300_000))]);
    assert_eq!(headline(&over), "RESOLVED: HighErrors for checkout a, after 5m");
    let mut blind = over.clone();
    blind.alerts[0].is_blind = true;
    assert!(
        headline(&blind)
            .starts_with("NO DATA: HighErrors for checkout a fired for 5m; nothing comes any more")
    );
    let mut long = firing;
    long.alerts[0].annotations[0].1 = "ü".repeat(5_000);
    assert_eq!(headline(&long).chars().count(), 250);
}

#[test]
fn alertmanagers_webhook() {
    let n = notification(vec![alert("a", None), alert("b", Some(1_800_000_300_000))]);
    let (request, json) = sent(TargetKind::Webhook, &n);
    assert_eq!((request.path.as_str(), request.content_type), ("", "application/json"));
    assert_eq!(
        (&json["version"], &json["status"], &json["receiver"]),
        (&"4".into(), &"firing".into(), &"team".into())
    );
    assert_eq!(
        json["commonLabels"],
        json!({ "alertname": "HighErrors", "severity": "page", "service": "checkout" })
    );
    assert_eq!(json["groupLabels"], json!({ "alertname": "HighErrors" }));
    let (a, b) = (&json["alerts"][0], &json["alerts"][1]);
    assert_eq!((&a["status"], &a["endsAt"]), (&"firing".into(), &"0001-01-01T00:00:00Z".into()));
    assert_eq!((&b["status"], &b["endsAt"]), (&"resolved".into(), &"2027-01-15T08:05:00Z".into()));
    assert_eq!(a["startsAt"], "2027-01-15T08:00:00Z");
    assert_eq!(a["fingerprint"].as_str().unwrap().len(), 16);
}

#[test]
fn pagerduty_opens_and_closes_the_same_thing() {
    let (_, open) = sent(TargetKind::PagerDuty, &notification(vec![alert("a", None)]));
    assert_eq!((&open["routing_key"], &open["event_action"]), (&"KEY".into(), &"trigger".into()));
    assert_eq!(open["payload"]["severity"], "critical");
    assert!(open["payload"]["summary"].as_str().unwrap().starts_with("PAGE: HighErrors"));
    assert!(open["payload"]["source"].is_string());
    let (_, close) = sent(TargetKind::PagerDuty, &notification(vec![alert("a", Some(1))]));
    assert_eq!((&close["event_action"], &close["dedup_key"]), (&"resolve".into(), &open["dedup_key"]));
    assert!(open["dedup_key"].as_str().unwrap().len() <= 255);
}

#[test]
fn opsgenie_opens_and_closes_the_same_thing() {
    let (open, body) = sent(TargetKind::Opsgenie, &notification(vec![alert("a", None)]));
    assert_eq!(open.path, "/v2/alerts");
    assert!(open.headers.contains(&("Authorization", "GenieKey KEY".into())));
    assert!(body["message"].as_str().unwrap().chars().count() <= 130);
    assert_eq!(body["priority"], "P2");
    let (close, _) = sent(TargetKind::Opsgenie, &notification(vec![alert("a", Some(1))]));
    let alias = body["alias"].as_str().unwrap();
    assert_eq!(close.path, format!("/v2/alerts/{alias}/close?identifierType=alias"));
}

#[test]
fn what_people_read_in_chats() {
    let n = notification(vec![alert("a", None)]);
    let (_, slack) = sent(TargetKind::Slack, &n);
    assert_eq!(slack["channel"], "#ops");
    let text = slack["text"].as_str().unwrap();
    assert!(text.contains("fail &lt;now&gt;"), "{text}");
    let more = slack["attachments"][0]["text"].as_str().unwrap();
    assert!(
        more.contains("What to do: Roll back") && more.contains("<http://mw:4004/monitors?id=1|Look>"),
        "{more}"
    );
    assert!(more.contains("silence=alertname%3D%22HighErrors%22"), "{more}");
    let (ntfy, _) = sent(TargetKind::Ntfy, &n);
    assert!(ntfy.body.starts_with("PAGE: HighErrors") && ntfy.content_type == "text/plain");
    let header = |name: &str| ntfy.headers.iter().find(|(n, _)| *n == name).unwrap().1.clone();
    assert!(header("X-Title").is_ascii() && header("X-Actions").starts_with("view, Look, http://mw:4004"));
    let (_, teams) = sent(TargetKind::Teams, &n);
    let card = &teams["attachments"][0]["content"];
    assert_eq!((&card["type"], &card["body"][0]["text"]), (&"AdaptiveCard".into(), &headline(&n).into()));
    let (request, posted) = sent(TargetKind::Alertmanager, &n);
    assert_eq!(request.path, "/api/v2/alerts");
    assert_eq!(posted[0]["labels"]["service"], "checkout");
}
