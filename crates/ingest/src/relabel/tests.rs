//! Tests of relabel: tables of input and what is wanted.

use super::*;

fn rule(action: Action, source: &[&str], regex: &str, target: &str, replacement: &str) -> RelabelConfig {
    let default = RelabelConfig::default();
    let or = |text: &str, default: String| if text.is_empty() { default } else { text.to_string() };
    RelabelConfig {
        source_labels: source.iter().map(|s| s.to_string()).collect(),
        regex: or(regex, default.regex),
        target_label: target.into(),
        replacement: or(replacement, default.replacement),
        action,
        ..RelabelConfig::default()
    }
}

/// `a=1,b=2` through the rules; `-` when dropped.
fn run(configs: &[RelabelConfig], labels: &str) -> String {
    let mut builder = LabelsBuilder::default();
    for pair in labels.split(',').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap();
        builder.push(name, value);
    }
    if !Rules::compile(configs).unwrap().apply(&mut builder) {
        return "-".into();
    }
    let labels = builder.build().unwrap();
    labels.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(",")
}

#[test]
fn table() {
    use Action::*;
    for (action, source, regex, target, replacement, labels, want) in [
        (Replace, &["a"][..], "f(.*)", "d", "ch${1}-ch${1}", "a=foo,b=bar", "a=foo,b=bar,d=choo-choo"),
        (Replace, &["a", "b"], "f(.*);(.*)r", "a", "b${1}${2}m", "a=foo,b=bar", "a=boobam,b=bar"),
        (Replace, &["a"], "x.*", "d", "y", "a=foo", "a=foo"),
        (Replace, &["a"], "", "d", "", "a=foo", "a=foo,d=foo"),
        (Replace, &["a"], "oo", "d", "", "a=foo", "a=foo"),
        (Replace, &["none"], "", "a", "$1", "a=foo", ""),
        (Replace, &["a"], "(?P<x>.)(?P<rest>.*)", "d", "${rest}$x", "a=foo", "a=foo,d=oof"),
        (Replace, &["a"], "(.*)", "${1}_x", "v", "a=foo", "a=foo,foo_x=v"),
        (Replace, &["a"], "(.*)", "my.é", "$1", "a=foo", "a=foo,my.é=foo"),
        (Replace, &["a"], "(f).*", "$2", "v", "a=foo", "a=foo"),
        (Replace, &["a"], "(f).*", "d", "$1x|$$1|$|${|${1|$9|${1}x", "a=foo", "a=foo,d=|$1|$|${|${1||fx"),
        (Replace, &[], "", "d", "constant", "a=foo", "a=foo,d=constant"),
        (Keep, &["a"], "f.*", "", "", "a=foo", "a=foo"),
        (Keep, &["a"], "f", "", "", "a=foo", "-"),
        (Drop, &["a"], ".*o.*", "", "", "a=foo", "-"),
        (Drop, &["a"], "f", "", "", "a=foo", "a=foo"),
        (Drop, &["none"], "", "", "", "a=foo", "-"),
        (KeepEqual, &["a"], "", "b", "", "a=x,b=x", "a=x,b=x"),
        (KeepEqual, &["a"], "", "b", "", "a=x,b=y", "-"),
        (DropEqual, &["a"], "", "b", "", "a=x,b=x", "-"),
        (DropEqual, &["a"], "", "b", "", "a=x,b=y", "a=x,b=y"),
        (
            LabelMap,
            &[],
            "(b.*)",
            "",
            "bar_${1}",
            "a=foo,b1=bar,b2=baz",
            "a=foo,b1=bar,b2=baz,bar_b1=bar,bar_b2=baz",
        ),
        (LabelMap, &[], "__meta_(.+)", "", "", "__meta_pod=x,a=1", "__meta_pod=x,a=1,pod=x"),
        (LabelDrop, &[], "b.*", "", "", "a=foo,b1=bar", "a=foo"),
        (LabelKeep, &[], "a", "", "", "a=foo,b1=bar", "a=foo"),
        (Lowercase, &["a"], "", "d", "", "a=FoÖ", "a=FoÖ,d=foö"),
        (Uppercase, &["a", "b"], "", "a", "", "a=fo,b=x", "a=FO;X,b=x"),
    ] {
        let config = rule(action, source, regex, target, replacement);
        assert_eq!(run(&[config], labels), want, "{action:?} {regex} {replacement}");
    }
}

#[test]
fn rules_follow_each_other() {
    let rules = [
        rule(Action::Replace, &["a"], "f(.*)", "b", "$1"),
        rule(Action::Drop, &["b"], "oo", "", ""),
        rule(Action::Replace, &[], "", "c", "never"),
    ];
    assert_eq!(run(&rules, "a=foo"), "-");
    assert_eq!(run(&rules, "a=fa"), "a=fa,b=a,c=never");
    assert_eq!(run(&[], "a=1"), "a=1");
}

#[test]
fn hashmod_gives_prometheus_numbers() {
    // The sums are those of RFC 1321's test suite.
    assert_eq!(hash(""), 0xe980_0998_ecf8_427e);
    assert_eq!(hash("abc"), 0xd696_3f7d_28e1_7f72);
    let config = |modulus| RelabelConfig {
        separator: ";".into(),
        modulus,
        ..rule(Action::HashMod, &["c"], "", "d", "")
    };
    // From Prometheus's own tests.
    assert_eq!(run(&[config(1000)], "a=foo,b=bar,c=baz"), "a=foo,b=bar,c=baz,d=976");
    let config = RelabelConfig { source_labels: vec!["a".into()], ..config(1000) };
    assert_eq!(run(&[config], "a=foo\nbar"), "a=foo\nbar,d=734");
}

#[test]
fn a_rule_that_cannot_work_is_refused_by_number() {
    use Action::*;
    for (config, words) in [
        (rule(Replace, &["a"], "", "", "x"), "replace needs target_label"),
        (rule(Replace, &["a"], "(", "b", "x"), "regex \"(\""),
        (rule(Drop, &["a"], "a{1000}{1000}{1000}", "", ""), "regex"),
        (rule(HashMod, &["a"], "", "b", ""), "modulus"),
        (rule(LabelDrop, &["a"], "b", "", ""), "nothing else"),
        (rule(LabelKeep, &[], "b", "c", ""), "nothing else"),
        (rule(KeepEqual, &["a"], "x", "b", ""), "nothing else"),
        (rule(Lowercase, &["a"], "", "", ""), "lowercase needs target_label"),
    ] {
        let good = rule(Keep, &["a"], "", "", "");
        let e = Rules::compile(&[good, config]).unwrap_err().to_string();
        assert!(e.starts_with("relabelling rule 2: ") && e.contains(words), "{e} lacks {words}");
    }
}

#[test]
fn read_from_a_configuration() {
    let text = r#"{"source_labels":["a"],"action":"labelmap","regex":"x(.*)"}"#;
    let config: RelabelConfig = serde_json::from_str(text).unwrap();
    assert_eq!(
        (config.action, config.separator.as_str(), config.replacement.as_str()),
        (Action::LabelMap, ";", "$1")
    );
    assert!(serde_json::from_str::<RelabelConfig>(r#"{"sourcelabels":["a"]}"#).is_err());
}
