//! Tiers: what is known of old samples without the samples. Windows of time are summarised in buckets of a minute and of
//! an hour, each tier with a retention of its own. A tier is derived: it is made from blocks, made again when late
//! samples come, and never the reason that an answer is wrong: what it does not know is read from the blocks.
//! Format: `docs/formats/tier.md`; why it is so: `docs/decisions/tiers.md`.

mod bucket;
mod build;
mod codec;
mod delete;
mod read;
mod recovery;
mod stats;
mod upkeep;

#[cfg(test)]
mod tests;

pub use bucket::{Bucket, Grid};
pub(crate) use codec::check as check_row;
pub(crate) use delete::Deleted;
pub use read::{Summarised, SummarisedSeries, SummaryQuery, Used};
pub(crate) use recovery::{leave_out_lost, remove_orphans};
pub(crate) use stats::TierStats;
pub(crate) use upkeep::Upkeep;

use crate::block::Block;
use crate::manifest::{Manifest, TierEntry};
use crate::objects::Objects;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The folder of the files of all tiers.
pub(crate) const FOLDER: &str = "tiers";

/// One tier.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// As people call it.
    pub name: &'static str,
    /// Length of a bucket.
    pub resolution_ms: i64,
    /// Length of what is summarised at once.
    pub window_ms: i64,
}

/// Length of the finer tier's buckets.
pub const MINUTE_MS: i64 = 60_000;
/// Length of the coarser tier's buckets.
pub const HOUR_MS: i64 = 3_600_000;

/// Finest first. A window is short enough that little has to be read from the blocks until it is over, and long enough
/// for buckets to compress and for files to be few.
pub(crate) static KINDS: [Kind; 2] = [
    Kind { name: "1m", resolution_ms: MINUTE_MS, window_ms: 6 * HOUR_MS },
    Kind { name: "1h", resolution_ms: HOUR_MS, window_ms: 96 * HOUR_MS },
];

/// A summarised window that readers may use.
pub(crate) struct Tier {
    pub entry: TierEntry,
    pub parts: Vec<Arc<Block>>,
    /// A reader found that it cannot be read; it is made again if its samples are still there.
    pub is_damaged: AtomicBool,
}

/// All that is summarised.
#[derive(Default)]
pub(crate) struct Tiers {
    pub windows: Vec<Arc<Tier>>,
    /// Samples up to here may be gone.
    pub removed_through_ms: i64,
}

impl Tiers {
    /// As the manifest says; what is in `before` already is used again.
    pub fn of(manifest: &Manifest, objects: &Objects, before: &Tiers) -> Tiers {
        let tier = |entry: &TierEntry| {
            let known = before.windows.iter().find(|t| {
                (t.entry.resolution_ms, t.entry.start_ms) == (entry.resolution_ms, entry.start_ms)
                    && t.entry.parts == entry.parts
            });
            if let Some(same) = known.filter(|t| t.entry == *entry) {
                return same.clone();
            }
            let new = |part: &crate::manifest::BlockEntry| {
                Arc::new(Block::in_folder(FOLDER, part.clone(), objects.clone()))
            };
            let parts = known.map(|t| t.parts.clone());
            Arc::new(Tier {
                parts: parts.unwrap_or_else(|| entry.parts.iter().map(new).collect()),
                entry: entry.clone(),
                is_damaged: AtomicBool::new(false),
            })
        };
        Tiers {
            windows: manifest.tiers.iter().map(tier).collect(),
            removed_through_ms: manifest.removed_through_ms.unwrap_or(i64::MIN),
        }
    }
}
