//! Requests in JSON and what becomes of them: a line for each sample, exemplar, metadata and refusal.

use super::*;
use model::Labels;

/// One request of one scope, its metrics given as JSON.
fn request(resource: &str, metrics: &str) -> String {
    format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{resource}]}},
            "scopeMetrics":[{{"scope":{{"name":"lib","version":"1.2"}},"metrics":[{metrics}]}}]}}]}}"#
    )
}

fn attribute(key: &str, value: &str) -> String {
    format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#)
}

fn settings() -> Settings {
    Settings { lookback_ms: 300_000, ..Settings::default() }
}

fn message(json: &str) -> Vec<u8> {
    metrics_message(json.as_bytes().to_vec(), Content::Json, &Limits::default()).unwrap()
}

fn decode_with(json: &str, settings: &Settings, known: &KnownLabels, deltas: &mut Deltas) -> Received {
    let mut adding = deltas.adding(0);
    let received =
        decode_metrics(&message(json), settings, &Limits::default(), known, Some(&mut adding)).unwrap();
    adding.keep();
    received
}

/// Everything that was kept or refused, as lines.
fn lines(received: &Received) -> Vec<String> {
    let batch = &received.decoded.batch;
    let name = |series: u32| batch.series[series as usize].to_string();
    let since = |start_ms: i64| if start_ms == 0 { String::new() } else { format!(" since {start_ms}") };
    let mut out = Vec::new();
    for (i, sample) in batch.samples.iter().enumerate() {
        let start = batch.starts.iter().find(|(at, _)| *at as usize == i).map_or(0, |(_, start)| *start);
        let value = if model::is_stale(sample.value) { "stale".into() } else { sample.value.to_string() };
        out.push(format!("{} = {value} @ {}{}", name(sample.series), sample.timestamp_ms, since(start)));
    }
    for h in &batch.histograms {
        let histogram = &h.at.histogram;
        let pairs = |b: &model::histogram::Buckets| format!("{:?}", b.iter().collect::<Vec<_>>());
        let what = match histogram.is_stale() {
            true => "stale".to_string(),
            false => format!(
                "schema {} count {} sum {} zero {} positive {} negative {} bounds {:?}",
                histogram.schema,
                histogram.count,
                histogram.sum,
                histogram.zero_count,
                pairs(&histogram.positive),
                pairs(&histogram.negative),
                histogram.custom_bounds
            ),
        };
        out.push(format!("{} = {what} @ {}{}", name(h.series), h.at.timestamp_ms, since(h.at.start_ms)));
    }
    for e in &batch.exemplars {
        out.push(format!("{} has {} = {} @ {}", name(e.series), e.labels, e.value, e.timestamp_ms));
    }
    for m in &batch.metadata {
        out.push(format!("{} is a {} in {:?}: {}", m.metric, m.kind, m.unit, m.help));
    }
    out.extend(received.decoded.rejects.iter().map(|r| format!("refused: {r}")));
    out
}

fn check_with(settings: &Settings, json: &str, want: &[&str]) {
    let known = KnownLabels::new(1_000);
    let first = decode_with(json, settings, &known, &mut Deltas::new(1 << 20));
    assert_eq!(lines(&first), want);
    // The second time all series are known.
    let second = decode_with(json, settings, &known, &mut Deltas::new(1 << 20));
    assert_eq!(lines(&second), want, "known series");
}

fn check(resource: &str, metrics: &str, want: &[&str]) {
    check_with(&settings(), &request(resource, metrics), want);
}

#[test]
fn gauges_and_sums() {
    check(
        "",
        r#"{"name":"queue.length","unit":"{item}","description":"Waiting.","gauge":{"dataPoints":[
              {"timeUnixNano":"2000000000","startTimeUnixNano":"1000000000","asInt":"-7","attributes":[
                {"key":"b.c","value":{"intValue":"1"}},{"key":"b_c","value":{"stringValue":"x"}},{"key":"none","value":{}}]},
              {"timeUnixNano":"3000000000","flags":1}]}},
           {"name":"http.requests","unit":"1","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
              {"startTimeUnixNano":"1000000000","timeUnixNano":"2000000000","asDouble":1.5}]}},
           {"name":"open","unit":"By","sum":{"aggregationTemporality":2,"dataPoints":[
              {"startTimeUnixNano":"1000000000","timeUnixNano":"2000000000","asInt":3}]}}"#,
        &[
            r#"queue_length{b_c="1;x"} = -7 @ 2000"#,
            "queue_length = stale @ 3000",
            "http_requests_total = 1.5 @ 2000 since 1000",
            "open_bytes = 3 @ 2000",
            r#"queue_length is a gauge in "": Waiting."#,
            r#"http_requests_total is a counter in "": "#,
            r#"open_bytes is a gauge in "bytes": "#,
        ],
    );
}

#[test]
fn resources_are_job_instance_and_target_info() {
    let resource = [
        attribute("service.name", "shop"),
        attribute("service.namespace", "eu"),
        attribute("service.instance.id", "a-1"),
        attribute("host.name", "vm"),
        attribute("deployment.environment", "prod"),
    ]
    .join(",");
    let point = r#"{"timeUnixNano":"2000000000","asInt":1,"attributes":[{"key":"job","value":{"stringValue":"mine"}}]}"#;
    let gauge = format!(r#"{{"name":"g","gauge":{{"dataPoints":[{point}]}}}}"#);
    let json = request(&resource, &gauge);
    let promoting = Settings {
        promote: vec!["deployment.environment".into(), "absent".into()],
        promote_scope: true,
        strategy: Strategy::NoTranslation,
        ..settings()
    };
    check_with(
        &settings(),
        &json,
        &[
            r#"g{instance="a-1", job="eu/shop"} = 1 @ 2000"#,
            r#"target_info{deployment_environment="prod", host_name="vm", instance="a-1", job="eu/shop"} = 1 @ 2000"#,
            r#"g is a gauge in "": "#,
        ],
    );
    check_with(
        &promoting,
        &json,
        &[
            r#"g{"deployment.environment"="prod", instance="a-1", job="eu/shop", otel_scope_name="lib", otel_scope_version="1.2"} = 1 @ 2000"#,
            r#"target_info{"deployment.environment"="prod", "host.name"="vm", instance="a-1", job="eu/shop"} = 1 @ 2000"#,
            r#"g is a gauge in "": "#,
        ],
    );
    // Without a service nobody could join it; without other attributes it would tell nothing.
    let plain = r#"{"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"2000000000","asInt":1}]}}"#;
    check(&attribute("host.name", "vm"), plain, &["g = 1 @ 2000", r#"g is a gauge in "": "#]);
    check(&attribute("service.name", "x"), plain, &[r#"g{job="x"} = 1 @ 2000"#, r#"g is a gauge in "": "#]);
    // Points far apart: often enough for the lookback.
    let two = r#"{"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"1000000000","asInt":1},{"timeUnixNano":"301000000000","asInt":1}]}}"#;
    let resource = [attribute("service.name", "x"), attribute("a", "b")].join(",");
    let info =
        lines(&decode_with(&request(&resource, two), &settings(), &KnownLabels::new(9), &mut Deltas::new(0)));
    let at: Vec<&str> =
        info.iter().filter_map(|l| l.strip_prefix(r#"target_info{a="b", job="x"} = 1 @ "#)).collect();
    assert_eq!(at, ["1000", "151000", "301000"]);
}

const HISTOGRAM: &str = r#"{"name":"latency","unit":"s","histogram":{"aggregationTemporality":2,"dataPoints":[
    {"startTimeUnixNano":"1000000000","timeUnixNano":"2000000000","count":"6","sum":4.5,"bucketCounts":["1","2","3"],
     "explicitBounds":[0.5,2],"exemplars":[
        {"timeUnixNano":"1500000000","asDouble":2,"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0000000000000000",
         "filteredAttributes":[{"key":"user","value":{"stringValue":"u"}}]},
        {"timeUnixNano":"1500000000","asInt":9}]}]}}"#;

#[test]
fn histograms_are_classic_or_native() {
    check(
        "",
        HISTOGRAM,
        &[
            "latency_seconds_sum = 4.5 @ 2000 since 1000",
            "latency_seconds_count = 6 @ 2000 since 1000",
            r#"latency_seconds_bucket{le="0.5"} = 1 @ 2000 since 1000"#,
            r#"latency_seconds_bucket{le="2"} = 3 @ 2000 since 1000"#,
            r#"latency_seconds_bucket{le="+Inf"} = 6 @ 2000 since 1000"#,
            r#"latency_seconds_bucket{le="2"} has {trace_id="0102030405060708090a0b0c0d0e0f10", user="u"} = 2 @ 1500"#,
            r#"latency_seconds_bucket{le="+Inf"} has {} = 9 @ 1500"#,
            r#"latency_seconds is a histogram in "seconds": "#,
        ],
    );
    check_with(
        &Settings { native_histograms: true, ..settings() },
        &request("", HISTOGRAM),
        &[
            "latency_seconds = schema -53 count 6 sum 4.5 zero 0 positive [(0, 1.0), (1, 2.0), (2, 3.0)] negative [] bounds [0.5, 2.0] @ 2000 since 1000",
            r#"latency_seconds has {trace_id="0102030405060708090a0b0c0d0e0f10", user="u"} = 2 @ 1500"#,
            "latency_seconds has {} = 9 @ 1500",
            r#"latency_seconds is a histogram in "seconds": "#,
        ],
    );
    // Without buckets and without a sum; the end of a series.
    check(
        "",
        r#"{"name":"x","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"2000000000","count":2},
             {"timeUnixNano":"3000000000","flags":1,"bucketCounts":[0,0],"explicitBounds":[1]}]}}"#,
        &[
            "x_count = 2 @ 2000",
            r#"x_bucket{le="+Inf"} = 2 @ 2000"#,
            "x_count = stale @ 3000",
            r#"x_bucket{le="1"} = stale @ 3000"#,
            r#"x_bucket{le="+Inf"} = stale @ 3000"#,
            r#"x is a histogram in "": "#,
        ],
    );
}

#[test]
fn exponential_histograms_and_summaries() {
    check(
        "",
        r#"{"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[
              {"startTimeUnixNano":"1000000000","timeUnixNano":"2000000000","count":7,"sum":8,"scale":1,"zeroCount":1,
               "positive":{"offset":-1,"bucketCounts":["1","2"]},"negative":{"offset":3,"bucketCounts":[3]}},
              {"timeUnixNano":"3000000000","flags":1}]}},
           {"name":"s","summary":{"dataPoints":[{"startTimeUnixNano":"1000000000","timeUnixNano":"2000000000","count":3,"sum":6,
               "quantileValues":[{"quantile":0.5,"value":2},{"quantile":1,"value":"NaN"}]}]}}"#,
        &[
            "s_sum = 6 @ 2000 since 1000",
            "s_count = 3 @ 2000 since 1000",
            r#"s{quantile="0.5"} = 2 @ 2000"#,
            r#"s{quantile="1"} = NaN @ 2000"#,
            "e = schema 1 count 7 sum 8 zero 1 positive [(0, 1.0), (1, 2.0)] negative [(4, 3.0)] bounds [] @ 2000 since 1000",
            "e = stale @ 3000",
            r#"e is a histogram in "": "#,
            r#"s is a summary in "": "#,
        ],
    );
}

#[test]
fn deltas_are_added_up() {
    let sum = |start: u64, time: u64, value: u64| {
        format!(
            r#"{{"name":"d","sum":{{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{{"startTimeUnixNano":"{start}000000",
               "timeUnixNano":"{time}000000","asInt":"{value}"}}]}}}},{{"name":"h","histogram":{{"aggregationTemporality":1,"dataPoints":[
               {{"startTimeUnixNano":"{start}000000","timeUnixNano":"{time}000000","count":{value},"sum":{value},
               "bucketCounts":[0,{value}],"explicitBounds":[1]}}]}}}}"#
        )
    };
    let (known, mut deltas) = (KnownLabels::new(100), Deltas::new(1 << 20));
    for (start, time, value, want) in [
        (1_000, 2_000, 5, "5 @ 2000 since 1000"),
        (2_000, 3_000, 2, "7 @ 3000 since 1000"),
        (2_000, 3_000, 2, ""),
    ] {
        let received = decode_with(&request("", &sum(start, time, value)), &settings(), &known, &mut deltas);
        let got = lines(&received);
        let wants: Vec<String> = match want {
            "" => Vec::new(),
            want => {
                let at = want.split_once(' ').unwrap().1;
                vec![
                    format!("d_total = {want}"),
                    format!("h_sum = {want}"),
                    format!("h_count = {want}"),
                    format!("h_bucket{{le=\"1\"}} = 0 {at}"),
                    format!("h_bucket{{le=\"+Inf\"}} = {want}"),
                ]
            }
        };
        let described =
            ["d_total is a counter in \"\": ".to_string(), "h is a histogram in \"\": ".to_string()];
        assert_eq!(got, [wants, described.to_vec()].concat());
    }
    let late = decode_with(&request("", &sum(500, 1_500, 1)), &settings(), &known, &mut deltas);
    assert_eq!(late.decoded.rejects[0].reason, model::RejectReason::OutOfOrder);
    assert_eq!((late.decoded.rejects[0].samples, late.points), (2, 2));
    assert!(has_deltas(&message(&request("", &sum(1, 2, 3)))).unwrap());
    assert!(!has_deltas(&message(&request("", HISTOGRAM))).unwrap());
    // Nobody to add them up.
    let alone = message(&request("", &sum(1, 2, 3)));
    let alone = decode_metrics(&alone, &settings(), &Limits::default(), &known, None).unwrap();
    assert_eq!(alone.decoded.rejects[0].reason, model::RejectReason::Unsupported);
}

/// A bad point between two good ones: the good ones are kept.
#[test]
fn one_bad_point_spoils_only_itself() {
    let good = |i: u32| {
        format!(r#"{{"name":"g","gauge":{{"dataPoints":[{{"timeUnixNano":"{i}000000000","asInt":{i}}}]}}}}"#)
    };
    let gauge = |point: &str| format!(r#"{{"name":"bad","gauge":{{"dataPoints":[{{{point}}}]}}}}"#);
    let many: Vec<String> = (0..70).map(|i| attribute(&format!("a{i}"), "v")).collect();
    let long = "v".repeat(5_000);
    for (bad, words) in [
        (gauge(r#""timeUnixNano":"1""#), "malformed (1 samples): bad: a point has no value"),
        (
            r#"{"name":"bad","sum":{"dataPoints":[{"timeUnixNano":"1","asInt":1}]}}"#.into(),
            "malformed (1 samples): bad: it does not say whether",
        ),
        (gauge(&format!(r#""asInt":1,"attributes":[{}]"#, many.join(","))), "too_many_labels (1 samples): bad: 70 attributes"),
        (gauge(&format!(r#""asInt":1,"attributes":[{}]"#, attribute("x", &long))), "label_too_long (1 samples): bad: label"),
        (gauge(&format!(r#""asInt":1,"attributes":[{}]"#, attribute("", "x"))), "invalid_name (1 samples): bad: attribute"),
        (r#"{"name":"..","gauge":{"dataPoints":[{"asInt":1}]}}"#.into(), "invalid_name (1 samples): metric .. has a name"),
        (
            r#"{"name":"bad","histogram":{"aggregationTemporality":2,"dataPoints":[{"bucketCounts":[1],"explicitBounds":[1]}]}}"#.into(),
            "malformed (1 samples): bad: it has 1 buckets for 1 bounds",
        ),
        (
            r#"{"name":"bad","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"scale":-9}]}}"#.into(),
            "malformed (1 samples): bad: its scale is -9",
        ),
    ] {
        let json = request("", &[good(1), bad, good(2)].join(","));
        let received = decode_with(&json, &settings(), &KnownLabels::new(10), &mut Deltas::new(0));
        let got = lines(&received);
        assert_eq!(got[..2], ["g = 1 @ 1000", "g = 2 @ 2000"], "{words}");
        let refused = got.last().unwrap();
        assert!(refused.starts_with(&format!("refused: {words}")), "{refused} does not say {words}");
        assert_eq!(received.points, 3);
    }
    // Deltas without room.
    let json = request(
        "",
        r#"{"name":"d","sum":{"aggregationTemporality":1,"dataPoints":[{"timeUnixNano":"1","asInt":1}]}}"#,
    );
    let full = decode_with(&json, &settings(), &KnownLabels::new(10), &mut Deltas::new(0));
    assert_eq!(full.decoded.rejects[0].reason, model::RejectReason::TooManySeries);
}

#[test]
fn more_than_the_limits_is_counted() {
    let points: Vec<String> =
        (0..5).map(|i| format!(r#"{{"timeUnixNano":"1000000","asInt":{i}}}"#)).collect();
    let json = request("", &format!(r#"{{"name":"g","gauge":{{"dataPoints":[{}]}}}}"#, points.join(",")));
    let limits = Limits { samples_per_request_max: 3, ..Limits::default() };
    let received = decode_metrics(&message(&json), &settings(), &limits, &KnownLabels::new(0), None).unwrap();
    assert_eq!((received.decoded.batch.samples.len(), received.points), (3, 5));
    let few = Limits { series_per_request_max: 2, ..Limits::default() };
    let error = decode_metrics(&message(&json), &settings(), &few, &KnownLabels::new(0), None).unwrap_err();
    assert_eq!(error.kind, stdx::ErrorKind::TooLarge);
    assert_eq!(
        (received.decoded.rejects[0].reason, received.decoded.rejects[0].samples),
        (model::RejectReason::TooLarge, 2)
    );
}

#[test]
fn bodies_that_are_something_else() {
    for bytes in [&b"\x0a\x05ab"[..], b"\x08\x01\x0a", b"\x0a\x02\x12\x05", b"\x08"] {
        let error =
            decode_metrics(bytes, &settings(), &Limits::default(), &KnownLabels::new(0), None).unwrap_err();
        assert!(error.to_string().contains("not an OTLP metrics request"), "{error}");
    }
    let nothing = decode_metrics(b"", &settings(), &Limits::default(), &KnownLabels::new(0), None).unwrap();
    assert_eq!((nothing.points, nothing.decoded.batch.series), (0, Vec::<Labels>::new()));
}
