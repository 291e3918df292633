//! Two vectors: series find their partners by their labels (`on`, `ignoring`, `group_left`,
//! `group_right`), or, for `and`, `or`, `unless`, whether there is one. What may not be paired at a step is
//! an error at that step, as in Prometheus. A partner that is missing can be filled in (`fill`).

use super::Eval;
use super::binary::{compute, drops_name};
use super::column::{ABSENT, Column, Merged, Steps, is_metadata, is_present, same_labels};
use crate::ast::{BinaryOp, Group, Matching, Operand};
use crate::error::{QueryError, Span};
use crate::native;
use crate::value::Point;
use model::Labels;
use std::collections::HashMap;

/// The labels by which two series find each other.
fn signature(labels: &Labels, m: &Matching) -> Labels {
    if m.on {
        labels.filtered(|n| m.labels.iter().any(|l| l == n))
    } else {
        labels.filtered(|n| !is_metadata(n) && !m.labels.iter().any(|l| l == n))
    }
}

impl Eval<'_> {
    /// `left op right`; what it gives is counted as held.
    pub(super) fn match_vectors(
        &self,
        left: Vec<Column>,
        right: Vec<Column>,
        operand: &Operand,
        span: Span,
        steps: &Steps,
    ) -> Result<Vec<Column>, QueryError> {
        let default = Matching::default();
        let m = operand.matching.as_ref().unwrap_or(&default);
        let columns = if operand.op.is_set() {
            set(self, operand.op, left, right, m, steps)?
        } else {
            Join::new(self, operand, span, m, left, right, steps)?.run()?
        };
        columns.iter().try_for_each(|c| self.hold_column(c))?;
        Ok(columns)
    }
}

/// `and`, `or`, `unless`.
fn set(
    eval: &Eval<'_>,
    op: BinaryOp,
    left: Vec<Column>,
    right: Vec<Column>,
    m: &Matching,
    steps: &Steps,
) -> Result<Vec<Column>, QueryError> {
    // Which side says where a partner is, and which is cut by it.
    let (mask, cut) = if op == BinaryOp::Or { (&left, &right) } else { (&right, &left) };
    let mut present: HashMap<Labels, Vec<bool>> = HashMap::new();
    for column in mask {
        eval.worked(steps.count)?;
        let steps_with =
            present.entry(signature(&column.labels, m)).or_insert_with(|| vec![false; steps.count]);
        steps_with.iter_mut().enumerate().for_each(|(step, p)| *p |= column.has(step));
    }
    let none = vec![false; steps.count];
    let mut kept = Vec::new();
    for column in cut {
        eval.worked(steps.count)?;
        let partner = present.get(&signature(&column.labels, m)).unwrap_or(&none);
        let wanted = op == BinaryOp::And;
        let pairs = column.values.iter().zip(partner);
        let values = pairs.map(|(v, p)| if *p == wanted { *v } else { ABSENT }).collect();
        let histograms = column.histograms.as_ref().map(|held| {
            let pairs = held.iter().zip(partner);
            pairs.map(|(h, p)| if *p == wanted { h.clone() } else { None }).collect()
        });
        let column = Column { labels: column.labels.clone(), nameless: column.nameless, values, histograms };
        if !column.is_empty() {
            kept.push(column);
        }
    }
    if op != BinaryOp::Or {
        return Ok(kept);
    }
    let mut merged = Merged::default();
    for column in left.into_iter().chain(kept) {
        merged.push(column)?;
    }
    Ok(merged.columns)
}

/// An arithmetic or comparison operator between two vectors. One side may have many series for one of
/// the other; without a group modifier it is the left one, and then having many is an error.
struct Join<'j> {
    eval: &'j Eval<'j>,
    operand: &'j Operand,
    /// Of the chain, for notes.
    span: Span,
    m: &'j Matching,
    many: Vec<Column>,
    one: Vec<Column>,
    /// Series of the "one" side by signature.
    by_signature: HashMap<Labels, Vec<usize>>,
    /// The values of partners that are missing on the two sides.
    fill_many: Option<f64>,
    fill_one: Option<f64>,
    steps: &'j Steps,
    by_labels: HashMap<Labels, usize>,
    joined: Vec<Column>,
}

impl<'j> Join<'j> {
    fn new(
        eval: &'j Eval<'j>,
        operand: &'j Operand,
        span: Span,
        m: &'j Matching,
        left: Vec<Column>,
        right: Vec<Column>,
        steps: &'j Steps,
    ) -> Result<Self, QueryError> {
        let (many, one) = if m.group == Group::Right { (right, left) } else { (left, right) };
        let mut by_signature: HashMap<Labels, Vec<usize>> = HashMap::new();
        for (i, column) in one.iter().enumerate() {
            by_signature.entry(signature(&column.labels, m)).or_default().push(i);
        }
        let join = Join {
            eval,
            operand,
            span,
            m,
            many,
            one,
            by_signature,
            // Also with `group_right`, where the sides are the other way round: this is what Prometheus
            // answers, though not what its documentation says (docs/decisions/promql.md).
            fill_many: m.fill_left,
            fill_one: m.fill_right,
            steps,
            by_labels: HashMap::new(),
            joined: Vec::new(),
        };
        join.check_one_side()?;
        Ok(join)
    }

    fn run(mut self) -> Result<Vec<Column>, QueryError> {
        let many = std::mem::take(&mut self.many);
        let by_signature = std::mem::take(&mut self.by_signature);
        let signatures: Vec<Labels> = many.iter().map(|c| signature(&c.labels, self.m)).collect();
        let mut seen: HashMap<&Labels, usize> = HashMap::new();
        signatures.iter().for_each(|s| *seen.entry(s).or_default() += 1);
        // For one-to-one: the steps at which a signature was matched already.
        let mut taken: HashMap<&Labels, Vec<bool>> = HashMap::new();
        for (column, signature) in many.iter().zip(&signatures) {
            let partners = by_signature.get(signature).map_or(&[][..], Vec::as_slice);
            let alone = seen.get(signature) == Some(&1);
            let filled = self.fill_one.map(|value| self.stand_in(signature, value, partners, &self.one));
            let found = partners.iter().map(|i| &self.one[*i]).chain(&filled);
            let mut joined = Vec::new();
            for one in found {
                self.eval.worked(self.steps.count)?;
                if self.m.group == Group::OneToOne && !alone {
                    let taken = taken.entry(signature).or_insert_with(|| vec![false; self.steps.count]);
                    once(taken, column, one)?;
                }
                joined.push(self.joined_pair(column, one)?);
            }
            joined.into_iter().try_for_each(|column| self.add(column))?;
        }
        if let Some(value) = self.fill_many {
            let mut by_many: HashMap<&Labels, Vec<usize>> = HashMap::new();
            for (i, signature) in signatures.iter().enumerate() {
                by_many.entry(signature).or_default().push(i);
            }
            for (signature, partners) in &by_signature {
                let others = by_many.get(signature).map_or(&[][..], Vec::as_slice);
                self.eval.worked(self.steps.count * (1 + others.len() + partners.len()))?;
                let filled = self.stand_in(signature, value, others, &many);
                for i in partners {
                    let column = self.joined_pair(&filled, &self.one[*i])?;
                    self.add(column)?;
                }
            }
        }
        Ok(self.joined)
    }

    /// A series of the labels by which partners are found, with `value` at the steps at which none of
    /// these `partners` is there.
    fn stand_in(&self, signature: &Labels, value: f64, partners: &[usize], side: &[Column]) -> Column {
        let mut values = vec![value; self.steps.count];
        for i in partners {
            let there = values.iter_mut().enumerate().filter(|(step, _)| side[*i].has(*step));
            there.for_each(|(_, filled)| *filled = ABSENT);
        }
        Column::new(signature.clone(), values)
    }

    /// What one series of the "many" side and one of the other make.
    fn joined_pair(&self, many: &Column, one: &Column) -> Result<Column, QueryError> {
        let nameless = many.nameless || drops_name(self.operand);
        let labels = self.labels(&many.labels, &one.labels);
        if many.histograms.is_none() && one.histograms.is_none() && !self.operand.op.is_trim() {
            let values = self.pair(&many.values, &one.values);
            return Ok(Column { labels, nameless, values, histograms: None });
        }
        let mut column =
            Column { labels, nameless, values: vec![ABSENT; self.steps.count], histograms: None };
        for step in 0..self.steps.count {
            if let (Some(many), Some(one)) = (many.point(step), one.point(step)) {
                column.set(step, self.pair_of_both(&many, &one)?);
            }
        }
        Ok(column)
    }

    /// One operator between samples of any kind.
    fn pair_of_both(&self, many: &Point, one: &Point) -> Result<Option<Point>, QueryError> {
        let work = |p: &Point| match p {
            Point::Number(_) => 1,
            Point::Histogram(h) => native::work(h),
        };
        self.eval.worked(work(many) + work(one))?;
        let swapped = self.m.group == Group::Right;
        let (left, right) = if swapped { (one, many) } else { (many, one) };
        let result = self.eval.operate(self.operand.op, left, right, self.span);
        Ok(result.and_then(|(value, holds)| match (self.operand.returns_bool, holds) {
            (true, _) => Some(Point::Number(f64::from(u8::from(holds)))),
            (false, true) => Some(value),
            (false, false) => None,
        }))
    }

    /// No two series of the "one" side may share a signature at a step at which the other side has any.
    fn check_one_side(&self) -> Result<(), QueryError> {
        let mut shared = self.by_signature.iter().filter(|(_, columns)| columns.len() > 1).peekable();
        if shared.peek().is_none() {
            return Ok(());
        }
        // What is filled in is a partner at every step.
        let mut other = vec![self.fill_many.is_some() || self.fill_one.is_some(); self.steps.count];
        for column in &self.many {
            other.iter_mut().enumerate().for_each(|(step, o)| *o |= column.has(step));
        }
        for (signature, columns) in shared {
            self.eval.worked(self.steps.count * columns.len())?;
            let mut first: Vec<Option<usize>> = vec![None; self.steps.count];
            for i in columns {
                for step in (0..self.steps.count).filter(|step| self.one[*i].has(*step)) {
                    match first[step] {
                        Some(other_one) if other[step] => {
                            return Err(self.many_to_many(signature, other_one, *i));
                        }
                        None => first[step] = Some(*i),
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }

    fn many_to_many(&self, signature: &Labels, a: usize, b: usize) -> QueryError {
        let side = if self.m.group == Group::Right { "left" } else { "right" };
        let message = format!(
            "found duplicate series for the match group {signature} on the {side} hand-side of the operation: \
             [{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
            self.one[a].labels, self.one[b].labels
        );
        QueryError::invalid(message)
            .hint("name the labels that tell them apart with on(...), or aggregate that side first")
    }

    fn pair(&self, many: &[f64], one: &[f64]) -> Vec<f64> {
        let (op, swapped) = (self.operand.op, self.m.group == Group::Right);
        let pair = |(m, o): (&f64, &f64)| {
            if !is_present(*m) || !is_present(*o) {
                return ABSENT;
            }
            let (value, holds) = if swapped { compute(op, *o, *m) } else { compute(op, *m, *o) };
            match (self.operand.returns_bool, holds) {
                (true, _) => f64::from(u8::from(holds)),
                (false, true) => value,
                (false, false) => ABSENT,
            }
        };
        many.iter().zip(one).map(pair).collect()
    }

    fn labels(&self, many: &Labels, one: &Labels) -> Labels {
        let listed = |n: &str| self.m.labels.iter().any(|l| l == n);
        let mut labels = many.filtered(|n| self.m.group != Group::OneToOne || listed(n) == self.m.on);
        for name in &self.m.include {
            labels = labels.with(name, one.get(name));
        }
        labels
    }

    fn add(&mut self, column: Column) -> Result<(), QueryError> {
        if column.is_empty() {
            return Ok(());
        }
        let Some(i) = self.by_labels.get(&column.labels) else {
            self.by_labels.insert(column.labels.clone(), self.joined.len());
            self.joined.push(column);
            return Ok(());
        };
        let held = &mut self.joined[*i];
        if held.histograms.is_some() || column.histograms.is_some() {
            return held.merge(&column).map_err(|e| not_unique(self.m, e));
        }
        for (old, new) in held.values.iter_mut().zip(column.values).filter(|(_, new)| is_present(*new)) {
            if is_present(*old) {
                return Err(not_unique(self.m, same_labels(&held.labels)));
            }
            *old = new;
        }
        Ok(())
    }
}

/// The error of two results with the same labels.
fn not_unique(m: &Matching, same: QueryError) -> QueryError {
    match m.group {
        Group::OneToOne => same,
        _ => QueryError::invalid("multiple matches for labels: grouping labels must ensure unique matches"),
    }
}

/// A signature may be matched once per step, even if a comparison then filters the match away.
fn once(taken: &mut [bool], many: &Column, one: &Column) -> Result<(), QueryError> {
    for (step, t) in taken.iter_mut().enumerate() {
        if many.has(step) && one.has(step) && std::mem::replace(t, true) {
            return Err(QueryError::invalid(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
            )
            .hint("if many series on the left belong to one on the right, add group_left()"));
        }
    }
    Ok(())
}
