//! What people ask about an objective beside how it is: on what its budget is spent, who is affected, who takes the time. Each is a
//! question of a user to what is stored, with its bounds; what it covers is said. It must never judge an objective.

pub mod impact;
pub mod spent;
pub mod tiers;
pub mod unseen;

use monitor::slo::{Sli, Slo};

/// The service whose spans and log records tell of an objective; "" if nobody said.
fn service(slo: &Slo) -> &str {
    match &slo.sli {
        Sli::Spans { service, .. } => service,
        _ => &slo.service,
    }
}

/// What the requests are called, and how long they may take, seconds.
fn requests(slo: &Slo) -> (&str, Option<f64>) {
    match &slo.sli {
        Sli::Spans { operation, below, .. } => (operation, *below),
        _ => ("", None),
    }
}
