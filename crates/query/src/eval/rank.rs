//! Aggregations that choose among series and give them unchanged: `topk`, `bottomk`, `limitk`,
//! `limit_ratio`.

use super::aggregate::group_of;
use super::column::{Column, Steps};
use super::{Eval, Held, Sink};
use crate::ast::{Aggregate, AggregateOp};
use crate::error::QueryError;
use model::Labels;
use std::cmp::Ordering;
use std::collections::HashMap;

/// For `topk` and `bottomk`: the better value first, NaN last.
pub(super) fn better_first(op: AggregateOp, a: f64, b: f64) -> Ordering {
    let order = if op == AggregateOp::Topk { b.partial_cmp(&a) } else { a.partial_cmp(&b) };
    order.unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

impl Eval<'_> {
    pub(super) fn rank(&self, a: &Aggregate, steps: &Steps, sink: Sink<'_>) -> Result<(), QueryError> {
        let k = self.param(a, steps)?;
        if let Some(bad) = k.iter().find(|k| k.is_nan() || k.abs() >= 9.3e18) {
            let message = if bad.is_nan() {
                "Parameter value is NaN".to_string()
            } else {
                format!("Scalar value {} overflows int64", crate::number::short_text(*bad))
            };
            return Err(QueryError::invalid(message).at(a.param.as_ref().map_or(a.expr.span, |p| p.span)));
        }
        let mut columns = self.columns(&a.expr, steps)?;
        let held = Held::of(&columns);
        if a.op != AggregateOp::Limitk {
            columns.iter_mut().for_each(|c| self.ignore_histograms(a, c));
        }
        // In order of labels, so that ties are always broken in the same way.
        columns.sort_by(|x, y| x.labels.cmp(&y.labels));
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut index: HashMap<Labels, usize> = HashMap::new();
        for (i, column) in columns.iter().enumerate() {
            let group = *index.entry(group_of(&column.labels, a)).or_insert(groups.len());
            groups.resize_with(groups.len().max(group + 1), Vec::new);
            groups[group].push(i);
        }
        for group in &groups {
            for (step, k) in k.iter().enumerate() {
                self.worked(group.len())?;
                choose(a.op, k.max(0.0) as usize, step, group, &mut columns);
            }
        }
        columns.into_iter().filter(|c| !c.is_empty()).try_for_each(sink)?;
        self.release_columns(held);
        Ok(())
    }

    /// A share of the series, always the same ones: each label set has its place between 0 and 1.
    pub(super) fn limit_ratio(&self, a: &Aggregate, steps: &Steps, sink: Sink<'_>) -> Result<(), QueryError> {
        let ratios = self.param(a, steps)?;
        let span = a.param.as_ref().map_or(a.expr.span, |p| p.span);
        for r in &ratios {
            if r.is_nan() {
                return Err(QueryError::invalid("Ratio value is NaN").at(span));
            }
            if r.abs() > 1.0 {
                let text = format!(
                    "ratio value should be between -1 and 1, got {}, capping to {}",
                    crate::number::short_text(*r),
                    r.signum()
                );
                self.warn(span, &text);
            }
        }
        self.vector(&a.expr, steps, &mut |mut column| {
            self.worked(steps.count)?;
            let place = place(&column.labels);
            for (step, r) in ratios.iter().enumerate() {
                let chosen = if *r >= 0.0 { place < *r } else { place >= 1.0 + *r };
                if !chosen {
                    column.set(step, None);
                }
            }
            if column.is_empty() { Ok(()) } else { sink(column) }
        })
    }
}

/// Leaves `k` values of the group at this step.
fn choose(op: AggregateOp, k: usize, step: usize, group: &[usize], columns: &mut [Column]) {
    let mut present: Vec<usize> = group.iter().copied().filter(|i| columns[*i].has(step)).collect();
    if k >= present.len() {
        return;
    }
    if op != AggregateOp::Limitk && k > 0 {
        let order = |a: &usize, b: &usize| {
            better_first(op, columns[*a].values[step], columns[*b].values[step]).then(a.cmp(b))
        };
        present.select_nth_unstable_by(k - 1, order);
    }
    present[k..].iter().for_each(|i| columns[*i].set(step, None));
}

/// Where a label set stands between 0 and 1 (1 excluded), the same in every process: FNV-1a, then mixed
/// so that all bits count (the finalizer of MurmurHash3).
fn place(labels: &Labels) -> f64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut eat = |text: &str| {
        for b in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    labels.iter().for_each(|(n, v)| {
        eat(n);
        eat(v);
    });
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    ((hash ^ (hash >> 33)) >> 11) as f64 / (1u64 << 53) as f64
}
