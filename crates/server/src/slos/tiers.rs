//! Who takes the time: of the requests of an objective the newest are put together, and the time on their critical paths is told by tier,
//! as the objective splits it, else by service. Tiers with an expression of their own are asked by that. It must never add up
//! what ran side by side: only what everything waited for counts.

use super::{requests, service};
use crate::app::App;
use crate::gate::Stop;
use crate::traces::read;
use crate::traces::search::whole_traces;
use ::query::{QueryError, Value};
use look::trace::{Trace, assemble};
use model::{SpanBatch, SpanId, SpanKind, TraceId};
use monitor::slo::{Slo, TierOf};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use store::tables::{Order, Predicate, Scan, Table};

/// Requests that are looked at.
const REQUESTS_MAX: usize = 300;
/// Spans of all of them.
const SPANS_MAX: usize = 60_000;
/// Services that are told where nobody named tiers.
const SERVICES_MAX: usize = 12;
/// What stands for services that are in no tier.
const OTHER: &str = "everything else";

/// A request: seconds by service on its critical path, and in all.
struct Taken {
    services: BTreeMap<String, f64>,
    all_s: f64,
}

/// Answers for the `range_ms` before `now_ms`.
///
/// # Errors
/// If the time is over.
pub fn run(app: &App, slo: &Slo, now_ms: i64, range_ms: i64, stop: Stop) -> Result<Json, QueryError> {
    let mut asked = Vec::new();
    for tier in &slo.tiers {
        let TierOf::Expr(text) = &tier.of else { continue };
        let value = value_of(app, text, now_ms, stop.clone())?;
        asked.push(told(&tier.name, Some(tier.budget_s), value, value, None));
    }
    let service = service(slo);
    let taken =
        if service.is_empty() { Vec::new() } else { requests_of(app, slo, (now_ms, range_ms), &stop)? };
    let (_, below) = requests(slo);
    let mut tiers = of_traces(slo, &taken);
    tiers.extend(asked);
    let mut all: Vec<f64> = taken.iter().map(|t| t.all_s).collect();
    let why = match () {
        () if !tiers.is_empty() => "",
        () if service.is_empty() => {
            "Nobody said whose promise this is: with `service` its traces can be looked at."
        }
        () => "There is no trace of these requests in this time.",
    };
    Ok(json!({
        "range_ms": range_ms, "requests": taken.len(), "is_cut": taken.len() >= REQUESTS_MAX, "budget_s": below,
        "typical_s": at(&mut all, 0.5), "slow_s": at(&mut all, 0.95), "tiers": tiers, "why": why,
    }))
}

fn told(
    name: &str,
    budget_s: Option<f64>,
    typical_s: Option<f64>,
    slow_s: Option<f64>,
    share: Option<f64>,
) -> Json {
    let is_over = budget_s.zip(slow_s).map(|(budget, slow)| slow > budget);
    json!({
        "name": name, "budget_s": budget_s, "typical_s": typical_s, "slow_s": slow_s, "share": share,
        "is_over": is_over,
    })
}

fn value_of(app: &App, text: &str, now_ms: i64, stop: Stop) -> Result<Option<f64>, QueryError> {
    let options = crate::api::query_options(app, stop);
    let expr = ::query::parse(text).map_err(QueryError::from)?;
    let value = ::query::instant(&app.store.view(), &expr, now_ms, &options)?.value;
    Ok(match value {
        // The worst of several.
        Value::Vector(rows) => {
            rows.into_iter().filter_map(|(_, _, v)| v.number()).filter(|v| v.is_finite()).reduce(f64::max)
        }
        Value::Scalar(v) if v.is_finite() => Some(v),
        _ => None,
    })
}

fn requests_of(
    app: &App,
    slo: &Slo,
    (now_ms, range_ms): (i64, i64),
    stop: &Stop,
) -> stdx::Result<Vec<Taken>> {
    let (operation, _) = requests(slo);
    let equals = |column: &str, value: &str| Predicate::Equals { column: column.into(), value: value.into() };
    let mut predicates = vec![equals("service", service(slo))];
    if !operation.is_empty() {
        predicates.push(equals("name", operation));
    }
    let scan = Scan {
        from_ns: (now_ms - range_ms).saturating_mul(1_000_000),
        to_ns: now_ms.saturating_mul(1_000_000),
        predicates,
        columns: Some(
            ["time", "duration_ns", "trace_id", "span_id", "parent_id", "service", "name", "kind"]
                .map(String::from)
                .to_vec(),
        ),
        order: Order::NewestFirst,
        ..Scan::new(Table::Spans)
    };
    let mut found: BTreeMap<TraceId, (SpanId, i64)> = BTreeMap::new();
    read(app, scan, stop, |batch| {
        let asked = |kind: SpanKind| matches!(kind, SpanKind::Server | SpanKind::Consumer);
        for span in batch.spans.iter().filter(|s| asked(s.kind)) {
            found.entry(span.trace_id).or_insert((span.span_id, span.start_ns));
        }
        found.len() < REQUESTS_MAX
    })?;
    let wanted: Vec<(TraceId, i64)> =
        found.iter().take(REQUESTS_MAX).map(|(id, (_, start_ns))| (*id, *start_ns)).collect();
    let traces = whole_traces(app, &wanted, SPANS_MAX, stop)?;
    Ok(traces.iter().filter_map(|(id, batch)| taken(batch, found.get(id)?.0)).collect())
}

/// The critical path of a trace, as far as it lies within one span.
fn taken(batch: &SpanBatch, of: SpanId) -> Option<Taken> {
    let trace: Trace = assemble(batch);
    let placed = trace.spans.iter().find(|p| batch.spans[p.span].span_id == of)?;
    let span = &batch.spans[placed.span];
    let start = span.start_ns.saturating_add(placed.shift_ns);
    let end = start.saturating_add(i64::try_from(span.duration_ns).unwrap_or(i64::MAX));
    let mut services: BTreeMap<String, f64> = BTreeMap::new();
    for segment in &trace.critical {
        let inside_ns = segment.to_ns.min(end) - segment.from_ns.max(start);
        if inside_ns > 0 {
            let by = &batch.spans[trace.spans.get(segment.span)?.span];
            *services.entry(batch.origin(by).service.clone()).or_default() += inside_ns as f64 / 1e9;
        }
    }
    Some(Taken { services, all_s: span.duration_ns as f64 / 1e9 })
}

fn of_traces(slo: &Slo, taken: &[Taken]) -> Vec<Json> {
    if taken.is_empty() {
        return Vec::new();
    }
    let named: Vec<(&str, f64, &[String])> = slo
        .tiers
        .iter()
        .filter_map(|t| match &t.of {
            TierOf::Services(services) => Some((t.name.as_str(), t.budget_s, services.as_slice())),
            TierOf::Expr(_) => None,
        })
        .collect();
    let tier_of = |service: &str| match named.iter().find(|(_, _, of)| of.iter().any(|s| s == service)) {
        Some((name, ..)) => (*name).to_string(),
        None if named.is_empty() => service.to_string(),
        None => OTHER.to_string(),
    };
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (number, one) in taken.iter().enumerate() {
        for (service, seconds) in &one.services {
            let all = times.entry(tier_of(service)).or_default();
            // A request that did without a tier spent no time in it.
            all.resize(number, 0.0);
            match all.get_mut(number) {
                Some(own) => *own += seconds,
                None => all.push(*seconds),
            }
        }
        times.values_mut().for_each(|all| all.resize(number + 1, 0.0));
    }
    let sum: f64 = times.values().flatten().sum();
    let mut out: Vec<(f64, Json)> = times
        .into_iter()
        .map(|(name, mut all)| {
            let own: f64 = all.iter().sum();
            let budget_s = named.iter().find(|(n, ..)| *n == name).map(|(_, budget, _)| *budget);
            let share = (sum > 0.0).then(|| own / sum);
            (own, told(&name, budget_s, at(&mut all, 0.5), at(&mut all, 0.95), share))
        })
        .collect();
    out.sort_by(|a, b| b.0.total_cmp(&a.0));
    out.into_iter().take(SERVICES_MAX).map(|(_, json)| json).collect()
}

/// The value that so much of all do not exceed.
fn at(all: &mut [f64], share: f64) -> Option<f64> {
    all.sort_by(f64::total_cmp);
    let last = all.len().checked_sub(1)?;
    all.get((last as f64 * share).round() as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_that_a_request_did_without_took_no_time_in_it() {
        let one = |list: &[(&str, f64)]| Taken {
            services: list.iter().map(|(n, s)| ((*n).to_string(), *s)).collect(),
            all_s: list.iter().map(|(_, s)| s).sum(),
        };
        let taken =
            [one(&[("web", 2.0), ("db", 1.0)]), one(&[("web", 2.0)]), one(&[("web", 1.0), ("cart", 1.0)])];
        let tier = |name: &str, budget_s, services: &[&str]| monitor::slo::Tier {
            name: name.into(),
            budget_s,
            of: TierOf::Services(services.iter().map(|s| (*s).to_string()).collect()),
        };
        let yaml = "name: t\nspans: web\nobjective: 99 %\n";
        let mut slo = monitor::slo::read::read_one("t", yaml, &|_| Ok(())).unwrap();
        let names = |slo: &Slo| -> Vec<String> {
            let one = |t: &Json| format!("{} {} {} {}", t["name"], t["typical_s"], t["slow_s"], t["is_over"]);
            of_traces(slo, &taken).iter().map(one).collect()
        };
        assert_eq!(
            names(&slo),
            ["\"web\" 2.0 2.0 null", "\"cart\" 0.0 1.0 null", "\"db\" 0.0 1.0 null"].map(String::from)
        );
        slo.tiers = vec![tier("front end", 1.5, &["web"]), tier("back end", 1.0, &["db"])];
        assert_eq!(
            names(&slo),
            ["\"front end\" 2.0 2.0 true", "\"back end\" 0.0 1.0 false", "\"everything else\" 0.0 1.0 null"]
                .map(String::from)
        );
    }
}
