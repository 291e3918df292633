//! An objective as series and alerting rules: what was counted is recorded (`slo:...`), and ordinary alerts look at that, so that they
//! wait, fire, survive restarts, are silenced and told as all others. It must never make a rule that could not stand in a rule file.

use super::judge::Verdict;
use super::words::number;
use super::{Pair, SLO_LABEL, STEP_MS, Slo};
use crate::rule::{Alerting, BLIND_FOR_MS, Group, Kind, Rule};
use crate::template::Template;
use model::Labels;
use model::labels::NAME;
use model::time::format_duration_ms;
use std::sync::Arc;

/// How many times faster than allowed the budget burns, over each window.
pub const BURN: &str = "slo:burn_rate:ratio";
/// Bad events in each window.
pub const BAD: &str = "slo:bad_events:count";
/// Events in each window.
pub const EVENTS: &str = "slo:events:count";
/// The share of the budget that is left.
pub const LEFT: &str = "slo:budget_left:ratio";
/// The objective.
pub const OBJECTIVE: &str = "slo:objective:ratio";

/// The objective as a group of rules.
pub fn group(slo: Arc<Slo>) -> Group {
    let (pages, tickets): (Vec<&Pair>, Vec<&Pair>) = slo.pairs.iter().partition(|p| p.is_page());
    let rules = [("burns fast", pages), ("burns slowly", tickets)];
    let rules = rules.into_iter().filter(|(_, pairs)| !pairs.is_empty());
    Group {
        file: slo.file.clone(),
        name: format!("slo {}", slo.id),
        interval_ms: STEP_MS,
        query_offset_ms: 0,
        limit: 0,
        rules: rules.map(|(word, pairs)| rule(&slo, word, &pairs)).collect(),
        line: slo.line,
        slo: Some(slo),
    }
}

fn rule(slo: &Slo, word: &str, pairs: &[&Pair]) -> Rule {
    let of = |metric: &str, ms: i64| {
        format!("{metric}{{{SLO_LABEL}={:?},window={:?}}}", slo.id, format_duration_ms(ms))
    };
    let enough = number(slo.enough);
    let each = pairs.iter().map(|p| {
        let factor = number(p.factor);
        format!(
            "({} > {factor} and ignoring (window) {} > {factor} and {} >= {enough})",
            of(BURN, p.long_ms),
            of(BURN, p.short_ms),
            of(BAD, p.long_ms)
        )
    });
    let expr = format!("max without (window) ({})", each.collect::<Vec<_>>().join(" or "));
    let longs: Vec<String> = pairs.iter().map(|p| format_duration_ms(p.long_ms)).collect();
    let longs = longs.join("|");
    let judged =
        format!("max without (window) ({EVENTS}{{{SLO_LABEL}={:?},window=~{longs:?}}}) >= {enough}", slo.id);
    let text = |name: &str, text: String| (name.to_string(), Template::plain(&text));
    let promise = if slo.about.is_empty() { slo.name.clone() } else { slo.about.clone() };
    // A name that looks like a template stays a name.
    let safe = promise.trim_end_matches('.').replace("{{", "{ {");
    let summary = Template::parse(&format!(
        "{safe}: breaking, {{{{ $value | humanize }}}} times faster than its budget allows{{{{ with query \"clamp_min({LEFT}{{{SLO_LABEL}='{}'}}, 0)\" }}}}; {{{{ . | first | value | humanizePercentage }}}} of the budget is left{{{{ end }}}}",
        slo.id
    ))
    .unwrap_or_else(|_| Template::plain(&safe));
    let objective =
        format!("{} % of {} good over {}", number(slo.objective * 100.0), slo.events(), slo.window.words());
    let mut annotations = vec![
        ("summary".to_string(), summary),
        text("description", format!("Promised: {objective}.")),
        text(
            "why",
            format!(
                "It fires at {}, once {} or more went wrong.",
                pairs.iter().map(|p| p.words()).collect::<Vec<_>>().join(", or "),
                enough
            ),
        ),
    ];
    for (name, value) in [("action", &slo.action), ("owner", &slo.owner)] {
        if !value.is_empty() {
            annotations.push(text(name, value.clone()));
        }
    }
    let severity = pairs.first().map_or("ticket", |p| p.severity.as_str());
    let mut labels = vec![text("severity", severity.to_string()), text(SLO_LABEL, slo.id.clone())];
    if !slo.service.is_empty() {
        labels.push(text("service", slo.service.clone()));
    }
    labels.extend(slo.labels.iter().map(|(n, v)| text(n, v.clone())));
    // One of its rules says that nothing is counted any more, not each.
    let blind_for_ms = pairs.iter().any(|p| p.is_page()).then_some(BLIND_FOR_MS);
    let alerting =
        Alerting { for_ms: 0, keep_firing_for_ms: 0, annotations, blind_for_ms, enough: Some(judged) };
    Rule {
        name: format!("{} {word}", slo.name),
        expr,
        labels,
        kind: Kind::Alerting(alerting),
        line: slo.line,
    }
}

/// What is recorded of a verdict.
pub fn series(slo: &Slo, verdict: &Verdict) -> Vec<(Labels, f64)> {
    let mut out = Vec::new();
    let mut put = |metric: &str, window_ms: Option<i64>, value: f64| {
        let window = window_ms.map(format_duration_ms).unwrap_or_default();
        let mut pairs = vec![(NAME, metric), (SLO_LABEL, slo.id.as_str())];
        if !slo.service.is_empty() {
            pairs.push(("service", slo.service.as_str()));
        }
        if window_ms.is_some() {
            pairs.push(("window", window.as_str()));
        }
        if let Ok(labels) = Labels::from_pairs(pairs) {
            out.push((labels, value));
        }
    };
    for burn in &verdict.burns {
        if let Some(rate) = burn.rate {
            put(BURN, Some(burn.window_ms), rate);
        }
        // Of a time without data nothing is known, not even that there were no events.
        if burn.sum.known_ms > 0.0 {
            put(EVENTS, Some(burn.window_ms), burn.sum.total);
            put(BAD, Some(burn.window_ms), burn.sum.bad());
        }
    }
    if let Some(left) = verdict.budget.left {
        put(LEFT, None, left);
    }
    put(OBJECTIVE, None, slo.objective);
    out
}
