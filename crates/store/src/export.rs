//! Reads everything that is asked for once, series by series in order of labels, in memory that does not depend on how
//! much it is: that of the log, a row group of each block, and one series. It must never give a sample that a checksum
//! does not confirm; what is damaged is left out and told.

mod stream;
#[cfg(test)]
mod tests;

use crate::head::Piece;
use crate::read_only::ReadOnly;
use crate::view::SeriesPieces;
use model::{Labels, Matcher, SeriesData};
use stdx::Result;
use stream::BlockStream;

/// Whether a series passes all matchers of one of the sets.
fn is_wanted(sets: &[Vec<Matcher>], labels: &Labels) -> bool {
    sets.iter().any(|set| set.iter().all(|m| m.matches(labels.get(&m.name))))
}

impl ReadOnly {
    /// Gives each series that passes one of the sets of matchers and has samples in `start_ms..=end_ms`, in order of
    /// labels. Returns what had to be left out, in words.
    ///
    /// # Errors
    /// Those of `found`.
    pub fn for_each_series(
        &self,
        sets: &[Vec<Matcher>],
        start_ms: i64,
        end_ms: i64,
        mut found: impl FnMut(SeriesData) -> Result<()>,
    ) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        let overlapping = self.blocks.iter().filter(|b| b.overlaps(start_ms, end_ms));
        let mut blocks: Vec<BlockStream<'_>> =
            overlapping.filter_map(|b| BlockStream::new(b, start_ms, end_ms, &mut problems)).collect();
        let head = self.head.read().unwrap_or_else(|e| e.into_inner());
        let index = head.index();
        let mut ids: Vec<u32> =
            (0..index.series().len() as u32).filter(|id| is_wanted(sets, index.labels(*id))).collect();
        ids.sort_unstable_by(|a, b| index.labels(*b).cmp(index.labels(*a)));
        loop {
            let in_head = ids.last().map(|id| index.labels(*id));
            let next = blocks.iter().filter_map(|b| b.labels.as_ref()).chain(in_head).min().cloned();
            let Some(labels) = next else { break };
            let is_wanted = is_wanted(sets, &labels);
            let mut pieces = Vec::new();
            for block in blocks.iter_mut().filter(|b| b.labels.as_ref() == Some(&labels)) {
                block.take(is_wanted, &mut pieces, &mut problems);
            }
            if let Some(id) = ids.pop_if(|id| *index.labels(*id) == labels) {
                let mut in_head: Vec<Piece> = Vec::new();
                if let Err(e) = head.pieces(id, start_ms, end_ms, &mut in_head) {
                    problems.push(format!("{labels}: {e}"));
                }
                pieces.append(&mut in_head);
            }
            if pieces.is_empty() {
                continue;
            }
            let shown = labels.clone();
            match SeriesPieces::new(labels, pieces).data(start_ms, end_ms) {
                Ok(data) if data.timestamps_ms.is_empty() && data.histograms.is_empty() => {}
                Ok(data) => found(data)?,
                Err(e) => problems.push(format!("{shown} was left out: {e}")),
            }
        }
        for block in blocks {
            block.end(&mut problems);
        }
        Ok(problems)
    }

    /// The names of metrics in the order in which [`ReadOnly::for_each_series`] comes to them; one may come again.
    /// What cannot be read is left out.
    pub fn names(&self, sets: &[Vec<Matcher>], start_ms: i64, end_ms: i64) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let mut ignored = Vec::new();
        let overlapping = self.blocks.iter().filter(|b| b.overlaps(start_ms, end_ms));
        let mut blocks: Vec<BlockStream<'_>> =
            overlapping.filter_map(|b| BlockStream::new(b, start_ms, end_ms, &mut ignored)).collect();
        let head = self.head.read().unwrap_or_else(|e| e.into_inner());
        let index = head.index();
        let mut in_head: Vec<&Labels> = index.series().iter().collect();
        in_head.sort_unstable_by(|a, b| b.cmp(a));
        loop {
            let next = blocks.iter().filter_map(|b| b.labels.as_ref()).chain(in_head.last().copied()).min();
            let Some(labels) = next.cloned() else { return names };
            if is_wanted(sets, &labels) && names.last().is_none_or(|name| name != labels.name()) {
                names.push(labels.name().into());
            }
            for block in blocks.iter_mut().filter(|b| b.labels.as_ref() == Some(&labels)) {
                block.skip(&mut ignored);
            }
            in_head.pop_if(|l| **l == labels);
        }
    }
}
