//! The faults of the demonstration: what each does to the world, and what a person is told. It must never decide when
//! (`schedule.rs`).

use crate::VERSION;
use crate::world::{CONNECTIONS, Knobs, PRODUCTS, World};
use model::Change;

/// A way in which the shop breaks.
#[derive(Debug)]
pub struct Fault {
    /// Names it on the command line.
    pub name: &'static str,
    /// What is told when it begins.
    pub begins: &'static str,
    /// What is told when it ends.
    pub ends: &'static str,
    /// A query in PromQL that shows it.
    pub promql: &'static str,
    /// Words that find it on the page Look.
    pub look: &'static str,
    /// The service in which it is.
    pub service: &'static str,
}

/// All of them.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "bad-deploy",
        begins: "version 1.4.2 of checkout is deployed, and begins to fail for one payment provider",
        ends: "checkout is rolled back to version 1.4.1: payments work again",
        promql: r#"sum by (http_response_status_code) (rate(http_server_request_duration_seconds_count{job="checkout"}[1m]))"#,
        look: "http_server_request_duration_seconds_count job=checkout",
        service: "checkout",
    },
    Fault {
        name: "slow-sql",
        begins: "an index is dropped by mistake: looking at one's orders reads the whole table",
        ends: "the index is there again: looking at one's orders is quick",
        promql: r#"histogram_quantile(0.9, sum by (le, db_operation_name) (rate(db_client_operation_duration_seconds_bucket{job="checkout"}[1m])))"#,
        look: "db_client_operation_duration_seconds job=checkout",
        service: "checkout",
    },
    Fault {
        name: "pool-exhaustion",
        begins: "checkout does not give connections to its data base back: soon there are none",
        ends: "checkout gives connections back again",
        promql: "db_client_connection_count",
        look: "db_client_connection_count",
        service: "checkout",
    },
    Fault {
        name: "cache-flushed",
        begins: "somebody empties the cache: every page of a product asks the data base again",
        ends: "the cache is warm again",
        promql: "sum by (result) (rate(shop_cache_lookups_total[1m]))",
        look: "shop_cache_lookups",
        service: "catalogue",
    },
    Fault {
        name: "retry-storm",
        begins: "a new configuration makes the gateway impatient: it gives catalogue 2 ms, and asks six times again",
        ends: "the gateway is patient again",
        promql: "sum by (peer_service) (rate(shop_retries_total[1m]))",
        look: "shop_retries",
        service: "gateway",
    },
    Fault {
        name: "slow-shard",
        begins: "one of the four shards of stock becomes slow: some orders wait, most do not",
        ends: "the shard is quick again",
        promql: r#"histogram_quantile(0.9, sum by (le, db_operation_name) (rate(db_client_operation_duration_seconds_bucket{job="stock"}[1m])))"#,
        look: "db_client_operation_duration_seconds job=stock",
        service: "stock",
    },
    Fault {
        name: "full-disk",
        begins: "the disk of the mailer is full: mails are not sent, jobs go back into the queue",
        ends: "there is space again: the queue is worked off",
        promql: "shop_queue_depth",
        look: "shop_queue_depth",
        service: "mailer",
    },
    Fault {
        name: "memory-leak",
        begins: "each request to cart leaves 3 MB of memory behind",
        ends: "cart is restarted: its memory is small again",
        promql: r#"process_memory_usage_bytes{job="cart"}"#,
        look: "process_memory_usage job=cart",
        service: "cart",
    },
    Fault {
        name: "cpu-hog",
        begins: "a runaway job takes the processor from catalogue: all its answers are slow",
        ends: "the runaway job is stopped",
        promql: r#"histogram_quantile(0.9, sum by (le, http_route) (rate(http_server_request_duration_seconds_bucket{job="catalogue"}[1m])))"#,
        look: "http_server_request_duration_seconds job=catalogue",
        service: "catalogue",
    },
];

/// Puts a fault in or takes it out. What the shop's people would have written down of it, if it was their doing: not
/// every cause of trouble is a change that somebody told of.
pub fn turn(world: &mut World, fault: &Fault, begins: bool, now_ns: i64) -> Option<Change> {
    let whole = Knobs::default();
    let knobs = &mut world.knobs;
    match fault.name {
        "bad-deploy" => {
            let (from, to) = if begins { (VERSION, "1.4.2") } else { ("1.4.2", VERSION) };
            world.tell.versions.insert("checkout", to.to_string());
            return Some(change(now_ns, "deploy", "checkout", format!("checkout {to} deployed"), from, to));
        }
        "slow-sql" => knobs.orders_ms = if begins { 220.0 } else { whole.orders_ms },
        "pool-exhaustion" => {
            knobs.pool_leaks = begins;
            if !begins {
                world.pool = vec![now_ns; CONNECTIONS];
            }
        }
        "cache-flushed" => world.cached = vec![!begins; PRODUCTS],
        "retry-storm" => {
            knobs.patience = if begins { (2, 6) } else { whole.patience };
            let (from, to) = if begins {
                ("2000 ms, 1 retry", "2 ms, 6 retries")
            } else {
                ("2 ms, 6 retries", "2000 ms, 1 retry")
            };
            let title = format!("patience of gateway for catalogue: {to}");
            return Some(change(now_ns, "config", "gateway", title, from, to));
        }
        "slow-shard" => knobs.shard_ms[2] = if begins { 320.0 } else { whole.shard_ms[2] },
        "full-disk" => knobs.spool_full = begins,
        "memory-leak" => {
            knobs.leak_bytes = if begins { 3e6 } else { 0.0 };
            if !begins {
                world.leaked_bytes = 0.0;
            }
        }
        "cpu-hog" => knobs.catalogue_slower = if begins { 40.0 } else { whole.catalogue_slower },
        _ => {}
    }
    None
}

fn change(time_ns: i64, kind: &str, service: &str, title: String, from: &str, to: &str) -> Change {
    Change {
        time_ns,
        id: format!("demo-{kind}-{}", time_ns / 1_000_000),
        kind: kind.to_string(),
        title,
        service: service.to_string(),
        host: String::new(),
        author: "demo".to_string(),
        link: String::new(),
        attributes: [("before", from), ("after", to)].into_iter().collect(),
    }
}
