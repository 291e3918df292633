//! Scripts of weeks: what becomes of a monitor, and what is proposed.

use super::incidents::{Incident, red_at};
use super::review::{Facts, Take, review};
use super::unseen::{Step, troubles, unseen};
use super::*;

const NOW_MS: i64 = 20_600 * DAY_MS + 3_600_000;
const HOUR_MS: i64 = 3_600_000;

fn facts(state: &'static str, severity: &str, for_ms: i64) -> Facts {
    Facts {
        key: "k".into(),
        id: "1".into(),
        name: "M".into(),
        state,
        severity: severity.into(),
        for_ms,
        since_ms: NOW_MS - 3 * DAY_MS,
    }
}

fn known(days: i64) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.there("k", 1, NOW_MS - days * DAY_MS);
    ledger
}

fn says(ledger: &Ledger, facts: Facts) -> (&'static str, String, Vec<Take>) {
    let line = review(ledger, vec![facts], NOW_MS).remove(0);
    (line.kind, line.says, line.takes)
}

#[test]
fn always_red_and_nobody_cares() {
    let mut ledger = known(60);
    ledger.judged("k", "shop", Some(NOW_MS - 41 * DAY_MS), 1, NOW_MS - 41 * DAY_MS);
    (0..63).for_each(|i| ledger.note("k", Event::Notified, NOW_MS - i * HOUR_MS));
    let (kind, text, takes) = says(&ledger, facts("firing", "page", 0));
    assert_eq!(
        (kind, text.as_str()),
        (
            "always_red",
            "Always red for 41 days; 0 of 63 notifications led to an action: delete it, or lower it?"
        )
    );
    assert_eq!(takes, [Take::Off, Take::Severity("ticket".into())]);
    assert_eq!(ledger.counts("k", 7, NOW_MS).red_ms, 6 * DAY_MS + HOUR_MS);
    // Somebody acted on it: it is not proposed to be deleted.
    ledger.note("k", Event::Acted, NOW_MS - HOUR_MS);
    let (_, text, takes) = says(&ledger, facts("firing", "page", 0));
    assert!(text.contains("1 of 63") && takes == [Take::Severity("ticket".into())], "{text}");
}

#[test]
fn each_kind_of_monitor_has_its_words() {
    let mut flapping = known(60);
    for i in 0..8 {
        let from = NOW_MS - DAY_MS + i * 600_000;
        flapping.judged("k", "", Some(from), 1, from);
        flapping.judged("k", "", None, 0, from + 120_000);
    }
    let (kind, text, takes) = says(&flapping, facts("fine", "ticket", 60_000));
    assert_eq!((kind, takes), ("flapping", vec![Take::For(300_000)]), "{text}");
    assert_eq!(
        flapping.counts("k", 7, NOW_MS),
        Counts { fired: 8, flaps: 7, red_ms: 960_000, ..Counts::default() }
    );

    let mut ignored = known(60);
    ignored.judged("k", "", Some(NOW_MS - 9 * DAY_MS), 6, NOW_MS - 9 * DAY_MS);
    ignored.judged("k", "", None, 0, NOW_MS - 9 * DAY_MS + HOUR_MS);
    (0..6).for_each(|_| ignored.note("k", Event::Notified, NOW_MS - 9 * DAY_MS));
    let (kind, text, _) = says(&ignored, facts("fine", "page", 0));
    assert_eq!(
        (kind, text.as_str()),
        ("ignored", "It fired 6 times, and 0 of 6 notifications led to an action: lower it, or delete it?")
    );

    for (state, days, kind) in [("no_data", 60, "blind"), ("fine", 60, "quiet"), ("fine", 2, "new")] {
        assert_eq!(says(&known(days), facts(state, "page", 0)).0, kind);
    }
    let mut useful = known(60);
    useful.note("k", Event::Acted, NOW_MS - DAY_MS);
    assert_eq!(says(&useful, facts("fine", "page", 0)).0, "useful");
}

#[test]
fn what_led_to_an_incident_is_useful_whatever_else_it_is() {
    let mut ledger = known(60);
    ledger.judged("k", "shop", Some(NOW_MS - 41 * DAY_MS), 1, NOW_MS - 41 * DAY_MS);
    (0..63).for_each(|i| ledger.note("k", Event::Notified, NOW_MS - i * HOUR_MS));
    // An incident of three days ago, written down now: it counts for its day, and is never told as an action.
    ledger.note("k", Event::Incident, NOW_MS - 3 * DAY_MS);
    let (kind, text, takes) = says(&ledger, facts("firing", "page", 0));
    assert_eq!(
        (kind, text.as_str()),
        (
            "always_red",
            "Always red for 41 days; 0 of 63 notifications led to an action, and it led to an incident: delete it, or lower it?"
        )
    );
    assert_eq!(takes, [Take::Severity("ticket".into())], "it is not proposed to be turned off");
    assert_eq!((ledger.counts("k", 3, NOW_MS).incidents, ledger.counts("k", 7, NOW_MS).incidents), (0, 1));
    assert_eq!(ledger.entry("k").unwrap().useful_ms, Some(NOW_MS - 3 * DAY_MS));
    // An older one that is written down later does not make it older.
    ledger.note("k", Event::Incident, NOW_MS - 9 * DAY_MS);
    assert_eq!(ledger.entry("k").unwrap().useful_ms, Some(NOW_MS - 3 * DAY_MS));

    let mut rare = known(60);
    rare.note("k", Event::Incident, NOW_MS - DAY_MS);
    let (kind, text, _) = says(&rare, facts("fine", "page", 0));
    assert_eq!((kind, text.as_str()), ("useful", "In four weeks it led to an incident: keep it."));
}

#[test]
fn which_monitors_were_red_when_an_incident_began() {
    let mut ledger = known(1);
    for (key, service, from, to) in [
        ("k", "shop", -60, None),
        ("cart", "cart", -60, None),
        ("none", "", -60, None),
        ("over", "shop", -60, Some(-40)),
    ] {
        ledger.there(key, 1, NOW_MS - DAY_MS);
        ledger.judged(key, service, Some(NOW_MS + from * 60_000), 1, NOW_MS + from * 60_000);
        if let Some(to) = to {
            ledger.judged(key, service, None, 0, NOW_MS + to * 60_000);
        }
    }
    let red = |service: &str, minute: i64| red_at(&ledger, service, NOW_MS + minute * 60_000).join(" ");
    for (service, minute, want) in [
        ("shop", -61, ""),
        ("shop", -60, "k over"),
        ("shop", -40, "k over"),
        ("shop", -39, "k"),
        ("cart", -10, "cart"),
        ("pay", -10, ""),
        // Of no service: red somewhere is not the same as leading to it.
        ("", -10, ""),
    ] {
        assert_eq!(red(service, minute), want, "{service:?} at minute {minute}");
    }
    // What no monitor saw: "none" is of no service in particular, so that it may have seen anything while it was red.
    let unseen = |service: &str, minute: i64, monitors: &[&str]| {
        let incident = Incident {
            service: service.into(),
            at_ms: NOW_MS + minute * 60_000,
            monitors: monitors.iter().map(ToString::to_string).collect(),
            ..Incident::default()
        };
        incidents::unseen(&ledger, vec![incident], NOW_MS).len() == 1
    };
    assert!(unseen("shop", -120, &[]) && unseen("", -120, &[]));
    assert!(!unseen("pay", -10, &[]) && !unseen("", -10, &[]));
    assert!(!unseen("shop", -120, &["k"]), "somebody says which monitor led to it");
}

#[test]
fn it_is_kept_over_restarts_and_bounded() {
    let mut ledger = known(60);
    ledger.judged("k", "shop", Some(NOW_MS - DAY_MS), 2, NOW_MS - DAY_MS);
    ledger.note("k", Event::Seen, NOW_MS);
    ledger.note("k", Event::Incident, NOW_MS);
    ledger.there("k", 7, NOW_MS - HOUR_MS);
    let again = Ledger::from_json(&ledger.to_json().to_string().parse().unwrap());
    assert_eq!(again, ledger);
    assert_eq!(again.entry("k").unwrap().changed_ms, Some(NOW_MS - HOUR_MS));
    // A restart in the middle of a red time goes on with it: it is one episode, and not fired anew.
    let mut again = again;
    assert!(!again.judged("k", "shop", Some(NOW_MS - DAY_MS), 0, NOW_MS));
    assert_eq!(again.episodes().count(), 1);
    for i in 0..EPISODES_MAX as i64 + 10 {
        again.judged("k", "", None, 0, NOW_MS + i * 2_000);
        again.judged("k", "", Some(NOW_MS + i * 2_000 + 1_000), 1, NOW_MS + i * 2_000 + 1_000);
    }
    assert_eq!((again.episodes().count(), again.forgotten), (EPISODES_MAX, 11));
    for i in 0..MONITORS_MAX + 3 {
        again.there(&i.to_string(), 0, NOW_MS + i as i64);
    }
    assert_eq!(again.entries.len(), MONITORS_MAX);
    // A day of before incidents were counted has none.
    let old = json!({ "monitors": { "k": { "days": [[20_600, 1, 2, 3, 4, 5, 6, 7]] } } });
    let counts =
        Counts { fired: 1, notified: 2, seen: 3, acted: 4, silenced: 5, flaps: 6, red_ms: 7, incidents: 0 };
    assert_eq!(Ledger::from_json(&old).counts("k", 1, NOW_MS), counts);
    // What is no ledger is an empty one.
    assert_eq!(Ledger::from_json(&json!([1, "x"])), Ledger::default());
}

#[test]
fn trouble_that_no_monitor_saw() {
    let step = |minute: i64, bad: f64| Step {
        at_ms: NOW_MS + minute * 60_000,
        length_ms: 60_000,
        bad,
        total: 100.0,
    };
    // Two hours with one bad of a hundred; eight minutes with forty, a single one with ten.
    let steps: Vec<Step> = (0..120)
        .map(|m| {
            step(
                m,
                if (30..38).contains(&m) {
                    40.0
                } else if m == 90 {
                    10.0
                } else {
                    1.0
                },
            )
        })
        .collect();
    let found = troubles("shop", &steps);
    assert_eq!(found.len(), 1, "ten bad requests are too few");
    assert_eq!((found[0].bad, found[0].to_ms - found[0].from_ms), (320.0, 480_000));
    let mut ledger = known(1);
    assert_eq!(unseen(&ledger, found.clone(), NOW_MS).len(), 1);
    // A monitor of another service did not see it; one of this service, or of none, did.
    for (service, left) in [("cart", 1), ("", 0), ("shop", 0)] {
        let mut ledger = ledger.clone();
        ledger.judged("k", service, Some(NOW_MS + 40 * 60_000), 1, NOW_MS + 40 * 60_000);
        assert_eq!(unseen(&ledger, found.clone(), NOW_MS + 7_200_000).len(), left, "{service:?}");
    }
    ledger.judged("k", "shop", Some(NOW_MS - HOUR_MS), 1, NOW_MS - HOUR_MS);
    ledger.judged("k", "shop", None, 0, NOW_MS);
    assert_eq!(unseen(&ledger, found, NOW_MS).len(), 1, "it was over long before");
}
