//! A query of the search box, asked of the table of logs: what its indexes can answer they answer, the rest is looked at here,
//! record by record, within bounds. It must never run but inside the gate, and stops when nobody waits any more.

use crate::gate::Stop;
use ingest::patterns::Patterns;
use look::logs::{Compiled, Query, What};
use model::{LogBatch, Severity};
use std::collections::{BTreeMap, HashMap};
use stdx::{Error, ErrorKind, Result};
use store::Store;
use store::tables::{AttributeTest, Order, Predicate, Scan, Table, to_log_batch};

/// What is asked.
pub struct Ask {
    /// First and last time, nanoseconds since 1970.
    pub from_ns: i64,
    /// See `from_ns`.
    pub to_ns: i64,
    /// For the tables.
    predicates: Vec<Predicate>,
    /// What they cannot answer.
    rest: Option<Compiled>,
}

impl Ask {
    /// Splits a query. A template that was merged of several is asked for by all its names.
    ///
    /// # Errors
    /// `Invalid` for an expression that makes no sense.
    pub fn new(query: Query, from_ns: i64, to_ns: i64, patterns: &Patterns) -> Result<Ask> {
        let (mut predicates, mut rest) = (Vec::new(), Query::default());
        for term in query.terms {
            let pushed = predicate(&term.what, patterns);
            match pushed {
                Some((predicate, true)) if term.is_not => {
                    predicates.push(Predicate::Not(Box::new(predicate)))
                }
                Some((predicate, true)) => predicates.push(predicate),
                Some((predicate, false)) => {
                    if !term.is_not {
                        predicates.push(predicate);
                    }
                    rest.terms.push(term);
                }
                None => rest.terms.push(term),
            }
        }
        let rest = match rest.terms.is_empty() {
            true => None,
            false => Some(Compiled::new(rest).map_err(Error::invalid)?),
        };
        Ok(Ask { from_ns, to_ns, predicates, rest })
    }

    /// All that its indexes find; [`Ask::is_met`] says the rest.
    pub fn whole(&self) -> Scan {
        self.scan(Order::Any, None, None)
    }

    /// Whether a record that was found is meant.
    pub fn is_met(&self, batch: &LogBatch, i: usize) -> bool {
        self.rest.as_ref().is_none_or(|rest| look::logs::matches(rest, batch, i))
    }

    fn scan(&self, order: Order, columns: Option<Vec<String>>, limit: Option<usize>) -> Scan {
        // What is looked at here has to be read whole, and may leave fewer.
        let is_whole = self.rest.is_none();
        Scan {
            from_ns: self.from_ns,
            to_ns: self.to_ns,
            predicates: self.predicates.clone(),
            columns: columns.filter(|_| is_whole),
            order,
            limit: limit.filter(|_| is_whole),
            ..Scan::new(Table::Logs)
        }
    }
}

/// What the tables can do for a condition, and whether that is all of it.
fn predicate(what: &What, patterns: &Patterns) -> Option<(Predicate, bool)> {
    let within =
        |column: &str, values: &[String]| Predicate::In { column: column.into(), values: values.to_vec() };
    let attribute = |name: &str, test| Predicate::Attribute { name: name.into(), test };
    Some(match what {
        What::Word(word) => (Predicate::Id(word.clone()), true),
        What::Phrase(phrase) => (Predicate::Word(phrase.clone()), true),
        What::Regex(text) => (Predicate::Regex(text.clone()), true),
        What::Level(severity) => (Predicate::SeverityAtLeast(*severity), true),
        What::Service(values) => (within("service", values), true),
        What::Host(values) => (within("host", values), true),
        What::Trace(id) => (within("trace_id", std::slice::from_ref(id)), true),
        What::Field(name, values) => match (name.as_str(), values.as_slice()) {
            ("span_id", [id]) => (within("span_id", std::slice::from_ref(id)), true),
            ("body" | "message" | "level" | "severity", _) => return None,
            (name, []) => (attribute(name, AttributeTest::Exists), true),
            (name, [value]) => (attribute(name, AttributeTest::Equals(value.clone())), true),
            (name, _) => (attribute(name, AttributeTest::Exists), false),
        },
        What::Number(name, ..) if ["level", "severity", "body", "message"].contains(&name.as_str()) => {
            return None;
        }
        What::Number(name, ..) => (attribute(name, AttributeTest::Exists), false),
        What::Pattern(id) => {
            let mut ids = vec![id.to_string()];
            if let Some(template) = patterns.get(*id) {
                ids.push(template.id.to_string());
                ids.extend(template.former_ids.iter().map(u64::to_string));
            }
            (within("pattern", &ids), true)
        }
    })
}

fn stopped() -> Error {
    let text = "the search took longer than it may; ask for a shorter range, or for a service or a word";
    Error::new(ErrorKind::Cancelled, text).bound("query.timeout")
}

/// Hands records to `take` until it says that it has enough. Returns whether a damaged file had to be left out.
fn each(
    store: &Store,
    ask: &Ask,
    scan: Scan,
    stop: &Stop,
    mut take: impl FnMut(&LogBatch, usize) -> bool,
) -> Result<bool> {
    let mut rows = store.tables().scan(scan)?;
    'all: for found in rows.by_ref() {
        if stop() {
            return Err(stopped());
        }
        let batch = to_log_batch(&found?);
        for i in 0..batch.len() {
            if ask.is_met(&batch, i) && !take(&batch, i) {
                break 'all;
            }
        }
    }
    Ok(rows.stats().is_partial())
}

/// Where a page of results ended: the time of its last record, and how many of that very time were on it and before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Nanoseconds since 1970.
    pub time_ns: i64,
    /// Records of that time that were given.
    pub given: usize,
}

impl Cursor {
    /// From its text.
    pub fn parse(text: &str) -> Option<Cursor> {
        let (time, given) = text.split_once('.')?;
        Some(Cursor { time_ns: time.parse().ok()?, given: given.parse().ok()? })
    }

    /// As text.
    pub fn text(self) -> String {
        format!("{}.{}", self.time_ns, self.given)
    }
}

/// A page of records, the newest first.
#[derive(Default)]
pub struct Page {
    /// The records.
    pub records: Vec<(LogBatch, usize)>,
    /// Where to go on; none if this was all.
    pub next: Option<Cursor>,
    /// A damaged file had to be left out.
    pub is_partial: bool,
}

/// Bytes of text of a page: a page of long lines has fewer of them.
const PAGE_BYTES_MAX: usize = 8 << 20;

/// Records, the newest first, from `cursor` on.
///
/// # Errors
/// What the tables say; `Cancelled` when it takes too long.
pub fn page(store: &Store, ask: &Ask, cursor: Option<Cursor>, limit: usize, stop: &Stop) -> Result<Page> {
    let mut skip = cursor.map_or(0, |c| c.given);
    let mut scan = ask.scan(Order::NewestFirst, None, Some(limit + skip + 1));
    if let Some(cursor) = cursor {
        scan.to_ns = scan.to_ns.min(cursor.time_ns);
    }
    let mut page = Page::default();
    let (mut last, mut bytes) = (Cursor::default(), 0);
    let is_partial = each(store, ask, scan, stop, |batch, i| {
        let row = batch.row(i);
        if skip > 0 && cursor.is_some_and(|c| c.time_ns == row.time_ns) {
            skip -= 1;
            return true;
        }
        if page.records.len() >= limit || bytes > PAGE_BYTES_MAX {
            page.next = Some(last);
            return false;
        }
        let given = match (last.time_ns == row.time_ns && last.given > 0, cursor) {
            (true, _) => last.given,
            (false, Some(c)) if c.time_ns == row.time_ns => c.given,
            _ => 0,
        };
        last = Cursor { time_ns: row.time_ns, given: given + 1 };
        let one = single(batch, i);
        bytes += one.bytes();
        page.records.push((one, 0));
        true
    })?;
    page.is_partial = is_partial;
    Ok(page)
}

/// One record as a batch of its own, so that the rest can go.
fn single(batch: &LogBatch, i: usize) -> LogBatch {
    let mut one = LogBatch::default();
    one.origins.push(batch.origin(i).clone());
    one.push(model::LogRow { origin: 0, ..batch.row(i) }, batch.attributes(i));
    one
}

/// Counts over time by severity.
pub struct Histogram {
    /// Counts by the name of the severity (empty: not said), as many as there are steps.
    pub counts: BTreeMap<&'static str, Vec<u64>>,
    /// All records.
    pub total: u64,
    /// A damaged file had to be left out.
    pub is_partial: bool,
}

/// Counts records in `steps` parts of the range.
///
/// # Errors
/// What the tables say; `Cancelled` when it takes too long.
pub fn histogram(store: &Store, ask: &Ask, steps: usize, stop: &Stop) -> Result<Histogram> {
    let columns = ["time", "severity"].map(String::from).to_vec();
    let span = (i128::from(ask.to_ns) - i128::from(ask.from_ns)).max(1);
    let mut out = Histogram { counts: BTreeMap::new(), total: 0, is_partial: false };
    out.is_partial = each(store, ask, ask.scan(Order::Any, Some(columns), None), stop, |batch, i| {
        let row = batch.row(i);
        let at = (i128::from(row.time_ns) - i128::from(ask.from_ns)) * steps as i128 / span;
        let counts = out.counts.entry(row.severity.name()).or_insert_with(|| vec![0; steps]);
        if let Some(count) = counts.get_mut((at.max(0) as usize).min(steps - 1)) {
            *count += 1;
        }
        out.total += 1;
        true
    })?;
    Ok(out)
}

/// A field, and its most frequent values.
pub struct Facet {
    /// Its name.
    pub name: String,
    /// Records that have it.
    pub records: u64,
    /// Different values, of those that were looked at.
    pub distinct: usize,
    /// The most frequent ones.
    pub values: Vec<(String, u64)>,
}

/// Values of one field that are told apart.
const VALUES_MAX: usize = 2_000;
/// Fields that are told apart.
const FIELDS_MAX: usize = 300;
/// Values of a field that are shown.
const SHOWN_MAX: usize = 12;

/// Fields of the newest records, the most frequent ones first; and how many records were looked at.
///
/// # Errors
/// What the tables say; `Cancelled` when it takes too long.
pub fn facets(store: &Store, ask: &Ask, records_max: usize, stop: &Stop) -> Result<(Vec<Facet>, usize)> {
    let mut fields: HashMap<String, (u64, HashMap<String, u64>)> = HashMap::new();
    let mut looked_at = 0;
    let mut count = |name: &str, value: &str| {
        if fields.len() >= FIELDS_MAX && !fields.contains_key(name) {
            return;
        }
        let (records, values) = fields.entry(name.to_string()).or_default();
        *records += 1;
        let short = &value[..value.floor_char_boundary(value.len().min(200))];
        let is_full = values.len() >= VALUES_MAX;
        match values.get_mut(short) {
            Some(count) => *count += 1,
            None if is_full => {}
            None => drop(values.insert(short.to_string(), 1)),
        }
    };
    let scan = ask.scan(Order::NewestFirst, None, Some(records_max));
    each(store, ask, scan, stop, |batch, i| {
        looked_at += 1;
        let (row, origin) = (batch.row(i), batch.origin(i));
        if row.severity != Severity::UNKNOWN {
            count("level", row.severity.name());
        }
        for (name, value) in [("service", &origin.service), ("host", &origin.host)] {
            if !value.is_empty() {
                count(name, value);
            }
        }
        batch.attributes(i).chain(origin.attributes.iter()).for_each(|(name, value)| count(name, value));
        looked_at < records_max
    })?;
    let mut facets: Vec<Facet> = fields
        .into_iter()
        .map(|(name, (records, values))| {
            let distinct = values.len();
            let mut values: Vec<(String, u64)> = values.into_iter().collect();
            values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            values.truncate(SHOWN_MAX);
            Facet { name, records, distinct, values }
        })
        .collect();
    let rank = |name: &str| ["level", "service", "host"].iter().position(|n| *n == name).unwrap_or(3);
    facets.sort_by(|a, b| {
        rank(&a.name).cmp(&rank(&b.name)).then(b.records.cmp(&a.records)).then_with(|| a.name.cmp(&b.name))
    });
    Ok((facets, looked_at))
}
