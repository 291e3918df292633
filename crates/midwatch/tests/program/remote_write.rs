//! Remote write as senders use and abuse it: what is good is kept and acknowledged once it is durable, what is bad is refused
//! with a reason, counted, and spoils nothing beside it.

use crate::support::{Home, Midwatch, now_ms, series};
use ingest::remote_write::encode;
use ingest::wire::{put_bytes_field, put_double_field, put_varint, put_varint_field};
use model::STALE_NAN_BITS;

const MINUTE_MS: i64 = 60_000;
const YEAR_MS: i64 = 366 * 86_400_000;

/// One `TimeSeries` of any labels, in their order: what no client library lets one make.
fn raw_series(labels: &[(&[u8], &[u8])], timestamp_ms: i64, value: f64) -> Vec<u8> {
    let (mut one, mut part) = (Vec::new(), Vec::new());
    for (name, value) in labels {
        part.clear();
        put_bytes_field(&mut part, 1, name);
        put_bytes_field(&mut part, 2, value);
        put_bytes_field(&mut one, 1, &part);
    }
    part.clear();
    put_double_field(&mut part, 1, value);
    put_varint_field(&mut part, 2, timestamp_ms as u64);
    put_bytes_field(&mut one, 2, &part);
    one
}

fn named<'a>(name: &'a str, more: &[(&'a [u8], &'a [u8])]) -> Vec<(&'a [u8], &'a [u8])> {
    [&[(&b"__name__"[..], name.as_bytes())], more].concat()
}

/// A request of such series, in snappy's block format as one literal after the other.
fn request(all: &[Vec<u8>]) -> Vec<u8> {
    let mut message = Vec::new();
    all.iter().for_each(|one| put_bytes_field(&mut message, 1, one));
    stored(&message)
}

/// Snappy that compresses nothing: the length, then literals of at most 64 KiB.
fn stored(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, message.len() as u64);
    for part in message.chunks(1 << 16) {
        // Tag 61: a literal whose length less one is in the next two bytes.
        out.push(61 << 2);
        out.extend(((part.len() - 1) as u16).to_le_bytes());
        out.extend(part);
    }
    out
}

fn rejected(midwatch: &Midwatch, reason: &str) -> f64 {
    midwatch.own(&format!("midwatch_samples_rejected_total{{reason=\"{reason}\",source=\"remote_write\"}}"))
}

#[test]
fn every_value_comes_back_bit_for_bit() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let stale = f64::from_bits(STALE_NAN_BITS);
    let values = [
        0.1 + 0.2,
        -0.0,
        0.0,
        f64::MAX,
        5e-324,
        f64::NAN,
        stale,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e15,
        -7.25,
    ];
    let start_ms = now_ms() - MINUTE_MS;
    let samples: Vec<(i64, f64)> = (start_ms..).zip(values).collect();
    midwatch.write(&[series("every_value", &[("label", "é\n\"\\<img src=x onerror=alert(1)>")], &samples)]);
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<u64>>();
    for _ in 0..2 {
        let midwatch = &midwatch;
        let found = midwatch.export("every_value");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].labels.get("label"), "é\n\"\\<img src=x onerror=alert(1)>");
        assert_eq!(found[0].timestamps_ms, samples.iter().map(|s| s.0).collect::<Vec<_>>());
        assert_eq!(bits(&found[0].values), bits(&values));
        // The same once more is no new sample and no error.
        midwatch.write(&[series(
            "every_value",
            &[("label", "é\n\"\\<img src=x onerror=alert(1)>")],
            &samples,
        )]);
    }
    // A series that ended has no value, although its last sample is not a minute old.
    midwatch.write(&[series("ended", &[], &[(start_ms, 1.0), (start_ms + 1, stale)])]);
    assert_eq!(midwatch.query("ended"), []);
    assert_eq!(midwatch.query("count_over_time(ended[5m])").len(), 1);
}

#[test]
fn one_bad_series_spoils_nothing() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let t = now_ms() - MINUTE_MS;
    let long = vec![b'x'; 1 << 20];
    let names: Vec<String> = (0..10_000).map(|i| format!("l{i}")).collect();
    let many: Vec<(&[u8], &[u8])> = names.iter().map(|n| (n.as_bytes(), &b"v"[..])).collect();
    let huge_name = "n".repeat(100_000);
    let cases: &[(&str, Vec<u8>)] = &[
        ("label_too_long", raw_series(&named("bad", &[(b"a", &long)]), t, 1.0)),
        ("label_too_long", raw_series(&named("bad", &[(&long, b"a")]), t, 1.0)),
        ("label_too_long", raw_series(&named(&huge_name, &[]), t, 1.0)),
        ("too_many_labels", raw_series(&named("bad", &many), t, 1.0)),
        ("duplicate_label", raw_series(&named("bad", &[(b"a", b"1"), (b"a", b"2")]), t, 1.0)),
        ("duplicate_label", raw_series(&named("bad", &[(b"__name__", b"bad2")]), t, 1.0)),
        ("invalid_name", raw_series(&named("bad", &[(b"", b"1")]), t, 1.0)),
        ("invalid_name", raw_series(&[(b"a", b"1")], t, 1.0)),
        ("invalid_name", raw_series(&[], t, 1.0)),
        ("invalid_utf8", raw_series(&named("bad", &[(b"a", b"\xff\xfe")]), t, 1.0)),
        ("too_far_in_future", raw_series(&named("bad", &[]), t + YEAR_MS, 1.0)),
        ("too_far_in_future", raw_series(&named("bad", &[]), i64::MAX, 1.0)),
        ("too_old", raw_series(&named("bad", &[]), t - YEAR_MS, 1.0)),
        ("too_old", raw_series(&named("bad", &[]), i64::MIN, 1.0)),
        ("malformed", b"\x0a\x7f not as long as it says".to_vec()),
    ];
    for (i, (reason, bad)) in cases.iter().enumerate() {
        let before = rejected(&midwatch, reason);
        let (first, last) = (format!("good_{i}_first"), format!("good_{i}_last"));
        let good = |name: &str| raw_series(&named(name, &[]), t, i as f64);
        let answer = midwatch.remote_write(&request(&[good(&first), bad.clone(), good(&last)])).unwrap();
        assert_eq!(answer.status, 400, "{reason} {i}: {}", answer.text());
        let body = answer.json();
        assert_eq!((&body["status"], &body["errorType"]), (&"error".into(), &"bad_data".into()), "{body}");
        assert_eq!(
            (&body["accepted"], &body["rejected"][0]["reason"]),
            (&2.into(), &(*reason).into()),
            "{i}: {body}"
        );
        assert_eq!(rejected(&midwatch, reason), before + 1.0, "{reason} {i}");
        assert!(answer.body.len() < 2_000, "an answer quotes little: {}", answer.body.len());
        for name in [first, last] {
            assert_eq!(midwatch.value(&name), Ok(i as f64), "{reason}");
        }
    }
    assert_eq!(midwatch.query("{__name__=~\"bad.*|n+\"}"), []);
    let known = midwatch.data("/api/v1/labels");
    assert_eq!(known, serde_json::json!(["__name__"]), "no label of a refused series is left");
}

#[test]
fn a_time_years_ahead_does_not_block_what_is_normal() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let t = now_ms() - MINUTE_MS;
    let ahead = encode(&[series("clock", &[], &[(t + 10 * YEAR_MS, 9.0)])]);
    assert_eq!(midwatch.remote_write(&ahead).unwrap().status, 400);
    midwatch.write(&[series("clock", &[], &[(t, 1.0), (t + 1000, 2.0)])]);
    // Late samples within retention are kept, too, in their place.
    midwatch.write(&[series("clock", &[], &[(t - 5000, 0.5), (t + 500, 1.5)])]);
    let found = midwatch.export("clock");
    assert_eq!(found[0].values, [0.5, 1.0, 1.5, 2.0]);
    assert_eq!(found[0].timestamps_ms, [t - 5000, t, t + 500, t + 1000]);
    // In one request with good samples of the same series, the good ones are kept.
    let mixed = encode(&[series("mixed", &[], &[(t, 1.0), (t + YEAR_MS, 2.0)])]);
    let answer = midwatch.remote_write(&mixed).unwrap();
    assert_eq!((answer.status, &answer.json()["accepted"]), (400, &1.into()));
    assert_eq!(midwatch.export("mixed")[0].values, [1.0]);
}

#[test]
fn two_values_for_one_time_keep_the_first() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let t = now_ms() - MINUTE_MS;
    midwatch.write(&[series("twice", &[], &[(t, 1.0)])]);
    let answer = midwatch.remote_write(&encode(&[series("twice", &[], &[(t, 2.0)])])).unwrap();
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.json()["rejected"][0]["reason"], "duplicate_timestamp");
    assert_eq!(rejected(&midwatch, "duplicate_timestamp"), 1.0);
    assert_eq!(midwatch.export("twice")[0].values, [1.0]);
}

#[test]
fn bodies_that_are_none() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let good = request(&[raw_series(&named("good", &[]), now_ms(), 1.0)]);
    let mut forged = Vec::new();
    put_varint(&mut forged, u64::from(u32::MAX));
    forged.extend(&good[1..]);
    let mut bomb = Vec::new();
    put_varint(&mut bomb, 100 << 20);
    bomb.extend([0; 100]);
    for (what, body) in [
        ("nothing at all", vec![]),
        ("no snappy", b"GET / HTTP/1.1".to_vec()),
        ("a forged length of 4 GiB", forged),
        ("a length that its bytes cannot hold", bomb),
        ("half of a request", good[..good.len() / 2].to_vec()),
        ("snappy of no protobuf", stored(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
        ("JSON", stored(b"{\"metric\":{}}")),
    ] {
        let answer = midwatch.remote_write(&body).unwrap();
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
        assert_eq!(answer.json()["errorType"], "bad_data", "{what}");
    }
    let memory = midwatch.own("process_resident_memory_bytes");
    assert!(memory < 200e6, "{memory} bytes after forged lengths");
    assert!(rejected(&midwatch, "malformed") + rejected(&midwatch, "too_large") >= 6.0);
    // Too long to be read at all, and media that it does not take.
    let path = "/api/v1/write";
    let answer = midwatch.post(path, &[], &vec![0; 33 << 20]).unwrap();
    assert_eq!(answer.status, 413, "{}", answer.text());
    for headers in [
        [("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v3.Request"), ("X", "")],
        [("Content-Type", "application/json"), ("X", "")],
        [("Content-Type", "application/x-protobuf"), ("Content-Encoding", "zstd")],
    ] {
        let answer = midwatch.post(path, &headers, &good).unwrap();
        assert_eq!(answer.status, 415, "{headers:?}: {}", answer.text());
    }
    assert_eq!(midwatch.get(path).status, 405);
    assert_eq!(midwatch.query("good"), [], "nothing of all that was taken");
    assert_eq!(midwatch.remote_write(&good).unwrap().status, 204, "and it goes on");
    assert_eq!(midwatch.value("good"), Ok(1.0));
}

#[test]
fn pages_of_others_may_not_write() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let good = encode(&[series("good", &[], &[(now_ms(), 1.0)])]);
    let answer = midwatch.post("/api/v1/write", &[("Origin", "http://evil.example")], &good).unwrap();
    assert_eq!(answer.status, 403, "{}", answer.text());
    let named = |host: &str| {
        let text = format!("GET /api/v1/labels HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let mut stream = std::net::TcpStream::connect(midwatch.address).unwrap();
        std::io::Write::write_all(&mut stream, text.as_bytes()).unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
        answer[9..12].to_string()
    };
    assert_eq!([named("evil.example"), named("localhost"), named("127.0.0.1:1")], ["403", "200", "200"]);
    assert_eq!(midwatch.query("good"), []);
}

#[test]
fn version_2_says_how_much_is_kept() {
    const WRITTEN: &str = "x-prometheus-remote-write-samples-written";
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let t = now_ms();
    let series = |i: &str| series("rw2", &[("i", i)], &[(t - 1_000, 1.0), (t, 2.0)]);
    let good = [series("1"), series("2")];
    let answer = midwatch.remote_write_2(&ingest::remote_write::v2::encode(&good)).unwrap();
    assert_eq!((answer.status, answer.header(WRITTEN)), (204, "4"), "{}", answer.text());
    assert_eq!(midwatch.export("rw2"), good);

    // A series without a name beside a good one; then the other message, and what is no message at all.
    let nameless =
        model::SeriesData::numbers(model::Labels::from_pairs([("job", "x")]).unwrap(), vec![t], vec![1.0]);
    let mixed = ingest::remote_write::v2::encode(&[nameless, series("3")]);
    let answer = midwatch.remote_write_2(&mixed).unwrap();
    assert_eq!((answer.status, answer.header(WRITTEN)), (400, "2"));
    assert!(answer.text().contains("there is no metric name"), "{}", answer.text());
    for body in [encode(&good), b"no snappy".to_vec()] {
        let answer = midwatch.remote_write_2(&body).unwrap();
        assert_eq!((answer.status, answer.header(WRITTEN)), (400, "0"), "{}", answer.text());
    }
    let other = [("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v3.Request")];
    assert_eq!(midwatch.post("/api/v1/write", &other, &mixed).unwrap().status, 415);
}
