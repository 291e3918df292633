//! What programs log, in the forms in which they do: bytes in, a [`model::LogBatch`] and rejects with reasons out.
//!
//! A record is never thrown away for a part of it: identifiers of a wrong length, attributes past the limit, lines that are
//! too long and times in the far future cost that part alone, leave a mark on the record, and are counted ([`Altered`]).
//! It must never panic, nor hold more than the limits allow, whatever arrives.

pub mod access;
mod build;
pub mod bulk;
mod fields;
mod flatten;
pub mod journal;
mod json;
pub mod line;
mod logfmt;
pub mod loki;
pub mod multiline;
mod plain;
pub mod syslog;
#[cfg(test)]
pub(crate) mod testing;
mod time;
mod zone;

pub use build::{Builder, Record};
pub use json::decode as decode_json_lines;
pub use line::{Format, LineReader, decode as decode_lines};
pub use zone::{UTC, Zone};

use crate::Limits;
use model::{LogBatch, Reject};

/// What is known besides the bytes.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// When they arrived, in nanoseconds since 1970: for records that tell no time, and what "future" means.
    pub now_ns: i64,
    /// The oldest time that is kept.
    pub oldest_ns: i64,
    /// The zone of times that name none.
    pub zone: &'a Zone,
    /// Limits on what arrives.
    pub limits: &'a Limits,
}

/// The attribute with the length that a line had before it was cut.
pub const CUT: &str = "midwatch.cut_from_bytes";
/// The attribute with the time that a record gave when it was in the far future.
pub const TIME_GIVEN: &str = "midwatch.time_given";
/// The attribute with the number of attributes that were left out.
pub const ATTRIBUTES_DROPPED: &str = "midwatch.attributes_dropped";

/// How many records were kept with a part of them changed, by what was changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Altered {
    /// The text was longer than `log_body_bytes_max` and was cut.
    pub cut: u64,
    /// Bytes that are not UTF-8 became replacement characters.
    pub invalid_utf8: u64,
    /// The time was in the far future and became that of the arrival.
    pub clamped: u64,
    /// An identifier of a trace or span was of a wrong length, or all zeros.
    pub bad_ids: u64,
    /// Attributes past the limits were left out or cut.
    pub attributes: u64,
}

impl Altered {
    /// Each with the name that it has in counters.
    pub fn each(&self) -> [(&'static str, u64); 5] {
        [
            ("cut", self.cut),
            ("invalid_utf8", self.invalid_utf8),
            ("time_clamped", self.clamped),
            ("bad_ids", self.bad_ids),
            ("attributes_dropped", self.attributes),
        ]
    }
}

/// What one body held.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// Everything that can be kept.
    pub batch: LogBatch,
    /// Everything else, by reason: [`Reject::samples`] counts records.
    pub rejects: Vec<Reject>,
    /// What was kept in part.
    pub altered: Altered,
    /// All records, kept or not.
    pub records: u64,
}

#[cfg(test)]
mod hostile;
