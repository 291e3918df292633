//! What is bounded, as data: what is used of it, its bound, what happens there. Queries of one row have the same labels in both.

/// What kind of bound it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// It fills up, or not.
    Filling,
    /// It ends at a time: `used` gives the seconds that are left.
    Deadline,
    /// A group that votes: `used` gives how many members may still fail.
    Spare,
}

/// One kind of bounded thing.
#[derive(Debug)]
pub struct Resource {
    /// Stable name.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What kind of bound.
    pub sort: Sort,
    /// PromQL: what is used.
    pub used: &'static str,
    /// PromQL: the bound; "" where there is none.
    pub limit: &'static str,
    /// `bytes`, or what is counted.
    pub unit: &'static str,
    /// What happens at the bound.
    pub at_limit: &'static str,
    /// What to do about it.
    pub what_to_do: &'static str,
}

macro_rules! filling {
    ($id:literal, $title:literal, $unit:literal, $used:expr, $limit:expr, $at:literal, $do:literal) => {
        Resource {
            id: $id,
            title: $title,
            sort: Sort::Filling,
            used: $used,
            limit: $limit,
            unit: $unit,
            at_limit: $at,
            what_to_do: $do,
        }
    };
}

/// All of them.
#[rustfmt::skip]
pub const RESOURCES: &[Resource] = &[
    filling!("disk-space", "Disk space", "bytes",
        r#"max by (instance, mountpoint) (node_filesystem_size_bytes{fstype!~"tmpfs|ramfs|devtmpfs|squashfs|iso9660|autofs|efivarfs|fuse.*", mountpoint!~"/(run|var/lib/(docker|containers|kubelet)|snap)/.+"} - node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs|devtmpfs|squashfs|iso9660|autofs|efivarfs|fuse.*", mountpoint!~"/(run|var/lib/(docker|containers|kubelet)|snap)/.+"} unless (node_filesystem_readonly == 1))"#,
        r#"max by (instance, mountpoint) (node_filesystem_size_bytes{fstype!~"tmpfs|ramfs|devtmpfs|squashfs|iso9660|autofs|efivarfs|fuse.*", mountpoint!~"/(run|var/lib/(docker|containers|kubelet)|snap)/.+"} > 0)"#,
        "Whatever writes to it stops.", "Find what grew (du -x), rotate or remove it, or enlarge the file system."),
    filling!("inodes", "Files on disk", "files",
        r#"max by (instance, mountpoint) (node_filesystem_files{fstype!~"tmpfs|ramfs|devtmpfs|squashfs|iso9660|autofs|efivarfs|fuse.*", mountpoint!~"/(run|var/lib/(docker|containers|kubelet)|snap)/.+"} - node_filesystem_files_free{fstype!~"tmpfs|ramfs|devtmpfs|squashfs|iso9660|autofs|efivarfs|fuse.*", mountpoint!~"/(run|var/lib/(docker|containers|kubelet)|snap)/.+"})"#,
        r#"max by (instance, mountpoint) (node_filesystem_files{fstype!~"tmpfs|ramfs|devtmpfs|squashfs|iso9660|autofs|efivarfs|fuse.*", mountpoint!~"/(run|var/lib/(docker|containers|kubelet)|snap)/.+"} > 0)"#,
        "No new file can be made, however much space is free.", "Look for folders with very many small files."),
    filling!("memory", "Memory", "bytes",
        "max by (instance) (node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes)", "max by (instance) (node_memory_MemTotal_bytes)",
        "The kernel kills processes.", "See which process grows; move work, or add memory."),
    filling!("descriptors", "File descriptors of the machine", "descriptors",
        "max by (instance) (node_filefd_allocated)", "max by (instance) (node_filefd_maximum)",
        "Nothing can open a file or accept a connection.", "Find the process that leaks them, or raise fs.file-max."),
    filling!("processes", "Process numbers", "processes",
        "max by (instance) (node_processes_pids)", "max by (instance) (node_processes_max_processes)",
        "Nothing can be started, not even a shell.", "Find what starts so many, or raise kernel.pid_max."),
    filling!("threads", "Threads", "threads",
        "max by (instance) (node_processes_threads)", "max by (instance) (node_processes_max_threads)",
        "No thread can be started.", "Find what starts so many, or raise kernel.threads-max."),
    filling!("conntrack", "Tracked connections", "connections",
        "max by (instance) (node_nf_conntrack_entries)", "max by (instance) (node_nf_conntrack_entries_limit)",
        "New connections are dropped without a word.", "Find who opens so many, or raise nf_conntrack_max."),
    filling!("service-descriptors", "File descriptors of a service", "descriptors",
        "max by (job, instance) (process_open_fds)", "max by (job, instance) (process_max_fds)",
        "It cannot accept or make connections.", "A line that only rises is a leak; else raise its limit."),
    filling!("cgroup-memory", "Memory of a control group", "bytes",
        "max by (instance, cgroup) (cgroup_memory_anon_bytes)", "max by (instance, cgroup) (cgroup_memory_limit_bytes)",
        "A process of the group is killed.", "Find what grows, or raise the limit of the group."),
    filling!("cgroup-pids", "Processes of a control group", "processes",
        "max by (instance, cgroup) (cgroup_pids)", "max by (instance, cgroup) (cgroup_pids_limit)",
        "It can start nothing more.", "Find what starts so many, or raise pids.max."),
    filling!("postgres-connections", "Connections of PostgreSQL", "connections",
        "sum by (instance) (pg_stat_activity_count)", "max by (instance) (pg_settings_max_connections)",
        "New connections are refused.", "Smaller pools, or a pooler in front."),
    filling!("pool-hikari", "Connections of a pool", "connections",
        "max by (job, instance, pool) (hikaricp_connections_active)", "max by (job, instance, pool) (hikaricp_connections_max)",
        "Requests wait for a connection.", "Find what holds them for long."),
    filling!("pool-otel", "Connections of a pool", "connections",
        r#"sum by (job, instance, db_client_connection_pool_name) (db_client_connection_count{db_client_connection_state="used"}) or sum by (job, instance, pool_name) (db_client_connections_usage{state="used"})"#,
        "sum by (job, instance, db_client_connection_pool_name) (db_client_connection_max) or sum by (job, instance, pool_name) (db_client_connections_max)",
        "Requests wait for a connection.", "Find what holds them for long."),
    filling!("pool-go", "Connections of a pool", "connections",
        "max by (job, instance, db_name) (go_sql_in_use_connections)", "max by (job, instance, db_name) (go_sql_max_open_connections > 0)",
        "Requests wait for a connection.", "Find what holds them for long."),
    filling!("redis-memory", "Memory of Redis", "bytes",
        "max by (instance) (redis_memory_used_bytes)", "max by (instance) (redis_memory_max_bytes > 0)",
        "Keys are thrown out, or writes refused.", "Find what grew, keys without a time to live; then its memory."),
    filling!("redis-clients", "Clients of Redis", "clients",
        "max by (instance) (redis_connected_clients)", "max by (instance) (redis_config_maxclients > 0)",
        "New clients are refused.", "Find who keeps so many connections."),
    filling!("etcd-space", "Space of etcd", "bytes",
        "max by (instance) (etcd_mvcc_db_total_size_in_bytes)", "max by (instance) (etcd_server_quota_backend_bytes > 0)",
        "It takes no writes any more.", "Compact, then defragment one member after another."),
    Resource {
        id: "certificate", title: "Certificate", sort: Sort::Deadline, limit: "", unit: "s",
        used: "min by (job, instance) (probe_ssl_earliest_cert_expiry) - time() or min by (job, instance, subject_CN) (x509_cert_not_after) - time()",
        at_limit: "Whoever connects anew fails.", what_to_do: "Renew it, and look who reads it anew without a restart.",
    },
    Resource {
        id: "quorum", title: "Quorum", sort: Sort::Spare, limit: "", unit: "members",
        used: r#"min by (system, cluster) (midwatch_membership_spare) or sum by (job) (up{job=~".*(etcd|consul|zookeeper|vault).*"}) - floor(count by (job) (up{job=~".*(etcd|consul|zookeeper|vault).*"}) / 2) - 1"#,
        at_limit: "Nothing can be written, and no leader chosen.", what_to_do: "Bring the missing member back, or remove it before another is added.",
    },
];
