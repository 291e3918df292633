//! What is made of spans as they arrive: rates, errors and durations per operation ([`metrics`]), calls between services
//! ([`graph`]), and which traces are kept ([`tail`]). Pure: time is an argument, memory is bounded, what does not fit is counted.
//! It must never change a span.

mod distribution;
pub mod graph;
pub mod mask;
pub mod metrics;
pub mod tail;
#[cfg(test)]
mod testing;

pub use graph::Graph;
pub use metrics::SpanMetrics;
pub use tail::Tail;
