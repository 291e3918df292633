//! What can be set about the recorder. Plain data: it must never read the environment.

use std::path::PathBuf;

/// Settings of the recorder.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The kernel's log, for the ring of the last minutes.
    pub kernel_log: PathBuf,
    /// The value of the label `instance`: the host's name.
    pub instance: String,
    /// Where procfs is mounted.
    pub proc_root: PathBuf,
    /// Where sysfs is mounted.
    pub sys_root: PathBuf,
    /// Processes that are recorded one by one for each measure (CPU, memory, I/O). More show more, and
    /// cost about ten series each.
    pub processes_per_measure: usize,
    /// The most processes that are recorded one by one, whatever the reason.
    pub processes_max: usize,
    /// The most processes that are looked at; more are counted only.
    pub processes_watched_max: usize,
    /// Files of processes that are kept open. Each saves some 5 us a second and counts against the
    /// limit of open files of this program.
    pub process_files_max: usize,
    /// The most control groups that are recorded.
    pub cgroups_max: usize,
    /// Files of control groups that are kept open, as `process_files_max`.
    pub cgroup_files_max: usize,
    /// The most things of each other kind (disks, interfaces, mount points, interrupts, ...).
    pub things_max: usize,
    /// Seconds between looks at what changes seldom: interrupts, sockets, the list of control groups.
    pub slow_seconds: u64,
    /// Also ask file systems that live on another machine for their space. Such a call can hang.
    pub remote_filesystems: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            kernel_log: "/dev/kmsg".into(),
            instance: "localhost".into(),
            proc_root: "/proc".into(),
            sys_root: "/sys".into(),
            processes_per_measure: 30,
            processes_max: 200,
            processes_watched_max: 4_096,
            process_files_max: 512,
            cgroups_max: 512,
            cgroup_files_max: 128,
            things_max: 1_024,
            slow_seconds: 5,
            remote_filesystems: false,
        }
    }
}
