//! Other servers read from this one: federation by scraping, and remote read, each in all its forms.

use crate::support::http::{Answer, ask, encode};
use crate::support::{Home, Midwatch, eventually, now_ms, series};
use ingest::wire::{Field, Reader, put_bytes_field, put_varint_field};
use model::SeriesData;

const STALE: f64 = f64::from_bits(model::STALE_NAN_BITS);

fn with(midwatch: &Midwatch, path: &str, accept: &str) -> Answer {
    ask(midwatch.address, "GET", path, &[("Accept", accept)], &[]).unwrap()
}

#[test]
fn the_newest_samples_are_federated() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let now = now_ms();
    midwatch.write(&[
        series("shop_up", &[("instance", "a"), ("job", "shop")], &[(now - 20_000, 0.0), (now - 10_000, 1.0)]),
        series("shop_up", &[("job", "shop")], &[(now - 5_000, 0.5)]),
        series("shop_gone", &[("job", "shop")], &[(now - 20_000, 1.0), (now - 10_000, STALE)]),
        series("shop_old", &[("job", "shop")], &[(now - 600_000, 1.0)]),
        series("other", &[], &[(now - 1_000, 2.0)]),
    ]);
    let path = format!("/federate?match[]={}&match[]=shop_up", encode("{job=\"shop\"}"));
    let want = format!(
        "# TYPE shop_up untyped\nshop_up{{instance=\"a\",job=\"shop\"}} 1 {}\nshop_up{{job=\"shop\",instance=\"\"}} 0.5 {}\n",
        now - 10_000,
        now - 5_000
    );
    let text = with(&midwatch, &path, "");
    assert_eq!(
        (text.text(), text.header("content-type")),
        (want, "text/plain; version=0.0.4; charset=utf-8")
    );
    let open = with(&midwatch, &path, "application/openmetrics-text;version=1.0.0");
    assert!(
        open.text().ends_with("# EOF\n") && open.text().contains("# TYPE shop_up unknown"),
        "{}",
        open.text()
    );
    let protobuf = with(
        &midwatch,
        &path,
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    );
    let limits = ingest::Limits::default();
    let scrape =
        ingest::scrape::Scrape { format: ingest::exposition::Format::Protobuf, at_ms: 1, limits: &limits };
    let decoded = ingest::exposition::decode(&protobuf.body, scrape).unwrap();
    let values: Vec<(i64, f64)> = decoded.batch.samples.iter().map(|s| (s.timestamp_ms, s.value)).collect();
    assert_eq!(values, [(now - 10_000, 1.0), (now - 5_000, 0.5)]);
    assert_eq!(with(&midwatch, "/federate", "").text(), "", "nothing is asked for");
    for bad in ["%7B%7D", "sum(up)", "%7B"] {
        assert_eq!(with(&midwatch, &format!("/federate?match[]={bad}"), "").status, 400, "{bad}");
    }

    // A second one takes it over, labels as they are.
    let home = Home::new();
    let second = home.serve_scraping(&format!(
        "scrape_configs:\n- job_name: federate\n  honor_labels: true\n  scrape_interval: 1s\n  \
         metrics_path: /federate\n  params: {{'match[]': ['{{job=\"shop\"}}']}}\n  \
         static_configs: [{{targets: ['{}']}}]\n",
        midwatch.address
    ));
    let all = eventually("the second has the series", || match second.query("shop_up") {
        rows if rows.len() == 2 => Ok(rows),
        rows => Err(format!("{rows:?}")),
    });
    assert_eq!(all, midwatch.query("shop_up"));
}

/// A request of remote read: `matchers` are type, name, value.
fn read_request(start_ms: i64, end_ms: i64, matchers: &[(u64, &str, &str)], forms: &[u8]) -> Vec<u8> {
    let (mut message, mut query) = (Vec::new(), Vec::new());
    put_varint_field(&mut query, 1, start_ms as u64);
    put_varint_field(&mut query, 2, end_ms as u64);
    for (op, name, value) in matchers {
        let mut m = Vec::new();
        put_varint_field(&mut m, 1, *op);
        put_bytes_field(&mut m, 2, name.as_bytes());
        put_bytes_field(&mut m, 3, value.as_bytes());
        put_bytes_field(&mut query, 3, &m);
    }
    put_bytes_field(&mut message, 1, &query);
    put_bytes_field(&mut message, 2, forms);
    snappy(&message)
}

/// Snappy's block format without compression: the length, then literals.
fn snappy(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ingest::wire::put_varint(&mut out, bytes.len() as u64);
    for part in bytes.chunks(60) {
        out.push(((part.len() - 1) << 2) as u8);
        out.extend(part);
    }
    out
}

fn read(midwatch: &Midwatch, body: &[u8]) -> Answer {
    let headers = [
        ("Content-Type", "application/x-protobuf"),
        ("Content-Encoding", "snappy"),
        ("X-Prometheus-Remote-Read-Version", "0.1.0"),
        ("Accept-Encoding", "gzip"),
    ];
    midwatch.post("/api/v1/read", &headers, body).unwrap()
}

/// The series of an answer in one message: a result has the shape of a request of remote write.
fn samples(answer: &Answer) -> Vec<SeriesData> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/x-protobuf");
    assert_eq!(answer.header("content-encoding"), "snappy");
    // What follows `results = 1` is one message that uses the whole body: read it as one that is written.
    let limits = ingest::Limits::default();
    let message = ingest::remote_read::decompress(&answer.body, &limits).unwrap();
    let (number, result) = Reader::new(&message).field().unwrap().unwrap();
    assert_eq!(number, 1);
    let known = ingest::KnownLabels::new(100);
    let batch = ingest::remote_write::decode_message(result.bytes().unwrap(), &limits, &known).unwrap().batch;
    let mut all: Vec<SeriesData> =
        batch.series.iter().map(|l| SeriesData { labels: l.clone(), ..Default::default() }).collect();
    for s in &batch.samples {
        all[s.series as usize].timestamps_ms.push(s.timestamp_ms);
        all[s.series as usize].values.push(s.value);
    }
    all
}

/// Of each frame: the number of its query, and of each chunk first and last time.
fn frames(mut body: &[u8]) -> Vec<(u64, Vec<(i64, i64)>)> {
    let mut all = Vec::new();
    while !body.is_empty() {
        let mut length = 0usize;
        for i in 0.. {
            length |= usize::from(body[i] & 127) << (7 * i);
            if body[i] < 128 {
                body = &body[i + 1..];
                break;
            }
        }
        let (frame, rest) = body[4..].split_at(length);
        let (mut reader, mut query, mut chunks) = (Reader::new(frame), 0, Vec::new());
        while let Some((number, field)) = reader.field().unwrap() {
            if let (2, Field::Varint(n)) = (number, field) {
                query = n;
                continue;
            }
            let mut inner = Reader::new(field.bytes().unwrap());
            while let Some((number, field)) = inner.field().unwrap() {
                let mut chunk = Reader::new(field.bytes().unwrap());
                let mut next = || chunk.field().unwrap().unwrap().1.varint().unwrap() as i64;
                if number == 2 {
                    chunks.push((next(), next()));
                }
            }
        }
        all.push((query, chunks));
        body = rest;
    }
    all
}

#[test]
fn raw_samples_are_read_from_afar() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let end = now_ms() / 1000 * 1000;
    let many: Vec<(i64, f64)> = (0..300).map(|i| (end - 299_000 + i * 1000, i as f64 * 0.1)).collect();
    let all = [
        series("read_me", &[("i", "a")], &many),
        series("read_me", &[("i", "b")], &[(end - 1_000, f64::INFINITY), (end, STALE)]),
        series("not_me", &[], &[(end, 1.0)]),
    ];
    midwatch.write(&all);
    let named = [(0, "__name__", "read_me")];
    let got = samples(&read(&midwatch, &read_request(0, end, &named, &[0])));
    let bits = |all: &[SeriesData]| -> Vec<(String, Vec<i64>, Vec<u64>)> {
        let one = |s: &SeriesData| {
            (s.labels.to_string(), s.timestamps_ms.clone(), s.values.iter().map(|v| v.to_bits()).collect())
        };
        all.iter().map(one).collect()
    };
    assert_eq!(bits(&got), bits(&all[..2]), "raw, with the marks of ends");
    let one = [(0, "__name__", "read_me"), (3, "i", "b|c")];
    let part = samples(&read(&midwatch, &read_request(end - 10_000, end - 5_000, &one, &[])));
    assert_eq!(
        part[0].timestamps_ms,
        (5..=10).rev().map(|s| end - s * 1000).collect::<Vec<_>>(),
        "both ends count"
    );

    let streamed = read(&midwatch, &read_request(0, end, &named, &[1, 0]));
    assert_eq!(
        streamed.header("content-type"),
        "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"
    );
    assert_eq!(streamed.header("content-encoding"), "", "frames go as they are");
    let at = |i: i64| end - 299_000 + i * 1000;
    assert_eq!(
        frames(&streamed.body),
        [(0, vec![(at(0), at(119)), (at(120), at(239)), (at(240), at(299))]), (0, vec![(end - 1_000, end)])]
    );
    let nothing = read(&midwatch, &read_request(0, end, &[(0, "__name__", "none")], &[1]));
    assert_eq!((nothing.status, nothing.body.len()), (200, 0));

    for (body, part) in [
        (b"rubbish".to_vec(), "not snappy"),
        (read_request(0, 1, &[(2, "a", "(")], &[]), "unclosed group"),
        (read_request(0, 1, &[], &[9]), "STREAMED_XOR_CHUNKS"),
        (snappy(&[0x0a; 200]), "a query"),
    ] {
        let answer = read(&midwatch, &body);
        assert_eq!((answer.status, &answer.json()["errorType"]), (400, &"bad_data".into()), "{part}");
        assert!(answer.text().contains(part), "{}", answer.text());
    }
    assert_eq!(midwatch.get("/api/v1/read").status, 405);
}

#[test]
fn native_histograms_go_out_as_they_came_in() {
    use model::histogram::{Buckets, Histogram};
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let now = now_ms();
    let histogram = |count: f64| model::HistogramAt {
        timestamp_ms: now - 10_000 + count as i64,
        start_ms: 0,
        histogram: std::sync::Arc::new(Histogram {
            schema: 2,
            count: count + 3.0,
            sum: 12.5,
            zero_threshold: 0.001,
            positive: Buckets::from_pairs([(-2, 1.0), (-1, 2.0), (3, count)]),
            ..Histogram::default()
        }),
    };
    let mut sent = series("latency", &[("job", "shop")], &[]);
    sent.histograms = vec![histogram(4.0), histogram(5.0)];
    // A result of remote read has the shape of a request of remote write.
    let limits = ingest::Limits::default();
    let message = |body: &[u8]| {
        let outer = ingest::remote_read::decompress(body, &limits).unwrap();
        let (_, result) = Reader::new(&outer).field().unwrap().unwrap();
        result.bytes().unwrap().to_vec()
    };
    let body = message(&ingest::remote_read::encode_samples(&[vec![sent.clone()]]).unwrap());
    let taken = midwatch.remote_write(&snappy(&body)).unwrap();
    assert_eq!(taken.status, 204, "{}", taken.text());

    let named = [(0, "__name__", "latency")];
    for forms in [&[0][..], &[1, 0]] {
        // Chunks of histograms are not streamed: who takes messages too gets one.
        let answer = read(&midwatch, &read_request(0, now, &named, forms));
        assert_eq!(answer.header("content-type"), "application/x-protobuf");
        let known = ingest::KnownLabels::new(100);
        let batch =
            ingest::remote_write::decode_message(&message(&answer.body), &limits, &known).unwrap().batch;
        let got: Vec<_> = batch
            .histograms
            .iter()
            .map(|h| (h.at.timestamp_ms, h.at.histogram.count, h.at.histogram.positive.clone()))
            .collect();
        let want: Vec<_> = sent
            .histograms
            .iter()
            .map(|h| (h.timestamp_ms, h.histogram.count, h.histogram.positive.clone()))
            .collect();
        assert_eq!(got, want);
    }
    let refused = read(&midwatch, &read_request(0, now, &named, &[1]));
    assert_eq!(refused.status, 422, "{}", refused.text());
    let text = with(&midwatch, "/federate?match[]=latency", "").text();
    let at = now - 10_000 + 5;
    assert_eq!(
        text,
        format!(
            "# TYPE latency histogram\nlatency_bucket{{job=\"shop\",instance=\"\",le=\"+Inf\"}} 8 {at}\n\
             latency_count{{job=\"shop\",instance=\"\"}} 8 {at}\nlatency_sum{{job=\"shop\",instance=\"\"}} 12.5 {at}\n"
        )
    );
}

#[test]
fn exemplars_that_are_sent_are_counted_and_found() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let now = now_ms();
    let (mut label, mut exemplar, mut one, mut message) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    put_bytes_field(&mut label, 1, b"trace_id");
    put_bytes_field(&mut label, 2, b"abc");
    put_bytes_field(&mut exemplar, 1, &label);
    ingest::wire::put_double_field(&mut exemplar, 2, 0.5);
    put_varint_field(&mut exemplar, 3, now as u64);
    let mut name = Vec::new();
    put_bytes_field(&mut name, 1, b"__name__");
    put_bytes_field(&mut name, 2, b"sent_total");
    put_bytes_field(&mut one, 1, &name);
    put_bytes_field(&mut one, 3, &exemplar);
    put_bytes_field(&mut message, 1, &one);
    for _ in 0..2 {
        let answer = midwatch.remote_write(&snappy(&message)).unwrap();
        assert_eq!(answer.status, 204, "{}", answer.text());
        assert_eq!(answer.header("x-prometheus-remote-write-exemplars-written"), "1");
    }
    let found = midwatch.data("/api/v1/query_exemplars?query=sent_total");
    assert_eq!(
        found,
        serde_json::json!([{"seriesLabels": {"__name__": "sent_total"}, "exemplars": [
            {"labels": {"trace_id": "abc"}, "value": "0.5", "timestamp": now as f64 / 1000.0}]}])
    );
}
