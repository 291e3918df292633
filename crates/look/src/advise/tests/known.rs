//! Rules that hold, and what was before: what they add to a direction, and what they must not.

use super::*;

const BOTH: &str = "series cpu of a: 1 -> 2\n series cpu of b: 1 -> 2";

fn held(signals: &Signals, service: &str) -> Held {
    Held {
        entity: signals.entities.iter().position(|e| e.name == service).unwrap(),
        rule: "disk-is-full".into(),
        sentence: "/var is 99 % full.".into(),
        why: "nothing can be written".into(),
        sources: vec!["a book".into()],
        author: String::new(),
        query: "used".into(),
        held_before: false,
        is_own: true,
    }
}

fn was(signals: &Signals, service: &str, nats: f64, is_against: bool) -> Was {
    let entity = signals.entities.iter().position(|e| e.name == service).unwrap();
    let then = Then::Times(vec![(0, 1)]);
    Was { entity, sentence: "it was so before".into(), nats, is_against, then }
}

#[test]
fn a_rule_that_holds_now_and_did_not_before_lifts_what_moved() {
    let mut signals = World::of(BOTH);
    assert_eq!(names(&signals, &advise(&signals, 10)), ["a", "b"]);
    signals.rules = vec![held(&signals, "b")];
    let advice = advise(&signals, 10);
    assert_eq!(names(&signals, &advice), ["b", "a"]);
    let told = advice.directions[0].speaks_for.iter().find(|e| e.knowledge == Knowledge::Rule).unwrap();
    assert_eq!((told.sentence.as_str(), &told.source), ("/var is 99 % full.", &Source::Rule(0)));
    assert!(advice.directions[0].sentence.ends_with("and another sign"), "{}", advice.directions[0].sentence);
    // How things always are, and what is so for all that run there, is told and lifts nothing.
    for change in [|h: &mut Held| h.held_before = true, |h: &mut Held| h.is_own = false] {
        change(&mut signals.rules[0]);
        let advice = advise(&signals, 10);
        assert_eq!(names(&signals, &advice), ["a", "b"]);
        assert!(advice.directions[1].speaks_for.iter().any(|e| e.knowledge == Knowledge::Rule));
        signals.rules = vec![held(&signals, "b")];
    }
    signals.without = vec![Without::Rules];
    assert_eq!(names(&signals, &advise(&signals, 10)), ["a", "b"]);
}

#[test]
fn a_rule_alone_is_no_direction() {
    let mut signals = World::of("series cpu of a: 1 -> 1");
    signals.rules = vec![held(&signals, "a")];
    assert_eq!(advise(&signals, 10).directions, []);
}

#[test]
fn what_people_said_before_orders_and_never_makes_anything_stand_out() {
    let mut signals = World::of(BOTH);
    signals.past = vec![was(&signals, "b", 1.5, false), was(&signals, "a", 0.0, true)];
    let advice = advise(&signals, 10);
    assert_eq!(names(&signals, &advice), ["b", "a"]);
    let is_history = |e: &&Evidence| e.knowledge == Knowledge::History;
    assert_eq!(advice.directions[0].speaks_for.iter().filter(is_history).count(), 1);
    assert_eq!(advice.directions[1].speaks_against.iter().filter(is_history).count(), 1);
    // What was before is no sign of now.
    let signs = &advice.directions[0].speaks_against;
    assert!(signs.iter().any(|e| e.sentence.starts_with("it is one sign alone")), "{signs:#?}");
    let mut signals = World::of("series cpu of a: 1 -> 1.06");
    assert!(!advise(&signals, 10).stands_out);
    signals.past = vec![was(&signals, "a", 50.0, false)];
    assert!(!advise(&signals, 10).stands_out);
    let mut signals = World::of("series cpu of a: 1 -> 1");
    signals.past = vec![was(&signals, "a", 50.0, false)];
    assert_eq!(advise(&signals, 10).directions, []);
}
