//! Traces as lines, and which of them are kept.

use super::super::testing::{batch, trace};
use super::*;

fn settings() -> TailSettings {
    TailSettings { keep_one_in: u64::MAX, quiet_ms: 1_000, spans_max: 1_000, ..TailSettings::default() }
}

fn traces(decided: &Decided) -> Vec<TraceId> {
    let mut ids: Vec<_> = decided.keep.spans.iter().map(|s| s.trace_id).collect();
    ids.dedup();
    ids
}

#[test]
fn errors_are_kept_whole_and_the_rest_is_counted() {
    let mut tail = Tail::new(settings());
    let spans = "1 1 - web a server - 5\n2 2 - web a server - 5\n1 3 1 cart b client error 5\n2 4 2 cart b client - 5";
    assert!(tail.step(batch(spans), 0).keep.spans.is_empty(), "not decided yet");
    assert_eq!(tail.waiting(), (4, 2));
    let decided = tail.step(SpanBatch::default(), 1_000);
    assert_eq!((traces(&decided), decided.keep.spans.len(), decided.dropped_spans), (vec![trace(1)], 2, 2));
    let origin = |i: usize| decided.keep.origin(&decided.keep.spans[i]).service.clone();
    assert_eq!((origin(0), origin(1)), ("web".into(), "cart".into()));
    assert_eq!(tail.shares["web"], Shares { kept: 1, dropped: 1, dropped_spans: 2 });
    // Late ones follow, but an error is never dropped.
    let late = tail
        .step(batch("1 5 1 cart c client - 5\n2 6 2 cart c client - 5\n2 7 2 cart c client error 5"), 1_100);
    assert_eq!((late.keep.spans.len(), late.dropped_spans), (2, 1));
    assert_eq!(tail.waiting(), (0, 0));
}

#[test]
fn a_trace_waits_as_long_as_spans_of_it_come() {
    let mut tail = Tail::new(settings());
    for (at_ms, kept) in [(0, 0), (900, 0), (1_800, 0), (2_700, 0), (3_800, 0)] {
        let id = at_ms + 1;
        let status = if at_ms == 2_700 { "error" } else { "-" };
        let spans = if at_ms < 3_000 { format!("1 {id} - web a server {status} 5") } else { String::new() };
        let decided = tail.step(batch(&spans), at_ms);
        let want = if at_ms == 3_800 { 4 } else { kept };
        assert_eq!(decided.keep.spans.len(), want, "at {at_ms}");
    }
}

#[test]
fn slow_ones_are_kept_once_the_usual_is_known() {
    let mut tail = Tail::new(settings());
    for n in 0..500 {
        tail.step(batch(&format!("{} 1 - web a server - {}", n + 10, 10 + n % 7)), n as i64 * 10);
    }
    let decided = tail
        .step(batch("7 1 - web a server - 400\n8 1 - web a server - 12\n9 1 - new b server - 9999"), 10_000);
    assert!(decided.keep.spans.iter().all(|s| s.trace_id != trace(7)), "waits");
    let decided = tail.step(SpanBatch::default(), 20_000);
    assert_eq!(traces(&decided), [trace(7)]);
    tail.step(batch("6 1 - new b server - 10000"), 30_000);
    assert_eq!(traces(&tail.step(SpanBatch::default(), 40_000)), [trace(6)], "by the limit");
}

#[test]
fn the_share_is_of_trace_ids_and_memory_is_bounded() {
    let mut tail = Tail::new(TailSettings { keep_one_in: 4, ..settings() });
    let mut kept = 0;
    for n in 0..8_000u64 {
        // Spread over all values of the last seven bytes.
        let mut one = batch(&format!("{} 1 - web a server - 5", n + 1));
        let mut bytes = *one.spans[0].trace_id.bytes();
        bytes[9..].copy_from_slice(&(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8).to_be_bytes()[1..]);
        one.spans[0].trace_id = TraceId::new(&bytes).unwrap();
        kept += tail.step(one, 0).keep.spans.len();
        assert!(tail.waiting().0 <= 1_000);
    }
    kept += tail.flush().keep.spans.len();
    assert!((1_800..2_200).contains(&kept), "{kept} of 8000");
    let share = tail.shares["web"];
    assert_eq!((share.kept as usize, share.kept + share.dropped), (kept, 8_000));
    assert_eq!(tail.waiting(), (0, 0));
}

#[test]
fn by_default_nothing_is_dropped_and_nothing_waits() {
    let mut tail = Tail::new(TailSettings::default());
    assert_eq!(tail.step(batch("1 1 - web a server - 5"), 0).keep.spans.len(), 1);
    assert_eq!(tail.waiting(), (0, 0));
}
