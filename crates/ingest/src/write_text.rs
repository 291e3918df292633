//! Writes the program's own readings as Prometheus text 0.0.4 or OpenMetrics 1.0, for `/metrics`.

use std::borrow::Cow;
use std::fmt::Write;
use stdx::metrics::{FamilyReading, Kind};

/// The two text formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// Prometheus text 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl TextFormat {
    /// What an `Accept` header asks for: OpenMetrics only if it is named.
    pub fn from_accept(header: &str) -> TextFormat {
        if header.contains("application/openmetrics-text") {
            TextFormat::OpenMetrics
        } else {
            TextFormat::Prometheus
        }
    }

    /// The `Content-Type` to answer with.
    pub fn content_type(self) -> &'static str {
        match self {
            TextFormat::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            TextFormat::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes all families in their order.
pub fn write(families: &[FamilyReading], format: TextFormat) -> String {
    let mut out = String::new();
    for family in families {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        // In OpenMetrics a counter's family is named without the suffix that its samples carry.
        let (name, sample) = match (format, family.kind) {
            (TextFormat::OpenMetrics, Kind::Counter) => {
                let base = family.name.strip_suffix("_total").unwrap_or(family.name);
                (base, Cow::Owned(format!("{base}_total")))
            }
            _ => (family.name, Cow::Borrowed(family.name)),
        };
        let help = escape(family.help, format == TextFormat::OpenMetrics);
        // Writing into a String cannot fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in &family.values {
            out.push_str(&sample);
            let mut separator = '{';
            for (label, text) in labels {
                let _ = write!(out, "{separator}{label}=\"{}\"", escape(text, true));
                separator = ',';
            }
            let _ = writeln!(out, "{} {}", if labels.is_empty() { "" } else { "}" }, plain_float(*value));
        }
    }
    if format == TextFormat::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}

pub(crate) fn escape(text: &str, quotes: bool) -> Cow<'_, str> {
    if !text.contains(['\\', '\n', '"']) {
        return text.into();
    }
    let out = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quotes { out.replace('"', "\\\"").into() } else { out.into() }
}

/// A value as people like to read it, in both formats' grammar.
pub(crate) fn plain_float(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else if value == 0.0 || (1e-5..1e15).contains(&value.abs()) {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}

/// A bound as Prometheus writes `le` and `quantile` from protobuf: Go's shortest `%g`, with `.0` added to whole
/// numbers.
pub(crate) fn go_float(value: f64) -> String {
    if !value.is_finite() {
        return plain_float(value);
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..6).contains(&exponent) && value != 0.0 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{value}");
    if plain.contains('.') { plain } else { plain + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::{Format, decode};
    use crate::{Limits, scrape::Scrape};
    use stdx::metrics::Registry;

    #[test]
    fn bounds_as_go_writes_them() {
        for (value, want) in [
            (0.005, "0.005"),
            (1.0, "1.0"),
            (-2.5, "-2.5"),
            (0.0, "0.0"),
            (100_000.0, "100000.0"),
            (1e6, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (0.00001, "1e-05"),
            (0.0001, "0.0001"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(go_float(value), want);
        }
    }

    #[test]
    fn both_formats_read_back() {
        let registry = Registry::default();
        registry.value(Kind::Counter, "a_total", "A \\ b\nc \"d\".", vec![("x", "\"\\\n".into())]).add(2.5);
        registry.gauge("b_bytes", "B.").set(f64::NEG_INFINITY);
        registry.gauge("c", "C.").set(1e-9);
        let text = write(&registry.read(), TextFormat::Prometheus);
        let want = r#"# HELP a_total A \\ b\nc "d".
# TYPE a_total counter
a_total{x="\"\\\n"} 2.5
# HELP b_bytes B.
# TYPE b_bytes gauge
b_bytes -Inf
# HELP c C.
# TYPE c gauge
c 1e-9
"#;
        assert_eq!(text, want);
        let open = write(&registry.read(), TextFormat::from_accept(crate::exposition::ACCEPT));
        assert!(open.contains("# TYPE a counter\na_total{") && open.ends_with("# EOF\n"), "{open}");
        for (body, format) in [(text, Format::Text), (open, Format::OpenMetrics)] {
            let limits = Limits::default();
            let d = decode(body.as_bytes(), Scrape { format, at_ms: 1, limits: &limits }).unwrap();
            assert!(d.rejects.is_empty(), "{:?}", d.rejects);
            assert_eq!(d.batch.series[0].get("x"), "\"\\\n");
            assert_eq!(d.batch.metadata[0].metric, "a_total");
            assert_eq!(d.batch.metadata[0].help, "A \\ b\nc \"d\".");
            let values: Vec<_> = d.batch.samples.iter().map(|s| s.value).collect();
            assert_eq!(values, [2.5, f64::NEG_INFINITY, 1e-9]);
        }
    }
}
