//! Spans in a line of text, for tests: `TRACE SPAN PARENT SERVICE NAME KIND STATUS MS [name=value ...]`, with `-` for nothing.
//! It must never be part of the program.

use model::{Origin, Span, SpanBatch, SpanId, SpanKind, SpanStatus, TraceId};

pub fn trace(n: u64) -> TraceId {
    let mut bytes = [1; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    TraceId::new(&bytes).unwrap()
}

pub fn id(n: u64) -> SpanId {
    SpanId::new(&n.to_be_bytes()).unwrap()
}

pub fn batch(lines: &str) -> SpanBatch {
    let mut batch = SpanBatch::default();
    for line in lines.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap();
        let (t, s, p, service, name, kind, status, ms) =
            (word(), word(), word(), word(), word(), word(), word(), word());
        let kinds = ["-", "internal", "server", "client", "producer", "consumer"];
        let kind = kinds.iter().position(|k| *k == kind).unwrap() as u8;
        batch.origins.push(Origin { service: service.replace('-', ""), ..Origin::default() });
        batch.spans.push(Span {
            trace_id: trace(t.parse().unwrap()),
            span_id: id(s.parse().unwrap()),
            parent_id: p.parse().ok().map(id),
            origin: batch.origins.len() as u32 - 1,
            name: name.into(),
            kind: SpanKind::from_number(kind),
            start_ns: 1_000_000_000,
            duration_ns: ms.parse::<u64>().unwrap() * 1_000_000,
            status: SpanStatus::from_number(match status {
                "ok" => 1,
                "error" => 2,
                _ => 0,
            }),
            status_message: String::new(),
            attributes: words.filter_map(|w| w.split_once('=')).collect(),
            events: Vec::new(),
            links: Vec::new(),
        });
    }
    batch
}

/// Every number and histogram of a batch.
pub fn lines(batch: &model::Batch) -> Vec<String> {
    let name = |series: u32| batch.series[series as usize].to_string();
    let mut out: Vec<String> = batch
        .samples
        .iter()
        .map(|s| format!("{} = {} @ {}", name(s.series), s.value, s.timestamp_ms))
        .collect();
    for h in &batch.histograms {
        let (count, sum) = (h.at.histogram.count, h.at.histogram.sum);
        out.push(format!("{} = {count} of {sum:.3} s @ {}", name(h.series), h.at.timestamp_ms));
    }
    for e in &batch.exemplars {
        out.push(format!("{} has {} of {}", name(e.series), e.value, e.labels.get("trace_id")));
    }
    out.sort();
    out
}
