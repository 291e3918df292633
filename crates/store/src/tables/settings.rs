//! What the tables can be told. Plain values with units in their names.

use super::Table;

/// Settings of the tables; each field says what it costs to change it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Log records older than this are removed, whole files at a time. Longer costs disk.
    pub logs_retention_ms: i64,
    /// The same for spans.
    pub spans_retention_ms: i64,
    /// The same for changes.
    pub changes_retention_ms: i64,
    /// The oldest files, of any table but that of changes, are removed when all are larger than this.
    pub files_bytes_max: u64,
    /// Recent rows become files when they take this much memory, and stay until the files are written: at twice that
    /// nothing more is taken. More makes fewer and larger files.
    pub memory_bytes_max: usize,
    /// Recent rows become files when they are this old. Longer makes fewer files, and costs a longer start.
    pub recent_age_ms: i64,
    /// Recent rows become files when their log is this long. At twice that nothing more is taken.
    pub log_bytes_max: u64,
    /// How many batches may wait for the writer; more are refused as `Busy`.
    pub queue_batches_max: usize,
    /// How many bytes of batches may wait for the writer; one batch alone may be larger.
    pub queue_bytes_max: usize,
    /// How many files of one size class are merged into one of the next.
    pub merge_files: usize,
    /// Merging stops at files of this size.
    pub file_bytes_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            logs_retention_ms: 30 * 86_400_000,
            spans_retention_ms: 14 * 86_400_000,
            changes_retention_ms: 5 * 365 * 86_400_000,
            files_bytes_max: 20 << 30,
            memory_bytes_max: 128 << 20,
            recent_age_ms: 2 * 3_600_000,
            log_bytes_max: 512 << 20,
            queue_batches_max: 256,
            queue_bytes_max: 128 << 20,
            merge_files: 8,
            file_bytes_max: 256 << 20,
        }
    }
}

impl Settings {
    /// How long rows of a table are kept, milliseconds.
    pub fn retention_ms(&self, table: Table) -> i64 {
        match table {
            Table::Logs => self.logs_retention_ms,
            Table::Spans => self.spans_retention_ms,
            Table::Changes => self.changes_retention_ms,
        }
    }
}
