//! What a store can be told. Plain values with units in their names; it must never read a file or the
//! environment for them.

use std::path::PathBuf;

/// Settings of a store; each field says what it costs to change it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the log is kept when the data is in a bucket. It needs a local disk: acknowledgements wait for it.
    pub wal: PathBuf,
    /// A second store, a folder or a bucket, that old blocks move to.
    pub archive: Option<PathBuf>,
    /// Blocks whose last sample is older than this move there. Queries no longer read them.
    pub archive_after_ms: i64,
    /// Samples older than this are removed there; `None` is never.
    pub archive_retention_ms: Option<i64>,
    /// Samples older than this are removed, whole blocks at a time. Longer costs disk.
    pub retention_ms: i64,
    /// Oldest blocks are removed when all blocks together are larger than this.
    pub blocks_bytes_max: u64,
    /// Summaries of each minute are removed when they are older than this; 0: none are made.
    pub tier_minute_retention_ms: i64,
    /// Summaries of each hour are removed when they are older than this; 0: none are made.
    pub tier_hour_retention_ms: i64,
    /// The oldest summaries are removed, minutes first, when all together are larger than this.
    pub tiers_bytes_max: u64,
    /// A head is cut into a block when it is this old. Longer makes better chunks of slow series, and
    /// costs memory and a longer start.
    pub head_age_ms: i64,
    /// A head is cut early when it takes this much memory.
    pub head_bytes_max: usize,
    /// A head is cut early when its samples take more memory than its series, and at least this much.
    pub head_samples_bytes_min: usize,
    /// A head is cut early when its log is this long. At twice that nothing more is taken.
    pub wal_bytes_max: u64,
    /// A head is cut early when so many series in it, and more than half of all, have ended. Fewer make more and smaller
    /// blocks when series come and go, and save memory.
    pub silent_series_min: usize,
    /// The most exemplars that are kept; 0 keeps none.
    pub exemplars_max: usize,
    /// The most series in one head; a sample of one more is refused.
    pub series_max: usize,
    /// The most series of one metric in one head, so that one that goes wrong leaves room for the others.
    pub series_per_metric_max: usize,
    /// The most series of one source, which is the label `job`.
    pub series_per_source_max: usize,
    /// The most bytes of block indexes kept in memory between queries.
    pub index_bytes_max: usize,
    /// The most metrics whose type and help are kept.
    pub metadata_max: usize,
    /// How many batches may wait for the writer; more are refused as `Busy`.
    pub queue_batches_max: usize,
    /// How many bytes of batches may wait for the writer; one batch alone may be larger.
    pub queue_bytes_max: usize,
    /// How many blocks of one level are merged into one of the next.
    pub merge_blocks: usize,
    /// Merging stops at blocks of this size.
    pub merge_bytes_max: u64,
    /// Settings of the tables: logs, spans and changes.
    pub tables: crate::tables::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            wal: "./midwatch-wal".into(),
            archive: None,
            archive_after_ms: 14 * 86_400_000,
            archive_retention_ms: None,
            retention_ms: 30 * 86_400_000,
            blocks_bytes_max: 20 << 30,
            tier_minute_retention_ms: 180 * 86_400_000,
            tier_hour_retention_ms: 5 * 365 * 86_400_000,
            tiers_bytes_max: 20 << 30,
            head_age_ms: 2 * 3_600_000,
            head_bytes_max: 1 << 30,
            head_samples_bytes_min: 16 << 20,
            wal_bytes_max: 1 << 30,
            silent_series_min: 20_000,
            exemplars_max: 100_000,
            series_max: 5_000_000,
            series_per_metric_max: 2_000_000,
            series_per_source_max: 4_000_000,
            index_bytes_max: 256 << 20,
            metadata_max: 100_000,
            queue_batches_max: 256,
            queue_bytes_max: 256 << 20,
            merge_blocks: 4,
            merge_bytes_max: 128 << 20,
            tables: crate::tables::Settings::default(),
        }
    }
}
