//! Who is to be told of a group: the targets of its route's receiver, of the people on call, and of the steps of an
//! escalation that are due. It must never forget who was told of a begin: they hear of the end.

use super::{Notifier, Route};
use crate::notify::config::{Config, Receiver, Target, TargetKind};
use crate::notify::escalate::Progress;

/// A target, and how it stands to the group.
#[derive(Clone, Debug)]
pub(super) struct Listener<'c> {
    /// `receiver/place`.
    pub name: String,
    pub receiver: &'c str,
    pub target: &'c Target,
    pub standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Standing {
    /// It is told of everything.
    Member,
    /// A step of an escalation told or tells it; it is to be told again if it was told before this time.
    Step { number: usize, due_ms: i64 },
    /// It was told before and is not concerned any more: it hears of ends.
    Former,
}

impl Notifier {
    /// Everybody who is to be told of a group, each target once.
    pub(super) fn audience<'c>(
        &self,
        config: &'c Config,
        route: &Route,
        group_key: &str,
        progress: Option<Progress>,
        now_ms: i64,
    ) -> Vec<Listener<'c>> {
        let mut all: Vec<Listener<'c>> = Vec::new();
        let escalation = config.escalations.iter().find(|e| Some(&e.name) == route.escalation.as_ref());
        match escalation {
            None => self.add(config, &route.receiver, Standing::Member, now_ms, &mut all),
            Some(escalation) => {
                let progress = progress.filter(|p| !p.is_held);
                for (number, step) in escalation.steps.iter().enumerate() {
                    let Some(due_ms) = progress.and_then(|p| escalation.due_ms(number, p, now_ms)) else {
                        continue;
                    };
                    for receiver in &step.receivers {
                        self.add(config, receiver, Standing::Step { number, due_ms }, now_ms, &mut all);
                    }
                }
            }
        }
        // The others that were told are only looked for where they can be.
        let has_rota = all.iter().any(|l| !l.name.starts_with(&format!("{}/", route.receiver)));
        if escalation.is_some() || has_rota {
            self.add_former(config, group_key, &mut all);
        }
        all
    }

    fn add<'c>(
        &self,
        config: &'c Config,
        name: &str,
        standing: Standing,
        now_ms: i64,
        all: &mut Vec<Listener<'c>>,
    ) {
        let Some(receiver) = config.receivers.iter().find(|r| r.name == name) else { return };
        for (place, target) in receiver.targets.iter().enumerate() {
            if target.kind != TargetKind::OnCall {
                push(receiver, place, target, standing, all);
                continue;
            }
            let rota = config.rotas.iter().find(|r| r.name == target.option("rota"));
            let people = rota.map(|r| r.told(now_ms, &self.overrides)).unwrap_or_default();
            for person in config.people.iter().filter(|p| people.contains(&p.name)) {
                let Some(theirs) = config.receivers.iter().find(|r| r.name == person.receiver) else {
                    continue;
                };
                let own = theirs.targets.iter().enumerate().filter(|(_, t)| t.kind != TargetKind::OnCall);
                own.for_each(|(place, target)| push(theirs, place, target, standing, all));
            }
        }
    }

    fn add_former<'c>(&self, config: &'c Config, group_key: &str, all: &mut Vec<Listener<'c>>) {
        let firing = self.told.iter().filter(|(_, told)| !told.firing.is_empty());
        let names = firing.filter_map(|(key, _)| key.strip_suffix(group_key)?.strip_suffix(' '));
        for name in names {
            let Some((receiver, place)) = name.rsplit_once('/') else { continue };
            let Some(receiver) = config.receivers.iter().find(|r| r.name == receiver) else { continue };
            let Some(place) = place.parse::<usize>().ok() else { continue };
            if let Some(target) = receiver.targets.get(place) {
                push(receiver, place, target, Standing::Former, all);
            }
        }
    }
}

fn push<'c>(
    receiver: &'c Receiver,
    place: usize,
    target: &'c Target,
    standing: Standing,
    all: &mut Vec<Listener<'c>>,
) {
    let name = format!("{}/{place}", receiver.name);
    let Some(known) = all.iter_mut().find(|l| l.name == name) else {
        all.push(Listener { name, receiver: &receiver.name, target, standing });
        return;
    };
    // One that several steps name is told by each.
    if let (Standing::Step { due_ms: known_ms, .. }, Standing::Step { due_ms, .. }) =
        (&mut known.standing, standing)
    {
        *known_ms = due_ms.max(*known_ms);
    }
}
