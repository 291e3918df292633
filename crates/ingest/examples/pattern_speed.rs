//! How long a line takes to find its template: `cargo run --release -p ingest --example pattern_speed`. A measurement, no test.

use ingest::patterns::{Line, Patterns, Settings};
use model::Severity;
use std::time::Instant;

fn main() {
    const TEXTS: [&str; 8] = [
        "Accepted publickey for root from 10.1.2.{} port 5{}12 ssh2: RSA SHA256:ab{}f00d",
        "2026-11-20 05:06:07.{} UTC [{}] LOG:  checkpoint complete: wrote {} buffers (1.2%)",
        "2026-11-20 05:06:07,{} ERROR [http-{}] c.e.CartController - cannot load cart {}",
        "charged order 550e8400-e29b-41d4-a716-4466554{} amount={}.5 currency=EUR after {} ms",
        "queue orders depth={} lag={}.2s consumers={}",
        "GET /api/v1/items/{} HTTP/1.1 200 {} {}",
        "PacketResponder {} for block blk_{} terminating after {}",
        "user {} exceeded the limit of {} requests in {} s",
    ];
    let lines: Vec<String> = (0..200_000usize)
        .map(|i| {
            let mut text = TEXTS[i % TEXTS.len()].to_string();
            for n in 0..3 {
                text = text.replacen("{}", &(i * (7 + n)).to_string(), 1);
            }
            text
        })
        .collect();
    let bytes: usize = lines.iter().map(String::len).sum();
    let mut patterns = Patterns::new(Settings::default());
    for round in 0..5 {
        let started = Instant::now();
        for (i, body) in lines.iter().enumerate() {
            let line = Line {
                service: "s",
                host: "",
                body,
                severity: Severity::INFO,
                time_ns: i as i64 * 1_000_000,
            };
            patterns.learn(line);
        }
        let ns = started.elapsed().as_nanos() as usize;
        println!(
            "round {round}: {} ns a line, {} MB/s, {} templates",
            ns / lines.len(),
            bytes * 1000 / ns,
            patterns.len()
        );
    }
}
