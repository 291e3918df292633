//! Functions that change labels: `label_replace`, `label_join`. Series that become the same are an error
//! where they meet.

use super::column::{Merged, Steps};
use super::{Eval, Held, Sink};
use crate::ast::Expr;
use crate::error::QueryError;
use model::labels::NAME_BYTES_MAX;
use model::{Labels, NAME};

impl Eval<'_> {
    /// `label_replace(v, "target", "replacement", "source", "regex")`
    pub(super) fn label_replace(
        &self,
        args: &[Expr],
        steps: &Steps,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        let [target, replacement, source, pattern] = [1, 2, 3, 4].map(|i| self.string(&args[i]));
        check_name(target, "label_replace", &args[1])?;
        let regex = model::matcher::whole_regex(pattern).map_err(|e| {
            QueryError::invalid(format!("invalid regular expression in label_replace(): {pattern:?}: {e}"))
                .at(args[4].span)
        })?;
        self.relabel(&args[0], target, steps, sink, &|labels| {
            let captures = regex.captures(labels.get(source))?;
            let mut value = String::new();
            captures.expand(replacement, &mut value);
            Some(labels.with(target, &value))
        })
    }

    /// `label_join(v, "target", "separator", "source", ...)`
    pub(super) fn label_join(&self, args: &[Expr], steps: &Steps, sink: Sink<'_>) -> Result<(), QueryError> {
        let (target, separator) = (self.string(&args[1]), self.string(&args[2]));
        let sources: Vec<&str> = args[3..].iter().map(|a| self.string(a)).collect();
        for arg in args.iter().skip(3).chain([&args[1]]) {
            check_name(self.string(arg), "label_join", arg)?;
        }
        self.relabel(&args[0], target, steps, sink, &|labels| {
            let values: Vec<&str> = sources.iter().map(|s| labels.get(s)).collect();
            Some(labels.with(target, &values.join(separator)))
        })
    }

    /// New labels for each series; `None` keeps them.
    fn relabel(
        &self,
        expr: &Expr,
        target: &str,
        steps: &Steps,
        sink: Sink<'_>,
        change: &dyn Fn(&Labels) -> Option<Labels>,
    ) -> Result<(), QueryError> {
        let mut merged = Merged::default();
        self.vector(expr, steps, &mut |mut column| {
            self.hold_column(&column)?;
            if let Some(labels) = change(&column.labels) {
                column.labels = labels;
                // Who sets the name wants to keep it.
                column.nameless &= target != NAME;
            }
            merged.push(column)
        })?;
        let held = Held::of(&merged.columns);
        merged.columns.into_iter().try_for_each(sink)?;
        self.release_columns(held);
        Ok(())
    }
}

/// A label's name must not be empty or too long.
pub(super) fn check_name(name: &str, function: &str, arg: &Expr) -> Result<(), QueryError> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        let message =
            format!("invalid label name in {function}(): {:?}", name.chars().take(64).collect::<String>());
        return Err(QueryError::invalid(message).at(arg.span));
    }
    Ok(())
}
