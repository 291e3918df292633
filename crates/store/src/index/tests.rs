//! The index against asking every series, and what a series costs in it.

use super::*;
use model::{MatchOp, Matcher};
use proptest::prelude::*;

fn index(series: &[Labels]) -> LabelIndex {
    let mut index = LabelIndex::default();
    for (id, labels) in series.iter().enumerate() {
        assert_eq!(index.push(labels.clone()), id as u32);
    }
    index
}

fn check(index: &LabelIndex, series: &[Labels], matchers: &[Matcher]) {
    let naive: Vec<u32> =
        (0..series.len() as u32).filter(|i| Matcher::all(matchers, &series[*i as usize])).collect();
    assert_eq!(index.select(matchers), naive, "{matchers:?}");
}

const OPS: [MatchOp; 4] = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
const VALUES: [&str; 8] = ["", "x", "y", "xy", "Xy", "é", "x|y", "y\nx"];
const PATTERNS: [&str; 30] = [
    "",
    "x",
    "y",
    "xy",
    "x|y",
    "x|",
    "x.*",
    "x.+",
    ".*",
    ".+",
    ".*y",
    ".*x.*",
    "|x.*",
    "(?i)xy",
    "(?i)X.*",
    "(?i:É)",
    "^x$",
    "^(x|y)$",
    "(?m)^x$",
    "x$|y",
    "((x)|(y(\\n)?))x?",
    "[xy]",
    "[^x]*",
    "[^x]+",
    "\\w+",
    "(?-s).*",
    "x{2}|y{0,1}",
    "nothing",
    "no.*thing",
    "[^\\s\\S]",
];

proptest! {
    #[test]
    fn the_same_as_asking_every_series(
        series in prop::collection::btree_set(prop::collection::btree_map(0..3usize, 0..8usize, 0..4), 0..60),
        matchers in prop::collection::vec((0..4usize, 0..4usize, 0..PATTERNS.len()), 0..4),
        is_finished in any::<bool>(),
    ) {
        let names = ["a", "b", "c", "d"];
        let mut series: Vec<Labels> = series
            .iter()
            .map(|pairs| Labels::from_pairs(pairs.iter().map(|(n, v)| (names[*n], VALUES[*v]))).unwrap())
            .collect();
        series.sort();
        series.dedup();
        let mut index = index(&series);
        if is_finished {
            index.finish();
        }
        for (id, labels) in series.iter().enumerate() {
            prop_assert_eq!(index.find(labels), Some(id as u32));
        }
        prop_assert_eq!(index.find(&Labels::from_pairs([("z", "z")]).unwrap()), None);
        let matchers: Vec<Matcher> = matchers
            .iter()
            .map(|(n, op, v)| Matcher::new(names[*n], OPS[*op], PATTERNS[*v]).unwrap())
            .collect();
        check(&index, &series, &matchers);
    }
}

/// As Kubernetes shows them: ten labels, one unique per series, one per pod.
fn series(count: usize) -> Vec<Labels> {
    (0..count)
        .map(|i| {
            let pod = i / 40;
            Labels::from_pairs([
                ("__name__", format!("container_metric_{}_total", i % 40)),
                ("cluster", "eu-1".into()),
                ("namespace", format!("team-{}", pod % 30)),
                ("pod", format!("checkout-{:08x}-{pod}", pod as u64 * 0x9e37_79b9 % 0xffff_ffff)),
                ("container", format!("c{}", i % 3)),
                ("node", format!("node-{}", pod % 100)),
                ("instance", format!("10.0.{}.{}:8080", pod % 256, pod % 251)),
                ("job", "kubelet".into()),
                ("id", format!("/kubepods/burstable/{i}")),
                ("code", ["200", "404", "500"][i % 3].into()),
            ])
            .unwrap()
        })
        .collect()
}

#[test]
fn many_series_by_every_way_of_looking_them_up() {
    let series = series(6_000);
    let mut index = index(&series);
    let many = (0..3_000).map(|i| format!("/kubepods/burstable/{}", 2 * i)).collect::<Vec<_>>().join("|");
    for is_finished in [false, true] {
        for matchers in [
            vec![("pod", "=~", "checkout-.*")],
            vec![("__name__", "=", "container_metric_7_total"), ("pod", "=~", "checkout-[0-8].*")],
            vec![("id", "=~", many.as_str())],
            vec![("id", "!~", many.as_str()), ("code", "=", "404")],
            vec![("id", "=~", ".*/1.*"), ("code", "!=", "404"), ("namespace", "=~", "team-(1|2|3)")],
            vec![("__name__", "=~", ".+")],
            vec![("nothing", "=~", ".*"), ("job", "!=", "")],
            vec![("nothing", "!=", "")],
            vec![("job", "=~", "(?i)KUBELET"), ("id", "=", "/kubepods/burstable/17")],
            vec![("id", "=", "/kubepods/burstable/17"), ("node", "!~", "node-9.*")],
            vec![("job", "!~", ".+")],
            vec![],
        ] {
            let of = |op: &str| OPS.into_iter().find(|o| o.as_str() == op).unwrap();
            let matchers: Vec<Matcher> =
                matchers.iter().map(|(n, op, v)| Matcher::new(*n, of(op), *v).unwrap()).collect();
            check(&index, &series, &matchers);
        }
        if !is_finished {
            index.finish();
        }
    }
    let values: BTreeMap<&str, usize> = index.names().map(|(n, values)| (n, values.count())).collect();
    assert_eq!((values["__name__"], values["id"], values["pod"]), (40, 6_000, 150));
}

#[test]
fn a_series_costs_less_than_100_bytes_besides_its_labels() {
    let series = series(20_000);
    let index = index(&series);
    let each = index.index_bytes() / series.len();
    assert!(each < 100, "{each} bytes a series");
}
