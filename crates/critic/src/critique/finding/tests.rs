//! What is found, of whom, and since when.

use super::*;
use crate::facts::{Answer, Happened, Moved, Row};
use crate::library::Origin;
use crate::rule::known_in_trials;

/// Answers by a part of the query: rows at the end of the window, and at its beginning.
struct Table(Vec<(&'static str, Vec<Row>, Vec<Row>)>);

impl Facts for Table {
    fn now_ms(&self) -> i64 {
        1_000_000_000
    }

    fn since_ms(&self) -> i64 {
        999_100_000
    }

    fn ask(&mut self, promql: &str, when: When) -> Answer {
        let found = self.0.iter().find(|(part, ..)| promql.contains(part));
        let rows = |(_, now, before): &(_, Vec<Row>, Vec<Row>)| match when {
            When::Now => now.clone(),
            When::Before => before.clone(),
        };
        Ok(found.map(rows).unwrap_or_default())
    }

    fn happened(&self) -> Result<&[Happened], String> {
        Err("not read".into())
    }

    fn moved(&self) -> Result<&[Moved], String> {
        Err("not compared".into())
    }
}

fn row(labels: &[(&str, &str)], value: f64) -> Row {
    Row { labels: labels.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(), value }
}

fn entity(name: &str) -> Entity {
    known_in_trials().all().iter().find(|e| e.name == name).cloned().unwrap()
}

fn ask(name: &str, part: Option<&str>, adaptations: &[Adaptation], mut facts: Table) -> Findings {
    let library = Library::load(&[], &|_| Ok(()));
    findings(&entity(name), &BTreeSet::new(), part, &library, adaptations, &mut facts)
}

fn ids(found: &Findings) -> Vec<(&str, bool, bool)> {
    found.0.iter().map(|f| (f.rule.as_str(), f.held_before, f.is_own)).collect()
}

#[test]
fn what_holds_of_a_host_and_whether_it_held_before() {
    let disk = |used| vec![row(&[("instance", "h1"), ("mountpoint", "/var")], used)];
    let full = |before| Table(vec![("node_filesystem_size_bytes", disk(0.99), disk(before))]);
    let found = ask("h1", None, &[], full(0.5));
    assert_eq!(ids(&found), [("disk-is-full", false, true)]);
    let said = &found.0[0];
    assert_eq!(said.text, "/var of h1 is 99 % full.");
    assert!(!said.why.is_empty() && !said.sources.is_empty() && said.evidence[0].promql.contains("h1"));
    assert_eq!(ids(&ask("h1", None, &[], full(0.98))), [("disk-is-full", true, true)]);
    // The same seen from a service that runs there is not first-hand.
    assert_eq!(ids(&ask("api", None, &[], full(0.5))), [("disk-is-full", false, false)]);
    // Of one part of the host only what names it.
    assert_eq!(ids(&ask("h1", Some("/var"), &[], full(0.5))).len(), 1);
    assert!(ids(&ask("h1", Some("/home"), &[], full(0.5))).is_empty());
}

#[test]
fn rows_that_name_nobody_are_of_nobody() {
    let waits = |instance| {
        Table(vec![(
            "pg_stat_activity_max_tx_duration",
            vec![row(&[("instance", instance), ("datname", "shop")], 900.0)],
            vec![],
        )])
    };
    assert_eq!(
        ids(&ask("postgres-1", None, &[], waits("postgres-1"))),
        [("a-long-transaction-runs", false, true)]
    );
    assert!(ids(&ask("api", None, &[], waits("postgres-1"))).is_empty());
}

#[test]
fn not_here_because_is_respected() {
    let pool = || Table(vec![("hikaricp_connections_pending", vec![row(&[("job", "api")], 7.0)], vec![])]);
    assert_eq!(ids(&ask("api", None, &[], pool()))[0].0, "the-pool-is-empty");
    let not_here =
        Adaptation { rule: "the-pool-is-empty".into(), service: "API".into(), because: "by design".into() };
    let (found, adapted) = ask("api", None, std::slice::from_ref(&not_here), pool());
    assert!(found.is_empty());
    assert_eq!(adapted, [not_here]);
}

#[test]
fn a_rule_of_a_service_speaks_of_that_one_alone() {
    let text = "id = 'r'\ntitle = 't'\nchecks = 'c'\nkind = 'omission'\nweight = 50\nalways = true\nservices = ['api']\nwhen = 'exists(seen)'\n\
                text = 'x'\nfinding = 'it is {seen}'\nwhy = 'w'\n[[query]]\nname = 'seen'\npromql = 'sum(backlog)'\nsays = 's'\n";
    let library = Library::load(&[(Origin::Thumb, "r.toml".into(), text.into())], &|_| Ok(()));
    let ask = |name: &str| {
        let mut facts = Table(vec![("backlog", vec![row(&[], 3.0)], vec![])]);
        findings(&entity(name), &BTreeSet::new(), None, &library, &[], &mut facts).0
    };
    assert_eq!(ask("api")[0].text, "it is 3");
    assert!(ask("cart").is_empty());
}

#[test]
fn nothing_is_found_where_nothing_is_measured() {
    assert_eq!(ask("api", None, &[], Table(Vec::new())), (Vec::new(), Vec::new()));
}
