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
    // Arithmetic on durations.
    ("foo[5m - «]»", "unexpected \"]\" in range, expected a duration", "30s, 5m"),
    ("foo[«5m - 10m»]", "range must be greater than zero", ""),
    ("foo[5m «/ (1 - 1)»]", "division by zero in a duration", ""),
    ("foo[5m «% 0»]", "modulo by zero in a duration", ""),
    ("foo[«200y * 2»]", "duration out of range", "292y"),
    ("foo[«(0 - 1) ^ 0.5»]", "duration out of range", "292y"),
    ("foo[5m:«1m - 1m»]", "subquery step must be greater than zero", ""),
    ("foo[(5m«]»", "unexpected \"]\" in range, expected \")\"", ""),
    ("foo[«steps»() * 2]", "unexpected call to \"steps\" in range", "did you mean step?"),
    ("foo[«rate»(5m)]", "unexpected call to \"rate\" in range", "step(), range(), min_of(a, b)"),
    ("foo[«step» * 2]", "unexpected \"step\" in range, expected a duration", "30s, 5m"),
    ("foo[min_of(5m«)»]", "unexpected \")\" in call to \"min_of\", expected \",\"", ""),
    ("foo offset step(«5m»)", "in call to \"step\", expected \")\"", ""),
    ("foo @ «(»5m)", "unexpected \"(\" in @ modifier", "start() or end()"),
    // Edges of ranges.
    (
        "max_over_time(«foo[5m] smoothed»)",
        "smoothed modifier can only be used with: delta, increase, rate - not with max_over_time",
        "leave out smoothed",
    ),
    (
        "deriv(«foo[5m] anchored»)",
        "anchored modifier can only be used with: changes, delta, increase, rate, resets - not with deriv",
        "leave out anchored",
    ),
    ("foo[5m] anchored «smoothed»", "anchored and smoothed modifiers cannot be used together", ""),
    ("foo smoothed «smoothed»", "smoothed may not be set multiple times per selector", ""),
    ("foo[5m:1m] «anchored»", "anchored modifier is not supported for subqueries", "rate(foo[5m] anchored)"),
    (
        "sum(foo) «smoothed»",
        "smoothed modifier must be preceded by an instant vector selector or range vector selector",
        "rate(foo[5m] smoothed)",
    ),
    // Values for what is missing.
    ("foo «and» fill(0) bar", "filling in missing series not allowed for set operators", ""),
    ("foo «+» fill(0) 1", "filling in missing series only allowed between instant vectors", ""),
    ("foo + fill(«bar») baz", "unexpected \"bar\" in call to \"fill\", expected a number", "fill(0)"),
    ("foo + fill_left(1 «+» 1) bar", "unexpected \"+\" in call to \"fill_left\", expected \")\"", ""),
    ("foo + fill(0) «fill_left»(1) bar", "set already", "fill_left(0) fill_right(1)"),
    ("«fill»(0) foo", "unknown function with name \"fill\"", "foo + fill(0) bar"),
    ("foo + bar «fill»(0)", "unexpected \"fill\" after the expression", "an operator is missing"),
    // Info metrics.
    ("info(foo, «bar»)", "unexpected \"bar\", expected label matchers in braces", "{__name__=\"build_info\""),
    ("info(foo, {a=\"b\"} «offset» 5m)", "unexpected \"offset\" in call to \"info\", expected \")\"", ""),
    ("info(«foo[5m]»)", "expected type instant vector", "info(avg_over_time(foo[5m]))"),
    ("«info()»", "expected at least 1 argument(s) in call to \"info\", got 0", "info(instant vector"),
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
        ("foo[5m*2] offset (1h - 2h)", "foo[10m] offset -1h"),
        (
            "foo[2*STEP()] smoothed offset -max(range(),1h)",
            "foo[2 * step()] smoothed offset (-max_of(range(), 3600))",
        ),
        ("foo[(1+step())*2:1m-(step()-1)]", "foo[(1 + step()) * 2:60 - (step() - 1)]"),
        ("foo offset ((-2)^step()^2 * -range())", "foo offset ((-2) ^ step() ^ 2 * (-range()))"),
        ("a*fill(0)b", "a * fill_left (0) fill_right (0) b"),
        (
            "a>bool on(c)group_right(d)fill_right(-Inf)b",
            "a > bool on (c) group_right (d) fill_right (-Inf) b",
        ),
        ("info(a,{__name__=\"b\"})", "info(a, {__name__=\"b\"})"),
        ("info(a anchored @ end(),{})", "info(a anchored @ end(), {})"),
        ("label_join(a, \"b\", `\\`, \"c\")", "label_join(a, \"b\", \"\\\\\", \"c\")"),
    ] {
        let expr = parse(text).unwrap();
        assert_eq!(expr.to_string(), printed);
        assert_eq!(parse(printed).unwrap().to_string(), printed);
    }
}
