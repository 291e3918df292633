//! From a symptom to where it may begin: the excess of the symptom's service is followed down the calls, to the callee that
//! has most of it, as long as one has. Excess is how much worse, times how much is asked: a second more in one call of a
//! thousand is no second. It must never follow a call that nobody saw, nor go in a circle.

use super::kind::{Says, is_better_high, says};
use super::{SeriesSignal, Signals, Symptom};
use foldhash::{HashMap, HashMapExt};

/// The part of the excess that a callee has to have.
const SHARE_MIN: f64 = 0.5;
/// How far the callee has to stand out by itself.
const SCORE_MIN: f64 = 2.0;
/// Steps down.
const STEPS_MAX: usize = 32;

/// Where the walk led.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Walk {
    /// From the symptom's service down.
    pub path: Vec<String>,
    /// The excess of each service that is not its callees', as a part of the symptom's (of the largest, if that does not show);
    /// at most 1.
    pub own: HashMap<String, f64>,
    /// Whether the symptom itself shows in the window.
    pub is_seen: bool,
}

/// Walks. `None` without a symptom.
pub fn walk(signals: &Signals) -> Option<Walk> {
    let symptom = signals.symptom.as_ref()?;
    let mut excess = HashMap::new();
    let mut scores: HashMap<&str, f64> = HashMap::new();
    let asked = requests(signals);
    for s in &signals.series {
        let service = s.place.entity.name.as_str();
        if s.labels.name() != symptom.metric || s.place.caller.is_some() {
            continue;
        }
        let score = s.moved.as_ref().map_or(0.0, |m| m.score);
        let entry = scores.entry(service).or_default();
        *entry = entry.max(score);
        if is_of(s, symptom) {
            let entry: &mut f64 = excess.entry(service).or_default();
            *entry = entry.max(excess_of(s, asked.get(service).copied()));
        }
    }
    let excess_at = |service: &str| excess.get(service).copied().unwrap_or(0.0);
    let mut path = vec![symptom.service.clone()];
    while path.len() < STEPS_MAX {
        let here = path.last().map_or("", String::as_str);
        let of_here = excess_at(here);
        let candidates = signals.callees(here).filter(|c| !path.iter().any(|p| p == c));
        let judged = candidates.map(|callee| {
            // A symptom that does not show cannot be shared out: whatever shows below is a lead.
            let share = if of_here > 0.0 {
                (excess_at(callee) / of_here).min(1.0)
            } else {
                f64::from(u8::from(excess_at(callee) > 0.0))
            };
            let score = scores.get(callee).copied().unwrap_or(0.0);
            (share * score.ln_1p(), share, score, callee)
        });
        let best = judged.filter(|(_, share, score, _)| *share >= SHARE_MIN && *score >= SCORE_MIN);
        match best.max_by(|a, b| a.0.total_cmp(&b.0).then(b.3.cmp(a.3))) {
            Some((.., callee)) => path.push(callee.to_string()),
            None => break,
        }
    }
    let own = |service: &str| {
        let below: f64 = signals.callees(service).map(excess_at).sum();
        (excess_at(service) - below).max(0.0)
    };
    let most = match excess_at(&symptom.service) {
        seen if seen > 0.0 => seen,
        _ => excess.keys().map(|s| own(s)).fold(0.0, f64::max),
    };
    let part = |service: &str| if most > 0.0 { (own(service) / most).min(1.0) } else { 0.0 };
    let own = excess.keys().map(|s| (s.to_string(), part(s))).collect();
    Some(Walk { is_seen: excess_at(&symptom.service) > 0.0, path, own })
}

/// Whether a series is what the symptom is seen in: its metric, and the labels that were given.
fn is_of(s: &SeriesSignal, symptom: &Symptom) -> bool {
    symptom.labels.iter().all(|(name, value)| s.labels.get(name) == value)
}

/// How much worse, times how much is asked in the window.
fn excess_of(s: &SeriesSignal, asked: Option<f64>) -> f64 {
    let sign = if is_better_high(s.labels.name()) { -1.0 } else { 1.0 };
    let worse = (s.mean.1 - s.mean.0) * sign;
    if worse.is_finite() { worse.max(0.0) * asked.unwrap_or(1.0) } else { 0.0 }
}

/// What is asked of each service in the window, by the first series that says so; those that are named after requests first.
fn requests(signals: &Signals) -> HashMap<&str, f64> {
    let mut asked: HashMap<&str, (bool, f64)> = HashMap::new();
    for s in &signals.series {
        let name = s.labels.name();
        if s.place.caller.is_some() || says(name) != Says::Traffic || !s.mean.1.is_finite() {
            continue;
        }
        let is_named = name.contains("request") || name.contains("calls");
        let entry = asked.entry(s.place.entity.name.as_str()).or_insert((is_named, s.mean.1));
        if is_named && !entry.0 {
            *entry = (true, s.mean.1);
        }
    }
    asked.into_iter().map(|(service, (_, n))| (service, n.max(0.0))).collect()
}
