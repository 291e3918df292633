//! What a person should know about an answer: warnings and infos, in Prometheus's words with the place
//! in the query, each once.

use super::Eval;
use crate::ast::{Expr, ExprKind};
use crate::error::Span;
use crate::functions::{Body, Special};
use crate::value::{QueryResult, Value};
use std::collections::BTreeSet;

/// The most notes of each kind that are kept.
const NOTES_MAX: usize = 10;

#[derive(Default)]
pub(super) struct Notes {
    warnings: BTreeSet<String>,
    infos: BTreeSet<String>,
}

impl Notes {
    pub(super) fn result(self, value: Value) -> QueryResult {
        let list = |set: BTreeSet<String>| set.into_iter().collect();
        QueryResult { value, warnings: list(self.warnings), infos: list(self.infos) }
    }
}

fn add(set: &mut BTreeSet<String>, kind: &str, text: &str, span: Span) {
    if set.len() < NOTES_MAX {
        set.insert(format!("PromQL {kind}: {text} ({}:{})", span.line, span.column));
    }
}

impl Eval<'_> {
    pub(super) fn warn(&self, span: Span, text: &str) {
        add(&mut self.notes.borrow_mut().warnings, "warning", text, span);
    }

    /// What holds for an answer and is nobody's mistake.
    pub(super) fn tell(&self, text: String) {
        let infos = &mut self.notes.borrow_mut().infos;
        if infos.len() < NOTES_MAX {
            infos.insert(text);
        }
    }

    /// What may be wrong with an answer and is not the query's fault.
    pub(super) fn caution(&self, text: String) {
        let warnings = &mut self.notes.borrow_mut().warnings;
        if warnings.len() < NOTES_MAX {
            warnings.insert(text);
        }
    }

    pub(super) fn info(&self, span: Span, text: &str) {
        add(&mut self.notes.borrow_mut().infos, "info", text, span);
    }

    /// A rate of something whose name does not say that it is a counter.
    pub(super) fn check_counter_name(&self, name: &str, span: Span) {
        let counter = ["_total", "_sum", "_count", "_bucket"].iter().any(|suffix| name.ends_with(suffix));
        if !name.is_empty() && !counter {
            let text = format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {name:?}"
            );
            self.info(span, &text);
        }
    }

    /// A quantile outside 0..=1.
    pub(super) fn check_quantile(&self, q: f64, span: Span) {
        if !(0.0..=1.0).contains(&q) {
            let q = crate::number::short_text(q);
            self.warn(span, &format!("quantile value should be between 0 and 1, got {q}"));
        }
    }

    pub(super) fn warn_of_sort(&self, expr: &Expr) {
        if let ExprKind::Call(function, _) = &expr.inner().kind
            && let Body::Special(
                Special::Sort | Special::SortDesc | Special::SortByLabel | Special::SortByLabelDesc,
            ) = function.body
        {
            let text = "sort is ineffective for range queries since results are always ordered by labels";
            self.warn(expr.span, text);
        }
    }
}
