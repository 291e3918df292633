//! Traces as lines, and which of them are kept when their rows are written for long.

use super::super::testing::{batch, trace};
use super::*;

fn settings() -> TailSettings {
    TailSettings { keep_one_in: u64::MAX, quiet_ms: 1_000, spans_max: 1_000, ..TailSettings::default() }
}

/// Lets time pass.
fn quiet(tail: &mut Tail, now_ms: i64) {
    tail.step(&SpanBatch::default(), now_ms);
}

#[test]
fn errors_are_kept_whole_and_the_rest_is_counted() {
    let mut tail = Tail::new(settings());
    let spans = "1 1 - web a server - 5\n2 2 - web a server - 5\n1 3 1 cart b client error 5\n2 4 2 cart b client - 5";
    tail.step(&batch(spans), 0);
    assert_eq!((tail.waiting(), tail.shares.len()), ((4, 2), 0), "not decided yet");
    quiet(&mut tail, 1_000);
    assert_eq!((tail.waiting(), tail.shares["web"]), ((0, 0), Shares { kept: 1, dropped: 1 }));
    assert_eq!(tail.keeps(&[1, 2, 1, 2].map(trace)), [true, false, true, false]);
    // Asked again, as after a write that failed, it says the same.
    assert_eq!(tail.keeps(&[1, 2].map(trace)), [true, false]);
    // Late ones follow, but an error saves what is still there.
    tail.step(&batch("1 5 1 cart c client - 5\n2 6 2 cart c client - 5"), 1_100);
    assert_eq!(tail.keeps(&[1, 2].map(trace)), [true, false]);
    tail.step(&batch("2 7 2 cart c client error 5"), 1_200);
    assert_eq!(tail.keeps(&[1, 2].map(trace)), [true, true]);
}

#[test]
fn a_trace_waits_as_long_as_spans_of_it_come() {
    let mut tail = Tail::new(settings());
    for at_ms in [0, 900, 1_800, 2_700] {
        let status = if at_ms == 2_700 { "error" } else { "-" };
        tail.step(&batch(&format!("1 {} - web a server {status} 5", at_ms + 1)), at_ms);
        assert_eq!(tail.waiting().1, 1, "at {at_ms}");
    }
    quiet(&mut tail, 3_800);
    assert_eq!(tail.shares["web"], Shares { kept: 1, dropped: 0 });
}

#[test]
fn slow_ones_are_kept_once_the_usual_is_known() {
    let mut tail = Tail::new(settings());
    for n in 0..500 {
        tail.step(&batch(&format!("{} 1 - web a server - {}", n + 10, 10 + n % 7)), n as i64 * 10);
    }
    tail.step(&batch("7 1 - web a server - 400\n8 1 - web a server - 12\n9 1 - new b server - 9999"), 10_000);
    quiet(&mut tail, 20_000);
    assert_eq!(tail.keeps(&[7, 8, 9].map(trace)), [true, false, false]);
    tail.step(&batch("6 1 - new b server - 10000"), 30_000);
    quiet(&mut tail, 40_000);
    assert_eq!(tail.keeps(&[trace(6)]), [true], "by the limit");
}

#[test]
fn what_is_not_decided_when_it_is_written_is_kept_where_that_is_little() {
    let ordinary = |from: u64, to: u64| {
        let lines: Vec<String> = (from..to).map(|n| format!("{n} 1 - web a server - 5")).collect();
        batch(&lines.join("\n"))
    };
    let ids = |from: u64, to: u64| (from..to).map(trace).collect::<Vec<_>>();
    let kept = |tail: &mut Tail, ids: &[TraceId]| tail.keeps(ids).iter().filter(|k| **k).count();

    let mut tail = Tail::new(settings());
    tail.step(&ordinary(1, 91), 0);
    quiet(&mut tail, 1_000);
    tail.step(&ordinary(91, 101), 1_100);
    assert_eq!(kept(&mut tail, &ids(1, 101)), 10);
    // From now on whole, also what comes later.
    tail.step(&ordinary(91, 92), 1_200);
    assert_eq!((kept(&mut tail, &ids(91, 92)), tail.waiting()), (1, (0, 0)));

    let mut tail = Tail::new(settings());
    tail.step(&ordinary(1, 101), 0);
    tail.step(&batch("5 2 1 web b client error 5"), 0);
    assert_eq!(kept(&mut tail, &ids(1, 101)), 1, "half of all would be no sampling");
    assert_eq!(kept(&mut tail, &ids(200, 210)), 10, "nothing is known of these");
}

#[test]
fn the_share_is_of_trace_ids_and_memory_is_bounded() {
    let mut tail = Tail::new(TailSettings { keep_one_in: 4, ..settings() });
    let mut ids = Vec::new();
    for n in 0..8_000u64 {
        // Spread over all values of the last seven bytes.
        let mut one = batch(&format!("{} 1 - web a server - 5", n + 1));
        let mut bytes = *one.spans[0].trace_id.bytes();
        bytes[9..].copy_from_slice(&(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8).to_be_bytes()[1..]);
        one.spans[0].trace_id = TraceId::new(&bytes).unwrap();
        ids.push(one.spans[0].trace_id);
        tail.step(&one, 0);
        assert!(tail.waiting().0 <= 1_000);
    }
    quiet(&mut tail, 1_000);
    let kept = tail.keeps(&ids).iter().filter(|k| **k).count();
    assert!((1_800..2_200).contains(&kept), "{kept} of 8000");
    let share = tail.shares["web"];
    assert_eq!((share.kept as usize, share.kept + share.dropped), (kept, 8_000));
    assert_eq!(tail.waiting(), (0, 0));
}

#[test]
fn by_default_nothing_waits() {
    let mut tail = Tail::new(TailSettings::default());
    tail.step(&batch("1 1 - web a server - 5"), 0);
    assert_eq!((tail.keeps_all(), tail.waiting()), (true, (0, 0)));
}
