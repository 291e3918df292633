//! Every decoder against seeded random damage: no panic, and nothing beyond the limits.

use crate::damage::Random;
use crate::scrape::{Scrape, ScrapeCache, Target};
use crate::wire::{put_bytes_field, put_varint_field};
use crate::{Decoded, Limits, exposition::Format, json_lines, remote_read, remote_write};
use model::{Labels, SeriesData};

fn check(decoded: &Decoded, limits: &Limits) {
    let batch = &decoded.batch;
    assert!(batch.samples.len() + batch.histograms.len() <= limits.samples_per_request_max);
    assert!(batch.series.len() <= limits.samples_per_request_max);
    for sample in &batch.samples {
        let labels = &batch.series[sample.series as usize];
        assert!(!labels.name().is_empty() && labels.len() <= limits.labels_per_series_max + 2);
    }
    batch.starts.windows(2).for_each(|two| assert!(two[0].0 < two[1].0));
    batch.starts.iter().for_each(|(i, _)| assert!((*i as usize) < batch.samples.len()));
    batch.exemplars.iter().for_each(|e| assert!((e.series as usize) < batch.series.len()));
    for histogram in &batch.histograms {
        assert!((histogram.series as usize) < batch.series.len());
        assert_eq!(histogram.at.histogram.check(), Ok(()));
    }
    assert!(decoded.rejects.len() <= 12);
    decoded.rejects.iter().for_each(|r| assert!(r.message.len() < 4_000, "{}", r.message.len()));
}

fn series() -> Vec<SeriesData> {
    let labels = |i: u32| Labels::from_pairs([("__name__", "m"), ("i", &i.to_string()), ("é", "\n\"\\")]);
    (0..5)
        .map(|i| SeriesData {
            labels: labels(i).unwrap(),
            timestamps_ms: vec![1_000, 2_000],
            values: vec![1.5, f64::NAN],
            ..Default::default()
        })
        .collect()
}

fn limits() -> Limits {
    Limits {
        samples_per_request_max: 50,
        labels_per_series_max: 5,
        decoded_bytes_max: 1 << 16,
        ..Limits::default()
    }
}

#[test]
fn remote_write_survives_damage() {
    let (mut random, limits) = (Random(1), limits());
    let body = remote_write::encode(&series());
    let message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
    let known = crate::KnownLabels::new(1_000);
    for _ in 0..5_000 {
        if let Ok(decoded) = remote_write::decode(&random.damage(&body), &limits, &known) {
            check(&decoded, &limits);
        }
        if let Ok(decoded) = remote_write::decode_message(&random.damage(&message), &limits, &known) {
            check(&decoded, &limits);
        }
    }
}

#[test]
fn remote_write_2_survives_damage() {
    let (mut random, limits) = (Random(4), limits());
    let body = remote_write::v2::encode(&series());
    let message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
    let known = crate::KnownLabels::new(1_000);
    for _ in 0..5_000 {
        if let Ok(decoded) = remote_write::v2::decode_message(&random.damage(&message), &limits, &known) {
            check(&decoded, &limits);
        }
    }
}

#[test]
fn remote_read_survives_damage() {
    let (mut random, limits) = (Random(5), limits());
    let mut message = Vec::new();
    for op in 0..4 {
        let (mut query, mut matcher) = (Vec::new(), Vec::new());
        put_varint_field(&mut matcher, 1, op);
        put_bytes_field(&mut matcher, 2, b"job");
        put_bytes_field(&mut matcher, 3, b"a|b.*");
        put_varint_field(&mut query, 1, 5);
        put_varint_field(&mut query, 2, u64::MAX);
        put_bytes_field(&mut query, 3, &matcher);
        put_bytes_field(&mut message, 1, &query);
    }
    put_bytes_field(&mut message, 2, &[1, 0]);
    for _ in 0..5_000 {
        let body = snap::raw::Encoder::new().compress_vec(&random.damage(&message)).unwrap();
        if let Ok(request) = remote_read::decode(&body, &limits) {
            assert!(request.queries.len() <= 12 && !request.forms.is_empty());
        }
    }
}

#[test]
fn otlp_survives_damage() {
    use crate::otlp::{Content, Deltas, Settings, decode_metrics, has_deltas, metrics_message};
    let (mut random, limits) = (Random(5), limits());
    let point = r#""startTimeUnixNano":"1000000","timeUnixNano":"2000000","attributes":[{"key":"a","value":{"arrayValue":{"values":[{"intValue":1}]}}}]"#;
    let metrics: Vec<String> = [
        r#""gauge":{"dataPoints":[{"asInt":"-7",@},{"flags":1}]}"#,
        r#""sum":{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{"asDouble":1.5,"exemplars":[{"timeUnixNano":1,"traceId":"01"}],@}]}"#,
        r#""histogram":{"aggregationTemporality":1,"dataPoints":[{"count":6,"sum":4.5,"bucketCounts":[1,2,3],"explicitBounds":[0.5,2],@}]}"#,
        r#""exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[{"count":3,"scale":9,"positive":{"offset":-1,"bucketCounts":[1,2]},@}]}"#,
        r#""summary":{"dataPoints":[{"count":3,"sum":6,"quantileValues":[{"quantile":0.5,"value":2}],@}]}"#,
    ]
    .iter()
    .map(|data| format!(r#"{{"name":"m.x","unit":"s",{}}}"#, data.replace('@', point)))
    .collect();
    let json = format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"s"}}}}]}},
            "scopeMetrics":[{{"scope":{{"name":"l"}},"metrics":[{}]}}]}}]}}"#,
        metrics.join(",")
    );
    let message = metrics_message(json.clone().into_bytes(), Content::Json, &limits).unwrap();
    let known = crate::KnownLabels::new(1_000);
    let mut deltas = Deltas::new(10_000);
    let settings = [false, true].map(|native_histograms| Settings {
        native_histograms,
        lookback_ms: 1_000,
        ..Settings::default()
    });
    for i in 0..6_000 {
        let message = match i % 2 {
            0 => Ok(random.damage(&message)),
            _ => metrics_message(random.damage(json.as_bytes()), Content::Json, &limits),
        };
        let Ok(message) = message else { continue };
        let _ = has_deltas(&message);
        let mut adding = deltas.adding(i);
        if let Ok(received) =
            decode_metrics(&message, &settings[i as usize / 2 % 2], &limits, &known, Some(&mut adding))
        {
            check(&received.decoded, &limits);
            adding.keep();
        }
    }
    assert!(deltas.bytes() <= 10_000);
}

#[test]
fn json_lines_survive_damage() {
    let (mut random, limits) = (Random(2), limits());
    let mut body = Vec::new();
    series().iter().for_each(|s| json_lines::write(&mut body, s));
    for _ in 0..5_000 {
        if let Ok(decoded) = json_lines::decode(&random.damage(&body), &limits) {
            check(&decoded, &limits);
        }
    }
}

#[test]
fn expositions_survive_damage() {
    let (mut random, limits) = (Random(3), limits());
    let text = include_bytes!("exposition/sample.txt");
    let open = include_bytes!("exposition/sample.om.txt");
    let proto = crate::exposition::protobuf_tests::sample();
    for (format, valid) in
        [(Format::Text, &text[..]), (Format::OpenMetrics, &open[..]), (Format::Protobuf, &proto[..])]
    {
        let mut cache = ScrapeCache::new(Target::default());
        for t in 0..4_000 {
            let body = random.damage(valid);
            let scrape = Scrape { format, at_ms: t, limits: &limits };
            if let Ok(scraped) = cache.scrape(&body, scrape) {
                check(&scraped.decoded, &limits);
            }
            crate::exposition::looks_like_metrics(&body);
        }
    }
}
