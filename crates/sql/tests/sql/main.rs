//! SQL as a library: questions and answers, attacks, and what PromQL says of the same samples. One program, since each is linked
//! with a large engine.

mod attacks;
mod promql_agrees;
mod questions;
mod rows;
mod support;
