//! What a query found as a table: labels that all series share are said once, the others are columns. It must never
//! be cut in height: whoever asked for all of it gets all of it.

use crate::answer::Series;
use crate::plot::spark;
use crate::text::{Ink, Look, cells, clean, cut, left, right};
use crate::units::{Unit, show};
use std::collections::BTreeMap;

/// The widest column of labels, in cells.
const COLUMN_MAX: usize = 44;
/// Cells of a course over time.
const SPARK: usize = 24;

/// A value for each series.
pub fn vector(series: &[Series], unit: Unit, look: &Look) -> Vec<String> {
    let value = |s: &Series| vec![s.last().map_or_else(String::new, |v| show(v, unit))];
    table(series, &["value"], value, |_| None, look)
}

/// Least, mean, most and last of each series, and its course where there is room.
pub fn matrix(series: &[Series], unit: Unit, range: (f64, f64), look: &Look) -> Vec<String> {
    let numbers = |s: &Series| {
        let values: Vec<f64> = s.points.iter().map(|(_, v)| *v).filter(|v| v.is_finite()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let last = s.last().unwrap_or(f64::NAN);
        if values.is_empty() {
            return vec!["-".into(), "-".into(), "-".into(), show(last, unit)];
        }
        vec![show(least, unit), show(mean, unit), show(most, unit), show(last, unit)]
    };
    table(series, &["min", "mean", "max", "last"], numbers, |s| Some(spark(&s.points, range, SPARK)), look)
}

/// `name{label="value"}`, harmless on a terminal.
pub fn name_of(labels: &BTreeMap<String, String>) -> String {
    let name = clean(labels.get("__name__").map_or("", String::as_str));
    let rest = labels.iter().filter(|(n, _)| *n != "__name__");
    let rest: Vec<String> = rest.map(|(n, v)| format!("{}=\"{}\"", clean(n), clean(v))).collect();
    if rest.is_empty() && !name.is_empty() { name } else { format!("{name}{{{}}}", rest.join(", ")) }
}

/// What all series have in common, and the names of the labels in which they differ.
pub fn shared(series: &[Series]) -> (BTreeMap<String, String>, Vec<String>) {
    let Some(first) = series.first() else { return Default::default() };
    let mut names: Vec<&String> = series.iter().flat_map(|s| s.labels.keys()).collect();
    names.sort();
    names.dedup();
    let same = |name: &&String| series.iter().all(|s| s.label(name) == first.label(name));
    let (common, varying): (Vec<&String>, Vec<&String>) = names.into_iter().partition(same);
    let common = common.into_iter().map(|n| (n.clone(), first.label(n).to_string())).collect();
    (common, varying.into_iter().cloned().collect())
}

fn table(
    series: &[Series],
    heads: &[&str],
    numbers: impl Fn(&Series) -> Vec<String>,
    course: impl Fn(&Series) -> Option<String>,
    look: &Look,
) -> Vec<String> {
    let (common, varying) = shared(series);
    let column = |name: &String| {
        let head = if name == "__name__" { "metric".to_string() } else { clean(name) };
        let values = series.iter().map(|s| cells(&clean(s.label(name)))).max().unwrap_or(0);
        let width = values.max(cells(&head)).min(COLUMN_MAX);
        (name.clone(), head, width)
    };
    let columns: Vec<(String, String, usize)> = varying.iter().map(column).collect();
    let rows: Vec<Vec<String>> = series.iter().map(&numbers).collect();
    let width_of = |i: usize| rows.iter().map(|r| cells(&r[i])).max().unwrap_or(0).max(heads[i].len());
    let with_heads = !columns.is_empty() || heads.len() > 1;
    let widths: Vec<usize> = (0..heads.len()).map(width_of).collect();
    let used: usize =
        columns.iter().map(|c| c.2 + 2).sum::<usize>() + widths.iter().map(|w| w + 2).sum::<usize>();
    let with_course = used + SPARK <= look.width;

    let mut out = Vec::new();
    if !common.is_empty() {
        out.push(look.paint(Ink::Bold, &cut(&name_of(&common), look.width.max(20))));
    }
    let line = |labels: Vec<String>, numbers: &[String], course: Option<String>| {
        let align = |(n, w): (&String, &usize)| if with_heads { right(n, *w) } else { n.clone() };
        let numbers = numbers.iter().zip(&widths).map(align);
        let course = course.filter(|_| with_course);
        let cells: Vec<String> = labels.into_iter().chain(numbers).chain(course).collect();
        cells.join("  ").trim_end().to_string()
    };
    if with_heads {
        let labels = columns.iter().map(|(_, head, width)| left(head, *width)).collect();
        let heads: Vec<String> = heads.iter().map(ToString::to_string).collect();
        out.push(look.paint(Ink::Dim, &line(labels, &heads, None)));
    }
    for (s, numbers) in series.iter().zip(&rows) {
        let labels = columns.iter().map(|(name, _, width)| left(&clean(s.label(name)), *width)).collect();
        out.push(line(labels, numbers, course(s)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look { width: 60, colour: false };

    fn series(labels: &str, values: &[f64]) -> Series {
        let pair = |p: &str| p.split_once('=').map(|(n, v)| (n.to_string(), v.to_string()));
        Series {
            labels: labels.split(' ').filter_map(pair).collect(),
            points: values.iter().enumerate().map(|(i, v)| (i as f64, *v)).collect(),
        }
    }

    #[test]
    fn values_of_series() {
        let list = [
            series("__name__=disk_bytes device=sda instance=vm", &[1536.0]),
            series("__name__=disk_bytes device=nvme0n1 instance=vm", &[f64::NAN]),
        ];
        assert_eq!(
            vector(&list, Unit::Bytes, &LOOK),
            ["disk_bytes{instance=\"vm\"}", "device     value", "sda      1.5 KiB", "nvme0n1      NaN"]
        );
        assert_eq!(
            vector(&list[..1], Unit::Bytes, &LOOK),
            ["disk_bytes{device=\"sda\", instance=\"vm\"}", "1.5 KiB"]
        );
        assert_eq!(vector(&[series("", &[3.0])], Unit::Plain, &LOOK), ["3"]);
        assert!(vector(&[], Unit::Plain, &LOOK).is_empty());
    }

    #[test]
    fn courses_of_series() {
        let list = [series("__name__=a x=1", &[1.0, 2.0, 3.0, 8.0]), series("__name__=b x=1", &[f64::NAN])];
        assert_eq!(
            matrix(&list, Unit::Plain, (0.0, 4.0), &LOOK),
            [
                "{x=\"1\"}",
                "metric  min  mean  max  last",
                "a         1   3.5    8     8  ▁     ▂     ▃     █",
                "b         -     -    -   NaN",
            ]
        );
        let narrow = Look { width: 30, colour: false };
        assert_eq!(matrix(&list, Unit::Plain, (0.0, 4.0), &narrow)[2], "a         1   3.5    8     8");
    }

    #[test]
    fn hostile_labels_stay_in_their_column() {
        let long = "x".repeat(500);
        let list =
            [series(&format!("__name__=a l=\x1b[31m{long}"), &[1.0]), series("__name__=a l=b\nc", &[1.0])];
        let lines = vector(&list, Unit::Plain, &LOOK);
        assert!(
            lines.iter().all(|l| !l.contains(['\x1b', '\n']) && cells(l) <= COLUMN_MAX + 7),
            "{lines:#?}"
        );
    }
}
