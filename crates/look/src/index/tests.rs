//! Tests of index: tables of input and what is wanted.

use super::*;

fn index(series: &[&[(&str, &str)]]) -> Index {
    let mut index = Index::default();
    for (place, pairs) in series.iter().enumerate() {
        index.add(place as u32, &Labels::from_pairs(pairs.iter().copied()).unwrap(), "disk", "sda");
    }
    index
}

fn fits(index: &Index, pattern: &str) -> Vec<(String, u8)> {
    let mut all = Vec::new();
    index.find(pattern, |s, fit| all.push((index.parts(s).0.to_string(), fit)));
    all
}

#[test]
fn how_well_a_word_fits() {
    let index = index(&[&[("__name__", "nodeDisk_io_time2"), ("Device", "sda1"), ("path", "/var/lib-x")]]);
    for (pattern, source, want) in [
        ("nodedisk_io_time2", "nodeDisk_io_time2", fit::METRIC),
        ("node", "nodeDisk_io_time2", fit::METRIC_START),
        ("disk", "nodeDisk_io_time2", fit::METRIC_WORD),
        ("io", "nodeDisk_io_time2", fit::METRIC_WORD),
        ("tim", "nodeDisk_io_time2", fit::METRIC_WORD_START),
        ("time", "nodeDisk_io_time2", fit::METRIC_WORD),
        ("ime", "nodeDisk_io_time2", fit::METRIC_INSIDE),
        ("io time", "nodeDisk_io_time2", fit::METRIC_WORD),
        ("device", "Device", fit::LABEL_NAME),
        ("devi", "Device", fit::LABEL_NAME_START),
        ("evi", "Device", fit::INSIDE),
        ("sda1", "Device", fit::VALUE),
        ("lib", "path", fit::VALUE_WORD),
        ("va", "path", fit::VALUE_START),
        ("ar", "path", fit::INSIDE),
        ("/var/lib-x", "path", fit::VALUE),
        ("lib x", "path", fit::VALUE_WORD),
    ] {
        let got = fits(&index, pattern);
        assert!(got.contains(&(source.to_string(), want)), "{pattern}: {got:?}");
    }
    assert!(fits(&index, "sda").contains(&("disk".to_string(), fit::THING)));
    assert!(fits(&index, "sda disk").is_empty() && fits(&index, "").is_empty());
}

#[test]
fn texts_of_removed_series_are_found_no_more_and_their_memory_is_used_again() {
    let labels = |i: u32| Labels::from_pairs([("__name__", "m"), ("pid", &format!("pid-{i:05}"))]).unwrap();
    let mut index = Index::default();
    index.add(0, &labels(0), "process", "first");
    for i in 1..12_000 {
        index.add(1, &labels(i), "process", &format!("x {i}"));
        index.remove(1, &labels(i), "process", &format!("x {i}"));
    }
    assert!(index.heap_bytes() < 1 << 20, "{}", index.heap_bytes());
    assert_eq!(fits(&index, "pid-0").len(), 1);
    assert_eq!(fits(&index, "m").len(), 1);
}

#[test]
fn texts_come_back_as_they_were_given() {
    let long = "x".repeat(1_000);
    let values =
        ["plain", "Capital", "two\nlines", "a=b", "a b", "\u{1f}", "İ", "ÄÖ", "", long.as_str(), "x"];
    let mut index = Index::default();
    for (place, value) in values.iter().enumerate() {
        let labels = Labels::from_pairs([("__name__", *value), ("Na=me", value)]).unwrap();
        index.add(place as u32, &labels, "disk", value);
    }
    let given: Vec<&str> = values.iter().copied().filter(|v| !v.is_empty()).collect();
    assert_eq!(index.values("Na=me").map(|(value, _)| value).collect::<Vec<_>>(), given);
    assert_eq!(index.values("__name__").map(|(value, _)| value).collect::<Vec<_>>(), given);
    let titles = index.sources.iter().filter(|s| s.kind == SourceKind::Thing).map(|s| index.parts(s));
    assert!(titles.eq(values.iter().map(|v| ("disk", *v))));
}
