//! Sums and means of native histograms by group and step, beside those of numbers. Groups without histograms take no
//! memory here.

use super::Eval;
use super::column::{Column, Histograms, is_present};
use super::mixed::{About, HintsSeen};
use crate::ast::AggregateOp;
use crate::error::{QueryError, Span};
use crate::native::{self, Incompatible, Mean, Total};
use model::Histogram;
use std::sync::Arc;

/// The histograms of one group at one step.
#[derive(Default)]
struct Cell {
    sum: Option<Sum>,
    seen: HintsSeen,
    reconciled: bool,
    /// Whether some have exponential and some custom buckets, so that there is no result.
    incompatible: bool,
}

enum Sum {
    Total(Total),
    Mean(Mean),
}

impl Cell {
    /// Memory of the sum, in bytes.
    fn bytes(&self) -> usize {
        match &self.sum {
            Some(Sum::Total(total)) => total.bytes(),
            Some(Sum::Mean(mean)) => mean.bytes(),
            None => 0,
        }
    }

    fn add(&mut self, op: AggregateOp, h: &Histogram) -> Result<(), Incompatible> {
        self.seen.see(h);
        let outcome = match &mut self.sum {
            Some(Sum::Total(total)) => total.add(h),
            Some(Sum::Mean(mean)) => mean.add(h),
            none => {
                let mean = op == AggregateOp::Avg;
                *none = Some(if mean { Sum::Mean(Mean::new(h)) } else { Sum::Total(Total::new(h)) });
                return Ok(());
            }
        };
        self.reconciled |= outcome?.bounds_reconciled;
        Ok(())
    }

    /// `None` if there is no histogram; nothing inside if they cannot be added.
    fn result(self) -> Option<Option<Arc<Histogram>>> {
        if self.incompatible {
            return Some(None);
        }
        self.sum.map(|sum| {
            Some(Arc::new(match sum {
                Sum::Total(total) => total.histogram(),
                Sum::Mean(mean) => mean.histogram(),
            }))
        })
    }
}

/// By place of the group.
#[derive(Default)]
pub(super) struct NativeGroups {
    groups: Vec<Option<Vec<Cell>>>,
}

impl NativeGroups {
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    pub(super) fn add(
        &mut self,
        eval: &Eval<'_>,
        op: AggregateOp,
        group: usize,
        histograms: &Histograms,
        about: &About<'_>,
    ) -> Result<(), QueryError> {
        if self.groups.len() <= group {
            self.groups.resize_with(group + 1, || None);
        }
        if self.groups[group].is_none() {
            eval.hold_bytes(histograms.len() * size_of::<Cell>())?;
        }
        let cells = self.groups[group].get_or_insert_with(|| {
            let mut cells = Vec::new();
            cells.resize_with(histograms.len(), Cell::default);
            cells
        });
        for (cell, h) in cells.iter_mut().zip(histograms) {
            let Some(h) = h.as_ref().filter(|_| !cell.incompatible) else { continue };
            let before = cell.bytes();
            if cell.add(op, h).is_err() {
                cell.incompatible = true;
                eval.warn_of_kinds(about);
            }
            let now = cell.bytes();
            eval.worked(native::work(h) + now / size_of::<f64>())?;
            eval.hold_bytes(now.saturating_sub(before))?;
        }
        Ok(())
    }

    /// What each step of a group gives: nothing if there is no histogram, and nothing inside if they cannot be added.
    #[allow(clippy::type_complexity)]
    pub(super) fn results(
        &mut self,
        eval: &Eval<'_>,
        group: usize,
        span: Span,
    ) -> Result<Option<Vec<Option<Option<Arc<Histogram>>>>>, QueryError> {
        let Some(cells) = self.groups.get_mut(group).and_then(Option::take) else { return Ok(None) };
        let results = cells.into_iter().map(|cell| {
            eval.tell_of_sum(cell.seen, cell.reconciled, span);
            cell.result()
        });
        let results: Vec<_> = results.collect();
        eval.worked(results.len())?;
        Ok(Some(results))
    }
}

impl Column {
    /// Numbers in place of histograms, for whoever only wants to know whether there is a sample.
    pub(super) fn count_histograms(&mut self) {
        let Some(histograms) = self.histograms.take() else { return };
        for (v, h) in self.values.iter_mut().zip(histograms) {
            if h.is_some() && !is_present(*v) {
                *v = 1.0;
            }
        }
    }
}
