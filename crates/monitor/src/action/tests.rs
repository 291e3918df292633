//! What may run, when, and whether it held.

use super::*;

const FILE: &str = r#"
actions:
  - name: restart
    command: [/usr/bin/systemctl, restart, web]
    environment: {LANG: C}
    matchers: ['alertname="WebDown"']
    approved_by: Ada, 2026-11-01
    every: 10m
    per_day: 3
    hold: 15m
"#;

fn alert(host: &str, starts_at_ms: i64) -> Alert {
    let labels = Labels::from_pairs([("alertname", "WebDown"), ("host", host)]).unwrap();
    Alert { labels, starts_at_ms, ..Alert::default() }
}

const MIN: i64 = 60_000;

#[test]
fn one_run_for_each_time_it_fires_within_the_limits() {
    let (actions, problems) = read("actions.yml", FILE);
    assert_eq!(problems, []);
    let mut book = Book::default();
    let mut run = |firing: &[&Alert], at: i64| -> Vec<u64> {
        let started = book.decide(&actions, firing, at * MIN);
        started.iter().for_each(|(n, _, _)| book.ended(*n, true, "exit code 0", at * MIN));
        started.into_iter().map(|(n, _, _)| n).collect()
    };
    let (a, b) = (alert("a", 0), alert("b", 2 * MIN));
    assert_eq!(run(&[&a], 1), [1]);
    // Once for each time that it fires, and not again within ten minutes.
    assert_eq!(run(&[&a, &b], 5), Vec::<u64>::new());
    assert_eq!(run(&[&a, &b], 12), [2]);
    assert_eq!(run(&[&alert("a", 30 * MIN)], 31), [3]);
    // The fourth of a day is too much.
    assert_eq!(run(&[&alert("a", 60 * MIN)], 61), Vec::<u64>::new());
    assert_eq!(run(&[&alert("a", 25 * 60 * MIN)], 25 * 60 + 1), [4]);
    let other = Alert { labels: Labels::from_pairs([("alertname", "Other")]).unwrap(), ..alert("", 0) };
    assert_eq!(run(&[&other], 99_999), Vec::<u64>::new());
}

#[test]
fn whether_it_held() {
    let (actions, _) = read("actions.yml", FILE);
    // Minutes in which the alert fires after the command ended at minute 1, and what is known in the end.
    for (fires, want) in [
        ((1..3, 0..0), Verdict::Held),
        ((1..3, 9..12), Verdict::CameBack { after_ms: 6 * MIN }),
        ((1..99, 0..0), Verdict::DidNotHelp),
    ] {
        let mut book = Book::default();
        let a = alert("a", 0);
        let started = book.decide(&actions, &[&a], MIN);
        book.ended(started[0].0, true, "exit code 0", MIN);
        let mut known = Vec::new();
        for minute in 1..60 {
            let is = fires.0.contains(&minute) || fires.1.contains(&minute);
            known.extend(book.judge(&actions, |_| is, minute * MIN));
        }
        let verdicts: Vec<_> = known.into_iter().map(|r| r.verdict).collect();
        assert_eq!(verdicts, [want]);
    }
    let mut book = Book::default();
    let a = alert("a", 0);
    let started = book.decide(&actions, &[&a], MIN);
    assert!(book.decide(&actions, &[&alert("b", 0)], 20 * MIN).is_empty(), "one at a time");
    assert!(book.held_back().any(|(_, why)| why.contains("another alert")));
    book.ended(started[0].0, false, "exit code 1", MIN);
    assert_eq!(book.runs()[0].verdict, Verdict::Failed);
    // What ran before a restart counts.
    let mut later = Book::with([("restart".to_string(), 5 * MIN)].into_iter());
    assert!(later.decide(&actions, &[&alert("c", 6 * MIN)], 7 * MIN).is_empty());
}

#[test]
fn what_is_not_wholly_right_is_left_out() {
    for (from, to, part) in [
        ("[/usr/bin/systemctl, restart, web]", "[systemctl]", "the whole path"),
        ("[/usr/bin/systemctl, restart, web]", "reboot", "a list of texts"),
        ("['alertname=\"WebDown\"']", "[]", "which alerts, not all"),
        ("approved_by: Ada, 2026-11-01", "", "needs approved_by"),
        ("every: 10m", "every: 10", "has no unit"),
        ("hold: 15m", "holds: 15m", "did you mean \"hold\"?"),
        ("per_day: 3", "per_day: often", "whole number"),
        ("environment: {LANG: C}", "environment: [a]", "names with texts"),
    ] {
        let (actions, problems) = read("actions.yml", &FILE.replace(from, to));
        assert!(actions.is_empty() && problems[0].what.contains(part), "{to}: {problems:?}");
    }
    assert!(read("a", "x: 1").1[0].what.contains("begins with"));
}
