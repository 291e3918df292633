//! What people get wrong, where they are told it is wrong, and what they are told to write instead.

use query::{parse, parse_selector};

/// The query, with «» around the part that is wrong (empty where something is missing); a part of the
/// message; a part of the hint ("" for none).
const TABLE: &[(&str, &str, &str)] = &[
    // Ranges.
    (
        "rate(«foo»)",
        "expected type range vector in call to function \"rate\", got instant vector",
        "rate needs a range: rate(foo[5m])",
    ),
    ("increase(«foo{a=\"b\"}»)", "expected type range vector", "increase(foo{a=\"b\"}[5m])"),
    ("rate(«sum(foo)»)", "expected type range vector", "rate((...)[5m:1m])"),
    (
        "abs(«foo[5m]»)",
        "expected type instant vector in call to function \"abs\", got range vector",
        "abs(avg_over_time(foo[5m]))",
    ),
    (
        "sum(«foo[5m]»)",
        "expected type instant vector in aggregation expression, got range vector",
        "sum(rate(...))",
    ),
    ("sum(foo)«[5m]»", "ranges only allowed for vector selectors", "(...)[5m:1m]"),
    ("foo offset 1h «[5m]»", "no offset or @ modifiers allowed before range", "foo[5m] offset 1h"),
    ("foo[«0»]", "range must be greater than zero", ""),
    ("foo[«-5m»]", "range must be greater than zero", ""),
    ("foo[«]»", "unexpected \"]\" in range, expected a duration", "30s, 5m or 1h30m"),
    ("foo[5m«»", "unexpected end of input in range, expected \"]\"", ""),
    ("foo[«5mm»]", "bad number or duration \"5mm\"", "1h30m"),
    ("foo[«1.5h»]", "bad number or duration \"1.5h\"", "not 1.5h"),
    ("foo[«300y»]", "too long", "292y"),
    ("foo[«1e300»]", "duration out of range", "292y"),
    ("foo[5m:«0s»]", "subquery step must be greater than zero", ""),
    ("«foo[5m]»[5m:1m]", "subquery is only allowed on instant vector, got range vector instead", ""),
    // Names.
    ("«raet»(foo[5m])", "unknown function with name \"raet\"", "did you mean rate?"),
    ("«sumovertime»(foo[5m])", "unknown function", "did you mean sum_over_time?"),
    ("«summ»(foo)", "unknown function", "did you mean sum?"),
    ("«zzzzzzz»(foo)", "unknown function", ""),
    // Calls.
    ("«rate()»", "expected 1 argument(s) in call to \"rate\", got 0", "write rate(range vector)"),
    ("«abs(foo, bar)»", "expected 1 argument(s) in call to \"abs\", got 2", "write abs(instant vector)"),
    (
        "«round(foo, 1, 2)»",
        "expected at most 2 argument(s) in call to \"round\", got 3",
        "round(instant vector, scalar)",
    ),
    ("«label_join(foo)»", "expected at least 3 argument(s) in call to \"label_join\", got 1", "label_join("),
    ("clamp_max(foo, «bar»)", "expected type scalar", "scalar(bar)"),
    ("abs(«1»)", "expected type instant vector in call to function \"abs\", got scalar", "abs(vector(1))"),
    ("label_replace(foo, «a», \"b\", \"c\", \"d\")", "expected type string", "in quotes"),
    ("abs(foo«»", "unexpected end of input in call to \"abs\", expected \",\" or \")\"", ""),
    // Aggregations.
    ("sum(foo) by«»", "unexpected end of input in grouping, expected \"(\"", "by (job, instance)"),
    ("sum by «job» (foo)", "unexpected \"job\" in grouping, expected \"(\"", "by (job, instance)"),
    ("sum by (job«»", "unexpected end of input in grouping, expected \",\" or \")\"", ""),
    ("sum by («1») (foo)", "unexpected number 1 in grouping, expected a label name", ""),
    (
        "«topk(foo)»",
        "wrong number of arguments for aggregate expression provided, expected 2, got 1",
        "write topk(5, foo)",
    ),
    ("«sum(5, foo)»", "expected 1, got 2", "write sum(foo)"),
    ("topk(«\"a\"», foo)", "expected type scalar in aggregation expression, got string", ""),
    ("foo «by» (job)", "unexpected \"by\" after the expression", "sum by (job) (foo)"),
    // Operators.
    ("foo «=» 1", "unexpected \"=\" after the expression", "comparing is written =="),
    ("foo «=~» \"a\"", "unexpected \"=~\" after the expression", "up{job=~\"a.*\"}"),
    ("foo «&»& bar", "unexpected character '&'", "and, or, unless"),
    ("foo +«»", "unexpected end of input in query, expected an expression", ""),
    ("foo «bar»", "unexpected \"bar\" after the expression", "an operator is missing"),
    ("«1 > 2»", "comparisons between scalars must use BOOL modifier", "write > bool"),
    ("foo «+» bool bar", "bool modifier can only be used on comparison operators", ""),
    ("«foo and 1»", "set operator \"and\" not allowed in binary scalar expression", "vector(1)"),
    ("«\"a\"» + foo", "binary expression must contain only scalar and instant vector types", ""),
    ("foo + «bar[5m]»", "binary expression must contain only scalar", "rate(...)"),
    ("«foo + on (a) 1»", "vector matching only allowed between instant vectors", ""),
    ("foo «and» on (a) group_left bar", "no grouping allowed for \"and\" operation", ""),
    ("foo «*» on (a) group_left (a) bar", "label \"a\" must not occur in ON and GROUP clause at once", ""),
    ("foo * «group_left» bar", "unexpected \"group_left\"", "after on(...) or ignoring(...)"),
    (
        "«-\"a\"»",
        "unary expression only allowed on expressions of type scalar or instant vector, got string",
        "",
    ),
    ("«on» + foo", "unexpected \"on\"", "{\"on\"}"),
    // Selectors.
    ("«{}»", "vector selector must contain at least one non-empty matcher", "{__name__=~\".+\"}"),
    ("«{a=~\".*\"}»", "vector selector must contain at least one non-empty matcher", "every series"),
    ("foo{a=«b»}", "unexpected \"b\" in label matching, expected a string", "values are quoted: a=\"b\""),
    ("foo{a«==»\"b\"}", "unexpected \"==\" in label matching", "one = is enough"),
    ("foo{a«>»\"b\"}", "expected one of = != =~ !~", ""),
    ("foo{«a:b»=\"c\"}", "unexpected \"a:b\" in label matching", "has to be quoted"),
    ("foo{a=\"b\"«»", "unexpected end of input in label matching, expected \",\" or \"}\"", ""),
    ("foo{a=~«\"(\"»}", "invalid regular expression: unclosed group", ""),
    ("foo{«\"bar\"»}", "metric name must not be set twice: \"foo\" or \"bar\"", ""),
    ("foo{«__name__»=\"bar\"}", "metric name must not be set twice", ""),
    // Modifiers.
    (
        "sum(foo) «offset» 5m",
        "offset modifier must be preceded by an instant vector selector",
        "right after the selector",
    ),
    ("foo offset 5m «offset» 5m", "offset may not be set multiple times per selector", ""),
    ("foo @ 1 «@» 2", "@ may not be set multiple times per selector", ""),
    ("foo @ «bar»", "unexpected \"bar\" in @ modifier", "start() or end()"),
    ("foo offset«»", "unexpected end of input in offset, expected a duration", "30s, 5m"),
    // Parentheses, strings, characters.
    ("(foo«»", "unexpected end of input in parentheses, expected \")\"", ""),
    ("foo«)»", "unexpected \")\" after the expression", "there is no ( for this )"),
    ("foo{a=«\"b»", "unterminated string", "has to end with \""),
    ("foo{a=\"«\\q»\"}", "unknown escape in a string", "\\\\"),
    ("foo{a=«\"\\xff\"»}", "do not make valid UTF-8", "\\uXXXX"),
    ("«“»foo”", "unexpected character '“'", "straight quotes"),
    ("«é»", "unexpected character 'é'", "quoted"),
    ("«1e999»", "number \"1e999\" is too large", "Inf"),
    ("«»", "unexpected end of input in query, expected an expression", "write a metric's name"),
    ("foo\n  + «$»", "unexpected character '$'", ""),
];

#[test]
fn each_error_has_its_place_and_its_hint() {
    for (marked, message, hint) in TABLE {
        let text = marked.replace(['«', '»'], "");
        let Err(e) = parse(&text) else { panic!("{text} is no error") };
        assert!(e.message.contains(message), "{text}\n  wanted {message}\n  got {}", e.message);
        let got = e.hint.as_deref().unwrap_or("");
        assert!(
            got.contains(hint) && (!hint.is_empty() || got.is_empty()),
            "{text}\n  wanted the hint {hint}\n  got {got}"
        );
        let start = marked.find('«').unwrap();
        let end = marked.find('»').unwrap() - '«'.len_utf8();
        assert_eq!((e.start, e.end), (start, end), "{marked}: {:?}", text.get(e.start..e.end));
    }
}

#[test]
fn lines_and_columns_count_from_one() {
    let e = parse("sum(\n  rate(foo)\n)").unwrap_err();
    assert_eq!((e.line, e.column), (2, 8));
    assert_eq!(e.to_string().lines().next().unwrap().split(": parse error").next(), Some("2:8"));
}

#[test]
fn a_selector_alone() {
    let matchers = parse_selector(r#"up{job=~"a|b", "x.y"!="z"}"#).unwrap();
    let shown: Vec<_> = matchers.iter().map(|m| format!("{}{}{}", m.name, m.op.as_str(), m.value)).collect();
    assert_eq!(shown, ["__name__=up", "job=~a|b", "x.y!=z"]);
    for (text, message) in [
        ("up[5m]", "unexpected \"[\" after the selector"),
        ("sum(up)", "unexpected \"(\" after the selector"),
        ("up offset 5m", "unexpected \"offset\" after the selector"),
        ("{}", "at least one non-empty matcher"),
        ("", "expected a metric name or \"{\""),
        ("1", "expected a metric name or \"{\""),
    ] {
        let e = parse_selector(text).unwrap_err();
        assert!(e.message.contains(message), "{text}: {e}");
    }
}

#[test]
fn what_is_printed_reads_back() {
    for (text, printed) in [
        ("sum(rate(foo{a='b'}[90s]))by(job)", "sum by (job) (rate(foo{a=\"b\"}[1m30s]))"),
        ("foo+on(a)group_left(b)bar", "foo + on (a) group_left (b) bar"),
        ("foo == bool 1", "foo == bool 1"),
        ("{\"my.metric\",\"a b\"!~\"\\n\"}", "{__name__=\"my.metric\", \"a b\"!~\"\\n\"}"),
        ("foo @ 1.5 offset -5m", "foo @ 1.500 offset -5m"),
        ("foo[1h:] @ end()", "foo[1h:] @ end()"),
        ("a[1h:30s] offset 1d", "a[1h:30s] offset 1d"),
        ("-(a ^ -b)", "-(a ^ -b)"),
        ("quantile without (x) (0x10, a)", "quantile without (x) (16, a)"),
        ("1e30 + inf", "1e+30 + Inf"),
        ("label_join(a, \"b\", `\\`, \"c\")", "label_join(a, \"b\", \"\\\\\", \"c\")"),
    ] {
        let expr = parse(text).unwrap();
        assert_eq!(expr.to_string(), printed);
        assert_eq!(parse(printed).unwrap().to_string(), printed);
    }
}
