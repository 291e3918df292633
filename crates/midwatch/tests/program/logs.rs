//! Logs that are sent: every way in, what is answered, what is found again, and what is refused with its reason.

use crate::support::http::encode;
use crate::support::{Home, Midwatch, eventually, now_ms};
use serde_json::{Value as Json, json};
use std::io::Write;
use std::net::{TcpStream, UdpSocket};

/// Texts that a query finds, the newest first.
pub fn bodies(midwatch: &Midwatch, query: &str) -> Vec<String> {
    let data = midwatch.data(&format!("/api/v1/logs/search?limit=1000&query={}", encode(query)));
    let records = data["records"].as_array().unwrap();
    records.iter().map(|r| r["body"].as_str().unwrap().to_string()).collect()
}

fn post(midwatch: &Midwatch, path: &str, content_type: &str, body: &[u8]) -> (u16, String) {
    let answer = midwatch.post(path, &[("Content-Type", content_type)], body).unwrap();
    (answer.status, answer.text())
}

fn otlp(records: &Json) -> Vec<u8> {
    let resource = json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": "cart" } }] });
    json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": records }] }] })
        .to_string()
        .into_bytes()
}

/// Now, as access logs have it.
fn access_time() -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let now = model::time::format_rfc3339_ms(now_ms() / 1000 * 1000);
    let month: usize = now[5..7].parse().unwrap();
    format!("{}/{}/{}:{} +0000", &now[8..10], MONTHS[month - 1], &now[..4], &now[11..19])
}

#[test]
fn every_way_in_is_answered_in_its_own_form_and_found_again() {
    let midwatch = Home::new();
    let midwatch = midwatch.serve_quietly();
    let json = "application/json";
    let now_ns = (now_ms() * 1_000_000).to_string();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let record = json!([{ "timeUnixNano": now_ns, "severityNumber": 17, "body": { "stringValue": "otlp says boom" }, "traceId": trace }]);
    assert_eq!(post(&midwatch, "/v1/logs", json, &otlp(&record)), (200, "{}".into()));
    let push = json!({ "streams": [{ "stream": { "app": "shop" }, "values": [[now_ns, "level=warn msg=\"loki says slow\" took=7"]] }] });
    assert_eq!(post(&midwatch, "/loki/api/v1/push", json, push.to_string().as_bytes()).0, 204);
    let bulk = "{\"create\":{}}\n{\"message\":\"bulk says hello\",\"user\":{\"id\":\"u-17\"}}\n";
    let (status, answer) = post(&midwatch, "/web/_bulk", "application/x-ndjson", bulk.as_bytes());
    assert!(
        status == 200 && answer.contains("\"errors\":false") && answer.contains("\"status\":201"),
        "{status} {answer}"
    );
    let lines = "{\"level\":\"info\",\"msg\":\"json says hi\",\"status\":503}\n10.0.0.1 - - [@] \"GET /x HTTP/1.1\" 500 12\nplain text with \u{1b}[31mcolour\n";
    assert_eq!(
        post(
            &midwatch,
            "/api/v1/logs?service=mixed",
            "text/plain",
            lines.replace('@', &access_time()).as_bytes()
        )
        .0,
        204
    );

    for (query, want) in [
        ("level:error boom", vec!["otlp says boom"]),
        ("service:cart", vec!["otlp says boom"]),
        (&format!("trace:{trace}"), vec!["otlp says boom"]),
        ("\"says slow\"", vec!["loki says slow"]),
        ("took>5", vec!["loki says slow"]),
        ("took>7", vec![]),
        ("user.id:u-17", vec!["bulk says hello"]),
        ("u-17", vec!["bulk says hello"]),
        ("status>=500", vec!["json says hi"]),
        ("/js.n says/", vec!["json says hi"]),
        ("url.path:/x", vec!["GET /x 500"]),
        ("service:mixed -level:info -http.request.method:*", vec!["plain text with \u{1b}[31mcolour"]),
    ] {
        assert_eq!(bodies(&midwatch, query), want, "{query}");
    }
    // What is known of one identifier, in the order of time.
    let known = midwatch.data("/api/v1/trace-a-bullet?id=u-17");
    assert_eq!(known["events"][0]["log"]["body"], "bulk says hello");
    let fields = midwatch.data("/api/v1/logs/fields");
    assert!(
        fields["fields"].as_array().unwrap().iter().any(|f| f["name"] == "service" && f["distinct"] == 4),
        "{fields}"
    );
    let histogram = midwatch.data("/api/v1/logs/histogram?steps=10&query=service:cart");
    assert_eq!(histogram["total"], 1);
    let patterns = midwatch.data("/api/v1/logs/patterns?level=error");
    assert!(
        patterns["new"].as_array().unwrap().iter().any(|p| p["example"] == "otlp says boom"),
        "{patterns}"
    );
    // The books: from where, and how many.
    let status = midwatch.data("/api/v1/status/midwatch");
    let sources = status["sources"].as_array().unwrap();
    for source in ["otlp_logs", "loki", "bulk", "logs_http"] {
        assert!(sources.iter().any(|s| s["source"] == source), "{source}: {status}");
    }
}

#[test]
fn pages_of_results_have_every_record_once() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    // Many at one instant: a page ends among them.
    let now_ns = now_ms() * 1_000_000;
    let records: Vec<Json> = (0..95)
        .map(|i| json!({ "timeUnixNano": (now_ns + i / 40).to_string(), "body": { "stringValue": format!("record {i}") } }))
        .collect();
    assert_eq!(post(&midwatch, "/v1/logs", "application/json", &otlp(&json!(records))).0, 200);
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let data = midwatch.data(&format!("/api/v1/logs/search?limit=10&cursor={cursor}"));
        seen.extend(
            data["records"].as_array().unwrap().iter().map(|r| r["body"].as_str().unwrap().to_string()),
        );
        pages += 1;
        match data["next"].as_str() {
            Some(next) => cursor = next.to_string(),
            None => break,
        }
    }
    assert_eq!((seen.len(), pages), (95, 10));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 95);
}

#[test]
fn hostile_bodies_are_refused_or_kept_harmlessly() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let text = "text/plain";
    // A line of 2 MiB is cut and says so; bytes that are no text are replaced; deep JSON is text.
    let mut body = vec![b'x'; 2 << 20];
    body.extend(b"\ncaf\xe9 bytes\n");
    body.extend("{\"deep\":".repeat(5_000).as_bytes());
    assert_eq!(post(&midwatch, "/api/v1/logs?service=hostile", text, &body).0, 204);
    let data = midwatch.data("/api/v1/logs/search?query=service:hostile");
    let records = data["records"].as_array().unwrap();
    assert_eq!(records.len(), 3);
    assert!(records.iter().any(|r| r["attributes"]["midwatch.cut_from_bytes"] == "2097152"));
    assert!(records.iter().any(|r| r["body"] == "caf\u{fffd} bytes"));
    assert!(midwatch.own("midwatch_log_records_altered_total{how=\"cut\",source=\"logs_http\"}") >= 1.0);
    // Ten thousand attributes, identifiers of a wrong length, a time in the far future.
    let attributes: Vec<Json> =
        (0..10_000).map(|i| json!({ "key": format!("k{i}"), "value": { "intValue": i } })).collect();
    let far = ((now_ms() + 86_400_000) * 1_000_000).to_string();
    let record = json!([{ "timeUnixNano": far, "body": { "stringValue": "odd" }, "attributes": attributes, "traceId": "12", "spanId": "zz" }]);
    assert_eq!(post(&midwatch, "/v1/logs", "application/json", &otlp(&record)), (200, "{}".into()));
    let data = midwatch.data("/api/v1/logs/search?query=odd");
    let odd = &data["records"][0];
    assert_eq!(odd["attributes"]["midwatch.attributes_dropped"], "9744");
    assert!(odd["attributes"]["midwatch.time_given"].is_string() && odd["trace_id"].is_null());
    // A bomb: 64 MiB of zeros many times over.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0u8; 1 << 20];
    (0..200).for_each(|_| encoder.write_all(&zeros).unwrap());
    let bomb = encoder.finish().unwrap();
    let headers = [("Content-Type", text), ("Content-Encoding", "gzip")];
    let answer = midwatch.post("/api/v1/logs", &headers, &bomb).unwrap();
    assert_eq!(answer.status, 422, "{}", answer.text());
    // What makes no sense is told, and the server lives.
    assert_eq!(post(&midwatch, "/v1/logs", "application/json", b"{").0, 400);
    assert_eq!(post(&midwatch, "/loki/api/v1/push", "application/x-protobuf", b"nonsense").0, 400);
    let old = json!([{ "timeUnixNano": "1000000000", "body": { "stringValue": "old" } }]);
    let (status, answer) = post(&midwatch, "/v1/logs", "application/json", &otlp(&old));
    assert!(
        status == 200 && answer.contains("\"rejectedLogRecords\":\"1\"") && answer.contains("too_old"),
        "{answer}"
    );
    for query in ["%22open", "level%3Aloud", "%2Fa(%2F"] {
        let answer = midwatch.get(&format!("/api/v1/logs/search?query={query}"));
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
    }
}

#[test]
fn syslog_comes_by_udp_and_tcp() {
    let home = Home::new();
    home.write("midwatch.toml", "[syslog]\nudp = \"127.0.0.1:0\"\ntcp = \"127.0.0.1:0\"\n");
    let midwatch = home.serve(&["--no-host", "--no-discover", "--config", "midwatch.toml"]);
    let port = |what: &str| {
        let out = midwatch.process.stdout();
        let line =
            out.lines().find(|l| l.contains(what)).unwrap_or_else(|| panic!("{what}: {out}")).to_string();
        line.rsplit("127.0.0.1:").next().unwrap().trim().parse::<u16>().unwrap()
    };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let now = model::time::format_rfc3339_ms(now_ms());
    let message = format!("<11>{now} h1 sshd[7]: by datagram");
    socket.send_to(message.as_bytes(), ("127.0.0.1", port("syslog UDP"))).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port("syslog TCP"))).unwrap();
    stream.write_all(b"27 <13>1 - h2 app - - - countd<13>app: by line\n").unwrap();
    drop(stream);
    eventually("all three are there", || {
        let mut found = bodies(&midwatch, "");
        found.sort();
        let want = ["by datagram", "by line", "countd"];
        if found == want { Ok(()) } else { Err(format!("{found:?}")) }
    });
    assert_eq!(bodies(&midwatch, "service:sshd level:error process.pid:7"), ["by datagram"]);
}

#[test]
fn a_metric_that_was_asked_for_goes_on_after_a_kill() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let spec = r#"{"name":"asked","query":"service:w","field":"","by":["level"]}"#;
    let json = "application/json";
    assert_eq!(post(&midwatch, "/api/v1/logs/metrics", json, spec.as_bytes()).0, 200);
    midwatch.kill();
    let midwatch = home.serve_quietly();
    assert_eq!(midwatch.data("/api/v1/logs/metrics")[0]["name"], "asked");
    assert_eq!(post(&midwatch, "/api/v1/logs?service=w", "text/plain", b"one\ntwo\n").0, 204);
    eventually("it is counted", || match midwatch.value("sum(asked_total)")? {
        2.0 => Ok(()),
        n => Err(n.to_string()),
    });
    let delete = |name: &str| {
        let path = format!("/api/v1/logs/metrics?name={name}");
        crate::support::http::ask(midwatch.address, "DELETE", &path, &[], &[]).unwrap().status
    };
    assert_eq!((delete("asked"), delete("asked")), (200, 404));
    assert_eq!(midwatch.stop().code, Some(0));
    assert_eq!(home.serve_quietly().data("/api/v1/logs/metrics"), json!([]));
}

#[test]
fn acknowledged_records_survive_being_killed_and_a_field_is_a_metric() {
    let home = Home::new();
    home.write(
        "midwatch.toml",
        "[[logs.metrics]]\nname = \"said\"\nquery = \"service:w\"\nby = [\"word\"]\n",
    );
    let flags = ["--no-host", "--no-discover", "--config", "midwatch.toml"];
    let midwatch = home.serve(&flags);
    for i in 0..50 {
        let line = format!("{{\"msg\":\"number {i}\",\"word\":\"w{}\",\"service\":\"w\"}}\n", i % 2);
        assert_eq!(post(&midwatch, "/api/v1/logs", "application/json", line.as_bytes()).0, 204);
    }
    eventually("it is counted", || {
        let value = midwatch.value("sum(said_total)")?;
        if value == 50.0 { Ok(()) } else { Err(value.to_string()) }
    });
    let pattern = midwatch.data("/api/v1/logs/search?limit=1")["records"][0]["pattern"].clone();
    eventually("templates are written", || {
        std::fs::read_to_string(home.path("midwatch-data/patterns.jsonl")).map_err(|e| e.to_string())
    });
    midwatch.kill();
    let midwatch = home.serve(&flags);
    assert_eq!(bodies(&midwatch, "service:w").len(), 50);
    assert_eq!(post(&midwatch, "/api/v1/logs?service=w", "text/plain", b"number 99").0, 204);
    let again = midwatch.data("/api/v1/logs/search?limit=1")["records"][0]["pattern"].clone();
    assert_eq!(again, pattern, "the same template after a restart");
    let out = home.run(&["logs", "number", "-n", "3", "--url", &format!("http://{}", midwatch.address)]);
    assert!(
        out.code == Some(0) && out.stdout.lines().count() == 3 && out.stdout.ends_with("number 99\n"),
        "{out:?}"
    );
}

#[test]
fn a_large_delivery_is_kept_whole_or_refused_whole() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let line = format!("{}\n", "word ".repeat(4_000));
    let body = line.repeat(800);
    assert!(body.len() > 15 << 20);
    assert_eq!(post(&midwatch, "/api/v1/logs?service=large", "text/plain", body.as_bytes()).0, 204);
    assert_eq!(midwatch.data("/api/v1/logs/histogram?steps=1&query=service:large")["total"], 800);
    // What is said once of all records stands in each of them.
    let records: Vec<Json> =
        (0..6_000).map(|i| json!({ "timeUnixNano": (now_ms() * 1_000_000 + i).to_string() })).collect();
    let attributes = json!([{ "key": "note", "value": { "stringValue": "x".repeat(15_000) } }]);
    let body = json!({ "resourceLogs": [{ "resource": { "attributes": attributes }, "scopeLogs": [{ "logRecords": records }] }] });
    let (status, answer) = post(&midwatch, "/v1/logs", "application/json", body.to_string().as_bytes());
    assert!(status == 400 && answer.contains("nothing of it was kept"), "{status} {answer}");
    assert_eq!(midwatch.data("/api/v1/logs/histogram?steps=1&query=-service:large")["total"], 0);
}
