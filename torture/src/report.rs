//! What each method did, as a table at the end. What could not run is told with its reason, and is never a pass.

use std::time::{Duration, Instant};

/// One method.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub method: String,
    /// How many cuts, kills, faults, damages or operations were tried.
    pub run: u64,
    /// What failed, in words.
    pub failures: Vec<String>,
    /// Why it could not run, or not all of it.
    pub not_run: Option<String>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
    /// The seed of it all.
    pub seed: u64,
    /// How long it took.
    pub took: Duration,
    /// Failures are what is hoped for, and not told when they come.
    pub is_quiet: bool,
}

/// Failures that are told in full; one bug fails often.
const FAILURES_SHOWN: usize = 5;
/// After so many failures there is nothing to learn from more.
pub const FAILURES_MAX: usize = 20;

impl Row {
    /// Nothing was done yet.
    pub fn new(method: &str, seed: u64) -> Row {
        Row {
            method: method.into(),
            run: 0,
            failures: Vec::new(),
            not_run: None,
            notes: Vec::new(),
            seed,
            took: Duration::ZERO,
            is_quiet: false,
        }
    }

    /// It cannot run.
    pub fn not_run(method: &str, seed: u64, why: impl Into<String>) -> Row {
        Row { not_run: Some(why.into()), ..Row::new(method, seed) }
    }

    /// One failed: told at once, and counted. True if there were too many to go on.
    pub fn fail(&mut self, text: impl Into<String>) -> bool {
        let text = text.into();
        if self.failures.len() < FAILURES_SHOWN && !self.is_quiet {
            eprintln!("{}: FAILED: {text}", self.method);
        }
        self.failures.push(text);
        self.failures.len() >= FAILURES_MAX
    }
}

/// The table, and below it what failed.
pub fn table(rows: &[Row]) -> String {
    let mut cells = vec![["method", "run", "failed", "seconds", "seed", "remarks"].map(String::from)];
    for row in rows {
        let (run, failed) = match (&row.not_run, row.run) {
            (Some(_), 0) => ("not run".to_string(), "-".to_string()),
            _ => (row.run.to_string(), row.failures.len().to_string()),
        };
        let not_run = row.not_run.iter().map(|why| format!("not run: {why}"));
        let remarks: Vec<String> = not_run.chain(row.notes.iter().cloned()).collect();
        let (took, seed) = (format!("{:.1}", row.took.as_secs_f64()), row.seed.to_string());
        cells.push([row.method.clone(), run, failed, took, seed, remarks.join("; ")]);
    }
    let widths: Vec<usize> =
        (0..6).map(|i| cells.iter().map(|row| row[i].chars().count()).max().unwrap_or_default()).collect();
    let mut out = String::new();
    for row in &cells {
        let [method, run, failed, took, seed, remarks] = row;
        let line = format!(
            "{method:0$}  {run:>1$}  {failed:>2$}  {took:>3$}  {seed:>4$}  {remarks}",
            widths[0], widths[1], widths[2], widths[3], widths[4]
        );
        out += line.trim_end();
        out.push('\n');
    }
    for row in rows.iter().filter(|row| !row.failures.is_empty()) {
        out += &format!("\n{}: {} failed\n", row.method, row.failures.len());
        for text in row.failures.iter().take(FAILURES_SHOWN) {
            out += &format!("  {text}\n");
        }
    }
    out
}

/// Tells on standard error how far it is, every few seconds.
pub struct Progress {
    what: String,
    of: u64,
    since: Instant,
    told: Instant,
}

impl Progress {
    /// Of so many.
    pub fn new(what: &str, of: u64) -> Progress {
        let now = Instant::now();
        Progress { what: what.into(), of, since: now, told: now }
    }

    /// So many are done.
    pub fn at(&mut self, done: u64) {
        if self.told.elapsed() >= Duration::from_secs(5) {
            self.told = Instant::now();
            let seconds = self.since.elapsed().as_secs();
            eprintln!("{}: {done} of {} after {seconds} s", self.what, self.of);
        }
    }

    /// Since it began.
    pub fn took(&self) -> Duration {
        self.since.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_run_is_no_pass() {
        let mut failed = Row::new("kills", 7);
        failed.run = 3;
        failed.failures.push("one was lost".into());
        let text = table(&[failed, Row::not_run("power cuts", 7, "this needs root")]);
        let want = "method          run  failed  seconds  seed  remarks\n\
                    kills             3       1      0.0     7\n\
                    power cuts  not run       -      0.0     7  not run: this needs root\n\
                    \nkills: 1 failed\n  one was lost\n";
        assert_eq!(text, want);
    }
}
