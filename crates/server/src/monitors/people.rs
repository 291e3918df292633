//! Who takes care of what, and who is on call: acknowledgements and overrides of rotas, each in the audit before it is
//! done and on disk before it is said to be done. It must never show how somebody is reached.

use super::keep::{read_json, replace};
use super::{Monitors, lock, own};
use crate::clock::now_ms;
use model::{Labels, Matcher};
use monitor::ledger::Event;
use monitor::notify::ack::Ack;
use monitor::notify::fingerprint;
use monitor::notify::rota::{OVERRIDES_MAX, Override, Rota, Shift, instant_ms, wall_time, wall_words};
use serde_json::{Value as Json, json};
use std::path::Path;
use stdx::{Error, ErrorKind, Result};
use store::audit::{Audit, Who};

const OVERRIDES: &str = "oncall.json";
/// How long an override is kept after its end.
const KEPT_MS: i64 = 31 * 86_400_000;
/// The longest override.
const LENGTH_MS_MAX: i64 = 92 * 86_400_000;

/// Which alerts somebody means.
pub struct Meant {
    /// Fingerprints; empty: whatever matches.
    pub prints: Vec<u64>,
    /// All have to match.
    pub matchers: Vec<Matcher>,
}

impl Meant {
    /// Reads a request: `fingerprints`, `matchers`, or both.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn from_json(json: &Json) -> std::result::Result<Meant, String> {
        let texts = |key: &str| -> std::result::Result<Vec<&str>, String> {
            let list = json[key].as_array().map(Vec::as_slice).unwrap_or_default();
            list.iter().map(|t| t.as_str().ok_or_else(|| format!("{key:?} has to hold texts"))).collect()
        };
        let print = |t: &str| u64::from_str_radix(t, 16).map_err(|_| format!("{t:?} is no fingerprint"));
        let prints =
            texts("fingerprints")?.into_iter().map(print).collect::<std::result::Result<Vec<_>, _>>()?;
        let matchers = texts("matchers")?.into_iter().map(monitor::notify::matchers::parse_many);
        let matchers: Vec<Matcher> = matchers.collect::<std::result::Result<Vec<_>, _>>()?.concat();
        if prints.is_empty() && matchers.iter().all(Matcher::matches_empty) {
            return Err(
                "say which alerts: \"fingerprints\", or \"matchers\" that do not match everything".into()
            );
        }
        Ok(Meant { prints, matchers })
    }

    fn has(&self, labels: &Labels) -> bool {
        (self.prints.is_empty() || self.prints.contains(&fingerprint(labels)))
            && Matcher::all(&self.matchers, labels)
    }
}

/// Notes that somebody takes care of alerts, or that nobody does any more; returns how many it concerned.
///
/// # Errors
/// `NotFound` if nothing of that kind fires; `Unavailable` if it or the audit cannot be written.
pub fn acknowledge(monitors: &Monitors, meant: &Meant, who: &Who, is_end: bool) -> Result<usize> {
    if who.user.trim().is_empty() {
        return Err(Error::invalid("\"user\" is missing: others want to know who takes care of it"));
    }
    let _one = lock(&own::CHANGES);
    let now_ms = now_ms();
    // Labels, and where each is looked at.
    let (labels, urls): (Vec<Labels>, Vec<String>) = {
        let notify = monitors.notify();
        let firing = notify.notifier.alerts(now_ms).into_iter().map(|(a, _)| a);
        let meant = firing.filter(|a| !a.is_resolved(now_ms) && meant.has(&a.labels));
        meant.map(|a| (a.labels.clone(), a.url.clone())).unzip()
    };
    if labels.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, "nothing of that kind fires"));
    }
    let names: Vec<String> = labels.iter().take(100).map(ToString::to_string).collect();
    let what = if is_end { "acknowledgement_ended" } else { "acknowledged" };
    let details = json!({ "alerts": names, "count": labels.len() });
    Audit::open(monitors.store.folder())?.note(now_ms, what, who, details)?;
    let mut notify = monitors.notify();
    let lines: Vec<String> = if is_end {
        let ended = notify.notifier.unacknowledge(|l| labels.contains(l));
        ended.iter().map(Ack::end_line).collect()
    } else {
        let acks = notify.notifier.acknowledge(|l| labels.contains(l), &who.user, &who.reason, now_ms);
        acks.iter().map(Ack::to_line).collect()
    };
    let count = lines.len();
    notify.append(&lines).map_err(|e| {
        Error::wrap(ErrorKind::Unavailable, "it holds until a restart: it cannot be written", e)
    })?;
    drop(notify);
    // To take care of it is to act on it. Saying so again is not another deed.
    if !is_end && count > 0 {
        monitors.book_alerts(&urls, Event::Acted, now_ms);
    }
    monitors.wake();
    Ok(count)
}

/// Who takes care of an alert, as JSON; null if nobody does.
pub fn ack_json(ack: Option<&Ack>) -> Json {
    ack.map_or(Json::Null, |a| json!({ "author": a.author, "note": a.note, "at_ms": a.at_ms }))
}

/// The overrides that were kept.
pub fn read_overrides(folder: &Path) -> Vec<Override> {
    let json = read_json(&folder.join(OVERRIDES));
    let list = json["overrides"].as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |o: &Json| {
        let text = |key: &str| o[key].as_str().map(str::to_string);
        let (id, rota, person) = (text("id")?, text("rota")?, text("person")?);
        Some(Override { id, rota, person, from_ms: o["from_ms"].as_i64()?, to_ms: o["to_ms"].as_i64()? })
    };
    list.iter().filter_map(one).collect()
}

fn override_json(o: &Override) -> Json {
    json!({ "id": o.id, "rota": o.rota, "person": o.person, "from_ms": o.from_ms, "to_ms": o.to_ms })
}

/// Has somebody stand in; times are on the rota's clock (`2026-11-24 09:00`) or milliseconds since 1970. Returns its id.
///
/// # Errors
/// `NotFound` for a rota or person that is not there; `Invalid` for times; `Unavailable`.
pub fn stand_in(monitors: &Monitors, json: &Json, who: &Who) -> Result<String> {
    let _one = lock(&own::CHANGES);
    let config = monitors.notify().notifier.config().clone();
    let text = |key: &str| json[key].as_str().unwrap_or("").trim();
    let rota = match (text("rota"), config.rotas.as_slice()) {
        ("", [only]) => only,
        (name, all) => all.iter().find(|r| r.name == name).ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|r| r.name.as_str()).collect();
            Error::new(
                ErrorKind::NotFound,
                format!("\"rota\": there is none of that name; there are: {}", names.join(", ")),
            )
        })?,
    };
    let Some(person) = config.people.iter().find(|p| p.name == text("person")) else {
        let names: Vec<&str> = config.people.iter().map(|p| p.name.as_str()).collect();
        let text = format!("\"person\": there is nobody of that name; there are: {}", names.join(", "));
        return Err(Error::new(ErrorKind::NotFound, text));
    };
    let now_ms = now_ms();
    let time = |key: &str, default: Option<i64>| -> Result<i64> {
        match (&json[key], default) {
            (Json::Null, Some(ms)) => Ok(ms),
            (Json::Number(n), _) => n.as_i64().ok_or_else(|| Error::invalid(format!("{key:?} is no time"))),
            (other, _) => {
                let wall = wall_time(other.as_str().unwrap_or(""));
                wall.map(|t| instant_ms(t, rota.zone)).map_err(|e| Error::invalid(format!("{key:?}: {e}")))
            }
        }
    };
    let (from_ms, to_ms) = (time("from", Some(now_ms))?, time("to", None)?);
    if to_ms <= from_ms || to_ms <= now_ms || to_ms - from_ms > LENGTH_MS_MAX {
        return Err(Error::invalid("\"to\" has to be later than \"from\" and than now, by at most 92 days"));
    }
    let id = own::new_id(now_ms);
    let new =
        Override { id: id.clone(), rota: rota.name.clone(), person: person.name.clone(), from_ms, to_ms };
    let mut all = monitors.notify().notifier.overrides().to_vec();
    all.retain(|o| now_ms - o.to_ms < KEPT_MS);
    if all.len() >= OVERRIDES_MAX {
        let text = format!("there are {OVERRIDES_MAX} overrides; end some that are not needed");
        return Err(Error::new(ErrorKind::TooLarge, text).bound(crate::limits::OVERRIDES));
    }
    all.push(new.clone());
    keep(monitors, "oncall_override", who, override_json(&new), all)?;
    Ok(id)
}

/// Ends an override now.
///
/// # Errors
/// `NotFound`; `Unavailable`.
pub fn end_stand_in(monitors: &Monitors, id: &str, who: &Who) -> Result<()> {
    let _one = lock(&own::CHANGES);
    let now_ms = now_ms();
    let mut all = monitors.notify().notifier.overrides().to_vec();
    let text = "there is no override with this id; GET /api/v1/oncall lists all";
    let found = all.iter_mut().find(|o| o.id == id).ok_or_else(|| Error::new(ErrorKind::NotFound, text))?;
    found.to_ms = found.to_ms.min(now_ms);
    let details = override_json(found);
    all.retain(|o| o.to_ms > o.from_ms);
    keep(monitors, "oncall_override_ended", who, details, all)
}

fn keep(monitors: &Monitors, what: &str, who: &Who, details: Json, all: Vec<Override>) -> Result<()> {
    Audit::open(monitors.store.folder())?.note(now_ms(), what, who, details)?;
    let list: Vec<Json> = all.iter().map(override_json).collect();
    let text = json!({ "format": 1, "overrides": list }).to_string();
    replace(&monitors.folder().join(OVERRIDES), text.as_bytes())
        .map_err(|e| Error::wrap(ErrorKind::Unavailable, "overrides cannot be written", e))?;
    monitors.notify().notifier.set_overrides(all);
    monitors.wake();
    Ok(())
}

/// Rotas: who is on call now, who is next, and what is coming for so many days.
pub fn on_call(monitors: &Monitors, now_ms: i64, ahead_ms: i64) -> Json {
    let (config, overrides) = {
        let notify = monitors.notify();
        (notify.notifier.config().clone(), notify.notifier.overrides().to_vec())
    };
    let rotas: Vec<Json> = config.rotas.iter().map(|r| rota_json(r, &overrides, now_ms, ahead_ms)).collect();
    let people: Vec<&str> = config.people.iter().map(|p| p.name.as_str()).collect();
    let escalations: Vec<Json> = config
        .escalations
        .iter()
        .map(|e| {
            let steps = e.steps.iter().map(|s| json!({ "after_ms": s.after_ms, "receivers": s.receivers }));
            json!({ "name": e.name, "steps": steps.collect::<Vec<_>>(), "repeat": e.repeat })
        })
        .collect();
    json!({ "now_ms": now_ms, "rotas": rotas, "people": people, "escalations": escalations })
}

fn rota_json(rota: &Rota, overrides: &[Override], now_ms: i64, ahead_ms: i64) -> Json {
    let shifts = rota.shifts(now_ms, now_ms + ahead_ms, overrides);
    let words = |ms: i64| wall_words(ms, rota.zone);
    let one = |s: &Shift| {
        json!({
            "person": s.person,
            "from_ms": s.from_ms,
            "to_ms": s.to_ms,
            "from": words(s.from_ms),
            "to": words(s.to_ms),
        })
    };
    let own = overrides.iter().filter(|o| o.rota == rota.name && o.to_ms > now_ms);
    json!({
        "name": rota.name,
        "time_zone": rota.zone.name(),
        "now": rota.at(now_ms, overrides),
        "told_now": rota.told(now_ms, overrides),
        "until": shifts.first().map(|s| words(s.to_ms)),
        "next": shifts.get(1).and_then(|s| s.person.clone()),
        "people": rota.people(),
        "shifts": shifts.iter().map(one).collect::<Vec<_>>(),
        "overrides": own.map(override_json).collect::<Vec<_>>(),
    })
}
