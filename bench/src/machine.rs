//! What machine this is: figures mean nothing without it. It must never change anything about the machine.

use std::fs::read_to_string;

/// Two lines: processor and cores; kernel, system, memory and load.
pub fn describe() -> String {
    let cpuinfo = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = value_of(&cpuinfo, "model name", ':').unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, |n| n.get());
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = read_to_string("/etc/os-release").unwrap_or_default();
    let system = value_of(&release, "PRETTY_NAME", '=').unwrap_or("unknown system").trim_matches('"');
    let memory = read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = value_of(&memory, "MemTotal", ':').and_then(|v| v.split(' ').next()?.parse().ok());
    let load = read_to_string("/proc/loadavg").unwrap_or_default();
    let virtual_machine = if value_of(&cpuinfo, "flags", ':').is_some_and(|f| f.contains(" hypervisor")) {
        ", virtual machine"
    } else {
        ""
    };
    format!(
        "{model}, {cores} cores{virtual_machine}\nLinux {}, {system}, {:.1} GiB of memory, load {} before the start\n",
        kernel.trim(),
        kib.unwrap_or(0.0) / 1_048_576.0,
        load.split(' ').next().unwrap_or("?"),
    )
}

fn value_of<'a>(text: &'a str, name: &str, separator: char) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(separator)?;
        (found.trim() == name).then(|| value.trim())
    })
}

/// CPU seconds that all cores together have spent busy (not idle, not waiting for a disk, not stolen) since the
/// machine was started; NaN if the kernel does not say.
pub fn busy_seconds() -> f64 {
    let stat = read_to_string("/proc/stat").unwrap_or_default();
    let Some(line) = stat.lines().next() else { return f64::NAN };
    let ticks: Vec<f64> = line.split_whitespace().skip(1).filter_map(|t| t.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq
    let busy = [0, 1, 2, 5, 6].iter().map(|i| ticks.get(*i).copied().unwrap_or(f64::NAN));
    busy.sum::<f64>() / rustix::param::clock_ticks_per_second() as f64
}
