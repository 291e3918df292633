//! Looking around: which series there are, what they belong to, how they are named for people, how they are found
//! as one types, and what Home says of them.
//!
//! Everything here is a pure function of what it is told: no disk, no socket, no clock. It never reads samples; the
//! caller evaluates the expressions of [`home`] and hands in rows.

pub mod advise;
pub mod catalogue;
pub mod changed;
pub mod changes;
pub mod entity;
pub mod fields;
pub mod headroom;
pub mod home;
mod index;
pub mod like;
pub mod logs;
pub mod membership;
pub mod natural;
pub mod query;
pub mod redundancy;
pub mod search;
pub mod trace;
pub mod typo;
pub mod unit;

pub use catalogue::{Catalogue, Settings};
pub use entity::{Belongs, Kind};
pub use search::{Find, Found, Group, GroupBy, Suggestion};
