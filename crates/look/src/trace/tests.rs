//! Spans as lines (`ID PARENT SERVICE KIND FROM TO`), and what becomes of them.

use super::*;
use model::{Origin, Span, SpanId, SpanKind, TraceId};

fn batch(lines: &str) -> SpanBatch {
    let mut batch = SpanBatch::default();
    for line in lines.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let id = |text: &str| text.parse::<u64>().ok().and_then(|n| SpanId::new(&n.to_be_bytes()));
        let number = |i: usize| words[i].parse::<i64>().unwrap();
        batch.origins.push(Origin { service: words[2].into(), host: words[2].into(), ..Origin::default() });
        batch.spans.push(Span {
            trace_id: TraceId::new(&[1; 16]).unwrap(),
            span_id: id(words[0]).unwrap(),
            parent_id: id(words[1]),
            origin: batch.origins.len() as u32 - 1,
            name: words[0].into(),
            kind: match words[3] {
                "client" => SpanKind::Client,
                "server" => SpanKind::Server,
                _ => SpanKind::Internal,
            },
            start_ns: number(4),
            duration_ns: (number(5) - number(4)) as u64,
            status: SpanStatus::Unset,
            status_message: String::new(),
            attributes: Default::default(),
            events: Vec::new(),
            links: Vec::new(),
        });
    }
    batch
}

/// The tree with depth, drawn times and own time; the critical path.
fn show(lines: &str) -> (Vec<String>, String) {
    let batch = batch(lines);
    let trace = assemble(&batch);
    let line = |p: &Placed| {
        let (from, to) = drawn(&batch, p);
        let mut text = format!(
            "{}{} {from}-{to} self {}",
            "  ".repeat(p.depth as usize),
            batch.spans[p.span].name,
            p.self_ns
        );
        for (is, word) in
            [(p.is_orphan, " orphan"), (p.was_in_circle, " circle"), (p.shift_ns != 0, " shifted")]
        {
            text += if is { word } else { "" };
        }
        text
    };
    let name = |i: usize| &batch.spans[trace.spans[i].span].name;
    let path: Vec<String> =
        trace.critical.iter().map(|s| format!("{}:{}-{}", name(s.span), s.from_ns, s.to_ns)).collect();
    (trace.spans.iter().map(line).collect(), path.join(" "))
}

#[test]
fn a_tree_with_own_times_and_a_critical_path() {
    let (tree, path) = show(
        "3 1 b client 60 90
         1 - a server 0 100
         2 1 b client 10 50
         4 1 b client 20 40
         5 3 c server 65 85",
    );
    assert_eq!(
        tree,
        [
            "1 0-100 self 30",
            "  2 10-50 self 40",
            "  4 20-40 self 20",
            "  3 60-90 self 10",
            "    5 65-85 self 20"
        ]
    );
    assert_eq!(path, "1:0-10 2:10-50 1:50-60 3:60-65 5:65-85 3:85-90 1:90-100");
}

#[test]
fn missing_parents_and_circles_are_told_and_nothing_is_left_out() {
    let (tree, _) =
        show("1 - a - 0 10\n2 9 b - 5 9\n3 4 c - 7 8\n4 5 c - 6 9\n5 3 c - 8 9\n6 5 d - 8 9\n7 7 e - 1 2");
    assert_eq!(
        tree,
        [
            "1 0-10 self 10",
            "7 1-2 self 1 circle",
            "2 5-9 self 4 orphan",
            "4 6-9 self 2 circle",
            "  3 7-8 self 1",
            "    5 8-9 self 0",
            "      6 8-9 self 1"
        ]
    );
}

#[test]
fn doubles_are_shown_once_and_both_sides_with_one_id_are_parent_and_child() {
    let lines =
        "1 - a server 0 100\n1 - a server 0 40\n2 1 a client 10 50\n2 1 b server 15 45\n3 2 b - 20 30";
    let (tree, _) = show(lines);
    assert_eq!(
        tree,
        ["1 0-100 self 60", "  2 10-50 self 10", "    2 15-45 self 20", "      3 20-30 self 10"]
    );
    assert_eq!(assemble(&batch(lines)).duplicates, 1);
}

#[test]
fn an_answer_before_its_question_is_drawn_inside_and_takes_its_own_along() {
    let (tree, path) = show("1 - a client 1000 1100\n2 1 b server 500 560\n3 2 b - 510 520\n4 1 c - 900 950");
    assert_eq!(
        tree,
        [
            "1 1000-1100 self 40",
            "  4 900-950 self 50",
            "  2 1020-1080 self 50 shifted",
            "    3 1030-1040 self 10 shifted"
        ],
        "only calls are moved"
    );
    assert_eq!(path, "1:1000-1020 2:1020-1030 3:1030-1040 2:1040-1080 1:1080-1100");
}

#[test]
fn any_spans_give_a_trace_with_each_of_them_once_whose_path_fills_the_root() {
    let mut seed = 7u64;
    let mut random = |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % n
    };
    for round in 0..300 {
        let n = 1 + random(30);
        let mut lines = String::new();
        for i in 1..=n {
            let (from, kind) = (random(100), ["client", "server", "-"][random(3) as usize]);
            lines += &format!("{i} {} s{} {kind} {from} {}\n", random(n + 3), random(3), from + random(50));
        }
        let batch = batch(&lines);
        let trace = assemble(&batch);
        let mut seen: Vec<usize> = trace.spans.iter().map(|p| p.span).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..n as usize).collect::<Vec<_>>(), "round {round}:\n{lines}");
        for (i, p) in trace.spans.iter().enumerate() {
            assert!(p.parent.is_none_or(|parent| parent < i && trace.spans[parent].depth + 1 == p.depth));
            assert!(p.self_ns <= batch.spans[p.span].duration_ns);
        }
        let (from, to) = drawn(&batch, &trace.spans[trace.root.unwrap()]);
        let mut at = from;
        for segment in &trace.critical {
            assert_eq!(segment.from_ns, at, "round {round}:\n{lines}");
            at = segment.to_ns;
        }
        assert_eq!(at, to, "round {round}:\n{lines}");
    }
}

#[test]
fn deep_wide_and_extreme_traces_end() {
    let deep: String = (1..=10_000).map(|i| format!("{i} {} a - {i} 20000\n", i - 1)).collect();
    let trace = assemble(&batch(&deep.replacen("1 0 ", "1 - ", 1)));
    assert_eq!((trace.spans.len(), trace.spans[9_999].depth, trace.critical.len()), (10_000, 9_999, 10_000));
    let wide: String = (1..=10_000).map(|i| format!("{i} 1 a - 0 20000\n")).collect();
    assert_eq!(assemble(&batch(&wide)).circles, 1);
    let mut extreme = batch("1 - a client 0 1\n2 1 b server 0 1");
    (extreme.spans[0].start_ns, extreme.spans[0].duration_ns) = (i64::MAX - 5, u64::MAX);
    (extreme.spans[1].start_ns, extreme.spans[1].duration_ns) = (i64::MIN, u64::MAX);
    assert_eq!(assemble(&extreme).spans.len(), 2);
    assert_eq!(assemble(&SpanBatch::default()), Trace::default());
}
