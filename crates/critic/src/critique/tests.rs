//! The decider: order, evidence, what is left out, what could not be known.

use super::*;
use crate::facts::{Answer, Happened, Moved};
use crate::library::Origin;
use crate::plan::{Asked, read};
use proptest::prelude::*;
use std::sync::LazyLock;

struct Known<F: FnMut(&str, When) -> Answer>(F);

impl<F: FnMut(&str, When) -> Answer> Facts for Known<F> {
    fn now_ms(&self) -> i64 {
        1_000_000_000
    }

    fn since_ms(&self) -> i64 {
        999_100_000
    }

    fn ask(&mut self, promql: &str, when: When) -> Answer {
        (self.0)(promql, when)
    }

    fn happened(&self) -> Result<&[Happened], String> {
        Ok(&[])
    }

    fn moved(&self) -> Result<&[Moved], String> {
        Err("nothing was compared".into())
    }
}

fn rule(id: &str, weight: u8, when: &str, more: &str) -> (Origin, String, String) {
    let text = format!(
        "id = '{id}'\ntitle = '{id}'\nchecks = 'whether {id}'\nkind = 'data'\nweight = {weight}\nactions = ['restart']\nwhen = '{when}'\n\
         text = 'a is {{a}} on {{a.instance}}, was {{a.before}}'\nwhy = 'w'\n{more}\n\
         [[query]]\nname = 'a'\npromql = 'a{{$target}}'\nsays = 'as'\nunit = 'bytes'\n"
    );
    (Origin::Folder, format!("{id}.toml"), text)
}

/// Only the rules of a test.
fn ask(files: &[(Origin, String, String)], adaptations: &[Adaptation], facts: &mut dyn Facts) -> Report {
    let all = Library::load(files, &|_| Ok(()));
    let ours: Vec<&str> = files.iter().map(|f| f.1.trim_end_matches(".toml")).collect();
    let keep = Library::only(all, &ours);
    let plan =
        read(&Asked { text: "restart api".into(), ..Asked::default() }, &crate::rule::known_in_trials());
    critique(&plan.unwrap(), &keep, adaptations, facts)
}

fn row(instance: &str, value: f64) -> Row {
    Row { labels: vec![("instance".into(), instance.into())], value }
}

#[test]
fn evidence_is_the_row_that_counts_and_the_same_row_before() {
    let mut asked = Vec::new();
    let mut facts = Known(|promql: &str, when| {
        asked.push((promql.to_string(), when));
        Ok(match when {
            When::Now => vec![row("api-1", 10.0), row("api-2", 2048.0), row("api-3", f64::NAN)],
            When::Before => vec![row("api-1", 9000.0), row("api-2", 1024.0)],
        })
    });
    let report = ask(&[rule("r", 50, "rises(a, 1.5)", "")], &[], &mut facts);
    assert_eq!(report.critiques[0].text, "a is 2.0 KiB on api-2, was 1.0 KiB");
    let evidence = &report.critiques[0].evidence[0];
    assert_eq!((evidence.promql.as_str(), evidence.value.as_str()), ("a{job=\"api\"}", "2.0 KiB"));
    assert_eq!((evidence.before.as_str(), evidence.number), ("1.0 KiB", Some(2048.0)));
    assert_eq!(report.headline(), "One thing to consider.");
    assert_eq!(asked.len(), 2);
}

#[test]
fn the_weightiest_first_a_few_and_not_twice_the_same() {
    let files: Vec<_> = (0..9).map(|i| rule(&format!("r{i}"), 10 + i, "", "")).collect();
    let mut facts = Known(|_: &str, _| Ok(vec![row("x", 1.0)]));
    let report = ask(&files, &[], &mut facts);
    let ids: Vec<&str> = report.critiques.iter().map(|c| c.rule.as_str()).collect();
    assert_eq!((ids, report.more), (vec!["r8", "r7", "r6", "r5", "r4", "r3"], 3));
    assert_eq!(report.headline(), "9 things to consider, the weightiest first.");
    let report = ask(&[rule("a", 9, "", ""), rule("b", 5, "", "supersedes = ['a']")], &[], &mut facts);
    assert_eq!(report.critiques.len(), 1);
    assert_eq!(report.critiques[0].rule, "b");
}

#[test]
fn not_here_because() {
    let of = |service: &str| Adaptation { rule: "r".into(), service: service.into(), because: "b".into() };
    let mut facts = Known(|_: &str, _| Ok(vec![row("x", 1.0)]));
    for (service, is_left_out) in [("api", true), ("API", true), ("", true), ("cart", false)] {
        let report = ask(&[rule("r", 50, "", "")], &[of(service)], &mut facts);
        assert_eq!((report.adapted.len(), report.critiques.len()), if is_left_out { (1, 0) } else { (0, 1) });
    }
}

#[test]
fn nothing_against_it_is_not_the_same_as_nothing_known() {
    let files = [rule("r", 50, "a > 5", "")];
    let report = ask(&files, &[], &mut Known(|_: &str, _| Ok(vec![row("x", 1.0)])));
    assert_eq!((report.checked.len(), report.checked[0].evidence.len()), (1, 1));
    assert_eq!(report.headline(), "Nothing against it, of 1 thing checked.");
    let report = ask(&files, &[], &mut Known(|_: &str, _| Ok(Vec::new())));
    assert_eq!(report.unchecked[0].why, "as: no data");
    assert_eq!(report.headline(), "Nothing could be checked: no data. That is no agreement.");
    let report = ask(&files, &[], &mut Known(|_: &str, _| Err("too slow".into())));
    assert_eq!(report.unchecked[0].why, "as: too slow");
}

#[test]
fn what_is_no_plan_is_said() {
    let library = Library::load(&[], &|_| Ok(()));
    let plan =
        read(&Asked { text: "hello there".into(), ..Asked::default() }, &crate::rule::known_in_trials());
    let report = critique(&plan.unwrap(), &library, &[], &mut Known(|_: &str, _| Ok(Vec::new())));
    assert!(!report.is_understood && report.headline().contains("not understood"));
}

static OURS: LazyLock<Library> = LazyLock::new(|| Library::load(&[], &|_| Ok(())));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is said, and whatever is measured: an answer within its bounds.
    #[test]
    fn any_words_and_any_numbers_give_an_answer(text in "\\PC{0,120}", value in any::<f64>(), is_known in any::<bool>()) {
        for text in [text.clone(), format!("restart api {text}"), format!("it is the {text}")] {
            let plan = read(&Asked { text, ..Asked::default() }, &crate::rule::known_in_trials()).unwrap();
            let mut facts = Known(|_: &str, _| if is_known { Ok(vec![row("a\"b\n", value)]) } else { Err("no".into()) });
            let report = critique(&plan, &OURS, &[], &mut facts);
            prop_assert!(report.critiques.len() <= SHOWN_MAX && !report.headline().is_empty());
        }
    }
}
