//! The tree of routes: which receivers an alert goes to, and what it is grouped with. Alertmanager's semantics: an alert
//! enters the first branch that matches, and further ones after a branch with `continue`; a node none of whose branches
//! match takes it itself.

use super::times::TimeInterval;
use model::{Labels, Matcher};

/// What alerts are grouped by.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupBy {
    /// Each alert on its own (`...`).
    All,
    /// These labels.
    Names(Vec<String>),
}

/// A node of the tree, with what it has inherited.
#[derive(Clone, Debug)]
pub struct Route {
    /// All have to match.
    pub matchers: Vec<Matcher>,
    /// Name of a receiver.
    pub receiver: String,
    /// What alerts are grouped by.
    pub group_by: GroupBy,
    /// How long a new group waits for more alerts.
    pub group_wait_ms: i64,
    /// How long a group waits until it tells what changed.
    pub group_interval_ms: i64,
    /// How long until it tells the same again.
    pub repeat_interval_ms: i64,
    /// The escalation that is followed instead of telling `receiver` alone.
    pub escalation: Option<String>,
    /// Nobody is told at these times.
    pub mute: Vec<TimeInterval>,
    /// Somebody is told at these times alone; an empty list is always.
    pub active: Vec<TimeInterval>,
    /// Branches after this one are looked at too.
    pub continues: bool,
    /// Branches.
    pub routes: Vec<Route>,
    /// Its place in the tree, from 0 in order of the file.
    pub id: usize,
    /// Its matchers and those above it: the same after other branches were added.
    pub key: String,
}

impl Route {
    /// A tree of one node that tells nobody.
    pub fn silent() -> Route {
        Route {
            matchers: Vec::new(),
            receiver: String::new(),
            group_by: GroupBy::Names(vec!["alertname".into()]),
            group_wait_ms: 30_000,
            group_interval_ms: 300_000,
            repeat_interval_ms: 14_400_000,
            escalation: None,
            mute: Vec::new(),
            active: Vec::new(),
            continues: false,
            routes: Vec::new(),
            id: 0,
            key: "{}".into(),
        }
    }

    /// The nodes that take an alert with these labels.
    pub fn matching(&self, labels: &Labels) -> Vec<&Route> {
        if !Matcher::all(&self.matchers, labels) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for route in &self.routes {
            let inside = route.matching(labels);
            let is_last = !inside.is_empty() && !route.continues;
            found.extend(inside);
            if is_last {
                break;
            }
        }
        if found.is_empty() { vec![self] } else { found }
    }

    /// Whether somebody may be told at that time.
    pub fn is_active(&self, at_ms: i64) -> bool {
        let is_in = |list: &[TimeInterval]| list.iter().any(|t| t.contains(at_ms));
        !is_in(&self.mute) && (self.active.is_empty() || is_in(&self.active))
    }

    /// This node and all below it.
    pub fn all(&self) -> Vec<&Route> {
        std::iter::once(self).chain(self.routes.iter().flat_map(Route::all)).collect()
    }

    /// The labels of the group that an alert belongs to here.
    pub fn group_of(&self, labels: &Labels) -> Labels {
        match &self.group_by {
            GroupBy::All => labels.clone(),
            GroupBy::Names(names) => labels.filtered(|n| names.iter().any(|g| g == n)),
        }
    }
}

/// While an alert fires, others are not told.
#[derive(Clone, Debug)]
pub struct Inhibit {
    /// Which alert silences.
    pub source: Vec<Matcher>,
    /// Which are silenced.
    pub target: Vec<Matcher>,
    /// Labels in which both have to agree.
    pub equal: Vec<String>,
}

impl Inhibit {
    /// Whether `source` silences `target`.
    pub fn applies(&self, source: &Labels, target: &Labels) -> bool {
        // What matches both sides silences others, never itself.
        let is_both = || Matcher::all(&self.source, target) && Matcher::all(&self.target, source);
        Matcher::all(&self.target, target)
            && Matcher::all(&self.source, source)
            && self.equal.iter().all(|n| source.get(n) == target.get(n))
            && source != target
            && !is_both()
    }
}
