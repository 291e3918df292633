//! What expressions are taken for, and that this says the same as the expression itself.

use super::*;
use crate::{MatchOp, Matcher};
use proptest::prelude::*;

/// How a pattern was understood, in words.
fn told(pattern: &str) -> String {
    let pattern = Pattern::new(pattern).unwrap();
    let mut text = match &pattern.kind {
        Kind::Any => "anything".to_string(),
        Kind::Present => "something".into(),
        Kind::Set(texts) => format!("one of {texts:?}"),
        Kind::Begins(heads, None) => format!("begins {heads:?}"),
        Kind::Begins(heads, Some(_)) => format!("begins {heads:?} and is asked"),
        Kind::Ends(end) => format!("ends {end:?}"),
        Kind::Holds(part) => format!("holds {part:?}"),
        Kind::Other(_) => "is asked".into(),
    };
    if pattern.matches_empty && !matches!(pattern.kind, Kind::Any | Kind::Set(_)) {
        text += " or is empty";
    }
    text
}

#[test]
fn what_is_understood() {
    for (pattern, want) in [
        ("", r#"one of [""]"#),
        ("up", r#"one of ["up"]"#),
        ("a|b|a", r#"one of ["a", "b"]"#),
        ("b|a|", r#"one of ["", "a", "b"]"#),
        ("(a|b)", r#"one of ["a", "b"]"#),
        ("(?:web|api)-(1|2)", r#"one of ["api-1", "api-2", "web-1", "web-2"]"#),
        ("node-[12]", r#"one of ["node-1", "node-2"]"#),
        ("https?", r#"one of ["http", "https"]"#),
        ("a{3}", r#"one of ["aaa"]"#),
        ("(?i)up", r#"one of ["UP", "Up", "uP", "up"]"#),
        ("a\\.b", r#"one of ["a.b"]"#),
        ("straße|日本", r#"one of ["straße", "日本"]"#),
        ("(?i)ß", r#"one of ["ß", "ẞ"]"#),
        // Anchors at the ends say nothing new.
        ("^up$", r#"one of ["up"]"#),
        ("^(a|b)$", r#"one of ["a", "b"]"#),
        ("(^a|b$)", r#"one of ["a", "b"]"#),
        ("(?m)^a$", r#"one of ["a"]"#),
        ("a^b", r#"begins ["a"] and is asked"#),
        ("a$b", r#"begins ["a"] and is asked"#),
        (".*", "anything"),
        ("(.*)", "anything"),
        ("^.*$", "anything"),
        ("a|.*", "anything"),
        ("|.+", "anything"),
        (".+", "something"),
        ("a|.+", "something"),
        ("(?-s).*", "is asked or is empty"),
        ("[^/]+", "is asked"),
        ("node_.*", r#"begins ["node_"]"#),
        ("node_.*|go_.*", r#"begins ["go_", "node_"]"#),
        ("(api|web)-.*", r#"begins ["api-", "web-"]"#),
        ("node.*|node_cpu.*", r#"begins ["node"]"#),
        ("|node_.*", r#"begins ["node_"] or is empty"#),
        ("node_.+", r#"begins ["node_"] and is asked"#),
        ("node_(cpu|disk)_.*total", r#"begins ["node_cpu_", "node_disk_"] and is asked"#),
        ("a|b.*", r#"begins ["a", "b"] and is asked"#),
        ("a{2,}", r#"begins ["aa"] and is asked"#),
        ("pod-\\d+", "begins [\"pod-\"] and is asked"),
        (".*_total", r#"ends "_total""#),
        (".*error.*", r#"holds "error""#),
        (".+_total", "is asked"),
        ("x?y*", "is asked or is empty"),
        ("[^\\s\\S]", "one of []"),
        ("a[^\\s\\S]", "one of []"),
        ("(?i)a long word that has too many spellings", "begins"),
    ] {
        let got = told(pattern);
        match want {
            "begins" => {
                assert!(got.starts_with("begins") && got.ends_with("and is asked"), "{pattern}: {got}")
            }
            _ => assert_eq!(got, want, "{pattern}"),
        }
    }
}

#[test]
fn the_work_is_bounded() {
    let many = |n: usize| (0..n).map(|i| format!("value-{i}")).collect::<Vec<_>>().join("|");
    let set = Pattern::new(&many(TEXTS_MAX)).unwrap();
    assert!(matches!(&set.kind, Kind::Set(texts) if texts.len() == TEXTS_MAX));
    assert!(set.matches("value-9999") && !set.matches("value-10000"));
    for hostile in [
        many(TEXTS_MAX + 1),
        format!("({})({})", many(5_000), many(5_000)),
        format!("({})x{{60}}{{60}}{{60}}", many(5_000)),
        "((((a{60}){60}){60}){60}){60}".into(),
        "(a|b|c|d){50}.*".into(),
        format!("{}a{}", "(".repeat(200), ")?".repeat(200)),
        format!("({}){}", many(300), "(a|b)".repeat(100)),
        "(a?){64}".into(),
    ] {
        let begun = std::time::Instant::now();
        let _ = Pattern::new(&hostile);
        assert!(begun.elapsed().as_secs() < 5, "{}", &hostile[..40.min(hostile.len())]);
    }
}

/// Expressions of all sorts, over an alphabet in which they often match.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "", "a", "b", "ab", "A", "é", ".", ".*", ".+", "[ab]", "[^a]", "\\w", "^", "$", "\\b", "(?i:ab)",
        "(?i:é)", "(?-s:.*)", "(?m:^a$)", "(?m:$)", "\\n", "\\.", "a{2}",
    ]);
    leaf.prop_map(String::from).prop_recursive(5, 40, 4, |inner| {
        let many = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            many.clone().prop_map(|parts| parts.concat()),
            many.prop_map(|parts| format!("({})", parts.join("|"))),
            inner.clone().prop_map(|x| format!("(?:{x})?")),
            inner.clone().prop_map(|x| format!("(?:{x})*")),
            inner.clone().prop_map(|x| format!("({x})+")),
            (inner, 0..3u32, 0..3u32).prop_map(|(x, min, more)| format!("(?:{x}){{{min},{}}}", min + more)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever is understood of an expression, the answer is the expression's own.
    #[test]
    fn the_same_as_the_expression(
        pattern in expression(),
        values in prop::collection::vec("[abABé.\n]{0,5}", 12),
    ) {
        let Ok(regex) = whole_regex(&pattern) else { return Ok(()) };
        let matcher = Matcher::new("l", MatchOp::Regex, pattern.as_str()).unwrap();
        let not = Matcher::new("l", MatchOp::NotRegex, pattern.as_str()).unwrap();
        for value in values.iter().map(String::as_str).chain(["", "a", "ab", "aa", "b", "\n"]) {
            prop_assert_eq!(matcher.matches(value), regex.is_match(value), "{:?} {:?}", &pattern, value);
            prop_assert_eq!(not.matches(value), !regex.is_match(value));
        }
    }
}
