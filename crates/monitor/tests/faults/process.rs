//! The program as it does it (`server/src/monitors`): evaluates, decides, makes durable, sends, takes outcomes in, and finds
//! everything again after a kill. It can be killed between any two of these steps.

use super::world::{Killed, World};
use monitor::alert::{Around, RuleState};
use monitor::news::About;
use monitor::notify::dispatch::Notifier;
use monitor::notify::outbox::{Outbox, Outcome};
use monitor::notify::{config::Config, frame};
use monitor::steps::Steps;
use monitor::{Group, saved};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

/// Between two evaluations.
pub const INTERVAL_MS: i64 = 20_000;
const ABOUT: About<'static> = About { url: "http://127.0.0.1/m", limit: "> 1" };

/// A request whose outcome comes back at a time.
pub struct Flight {
    pub at_ms: i64,
    pub id: String,
    pub outcome: Outcome,
}

pub struct Process {
    notifier: Notifier,
    outbox: Outbox,
    rules: Vec<RuleState>,
    steps: Steps,
    started_ms: i64,
    is_file_known: bool,
    is_dirty: bool,
    pub flights: Vec<Flight>,
}

impl Process {
    /// Starts with what is on disk.
    pub fn start(world: &World, config: Arc<Config>, group: &Group) -> Process {
        let now_ms = world.wall_ms();
        let (lines, _) = frame::read(&world.disk.outbox);
        let kept = Outbox::replay(lines.iter().map(String::as_str));
        let mut notifier = Notifier::new(Arc::new(Config::default()));
        kept.told.into_iter().for_each(|(key, told)| notifier.remember(key, told, now_ms));
        world.disk.silences.iter().for_each(|s| notifier.silence(s.clone(), now_ms).unwrap());
        notifier.reopen(kept.open, now_ms + config.resolve_timeout_ms, now_ms);
        notifier.configure(config, now_ms);
        let alerts: Json = serde_json::from_str(&world.disk.alerts).unwrap_or(Json::Null);
        let saved_ms = alerts["saved_ms"].as_i64().unwrap_or(now_ms);
        let rules = (0..group.rules.len()).map(|i| {
            let state =
                saved::from_json(&alerts["rules"][group.rule_key(i)], saved_ms, now_ms).unwrap_or_default();
            ABOUT.firing(&state).into_iter().for_each(|a| notifier.put(a, now_ms));
            state
        });
        let rules = rules.collect();
        Process {
            notifier,
            outbox: kept.outbox,
            rules,
            steps: Steps::default(),
            started_ms: world.true_ms,
            is_file_known: false,
            is_dirty: false,
            flights: Vec::new(),
        }
    }

    /// Everything that is to be done now.
    pub fn tick(&mut self, world: &mut World, group: &Group) -> Result<(), Killed> {
        if let Some(by_ms) = self.steps.observe(world.wall_ms(), world.true_ms - self.started_ms) {
            self.rules.iter_mut().for_each(|r| r.shift(by_ms));
            self.notifier.shift(by_ms);
            self.outbox.shift(by_ms);
        }
        let (done, rest) =
            std::mem::take(&mut self.flights).into_iter().partition(|f| f.at_ms <= world.true_ms);
        self.flights = rest;
        let done: Vec<Flight> = done;
        for flight in done {
            world.step()?;
            let lines = self.outbox.settle(&flight.id, flight.outcome, world.wall_ms());
            self.append(world, &lines)?;
        }
        if world.true_ms % INTERVAL_MS == 0 {
            self.evaluate(world, group)?;
        }
        self.tell(world)?;
        if std::mem::take(&mut self.is_dirty) {
            self.save(world, group)?;
        }
        Ok(())
    }

    fn evaluate(&mut self, world: &mut World, group: &Group) -> Result<(), Killed> {
        let around = Around { external_url: "", ask: &|_| Ok(Vec::new()) };
        let at_ms = world.wall_ms();
        for (i, (rule, state)) in group.rules.iter().zip(&mut self.rules).enumerate() {
            world.step()?;
            let changes = state.step(rule, 0, at_ms, world.rows(i), around);
            let (firing, over) = (ABOUT.firing(state), ABOUT.over(state, &changes, at_ms));
            self.is_dirty |= state.take_changed();
            firing.into_iter().chain(over).for_each(|a| self.notifier.put(a, at_ms));
        }
        Ok(())
    }

    fn tell(&mut self, world: &mut World) -> Result<(), Killed> {
        world.silence_sometimes(&mut self.notifier);
        let now_ms = world.wall_ms();
        let decided = self.notifier.step(now_ms);
        decided.notifications.iter().for_each(|n| world.note_decided(n));
        let lines = self.outbox.queue(decided);
        self.append(world, &lines)?;
        for n in self.outbox.take_due(now_ms) {
            world.step()?;
            let flight = world.send(n);
            self.flights.push(flight);
            world.step()?;
        }
        Ok(())
    }

    /// As the file of the outbox is kept: appended to, or written anew and put in its place.
    fn append(&mut self, world: &mut World, lines: &[String]) -> Result<(), Killed> {
        if lines.is_empty() {
            return Ok(());
        }
        world.step()?;
        if world.disk.is_full {
            self.is_file_known = false;
        } else if self.is_file_known && world.disk.outbox.len() < 20_000 {
            world.append(&frame::write(lines))?;
        } else {
            let text = frame::write(&self.outbox.lines(&self.notifier));
            world.step()?;
            world.disk.outbox = text;
            self.is_file_known = true;
        }
        world.step()
    }

    fn save(&mut self, world: &mut World, group: &Group) -> Result<(), Killed> {
        world.step()?;
        if world.disk.is_full {
            self.is_dirty = true;
            return Ok(());
        }
        let rules: Map<String, Json> = (0..self.rules.len())
            .filter_map(|i| Some((group.rule_key(i), saved::to_json(&self.rules[i])?)))
            .collect();
        world.disk.alerts = json!({ "saved_ms": world.wall_ms(), "rules": rules }).to_string();
        Ok(())
    }

    /// Nothing waits, and nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.outbox.waiting().count() == 0 && self.flights.is_empty()
    }
}
