//! Incidents in the ledger: a change of kind `incident` counts for the monitors that whoever records it names, or else for those of
//! its service that were red when it began. Which were counted stands in the record itself, so that later words on it count nobody
//! twice. It must never call anything an incident by itself.

use super::Monitors;
use crate::app::App;
use crate::changes::{self, Asked};
use crate::clock::now_ms;
use crate::gate::Stop;
use look::changes::INCIDENT;
use model::Change;
use monitor::ledger::incidents::{Incident, red_at, unseen};
use monitor::ledger::{DAYS_MAX, Event};
use serde_json::{Value as Json, json};
use stdx::{Error, ErrorKind, Result};

/// The attribute in which somebody names monitors, by name or id, with commas between them.
pub const NAMED: &str = "monitor";
/// The attribute that says for which monitors an incident was counted. Only this program writes it.
pub const COUNTED: &str = "monitor_ids";
/// Monitors of one incident.
const MONITORS_MAX: usize = 100;
/// Incidents that are told.
const TOLD_MAX: usize = 50;

fn ids(change: &Change) -> impl Iterator<Item = &str> {
    change.attributes.get(COUNTED).unwrap_or_default().split(',').filter(|id| !id.is_empty())
}

impl Monitors {
    /// Finds out for which monitors an incident has to be counted that it was not counted for yet, and writes them into it. Nothing
    /// if it is another kind of change.
    ///
    /// # Errors
    /// `NotFound` if a monitor is named that is not there; `TooLarge` if too many are.
    pub fn attribute_incident(&self, change: &mut Change, known: Option<&Change>) -> Result<Vec<String>> {
        let was_incident = known.is_some_and(|k| k.kind == INCIDENT);
        if change.kind != INCIDENT && !(change.kind.is_empty() && was_incident) {
            return Ok(Vec::new());
        }
        let said = |own: &str, known: Option<&str>| match own {
            "" => known.unwrap_or_default().to_string(),
            own => own.to_string(),
        };
        let named = change.attributes.get(NAMED).unwrap_or_default().to_string();
        let found = if !named.trim().is_empty() {
            let (ids, service) = self.monitors_named(&named)?;
            if said(&change.service, known.map(|k| k.service.as_str())).is_empty() {
                change.service = service;
            }
            ids
        } else if was_incident {
            Vec::new()
        } else {
            let service = said(&change.service, known.map(|k| k.service.as_str()));
            self.with_book(|book| red_at(&book.ledger, &service, change.time_ns / 1_000_000))
        };
        let before: Vec<String> = known.iter().flat_map(|k| ids(k)).map(String::from).collect();
        let new: Vec<String> = found.into_iter().filter(|id| !before.contains(id)).collect();
        let all = [before, new.clone()].concat();
        if all.len() > MONITORS_MAX {
            let text =
                format!("{} monitors are too many for one incident; name at most {MONITORS_MAX}", all.len());
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        if !new.is_empty() {
            change.attributes.set(COUNTED, &all.join(","));
        }
        Ok(new)
    }

    /// Ids of the monitors that are meant by names or ids, and the service of the first that has one.
    fn monitors_named(&self, named: &str) -> Result<(Vec<String>, String)> {
        let (mut ids, mut service) = (Vec::new(), String::new());
        let groups = self.groups();
        for word in named.split(',').map(str::trim).filter(|w| !w.is_empty()) {
            let before = ids.len();
            for (rule, parsed) in groups.iter().flat_map(|g| g.group.rules.iter().zip(&g.parsed)) {
                if rule.alerting().is_none() || (parsed.id != word && rule.name != word) {
                    continue;
                }
                if !ids.contains(&parsed.id) {
                    ids.push(parsed.id.clone());
                }
                if service.is_empty() && !rule.label("service").contains("{{") {
                    service = rule.label("service").to_string();
                }
            }
            if ids.len() == before && !ids.iter().any(|id| id == word) {
                let text = format!("there is no monitor {word:.80?}; GET /api/v1/monitors lists all");
                return Err(Error::new(ErrorKind::NotFound, text));
            }
        }
        Ok((ids, service))
    }

    /// Counts an incident for monitors: on the day when it began, not on the one when it was written down.
    pub fn book_incident(&self, ids: &[String], at_ms: i64) {
        let now_ms = now_ms();
        if ids.is_empty() || at_ms < now_ms - DAYS_MAX * 86_400_000 {
            return;
        }
        ids.iter().for_each(|id| self.book_note(id, Event::Incident, at_ms.min(now_ms)));
        self.save_book(now_ms, true);
    }

    /// Monitors by id, with their names.
    pub fn names_of(&self, ids: &[String]) -> Vec<Json> {
        let name = |id: &String| self.name_of_monitor(id).unwrap_or_else(|_| id.clone());
        ids.iter().map(|id| json!({ "id": id, "name": name(id) })).collect()
    }
}

/// Incidents of the `range_ms` before `now_ms`: how many there were, and those that no monitor saw, the newest first.
///
/// # Errors
/// `Cancelled` if it takes too long.
pub fn told(app: &App, now_ms: i64, range_ms: i64, stop: &Stop) -> Result<(usize, Vec<Json>)> {
    let ns = |ms: i64| ms.saturating_mul(1_000_000);
    let asked =
        Asked { range_ns: (ns(now_ms - range_ms), ns(now_ms)), kind: INCIDENT.into(), ..Asked::default() };
    let (all, _, _) = changes::list(app, &asked, stop)?;
    let incidents: Vec<Incident> = all
        .into_iter()
        .map(|c| Incident {
            monitors: ids(&c).map(String::from).collect(),
            at_ms: c.time_ns / 1_000_000,
            id: c.id,
            title: c.title,
            service: c.service,
        })
        .collect();
    let count = incidents.len();
    let found = app.monitors.with_book(|book| unseen(&book.ledger, incidents, now_ms));
    let one = |i: Incident| json!({ "id": i.id, "at_ms": i.at_ms, "title": i.title, "service": i.service });
    Ok((count, found.into_iter().take(TOLD_MAX).map(one).collect()))
}
