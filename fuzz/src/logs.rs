//! Logs, in every form in which they come: each record is kept or refused, within the limits.

use ingest::Limits;
use ingest::logs::{self, Context, Decoded, Format, UTC};
use ingest::otlp::{Content, decode_logs, logs_message};
use ingest::patterns::{Line, Patterns, Settings};
use model::{Origin, Severity};

fn limits() -> Limits {
    Limits {
        log_records_per_request_max: 200,
        log_body_bytes_max: 1_000,
        log_attributes_max: 8,
        log_attribute_bytes_max: 100,
        decoded_bytes_max: 1 << 20,
        ..Limits::default()
    }
}

fn context(limits: &Limits) -> Context<'_> {
    Context { now_ns: 1_795_262_400_000_000_000, oldest_ns: i64::MIN, zone: &UTC, limits }
}

fn check(decoded: &Decoded, limits: &Limits) {
    let refused: u64 = decoded.rejects.iter().map(|r| r.samples).sum();
    assert_eq!(decoded.batch.len() as u64 + refused, decoded.records);
    assert!(decoded.batch.len() <= limits.log_records_per_request_max);
    for (i, row) in decoded.batch.rows().enumerate() {
        assert!(row.body.len() <= limits.log_body_bytes_max);
        assert!(decoded.batch.attributes(i).len() <= limits.log_attributes_max + 3);
        assert!(decoded.batch.origin(i).service.len() <= 1 << 20);
    }
}

/// Lines in all formats, joined and not.
pub fn log_lines(data: &[u8]) {
    let limits = limits();
    let origin = Origin::default();
    let access = std::str::from_utf8(data.get(..data.len().min(200)).unwrap_or_default()).ok();
    let own = access.and_then(|text| Format::parse(text).ok());
    let named = ["auto", "json", "logfmt", "syslog", "combined", "plain"].map(|f| Format::parse(f).ok());
    for format in named.into_iter().chain([own]).flatten() {
        for joins in [false, true] {
            check(&logs::decode_lines(data, &format, joins, &origin, context(&limits)), &limits);
        }
    }
}

/// OTLP, both ways.
pub fn log_otlp(data: &[u8]) {
    let limits = limits();
    let json = logs_message(data.to_vec(), Content::Json, &limits).ok();
    for message in [Some(data.to_vec()), json].into_iter().flatten() {
        if let Ok(decoded) = decode_logs(&message, context(&limits)) {
            check(&decoded, &limits);
        }
    }
}

/// Loki, `_bulk`, the journal.
pub fn log_pushes(data: &[u8]) {
    let limits = limits();
    let cx = context(&limits);
    let pushed = [
        logs::loki::decode_json(data, cx),
        logs::loki::decode_protobuf(data, cx),
        logs::loki::decode_message(data, cx),
    ];
    pushed.iter().flatten().for_each(|decoded| check(decoded, &limits));
    let bulk = logs::bulk::decode(data, "i", &Origin::default(), cx);
    check(&bulk.decoded, &limits);
    assert!(bulk.answer(1).ends_with("]}"));
    check(&logs::journal::decode_export(data, &Origin::default(), cx), &limits);
    check(&logs::journal::decode_json(data, &Origin::default(), cx), &limits);
    assert!(logs::journal::whole_entries(data).bytes <= data.len());
    let _ = logs::Zone::from_tzif(data);
}

/// Templates: bounded, and written down so that the same is read back.
pub fn log_patterns(data: &[u8]) {
    let settings = Settings { templates_max: 50, templates_per_service_max: 30 };
    let mut patterns = Patterns::new(settings);
    for (i, line) in data.split(|b| *b == b'\n').enumerate() {
        let body = String::from_utf8_lossy(line);
        let service = ["a", "b"][i % 2];
        patterns.learn(Line {
            service,
            host: "",
            body: &body,
            severity: Severity::INFO,
            time_ns: i as i64 * 30_000_000_000,
        });
        assert!(patterns.len() <= 50);
    }
    let (again, broken) = Patterns::from_text(&patterns.to_text(), settings);
    assert_eq!(broken, 0);
    for template in patterns.iter() {
        assert_eq!(again.get(template.id), Some(template));
    }
    let _ = Patterns::from_text(&String::from_utf8_lossy(data), settings);
}
