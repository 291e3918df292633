//! The stored series as a source of queries.

use crate::source::{ReadLimits, Source, Summarised, SummaryQuery};
use model::{Labels, Matcher, SeriesData};
use stdx::{Error, ErrorKind, Result};

/// Memory of one sample: its time and its value.
const SAMPLE_BYTES: usize = 16;

impl Source for store::View {
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limits: ReadLimits,
    ) -> Result<Vec<SeriesData>> {
        let found =
            store::View::select(self, matchers, start_ms, end_ms, limits.series_max, samples_max(limits));
        found.map_err(|e| told(e, limits))
    }

    fn select_each(
        &self,
        matchers: &[Matcher],
        range_ms: (i64, i64),
        limits: ReadLimits,
        sink: &mut dyn FnMut(SeriesData) -> Result<()>,
    ) -> Result<()> {
        let done =
            store::View::select_each(self, matchers, range_ms, limits.series_max, samples_max(limits), sink);
        done.map_err(|e| told(e, limits))
    }

    fn series(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limits: ReadLimits,
    ) -> Result<Vec<Labels>> {
        store::View::series(self, matchers, start_ms, end_ms, limits.series_max)
    }

    fn resolutions(&self) -> &[i64] {
        &[store::HOUR_MS, store::MINUTE_MS]
    }

    fn summaries(&self, query: &SummaryQuery<'_>) -> Result<Option<Summarised>> {
        store::View::summaries(self, query)
    }
}

/// The most samples that both limits allow.
fn samples_max(limits: ReadLimits) -> usize {
    limits.samples_max.min(limits.bytes_max / SAMPLE_BYTES)
}

/// The error of too many samples, where that was the memory's limit.
fn told(e: Error, limits: ReadLimits) -> Error {
    match e.bound {
        Some("query.samples_max") if samples_max(limits) < limits.samples_max => Error::new(
            ErrorKind::TooLarge,
            "the samples of this need more memory than a query may take; take a shorter time range or narrower label \
             matchers, or raise query.memory_max",
        )
        .bound("query.memory_max"),
        _ => e,
    }
}
