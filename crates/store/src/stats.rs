//! The store's own measurements: their names, and how the gauges are read. It must never change what it measures.

use crate::Stats;
use crate::store::Status;
use std::sync::Mutex;
use stdx::metrics::{Kind, Registry};

impl Stats {
    pub(crate) fn new(r: &Registry) -> Stats {
        let counter = |name, help| r.value(Kind::Counter, name, help, Vec::new());
        let gauge = |name, help| r.value(Kind::Gauge, name, help, Vec::new());
        Stats {
            appended: counter("midwatch_store_samples_appended_total", "Samples acknowledged as durable."),
            late: counter(
                "midwatch_store_samples_late_total",
                "Samples older than the newest of their series.",
            ),
            wal_bytes: counter("midwatch_store_wal_written_bytes_total", "Bytes written to the log."),
            fsyncs: counter("midwatch_store_wal_fsyncs_total", "Groups of batches made durable."),
            wal_errors: counter("midwatch_store_wal_errors_total", "Groups that could not be made durable."),
            internal_errors: counter(
                "midwatch_store_internal_errors_total",
                "Bugs: samples that could not be sealed.",
            ),
            problem: Mutex::default(),
            head_series: gauge("midwatch_store_head_series", "Series in the newest head."),
            head_samples: gauge("midwatch_store_head_samples", "Samples in memory."),
            head_bytes: gauge("midwatch_store_head_bytes", "Memory of the heads, estimated."),
            wal_size: gauge("midwatch_store_wal_bytes", "Log segments on disk."),
            blocks: gauge("midwatch_store_blocks", "Blocks."),
            blocks_bytes: gauge("midwatch_store_blocks_bytes", "Size of all blocks."),
            metric_series: gauge(
                "midwatch_store_largest_metric_series",
                "Series of the metric that has most in the newest head.",
            ),
            source_series: gauge(
                "midwatch_store_largest_source_series",
                "Series of the source (label job) that has most in the newest head.",
            ),
            tiers: crate::tier::TierStats::all(r),
            cuts: counter("midwatch_store_cuts_total", "Heads cut."),
            removed: counter("midwatch_store_blocks_removed_total", "Blocks removed by retention."),
            metadata_refused: counter(
                "midwatch_store_metadata_refused_total",
                "Types and help texts of metrics not kept because of a limit.",
            ),
        }
    }

    pub(crate) fn read(&self, status: &Status) {
        self.head_series.set(status.head_series as f64);
        self.head_samples.set(status.head_samples as f64);
        self.head_bytes.set(status.head_bytes as f64);
        self.wal_size.set(status.wal_bytes as f64);
        self.blocks.set(status.blocks as f64);
        self.blocks_bytes.set(status.blocks_bytes as f64);
    }
}
