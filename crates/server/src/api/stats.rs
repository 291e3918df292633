//! What a query cost, as Prometheus tells it for `stats=`: samples that were read, and where the time went. Counting
//! must not change what is read.

use ::query::source::{Summarised, SummaryQuery};
use ::query::{ReadLimits, Source};
use model::{Labels, Matcher, SeriesData};
use serde_json::{Value as Json, json};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;
use stdx::Result;

/// A view that counts the samples that are read from it.
pub struct Counted<'a> {
    view: &'a store::View,
    all: AtomicUsize,
    most: AtomicUsize,
}

impl<'a> Counted<'a> {
    /// Nothing is read yet.
    pub fn new(view: &'a store::View) -> Counted<'a> {
        Counted { view, all: AtomicUsize::new(0), most: AtomicUsize::new(0) }
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
        let samples = found.iter().map(|s| s.timestamps_ms.len() + s.histograms.len()).sum();
        self.all.fetch_add(samples, Relaxed);
        self.most.fetch_max(samples, Relaxed);
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
            let samples = series.timestamps_ms.len() + series.histograms.len();
            self.all.fetch_add(samples, Relaxed);
            self.most.fetch_max(samples, Relaxed);
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
        Source::series(self.view, matchers, start_ms, end_ms, limits)
    }

    fn resolutions(&self) -> &[i64] {
        self.view.resolutions()
    }

    fn summaries(&self, query: &SummaryQuery<'_>) -> Result<Option<Summarised>> {
        Source::summaries(self.view, query)
    }
}

/// Instants of one query.
pub struct Clock {
    asked: Instant,
    began: Option<Instant>,
}

impl Clock {
    /// The query was asked now.
    pub fn start() -> Clock {
        Clock { asked: Instant::now(), began: None }
    }

    /// Its turn has come.
    pub fn begin(&mut self) {
        self.began = Some(Instant::now());
    }

    /// The object `stats` of an answer; the query ends now.
    pub fn read(&self, counted: &Counted<'_>) -> Json {
        let began = self.began.unwrap_or(self.asked);
        let (evaluated, total) = (began.elapsed().as_secs_f64(), self.asked.elapsed().as_secs_f64());
        json!({
            "timings": {
                "evalTotalTime": evaluated,
                // Reading, computing and sorting go through each other: there is no time of one alone.
                "resultSortTime": 0,
                "queryPreparationTime": 0,
                "innerEvalTime": evaluated,
                "execQueueTime": began.duration_since(self.asked).as_secs_f64(),
                "execTotalTime": total,
            },
            "samples": {
                "totalQueryableSamples": counted.all.load(Relaxed),
                "peakSamples": counted.most.load(Relaxed),
            },
        })
    }
}
