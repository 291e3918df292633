//! OpenTelemetry's protocol as senders speak it: HTTP with JSON and protobuf, gRPC, compressed or not, and what they are told.

use crate::support::http::{self, encode};
use crate::support::{Home, Midwatch, now_ms};
use h2::client::SendRequest;
use ingest::otlp::Content;
use std::io::Write;
use std::net::SocketAddr;

/// A request with one gauge, in JSON.
fn gauge(name: &str, value: f64) -> String {
    format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"shop"}}}}]}},
            "scopeMetrics":[{{"metrics":[{{"name":"{name}","gauge":{{"dataPoints":[
                {{"timeUnixNano":"{}000000","asDouble":{value}}}]}}}}]}}]}}]}}"#,
        now_ms()
    )
}

fn protobuf(json: &str) -> Vec<u8> {
    ingest::otlp::metrics_message(json.as_bytes().to_vec(), Content::Json, &ingest::Limits::default())
        .unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const JSON: (&str, &str) = ("Content-Type", "application/json");
const PROTOBUF: (&str, &str) = ("Content-Type", "application/x-protobuf");

fn value(midwatch: &Midwatch, name: &str) -> f64 {
    midwatch.value(&format!("{name}{{job=\"shop\"}}")).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn by_http_in_every_form() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    for (name, path, headers, body) in [
        ("a", "/v1/metrics", vec![JSON], gauge("a", 1.5).into_bytes()),
        ("b", "/api/v1/otlp/v1/metrics", vec![PROTOBUF], protobuf(&gauge("b", 1.5))),
        ("c", "/v1/metrics", vec![JSON, ("Content-Encoding", "gzip")], gzip(gauge("c", 1.5).as_bytes())),
        ("d", "/v1/metrics", vec![PROTOBUF, ("Content-Encoding", "zstd")], zstd(&protobuf(&gauge("d", 1.5)))),
    ] {
        let answer = midwatch.post(path, &headers, &body).unwrap();
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert_eq!(answer.header("content-type"), headers[0].1);
        assert_eq!(answer.text(), if headers[0] == JSON { "{}" } else { "" });
        assert_eq!(value(&midwatch, name), 1.5);
    }
    assert_eq!(midwatch.own("midwatch_samples_accepted_total{source=\"otlp\"}"), 4.0);

    // A bad point beside nothing: told, and no reason to send it again. A stale time, refused behind the decoder.
    let nameless = midwatch.post("/v1/metrics", &[JSON], gauge("..", 1.0).as_bytes()).unwrap();
    assert_eq!(nameless.status, 200);
    assert_eq!(nameless.json()["partialSuccess"]["rejectedDataPoints"], "1", "{}", nameless.text());
    let ahead = gauge("ahead", 1.0).replace(&now_ms().to_string()[..4], "9999");
    let ahead = midwatch.post("/v1/metrics", &[JSON], ahead.as_bytes()).unwrap();
    assert!(ahead.text().contains("too_far_in_future"), "{}", ahead.text());

    let bomb = gzip(&vec![0; 200 << 20]);
    for (headers, body, status, words) in [
        (vec![("Content-Type", "text/plain")], b"{}".to_vec(), 415, "application/json"),
        (vec![JSON, ("Content-Encoding", "br")], b"{}".to_vec(), 415, "gzip or zstd"),
        (vec![JSON], b"{".to_vec(), 400, "not OTLP in JSON"),
        (vec![PROTOBUF], b"\x0a\x05".to_vec(), 400, "not an OTLP metrics request"),
        (vec![PROTOBUF, ("Content-Encoding", "gzip")], b"plain".to_vec(), 400, "decompressed"),
        (vec![PROTOBUF, ("Content-Encoding", "gzip")], bomb, 400, "more than 134217728 bytes"),
        (vec![PROTOBUF], vec![0; 33 << 20], 413, "longer than"),
    ] {
        let answer = midwatch.post("/v1/metrics", &headers, &body).unwrap();
        assert_eq!(answer.status, status, "{words}: {}", answer.text());
        assert!(answer.text().contains(words), "{} does not say {words}", answer.text());
    }
    // 128 MiB may be decompressed, twice while a buffer grows; the allocator gives pages back after a while only.
    let resident = midwatch.own("process_resident_memory_bytes");
    assert!(resident < 600e6, "{resident} bytes");
}

#[test]
fn deltas_go_on_where_they_were() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let start = now_ms() - 60_000;
    let delta = |from: i64, to: i64, value: u32| {
        format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"sold","sum":{{"aggregationTemporality":1,"isMonotonic":true,
               "dataPoints":[{{"startTimeUnixNano":"{}000000","timeUnixNano":"{}000000","asInt":"{value}"}}]}}}}]}}]}}]}}"#,
            start + from,
            start + to
        )
    };
    for body in [delta(0, 1_000, 5), delta(1_000, 2_000, 2), delta(1_000, 2_000, 2), delta(2_000, 3_000, 1)] {
        let answer = midwatch.post("/v1/metrics", &[JSON], body.as_bytes()).unwrap();
        assert_eq!((answer.status, answer.text()), (200, "{}".into()));
    }
    assert_eq!(midwatch.export("sold_total")[0].values, [5.0, 7.0, 8.0]);
    let late = midwatch.post("/v1/metrics", &[JSON], delta(500, 1_500, 2).as_bytes()).unwrap();
    assert!(late.text().contains("out_of_order"), "{}", late.text());
}

/// The ports that a server says it takes OTLP at.
fn ports(midwatch: &Midwatch) -> Vec<SocketAddr> {
    let out = midwatch.process.stdout();
    let line = out.lines().find_map(|line| line.strip_prefix("Takes OTLP by ")).unwrap_or("").to_string();
    line.split(", ").filter_map(|part| part.rsplit_once(' ')?.1.parse().ok()).collect()
}

/// `grpc-status`, `grpc-message` and the message of a call.
type Answered = (String, String, Vec<u8>);

async fn call(sender: &mut SendRequest<bytes::Bytes>, path: &str, encoding: &str, body: Vec<u8>) -> Answered {
    let request = ::http::Request::post(format!("http://127.0.0.1{path}"))
        .header("content-type", "application/grpc")
        .header("grpc-encoding", encoding)
        .header("te", "trailers")
        .body(())
        .unwrap();
    let mut ready = sender.clone().ready().await.unwrap();
    let (answer, mut stream) = ready.send_request(request, false).unwrap();
    stream.send_data(body.into(), true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/grpc");
    let (head, mut body) = answer.into_parts();
    let mut message = Vec::new();
    while let Some(part) = body.data().await {
        let part = part.unwrap();
        body.flow_control().release_capacity(part.len()).unwrap();
        message.extend(part);
    }
    let end = body.trailers().await.unwrap().unwrap_or(head.headers);
    let text = |name: &str| end.get(name).map_or("", |v| v.to_str().unwrap()).to_string();
    (text("grpc-status"), text("grpc-message"), message)
}

fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &(message.len() as u32).to_be_bytes(), message].concat()
}

#[test]
fn by_grpc_and_http_on_their_own_ports() {
    const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    let home = Home::new();
    home.write("midwatch.toml", "[otlp]\nlisten_grpc = \"127.0.0.1:0\"\nlisten_http = \"127.0.0.1:0\"\n");
    let midwatch = home.serve_with_otlp(&["--no-host", "--no-discover", "--config", "midwatch.toml"]);
    let [grpc, by_http] = ports(&midwatch)[..] else { panic!("{}", midwatch.process.stdout()) };
    let answer = http::ask(by_http, "POST", "/v1/metrics", &[JSON], gauge("h", 2.0).as_bytes()).unwrap();
    assert_eq!((answer.status, answer.text()), (200, "{}".into()));
    assert_eq!(http::ask(by_http, "GET", "/v1/metrics", &[], b"").unwrap().status, 405);
    assert_eq!(http::ask(by_http, "POST", "/v1/traces", &[JSON], b"{}").unwrap().text(), "{}");
    assert_eq!(http::ask(by_http, "POST", "/v1/profiles", &[JSON], b"{}").unwrap().status, 404);
    let elsewhere = [JSON, ("Origin", "http://evil.example")];
    assert_eq!(http::ask(by_http, "POST", "/v1/metrics", &elsewhere, b"{}").unwrap().status, 403);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(grpc).await.unwrap();
        let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let plain = frame(0, &protobuf(&gauge("g", 3.0)));
        assert_eq!(call(&mut sender, EXPORT, "identity", plain).await, ("0".into(), "".into(), vec![0; 5]));
        let packed = frame(1, &gzip(&protobuf(&gauge("z", 4.0))));
        assert_eq!(call(&mut sender, EXPORT, "gzip", packed).await.0, "0");
        let (status, _, partial) =
            call(&mut sender, EXPORT, "identity", frame(0, &protobuf(&gauge("..", 1.0)))).await;
        assert_eq!(status, "0");
        assert!(String::from_utf8_lossy(&partial).contains("invalid_name"), "{partial:x?}");
        for (path, encoding, body, status, words) in [
            (EXPORT, "br", frame(1, b""), "12", "gzip and zstd"),
            (EXPORT, "identity", frame(0, b"\x0a\x05"), "3", "not an OTLP metrics request"),
            (EXPORT, "identity", b"\0\0\0\0\x09".to_vec(), "3", "9 bytes, but 0 came"),
            (EXPORT, "identity", frame(0, &vec![0; 33 << 20]), "8", "longer than"),
            (
                "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
                "identity",
                frame(0, b""),
                "12",
                "metrics",
            ),
        ] {
            let (got, message, _) = call(&mut sender, path, encoding, body).await;
            assert_eq!(got, status, "{message}");
            assert!(message.contains(words), "{message} does not say {words}");
        }
        let traces = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        let nothing = call(&mut sender, traces, "identity", frame(0, b"")).await;
        assert_eq!(nothing, ("0".into(), "".into(), vec![0; 5]));
    });
    for (name, want) in [("h", 2.0), ("g", 3.0), ("z", 4.0)] {
        assert_eq!(value(&midwatch, name), want);
    }
    let found = midwatch.data(&format!("/api/v1/look/series?match={}", encode("g{job=\"shop\"}")));
    assert_eq!(found["source"]["kind"], "otlp", "{found}");
    drop(midwatch);

    // A port that is taken is told, and only fatal if that was asked for.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let toml = format!("[otlp]\nlisten_grpc = \"{address}\"\nlisten_http = \"\"\n");
    home.write("midwatch.toml", &toml);
    let flags = ["--no-host", "--no-discover", "--config", "midwatch.toml"];
    let midwatch = home.serve_with_otlp(&flags);
    assert!(ports(&midwatch).is_empty());
    let told = midwatch.stop().stderr;
    assert!(
        told.contains(&format!("OTLP by gRPC is not taken at {address}: another program has it")),
        "{told}"
    );
    home.write("midwatch.toml", &format!("{toml}required = true\n"));
    let ended = home.run(&[&["serve", "--listen", "127.0.0.1:0"], &flags[..]].concat());
    assert!(ended.code != Some(0) && ended.stderr.contains("OTLP by gRPC is not taken"), "{}", ended.stderr);
}
