//! A field or a pattern as a metric: counts, sums and histograms of what records say, by fields, kept as counters from the
//! moment at which they are asked for. What is written goes through the same door, and the same bounds, as any other sample.
//! It must never hold more series than its bound: further ones are counted together as dropped.

use super::matches::{Compiled, Facts};
use super::query;
use model::{Batch, Labels, LogBatch, Metadata, MetricKind, NAME};
use std::collections::BTreeMap;

/// What is made of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Name of the metric.
    pub name: String,
    /// Which records: a query.
    pub query: String,
    /// The field whose value is measured; empty: records are counted.
    pub field: String,
    /// Fields that become labels.
    pub by: Vec<String>,
}

/// Labels at most.
const BY_MAX: usize = 10;
/// Series of one metric.
const SERIES_MAX: usize = 1_000;
/// Bytes of a label.
const VALUE_BYTES_MAX: usize = 200;
/// Upper bounds of buckets: from 100 µs to 10^7, three for each power of ten, so that any unit will do.
const BOUNDS: [f64; 34] = [
    1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0,
    100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7,
];

/// One metric and what was counted.
pub struct LogMetric {
    spec: Spec,
    query: Compiled,
    series: BTreeMap<Vec<String>, Counted>,
    /// Records that found no room.
    dropped: u64,
}

#[derive(Clone, Default)]
struct Counted {
    count: u64,
    sum: f64,
    buckets: Vec<u64>,
    is_new: bool,
}

impl LogMetric {
    /// Nothing is counted yet.
    ///
    /// # Errors
    /// Says what is wrong with the name, the query or the fields.
    pub fn new(spec: Spec) -> Result<LogMetric, String> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= 200
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
        };
        if !is_name(&spec.name) {
            return Err(format!("{:?} is no name of a metric: letters, digits and _", spec.name));
        }
        if spec.by.len() > BY_MAX {
            return Err(format!("at most {BY_MAX} fields can become labels"));
        }
        let query = Compiled::new(query::parse(&spec.query)?)?;
        Ok(LogMetric { spec, query, series: BTreeMap::new(), dropped: 0 })
    }

    /// What it is made of.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Series so far, and records that found no room among them.
    pub fn size(&self) -> (usize, u64) {
        (self.series.len(), self.dropped)
    }

    /// Counts the records of a batch.
    pub fn observe(&mut self, batch: &LogBatch) {
        for i in 0..batch.len() {
            let facts = Facts { batch, i };
            if !self.query.matches(facts) {
                continue;
            }
            let value = match self.spec.field.is_empty() {
                true => 0.0,
                false => match facts.field(&self.spec.field).and_then(|v| v.parse::<f64>().ok()) {
                    Some(value) if value.is_finite() => value,
                    _ => continue,
                },
            };
            let text = |name: &String| match name.as_str() {
                "pattern" => format!("{:016x}", batch.row(i).pattern),
                name => {
                    let value = facts.field(name).unwrap_or("");
                    value[..value.floor_char_boundary(value.len().min(VALUE_BYTES_MAX))].to_string()
                }
            };
            let key: Vec<String> = self.spec.by.iter().map(text).collect();
            if !self.series.contains_key(&key) && self.series.len() >= SERIES_MAX {
                self.dropped += 1;
                continue;
            }
            let has_buckets = !self.spec.field.is_empty();
            let counted =
                self.series.entry(key).or_insert_with(|| Counted { is_new: true, ..Counted::default() });
            counted.count += 1;
            counted.sum += value;
            if has_buckets {
                counted.buckets.resize(BOUNDS.len(), 0);
                if let Some(bucket) = counted.buckets.get_mut(BOUNDS.partition_point(|bound| *bound < value))
                {
                    *bucket += 1;
                }
            }
        }
    }

    /// The counters as they stand: `NAME_total` when records are counted, a histogram when a field is measured. New ones begin with
    /// a zero `period_ms` before, so that a rate sees their first records.
    pub fn collect(&mut self, now_ms: i64, period_ms: i64) -> Batch {
        let mut batch = Batch::default();
        let name = &self.spec.name;
        let mut put =
            |suffix: &str, key: &[String], extra: Option<(&str, &str)>, value: f64, is_new: bool| {
                let full = format!("{}{suffix}", name.trim_end_matches(suffix));
                let by: Vec<String> = self.spec.by.iter().map(|n| label(n)).collect();
                let mut pairs: Vec<(&str, &str)> = vec![(NAME, full.as_str())];
                let own = by.iter().map(String::as_str).zip(key.iter().map(String::as_str));
                pairs.extend(own.filter(|(_, v)| !v.is_empty()));
                pairs.extend(extra);
                let Ok(labels) = Labels::from_pairs(pairs) else { return };
                if is_new {
                    batch.push(&labels, now_ms - period_ms, 0.0);
                }
                batch.push(&labels, now_ms, value);
            };
        for (key, counted) in &self.series {
            if self.spec.field.is_empty() {
                put("_total", key, None, counted.count as f64, counted.is_new);
                continue;
            }
            let mut below = 0;
            for (bound, count) in BOUNDS.iter().zip(&counted.buckets) {
                below += count;
                put("_bucket", key, Some(("le", &bound.to_string())), below as f64, counted.is_new);
            }
            put("_bucket", key, Some(("le", "+Inf")), counted.count as f64, counted.is_new);
            put("_count", key, None, counted.count as f64, counted.is_new);
            put("_sum", key, None, counted.sum, counted.is_new);
        }
        let is_first = self.series.values().any(|c| c.is_new);
        self.series.values_mut().for_each(|c| c.is_new = false);
        if is_first {
            let is_count = self.spec.field.is_empty();
            batch.metadata.push(Metadata {
                metric: if is_count {
                    format!("{}_total", name.trim_end_matches("_total"))
                } else {
                    name.clone()
                },
                kind: if is_count { MetricKind::Counter } else { MetricKind::Histogram },
                help: format!(
                    "Log records: {}",
                    if self.spec.query.is_empty() { "all" } else { &self.spec.query }
                ),
                unit: String::new(),
            });
        }
        batch
    }
}

/// A field's name as a label's.
fn label(name: &str) -> String {
    let text: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if text.starts_with(|c: char| c.is_ascii_digit()) { format!("_{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{LogRow, Origin, Severity};

    fn batch(rows: &[(&str, &str)]) -> LogBatch {
        let mut batch = LogBatch::default();
        batch.origins.push(Origin { service: "web".into(), ..Origin::default() });
        for (status, seconds) in rows {
            let row = LogRow {
                time_ns: 1,
                origin: 0,
                severity: Severity::INFO,
                body: "GET /",
                pattern: 1,
                trace_id: None,
                span_id: None,
            };
            batch.push(row, [("http.status", *status), ("took", *seconds)]);
        }
        batch
    }

    fn spec(field: &str) -> Spec {
        Spec {
            name: "requests".into(),
            query: "http.status>=500".into(),
            field: field.into(),
            by: vec!["service".into(), "http.status".into()],
        }
    }

    fn shown(batch: &Batch) -> Vec<String> {
        batch
            .samples
            .iter()
            .map(|s| format!("{} {} {}", batch.series[s.series as usize], s.timestamp_ms, s.value))
            .collect()
    }

    #[test]
    fn records_are_counted_by_fields() {
        let mut metric = LogMetric::new(spec("")).unwrap();
        metric.observe(&batch(&[("500", "1"), ("200", "1"), ("500", "2"), ("503", "1")]));
        let first = metric.collect(10_000, 5_000);
        assert_eq!(
            shown(&first),
            [
                "requests_total{http_status=\"500\", service=\"web\"} 5000 0",
                "requests_total{http_status=\"500\", service=\"web\"} 10000 2",
                "requests_total{http_status=\"503\", service=\"web\"} 5000 0",
                "requests_total{http_status=\"503\", service=\"web\"} 10000 1",
            ]
        );
        assert_eq!((first.metadata.len(), metric.collect(15_000, 5_000).samples.len()), (1, 2));
    }

    #[test]
    fn a_field_is_measured_in_buckets() {
        let mut metric = LogMetric::new(spec("took")).unwrap();
        metric.observe(&batch(&[("500", "0.3"), ("500", "7"), ("500", "x")]));
        metric.collect(5_000, 5_000);
        let lines = shown(&metric.collect(10_000, 5_000));
        let has = |text: &str| lines.iter().any(|l| l == text);
        assert!(
            has("requests_bucket{http_status=\"500\", le=\"0.5\", service=\"web\"} 10000 1"),
            "{lines:#?}"
        );
        assert!(has("requests_bucket{http_status=\"500\", le=\"+Inf\", service=\"web\"} 10000 2"));
        assert!(has("requests_sum{http_status=\"500\", service=\"web\"} 10000 7.3"));
    }

    #[test]
    fn series_are_bounded_and_nonsense_is_told() {
        let mut metric = LogMetric::new(Spec { query: String::new(), ..spec("") }).unwrap();
        let values: Vec<String> = (0..1_500).map(|i| i.to_string()).collect();
        let rows: Vec<(&str, &str)> = values.iter().map(|v| (v.as_str(), "1")).collect();
        metric.observe(&batch(&rows));
        assert_eq!(metric.size(), (1_000, 500));
        for (spec, words) in [
            (Spec { name: "a b".into(), ..spec("") }, "no name of a metric"),
            (Spec { query: "\"x".into(), ..spec("") }, "never closed"),
            (Spec { by: vec!["x".into(); 11], ..spec("") }, "at most 10"),
        ] {
            let error = LogMetric::new(spec).err().unwrap();
            assert!(error.contains(words), "{error}");
        }
    }
}
