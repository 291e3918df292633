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
    let facts = |t| Facts { first_seen_ms: t, ..Facts::default() };
    assert_eq!(c.add(&labels("a"), facts(5)), Some(0));
    assert_eq!(c.add(&labels("b"), facts(5)), Some(1));
    assert_eq!(c.add(&labels("a"), facts(9)), Some(0), "the same series");
    assert_eq!(c.get(0).unwrap().1.first_seen_ms, 5, "first seen stays");
    assert!(c.remove(0) && !c.remove(0) && c.get(0).is_none());
    assert_eq!(c.add(&labels("a"), facts(6)), Some(2), "back again: a new number");
    assert_eq!((c.len(), c.id_of(&labels("a")), c.id_of(&labels("c"))), (2, Some(2), None));
    assert_eq!(c.belongs(2).unwrap().kind, Kind::Other);
    assert_eq!(c.entries.len(), 2, "places are used again");
}

#[test]
fn full_is_said() {
    let mut c = Catalogue::new(Settings { series_max: 1 });
    assert!(c.add(&labels("a"), Facts::default()).is_some());
    assert_eq!(c.add(&labels("b"), Facts::default()), None);
    assert!(c.add(&labels("a"), Facts::default()).is_some(), "known series are no new ones");
}

#[test]
fn groups_come_and_go_with_their_series() {
    let mut c = Catalogue::default();
    let mut ids = Vec::new();
    for i in [10, 2, 1] {
        let text = format!("node_cpu_seconds_total{{job=node,instance=vm,cpu={i}}}");
        ids.extend(c.add(&labels(&text), Facts::default()));
    }
    ids.extend(c.add(&labels("up{job=shop,instance=h:1}"), Facts::default()));
    ids.extend(c.add(&labels("up{job=node,instance=vm}"), Facts::default()));
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
        let id = c.add(&labels(&text), Facts::default()).unwrap();
        if i >= 10 {
            c.remove(id - 10);
        }
    }
    assert_eq!(c.len(), 10);
    assert!(c.heap_bytes() < 1 << 20, "{}", c.heap_bytes());
}
