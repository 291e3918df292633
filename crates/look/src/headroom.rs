//! Headroom: how far everything that is bounded is from its bound, and when it gets there at the pace of what was seen; with
//! what that pace is not sure of. A table of [`resources`], and a judgement of points in time ([`judge`]). The caller asks for the
//! points. It must never name a time that the points do not bear: then it says that it cannot say.

pub mod resources;
mod trend;
mod words;

pub use resources::{RESOURCES, Resource, Sort};
pub use trend::{Trend, trend};

use std::cmp::Ordering;

/// No time farther ahead is named, in seconds: 30 days.
pub const HORIZON_S: f64 = 30.0 * 86_400.0;
/// Nor one farther ahead than so many times what was seen.
const TIMES_SEEN: f64 = 10.0;
/// Fewer points bear no pace.
pub const POINTS_MIN: usize = 8;

/// One bounded thing, as it was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What of it is used now; for a deadline the seconds that are left, for a group the members that may still fail.
    pub used: f64,
    /// The bound; 0 where there is none to compare with.
    pub limit: f64,
    /// (seconds since 1970, used), in order of time.
    pub points: Vec<(f64, f64)>,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// At its bound, or will be within a day.
    Bad,
    /// Within a week, or nearly used up.
    Look,
    /// Nothing is known of its pace.
    Unknown,
    /// Room enough.
    Fine,
}

impl State {
    /// As in the HTTP API.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Bad => "bad",
            State::Look => "look",
            State::Unknown => "unknown",
            State::Fine => "fine",
        }
    }
}

/// The judgement of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Headroom {
    /// The share of the bound that is used, 0 to 1; NaN where there is none.
    pub share: f64,
    /// The earliest that the bound is reached, in seconds from now, if that can be said.
    pub soonest_s: Option<f64>,
    /// The latest; `None`: never, or beyond what can be said.
    pub latest_s: Option<f64>,
    /// The pace, if there are points enough.
    pub trend: Option<Trend>,
    /// How it is.
    pub state: State,
    /// In a few words: `in 5 to 9 days`, `not within 30 days`, `cannot say`.
    pub says: String,
}

/// Judges one thing.
pub fn judge(sort: Sort, measured: &Measured) -> Headroom {
    match sort {
        Sort::Filling => filling(measured),
        Sort::Deadline => deadline(measured.used),
        Sort::Spare => spare(measured.used),
    }
}

fn new(share: f64, state: State, says: String) -> Headroom {
    Headroom { share, soonest_s: None, latest_s: None, trend: None, state, says }
}

fn deadline(left_s: f64) -> Headroom {
    let (state, says) = match left_s {
        s if !s.is_finite() => (State::Unknown, "cannot say".to_string()),
        s if s <= 0.0 => (State::Bad, format!("ended {} ago", words::about(-s))),
        s => {
            let day = 86_400.0;
            let state = if s < 3.0 * day {
                State::Bad
            } else if s < 14.0 * day {
                State::Look
            } else {
                State::Fine
            };
            (state, format!("in {}", words::about(s)))
        }
    };
    let soonest_s = left_s.is_finite().then_some(left_s.max(0.0));
    Headroom { soonest_s, latest_s: soonest_s, ..new(f64::NAN, state, says) }
}

fn spare(spare: f64) -> Headroom {
    let (state, says) = match spare {
        s if !s.is_finite() => (State::Unknown, "cannot say".into()),
        s if s < 0.0 => (State::Bad, "the majority is lost".into()),
        s if s < 1.0 => (State::Bad, "no member may fail".into()),
        s if s < 2.0 => (State::Fine, "1 member may fail".into()),
        s => (State::Fine, format!("{} members may fail", s.floor())),
    };
    let soonest_s = (state == State::Bad).then_some(0.0);
    Headroom { soonest_s, ..new(f64::NAN, state, says) }
}

fn filling(measured: &Measured) -> Headroom {
    let (used, limit) = (measured.used, measured.limit);
    if !used.is_finite() || !limit.is_finite() || limit <= 0.0 {
        return new(f64::NAN, State::Unknown, "cannot say: its bound is not known".into());
    }
    let share = used / limit;
    if share >= 1.0 {
        return Headroom {
            soonest_s: Some(0.0),
            latest_s: Some(0.0),
            ..new(share, State::Bad, "at its limit".into())
        };
    }
    let nearly = |state: State| {
        if share >= 0.95 {
            State::Bad
        } else if share >= 0.85 {
            State::Look.min(state)
        } else {
            state
        }
    };
    let seen_s = match (measured.points.first(), measured.points.last()) {
        (Some(first), Some(last)) => last.0 - first.0,
        _ => 0.0,
    };
    let Some(trend) = trend(&measured.points).filter(|_| seen_s > 0.0) else {
        return new(share, nearly(State::Unknown), "cannot say: too little is known yet".into());
    };
    let horizon = HORIZON_S.min(TIMES_SEEN * seen_s);
    let room = limit - used;
    let within = |per_s: f64| (per_s > 0.0).then(|| room / per_s).filter(|s| *s <= horizon);
    let (soonest, latest) = (within(trend.high), within(trend.low));
    let says = match (soonest, latest) {
        // What stands still, or empties, and what is too slow to matter.
        (None, _) => format!("not within {}", words::about(horizon)),
        (Some(soonest), Some(latest)) => format!("in {}", words::between(soonest, latest)),
        // It fills, but how fast the slow end is nobody can say.
        (Some(soonest), None) if trend.low > 0.0 => format!("in {} or later", words::about(soonest)),
        (Some(soonest), None) => format!("cannot say; not before {}", words::about(soonest)),
    };
    let state = match soonest {
        Some(s) if s < 86_400.0 && latest.is_some() => State::Bad,
        Some(s) if s < 7.0 * 86_400.0 && trend.low > 0.0 => State::Look,
        Some(_) if trend.low <= 0.0 => State::Unknown,
        _ => State::Fine,
    };
    // A time that may as well be never is no time to sort by.
    let soonest_s = soonest.filter(|_| trend.low > 0.0);
    Headroom { share, soonest_s, latest_s: latest, trend: Some(trend), state: nearly(state), says }
}

/// The soonest first; then the fullest.
pub fn order(a: &Headroom, b: &Headroom) -> Ordering {
    let soon = |h: &Headroom| h.soonest_s.unwrap_or(f64::INFINITY);
    let full = |h: &Headroom| if h.share.is_nan() { -1.0 } else { h.share };
    soon(a).total_cmp(&soon(b)).then_with(|| full(b).total_cmp(&full(a)))
}

#[cfg(test)]
mod tests;
