//! Where the evaluator reads from: samples, and summaries that may stand for them. It must never know how either is stored.

use model::{Labels, Matcher, SeriesData};
use stdx::Result;
pub use store::{Bucket, Grid, Summarised, SummaryQuery, Used};

/// Limits of one read.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// The most series one selector may return.
    pub series_max: usize,
    /// The most samples one selector may return.
    pub samples_max: usize,
    /// The most bytes of samples (16 each) and labels; whoever asks counts again what it got.
    pub bytes_max: usize,
}

/// An immutable view of stored series.
pub trait Source: Sync {
    /// Every series that passes all matchers and has a sample in `start_ms..=end_ms` (both inclusive),
    /// with just these samples, stale markers included. In no particular order.
    ///
    /// # Errors
    /// `TooLarge` past a limit, with a message that says how to ask for less.
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limits: ReadLimits,
    ) -> Result<Vec<SeriesData>>;

    /// As [`Source::select`], one series after another, so that few are in memory at a time.
    ///
    /// # Errors
    /// As [`Source::select`], and those of `sink`, after which nothing more is handed over.
    fn select_each(
        &self,
        matchers: &[Matcher],
        (start_ms, end_ms): (i64, i64),
        limits: ReadLimits,
        sink: &mut dyn FnMut(SeriesData) -> Result<()>,
    ) -> Result<()> {
        self.select(matchers, start_ms, end_ms, limits)?.into_iter().try_for_each(sink)
    }

    /// The label sets alone, of series that may have a sample in the range.
    ///
    /// # Errors
    /// As [`Source::select`].
    fn series(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limits: ReadLimits,
    ) -> Result<Vec<Labels>> {
        Ok(self.select(matchers, start_ms, end_ms, limits)?.into_iter().map(|s| s.labels).collect())
    }

    /// Lengths of the buckets of the summaries that there may be, longest first, in milliseconds.
    fn resolutions(&self) -> &[i64] {
        &[]
    }

    /// As [`Source::select`], with summaries in place of samples where that is allowed and possible; `None` if it is
    /// nowhere.
    ///
    /// # Errors
    /// As [`Source::select`].
    fn summaries(&self, query: &SummaryQuery<'_>) -> Result<Option<Summarised>> {
        let _ = query;
        Ok(None)
    }
}
