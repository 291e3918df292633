//! Stretches of time that somebody called good, to compare with: `periods.json` of the data folder. Format:
//! `docs/formats/periods.md`. It must never judge whether a period was good.

use crate::named::Named;
use serde::{Deserialize, Serialize};
use stdx::{Error, Result};

/// Good periods that are kept; its name in the list of limits.
pub const PERIODS: &str = "good periods";
/// And how many.
pub const PERIODS_MAX: usize = 200;
/// The longest, milliseconds: 100 days, the longest baseline.
pub const PERIOD_MS_MAX: i64 = 100 * 86_400_000;

/// A stretch of time with a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Period {
    /// What people call it; one of each.
    pub name: String,
    /// Its begin, milliseconds since 1970.
    pub start_ms: i64,
    /// Its end, included.
    pub end_ms: i64,
    /// When it was saved last, milliseconds since 1970.
    pub saved_ms: i64,
}

impl Named for Period {
    const FILE: &'static str = "periods.json";
    const LIST: &'static str = "periods";
    const ONE: &'static str = "good period";
    const BOUND: &'static str = PERIODS;
    const MAX: usize = PERIODS_MAX;

    fn name(&self) -> &str {
        &self.name
    }

    fn named(self, name: String) -> Period {
        Period { name, ..self }
    }

    fn check(&self) -> Result<()> {
        if matches!(self.name.trim(), "before" | "hour" | "day" | "week" | "peers") {
            return Err(Error::invalid(format!(
                "{:?} already says what to compare with; take another name",
                self.name
            )));
        }
        if self.end_ms <= self.start_ms || self.end_ms.saturating_sub(self.start_ms) > PERIOD_MS_MAX {
            return Err(Error::invalid(
                "a good period has to end after its start, and is at most 100 days long",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let period =
            |name: &str, start_ms, end_ms| Period { name: name.into(), start_ms, end_ms, saved_ms: 7 };
        period("calm sunday", 5, 6).check().unwrap();
        for bad in [
            period("day", 5, 6),
            period("a", 6, 6),
            period("a", 7, 6),
            period("a", 0, PERIOD_MS_MAX + 1),
            period("a", i64::MIN, i64::MAX),
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
