//! The tables of rows: every condition gives the same rows whether the store answers it or the engine looks at each row.

use crate::support::{NOON_MS, Stored};
use model::{Batch, Change, LogBatch, LogRow, Origin, Severity};

const NOON_NS: i64 = NOON_MS * 1_000_000;

fn stored() -> Stored {
    let stored = Stored::new(Batch::default());
    let origin = |service: &str| Origin {
        service: service.into(),
        host: "db-7".into(),
        attributes: [("service.version", "1.4")].into_iter().collect(),
    };
    let mut logs = LogBatch::default();
    logs.origins = vec![origin("cart"), origin("payment")];
    for i in 0..40u8 {
        let body = match i % 4 {
            0 => format!("GET /cart/{i} 200"),
            1 => format!("payment {i} refused: 50% of limit_a"),
            2 => "connection reset by peer".to_string(),
            _ => String::new(),
        };
        let row = LogRow {
            time_ns: NOON_NS + i64::from(i) * 1_000_000_007,
            origin: u32::from(i % 2),
            severity: Severity::from_number(if i % 4 == 1 { 17 } else { 9 }),
            body: &body,
            pattern: u64::from(i % 4),
            trace_id: None,
            span_id: None,
        };
        logs.push(row, [("user", if i % 3 == 0 { "ada" } else { "bob" })]);
    }
    stored.store.tables().append_logs(logs).unwrap().wait_blocking().unwrap();
    let change = Change {
        time_ns: NOON_NS,
        id: "c1".into(),
        kind: "deploy".into(),
        title: "cart 1.4".into(),
        service: "cart".into(),
        host: String::new(),
        author: "api".into(),
        link: String::new(),
        attributes: Default::default(),
    };
    stored.store.tables().append_changes(vec![change]).unwrap().wait_blocking().unwrap();
    stored
}

#[test]
fn conditions_on_logs() {
    let stored = stored();
    for (condition, want) in [
        ("true", 40),
        ("service = 'cart'", 20),
        ("service != 'cart'", 20),
        ("service IN ('cart', 'payment', 'x', 'y', 'z')", 40),
        ("service = 'cart' OR service = 'x'", 20),
        ("severity >= 17", 10),
        ("severity > 9", 10),
        ("severity < 17", 30),
        ("severity = 9", 30),
        ("body LIKE '%refused%'", 10),
        ("body LIKE '%50\\%%'", 10),
        ("body LIKE '%limit_a'", 10),
        ("body LIKE 'GET%'", 10),
        ("body NOT LIKE '%refused%'", 30),
        ("body ILIKE '%RESET%'", 10),
        ("body ~ 'pay.*[0-9]+ refused'", 10),
        ("body = ''", 10),
        ("pattern = 2", 10),
        ("attributes['user'] = 'ada'", 14),
        ("attributes['user'] != 'ada'", 26),
        ("attributes['service.version'] = '1.4'", 0),
        ("resource['service.version'] = '1.4'", 40),
        ("attributes['user'] IS NOT NULL", 40),
        ("trace_id IS NULL", 40),
        ("time >= '2026-01-31T12:00:00Z' AND time < '2026-01-31T12:00:10Z'", 10),
        ("time > '2026-01-31T12:00:00Z'", 39),
        ("time = '2026-01-31T12:00:01.000000007Z'", 1),
        ("service = 'payment' AND severity = 17 AND body LIKE '%refused%'", 10),
    ] {
        let direct = format!("SELECT count(*) FROM logs WHERE {condition}");
        let each = format!(
            "SELECT count(*) FROM (SELECT *, random() AS r FROM logs) WHERE r >= 0 AND ({condition})"
        );
        let limited = format!("SELECT count(*) FROM (SELECT body FROM logs WHERE {condition} LIMIT 7)");
        let of = |text: &str| {
            let csv = stored.csv(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            csv.lines().nth(1).unwrap().parse::<usize>().unwrap()
        };
        assert_eq!(of(&direct), want, "{direct}");
        assert_eq!(of(&each), want, "{each}");
        assert_eq!(of(&limited), want.min(7), "{limited}");
    }
}

#[test]
fn rows_of_all_tables() {
    let stored = stored();
    for (text, want) in [
        (
            "SELECT time, service, severity, body, attributes['user'] AS who FROM logs ORDER BY time DESC LIMIT 1 OFFSET 2",
            "2026-01-31T12:00:37.000000259Z,payment,17,payment 37 refused: 50% of limit_a,bob",
        ),
        ("SELECT count(*) FROM spans", "0"),
        ("SELECT kind, title, service FROM changes", "deploy,cart 1.4,cart"),
        (
            "SELECT c.title, count(*) FROM changes c JOIN logs l ON l.service = c.service AND l.time >= c.time \
             AND l.time < c.time + interval '20 seconds' GROUP BY 1",
            "cart 1.4,10",
        ),
        (
            "SELECT date_bin(interval '10 seconds', time) AS t, count(*) FILTER (WHERE severity >= 17) AS errors \
             FROM logs GROUP BY t ORDER BY t LIMIT 1",
            "2026-01-31T12:00:00Z,3",
        ),
    ] {
        let got = stored.csv(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(got.split_once('\n').unwrap().1.trim_end(), want, "{text}");
    }
}
