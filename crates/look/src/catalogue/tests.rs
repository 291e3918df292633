//! Tests of catalogue: tables of input and what is wanted.

use super::*;
use crate::{Find, GroupBy, Kind};

fn labels(text: &str) -> Labels {
    let (name, rest) = text.split_once('{').unwrap_or((text, ""));
    let pairs = rest.trim_end_matches('}').split(',').filter_map(|p| p.split_once('='));
    Labels::from_pairs(pairs.chain([("__name__", name)])).unwrap()
}

#[test]
fn ids_are_dense_and_never_given_twice() {
    let mut c = Catalogue::default();
    assert_eq!(c.add(&labels("a"), 5), Some(0));
    assert_eq!(c.add(&labels("b"), 5), Some(1));
    assert_eq!(c.add(&labels("a"), 9), Some(0), "the same series");
    assert!(c.remove(0) && !c.remove(0) && c.get(0).is_none());
    assert_eq!(c.add(&labels("a"), 6), Some(2), "back again: a new number");
    assert_eq!((c.len(), c.id_of(&labels("a")), c.id_of(&labels("c"))), (2, Some(2), None));
    assert_eq!(c.belongs(2).unwrap().kind, Kind::Other);
    assert_eq!(c.entries.len(), 2, "places are used again");
}

#[test]
fn full_is_said() {
    let mut c = Catalogue::new(Settings { series_max: 1, ..Settings::default() });
    assert!(c.add(&labels("a"), 0).is_some());
    assert_eq!(c.add(&labels("b"), 0), None);
    assert!(c.add(&labels("a"), 0).is_some(), "known series are no new ones");
}

#[test]
fn groups_come_and_go_with_their_series() {
    let mut c = Catalogue::default();
    let mut ids = Vec::new();
    for i in [10, 2, 1] {
        let text = format!("node_cpu_seconds_total{{job=node,instance=vm,cpu={i}}}");
        ids.extend(c.add(&labels(&text), 0));
    }
    ids.extend(c.add(&labels("up{job=shop,instance=h:1}"), 0));
    ids.extend(c.add(&labels("up{job=node,instance=vm}"), 0));
    let titles = |c: &Catalogue, group| {
        let found = c.find(Find { group, ..Find::default() });
        let titles: Vec<_> = found.groups.iter().map(|g| format!("{}:{}", g.title, g.count)).collect();
        (titles.join(" "), found.ids)
    };
    assert_eq!(titles(&c, GroupBy::Entity), ("cpu:3 vm:1 shop h:1:1".into(), vec![2, 1, 0, 4, 3]));
    assert_eq!(titles(&c, GroupBy::Metric), ("node_cpu_seconds_total:3 up:2".into(), vec![2, 1, 0, 3, 4]));
    assert!(c.remove(3) && c.remove(1));
    assert_eq!(titles(&c, GroupBy::Entity), ("cpu:2 vm:1".into(), vec![2, 0, 4]));
    for id in ids {
        c.remove(id);
    }
    assert_eq!(titles(&c, GroupBy::Entity), (String::new(), vec![]));
    assert!(c.is_empty());
}

#[test]
fn churn_does_not_grow_memory() {
    let mut c = Catalogue::default();
    for i in 0..6_000 {
        let text = format!("process_cpu{{job=node,instance=vm,pid={i},comm=sh}}");
        let id = c.add(&labels(&text), 0).unwrap();
        if i >= 10 {
            c.remove(id - 10);
        }
    }
    assert_eq!(c.len(), 10);
    assert!(c.heap_bytes() < 1 << 20, "{}", c.heap_bytes());
}

/// 1,000 series are replaced every ten minutes for two hours: what is silent is kept up to its limit, and memory stays
/// level.
#[test]
fn a_rollout_after_the_other_leaves_memory_level() {
    let settings = Settings { silent_max: 2_000, silent_after_s: 600, ..Settings::default() };
    let mut c = Catalogue::new(settings);
    let (mut sizes, mut now_s) = (Vec::new(), 1_000_000);
    for rollout in 0..12 {
        let next_id = c.next_id();
        for i in 0..1_000 {
            let text = format!("Http_requests_total{{job=shop,instance=pod-{rollout}-{},code={i}}}", i / 40);
            c.add(&labels(&text), now_s).unwrap();
        }
        for _ in 0..2 {
            now_s += 300;
            let first = next_id;
            for id in c.age(|id| id >= first, c.next_id(), now_s, 0) {
                assert!(c.remove(id));
            }
        }
        sizes.push(c.heap_bytes());
    }
    assert!((3_000..=5_000).contains(&c.len()), "{}", c.len());
    let (settled, last) = (sizes[5], sizes[11]);
    assert!(last <= settled * 11 / 10, "{sizes:?}");
    let found = c.find(Find { q: "pod-11-3", ..Find::default() });
    assert_eq!(found.total, 40);
    let old = c.iter().filter(|(_, labels)| labels.get("instance").starts_with("pod-0-")).count();
    assert_eq!(old, 0, "long gone");
}

#[test]
fn what_is_silent_goes_when_nothing_of_it_is_kept() {
    let mut c = Catalogue::new(Settings { silent_after_s: 60, ..Settings::default() });
    for name in ["a", "b", "c"] {
        c.add(&labels(name), 1_000).unwrap();
    }
    assert_eq!(c.age(|id| id == 0, 3, 1_030, 0), [0; 0], "not silent for long enough");
    assert_eq!(c.age(|id| id == 0, 3, 1_100, 0), [0; 0], "its samples are kept");
    assert_eq!(c.age(|id| id == 0, 2, 1_200, 1_001), [1], "the third was not asked about");
    assert_eq!(c.age(|_| false, 3, 1_300, 1_001), [1, 2]);
    assert_eq!(c.age(|_| false, 3, 1_300, 1_201), [1, 2, 0]);
}
