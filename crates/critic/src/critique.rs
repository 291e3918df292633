//! The decider: a plan, the rules, and whom to ask; a few critiques, the weightiest first, each with its evidence; and what
//! was checked and what could not be. It must never take silence of a rule for agreement: a rule whose data is missing
//! is told as not checked.

pub mod finding;

use crate::condition::{Circumstances, Seen, Truth};
use crate::facts::{Facts, Row, When};
use crate::fill;
use crate::history::Past;
use crate::library::Library;
use crate::plan::Plan;
use crate::rule::{Kind, Pick, Question, Rule};
use crate::value::in_words;
use std::collections::{BTreeSet, HashMap};

/// Critiques of one answer; the others are counted.
pub const SHOWN_MAX: usize = 6;
/// Queries of one answer, those before the window included.
pub const QUERIES_MAX: usize = 600;
/// Rows of one answer that are looked at.
const ROWS_MAX: usize = 10_000;

/// "Not here, because ...": a rule that an operator has taken out for a service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adaptation {
    /// The rule's id.
    pub rule: String,
    /// The service, or a host; empty: everywhere.
    pub service: String,
    /// Why.
    pub because: String,
}

/// Something that was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What, in words.
    pub says: String,
    /// The query, as it was asked; empty for what is on record as changes.
    pub promql: String,
    /// The value in words.
    pub value: String,
    /// Its value before the window, where that matters.
    pub before: String,
    /// The value.
    pub number: Option<f64>,
    /// Which row.
    pub labels: Vec<(String, String)>,
    /// Ids of changes.
    pub changes: Vec<String>,
}

/// One line in the margin.
#[derive(Clone, Debug, PartialEq)]
pub struct Critique {
    /// The rule's id.
    pub rule: String,
    /// What kind of criticism it is.
    pub kind: Kind,
    /// The rule's title.
    pub title: String,
    /// What it says of this plan.
    pub text: String,
    /// What to do or to look at next; may be empty.
    pub next: String,
    /// Why it matters.
    pub why: String,
    /// What it rests on.
    pub sources: Vec<String>,
    /// Who wrote the rule; empty for one that came with the program.
    pub author: String,
    /// 1 to 100.
    pub weight: u8,
    /// What was measured.
    pub evidence: Vec<Evidence>,
}

/// A rule that had nothing to say, or could not say.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The rule's id.
    pub rule: String,
    /// What it checks: `whether another copy is up`.
    pub checks: String,
    /// For what could not be checked: why.
    pub why: String,
    /// What was measured.
    pub evidence: Vec<Evidence>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The weightiest first.
    pub critiques: Vec<Critique>,
    /// Critiques that are not shown.
    pub more: usize,
    /// What speaks for itself: measured, and nothing against the plan.
    pub checked: Vec<Checked>,
    /// What could not be checked.
    pub unchecked: Vec<Checked>,
    /// Rules of things that nothing is measured of here, and that the plan does not name.
    pub absent: usize,
    /// Rules that would have spoken, and were taken out here.
    pub adapted: Vec<Adaptation>,
    /// Whether the plan says anything that can be criticised.
    pub is_understood: bool,
}

impl Report {
    /// One sentence.
    pub fn headline(&self) -> String {
        let n = self.critiques.len() + self.more;
        match () {
            () if !self.is_understood => {
                "This was not understood as a plan: say what is to be done to what, such as \u{201c}restart api\u{201d}, or what you \
                 believe, such as \u{201c}it is the deploy\u{201d}."
                    .into()
            }
            () if n == 1 => "One thing to consider.".into(),
            () if n > 1 => format!("{n} things to consider, the weightiest first."),
            () if self.checked.is_empty() => "Nothing could be checked: no data. That is no agreement.".into(),
            () => {
                let rest = if self.unchecked.is_empty() { "" } else { "; some of it could not be checked" };
                let things = if self.checked.len() == 1 { "thing" } else { "things" };
                format!("Nothing against it, of {} {things} checked{rest}.", self.checked.len())
            }
        }
    }
}

/// What the rules say of a plan.
pub fn critique(plan: &Plan, library: &Library, adaptations: &[Adaptation], facts: &mut dyn Facts) -> Report {
    let mut report = Report { is_understood: !plan.is_empty(), ..Report::default() };
    let past = Past::of(plan, facts);
    let mut asker = Asker { facts, plan, known: HashMap::new(), asked: 0, whose: None };
    let mut spoken = Vec::new();
    for rule in library.rules().iter().filter(|r| r.applies_to(plan)) {
        // What the operator wrote may need no action or belief: "when I see ...".
        if !report.is_understood && rule.applies.words.is_empty() {
            continue;
        }
        let judged = Judged::of(rule, &past, &mut asker);
        match judged.truth {
            Truth::Yes => spoken.push((rule, judged)),
            // What the words of the plan alone decide was not held against anything.
            Truth::No if judged.measured(rule, &past) => {
                report.checked.push(judged.checked(rule, String::new()));
            }
            Truth::No => {}
            Truth::Unknown if rule.is_meant_by(plan) => {
                let why = judged.missing(rule, &past);
                report.unchecked.push(judged.checked(rule, why));
            }
            Truth::Unknown => report.absent += 1,
        }
    }
    report.is_understood |= !spoken.is_empty();
    let quiet: BTreeSet<&str> =
        spoken.iter().flat_map(|(rule, _)| rule.supersedes.iter().map(String::as_str)).collect();
    let quiet: BTreeSet<String> = quiet.into_iter().map(String::from).collect();
    spoken.retain(|(rule, _)| !quiet.contains(&rule.id));
    spoken.retain(|(rule, _)| match adaptation(rule, plan, adaptations) {
        Some(adaptation) => {
            report.adapted.push(adaptation.clone());
            false
        }
        None => true,
    });
    spoken.sort_by(|(a, _), (b, _)| b.weight.cmp(&a.weight).then_with(|| a.id.cmp(&b.id)));
    report.more = spoken.len().saturating_sub(SHOWN_MAX);
    spoken.truncate(SHOWN_MAX);
    report.critiques = spoken.into_iter().map(|(rule, judged)| judged.critique(rule, plan, &past)).collect();
    report
}

fn adaptation<'a>(rule: &Rule, plan: &Plan, all: &'a [Adaptation]) -> Option<&'a Adaptation> {
    let targets = || plan.targets.iter().chain(&plan.suspects).map(|t| &t.entity);
    all.iter().filter(|a| a.rule == rule.id).find(|a| {
        let is = |name: &str| a.service.eq_ignore_ascii_case(name);
        a.service.is_empty() || targets().any(|e| is(&e.service) || is(&e.name))
    })
}

/// Asks, and remembers: two rules often ask the same.
struct Asker<'a> {
    facts: &'a mut dyn Facts,
    plan: &'a Plan,
    known: HashMap<(String, When), Result<Vec<Row>, String>>,
    asked: usize,
    /// Of queries without a place only rows of these count: a value of one of their labels has to be among them.
    whose: Option<&'a BTreeSet<String>>,
}

impl Asker<'_> {
    fn ask(&mut self, promql: &str, when: When) -> Result<Vec<Row>, String> {
        if let Some(known) = self.known.get(&(promql.to_string(), when)) {
            return known.clone();
        }
        if self.asked >= QUERIES_MAX {
            return Err(format!("more than {QUERIES_MAX} queries for one plan"));
        }
        self.asked += 1;
        let mut answer = self.facts.ask(promql, when);
        if let Ok(rows) = &mut answer {
            rows.retain(|row| !row.value.is_nan());
            rows.truncate(ROWS_MAX);
        }
        self.known.insert((promql.to_string(), when), answer.clone());
        answer
    }

    fn of_whom(&self, mut rows: Vec<Row>, is_placed: bool) -> Vec<Row> {
        if let Some(whose) = self.whose.filter(|_| !is_placed) {
            rows.retain(|row| row.labels.iter().any(|(_, value)| whose.contains(value)));
        }
        rows
    }
}

/// What a question found.
#[derive(Clone, Debug)]
struct Found {
    promql: String,
    now: Seen,
    before: Seen,
    labels: Vec<(String, String)>,
    why: String,
}

/// A rule with what it found.
struct Judged {
    truth: Truth,
    found: Vec<(Question, Found)>,
}

fn pick(rows: &[Row], pick: Pick) -> Option<(f64, &Row)> {
    let by = |a: &&Row, b: &&Row| a.value.total_cmp(&b.value);
    match pick {
        Pick::Max => rows.iter().max_by(by).map(|row| (row.value, row)),
        Pick::Min => rows.iter().min_by(by).map(|row| (row.value, row)),
        Pick::Sum => rows.first().map(|row| (rows.iter().map(|r| r.value).sum(), row)),
        Pick::Count => rows.first().map(|row| (rows.len() as f64, row)),
    }
}

fn find(question: &Question, asker: &mut Asker<'_>) -> Found {
    let window_ms = asker.facts.now_ms() - asker.facts.since_ms();
    let nothing = |promql: &str, now, why: &str| Found {
        promql: promql.to_string(),
        now,
        before: now,
        labels: Vec::new(),
        why: why.to_string(),
    };
    let Some(promql) = fill::query(&question.promql, asker.plan.target(), window_ms) else {
        return nothing("", Seen::Unknown, "the plan names nothing that is known here");
    };
    let is_placed = fill::has_place(&question.promql);
    let rows = match asker.ask(&promql, When::Now) {
        Ok(rows) => asker.of_whom(rows, is_placed),
        Err(why) => return nothing(&promql, Seen::Unknown, &why),
    };
    let Some((now, row)) = pick(&rows, question.pick) else {
        return nothing(&promql, Seen::Absent, "no data");
    };
    let is_whole = matches!(question.pick, Pick::Sum | Pick::Count);
    let labels = if is_whole && rows.len() > 1 { Vec::new() } else { row.labels.clone() };
    let before = match question.before {
        false => Seen::Unknown,
        true => match asker.ask(&promql, When::Before) {
            Err(_) => Seen::Unknown,
            Ok(earlier) => {
                let earlier = asker.of_whom(earlier, is_placed);
                // The same row, where it was there.
                let same = earlier.iter().find(|r| r.labels == row.labels).filter(|_| !is_whole);
                let value = same.map(|r| r.value).or_else(|| pick(&earlier, question.pick).map(|(v, _)| v));
                value.map_or(Seen::Absent, Seen::Is)
            }
        },
    };
    Found { promql, now: Seen::Is(now), before, labels, why: String::new() }
}

impl Judged {
    fn of(rule: &Rule, past: &Past, asker: &mut Asker<'_>) -> Judged {
        let found: Vec<(Question, Found)> =
            rule.questions.iter().map(|q| (q.clone(), find(q, asker))).collect();
        let values = |name: &str| {
            if let Some(seen) = past.value(name) {
                return seen;
            }
            let (base, is_before) = name.strip_suffix(".before").map_or((name, false), |base| (base, true));
            let of = found.iter().find(|(q, _)| q.name == base).map(|(_, f)| f);
            of.map_or(Seen::Unknown, |f| if is_before { f.before } else { f.now })
        };
        let truth = rule.when.holds(&Circumstances { values: &values, plan: asker.plan });
        Judged { truth, found }
    }

    /// Was anything measured, or known of the past, that its condition needs?
    fn measured(&self, rule: &Rule, past: &Past) -> bool {
        let is_known = |name: &String| matches!(past.value(name), Some(Seen::Is(_)));
        self.found.iter().any(|(_, f)| matches!(f.now, Seen::Is(_))) || rule.needs().iter().any(is_known)
    }

    fn evidence(&self) -> Vec<Evidence> {
        let measured = self.found.iter().filter_map(|(q, f)| match f.now {
            Seen::Is(now) => Some((q, f, now)),
            _ => None,
        });
        let all = measured.map(|(q, f, now)| Evidence {
            says: q.says.clone(),
            promql: f.promql.clone(),
            value: in_words(now, &q.unit),
            before: match f.before {
                Seen::Is(before) if q.before => in_words(before, &q.unit),
                _ => String::new(),
            },
            number: Some(now),
            labels: f.labels.clone(),
            changes: Vec::new(),
        });
        all.collect()
    }

    fn checked(&self, rule: &Rule, why: String) -> Checked {
        Checked { rule: rule.id.clone(), checks: rule.checks.clone(), why, evidence: self.evidence() }
    }

    /// Why it could not be checked.
    fn missing(&self, rule: &Rule, past: &Past) -> String {
        let needed = rule.needs();
        let of_queries = self.found.iter().filter(|(q, _)| needed.contains(&q.name));
        let missing: Vec<String> = of_queries
            .filter(|(_, f)| !matches!(f.now, Seen::Is(_)))
            .map(|(q, f)| format!("{}: {}", q.says, f.why))
            .collect();
        let of_past = needed.iter().find(|n| matches!(past.value(n), Some(Seen::Unknown | Seen::Absent)));
        match of_past {
            _ if !missing.is_empty() => missing.join("; "),
            Some(_) if !past.unknown.is_empty() => past.unknown.join("; "),
            Some(name) if name.starts_with("history.") => {
                "nothing on record of it that could be compared".into()
            }
            Some(name) if name.starts_with("moved.") => "nothing that moved belongs to it".into(),
            Some(_) => "nothing is on record, or the plan names nothing that is known here".into(),
            None => "no number that could be compared".into(),
        }
    }

    fn critique(&self, rule: &Rule, plan: &Plan, past: &Past) -> Critique {
        let value = |name: &str| match name {
            "target" => Some(plan.target().map_or_else(|| "it".into(), |t| t.entity.name.clone())),
            "service" => Some(plan.target().map_or_else(String::new, |t| t.entity.service.clone())),
            "plan" => Some(plan.in_words()),
            _ => past.words(name).or_else(|| match past.value(name) {
                Some(Seen::Is(v)) => Some(number_of(name, v)),
                Some(_) => None,
                None => self.value(name),
            }),
        };
        let mut evidence = self.evidence();
        for name in ["history.count", "changes.near"] {
            let group = name.split('.').next().unwrap_or(name);
            let changes = past.changes(name);
            if rule.needs().iter().any(|n| n.starts_with(group) && n.contains('.')) && !changes.is_empty() {
                evidence.push(Evidence {
                    says: if group == "history" { "done before" } else { "changed shortly before" }.into(),
                    promql: String::new(),
                    value: changes.len().to_string(),
                    before: String::new(),
                    number: None,
                    labels: Vec::new(),
                    changes: changes.iter().map(|c| c.id.clone()).filter(|id| !id.is_empty()).collect(),
                });
            }
        }
        Critique {
            rule: rule.id.clone(),
            kind: rule.kind,
            title: rule.title.clone(),
            text: fill::text(&rule.text, &value),
            next: fill::text(&rule.next, &value),
            why: rule.why.clone(),
            sources: rule.sources.clone(),
            author: rule.author.clone(),
            weight: rule.weight,
            evidence,
        }
    }

    /// `heap`, `heap.before`, or a label of its row.
    fn value(&self, name: &str) -> Option<String> {
        let (base, rest) = name.split_once('.').map_or((name, ""), |(b, r)| (b, r));
        let (question, found) = self.found.iter().find(|(q, _)| q.name == base)?;
        let words = |seen| match seen {
            Seen::Is(v) => Some(in_words(v, &question.unit)),
            _ => None,
        };
        match rest {
            "" => words(found.now),
            "before" => words(found.before),
            label => Some(
                found.labels.iter().find(|(n, _)| n == label).map_or_else(|| "it".into(), |(_, v)| v.clone()),
            ),
        }
    }
}

fn number_of(name: &str, value: f64) -> String {
    match name {
        "history.held_h" | "history.last_h" => in_words(value * 3600.0, "s"),
        "changes.deploy_min" => in_words(value.abs() * 60.0, "s"),
        "moved.lead_s" => in_words(value, "s"),
        _ => in_words(value, ""),
    }
}

#[cfg(test)]
mod tests;
