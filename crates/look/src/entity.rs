//! Which thing a series belongs to, decided from its name and labels alone by a table of rules.
//! It must never depend on what other series there are: the same labels always give the same thing.

use crate::natural;
use model::Labels;
use std::cmp::Ordering;

/// The kinds of things. The order of the variants is the order on the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// All processors of a machine.
    Cpu,
    /// Its memory.
    Memory,
    /// One block device.
    Disk,
    /// One mounted file system.
    Filesystem,
    /// One network interface, or the protocols of a machine.
    Network,
    /// A machine as a whole: what belongs to none of its parts.
    Host,
    /// One scraped target or sender.
    Service,
    /// One process.
    Process,
    /// One control group.
    Cgroup,
    /// This program itself.
    Midwatch,
    /// A metric, when grouped by metric.
    Metric,
    /// Everything else.
    Other,
}

impl Kind {
    /// As in the HTTP API.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Host => "host",
            Kind::Cpu => "cpu",
            Kind::Memory => "memory",
            Kind::Disk => "disk",
            Kind::Filesystem => "filesystem",
            Kind::Network => "network",
            Kind::Service => "service",
            Kind::Process => "process",
            Kind::Cgroup => "cgroup",
            Kind::Midwatch => "midwatch",
            Kind::Metric => "metric",
            Kind::Other => "other",
        }
    }

    /// Machines with all their parts come before everything else.
    fn section(self) -> Kind {
        if self < Kind::Service { Kind::Host } else { self }
    }
}

/// What a series belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Belongs {
    /// What kind of thing.
    pub kind: Kind,
    /// Its name, without its kind: `sda`, `/home`, `nginx 1234`.
    pub title: String,
    /// What it is part of, with its kind: `host vm`; may be empty.
    pub parent: String,
}

impl Belongs {
    /// The order on the wall: machine by machine with its parts, then services, processes, control groups,
    /// this program, the rest; by name within.
    pub fn order(&self, other: &Belongs) -> Ordering {
        let machine =
            |b: &Belongs| if b.kind == Kind::Host { format!("host {}", b.title) } else { b.parent.clone() };
        self.kind
            .section()
            .cmp(&other.kind.section())
            .then_with(|| natural::compare(&machine(self), &machine(other)))
            .then_with(|| self.kind.cmp(&other.kind))
            .then_with(|| natural::compare(&self.title, &other.title))
    }
}

/// A part of a machine: series whose name starts so, titled by the label where there is one, or by the text.
struct Part {
    prefix: &'static str,
    kind: Kind,
    label: &'static str,
    title: &'static str,
}

const fn part(prefix: &'static str, kind: Kind, label: &'static str, title: &'static str) -> Part {
    Part { prefix, kind, label, title }
}

/// The first prefix that fits decides.
const PARTS: &[Part] = &[
    part("node_cpu_", Kind::Cpu, "", "cpu"),
    part("node_load", Kind::Cpu, "", "cpu"),
    part("node_schedstat_", Kind::Cpu, "", "cpu"),
    part("node_softirqs", Kind::Cpu, "", "cpu"),
    part("node_interrupts", Kind::Cpu, "", "cpu"),
    part("node_intr", Kind::Cpu, "", "cpu"),
    part("node_context_switches", Kind::Cpu, "", "cpu"),
    part("node_procs_", Kind::Cpu, "", "cpu"),
    part("node_forks", Kind::Cpu, "", "cpu"),
    part("node_pressure_cpu_", Kind::Cpu, "", "cpu"),
    part("node_pressure_irq_", Kind::Cpu, "", "cpu"),
    part("node_memory_", Kind::Memory, "", "memory"),
    part("node_vmstat_", Kind::Memory, "", "memory"),
    part("node_edac_", Kind::Memory, "", "memory"),
    part("node_pressure_memory_", Kind::Memory, "", "memory"),
    part("node_pressure_io_", Kind::Disk, "", "all disks"),
    part("node_disk_", Kind::Disk, "device", "all disks"),
    part("node_md_", Kind::Disk, "device", "all disks"),
    part("node_filesystem_", Kind::Filesystem, "mountpoint", "file systems"),
    part("node_network_", Kind::Network, "device", "protocols"),
    part("node_netstat_", Kind::Network, "", "protocols"),
    part("node_sockstat_", Kind::Network, "", "protocols"),
    part("node_softnet_", Kind::Network, "", "protocols"),
    part("node_tcp_", Kind::Network, "", "protocols"),
    part("node_udp_", Kind::Network, "", "protocols"),
    part("node_nf_conntrack_", Kind::Network, "", "protocols"),
    part("node_arp_", Kind::Network, "", "protocols"),
];

/// What the series with these labels belongs to.
pub fn belongs(labels: &Labels) -> Belongs {
    let (mut name, mut job, mut instance, mut pid, mut comm, mut cgroup) = ("", "", "", "", "", "");
    for (label, value) in labels.iter() {
        match label {
            model::NAME => name = value,
            "job" => job = value,
            "instance" => instance = value,
            "pid" => pid = value,
            "comm" => comm = value,
            "cgroup" => cgroup = value,
            _ => {}
        }
    }
    let of_host = |kind, title: String| {
        let parent = if instance.is_empty() { String::new() } else { format!("host {instance}") };
        Belongs { kind, title, parent }
    };
    let alone = |kind, title: &str| Belongs { kind, title: title.into(), parent: String::new() };
    if name.starts_with("midwatch_") || job == "midwatch" {
        return alone(Kind::Midwatch, "midwatch");
    }
    if !pid.is_empty() && !comm.is_empty() {
        return of_host(Kind::Process, format!("{comm} {pid}"));
    }
    if !cgroup.is_empty() && job == "node" {
        return of_host(Kind::Cgroup, cgroup.into());
    }
    // A node_exporter that is scraped under another job describes a machine all the same.
    if job == "node" || name.starts_with("node_") {
        return match PARTS.iter().find(|p| name.starts_with(p.prefix)) {
            Some(p) => {
                let label = if p.label.is_empty() { "" } else { labels.get(p.label) };
                of_host(p.kind, if label.is_empty() { p.title } else { label }.into())
            }
            None => alone(Kind::Host, if instance.is_empty() { "this host" } else { instance }),
        };
    }
    match (job, instance) {
        ("", "") => alone(Kind::Other, name.split(['_', '.', ':']).next().unwrap_or(name)),
        ("", instance) => alone(Kind::Service, instance),
        (job, "") => alone(Kind::Service, job),
        (job, instance) => {
            Belongs { kind: Kind::Service, title: format!("{job} {instance}"), parent: String::new() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Belongs {
        let (name, rest) = text.split_once('{').unwrap();
        let pairs = rest.trim_end_matches('}').split(',').filter_map(|p| p.split_once('='));
        belongs(&Labels::from_pairs(pairs.chain([("__name__", name)])).unwrap())
    }

    #[test]
    fn table() {
        for (series, kind, title, parent) in [
            ("node_cpu_seconds_total{job=node,instance=vm,cpu=0,mode=user}", Kind::Cpu, "cpu", "host vm"),
            ("node_load1{job=node,instance=vm}", Kind::Cpu, "cpu", "host vm"),
            ("node_memory_MemFree_bytes{job=node,instance=vm}", Kind::Memory, "memory", "host vm"),
            (
                "node_disk_io_time_seconds_total{job=node,instance=vm,device=sda}",
                Kind::Disk,
                "sda",
                "host vm",
            ),
            (
                "node_pressure_io_waiting_seconds_total{job=node,instance=vm}",
                Kind::Disk,
                "all disks",
                "host vm",
            ),
            (
                "node_filesystem_avail_bytes{job=node,instance=vm,mountpoint=/,device=/dev/vda}",
                Kind::Filesystem,
                "/",
                "host vm",
            ),
            ("node_network_up{job=node,instance=vm,device=eth0}", Kind::Network, "eth0", "host vm"),
            ("node_netstat_Tcp_InSegs{job=node,instance=vm}", Kind::Network, "protocols", "host vm"),
            ("node_boot_time_seconds{job=node,instance=vm}", Kind::Host, "vm", ""),
            ("up{job=node,instance=vm}", Kind::Host, "vm", ""),
            ("node_load5{job=exporter,instance=h:9100}", Kind::Cpu, "cpu", "host h:9100"),
            (
                "process_thread_count{job=node,instance=vm,pid=12,comm=nginx}",
                Kind::Process,
                "nginx 12",
                "host vm",
            ),
            (
                "cgroup_pids{job=node,instance=vm,cgroup=/system.slice}",
                Kind::Cgroup,
                "/system.slice",
                "host vm",
            ),
            ("http_requests_total{job=shop,instance=h:80}", Kind::Service, "shop h:80", ""),
            ("x{instance=h:80}", Kind::Service, "h:80", ""),
            ("x{job=shop}", Kind::Service, "shop", ""),
            ("midwatch_head_bytes{job=midwatch,instance=vm}", Kind::Midwatch, "midwatch", ""),
            ("midwatch_recorder_files{job=node,instance=vm}", Kind::Midwatch, "midwatch", ""),
            ("my_thing{}", Kind::Other, "my", ""),
        ] {
            let want = Belongs { kind, title: title.into(), parent: parent.into() };
            assert_eq!(of(series), want, "{series}");
        }
    }

    #[test]
    fn the_order_on_the_wall() {
        let sorted = [
            "node_load1{job=node,instance=a}",
            "node_memory_x{job=node,instance=a}",
            "node_disk_x{job=node,instance=a,device=sda}",
            "node_filesystem_x{job=node,instance=a,mountpoint=/}",
            "node_network_x{job=node,instance=a,device=eth2}",
            "node_network_x{job=node,instance=a,device=eth10}",
            "up{job=node,instance=a}",
            "node_load1{job=node,instance=b}",
            "up{job=node,instance=b}",
            "up{job=api,instance=h:9}",
            "up{job=shop,instance=h:1}",
            "process_x{job=node,instance=a,pid=2,comm=b}",
            "process_x{job=node,instance=a,pid=10,comm=b}",
            "cgroup_x{job=node,instance=a,cgroup=/}",
            "midwatch_x{job=midwatch}",
            "x{}",
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(of(a).order(&of(b)), i.cmp(&j), "{a} {b}");
            }
        }
    }
}
