//! Who is affected: how many requests went wrong, and of which users, tenants, API keys, as far as spans or log records name them. What was
//! looked at is bounded, and an answer that does not cover everything says so. It must never take a span that names nobody for nobody.

use super::{requests, service};
use crate::app::App;
use crate::gate::Stop;
use crate::traces::read;
use model::{Severity, SpanKind};
use monitor::slo::Slo;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use stdx::{Error, ErrorKind, Result};
use store::tables::{Order, Predicate, Scan, Table, to_log_batch};

/// Spans or records that one question looks at.
const ROWS_MAX: usize = 100_000;
/// Different values of one field that are counted.
const VALUES_MAX: usize = 20_000;
/// Values that are named.
const NAMED_MAX: usize = 8;
/// The longest value that is told, in characters.
const VALUE_CHARS_MAX: usize = 80;

/// Fields that name somebody, by whom: OpenTelemetry's (user.id, enduser.id) and usual ones.
const FIELDS: [(&str, &[&str]); 4] = [
    (
        "users",
        &[
            "user.id",
            "enduser.id",
            "user_id",
            "userId",
            "user",
            "customer.id",
            "customer_id",
            "customer",
            "account.id",
            "account_id",
        ],
    ),
    (
        "tenants",
        &["tenant.id", "tenant_id", "tenant", "org.id", "org_id", "organization", "workspace_id", "team_id"],
    ),
    (
        "API keys",
        &[
            "api_key.id",
            "api_key_id",
            "api.key",
            "api_key",
            "apikey",
            "api_key_hash",
            "client.id",
            "client_id",
        ],
    ),
    ("sessions", &["session.id", "session_id", "enduser.session"]),
];

#[derive(Default)]
struct Counted {
    /// By whom and field: values with how often.
    values: BTreeMap<(usize, String), HashMap<String, u64>>,
    rows: u64,
    /// Rows that name somebody.
    named: u64,
    is_cut: bool,
}

impl Counted {
    fn add<'a>(&mut self, attributes: impl Iterator<Item = (&'a str, &'a str)>) {
        self.rows += 1;
        self.is_cut |= self.rows as usize >= ROWS_MAX;
        let mut who = BTreeSet::new();
        for (name, value) in attributes {
            let Some(place) = FIELDS.iter().position(|(_, names)| names.contains(&name)) else { continue };
            if value.is_empty() {
                continue;
            }
            who.insert(place);
            let values = self.values.entry((place, name.to_string())).or_default();
            if values.len() < VALUES_MAX || values.contains_key(value) {
                let value: String = value.chars().take(VALUE_CHARS_MAX).collect();
                *values.entry(value).or_default() += 1;
            } else {
                self.is_cut = true;
            }
        }
        self.named += u64::from(!who.is_empty());
    }

    fn to_json(&self) -> Vec<Json> {
        let mut out = Vec::new();
        for (place, (whom, _)) in FIELDS.iter().enumerate() {
            // Of several fields for the same the one that tells most apart.
            let fields = self.values.iter().filter(|((p, _), _)| *p == place);
            let Some(((_, field), values)) = fields.max_by_key(|(_, values)| values.len()) else { continue };
            let mut most: Vec<(&String, &u64)> = values.iter().collect();
            most.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
            let named: Vec<Json> =
                most.iter().take(NAMED_MAX).map(|(v, n)| json!({ "value": v, "count": n })).collect();
            out.push(json!({ "whom": whom, "field": field, "count": values.len(), "most": named }));
        }
        out
    }
}

/// Answers for the `range_ms` before `now_ms`.
///
/// # Errors
/// `Cancelled` if it takes too long.
pub fn run(app: &App, slo: &Slo, now_ms: i64, range_ms: i64, stop: &Stop) -> Result<Json> {
    let service = service(slo);
    if service.is_empty() {
        let why =
            "Nobody said whose promise this is: with `service` its spans and log records can be looked at.";
        return Ok(json!({ "range_ms": range_ms, "source": null, "who": [], "why": why }));
    }
    let range_ns = ((now_ms - range_ms).saturating_mul(1_000_000), now_ms.saturating_mul(1_000_000));
    let spans = of_spans(app, slo, service, range_ns, stop)?;
    let logs = if spans.values.is_empty() { Some(of_logs(app, service, range_ns, stop)?) } else { None };
    let (source, counted) = match &logs {
        Some(logs) if !logs.values.is_empty() => ("log records", logs),
        _ => ("spans", &spans),
    };
    let why = match () {
        () if counted.rows == 0 => format!("No span or log record of {service} failed in this time."),
        () if counted.named == 0 => format!(
            "{} {source} failed, and none of them names a user, tenant or API key (user.id, tenant.id, api_key ...).",
            counted.rows
        ),
        () => String::new(),
    };
    let share = app.spans.shares().get(service).copied();
    let share = share.map(|s| s.kept as f64 / ((s.kept + s.dropped) as f64).max(1.0));
    Ok(json!({
        "range_ms": range_ms, "service": service, "source": source, "looked_at": counted.rows,
        "named": counted.named, "is_cut": counted.is_cut, "kept": share, "who": counted.to_json(), "why": why,
    }))
}

fn of_spans(app: &App, slo: &Slo, service: &str, range_ns: (i64, i64), stop: &Stop) -> Result<Counted> {
    let equals = |column: &str, value: &str| Predicate::Equals { column: column.into(), value: value.into() };
    let (operation, below) = requests(slo);
    let mut all = vec![equals("service", service)];
    if !operation.is_empty() {
        all.push(equals("name", operation));
    }
    let failed = equals("status", "error");
    let mut ways = vec![vec![failed.clone()]];
    if let Some(below) = below {
        let slow = Predicate::AtLeast { column: "duration_ns".into(), value: (below * 1e9) as i64 };
        ways.push(vec![Predicate::Not(Box::new(failed)), slow]);
    }
    let mut counted = Counted::default();
    for way in ways {
        let scan = Scan {
            from_ns: range_ns.0,
            to_ns: range_ns.1,
            predicates: all.iter().cloned().chain(way).collect(),
            order: Order::NewestFirst,
            ..Scan::new(Table::Spans)
        };
        read(app, scan, stop, |batch| {
            let asked = |kind: SpanKind| matches!(kind, SpanKind::Server | SpanKind::Consumer);
            for span in batch.spans.iter().filter(|s| asked(s.kind)) {
                counted.add(span.attributes.iter());
            }
            !counted.is_cut
        })?;
    }
    Ok(counted)
}

fn of_logs(app: &App, service: &str, range_ns: (i64, i64), stop: &Stop) -> Result<Counted> {
    let scan = Scan {
        from_ns: range_ns.0,
        to_ns: range_ns.1,
        predicates: vec![
            Predicate::Equals { column: "service".into(), value: service.into() },
            Predicate::SeverityAtLeast(Severity::ERROR),
        ],
        order: Order::NewestFirst,
        ..Scan::new(Table::Logs)
    };
    let mut counted = Counted::default();
    for batch in app.store.tables().scan(scan)? {
        if stop() {
            let text = "looking for who is affected took too long; ask for a shorter time";
            return Err(Error::new(ErrorKind::Cancelled, text).bound("query.timeout"));
        }
        let records = to_log_batch(&batch?);
        (0..records.len()).for_each(|i| counted.add(records.attributes(i)));
        if counted.is_cut {
            break;
        }
    }
    Ok(counted)
}
