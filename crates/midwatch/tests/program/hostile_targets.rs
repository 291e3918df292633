//! Targets that never end, that hardly begin, that answer with bombs or nonsense: each is bounded, counted and shown, and the
//! good one beside them is scraped as if they were not there.

use crate::scrape::target;
use crate::support::service::{Service, TEXT};
use crate::support::{Home, Midwatch, eventually};
use std::io::Write;
use std::time::Duration;

/// Scrapes each service as a job of its own each second, beside a good one called `good`.
fn beside_a_good_one(home: &Home, services: &[(&str, &Service)]) -> (Midwatch, Service) {
    let good = Service::fixed("200 OK", TEXT, "good_value 1\n");
    let mut text = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n".to_string();
    for (name, service) in services.iter().copied().chain([("good", &good)]) {
        let address = service.address;
        text += &format!(
            "- {{job_name: {name}, body_size_limit: 4MB, static_configs: [{{targets: ['{address}']}}]}}\n"
        );
    }
    (home.serve_scraping(&text), good)
}

/// Waits until the good one was scraped five times, each second once.
fn assert_the_good_one_goes_on(midwatch: &Midwatch) {
    eventually("five good scrapes in a row", || {
        let export = midwatch.export("up{job=\"good\"}");
        let (times, values) = export.first().map(|s| (&*s.timestamps_ms, &*s.values)).unwrap_or_default();
        let Some(first) = times.len().checked_sub(5) else { return Err(format!("{export:?}")) };
        assert!(values.iter().all(|v| *v == 1.0), "{export:?}");
        let span_ms = times[times.len() - 1] - times[first];
        if span_ms < 6_000 { Ok(()) } else { Err(format!("{export:?}")) }
    });
    assert_eq!(midwatch.value("good_value"), Ok(1.0));
}

fn assert_down(midwatch: &Midwatch, job: &str, why: &str) {
    let shown = target(midwatch, job);
    assert_eq!(shown["health"], "down", "{shown}");
    assert!(shown["lastError"].as_str().unwrap().contains(why), "{why:?} is not in {shown}");
    assert_eq!(midwatch.value(&format!("up{{job={job:?}}}")), Ok(0.0));
}

#[test]
fn one_that_never_ends_and_one_that_hardly_begins() {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {TEXT}\r\n\r\n");
    let (a, b, c) = (head.clone(), head.clone(), head);
    let endless = Service::start(move |request| {
        request.stream.write_all(a.as_bytes())?;
        request
            .drip("endless_value{x=\"aaaaaaaaaaaaaaaaaaaaaaa\"} 1\n".repeat(1000).as_bytes(), Duration::ZERO)
    });
    let slow_body = Service::start(move |request| {
        request.stream.write_all(b.as_bytes())?;
        request.drip(b"x", Duration::from_millis(100))
    });
    let slow_head = Service::start(move |request| {
        request.stream.write_all(&c.as_bytes()[..20])?;
        request.drip(b"x", Duration::from_millis(100))
    });
    let silent = Service::start(|request| request.drip(b"", Duration::from_millis(50)));
    let home = Home::new();
    let services =
        [("endless", &endless), ("slow_body", &slow_body), ("slow_head", &slow_head), ("silent", &silent)];
    let (midwatch, _good) = beside_a_good_one(&home, &services);
    assert_the_good_one_goes_on(&midwatch);
    assert_down(&midwatch, "endless", "body_size_limit");
    for job in ["slow_body", "slow_head", "silent"] {
        assert_down(&midwatch, job, "within");
    }
    assert_eq!(midwatch.query("{__name__=~\"endless_.*\"}"), [], "half an answer is no answer");
    assert!(midwatch.own("midwatch_scrapes_total{result=\"failed\"}") >= 4.0);
    let memory = midwatch.own("process_resident_memory_bytes");
    assert!(memory < 200e6, "{memory} bytes");
}

#[test]
fn lengths_and_encodings_that_lie() {
    let raw = |bytes: Vec<u8>| Service::start(move |request| request.stream.write_all(&bytes));
    let head = |more: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: {TEXT}\r\n{more}\r\n\r\n").into_bytes();
    let huge = raw(head("Content-Length: 1000000000000"));
    let short = raw([&head("Content-Length: 1000")[..], b"short_value 1\n"].concat());
    let bomb = raw([&head("Content-Encoding: gzip")[..], &gzip_of_zeros(16 << 20)].concat());
    let not_gzip = raw([&head("Content-Encoding: gzip")[..], b"plain_value 1\n"].concat());
    let not_http = raw(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec());
    let home = Home::new();
    let services =
        [("huge", &huge), ("short", &short), ("bomb", &bomb), ("not_gzip", &not_gzip), ("ssh", &not_http)];
    let (midwatch, _good) = beside_a_good_one(&home, &services);
    for (job, why) in
        [("huge", "1000000000000"), ("short", ""), ("bomb", "body_size_limit"), ("not_gzip", ""), ("ssh", "")]
    {
        assert_down(&midwatch, job, why);
    }
    assert_the_good_one_goes_on(&midwatch);
    assert_eq!(midwatch.query("{__name__=~\"short_value|plain_value\"}"), []);
}

#[test]
fn bad_lines_series_and_times() {
    let year_ahead = crate::support::now_ms() + 366 * 86_400_000;
    let long = "x".repeat(100_000);
    let body = format!(
        "h_before 1\nthis is no sample\nh_dup{{a=\"1\",a=\"2\"}} 2\nh_ahead 3 {year_ahead}\nh_long{{a=\"{long}\"}} 4\n\
         h_value notanumber\nh_<img src=x onerror=alert(1)> 5\nh_after 6\n"
    );
    let mixed = Service::fixed("200 OK", TEXT, body);
    let not_text =
        Service::fixed("200 OK", TEXT, b"u_before 1\nu_bad{a=\"\xff\xfe\"} 2\nu_after 3\n".to_vec());
    let redirect = Service::start(|request| {
        let head =
            "HTTP/1.1 302 Found\r\nLocation: /metrics\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        request.stream.write_all(head.as_bytes())
    });
    let home = Home::new();
    let (midwatch, _good) =
        beside_a_good_one(&home, &[("mixed", &mixed), ("not_text", &not_text), ("redirect", &redirect)]);
    assert_the_good_one_goes_on(&midwatch);
    assert_down(&midwatch, "redirect", "redirect");
    // The good lines before and after are kept; the bad ones are counted by reason, with an example.
    for (name, want) in [("h_before", 1.0), ("h_after", 6.0), ("u_before", 1.0), ("u_after", 3.0)] {
        assert_eq!(midwatch.value(name), Ok(want), "{name}");
    }
    assert_eq!(midwatch.query("{__name__=~\"h_dup|h_ahead|h_long|h_value|u_bad\"}"), []);
    for reason in ["malformed", "duplicate_label", "too_far_in_future", "label_too_long", "invalid_utf8"] {
        let counter = format!("midwatch_samples_rejected_total{{reason=\"{reason}\",source=\"scrape\"}}");
        assert!(midwatch.own(&counter) >= 1.0, "{counter}: {}", midwatch.get("/metrics").text());
    }
    let status = midwatch.data("/api/v1/status/midwatch");
    let mut sources = status["sources"].as_array().unwrap().iter();
    let source = sources.find(|s| s["source"].as_str().unwrap().starts_with("scrape mixed ")).unwrap();
    let example = source["rejected"].as_array().unwrap().iter().find(|r| r["reason"] == "duplicate_label");
    assert!(example.unwrap()["message"].as_str().unwrap().contains("h_dup"), "{source}");
}

/// A gzip file of zeros that is a thousandth of what it holds: one block of fixed codes that repeats.
fn gzip_of_zeros(length: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    // The last block, fixed Huffman codes; the literal 0; then copies of 258 bytes from 1 byte before.
    bits.put(0b011, 3);
    bits.put_code(0b0011_0000, 8);
    for _ in 0..length / 258 {
        bits.put_code(0b1100_0101, 8);
        bits.put_code(0, 5);
    }
    bits.put_code(0, 7);
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    out.extend(bits.bytes);
    // The checksum is never reached.
    out.extend([0; 8]);
    out
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn bit(&mut self, bit: u32) {
        if self.used.is_multiple_of(8) {
            self.bytes.push(0);
        }
        *self.bytes.last_mut().unwrap() |= (bit as u8) << (self.used % 8);
        self.used += 1;
    }

    /// Lowest bit first, as numbers are written.
    fn put(&mut self, value: u32, count: u32) {
        (0..count).for_each(|i| self.bit(value >> i & 1));
    }

    /// Highest bit first, as codes are written.
    fn put_code(&mut self, code: u32, count: u32) {
        (0..count).rev().for_each(|i| self.bit(code >> i & 1));
    }
}
