//! What is remembered of one scraped target, so that a scrape of series seen before takes no label apart, makes no
//! allocation per sample, and says which series vanished. It must never fetch, nor decide when to scrape.
//!
//! A series is known by its raw text (the bytes before the value). Targets list their series in the same order
//! every time, so each entry remembers its successor: mostly one comparison of bytes finds the entry, and no
//! hash is computed. Memory is bounded by three bodies: what was not seen for two scrapes is forgotten.

use crate::exposition::{Format, protobuf, text};
use crate::relabel::Rules;
use crate::series::Refused;
use crate::{Decoded, Limits};
use model::batch::{STALE_NAN_BITS, count_reject};
use model::{Batch, Labels, LabelsBuilder, Metadata, MetricKind, RejectReason, Sample};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
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
            cache: self,
        };
        match scrape.format {
            Format::Text => text::scan(body, false, &mut collector)?,
            Format::OpenMetrics => text::scan(body, true, &mut collector)?,
            Format::Protobuf => protobuf::scan(body, &mut collector)?,
        }
        let mut out = collector.out;
        out.samples_kept = out.decoded.batch.samples.len() as u64;
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
                batch.push(labels, at_ms, f64::from_bits(STALE_NAN_BITS));
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
        let mut vanished = HashSet::new();
        for (i, entry) in self.entries.iter_mut().enumerate() {
            let seen = entry.seen == generation;
            if entry.alive && !seen {
                vanished.extend(entry.labels.clone());
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
        vanished.iter().for_each(|l| batch.push(l, at_ms, f64::from_bits(STALE_NAN_BITS)));
    }
}

/// HELP, TYPE and UNIT of one metric as they stand in the body.
#[derive(Default)]
pub(crate) struct Described<'a> {
    pub name: &'a [u8],
    pub kind: MetricKind,
    pub help: &'a [u8],
    pub unit: &'a [u8],
}

/// Takes what the scanners of the formats find, and fills the result from memory where it can.
pub(crate) struct Collector<'a> {
    pub limits: &'a Limits,
    at_ms: i64,
    out: Scraped,
    cache: &'a mut ScrapeCache,
    /// The entry of the last sample.
    last: u32,
    first: u32,
    /// What [`Collector::predicted`] found for the line at hand.
    predicted: Option<u32>,
    /// The series of the last sample in the batch, and its time; none if it was not kept.
    kept: Option<(u32, i64)>,
}

/// Names and values of one series, borrowed from the body where they hold no escapes.
pub(crate) type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

impl Collector<'_> {
    pub fn refuse(&mut self, reason: RejectReason, samples: u64, message: impl FnOnce() -> String) {
        self.out.samples += samples;
        count_reject(&mut self.out.decoded.rejects, reason, samples, message);
    }

    fn successor(&self) -> u32 {
        self.cache.entries.get(self.last as usize).map_or(self.first, |e| e.next)
    }

    /// The length of the series text at the beginning of `line`, if it is the one that was next last time.
    /// Must be asked before each [`Collector::sample`] of a line, or never.
    pub fn predicted(&mut self, line: &[u8]) -> Option<usize> {
        self.predicted = None;
        let id = self.successor();
        let raw = &*self.cache.entries.get(id as usize)?.raw;
        let rest = line.strip_prefix(raw)?;
        let space = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        // A name alone may be followed by braces after a space: that is another series.
        if raw.is_empty() || space == 0 || rest.get(space) == Some(&b'{') {
            return None;
        }
        self.predicted = Some(id);
        Some(raw.len())
    }

    /// Takes one sample. `raw` identifies the series within the target, `fill` takes its labels apart, `place` says
    /// where it stands, for messages.
    pub fn sample<'b>(
        &mut self,
        raw: &[u8],
        fill: impl FnOnce() -> Result<Pairs<'b>, Refused>,
        value: f64,
        own_ms: Option<i64>,
        place: impl Fn() -> String,
    ) {
        self.kept = None;
        let own_ms = own_ms.filter(|_| self.cache.target.honor_timestamps);
        let Some(id) = self.find(raw).or_else(|| self.insert(raw, fill, &place)) else { return };
        self.last = id;
        let generation = self.cache.generation;
        let entry = &mut self.cache.entries[id as usize];
        let again = entry.seen == generation && own_ms.is_none() && !entry.own_time;
        entry.seen = generation;
        entry.own_time = own_ms.is_some();
        if again {
            let message = || format!("{}{} comes twice", place(), crate::series::cut_bytes(raw));
            return self.refuse(RejectReason::DuplicateTimestamp, 1, message);
        }
        let batch = &mut self.out.decoded.batch;
        if batch.samples.len() >= self.limits.samples_per_request_max {
            let max = self.limits.samples_per_request_max;
            let message = || format!("{}a scrape may bring at most {max} samples", place());
            return self.refuse(RejectReason::TooLarge, 1, message);
        }
        self.out.samples += 1;
        if let Some(labels) = &entry.labels {
            let series = batch.series.len() as u32;
            let timestamp_ms = own_ms.unwrap_or(self.at_ms);
            batch.series.push(labels.clone());
            batch.samples.push(Sample { series, timestamp_ms, value });
            self.kept = Some((series, timestamp_ms));
        }
    }

    /// Takes the exemplar of the last sample. `raw` tells whether one without a time of its own was there already in the
    /// last scrape. A bad one spoils only itself.
    pub fn exemplar<'b>(
        &mut self,
        raw: &[u8],
        fill: impl FnOnce() -> Result<Pairs<'b>, Refused>,
        value: f64,
        own_ms: Option<i64>,
        place: impl Fn() -> String,
    ) {
        let Some((series, sample_ms)) = self.kept else { return };
        if own_ms.is_none()
            && let Some(entry) = self.cache.entries.get_mut(self.last as usize)
        {
            if entry.exemplar.as_deref() == Some(raw) {
                return;
            }
            entry.exemplar = Some(raw.into());
        }
        let rejects = &mut self.out.decoded.rejects;
        let batch = &mut self.out.decoded.batch;
        let max = self.limits.samples_per_request_max;
        if batch.exemplars.len() >= max {
            let message = || format!("{}a scrape may bring at most {max} exemplars", place());
            return count_reject(rejects, RejectReason::TooLarge, 1, message);
        }
        let pairs = match fill() {
            Ok(pairs) => pairs,
            Err(e) => return count_reject(rejects, e.reason, 1, || format!("{}{}", place(), e.message)),
        };
        let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        match crate::exemplar::build(series, own_ms.unwrap_or(sample_ms), value, &pairs) {
            Ok(exemplar) => batch.exemplars.push(exemplar),
            Err(e) => count_reject(rejects, e.reason, 1, || format!("{}{}", place(), e.message)),
        }
    }

    fn find(&mut self, raw: &[u8]) -> Option<u32> {
        if self.predicted.is_some() {
            return self.predicted;
        }
        let next = self.successor();
        if self.cache.entries.get(next as usize).is_some_and(|e| &*e.raw == raw) {
            return Some(next);
        }
        let found = *self.cache.by_raw.get(raw)?;
        self.link(found);
        Some(found)
    }

    fn link(&mut self, id: u32) {
        if let Some(last) = self.cache.entries.get_mut(self.last as usize) {
            last.next = id;
        }
    }

    fn insert<'b>(
        &mut self,
        raw: &[u8],
        fill: impl FnOnce() -> Result<Pairs<'b>, Refused>,
        place: &impl Fn() -> String,
    ) -> Option<u32> {
        let made = fill().and_then(|pairs| {
            make_labels(&self.cache.target, pairs, self.limits).map_err(|e| Refused {
                message: format!("{}: {}", crate::series::cut_bytes(raw), e.message),
                ..e
            })
        });
        let labels = match made {
            Ok(labels) => labels,
            Err(refused) => {
                let message = || format!("{}{}", place(), refused.message);
                self.refuse(refused.reason, 1, message);
                return None;
            }
        };
        if self.cache.by_raw.len() >= self.limits.series_per_request_max {
            let max = self.limits.series_per_request_max;
            let message = || format!("{}a target may have at most {max} series", place());
            self.refuse(RejectReason::TooManySeries, 1, message);
            return None;
        }
        self.out.series_added += u64::from(labels.is_some());
        let raw: Arc<[u8]> = raw.into();
        let entry = Entry {
            raw: raw.clone(),
            labels,
            seen: 0,
            own_time: false,
            alive: false,
            next: NONE,
            exemplar: None,
        };
        let id = match self.cache.free.pop() {
            Some(id) => {
                self.cache.entries[id as usize] = entry;
                id
            }
            None => {
                self.cache.entries.push(entry);
                self.cache.entries.len() as u32 - 1
            }
        };
        self.cache.by_raw.insert(raw, id);
        self.link(id);
        Some(id)
    }

    /// Takes the description of one metric; it is passed on when it is new or has changed.
    pub fn describe(&mut self, d: &Described<'_>, open_metrics: bool) {
        let known = self.cache.described.get(d.name);
        if known.is_some_and(|k| k.kind == d.kind && *k.help == *d.help && *k.unit == *d.unit) {
            return;
        }
        let room = known.is_some() || self.cache.described.len() < self.limits.metadata_per_request_max;
        let (Ok(name), Ok(help), Ok(unit)) =
            (std::str::from_utf8(d.name), std::str::from_utf8(d.help), std::str::from_utf8(d.unit))
        else {
            return;
        };
        let too_long = name.len() > self.limits.label_value_bytes_max || unit.len() > 64;
        if name.is_empty() || !room || too_long {
            return;
        }
        let new = Known { kind: d.kind, help: d.help.into(), unit: d.unit.into() };
        self.cache.described.insert(d.name.into(), new);
        let suffix = match d.kind {
            MetricKind::Counter if open_metrics && !name.ends_with("_total") => "_total",
            MetricKind::Info if open_metrics && !name.ends_with("_info") => "_info",
            _ => "",
        };
        let help = text::unescape(help, open_metrics);
        self.out.decoded.batch.metadata.push(Metadata {
            metric: format!("{}{suffix}", text::unescape(name, true)),
            kind: d.kind,
            help: crate::remote_write::cut_to(&help, self.limits.help_bytes_max),
            unit: unit.to_string(),
        });
    }
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
