//! What is kept, in which order, what a restart finds, and what damage costs.

use super::*;
use model::MatchOp;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied()).unwrap()
}

fn one(metric: &str, timestamp_ms: i64, value: f64, trace: &str) -> (Labels, Example) {
    let example = Example { timestamp_ms, value, labels: labels(&[("trace_id", trace)]) };
    (labels(&[("__name__", metric)]), example)
}

fn open(folder: &Path, max: usize) -> Exemplars {
    Exemplars::open(folder, max, &Registry::default())
}

/// `metric: time/trace time/trace; ...` of all that is kept.
fn shown(exemplars: &Exemplars) -> String {
    let all = exemplars.select(&[Vec::new()], i64::MIN, i64::MAX);
    let one = |e: &Example| format!("{}/{}", e.timestamp_ms, e.labels.get("trace_id"));
    let of =
        |(l, all): &OfSeries| format!("{}: {}", l.name(), all.iter().map(one).collect::<Vec<_>>().join(" "));
    all.iter().map(of).collect::<Vec<_>>().join("; ")
}

#[test]
fn in_order_of_time_each_once_and_the_oldest_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let exemplars = open(folder.path(), 4);
    exemplars.add(vec![one("a", 20, 1.0, "x"), one("a", 10, 1.0, "y"), one("a", 20, 1.0, "x")]);
    assert_eq!(shown(&exemplars), "a: 10/y 20/x");
    exemplars.add(vec![one("b", 5, f64::NAN, "z"), one("a", 20, 2.0, "x")]);
    assert_eq!(shown(&exemplars), "a: 10/y 20/x 20/x; b: 5/z");
    // `a` came first: its oldest makes room.
    exemplars.add(vec![one("b", 6, 1.0, "n")]);
    assert_eq!(shown(&exemplars), "a: 20/x 20/x; b: 5/z 6/n");
    assert_eq!(exemplars.present(), (4, 4));
    let counters = &exemplars.shared.counters;
    assert_eq!([counters.added.get(), counters.duplicate.get(), counters.evicted.get()], [5.0, 1.0, 1.0]);
}

#[test]
fn selection_by_matchers_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let exemplars = open(folder.path(), 100);
    exemplars.add((0..10).flat_map(|i| [one("a", i, 1.0, "x"), one("b", i, 1.0, "x")]).collect());
    let count = |sets: &[Vec<Matcher>], start, end| {
        exemplars.select(sets, start, end).iter().map(|(_, all)| all.len()).collect::<Vec<_>>()
    };
    let named = |op, name: &str| vec![Matcher::new("__name__", op, name).unwrap()];
    assert_eq!(count(&[named(MatchOp::Equal, "a")], 3, 5), [3]);
    assert_eq!(count(&[named(MatchOp::Regex, "a|b")], 9, 100), [1, 1]);
    assert_eq!(count(&[named(MatchOp::Equal, "a"), named(MatchOp::Equal, "b")], 0, 0), [1, 1]);
    assert_eq!(count(&[named(MatchOp::Equal, "c")], 0, 100), [0usize; 0]);
}

#[test]
fn a_restart_finds_what_was_there_and_leaves_out_what_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let odd = one("ü \"\n\\", -5, f64::NEG_INFINITY, "}\u{0}");
    open(folder.path(), 10).add(vec![one("a", 1, 0.1 + 0.2, "x"), odd.clone(), one("a", 2, 1.0, "y")]);
    let again = open(folder.path(), 10);
    let all = again.select(&[Vec::new()], i64::MIN, i64::MAX);
    assert_eq!(all[0].1[0], one("a", 1, 0.1 + 0.2, "x").1, "bit for bit");
    assert_eq!(all[1], (odd.0, vec![odd.1]));
    drop(again);

    // A bit that is wrong, and a line that a crash cut off.
    let path = folder.path().join("exemplars.log");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.iter().position(|b| *b == b'x').unwrap();
    bytes[at] ^= 1;
    bytes.extend(b"00000000 {\"t\":1");
    std::fs::write(&path, &bytes).unwrap();
    let damaged = open(folder.path(), 10);
    assert_eq!(damaged.present().0, 2);
    // What comes next does not run into it.
    damaged.add(vec![one("a", 3, 1.0, "z")]);
    drop(damaged);
    let after = open(folder.path(), 10);
    assert_eq!(after.present().0, 3);
    assert!(!after.shared.is_behind.load(Relaxed), "the damage is gone from the file");
    // Fewer are allowed now: the newest stay.
    drop(after);
    assert_eq!(open(folder.path(), 2).present(), (2, 2));
    assert_eq!(open(folder.path(), 0).present(), (0, 0));
}

#[test]
fn the_file_does_not_grow_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let lines = || {
        std::fs::read_to_string(folder.path().join("exemplars.log")).map_or(0, |text| text.lines().count())
    };
    for round in 0..7i64 {
        let exemplars = open(folder.path(), 10);
        exemplars.add((0..2_000).map(|i| one("a", round * 2_000 + i, 1.0, "x")).collect());
        drop(exemplars);
        assert!(lines() < 10_100, "{} lines", lines());
    }
    // The sixth writing was over the bound: only what is kept was written.
    assert_eq!(lines(), 10 + 2_000);
    assert_eq!(shown(&open(folder.path(), 1)), "a: 13999/x");
}

#[test]
fn what_is_deleted_is_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let exemplars = open(folder.path(), 10);
    exemplars.add(vec![one("a", 1, 1.0, "secret"), one("a", 2, 1.0, "x"), one("b", 1, 1.0, "y")]);
    let of_a = vec![Matcher::equal("__name__", "a")];
    assert_eq!(exemplars.delete(&[of_a], 0, 1).unwrap(), 1);
    assert_eq!(shown(&exemplars), "a: 2/x; b: 1/y");
    let text = std::fs::read_to_string(folder.path().join("exemplars.log")).unwrap();
    assert!(!text.contains("secret") && text.lines().count() == 2, "{text}");
    assert_eq!(exemplars.present().0, 2);
}
