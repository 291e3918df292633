//! Bodies of requests, by protocol. The vendors' documented forms; what is sent is made of what is known, first line
//! first. It must never hold a credential beyond what the protocol puts into the body.

use super::config::{Target, TargetKind};
use super::dispatch::{LISTED_MAX, Notification};
use super::words::{alert_line, cut, details, headline};
use super::{Alert, fingerprint, object};
use model::Labels;
use model::time::format_rfc3339_ms;
use serde_json::{Map, Value as Json, json};

/// A request to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Appended to the target's address.
    pub path: String,
    /// Headers besides the type of the body.
    pub headers: Vec<(&'static str, String)>,
    /// `application/json` or `text/plain`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// Alerts that are listed in a message for people.
const SHOWN_MAX: usize = 10;

/// What is sent for a notification. `key` is what identifies us, where the protocol wants it; `base` is where this server
/// is reached.
pub fn request(n: &Notification, target: &Target, key: &str, base: &str) -> Request {
    let json = |path: &str, body: Json| Request {
        path: path.to_string(),
        headers: vec![("Idempotency-Key", n.id.clone())],
        content_type: "application/json",
        body: body.to_string(),
    };
    match target.kind {
        // Who is on call is told by a receiver of their own.
        TargetKind::Webhook | TargetKind::OnCall | TargetKind::Email => json("", webhook(n, base)),
        TargetKind::Alertmanager => json("/api/v2/alerts", alertmanager(n, base)),
        TargetKind::Slack => json("", slack(n, target, base)),
        TargetKind::PagerDuty => json("", pagerduty(n, target, key, base)),
        TargetKind::Opsgenie => opsgenie(n, target, key, base),
        TargetKind::Ntfy => ntfy(n, target, base),
        TargetKind::Teams => json("", teams(n, base)),
    }
}

fn is_firing(n: &Notification) -> bool {
    n.firing().next().is_some()
}

fn rfc3339(ms: Option<i64>) -> String {
    // The zero time of Go says that there is none.
    ms.map_or_else(|| "0001-01-01T00:00:00Z".into(), format_rfc3339_ms)
}

/// Labels that all alerts share, with their values.
fn common<'a>(
    alerts: &'a [Alert],
    pairs: impl Fn(&'a Alert) -> Vec<(&'a str, &'a str)>,
) -> Map<String, Json> {
    let Some(first) = alerts.first() else { return Map::new() };
    let mut shared = pairs(first);
    for alert in &alerts[1..] {
        let theirs = pairs(alert);
        shared.retain(|p| theirs.contains(p));
    }
    object(shared.into_iter())
}

fn own_labels(alert: &Alert) -> Vec<(&str, &str)> {
    alert.labels.iter().collect()
}

fn own_annotations(alert: &Alert) -> Vec<(&str, &str)> {
    alert.annotations.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect()
}

/// Alertmanager's webhook, version 4, with the first line besides.
fn webhook(n: &Notification, base: &str) -> Json {
    let alerts: Vec<Json> = n
        .alerts
        .iter()
        .map(|a| {
            let is_over = a.is_resolved(n.at_ms);
            json!({
                "status": if is_over { "resolved" } else { "firing" },
                "labels": object(a.labels.iter()),
                "annotations": object(own_annotations(a).into_iter()),
                "startsAt": rfc3339(Some(a.starts_at_ms)),
                "endsAt": rfc3339(a.ends_at_ms.filter(|_| is_over)),
                "generatorURL": a.url,
                "fingerprint": format!("{:016x}", fingerprint(&a.labels)),
            })
        })
        .collect();
    json!({
        "version": "4",
        "groupKey": n.group_key,
        "truncatedAlerts": n.left_out,
        "status": if is_firing(n) { "firing" } else { "resolved" },
        "receiver": n.receiver,
        "groupLabels": object(n.group_labels.iter()),
        "commonLabels": common(&n.alerts, own_labels),
        "commonAnnotations": common(&n.alerts, own_annotations),
        "externalURL": base,
        "alerts": alerts,
        "headline": headline(n),
        "notification": n.id,
    })
}

/// What Alertmanager's `POST /api/v2/alerts` takes.
fn alertmanager(n: &Notification, _base: &str) -> Json {
    let each = |a: &Alert| {
        let mut alert = json!({
            "labels": object(a.labels.iter()),
            "annotations": object(own_annotations(a).into_iter()),
            "startsAt": rfc3339(Some(a.starts_at_ms)),
            "generatorURL": a.url,
        });
        if let Some(end) = a.ends_at_ms.filter(|_| a.is_resolved(n.at_ms)) {
            alert["endsAt"] = rfc3339(Some(end)).into();
        }
        alert
    };
    Json::Array(n.alerts.iter().map(each).collect())
}

/// The lines after the first.
pub(super) fn lines(n: &Notification) -> Vec<String> {
    let mut out = Vec::new();
    let is_one = n.alerts.len() == 1;
    for alert in n.alerts.iter().take(SHOWN_MAX) {
        if !is_one {
            let state = if alert.is_resolved(n.at_ms) { "over" } else { "fires" };
            out.push(format!("- {state}: {}", alert_line(alert, n.at_ms)));
        }
    }
    let more = (n.alerts.len() + n.left_out).saturating_sub(SHOWN_MAX);
    if more > 0 {
        out.push(format!("... and {more} more"));
    }
    if let Some(first) = n.alerts.first() {
        out.extend(details(first).into_iter().map(|(title, text)| format!("{title}: {text}")));
    }
    out
}

/// Pages to go to.
pub(super) fn links(n: &Notification, base: &str) -> Vec<(&'static str, String)> {
    let mut links = Vec::new();
    if let Some(first) = n.alerts.first() {
        if !first.url.is_empty() {
            links.push(("Look", first.url.clone()));
        }
        for (title, key) in [("Runbook", "runbook_url"), ("Dashboard", "dashboard_url")] {
            if first.annotation(key).starts_with("http") {
                links.push((title, first.annotation(key).to_string()));
            }
        }
    }
    if !base.is_empty() {
        links.push(("Silence", format!("{base}/monitors?silence={}", encode(&matchers(&n.group_labels)))));
    }
    links
}

fn matchers(labels: &Labels) -> String {
    labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect::<Vec<_>>().join(",")
}

fn encode(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|b| if keep(b) { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Slack's three characters.
fn escape_slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn slack(n: &Notification, target: &Target, base: &str) -> Json {
    let links: Vec<String> = links(n, base).iter().map(|(title, url)| format!("<{url}|{title}>")).collect();
    let mut text: Vec<String> = lines(n).iter().map(|l| escape_slack(l)).collect();
    text.push(links.join("  "));
    let mut body = json!({
        "text": escape_slack(&headline(n)),
        "attachments": [{
            "color": if is_firing(n) { "danger" } else { "good" },
            "text": cut(&text.join("\n"), 8_000),
            "mrkdwn_in": ["text"],
        }],
    });
    for (option, key) in [("channel", "channel"), ("username", "username"), ("icon_emoji", "icon_emoji")] {
        if !target.option(option).is_empty() {
            body[key] = target.option(option).into();
        }
    }
    body
}

/// What names the group to receivers that open and close one thing: at most 255 characters, always the same.
pub(super) fn dedup_key(n: &Notification) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for b in n.told_key().bytes() {
        hash = (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("midwatch-{hash:016x}")
}

fn pagerduty(n: &Notification, target: &Target, key: &str, base: &str) -> Json {
    if !is_firing(n) {
        return json!({ "routing_key": key, "event_action": "resolve", "dedup_key": dedup_key(n) });
    }
    let severity =
        match (target.option("severity"), n.alerts.first().map_or("", |a| a.labels.get("severity"))) {
            ("", "critical" | "page") => "critical",
            ("", "warning" | "ticket") => "warning",
            ("", "info" | "none") => "info",
            ("", _) => "error",
            (set, _) => set,
        };
    let mut payload = json!({
        "summary": cut(&headline(n), 1_024),
        "source": n.alerts.first().map_or("midwatch".into(), |a| super::words::whom(&a.labels)),
        "severity": severity,
        "timestamp": rfc3339(n.firing().map(|a| a.starts_at_ms).min()),
        "custom_details": { "lines": lines(n), "alerts": n.alerts.len() + n.left_out },
    });
    for name in ["component", "group", "class"] {
        if !target.option(name).is_empty() {
            payload[name] = target.option(name).into();
        }
    }
    let links: Vec<Json> =
        links(n, base).iter().map(|(text, href)| json!({ "href": href, "text": text })).collect();
    json!({
        "routing_key": key,
        "event_action": "trigger",
        "dedup_key": dedup_key(n),
        "client": "Midwatch",
        "client_url": base,
        "payload": payload,
        "links": links,
    })
}

fn opsgenie(n: &Notification, target: &Target, key: &str, base: &str) -> Request {
    let headers = vec![("Authorization", format!("GenieKey {key}")), ("Idempotency-Key", n.id.clone())];
    let alias = dedup_key(n);
    let (path, body) = if is_firing(n) {
        let urls: Vec<String> =
            links(n, base).into_iter().map(|(title, url)| format!("{title}: {url}")).collect();
        let mut body = json!({
            "message": cut(&headline(n), 130),
            "alias": alias,
            "description": cut(&[vec![headline(n)], lines(n), urls].concat().join("\n"), 15_000),
            "details": common(&n.alerts, own_labels),
            "source": base,
        });
        if !target.option("priority").is_empty() {
            body["priority"] = target.option("priority").into();
        }
        if !target.option("tags").is_empty() {
            body["tags"] = target.option("tags").split(',').map(str::trim).collect();
        }
        ("/v2/alerts".to_string(), body)
    } else {
        (
            format!("/v2/alerts/{alias}/close?identifierType=alias"),
            json!({ "source": base, "note": headline(n) }),
        )
    };
    Request { path, headers, content_type: "application/json", body: body.to_string() }
}

fn ntfy(n: &Notification, target: &Target, base: &str) -> Request {
    // Headers hold printable ASCII only: what else there is goes into the text.
    let plain = |text: &str| -> String { text.chars().filter(|c| (' '..='~').contains(c)).collect() };
    let (priority, tag) = if is_firing(n) { ("4", "rotating_light") } else { ("2", "white_check_mark") };
    let option = |name: &str, default: &str| match target.option(name) {
        "" => default.to_string(),
        set => plain(set),
    };
    let mut headers = vec![
        ("X-Title", plain(&cut(&headline(n), 200).replace('…', "..."))),
        ("X-Priority", option("priority", priority)),
        ("X-Tags", option("tags", tag)),
    ];
    let actions: Vec<String> = links(n, base)
        .into_iter()
        .filter(|(_, url)| !url.contains([',', ';', '"']))
        .take(3)
        .map(|(title, url)| format!("view, {title}, {}", plain(&url)))
        .collect();
    if !actions.is_empty() {
        headers.push(("X-Actions", actions.join("; ")));
    }
    let body = cut(&[vec![headline(n)], lines(n)].concat().join("\n"), 3_500);
    Request { path: String::new(), headers, content_type: "text/plain", body }
}

/// An adaptive card, as workflows of Teams take it.
fn teams(n: &Notification, base: &str) -> Json {
    let colour = if is_firing(n) { "attention" } else { "good" };
    let mut blocks = vec![json!({
        "type": "TextBlock", "text": headline(n), "weight": "bolder", "size": "medium", "wrap": true, "color": colour,
    })];
    blocks.extend(
        lines(n).into_iter().take(30).map(|l| json!({ "type": "TextBlock", "text": l, "wrap": true })),
    );
    let actions: Vec<Json> = links(n, base)
        .into_iter()
        .map(|(title, url)| json!({ "type": "Action.OpenUrl", "title": title, "url": url }))
        .collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": blocks,
                "actions": actions,
            },
        }],
    })
}

const _: () = assert!(LISTED_MAX >= SHOWN_MAX);

#[cfg(test)]
mod tests;
