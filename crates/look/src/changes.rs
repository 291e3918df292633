//! Changes: found out from facts of a machine ([`Detector`]), joined from several words on one ([`join`]). Pure: facts and times
//! come from outside. It must never say that something changed when it is seen for the first time.

pub mod compare;
mod detect;
mod join;
mod members;

pub use detect::{Build, Detector, Fact, Memory, Program};
pub use join::{SAID, join};
pub use members::Groups;

/// Names of the six questions that may be answered about a change, and what each asks.
pub const QUESTIONS: [(&str, &str); 6] = [
    ("solves", "What does it solve?"),
    ("done_before", "Was it done before, and how did that go?"),
    ("when", "When is it done, and why then?"),
    ("expected_effect", "What is expected to be seen?"),
    ("rollback", "How is it taken back?"),
    ("test_of_success", "How is it known that it worked?"),
];

/// The kind of a record that says that something broke. It is a mark like the others, and what monitors are judged by; it is never
/// a cause, since it is what is to be explained.
pub const INCIDENT: &str = "incident";

/// Kinds of changes that have a meaning of their own; any other word is one too.
pub const KINDS: [&str; 12] = [
    "deploy",
    "config",
    "restart",
    "package",
    "kernel",
    "build",
    "membership",
    "clock",
    "flag",
    "schema",
    "certificate",
    INCIDENT,
];
