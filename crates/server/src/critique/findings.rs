//! What rules say of things in a window, for those who look where something is wrong and have no plan yet. Things are found among
//! those that are known by name; one that is not is told nothing of. It must never ask what the critic would not.

use super::facts::Known;
use super::{Question, entities};
use crate::app::App;
use crate::gate::Stop;
use ::query::QueryError;
use critic::finding::{Findings, findings};
use critic::plan::{Asked, Entity, EntityKind, Names};
use look::entity::Kind;
use std::collections::BTreeSet;

/// A window as long as this is looked at in its middle as well, milliseconds: what was so may be over at its end.
const MIDDLE_MS: i64 = 4 * 60_000;

/// A thing that rules are asked about.
pub struct Thing {
    /// What kind of thing.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What it is part of, with its kind (`host vm`), or "".
    pub part_of: String,
}

/// For each thing what rules say of it.
///
/// # Errors
/// `Cancelled` if the time is over before anything was asked.
pub fn findings_of(
    app: &App,
    things: &[Thing],
    (since_ms, at_ms): (i64, i64),
    stop: &Stop,
) -> Result<Vec<Findings>, QueryError> {
    let library = app.critics.shelf.library();
    let adaptations = app.critics.ledger.adaptations();
    let mut out: Vec<Findings> = things.iter().map(|_| Findings::default()).collect();
    let mut instants = vec![at_ms];
    if at_ms - since_ms >= MIDDLE_MS {
        instants.push(since_ms + (at_ms - since_ms) / 2);
    }
    for at_ms in instants {
        let question = Question { asked: Asked::default(), at_ms, since_ms };
        let mut known = Known::new(app, &question, stop.clone())?;
        let names = entities::names(&mut known);
        for (thing, (found, adapted)) in things.iter().zip(&mut out) {
            let Some((entity, part)) = named(thing, &names) else { continue };
            let members = names.all().iter().filter(|e| {
                e.kind == EntityKind::Instance && !e.service.is_empty() && e.service == entity.service
            });
            let whose: BTreeSet<String> = members.map(|e| e.name.clone()).collect();
            let (more, left_out) = findings(entity, &whose, part, &library, &adaptations, &mut known);
            for one in more {
                if !found.iter().any(|f| f.rule == one.rule) {
                    found.push(one);
                }
            }
            for one in left_out {
                if !adapted.contains(&one) {
                    adapted.push(one);
                }
            }
            found.sort_by(|a, b| b.weight.cmp(&a.weight).then_with(|| a.rule.cmp(&b.rule)));
        }
    }
    Ok(out)
}

/// The thing as the critic knows it; a part of a host is the host, of which only what names the part counts.
fn named<'a>(thing: &'a Thing, names: &'a Names) -> Option<(&'a Entity, Option<&'a str>)> {
    let find = |kind: EntityKind, name: &str| {
        // A job of OpenTelemetry is namespace/name; the critic knows it by its name.
        let short = name.rsplit('/').next().unwrap_or(name);
        names.all().iter().find(|e| e.kind == kind && (e.name == name || e.name == short))
    };
    match thing.kind {
        Kind::Service | Kind::Process => find(EntityKind::Service, &thing.name)
            .or_else(|| find(EntityKind::Instance, &thing.name))
            .map(|e| (e, None)),
        Kind::Host => find(EntityKind::Host, &thing.name).map(|e| (e, None)),
        Kind::Cpu | Kind::Memory | Kind::Network => {
            find(EntityKind::Host, thing.part_of.strip_prefix("host ")?).map(|e| (e, None))
        }
        _ => find(EntityKind::Host, thing.part_of.strip_prefix("host ")?)
            .map(|e| (e, Some(thing.name.as_str()))),
    }
}
