//! A small language for tests of queries, and a naive source in memory.
//!
//! ```text
//! # A comment. `clear` forgets all data.
//! load 10s
//!   requests_total{job="api"} 0+10x5 _ 7 stale 1x2
//! at 50s: sum(requests_total)
//!   {} 100
//! range 0 to 20s step 10s: requests_total
//!   requests_total{job="api"} 0 10 20
//! at 0: requests_total + on() requests_total
//!   error: many-to-many
//! ```
//!
//! Values: `a+bxn` is a and n more, each b larger; `axn` is a and n more of the same; `_` is no sample
//! (`_xn` n of them); `stale` is a stale marker; `{{schema:0 sum:5 count:4 buckets:[1 2 1]}}` is a native
//! histogram, as a or b. A line `requests_total{job="api"}@st -30s -1mx2` says since when the samples of the
//! series below it count, relative to each. Below a query: the series of the answer in any order (in
//! order after a line `ordered`), `scalar 1`, `string text`, `error: part of the message`,
//! `warning: part`, `info: part`; notes that are not named must not come. A query with nothing below has
//! an empty answer. The values of a range answer stand for its steps.

#![allow(dead_code)]

use model::time::parse_duration_ms;
use model::{Histogram, HistogramAt, Labels, Matcher, STALE_NAN_BITS, SeriesData};
use query::{ExprKind, Point, QueryOptions, QueryResult, ReadLimits, Source, Value};
use std::sync::Arc;
use stdx::{Error, ErrorKind};

pub mod histograms;

/// Series in a list, searched from end to end.
#[derive(Clone, Default)]
pub struct Naive {
    pub series: Vec<SeriesData>,
}

impl Source for Naive {
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limits: ReadLimits,
    ) -> stdx::Result<Vec<SeriesData>> {
        let (mut found, mut samples) = (Vec::new(), 0);
        for s in self.series.iter().filter(|s| Matcher::all(matchers, &s.labels)) {
            let inside = |t: &i64| start_ms <= *t && *t <= end_ms;
            let kept: Vec<usize> = (0..s.values.len()).filter(|i| inside(&s.timestamps_ms[*i])).collect();
            let histograms: Vec<HistogramAt> =
                s.histograms.iter().filter(|h| inside(&h.timestamp_ms)).cloned().collect();
            samples += kept.len() + histograms.len();
            if !kept.is_empty() || !histograms.is_empty() {
                found.push(SeriesData {
                    labels: s.labels.clone(),
                    timestamps_ms: kept.iter().map(|i| s.timestamps_ms[*i]).collect(),
                    values: kept.iter().map(|i| s.values[*i]).collect(),
                    starts_ms: kept.iter().filter_map(|i| s.starts_ms.get(*i).copied()).collect(),
                    histograms,
                });
            }
        }
        if found.len() > limits.series_max || samples > limits.samples_max {
            return Err(Error::new(ErrorKind::TooLarge, "too many series or samples"));
        }
        Ok(found)
    }
}

impl Naive {
    /// Adds samples of a series, which come after those it has.
    pub fn add(&mut self, labels: Labels, samples: impl IntoIterator<Item = (i64, f64)>) {
        let (times, values): (Vec<i64>, Vec<f64>) = samples.into_iter().unzip();
        let series = self.series_of(labels);
        series.timestamps_ms.extend(times);
        series.values.extend(values);
    }

    /// The series of these labels, new if there is none.
    pub fn series_of(&mut self, labels: Labels) -> &mut SeriesData {
        let i = self.series.iter().position(|s| s.labels == labels).unwrap_or(self.series.len());
        if i == self.series.len() {
            self.series.push(SeriesData { labels, ..Default::default() });
        }
        &mut self.series[i]
    }
}

/// Labels as PromQL writes them: `name{a="b"}`.
pub fn labels(text: &str) -> Labels {
    if text == "{}" {
        return Labels::default();
    }
    let matchers = query::parse_selector(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    Labels::from_pairs(matchers.iter().map(|m| (&m.name, &m.value))).unwrap()
}

/// Where the labels of a line end: at the first blank outside quotes and braces.
pub fn split_series(line: &str) -> (&str, &str) {
    let (mut quoted, mut braces, mut escaped) = (false, 0, false);
    for (i, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' if !quoted => braces += 1,
            '}' if !quoted => braces -= 1,
            ' ' | '\t' if !quoted && braces == 0 => return (&line[..i], line[i..].trim()),
            _ => {}
        }
    }
    (line, "")
}

/// A number, `Inf`, `NaN`, `stale`.
pub fn number(text: &str) -> f64 {
    match text {
        "stale" => f64::from_bits(STALE_NAN_BITS),
        _ => text.parse().unwrap_or_else(|_| panic!("not a number: {text:?}")),
    }
}

/// Words at blanks outside of `{{...}}`.
fn words(text: &str) -> Vec<&str> {
    let (mut words, mut start, mut inside) = (Vec::new(), 0, false);
    for (i, _) in text.char_indices().chain([(text.len(), ' ')]) {
        let rest = &text[i..];
        inside = (inside || rest.starts_with("{{")) && !rest.starts_with("}}");
        if !inside && (rest.is_empty() || rest.starts_with([' ', '\t'])) {
            words.extend(Some(&text[start..i]).filter(|w| !w.trim().is_empty()).map(|w| w.trim()));
            start = i;
        }
    }
    words
}

/// `3x5`: the word before, and how many more.
fn times(word: &str) -> (&str, usize) {
    match word.rsplit_once('x') {
        Some((body, n)) if !n.contains('}') => {
            (body, n.parse().unwrap_or_else(|_| panic!("not a count: {word:?}")))
        }
        _ => (word, 0),
    }
}

/// `0+10x5 _ 7 stale {{count:1}}` to one entry per step.
pub fn values(text: &str) -> Vec<Option<Point>> {
    let mut out = Vec::new();
    for word in words(text) {
        let (body, times) = times(word);
        if body == "_" {
            out.extend(std::iter::repeat_n(None, times.max(1)));
        } else if body.starts_with("{{") {
            let parts: Vec<&str> = body.split("}}").filter(|p| !p.is_empty()).collect();
            let part =
                |i: usize| parts.get(i).map(|p: &&str| histograms::parse(&p[p.find("{{").unwrap() + 2..]));
            let (mut h, increment) = (part(0).unwrap(), part(1));
            let sign = if parts.get(1).is_some_and(|p| p.starts_with('-')) { -1.0 } else { 1.0 };
            for _ in 0..=times {
                out.push(Some(Point::Histogram(Arc::new(h.clone()))));
                h = increment.as_ref().map_or_else(|| h.clone(), |i| histograms::sum(&h, i, sign));
            }
        } else {
            out.extend(numbers(body, times).into_iter().map(|v| Some(Point::Number(v))));
        }
    }
    out
}

fn numbers(body: &str, times: usize) -> Vec<f64> {
    // The sign that parts start and increment, not one of an exponent or at the beginning.
    let sign = body
        .char_indices()
        .skip(1)
        .find(|(i, c)| matches!(c, '+' | '-') && !matches!(body.as_bytes()[i - 1], b'e' | b'E'));
    let (mut v, increment) = match sign {
        Some((i, _)) => (number(&body[..i]), number(&body[i..])),
        None => (number(body), 0.0),
    };
    let mut out = Vec::new();
    for i in 0..=times {
        if i > 0 && increment != 0.0 {
            v += increment;
        }
        out.push(v);
    }
    out
}

/// `_ -30s-1mx2` to milliseconds relative to each sample.
fn starts(text: &str) -> Vec<Option<i64>> {
    let ms = |text: &str| {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text.trim_start_matches('+')), |t| (-1, t));
        sign * if digits == "0" { 0 } else { parse_duration_ms(digits).unwrap() }
    };
    let mut out = Vec::new();
    for word in words(text) {
        let (body, times) = times(word);
        if body == "_" {
            out.extend(std::iter::repeat_n(None, times.max(1)));
            continue;
        }
        let sign = body.char_indices().skip(1).find(|(_, c)| matches!(c, '+' | '-'));
        let (start, increment) =
            sign.map_or_else(|| (ms(body), 0), |(i, _)| (ms(&body[..i]), ms(&body[i..])));
        out.extend((0..=times as i64).map(|i| Some(start + increment * i)));
    }
    out
}

/// Equal but for rounding; all NaN are equal.
pub fn near(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()) + 1e-300
}

struct Query<'a> {
    text: &'a str,
    /// Start, end, step; an instant has no step.
    times: (i64, i64, i64),
    line: usize,
}

/// Runs a script; panics with the line of the first query whose answer is wrong.
pub fn run(name: &str, script: &str) {
    let mut source = Naive::default();
    let lines: Vec<&str> = script.lines().collect();
    let (mut i, mut queries) = (0, 0);
    while i < lines.len() {
        let (line, start) = (lines[i].trim(), i + 1);
        i += 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let below = lines[i..].iter().take_while(|l| l.starts_with([' ', '\t'])).count();
        let body: Vec<&str> =
            lines[i..i + below].iter().map(|l| l.trim()).filter(|l| !l.starts_with('#')).collect();
        i += below;
        let duration = |text: &str| {
            let text = text.trim();
            parse_duration_ms(text).unwrap_or_else(|e| panic!("{name}:{start}: {e}"))
        };
        if line == "clear" {
            source = Naive::default();
        } else if let Some(step) = line.strip_prefix("load ") {
            load(&mut source, duration(step), &body);
        } else if let Some((head, text)) = line.split_once(": ") {
            let words: Vec<&str> = head.split_whitespace().collect();
            let times = match words[..] {
                ["at", t] => (duration(t), duration(t), 0),
                ["range", from, "to", to, "step", step] => (duration(from), duration(to), duration(step)),
                _ => panic!("{name}:{start}: not a query: {line}"),
            };
            queries += 1;
            check(name, &source, &Query { text, times, line: start }, &body);
        } else {
            panic!("{name}:{start}: what is this? {line}");
        }
    }
    assert!(queries > 0, "{name} asks nothing");
}

pub fn load(source: &mut Naive, step_ms: i64, body: &[&str]) {
    let mut known: Option<(&str, Vec<Option<i64>>)> = None;
    for line in body {
        let (series, text) = split_series(line);
        if let Some(series) = series.strip_suffix("@st") {
            known = Some((series, starts(text)));
            continue;
        }
        let known = known.take().filter(|(of, _)| *of == series).map(|(_, starts)| starts);
        let data = source.series_of(labels(series));
        for (i, point) in values(text).into_iter().enumerate() {
            let timestamp_ms = i as i64 * step_ms;
            let start_ms =
                known.as_ref().and_then(|starts| *starts.get(i)?).map_or(0, |ms| timestamp_ms + ms);
            match point {
                Some(Point::Number(v)) => {
                    data.timestamps_ms.push(timestamp_ms);
                    data.values.push(v);
                    data.starts_ms.extend(known.as_ref().map(|_| start_ms));
                }
                Some(Point::Histogram(histogram)) => {
                    data.histograms.push(HistogramAt { timestamp_ms, start_ms, histogram });
                }
                None => {}
            }
        }
        data.histograms.sort_by_key(|h| h.timestamp_ms);
    }
}

/// Parses and evaluates; the error as text.
pub fn ask(source: &Naive, text: &str, times: (i64, i64, i64)) -> Result<QueryResult, String> {
    let options = QueryOptions::default();
    let expr = query::parse(text).map_err(|e| e.to_string())?;
    // What is printed must read back as the same expression, in every test.
    let printed = expr.to_string();
    let again = query::parse(&printed).unwrap_or_else(|e| panic!("{text} is printed as {printed}: {e}"));
    assert_eq!(again.to_string(), printed, "{text}");
    assert_eq!(std::mem::discriminant(&again.kind), std::mem::discriminant::<ExprKind>(&expr.kind), "{text}");
    let (start, end, step) = times;
    if step == 0 {
        query::instant(source, &expr, start, &options).map_err(|e| e.to_string())
    } else {
        query::range(source, &expr, start, end, step, &options).map_err(|e| e.to_string())
    }
}

fn check(name: &str, source: &Naive, query: &Query<'_>, body: &[&str]) {
    let place = format!("{name}:{}: {}", query.line, query.text);
    let part = |prefix: &str| -> Vec<&str> { body.iter().filter_map(|l| l.strip_prefix(prefix)).collect() };
    let errors = part("error: ");
    let result = match (ask(source, query.text, query.times), errors.first()) {
        (Err(e), Some(want)) => {
            assert!(e.contains(want), "{place}\n  wanted the error {want}\n  got {e}");
            return;
        }
        (Ok(r), Some(want)) => panic!("{place}\n  wanted the error {want}\n  got {:?}", r.value),
        (Err(e), None) => panic!("{place}\n  {e}"),
        (Ok(r), None) => r,
    };
    for (kind, want, got) in
        [("warning", part("warning: "), &result.warnings), ("info", part("info: "), &result.infos)]
    {
        for w in &want {
            assert!(got.iter().any(|g| g.contains(w)), "{place}\n  wanted the {kind} {w}\n  got {got:?}");
        }
        assert_eq!(got.len(), want.len(), "{place}\n  {kind}: {got:?}");
    }
    if let [number_text] = part("scalar ")[..] {
        let Value::Scalar(got) = result.value else { panic!("{place}\n  got {:?}", result.value) };
        assert!(near(got, number(number_text)), "{place}\n  wanted {number_text}\n  got {got}");
        return;
    }
    if let [text] = part("string ")[..] {
        assert_eq!(result.value, Value::String(text.into()), "{place}");
        return;
    }
    let skip = |l: &&&str| !l.starts_with("warning: ") && !l.starts_with("info: ") && **l != "ordered";
    let want: Vec<Row> = body
        .iter()
        .filter(skip)
        .map(|l| split_series(l))
        .map(|(series, text)| (labels(series), values(text)))
        .collect();
    compare(&place, &result.value, query.times, want, body.contains(&"ordered"));
}

/// A series and what it has at each step.
type Row = (Labels, Vec<Option<Point>>);

fn compare(place: &str, value: &Value, times: (i64, i64, i64), mut want: Vec<Row>, ordered: bool) {
    let mut got: Vec<Row> = match value {
        Value::Vector(v) => v.iter().map(|(l, _, p)| (l.clone(), vec![Some(p.clone())])).collect(),
        Value::Matrix(m) if times.2 == 0 => m.iter().map(|s| (s.labels.clone(), samples(s))).collect(),
        Value::Matrix(m) => m.iter().map(|s| (s.labels.clone(), at_steps(s, times))).collect(),
        other => panic!("{place}\n  got {other:?}"),
    };
    if !ordered {
        got.sort_by(|a, b| a.0.cmp(&b.0));
        want.sort_by(|a, b| a.0.cmp(&b.0));
    }
    // Missing values at the end need not be written.
    for row in got.iter_mut().chain(&mut want) {
        while row.1.last() == Some(&None) {
            row.1.pop();
        }
    }
    let same = got.len() == want.len()
        && got.iter().zip(&want).all(|(g, w)| {
            g.0 == w.0
                && g.1.len() == w.1.len()
                && g.1.iter().zip(&w.1).all(|p| match p {
                    (Some(a), Some(b)) => near_points(a, b),
                    (a, b) => a.is_none() && b.is_none(),
                })
        });
    let show = |rows: &[Row]| -> String {
        let value = |v: &Option<Point>| match v {
            None => "_".into(),
            Some(Point::Number(v)) => v.to_string(),
            Some(Point::Histogram(h)) => format!("{{{{{}}}}}", show_histogram(h)),
        };
        let row = |(l, v): &Row| format!("\n    {l} {}", v.iter().map(value).collect::<Vec<_>>().join(" "));
        rows.iter().map(row).collect()
    };
    assert!(same, "{place}\n  wanted{}\n  got{}", show(&want), show(&got));
}

pub fn show_histogram(h: &Histogram) -> String {
    let side = |b: &model::histogram::Buckets| format!("{:?}", b.iter().collect::<Vec<_>>());
    format!(
        "schema:{} {:?} count:{} sum:{} zero:{}±{} positive:{} negative:{} bounds:{:?}",
        h.schema,
        h.hint,
        h.count,
        h.sum,
        h.zero_count,
        h.zero_threshold,
        side(&h.positive),
        side(&h.negative),
        h.custom_bounds
    )
}

/// The same but for rounding.
pub fn near_points(a: &Point, b: &Point) -> bool {
    match (a, b) {
        (Point::Number(a), Point::Number(b)) => near(*a, *b),
        (Point::Histogram(a), Point::Histogram(b)) => histograms::near(a, b),
        _ => false,
    }
}

/// All samples of a series in order of time.
pub fn samples(series: &SeriesData) -> Vec<Option<Point>> {
    let numbers = series.timestamps_ms.iter().zip(&series.values).map(|(t, v)| (*t, Point::Number(*v)));
    let histograms =
        series.histograms.iter().map(|h| (h.timestamp_ms, Point::Histogram(h.histogram.clone())));
    let mut all: Vec<(i64, Point)> = numbers.chain(histograms).collect();
    all.sort_by_key(|(t, _)| *t);
    all.into_iter().map(|(_, p)| Some(p)).collect()
}

/// What a series has at the steps of a range query.
pub fn at_steps(series: &SeriesData, (start, end, step): (i64, i64, i64)) -> Vec<Option<Point>> {
    let number = |t: i64| {
        let i = series.timestamps_ms.iter().position(|s| *s == t)?;
        Some(Point::Number(series.values[i]))
    };
    let histogram = |t: i64| {
        let found = series.histograms.iter().find(|h| h.timestamp_ms == t)?;
        Some(Point::Histogram(found.histogram.clone()))
    };
    (0..=(end - start) / step).map(|i| start + i * step).map(|t| number(t).or_else(|| histogram(t))).collect()
}
