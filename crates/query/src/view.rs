//! The stored series as a source of queries.

use crate::source::{ReadLimits, Source};
use model::{Labels, Matcher, SeriesData};
use stdx::Result;

impl Source for store::View {
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limits: ReadLimits,
    ) -> Result<Vec<SeriesData>> {
        store::View::select(self, matchers, start_ms, end_ms, limits.series_max, limits.samples_max)
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
}
