//! Lines of many programs, and what is learnt of them.

use super::*;
use std::collections::BTreeSet;

const NOW_NS: i64 = 1_795_262_400_000_000_000;
const MINUTE_NS: i64 = 60_000_000_000;

fn line(body: &str) -> Line<'_> {
    Line { service: "s", host: "h", body, severity: Severity::INFO, time_ns: NOW_NS }
}

fn patterns() -> Patterns {
    Patterns::new(Settings::default())
}

#[test]
fn lines_of_one_text_follow_one_template_which_has_the_same_id_everywhere() {
    let (mut one, mut two) = (patterns(), patterns());
    let a = one.learn(line("took 12 ms for 10.0.0.1"));
    assert_eq!(a, one.learn(line("took 5 ms for 10.0.0.99")));
    assert_ne!(a, one.learn(line("failed for 10.0.0.1")));
    assert_ne!(a, one.learn(Line { service: "other", ..line("took 12 ms for 10.0.0.1") }));
    two.learn(line("something else"));
    assert_eq!(a, two.learn(line("took 777 ms for 10.9.8.7")));
    assert_eq!((one.learn(line("")), one.len()), (0, 3));
}

#[test]
fn words_that_vary_are_found_by_their_company() {
    let mut patterns = patterns();
    let names = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];
    let ids: Vec<u64> =
        names.iter().map(|n| patterns.learn(line(&format!("user {n} logged in from 10.0.0.1")))).collect();
    let (opened, closed) = (
        patterns.learn(line("connection opened by peer")),
        patterns.learn(line("connection closed by peer")),
    );
    assert_ne!(opened, closed, "a few words that vary mean something");
    let last = patterns.get(*ids.last().unwrap()).unwrap();
    assert_eq!((last.text.as_str(), last.history.total()), ("user <*> logged in from <*>", 8));
    for id in &ids {
        assert_eq!(patterns.get(*id).unwrap().id, last.id, "found by its former name");
    }
    assert_eq!((last.example.as_str(), patterns.len()), ("user alice logged in from 10.0.0.1", 3));
}

#[test]
fn memory_is_bounded_and_the_oldest_makes_room() {
    let mut patterns = Patterns::new(Settings { templates_max: 100, templates_per_service_max: 40 });
    // Words of letters alone, each with others beside it.
    let word = |mut n: usize| {
        let mut out = String::new();
        while out.len() < 5 {
            out.push(char::from(b'g' + (n % 20) as u8));
            n /= 20;
        }
        out
    };
    for i in 0..2_000usize {
        let body = format!("{} {} {}", word(i * 31), word(i * 17 + 5), word(i * 7 + 3));
        let service = format!("s{}", word(i % 5));
        patterns.learn(Line { service: &service, time_ns: NOW_NS + i as i64, ..line(&body) });
        assert!(patterns.len() <= 100);
    }
    assert!(patterns.len() >= 80);
    assert!(patterns.iter().all(|t| t.history.last_ns() > NOW_NS + 1_000), "the oldest went");
}

#[test]
fn what_is_written_down_is_read_back() {
    let mut before = patterns();
    let a = before.learn(Line { severity: Severity::ERROR, ..line("took 12 ms") });
    let names = ["alice", "bob", "carol", "dave", "erin", "frank"];
    names.iter().for_each(|n| _ = before.learn(line(&format!("user {n} logged in"))));
    let text = before.to_text();
    let (mut after, broken) = Patterns::from_text(&text, Settings::default());
    assert_eq!((after.len(), broken, after.version()), (before.len(), 0, 0));
    assert_eq!(before.get(a), after.get(a));
    assert_eq!(after.learn(line("took 3 ms")), a);
    assert_eq!(after.get(a).unwrap().history.total(), 2);
    let (spoiled, broken) =
        Patterns::from_text(&format!("{text}{{\"id\":\"1\"}}\nnonsense\n{text}"), Settings::default());
    assert_eq!((spoiled.len(), broken), (before.len(), 2 + before.len()));
}

#[test]
fn new_vanished_and_changed() {
    let mut patterns = patterns();
    let start = NOW_NS - 10 * 60 * MINUTE_NS;
    let mut say = |body: &str, severity: Severity, minute: i64, times: u32| {
        for i in 0..times {
            let time_ns = start + minute * MINUTE_NS + i64::from(i);
            patterns.learn(Line { severity, time_ns, ..line(body) });
        }
    };
    for minute in 0..600 {
        say("steady", Severity::INFO, minute, 5);
        say("more and more", Severity::INFO, minute, if minute > 590 { 50 } else { 2 });
        if minute < 500 {
            say("heartbeat", Severity::INFO, minute, 3);
        }
        if minute % 300 == 7 {
            say("seldom", Severity::WARN, minute, 1);
        }
    }
    say("boom", Severity::ERROR, 580, 1);
    say("started", Severity::INFO, 590, 1);
    let shown = |list: &[(&Template, Seen)]| list.iter().map(|(t, _)| t.text.clone()).collect::<Vec<_>>();
    let review = patterns.review(Severity::UNKNOWN, NOW_NS);
    assert_eq!(shown(&review.new), ["boom", "started"], "errors first");
    assert_eq!(shown(&review.vanished), ["heartbeat"]);
    assert_eq!(shown(&review.changed), ["more and more"]);
    assert_eq!(review.new[0].1, Seen::New { is_service_new: false });
    assert_eq!(shown(&patterns.review(Severity::ERROR, NOW_NS).new), ["boom"]);
}

/// What `accuracy` measures is the share of lines whose group is exactly that of their label (grouping accuracy, as in Zhu et
/// al., "Tools and Benchmarks for Automated Log Parsing").
#[test]
fn lines_of_many_programs_are_grouped_by_their_texts() {
    let lines = super::samples::lines(40);
    let (accuracy, wrong) = super::samples::accuracy(&lines);
    assert!(accuracy >= 0.95, "{accuracy}: {wrong:#?}");
    let labels: BTreeSet<usize> = lines.iter().map(|(label, ..)| *label).collect();
    assert!(labels.len() >= 60 && lines.len() > 2_000, "{} templates, {} lines", labels.len(), lines.len());
}
