//! What a series says, told by its name: how much is used, how long it takes, how often it fails, how much is asked.
//! A name is a hint, never a fact: it only decides how much a series weighs. It must never decide that nothing is wrong.

use crate::entity::{Kind as EntityKind, belongs};
use model::Labels;

/// What a series says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Says {
    /// How much of something is used or held: first-hand evidence about whose it is.
    Used,
    /// How long something takes; what it waits for is in it.
    Time,
    /// How often something fails, or succeeds.
    Failure,
    /// How much is asked of it, or sent: usually someone else's doing.
    Traffic,
    /// How long what it asked of others took.
    TimeOfOthers,
    /// A thing that several share: the machine beneath.
    Shared,
}

const TIME: &[&str] = &["latency", "lat_", "duration", "response_time", "_p50", "_p9", "elapsed", "delay"];
const FAILURE: &[&str] =
    &["error", "success", "avail", "fail", "fault", "5xx", "4xx", "exception", "reject", "abort"];
const TRAFFIC: &[&str] = &[
    "request",
    "workload",
    "_ops",
    "calls",
    "lod",
    "throughput",
    "network",
    "qps",
    "rps",
    "connections_total",
];

/// What a metric of this name says.
pub fn says(metric: &str) -> Says {
    let name = metric.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| name.contains(w));
    if name.starts_with("node") && !name.starts_with("node_") {
        return Says::Shared;
    }
    // How many times something took is how much was asked.
    if name.ends_with("_count") && has(TIME) {
        return Says::Traffic;
    }
    let is_time = has(TIME) || (name.contains("seconds") && !name.contains("cpu"));
    match is_time {
        true if name.contains("client") => Says::TimeOfOthers,
        true => Says::Time,
        false if has(FAILURE) => Says::Failure,
        false if has(TRAFFIC) => Says::Traffic,
        false => Says::Used,
    }
}

/// Whether less of it is worse.
pub fn is_better_high(metric: &str) -> bool {
    let name = metric.to_ascii_lowercase();
    name.contains("success") || name.contains("avail")
}

/// A thing that a direction points at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entity {
    /// What kind of thing.
    pub kind: EntityKind,
    /// Its name.
    pub name: String,
    /// What it is part of, with its kind (`host vm`); empty for what stands alone.
    pub part_of: String,
}

impl Entity {
    /// A service.
    pub fn service(name: &str) -> Entity {
        Entity { kind: EntityKind::Service, name: name.into(), part_of: String::new() }
    }
}

/// Where a series belongs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Whose it is.
    pub entity: Entity,
    /// It is of calls alone that this service makes to the entity.
    pub caller: Option<String>,
}

const CALLEES: &[&str] = &["server", "destination_service_name", "destination_workload", "callee"];
const CALLERS: &[&str] = &["client", "caller", "source_workload", "source_service", "source_app"];
const SERVICES: &[&str] = &["service", "service_name"];
/// Labels that tell one member from another, or whose it is: two series that differ in these alone say the same of two things.
const IDENTITY: &[&str] = &[
    "pod",
    "instance",
    "host",
    "hostname",
    "node",
    "container",
    "job",
    "namespace",
    "pid",
    "cgroup",
    "uid",
    "id",
];

/// Where a series belongs, by its labels: what calls go to, a service, or what [`belongs`] says.
pub fn place(labels: &Labels) -> Place {
    let first = |names: &[&str]| names.iter().map(|n| labels.get(n)).find(|v| !v.is_empty());
    let caller = first(CALLERS);
    if let Some(service) = caller.and(first(CALLEES)).or_else(|| first(SERVICES)) {
        let caller = caller.filter(|c| *c != service).map(String::from);
        return Place { entity: Entity::service(service), caller };
    }
    let belongs = belongs(labels);
    // Members of one service are one thing: which of them moved is told by the series.
    let entity = match (belongs.kind, labels.get("job")) {
        (EntityKind::Service, job) if !job.is_empty() => Entity::service(job),
        // So are processes of one program: single ones come and go.
        (EntityKind::Process, _) => {
            Entity { kind: belongs.kind, name: labels.get("comm").into(), part_of: belongs.parent }
        }
        _ => Entity { kind: belongs.kind, name: belongs.title, part_of: belongs.parent },
    };
    Place { entity, caller: None }
}

/// What two series of different things must have in common to be compared: the metric, and all labels that do not
/// say whose it is.
pub fn comparable(labels: &Labels) -> String {
    let mut key = labels.name().to_string();
    let is_whose = |name: &str| [CALLEES, CALLERS, SERVICES, IDENTITY].iter().any(|all| all.contains(&name));
    for (name, value) in labels.iter().filter(|(name, _)| *name != model::NAME && !is_whose(name)) {
        key.push('\u{1f}');
        key.push_str(name);
        key.push('=');
        key.push_str(value);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hints() {
        for (metric, want) in [
            ("container_cpu_usage_seconds_total", Says::Used),
            ("memory_working_set_bytes", Says::Used),
            ("http_request_duration_seconds_sum", Says::Time),
            ("latency_p99", Says::Time),
            ("http_request_duration_seconds_count", Says::Traffic),
            ("go_goroutine_count", Says::Used),
            ("client_latency_p99", Says::TimeOfOthers),
            ("http_errors_total", Says::Failure),
            ("availability", Says::Failure),
            ("http_requests_total", Says::Traffic),
            ("node_memory_MemFree_bytes", Says::Used),
            ("nodecpu_percent", Says::Shared),
            ("m17", Says::Used),
        ] {
            assert_eq!(says(metric), want, "{metric}");
        }
        assert!(is_better_high("SuccessRate") && !is_better_high("errors_total"));
    }

    #[test]
    fn series_have_their_place() {
        let of = |pairs: &[(&str, &str)]| place(&Labels::from_pairs(pairs.iter().copied()).unwrap());
        let graph = of(&[("__name__", "calls_total"), ("client", "web"), ("server", "cart")]);
        assert_eq!(graph, Place { entity: Entity::service("cart"), caller: Some("web".into()) });
        let plain = of(&[("__name__", "cpu"), ("service", "cart"), ("pod", "cart-1")]);
        assert_eq!(plain, Place { entity: Entity::service("cart"), caller: None });
        let job = of(&[("__name__", "up"), ("job", "api"), ("instance", "a:1")]);
        assert_eq!(job.entity, Entity::service("api"));
        let disk = of(&[
            ("__name__", "node_disk_io_time_seconds_total"),
            ("job", "node"),
            ("instance", "vm"),
            ("device", "sda"),
        ]);
        assert_eq!((disk.entity.name.as_str(), disk.entity.part_of.as_str()), ("sda", "host vm"));
        let process = |pid| {
            of(&[
                ("__name__", "process_cpu"),
                ("job", "node"),
                ("instance", "vm"),
                ("pid", pid),
                ("comm", "nginx"),
            ])
        };
        assert_eq!(process("7"), process("9"), "processes of one program are one thing");
        assert_eq!(process("7").entity.name, "nginx");
    }

    #[test]
    fn comparable_series_differ_in_whose_they_are() {
        let of = |pairs: &[(&str, &str)]| comparable(&Labels::from_pairs(pairs.iter().copied()).unwrap());
        let a = of(&[("__name__", "latency"), ("service", "a"), ("pod", "a-1"), ("stat", "p99")]);
        assert_eq!(a, of(&[("__name__", "latency"), ("service", "b"), ("stat", "p99")]));
        assert_ne!(a, of(&[("__name__", "latency"), ("service", "b"), ("stat", "p50")]));
    }
}
