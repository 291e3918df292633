//! On what a budget is spent: which label the bad events have in common that all events do not. For each label the values' shares of
//! the bad events are compared with their shares of all (Kullback-Leibler divergence): the label in which they differ most
//! explains most. It must never explain by a label that has one value, nor by chance: a few bad events explain nothing.

use model::Labels;
use model::labels::NAME;
use std::collections::BTreeMap;

/// Values that are told of one label.
const VALUES_MAX: usize = 8;
/// A label with more values than this names single things, not kinds of them.
const KINDS_MAX: usize = 500;
/// Fewer bad events explain nothing.
pub const BAD_MIN: f64 = 5.0;

/// One value of a label.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// The value.
    pub value: String,
    /// Bad events with it.
    pub bad: f64,
    /// All events with it.
    pub total: f64,
}

/// A label and its values, those with most bad events first.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The label.
    pub label: String,
    /// How far the bad events differ from all by it, in bits.
    pub bits: f64,
    /// Values.
    pub shares: Vec<Share>,
    /// How many values there are.
    pub values: usize,
}

/// Compares rows of bad events with rows of all, label by label; what explains most comes first.
pub fn explain(bad: &[(Labels, f64)], total: &[(Labels, f64)]) -> Vec<Explained> {
    let sum =
        |rows: &[(Labels, f64)]| rows.iter().map(|(_, v)| v.max(0.0)).filter(|v| v.is_finite()).sum::<f64>();
    let (all_bad, all) = (sum(bad), sum(total));
    if all_bad < BAD_MIN || all <= 0.0 {
        return Vec::new();
    }
    let mut names: Vec<&str> = bad.iter().chain(total).flat_map(|(l, _)| l.iter().map(|(n, _)| n)).collect();
    names.sort_unstable();
    names.dedup();
    let mut out = Vec::new();
    for name in names.into_iter().filter(|n| *n != NAME && *n != "le") {
        let mut values: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for (labels, v) in bad.iter().filter(|(_, v)| v.is_finite()) {
            values.entry(labels.get(name)).or_default().0 += v.max(0.0);
        }
        for (labels, v) in total.iter().filter(|(_, v)| v.is_finite()) {
            values.entry(labels.get(name)).or_default().1 += v.max(0.0);
        }
        values.retain(|_, (b, t)| *b > 0.0 || *t > 0.0);
        if values.len() < 2 || values.len() > KINDS_MAX {
            continue;
        }
        let bits: f64 = values
            .values()
            .filter(|(b, _)| *b > 0.0)
            .map(|(b, t)| {
                // Half an event more, so that a value that had no event of all does not explain everything.
                let (p, q) = (b / all_bad, (t.max(*b) + 0.5) / (all + 0.5));
                p * (p / q).log2()
            })
            .sum();
        let mut shares: Vec<Share> = values
            .iter()
            .map(|(value, (bad, total))| Share {
                value: (*value).to_string(),
                bad: *bad,
                total: total.max(*bad),
            })
            .collect();
        shares.sort_by(|a, b| b.bad.total_cmp(&a.bad).then_with(|| a.value.cmp(&b.value)));
        let count = shares.len();
        shares.truncate(VALUES_MAX);
        out.push(Explained { label: name.to_string(), bits: bits.max(0.0), shares, values: count });
    }
    // Of two that explain the same the one with fewer values.
    out.sort_by(|a, b| {
        b.bits.total_cmp(&a.bits).then(a.values.cmp(&b.values)).then_with(|| a.label.cmp(&b.label))
    });
    out
}

/// Bad events series by series, where good ones were counted: all less those, by all labels but the bound.
pub fn less(total: &[(Labels, f64)], good: &[(Labels, f64)]) -> Vec<(Labels, f64)> {
    let bare = |l: &Labels| l.filtered(|n| n != NAME && n != "le");
    let mut left: BTreeMap<Labels, f64> = BTreeMap::new();
    total.iter().for_each(|(l, v)| *left.entry(bare(l)).or_default() += v);
    good.iter().for_each(|(l, v)| {
        if let Some(of) = left.get_mut(&bare(l)) {
            *of -= v;
        }
    });
    left.into_iter().map(|(l, v)| (l, v.max(0.0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(list: &[(&str, &str, f64)]) -> Vec<(Labels, f64)> {
        let row = |(route, pod, v): &(&str, &str, f64)| {
            (
                Labels::from_pairs([("__name__", "m"), ("route", *route), ("pod", *pod), ("job", "j")])
                    .unwrap(),
                *v,
            )
        };
        list.iter().map(row).collect()
    }

    #[test]
    fn the_label_that_the_bad_ones_have_in_common_comes_first() {
        let total =
            rows(&[("/pay", "a", 100.0), ("/pay", "b", 100.0), ("/list", "a", 400.0), ("/list", "b", 400.0)]);
        let good =
            rows(&[("/pay", "a", 60.0), ("/pay", "b", 70.0), ("/list", "a", 399.0), ("/list", "b", 400.0)]);
        let bad = less(&total, &good);
        let found = explain(&bad, &total);
        let names: Vec<&str> = found.iter().map(|e| e.label.as_str()).collect();
        assert_eq!(names, ["route", "pod"]);
        assert_eq!(found[0].shares[0], Share { value: "/pay".into(), bad: 70.0, total: 200.0 });
        assert!(found[0].bits > 1.5 && found[1].bits < 0.1, "{found:?}");
        // Four bad events are chance.
        assert_eq!(explain(&rows(&[("/pay", "a", 4.0)]), &total), []);
    }
}
