//! A view that notes what is read from it: how much, how many series, and how new. It changes nothing of what it gives.

use ::query::source::{Summarised, SummaryQuery};
use ::query::{ReadLimits, Source};
use model::{Labels, Matcher, SeriesData, is_stale};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed};
use stdx::Result;

/// The view, and what was read.
pub struct Counted<'a> {
    view: &'a store::View,
    samples: AtomicUsize,
    most: AtomicUsize,
    series: AtomicUsize,
    newest_ms: AtomicI64,
}

impl<'a> Counted<'a> {
    /// Nothing is read yet.
    pub fn new(view: &'a store::View) -> Counted<'a> {
        let none = || AtomicUsize::new(0);
        Counted { view, samples: none(), most: none(), series: none(), newest_ms: AtomicI64::new(i64::MIN) }
    }

    /// Samples, those read twice twice.
    pub fn samples(&self) -> usize {
        self.samples.load(Relaxed)
    }

    /// The most samples that were read at once.
    pub fn samples_most(&self) -> usize {
        self.most.load(Relaxed)
    }

    /// Series with a sample that is no mark of an end.
    pub fn series(&self) -> usize {
        self.series.load(Relaxed)
    }

    /// The time of the newest such sample.
    pub fn newest_ms(&self) -> Option<i64> {
        Some(self.newest_ms.load(Relaxed)).filter(|ms| *ms != i64::MIN)
    }

    fn note(&self, series: &SeriesData) -> usize {
        let number =
            series.timestamps_ms.iter().zip(&series.values).rfind(|(_, v)| !is_stale(**v)).map(|(t, _)| *t);
        let histogram = series.histograms.iter().map(|h| h.timestamp_ms).next_back();
        if let Some(newest_ms) = number.max(histogram) {
            self.series.fetch_add(1, Relaxed);
            self.newest_ms.fetch_max(newest_ms, Relaxed);
        }
        series.timestamps_ms.len() + series.histograms.len()
    }

    fn add(&self, samples: usize) {
        self.samples.fetch_add(samples, Relaxed);
        self.most.fetch_max(samples, Relaxed);
    }
}

impl Source for Counted<'_> {
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limits: ReadLimits,
    ) -> Result<Vec<SeriesData>> {
        let found = Source::select(self.view, matchers, start_ms, end_ms, limits)?;
        self.add(found.iter().map(|s| self.note(s)).sum());
        Ok(found)
    }

    fn select_each(
        &self,
        matchers: &[Matcher],
        range_ms: (i64, i64),
        limits: ReadLimits,
        sink: &mut dyn FnMut(SeriesData) -> Result<()>,
    ) -> Result<()> {
        Source::select_each(self.view, matchers, range_ms, limits, &mut |series| {
            self.add(self.note(&series));
            sink(series)
        })
    }

    fn series(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limits: ReadLimits,
    ) -> Result<Vec<Labels>> {
        let found = Source::series(self.view, matchers, start_ms, end_ms, limits)?;
        self.series.fetch_add(found.len(), Relaxed);
        Ok(found)
    }

    fn resolutions(&self) -> &[i64] {
        self.view.resolutions()
    }

    fn summaries(&self, query: &SummaryQuery<'_>) -> Result<Option<Summarised>> {
        let found = Source::summaries(self.view, query)?;
        if found.is_some() {
            self.series.fetch_add(1, Relaxed);
        }
        Ok(found)
    }
}
