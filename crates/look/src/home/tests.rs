//! Tests of home: tables of input and what is wanted.

use super::*;
use std::collections::HashSet;

const NOW_MS: i64 = 1_700_000_000_000;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied()).unwrap()
}

/// One host that was heard of so many seconds ago.
fn host(ago_s: i64) -> Vec<(SubjectKind, Vec<Row>)> {
    let last_s = (NOW_MS / 1000 - ago_s) as f64;
    vec![(SubjectKind::Host, vec![(labels(&[("instance", "vm")]), last_s)])]
}

fn result(id: &str, rows: &[(&[(&str, &str)], f64)]) -> ConditionResult {
    let condition = conditions::all().find(|c| c.id == id).unwrap();
    let rows = rows.iter().map(|(pairs, v)| (labels(pairs), *v)).collect();
    ConditionResult { condition, rows: Ok(rows), details: Vec::new() }
}

const VM: (&str, &str) = ("instance", "vm");

#[test]
fn states_of_values() {
    for (id, value, want) in [
        ("disk-space", 0.5, State::Fine),
        ("disk-space", 0.85, State::Look),
        ("disk-space", 0.95, State::Bad),
        ("memory", 0.5, State::Fine),
        ("memory", 0.10, State::Look),
        ("memory", 0.01, State::Bad),
        ("cpu", 1.0, State::Look),
        ("up", 1.0, State::Fine),
        ("up", 0.0, State::Bad),
        ("clock-sync", 0.2, State::Fine),
        ("clock-sync", 16.0, State::Look),
        ("oom", 0.0, State::Fine),
        ("oom", 1.0, State::Look),
        ("memory", f64::NAN, State::Silent),
    ] {
        let condition = conditions::all().find(|c| c.id == id).unwrap();
        assert_eq!(condition.state_of(value), want, "{id} {value}");
    }
}

#[test]
fn headlines() {
    let fine = [result("memory", &[(&[VM], 0.5)])];
    let mixed = [
        result("memory", &[(&[VM], 0.01)]),
        result("cpu", &[(&[VM], 0.95)]),
        result("disk-space", &[(&[VM, ("mountpoint", "/")], 0.91), (&[VM, ("mountpoint", "/home")], 0.5)]),
        result("swap", &[(&[VM], 200.0)]),
    ];
    let missing = [result("memory", &[]), result("swap", &[])];
    let cases: [(i64, &[ConditionResult], State, &str); 6] = [
        (1, &fine, State::Fine, "All that is checked here is fine. Nothing of your own is watched yet."),
        (60, &fine, State::Fine, "All that is checked here is fine. Nothing of your own is watched yet."),
        (61, &fine, State::Silent, "1 thing is silent: no data of vm (nothing for 61 s)."),
        (
            1,
            &mixed,
            State::Bad,
            "1 thing is bad, 3 are worth a look: memory available of vm (1 %), cpu of vm (95 %), \
             disk space of vm (91 % of /) and 1 more.",
        ),
        (1, &missing, State::Silent, "1 thing is silent: memory available of vm (no data)."),
        (1, &[], State::Silent, "1 thing is silent."),
    ];
    for (ago_s, results, state, want) in cases {
        let report = judge(NOW_MS, &host(ago_s), results, &[], None);
        assert_eq!((report.state, report.headline.as_str()), (state, want));
    }
    let nothing = judge(NOW_MS, &[], &fine, &[], None);
    assert_eq!(nothing.state, State::Silent);
    assert!(nothing.headline.starts_with("Nothing has been recorded yet"));
}

#[test]
fn a_tile_shows_the_worst_row_and_says_why() {
    let mut space = result(
        "disk-space",
        &[
            (&[VM, ("mountpoint", "/")], 0.5),
            (&[VM, ("mountpoint", "/da\"ta")], 0.96),
            (&[VM, ("mountpoint", "/home")], 0.9),
            (&[("instance", "other"), ("mountpoint", "/")], 0.99),
            (&[VM, ("mountpoint", "/nan")], f64::NAN),
        ],
    );
    space.details = vec![(labels(&[VM, ("mountpoint", "/da\"ta")]), 18_000.0)];
    let report = judge(NOW_MS, &host(1), &[space], &[], None);
    let tile = &report.subjects[0].tiles[0];
    assert_eq!((tile.state, tile.value.as_str()), (State::Bad, "96 % of /da\"ta"));
    assert_eq!(
        tile.detail,
        "A full file system stops whatever writes to it: databases, logs, this program. \
         Shown is the worst of 3; 2 outside the limits. Worth a look from 85 %, bad from 95 %. \
         At the pace of the last hour it is full in 5 h. \
         Find what grew (du -x), rotate or remove it, or enlarge the file system before it is full."
    );
    assert_eq!(tile.selector, "node_filesystem_avail_bytes{instance=\"vm\", mountpoint=\"/da\\\"ta\"}");
}

#[test]
fn what_could_not_be_evaluated_is_silent_not_fine() {
    let mut failed = result("memory", &[]);
    failed.rows = Err("the query took too long".into());
    let report = judge(NOW_MS, &host(1), &[failed], &[], None);
    assert_eq!(report.state, State::Silent);
    assert!(report.subjects[0].tiles[0].detail.contains("the query took too long"));
}

#[test]
fn every_kind_of_subject_in_its_order() {
    let at = (NOW_MS / 1000) as f64;
    let service = |i: &str| labels(&[("job", "shop"), ("instance", i)]);
    let present = [
        (SubjectKind::Midwatch, vec![(Labels::default(), at)]),
        (
            SubjectKind::Service,
            vec![(service("h:10"), at), (service("h:9"), at - 149.0), (service("h:9"), at)],
        ),
        (SubjectKind::Host, vec![(labels(&[VM]), at)]),
    ];
    let up: [(&[(&str, &str)], f64); 2] =
        [(&[("job", "shop"), ("instance", "h:9")], 1.0), (&[("job", "shop"), ("instance", "h:10")], 0.0)];
    let report = judge(NOW_MS, &present, &[result("up", &up), result("wal", &[(&[], 0.0)])], &[], None);
    let got: Vec<_> = report.subjects.iter().map(|s| (s.id.as_str(), s.state)).collect();
    let want = [
        ("host/vm", State::Silent),
        ("service/shop/h:9", State::Fine),
        ("service/shop/h:10", State::Bad),
        ("midwatch", State::Fine),
    ];
    assert_eq!(got, want);
    let tile = &report.subjects[2].tiles[0];
    assert_eq!((tile.value.as_str(), tile.q.as_str()), ("down", "up job=shop"));
    assert_eq!(tile.selector, "up{job=\"shop\", instance=\"h:10\"}");
}

#[test]
fn the_table_is_sound() {
    let mut ids = HashSet::new();
    for c in conditions::all() {
        assert!(ids.insert(c.id), "{} comes twice", c.id);
        let texts = [c.title, c.expr, c.why, c.what_to_do, c.link.q, c.link.selector];
        assert!(texts.iter().all(|t| !t.is_empty()), "{}", c.id);
        assert!(c.why.ends_with('.') && c.what_to_do.ends_with('.'), "{}", c.id);
        assert_eq!(c.by.is_empty(), c.joined_by.is_empty(), "{}", c.id);
        assert_eq!(c.detail_expr.is_empty(), c.detail_says.is_empty(), "{}", c.id);
        assert!(c.badness(c.bad) >= c.badness(c.warn) || !c.bad.is_finite(), "{}", c.id);
        for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
            let count = |x| c.expr.matches(x).count();
            assert_eq!(count(open), count(close), "{}", c.id);
        }
    }
}

#[test]
fn what_stops_the_recording_comes_first() {
    let report = judge(0, &[], &[], &[], Some("no space left for wal; free some"));
    assert_eq!(report.headline, "Nothing can be recorded now: no space left for wal; free some.");
    assert_eq!((report.state, report.subjects[0].kind), (State::Bad, SubjectKind::Midwatch));
    assert_eq!(report.subjects[0].tiles[0].title, "Recording");
}

#[test]
fn tomorrow_is_promised_only_where_everything_was_judged() {
    let fine = [result("memory", &[(&[VM], 0.5)])];
    let watched = |name: &str, state, value: &str| Watched {
        id: name.into(),
        name: name.into(),
        service: String::new(),
        is_slo: false,
        state,
        value: value.into(),
        detail: String::new(),
    };
    let (good, firing) = (watched("A", State::Fine, "fine"), watched("Errors", State::Bad, "firing"));
    let (blind, soon) = (watched("B", State::Silent, "no data"), watched("C", State::Look, "pending"));
    for (list, state, want) in [
        (vec![good.clone()], State::Fine, "All fine. See you tomorrow."),
        (vec![good.clone(), blind], State::Silent, "1 thing is silent: b of Monitors (no data)."),
        (
            vec![good, firing, soon],
            State::Bad,
            "1 thing is bad, 1 is worth a look: errors of Monitors (firing), c of Monitors (pending).",
        ),
    ] {
        let report = judge(NOW_MS, &host(1), &fine, &list, None);
        assert_eq!((report.state, report.headline.as_str()), (state, want));
        assert_eq!(report.subjects[0].kind, SubjectKind::Monitors);
    }
}
