//! Files of rules: what is read, and what is refused with which words.

use super::*;

const GOOD: &str = r#"
id = "a-rule"
title = "t"
checks = "whether"
kind = "data"
weight = 50
actions = ["restart"]
when = "heap > 0.9"
text = "heap {heap} of {heap.instance} on {target}, was {heap.before}"
why = "w"

[[query]]
name = "heap"
promql = 'heap{$target}'
says = "heap"
unit = "ratio"
"#;

#[test]
fn a_good_one() {
    let rule = Rule::parse(GOOD).unwrap();
    assert_eq!((rule.id.as_str(), rule.kind, rule.weight), ("a-rule", Kind::Data, 50));
    // The text tells the value of before, so it is asked for.
    assert!(rule.questions[0].before);
    assert!(!Rule::parse(&GOOD.replace(", was {heap.before}", "")).unwrap().questions[0].before);
}

#[test]
fn what_is_refused() {
    let many: String = (0..9).map(|i| format!("[[query]]\nname='q{i}'\npromql='up'\nsays='s'\n")).collect();
    for (from, to, part) in [
        ("kind = \"data\"", "kind = \"bad\"", "none of commission, omission, protocol, data, experience"),
        ("weight = 50", "weight = 0", "1 to 100"),
        ("weight = 50", "weight = 50\nwieght = 3", "line 7: unknown field `wieght`"),
        ("weight = 50", "weight = \"x\"", "line 6: invalid type"),
        ("\"a-rule\"", "\"A rule\"", "small letters, digits and -"),
        ("title = \"t\"\n", "", "missing field `title`"),
        ("\"restart\"", "\"panic\"", "is no action"),
        ("actions = [\"restart\"]", "", "applies to nothing"),
        ("heap > 0.9", "haep > 0.9", "names \"haep\", which no query of this rule is called"),
        ("heap > 0.9", "heap > ", "when: at the end"),
        ("{heap.instance}", "{hepa.instance}", "place {hepa.instance}"),
        ("heap{$target}", "heap{$tagret}", "is no place"),
        ("name = \"heap\"", "name = \"He\"", "the name of a query"),
        ("unit = \"ratio\"", "pick = \"most\"", "none of max, min, sum, count"),
        ("[[query]]", &format!("{many}[[query]]"), "at most 8 queries"),
        ("why = \"w\"", &format!("why = \"{}\"", "w".repeat(3000)), "at most 2000 bytes"),
        ("why = \"w\"", "why = \"w\"\nthings = [\"weather\"]", "nothing that a plan can be about"),
        ("id = ", "id == ", "line 2"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from}");
        let e = Rule::parse(&text).unwrap_err().to_string();
        assert!(e.contains(part), "{to:.40}: {e}");
    }
    let long = format!("{GOOD}#{}", "x".repeat(FILE_BYTES_MAX));
    assert_eq!(Rule::parse(&long).unwrap_err().kind, ErrorKind::TooLarge);
}

#[test]
fn to_which_plans_it_applies() {
    let names = known_in_trials();
    let applies = |keys: &str, text: &str| {
        let file = GOOD.replace("actions = [\"restart\"]", keys);
        let asked = crate::plan::Asked { text: text.into(), ..Default::default() };
        Rule::parse(&file).unwrap().applies_to(&crate::plan::read(&asked, &names).unwrap())
    };
    for (keys, text, want) in [
        ("always = true", "restart api", true),
        ("actions = [\"kill\", \"restart\"]", "restart api", true),
        ("actions = [\"kill\"]", "restart api", false),
        ("beliefs = [\"dns\"]", "it is dns", true),
        ("beliefs = [\"named\"]", "it is payment", true),
        ("words = [\"blue wombat\"]", "the wombat is blue", true),
        ("words = [\"blue wombat\"]", "the wombat is red", false),
        ("always = true\nthings = [\"redis\"]", "restart redis", true),
        ("always = true\nthings = [\"redis\"]", "restart api", false),
        ("always = true\nservices = [\"API\"]", "restart api-1", true),
        ("always = true\nservices = [\"cart\"]", "restart api-1", false),
        ("always = true\ngoals = [\"diagnose\"]", "restart api to debug it", true),
        ("always = true\ngoals = [\"diagnose\"]", "restart api", false),
    ] {
        assert_eq!(applies(keys, text), want, "{keys}: {text}");
    }
}

#[test]
fn tests_in_a_rule_can_fail() {
    let with = |test: &str| run(&Rule::parse(&format!("{GOOD}\n[[test]]\n{test}")).unwrap());
    assert_eq!(
        with(
            "plan = 'restart api'\nfacts = { heap = 0.95, 'heap.before' = 0.1 }\nfires = true\nsays = '95 %'"
        ),
        Ok(())
    );
    for (test, part) in [
        ("plan = 'restart api'\nfacts = { heap = 0.5 }\nfires = true", "it does not speak; it comes to No"),
        ("plan = 'restart api'\nfires = true", "it comes to Unknown"),
        ("plan = 'wait'\nfires = true", "it does not apply"),
        ("plan = 'restart api'\nfacts = { heap = 0.95 }\nfires = false", "it does speak"),
        ("plan = 'restart api'\nfacts = { heap = 0.95 }\nfires = true\nsays = '12 %'", "it says \"heap 95 %"),
        ("plan = 'restart api'\nfacts = { hepa = 0.95 }\nfires = true", "nothing is called \"hepa\""),
    ] {
        let wrong = with(test).unwrap_err().join("; ");
        assert!(wrong.contains(part), "{test}: {wrong}");
    }
}
