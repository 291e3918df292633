//! What is remembered of one scraped target, so that a scrape of series seen before takes no label apart, makes no
//! allocation per sample, and says which series vanished. It must never fetch, nor decide when to scrape.
//!
//! A series is known by its raw text (the bytes before the value). Targets list their series in the same order
//! every time, so each entry remembers its successor: mostly one comparison of bytes finds the entry, and no
//! hash is computed. Memory is bounded by three bodies: what was not seen for two scrapes is forgotten.

mod collector;

pub(crate) use collector::{Collector, Described, Pairs, Point, Said};

use crate::exposition::{Format, protobuf, text};
use crate::relabel::Rules;
use crate::series::Refused;
use crate::{Decoded, Limits};
use model::batch::STALE_NAN_BITS;
use model::{Batch, Histogram, HistogramAt, HistogramSample, Labels, LabelsBuilder, MetricKind};
use std::collections::HashMap;
use std::sync::Arc;
use stdx::{Error, ErrorKind, Result};

/// What is added to, and done with, every series of a target.
#[derive(Clone, Debug)]
pub struct Target {
    /// Labels of the target (`job`, `instance`, ...).
    pub labels: Labels,
    /// On a conflict the label in the body wins; otherwise it is renamed to `exported_NAME`.
    pub honor_labels: bool,
    /// Timestamps in the body are used; otherwise every sample gets the time of the scrape.
    pub honor_timestamps: bool,
    /// Applied last.
    pub metric_relabel: Arc<Rules>,
}

impl Default for Target {
    fn default() -> Self {
        Target {
            labels: Labels::default(),
            honor_labels: false,
            honor_timestamps: true,
            metric_relabel: Arc::default(),
        }
    }
}

/// One scrape: the format of its body, its time and the limits.
#[derive(Clone, Copy, Debug)]
pub struct Scrape<'l> {
    /// From the content type.
    pub format: Format,
    /// The time of samples without one of their own, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// Limits.
    pub limits: &'l Limits,
}

/// What a scrape brought. Call [`crate::check_times`] on the batch afterwards.
#[derive(Debug, Default)]
pub struct Scraped {
    /// Samples, stale markers of what vanished, metadata that is new or changed, and rejects.
    pub decoded: Decoded,
    /// Samples in the body.
    pub samples: u64,
    /// Samples that relabelling and limits left over (stale markers do not count).
    pub samples_kept: u64,
    /// Series that were not there in the last scrapes.
    pub series_added: u64,
    /// Series that were there in the last scrape, and got a stale marker now.
    pub series_vanished: u64,
}

/// The memory of one target.
#[derive(Debug)]
pub struct ScrapeCache {
    target: Target,
    entries: Vec<Entry>,
    free: Vec<u32>,
    by_raw: HashMap<Arc<[u8]>, u32>,
    described: HashMap<Box<[u8]>, Known>,
    generation: u64,
}

/// What was last said of a metric, as it stood in the body.
#[derive(Debug)]
struct Known {
    kind: MetricKind,
    help: Box<[u8]>,
    unit: Box<[u8]>,
}

#[derive(Debug)]
struct Entry {
    raw: Arc<[u8]>,
    /// `None` when relabelling drops the series.
    labels: Option<Labels>,
    /// The generation of the last scrape with this series.
    seen: u64,
    /// Its last sample had a timestamp of its own: no stale markers then, they could be out of order.
    own_time: bool,
    /// It had a sample in the last successful scrape, and no stale marker since.
    alive: bool,
    /// The entry that followed it last time.
    next: u32,
    /// Its last sample was a native histogram.
    is_histogram: bool,
    /// It says since when so many entries before it count, if they are the same as last time.
    covers: u16,
    /// The last exemplar without a time of its own, as it stood in the body: it is there until another one comes.
    exemplar: Option<Box<[u8]>>,
}

/// How many scrapes an unseen series is remembered.
const UNSEEN_SCRAPES_MAX: u64 = 2;
/// The most lines for which room is made before they are read.
const LINES_EXPECTED_MAX: usize = 200_000;
const NONE: u32 = u32::MAX;

impl ScrapeCache {
    /// An empty memory. Make a new one when the target's labels or rules change, after [`ScrapeCache::stale_all`].
    pub fn new(target: Target) -> Self {
        ScrapeCache {
            target,
            entries: Vec::new(),
            free: Vec::new(),
            by_raw: HashMap::new(),
            described: HashMap::new(),
            generation: 0,
        }
    }

    /// What it was made with.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// How many series are remembered.
    pub fn series(&self) -> usize {
        self.by_raw.len()
    }

    /// Decodes one body.
    ///
    /// # Errors
    /// As [`crate::exposition::decode`]; nothing of the body is kept then: treat the target as down.
    pub fn scrape(&mut self, body: &[u8], scrape: Scrape<'_>) -> Result<Scraped> {
        self.scrape_up_to(body, scrape, 0)
    }

    /// As [`ScrapeCache::scrape`], and fails when relabelling leaves more than `kept_max` samples; 0 is no limit.
    ///
    /// # Errors
    /// As [`ScrapeCache::scrape`], and `TooLarge` for more than `kept_max` samples. Nothing of the body is kept
    /// then, and [`ScrapeCache::stale_all`] marks what was alive before, nothing else.
    pub fn scrape_up_to(&mut self, body: &[u8], scrape: Scrape<'_>, kept_max: u64) -> Result<Scraped> {
        let limits = scrape.limits;
        if body.len() > limits.decoded_bytes_max {
            let message = format!("the answer is larger than {} bytes", limits.decoded_bytes_max);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        self.generation += 1;
        let mut out = Scraped::default();
        let expected = self.expected(body).min(limits.samples_per_request_max);
        out.decoded.batch.series.reserve(expected);
        out.decoded.batch.samples.reserve(expected);
        let mut collector = Collector {
            limits,
            at_ms: scrape.at_ms,
            out,
            last: NONE,
            first: self.entries.first().map_or(NONE, |_| 0),
            predicted: None,
            kept: None,
            visited: Vec::new(),
            run: 0,
            buckets: 0,
            bounds: Arc::default(),
            cache: self,
        };
        match scrape.format {
            Format::Text => text::scan(body, false, &mut collector)?,
            Format::OpenMetrics => text::scan(body, true, &mut collector)?,
            Format::Protobuf => protobuf::scan(body, &mut collector)?,
        }
        let mut out = collector.out;
        let batch = &out.decoded.batch;
        out.samples_kept = (batch.samples.len() + batch.histograms.len()) as u64;
        if kept_max > 0 && out.samples_kept > kept_max {
            let message =
                format!("{} samples, more than the limit of {kept_max} (sample_limit)", out.samples_kept);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        self.settle(scrape.at_ms, &mut out);
        Ok(out)
    }

    /// Adds a stale marker for every series that is alive: the target is down or gone. Calling it again adds
    /// nothing until the series come back.
    pub fn stale_all(&mut self, at_ms: i64, batch: &mut Batch) {
        for entry in self.entries.iter_mut().filter(|e| e.alive) {
            entry.alive = false;
            if let Some(labels) = &entry.labels {
                push_stale(batch, labels, entry.is_histogram, at_ms);
            }
        }
    }

    /// How many samples to make room for: as many as there were series, or lines on the first scrape (a hint only).
    fn expected(&mut self, body: &[u8]) -> usize {
        if self.by_raw.is_empty() {
            let lines = memchr::memchr_iter(b'\n', body).count().min(LINES_EXPECTED_MAX);
            self.by_raw.reserve(lines);
            self.entries.reserve(lines);
            return lines;
        }
        self.by_raw.len()
    }

    /// After a successful scrape: stale markers for what vanished, and the forgetting.
    fn settle(&mut self, at_ms: i64, out: &mut Scraped) {
        let generation = self.generation;
        let mut vanished = HashMap::new();
        for (i, entry) in self.entries.iter_mut().enumerate() {
            let seen = entry.seen == generation;
            if entry.alive && !seen {
                vanished.extend(entry.labels.clone().map(|labels| (labels, entry.is_histogram)));
            }
            entry.alive = seen && !entry.own_time && entry.labels.is_some();
            if !entry.raw.is_empty() && generation - entry.seen > UNSEEN_SCRAPES_MAX {
                self.by_raw.remove(&entry.raw);
                entry.raw = Arc::default();
                entry.labels = None;
                self.free.push(i as u32);
            }
        }
        if vanished.is_empty() {
            return;
        }
        // Relabelling may have given the same labels to a series that is still there.
        for entry in self.entries.iter().filter(|e| e.seen == generation) {
            entry.labels.as_ref().map(|l| vanished.remove(l));
        }
        out.series_vanished = vanished.len() as u64;
        let batch = &mut out.decoded.batch;
        vanished.iter().for_each(|(labels, is_histogram)| push_stale(batch, labels, *is_histogram, at_ms));
    }
}

/// The marker of a series that ended, of the kind that its last sample was.
fn push_stale(batch: &mut Batch, labels: &Labels, is_histogram: bool, timestamp_ms: i64) {
    if !is_histogram {
        return batch.push(labels, timestamp_ms, f64::from_bits(STALE_NAN_BITS));
    }
    let series = batch.series.len() as u32;
    batch.series.push(labels.clone());
    let at = HistogramAt { timestamp_ms, start_ms: 0, histogram: Arc::new(Histogram::stale()) };
    batch.histograms.push(HistogramSample { series, at });
}

/// Adds the target's labels, applies the rules and checks; `None` when the rules drop the series. A message does not
/// name the series.
fn make_labels<'b>(
    target: &'b Target,
    mut pairs: Pairs<'b>,
    limits: &Limits,
) -> Result<Option<Labels>, Refused> {
    add_target_labels(&mut pairs, target);
    if target.metric_relabel.is_empty() {
        let mut texts: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (&**n, &**v)).collect();
        return crate::series::check(&mut texts, limits).map(Some);
    }
    let mut builder = LabelsBuilder::default();
    pairs.iter().for_each(|(n, v)| builder.push(n, v));
    if !target.metric_relabel.apply(&mut builder) {
        return Ok(None);
    }
    let mut texts: Vec<(&str, &str)> = builder.iter().collect();
    crate::series::check(&mut texts, limits).map(Some)
}

/// Conflicts are solved as Prometheus does: the body's label wins, or is renamed until the name is free.
fn add_target_labels<'b>(pairs: &mut Pairs<'b>, target: &'b Target) {
    let value_of = |pairs: &Pairs<'_>, name: &str| pairs.iter().position(|(n, v)| n == name && !v.is_empty());
    let mut conflicts = Vec::new();
    for (name, value) in target.labels.iter() {
        match value_of(pairs, name) {
            Some(_) if target.honor_labels => {}
            // One that is there without a value says that there is to be none: federation writes `instance=""`.
            None if target.honor_labels && pairs.iter().any(|(n, _)| n == name) => {}
            Some(at) => conflicts.push((name, std::mem::replace(&mut pairs[at].1, value.into()))),
            None => {
                // An exposed label without a value is an absent label.
                pairs.retain(|(n, v)| n != name || !v.is_empty());
                pairs.push((name.into(), value.into()));
            }
        }
    }
    conflicts.sort_by_key(|(name, _)| name.len());
    for (name, value) in conflicts {
        let mut renamed = format!("exported_{name}");
        while value_of(pairs, &renamed).is_some() {
            renamed.insert_str(0, "exported_");
        }
        pairs.push((renamed.into(), value));
    }
}

#[cfg(test)]
mod tests;
