//! Runs the programs one after another, in rounds, so that a busy minute of the machine does not strike the same one
//! each time; and compares Midwatch with the better of the others. It must never compare a run that failed.

use crate::arguments::Arguments;
use crate::programs::{PROGRAMS, Program};
use crate::table::{Table, figure, percentile};
use stdx::{ErrorKind, Result};

/// What there is to say of one program.
pub struct Outcome<T> {
    /// Which.
    pub program: Program,
    /// Its runs.
    pub runs: Vec<T>,
    /// Why there is nothing to measure, or what went wrong.
    pub remark: Option<String>,
}

/// Runs every program in so many rounds.
///
/// # Errors
/// Cancelled.
pub fn all<T>(
    arguments: &Arguments,
    rounds: usize,
    what: &str,
    mut one: impl FnMut(Program) -> Result<T>,
) -> Result<Vec<Outcome<T>>> {
    let mut outcomes = prepare(arguments);
    let count = outcomes.len();
    for round in 0..rounds {
        for i in 0..count {
            let outcome = &mut outcomes[(i + round) % count];
            if outcome.remark.is_some() {
                continue;
            }
            eprintln!("{what}: round {} of {rounds}, {}", round + 1, outcome.program.name());
            outcome.take(one(outcome.program))?;
        }
    }
    Ok(outcomes)
}

/// One outcome without runs for each program that was asked for.
pub fn prepare<T>(arguments: &Arguments) -> Vec<Outcome<T>> {
    let asked = |p: &&Program| arguments.only.as_ref().is_none_or(|only| only == p.name());
    let outcome = |p: &Program| Outcome { program: *p, runs: Vec::new(), remark: p.missing(arguments) };
    PROGRAMS.iter().filter(asked).map(outcome).collect()
}

impl<T> Outcome<T> {
    /// Adds a run, or why there are no more.
    ///
    /// # Errors
    /// Cancelled.
    pub fn take(&mut self, run: Result<T>) -> Result<()> {
        match run {
            Ok(run) => self.runs.push(run),
            Err(e) if e.kind == ErrorKind::Cancelled => return Err(e),
            Err(e) => {
                eprintln!("{}: {e}", self.program.name());
                self.remark = Some(format!("failed: {e}"));
            }
        }
        Ok(())
    }

    /// One figure of all runs.
    pub fn column(&self, f: impl Fn(&T) -> f64) -> Vec<f64> {
        self.runs.iter().map(f).collect()
    }

    fn median(&self, f: impl Fn(&T) -> f64) -> f64 {
        percentile(&self.column(f), 0.5)
    }

    /// Adds a row for it: its figures, or why there are none.
    pub fn row(&self, table: &mut Table, cells: impl Fn(&Outcome<T>) -> Vec<String>) {
        let mut row = vec![self.program.name().to_string()];
        match &self.remark {
            Some(remark) => row.push(remark.clone()),
            None => row.extend(cells(self)),
        }
        table.row(row);
    }
}

/// The median of Midwatch divided by that of the better of the others; `None` without either.
pub fn ratio<T>(outcomes: &[Outcome<T>], is_more_better: bool, f: impl Fn(&T) -> f64) -> Option<f64> {
    let whole = || outcomes.iter().filter(|o| o.remark.is_none() && !o.runs.is_empty());
    let own = whole().find(|o| o.program == Program::Midwatch)?.median(&f);
    let others = whole().filter(|o| o.program != Program::Midwatch).map(|o| o.median(&f));
    let best = others.reduce(if is_more_better { f64::max } else { f64::min })?;
    Some(own / best)
}

/// What a table compares: a name, the figure, whether more of it is better.
pub type Figure<T> = (&'static str, fn(&T) -> f64, bool);

/// Adds a line with each figure of Midwatch against the better peer.
pub fn note_ratios<T>(table: &mut Table, outcomes: &[Outcome<T>], figures: &[Figure<T>]) {
    let text = |(name, f, is_more_better): &Figure<T>| {
        Some(format!("{name} {} x", figure(ratio(outcomes, *is_more_better, f)?, 2)))
    };
    let texts: Vec<String> = figures.iter().filter_map(text).collect();
    if !texts.is_empty() {
        table.note(format!("midwatch against the better peer: {}.", texts.join(", ")));
    }
}

/// Adds what each promises when it acknowledges.
pub fn note_promises<T>(table: &mut Table, outcomes: &[Outcome<T>]) {
    table.note("At the acknowledgement:");
    for outcome in outcomes {
        table.note(format!("  {}: {}.", outcome.program.name(), outcome.program.promise()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_peer_counts_and_one_that_failed_does_not() {
        let of = |program, runs: &[f64], remark: Option<&str>| Outcome {
            program,
            runs: runs.to_vec(),
            remark: remark.map(str::to_string),
        };
        let mut outcomes = vec![
            of(Program::Midwatch, &[3.0, 1.0, 2.0], None),
            of(Program::Victoria, &[4.0], None),
            of(Program::Prometheus, &[8.0], None),
        ];
        assert_eq!(ratio(&outcomes, false, |n| *n), Some(0.5));
        assert_eq!(ratio(&outcomes, true, |n| *n), Some(0.25));
        outcomes[1].remark = Some("failed".into());
        assert_eq!(ratio(&outcomes, false, |n| *n), Some(0.25));
        outcomes[2].runs.clear();
        assert_eq!(ratio(&outcomes, false, |n| *n), None);
    }
}
