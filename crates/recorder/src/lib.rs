//! The host recorder for Linux: once a second it reads what /proc, /sys and a few system calls say of
//! this machine and appends it to a batch. Begin with [`Recorder::read`].
//!
//! It must never start a process, wait for anything but the kernel, know where its samples go, or
//! allocate for a series that it already knows. The time of the samples is an argument; the clocks that
//! it reads are things it reports on.
//!
//! ```no_run
//! let mut recorder = recorder::Recorder::new(recorder::Settings::default());
//! let mut batch = model::Batch::default();
//! let report = recorder.read(1_700_000_000_000, 0, &mut batch);
//! println!("{} samples", report.samples);
//! ```

mod bytes;
mod files;
mod flight;
mod readers;
mod reference;
mod series;
mod settings;
mod ticker;

pub use flight::{files_of_everyone, sockets_now};
pub use readers::{ListeningPort, ReadReport, Recorder, listening_ports};
pub use reference::{Reference, document, groups, metadata, reference};
pub use settings::Settings;
pub use ticker::{Tick, Ticker};
