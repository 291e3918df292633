//! The order of an instant vector: what the outermost expression asks for, otherwise by labels.

use super::aggregate::group_of;
use super::rank::better_first;
use crate::ast::{AggregateOp, Expr, ExprKind};
use crate::functions::{Body, Special};
use crate::value::Point;
use model::Labels;
use std::cmp::Ordering;

/// Sorts the result of `expr`.
pub(super) fn order(expr: &Expr, found: &mut [(Point, Labels)]) {
    let number = |p: &Point| p.number().unwrap_or(f64::NAN);
    found.sort_by(|a, b| a.1.cmp(&b.1));
    match &expr.inner().kind {
        ExprKind::Aggregate(a) if matches!(a.op, AggregateOp::Topk | AggregateOp::Bottomk) => {
            found.sort_by(|x, y| better_first(a.op, number(&x.0), number(&y.0)));
            if !a.labels.is_empty() || a.without {
                found.sort_by_cached_key(|x| group_of(&x.1, a));
            }
        }
        ExprKind::Call(function, args) => match function.body {
            Body::Special(Special::Sort) => {
                found.sort_by(|a, b| better_first(AggregateOp::Bottomk, number(&a.0), number(&b.0)))
            }
            Body::Special(Special::SortDesc) => {
                found.sort_by(|a, b| better_first(AggregateOp::Topk, number(&a.0), number(&b.0)))
            }
            Body::Special(Special::SortByLabel) => {
                let names = texts(&args[1..]);
                found.sort_by(|a, b| by_labels(&names, &a.1, &b.1));
            }
            Body::Special(Special::SortByLabelDesc) => {
                let names = texts(&args[1..]);
                found.sort_by(|a, b| by_labels(&names, &b.1, &a.1));
            }
            _ => {}
        },
        _ => {}
    }
}

fn texts(args: &[Expr]) -> Vec<&str> {
    args.iter()
        .filter_map(|a| match &a.inner().kind {
            ExprKind::String(s) => Some(s.as_str()),
            _ => None,
        })
        .collect()
}

fn by_labels(names: &[&str], a: &Labels, b: &Labels) -> Ordering {
    let named = names.iter().map(|n| natural(a.get(n), b.get(n))).find(|o| *o != Ordering::Equal);
    named.unwrap_or_else(|| a.cmp(b))
}

/// As people order names: runs of digits compare as numbers (`node2` before `node10`).
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        match (a.is_empty(), b.is_empty()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            _ => {}
        }
        let (run_a, run_b) = (run(a), run(b));
        let (x, y) = (&a[..run_a], &b[..run_b]);
        let numbers = x.as_bytes()[0].is_ascii_digit() && y.as_bytes()[0].is_ascii_digit();
        let order = if numbers {
            let (x, y) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        } else {
            x.cmp(y)
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (&a[run_a..], &b[run_b..]);
    }
}

/// The length of the digits or non-digits that a text starts with.
fn run(text: &str) -> usize {
    let digits = text.as_bytes()[0].is_ascii_digit();
    text.bytes().take_while(|b| b.is_ascii_digit() == digits).count()
}
