//! Lines of Prometheus text and OpenMetrics, split without copying. A line is one sample or a comment; only the
//! series text of a sample that was never seen before is taken apart further.

use crate::Limits;
use crate::scrape::{Collector, Described, Pairs, Point, Said};
use crate::series::{Refused, cut_bytes};
use model::labels::NAME;
use model::{MetricKind, RejectReason};
use stdx::{Error, Result};

/// One sample line: the series as its text, and what follows it.
#[derive(Debug, PartialEq)]
pub(crate) struct SampleLine<'a> {
    pub series: &'a [u8],
    pub value: f64,
    pub timestamp_ms: Option<i64>,
    pub exemplar: Option<ExemplarText<'a>>,
}

/// What follows a sample in OpenMetrics: `# {trace_id="abc"} 0.5 1700000000.1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ExemplarText<'a> {
    /// Labels and value as they stand there.
    pub raw: &'a [u8],
    /// Braces included.
    pub labels: &'a [u8],
    pub value: f64,
    pub timestamp_ms: Option<i64>,
}

/// Splits a body and hands every sample and description to the collector.
pub(crate) fn scan(body: &[u8], open_metrics: bool, out: &mut Collector<'_>) -> Result<()> {
    let (mut described, mut number, mut ended) = (Described::default(), 0u64, false);
    for line in lines(body) {
        number += 1;
        if line.is_empty() {
            continue;
        }
        if ended {
            let message = || format!("line {number}: there is more after # EOF");
            out.refuse(RejectReason::Malformed, 1, message);
            break;
        }
        if line.len() > out.limits.line_bytes_max {
            let max = out.limits.line_bytes_max;
            out.refuse(RejectReason::TooLarge, 1, || format!("line {number} is longer than {max} bytes"));
            continue;
        }
        if line[0] == b'#' {
            ended = open_metrics && line == b"# EOF";
            comment(line, open_metrics, &mut described, out);
            continue;
        }
        match sample(line, out.predicted(line), open_metrics) {
            Ok(s) => {
                let limits = out.limits;
                let fill = || labels_of(s.series, limits);
                let place = || format!("line {number}: ");
                let value = Said::Number(s.value);
                out.sample(s.series, fill, Point { value, own_ms: s.timestamp_ms, start_ms: 0 }, place);
                if open_metrics {
                    match described.is_created(s.series) {
                        true => out.created(s.value),
                        false => out.visit(),
                    }
                }
                if let Some(e) = s.exemplar {
                    let fill = || labels_of(e.labels, limits);
                    out.exemplar(e.raw, fill, e.value, e.timestamp_ms, place);
                }
            }
            Err(what) => out
                .refuse(RejectReason::Malformed, 1, || format!("line {number}: {what}: {}", cut_bytes(line))),
        }
    }
    out.describe(&described, open_metrics);
    if open_metrics && !ended {
        return Err(Error::invalid("the answer is OpenMetrics but does not end with # EOF: it was cut"));
    }
    Ok(())
}

impl Described<'_> {
    /// Whether a series of this family says since when others of it count, and counts nothing itself.
    fn is_created(&self, series: &[u8]) -> bool {
        let counts = matches!(self.kind, MetricKind::Counter | MetricKind::Histogram | MetricKind::Summary);
        let rest = || series.strip_prefix(self.name)?.strip_prefix(b"_created");
        counts && rest().is_some_and(|rest| matches!(rest.first(), None | Some(b'{' | b' ' | b'\t')))
    }
}

/// Whether two series texts are parts of one metric: their labels are the same but for those of a bucket or a quantile.
pub(crate) fn is_same_metric(a: &[u8], b: &[u8]) -> bool {
    let labels = |series| {
        let mut pairs = labels_of(series, &Limits::default()).ok()?;
        pairs.retain(|(name, _)| !matches!(&**name, NAME | "le" | "quantile"));
        pairs.sort();
        Some(pairs)
    };
    labels(a).is_some_and(|a| Some(a) == labels(b))
}

/// Lines without their ends, spaces around them removed.
pub(crate) fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        rest = &rest[(end + 1).min(rest.len())..];
        Some(line.trim_ascii())
    })
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn skip_spaces(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|b| is_space(**b)).count()..]
}

/// The next word and what follows it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = skip_spaces(text);
    text.split_at(text.iter().position(|b| is_space(*b)).unwrap_or(text.len()))
}

/// Splits a sample line. `series_bytes` is the length of the series text, where it is known already.
pub(crate) fn sample(
    line: &[u8],
    series_bytes: Option<usize>,
    open_metrics: bool,
) -> Result<SampleLine<'_>, &'static str> {
    let series_bytes = match series_bytes {
        Some(n) => n,
        None => series_bytes_of(line)?,
    };
    let (series, rest) = line.split_at(series_bytes);
    let (value, rest) = word(rest);
    if value.is_empty() {
        return Err("there is no value");
    }
    let value = number(value).ok_or("the value is not a number")?;
    let (time, mut rest) = match skip_spaces(rest) {
        [b'#', ..] if open_metrics => (&b""[..], rest),
        _ => word(rest),
    };
    let timestamp_ms = match time {
        b"" => None,
        _ if open_metrics => Some(seconds(time).ok_or("the timestamp is not a number of seconds")?),
        _ => {
            let text = std::str::from_utf8(time).ok().and_then(|t| t.parse().ok());
            Some(text.ok_or("the timestamp is not a number of milliseconds")?)
        }
    };
    rest = skip_spaces(rest);
    let exemplar = match rest {
        b"" => None,
        _ if open_metrics => Some(exemplar(rest).ok_or("what follows the value is not an exemplar")?),
        _ => return Err("there is more after the timestamp"),
    };
    Ok(SampleLine { series, value, timestamp_ms, exemplar })
}

/// Seconds as milliseconds.
fn seconds(text: &[u8]) -> Option<i64> {
    let ms = (number(text)? * 1000.0).round();
    (ms.abs() < 9.2e18).then_some(ms as i64)
}

/// Decimal numbers, and `NaN`, `Inf`, `+Inf`, `-Inf` in any case.
fn number(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn exemplar(text: &[u8]) -> Option<ExemplarText<'_>> {
    let labels = skip_spaces(text.strip_prefix(b"#")?);
    let end = if labels.first() == Some(&b'{') { braces_bytes(labels).ok()? } else { return None };
    let (value, rest) = word(&labels[end..]);
    let raw = &labels[..labels.len() - rest.len()];
    let (time, rest) = word(rest);
    if !skip_spaces(rest).is_empty() {
        return None;
    }
    let timestamp_ms = if time.is_empty() { None } else { Some(seconds(time)?) };
    Some(ExemplarText { raw, labels: &labels[..end], value: number(value)?, timestamp_ms })
}

/// The length of the series text: a name, braces, or both, with spaces between.
fn series_bytes_of(line: &[u8]) -> Result<usize, &'static str> {
    let name = line.iter().position(|b| is_space(*b) || *b == b'{').unwrap_or(line.len());
    let after = skip_spaces(&line[name..]);
    match after.first() {
        Some(b'{') => Ok(line.len() - after.len() + braces_bytes(after)?),
        _ => Ok(name),
    }
}

/// The length of `{...}` at the beginning of `text`; braces within quotes do not count.
fn braces_bytes(text: &[u8]) -> Result<usize, &'static str> {
    let mut at = 1;
    loop {
        let step = memchr::memchr2(b'"', b'}', &text[at..]).ok_or("a brace is not closed")?;
        at += step + 1;
        if text[at - 1] == b'}' {
            return Ok(at);
        }
        at += quoted_bytes(&text[at..]).ok_or("a quote is not closed")? + 1;
    }
}

/// The length of the text before the closing quote; `text` starts after the opening one.
fn quoted_bytes(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// Whether a series text can be taken apart; limits are not checked.
pub(crate) fn is_series(series: &[u8]) -> bool {
    labels_of(series, &Limits::default()).is_ok()
}

/// Takes a series text apart: `name{a="b","c.d"="e"}` or `{"my.name",a="b"}`.
fn labels_of<'a>(series: &'a [u8], limits: &Limits) -> Result<Pairs<'a>, Refused> {
    let mut labels = Pairs::with_capacity(16);
    let refuse =
        |reason, what: &str| Err(Refused { reason, message: format!("{}: {what}", cut_bytes(series)) });
    let malformed = |what: &str| refuse(RejectReason::Malformed, what);
    let Ok(text) = std::str::from_utf8(series) else {
        return refuse(RejectReason::InvalidUtf8, "not UTF-8");
    };
    let (name, rest) = text.split_at(name_bytes(text, true));
    if !name.is_empty() {
        labels.push((NAME.into(), name.into()));
    }
    let rest = rest.trim_start();
    if rest.is_empty() && !name.is_empty() {
        return Ok(labels);
    }
    let Some(mut rest) = rest.strip_prefix('{') else {
        return malformed("this is not a metric name");
    };
    let mut count = 0;
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return if after.is_empty() { Ok(labels) } else { malformed("there is more after the braces") };
        }
        let quoted = rest.starts_with('"');
        let (key, after) = match rest.strip_prefix('"') {
            Some(inside) => match unquote(inside) {
                Some(found) => found,
                None => return malformed("a quote is not closed"),
            },
            None => {
                let (key, after) = rest.split_at(name_bytes(rest, false));
                (key.into(), after)
            }
        };
        let after = after.trim_start();
        if let Some(after) = after.strip_prefix('=') {
            let value = after.trim_start().strip_prefix('"').and_then(unquote);
            let Some((value, after)) = value else {
                return malformed("a label value is not in quotes");
            };
            if key.is_empty() {
                return refuse(RejectReason::InvalidName, "a label has an empty name");
            }
            labels.push((key, value));
            rest = after;
        } else if quoted && !key.is_empty() {
            labels.push((NAME.into(), key));
            rest = after;
        } else {
            return malformed("this is not a label: write name=\"value\"");
        }
        count += 1;
        if count > limits.labels_per_series_max {
            let what = format!("more than {} labels", limits.labels_per_series_max);
            return refuse(RejectReason::TooManyLabels, &what);
        }
        rest = rest.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.starts_with('}') => {}
            None => return malformed("a comma is missing between labels"),
        }
    }
}

/// The length of the name at the beginning of `text`: letters, digits and `_`, and `:` in a metric's name.
fn name_bytes(text: &str, colon: bool) -> usize {
    let good = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || (colon && *b == b':');
    if text.starts_with(|c: char| c.is_ascii_digit()) { 0 } else { text.bytes().take_while(good).count() }
}

/// The text up to the closing quote with its escapes undone, and what follows the quote.
fn unquote(text: &str) -> Option<(std::borrow::Cow<'_, str>, &str)> {
    let end = quoted_bytes(text.as_bytes())?;
    Some((unescape(&text[..end], true), &text[end + 1..]))
}

/// Undoes `\\`, `\n` and, where quotes are escaped, `\"`. An unknown escape stays as it is.
pub(crate) fn unescape(text: &str, quotes: bool) -> std::borrow::Cow<'_, str> {
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return text.into();
    }
    let (mut out, mut characters) = (String::with_capacity(text.len()), text.chars());
    while let Some(c) = characters.next() {
        match (c, characters.as_str().chars().next()) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('\\')) => out.push('\\'),
            ('\\', Some('"')) if quotes => out.push('"'),
            _ => {
                out.push(c);
                continue;
            }
        }
        characters.next();
    }
    out.into()
}

/// HELP, TYPE and UNIT lines; lines of one metric that follow each other are put together.
fn comment<'a>(line: &'a [u8], open_metrics: bool, described: &mut Described<'a>, out: &mut Collector<'_>) {
    let Some(rest) = line.strip_prefix(b"# ") else { return };
    let (keyword, rest) = word(rest);
    if !matches!(keyword, b"HELP" | b"TYPE" | b"UNIT") {
        return;
    }
    let rest = skip_spaces(rest);
    let (name, rest) = match rest.strip_prefix(b"\"") {
        Some(inside) => match quoted_bytes(inside) {
            Some(end) => (&inside[..end], &inside[end + 1..]),
            None => return,
        },
        None => word(rest),
    };
    if described.name != name {
        out.next_family();
        out.describe(described, open_metrics);
        *described = Described { name, ..Described::default() };
    }
    let rest = skip_spaces(rest);
    match keyword {
        b"HELP" => described.help = rest,
        b"UNIT" => described.unit = rest,
        _ => described.kind = std::str::from_utf8(rest).map_or(MetricKind::Unknown, MetricKind::parse),
    }
}
