//! The flight recorder's decider: the ring that holds the last minutes of the machine at full fidelity, what is
//! redacted of it, when a capture is taken, and what differs between two. Begin with [`Ring`]. It has no clock, no
//! disk and no thread; time is an argument. It must never hold more memory than its budgets, nor keep a secret that it
//! knows to be one.

pub mod class;
pub mod compare;
mod events;
pub mod policy;
pub mod redact;
mod ring;
mod track;

pub use class::{Class, Column, Kind};
pub use events::Message;
pub use ring::{Frozen, Reading, Ring, Settings, Told};
pub use track::{Row, Track};
