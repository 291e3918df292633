//! Answers of queries as Prometheus writes them: values as text, times as seconds. Written straight
//! into one buffer, because answers can hold millions of samples.

mod histogram;

use crate::transport::PART_BYTES;
use ::query::{Point, QueryResult, Value};
use bytes::Bytes;
use histogram::push_histogram;
use model::{HistogramAt, Labels, SeriesData};
use serde_json::Value as Json;
use std::fmt::Write;

/// A number as Prometheus writes it into JSON strings.
pub fn push_value(out: &mut String, v: f64) {
    if v.is_nan() {
        out.push_str("NaN");
    } else if v.is_infinite() {
        out.push_str(if v > 0.0 { "+Inf" } else { "-Inf" });
    } else if v != 0.0 && (v.abs() < 1e-6 || v.abs() >= 1e21) {
        // Rust writes 1e-7 where Go writes 1e-07; both are read by all.
        let _ = write!(out, "{v:e}");
    } else {
        let _ = write!(out, "{v}");
    }
}

/// Milliseconds as seconds: `1700000000.5`.
pub fn push_time(out: &mut String, ms: i64) {
    let sign = if ms < 0 { "-" } else { "" };
    let (seconds, rest) = (ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000);
    let _ = write!(out, "{sign}{seconds}");
    if rest > 0 {
        let text = format!(".{rest:03}");
        out.push_str(text.trim_end_matches('0'));
    }
}

/// A JSON string.
pub fn push_string(out: &mut String, text: &str) {
    // Nearly all texts go in one piece; 0xe2 may begin one of the two that end a line in JavaScript.
    let is_odd = |b: u8| b < b' ' || matches!(b, b'"' | b'\\' | 0xe2);
    out.push('"');
    match text.bytes().any(is_odd) {
        true => push_escaped(out, text),
        false => out.push_str(text),
    }
    out.push('"');
}

fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            // The last two end a line in JavaScript; below space nothing is allowed.
            c if c < ' ' || c == '\u{2028}' || c == '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

/// Labels as an object.
pub fn push_labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (i, (name, value)) in labels.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_string(out, name);
        out.push(':');
        push_string(out, value);
    }
    out.push('}');
}

fn push_sample(out: &mut String, ms: i64, v: f64) {
    out.push('[');
    push_time(out, ms);
    out.push_str(",\"");
    push_value(out, v);
    out.push_str("\"]");
}

/// An answer, part by part.
pub struct Answer {
    /// What to write; rows are given back as they are written.
    pub result: QueryResult,
    /// The time of a scalar or text.
    pub time_ms: i64,
    /// What it cost, if that was asked for.
    pub stats: Option<Json>,
    /// What had to be left out.
    pub partial: Vec<String>,
    /// Rows that are begun.
    row: usize,
    /// What is left of the row that was begun last: each of them can be large.
    histograms: Option<std::vec::IntoIter<HistogramAt>>,
    is_done: bool,
}

impl Answer {
    /// Nothing is written yet.
    pub fn new(result: QueryResult, time_ms: i64, stats: Option<Json>, partial: Vec<String>) -> Answer {
        Answer { result, time_ms, stats, partial, row: 0, histograms: None, is_done: false }
    }
}

impl Iterator for Answer {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.is_done {
            return None;
        }
        let mut out = String::new();
        if self.row == 0 {
            push_head(&mut out, &self.result.value, self.time_ms);
        }
        while out.len() < PART_BYTES && !self.is_done {
            match self.histograms.as_mut().map(Iterator::next) {
                Some(Some(h)) => {
                    out.push(',');
                    push_histogram(&mut out, h.timestamp_ms, &h.histogram);
                }
                Some(None) => {
                    out.push_str("]}");
                    self.histograms = None;
                }
                None if push_row(&mut out, &mut self.result.value, self.row, &mut self.histograms) => {
                    self.row += 1;
                }
                None => {
                    push_end(&mut out, &self.result, self.stats.as_ref(), &self.partial);
                    self.is_done = true;
                }
            }
        }
        Some(out.into())
    }
}

/// Up to where the rows begin.
fn push_head(out: &mut String, value: &Value, time_ms: i64) {
    out.push_str("{\"status\":\"success\",\"data\":{\"resultType\":\"");
    match value {
        Value::Scalar(v) => {
            out.push_str("scalar\",\"result\":");
            push_sample(out, time_ms, *v);
        }
        Value::String(text) => {
            out.push_str("string\",\"result\":[");
            push_time(out, time_ms);
            out.push(',');
            push_string(out, text);
            out.push(']');
        }
        Value::Vector(_) => out.push_str("vector\",\"result\":["),
        Value::Matrix(_) => out.push_str("matrix\",\"result\":["),
    }
}

/// One row; false if there is none of this number. What is left for later goes into `rest`.
fn push_row(
    out: &mut String,
    value: &mut Value,
    row: usize,
    rest: &mut Option<std::vec::IntoIter<HistogramAt>>,
) -> bool {
    match value {
        Value::Scalar(_) | Value::String(_) => false,
        Value::Vector(rows) => {
            let Some((labels, ms, point)) = rows.get(row) else { return false };
            out.push_str(if row > 0 { ",{\"metric\":" } else { "{\"metric\":" });
            push_labels(out, labels);
            match point {
                Point::Number(v) => {
                    out.push_str(",\"value\":");
                    push_sample(out, *ms, *v);
                }
                Point::Histogram(h) => {
                    out.push_str(",\"histogram\":");
                    push_histogram(out, *ms, h);
                }
            }
            out.push('}');
            true
        }
        Value::Matrix(rows) => {
            let Some(series) = rows.get_mut(row) else { return false };
            out.push_str(if row > 0 { "," } else { "" });
            *rest = push_matrix_row(out, std::mem::take(series));
            true
        }
    }
}

/// What follows the rows.
fn push_end(out: &mut String, result: &QueryResult, stats: Option<&Json>, partial: &[String]) {
    if matches!(result.value, Value::Vector(_) | Value::Matrix(_)) {
        out.push(']');
    }
    if let Some(stats) = stats {
        let _ = write!(out, ",\"stats\":{stats}");
    }
    out.push('}');
    let warnings: Vec<&String> = result.warnings.iter().chain(partial).collect();
    for (name, texts) in [("warnings", warnings), ("infos", result.infos.iter().collect())] {
        push_texts(out, name, &texts);
    }
    out.push('}');
}

/// A list of texts as a further field, if there are any.
fn push_texts(out: &mut String, name: &str, texts: &[&String]) {
    if texts.is_empty() {
        return;
    }
    let _ = write!(out, ",\"{name}\":[");
    for (i, text) in texts.iter().enumerate() {
        out.push_str(if i > 0 { "," } else { "" });
        push_string(out, text);
    }
    out.push(']');
}

/// A series up to its first histogram; the other ones are given back.
fn push_matrix_row(out: &mut String, row: SeriesData) -> Option<std::vec::IntoIter<HistogramAt>> {
    out.push_str("{\"metric\":");
    push_labels(out, &row.labels);
    for (i, (ms, v)) in row.timestamps_ms.iter().zip(&row.values).enumerate() {
        out.push_str(if i > 0 { "," } else { ",\"values\":[" });
        push_sample(out, *ms, *v);
    }
    out.push_str(if row.values.is_empty() { "" } else { "]" });
    let mut histograms = row.histograms.into_iter();
    let Some(first) = histograms.next() else {
        out.push('}');
        return None;
    };
    out.push_str(",\"histograms\":[");
    push_histogram(out, first.timestamp_ms, &first.histogram);
    Some(histograms)
}

/// `{"status":"success","data":[...]}` of any items, part by part.
pub struct List<I: Iterator, F> {
    items: std::iter::Peekable<I>,
    push: F,
    warnings: Vec<String>,
    is_begun: bool,
    is_done: bool,
}

impl<I: Iterator, F: Fn(&mut String, &I::Item)> List<I, F> {
    /// `push` writes one item.
    pub fn new(items: I, push: F, warnings: Vec<String>) -> List<I, F> {
        List { items: items.peekable(), push, warnings, is_begun: false, is_done: false }
    }
}

impl<I: Iterator, F: Fn(&mut String, &I::Item)> Iterator for List<I, F> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.is_done {
            return None;
        }
        let mut out = String::new();
        if !self.is_begun {
            out.push_str("{\"status\":\"success\",\"data\":[");
            self.is_begun = true;
        }
        while out.len() < PART_BYTES {
            let Some(item) = self.items.next() else {
                out.push(']');
                push_texts(&mut out, "warnings", &self.warnings.iter().collect::<Vec<_>>());
                out.push('}');
                self.is_done = true;
                break;
            };
            (self.push)(&mut out, &item);
            out.push_str(if self.items.peek().is_some() { "," } else { "" });
        }
        Some(out.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times() {
        for (v, want) in [
            (0.0, "0"),
            (-0.5, "-0.5"),
            (1e21, "1e21"),
            (123_456_789_012_345_680.0, "123456789012345680"),
            (1e-7, "1e-7"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            let mut out = String::new();
            push_value(&mut out, v);
            assert_eq!(out, want);
        }
        for (ms, want) in [(0, "0"), (1500, "1.5"), (-1, "-0.001"), (1_700_000_000_010, "1700000000.01")] {
            let mut out = String::new();
            push_time(&mut out, ms);
            assert_eq!(out, want);
        }
    }

    #[test]
    fn a_long_answer_comes_in_parts_and_is_the_same() {
        let series = |i: usize| {
            let labels = Labels::from_pairs([("i", i.to_string())]).unwrap();
            SeriesData::numbers(labels, (0..1_000).collect(), vec![0.25; 1_000])
        };
        for count in [0, 1, 3, 100] {
            let value = Value::Matrix((0..count).map(series).collect());
            let result = QueryResult { value, warnings: vec!["w".into()], infos: Vec::new() };
            let parts: Vec<Bytes> =
                Answer::new(result, 0, Some(serde_json::json!({"n": 1})), Vec::new()).collect();
            let text: Json = serde_json::from_slice(&parts.concat()).unwrap();
            let rows = text["data"]["result"].as_array().unwrap();
            assert_eq!(
                (rows.len(), &text["data"]["stats"]["n"], &text["warnings"][0]),
                (count, &1.into(), &"w".into())
            );
            assert!(rows.iter().all(|r| r["values"].as_array().unwrap().len() == 1_000));
            assert_eq!(parts.len() > 1, count == 100, "{} parts", parts.len());
            assert!(parts.iter().all(|p| !p.is_empty() && p.len() < 2 * PART_BYTES));
        }
    }

    #[test]
    fn a_row_of_large_histograms_comes_in_parts_too() {
        use model::histogram::Buckets;
        let positive = Buckets::from_pairs((-500..500).map(|i| (i, 1.0)));
        let h = std::sync::Arc::new(model::Histogram { schema: 8, positive, ..Default::default() });
        let at = |t: i64| HistogramAt { timestamp_ms: t * 1000, start_ms: 0, histogram: h.clone() };
        for count in [1, 2, 50] {
            let numbers = SeriesData::numbers(Labels::default(), vec![0], vec![1.0]);
            let row = SeriesData { histograms: (1..=count).map(at).collect(), ..numbers };
            let value = Value::Matrix(vec![row.clone(), row]);
            let result = QueryResult { value, warnings: Vec::new(), infos: Vec::new() };
            let parts: Vec<Bytes> = Answer::new(result, 0, None, Vec::new()).collect();
            let text: Json = serde_json::from_slice(&parts.concat()).unwrap();
            for row in text["data"]["result"].as_array().unwrap() {
                let histograms = row["histograms"].as_array().unwrap();
                assert_eq!(histograms.len() as i64, count);
                assert!(histograms.iter().all(|h| h[1]["buckets"].as_array().unwrap().len() == 1_000));
                assert_eq!(row["values"][0][1], "1");
            }
            assert!(parts.iter().all(|p| p.len() < 2 * PART_BYTES), "{} parts", parts.len());
        }
    }

    #[test]
    fn any_text_is_valid_json() {
        let text: String = (0u8..=127).map(char::from).chain("é\u{2028}</script>".chars()).collect();
        for text in [text.as_str(), "", "plain é", "€", "a\u{2029}b"] {
            let mut out = String::new();
            push_string(&mut out, text);
            assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
            assert!(!out.contains(['\u{2028}', '\u{2029}']), "{out}");
        }
    }
}
