//! An objective as it is written to a file of objectives, and for the API. What is written is read back as the same. It must never
//! write what was only assumed, but for what people want to see and change.

use super::{ENOUGH, Op, Sli, Slo, TierOf, Window, usual_pairs};
use crate::template::significant;
use model::time::format_duration_ms;
use serde_json::{Map, Value as Json, json};

/// Its keys, in the order in which they are written.
pub fn keys(slo: &Slo) -> Vec<(&'static str, Json)> {
    let mut out: Vec<(&'static str, Json)> = vec![("name", slo.name.as_str().into())];
    for (key, text) in
        [("service", &slo.service), ("about", &slo.about), ("owner", &slo.owner), ("action", &slo.action)]
    {
        if !text.is_empty() {
            out.push((key, text.as_str().into()));
        }
    }
    out.push(("objective", format!("{} %", significant(slo.objective * 100.0, 9)).into()));
    let window = match slo.window {
        Window::Rolling(ms) => format_duration_ms(ms),
        Window::Calendar(period) => format!("calendar {}", period.as_str()),
    };
    out.push(("window", window.into()));
    match &slo.sli {
        Sli::Ratio { total, part, is_bad } => {
            out.push(("total", total.as_str().into()));
            out.push((if *is_bad { "bad" } else { "good" }, part.as_str().into()));
        }
        Sli::Latency { of, below } => {
            out.push(("latency", of.as_str().into()));
            out.push(("below", json!(below)));
        }
        Sli::Spans { service, operation, below } => {
            out.push(("spans", service.as_str().into()));
            if !operation.is_empty() {
                out.push(("operation", operation.as_str().into()));
            }
            out.extend(below.map(|b| ("below", json!(b))));
        }
        Sli::Threshold { value, op, limit } => {
            out.push(("value", value.as_str().into()));
            let key = match op {
                Op::Below => "below",
                Op::AtMost => "at_most",
                Op::Above => "above",
                Op::AtLeast => "at_least",
            };
            out.push((key, json!(limit)));
        }
    }
    if slo.enough != ENOUGH {
        out.push(("enough", json!(slo.enough)));
    }
    if slo.pairs != usual_pairs(slo.objective, slo.window.length(0)) {
        let each = slo.pairs.iter().map(|p| {
            json!({
                "burns": p.factor, "over": format_duration_ms(p.long_ms), "and": format_duration_ms(p.short_ms),
                "severity": p.severity,
            })
        });
        out.push(("alerts", each.collect()));
    }
    if !slo.tiers.is_empty() {
        let each = slo.tiers.iter().map(|t| match &t.of {
            TierOf::Services(services) => {
                json!({ "name": t.name, "budget": t.budget_s, "services": services })
            }
            TierOf::Expr(expr) => json!({ "name": t.name, "budget": t.budget_s, "expr": expr }),
        });
        out.push(("tiers", each.collect()));
    }
    if !slo.labels.is_empty() {
        let labels: Map<String, Json> =
            slo.labels.iter().map(|(n, v)| (n.clone(), v.as_str().into())).collect();
        out.push(("labels", labels.into()));
    }
    out
}

/// As an item of `slos:`. JSON's values are YAML's, whatever is in them.
pub fn yaml(slo: &Slo) -> String {
    let keys = keys(slo);
    let line = |(i, (key, value)): (usize, &(&str, Json))| {
        format!("  {} {key}: {value}\n", if i == 0 { "-" } else { " " })
    };
    keys.iter().enumerate().map(line).collect()
}
