//! Label matchers, as PromQL has them: `=`, `!=`, `=~`, `!~`. A regular expression always has to match
//! the whole value, its size is bounded, and an absent label is an empty value.

use crate::Labels;
use crate::pattern::{Kind, Pattern};
use regex::{Regex, RegexBuilder};
use std::sync::Arc;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// As it is written in PromQL.
    pub fn as_str(self) -> &'static str {
        match self {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        }
    }
}

/// Bound on the size of a compiled regular expression, in bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// One condition on one label.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// Label name.
    pub name: String,
    /// How to compare.
    pub op: MatchOp,
    /// Value or regular expression, as given.
    pub value: String,
    pattern: Option<Arc<Pattern>>,
}

/// Which values a matcher names, before `!=` and `!~` turn it round: what an index needs to know to look few of them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names<'a> {
    /// Every value, the empty one too.
    All,
    /// Every value but the empty one.
    Present,
    /// These values and no others.
    These(&'a [String]),
    /// Those for which [`Matcher::names_value`] is true: each has to be asked.
    Some,
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.op == other.op && self.value == other.value
    }
}

impl Matcher {
    /// Builds a matcher; compiles the regular expression if it is one.
    ///
    /// # Errors
    /// The regular expression's own message, in one line.
    pub fn new(name: impl Into<String>, op: MatchOp, value: impl Into<String>) -> Result<Matcher, String> {
        let (name, value) = (name.into(), value.into());
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(Arc::new(Pattern::new(&value)?)),
        };
        Ok(Matcher { name, op, value, pattern })
    }

    /// `name="value"`.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Matcher {
        Matcher { name: name.into(), op: MatchOp::Equal, value: value.into(), pattern: None }
    }

    /// Whether a label value passes. An absent label is "".
    pub fn matches(&self, value: &str) -> bool {
        self.names_value(value) != self.is_negative()
    }

    /// Whether it is `!=` or `!~`.
    pub fn is_negative(&self) -> bool {
        matches!(self.op, MatchOp::NotEqual | MatchOp::NotRegex)
    }

    /// Which values it names; those that pass, or with `!=` and `!~` those that do not.
    pub fn names(&self) -> Names<'_> {
        match self.pattern.as_deref().map(|p| &p.kind) {
            None => Names::These(std::slice::from_ref(&self.value)),
            Some(Kind::Set(values)) => Names::These(values),
            Some(Kind::Any) => Names::All,
            Some(Kind::Present) => Names::Present,
            Some(_) => Names::Some,
        }
    }

    /// Whether the value is among those that it names.
    pub fn names_value(&self, value: &str) -> bool {
        match &self.pattern {
            None => value == self.value,
            Some(pattern) => pattern.matches(value),
        }
    }

    /// Whether a series without this label passes; such a matcher alone does not narrow a search.
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// Whether the series passes all matchers.
    pub fn all(matchers: &[Matcher], labels: &Labels) -> bool {
        matchers.iter().all(|m| m.matches(labels.get(&m.name)))
    }
}

/// Compiles a regular expression that must match the whole text (`.` matches newlines too), within a
/// bound on its size, as Prometheus does.
///
/// # Errors
/// The expression's own message, in one line.
pub fn whole_regex(pattern: &str) -> Result<Regex, String> {
    let compile = |text: &str| RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build();
    // The pattern alone first: "a)(b" would become valid inside our own brackets.
    compile(pattern).and_then(|_| compile(&format!("^(?s:{pattern})$"))).map_err(|e| {
        let text = e.to_string();
        let last = text.lines().last().unwrap_or("not a regular expression");
        last.trim_start_matches("error: ").to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        use MatchOp::*;
        for (op, pattern, value, want) in [
            (Equal, "a", "a", true),
            (Equal, "", "", true),
            (NotEqual, "a", "", true),
            (Regex, "a|b", "ab", false),
            (Regex, "a|b", "b", true),
            (Regex, "a.c", "a\nc", true),
            (Regex, ".*", "", true),
            (NotRegex, "a.*", "abc", false),
            (NotRegex, "a.*", "xabc", true),
        ] {
            let m = Matcher::new("l", op, pattern).unwrap();
            assert_eq!(m.matches(value), want, "{pattern:?} {op:?} {value:?}");
        }
    }

    #[test]
    fn bad_and_huge_expressions_are_errors() {
        for bad in ["a)(b", "(", "[", "(a{1000}){1000}", "\\"] {
            assert!(Matcher::new("l", MatchOp::Regex, bad).is_err(), "{bad}");
        }
    }
}
