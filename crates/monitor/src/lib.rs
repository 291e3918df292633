//! Monitors: rules that are evaluated again and again, the states of their alerts, and who is told when. A decider: the
//! caller evaluates expressions, keeps files, sends requests and owns the clock; this crate says what follows from it.
//!
//! * [`read`] reads rule files of Prometheus into [`rule::Group`]s; [`template`] fills labels and annotations in.
//! * [`action`] says which approved command may run, and whether what it did held.
//! * [`alert`] is the state machine of one rule: rows of its condition in, states and series out.
//! * [`slo`] has service level objectives: what is counted, error budgets, how fast they burn.
//! * [`news`] is what people are to be told of a rule after an evaluation.
//! * [`schedule`] says which group is due when, [`steps`] notices that a clock was set.
//! * [`ledger`] remembers what became of each monitor, and reviews a week.
//! * [`notify`] holds what an Alertmanager is: routes, groups, silences, inhibition, an outbox, and the bodies of requests.
//!
//! It must never read a clock, open a file or a socket, or start a thread: every time is an argument, in milliseconds
//! since 1970 unless a name says otherwise.

pub mod action;
pub mod alert;
pub mod ledger;
pub mod news;
pub mod notify;
pub mod problem;
pub mod read;
pub mod rule;
pub mod saved;
pub mod schedule;
pub mod slo;
pub mod steps;
pub mod template;
pub mod tryout;
pub mod unit_test;

pub use alert::{Active, AlertState, Change, Judgement, RuleState, Seen};
pub use problem::Problem;
pub use rule::{Alerting, Group, Kind, Rule};
