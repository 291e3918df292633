//! What the scanners of the formats find, sample by sample, goes into the batch of a scrape: from the memory of the target
//! where the series was seen before. It must never take a line apart itself.

use super::{Entry, Known, NONE, ScrapeCache, Scraped, make_labels};
use crate::Limits;
use crate::exposition::text;
use crate::series::Refused;
use model::batch::count_reject;
use model::{Histogram, HistogramAt, HistogramSample, Metadata, MetricKind, RejectReason, Sample};
use std::borrow::Cow;
use std::sync::Arc;
use stdx::Result;

/// What a body says of one series.
pub(crate) struct Point {
    pub value: Said,
    /// Its own timestamp.
    pub own_ms: Option<i64>,
    /// Since when it counts; 0 is not known.
    pub start_ms: i64,
}

/// A sample is one of these.
pub(crate) enum Said {
    Number(f64),
    Histogram(Histogram),
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
    pub(super) at_ms: i64,
    pub(super) out: Scraped,
    pub(super) cache: &'a mut ScrapeCache,
    /// The entry of the last sample.
    pub(super) last: u32,
    pub(super) first: u32,
    /// What [`Collector::predicted`] found for the line at hand.
    pub(super) predicted: Option<u32>,
    /// The series of the last sample in the batch, and its time; none if it was not kept.
    pub(super) kept: Option<(u32, i64)>,
    /// Entries of the family at hand, each with the place of its sample in the batch or [`NONE`]; OpenMetrics alone.
    pub(super) visited: Vec<(u32, u32)>,
    /// How many entries one after another were where they were last time.
    pub(super) run: u32,
    /// Buckets of native histograms so far.
    pub(super) buckets: usize,
    /// Custom bounds of the last.
    pub bounds: Arc<[f64]>,
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
        point: Point,
        place: impl Fn() -> String,
    ) {
        self.kept = None;
        let Point { value, own_ms, start_ms } = point;
        let own_ms = own_ms.filter(|_| self.cache.target.honor_timestamps);
        let Some(id) = self.find(raw).or_else(|| self.insert(raw, fill, &place)) else { return };
        self.last = id;
        let generation = self.cache.generation;
        let entry = &mut self.cache.entries[id as usize];
        let again = entry.seen == generation && own_ms.is_none() && !entry.own_time;
        entry.seen = generation;
        entry.own_time = own_ms.is_some();
        entry.is_histogram = matches!(value, Said::Histogram(_));
        if again {
            self.run = 0;
            let message = || format!("{}{} comes twice", place(), crate::series::cut_bytes(raw));
            return self.refuse(RejectReason::DuplicateTimestamp, 1, message);
        }
        let batch = &mut self.out.decoded.batch;
        if batch.samples.len() + batch.histograms.len() >= self.limits.samples_per_request_max {
            let max = self.limits.samples_per_request_max;
            let message = || format!("{}a scrape may bring at most {max} samples", place());
            return self.refuse(RejectReason::TooLarge, 1, message);
        }
        if let Said::Histogram(h) = &value {
            self.buckets += h.positive.counts.len() + h.negative.counts.len();
            let max = self.limits.histogram_buckets_per_request_max;
            if self.buckets > max {
                let message = || format!("{}a scrape may bring at most {max} buckets of histograms", place());
                return self.refuse(RejectReason::TooLarge, 1, message);
            }
        }
        self.out.samples += 1;
        if let Some(labels) = &entry.labels {
            let series = batch.series.len() as u32;
            let timestamp_ms = own_ms.unwrap_or(self.at_ms);
            batch.series.push(labels.clone());
            match value {
                Said::Number(value) => {
                    if start_ms != 0 {
                        batch.starts.push((batch.samples.len() as u32, start_ms));
                    }
                    batch.samples.push(Sample { series, timestamp_ms, value });
                }
                Said::Histogram(histogram) => {
                    let at = HistogramAt { timestamp_ms, start_ms, histogram: Arc::new(histogram) };
                    batch.histograms.push(HistogramSample { series, at });
                }
            }
            self.kept = Some((series, timestamp_ms));
        }
    }

    /// Notes the last sample as one that a line after it may say the start of.
    pub fn visit(&mut self) {
        let place = match self.kept {
            Some(_) => self.out.decoded.batch.samples.len() as u32 - 1,
            None => NONE,
        };
        self.visited.push((self.last, place));
    }

    /// Another family begins.
    pub fn next_family(&mut self) {
        self.visited.clear();
    }

    /// The last sample, which was not visited, says since when those of the same labels just before it count.
    pub fn created(&mut self, seconds: f64) {
        let start_ms = (seconds * 1000.0).round();
        if !(start_ms > 0.0 && start_ms < 9.2e18) {
            return;
        }
        let entries = &mut self.cache.entries;
        let Some(entry) = entries.get(self.last as usize) else { return };
        let mut covers = usize::from(entry.covers);
        if covers == 0 || self.run as usize <= covers || covers > self.visited.len() {
            let of_same = self.visited.iter().rev().take(usize::from(u16::MAX)).take_while(|(id, _)| {
                entries.get(*id as usize).is_some_and(|e| text::is_same_metric(&entry.raw, &e.raw))
            });
            covers = of_same.count();
            entries[self.last as usize].covers = covers as u16;
        }
        let places = self.visited.drain(self.visited.len() - covers..);
        let places = places.filter(|(_, place)| *place != NONE);
        self.out.decoded.batch.starts.extend(places.map(|(_, place)| (place, start_ms as i64)));
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
        self.run = self.run.saturating_add(1);
        if self.predicted.is_some() {
            return self.predicted;
        }
        let next = self.successor();
        if self.cache.entries.get(next as usize).is_some_and(|e| &*e.raw == raw) {
            return Some(next);
        }
        self.run = 0;
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
            is_histogram: false,
            covers: 0,
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
