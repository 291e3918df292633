//! What the past says.

use super::*;
use crate::facts::{Answer, When};
use crate::plan::{Asked, read};

const NOW: i64 = 1_700_000_000_000;

struct Known(Result<Vec<Happened>, String>, Result<Vec<Moved>, String>);

impl Facts for Known {
    fn now_ms(&self) -> i64 {
        NOW
    }

    fn since_ms(&self) -> i64 {
        NOW - 15 * 60_000
    }

    fn ask(&mut self, _: &str, _: When) -> Answer {
        Ok(Vec::new())
    }

    fn happened(&self) -> Result<&[Happened], String> {
        self.0.as_deref().map_err(Clone::clone)
    }

    fn moved(&self) -> Result<&[Moved], String> {
        self.1.as_deref().map_err(Clone::clone)
    }
}

fn change(hours_ago: f64, kind: &str, title: &str, service: &str) -> Happened {
    Happened {
        at_ms: NOW - (hours_ago * HOUR_MS as f64) as i64,
        kind: kind.into(),
        title: title.into(),
        service: service.into(),
        ..Happened::default()
    }
}

fn past(plan: &str, happened: Vec<Happened>, moved: Vec<Moved>) -> Past {
    let plan =
        read(&Asked { text: plan.into(), ..Asked::default() }, &crate::rule::known_in_trials()).unwrap();
    Past::of(&plan, &Known(Ok(happened), Ok(moved)))
}

#[test]
fn the_same_done_to_the_same() {
    let happened = vec![
        change(30.0, "restart", "api is new", "api"),
        change(20.0, "other", "restarted api by hand", "API"),
        change(14.0, "restart", "api is new", "api"),
        change(11.0, "restart", "api is new", "api"),
        change(9.0, "restart", "payment is new", "payment"),
        change(8.0, "deploy", "api 1.2", "api"),
    ];
    let past = past("restart api-1", happened, Vec::new());
    assert_eq!(past.value("history.count"), Some(Seen::Is(4.0)));
    assert_eq!(past.value("history.held_h"), Some(Seen::Is(6.0)));
    assert_eq!(past.value("history.last_h"), Some(Seen::Is(11.0)));
    assert_eq!(past.value("history.faster"), Some(Seen::Is(1.0)));
    assert_eq!(past.value("changes.deploy_min"), Some(Seen::Is(8.0 * 60.0 - 15.0)));
    assert_eq!(past.words("history.held").unwrap(), "10 h, 6 h, 3 h");
    assert_eq!(past.words("history.last").unwrap(), "11 h ago");
    assert_eq!(past.value("heap"), None);
}

#[test]
fn what_nobody_can_know_is_not_known() {
    let once = past("restart api", vec![change(3.0, "restart", "api is new", "api")], Vec::new());
    assert_eq!(once.value("history.held_h"), Some(Seen::Absent));
    assert_eq!(once.words("history.held").unwrap(), "an unknown time");
    // No target, no past of it.
    assert_eq!(past("restart it", Vec::new(), Vec::new()).value("history.count"), Some(Seen::Unknown));
    let plan = Plan::default();
    let unknown = Past::of(&plan, &Known(Err("damaged".into()), Err("too much".into())));
    assert_eq!(unknown.unknown, ["damaged", "too much"]);
    for (name, _) in NAMES {
        assert_eq!(unknown.value(name).map(|s| matches!(s, Seen::Is(_))), Some(false), "{name}");
    }
}

#[test]
fn how_it_went_and_what_was_near() {
    let mut failed = change(50.0, "restart", "x", "api");
    failed.outcome = "Did not help: no effect".into();
    let other = change(0.5, "deploy", "cart 7", "cart");
    let config = change(1.0, "config", "/etc/hosts was changed", "");
    let past = past("restart api", vec![failed, other, config], Vec::new());
    assert_eq!(past.value("history.failed"), Some(Seen::Is(1.0)));
    // What is of nobody in particular is near; what is another's is not.
    assert_eq!(past.value("changes.near"), Some(Seen::Is(1.0)));
    assert_eq!(past.value("changes.anywhere"), Some(Seen::Is(2.0)));
    assert!(past.words("changes.last").unwrap().contains("/etc/hosts was changed"));
}

#[test]
fn who_moved_first() {
    let moved = |whose: &str, minutes_ago: f64| Moved {
        title: format!("x of {whose}"),
        sentence: "rose".into(),
        whose: vec![whose.into()],
        onset_ms: NOW - (minutes_ago * 60_000.0) as i64,
        count: 3,
    };
    let last = past("restart api", Vec::new(), vec![moved("db-2", 9.0), moved("api", 5.0)]);
    assert_eq!(last.value("moved.is_target"), Some(Seen::Is(0.0)));
    assert_eq!(last.value("moved.lead_s"), Some(Seen::Is(240.0)));
    assert_eq!(last.words("moved.first").unwrap(), "x of db-2 rose (with 2 more series), 9 min ago");
    let together = past("restart api", Vec::new(), vec![moved("db-2", 9.0), moved("api-1", 9.0)]);
    assert_eq!(together.value("moved.is_target"), Some(Seen::Is(0.0)));
    let first = past("restart api-1", Vec::new(), vec![moved("db-2", 9.0), moved("api-1", 8.9)]);
    assert_eq!(first.value("moved.is_target"), Some(Seen::Is(1.0)));
    let never = past("restart api", Vec::new(), vec![moved("db-2", 9.0)]);
    assert_eq!(never.value("moved.lead_s"), Some(Seen::Absent));
}
