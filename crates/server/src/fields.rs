//! Fields that differ, of log records and of spans: reads those inside a brush and those outside it, and has every value of every
//! field compared. How they are compared is for [`look::fields`]; this must never read more than its bounds without saying so.

use crate::app::App;
use crate::baseline::{self, Against};
use crate::changed::{round, seconds};
use crate::logs::search::Ask;
use crate::sweep::Watch;
use crate::traces::search::Search;
use look::fields::{Answer, Differs, Fields};
use look::logs::{Compiled, Query, Term, What as Condition};
use model::{LogBatch, Origin, Severity, Span, SpanBatch};
use serde_json::{Value as Json, json};
use stdx::{Error, Result};
use store::tables::{Order, Scan, Table, to_log_batch, to_spans};

/// Records that are read, of each side.
pub const RECORDS_MAX: usize = 500_000;
/// Values in one answer, each way.
pub const LIMIT_MAX: usize = 200;

/// What is looked at, and which of it is meant.
pub enum What {
    /// Log records that a search finds.
    Logs(Query),
    /// Spans; its range does not matter.
    Spans(Box<Search>),
}

impl What {
    /// The fields that it names.
    fn asked_for<'a>(&'a self) -> Vec<&'a str> {
        match self {
            What::Logs(query) => {
                let name = |term: &'_ Term| match &term.what {
                    Condition::Level(_) => Some("level"),
                    Condition::Service(_) => Some("service"),
                    Condition::Host(_) => Some("host"),
                    Condition::Pattern(_) => Some(PATTERN),
                    _ => None,
                };
                let field = |term: &'a Term| match &term.what {
                    Condition::Field(name, _) => Some(name.as_str()),
                    _ => None,
                };
                query.terms.iter().filter_map(|term| name(term).or_else(|| field(term))).collect()
            }
            What::Spans(search) => {
                let named = [
                    ("service", !search.service.is_empty()),
                    ("operation", !search.operation.is_empty()),
                    ("status", !search.status.is_empty()),
                ];
                let attributes = search.attributes.iter().map(|(name, _)| name.as_str());
                named.into_iter().filter(|n| n.1).map(|n| n.0).chain(attributes).collect()
            }
        }
    }
}

/// What is compared with what is meant.
pub enum Outside {
    /// The same at another time.
    Then(Against),
    /// All others of the same time.
    Others,
}

/// What is asked.
pub struct Question {
    /// The brush, milliseconds since 1970, ends included.
    pub window: (i64, i64),
    /// What of it.
    pub what: What,
    /// Against what.
    pub outside: Outside,
    /// Values in the answer, each way.
    pub limit: usize,
}

/// Counts records as they are read.
struct Counter<'a> {
    app: &'a App,
    watch: &'a Watch,
    fields: Fields,
    is_cut: bool,
    warnings: Vec<String>,
}

/// Which side a record is on; `None`: neither.
type Side<'a, T> = &'a dyn Fn(&T, usize) -> Option<bool>;

/// The answer as JSON.
///
/// # Errors
/// `Invalid` for a search that makes no sense; `Cancelled` when the client has left or the time is over.
pub fn answer(app: &App, question: &Question, watch: &Watch) -> Result<Json> {
    let mut counter = Counter { app, watch, fields: Fields::default(), is_cut: false, warnings: Vec::new() };
    let (mut baselines, mut note) = (Vec::new(), String::new());
    match &question.outside {
        Outside::Others => match &question.what {
            What::Logs(query) => {
                let meant = Compiled::new(query.clone()).map_err(Error::invalid)?;
                let side = |batch: &LogBatch, i: usize| Some(look::logs::matches(&meant, batch, i));
                counter.logs(all(Table::Logs, question.window), &side)?;
            }
            What::Spans(search) => {
                let side = |batch: &SpanBatch, i: usize| {
                    Some(search.is_met(&batch.spans[i], batch.origin(&batch.spans[i])))
                };
                counter.spans(all(Table::Spans, question.window), &side)?;
            }
        },
        Outside::Then(against) => {
            let chosen = baseline::choose(app, question.window, against)?;
            baselines = chosen.ask.baselines;
            note = chosen.note;
            let ranges =
                std::iter::once((question.window, true)).chain(baselines.iter().map(|b| (*b, false)));
            for (range, is_inside) in ranges {
                match &question.what {
                    What::Logs(query) => {
                        let (from, to) = ns(range);
                        let ask =
                            app.logs.patterns.read(|patterns| Ask::new(query.clone(), from, to, patterns))?;
                        let side = |batch: &LogBatch, i: usize| ask.is_met(batch, i).then_some(is_inside);
                        counter.logs(ask.whole(), &side)?;
                    }
                    What::Spans(search) => {
                        let scan = Scan { predicates: search.predicates(), ..all(Table::Spans, range) };
                        counter.spans(scan, &|_, _| Some(is_inside))?;
                    }
                }
            }
        }
    }
    Ok(counter.tell(question, &baselines, &note))
}

fn ns((from, to): (i64, i64)) -> (i64, i64) {
    (from.saturating_mul(1_000_000), to.saturating_mul(1_000_000).saturating_add(999_999))
}

fn all(table: Table, range: (i64, i64)) -> Scan {
    let (from_ns, to_ns) = ns(range);
    Scan { from_ns, to_ns, order: Order::Any, ..Scan::new(table) }
}

impl Counter<'_> {
    /// Whether there is room for one more on this side.
    fn has_room(&mut self, is_inside: bool) -> bool {
        let (inside, outside) = self.fields.records();
        let has_room = (if is_inside { inside } else { outside }) < RECORDS_MAX as u64;
        self.is_cut |= !has_room;
        has_room
    }

    /// After a batch: tells how far it is. False: there is no room for more.
    fn goes_on(&mut self) -> bool {
        let (inside, outside) = self.fields.records();
        self.watch.progress.reading("reading records", (inside + outside) as usize);
        !self.is_cut
    }

    fn read_all(&mut self, is_partial: bool) {
        if is_partial {
            self.warnings.push("a damaged file was left out".into());
        }
    }

    fn logs(&mut self, scan: Scan, side: Side<'_, LogBatch>) -> Result<()> {
        let mut rows = self.app.store.tables().scan(scan)?;
        for batch in rows.by_ref() {
            self.watch.check()?;
            let batch = to_log_batch(&batch?);
            for i in 0..batch.len() {
                let Some(is_inside) = side(&batch, i).filter(|s| self.has_room(*s)) else { continue };
                let (row, fields) = (batch.row(i), &mut self.fields);
                fields.record(is_inside);
                if row.severity != Severity::UNKNOWN {
                    fields.value("level", row.severity.name(), is_inside);
                }
                of_origin(fields, batch.origin(i), is_inside);
                if row.pattern != 0 {
                    fields.value(PATTERN, &format!("{:016x}", row.pattern), is_inside);
                }
                batch.attributes(i).for_each(|(name, value)| fields.value(name, value, is_inside));
            }
            if !self.goes_on() {
                break;
            }
        }
        self.read_all(rows.stats().is_partial());
        Ok(())
    }

    fn spans(&mut self, scan: Scan, side: Side<'_, SpanBatch>) -> Result<()> {
        let mut rows = self.app.store.tables().scan(scan)?;
        for batch in rows.by_ref() {
            self.watch.check()?;
            let batch = to_spans(&batch?);
            for (i, span) in batch.spans.iter().enumerate() {
                let Some(is_inside) = side(&batch, i).filter(|s| self.has_room(*s)) else { continue };
                self.fields.record(is_inside);
                of_origin(&mut self.fields, batch.origin(span), is_inside);
                of_span(&mut self.fields, span, is_inside);
            }
            if !self.goes_on() {
                break;
            }
        }
        self.read_all(rows.stats().is_partial());
        Ok(())
    }

    fn tell(&self, question: &Question, baselines: &[(i64, i64)], note: &str) -> Json {
        let mut answer = self.fields.answer(question.limit);
        let asked = question.what.asked_for();
        for list in [&mut answer.more, &mut answer.fewer] {
            // What was asked for is in all that is meant: that is no news.
            list.retain(|d| !asked.contains(&d.field.as_str()));
        }
        let length_s =
            |ranges: &[(i64, i64)]| ranges.iter().map(|r| (r.1 - r.0 + 1) as f64 / 1000.0).sum::<f64>();
        let window_s = length_s(&[question.window]);
        let seconds_of = (window_s, if baselines.is_empty() { window_s } else { length_s(baselines) });
        let one = |d: &Differs| self.differs_json(d, seconds_of);
        let Answer { records, values, identifiers, cut, fields_left_out, .. } = &answer;
        let mut warnings = self.warnings.clone();
        if self.is_cut {
            warnings.push(format!("there are more than the {RECORDS_MAX} records that are read of each side; take a shorter time"));
        }
        json!({
            "window": seconds(question.window),
            "baselines": baselines.iter().map(|b| seconds(*b)).collect::<Vec<_>>(),
            "note": note,
            "inside": records.0,
            "outside": records.1,
            "values": values,
            "more": answer.more.iter().map(one).collect::<Vec<_>>(),
            "fewer": answer.fewer.iter().map(one).collect::<Vec<_>>(),
            "left_out": { "identifiers": identifiers, "cut": cut, "fields": fields_left_out },
            "warnings": warnings,
        })
    }

    fn differs_json(&self, d: &Differs, (inside_s, outside_s): (f64, f64)) -> Json {
        let named = |field: &str, value: &str| json!({ "field": field, "value": value, "text": self.text(field, value) });
        let mut json = named(&d.field, &d.value);
        json["inside"] = d.records.0.into();
        json["outside"] = d.records.1.into();
        json["share_inside"] = json!(part(d.shares.0));
        json["share_outside"] = json!(part(d.shares.1));
        json["rate_inside"] = json!(d.records.0 as f64 / inside_s);
        json["rate_outside"] = json!(d.records.1 as f64 / outside_s);
        json["strength"] = round(d.strength).into();
        json["also"] = d.also.iter().map(|(field, value)| named(field, value)).collect();
        json
    }

    /// A template is shown by its words.
    fn text(&self, field: &str, value: &str) -> String {
        let id = if field == PATTERN { u64::from_str_radix(value, 16).ok() } else { None };
        let template = id.and_then(|id| self.app.logs.patterns.read(|all| Some(all.get(id)?.text.clone())));
        template.unwrap_or_else(|| value.to_string())
    }
}

/// The field of a record's template.
const PATTERN: &str = "pattern";

fn part(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}

fn of_origin(fields: &mut Fields, origin: &Origin, is_inside: bool) {
    fields.value("service", &origin.service, is_inside);
    fields.value("host", &origin.host, is_inside);
    origin.attributes.iter().for_each(|(name, value)| fields.value(name, value, is_inside));
}

fn of_span(fields: &mut Fields, span: &Span, is_inside: bool) {
    fields.value("operation", &span.name, is_inside);
    fields.value("kind", span.kind.name(), is_inside);
    fields.value("status", span.status.name(), is_inside);
    span.attributes.iter().for_each(|(name, value)| fields.value(name, value, is_inside));
}
