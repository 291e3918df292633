//! The bounds of everything that arrives. Plain numbers; each is enforced by the decoder that it names, or by the
//! caller where it says so.

/// Limits on input. The defaults suit one machine that takes in up to a few million samples a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Labels of one series, the name included (Prometheus sets none; VictoriaMetrics 40).
    pub labels_per_series_max: usize,
    /// Bytes of a label name.
    pub label_name_bytes_max: usize,
    /// Bytes of a label value, the metric's name included.
    pub label_value_bytes_max: usize,
    /// Bytes of a request or answer as it comes over the wire. Decoders check it again, but whoever reads the
    /// socket must stop there first.
    pub body_bytes_max: usize,
    /// Bytes of a body after decompression; checked against the declared size before memory is taken.
    pub decoded_bytes_max: usize,
    /// Samples of one request; those past it are refused as too large. A sample costs 24 bytes of memory.
    pub samples_per_request_max: usize,
    /// Buckets of the native histograms of one request, and bounds; those past it are refused as too large. One costs 8 bytes
    /// of memory.
    pub histogram_buckets_per_request_max: usize,
    /// Series of one request, and different series of one target over its last scrapes.
    pub series_per_request_max: usize,
    /// Metric families of one request whose metadata is kept; more is ignored.
    pub metadata_per_request_max: usize,
    /// Bytes of one help text; longer texts are cut.
    pub help_bytes_max: usize,
    /// Bytes of one line of a text body.
    pub line_bytes_max: usize,
    /// How far ahead of our clock a timestamp may be, in milliseconds. A sample further ahead would make every
    /// later sample of its series look late.
    pub future_ms_max: i64,
    /// Log records of one request; those past it are refused.
    pub log_records_per_request_max: usize,
    /// Bytes of the text of a log record; longer ones are cut and marked.
    pub log_body_bytes_max: usize,
    /// Attributes of a log record; more are left out, and it says how many.
    pub log_attributes_max: usize,
    /// Bytes of the value of an attribute of a log record; longer ones are cut.
    pub log_attribute_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            labels_per_series_max: 64,
            label_name_bytes_max: 1 << 10,
            label_value_bytes_max: 4 << 10,
            body_bytes_max: 32 << 20,
            decoded_bytes_max: 128 << 20,
            samples_per_request_max: 2_000_000,
            histogram_buckets_per_request_max: 8_000_000,
            series_per_request_max: 500_000,
            metadata_per_request_max: 20_000,
            help_bytes_max: 1 << 10,
            line_bytes_max: 16 << 20,
            future_ms_max: 10 * 60 * 1000,
            log_records_per_request_max: 500_000,
            log_body_bytes_max: 1 << 20,
            log_attributes_max: 256,
            log_attribute_bytes_max: 32 << 10,
        }
    }
}
