//! The shell: sockets, tasks, the clock, and the HTTP API. It moves bytes to the deciders and engines and
//! performs what they ask for; it must never decide what is worth a look.

mod advise;
mod agent;
mod agents;
mod api;
mod app;
mod baseline;
mod captures;
mod cardinality;
mod catalogue;
mod changed;
mod changes;
mod client;
mod clock;
mod counted;
mod critique;
mod discovery;
mod explain;
mod fields;
mod gate;
mod headroom;
mod home;
mod host;
mod http;
mod like;
mod limits;
mod line_file;
mod listener;
mod logs;
mod membership;
mod monitors;
mod named;
mod otlp;
mod own;
mod pace;
mod periods;
mod saved;
mod scrape;
mod server;
mod settings;
mod sink;
mod slos;
mod spans;
#[cfg(feature = "sql")]
mod sql;
mod sweep;
#[cfg(test)]
mod test_http;
mod traces;
mod transport;
mod upkeep;
mod usage;

pub use agent::{
    Agent, AgentSettings, Confinement, Say, check_name as check_host_name, claim as claim_agent_folder,
};
pub use api::NOT_REACHED;
pub use client::check_client;
pub use clock::now_ms;
pub use critique::CriticSettings;
pub use discovery::{Discovery, PortState, PortStatus, Surroundings};
pub use logs::{FileSettings, LogSettings};
pub use membership::MembershipSettings;
pub use scrape::{DroppedTarget, Health, LastScrape, Pairs, ScrapeManager, TargetSpec, TargetStatus};
pub use server::Server;
pub use settings::*;
pub use sink::{Delivered, Refused, Sink, SourceReading};
pub use transport::Trusted;
