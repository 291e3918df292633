//! Keeps samples: a write-ahead log on local disk, a head in memory, Parquet blocks on object storage,
//! and retention. Readers get a [`View`]. It must never acknowledge what is not durable, never
//! give a wrong answer for damaged bytes, and knows nothing of protocols, queries or HTTP.
//!
//! The way of a batch: [`Store::append`] → writer thread → log (one fsync for a group) → head →
//! acknowledgement. Later [`Store::maintain`] cuts the head into a block, commits a manifest that names it,
//! and drops the head and its log segments. A reader's view has every sample once at every instant.

mod appender;
mod archive;
#[cfg(test)]
mod archive_tests;
pub mod audit;
mod backup;
mod block;
mod block_write;
#[cfg(test)]
mod bucket_tests;
pub mod buffer;
pub mod captures;
mod cells;
pub mod chunk;
mod delete;
pub mod durable;
pub mod exemplars;
mod export;
mod folder;
mod head;
mod head_more;
mod histogram_chunk;
mod index;
mod join;
mod lease;
mod maintenance;
mod manifest;
mod merge;
mod objects;
mod open;
mod open_histograms;
mod parquet_io;
mod parquet_rows;
mod parquet_write;
mod pieces;
mod pinned;
mod place;
mod planted;
mod progress;
mod read_only;
mod recovery;
#[cfg(test)]
#[path = "../tests/support/s3.rs"]
mod s3;
mod segment;
mod series_counts;
mod settings;
mod starts;
mod stats;
mod store;
pub mod tables;
#[cfg(test)]
mod testing;
mod tier;
mod verify;
mod view;
mod wal;
mod wal_histogram;
mod wal_read;
mod work;
mod writer;
mod writer_histograms;
mod xor;

pub use archive::{ArchiveReading, ArchivedReading, BringingBack};
pub use backup::{Backup, BackupOptions, Restored, backup, restore};
pub use delete::{Deletion, Reach};
pub use index::LabelIndex;
pub use objects::Location;
pub use open::Coded;
pub use parquet_rows::RowsWriter;
pub use progress::Progress;
pub use read_only::ReadOnly;
pub use settings::Settings;
pub use store::{Pending, Status, Store};
pub use tier::{Bucket, Grid, HOUR_MS, MINUTE_MS, Summarised, SummarisedSeries, SummaryQuery, Used};
pub use verify::{Finding, Lost, Report, Severity, verify};
pub use view::{Lifetime, Part, SeriesPieces, View};
pub use work::{LastReading, Running, RunningReading, Work, WorkKind, WorkReading};
pub use writer::Appended;

/// Whether this build can have bugs planted (feature `planted-bugs`): such a build must not keep anybody's data.
pub const PLANTED_BUGS: bool = cfg!(feature = "planted-bugs");

pub(crate) use store::{Shared, Stats};
