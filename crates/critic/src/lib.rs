//! The critic: the operator says what they are about to do or what they believe, and it answers in the margin what
//! speaks against it, with the evidence; or that nothing does, with what was checked.
//!
//! ```text
//! words --> Plan ----\
//! rules --> Library ---> critique(plan, library, facts) --> a few critiques, what was checked, what could not be
//! facts --> Facts ---/
//! ```
//!
//! * [`plan`] reads plain words without any language model: actions, targets, hypotheses, what the operator has
//!   thought of already; and says which words it did not understand.
//! * [`rule`] is knowledge as data: one TOML file each, with queries, a condition ([`condition`]), texts, sources, and
//!   tests. [`library`] holds all of them, and names the broken ones.
//! * [`facts`] is what the critic needs to know; who calls it asks the store.
//! * [`critique`] decides.
//!
//! Pure: no disk, no socket, no clock. It must never say that something is the cause, never claim a certainty, and never
//! call fine what nobody measured.

pub mod condition;
pub mod critique;
pub mod facts;
pub use critique::finding;
mod fill;
pub mod history;
pub mod library;
pub mod plan;
pub mod rule;
pub mod thumb;
mod value;

pub use critique::{Adaptation, Critique, Evidence, Report, critique};
pub use facts::{Answer, Facts, Happened, Moved, Row, When};
pub use finding::{Finding, findings};
pub use library::{Library, Problem};
pub use plan::{Action, Asked, Entity, EntityKind, Goal, Hypothesis, Plan};
pub use rule::{Kind, Rule};
