//! The built-in conditions of Home, as data. Each names what is measured, its limits, and what to do.
//! They are plain on purpose: a limit that a person can check against the number shown.

mod host;
mod service;

use super::{State, SubjectKind};

/// Which side of a limit is the wrong one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A value at or above the limit.
    Above,
    /// A value at or below the limit.
    Below,
}

/// Where a tile leads. `<name>` stands for the value of a label of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Words for the search box.
    pub q: &'static str,
    /// PromQL selector.
    pub selector: &'static str,
}

/// One condition. It applies to every subject of its kind for which its expression has a row.
#[derive(Debug, PartialEq)]
pub struct Condition {
    /// Stable name.
    pub id: &'static str,
    /// Title of the tile.
    pub title: &'static str,
    /// The kind of subject that it is about.
    pub subject: SubjectKind,
    /// PromQL for an instant query; its rows keep `instance` (and `job` for services).
    /// `{<own>}` stands for the labels of this program's own series: others of its kind may be recorded as well.
    pub expr: &'static str,
    /// Labels that tell the rows of one subject apart.
    pub by: &'static [&'static str],
    /// The word between the value and these labels.
    pub joined_by: &'static str,
    /// Which side of the limits is wrong.
    pub direction: Direction,
    /// Worth a look from here.
    pub warn: f64,
    /// Bad from here; infinite for never.
    pub bad: f64,
    /// Unit of value and limits: `ratio`, `s`, `state`, "" or any word.
    pub unit: &'static str,
    /// No rows are worth a silent tile; otherwise the condition does not apply then.
    pub required: bool,
    /// What is measured, and why it matters.
    pub why: &'static str,
    /// What to do about it.
    pub what_to_do: &'static str,
    /// Where to look.
    pub link: Link,
    /// A second expression, whose row with the same labels is told in the detail; "" for none.
    pub detail_expr: &'static str,
    /// The words before its value.
    pub detail_says: &'static str,
    /// The unit of its value.
    pub detail_unit: &'static str,
}

impl Condition {
    /// How a value is. A NaN is silent.
    pub fn state_of(&self, value: f64) -> State {
        let beyond = |limit: f64| match self.direction {
            Direction::Above => limit.is_finite() && value >= limit,
            Direction::Below => limit.is_finite() && value <= limit,
        };
        match () {
            () if value.is_nan() => State::Silent,
            () if beyond(self.bad) => State::Bad,
            () if beyond(self.warn) => State::Look,
            () => State::Fine,
        }
    }

    /// Grows with how bad a value is.
    pub(super) fn badness(&self, value: f64) -> f64 {
        if self.direction == Direction::Above { value } else { -value }
    }
}

/// Every condition, in the order of the tiles.
pub fn all() -> impl Iterator<Item = &'static Condition> {
    host::CONDITIONS.iter().chain(service::CONDITIONS)
}
