//! Spans as lines, and the series that they become.

use super::super::testing::{batch, lines};
use super::*;

#[test]
fn calls_and_durations_by_service_operation_kind_and_status() {
    let mut metrics = SpanMetrics::default();
    let spans = "1 1 - cart GET/items/7 server - 20
                 1 2 1 cart query client error 10
                 2 3 - cart GET/items/8 server - 30";
    metrics.observe(&batch(spans), 5_000);
    let written = metrics.collect(10_000, 10_000);
    let items = r#"service_name="cart",span_kind="SPAN_KIND_SERVER",span_name="GET/items/{id}",status_code="STATUS_CODE_UNSET"}"#;
    let query = r#"service_name="cart",span_kind="SPAN_KIND_CLIENT",span_name="query",status_code="STATUS_CODE_ERROR"}"#;
    let mut want = vec![
        format!("{CALLS}{{{query} = 0 @ 0"),
        format!("{CALLS}{{{query} = 1 @ 10000"),
        format!("{CALLS}{{{items} = 0 @ 0"),
        format!("{CALLS}{{{items} = 2 @ 10000"),
        format!("{DURATION}{{{query} = 0 of 0.000 s @ 0"),
        format!("{DURATION}{{{query} = 1 of 0.010 s @ 10000"),
        format!("{DURATION}{{{items} = 0 of 0.000 s @ 0"),
        format!("{DURATION}{{{items} = 2 of 0.050 s @ 10000"),
        format!("{DURATION}{{{query} has 0.01 of 01010101010101010000000000000001"),
        format!("{DURATION}{{{items} has 0.03 of 01010101010101010000000000000002"),
    ];
    want.sort();
    let all = |text: Vec<String>| text.into_iter().map(|l| l.replace(", ", ",")).collect::<Vec<_>>();
    assert_eq!(all(lines(&written)), want);
    assert_eq!(written.metadata.len(), 2);
    assert!(written.histograms.iter().all(|h| h.at.histogram.check().is_ok()));
    // The next time counters go on, without zeros and examples.
    metrics.observe(&batch(spans), 15_000);
    let again = metrics.collect(20_000, 10_000);
    assert_eq!(again.samples.iter().map(|s| s.value).sum::<f64>(), 6.0);
    assert_eq!((again.samples.len(), again.metadata.len()), (2, 0));
}

#[test]
fn past_the_bounds_operations_are_other_and_counted() {
    let mut metrics = SpanMetrics::default();
    let letters = |mut n: usize| {
        let mut word = String::new();
        for _ in 0..4 {
            word.push(char::from(b'g' + (n % 20) as u8));
            n /= 20;
        }
        word
    };
    let many: String = (0..OPERATIONS_PER_SERVICE_MAX + 50)
        .map(|i| format!("1 1 - cart {} server - 1\n", letters(i)))
        .collect();
    metrics.observe(&batch(&many), 0);
    assert_eq!((metrics.len(), metrics.overflowed), (OPERATIONS_PER_SERVICE_MAX + 1, 50));
    let services: String =
        (0..SERVICES_MAX + 20).map(|i| format!("1 1 - s{} x server - 1\n", letters(i))).collect();
    metrics.observe(&batch(&services), 0);
    assert_eq!(metrics.overflowed, 50 + 21);
    let total: f64 = {
        let written = metrics.collect(1_000, 1_000);
        written.samples.iter().map(|s| s.value).sum()
    };
    assert_eq!(
        total as usize,
        OPERATIONS_PER_SERVICE_MAX + 50 + SERVICES_MAX + 20,
        "nothing is lost, only lumped"
    );
    // What is idle makes room.
    metrics.observe(&batch("1 1 - cart fresh server - 1"), IDLE_MS + 10);
    metrics.collect(IDLE_MS + 10, 1_000);
    assert_eq!(metrics.len(), 1);
}

#[test]
fn a_service_and_a_span_without_names_have_one() {
    let mut metrics = SpanMetrics::default();
    let mut spans = batch("1 1 - - x server - 1");
    spans.spans[0].name.clear();
    metrics.observe(&spans, 0);
    let written = lines(&metrics.collect(10, 10)).join("\n");
    assert!(
        written.contains(r#"service_name="unknown_service""#) && written.contains(r#""unnamed""#),
        "{written}"
    );
}
