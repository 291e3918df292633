//! Traces as senders send them and people ask for them: found, shown whole, counted, mapped; hostile ones; and a kill in between.

use crate::support::http::encode;
use crate::support::{Home, Midwatch, eventually, now_ms};
use serde_json::Value as Json;
use std::io::Write;

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A span: id, parent, name, kind, begin and length in milliseconds (the begin counted from a minute ago), more fields.
struct Span<'a>(u64, u64, &'a str, u8, i64, i64, &'a str);

fn trace_id(n: u64) -> String {
    format!("4bf92f3577b34da6{n:016x}")
}

fn spans(trace: u64, service: &str, all: &[Span<'_>]) -> String {
    let begin_ms = now_ms() - 60_000;
    let one = |Span(id, parent, name, kind, at, long, more): &Span<'_>| {
        let parent = if *parent == 0 { String::new() } else { format!("{parent:016x}") };
        format!(
            r#"{{"traceId":"{}","spanId":"{id:016x}","parentSpanId":"{parent}","name":"{name}","kind":{kind},
                "startTimeUnixNano":"{}000000","endTimeUnixNano":"{}000000"{more}}}"#,
            trace_id(trace),
            begin_ms + at,
            begin_ms + at + long
        )
    };
    let all: Vec<String> = all.iter().map(one).collect();
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"{service}"}}}},
            {{"key":"host.name","value":{{"stringValue":"vm1"}}}}]}},"scopeSpans":[{{"spans":[{}]}}]}}]}}"#,
        all.join(",")
    )
}

fn send(midwatch: &Midwatch, body: &str) -> Json {
    let answer = midwatch.post("/v1/traces", &[JSON], body.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

const ERROR: &str = r#","status":{"code":2,"message":"no stock"},
    "attributes":[{"key":"user.id","value":{"stringValue":"ada"}}],
    "events":[{"name":"exception","attributes":[{"key":"exception.type","value":{"stringValue":"NoStock"}}]}]"#;
const DATABASE: &str = r#","attributes":[{"key":"db.system","value":{"stringValue":"postgresql"}}]"#;

#[test]
fn traces_are_found_shown_counted_and_mapped() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    // The one who answers comes first, as it happens.
    let cart = [Span(3, 2, "GET /cart/17", 2, 20, 60, ERROR), Span(4, 3, "select", 3, 30, 40, DATABASE)];
    assert_eq!(send(&midwatch, &spans(1, "cart", &cart)), serde_json::json!({}));
    let web = [Span(1, 0, "GET /", 2, 0, 100, ""), Span(2, 1, "call cart", 3, 10, 80, "")];
    send(&midwatch, &spans(1, "web", &web));
    send(&midwatch, &spans(2, "web", &[Span(1, 0, "GET /", 2, 5_000, 10, "")]));

    let ids = |query: &str| -> Vec<String> {
        let found = midwatch.data(&format!("/api/v1/traces/search?{query}"));
        found["traces"].as_array().unwrap().iter().map(|t| t["trace_id"].as_str().unwrap().into()).collect()
    };
    let (one, two) = (trace_id(1), trace_id(2));
    for (query, want) in [
        ("", vec![&two, &one]),
        ("order=slowest", vec![&one, &two]),
        ("service=cart", vec![&one]),
        ("operation=select&service=cart", vec![&one]),
        ("status=error", vec![&one]),
        ("min_duration=50ms&service=web", vec![&one]),
        ("max_duration=20ms", vec![&two]),
        ("attribute=user.id%3Dada", vec![&one]),
        ("attribute=user.id%3Deve", vec![]),
        ("attribute=db.system", vec![&one]),
        ("limit=1", vec![&two]),
        ("limit=1&cursor=1", vec![&one]),
        ("start=100&end=200", vec![]),
    ] {
        assert_eq!(ids(query).iter().collect::<Vec<_>>(), want, "{query}");
    }
    let found = midwatch.data("/api/v1/traces/search?limit=1");
    assert_eq!(
        (found["found"].as_u64(), found["next"].as_u64(), found["points"][1][2].as_u64()),
        (Some(2), Some(1), Some(1))
    );
    let listed = &midwatch.data("/api/v1/traces/search?service=cart")["traces"][0];
    assert_eq!(
        (listed["root_service"].as_str(), listed["spans"].as_u64(), listed["errors"].as_u64()),
        (Some("web"), Some(4), Some(1))
    );

    let trace = midwatch.data(&format!("/api/v1/traces/{one}"));
    let names: Vec<_> =
        trace["spans"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["GET /", "call cart", "GET /cart/17", "select"]);
    let failed = &trace["spans"][2];
    assert_eq!(
        (failed["message"].as_str(), failed["attributes"]["user.id"].as_str()),
        (Some("no stock"), Some("ada"))
    );
    assert_eq!(failed["events"][0]["attributes"]["exception.type"], "NoStock");
    assert_eq!(
        (failed["self_ns"].as_u64(), trace["duration_ns"].as_u64()),
        (Some(20_000_000), Some(100_000_000))
    );
    assert_eq!(midwatch.get(&format!("/api/v1/traces/{}", trace_id(9))).status, 404);
    assert_eq!(midwatch.get("/api/v1/traces/xyz").status, 400);
    assert_eq!(midwatch.own("midwatch_samples_accepted_total{source=\"otlp_traces\"}"), 5.0);

    // What is counted of them comes some seconds later, and is a metric like any other.
    let calls = r#"traces_span_metrics_calls_total{service_name="cart",span_name="GET /cart/{id}",status_code="STATUS_CODE_ERROR"}"#;
    eventually("calls are counted", || midwatch.value(calls).map(|n| assert_eq!(n, 1.0)));
    let edge = r#"traces_service_graph_request_failed_total{client="web",server="cart"}"#;
    eventually("calls between services are counted", || midwatch.value(edge).map(|n| assert_eq!(n, 1.0)));
    let slow = r#"histogram_quantile(0.5, traces_span_metrics_duration_seconds{service_name="cart",span_name="select"})"#;
    let seconds = midwatch.value(slow).unwrap();
    assert!((0.036..0.044).contains(&seconds), "{seconds}");
    let examples = midwatch.data(&format!(
        "/api/v1/query_exemplars?query={}",
        encode(r#"traces_span_metrics_duration_seconds{service_name="cart"}"#)
    ));
    assert_eq!(examples[0]["exemplars"][0]["labels"]["trace_id"], one.as_str(), "{examples}");
    let map = midwatch.data("/api/v1/services/map");
    let edges: Vec<String> = map["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| format!("{}>{}", e["client"].as_str().unwrap(), e["server"].as_str().unwrap()))
        .collect();
    assert_eq!(
        (edges, map["source"].as_str()),
        (vec!["cart>postgresql".into(), "user>web".into(), "web>cart".into()], Some("metrics"))
    );
}

#[test]
fn hostile_spans_spoil_nothing() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let many = vec![r#"{"key":"k","value":{"stringValue":"v"}}"#; 10_000].join(",");
    let many = format!(r#","attributes":[{many}]"#);
    let all = [
        // A circle, a parent that is not there, a span twice, too many attributes.
        Span(1, 2, "a", 1, 0, 10, ""),
        Span(2, 1, "b", 1, 0, 10, ""),
        Span(3, 77, "c", 1, 0, 10, ""),
        Span(4, 0, "d", 1, 0, 10, &many),
        Span(4, 0, "d", 1, 0, 10, ""),
        Span(5, 4, "<img src=x onerror=alert(1)>\\u0000\\u001b[31m", 1, 0, 10, ""),
        // Refused: ahead of time, an id of zeros, an id of the wrong length.
        Span(6, 0, "ahead", 1, 9_999_999_999, 10, ""),
        Span(0, 0, "zeros", 1, 0, 10, ""),
        Span(7, 0, "short", 1, 0, 10, r#","traceId":"abcd""#),
    ];
    let told = send(&midwatch, &spans(1, "hostile", &all));
    assert_eq!(told["partialSuccess"]["rejectedSpans"], "3", "{told}");
    let why = told["partialSuccess"]["errorMessage"].as_str().unwrap();
    assert!(why.contains("invalid_id (2 spans)") && why.contains("too_far_in_future (1 spans)"), "{why}");
    let trace = midwatch.data(&format!("/api/v1/traces/{}", trace_id(1)));
    let number = |name: &str| trace[name].as_u64().unwrap();
    assert_eq!((number("circles"), number("orphans"), number("duplicates")), (1, 1, 1));
    assert_eq!(trace["spans"].as_array().unwrap().len(), 5);
    let cut = trace["spans"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|s| s["attributes"]["otel.dropped_attributes_count"].as_str());
    // Of the two that are the same one is shown.
    assert!(matches!(cut, Some("9744") | None), "{cut:?}");
    assert_eq!(midwatch.own("midwatch_spans_cut_total"), 9_744.0);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&vec![0; 200 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    let gzip = [("Content-Type", "application/x-protobuf"), ("Content-Encoding", "gzip")];
    for (headers, body, status) in [
        (&gzip[..], &bomb[..], 400),
        (&gzip[..1], b"\x0a\x05", 400),
        (&[JSON], b"{\"resourceSpans\":3}", 400),
    ] {
        assert_eq!(midwatch.post("/v1/traces", headers, body).unwrap().status, status);
    }
    for query in ["attribute=%00", "service=%22", "operation=*", "cursor=99999999999", "min_duration=1e300s"]
    {
        let status = midwatch.get(&format!("/api/v1/traces/search?{query}")).status;
        assert!(status == 200 || status == 400, "{query}: {status}");
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    for trace in 1..=50 {
        send(
            &midwatch,
            &spans(trace, "durable", &[Span(1, 0, "GET /", 2, 0, 10, ""), Span(2, 1, "work", 1, 1, 5, "")]),
        );
    }
    midwatch.kill();
    let midwatch = home.serve_quietly();
    for trace in 1..=50 {
        let trace = midwatch.data(&format!("/api/v1/traces/{}", trace_id(trace)));
        assert_eq!(trace["spans"].as_array().unwrap().len(), 2);
    }
    assert_eq!(midwatch.data("/api/v1/traces/search?service=durable&limit=1")["found"], 50);
}

#[test]
fn a_share_is_kept_when_that_is_asked_for_and_errors_always() {
    let home = Home::new();
    let serve = |recent_age: &str| {
        let spans = "[spans]\nkeep_one_in = 1000000\nquiet_for = \"100ms\"\n";
        home.write("midwatch.toml", &format!("[tables]\nrecent_age = \"{recent_age}\"\n{spans}"));
        home.serve(&["--no-host", "--no-discover", "--config", "midwatch.toml"])
    };
    let midwatch = serve("1h");
    for trace in 1..=40 {
        let more = if trace == 7 { r#","status":{"code":2}"# } else { "" };
        // Spread over all values, as random ids are.
        let id = trace | 0x00ff_0000_0000_0000;
        send(
            &midwatch,
            &spans(id, "web", &[Span(1, 0, "GET /", 2, 0, 10, ""), Span(2, 1, "work", 1, 0, 5, more)]),
        );
    }
    let found = |midwatch: &Midwatch, wanted: (u64, u64)| {
        eventually("all are decided, and so many found", || {
            let found = midwatch.data("/api/v1/traces/search?limit=100");
            match (found["sampled"][0]["dropped"].as_u64(), found["found"].as_u64()) {
                (Some(dropped), Some(traces)) if (dropped, traces) == wanted => Ok(found),
                other => Err(format!("dropped and found: {other:?}")),
            }
        })
    };
    // The last minutes are whole, and durable: nothing that was acknowledged waits in memory.
    found(&midwatch, (39, 40));
    midwatch.kill();
    let midwatch = serve("1s");
    let found = found(&midwatch, (39, 1));
    assert_eq!(found["traces"].as_array().unwrap().len(), 1);
    assert_eq!(
        (found["traces"][0]["errors"].as_u64(), found["traces"][0]["spans"].as_u64()),
        (Some(1), Some(2))
    );
    eventually("what was dropped is counted", || match midwatch.own("midwatch_spans_dropped_total") {
        78.0 => Ok(()),
        n => Err(n.to_string()),
    });
    midwatch.kill();
    assert_eq!(serve("1h").data("/api/v1/traces/search?limit=100")["found"], 1);
}
