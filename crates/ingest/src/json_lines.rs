//! JSON lines as VictoriaMetrics imports and exports them, one series a line:
//! `{"metric":{"__name__":"up","job":"x"},"values":[1,0],"timestamps":[1700000000000,1700000001000]}`
//!
//! JSON has no NaN and no infinities. They are written `null`, `"Infinity"` and `"-Infinity"`, as VictoriaMetrics
//! does, and the stale marker `"StaleNaN"`, so that an export read back gives the same bits (but for the payload of other
//! NaNs). Read are also `"NaN"`, `"Inf"`, `"+Inf"`, `"-Inf"` in any case, and numbers in quotes.
//! A bad line spoils only itself.
//!
//! Two members are our own, and only there where there is something to say: `starts`, a list as long as `timestamps` (since
//! when each sample counts, milliseconds since 1970; 0: not known), and `histograms` (`histogram.rs`).

mod histogram;

use crate::series::{Refused, cut_bytes};
use crate::{Decoded, Limits};
use model::batch::{STALE_NAN_BITS, count_reject, is_stale};
use model::{HistogramSample, Labels, RejectReason, Sample, SeriesData};
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use stdx::{Error, ErrorKind, Result};

/// Decodes a body. Call [`crate::check_times`] afterwards.
///
/// # Errors
/// `TooLarge` past `decoded_bytes_max`. Anything else refuses its own line alone.
pub fn decode(body: &[u8], limits: &Limits) -> Result<Decoded> {
    if body.len() > limits.decoded_bytes_max {
        let message = format!("the body has more than {} bytes: send fewer lines", limits.decoded_bytes_max);
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    let (mut out, mut buckets) = (Decoded::default(), 0);
    for (i, line) in crate::exposition::text::lines(body).enumerate() {
        let number = i + 1;
        if line.is_empty() {
            continue;
        }
        if let Err((Refused { reason, message }, samples)) = one(line, limits, &mut out, &mut buckets) {
            count_reject(&mut out.rejects, reason, samples, || format!("line {number}: {message}"));
        }
    }
    Ok(out)
}

/// Adds the series of one line, or says why not and how many samples that cost.
fn one(line: &[u8], limits: &Limits, out: &mut Decoded, buckets: &mut usize) -> Result<(), (Refused, u64)> {
    let refuse = |reason, message: String, samples| Err((Refused { reason, message }, samples));
    if line.len() > limits.line_bytes_max {
        return refuse(RejectReason::TooLarge, format!("longer than {} bytes", limits.line_bytes_max), 1);
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return refuse(RejectReason::InvalidUtf8, format!("not UTF-8: {}", cut_bytes(line)), 1);
    };
    let parsed: Line<'_> = match serde_json::from_str(text) {
        Ok(parsed) => parsed,
        Err(e) => return refuse(RejectReason::Malformed, format!("{e}: {}", cut_bytes(line)), 1),
    };
    let samples = parsed.values.0.len();
    if samples != parsed.timestamps.0.len() {
        let (message, times) = (cut_bytes(line), parsed.timestamps.0.len());
        let message = format!("{samples} values but {times} timestamps: {message}");
        return refuse(RejectReason::Malformed, message, samples.max(times) as u64);
    }
    let starts = &parsed.starts.0;
    if !starts.is_empty() && starts.len() != samples {
        let message = format!("{samples} values but {} starts: {}", starts.len(), cut_bytes(line));
        return refuse(RejectReason::Malformed, message, samples as u64);
    }
    let numbers = samples;
    let samples = numbers + parsed.histograms.0.len();
    let mut pairs = crate::series::RawPairs::default();
    if parsed.metric.0.len() > LABELS_MAX {
        let message = format!("more than {LABELS_MAX} labels: {}", cut_bytes(line));
        return refuse(RejectReason::TooManyLabels, message, samples as u64);
    }
    parsed.metric.0.iter().for_each(|(n, v)| pairs.push(n.as_bytes(), v.as_bytes(), limits));
    let labels = pairs.build(limits).map_err(|refused| (refused, samples as u64))?;
    if samples == 0 {
        return Ok(());
    }
    let taken = out.batch.samples.len() + out.batch.histograms.len();
    let room = limits.samples_per_request_max.saturating_sub(taken);
    *buckets += parsed.histograms.0.iter().map(histogram::One::buckets).sum::<usize>();
    let too_many_buckets = *buckets > limits.histogram_buckets_per_request_max;
    if samples > room || too_many_buckets || out.batch.series.len() >= limits.series_per_request_max {
        let message = format!(
            "{}: a request may hold at most {} samples of {} series, and {} buckets of histograms",
            crate::series::cut(&labels.to_string()),
            limits.samples_per_request_max,
            limits.series_per_request_max,
            limits.histogram_buckets_per_request_max
        );
        return refuse(RejectReason::TooLarge, message, samples as u64);
    }
    let series = out.batch.series.len() as u32;
    let mut bounds = std::sync::Arc::default();
    for one in parsed.histograms.0 {
        match one.finish(&mut bounds) {
            Ok(at) => out.batch.histograms.push(HistogramSample { series, at }),
            Err(e) => count_reject(&mut out.rejects, e.reason, 1, || {
                format!("{}: {}", crate::series::cut(&labels.to_string()), e.message)
            }),
        }
    }
    out.batch.series.push(labels);
    let first = out.batch.samples.len() as u32;
    let known = (first..).zip(starts.iter().copied()).filter(|(_, start_ms)| *start_ms != 0);
    out.batch.starts.extend(known);
    let zipped = parsed.timestamps.0.iter().zip(&parsed.values.0);
    out.batch.samples.extend(zipped.map(|(t, v)| Sample { series, timestamp_ms: *t, value: v.0 }));
    Ok(())
}

#[derive(serde::Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    metric: Metric<'a>,
    values: Bounded<Value>,
    timestamps: Bounded<i64>,
    #[serde(default)]
    starts: Bounded<i64>,
    #[serde(default)]
    histograms: Bounded<histogram::One>,
}

/// The most labels that are held to be checked, whatever the limits say.
const LABELS_MAX: usize = 4096;

/// Pairs in their order, so that a name that comes twice is seen.
struct Metric<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// A text that is borrowed where it holds no escape.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Metric<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Metric<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of label names and values")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metric<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Text(name), Text(value))) = map.next_entry()? {
                    if pairs.len() <= LABELS_MAX {
                        pairs.push((name, value));
                    }
                }
                Ok(Metric(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// A list whose growth is bounded: two bytes of JSON can be an element.
struct Bounded<T>(Vec<T>);

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Bounded(Vec::new())
    }
}

/// The most elements of one list. Ours alone: the limits of a request are checked after.
const ELEMENTS_MAX: usize = 4 << 20;

impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for Bounded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T>(std::marker::PhantomData<T>);
        impl<'de, T: serde::Deserialize<'de>> Visitor<'de> for List<T> {
            type Value = Bounded<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Bounded<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(element) = seq.next_element()? {
                    if list.len() >= ELEMENTS_MAX {
                        return Err(A::Error::custom(format!("a list of more than {ELEMENTS_MAX} elements")));
                    }
                    list.push(element);
                }
                Ok(Bounded(list))
            }
        }
        deserializer.deserialize_seq(List(std::marker::PhantomData))
    }
}

struct Value(f64);

impl<'de> serde::Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, null, \"NaN\", \"Infinity\", \"-Infinity\" or \"StaleNaN\"")
            }
            fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
                Ok(Value(v))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
                Ok(Value(v as f64))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
                Ok(Value(v as f64))
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value(f64::NAN))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
                if text.eq_ignore_ascii_case("StaleNaN") {
                    return Ok(Value(f64::from_bits(STALE_NAN_BITS)));
                }
                // Rust reads nan, inf and infinity in any case, with a sign.
                text.parse().map(Value).map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

/// Appends one series as a line that [`decode`] and VictoriaMetrics read back.
pub fn write(out: &mut Vec<u8>, series: &SeriesData) {
    out.extend(b"{\"metric\":");
    write_labels(out, &series.labels);
    out.extend(b",\"values\":[");
    let count = series.timestamps_ms.len().min(series.values.len());
    for (i, value) in series.values[..count].iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_value(out, *value);
    }
    out.extend(b"],\"timestamps\":[");
    for (i, t) in series.timestamps_ms[..count].iter().enumerate() {
        let _ = write!(out, "{}{t}", if i > 0 { "," } else { "" });
    }
    if !series.starts_ms.is_empty() {
        out.extend(b"],\"starts\":[");
        for (i, t) in series.starts_ms.iter().take(count).enumerate() {
            let _ = write!(out, "{}{t}", if i > 0 { "," } else { "" });
        }
    }
    if !series.histograms.is_empty() {
        out.extend(b"],\"histograms\":[");
        for (i, at) in series.histograms.iter().enumerate() {
            out.extend(if i > 0 { &b","[..] } else { b"" });
            histogram::write(out, at);
        }
    }
    out.extend(b"]}\n");
}

fn write_value(out: &mut Vec<u8>, value: f64) {
    // Writing into a Vec cannot fail.
    let _ = match value {
        v if is_stale(v) => out.write_all(b"\"StaleNaN\""),
        v if v.is_nan() => out.write_all(b"null"),
        f64::INFINITY => out.write_all(b"\"Infinity\""),
        f64::NEG_INFINITY => out.write_all(b"\"-Infinity\""),
        v if v.fract() == 0.0 && v.abs() < 1e15 && (v != 0.0 || v.is_sign_positive()) => {
            write!(out, "{}", v as i64)
        }
        v => write!(out, "{v:?}"),
    };
}

fn write_labels(out: &mut Vec<u8>, labels: &Labels) {
    let mut separator = b'{';
    for (name, value) in labels.iter() {
        out.push(separator);
        let _ = serde_json::to_writer(&mut *out, name);
        out.push(b':');
        let _ = serde_json::to_writer(&mut *out, value);
        separator = b',';
    }
    out.extend(if labels.is_empty() { &b"{}"[..] } else { b"}" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_read_back_gives_the_same_bits() {
        let stale = f64::from_bits(STALE_NAN_BITS);
        let values = vec![
            0.1 + 0.2,
            -0.0,
            0.0,
            1e300,
            5e-324,
            f64::MAX,
            123_456_789_012_345_680.0,
            f64::NAN,
            stale,
            f64::INFINITY,
            f64::NEG_INFINITY,
            2.225_073_858_507_201e-308,
            -7.0,
        ];
        let series = SeriesData {
            labels: Labels::from_pairs([("__name__", "x"), ("a\"b", "é\n\u{1}\\<img>")]).unwrap(),
            timestamps_ms: (0..values.len() as i64).map(|i| i - 2).collect(),
            values,
            ..Default::default()
        };
        let mut body = Vec::new();
        write(&mut body, &series);
        write(&mut body, &series);
        let decoded = decode(&body, &Limits::default()).unwrap();
        assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
        assert_eq!(decoded.batch.series, [series.labels.clone(), series.labels.clone()]);
        for (i, sample) in decoded.batch.samples[..series.values.len()].iter().enumerate() {
            assert_eq!(sample.timestamp_ms, series.timestamps_ms[i]);
            assert_eq!(sample.value.to_bits(), series.values[i].to_bits(), "{}", series.values[i]);
        }
    }

    #[test]
    fn values_as_others_write_them() {
        let line = r#"{"metric":{"__name__":"x"},"values":[1,null,"NaN","Inf","+Inf","-inf","-Infinity","2.5",1E3],"timestamps":[1,2,3,4,5,6,7,8,9],"more":{}}"#;
        let decoded = decode(line.as_bytes(), &Limits::default()).unwrap();
        let values: Vec<_> = decoded.batch.samples.iter().map(|s| s.value.to_string()).collect();
        assert_eq!(values, ["1", "NaN", "NaN", "inf", "inf", "-inf", "-inf", "2.5", "1000"]);
    }

    #[test]
    fn a_bad_line_spoils_only_itself() {
        use RejectReason::*;
        let good = r#"{"metric":{"__name__":"good"},"values":[1],"timestamps":[1]}"#;
        let nested = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        let labels = |n| {
            let all: String = (0..n).map(|i| format!(",\"l{i}\":\"v\"")).collect();
            format!("{{\"metric\":{{\"__name__\":\"x\"{all}}},\"values\":[1],\"timestamps\":[1]}}")
        };
        for (line, reason, words) in [
            ("nonsense", Malformed, "line 2: expected"),
            (r#"{"metric":{"__name__":"x"},"values":[1,2],"timestamps":[1]}"#, Malformed, "2 values but 1"),
            (r#"{"metric":{"__name__":"x"},"values":["a"],"timestamps":[1]}"#, Malformed, "\"NaN\""),
            (r#"{"metric":{"__name__":"x"},"values":[1],"timestamps":[1.5]}"#, Malformed, "1.5"),
            (r#"{"metric":{"__name__":"x"},"values":[1]"#, Malformed, "EOF"),
            (r#"{"metric":{"__name__":1},"values":[1],"timestamps":[1]}"#, Malformed, "string"),
            (r#"{"metric":{"a":"b"},"values":[1],"timestamps":[1]}"#, InvalidName, "no metric name"),
            (
                r#"{"metric":{"__name__":"x","a":"1","a":"2"},"values":[1],"timestamps":[1]}"#,
                DuplicateLabel,
                "twice",
            ),
            (&nested, Malformed, "line 2"),
            (&labels(100), TooManyLabels, "101 labels; at most 64"),
            (&labels(10_000), TooManyLabels, "more than 4096 labels"),
        ] {
            let body = format!("{good}\n{line}\n\n{good}\n");
            let decoded = decode(body.as_bytes(), &Limits::default()).unwrap();
            assert_eq!(decoded.batch.samples.len(), 2, "{line:.80}");
            assert_eq!(decoded.rejects[0].reason, reason, "{}", decoded.rejects[0]);
            assert!(decoded.rejects[0].message.contains(words), "{} lacks {words}", decoded.rejects[0]);
        }
        let decoded = decode(b"{\"metric\":{\"__name__\":\"\xff\"}}", &Limits::default()).unwrap();
        assert_eq!(decoded.rejects[0].reason, InvalidUtf8);
    }
}
