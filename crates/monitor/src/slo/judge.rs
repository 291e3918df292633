//! How an objective is, from what was counted: its budget, how fast it burns, whether somebody is to be told. Too little traffic,
//! no data and "cannot be evaluated" are answers of their own. It must never call fine what was not measured.

use super::{HOUR_MS, History, Pair, Slo, Sum};

/// How an objective is.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It was not looked at yet.
    Unknown,
    /// Measured, and within what is allowed.
    Fine,
    /// The budget of the window is spent; it does not burn fast now.
    Spent,
    /// It burns faster than a ticket allows.
    BurnsSlowly,
    /// It burns so fast that somebody is woken.
    BurnsFast,
    /// There is too little traffic to judge how it is now.
    TooLittle,
    /// Nothing that it counts has a sample now.
    NoData,
    /// What it counts cannot be evaluated.
    CannotJudge(String),
}

impl State {
    /// For the API and pages.
    pub fn as_str(&self) -> &'static str {
        match self {
            State::Unknown => "unknown",
            State::Fine => "fine",
            State::Spent => "spent",
            State::BurnsSlowly => "burns_slowly",
            State::BurnsFast => "burns_fast",
            State::TooLittle => "too_little",
            State::NoData => "no_data",
            State::CannotJudge(_) => "cannot_judge",
        }
    }

    /// For people.
    pub fn words(&self) -> &'static str {
        match self {
            State::Unknown => "not judged yet",
            State::Fine => "fine",
            State::Spent => "budget spent",
            State::BurnsSlowly => "burns slowly",
            State::BurnsFast => "burns fast",
            State::TooLittle => "too little traffic to judge",
            State::NoData => "no data",
            State::CannotJudge(_) => "cannot be judged",
        }
    }
}

/// How fast the budget burns over a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burn {
    /// The time, milliseconds back from now.
    pub window_ms: i64,
    /// What happened in it.
    pub sum: Sum,
    /// How many times faster than allowed; `None` without events.
    pub rate: Option<f64>,
}

/// What is left of what may go wrong in the window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Where the window begins.
    pub from_ms: i64,
    /// What happened in it.
    pub sum: Sum,
    /// How many events might have been bad, of those that happened.
    pub allowed: f64,
    /// The share that is left, at most 1; below 0 if more was spent. `None` without events.
    pub left: Option<f64>,
    /// For which share of the window there was data.
    pub measured: f64,
    /// For which share of it nobody has looked yet.
    pub unread: f64,
}

/// How one alert is.
#[derive(Clone, Debug, PartialEq)]
pub struct PairVerdict {
    /// Which.
    pub pair: Pair,
    /// Over the long time.
    pub long: Burn,
    /// Over the short one.
    pub short: Burn,
    /// Both burn too fast, and enough went wrong.
    pub fires: bool,
    /// Both burn too fast, but too little went wrong to wake anybody.
    pub is_held_back: bool,
}

/// How an objective is, with all that it follows from.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// In one word.
    pub state: State,
    /// Of the window.
    pub budget: Budget,
    /// As the objective has its alerts.
    pub pairs: Vec<PairVerdict>,
    /// Over each time that an alert looks at, shortest first.
    pub burns: Vec<Burn>,
    /// At the pace of the last hour, until the budget is spent; `None` if it does not burn or is spent.
    pub lasts_ms: Option<i64>,
}

/// The burn over the time before `now_ms`.
pub fn burn(slo: &Slo, history: &History, now_ms: i64, window_ms: i64) -> Burn {
    let sum = history.sum(now_ms - window_ms, now_ms);
    let rate = (sum.total > 0.0).then(|| sum.bad() / sum.total / slo.allowed());
    Burn { window_ms, sum, rate }
}

/// Judges an objective. `error` is why it could not be counted the last time.
pub fn judge(slo: &Slo, history: &History, now_ms: i64, error: Option<&str>) -> Verdict {
    // What was counted ends a little before now.
    let until_ms = history.until_ms().map_or(now_ms, |t| t.min(now_ms));
    let burns: Vec<Burn> = slo.windows().into_iter().map(|w| burn(slo, history, until_ms, w)).collect();
    let over = |window_ms: i64| {
        let known = burns.iter().find(|b| b.window_ms == window_ms).copied();
        known.unwrap_or_else(|| burn(slo, history, until_ms, window_ms))
    };
    let pairs: Vec<PairVerdict> = slo
        .pairs
        .iter()
        .map(|pair| {
            let (long, short) = (over(pair.long_ms), over(pair.short_ms));
            let is_fast = [long, short].iter().all(|b| b.rate.is_some_and(|r| r > pair.factor));
            let is_enough = long.sum.bad() >= slo.enough;
            let (fires, is_held_back) = (is_fast && is_enough, is_fast && !is_enough);
            PairVerdict { pair: pair.clone(), long, short, fires, is_held_back }
        })
        .collect();
    let budget = budget(slo, history, until_ms);
    let hour = over(HOUR_MS);
    let state = match error {
        _ if history.until_ms().is_none() && error.is_none() => State::Unknown,
        Some(why) => State::CannotJudge(why.to_string()),
        None if history.sum(until_ms - 300_000, until_ms).known_ms == 0.0 => State::NoData,
        None if pairs.iter().any(|p| p.fires && p.pair.is_page()) => State::BurnsFast,
        None if budget.left.is_some_and(|left| left <= 0.0) && budget.sum.bad() >= slo.enough => State::Spent,
        None if pairs.iter().any(|p| p.fires) => State::BurnsSlowly,
        None if pairs.iter().any(|p| p.is_held_back) || hour.sum.total < slo.enough => State::TooLittle,
        None => State::Fine,
    };
    let lasts_ms = match (budget.left, hour.rate) {
        (Some(left), Some(rate)) if left > 0.0 && rate > 0.0 => {
            let ms = left * slo.window.length(now_ms) as f64 / rate;
            (ms < 1e13).then_some(ms as i64)
        }
        _ => None,
    };
    Verdict { state, budget, pairs, burns, lasts_ms }
}

fn budget(slo: &Slo, history: &History, until_ms: i64) -> Budget {
    let from_ms = slo.window.start(until_ms);
    let sum = history.sum(from_ms, until_ms);
    let allowed = sum.total * slo.allowed();
    let left = (sum.total > 0.0).then(|| 1.0 - sum.bad() / allowed);
    let length_ms = (until_ms - from_ms).max(1) as f64;
    Budget {
        from_ms,
        sum,
        allowed,
        left,
        measured: (sum.known_ms / length_ms).min(1.0),
        unread: (history.unread_ms(from_ms) as f64 / length_ms).min(1.0),
    }
}
