//! Tests of search: tables of input and what is wanted.

use super::*;
use model::{Labels, MatchOp, Matcher};

const SERIES: &[&str] = &[
    /*  0 */ "node_cpu_seconds_total{job=node,instance=vm,cpu=0,mode=user}",
    /*  1 */ "node_cpu_seconds_total{job=node,instance=vm,cpu=1,mode=user}",
    /*  2 */ "node_memory_MemAvailable_bytes{job=node,instance=vm}",
    /*  3 */ "node_disk_io_time_seconds_total{job=node,instance=vm,device=sda}",
    /*  4 */ "node_disk_io_time_seconds_total{job=node,instance=vm,device=sdb}",
    /*  5 */ "node_disk_read_bytes_total{job=node,instance=vm,device=sda}",
    /*  6 */ "node_filesystem_avail_bytes{job=node,instance=vm,device=/dev/sda1,mountpoint=/}",
    /*  7 */ "http_requests_total{job=shop,instance=h:80,handler=/api/v1/cart}",
    /*  8 */ "shop_diskQueue_length{job=shop,instance=h:80}",
    /*  9 */ "process_cpu_time_seconds_total{job=node,instance=vm,pid=7,comm=nginx}",
    /* 10 */ "job:http_requests:rate5m{job=shop}",
    /* 11 */ "up{job=shop,instance=h:80}",
    /* 12 */ "node_cpu_seconds_total{job=node,instance=vm,cpu=10,mode=user}",
];

fn catalogue() -> Catalogue {
    let mut c = Catalogue::default();
    for text in SERIES {
        let (name, rest) = text.split_once('{').unwrap();
        let pairs = rest.trim_end_matches('}').split(',').filter_map(|p| p.split_once('='));
        c.add(&Labels::from_pairs(pairs.chain([("__name__", name)])).unwrap(), 0);
    }
    c
}

#[test]
fn what_is_found_in_which_order() {
    let c = catalogue();
    for (q, want) in [
        ("", &[0, 1, 12, 2, 3, 5, 4, 6, 10, 7, 8, 11, 9][..]),
        ("up", &[11]),
        ("UP", &[11]),
        ("cpu", &[0, 1, 12, 9]),
        ("disk", &[3, 5, 4, 8]),
        ("disk sda", &[3, 5]),
        ("sda", &[3, 5, 6]),
        ("device=sda", &[3, 5]),
        ("device:sd", &[3, 5, 4]),
        ("cpu=1", &[1]),
        ("device=", &[3, 5, 4, 6]),
        ("dev=/dev", &[6]),
        ("disk -sda", &[4, 8]),
        ("disk -device=sda", &[4, 8]),
        ("disk device!=sda", &[4, 8]),
        ("\"io time\"", &[3, 4]),
        ("\"time io\"", &[]),
        ("avail", &[6, 2]),
        ("queue", &[8]),
        ("v1 cart", &[7]),
        ("job:http", &[10]),
        ("__name__=up", &[11]),
        ("node_disk_read_bytes_total", &[5]),
        ("nginx", &[9]),
        ("process 7", &[9]),
        // Typing errors, and none where the word is there as it was typed.
        ("memroy", &[2]),
        ("filesytsem", &[6]),
        ("ngnix", &[9]),
        ("reqests", &[10, 7]),
        ("dsk", &[]),
        ("xyzzy", &[]),
        ("cpu xyzzy", &[]),
    ] {
        let found = c.find(Find { q, ..Find::default() });
        assert_eq!(found.ids, want, "{q}");
        assert_eq!(found.total, want.len());
        let counted: usize = found.groups.iter().map(|g| g.count).sum();
        assert_eq!(counted, want.len(), "{q}");
    }
}

#[test]
fn groups_are_consecutive_and_named() {
    let found = catalogue().find(Find { q: "node_disk", ..Find::default() });
    let group = |title: &str, first, count| Group {
        title: title.into(),
        kind: Kind::Disk,
        parent: "host vm".into(),
        first,
        count,
    };
    assert_eq!(found.groups, [group("sda", 0, 2), group("sdb", 2, 1)]);
    let found = catalogue().find(Find { q: "disk", group: GroupBy::Metric, ..Find::default() });
    let titles: Vec<_> = found.groups.iter().map(|g| (g.title.as_str(), g.count)).collect();
    let want = [
        ("node_disk_read_bytes_total", 1),
        ("node_disk_io_time_seconds_total", 2),
        ("shop_diskQueue_length", 1),
    ];
    assert_eq!(titles.len(), 3);
    assert!(want.iter().all(|w| titles.contains(w)), "{titles:?}");
}

#[test]
fn matchers_and_the_callers_filter_narrow() {
    let c = catalogue();
    let matchers = [
        Matcher::new("__name__", MatchOp::Regex, "node_.*").unwrap(),
        Matcher::new("device", MatchOp::NotEqual, "").unwrap(),
        Matcher::new("mountpoint", MatchOp::Equal, "").unwrap(),
    ];
    assert_eq!(c.find(Find { matchers: &matchers, ..Find::default() }).ids, [3, 5, 4]);
    assert_eq!(c.find(Find { matchers: &matchers, q: "io", ..Find::default() }).ids, [3, 4]);
    let even = |id: u32| id.is_multiple_of(2);
    assert_eq!(c.find(Find { q: "cpu", keep: Some(&even), ..Find::default() }).ids, [0, 12]);
}

#[test]
fn the_limit_is_kept_and_said() {
    let c = catalogue();
    let found = c.find(Find { limit: 4, ..Find::default() });
    assert_eq!((found.total, found.truncated, found.ids.len()), (13, true, 4));
    assert_eq!(found.groups.iter().map(|g| g.count).sum::<usize>(), 4);
    let found = c.find(Find { limit: 0, ..Find::default() });
    assert_eq!((found.total, found.groups.len()), (13, 0));
}

#[test]
fn suggestions_go_on_with_the_last_word() {
    let texts = |q: &str| {
        let found = catalogue().find(Find { q, ..Find::default() });
        found.suggestions.into_iter().map(|s| format!("{} {}", s.text, s.series)).collect::<Vec<_>>()
    };
    assert_eq!(texts("node_di"), ["node_disk_io_time_seconds_total 2", "node_disk_read_bytes_total 1"]);
    assert_eq!(texts("sda"), ["device=sda 2", "device=/dev/sda1 1"]);
    assert_eq!(texts("io device="), ["device=sda 1", "device=sdb 1"]);
    assert!(texts("").is_empty() && texts("cpu -node").is_empty());
    assert_eq!(texts("memroy"), ["node_memory_MemAvailable_bytes 1"]);
}

#[test]
fn any_text_is_a_query() {
    let c = catalogue();
    let alphabet: Vec<char> = "abcpu sd-=:!\"_/é1\u{1f}\n".chars().collect();
    let mut state = 7u64;
    for _ in 0..3_000 {
        let q: String = (0..state % 13)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                alphabet[(state >> 33) as usize % alphabet.len()]
            })
            .collect();
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        let found = c.find(Find { q: &q, ..Find::default() });
        assert!(found.ids.len() == found.total && found.total <= SERIES.len());
    }
}
