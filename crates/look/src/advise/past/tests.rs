//! What is said of before, on a line of days that can be counted with fingers.

use super::super::given::Pointed;
use super::*;

const HOUR: i64 = 3_600_000;
/// 2026-11-01 00:00 UTC.
const DAY_ONE: i64 = 1_793_491_200_000;

fn at(hours: i64) -> i64 {
    DAY_ONE + hours * HOUR
}

fn given(hours: i64, signs: &[&str], said: Option<(Verdict, &str)>) -> Given {
    let place = Pointed {
        entity: "cart".into(),
        signs: signs.iter().map(|s| s.to_string()).collect(),
        said: said.map(|(v, why)| (v, why.to_string())),
        ..Pointed::default()
    };
    Given { window: (at(hours), at(hours) + HOUR / 4), places: vec![place], ..Given::default() }
}

fn restart(hours: i64) -> Change {
    Change {
        time_ns: (at(hours) + HOUR / 2) * 1_000_000,
        id: format!("c{hours}"),
        kind: "restart".into(),
        title: "restart cart".into(),
        service: "cart".into(),
        ..Change::default()
    }
}

fn red(hours: i64) -> Red {
    Red {
        id: "m1".into(),
        name: "CartSlow".into(),
        service: "cart".into(),
        from_ms: at(hours),
        to_ms: Some(at(hours) + HOUR / 4),
    }
}

fn say(past: &Past<'_>, signs: &[&str], hours: i64) -> Vec<Was> {
    let signs = signs.iter().map(|s| s.to_string()).collect();
    before(past, 0, &["cart"], &signs, (at(hours), at(hours) + HOUR / 4))
}

fn sentences(said: &[Was]) -> Vec<&str> {
    said.iter().map(|w| w.sentence.as_str()).collect()
}

#[test]
fn the_same_before_what_was_done_and_that_it_comes_faster() {
    let signs = ["memory", "gc", "latency"];
    let all = [
        given(0, &signs, Some((Verdict::Right, "the leak"))),
        given(24, &["memory", "gc"], None),
        given(24, &["disk"], None),
        given(36, &signs, Some((Verdict::Accepted, ""))),
    ];
    let changes = [restart(0), restart(36)];
    let captures = [Captured { id: "k1".into(), at_ms: at(36) + 60_000 }];
    let past = Past { given: &all, changes: &changes, captures: &captures, ..Past::default() };
    let said = say(&past, &signs, 42);
    assert_eq!(
        sentences(&said),
        [
            "the same signs were here 3 times in 30 days, last 6 h ago: 2026-11-02 12:00 UTC, 2026-11-02 00:00 UTC, \
             2026-11-01 00:00 UTC",
            "on 2026-11-01 00:00 UTC it was here in the end, somebody said: \u{201c}the leak\u{201d}",
            "what was done then, 2 of 3 times: \u{201c}restart cart\u{201d} (2026-11-02 12:30 UTC); it was 23 h, 5 h until the next time",
            "it comes faster: 24 h, 12 h, 6 h between the times",
            "there is a capture of 2026-11-02 12:01 UTC",
        ]
    );
    // Only what a person said weighs, and little.
    assert_eq!(said.iter().map(|w| w.nats).collect::<Vec<_>>(), [0.0, RIGHT_BEFORE_NATS, 0.0, 0.0, 0.0]);
    assert_eq!(said[2].then, Then::Change("c36".into(), at(36) + HOUR / 2));
}

#[test]
fn another_place_other_signs_and_the_same_time_are_no_past() {
    let all = [given(0, &["memory", "gc"], None)];
    let past = Past { given: &all, ..Past::default() };
    assert_eq!(say(&past, &["memory"], 5).len(), 1);
    assert!(say(&past, &["disk"], 5).is_empty());
    assert!(say(&past, &["memory"], 0).is_empty());
    assert!(say(&past, &["memory"], 31 * 24).is_empty(), "more than 30 days ago");
    let signs = BTreeSet::from(["memory".to_string()]);
    assert!(before(&past, 0, &["web"], &signs, (at(5), at(6))).is_empty());
}

#[test]
fn what_was_wrong_before_speaks_against() {
    let all = [
        given(0, &["gc"], Some((Verdict::Right, ""))),
        given(9, &["gc"], Some((Verdict::Wrong, "it was the disk"))),
    ];
    let past = Past { given: &all, ..Past::default() };
    let said = say(&past, &["gc"], 20);
    let against: Vec<_> = said.iter().filter(|w| w.is_against).collect();
    assert_eq!(
        against[0].sentence,
        "with the same signs it was elsewhere in the end on 2026-11-01 09:00 UTC, somebody said: \u{201c}it was the disk\u{201d}"
    );
    assert!(said.iter().all(|w| w.nats == 0.0), "once right and once wrong is nothing learnt");
}

#[test]
fn monitors_that_are_red_now_and_were_before() {
    let mut all = vec![red(0), red(10), red(14), red(20)];
    let changes = [restart(10)];
    let past = Past { red: &all, changes: &changes, ..Past::default() };
    let said = say(&past, &["gc"], 20);
    assert_eq!(
        sentences(&said)[..2],
        [
            "\u{201c}CartSlow\u{201d} is red now, and was 3 times before in 30 days: 2026-11-01 14:00 UTC, 2026-11-01 10:00 UTC, \
             2026-11-01 00:00 UTC",
            "what was done then, 1 of 3 times: \u{201c}restart cart\u{201d} (2026-11-01 10:30 UTC); it was 3 h until the next time",
        ]
    );
    assert_eq!(said[0].then, Then::Monitor("m1".into()));
    // Not red now: then it is not the same.
    all.pop();
    assert!(say(&Past { red: &all, ..Past::default() }, &["gc"], 20).is_empty());
}
