//! Every decoder of logs against seeded random damage: no panic, nothing beyond the limits, every record accounted for.

use super::*;
use crate::damage::Random;
use crate::otlp::{Content, decode_logs, logs_message};
use model::Origin;

fn limits() -> Limits {
    Limits {
        log_records_per_request_max: 5,
        log_body_bytes_max: 60,
        log_attributes_max: 4,
        log_attribute_bytes_max: 20,
        ..Limits::default()
    }
}

fn check(decoded: &Decoded, limits: &Limits) {
    let batch = &decoded.batch;
    assert!(batch.len() <= limits.log_records_per_request_max);
    let refused: u64 = decoded.rejects.iter().map(|r| r.samples).sum();
    assert_eq!(batch.len() as u64 + refused, decoded.records, "each is kept or refused");
    for (i, row) in batch.rows().enumerate() {
        assert!(row.body.len() <= limits.log_body_bytes_max && (row.origin as usize) < batch.origins.len());
        assert!(batch.attributes(i).len() <= limits.log_attributes_max + 3);
    }
    assert!(decoded.rejects.iter().all(|r| r.message.len() < 4_000));
}

const LINES: &str = r#"{"time":"2026-11-20T05:06:07Z","level":"warn","msg":"slow","a":{"b":[1,{"c":2}]},"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}
ts=2026-11-20T05:06:07Z level=info msg="a \"b\"" x=1
<165>1 2026-11-20T05:06:07+01:00 h app 12 - [ex@32473 iut="3" say="a \"b\" \] c"] An event
<34>Nov 20 05:06:07 host su[12]: failed
shop:443 10.0.0.1 - - [20/Nov/2026:05:06:07 +0000] "GET /a?b HTTP/1.1" 404 12 "https://a/" "b \x22"
java.lang.IllegalStateException: boom
	at a.b(C.java:1)
W1120 05:06:07.089123   12 reflector.go:324] watch
"#;

#[test]
fn lines_survive_damage() {
    let (mut random, limits) = (Random(7), limits());
    let context = Context { limits: &limits, ..super::testing::context(&limits) };
    let formats = [
        "auto",
        "plain",
        "json",
        "logfmt",
        "syslog",
        "combined",
        "$remote_addr [$time_local] \"$request\" $status $request_time",
    ];
    let formats = formats.map(|f| Format::parse(f).unwrap());
    for i in 0..6_000 {
        let body = random.damage(LINES.as_bytes());
        check(
            &decode_lines(&body, &formats[i % formats.len()], i % 3 == 0, &Origin::default(), context),
            &limits,
        );
        check(&decode_json_lines(&body, &Origin::default(), context), &limits);
        let mut rest = &body[..];
        while let syslog::Framed::Message(message, used) = syslog::frame(rest, 50) {
            assert!(message.len() <= 50 && used > 0);
            rest = &rest[used..];
        }
    }
}

#[test]
fn requests_survive_damage() {
    let (mut random, limits) = (Random(8), limits());
    let context = super::testing::context(&limits);
    let otlp = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s"}}]},"scopeLogs":[{"scope":{"name":"l"},"logRecords":[
        {"timeUnixNano":"1795262400000000005","severityNumber":17,"body":{"kvlistValue":{"values":[{"key":"a","value":{"bytesValue":"AA=="}}]}},
         "attributes":[{"key":"k","value":{"arrayValue":{"values":[{"doubleValue":1.5}]}}}],"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"01"}]}]}]}"#;
    let message = logs_message(otlp.as_bytes().to_vec(), Content::Json, &limits).unwrap();
    let loki = r#"{"streams":[{"stream":{"app":"a","level":"warn"},"values":[["1795151167000000000","level=info msg=x",{"trace_id":"1"}],["1","b"]]}]}"#;
    let bulk =
        "{\"create\":{\"_index\":\"a\"}}\n{\"message\":\"b\"}\n{\"delete\":{}}\n{\"index\":{}}\n{\"x\":1}\n";
    let journal =
        b"__REALTIME_TIMESTAMP=1795151167000001\nMESSAGE\n\x03\0\0\0\0\0\0\0abc\nPRIORITY=3\n\nMESSAGE=x\n\n";
    for _ in 0..6_000 {
        let json = random.damage(otlp.as_bytes());
        for message in
            [Ok(random.damage(&message)), logs_message(json, Content::Json, &limits)].into_iter().flatten()
        {
            let _ = decode_logs(&message, context).map(|d| check(&d, &limits));
        }
        let _ = loki::decode_json(&random.damage(loki.as_bytes()), context).map(|d| check(&d, &limits));
        let _ = loki::decode_message(&random.damage(&message), context).map(|d| check(&d, &limits));
        let bulk = bulk::decode(&random.damage(bulk.as_bytes()), "i", &Origin::default(), context);
        check(&bulk.decoded, &limits);
        serde_json::from_str::<serde_json::Value>(&bulk.answer(1)).unwrap();
        let journal = random.damage(journal);
        check(&journal::decode_export(&journal, &Origin::default(), context), &limits);
        check(&journal::decode_json(&journal, &Origin::default(), context), &limits);
        assert!(journal::whole_entries(&journal).bytes <= journal.len());
        let _ = Zone::from_tzif(&journal);
    }
}
