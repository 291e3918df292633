//! Texts that nobody writes by accident: each gives an expression or an error, in time, on the stack of an
//! ordinary thread, and never a panic.

mod support;

use query::{Limits, QueryOptions, instant, parse, parse_selector, parse_with, range, selectors};
use std::time::{Duration, Instant};
use stdx::ErrorKind;
use support::{Naive, labels};

/// Far more than any of these takes, far less than what quadratic time would.
const TIME_MAX: Duration = Duration::from_secs(5);

fn source() -> Naive {
    let mut source = Naive::default();
    for job in ["a", "b"] {
        source.add(labels(&format!("a{{job=\"{job}\"}}")), (0..10).map(|i| (i * 10_000, i as f64)));
    }
    source
}

#[test]
fn chains_of_thousands_of_terms_are_linear_and_do_not_recurse() {
    let source = source();
    let options = QueryOptions::default();
    for (term, operator) in [("1", " + "), ("a", " + "), ("a", " or "), ("a", " and "), ("1", "<bool ")] {
        let text = vec![term; 9_000].join(operator);
        let begun = Instant::now();
        let expr = parse(&text).unwrap_or_else(|e| panic!("{operator}: {e}"));
        let printed = expr.to_string();
        let roomy = Limits { text_bytes_max: 1 << 20, ..Limits::default() };
        assert_eq!(parse_with(&printed, &roomy).unwrap().to_string(), printed);
        assert_eq!(selectors(&expr).len(), if term == "1" { 0 } else { 9_000 });
        instant(&source, &expr, 50_000, &options).unwrap_or_else(|e| panic!("{operator}: {e}"));
        range(&source, &expr, 0, 90_000, 10_000, &options).unwrap_or_else(|e| panic!("{operator}: {e}"));
        drop(expr);
        assert!(begun.elapsed() < TIME_MAX, "{operator}: {:?}", begun.elapsed());
    }
}

#[test]
fn nesting_is_bounded_and_its_bound_fits_the_stack() {
    let source = source();
    let nested = |open: &str, inner: &str, close: &str, n: usize| open.repeat(n) + inner + &close.repeat(n);
    let kinds = [
        ("(", "a", ")"),
        ("-", "a", ""),
        ("abs(", "a", ")"),
        ("sum(", "a", ")"),
        ("a + (", "a", ")"),
        ("a ^ ", "a", ""),
        ("1 ^ ", "1", ""),
        ("avg_over_time(", "a", "[1m:10s])"),
        ("topk(1, ", "a", ")"),
        ("scalar(vector(", "1", "))"),
        ("label_join(", "a", ", \"a\", \",\")"),
        ("a or a and a == a + a * (", "a", ")"),
        ("histogram_quantile(0.5, ", "a", ")"),
        ("absent(", "a", ")"),
        ("-a + sum by (job) (abs(", "a", "))"),
        ("info(", "a", ", {x=~\".*\"})"),
        ("a + fill(0) (", "a", ")"),
    ];
    for (open, inner, close) in kinds {
        let mut deepest = 0;
        for n in 1..=150 {
            let text = nested(open, inner, close, n);
            match parse(&text) {
                Ok(expr) => {
                    deepest = n;
                    // Every level of a subquery multiplies the steps, so only a few are evaluated.
                    if [1, 2, 3].contains(&n) || (n % 33 == 0 && !close.contains('[')) {
                        let _ = instant(&source, &expr, 50_000, &QueryOptions::default());
                    }
                }
                Err(e) => {
                    assert!(e.message.contains("nested more than 100 levels deep"), "{open}: {e}");
                    let expr = parse(&nested(open, inner, close, deepest)).unwrap();
                    if !close.contains('[') {
                        instant(&source, &expr, 50_000, &QueryOptions::default())
                            .unwrap_or_else(|e| panic!("{open}: {e}"));
                    }
                    let _ = expr.to_string();
                    break;
                }
            }
        }
        assert!(deepest >= 14, "{open}: only {deepest} levels");
        let begun = Instant::now();
        assert!(parse(&nested(open, inner, close, 60_000 / (open.len() + close.len()))).is_err());
        assert!(begun.elapsed() < TIME_MAX, "{open}");
    }
}

#[test]
fn durations_are_bounded_in_depth_and_linear_in_length() {
    let source = source();
    let options = QueryOptions::default();
    let begun = Instant::now();
    for (open, inner, close) in [
        ("(", "5m", ")"),
        ("-(", "-5m", ")"),
        ("min_of(", "step()", ", 5m)"),
        ("1s * ", "step()", ""),
        ("2 ^ ", "1", ""),
    ] {
        for n in [1, 2, 30, 60, 90, 98, 99, 100, 101, 200, 9_000 / open.len()] {
            let length = open.repeat(n) + inner + &close.repeat(n);
            for text in [format!("a offset ({length})"), format!("sum_over_time(a[{length}:1h])")] {
                let Ok(expr) = parse(&text) else { continue };
                let printed = expr.to_string();
                assert_eq!(parse(&printed).unwrap_or_else(|e| panic!("{printed}: {e}")).to_string(), printed);
                let _ = range(&source, &expr, 0, 90_000, 10_000, &options);
            }
        }
        let deep = format!("a offset ({}{inner}{})", open.repeat(5_000), close.repeat(5_000));
        let e = parse(&deep).map(|_| ()).map_err(|e| e.message);
        assert!(
            open == "1s * " || e.is_err_and(|e| e.contains("nested more than 100 levels deep")),
            "{open}"
        );
    }
    for (term, operator) in [("1s", " + "), ("1", " * "), ("1s", "-")] {
        let text = format!("sum_over_time(a[1h + {}])", vec![term; 9_000].join(operator));
        let _ = parse(&text);
    }
    // As deep as both may be, on top of each other.
    let text = format!("{}a offset ({}){}", "abs(".repeat(90), vec!["step()"; 90].join("+"), ")".repeat(90));
    range(&source, &parse(&text).unwrap(), 0, 90_000, 10_000, &options).unwrap();
    let signs = format!("a offset ({}5m)", "-".repeat(60_000));
    assert_eq!(parse(&signs).unwrap().to_string(), "a offset 5m");
    let chain = format!("a offset ({})", vec!["step()"; 2_000].join("+"));
    assert!(parse(&chain).unwrap_err().message.contains("nested more than 100 levels deep"));
    assert!(begun.elapsed() < TIME_MAX, "{:?}", begun.elapsed());
}

#[test]
fn texts_over_a_limit_are_refused() {
    let long = format!("a{{a=\"{}\"}}", "x".repeat(64 << 10));
    assert!(parse(&long).unwrap_err().message.contains("the limit is 65536"));
    assert!(parse_selector(&long).is_err());
    let limits = Limits { text_bytes_max: 1 << 20, ..Limits::default() };
    assert!(parse_with(&long, &limits).is_ok());
    let many = vec!["a"; 31_000].join("+");
    assert!(parse_with(&many, &limits).unwrap_err().message.contains("more than 30000 parts"));
    let regexes = vec!["a=~\".\""; 300].join(",");
    let e = parse(&format!("{{{regexes}}}")).unwrap_err();
    assert!(e.message.contains("more than 200 regular expressions"), "{e}");
    let e = parse("a{a=~\"(x{1000}){1000}\"}").unwrap_err();
    assert!(e.message.contains("invalid regular expression"), "{e}");
}

#[test]
fn strange_numbers_durations_and_strings() {
    let source = source();
    for text in [
        "a[1e300]",
        "a[1e-300]",
        "a[NaN]",
        "a[Inf]",
        "a[-5m]",
        "a[0]",
        "a[293y]",
        "a[99999999999999999999y]",
        "a[5m:1e300]",
        "a[5m:0]",
        "a[5m:-1]",
        "a offset 1e300",
        "a @ 1e300",
        "a @ -1e300",
        "a @ NaN",
        "a @ Inf",
        "a offset -999999999999y",
        "1e999",
        "0x",
        "0xg",
        "0x1p3",
        "1e",
        "1e+",
        "1__0",
        "1_",
        "5mm",
        "1.5h",
        "1h1h",
        "\"",
        "'",
        "`",
        "\"\\",
        "\"\\x\"",
        "\"\\xf\"",
        "\"\\xff\"",
        "\"\\400\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\U00110000\"",
        "\"\\q\"",
        "\"\\é\"",
        "\"a\nb\"",
        "a{a=\"\\",
        "a{",
        "a{a",
        "a{a=",
        "a{a=\"b\"",
        "a{a=\"b\",",
        "{}",
        "{\"\"}",
        "{a=\"\"}",
        "a{,}",
        "a[",
        "a[5m",
        "a[5m:",
        "a @",
        "a offset",
        "sum",
        "sum(",
        "sum()",
        "sum by",
        "(",
        ")",
        "]",
        "}",
        "",
        " ",
        "#",
        "# only a comment",
        "\u{0}",
        "é",
        "a\u{a0}",
        "\u{feff}a",
        "a == ",
        "a b",
        "a[5m] [5m]",
        "time()[5m]",
        "1 2",
        "rate(",
        "rate()",
        "rate(a)",
        "rate(1)",
        "rate(\"a\")",
        "foo(a)",
        "-\"a\"",
        "\"a\" + 1",
        "!",
        "a!",
        "@",
        ":",
        "a{a=b}",
        "a{1=\"a\"}",
        "∞",
        "a[1e300*1e300]",
        "a[(0-1)^0.5]",
        "a[5m/0]",
        "a[5m%0]",
        "a[min_of(step(), 1e300*1e300)]",
        "a[292y*2]",
        "a offset (292y*2)",
        "a offset (step()/0)",
        "a offset (step()*1e300)",
        "a offset step",
        "a offset step(1)",
        "a offset max_of()",
        "a offset max_of(1)",
        "a offset max_of(1,2,3)",
        "a[step():]",
        "a[range():step()]",
        "a[5m:5m*]",
        "a[]",
        "a[*5m]",
        "a[5m 5m]",
        "a[step() offset 5m]",
        "a smoothed smoothed",
        "a smoothed anchored",
        "smoothed",
        "smoothed smoothed",
        "anchored(a)",
        "a[5m] smoothed",
        "a[5m] anchored offset 5m @ end()",
        "a[5m:] smoothed",
        "a anchored[5m] smoothed",
        "sum(a) smoothed",
        "a + fill() a",
        "a + fill(a) a",
        "a + fill(0)",
        "a + fill(-) a",
        "a + fill(1e999) a",
        "a + fill(5m) fill_left(1) a",
        "a and fill(0) a",
        "fill(0) a",
        "info()",
        "info(a,)",
        "info(a, {})",
        "info(a, {)",
        "info(a, a)",
        "info(a, {\"a\"})",
        "info(a, {a=\"b\"} offset 5m)",
        "info(a, {a=\"b\"}, a)",
        "info(1)",
        "info({__name__=~\".+\"}, {__name__=~\".+\"})",
        "histogram_quantiles(a)",
        "histogram_quantiles(a, \"\", 1)",
        "histogram_quantiles(a, \"q\", time(), NaN, -1)",
    ] {
        match parse(text) {
            Ok(expr) => {
                let _ = instant(&source, &expr, 0, &QueryOptions::default());
            }
            Err(e) => {
                assert!(e.start <= e.end && e.end <= text.len(), "{text:?}: {e:?}");
                assert!(text.is_char_boundary(e.start) && text.is_char_boundary(e.end), "{text:?}: {e:?}");
                assert!(!e.message.is_empty() && e.line >= 1 && e.column >= 1, "{text:?}");
            }
        }
    }
}

/// Every prefix of valid queries, and each with one byte changed, removed or doubled.
#[test]
fn mutilated_queries_never_panic() {
    let source = source();
    let queries = [
        r#"sum by (job, "a.b") (rate(a{job=~"a|b", x!="é\n"}[5m:10s] offset -1m @ end())) / on (job) group_left ("x") a > bool 1e-3"#,
        r#"rate(a[min_of(5m*2, range()+1s)] smoothed offset -(step()/2)) + on (job) fill_left(-1) fill_right(NaN) info(a anchored, {__name__=~"a|b", x!="y"})"#,
        r#"label_replace(topk(0x2, -a ^ 2 ^ a), "a", '$1', `b`, "(.*)") unless ignoring (z) histogram_quantile(.9, a) # end"#,
    ];
    let marks = b"()[]{},:=!~<>+-*/%^@\"'`\\#0e. \xc3";
    for query in queries {
        parse(query).unwrap();
        for at in 0..query.len() {
            let mut bytes = query.as_bytes().to_vec();
            let original = bytes[at];
            let mut texts = vec![bytes[..at].to_vec()];
            for mark in marks {
                bytes[at] = *mark;
                texts.push(bytes.clone());
            }
            bytes[at] = original;
            let mut doubled = bytes.clone();
            doubled.insert(at, original);
            texts.push(doubled);
            bytes.remove(at);
            texts.push(bytes);
            for text in texts.into_iter().filter_map(|t| String::from_utf8(t).ok()) {
                if let Ok(expr) = parse(&text) {
                    let printed = expr.to_string();
                    assert_eq!(parse(&printed).unwrap().to_string(), printed, "{text}");
                    let _ = instant(&source, &expr, 50_000, &QueryOptions::default());
                }
            }
        }
    }
}

#[test]
fn costly_queries_are_refused_before_they_cost() {
    let source = source();
    let options = QueryOptions::default();
    let kind = |text: &str, end_ms: i64, step_ms: i64| {
        let expr = parse(text).unwrap();
        let begun = Instant::now();
        let e = range(&source, &expr, 0, end_ms, step_ms, &options).unwrap_err();
        assert!(begun.elapsed() < TIME_MAX, "{text}: {:?}", begun.elapsed());
        (e.kind, e.hint.is_some())
    };
    let too_large = (ErrorKind::TooLarge, true);
    assert_eq!(kind("a", i64::from(u32::MAX), 1), too_large);
    assert_eq!(kind("avg_over_time(a[100y:1ms])", 1000, 1000), too_large);
    assert_eq!(kind("avg_over_time(avg_over_time(a[1y:1s])[1y:1s])", 1000, 1000), too_large);
    assert_eq!(kind("a", i64::MAX, 1).0, ErrorKind::Invalid);
    assert_eq!(kind("a", 1000, 0).0, ErrorKind::Invalid);
    assert_eq!(kind("a", -1000, 1).0, ErrorKind::Invalid);
    assert_eq!(kind("a[5m]", 1000, 1), (ErrorKind::Invalid, true));
    let few = QueryOptions {
        limits: Limits { samples_max: 15, series_max: 1, ..Limits::default() },
        ..QueryOptions::default()
    };
    let e = instant(&source, &parse("sum(a)").unwrap(), 0, &few).unwrap_err();
    assert_eq!(e.kind, ErrorKind::TooLarge);
    for extreme in [i64::MIN, i64::MAX] {
        let expr = parse("rate(a[1y] offset 200y) + a offset -200y").unwrap();
        assert_eq!(instant(&source, &expr, extreme, &options).unwrap_err().kind, ErrorKind::Invalid);
    }
}

#[test]
fn times_at_the_end_of_all_time_do_not_overflow() {
    let source = source();
    let texts = [
        "a smoothed",
        "a offset -292y smoothed",
        "rate(a[292y] anchored offset 292y)",
        "delta(a[292y] smoothed offset -292y)",
        "max_over_time(a[292y:290y] offset -292y)",
        "a offset (step() * 1e9)",
        "rate(a[max_of(range(), max_of(step(), 1m))])",
        "info(last_over_time((a offset 292y)[292y:290y] offset 292y), {__name__=\"a\"})",
    ];
    for text in texts {
        let expr = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        for lookback_ms in [i64::MIN, -1, 0, 1, i64::MAX] {
            let options = QueryOptions { lookback_ms, ..QueryOptions::default() };
            for time_ms in [i64::MIN / 1000, -1, 0, 50_000, i64::MAX / 1000] {
                let _ = instant(&source, &expr, time_ms, &options);
                let _ = range(&source, &expr, time_ms, time_ms, i64::MAX, &options);
                let _ = range(&source, &expr, i64::MIN / 1000, time_ms, i64::MAX / 1000, &options);
            }
        }
    }
}

#[test]
fn the_extremes_of_long_windows_take_one_look_at_each_sample() {
    let source = source();
    for function in ["max_over_time", "min_over_time"] {
        let text = format!("{}a{}", format!("{function}(").repeat(6), "[1h:1s])".repeat(6));
        let begun = Instant::now();
        instant(&source, &parse(&text).unwrap(), 50_000, &QueryOptions::default()).unwrap();
        assert!(begun.elapsed() < TIME_MAX, "{text}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_query_stops_when_nobody_waits() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let stop = move || counter.fetch_add(1, Ordering::Relaxed) >= 100;
    let options = QueryOptions { stop: Some(Arc::new(stop)), ..QueryOptions::default() };
    // Some ten seconds of work, were it not stopped.
    let expr = parse("sum_over_time(sum_over_time(vector(1)[1d:1m])[1d:1s])").unwrap();
    let begun = Instant::now();
    let e = range(&source(), &expr, 0, 1_000_000, 100, &options).unwrap_err();
    assert_eq!(e.kind, ErrorKind::Cancelled);
    assert!(asked.load(Ordering::Relaxed) >= 100);
    assert!(begun.elapsed() < TIME_MAX, "{:?}", begun.elapsed());
}
