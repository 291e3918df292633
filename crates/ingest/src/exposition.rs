//! What a scraped target answers: Prometheus text 0.0.4, OpenMetrics 1.0, and delimited protobuf.
//!
//! Unlike in Prometheus, where one bad line fails the whole scrape, here a bad line spoils only itself and is
//! counted with its line number. What cannot be trusted as a whole fails as a whole: OpenMetrics without its
//! `# EOF` (the answer was cut), and protobuf that cannot be split into families.
//! This module splits bodies; [`crate::scrape`] owns what is remembered of a target. It must never fetch.

pub(crate) mod protobuf;
#[cfg(test)]
pub(crate) mod protobuf_tests;
pub(crate) mod text;

use crate::Decoded;
use crate::scrape::{Scrape, ScrapeCache, Target};
use stdx::Result;

/// The formats a target may answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus text, version 0.0.4 and 1.0.0 (with quoted names).
    Text,
    /// OpenMetrics 1.0 text.
    OpenMetrics,
    /// `io.prometheus.client.MetricFamily` messages, each preceded by its length.
    Protobuf,
}

/// The value of the `Accept` header of a scrape, best liked first.
pub const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
     application/openmetrics-text;version=1.0.0;q=0.5,\
     text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
     text/plain;version=0.0.4;q=0.3,\
     application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.2,\
     */*;q=0.1";

/// The same where native histograms are wanted: they are in protobuf alone.
const ACCEPT_NATIVE: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
     application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
     application/openmetrics-text;version=1.0.0;q=0.5,\
     text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
     text/plain;version=0.0.4;q=0.3,\
     */*;q=0.1";

/// The value of the `Accept` header of a scrape that wants native histograms, or does not mind.
pub fn accept(native_histograms: bool) -> &'static str {
    if native_histograms { ACCEPT_NATIVE } else { ACCEPT }
}

impl Format {
    /// The format that a `Content-Type` names; `None` if it is none of ours.
    pub fn from_content_type(text: &str) -> Option<Format> {
        let mut parts = text.split(';').map(|p| p.trim().to_ascii_lowercase());
        let media = parts.next()?;
        let parameters: Vec<String> = parts.collect();
        let parameter = |key: &str| {
            let found = parameters.iter().find_map(|p| p.strip_prefix(key)?.trim_start().strip_prefix('='));
            found.map(|v| v.trim().trim_matches('"').to_string())
        };
        match media.as_str() {
            "text/plain" => Some(Format::Text),
            "application/openmetrics-text" => Some(Format::OpenMetrics),
            "application/vnd.google.protobuf" => {
                let proto = parameter("proto").unwrap_or_default();
                let encoding = parameter("encoding").unwrap_or_default();
                (proto == "io.prometheus.client.metricfamily" && encoding == "delimited")
                    .then_some(Format::Protobuf)
            }
            _ => None,
        }
    }
}

/// Decodes one body on its own: nothing is remembered from one to the next, no labels are added. Samples without
/// a timestamp get `at_ms`. For targets that are scraped again and again use [`ScrapeCache`].
///
/// # Errors
/// `Invalid` for a body that is cut (OpenMetrics without `# EOF`, broken protobuf), `TooLarge` past
/// `decoded_bytes_max`.
pub fn decode(body: &[u8], scrape: Scrape<'_>) -> Result<Decoded> {
    Ok(ScrapeCache::new(Target::default()).scrape(body, scrape)?.decoded)
}

/// Whether the beginning of an answer looks like metrics in a text format: every whole line reads as one, and
/// there is a TYPE or HELP line, or at least three samples. For discovery, where anything may answer.
pub fn looks_like_metrics(body_prefix: &[u8]) -> bool {
    const LINES_MAX: usize = 200;
    let (mut samples, mut described) = (0, false);
    let end = memchr::memrchr(b'\n', body_prefix).map_or(0, |i| i + 1);
    for line in text::lines(&body_prefix[..end]).take(LINES_MAX) {
        match line {
            b"" => {}
            [b'#', ..] => {
                described |= line.starts_with(b"# TYPE ") || line.starts_with(b"# HELP ");
            }
            _ => match text::sample(line, None, true) {
                Ok(sample) if text::is_series(sample.series) => samples += 1,
                _ => return false,
            },
        }
    }
    samples > 0 && (described || samples >= 3)
}

#[cfg(test)]
mod tests;
