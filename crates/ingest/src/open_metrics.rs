//! Writes stored samples as OpenMetrics 1.0 text: any number of samples of a series, each with its time. It must never
//! write a line that the format forbids.
//!
//! A family is written for each name of a series, since that is what is stored: `x_total` of a counter as the family
//! `x`, gauges as they are, and everything else (the parts of histograms and summaries among it) as `unknown`. A
//! histogram would have to be put together anew, buckets, sum and count of each instant beside each other, and what is
//! missing of one would make it invalid.

use crate::write_text::{escape, plain_float};
use model::{Labels, Metadata, MetricKind, NAME, SeriesData, is_stale};
use std::borrow::Cow;
use std::io::Write;

/// The last line.
pub const END: &[u8] = b"# EOF\n";

/// Appends what is said of a family before its samples. `is_taken` says of a name whether there are series of it.
pub fn write_family(
    out: &mut Vec<u8>,
    name: &str,
    metadata: Option<&Metadata>,
    is_taken: impl Fn(&str) -> bool,
) {
    let (mut family, mut kind) = (name, "unknown");
    match metadata.map(|m| m.kind) {
        Some(MetricKind::Counter) => {
            let base = name.strip_suffix("_total").filter(|base| !base.is_empty());
            // Names of one family are no names of others.
            if let Some(base) = base.filter(|base| !is_taken(base) && !is_taken(&format!("{base}_created"))) {
                (family, kind) = (base, "counter");
            }
        }
        Some(MetricKind::Gauge | MetricKind::Info | MetricKind::StateSet) => kind = "gauge",
        _ => {}
    }
    let shown = quoted(family);
    // Writing into a Vec cannot fail.
    let _ = writeln!(out, "# TYPE {shown} {kind}");
    let Some(metadata) = metadata else { return };
    let has_unit = family.strip_suffix(&metadata.unit).is_some_and(|rest| rest.ends_with('_'));
    if has_unit && !metadata.unit.is_empty() {
        let _ = writeln!(out, "# UNIT {shown} {}", metadata.unit);
    }
    if !metadata.help.is_empty() {
        let _ = writeln!(out, "# HELP {shown} {}", escape(&metadata.help, true));
    }
}

/// Appends the samples of one series. Stale markers are no values, and left out.
pub fn write_series(out: &mut Vec<u8>, series: &SeriesData) {
    let start = series_text(&series.labels);
    for (ms, value) in series.timestamps_ms.iter().zip(&series.values).filter(|(_, v)| !is_stale(**v)) {
        let _ = write!(out, "{start} {} ", plain_float(*value));
        write_seconds(out, *ms);
        out.push(b'\n');
    }
}

/// Milliseconds as seconds, exactly.
fn write_seconds(out: &mut Vec<u8>, ms: i64) {
    let sign = if ms < 0 { "-" } else { "" };
    let (seconds, rest) = (ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000);
    let _ = match rest {
        0 => write!(out, "{sign}{seconds}"),
        rest => write!(out, "{sign}{seconds}.{rest:03}"),
    };
}

fn is_plain(name: &str, colon: bool) -> bool {
    !name.is_empty()
        && !name.as_bytes()[0].is_ascii_digit()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || (colon && b == b':'))
}

/// Names that OpenMetrics 1.0 does not know are in quotes, as Prometheus 3 writes and reads them.
fn quoted(name: &str) -> Cow<'_, str> {
    if is_plain(name, true) { name.into() } else { format!("\"{}\"", escape(name, true)).into() }
}

fn series_text(labels: &Labels) -> String {
    let name = labels.name();
    let mut inside = Vec::new();
    if !is_plain(name, true) {
        inside.push(format!("\"{}\"", escape(name, true)));
    }
    for (label, value) in labels.iter().filter(|(label, _)| *label != NAME) {
        let label =
            if is_plain(label, false) { label.into() } else { format!("\"{}\"", escape(label, true)) };
        inside.push(format!("{label}=\"{}\"", escape(value, true)));
    }
    let before = if is_plain(name, true) { name } else { "" };
    if inside.is_empty() { before.into() } else { format!("{before}{{{}}}", inside.join(",")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::exposition::{Format, decode};
    use crate::scrape::Scrape;

    fn metadata(metric: &str, kind: MetricKind, unit: &str) -> Metadata {
        Metadata { metric: metric.into(), kind, help: "A \"b\"\nc.".into(), unit: unit.into() }
    }

    #[test]
    fn families_as_the_format_has_them() {
        use MetricKind::*;
        for (name, known, taken, want) in [
            (
                "a_total",
                Some(metadata("a", Counter, "")),
                "",
                "# TYPE a counter\n# HELP a A \\\"b\\\"\\nc.\n",
            ),
            (
                "a_total",
                Some(metadata("a", Counter, "")),
                "a",
                "# TYPE a_total unknown\n# HELP a_total A \\\"b\\\"\\nc.\n",
            ),
            (
                "b_bytes",
                Some(metadata("b_bytes", Gauge, "bytes")),
                "",
                "# TYPE b_bytes gauge\n# UNIT b_bytes bytes\n# HELP b_bytes A \\\"b\\\"\\nc.\n",
            ),
            (
                "h_bucket",
                Some(metadata("h", Histogram, "")),
                "",
                "# TYPE h_bucket unknown\n# HELP h_bucket A \\\"b\\\"\\nc.\n",
            ),
            ("a.b", None, "", "# TYPE \"a.b\" unknown\n"),
        ] {
            let mut out = Vec::new();
            write_family(&mut out, name, known.as_ref(), |n| n == taken);
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
    }

    #[test]
    fn samples_read_back() {
        let stale = f64::from_bits(model::STALE_NAN_BITS);
        let series = SeriesData {
            labels: Labels::from_pairs([(NAME, "x"), ("a", "é \"\\\n")]).unwrap(),
            timestamps_ms: vec![-1500, 0, 1_700_000_000_000, 1_700_000_000_001, 1_700_000_000_020],
            values: vec![0.1, f64::INFINITY, stale, -1e300, 3.0],
            ..Default::default()
        };
        let mut out = Vec::new();
        write_family(&mut out, "x", None, |_| false);
        write_series(&mut out, &series);
        out.extend(END);
        let text = String::from_utf8(out.clone()).unwrap();
        let want = "# TYPE x unknown\nx{a=\"é \\\"\\\\\\n\"} 0.1 -1.500\nx{a=\"é \\\"\\\\\\n\"} +Inf 0\n\
                    x{a=\"é \\\"\\\\\\n\"} -1e300 1700000000.001\nx{a=\"é \\\"\\\\\\n\"} 3 1700000000.020\n# EOF\n";
        assert_eq!(text, want);
        let limits = Limits::default();
        let scrape = Scrape { format: Format::OpenMetrics, at_ms: 1, limits: &limits };
        let read = decode(&out, scrape).unwrap();
        assert!(read.rejects.is_empty(), "{:?}", read.rejects);
        assert_eq!(read.batch.series[0], series.labels);
        let back: Vec<_> = read.batch.samples.iter().map(|s| (s.timestamp_ms, s.value)).collect();
        let all = series.timestamps_ms.into_iter().zip(series.values);
        assert_eq!(back, all.filter(|(_, v)| !is_stale(*v)).collect::<Vec<_>>());
    }

    #[test]
    fn names_of_others_are_quoted() {
        let series = SeriesData {
            labels: Labels::from_pairs([(NAME, "my.name"), ("a.b", "c"), ("d", "e")]).unwrap(),
            timestamps_ms: vec![1000],
            values: vec![1.0],
            ..Default::default()
        };
        let mut out = Vec::new();
        write_series(&mut out, &series);
        assert_eq!(String::from_utf8(out).unwrap(), "{\"my.name\",\"a.b\"=\"c\",d=\"e\"} 1 1\n");
    }
}
