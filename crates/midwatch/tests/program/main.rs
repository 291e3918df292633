//! The real program, started as a person starts it, and read back through HTTP and the command line alone: what it
//! records, keeps, refuses and says. These tests must never look inside: no store, no server, no thread of it is used here.

#[path = "../../../store/tests/support/s3.rs"]
mod s3;
mod support;

mod advice;
mod advise;
mod agent;
mod agent_hosts;
mod api;
mod api_lists;
mod backup;
mod bad_starts;
mod blocks;
mod bounds;
mod bucket;
mod captures;
mod changes;
mod clients;
mod command_line;
mod critique;
mod deletion;
mod demo;
mod discovery;
mod disk_full;
mod durability;
mod etcd;
mod exemplars;
mod export;
mod exporter;
mod federation;
mod grafana;
mod host;
mod hostile_targets;
mod lines;
mod log_files;
mod logs;
mod monitors;
mod otlp;
#[cfg(feature = "sql")]
mod postgres;
mod receivers;
mod remote_write;
mod review;
mod scrape;
#[cfg(feature = "sql")]
mod slos;
mod sql;
mod stopping;
mod surroundings;
mod tiers;
mod traces;
mod transport;
mod what_changed;
