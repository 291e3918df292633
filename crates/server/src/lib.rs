//! The shell: sockets, tasks, the clock, and the HTTP API. It moves bytes to the deciders and engines and
//! performs what they ask for; it must never decide what is worth a look.

mod clock;
mod settings;
mod sink;

pub use clock::now_ms;
pub use settings::*;
pub use sink::{Delivered, Refused, Sink, SourceReading};
