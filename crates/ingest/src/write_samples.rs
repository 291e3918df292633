//! Writes samples of stored series for those who scrape them again (federation): Prometheus text, OpenMetrics 1.0, or
//! delimited protobuf. A format that has no native histograms gets their count and sum. It must never leave a series out.

use crate::wire::{put_bytes_field, put_double_field, put_sint_field, put_varint, put_varint_field};
use crate::write_text::{escape, go_float, plain_float};
use model::histogram::Buckets;
use model::{Histogram, Labels, NAME};
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

/// The value of a sample.
#[derive(Clone, Debug, PartialEq)]
pub enum PointValue {
    /// A number.
    Number(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Labels with the name.
    pub labels: Labels,
    /// Milliseconds since 1970-01-01 UTC.
    pub timestamp_ms: i64,
    /// The value.
    pub value: PointValue,
}

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text; true: names may be any UTF-8, in quotes.
    Text(bool),
    /// OpenMetrics 1.0; likewise.
    OpenMetrics(bool),
    /// `io.prometheus.client.MetricFamily`, each with its length.
    Protobuf,
}

impl Format {
    /// What an `Accept` header likes best; text if it names none of these.
    pub fn from_accept(header: &str) -> Format {
        let mut best = (0.0, Format::Text(false));
        for entry in header.split(',') {
            let mut parts = entry.split(';').map(|p| p.trim().to_ascii_lowercase());
            let media = parts.next().unwrap_or_default();
            let parameters: Vec<String> = parts.collect();
            let has = |text: &str| parameters.iter().any(|p| *p == text);
            let any_name = has("escaping=allow-utf-8");
            let format = match media.as_str() {
                "application/vnd.google.protobuf"
                    if has("proto=io.prometheus.client.metricfamily") && has("encoding=delimited") =>
                {
                    Format::Protobuf
                }
                "application/openmetrics-text" => Format::OpenMetrics(any_name),
                "text/plain" => Format::Text(any_name),
                _ => continue,
            };
            let q = parameters
                .iter()
                .find_map(|p| p.strip_prefix("q="))
                .map_or(1.0, |q| q.parse().unwrap_or(0.0));
            if q > best.0 {
                best = (q, format);
            }
        }
        best.1
    }

    /// The `Content-Type` to answer with.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text(false) => "text/plain; version=0.0.4; charset=utf-8",
            Format::Text(true) => "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            Format::OpenMetrics(false) => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::OpenMetrics(true) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
            }
            Format::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// Writes the points of one metric: all have the same name, which is not empty.
    pub fn write_family(self, out: &mut Vec<u8>, points: &[Point]) {
        let Some(first) = points.first() else { return };
        let (numbers, histograms): (Vec<&Point>, Vec<&Point>) =
            points.iter().partition(|p| matches!(p.value, PointValue::Number(_)));
        for part in [numbers, histograms].iter().filter(|part| !part.is_empty()) {
            match self {
                Format::Protobuf => protobuf(out, first.labels.name(), part),
                Format::Text(any_name) => text(out, part, any_name, false),
                Format::OpenMetrics(any_name) => text(out, part, any_name, true),
            }
        }
    }

    /// What stands at the end of a body.
    pub fn end(self) -> &'static [u8] {
        match self {
            Format::OpenMetrics(_) => b"# EOF\n",
            _ => b"",
        }
    }
}

fn is_plain(name: &str, colon: bool) -> bool {
    !name.is_empty()
        && !name.as_bytes()[0].is_ascii_digit()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || (colon && b == b':'))
}

/// A name that every reader takes.
fn plain_name(name: &str, colon: bool) -> Cow<'_, str> {
    if is_plain(name, colon) {
        return name.into();
    }
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colon && c == ':');
    let mut out: String = name.chars().map(|c| if good(c) { c } else { '_' }).collect();
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    out.into()
}

fn text(out: &mut Vec<u8>, points: &[&Point], any_name: bool, open_metrics: bool) {
    let name = points[0].labels.name();
    let shown = if any_name { Cow::Borrowed(name) } else { plain_name(name, true) };
    let is_histogram = matches!(points[0].value, PointValue::Histogram(_));
    let kind = match (is_histogram, open_metrics) {
        (true, _) => "histogram",
        (false, true) => "unknown",
        (false, false) => "untyped",
    };
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = match is_plain(&shown, true) {
        true => writeln!(text, "# TYPE {shown} {kind}"),
        false => writeln!(text, "# TYPE \"{}\" {kind}", escape(&shown, true)),
    };
    for p in points {
        let time = match open_metrics {
            true => p.timestamp_ms as f64 / 1000.0,
            false => p.timestamp_ms as f64,
        };
        let mut line = |suffix: &str, le: Option<&str>, value: f64| {
            push_series(&mut text, &format!("{shown}{suffix}"), &p.labels, le, any_name);
            let _ = writeln!(text, " {} {time}", plain_float(value));
        };
        match &p.value {
            PointValue::Number(v) => line("", None, *v),
            PointValue::Histogram(h) => {
                for (bound, count) in classic(h) {
                    line("_bucket", Some(&go_float(bound)), count);
                }
                line("_bucket", Some("+Inf"), h.count);
                line("_count", None, h.count);
                line("_sum", None, h.sum);
            }
        }
    }
    out.extend(text.into_bytes());
}

/// Cumulative counts below the bounds of a histogram with custom bounds; none of an exponential one.
fn classic(h: &Histogram) -> Vec<(f64, f64)> {
    if !h.is_custom() {
        return Vec::new();
    }
    let mut buckets = h.positive.iter().peekable();
    let mut sum = 0.0;
    let of = |(i, bound): (usize, &f64)| {
        while let Some((_, count)) =
            buckets.next_if(|(index, _)| usize::try_from(*index).is_ok_and(|n| n <= i))
        {
            sum += count;
        }
        (*bound, sum)
    };
    h.custom_bounds.iter().enumerate().map(of).collect()
}

/// Whoever federates must not give its own `instance` to a series that has none.
fn pairs(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    let instance = labels.get("instance").is_empty().then_some(("instance", ""));
    labels.iter().filter(|(n, _)| *n != NAME).chain(instance)
}

fn push_series(text: &mut String, name: &str, labels: &Labels, le: Option<&str>, any_name: bool) {
    let is_quoted = !is_plain(name, true);
    if !is_quoted {
        text.push_str(name);
    }
    text.push('{');
    let mut separator = "";
    if is_quoted {
        let _ = write!(text, "\"{}\"", escape(name, true));
        separator = ",";
    }
    for (label, value) in pairs(labels).chain(le.map(|bound| ("le", bound))) {
        let value = escape(value, true);
        let _ = match any_name && !is_plain(label, false) {
            true => write!(text, "{separator}\"{}\"=\"{value}\"", escape(label, true)),
            false => write!(text, "{separator}{}=\"{value}\"", plain_name(label, false)),
        };
        separator = ",";
    }
    text.push('}');
}

fn protobuf(out: &mut Vec<u8>, name: &str, points: &[&Point]) {
    const UNTYPED: u64 = 3;
    const HISTOGRAM: u64 = 4;
    const GAUGE_HISTOGRAM: u64 = 5;
    let mut family = Vec::new();
    put_bytes_field(&mut family, 1, name.as_bytes());
    let kind = match &points[0].value {
        PointValue::Number(_) => UNTYPED,
        PointValue::Histogram(h) if h.hint == model::histogram::ResetHint::Gauge => GAUGE_HISTOGRAM,
        PointValue::Histogram(_) => HISTOGRAM,
    };
    put_varint_field(&mut family, 3, kind);
    for p in points {
        let mut metric = Vec::new();
        for (label, value) in pairs(&p.labels) {
            let mut pair = Vec::new();
            put_bytes_field(&mut pair, 1, label.as_bytes());
            put_bytes_field(&mut pair, 2, value.as_bytes());
            put_bytes_field(&mut metric, 1, &pair);
        }
        let mut value = Vec::new();
        match &p.value {
            PointValue::Number(v) => {
                put_double_field(&mut value, 1, *v);
                put_bytes_field(&mut metric, 5, &value);
            }
            PointValue::Histogram(h) => {
                histogram(&mut value, h);
                put_bytes_field(&mut metric, 7, &value);
            }
        }
        put_varint_field(&mut metric, 6, p.timestamp_ms as u64);
        put_bytes_field(&mut family, 4, &metric);
    }
    put_varint(out, family.len() as u64);
    out.extend(family);
}

/// `io.prometheus.client.Histogram`: custom bounds as classic buckets, all else native, with counts as floats.
fn histogram(out: &mut Vec<u8>, h: &Histogram) {
    put_double_field(out, 4, h.count);
    put_double_field(out, 2, h.sum);
    if h.is_custom() {
        for (bound, count) in classic(h) {
            let mut bucket = Vec::new();
            put_double_field(&mut bucket, 4, count);
            put_double_field(&mut bucket, 2, bound);
            put_bytes_field(out, 3, &bucket);
        }
        return;
    }
    put_sint_field(out, 5, i64::from(h.schema));
    put_double_field(out, 6, h.zero_threshold);
    put_double_field(out, 8, h.zero_count);
    let mut side = |buckets: &Buckets, spans: u32, counts: u32| {
        for span in &buckets.spans {
            let mut part = Vec::new();
            put_sint_field(&mut part, 1, i64::from(span.offset));
            put_varint_field(&mut part, 2, u64::from(span.length));
            put_bytes_field(out, spans, &part);
        }
        buckets.counts.iter().for_each(|c| put_double_field(out, counts, *c));
    };
    side(&h.negative, 9, 11);
    side(&h.positive, 12, 14);
    if h.positive.spans.is_empty() && h.negative.spans.is_empty() {
        // A span of nothing says that this is a native histogram without observations, not a classic one.
        let mut part = Vec::new();
        put_sint_field(&mut part, 1, 0);
        put_varint_field(&mut part, 2, 0);
        put_bytes_field(out, 12, &part);
    }
}

#[cfg(test)]
mod tests;
