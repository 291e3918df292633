//! Conditions: what they come to, and which texts are refused, where.

use super::*;
use crate::plan::{Asked, Names};

fn plan(text: &str) -> Plan {
    crate::plan::read(&Asked { text: text.into(), ..Asked::default() }, &Names::new(Vec::new())).unwrap()
}

#[test]
fn what_holds() {
    let plan = plan("restart it after a heap dump, then roll back");
    let values = |name: &str| match name {
        "two" => Seen::Is(2.0),
        "two.before" => Seen::Is(1.0),
        "new" => Seen::Is(5.0),
        "zero" | "zero.before" => Seen::Is(0.0),
        "odd" => Seen::Is(f64::NAN),
        "gone" | "new.before" | "gone.before" => Seen::Absent,
        _ => Seen::Unknown,
    };
    use Truth::{No, Unknown, Yes};
    for (text, want) in [
        ("", Yes),
        ("two > 1", Yes),
        ("two > 1 and two < 2", No),
        ("two == 2 or nobody > 1", Yes),
        ("two != 2 or nobody > 1", Unknown),
        ("two < 1 and nobody > 1", No),
        ("not nobody > 1", Unknown),
        ("two * 3 - 1 == 5", Yes),
        ("1 + 2 * 3 == 7", Yes),
        ("two / (1 + 3 * (two - 1)) == 0.5", Yes),
        ("two / 0 > 1e300", Yes),
        ("two > -1.5e-3", Yes),
        ("odd == odd", Unknown),
        ("gone > 1", Unknown),
        ("exists(two) and not exists(gone)", Yes),
        ("exists(nobody)", Unknown),
        ("rises(two)", Yes),
        ("rises(two, 2.5)", No),
        ("falls(two) or moves(two)", Yes),
        // What was not there before was not measured before, nor is what is gone.
        ("rises(new, 10)", Unknown),
        ("rises(zero) or falls(zero)", No),
        ("moves(gone)", Unknown),
        ("said(captured) and does(restart) and does(roll_back)", Yes),
        ("before(restart, roll_back) and not before(roll_back, restart)", Yes),
        ("said(told) or goal(preserve) or believes(dns) or about(redis)", No),
        ("not (two > 1 and (two > 1 or two > 2))", No),
    ] {
        let condition = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(condition.holds(&Circumstances { values: &values, plan: &plan }), want, "{text}");
    }
}

#[test]
fn what_is_needed() {
    let mut names = BTreeSet::new();
    parse("rises(heap) and used / limit > 0.9 or exists(gc)").unwrap().names(&mut names);
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["gc", "heap", "heap.before", "limit", "used"]);
}

#[test]
fn what_is_refused() {
    let deep = format!("{}two > 1{}", "(".repeat(20), ")".repeat(20));
    let long = "two > 1 and ".repeat(500);
    for (text, part) in [
        ("two", "at the end: a comparison such as > or <= is missing"),
        ("two > ", "a number or the name of a query is missing"),
        ("two > 1 two", "at character 9: \"two\" is not the end, and, or"),
        ("exits(two)", "at character 1: \"exits\" is not exists, rises"),
        ("said(captrued)", "\"captrued\" is no remark; there are captured"),
        ("does(panic)", "is no action"),
        ("about(weather)", "weather"),
        ("rises(two, 1)", "a factor above 1"),
        ("two > 1 and", "at the end"),
        ("(two > 1", "a closing bracket is missing"),
        ("two > 1; drop", "at character 8: ';' means nothing"),
        ("two > 1.2.3", "is no number"),
        (&deep, "nested more than 16 deep"),
        (&long, "at most 2000 bytes"),
    ] {
        let e = parse(text).unwrap_err().to_string();
        assert!(e.contains(part), "{text:.40}: {e}");
    }
}
