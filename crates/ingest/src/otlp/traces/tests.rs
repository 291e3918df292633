//! Requests in JSON, and the spans and refusals that become of them: a line for each.

use super::*;

const NOW_NS: i64 = 1_700_000_000_000_000_000;
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn request(spans: &str) -> String {
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[
            {{"key":"service.name","value":{{"stringValue":"cart"}}}},
            {{"key":"host.name","value":{{"stringValue":"vm1"}}}},
            {{"key":"service.version","value":{{"stringValue":"1.2"}}}}]}},
          "scopeSpans":[{{"scope":{{"name":"http"}},"spans":[{spans}]}}]}}]}}"#
    )
}

fn decode(json: &str) -> ReceivedSpans {
    let message = traces_message(json.as_bytes().to_vec(), Content::Json, &Limits::default()).unwrap();
    decode_traces(&message, NOW_NS, &Limits::default()).unwrap()
}

fn lines(received: &ReceivedSpans) -> Vec<String> {
    let mut out = Vec::new();
    for span in &received.batch.spans {
        let origin = received.batch.origin(span);
        let parent = span.parent_id.map_or("-".into(), |p| p.to_string());
        out.push(format!(
            "{}@{} {} {} {:?} {} {:?} {}+{} {:?} {:?} {:?}",
            origin.service,
            origin.host,
            span.span_id,
            parent,
            span.name,
            span.kind.name(),
            span.status,
            span.start_ns - NOW_NS,
            span.duration_ns,
            span.attributes,
            span.events.iter().map(|e| format!("{} {:?}", e.name, e.attributes)).collect::<Vec<_>>(),
            span.links.iter().map(|l| l.span_id.to_string()).collect::<Vec<_>>(),
        ));
    }
    out.extend(
        received.rejects.iter().map(|r| format!("{} {}: {}", r.reason.as_str(), r.samples, r.message)),
    );
    out
}

/// The usual fields; later ones in `more` go before them.
fn span(id: &str, more: &str) -> String {
    format!(
        r#"{{"traceId":"{TRACE}","spanId":"{id}","name":"GET /","startTimeUnixNano":"{}","endTimeUnixNano":"{}"{more}}}"#,
        NOW_NS - 1000,
        NOW_NS - 400
    )
}

#[test]
fn a_whole_span() {
    let more = r#","parentSpanId":"00f067aa0ba902b8","kind":"SPAN_KIND_SERVER","status":{"code":2,"message":"no"},
        "attributes":[{"key":"http.status","value":{"intValue":"500"}},{"key":"tags","value":{"arrayValue":{"values":[{"stringValue":"a"}]}}}],
        "droppedAttributesCount":3,
        "events":[{"timeUnixNano":"5","name":"exception","attributes":[{"key":"exception.type","value":{"stringValue":"E"}}]}],
        "links":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902ff"},{"traceId":"00","spanId":"01"}]"#;
    let received = decode(&request(&span("00f067aa0ba902b7", more)));
    assert_eq!(
        lines(&received),
        [
            r#"cart@vm1 00f067aa0ba902b7 00f067aa0ba902b8 "GET /" server Error -1000+600 {"http.status": "500", "tags": "[\"a\"]", "otel.dropped_attributes_count": "3", "otel.scope.name": "http"} ["exception {\"exception.type\": \"E\"}"] ["00f067aa0ba902ff"]"#
        ]
    );
    assert_eq!(received.batch.spans[0].status_message, "no");
    assert_eq!(received.batch.origins[0].attributes.get("service.version"), Some("1.2"));
    assert_eq!((received.spans, received.cut), (1, 1), "a link to nowhere is left out and counted");
}

#[test]
fn what_is_refused_says_why_and_spoils_nothing() {
    let zeros = "0".repeat(16);
    for (bad, want) in [
        (span("00f067aa0ba902", ""), "invalid_id 1: span \"GET /\" has a span id of 7 bytes, not 8"),
        (span("", ""), "invalid_id 1: span \"GET /\" has a span id of 0 bytes, not 8"),
        (span("not hexadecimal!", ""), "invalid_id 1: span \"GET /\" has a span id of 1 bytes, not 8"),
        (span(&zeros, ""), "invalid_id 1: span \"GET /\" has a span id of zeros"),
        (
            span("00f067aa0ba902b7", r#","traceId":"4bf92f3577b34da6""#),
            "invalid_id 1: span \"GET /\" has a trace id of 8 bytes, not 16",
        ),
        (
            span("00f067aa0ba902b7", r#","parentSpanId":"01ff""#),
            "invalid_id 1: span \"GET /\" has a parent's id of 2 bytes, not 8",
        ),
        (
            span("00f067aa0ba902b7", r#","startTimeUnixNano":"0""#),
            "malformed 1: span \"GET /\" has no start time",
        ),
        (
            span("00f067aa0ba902b7", r#","endTimeUnixNano":"18446744073709551615""#),
            "too_far_in_future 1: span \"GET /\" reaches 16746744073 s ahead of this machine's clock",
        ),
    ] {
        let good = span("00f067aa0ba902ff", "");
        let received = decode(&request(&format!("{bad},{good}")));
        let lines = lines(&received);
        assert!(lines[0].contains("00f067aa0ba902ff"), "{lines:?}");
        assert_eq!(lines[1..], [want], "{bad}");
        assert_eq!(received.spans, 2);
    }
}

#[test]
fn a_parent_of_zeros_is_nobody_and_an_end_before_the_start_no_time() {
    let more = format!(r#","parentSpanId":"{}","endTimeUnixNano":"7""#, "0".repeat(16));
    let received = decode(&request(&span("00f067aa0ba902b7", &more)));
    let span = &received.batch.spans[0];
    assert_eq!((span.parent_id, span.duration_ns), (None, 0));
}

#[test]
fn floods_of_attributes_events_and_links_are_bounded_and_counted() {
    let attribute = r#"{"key":"k","value":{"intValue":1}}"#;
    let attributes = [attribute; 10_000].join(",");
    let events = [r#"{"name":"e"}"#; 1_000].join(",");
    let long = "x".repeat(100_000);
    let more = format!(
        r#","attributes":[{{"key":"long","value":{{"stringValue":"{long}"}}}},{attributes}],"events":[{events}],
           "links":[{events}]"#
    );
    let received = decode(&request(&span("00f067aa0ba902b7", &more)));
    let span = &received.batch.spans[0];
    assert_eq!(span.attributes.get("long").map(str::len), Some(VALUE_BYTES_MAX));
    assert_eq!(span.attributes.get("otel.dropped_attributes_count"), Some("9745"));
    assert_eq!(span.attributes.get("otel.dropped_events_count"), Some("744"));
    assert_eq!((span.events.len(), span.links.len()), (EVENTS_MAX, 0));
    assert_eq!(received.cut, 9_745 + 744 + 1 + 1_000);
    let many = vec![self::span("00f067aa0ba902b7", ""); SPANS_PER_REQUEST_MAX / 1_000].join(",");
    let scopes = vec![format!(r#"{{"spans":[{many}]}}"#); 1_001].join(",");
    let json = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{scopes}]}}]}}"#);
    let limits = Limits::default();
    let message = traces_message(json.into_bytes(), Content::Json, &limits).unwrap();
    let received = decode_traces(&message, NOW_NS, &limits).unwrap();
    assert_eq!(received.batch.spans.len(), SPANS_PER_REQUEST_MAX);
    assert_eq!((received.rejects[0].reason, received.rejects[0].samples), (RejectReason::TooLarge, 100));
}

#[test]
fn bodies_that_are_no_request_are_errors_and_broken_spans_are_rejects() {
    let limits = Limits::default();
    for bytes in [&b"\x0a\x05ab"[..], b"\x0b", b"\x0a\x02\x12\x05"] {
        assert!(decode_traces(bytes, NOW_NS, &limits).is_err(), "{bytes:x?}");
    }
    // ResourceSpans { ScopeSpans { Span { trace_id: varint } } }
    let received = decode_traces(b"\x0a\x06\x12\x04\x12\x02\x08\x01", NOW_NS, &limits).unwrap();
    assert_eq!((received.spans, received.rejects[0].reason), (1, RejectReason::Malformed));
    assert!(received.batch.origins.is_empty());
}
