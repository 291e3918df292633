//! What is known by name: services, their instances, hosts, and the programs of this machine; from the labels of what is recorded,
//! with the machines that each runs on where that can be seen. It must never invent a relation: what is not seen stays open.

use super::facts::Known;
use critic::facts::{Facts, Row, When};
use critic::plan::{Entity, EntityKind, Names, Selector};
use std::collections::{BTreeMap, BTreeSet};

/// Names that are kept.
const NAMES_MAX: usize = 20_000;

/// Asks for all of them; what cannot be asked is not known by name.
pub fn names(known: &mut Known<'_>) -> Names {
    let mut ask = |promql: &str| known.ask(promql, When::Now).unwrap_or_default();
    let hosts = ask("group by (instance) (last_over_time(node_load1[1h]))");
    let up = ask(r#"group by (job, instance) (last_over_time(up{job!~"node|midwatch"}[1h]))"#);
    let info = ask("group by (job, instance, host_name) (last_over_time(target_info[1h]))");
    let calls = ask("group by (service_name) (last_over_time(traces_span_metrics_calls_total[1h]))");
    let servers = ask("group by (server) (last_over_time(traces_service_graph_request_total[1h]))");
    let programs = ask(r#"group by (comm, instance) (process_memory_usage_bytes{job="node"})"#);
    let hostname = known.hostname().to_string();
    from(&hostname, &hosts, &[&up[..], &info[..]].concat(), &[&calls[..], &servers[..]].concat(), &programs)
}

/// The same from rows.
fn from(hostname: &str, hosts: &[Row], targets: &[Row], traced: &[Row], programs: &[Row]) -> Names {
    let one = |label: &str, value: &str| (label.to_string(), vec![value.to_string()]);
    let host_names: BTreeSet<&str> =
        hosts.iter().map(|r| r.label("instance")).filter(|h| !h.is_empty()).collect();
    let mut services: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for row in targets {
        let (job, instance) = (row.label("job"), row.label("instance"));
        if job.is_empty() {
            continue;
        }
        let service = services.entry(job.to_string()).or_default();
        if !instance.is_empty() {
            service.0.insert(instance.to_string());
        }
        service.1.extend(host_of(hostname, &host_names, instance, row.label("host_name")));
    }
    let mut all: Vec<Entity> = Vec::new();
    for (job, (instances, on)) in &services {
        // A job of OpenTelemetry is namespace/name; people say the name.
        let name = job.rsplit('/').next().unwrap_or(job);
        let of_service: Selector = vec![one("job", job)];
        let of_hosts: Selector =
            if on.is_empty() { Vec::new() } else { vec![("instance".into(), on.iter().cloned().collect())] };
        let new = |kind, called: &str, own: Selector| Entity {
            kind,
            name: called.to_string(),
            service: name.to_string(),
            own,
            of_service: of_service.clone(),
            of_hosts: of_hosts.clone(),
        };
        all.push(new(EntityKind::Service, name, of_service.clone()));
        for instance in instances {
            all.push(new(EntityKind::Instance, instance, vec![one("job", job), one("instance", instance)]));
        }
    }
    for host in &host_names {
        let own = vec![one("instance", host)];
        all.push(Entity {
            kind: EntityKind::Host,
            name: (*host).to_string(),
            service: String::new(),
            own: own.clone(),
            of_service: own.clone(),
            of_hosts: own,
        });
    }
    let mut known: BTreeSet<String> = all.iter().map(|e| e.name.to_lowercase()).collect();
    let mut add = |name: &str, own: Selector, of_hosts: Selector| {
        if !name.is_empty() && known.insert(name.to_lowercase()) {
            all.push(Entity {
                kind: EntityKind::Service,
                name: name.to_string(),
                service: name.to_string(),
                of_service: own.clone(),
                own,
                of_hosts,
            });
        }
    };
    for row in traced {
        for name in [row.label("service_name"), row.label("server")] {
            add(name, vec![one("service_name", name)], Vec::new());
        }
    }
    for row in programs {
        let (comm, host) = (row.label("comm"), row.label("instance"));
        add(comm, vec![one("job", "node"), one("comm", comm)], vec![one("instance", host)]);
    }
    all.truncate(NAMES_MAX);
    Names::new(all)
}

/// The recorded machine on which an instance runs, by the name that it gives itself, or by its address.
fn host_of(hostname: &str, hosts: &BTreeSet<&str>, instance: &str, host_name: &str) -> Option<String> {
    let bare = |text: &str| text.rsplit_once(':').map_or(text, |(host, _)| host).to_string();
    let at = bare(instance);
    let is_here = matches!(at.as_str(), "localhost" | "127.0.0.1" | "[::1]");
    let wanted = if host_name.is_empty() { if is_here { hostname } else { at.as_str() } } else { host_name };
    hosts.iter().find(|h| **h == wanted || bare(h) == wanted).map(|h| (*h).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(list: &[&[(&str, &str)]]) -> Vec<Row> {
        let row = |pairs: &&[(&str, &str)]| Row {
            labels: pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(),
            value: 1.0,
        };
        list.iter().map(row).collect()
    }

    #[test]
    fn names_and_the_machines_they_run_on() {
        let names = from(
            "vm",
            &rows(&[&[("instance", "vm")], &[("instance", "db-2:9100")]]),
            &rows(&[
                &[("job", "api"), ("instance", "127.0.0.1:8080")],
                &[("job", "shop/cart"), ("instance", "c1"), ("host_name", "vm")],
                &[("job", "postgres"), ("instance", "db-2:9187")],
                &[("job", "far"), ("instance", "elsewhere:1")],
            ]),
            &rows(&[&[("service_name", "cart")], &[("server", "mysql")]]),
            &rows(&[&[("comm", "nginx"), ("instance", "vm")], &[("comm", "api"), ("instance", "vm")]]),
        );
        let find =
            |name: &str| names.all().iter().find(|e| e.name == name).unwrap_or_else(|| panic!("{name}"));
        let on = |name: &str| find(name).of_hosts.first().map(|(_, v)| v.join(" ")).unwrap_or_default();
        assert_eq!(
            (on("api"), on("cart"), on("postgres"), on("far")),
            ("vm".into(), "vm".into(), "db-2:9100".into(), "".into())
        );
        assert_eq!(find("cart").own, [("job".to_string(), vec!["shop/cart".to_string()])]);
        assert_eq!(find("mysql").kind, EntityKind::Service);
        assert_eq!(find("nginx").own.len(), 2);
        assert_eq!(names.all().iter().filter(|e| e.name == "api").count(), 1);
        assert_eq!(find("db-2:9100").kind, EntityKind::Host);
    }
}
