//! What changed: one series in a window against the same series in a baseline, scored so that many series can be
//! ranked, dated by when it began, and put beside those that moved with it ([`groups`]).
//!
//! The score is the shift of the mean (and a tenth of how far it goes beyond all that was), in spreads of the baseline. The spread is
//! half the standard deviation and half the inter-quartile range as one: the first alone hides a step behind old
//! outliers, the second alone calls every pulse of a sparse series a wonder. Measured, with what else was tried:
//! docs/decisions/diagnosis.md. It must never say why something changed, and a score is no probability.

mod beside;
mod group;
mod numbers;
mod onset;
mod quiet;
mod values;
mod words;

pub use beside::{Line, PEERS_MIN, beside, kind_of};
pub use group::{Group, Member, groups};
pub use quiet::{BACK_MS, quiet_before};
pub(crate) use values::prepare;
pub use words::sentence;

use numbers::{Numbers, sorted_sample};

/// Points of the picture of a line that groups are made by.
pub const PICTURE: usize = 48;

/// The part of the farthest value in the score, so far as it is farther than any of the baseline.
const FARTHEST: f64 = 0.1;
/// Of the baseline's middle: a spread smaller than this is rounding, and not worth a rank.
const FLOOR: f64 = 0.001;
/// The most that a score can be; a series that never moved before would have no bound.
pub const SCORE_MAX: f64 = 1e4;
/// What a series that came or went scores, before how regular it was counts.
const PRESENCE: f64 = 30.0;
/// A line at rest counts as one that moves by this part of before: rest has no measure of its own.
const CALMEST: f64 = 0.05;
/// Samples that are needed to call a line calm.
const CALM_COUNT_MIN: f64 = 30.0;
/// Samples of the baseline at which its spread is half believed.
const HALF_BELIEVED: f64 = 4.0;
/// Below this a change is not told.
pub const SCORE_MIN: f64 = 1.0;

/// The question: which window, against what. Times are milliseconds since 1970-01-01 UTC, ends included.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// Where something looks odd.
    pub window: (i64, i64),
    /// When it was as it should be; one or more stretches that do not overlap the window.
    pub baselines: Vec<(i64, i64)>,
}

impl Ask {
    /// The window against the time just before it: twice as long, at least a minute.
    pub fn just_before(window: (i64, i64)) -> Ask {
        let length = (window.1 - window.0).max(30_000);
        Ask { window, baselines: vec![(window.0 - 2 * length, window.0 - 1)] }
    }

    /// The same stretch some time ago (a day, a week).
    pub fn earlier(window: (i64, i64), by_ms: i64) -> Ask {
        Ask { window, baselines: vec![(window.0 - by_ms, window.1 - by_ms)] }
    }

    /// From the first to the last instant that has to be read.
    pub fn reach(&self) -> (i64, i64) {
        let from = self.baselines.iter().map(|b| b.0).fold(self.window.0, i64::min);
        (from, self.baselines.iter().map(|b| b.1).fold(self.window.1, i64::max))
    }

    /// Of the milliseconds of the baselines.
    fn baseline_ms(&self) -> i64 {
        self.baselines.iter().map(|(from, to)| to - from + 1).sum()
    }
}

/// What a series did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum How {
    /// Its mean is higher.
    Rose,
    /// Its mean is lower.
    Fell,
    /// It leaves its middle farther than before, in both directions.
    Wider,
    /// It hardly moves any more.
    Calmer,
    /// It is there, and was not.
    Appeared,
    /// It was there, and is not.
    Disappeared,
    /// Its mean is higher than that of its peers.
    Higher,
    /// Its mean is lower than that of its peers.
    Lower,
}

impl How {
    /// One word, as the HTTP API gives it.
    pub fn as_str(self) -> &'static str {
        match self {
            How::Rose => "rose",
            How::Fell => "fell",
            How::Wider => "wider",
            How::Calmer => "calmer",
            How::Appeared => "appeared",
            How::Disappeared => "disappeared",
            How::Higher => "higher",
            How::Lower => "lower",
        }
    }
}

/// How one series changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// How far it stands out: spreads of its baseline, 1 to [`SCORE_MAX`]. Comparable between series; no probability.
    pub score: f64,
    /// In which way.
    pub how: How,
    /// When it began, milliseconds since 1970-01-01 UTC.
    pub onset_ms: i64,
    /// Mean in the baseline: a rate per second for what counts up, else the value. NaN where it was not there.
    pub before: f64,
    /// Mean in the window.
    pub after: f64,
    /// The line from the last part of the baseline through the window, [`PICTURE`] means, NaN where there is no sample.
    /// Its first third lies before the window.
    pub picture: Vec<f32>,
}

/// Compares series one after another, and keeps its memory between them.
pub struct Comparer {
    /// Below this nothing is told.
    score_min: f64,
    times: Vec<i64>,
    values: Vec<f64>,
    before: Vec<f64>,
    sample: Vec<f64>,
}

impl Default for Comparer {
    fn default() -> Comparer {
        Comparer::telling_from(SCORE_MIN)
    }
}

impl Comparer {
    /// One that tells what scores this much or more.
    pub fn telling_from(score_min: f64) -> Comparer {
        Comparer { score_min, times: vec![], values: vec![], before: vec![], sample: vec![] }
    }

    /// How a series changed; `None`: not in a way worth telling. `cumulative`: it counts up, so its rate is compared,
    /// and falling back is a restart. Times must increase; samples outside the question are ignored, as are NaN
    /// and infinite values.
    pub fn compare(&mut self, ask: &Ask, times: &[i64], values: &[f64], cumulative: bool) -> Option<Moved> {
        values::prepare(times, values, cumulative, &mut self.times, &mut self.values);
        let (times, values) = (&self.times[..], &self.values[..]);
        let (from, to) = span(times, ask.window);
        let window = &values[from..to];
        self.before.clear();
        for baseline in &ask.baselines {
            let (from, to) = span(times, *baseline);
            self.before.extend_from_slice(&values[from..to]);
        }
        if window.is_empty() || self.before.is_empty() {
            return presence(ask, times, values, self.before.len(), window.len());
        }
        if let Some(gone) = ended(ask, times, values, self.before.len(), to) {
            return Some(gone);
        }
        let (before, after) = (Numbers::of(&self.before), Numbers::of(window));
        if before.deviation == 0.0 && after.deviation == 0.0 && before.mean == after.mean {
            return None;
        }
        // The spread is at least half the deviation: most series end here, without being sorted.
        let reach = Numbers::farthest(window, before.mean) - Numbers::farthest(&self.before, before.mean);
        let shift = (1.0 - FARTHEST) * (after.mean - before.mean).abs() + FARTHEST * reach.max(0.0);
        let believed = before.count / (before.count + HALF_BELIEVED);
        let widening = widening(&before, &after) * believed;
        let bound = shift / (0.5 * before.deviation).max(f64::MIN_POSITIVE) * believed;
        if bound < self.score_min && widening < self.score_min {
            return None;
        }
        let [low, middle, high] = sorted_sample(&self.before, &mut self.sample);
        let spread = 0.5 * before.deviation + 0.5 * (high - low) / 1.349 + FLOOR * middle.abs();
        let level = (shift / spread.max(f64::MIN_POSITIVE) * believed).min(SCORE_MAX);
        // What came to rest elsewhere moved there: that it rests is the lesser news.
        let is_wider = after.deviation > before.deviation;
        let is_level = level >= widening || level >= self.score_min && !is_wider;
        let (score, how) = match is_level {
            true if after.mean >= before.mean => (level, How::Rose),
            true => (level, How::Fell),
            false if is_wider => (widening, How::Wider),
            false => (widening, How::Calmer),
        };
        if score < self.score_min {
            return None;
        }
        let onset_ms = onset::of(how, times, values, ask.window, &before, spread);
        let picture = values::picture(times, values, ask.window);
        Some(Moved { score, how, onset_ms, before: before.mean, after: after.mean, picture })
    }
}

impl Comparer {
    /// Means of the series that was compared last: in the baselines, and in the window. NaN where there is nothing.
    pub fn means(&self, ask: &Ask) -> (f64, f64) {
        let (from, to) = span(&self.times, ask.window);
        let mean = |values: &[f64]| if values.is_empty() { f64::NAN } else { Numbers::of(values).mean };
        (mean(&self.before), mean(&self.values[from..to]))
    }
}

/// Where the samples of a range begin and end.
fn span(times: &[i64], (from, to): (i64, i64)) -> (usize, usize) {
    let first = times.partition_point(|t| *t < from);
    (first, first + times[first..].partition_point(|t| *t <= to))
}

/// A change of the spread itself, as a score: twice the logarithm of how many times wider or narrower it became. Few
/// samples say little about a spread, and a spread of nothing has no ratio.
fn widening(before: &Numbers, after: &Numbers) -> f64 {
    if before.count < 8.0 || after.count < 8.0 || before.deviation == 0.0 {
        return 0.0;
    }
    let ratio = (after.deviation / before.deviation).max(CALMEST);
    // A short rest is usual for what moves in steps.
    if ratio < 1.0 && after.count < CALM_COUNT_MIN {
        return 0.0;
    }
    (2.0 * ratio.ln().abs() - 1.0).max(0.0)
}

/// A series that came or went. How many samples were to be expected says whether its absence means anything.
fn presence(ask: &Ask, times: &[i64], values: &[f64], before: usize, after: usize) -> Option<Moved> {
    let window_ms = ask.window.1 - ask.window.0 + 1;
    let share = window_ms as f64 / ask.baseline_ms().max(1) as f64;
    let (expected, how) = match (before, after) {
        (0, 0) => return None,
        (0, n) => (n as f64 / share.max(1e-9), How::Appeared),
        (n, _) => (n as f64 * share, How::Disappeared),
    };
    if expected < 3.0 {
        return None;
    }
    let mean_of = |range| {
        let (from, to) = span(times, range);
        Numbers::of(&values[from..to]).mean
    };
    let picture = values::picture(times, values, ask.window);
    let score = PRESENCE * expected / (expected + 10.0);
    Some(match how {
        How::Appeared => {
            let onset_ms = times[span(times, ask.window).0];
            Moved { score, how, onset_ms, before: f64::NAN, after: mean_of(ask.window), picture }
        }
        _ => {
            let last = ask.baselines.iter().map(|b| span(times, *b).1).max().unwrap_or(0);
            let onset_ms = last.checked_sub(1).map_or(ask.window.0, |i| times[i]);
            let before = Numbers::of(values).mean;
            Moved { score, how, onset_ms, before, after: f64::NAN, picture }
        }
    })
}

/// A series that ended within the window: so much of the window is empty after its last sample that several were to
/// be expected there.
fn ended(ask: &Ask, times: &[i64], values: &[f64], before: usize, to: usize) -> Option<Moved> {
    let onset_ms = times[to - 1];
    let empty_ms = ask.window.1 - onset_ms;
    let expected = before as f64 * empty_ms as f64 / ask.baseline_ms().max(1) as f64;
    if expected < 5.0 || empty_ms < (ask.window.1 - ask.window.0) / 4 {
        return None;
    }
    let before = Numbers::of(&values[..to]).mean;
    let score = PRESENCE * expected / (expected + 10.0);
    let picture = values::picture(times, values, ask.window);
    Some(Moved { score, how: How::Disappeared, onset_ms, before, after: f64::NAN, picture })
}

#[cfg(test)]
mod tests;
