//! The way of a notification, broken wherever it can be: receivers that are down, slow, answer errors or are cut off, a
//! process that is killed between any two steps or in the middle of a write, a full disk, clocks that are set. What runs is
//! the real decider of rules, the real notifier and the real outbox; only the world around them is made up, by a seed.
//!
//! * Nothing is missed: whenever something stayed as it was for long enough, what each receiver was told last says so.
//! * Nothing is told twice more often than something failed.
//! * Each receiver hears in the order in which it was decided.
//!
//! `MIDWATCH_SCENARIOS=20000 cargo test -p monitor --test faults` runs more than the few of each test run;
//! `MIDWATCH_SEED=N` runs one.

#[path = "faults/judge.rs"]
mod judge;
#[path = "faults/process.rs"]
mod process;
#[path = "faults/world.rs"]
mod world;

use judge::Verdict;
use world::World;

/// Scenarios of an ordinary run.
const SCENARIOS: u64 = 25;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_fails_nothing_is_missed_and_little_is_told_twice() {
    let seeds = match number("MIDWATCH_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("MIDWATCH_SCENARIOS").unwrap_or(SCENARIOS),
    };
    let mut total = Verdict::default();
    for seed in seeds.clone() {
        let mut world = World::new(seed);
        world.run();
        total.add(&judge::judge(&world));
    }
    println!("{total:?}");
    // That it holds says something only if much went wrong.
    let n = seeds.count() as u64;
    if n >= SCENARIOS {
        let per = |count: usize| count as u64 / n;
        assert!(per(total.delivered) >= 20 && per(total.kills) >= 3 && per(total.periods) >= 15, "{total:?}");
        assert!(total.doubled > 0 && total.torn > 0 && total.steps > 0 && total.full > 0, "{total:?}");
    }
}
