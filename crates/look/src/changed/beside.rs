//! One series against the same series of other hosts, in the same window: what stands out beside its peers, whatever it did
//! before. It must never judge where there are too few peers to say which of them is the odd one.

use super::numbers::{Numbers, sorted_sample};
use super::{Ask, FLOOR, How, Moved, SCORE_MAX, SCORE_MIN, onset, span, values};
use model::Labels;

/// Peers that are needed beside a series: of two that differ nobody knows which is odd.
pub const PEERS_MIN: usize = 2;
/// Peers that a series is compared with, those that come after it.
const PEERS_MAX: usize = 16;
/// Values of one peer, evenly taken.
const OF_ONE_MAX: usize = 128;
/// Labels that only say which member of its kind a series is of.
const MEMBER: &[&str] = &[
    "instance",
    "host",
    "hostname",
    "host_name",
    "node",
    "nodename",
    "pod",
    "container_id",
    "service_instance_id",
    "pid",
];

/// What series of the same kind have in common: all labels that do not say which member it is. `None`: nothing says so.
pub fn kind_of(labels: &Labels) -> Option<String> {
    let mut key = String::new();
    let mut is_member = false;
    for (name, value) in labels.iter() {
        if MEMBER.contains(&name) {
            is_member |= !value.is_empty();
            continue;
        }
        for text in [name, value] {
            key.push_str(text);
            key.push('\u{1f}');
        }
    }
    is_member.then_some(key)
}

/// Times and values of one of them; for what counts up its rates.
#[derive(Clone, Debug, Default)]
pub struct Line {
    times: Vec<i64>,
    values: Vec<f64>,
    /// Some of its values within the window.
    sample: Vec<f64>,
}

impl Line {
    /// Of samples in order of time.
    pub fn of(ask: &Ask, times: &[i64], values: &[f64], cumulative: bool) -> Line {
        let mut line = Line::default();
        values::prepare(times, values, cumulative, &mut line.times, &mut line.values);
        let (from, to) = span(&line.times, ask.window);
        let stride = (to - from).div_ceil(OF_ONE_MAX).max(1);
        line.sample.extend(line.values[from..to].iter().step_by(stride));
        line
    }
}

/// How one of several lines differs from the others in the window; `None`: not in a way worth telling.
pub fn beside(ask: &Ask, lines: &[Line], index: usize) -> Option<Moved> {
    let own = &lines[index];
    let (from, to) = span(&own.times, ask.window);
    let after = Numbers::of(&own.values[from..to]);
    let others = (1..lines.len()).map(|n| &lines[(index + n) % lines.len()]).filter(|l| !l.sample.is_empty());
    let others: Vec<&Line> = others.take(PEERS_MAX).collect();
    if from == to || others.len() < PEERS_MIN {
        return None;
    }
    let pool: Vec<f64> = others.iter().flat_map(|l| &l.sample).copied().collect();
    let before = Numbers::of(&pool);
    let [low, middle, high] = sorted_sample(&pool, &mut Vec::new());
    // The level of each peer counts as one: many values of few peers say little about how far peers are apart.
    let levels: Vec<f64> = others.iter().map(|l| Numbers::of(&l.sample).mean).collect();
    let between = Numbers::of(&levels).deviation;
    let within = 0.5 * before.deviation + 0.5 * (high - low) / 1.349;
    let spread = within.max(between) + FLOOR * middle.abs();
    let believed = others.len() as f64 / (others.len() as f64 + 1.0);
    let score = (after.mean - before.mean).abs() / spread.max(f64::MIN_POSITIVE) * believed;
    if after.mean == before.mean || score.is_nan() || score < SCORE_MIN {
        return None;
    }
    let how = if after.mean > before.mean { How::Higher } else { How::Lower };
    Some(Moved {
        score: score.min(SCORE_MAX),
        how,
        onset_ms: onset::of(how, &own.times, &own.values, ask.window, &before, spread),
        before: before.mean,
        after: after.mean,
        picture: values::picture(&own.times, &own.values, ask.window),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changed::sentence;

    fn lines(levels: &[f64]) -> (Ask, Vec<Line>) {
        let ask = Ask { window: (60_000, 120_000), baselines: vec![] };
        let times: Vec<i64> = (0..=120).map(|i| i * 1000).collect();
        let one = |(n, level): (usize, &f64)| {
            let wave = |i: i64| ((i * 31 + n as i64 * 17) % 7) as f64 * 0.1;
            let values: Vec<f64> = times.iter().map(|t| level + wave(t / 1000)).collect();
            Line::of(&ask, &times, &values, false)
        };
        let lines = levels.iter().enumerate().map(one).collect();
        (ask, lines)
    }

    #[test]
    fn the_odd_one_is_told_and_no_other() {
        for (levels, odd) in [
            (&[5.0, 5.0, 9.0, 5.0][..], Some((2, How::Higher))),
            (&[5.0, 5.1, 4.9, 0.0], Some((3, How::Lower))),
            (&[5.0, 5.1, 4.9, 5.2], None),
            // Which of two is odd nobody knows.
            (&[5.0, 9.0], None),
            (&[5.0], None),
        ] {
            let (ask, lines) = lines(levels);
            let found: Vec<_> =
                (0..lines.len()).filter_map(|i| Some((i, beside(&ask, &lines, i)?))).collect();
            let first = found.iter().max_by(|a, b| a.1.score.total_cmp(&b.1.score));
            assert_eq!(first.map(|(i, m)| (*i, m.how)), odd, "{levels:?}: {found:?}");
        }
    }

    #[test]
    fn it_is_said_in_words_that_fit() {
        let (ask, lines) = lines(&[5.0, 5.0, 9.0, 5.0]);
        let moved = beside(&ask, &lines, 2).unwrap();
        assert_eq!(sentence(&moved, ""), "is higher than its peers: 9.3, theirs 5.3");
    }

    #[test]
    fn one_kind_is_what_differs_by_member_alone() {
        let of = |pairs: &[(&str, &str)]| kind_of(&Labels::from_pairs(pairs.iter().copied()).unwrap());
        let a = of(&[("__name__", "up"), ("job", "api"), ("instance", "a:1")]);
        assert_eq!(a, of(&[("__name__", "up"), ("job", "api"), ("instance", "b:1")]));
        assert_ne!(a, of(&[("__name__", "up"), ("job", "web"), ("instance", "b:1")]));
        assert_eq!(of(&[("__name__", "up"), ("job", "api")]), None);
    }
}
