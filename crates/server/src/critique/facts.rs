//! Whom the critic asks: the store, at the time of the plan and before its window; the changes on record; and a comparison of all
//! series in the window. Each is asked once. What cannot be asked is said in words, never taken for nothing.

use super::Question;
use crate::app::App;
use crate::baseline::Against;
use crate::changed;
use crate::changes::{self, Asked};
use crate::gate::Stop;
use crate::sweep::Watch;
use ::query::{QueryError, QueryOptions, Value};
use critic::facts::{Answer, Facts, Happened, Moved, Row, When};
use critic::history::DAYS;
use critic::plan::Plan;
use model::{MatchOp, Matcher};
use serde_json::Value as Json;
use stdx::ErrorKind;
use store::View;

/// Groups of a comparison that are looked at.
const GROUPS_MAX: usize = 40;
/// From this score on, in spreads of its baseline, a group is worth a word against a plan. A quiet machine has many of a few.
const SCORE_MIN: f64 = 15.0;
/// A single series has to stand out farther.
const SCORE_ALONE_MIN: f64 = 50.0;

/// What is known.
pub struct Known<'a> {
    app: &'a App,
    view: View,
    options: QueryOptions,
    at_ms: i64,
    since_ms: i64,
    happened: Result<Vec<Happened>, String>,
    moved: Result<Vec<Moved>, String>,
    stop: Stop,
}

impl<'a> Known<'a> {
    /// Opens a view; reads nothing yet.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn new(app: &'a App, question: &Question, stop: Stop) -> Result<Known<'a>, QueryError> {
        if stop() {
            return Err(stdx::Error::new(ErrorKind::Cancelled, "the time is over").into());
        }
        Ok(Known {
            view: app.store.view(),
            options: crate::api::query_options(app, stop.clone()),
            at_ms: question.at_ms,
            since_ms: question.since_ms,
            happened: Err("changes were not read".into()),
            moved: Err("nothing was compared".into()),
            app,
            stop,
        })
    }

    /// This machine's name.
    pub fn hostname(&self) -> &str {
        &self.app.settings.hostname
    }

    /// Reads the changes, and compares the window with the time before it, if the plan can be helped by that.
    pub fn look_back(&mut self, plan: &Plan) {
        if plan.is_empty() {
            return;
        }
        self.happened = self.read_changes();
        self.moved = self.compare();
    }

    fn read_changes(&self) -> Result<Vec<Happened>, String> {
        let from_ms = self.at_ms - DAYS * 86_400_000;
        let ns = |ms: i64| ms.saturating_mul(1_000_000);
        let asked =
            Asked { range_ns: (ns(from_ms), ns(self.at_ms).saturating_add(999_999)), ..Asked::default() };
        let (all, is_cut, damaged) = changes::list(self.app, &asked, &self.stop)
            .map_err(|e| format!("the changes on record cannot be read: {e}"))?;
        if is_cut || !damaged.is_empty() {
            // A number of times that is too small would be worse than none.
            return Err("not all changes on record can be read".into());
        }
        Ok(all
            .into_iter()
            .filter(|c| c.kind != look::changes::INCIDENT)
            .map(|c| Happened {
                at_ms: c.time_ns / 1_000_000,
                outcome: c.attributes.get("outcome").unwrap_or_default().to_string(),
                id: c.id,
                kind: c.kind,
                title: c.title,
                service: c.service,
                host: c.host,
            })
            .collect())
    }

    fn compare(&self) -> Result<Vec<Moved>, String> {
        // What this program does itself is no trouble of anybody's.
        let matchers = vec![Matcher::new("job", MatchOp::NotEqual, "midwatch").map_err(|e| e.to_string())?];
        let question = changed::Question {
            window: (self.since_ms, self.at_ms),
            against: Against::Before,
            matchers,
            groups_max: GROUPS_MAX,
        };
        let answer = changed::answer(self.app, &question, &Watch::silent(self.stop.clone()))
            .map_err(|e| format!("what moved cannot be compared: {e}"))?;
        let groups = answer["groups"].as_array().cloned().unwrap_or_default();
        let mut moved: Vec<Moved> = groups.iter().filter_map(moved_of).collect();
        moved.sort_by_key(|m| m.onset_ms);
        Ok(moved)
    }
}

/// A group that stands out, as its first member.
fn moved_of(group: &Json) -> Option<Moved> {
    let count = group["count"].as_u64()? as usize;
    let score = group["score"].as_f64()?;
    if score < if count > 1 { SCORE_MIN } else { SCORE_ALONE_MIN } {
        return None;
    }
    let members = group["members"].as_array()?;
    let first = members.first()?;
    let text = |json: &Json| json.as_str().unwrap_or_default().to_string();
    let (entity, parent) = (text(&first["entity"]["title"]), text(&first["entity"]["parent"]));
    let of = [text(&first["title"]), entity, parent.trim_start_matches("host ").to_string()];
    let of: Vec<String> = of.into_iter().filter(|t| !t.is_empty()).collect();
    let labels = ["instance", "job", "service_name", "server", "comm", "cgroup"];
    let mut whose: Vec<String> = members
        .iter()
        .flat_map(|m| labels.iter().map(|l| text(&m["labels"][*l])))
        .filter(|v| !v.is_empty())
        .collect();
    whose.sort();
    whose.dedup();
    Some(Moved {
        title: of.join(" of "),
        sentence: text(&first["sentence"]),
        whose,
        onset_ms: (group["onset"].as_f64()? * 1000.0) as i64,
        count,
    })
}

impl Facts for Known<'_> {
    fn now_ms(&self) -> i64 {
        self.at_ms
    }

    fn since_ms(&self) -> i64 {
        self.since_ms
    }

    fn ask(&mut self, promql: &str, when: When) -> Answer {
        let expr = ::query::parse(promql).map_err(|e| e.to_string())?;
        let at_ms = if when == When::Now { self.at_ms } else { self.since_ms };
        let result = ::query::instant(&self.view, &expr, at_ms, &self.options).map_err(|e| e.to_string())?;
        Ok(match result.value {
            Value::Vector(rows) => rows
                .into_iter()
                .filter_map(|(labels, _, point)| {
                    let value = point.number()?;
                    let pairs = labels.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
                    Some(Row { labels: pairs, value })
                })
                .collect(),
            Value::Scalar(value) => vec![Row { labels: Vec::new(), value }],
            Value::String(_) | Value::Matrix(_) => return Err("the query gives no numbers".into()),
        })
    }

    fn happened(&self) -> Result<&[Happened], String> {
        self.happened.as_deref().map_err(Clone::clone)
    }

    fn moved(&self) -> Result<&[Moved], String> {
        self.moved.as_deref().map_err(Clone::clone)
    }
}
