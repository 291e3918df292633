//! How netdata is run: in the foreground, with everything in a folder for temporary files, on loopback, without
//! whatever does not record this machine (health checks, machine learning, StatsD, registry, cloud). It must never
//! touch the configuration or the data of an installed service.

use std::path::Path;
use stdx::{Error, ErrorKind, Result};

/// Plugins of its own that record this machine.
const ON: &[&str] = &["proc", "diskspace", "cgroups", "apps", "timex"];
/// The others: they wait for programs, need kernels with debugging, or measure something else.
const OFF: &[&str] = &[
    "idlejitter",
    "tc",
    "checks",
    "python.d",
    "charts.d",
    "node.d",
    "go.d",
    "fping",
    "ioping",
    "ebpf",
    "perf",
    "nfacct",
    "cups",
    "freeipmi",
    "slabinfo",
    "statsd",
];

/// Writes the configuration into `folder` and returns the file's name.
///
/// # Errors
/// If a file cannot be written.
pub fn configure(folder: &Path, port: u16) -> Result<std::path::PathBuf> {
    let failed = |e| Error::wrap(ErrorKind::Unavailable, "cannot write the configuration of netdata", e);
    for name in ["etc", "cache", "lib/cloud.d", "log", "lock"] {
        std::fs::create_dir_all(folder.join(name)).map_err(failed)?;
    }
    std::fs::write(folder.join("lib/cloud.d/cloud.conf"), "[global]\n  enabled = no\n").map_err(failed)?;
    let file = folder.join("netdata.conf");
    std::fs::write(&file, text(folder, port)).map_err(failed)?;
    Ok(file)
}

fn text(folder: &Path, port: u16) -> String {
    let at = folder.display();
    let mut out = String::new();
    if rustix::process::geteuid().is_root() {
        // Else it becomes the user netdata, who cannot write here.
        out += "[global]\n  run as user = root\n[web]\n  web files owner = root\n  web files group = root\n";
    }
    out += &format!("[web]\n  bind to = 127.0.0.1:{port}\n");
    out += "[directories]\n";
    for name in ["cache", "lib", "log", "lock"] {
        out += &format!("  {name} = {at}/{name}\n");
    }
    out += &format!("  config = {at}/etc\n  registry = {at}/lib/registry\n");
    out += "[db]\n  mode = dbengine\n  update every = 1\n[logs]\n  access = none\n";
    for section in ["statsd", "health", "ml", "registry"] {
        out += &format!("[{section}]\n  enabled = no\n");
    }
    out += "[plugins]\n";
    ON.iter().for_each(|name| out += &format!("  {name} = yes\n"));
    OFF.iter().for_each(|name| out += &format!("  {name} = no\n"));
    out
}
