//! `info(v, {...})`: series take labels from info metrics (`target_info`, `build_info`) of the same
//! instance and job. It never changes a label that a series has, and never a value.

use super::column::{ABSENT, Column, Merged, Steps, is_metadata, is_present};
use super::selector::Give;
use super::{Eval, Held, Sink};
use crate::ast::{At, Edges, Expr, ExprKind, Selector, Shift};
use crate::duration::Duration;
use crate::error::QueryError;
use model::{Labels, MatchOp, Matcher, NAME};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The labels by which a series and its info series find each other.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// The info metric, if none is named.
const TARGET_INFO: &str = "target_info";

fn identity(labels: &Labels) -> Labels {
    labels.filtered(|n| IDENTIFYING.contains(&n))
}

/// Which info series are asked for, and what of them.
struct Choice {
    /// Matchers of their name.
    names: Vec<Matcher>,
    /// Matchers of the labels that they bring; these labels alone are taken, or all if there is none.
    data: Vec<Matcher>,
    /// Whether series that are themselves among the info series stay as they are.
    skips_sources: bool,
}

impl Choice {
    fn new(selector: Option<&[Matcher]>) -> Result<Choice, QueryError> {
        let matchers = selector.unwrap_or_default().iter().cloned();
        let (mut names, data): (Vec<_>, Vec<_>) = matchers.partition(|m| m.name == NAME);
        let skips_sources = selector.is_none() || !names.is_empty();
        if names.is_empty() {
            names.push(Matcher::equal(NAME, TARGET_INFO));
        } else if !names.iter().any(|m| matches!(m.op, MatchOp::Equal | MatchOp::Regex)) {
            // What is only excluded leaves the other info metrics, not all metrics.
            names.push(Matcher::new(NAME, MatchOp::Regex, ".+_info").map_err(QueryError::invalid)?);
        }
        Ok(Choice { names, data, skips_sources })
    }

    fn is_source(&self, labels: &Labels) -> bool {
        self.skips_sources && self.names.iter().all(|m| m.matches(labels.name()))
    }

    fn takes(&self, label: &str) -> bool {
        !is_metadata(label) && (self.data.is_empty() || self.data.iter().any(|m| m.name == label))
    }

    /// The labels of a series together with those of its info series; `None` if it has none, and needs one.
    fn enrich(&self, base: &Labels, infos: &[&Labels]) -> Result<Option<Labels>, QueryError> {
        if infos.is_empty() {
            return Ok(self.data.iter().all(Matcher::matches_empty).then(|| base.clone()));
        }
        let mut added: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, value) in infos.iter().flat_map(|i| i.iter()).filter(|(n, _)| self.takes(n)) {
            if !base.get(name).is_empty() {
                continue;
            }
            if *added.entry(name).or_insert(value) != value {
                return Err(QueryError::invalid(format!("conflicting label: {name}"))
                    .hint("choose one info metric: info(v, {__name__=\"target_info\"})"));
            }
        }
        let labels = added.into_iter().fold(base.clone(), |labels, (n, v)| labels.with(n, v));
        Ok(Some(labels))
    }
}

/// The info series of one instance and job: for each of their metrics, which series holds at each step.
type Holders = Vec<Vec<Option<usize>>>;

impl Eval<'_> {
    pub(super) fn with_info(&self, args: &[Expr], steps: &Steps, sink: Sink<'_>) -> Result<(), QueryError> {
        let choice = Choice::new(args.get(1).map(|a| match &a.kind {
            ExprKind::Selector(s) => s.matchers.as_slice(),
            _ => &[],
        }))?;
        let base = self.columns(&args[0], steps)?;
        let infos = self.info_series(&args[0], &choice, &base, steps)?;
        let holders = self.holders(&infos, steps)?;
        let mut held = Held::of(&base);
        held.samples += infos.len() * steps.count;
        let mut merged = Merged::default();
        for column in base {
            if choice.is_source(&column.labels) {
                merged.push(column)?;
            } else {
                let holders = holders.get(&identity(&column.labels)).map_or(&[][..], Vec::as_slice);
                self.enriched(&choice, column, &infos, holders, &mut merged)?;
            }
        }
        held.samples += merged.columns.len() * steps.count;
        merged.columns.into_iter().try_for_each(sink)?;
        self.release_columns(held);
        Ok(())
    }

    /// The info series that any of these series may need, with the times of their samples as values.
    fn info_series(
        &self,
        expr: &Expr,
        choice: &Choice,
        base: &[Column],
        steps: &Steps,
    ) -> Result<Vec<Column>, QueryError> {
        let wanted = base.iter().filter(|c| !choice.is_source(&c.labels)).map(|c| identity(&c.labels));
        let wanted: HashSet<Labels> = wanted.filter(|labels| !labels.is_empty()).collect();
        let mut found = Vec::new();
        let Some(any) = wanted.iter().next() else { return Ok(found) };
        let mut matchers: Vec<Matcher> = choice.names.iter().chain(&choice.data).cloned().collect();
        // Narrows what is read where all come from one place.
        for name in IDENTIFYING {
            let value = any.get(name);
            if wanted.iter().all(|labels| labels.get(name) == value) {
                matchers.push(Matcher::equal(name, value));
            }
        }
        let selector = Selector { matchers, shift: self.reference(expr)?, edges: Edges::Plain };
        self.selector(&selector, expr.span, steps, Give::Timestamp, &mut |column| {
            if wanted.contains(&identity(&column.labels)) {
                self.hold(steps.count)?;
                found.push(column);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// `offset` and `@` of the first selector in the expression, with those of the subqueries around it:
    /// info series are looked at as of the time of the samples that they are added to.
    fn reference(&self, expr: &Expr) -> Result<Shift, QueryError> {
        let mut open = vec![(expr, None, 0i64)];
        while let Some((e, at, offset_ms)) = open.pop() {
            let shifted = |shift: &Shift| -> Result<(Option<At>, i64), QueryError> {
                let own_ms = self.duration(&shift.offset, "offset", false)?;
                Ok(if shift.at.is_some() { (shift.at, own_ms) } else { (at, offset_ms + own_ms) })
            };
            let (at, offset_ms) = match &e.kind {
                ExprKind::Selector(s) | ExprKind::Range(s, _) => {
                    let (at, offset_ms) = shifted(&s.shift)?;
                    return Ok(Shift { offset: Duration::Fixed(offset_ms), at });
                }
                ExprKind::Subquery(s) => shifted(&s.shift)?,
                _ => (at, offset_ms),
            };
            open.extend(e.children().into_iter().rev().map(|child| (child, at, offset_ms)));
        }
        Ok(Shift::default())
    }

    /// By instance and job, the series that holds at each step for each metric: that of the newest sample.
    fn holders(&self, infos: &[Column], steps: &Steps) -> Result<HashMap<Labels, Holders>, QueryError> {
        let mut metrics: HashMap<(Labels, &str), usize> = HashMap::new();
        let mut holders: HashMap<Labels, Holders> = HashMap::new();
        for (i, column) in infos.iter().enumerate() {
            self.worked(steps.count)?;
            let of_identity = holders.entry(identity(&column.labels)).or_default();
            let metric = match metrics.entry((identity(&column.labels), column.labels.name())) {
                Entry::Occupied(found) => *found.get(),
                Entry::Vacant(new) => {
                    self.hold(steps.count * 2)?;
                    of_identity.push(vec![None; steps.count]);
                    *new.insert(of_identity.len() - 1)
                }
            };
            let present = column.values.iter().enumerate().filter(|(_, v)| is_present(**v));
            for (step, time) in present {
                let holder = &mut of_identity[metric][step];
                match holder.map(|other| (&infos[other], infos[other].values[step])) {
                    Some((_, newer)) if newer > *time => {}
                    Some((other, same)) if same == *time => {
                        let message = format!(
                            "found duplicate series for info metric: {} and {} at {time}",
                            other.labels, column.labels
                        );
                        return Err(QueryError::invalid(message)
                            .hint("tell them apart by a label: info(v, {version=~\".+\"})"));
                    }
                    _ => *holder = Some(i),
                }
            }
        }
        Ok(holders)
    }

    /// One series with the labels of its info series, which may change from step to step.
    fn enriched(
        &self,
        choice: &Choice,
        column: Column,
        infos: &[Column],
        holders: &[Vec<Option<usize>>],
        merged: &mut Merged,
    ) -> Result<(), QueryError> {
        // One per set of labels; `None` where the series is dropped.
        let mut variants: Vec<Option<Column>> = Vec::new();
        let mut by_holders: HashMap<Vec<usize>, usize> = HashMap::new();
        let (mut current, mut key): (Option<usize>, Vec<usize>) = (None, Vec::new());
        let count = column.values.len();
        self.worked(count * (1 + holders.len()))?;
        for (step, point) in (0..count).filter_map(|step| Some((step, column.point(step)?))) {
            let now = holders.iter().filter_map(|h| h[step]);
            if current.is_none() || !now.clone().eq(key.iter().copied()) {
                key = now.collect();
                current = Some(match by_holders.entry(key.clone()) {
                    Entry::Occupied(found) => *found.get(),
                    Entry::Vacant(new) => {
                        let labels: Vec<&Labels> = key.iter().map(|i| &infos[*i].labels).collect();
                        self.hold(count)?;
                        variants.push(choice.enrich(&column.labels, &labels)?.map(|labels| Column {
                            labels,
                            nameless: column.nameless,
                            values: vec![ABSENT; count],
                            histograms: None,
                        }));
                        *new.insert(variants.len() - 1)
                    }
                });
            }
            if let Some(variant) = current.and_then(|i| variants[i].as_mut()) {
                variant.set(step, Some(point));
            }
        }
        variants.into_iter().flatten().try_for_each(|variant| merged.push(variant))
    }
}
