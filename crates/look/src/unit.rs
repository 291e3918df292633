//! Units and short names of metrics, for people: what a value is measured in, what its rate is, and what a
//! metric is called beside the thing it belongs to.

use model::MetricKind;
use std::borrow::Cow;

/// Words at the end of a name that say the unit, and the unit as the HTTP API gives it.
const WORDS: &[(&str, &str)] = &[
    ("bytes", "bytes"),
    ("seconds", "s"),
    ("milliseconds", "ms"),
    ("microseconds", "µs"),
    ("nanoseconds", "ns"),
    ("ratio", "ratio"),
    ("percent", "percent"),
    ("celsius", "celsius"),
    ("hertz", "hertz"),
    ("volts", "volts"),
    ("amperes", "amperes"),
    ("watts", "watts"),
    ("joules", "joules"),
    ("bits", "bits"),
    ("meters", "meters"),
    ("grams", "grams"),
    ("rpm", "rpm"),
];

/// The unit of a point in time, in seconds since 1970.
pub const UNIX_TIME: &str = "unix time";

/// The unit of a series' raw values: `given` by metadata, or guessed from the name of its metric; "" if it has none
/// or nobody knows.
pub fn of(metric: &str, kind: MetricKind, given: &str) -> Cow<'static, str> {
    // What a histogram or summary counts are events, whatever the family measures.
    let counts = ["_count", "_bucket"].iter().any(|s| metric.ends_with(s)) && kind != MetricKind::Gauge;
    if counts || metric.ends_with("_info") {
        return "".into();
    }
    let base = ["_total", "_sum"].iter().find_map(|s| metric.strip_suffix(s)).unwrap_or(metric);
    let instant =
        ["boot_time_seconds", "start_time_seconds", "timestamp_seconds", "_created", "node_time_seconds"];
    if !kind.is_cumulative(metric) && instant.iter().any(|s| metric.ends_with(s)) {
        return UNIX_TIME.into();
    }
    let known =
        |word: &str| WORDS.iter().find(|(long, short)| *long == word || *short == word).map(|(_, u)| *u);
    if !given.is_empty() {
        return known(given).map_or_else(|| given.to_string().into(), Cow::from);
    }
    let last = base.rsplit(['_', '.', ':']).next().unwrap_or(base);
    known(last).filter(|_| last.len() > 2).unwrap_or("").into()
}

/// The unit of a rate per second: `/s` for events, `bytes/s`, `s/s`.
pub fn of_rate(unit: &str) -> String {
    format!("{unit}/s")
}

/// Beginnings of names that the group of a series says already; the first that fits is left out.
const PREFIXES: &[&str] = &[
    "node_disk_",
    "node_filesystem_",
    "node_network_",
    "node_memory_",
    "node_cpu_",
    "node_",
    "process_",
    "cgroup_",
    "midwatch_",
];

/// A short name for people, beside the thing that the series belongs to: `node_disk_io_time_seconds_total` is
/// `io time`. Never empty for a name that is not.
pub fn title(metric: &str) -> String {
    let prefix = PREFIXES.iter().find_map(|p| metric.strip_prefix(p));
    let cut = |text: &str| {
        let text = text.strip_suffix("_total").unwrap_or(text);
        let (rest, last) = text.rsplit_once('_').unwrap_or(("", text));
        let is_unit = WORDS.iter().any(|(long, _)| *long == last) && last != "ratio" && last != "percent";
        if is_unit { rest.to_string() } else { text.to_string() }
    };
    let mut short = cut(prefix.unwrap_or(metric));
    if short.is_empty() {
        // `node_cpu_seconds_total`: what is measured is the thing itself.
        let whole = metric.strip_prefix("node_").unwrap_or(metric);
        short = whole.strip_suffix("_total").unwrap_or(whole).replace("seconds", "time");
    }
    let words = short.replace(['_', '.', ':'], " ");
    if words.trim().is_empty() { metric.to_string() } else { words.trim().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MetricKind::*;

    #[test]
    fn units() {
        for (metric, kind, given, want) in [
            ("node_memory_MemFree_bytes", Gauge, "", "bytes"),
            ("node_network_receive_bytes_total", Counter, "", "bytes"),
            ("node_disk_io_time_seconds_total", Counter, "", "s"),
            ("node_boot_time_seconds", Gauge, "", UNIX_TIME),
            ("process_start_time_seconds", Unknown, "", UNIX_TIME),
            ("http_request_duration_seconds_sum", Histogram, "", "s"),
            ("http_request_duration_seconds_bucket", Histogram, "seconds", ""),
            ("http_request_duration_seconds_count", Histogram, "", ""),
            ("http_requests_total", Counter, "", ""),
            ("cache_hit_ratio", Gauge, "", "ratio"),
            ("node_hwmon_temp_celsius", Gauge, "", "celsius"),
            ("node_cpu_frequency_hertz", Gauge, "", "hertz"),
            ("x", Gauge, "seconds", "s"),
            ("x", Gauge, "By", "By"),
            ("node_load1", Gauge, "", ""),
            ("build_info", Info, "", ""),
            ("s", Gauge, "", ""),
            ("", Unknown, "", ""),
        ] {
            assert_eq!(of(metric, kind, given), want, "{metric}");
        }
        assert_eq!([of_rate(""), of_rate("bytes"), of_rate("s")], ["/s", "bytes/s", "s/s"]);
    }

    #[test]
    fn titles() {
        for (metric, want) in [
            ("node_disk_io_time_seconds_total", "io time"),
            ("node_filesystem_avail_bytes", "avail"),
            ("node_memory_MemAvailable_bytes", "MemAvailable"),
            ("node_cpu_seconds_total", "cpu time"),
            ("node_load1", "load1"),
            ("node_netstat_Tcp_RetransSegs", "netstat Tcp RetransSegs"),
            ("process_memory_usage_bytes", "memory usage"),
            ("http_requests_total", "http requests"),
            ("cache_hit_ratio", "cache hit ratio"),
            ("job:http:rate5m", "job http rate5m"),
            ("up", "up"),
            ("bytes", "bytes"),
            ("_", "_"),
            ("", ""),
        ] {
            assert_eq!(title(metric), want, "{metric}");
        }
    }
}
