//! What is fuzzed: one function for each kind of input, which takes any bytes and checks what must hold of what comes out. A
//! panic, a hang or too much memory is a finding. They must never look at anything but their argument.

pub mod logs;

use ingest::body::{Encoding, decompress};
use ingest::exposition::Format;
use ingest::otlp::{self, Content, Deltas};
use ingest::spans::tail::TailSettings;
use ingest::spans::{Graph, SpanMetrics, Tail};
use ingest::scrape::{Scrape, ScrapeCache, Target};
use ingest::{Decoded, KnownLabels, Limits, remote_write};

/// Small enough that limits are reached.
fn limits() -> Limits {
    Limits {
        samples_per_request_max: 2_000,
        series_per_request_max: 1_000,
        labels_per_series_max: 12,
        label_name_bytes_max: 64,
        label_value_bytes_max: 128,
        decoded_bytes_max: 1 << 20,
        ..Limits::default()
    }
}

/// What holds of every batch.
fn check(decoded: &Decoded, limits: &Limits) {
    let batch = &decoded.batch;
    let held = batch.samples.len() + batch.histograms.len();
    assert!(held <= limits.samples_per_request_max, "{held} samples");
    let of_samples = batch.samples.iter().map(|s| s.series);
    let of_histograms = batch.histograms.iter().map(|h| h.series);
    let of_exemplars = batch.exemplars.iter().map(|e| e.series);
    for series in of_samples.chain(of_histograms).chain(of_exemplars) {
        assert!(!batch.series[series as usize].name().is_empty());
    }
    for two in batch.starts.windows(2) {
        assert!(two[0].0 < two[1].0, "starts are in order");
    }
    assert!(batch.starts.last().is_none_or(|(i, _)| (*i as usize) < batch.samples.len()));
    for histogram in &batch.histograms {
        assert_eq!(histogram.at.histogram.check(), Ok(()));
    }
    for reject in &decoded.rejects {
        assert!(reject.message.len() < 4_000, "{} bytes of message", reject.message.len());
    }
    // Whoever takes it checks the times next.
    let mut later = decoded.batch.clone();
    ingest::check_times(&mut later, 1_700_000_000_000, 0, limits, &mut Vec::new());
    assert!(later.samples.iter().all(|s| (s.series as usize) < later.series.len()));
}

/// A query: what is parsed is printed so that it parses to the same again.
pub fn promql(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = query::parse_selector(text);
    if let Ok(expression) = query::parse(text) {
        let printed = expression.to_string();
        match query::parse(&printed) {
            Ok(again) => assert_eq!(again.to_string(), printed, "{text:?}"),
            // What is printed in full can be longer than a query may be.
            Err(_) if printed.len() > text.len() => {}
            Err(e) => panic!("{text:?} is printed as {printed:?}: {}", e.message),
        }
        let _ = query::pretty(&expression);
    }
}

fn scrape(data: &[u8], format: Format) {
    let limits = limits();
    let mut cache = ScrapeCache::new(Target::default());
    ingest::exposition::looks_like_metrics(data);
    // The second time the lines are known, or the middle has changed.
    for at_ms in [1_000, 2_000] {
        let body = if at_ms == 2_000 { &data[data.len() / 3..] } else { data };
        if let Ok(scraped) = cache.scrape(body, Scrape { format, at_ms, limits: &limits }) {
            check(&scraped.decoded, &limits);
        }
        let _ = cache.scrape(data, Scrape { format, at_ms: at_ms + 1, limits: &limits });
    }
}

/// Prometheus's text format.
pub fn text_exposition(data: &[u8]) {
    scrape(data, Format::Text);
}

/// OpenMetrics.
pub fn open_metrics(data: &[u8]) {
    scrape(data, Format::OpenMetrics);
}

/// Prometheus's protobuf format.
pub fn protobuf_exposition(data: &[u8]) {
    scrape(data, Format::Protobuf);
}

fn twice(data: &[u8], decode: impl Fn(&[u8], &Limits, &KnownLabels) -> Option<Decoded>) {
    let (limits, known) = (limits(), KnownLabels::new(100));
    let first = decode(data, &limits, &known);
    if let Some(decoded) = &first {
        check(decoded, &limits);
    }
    // Known series are decoded by another way, to the same.
    if let (Some(first), Some(second)) = (first, decode(data, &limits, &known)) {
        check(&second, &limits);
        let samples = |d: &Decoded| -> Vec<_> {
            let name = |series: u32| d.batch.series[series as usize].to_string();
            d.batch.samples.iter().map(|s| (name(s.series), s.timestamp_ms, s.value.to_bits())).collect()
        };
        assert_eq!(samples(&first), samples(&second));
        assert_eq!(first.batch.starts, second.batch.starts);
        assert_eq!(first.rejects, second.rejects);
    }
}

/// Remote write 1.0, decompressed and not.
pub fn remote_write_1(data: &[u8]) {
    twice(data, |data, limits, known| remote_write::decode_message(data, limits, known).ok());
    let _ = remote_write::decode(data, &limits(), &KnownLabels::new(0));
}

/// Remote write 2.0, decompressed.
pub fn remote_write_2(data: &[u8]) {
    twice(data, |data, limits, known| remote_write::v2::decode_message(data, limits, known).ok());
}

fn metrics(message: &[u8]) {
    for native_histograms in [false, true] {
        let settings = otlp::Settings {
            promote: vec!["a".into()],
            promote_scope: native_histograms,
            strategy: otlp::Strategy::ALL[usize::from(native_histograms) * 2].1,
            lookback_ms: 300_000,
            native_histograms,
        };
        twice(message, |message, limits, known| {
            let mut deltas = Deltas::new(4_096);
            let _ = otlp::has_deltas(message);
            let mut adding = deltas.adding(0);
            let received = otlp::decode_metrics(message, &settings, limits, known, Some(&mut adding));
            if let Ok(received) = &received {
                let refused: u64 = received.decoded.rejects.iter().map(|r| r.samples).sum();
                assert!(refused <= received.points, "{refused} of {} refused", received.points);
            }
            drop(adding);
            assert_eq!((deltas.len(), deltas.bytes()), (0, 0), "what is not kept never happened");
            received.ok().map(|received| received.decoded)
        });
    }
}

/// OTLP in protobuf.
pub fn otlp_protobuf(data: &[u8]) {
    metrics(data);
}

/// OTLP in JSON.
pub fn otlp_json(data: &[u8]) {
    let limits = limits();
    if let Ok(message) = otlp::metrics_message(data.to_vec(), Content::Json, &limits) {
        assert!(message.len() <= limits.decoded_bytes_max);
        metrics(&message);
    }
}

fn spans(message: &[u8]) {
    let limits = limits();
    let now_ns = 1_700_000_000_000_000_000;
    let Ok(received) = otlp::decode_traces(message, now_ns, &limits) else { return };
    let refused: u64 = received.rejects.iter().map(|r| r.samples).sum();
    assert_eq!(refused + received.batch.spans.len() as u64, received.spans, "kept or refused");
    let newest_ns = now_ns + limits.future_ms_max * 1_000_000;
    for span in &received.batch.spans {
        assert!((span.origin as usize) < received.batch.origins.len());
        assert!(span.start_ns <= newest_ns && span.attributes.len() <= otlp::traces::ATTRIBUTES_MAX + 5);
        assert!(span.events.len() <= otlp::traces::EVENTS_MAX && span.links.len() <= otlp::traces::EVENTS_MAX);
    }
    let (mut metrics, mut graph) = (SpanMetrics::default(), Graph::default());
    metrics.observe(&received.batch, 1_000);
    graph.observe(&received.batch, 1_000);
    for batch in [metrics.collect(11_000, 10_000), graph.collect(31_000, 10_000)] {
        check(&Decoded { batch, rejects: Vec::new() }, &limits);
    }
    let count = received.batch.spans.len() as u64;
    let mut tail = Tail::new(TailSettings { keep_one_in: 2, spans_max: 10, ..TailSettings::default() });
    let (now, rest) = (tail.step(received.batch, 1_000), tail.flush());
    let decided = [now, rest].iter().map(|d| d.keep.spans.len() as u64 + d.dropped_spans).sum::<u64>();
    assert_eq!(decided, count, "kept or dropped, none lost");
}

/// OTLP's traces in protobuf, and what is made of spans.
pub fn otlp_traces_protobuf(data: &[u8]) {
    spans(data);
}

/// OTLP's traces in JSON.
pub fn otlp_traces_json(data: &[u8]) {
    let limits = limits();
    if let Ok(message) = otlp::traces_message(data.to_vec(), Content::Json, &limits) {
        assert!(message.len() <= limits.decoded_bytes_max);
        spans(&message);
    }
}

/// Compressed bodies.
pub fn compressed(data: &[u8]) {
    let limits = limits();
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        if let Ok(bytes) = decompress(data, encoding, &limits) {
            assert!(bytes.len() <= limits.decoded_bytes_max);
        }
    }
}
