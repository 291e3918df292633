//! Where series come from: how many there are of each metric, label, value and source, now and a day ago. Counted from
//! the store when it is asked for, and remembered for some seconds. It costs nothing while nobody looks, and must
//! never be a reason to refuse or to drop anything.

use crate::gate::Stop;
use foldhash::{HashMap, HashSet};
use model::labels::NAME;
use model::{Labels, Matcher};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use stdx::{Error, ErrorKind, Result};
use store::View;

/// A series counts while it has a chunk that overlaps so much time.
const WINDOW_MS: i64 = 3_600_000;
/// The other instant is so long before.
const DAY_MS: i64 = 86_400_000;
/// Different rows of one answer; more are left out, and told.
const ROWS_MAX: usize = 1_000_000;
/// Series between two questions whether to go on.
const SERIES_PER_QUESTION: u64 = 8_192;
/// How long an answer is used again, and how many.
const REMEMBERED_FOR: Duration = Duration::from_secs(10);
const REMEMBERED_MAX: usize = 16;

/// What rows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// Names of metrics.
    Metric,
    /// Names of labels, each with the number of its values.
    Label,
    /// Labels with their values.
    Pair,
    /// Values of one label.
    Value(String),
}

/// How often one row occurs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The metric, label, value, or `label=value`.
    pub name: Box<str>,
    /// Series now.
    pub series: u64,
    /// Series a day ago; `None` where that is not known.
    pub before: Option<u64>,
    /// Different values now, of a label.
    pub values: u64,
}

/// All rows, those with most series first.
#[derive(Debug)]
pub struct Table {
    /// The rows.
    pub rows: Vec<Row>,
    /// Series now.
    pub series: u64,
    /// Series a day ago; `None` if nothing is kept from then.
    pub before: Option<u64>,
    /// Rows that were left out, because there were too many.
    pub is_cut: bool,
    /// What of the store could not be read.
    pub warnings: Vec<String>,
    /// As of when, milliseconds since 1970.
    pub at_ms: i64,
    /// How long it took, milliseconds.
    pub took_ms: f64,
}

type Key = (By, String);

/// Answers of the last seconds.
#[derive(Default)]
pub struct Remembered(Mutex<Vec<(Key, Instant, Arc<Table>)>>);

impl Remembered {
    /// The table of series that pass the matchers (`text` is what they were written as), counted now if it was not just
    /// before.
    ///
    /// # Errors
    /// As the store's; `Cancelled` if `stop` says so.
    pub fn table(
        &self,
        view: &View,
        by: &By,
        (text, matchers): (&str, &[Matcher]),
        now_ms: i64,
        stop: &Stop,
    ) -> Result<Arc<Table>> {
        let key = (by.clone(), text.to_string());
        let lock = || self.0.lock().unwrap_or_else(|e| e.into_inner());
        let fresh =
            |entry: &&(Key, Instant, Arc<Table>)| entry.0 == key && entry.1.elapsed() < REMEMBERED_FOR;
        if let Some((_, _, table)) = lock().iter().find(fresh) {
            return Ok(table.clone());
        }
        let table = Arc::new(count(view, by, matchers, now_ms, stop)?);
        let mut all = lock();
        all.retain(|(k, at, _)| *k != key && at.elapsed() < REMEMBERED_FOR);
        if all.len() < REMEMBERED_MAX {
            all.push((key, Instant::now(), table.clone()));
        }
        Ok(table)
    }
}

fn count(view: &View, by: &By, matchers: &[Matcher], now_ms: i64, stop: &Stop) -> Result<Table> {
    let started = Instant::now();
    let mut now = Counts::default();
    now.read(view, by, matchers, (now_ms - WINDOW_MS, i64::MAX), stop)?;
    let day_ago = now_ms - DAY_MS;
    // Where nothing at all is kept from then, zero would be a guess.
    let mut is_known = false;
    view.for_each_series(&[], i64::MIN, day_ago, |_, _| {
        is_known = true;
        Err(Error::new(ErrorKind::Cancelled, "one is enough"))
    })
    .or_else(|e| if is_known { Ok(()) } else { Err(e) })?;
    let mut before = Counts::default();
    if is_known {
        before.read(view, by, matchers, (day_ago - WINDOW_MS, day_ago), stop)?;
    }
    let was = |name: &str| is_known.then(|| before.rows.get(name).map_or(0, |c| c.series));
    let mut rows: Vec<Row> = now
        .rows
        .iter()
        .map(|(name, c)| Row {
            name: name.clone(),
            series: c.series,
            before: was(name),
            values: c.values.len() as u64,
        })
        .collect();
    // What was there a day ago and is gone now.
    let gone = before.rows.iter().filter(|(name, _)| !now.rows.contains_key(*name));
    rows.extend(gone.map(|(name, c)| Row { name: name.clone(), before: Some(c.series), ..Row::default() }));
    rows.sort_unstable_by(|a, b| b.series.cmp(&a.series).then_with(|| a.name.cmp(&b.name)));
    Ok(Table {
        rows,
        series: now.seen.len() as u64,
        before: is_known.then_some(before.seen.len() as u64),
        is_cut: now.is_cut || before.is_cut,
        warnings: view.warnings(),
        at_ms: now_ms,
        took_ms: started.elapsed().as_secs_f64() * 1000.0,
    })
}

#[derive(Default)]
struct Count {
    series: u64,
    /// Hashes of the values of a label.
    values: HashSet<u64>,
}

#[derive(Default)]
struct Counts {
    rows: HashMap<Box<str>, Count>,
    /// Hashes of series: one lies in several blocks.
    seen: HashSet<u64>,
    is_cut: bool,
}

impl Counts {
    fn read(
        &mut self,
        view: &View,
        by: &By,
        matchers: &[Matcher],
        (start_ms, end_ms): (i64, i64),
        stop: &Stop,
    ) -> Result<()> {
        let hasher = foldhash::fast::RandomState::default();
        let (mut text, mut told) = (String::new(), 0u64);
        view.for_each_series(matchers, start_ms, end_ms, |labels, _| {
            told += 1;
            if told.is_multiple_of(SERIES_PER_QUESTION) && stop() {
                let text =
                    "counting was stopped: it took too long or nobody waits for it; narrow it with match";
                return Err(Error::new(ErrorKind::Cancelled, text).bound("query.timeout"));
            }
            if self.seen.insert(labels.hash64()) {
                self.add(by, labels, &mut text, &hasher);
            }
            Ok(())
        })
    }

    fn add(&mut self, by: &By, labels: &Labels, text: &mut String, hasher: &foldhash::fast::RandomState) {
        match by {
            By::Metric => self.one(labels.name(), None),
            By::Value(label) => match labels.get(label) {
                "" => {}
                value => self.one(value, None),
            },
            By::Label => {
                for (name, value) in labels.iter() {
                    self.one(name, Some(hasher.hash_one(value)));
                }
            }
            By::Pair => {
                for (name, value) in labels.iter().filter(|(name, _)| *name != NAME) {
                    text.clear();
                    text.push_str(name);
                    text.push('=');
                    text.push_str(value);
                    self.one(text, None);
                }
            }
        }
    }

    fn one(&mut self, name: &str, value: Option<u64>) {
        if !self.rows.contains_key(name) {
            if self.rows.len() >= ROWS_MAX {
                self.is_cut = true;
                return;
            }
            self.rows.insert(name.into(), Count::default());
        }
        if let Some(count) = self.rows.get_mut(name) {
            count.series += 1;
            if let Some(value) = value {
                count.values.insert(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Batch;
    use store::{Settings, Store};

    const NOW_MS: i64 = 1_700_000_000_000;

    fn table(store: &Store, by: &By, matchers: &[Matcher]) -> Vec<(String, u64, Option<u64>, u64)> {
        let never: Stop = Arc::new(|| false);
        let table = count(&store.view(), by, matchers, NOW_MS, &never).unwrap();
        assert!(table.warnings.is_empty() && !table.is_cut);
        table.rows.into_iter().map(|r| (r.name.into(), r.series, r.before, r.values)).collect()
    }

    fn write(store: &Store, series: &[(&str, &str)], time_ms: i64) {
        let mut batch = Batch::default();
        for (name, path) in series {
            let labels = Labels::from_pairs([(NAME, *name), ("path", path), ("job", "shop")]).unwrap();
            batch.push(&labels, time_ms, 1.0);
        }
        store.append(batch).unwrap().wait_blocking().unwrap();
    }

    #[test]
    fn growth_since_a_day_ago_is_told_once_that_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let registry = stdx::metrics::Registry::default();
        let store = Store::open(folder.path(), Settings::default(), &registry).unwrap();
        write(&store, &[("hits", "/a"), ("hits", "/b"), ("up", "")], NOW_MS - 1000);
        let row = |name: &str, series, before, values| (name.to_string(), series, before, values);
        assert_eq!(table(&store, &By::Metric, &[]), [row("hits", 2, None, 0), row("up", 1, None, 0)]);
        // In two heads, and in a block: a series counts once.
        store.flush_head().unwrap();
        write(&store, &[("hits", "/a"), ("hits", "/c")], NOW_MS);
        write(&store, &[("hits", "/a"), ("old", "/a")], NOW_MS - DAY_MS - 5000);
        let metrics = table(&store, &By::Metric, &[]);
        let want = [row("hits", 3, Some(1), 0), row("up", 1, Some(0), 0), row("old", 0, Some(1), 0)];
        assert_eq!(metrics, want);
        let labels = table(&store, &By::Label, &[]);
        assert_eq!(labels, [row(NAME, 4, Some(2), 2), row("job", 4, Some(2), 1), row("path", 3, Some(2), 3)]);
        let values = table(&store, &By::Value("path".into()), &[Matcher::equal(NAME, "hits")]);
        assert_eq!(values, [row("/a", 1, Some(1), 0), row("/b", 1, Some(0), 0), row("/c", 1, Some(0), 0)]);
        let pairs = table(&store, &By::Pair, &[Matcher::equal(NAME, "up")]);
        assert_eq!(pairs, [row("job=shop", 1, Some(0), 0)]);
        let stopped: Stop = Arc::new(|| true);
        assert!(count(&store.view(), &By::Pair, &[], NOW_MS, &stopped).is_ok(), "it is not asked for so few");
    }
}
