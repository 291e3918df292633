//! Templates as people write them, and what they say.

use super::*;

fn expand(text: &str, value: f64) -> Result<String, String> {
    let labels = Labels::from_pairs([("instance", "db-7.example.org:9100"), ("job", "node"), ("sev", "2")]);
    let ask = |text: &str| -> Result<Vec<(Labels, f64)>, String> {
        if text == "bad(" {
            return Err("1:5: parse error".into());
        }
        if text == "none" {
            return Ok(Vec::new());
        }
        let row = |dc: &str, v| (Labels::from_pairs([("dc", dc)]).unwrap(), v);
        Ok(vec![row("b", 2.0), row("a", 1.5)])
    };
    let facts = Facts { labels: &labels.unwrap(), value, external_url: "http://mw:4004", ask: &ask };
    Template::parse(text)?.expand(&facts)
}

#[test]
fn what_they_say() {
    for (text, value, want) in [
        ("plain, with { and }", 1.0, "plain, with { and }"),
        ("{{ $labels.instance }} of {{ .Labels.job }}", 1.0, "db-7.example.org:9100 of node"),
        ("{{$labels.absent}}|{{ $value }}", 0.25, "|0.25"),
        ("{{ $value }}", 100.0, "100"),
        ("{{ $value | humanize }}", 1_234_567.0, "1.235M"),
        ("{{ humanize1024 $value }}B", 3_221_225_472.0, "3GiB"),
        ("{{ $value | humanizeDuration }}", 93_784.0, "1d 2h 3m 4s"),
        ("{{ $value | humanizeDuration }}", 0.0025, "2.5ms"),
        ("{{ $value | humanizePercentage }}", 0.12345, "12.35%"),
        ("{{ $value | humanizeTimestamp }}", 1_435_065_584.128, "2015-06-23 13:19:44.128 +0000 UTC"),
        ("{{ printf \"%.2f%% of %s\" $value $labels.job }}", 91.237, "91.24% of node"),
        ("{{ $value | printf \"%05.1f|%-6s|\" }}", 2.25, "002.2|%!s(MISSING)|"),
        ("{{ if gt $value 90.0 }}hot{{ else if gt $value 50.0 }}warm{{ else }}cold{{ end }}", 60.0, "warm"),
        ("{{ if eq $labels.sev \"1\" \"2\" }}page{{ end }}", 0.0, "page"),
        ("{{ if and (ne $labels.job \"x\") (lt $value 1.0) }}yes{{ end }}", 0.0, "yes"),
        ("a  {{- /* nothing to say */ -}}  b {{- $labels.job -}} c", 0.0, "abnodec"),
        ("{{ with query \"up\" }}{{ . | first | value | humanize }}{{ end }}", 0.0, "2"),
        ("{{ with query \"none\" }}x{{ else }}nothing{{ end }}", 0.0, "nothing"),
        (
            "{{ range query \"up\" | sortByLabel \"dc\" }}{{ .Labels.dc }}={{ .Value }} {{ end }}",
            0.0,
            "a=1.5 b=2 ",
        ),
        ("{{ range $i, $r := query \"up\" }}{{ $i }}:{{ $r.Labels.dc }} {{ end }}", 0.0, "0:b 1:a "),
        ("{{ (query \"up\" | first).Labels.dc }}", 0.0, "b"),
        ("{{ $x := 5 }}{{ $x = 6 }}{{ $x }}", 0.0, "6"),
        ("{{ $labels.instance | stripPort | toUpper }}", 0.0, "DB-7.EXAMPLE.ORG"),
        ("{{ $labels.instance | stripDomain }}", 0.0, "db-7:9100"),
        ("{{ reReplaceAll \"(.*):9100\" \"$1\" $labels.instance | title }}", 0.0, "Db-7.Example.Org"),
        ("{{ match \"^db-[0-9]+\" $labels.instance }}", 0.0, "true"),
        ("{{ index $labels \"job\" }} {{ len $labels.job }}", 0.0, "node 4"),
        ("{{ $externalURL }}{{ graphLink \"up == 0\" }}", 0.0, "http://mw:4004/look?expr=up%20%3D%3D%200"),
    ] {
        assert_eq!(expand(text, value).as_deref(), Ok(want), "{text}");
    }
}

#[test]
fn what_is_not_supported_is_said_when_the_file_is_read() {
    for (text, part) in [
        ("{{ humanise $value }}", "did you mean \"humanize\""),
        ("{{ template \"x\" }}", "not supported"),
        ("{{ $value", "not closed"),
        ("{{ if $value }}x", "no {{ end }}"),
        ("x {{ end }}", "without"),
        ("{{ }}", "nothing"),
        ("{{ printf }}", "takes 1 arguments or more, not 0"),
        ("{{ \"x }}", "not closed"),
        ("{{ (len \"x\" }}", "not closed"),
        ("{{ $value | 5 }}", "a function must follow"),
        ("{{ # }}", "not understood"),
    ] {
        let e = Template::parse(text).unwrap_err();
        assert!(e.contains(part), "{text}: {e}");
    }
    assert!(Template::parse(&"{{ if true }}".repeat(1000)).is_err());
    assert!(Template::parse(&format!("{{{{ {} }}}}", "(".repeat(2000))).is_err());
}

#[test]
fn what_goes_wrong_later_is_told_and_bounded() {
    for (text, part) in [
        ("{{ query \"bad(\" | first | value }}", "parse error"),
        ("{{ query \"none\" | first }}", "empty"),
        ("{{ $labels.job | humanize }}", "not a number"),
        ("{{ $nobody }}", "not there"),
        ("{{ lt $value \"x\" }}", "cannot be compared"),
        (
            "{{ printf \"%70000d\" 5 | len }}{{ range query \"up\" }}{{ range query \"up\" }}{{ range query \"up\" }}{{ range query \"up\" }}{{ range query \"up\" }}x{{ end }}{{ end }}{{ end }}{{ end }}{{ end }}",
            "more than 20 queries",
        ),
    ] {
        let e = expand(text, 1.0).unwrap_err();
        assert!(e.contains(part), "{text}: {e}");
    }
}

#[test]
fn numbers() {
    use super::format::*;
    for (n, want) in
        [(0.0, "0"), (1e6, "1e+06"), (1e21, "1e+21"), (1e-5, "1e-05"), (f64::NAN, "NaN"), (1234.5, "1234.5")]
    {
        assert_eq!(shortest(n), want);
    }
    for (n, want) in [(1234.56, "1235"), (0.000012345, "1.234e-05"), (12345.0, "1.234e+04"), (100.0, "100")] {
        assert_eq!(general(n, Some(4)), want);
    }
    assert_eq!((scientific(1234.5, 2).as_str(), fixed(f64::INFINITY, 1).as_str()), ("1.23e+03", "+Inf"));
    assert_eq!((humanize(0.00001).as_str(), humanize(-1500.0).as_str()), ("10u", "-1.5k"));
}
