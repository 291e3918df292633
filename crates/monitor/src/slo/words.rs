//! Objectives in plain words. It must never say more than was measured.

use super::{DAY_MS, HOUR_MS, Op, Sli, Slo, State, Verdict};
use crate::template::significant;

/// A number as short as it can be said: at most three digits behind the point.
pub fn number(value: f64) -> String {
    let rounded = (value * 1000.0).round() / 1000.0;
    if rounded.abs() >= 1e15 { significant(value, 6) } else { format!("{rounded}") }
}

/// A count: whole, with commas.
pub fn count(value: f64) -> String {
    let whole = format!("{:.0}", value.abs().round());
    let mut out = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if value.round() < 0.0 { format!("-{out}") } else { out }
}

/// A share as a percentage that never rounds to what was not reached: 99.996 % is not 100 %.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    let digits = match (100.0 - value).abs() {
        off if off == 0.0 || off >= 10.0 => 0,
        off if off >= 1.0 => 1,
        off if off >= 0.1 => 2,
        off if off >= 0.01 => 3,
        _ => 4,
    };
    let power = 10f64.powi(digits);
    // Towards what is worse.
    let cut = if value < 100.0 { (value * power + 1e-9).floor() / power } else { value };
    let text = format!("{cut:.*}", digits as usize);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} %")
}

/// What is left of a budget: whole per cents, and 0 only for what is spent.
pub fn left(share: f64) -> String {
    match share * 100.0 {
        v if v > 0.0 && v < 1.0 => "less than 1 %".into(),
        v if v < 0.0 => format!("{:.0} % more than all", -v),
        v => format!("{:.0} %", v.floor()),
    }
}

/// A time in the unit that reads best: `30 days`, `6 hours`.
pub fn span(ms: i64) -> String {
    let one = |n: i64, unit: &str| if n == 1 { format!("1 {unit}") } else { format!("{n} {unit}s") };
    match ms {
        ms if ms >= 2 * DAY_MS || (ms >= DAY_MS && ms % DAY_MS == 0) => one(ms / DAY_MS, "day"),
        ms if ms >= 2 * HOUR_MS || (ms >= HOUR_MS && ms % HOUR_MS == 0) => one(ms / HOUR_MS, "hour"),
        ms if ms >= 60_000 => one(ms / 60_000, "minute"),
        ms => one(ms.max(0) / 1000, "second"),
    }
}

/// As in "in the last hour", "in the last 2 hours".
fn last(ms: i64) -> String {
    let text = span(ms);
    text.strip_prefix("1 ").map_or_else(|| text.clone(), str::to_string)
}

/// The promise: `99.9 % of requests are good, over 30 days`.
pub fn promise(slo: &Slo) -> String {
    let objective = number(slo.objective * 100.0);
    let what = match &slo.sli {
        Sli::Ratio { .. } => "requests are good".to_string(),
        Sli::Latency { below, .. } => format!("requests take at most {}", seconds(*below)),
        Sli::Spans { below: None, .. } => "requests succeed".to_string(),
        Sli::Spans { below: Some(below), .. } => format!("requests succeed within {}", seconds(*below)),
        Sli::Threshold { op, limit, .. } => {
            return format!(
                "For {objective} % of the time, over {}, the value is {} {}.",
                slo.window.words(),
                match op {
                    Op::Below => "below",
                    Op::AtMost => "at most",
                    Op::Above => "above",
                    Op::AtLeast => "at least",
                },
                number(*limit)
            );
        }
    };
    format!("{objective} % of {what}, over {}.", slo.window.words())
}

/// Seconds: `300 ms`, `2.1 s`.
pub fn seconds(s: f64) -> String {
    if s.abs() < 1.0 { format!("{} ms", number(s * 1000.0)) } else { format!("{} s", number(s)) }
}

/// How it is, in a sentence or two.
pub fn present(slo: &Slo, verdict: &Verdict) -> String {
    let budget = &verdict.budget;
    let share = (budget.sum.total > 0.0).then(|| budget.sum.good / budget.sum.total);
    let bad = budget.sum.bad();
    let kept = match share {
        Some(share) => format!(
            "{} of {} {} were good in {}: {}.",
            percent(share),
            count(budget.sum.total),
            slo.events(),
            slo.window.words(),
            match budget.left {
                Some(l) if l <= 0.0 =>
                    format!("{} were bad where {} may be", count(bad), count(budget.allowed)),
                Some(l) => format!("{} of the budget is left", left(l)),
                None => "nothing is known of the budget".into(),
            }
        ),
        None => format!("Nothing was counted in {}.", slo.window.words()),
    };
    // What wakes people first, and of that the shortest time: it is nearest to now.
    let fast = verdict.pairs.iter().filter(|p| p.fires).min_by_key(|p| (!p.pair.is_page(), p.pair.long_ms));
    let now = match (&verdict.state, fast) {
        (State::BurnsFast | State::BurnsSlowly, Some(p)) => format!(
            "In the last {} {} of {} {} went wrong, {} times as many as may. ",
            last(p.long.window_ms),
            count(p.long.sum.bad()),
            count(p.long.sum.total),
            slo.events(),
            number((p.long.rate.unwrap_or(0.0) * 10.0).round() / 10.0)
        ),
        (State::Spent, _) => "More went wrong than was allowed. ".into(),
        (State::TooLittle, _) => {
            let held = verdict.pairs.iter().filter(|p| p.is_held_back).map(|p| p.long).next();
            match held {
                Some(b) => format!(
                    "{} of {} {} went wrong in the last {}: too few to judge by, fewer than {}. ",
                    count(b.sum.bad()),
                    count(b.sum.total),
                    slo.events(),
                    last(b.window_ms),
                    count(slo.enough)
                ),
                None => format!(
                    "There were fewer than {} {} in the last hour: too little to judge how it is now. ",
                    count(slo.enough),
                    slo.events()
                ),
            }
        }
        (State::NoData, _) => {
            "Nothing that it counts has had a sample for five minutes: how it is now is not known. ".into()
        }
        (State::CannotJudge(why), _) => format!("It cannot be judged now: {}. ", why.trim_end_matches('.')),
        (State::Unknown, _) => {
            return "It was not looked at yet; the first count comes within seconds.".into();
        }
        _ => String::new(),
    };
    let gap = match () {
        () if budget.unread > 0.01 => " The past is still being counted.".to_string(),
        () if budget.measured < 0.95 => {
            format!(" There was data for {} of that.", span(budget.sum.known_ms as i64))
        }
        () => String::new(),
    };
    format!("{now}{kept}{gap}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_never_say_more_than_is_so() {
        for (share, want) in [
            (1.0, "100 %"),
            (0.99996, "99.996 %"),
            (0.999999, "99.9999 %"),
            (0.9996, "99.96 %"),
            (0.9899, "98.9 %"),
            (0.5, "50 %"),
            (0.0, "0 %"),
        ] {
            assert_eq!(percent(share), want, "{share}");
        }
        for (share, want) in [
            (1.0, "100 %"),
            (0.426, "42 %"),
            (0.004, "less than 1 %"),
            (0.0, "0 %"),
            (-0.5, "50 % more than all"),
        ] {
            assert_eq!(left(share), want, "{share}");
        }
        assert_eq!([count(1234567.0), count(0.4), count(999.0)], ["1,234,567", "0", "999"]);
        assert_eq!(
            [span(30 * DAY_MS), span(HOUR_MS), span(90 * 60_000), span(5_400_000 * 2), span(20_000)],
            ["30 days", "1 hour", "90 minutes", "3 hours", "20 seconds"]
        );
    }
}
