//! Spans as lines, in any order, and the edges that they become.

use super::super::testing::{batch, id, lines, trace};
use super::*;

/// Calls of each edge, and how many failed.
fn edges(graph: &Graph) -> Vec<String> {
    let line = |(k, e): (&EdgeKey, &Edge)| {
        let kind = if k.connection.is_empty() { String::new() } else { format!(" ({})", k.connection) };
        format!("{} -> {}{kind}: {} failed {}", k.client, k.server, e.total, e.failed)
    };
    let mut out: Vec<String> = graph.edges.iter().map(line).collect();
    out.sort();
    out
}

#[test]
fn the_two_sides_of_a_call_are_matched_in_any_order() {
    let lines = [
        "1 1 - web GET/ server - 50",
        "1 2 1 web call client - 40",
        "1 3 2 cart GET/cart server error 30",
        "1 4 3 cart work internal - 10",
    ];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let mut graph = Graph::default();
        for i in order {
            graph.observe(&batch(lines[i]), 0);
        }
        assert_eq!(
            edges(&graph),
            ["user -> web (virtual_node): 1 failed 0", "web -> cart: 1 failed 1"],
            "{order:?}"
        );
        assert_eq!((graph.len().1, graph.unpaired, graph.overflowed), (0, 0, 0));
    }
}

#[test]
fn who_sends_no_spans_is_named_by_attributes() {
    let mut graph = Graph::default();
    graph.observe(
        &batch(
            "1 1 9 cart select client - 5 db.system=postgresql db.name=shop
             1 2 9 cart get client error 5 db.system=redis peer.service=cache
             1 3 9 cart send producer - 5 messaging.system=kafka messaging.destination.name=orders
             1 4 9 cart pay client - 5 server.address=pay.example
             1 5 9 cart mystery client - 5",
        ),
        0,
    );
    assert_eq!(
        edges(&graph),
        ["cart -> cache (database): 1 failed 1", "cart -> postgresql:shop (database): 1 failed 0"],
        "databases at once"
    );
    graph.observe(&SpanBatch::default(), WINDOW_MS + 1);
    let want = ["cart -> kafka:orders (messaging_system)", "cart -> pay.example (virtual_node)"];
    for want in want {
        assert!(edges(&graph).iter().any(|e| e.starts_with(want)), "{want}: {:?}", edges(&graph));
    }
    assert_eq!((graph.unpaired, graph.len().1), (1, 0));
}

#[test]
fn a_consumer_is_matched_by_its_link() {
    let mut graph = Graph::default();
    graph.observe(&batch("1 3 1 cart send producer - 5 messaging.system=kafka"), 0);
    let mut consumer = batch("2 7 - mailer receive consumer - 5");
    let link = model::SpanLink { trace_id: trace(1), span_id: id(3), attributes: Pairs::new() };
    consumer.spans[0].links.push(link);
    graph.observe(&consumer, 10);
    assert_eq!(edges(&graph), ["cart -> mailer (messaging_system): 1 failed 0"]);
}

#[test]
fn what_waits_is_bounded_and_counted() {
    let mut graph = Graph::default();
    let mut spans = SpanBatch::default();
    let one = batch("1 1 - cart call client - 5");
    for n in 0..PENDING_MAX as u64 + 10 {
        let mut span = one.spans[0].clone();
        span.span_id = id(n + 1);
        spans.spans.push(span);
    }
    spans.origins = one.origins;
    graph.observe(&spans, 0);
    assert_eq!((graph.len().1, graph.overflowed, graph.unpaired), (PENDING_MAX, 10, 10));
    graph.observe(&spans, 1);
    assert!(graph.order.len() <= 2 * PENDING_MAX);
}

#[test]
fn edges_are_written_as_series() {
    let mut graph = Graph::default();
    graph.observe(&batch("1 1 9 web call client - 40\n1 2 1 cart GET server error 30"), 0);
    let written = lines(&graph.collect(10_000, 10_000));
    for want in [
        r#"traces_service_graph_request_total{client="web", server="cart"} = 1 @ 10000"#,
        r#"traces_service_graph_request_failed_total{client="web", server="cart"} = 1 @ 10000"#,
        r#"traces_service_graph_request_client_seconds{client="web", server="cart"} = 1 of 0.040 s @ 10000"#,
        r#"traces_service_graph_request_server_seconds{client="web", server="cart"} = 1 of 0.030 s @ 10000"#,
    ] {
        let written: Vec<_> = written.iter().map(|l| l.replace("\",server", "\", server")).collect();
        assert!(written.iter().any(|l| l == want), "{want}: {written:#?}");
    }
}
