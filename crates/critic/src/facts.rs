//! What the critic has to know, and whom it asks. The words here are times, rows and happenings, never where they are kept.

/// When a query is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    /// At the time of the plan.
    Now,
    /// Just before the window in which something is wrong.
    Before,
}

/// One row of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its labels, sorted by name.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: f64,
}

impl Row {
    /// A label's value, or "".
    pub fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }
}

/// Rows, or why there is no answer.
pub type Answer = Result<Vec<Row>, String>;

/// A change that is on record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Happened {
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// Its id.
    pub id: String,
    /// `restart`, `deploy`, ...
    pub kind: String,
    /// In a sentence.
    pub title: String,
    /// The service; may be empty.
    pub service: String,
    /// The host; may be empty.
    pub host: String,
    /// How it went, as somebody marked it; may be empty.
    pub outcome: String,
}

/// Something that moved in the window, as a comparison of everything found it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moved {
    /// What: `io time of sda on db-2`.
    pub title: String,
    /// How: `rose from 0.2 to 0.9`.
    pub sentence: String,
    /// Values of its labels `instance`, `job`, `service_name`, to know whose it is.
    pub whose: Vec<String>,
    /// When it began, milliseconds since 1970-01-01 UTC.
    pub onset_ms: i64,
    /// How many series moved with it.
    pub count: usize,
}

/// Who knows. Every answer is about one instant; asking twice gives the same.
pub trait Facts {
    /// The time of the plan, milliseconds since 1970-01-01 UTC.
    fn now_ms(&self) -> i64;

    /// When the window of the trouble begins, milliseconds since 1970-01-01 UTC.
    fn since_ms(&self) -> i64;

    /// Answers a PromQL query.
    fn ask(&mut self, promql: &str, when: When) -> Answer;

    /// What is on record of the last [`crate::history::DAYS`] days before now, in any order; or why that is not known.
    fn happened(&self) -> Result<&[Happened], String>;

    /// What moved in the window, the first first; or why that is not known.
    fn moved(&self) -> Result<&[Moved], String>;
}
