//! What an objective asks for, in PromQL: the events of a time, all together or series by series. Increases are taken from edge to
//! edge (`anchored`), so that those of neighbouring times add up to that of both. It must never ask for more than a time.

use super::{Op, Sli};
use crate::template::significant;
use model::time::format_duration_ms;
use regex::Regex;
use std::sync::LazyLock;

/// Stands for the time in an expression of a user's own.
pub const WINDOW: &str = "[$window]";

/// What to ask.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// Two expressions that give counts.
    Events {
        /// All events.
        total: String,
        /// The good or bad ones.
        part: String,
        /// Which of both.
        is_bad: bool,
    },
    /// One that gives a value.
    Value(String),
}

/// The events of the `step_ms` before the time of asking, as one row each.
pub fn events(sli: &Sli, step_ms: i64) -> Asked {
    ask(sli, step_ms, "sum")
}

/// The same for each series, so that one can tell which label the bad ones have in common; `None` where an expression of a
/// user's own, or a value, cannot be taken apart.
pub fn series(sli: &Sli, range_ms: i64) -> Option<Asked> {
    match sli {
        Sli::Ratio { total, part, .. } if total.contains(WINDOW) || part.contains(WINDOW) => None,
        Sli::Threshold { .. } => None,
        sli => Some(ask(sli, range_ms, "")),
    }
}

fn ask(sli: &Sli, step_ms: i64, sum: &str) -> Asked {
    let window = format_duration_ms(step_ms);
    let counter = |text: &str| match text.contains(WINDOW) {
        true => format!("sum({})", text.replace(WINDOW, &format!("[{window}] anchored"))),
        false => format!("{sum}(increase({text}[{window}] anchored))"),
    };
    match sli {
        Sli::Ratio { total, part, is_bad } => {
            Asked::Events { total: counter(total), part: counter(part), is_bad: *is_bad }
        }
        Sli::Latency { of, below } => {
            let (name, rest) = split(of);
            let count = counter(&format!("{name}_count{rest}"));
            let native = counter(of);
            let bucket = with_matcher(&format!("{name}_bucket"), rest, &format!("le=~\"{}\"", bound(*below)));
            let below = significant(*below, 15);
            Asked::Events {
                total: format!("{count} or histogram_count({native})"),
                part: format!(
                    "{} or histogram_fraction(-Inf, {below}, {native}) * histogram_count({native})",
                    counter(&bucket)
                ),
                is_bad: false,
            }
        }
        Sli::Spans { service, operation, below } => {
            let quoted = |text: &str| format!("{text:?}");
            let mut matchers = format!("service_name={}", quoted(service));
            // What a service was asked for, not what it asked others.
            matchers += ",span_kind=~\"SPAN_KIND_(SERVER|CONSUMER)\"";
            if !operation.is_empty() {
                matchers += &format!(",span_name={}", quoted(operation));
            }
            let calls = |more: &str| counter(&format!("traces_span_metrics_calls_total{{{matchers}{more}}}"));
            let Some(below) = below else {
                return Asked::Events {
                    total: calls(""),
                    part: calls(",status_code=\"STATUS_CODE_ERROR\""),
                    is_bad: true,
                };
            };
            let good = format!(
                "traces_span_metrics_duration_seconds{{{matchers},status_code!=\"STATUS_CODE_ERROR\"}}"
            );
            let (good, below) = (counter(&good), significant(*below, 15));
            let part = format!("histogram_fraction(-Inf, {below}, {good}) * histogram_count({good})");
            Asked::Events { total: calls(""), part, is_bad: false }
        }
        Sli::Threshold { value, op, .. } => {
            // Of several rows the one that is farthest from good.
            let worst = if matches!(op, Op::Below | Op::AtMost) { "max" } else { "min" };
            Asked::Value(format!("{worst}({value})"))
        }
    }
}

/// `name{...}` as the name and the rest.
fn split(selector: &str) -> (&str, &str) {
    selector.find('{').map_or((selector, ""), |at| selector.split_at(at))
}

fn with_matcher(name: &str, rest: &str, matcher: &str) -> String {
    let inside = rest.trim().trim_start_matches('{').trim_end_matches('}').trim().trim_end_matches(',');
    match inside {
        "" => format!("{name}{{{matcher}}}"),
        inside => format!("{name}{{{inside},{matcher}}}"),
    }
}

/// A pattern of all ways in which a bound is written: `0.3`, `0.30`, `1`, `1.0`.
fn bound(limit: f64) -> String {
    let text = format!("{limit}");
    match text.contains('.') {
        true => format!("{}0*", text.replace('.', "[.]")),
        false => format!("{text}([.]0+)?"),
    }
}

static RANGE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"\[\s*(?:(?:[0-9]+(?:ms|[smhdwy]))+|\{\{\s*\.window\s*\}\}|\$window|\$__rate_interval)\s*\]")
        .ok()
});
static RATE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\brate\s*\(").ok());
static SUMMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?:sum\s*\(\s*)?increase\s*\(\s*([^\[\]()]*(?:\{[^}]*\})?)\s*\[\$window\]\s*\)\s*\)?$").ok()
});

/// An expression for events as people write it: a selector of counters, or rates and increases of some over any time, whose time
/// is replaced by ours. `sum(rate(x[5m]))` is the selector `x`.
pub fn simplified(text: &str) -> String {
    let text = text.trim();
    let Some(range) = RANGE.as_ref() else { return text.to_string() };
    if !range.is_match(text) {
        return text.to_string();
    }
    let text = range.replace_all(text, regex::NoExpand(WINDOW)).into_owned();
    let text = RATE.as_ref().map_or(text.clone(), |r| r.replace_all(&text, "increase(").into_owned());
    match SUMMED.as_ref().and_then(|r| r.captures(&text)) {
        Some(found) => found[1].trim().to_string(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_other_tools_are_understood() {
        for (text, want) in [
            ("http_requests_total{code=~\"5..\"}", "http_requests_total{code=~\"5..\"}"),
            ("sum(rate(http_requests_total{code=~\"5..\"}[5m]))", "http_requests_total{code=~\"5..\"}"),
            ("sum(rate(http_requests_total[{{.window}}]))", "http_requests_total"),
            ("increase(a[1h30m])", "a"),
            (
                "sum(rate(a{x=\"1\"}[5m])) + sum(rate(b[5m]))",
                "sum(increase(a{x=\"1\"}[$window])) + sum(increase(b[$window]))",
            ),
        ] {
            assert_eq!(simplified(text), want, "{text}");
        }
    }

    #[test]
    fn what_is_asked() {
        let latency = Sli::Latency { of: "http_seconds{job=\"a\"}".into(), below: 0.3 };
        let Asked::Events { total, part, is_bad } = events(&latency, 30_000) else { panic!() };
        assert_eq!(
            (total.as_str(), is_bad),
            (
                "sum(increase(http_seconds_count{job=\"a\"}[30s] anchored)) or \
                 histogram_count(sum(increase(http_seconds{job=\"a\"}[30s] anchored)))",
                false
            )
        );
        assert!(part.starts_with(
            "sum(increase(http_seconds_bucket{job=\"a\",le=~\"0[.]30*\"}[30s] anchored)) or histogram_fraction("
        ));
        let ratio =
            Sli::Ratio { total: "sum(increase(a[$window])) + b".into(), part: "c".into(), is_bad: true };
        let Asked::Events { total, part, .. } = events(&ratio, 3_600_000) else { panic!() };
        assert_eq!(total, "sum(sum(increase(a[1h] anchored)) + b)");
        assert_eq!(part, "sum(increase(c[1h] anchored))");
        assert_eq!(series(&ratio, 1), None);
        let spans = Sli::Spans { service: "shop \"x\"".into(), operation: String::new(), below: None };
        let Some(Asked::Events { total, .. }) = series(&spans, 60_000) else { panic!() };
        assert!(
            total.starts_with("(increase(traces_span_metrics_calls_total{service_name=\"shop \\\"x\\\"\"")
        );
    }
}
