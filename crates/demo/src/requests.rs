//! What customers ask for, and what the services do about it. It must never hold state: that is the world's.

use crate::world::{At, End, Fail, PRODUCTS, Who, World};
use crate::{METRICS_NS, SECOND_NS};
use model::{Severity, SpanKind};

/// Keys, and how many of a hundred requests come with each.
const KEYS: [(&str, u64); 4] = [("web-7f3a", 55), ("ios-51c9", 20), ("android-a08e", 17), ("acme-e4d2", 8)];

/// One request of a customer.
pub fn arrive(world: &mut World, at_ns: i64) {
    let mut dice = world.chance.below(100);
    let key = KEYS.iter().find(|(_, share)| {
        let hit = dice < *share;
        dice = dice.saturating_sub(*share);
        hit
    });
    let who = Who {
        user: format!("u{:05}", 1 + world.chance.below(5_000)),
        key: key.map_or("web-7f3a", |k| k.0),
        request_id: format!("{:016x}", world.chance.bits()),
    };
    let product = (world.chance.unit().powi(3) * PRODUCTS as f64) as usize;
    match world.chance.below(100) {
        0..28 => look(world, at_ns, &who, "/products", list),
        28..60 => look(world, at_ns, &who, "/products/{id}", move |w, at, t| page(w, at, t, product)),
        60..74 => through(world, at_ns, &who, ("POST", "/cart"), "cart", |w, at, t| cart(w, at, t, "HSET")),
        74..82 => through(world, at_ns, &who, ("GET", "/cart"), "cart", |w, at, t| cart(w, at, t, "HGETALL")),
        82..93 => {
            let of = who.clone();
            let buy = move |w: &mut World, at, t| check_out(w, at, t, &of, product);
            through(world, at_ns, &who, ("POST", "/checkout"), "checkout", buy);
        }
        _ => through(world, at_ns, &who, ("GET", "/orders"), "checkout", |w, at, t| {
            let median = w.knobs.orders_ms;
            w.ask_pooled(at, "select orders of user", t, median)
        }),
    }
}

/// A request that the gateway passes on, once.
fn through(
    world: &mut World,
    at_ns: i64,
    who: &Who,
    operation: (&'static str, &'static str),
    peer: &'static str,
    work: impl FnOnce(&mut World, At, i64) -> End,
) {
    // How it ended is told by the gateway itself.
    let _ = world.answer(None, "gateway", operation, who, at_ns, |w, at, t| {
        let end = w.call(at, peer, operation, who, (t, 6_000), work);
        passed_on(w, at, operation, who, &end);
        end
    });
}

/// A look at the catalogue, which the gateway asks for again after a failure.
fn look(
    world: &mut World,
    at_ns: i64,
    who: &Who,
    route: &'static str,
    work: impl Fn(&mut World, At, i64) -> End,
) {
    // How it ended is told by the gateway itself.
    let _ = world.answer(None, "gateway", ("GET", route), who, at_ns, |w, at, mut t| {
        let (timeout_ms, mut left) = w.knobs.patience;
        loop {
            let end = w.call(at, "catalogue", ("GET", route), who, (t, timeout_ms), &work);
            match &end.1 {
                Err(Fail(code, why)) if *code >= 500 && left > 0 => {
                    left -= 1;
                    t = end.0;
                    w.tell.count("gateway", "shop.retries", &[("peer.service", "catalogue")], 1.0);
                    let more = [("peer", "catalogue"), ("request.id", &*who.request_id)];
                    w.log(at, t, Severity::WARN, format!("calling again: {why}"), &more);
                }
                _ => {
                    passed_on(w, at, ("GET", route), who, &end);
                    return end;
                }
            }
        }
    });
}

fn passed_on(world: &mut World, at: At, (method, route): (&str, &str), who: &Who, end: &End) {
    if end.1.is_ok() {
        let more = [("user.id", &*who.user), ("api.key", who.key), ("request.id", &*who.request_id)];
        world.log(at, end.0, Severity::INFO, format!("{method} {route} answered"), &more);
    }
}

fn list(world: &mut World, at: At, t: i64) -> End {
    let slower = world.knobs.catalogue_slower;
    let t = world.compute("catalogue", t, 0.6 * slower);
    (world.ask(at, "postgresql", "select products", t, 2.2), Ok(()))
}

fn page(world: &mut World, at: At, t: i64, product: usize) -> End {
    let t = world.ask(at, "redis", "GET", t, 0.3);
    let hit = std::mem::replace(&mut world.cached[product], true);
    let result = if hit { "hit" } else { "miss" };
    world.tell.count("catalogue", "shop.cache.lookups", &[("result", result)], 1.0);
    let slower = world.knobs.catalogue_slower;
    if hit {
        return (world.compute("catalogue", t, 0.4 * slower), Ok(()));
    }
    let t = world.ask(at, "postgresql", "select product", t, 45.0);
    (world.ask(at, "redis", "SET", t, 0.3), Ok(()))
}

fn cart(world: &mut World, at: At, t: i64, command: &'static str) -> End {
    world.leaked_bytes += world.knobs.leak_bytes;
    (world.ask(at, "redis", command, t, 0.3), Ok(()))
}

fn check_out(world: &mut World, at: At, t: i64, who: &Who, product: usize) -> End {
    let provider = if world.chance.percent(60) { "nordpay" } else { "paylink" };
    let cents = 200 + (product as u64 * 7_919) % 9_800;
    let (t, got) =
        world.call(at, "cart", ("GET", "/cart"), who, (t, 1_000), |w, at, t| cart(w, at, t, "HGETALL"));
    if got.is_err() {
        return (t, got);
    }
    let reserve = |w: &mut World, at, t| reserve(w, at, t, product % 4);
    let (t, reserved) = world.call(at, "stock", ("POST", "/reserve"), who, (t, 4_000), reserve);
    if reserved.is_err() {
        return (t, reserved);
    }
    // Release 1.4.2 sends amounts for one provider as text; the fault `bad-deploy`.
    let bad = world.tell.versions["checkout"] != crate::VERSION && provider == "paylink";
    let pay = |w: &mut World, at, t| charge(w, at, t, provider, cents, bad);
    let (t, charged) = world.call(at, "payment", ("POST", "/charge"), who, (t, 3_000), pay);
    if let Err(Fail(_, why)) = charged {
        let back = |w: &mut World, at, t| self::reserve(w, at, t, product % 4);
        let (t, _) = world.call(at, "stock", ("POST", "/release"), who, (t, 4_000), back);
        return (t, Err(Fail(502, format!("payment by {provider} failed: {why}"))));
    }
    let (t, inserted) = world.ask_pooled(at, "insert order", t, 3.0);
    if inserted.is_err() {
        return (t, inserted);
    }
    world.orders += 1;
    let order = world.orders;
    let t = world.ask(at, "redis", "LPUSH", t, 0.3);
    world.queue.push_back((t, order, 0, at));
    world.tell.count("checkout", "shop.orders", &[("provider", provider)], 1.0);
    let number = order.to_string();
    let more = [("order.id", &*number), ("user.id", &*who.user), ("provider", provider)];
    world.log(at, t, Severity::INFO, format!("order {order} placed for {cents} cents"), &more);
    (t, Ok(()))
}

fn reserve(world: &mut World, at: At, t: i64, shard: usize) -> End {
    const OPERATIONS: [&str; 4] = ["update stock_0", "update stock_1", "update stock_2", "update stock_3"];
    let took = world.chance.around(world.knobs.shard_ms[shard]);
    let begun = t.max(world.shards[shard]);
    world.shards[shard] = begun + took;
    world.asked(at, "postgresql", OPERATIONS[shard], (begun, begun + took));
    (begun + took, Ok(()))
}

fn charge(world: &mut World, at: At, t: i64, provider: &'static str, cents: u64, bad: bool) -> End {
    if bad {
        let message = format!("amount_cents is not a whole number: \"{}.{:02}\"", cents / 100, cents % 100);
        return (t, Err(Fail(400, message)));
    }
    let median = if provider == "nordpay" { 22.0 } else { 38.0 };
    let end = t + world.chance.around(median);
    let here = world.job(at, "payment");
    let attributes = [("peer.service", provider)];
    world.span(here, Some(at), format!("charge {provider}"), SpanKind::Client, (t, end), None, &attributes);
    let end = world.ask(at, "postgresql", "insert payment", end, 2.5);
    world.log(
        at,
        end,
        Severity::INFO,
        format!("charged {cents} cents by {provider}"),
        &[("provider", provider)],
    );
    (end, Ok(()))
}

/// The worker takes jobs that wait, one after the other, until `now_ns`.
pub fn work_off(world: &mut World, now_ns: i64) {
    while let Some((since, order, attempt, of)) = world.queue.front().copied() {
        let begun = world.worker_free_ns.max(since + 20_000_000);
        if begun > now_ns {
            return;
        }
        world.queue.pop_front();
        let at = world.job(of, "worker");
        let who = Who { user: String::new(), key: "", request_id: String::new() };
        let number = order.to_string();
        let send = |w: &mut World, at: At, t: i64| {
            if w.knobs.spool_full {
                let message = "cannot write a mail into the spool: No space left on device (os error 28)";
                return (t, Err(Fail(500, message.to_string())));
            }
            let end = t + w.chance.around(4.0);
            w.log(
                at,
                end,
                Severity::INFO,
                format!("mail for order {order} written"),
                &[("order.id", &*order.to_string())],
            );
            (end, Ok(()))
        };
        let (end, sent) = world.call(at, "mailer", ("POST", "/mail"), &who, (begun, 2_000), send);
        world.worker_free_ns = end + 5_000_000;
        let result = if sent.is_ok() { "done" } else { "failed" };
        world.tell.count("worker", "shop.jobs", &[("result", result)], 1.0);
        if let Err(Fail(_, why)) = &sent {
            let again = attempt < 4;
            if again {
                world.queue.push_back((end + METRICS_NS, order, attempt + 1, of));
            }
            let what = if again { "goes back into the queue" } else { "is given up" };
            let more = [("order.id", &*number)];
            world.log(at, end, Severity::ERROR, format!("job of order {order} {what}: {why}"), &more);
            // It rests after a failure.
            world.worker_free_ns = end + SECOND_NS / 2;
        }
        let failed = sent.as_ref().err();
        let attributes = [("messaging.system", "redis"), ("order.id", &*number)];
        let name = "process job".to_string();
        world.span(at, Some(of), name, SpanKind::Consumer, (begun, end), failed, &attributes);
    }
}
