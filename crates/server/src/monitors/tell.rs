//! Monitors as JSON: in Prometheus's form, which Grafana and others read, and in our own with all that is known. It must
//! never change anything.

use super::{LoadedGroup, Monitors, RuleRun, lock};
use look::home::{State, Watched};
use model::Labels;
use model::time::{format_duration_ms, format_rfc3339_ms};
use monitor::notify::dispatch::Muted;
use monitor::notify::words::since_words;
use monitor::notify::{Alert, fingerprint, object};
use monitor::{Active, AlertState, Judgement, Rule};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Which groups and rules are wanted; empty lists are all.
#[derive(Default)]
pub struct Wanted {
    /// `record` or `alert`.
    pub kind: Option<String>,
    /// Names of rules.
    pub rules: Vec<String>,
    /// Names of groups.
    pub groups: Vec<String>,
    /// Files.
    pub files: Vec<String>,
    /// Matchers of a rule's labels: one of the sets has to match.
    pub matchers: Vec<Vec<model::Matcher>>,
    /// Leave the alerts out.
    pub without_alerts: bool,
}

fn annotations(alert: &Active) -> Json {
    object(alert.annotations.iter().map(|(n, v)| (n.as_str(), v.as_str()))).into()
}

/// An alert as Prometheus has it.
pub fn alert_json(alert: &Active) -> Json {
    let mut json = json!({
        "labels": object(alert.labels.iter()),
        "annotations": annotations(alert),
        "state": alert.state.as_str(),
        "activeAt": format_rfc3339_ms(alert.active_at_ms),
        "value": exponent(alert.value),
    });
    if let Some(since) = alert.kept_since_ms {
        json["keepFiringSince"] = format_rfc3339_ms(since).into();
    }
    json
}

/// A number as Prometheus writes the value of an alert: `1e+00`.
fn exponent(value: f64) -> String {
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, power)) => {
            let power: i32 = power.parse().unwrap_or(0);
            format!("{digits}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
        }
        None => number(value),
    }
}

/// A number as Prometheus's API writes it: a text.
fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        value => value.to_string(),
    }
}

/// Prometheus's health of a rule.
fn health(run: &RuleRun) -> &'static str {
    match run.last_ms {
        None => "unknown",
        Some(_) if run.error.is_empty() => "ok",
        Some(_) => "err",
    }
}

fn time(ms: Option<i64>) -> String {
    // The zero time of Go: never.
    ms.map_or_else(|| "0001-01-01T00:00:00Z".into(), format_rfc3339_ms)
}

/// `GET /api/v1/rules`: groups with their rules.
pub fn rules(monitors: &Monitors, wanted: &Wanted) -> Vec<Json> {
    let has = |list: &[String], name: &str| list.is_empty() || list.iter().any(|n| n == name);
    let mut out = Vec::new();
    for group in monitors.groups() {
        if !has(&wanted.groups, &group.group.name) || !has(&wanted.files, &group.group.file) {
            continue;
        }
        let rules: Vec<Json> = group
            .each(|_, rule, parsed, run| {
                let kind = if rule.alerting().is_some() { "alert" } else { "record" };
                let is_wanted = has(&wanted.rules, &rule.name)
                    && wanted.kind.as_ref().is_none_or(|k| k == kind)
                    && matches(rule, &wanted.matchers);
                is_wanted.then(|| rule_json(rule, &parsed.id, run, wanted.without_alerts))
            })
            .into_iter()
            .flatten()
            .collect();
        if rules.is_empty()
            && (!wanted.rules.is_empty() || wanted.kind.is_some() || !wanted.matchers.is_empty())
        {
            continue;
        }
        let run = lock(&group.run);
        out.push(json!({
            "name": group.group.name,
            "file": group.group.file,
            "rules": rules,
            "interval": group.group.interval_ms as f64 / 1000.0,
            "limit": group.group.limit,
            "evaluationTime": run.took_s,
            "lastEvaluation": time(run.last_ms),
        }));
    }
    out
}

fn matches(rule: &Rule, sets: &[Vec<model::Matcher>]) -> bool {
    sets.is_empty() || sets.iter().any(|set| set.iter().all(|m| m.matches(rule.label(&m.name))))
}

fn rule_json(rule: &Rule, id: &str, run: &RuleRun, without_alerts: bool) -> Json {
    let labels = object(rule.labels.iter().map(|(n, t)| (n.as_str(), t.text())));
    let mut json = json!({
        "name": rule.name,
        "query": rule.expr,
        "labels": labels,
        "health": health(run),
        "evaluationTime": run.took_s,
        "lastEvaluation": time(run.last_ms),
    });
    if !run.error.is_empty() {
        json["lastError"] = run.error.as_str().into();
    }
    match rule.alerting() {
        None => json["type"] = "recording".into(),
        Some(alerting) => {
            let state = run.state.active().map(|a| a.state).max().unwrap_or(AlertState::Resolved);
            json["type"] = "alerting".into();
            json["state"] = state.as_str().into();
            json["duration"] = (alerting.for_ms as f64 / 1000.0).into();
            json["keepFiringFor"] = (alerting.keep_firing_for_ms as f64 / 1000.0).into();
            json["annotations"] =
                object(alerting.annotations.iter().map(|(n, t)| (n.as_str(), t.text()))).into();
            let alerts =
                if without_alerts { Vec::new() } else { run.state.active().map(alert_json).collect() };
            json["alerts"] = Json::Array(alerts);
            json["midwatch"] = json!({ "id": id, "judgement": run.state.judgement().as_str() });
        }
    }
    json
}

/// `GET /api/v1/alerts`: alerts that wait or fire.
pub fn alerts(monitors: &Monitors) -> Vec<Json> {
    let mut out = Vec::new();
    for group in monitors.groups() {
        group.each(|_, _, _, run| out.extend(run.state.active().map(alert_json)));
    }
    out
}

/// What is wrong with files of rules, objectives and notifications.
pub fn problems(monitors: &Monitors) -> Vec<Json> {
    let one = |p: &monitor::Problem| json!({ "file": p.file, "line": p.line, "what": p.what, "is_error": p.is_error });
    monitors.problems().iter().map(one).collect()
}

/// Every monitor with what is known of it.
pub fn monitors(monitors: &Monitors, now_ms: i64) -> Vec<Json> {
    let acks: BTreeMap<Labels, Json> = {
        let notify = monitors.notify();
        let all = notify.notifier.acks(now_ms);
        all.map(|ack| (ack.labels.clone(), super::people::ack_json(Some(ack)))).collect()
    };
    let mut out = Vec::new();
    for group in monitors.groups() {
        out.extend(group.each(|i, rule, _, run| one(&group, i, rule, run, &acks)).into_iter().flatten());
    }
    out
}

/// One monitor; `None` for a recording rule.
fn one(
    group: &LoadedGroup,
    i: usize,
    rule: &Rule,
    run: &RuleRun,
    acks: &BTreeMap<Labels, Json>,
) -> Option<Json> {
    let alerting = rule.alerting()?;
    let parsed = &group.parsed[i];
    let why = match run.state.judgement() {
        Judgement::CannotJudge(why) => why.as_str(),
        _ => "",
    };
    let alerts: Vec<Json> = run
        .state
        .alerts()
        .map(|a| {
            json!({
                "labels": object(a.labels.iter()),
                "annotations": annotations(a),
                "state": a.state.as_str(),
                "value": number(a.value),
                "active_at_ms": a.active_at_ms,
                "fired_at_ms": a.fired_at_ms,
                "resolved_at_ms": a.resolved_at_ms,
                "fingerprint": format!("{:016x}", fingerprint(&a.labels)),
                "ack": acks.get(&a.labels),
            })
        })
        .collect();
    let history: Vec<Json> =
        run.history.iter().map(|(at, state)| json!({ "at_ms": at, "state": state })).collect();
    Some(json!({
        "id": parsed.id,
        "name": rule.name,
        "state": run.state.judgement().as_str(),
        "why": why,
        "since_ms": run.state.since_ms(),
        "blind": run.state.blind().map(|a| json!({
            "state": a.state.as_str(),
            "since_ms": a.active_at_ms,
            "fingerprint": format!("{:016x}", fingerprint(&a.labels)),
            "ack": acks.get(&a.labels),
        })),
        "expr": rule.expr,
        "limit": parsed.limit,
        "for": format_duration_ms(alerting.for_ms),
        "keep_firing_for": format_duration_ms(alerting.keep_firing_for_ms),
        "enough": alerting.enough,
        "labels": object(rule.labels.iter().map(|(n, t)| (n.as_str(), t.text()))),
        "annotations": object(alerting.annotations.iter().map(|(n, t)| (n.as_str(), t.text()))),
        "group": group.group.name,
        "slo": group.group.slo.as_ref().map(|slo| slo.id.as_str()),
        "file": group.group.file,
        "line": rule.line,
        "is_own": group.group.file == super::files::OWN_FILE,
        "interval_ms": group.group.interval_ms,
        "last_ms": run.last_ms,
        "took_s": run.took_s,
        "detection_ms": run.detection_ms,
        "detection_worst_ms": run.detection_worst_ms,
        "fired": run.fired,
        "alerts": alerts,
        "history": history,
    }))
}

/// An alert as Alertmanager's API has it.
pub fn gettable(monitors: &Monitors, alert: &Alert, muted: &Muted, now_ms: i64) -> Json {
    let notify = monitors.notify();
    let config = notify.notifier.config().clone();
    drop(notify);
    let routes = config.route.matching(&alert.labels);
    let receivers: Vec<Json> = routes.iter().map(|r| json!({ "name": r.receiver })).collect();
    let inhibited: Vec<String> =
        muted.inhibited_by.iter().map(|l: &Labels| format!("{:016x}", fingerprint(l))).collect();
    json!({
        "labels": object(alert.labels.iter()),
        "annotations": object(alert.annotations.iter().map(|(n, v)| (n.as_str(), v.as_str()))),
        "startsAt": format_rfc3339_ms(alert.starts_at_ms),
        "endsAt": format_rfc3339_ms(alert.ends_at_ms.unwrap_or(now_ms + config.resolve_timeout_ms)),
        "updatedAt": format_rfc3339_ms(now_ms),
        "generatorURL": alert.url,
        "fingerprint": format!("{:016x}", fingerprint(&alert.labels)),
        "receivers": receivers,
        "status": {
            "state": if muted.is_muted() { "suppressed" } else { "active" },
            "silencedBy": muted.silenced_by,
            "inhibitedBy": inhibited,
            "mutedBy": [],
        },
    })
}

/// Who is told, what waits, what was lost, and the silences.
pub fn notifications(monitors: &Monitors, now_ms: i64) -> Json {
    let notify = monitors.notify();
    let config = notify.notifier.config().clone();
    let receivers: Vec<Json> = config
        .receivers
        .iter()
        .map(|receiver| {
            let targets = receiver.targets.iter().enumerate().map(|(place, target)| {
                let name = format!("{}/{place}", receiver.name);
                let waiting: Vec<_> =
                    notify.outbox.waiting().filter(|w| w.notification.target == name).collect();
                json!({
                    "kind": target.kind.as_str(),
                    "delivered": notify.outbox.delivered.get(&name).copied().unwrap_or(0),
                    "waiting": waiting.len(),
                    "problem": waiting.first().map_or("", |w| w.problem.as_str()),
                    "tries": waiting.first().map_or(0, |w| w.tries),
                })
            });
            json!({ "name": receiver.name, "targets": targets.collect::<Vec<_>>() })
        })
        .collect();
    let silences: Vec<Json> = notify.notifier.silences().iter().map(|s| s.to_api(now_ms)).collect();
    let lost = notify.outbox.lost;
    json!({
        "configured": monitors.settings.notifications.is_some(),
        "receivers": receivers,
        "silences": silences,
        "lost": { "refused": lost.refused, "too_old": lost.too_old, "too_many": lost.too_many },
        "damaged_lines": notify.damaged,
        "heartbeat": config.heartbeat.as_ref().map(|h| json!({ "interval_ms": h.interval_ms, "last_ms": notify.heartbeat_ms })),
    })
}

/// Monitors as Home judges them.
pub fn watched(monitors: &Monitors, now_ms: i64) -> Vec<Watched> {
    let mut out = super::slo_tell::watched(monitors, now_ms);
    // An objective stands for its alerts.
    for group in monitors.groups().into_iter().filter(|g| g.group.slo.is_none()) {
        let each = group.each(|_, rule, parsed, run| {
            rule.alerting()?;
            let judgement = run.state.judgement();
            let state = match judgement {
                Judgement::Firing if ["info", "none"].contains(&rule.label("severity")) => State::Look,
                Judgement::Firing => State::Bad,
                Judgement::Pending => State::Look,
                Judgement::Fine => State::Fine,
                Judgement::Unknown | Judgement::NoData | Judgement::TooLittle | Judgement::CannotJudge(_) => {
                    State::Silent
                }
            };
            let word = match judgement {
                Judgement::Unknown => "not judged yet".to_string(),
                Judgement::NoData => "no data".into(),
                Judgement::TooLittle => "too little traffic to judge".into(),
                Judgement::CannotJudge(_) => "cannot be judged".into(),
                other => format!("{} since {}", other.as_str(), since_words(run.state.since_ms(), now_ms)),
            };
            let says = run.state.active().find_map(|a| {
                a.annotations
                    .iter()
                    .find(|(n, _)| n == "summary" || n == "description")
                    .map(|(_, v)| v.clone())
            });
            let detail = match judgement {
                Judgement::CannotJudge(why) => why.clone(),
                Judgement::NoData => format!("Nothing that it looks at has a sample: {}", rule.expr),
                _ => says.unwrap_or_else(|| rule.expr.clone()),
            };
            let (id, name) = (parsed.id.clone(), rule.name.clone());
            // A template is filled in by alerts, each with a service of its own.
            let service = Some(rule.label("service")).filter(|s| !s.contains("{{")).unwrap_or("").to_string();
            Some(Watched { id, name, service, is_slo: false, state, value: word, detail })
        });
        out.extend(each.into_iter().flatten());
    }
    out
}
