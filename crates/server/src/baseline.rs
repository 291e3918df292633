//! What a window is compared with: given stretches, the last quiet time before it, or the other hosts of the same kind. Reads which
//! alerts fired and what was down, so that trouble is not compared with earlier trouble. It must never choose in silence: what was
//! chosen, and why, is part of the answer.

use crate::app::App;
use look::changed::{Ask, BACK_MS, quiet_before};
use model::{MatchOp, Matcher};
use stdx::{Error, Result};
use store::View;

/// Series of alerts and of `up` that are read.
const SERIES_MAX: usize = 20_000;
/// Their samples.
const SAMPLES_MAX: usize = 20_000_000;
/// Without a sample for so long it is over, milliseconds.
const GAP_MS: i64 = 300_000;
/// What was in trouble for more than this part of the day is how things are there.
const USUAL: f64 = 0.5;

/// What to compare with, as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Against {
    /// The last quiet time before the window.
    Before,
    /// These stretches, milliseconds since 1970, ends included.
    Given(Vec<(i64, i64)>),
    /// In the same window the other hosts of the same kind.
    Peers,
}

/// What it came to.
pub struct Chosen {
    /// The window and its baselines; none for peers.
    pub ask: Ask,
    /// Each series is compared with its peers.
    pub is_peers: bool,
    /// What has to be known of the choice; empty: it is as it was asked for.
    pub note: String,
}

/// When something was wrong.
struct Trouble {
    name: String,
    ranges: Vec<(i64, i64)>,
}

/// Chooses.
///
/// # Errors
/// Those of the store.
pub fn choose(app: &App, window: (i64, i64), against: &Against) -> Result<Chosen> {
    let plain = |ask, is_peers| Chosen { ask, is_peers, note: String::new() };
    match against {
        Against::Given(baselines) => Ok(plain(Ask { window, baselines: baselines.clone() }, false)),
        // A little before the window is read for pictures, and for rates.
        Against::Peers => Ok(plain(Ask { window, baselines: Vec::new() }, true)),
        Against::Before => before(window, &troubles(&app.store.view(), window)?),
    }
}

fn before(window: (i64, i64), troubles: &[Trouble]) -> Result<Chosen> {
    let ranges: Vec<(i64, i64)> = troubles.iter().flat_map(|t| t.ranges.iter().copied()).collect();
    let (ask, earlier) = quiet_before(window, &ranges);
    let (from, to) = Ask::just_before(window).baselines[0];
    let in_the_way = troubles.iter().find(|t| t.ranges.iter().any(|r| r.0 <= to && r.1 >= from));
    let note = match (earlier, in_the_way) {
        (Some(0), _) => String::new(),
        (Some(ms), Some(trouble)) => format!(
            "compared with a time that ends {} earlier: {} within the time just before",
            words(ms),
            trouble.name
        ),
        (Some(ms), None) => format!("compared with a time that ends {} earlier", words(ms)),
        (None, _) => {
            "no quiet time was found within a day before: it is compared with the time just before, in which \
             there was trouble as well; give a baseline of your own"
                .into()
        }
    };
    Ok(Chosen { ask, is_peers: false, note })
}

fn words(ms: i64) -> String {
    match ms / 1000 {
        s if s < 120 => format!("{s} s"),
        s if s < 7_200 => format!("{} min", s / 60),
        s => format!("{} h", s / 3_600),
    }
}

/// Alerts that fired and targets that were down, from a day before the window on.
fn troubles(view: &View, window: (i64, i64)) -> Result<Vec<Trouble>> {
    let back = window.0.saturating_sub(BACK_MS);
    let is = |name: &str, value: &str| {
        Matcher::new(name, MatchOp::Equal, value).map_err(|e| Error::invalid(e.to_string()))
    };
    let alerts = [is(model::NAME, "ALERTS")?, is("alertstate", "firing")?];
    let mut all = Vec::new();
    for (matchers, is_wrong) in
        [(&alerts[..], (|_| true) as fn(f64) -> bool), (&[is(model::NAME, "up")?], |v| v == 0.0)]
    {
        for series in view.pieces(matchers, back, window.0, SERIES_MAX, SAMPLES_MAX)? {
            let (times, values) = series.samples(back, window.0)?;
            let ranges = stretches(&times, &values, is_wrong);
            let wrong_ms: i64 = ranges.iter().map(|r| r.1 - r.0).sum();
            if ranges.is_empty() || wrong_ms as f64 > USUAL * BACK_MS as f64 {
                continue;
            }
            let name = match series.labels.get("alertname") {
                "" => format!("{} did not answer", series.labels.get("instance")),
                alert => format!("{alert} was firing"),
            };
            all.push(Trouble { name, ranges });
        }
    }
    Ok(all)
}

/// From the first to the last sample that is wrong, without long gaps or good samples between.
fn stretches(times: &[i64], values: &[f64], is_wrong: impl Fn(f64) -> bool) -> Vec<(i64, i64)> {
    let mut all: Vec<(i64, i64)> = Vec::new();
    let mut is_open = false;
    for (t, v) in times.iter().zip(values) {
        let wrong = v.is_finite() && is_wrong(*v);
        match all.last_mut() {
            Some(last) if wrong && is_open && t - last.1 <= GAP_MS => last.1 = *t,
            _ if wrong => all.push((*t, *t)),
            _ => {}
        }
        is_open = wrong;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_of_trouble() {
        let times: Vec<i64> = (0..10).map(|i| i * 60_000).collect();
        let values = [1.0, 0.0, 0.0, 1.0, 0.0, f64::NAN, 1.0, 1.0, 0.0, 0.0];
        let minutes = |all: Vec<(i64, i64)>| -> Vec<(i64, i64)> {
            all.into_iter().map(|(a, b)| (a / 60_000, b / 60_000)).collect()
        };
        assert_eq!(minutes(stretches(&times, &values, |v| v == 0.0)), [(1, 2), (4, 4), (8, 9)]);
        // A firing alert has samples only while it fires.
        assert_eq!(minutes(stretches(&[0, 60_000, 900_000], &[1.0; 3], |_| true)), [(0, 1), (15, 15)]);
        assert_eq!(stretches(&[], &[], |_| true), []);
    }

    #[test]
    fn what_was_chosen_is_told() {
        let window = (10_000_000, 10_600_000);
        let trouble = |from, to| vec![Trouble { name: "Slow was firing".into(), ranges: vec![(from, to)] }];
        assert_eq!(before(window, &[]).unwrap().note, "");
        assert_eq!(before(window, &trouble(1_000_000, 2_000_000)).unwrap().note, "");
        assert_eq!(
            before(window, &trouble(9_500_000, 9_700_000)).unwrap().note,
            "compared with a time that ends 8 min earlier: Slow was firing within the time just before"
        );
        let chosen = before(window, &trouble(-90_000_000, 9_700_000)).unwrap();
        assert!(chosen.note.starts_with("no quiet time"), "{}", chosen.note);
        assert_eq!(chosen.ask, Ask::just_before(window));
    }
}
