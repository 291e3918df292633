//! Small worlds as text, and where to look first in each. A line is one fact; times, lines and series are made from it:
//!
//! ```text
//! series METRIC of SERVICE: BEFORE -> AFTER       every 10 s; `from CALLER` for calls; `late` 60 s after the others
//! calls A -> B -> C                               who calls whom
//! wait A for B: BEFORE -> AFTER                   seconds, in 20 spans on each side
//! line TEXT in SERVICE: K of N, before K of N     requests with it; an `error` sounds as one
//! change KIND of SERVICE                          two minutes before the window
//! symptom METRIC of SERVICE
//! only A B                                        the things that may be named
//! ```

mod known;
mod quiet;

use super::*;
use crate::changed::Comparer;
use model::{SpanId, TraceId};

/// Half an hour before, ten minutes inside; milliseconds.
const WINDOW: (i64, i64) = (1_800_000, 2_400_000);

fn noise(i: i64) -> f64 {
    let x = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d;
    let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((x >> 40) as f64 / f64::from(1u32 << 23)) - 1.0
}

#[derive(Default)]
struct World {
    signals: Signals,
    times: Times,
    requests: Requests,
    spans: u64,
    is_closed: bool,
}

impl World {
    fn of(text: &str) -> Signals {
        let mut world = World::default();
        world.signals.ask = Some(Ask { window: WINDOW, baselines: vec![(0, WINDOW.0 - 1)] });
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let (what, rest) = line.split_once(' ').unwrap();
            match what {
                "series" => world.series(rest),
                "calls" => {
                    let path: Vec<&str> = rest.split("->").map(str::trim).collect();
                    world.signals.add_calls(path.windows(2).map(|p| (p[0], p[1])));
                }
                "wait" => world.wait(rest),
                "line" => world.line(rest),
                "change" => {
                    let (kind, service) = rest.split_once(" of ").unwrap();
                    let time_ns = (WINDOW.0 - 120_000) * 1_000_000;
                    let (kind, service) = (kind.to_string(), service.to_string());
                    world.signals.changes.push(Change { time_ns, kind, service, ..Change::default() });
                }
                "symptom" => {
                    let (metric, service) = rest.split_once(" of ").unwrap();
                    let (metric, service) = (metric.to_string(), service.to_string());
                    world.signals.symptom = Some(Symptom { service, metric, labels: vec![] });
                }
                "only" => {
                    rest.split(' ').for_each(|name| world.named(name));
                    world.is_closed = true;
                }
                _ => panic!("{line}"),
            }
        }
        world.signals.timing = std::mem::take(&mut world.times).compare();
        world.signals.differs = std::mem::take(&mut world.requests).differences();
        let names = world.signals.timing.slower.iter().map(|s| s.service.clone());
        let names: Vec<String> =
            names.chain(world.signals.differs.iter().map(|d| d.service.clone())).collect();
        names.iter().for_each(|name| world.named(name));
        let calls = std::mem::take(&mut world.signals.timing.calls);
        world.signals.add_calls(calls);
        world.signals
    }

    fn named(&mut self, service: &str) {
        self.entity(Entity::service(service));
    }

    fn entity(&mut self, entity: Entity) -> Option<usize> {
        let all = &mut self.signals.entities;
        match all.iter().position(|e| *e == entity) {
            Some(at) => Some(at),
            None if self.is_closed => None,
            None => {
                all.push(entity);
                Some(all.len() - 1)
            }
        }
    }

    fn series(&mut self, text: &str) {
        let (place, values) = text.split_once(": ").unwrap();
        let (metric, of) = place.split_once(" of ").unwrap();
        let (service, caller) = of.split_once(" from ").map_or((of, ""), |(a, b)| (a, b));
        let is_late = values.ends_with("late");
        let (before, after) = values.trim_end_matches("late").split_once("->").unwrap();
        let (before, after): (f64, f64) = (before.trim().parse().unwrap(), after.trim().parse().unwrap());
        let from = WINDOW.0 + if is_late { 60_000 } else { 0 };
        let (times, values): (Vec<i64>, Vec<f64>) = (0..=240)
            .map(|i| {
                let t = i * 10_000;
                let level = if t >= from { after } else { before };
                (t, level + noise(i) * 0.02 * before.abs())
            })
            .unzip();
        let pairs = [("__name__", metric), ("service", service), ("caller", caller)];
        let labels = Labels::from_pairs(pairs.into_iter().filter(|(_, v)| !v.is_empty())).unwrap();
        let mut comparer = Comparer::default();
        let ask = self.signals.ask.clone().unwrap();
        let moved = comparer.compare(&ask, &times, &values, false);
        let (place, key, mean) = (place_of(&labels), comparable(&labels), comparer.means(&ask));
        let Some(entity) = self.entity(place.entity.clone()) else { return };
        if says(metric) == Says::Used {
            *self.signals.watched.entry(entity).or_default() += 1;
        }
        let unit = String::new();
        self.signals.series.push(SeriesSignal { labels, place, entity, key, unit, mean, moved });
    }

    fn wait(&mut self, text: &str) {
        let (who, values) = text.split_once(": ").unwrap();
        let (caller, callee) = who.split_once(" for ").unwrap();
        let (before, after) = values.split_once(" -> ").unwrap();
        for (seconds, is_inside) in [(before, false), (after, true)] {
            let wait_ns = (seconds.parse::<f64>().unwrap() * 1e9) as u64;
            for i in 0..20u64 {
                self.spans += 2;
                let id = |n: u64| SpanId::new(&n.to_be_bytes()).unwrap();
                let trace = TraceId::new(&u128::from(self.spans).to_be_bytes()).unwrap();
                let wait_ns = wait_ns + i * 100_000;
                let mut add = |service, operation, n: u64, parent, from_ns: u64, duration_ns| {
                    let ids = (trace, id(n), parent);
                    let start_ns = from_ns as i64;
                    let is_error = false;
                    self.times.add(Timed {
                        service,
                        operation,
                        ids,
                        start_ns,
                        duration_ns,
                        is_error,
                        is_inside,
                    });
                };
                add(caller, "ask", self.spans, None, 1_000, wait_ns + 5_000_000);
                add(callee, "answer", self.spans + 1, Some(id(self.spans)), 1_000 + wait_ns, 5_000_000);
            }
        }
    }

    fn line(&mut self, text: &str) {
        let (what, counts) = text.split_once(": ").unwrap();
        let (line, service) = what.split_once(" in ").unwrap();
        let (inside, before) = counts.split_once(", before ").unwrap();
        for (counts, is_inside) in [(inside, true), (before, false)] {
            let (k, n) = counts.split_once(" of ").unwrap();
            let (k, n): (u32, u32) = (k.parse().unwrap(), n.parse().unwrap());
            for i in 0..n {
                self.spans += 1;
                let tone = Tone::of(model::Severity::UNKNOWN, line);
                let id = self.spans;
                let mut add = |event: &str, tone| {
                    self.requests.add(
                        service,
                        id,
                        Event::Operation(event.into()),
                        || tone,
                        WINDOW.0,
                        is_inside,
                    );
                };
                add("begin", Tone::Plain);
                if i < k {
                    add(line, tone);
                }
            }
        }
    }
}

fn place_of(labels: &Labels) -> Place {
    super::place(labels)
}

fn names(signals: &Signals, advice: &Advice) -> Vec<String> {
    advice.directions.iter().map(|d| signals.entities[d.entity].name.clone()).collect()
}

#[track_caller]
fn first(text: &str) -> (String, Advice) {
    let signals = World::of(text);
    let advice = advise(&signals, 10);
    let first = names(&signals, &advice).into_iter().next().unwrap_or_default();
    (first, advice)
}

#[test]
fn a_caller_is_explained_by_what_it_calls() {
    let (place, advice) = first(
        "calls web -> cart -> db
         series latency of web: 0.2 -> 2.2
         series latency of cart: 0.1 -> 2.1
         series latency of db: 0.01 -> 2",
    );
    assert_eq!(place, "db");
    let web = advice.directions.iter().find(|d| d.sentence.starts_with("web")).unwrap();
    assert!(web.speaks_against[0].sentence.starts_with("cart, which it calls, moved"), "{web:#?}");
    // Without knowing who calls whom, the largest is the largest.
    let (place, _) = first("series latency of web: 0.2 -> 2.2\n series latency of db: 0.01 -> 0.4");
    assert_eq!(place, "web");
}

#[test]
fn what_a_thing_uses_itself_speaks_louder_than_what_it_waits_for_or_is_asked() {
    let (place, _) = first(
        "series cpu of db: 1 -> 4
         series requests of cart: 100 -> 400
         series client_latency of web: 0.1 -> 0.4",
    );
    assert_eq!(place, "db");
}

#[test]
fn a_tiny_movement_of_a_steady_thing_is_no_lead_beside_a_large_one() {
    let (place, _) = first("series latency of mail: 0.00500 -> 0.0062\n series latency of cart: 0.2 -> 0.9");
    assert_eq!(place, "cart");
}

#[test]
fn nothing_stands_out_when_nothing_moved_and_when_hardly_anything_did() {
    let (place, advice) = first("series cpu of db: 1 -> 1\n series latency of web: 0.2 -> 0.2");
    assert_eq!((place.as_str(), advice.stands_out, advice.directions.len()), ("", false, 0));
    assert!(advice.sentence.starts_with("Nothing stands out"), "{}", advice.sentence);
    let (_, advice) = first("series cpu of db: 1 -> 1.06");
    assert!(!advice.stands_out, "{advice:#?}");
}

#[test]
fn the_walk_from_a_symptom_ends_where_the_excess_ends() {
    let world = "calls web -> cart -> db
                 calls web -> mail
                 series latency of web: 0.2 -> 1.2
                 series latency of cart: 0.1 -> 1.0
                 series latency of db: 0.05 -> 0.06
                 series latency of mail: 0.001 -> 0.1
                 series requests of web: 100 -> 100
                 series requests of cart: 90 -> 90
                 series requests of mail: 1 -> 1
                 symptom latency of web";
    let (place, advice) = first(world);
    assert_eq!(place, "cart");
    let walk = advice.walk.unwrap();
    assert_eq!((walk.path, walk.is_seen), (vec!["web".to_string(), "cart".into()], true));
}

#[test]
fn a_symptom_alone_is_a_place_and_no_more_is_claimed() {
    let (place, advice) = first("series latency of web: 0.2 -> 1.2\n symptom latency of web");
    assert_eq!((place.as_str(), advice.directions.len()), ("web", 1));
    let (_, advice) = first("series cpu of db: 1 -> 4\n symptom latency of web");
    assert!(advice.sentence.contains("does not show in this window"), "{}", advice.sentence);
}

#[test]
fn one_blip_is_no_lead_and_among_many_series_the_farthest_has_to_be_farther() {
    let mut signals = World::of("series cpu of a: 1 -> 4\n series cpu of b: 1 -> 2");
    assert_eq!(advise(&signals, 10).directions.iter().filter(|d| d.stands_out).count(), 2);
    signals.compared = 100_000;
    assert_eq!(advise(&signals, 10).directions.iter().filter(|d| d.stands_out).count(), 1);
    let mut signals = World::of("series cpu of a: 1 -> 4");
    // A point of a line that was never anything but nothing.
    let moved = signals.series[0].moved.as_mut().unwrap();
    (moved.before, moved.after, moved.score) = (0.0, 0.1, 10_000.0);
    moved.picture = (0..48).map(|i| if i == 30 { 3.0 } else { 0.0 }).collect();
    assert!(!advise(&signals, 10).stands_out);
}

#[test]
fn calls_in_a_circle_end() {
    let (place, advice) = first(
        "calls a -> b -> c -> a
         calls a -> a
         series latency of a: 0.1 -> 1
         series latency of b: 0.1 -> 1
         series latency of c: 0.1 -> 1
         symptom latency of a",
    );
    assert_eq!(place, "c");
    assert_eq!(advice.walk.unwrap().path.len(), 3);
}

#[test]
fn waiting_for_one_speaks_of_the_one_and_waiting_for_all_of_the_waiter() {
    let (place, _) = first(
        "wait web for cart: 0.002 -> 0.5\n wait web for mail: 0.002 -> 0.002\n wait web for user: 0.002 -> 0.002",
    );
    assert_eq!(place, "cart");
    let (place, _) = first(
        "wait web for cart: 0.002 -> 0.05
         wait web for mail: 0.002 -> 0.05
         wait web for user: 0.002 -> 0.05
         wait app for user: 0.002 -> 0.002
         wait app for cart: 0.002 -> 0.002
         wait app for mail: 0.002 -> 0.002",
    );
    assert_eq!(place, "web");
}

#[test]
fn requests_that_end_early_say_where_and_metrics_beside_them_say_less() {
    let (place, advice) = first(
        "line done in price: 0 of 30, before 60 of 60
         line seen in cart: 30 of 30, before 60 of 60
         series cpu of mail: 1 -> 1.5",
    );
    assert_eq!(place, "price");
    assert!(advice.directions[0].sentence.contains("no longer comes"), "{}", advice.directions[0].sentence);
    let (place, _) = first(
        "line error! in cart: 12 of 30, before 0 of 60\n line chatter in mail: 30 of 30, before 10 of 60",
    );
    assert_eq!(place, "cart");
}

#[test]
fn a_change_just_before_lifts_what_moved_and_is_named() {
    let both = "series cpu of a: 1 -> 2\n series cpu of b: 1 -> 2\n";
    assert_eq!(first(both).0, "a");
    let (place, advice) = first(&format!("{both} change deploy of b"));
    assert_eq!(place, "b");
    let named = advice.directions[0].speaks_for.iter().find(|e| e.knowledge == Knowledge::Changes).unwrap();
    assert_eq!(named.sentence, "deploy: deploy, 2 min before the window");
    let (_, advice) = first("series cpu of a: 1 -> 1\n change deploy of a");
    assert!(!advice.stands_out, "a change alone is no lead: {advice:#?}");
}

#[test]
fn what_began_later_is_told_so() {
    let (place, advice) = first("series cpu of a: 1 -> 4\n series cpu of b: 1 -> 3 late");
    assert_eq!(place, "a");
    let late = &advice.directions[1].speaks_against;
    assert!(late.iter().any(|e| e.sentence == "it began 60 s after a"), "{late:#?}");
}

#[test]
fn only_what_may_be_named_is_named_and_evidence_can_be_left_out() {
    let (place, advice) = first("only a b\n series cpu of a: 1 -> 2\n series cpu of other: 1 -> 9");
    assert_eq!((place.as_str(), advice.directions.len()), ("a", 1));
    let mut signals = World::of("series cpu of a: 1 -> 4\n line done in b: 0 of 30, before 60 of 60");
    assert_eq!(names(&signals, &advise(&signals, 10)), ["b", "a"]);
    signals.without = vec![Without::Lines];
    assert_eq!(names(&signals, &advise(&signals, 10)), ["a"]);
    signals.without.push(Without::Metrics);
    assert_eq!(advise(&signals, 10).directions, []);
}

#[test]
fn nothing_known_and_a_great_many_are_answered() {
    assert_eq!(advise(&Signals::default(), 10).directions, []);
    let mut signals = World::of("series cpu of a: 1 -> 4");
    let one = signals.series[0].clone();
    for i in 0..10_000 {
        let name = format!("s{i}");
        signals.entities.push(Entity::service(&name));
        let labels = one.labels.with("service", &name);
        let (place, entity) = (super::place(&labels), signals.entities.len() - 1);
        signals.series.push(SeriesSignal { labels, place, entity, ..one.clone() });
        signals.add_calls([(format!("s{i}"), format!("s{}", (i + 1) % 10_000))]);
    }
    signals.symptom = Some(Symptom { service: "s0".into(), metric: "cpu".into(), labels: vec![] });
    assert_eq!(advise(&signals, 10).directions.len(), 10);
}
