//! Names of OpenTelemetry as names of Prometheus: metrics get the suffixes of their unit and kind, and what is no letter, digit
//! or underscore may become an underscore. Prometheus's four translation strategies, with its results.
//! It must never look at values, nor decide what becomes a label.

use std::borrow::Cow;
use std::str::FromStr;

/// How names are translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// `http.server.duration` in `s` is `http_server_duration_seconds`: what dashboards for Prometheus ask for.
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// `http_server_duration`.
    UnderscoreEscapingWithoutSuffixes,
    /// `http.server.duration_seconds`.
    NoUtf8EscapingWithSuffixes,
    /// `http.server.duration`.
    NoTranslation,
}

impl Strategy {
    /// All of them, with the names that Prometheus's configuration has for them.
    pub const ALL: [(&str, Strategy); 4] = [
        ("UnderscoreEscapingWithSuffixes", Strategy::UnderscoreEscapingWithSuffixes),
        ("UnderscoreEscapingWithoutSuffixes", Strategy::UnderscoreEscapingWithoutSuffixes),
        ("NoUTF8EscapingWithSuffixes", Strategy::NoUtf8EscapingWithSuffixes),
        ("NoTranslation", Strategy::NoTranslation),
    ];

    fn escapes(self) -> bool {
        matches!(self, Strategy::UnderscoreEscapingWithSuffixes | Strategy::UnderscoreEscapingWithoutSuffixes)
    }

    fn adds_suffixes(self) -> bool {
        matches!(self, Strategy::UnderscoreEscapingWithSuffixes | Strategy::NoUtf8EscapingWithSuffixes)
    }
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Strategy, String> {
        let found = Strategy::ALL.iter().find(|(name, _)| *name == text);
        found.map(|(_, strategy)| *strategy).ok_or_else(|| {
            let all: Vec<&str> = Strategy::ALL.iter().map(|(name, _)| *name).collect();
            format!("{text:?} is no translation strategy; there are {}", all.join(", "))
        })
    }
}

/// What a metric is, as far as its name shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Gets `_ratio` with the unit 1.
    Gauge,
    /// Gets `_total`.
    Counter,
    /// Neither.
    Other,
}

/// The name of a metric; `None` if nothing of it is left.
pub(super) fn metric(strategy: Strategy, name: &str, unit: &str, shape: Shape) -> Option<String> {
    let out = match (strategy.escapes(), strategy.adds_suffixes()) {
        (true, true) => escaped_with_suffixes(name, unit, shape),
        (true, false) => {
            let is_other = |c: char| !(is_plain(c) || c == '_');
            let parts: Vec<&str> = name.split(is_other).filter(|part| !part.is_empty()).collect();
            not_a_digit_first(parts.join("_"))
        }
        (false, true) => with_suffixes(name, unit, shape),
        (false, false) => name.to_string(),
    };
    let is_only_underscores = strategy.escapes() && out != name && out.chars().all(|c| c == '_');
    (!out.is_empty() && !is_only_underscores).then_some(out)
}

/// The name of a label; `None` if nothing of it is left.
pub(super) fn label(strategy: Strategy, name: &str) -> Option<Cow<'_, str>> {
    if name.is_empty() {
        return None;
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_reserved = name.starts_with("__");
    let starts_well =
        !name.starts_with(|c: char| c.is_ascii_digit()) && (is_reserved || !name.starts_with('_'));
    if !strategy.escapes() || starts_well && name.chars().all(is_plain) {
        return Some(name.into());
    }
    let out: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let out = match out.as_bytes() {
        [b'0'..=b'9', ..] => format!("key_{out}"),
        [b'_', b'_', ..] => out,
        [b'_', ..] => format!("key{out}"),
        _ => out,
    };
    out.chars().any(|c| c != '_').then_some(out.into())
}

/// The unit as the metadata has it: `By/s` is `bytes_per_second`.
pub(super) fn unit(strategy: Strategy, unit: &str) -> String {
    let (main, per) = unit_suffixes(unit);
    let clean = |part: &str| if strategy.escapes() { clean_unit(part) } else { part.to_string() };
    let (main, per) = (clean(&main), clean(&per));
    let both = if main.is_empty() || per.is_empty() { main + &per } else { format!("{main}_{per}") };
    both.trim_matches('_').to_string()
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ':'
}

fn not_a_digit_first(name: String) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

fn escaped_with_suffixes(name: &str, unit: &str, shape: Shape) -> String {
    // Runs of other characters become one underscore each.
    let mut tokens: Vec<&str> = name.split(|c| !is_plain(c)).filter(|token| !token.is_empty()).collect();
    let (main, per) = unit_suffixes(unit);
    let (mut main, mut per) = (clean_unit(&main), clean_unit(&per));
    if tokens.contains(&main.as_str()) {
        main.clear();
    }
    per.truncate(per.trim_end_matches('_').len());
    if per == "per" || tokens.contains(&per.as_str()) {
        per.clear();
    }
    if !per.is_empty() {
        main.truncate(main.trim_end_matches('_').len());
    }
    tokens.extend([main.as_str(), per.as_str()].into_iter().filter(|suffix| !suffix.is_empty()));
    let last = match shape {
        Shape::Counter => Some("total"),
        // Some sources give counters of things the unit 1: only gauges are ratios.
        Shape::Gauge if unit == "1" => Some("ratio"),
        _ => None,
    };
    if let Some(last) = last {
        tokens.retain(|token| *token != last);
        tokens.push(last);
    }
    not_a_digit_first(tokens.join("_"))
}

fn with_suffixes(name: &str, unit: &str, shape: Shape) -> String {
    let last = match shape {
        Shape::Counter => "total",
        Shape::Gauge if unit == "1" => "ratio",
        _ => "",
    };
    let (main, per) = unit_suffixes(unit);
    let mut out = without_suffix(without_suffix(name, last), &per).to_string();
    if !main.is_empty() && !out.ends_with(&main) {
        out += &format!("_{main}");
    }
    for suffix in [per.as_str(), last] {
        if !suffix.is_empty() {
            out += &format!("_{suffix}");
        }
    }
    out
}

/// Without the suffix and the character before it, whichever that is.
fn without_suffix<'a>(name: &'a str, suffix: &str) -> &'a str {
    let base = name.strip_suffix(suffix).filter(|_| !suffix.is_empty());
    let Some(base) = base else { return name };
    let mut chars = base.chars();
    match chars.next_back() {
        Some(_) if !chars.as_str().is_empty() => chars.as_str(),
        _ => name,
    }
}

/// The unit before the stroke, and `per_` the one behind it, in words. Annotations in braces are none.
fn unit_suffixes(unit: &str) -> (String, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let is_unit = |part: &str| !part.is_empty() && !part.contains(['{', '}']);
    let word = |part: &str, words: &[(&str, &str)]| {
        words.iter().find(|(unit, _)| *unit == part).map_or(part.to_string(), |(_, word)| (*word).to_string())
    };
    let (main, per) = (main.trim(), per.trim());
    let main = if is_unit(main) { word(main, UNITS) } else { String::new() };
    let per = if is_unit(per) { format!("per_{}", word(per, PER_UNITS)) } else { String::new() };
    (main, per)
}

/// Letters, digits and single underscores, none in front.
fn clean_unit(unit: &str) -> String {
    let mut out = String::with_capacity(unit.len());
    for c in unit.chars() {
        let c = if is_plain(c) { c } else { '_' };
        if c != '_' || !out.ends_with('_') && !out.is_empty() {
            out.push(c);
        }
    }
    out
}

/// UCUM's units and Prometheus's words for them ("tibibytes" is its spelling).
const UNITS: &[(&str, &str)] = &[
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("1", ""),
    ("%", "percent"),
];

const PER_UNITS: &[(&str, &str)] = &[
    ("s", "second"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

#[cfg(test)]
mod tests {
    use super::Strategy::*;
    use super::*;

    #[test]
    fn metrics() {
        use Shape::*;
        for (name, unit, shape, with, without, utf8) in [
            (
                "http.server.duration",
                "s",
                Other,
                "http_server_duration_seconds",
                "http_server_duration",
                "http.server.duration_seconds",
            ),
            ("requests", "{request}", Counter, "requests_total", "requests", "requests_total"),
            ("requests_total", "1", Counter, "requests_total", "requests_total", "requests_total"),
            ("total.requests", "", Counter, "requests_total", "total_requests", "total.requests_total"),
            (
                "cpu.utilization",
                "1",
                Gauge,
                "cpu_utilization_ratio",
                "cpu_utilization",
                "cpu.utilization_ratio",
            ),
            ("a.ratio.of", "1", Gauge, "a_of_ratio", "a_ratio_of", "a.ratio.of_ratio"),
            (
                "network.io",
                "By/s",
                Gauge,
                "network_io_bytes_per_second",
                "network_io",
                "network.io_bytes_per_second",
            ),
            (
                "memory.bytes.used",
                "By",
                Gauge,
                "memory_bytes_used",
                "memory_bytes_used",
                "memory.bytes.used_bytes",
            ),
            ("x_seconds", "s", Other, "x_seconds", "x_seconds", "x_seconds"),
            (
                "req_per_second",
                "{r}/s",
                Gauge,
                "req_per_second_per_second",
                "req_per_second",
                "req_per_second",
            ),
            ("1st", "", Gauge, "_1st", "_1st", "1st"),
            ("a__b--c", "", Gauge, "a_b_c", "a__b_c", "a__b--c"),
            ("é", "°F", Gauge, "F", "", "é_°F"),
            ("a:b", "%", Gauge, "a:b_percent", "a:b", "a:b_percent"),
        ] {
            let got = |strategy| metric(strategy, name, unit, shape).unwrap_or_default();
            assert_eq!(got(UnderscoreEscapingWithSuffixes), with);
            assert_eq!(got(UnderscoreEscapingWithoutSuffixes), without);
            assert_eq!(got(NoUtf8EscapingWithSuffixes), utf8);
            assert_eq!(got(NoTranslation), name);
        }
        assert_eq!(metric(UnderscoreEscapingWithSuffixes, "--", "", Gauge), None);
        assert_eq!(metric(NoTranslation, "", "", Gauge), None);
    }

    #[test]
    fn labels_and_units() {
        for (name, escaped) in [
            ("http.method", Some("http_method")),
            ("plain", Some("plain")),
            ("123", Some("key_123")),
            ("_private", Some("key_private")),
            ("__reserved__", Some("__reserved__")),
            ("é.x", Some("__x")),
            ("...", None),
            ("", None),
        ] {
            assert_eq!(label(UnderscoreEscapingWithSuffixes, name).as_deref(), escaped, "{name}");
            let as_is = Some(name).filter(|n| !n.is_empty());
            assert_eq!(label(NoTranslation, name).as_deref(), as_is, "{name}");
        }
        for (code, words) in [
            ("s", "seconds"),
            ("By/s", "bytes_per_second"),
            ("1", ""),
            ("{x}", ""),
            ("foo bar", "foo_bar"),
            ("/h", "per_hour"),
        ] {
            assert_eq!(unit(UnderscoreEscapingWithSuffixes, code), words, "{code}");
        }
        assert_eq!("NoTranslation".parse(), Ok(NoTranslation));
        assert!("no".parse::<Strategy>().unwrap_err().contains("NoUTF8EscapingWithSuffixes"));
    }
}
