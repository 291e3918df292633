//! What is sent to the programs, and how. The same for all of them.

pub mod feed;
pub mod send;
pub mod stream;
