//! Takes deleted series out of summaries. It must never leave a bucket that holds some of what was deleted: one that does
//! so in part goes as a whole where its samples are gone; where they are there, the window is made again of what is left.

use super::{FOLDER, codec};
use crate::block::Block;
use crate::block_write::BlockWriter;
use crate::head::Piece;
use crate::maintenance::Maintenance;
use crate::manifest::{BlockEntry, TierEntry};
use crate::store::Store;
use model::Labels;
use stdx::Result;

/// What is deleted: series, and first and last instant.
pub(crate) struct Deleted<'a> {
    pub is_meant: &'a dyn Fn(&Labels) -> bool,
    pub start_ms: i64,
    pub end_ms: i64,
}

impl Store {
    /// Forgets windows that hold some of it, or cannot be read: they are made again of what is left. Where samples are
    /// gone by retention, writes them anew without it.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) fn delete_from_tiers(&self, m: &mut Maintenance, deleted: &Deleted<'_>) -> Result<()> {
        // What is being made may have read what is deleted.
        m.tiers.begin_anew();
        let view = self.view();
        let removed_through_ms = m.manifest.removed_through_ms.unwrap_or(i64::MIN);
        let mut kept: Vec<TierEntry> = Vec::with_capacity(m.manifest.tiers.len());
        for mut tier in m.manifest.tiers.clone() {
            let mut is_kept = true;
            if tier.start_ms < deleted.end_ms && tier.end_ms >= deleted.start_ms {
                let mut parts = Vec::with_capacity(tier.parts.len());
                for part in &tier.parts {
                    let block = self.part(&view.tiers, part);
                    let number = m.take_block_number();
                    match self.without(&block, tier.resolution_ms, deleted, number) {
                        Ok(left) if left.as_ref() == Some(part) => parts.extend(left),
                        Ok(_) if tier.start_ms >= removed_through_ms => is_kept = false,
                        Ok(left) => parts.extend(left),
                        Err(e) if e.kind == stdx::ErrorKind::Corrupt => is_kept = false,
                        Err(e) => return Err(e),
                    }
                }
                tier.parts = parts;
            }
            if is_kept {
                kept.push(tier);
            }
        }
        drop(view);
        self.commit_tiers(m, kept)
    }

    /// One part without it; the same if it holds nothing of it, `None` if nothing else.
    fn without(
        &self,
        block: &Block,
        resolution_ms: i64,
        deleted: &Deleted<'_>,
        number: u64,
    ) -> Result<Option<BlockEntry>> {
        let index = block.index()?;
        let is_inside =
            |first_ms: i64, last_ms: i64| first_ms <= deleted.end_ms && last_ms >= deleted.start_ms;
        let holds = index.labels.series().iter().enumerate().any(|(id, labels)| {
            let rows = index.summaries(id as u32);
            (deleted.is_meant)(labels)
                && rows.iter().any(|s| is_inside(s.first_ms - resolution_ms, s.last_ms + resolution_ms))
        });
        if !holds {
            return Ok(Some(block.entry.clone()));
        }
        let mut warnings = Vec::new();
        let found = block.read(&[], i64::MIN, i64::MAX, usize::MAX, &mut warnings)?;
        if let Some(text) = warnings.into_iter().next() {
            return Err(stdx::Error::corrupt(text));
        }
        let mut out = BlockWriter::in_folder(FOLDER, &self.objects, number, 0)?;
        for (labels, pieces) in found {
            let mut rows = Vec::new();
            for piece in pieces {
                let Piece::Sealed(row) = piece else { continue };
                if !(deleted.is_meant)(&labels) {
                    rows.push(row);
                    continue;
                }
                let mut buckets = codec::decode(&row)?;
                buckets.retain(|b| !is_inside(b.end_ms - resolution_ms + 1, b.end_ms));
                if !buckets.is_empty() {
                    rows.push(codec::encode(&buckets, resolution_ms)?);
                }
            }
            out.push(&labels, rows)?;
        }
        out.finish()
    }
}
