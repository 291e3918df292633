//! When which fault begins and ends. It must never know what a fault does.

use crate::{FAULTS, Fault, News, SECOND_NS};

/// A fault for a while.
#[derive(Clone, Copy, Debug)]
pub struct Episode {
    /// Which.
    pub fault: &'static Fault,
    /// When it begins.
    pub start_ns: i64,
    /// When it ends.
    pub end_ns: i64,
}

/// A beginning or an end.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub time_ns: i64,
    pub fault: &'static Fault,
    pub begins: bool,
}

impl Turn {
    /// What a person is told.
    pub fn news(&self, now_ns: i64) -> News {
        let text = if self.begins { self.fault.begins } else { self.fault.ends };
        News {
            time_ns: now_ns,
            text: text.to_string(),
            promql: self.fault.promql,
            look: self.fault.look,
            service: self.fault.service,
            begins: self.begins,
        }
    }
}

/// Beginnings and ends in the order of time.
pub fn turns(episodes: Vec<Episode>) -> Vec<Turn> {
    let mut turns: Vec<Turn> = episodes
        .iter()
        .flat_map(|e| {
            let turn = |time_ns, begins| Turn { time_ns, fault: e.fault, begins };
            [turn(e.start_ns, true), turn(e.end_ns, false)]
        })
        .collect();
    turns.sort_by_key(|t| t.time_ns);
    turns
}

/// One fault after the other from `start_ns` on, each for two minutes with a minute between, for a day. With `only`,
/// always that one.
pub fn endless(start_ns: i64, only: Option<&'static Fault>) -> Vec<Episode> {
    const LASTS_NS: i64 = 120 * SECOND_NS;
    const EVERY_NS: i64 = 180 * SECOND_NS;
    (0..86_400 * SECOND_NS / EVERY_NS)
        .map(|i| {
            let start_ns = start_ns + i * EVERY_NS;
            let fault = only.unwrap_or(&FAULTS[i as usize % FAULTS.len()]);
            Episode { fault, start_ns, end_ns: start_ns + LASTS_NS }
        })
        .collect()
}
