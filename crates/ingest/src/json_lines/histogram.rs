//! A native histogram as an object of a JSON line, with index and count of each bucket that is not empty:
//! `{"timestamp":1700000000000,"schema":3,"count":7,"sum":1.5,"zero_threshold":0.001,"zero_count":1,"positive":[[-2,4],[0,2]]}`
//!
//! Also `start` (since when it counts), `hint` (`reset`, `not_reset` or `gauge`), `negative`, and with schema -53 `bounds`.
//! One that marks the end of its series is `{"timestamp":1700000000000,"stale":true}`. It must never give a histogram that
//! breaks a rule.

use super::{Bounded, Value, write_value};
use crate::series::Refused;
use model::histogram::{BUCKETS_MAX, Buckets, ResetHint};
use model::{Histogram, HistogramAt, RejectReason};
use std::io::Write;
use std::sync::Arc;

/// As it stands in the line.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct One {
    timestamp: i64,
    #[serde(default)]
    start: i64,
    #[serde(default)]
    stale: bool,
    #[serde(default)]
    schema: i8,
    #[serde(default)]
    hint: Hint,
    count: Option<Value>,
    sum: Option<Value>,
    zero_threshold: Option<Value>,
    zero_count: Option<Value>,
    #[serde(default)]
    positive: Bounded<(i32, Value)>,
    #[serde(default)]
    negative: Bounded<(i32, Value)>,
    #[serde(default)]
    bounds: Bounded<Value>,
}

#[derive(Clone, Copy, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Hint {
    #[default]
    Unknown,
    Reset,
    NotReset,
    Gauge,
}

impl One {
    /// Buckets and bounds.
    pub fn buckets(&self) -> usize {
        self.positive.0.len() + self.negative.0.len() + self.bounds.0.len()
    }

    /// The histogram that is meant; `shared` are the bounds of the one before.
    pub fn finish(self, shared: &mut Arc<[f64]>) -> Result<HistogramAt, Refused> {
        let refuse = |what: String| Refused {
            reason: RejectReason::Malformed,
            message: format!("a native histogram at {} ms: {what}", self.timestamp),
        };
        let at = |histogram| HistogramAt { timestamp_ms: self.timestamp, start_ms: self.start, histogram };
        if self.stale {
            return Ok(at(Arc::new(Histogram::stale())));
        }
        if self.buckets() > 2 * BUCKETS_MAX {
            return Err(refuse(format!("more than {BUCKETS_MAX} buckets")));
        }
        let side = |list: &Bounded<(i32, Value)>| match list.0.is_sorted_by(|a, b| a.0 < b.0) {
            true => Ok(Buckets::from_pairs(list.0.iter().map(|(i, v)| (*i, v.0)))),
            false => Err(refuse("its buckets do not rise".into())),
        };
        let bounds: Vec<f64> = self.bounds.0.iter().map(|v| v.0).collect();
        if shared[..] != bounds[..] {
            *shared = bounds.into();
        }
        let number = |v: &Option<Value>| v.as_ref().map_or(0.0, |v| v.0);
        let histogram = Histogram {
            schema: self.schema,
            hint: match self.hint {
                Hint::Unknown => ResetHint::Unknown,
                Hint::Reset => ResetHint::Reset,
                Hint::NotReset => ResetHint::NotReset,
                Hint::Gauge => ResetHint::Gauge,
            },
            count: number(&self.count),
            sum: number(&self.sum),
            zero_threshold: number(&self.zero_threshold),
            zero_count: number(&self.zero_count),
            positive: side(&self.positive)?,
            negative: side(&self.negative)?,
            custom_bounds: shared.clone(),
        };
        histogram.check().map_err(|e| refuse(e.to_string()))?;
        Ok(at(Histogram::compacted(Arc::new(histogram))))
    }
}

/// Appends one as [`One`] reads it.
pub(super) fn write(out: &mut Vec<u8>, at: &HistogramAt) {
    let h = &at.histogram;
    // Writing into a Vec cannot fail.
    let _ = write!(out, "{{\"timestamp\":{}", at.timestamp_ms);
    if at.start_ms != 0 {
        let _ = write!(out, ",\"start\":{}", at.start_ms);
    }
    if h.is_stale() {
        out.extend(b",\"stale\":true}");
        return;
    }
    let _ = write!(out, ",\"schema\":{}", h.schema);
    out.extend(match h.hint {
        ResetHint::Unknown => &b""[..],
        ResetHint::Reset => b",\"hint\":\"reset\"",
        ResetHint::NotReset => b",\"hint\":\"not_reset\"",
        ResetHint::Gauge => b",\"hint\":\"gauge\"",
    });
    let mut member = |name: &str, value: f64| {
        let _ = write!(out, ",\"{name}\":");
        write_value(out, value);
    };
    member("count", h.count);
    member("sum", h.sum);
    if !h.is_custom() {
        member("zero_threshold", h.zero_threshold);
        member("zero_count", h.zero_count);
    }
    for (name, side) in [("positive", &h.positive), ("negative", &h.negative)] {
        if side.counts.is_empty() {
            continue;
        }
        let _ = write!(out, ",\"{name}\":");
        let mut separator = b'[';
        for (index, count) in side.iter() {
            out.push(separator);
            let _ = write!(out, "[{index},");
            write_value(out, count);
            out.push(b']');
            separator = b',';
        }
        out.push(b']');
    }
    if h.is_custom() {
        out.extend(b",\"bounds\":[");
        for (i, bound) in h.custom_bounds.iter().enumerate() {
            out.extend(if i > 0 { &b","[..] } else { b"" });
            write_value(out, *bound);
        }
        out.push(b']');
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use crate::Limits;
    use crate::json_lines::{decode, write};
    use model::histogram::{Buckets, CUSTOM_SCHEMA, ResetHint};
    use model::{Histogram, HistogramAt, Labels, RejectReason, SeriesData};
    use std::sync::Arc;

    fn series() -> SeriesData {
        let exponential = Histogram {
            schema: 3,
            hint: ResetHint::NotReset,
            count: 7.0,
            sum: -1.5,
            zero_threshold: 0.001,
            zero_count: 1.0,
            positive: Buckets::from_pairs([(-2, 4.0), (0, 1.5)]),
            negative: Buckets::from_pairs([(9, 0.5)]),
            ..Default::default()
        };
        let custom = Histogram {
            schema: CUSTOM_SCHEMA,
            count: 3.0,
            sum: f64::INFINITY,
            positive: Buckets::from_pairs([(0, 1.0), (2, 2.0)]),
            custom_bounds: [0.1, 1.0].into(),
            ..Default::default()
        };
        let all = [exponential, custom.clone(), Histogram::stale(), custom];
        let at =
            |(i, h): (i64, _)| HistogramAt { timestamp_ms: 10 + i, start_ms: i % 2, histogram: Arc::new(h) };
        SeriesData {
            labels: Labels::from_pairs([("__name__", "h")]).unwrap(),
            timestamps_ms: vec![1, 2, 3],
            values: vec![1.0, 2.0, 3.0],
            starts_ms: vec![0, 1, 1],
            histograms: (0..).zip(all).map(at).collect(),
        }
    }

    #[test]
    fn histograms_and_starts_come_back() {
        for numbers in [3, 0] {
            let mut all = series();
            [&mut all.timestamps_ms, &mut all.starts_ms].into_iter().for_each(|list| list.truncate(numbers));
            all.values.truncate(numbers);
            let mut line = Vec::new();
            write(&mut line, &all);
            let back = decode(&line, &Limits::default()).unwrap();
            assert!(back.rejects.is_empty(), "{:?}", back.rejects);
            assert_eq!(back.batch.series, [all.labels]);
            let starts: &[(u32, i64)] = if numbers > 0 { &[(1, 1), (2, 1)] } else { &[] };
            assert_eq!((back.batch.samples.len(), &back.batch.starts[..]), (numbers, starts));
            let histograms: Vec<_> = back.batch.histograms.into_iter().map(|h| h.at).collect();
            assert_eq!(format!("{histograms:?}"), format!("{:?}", all.histograms));
        }
    }

    #[test]
    fn what_makes_no_sense_spoils_itself() {
        let line = |histogram: &str| {
            format!(
                r#"{{"metric":{{"__name__":"h"}},"values":[1],"timestamps":[1],"histograms":[{histogram}]}}"#
            )
        };
        for (histogram, words, kept) in [
            (r#"{"timestamp":5,"schema":9}"#, "at 5 ms: schema 9", 1),
            (r#"{"timestamp":5,"positive":[[2,1],[1,1]]}"#, "do not rise", 1),
            (r#"{"timestamp":5,"positive":[[2,-1]]}"#, "the count -1", 1),
            (r#"{"timestamp":5,"buckets":[[2,-1]]}"#, "unknown field", 0),
            (r#"{"schema":3}"#, "missing field", 0),
        ] {
            let decoded = decode(line(histogram).as_bytes(), &Limits::default()).unwrap();
            assert_eq!(
                (decoded.batch.samples.len(), decoded.batch.histograms.len()),
                (kept, 0),
                "{histogram}"
            );
            let reject = &decoded.rejects[0];
            assert_eq!((reject.reason, reject.samples), (RejectReason::Malformed, 1));
            assert!(reject.message.contains(words), "{}", reject.message);
        }
        let few = Limits { histogram_buckets_per_request_max: 1, ..Limits::default() };
        let decoded = decode(line(r#"{"timestamp":5,"positive":[[1,1],[2,1]]}"#).as_bytes(), &few).unwrap();
        assert_eq!((decoded.batch.samples.len(), decoded.rejects[0].reason), (0, RejectReason::TooLarge));
        let short = r#"{"metric":{"__name__":"h"},"values":[1],"timestamps":[1],"starts":[1,2]}"#;
        assert!(
            decode(short.as_bytes(), &Limits::default()).unwrap().rejects[0].message.contains("2 starts")
        );
    }
}
