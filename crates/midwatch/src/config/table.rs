//! Every setting, one row each: its name, where it lives, its bounds, and what it does. Parsing, defaults, the
//! reference and what the API shows come from this table and from nowhere else.

use super::Config;
use super::values;
use document::{Node, Value};
use std::net::SocketAddr;
use std::path::PathBuf;

/// A setting.
pub struct Setting {
    /// As in the file: the section and the key.
    pub name: &'static str,
    /// The place of its value.
    pub slot: fn(&mut Config) -> Slot<'_>,
    /// The smallest and largest value: milliseconds, bytes or a number.
    pub bounds: (u64, u64),
    /// What it does and what changing it costs.
    pub what: &'static str,
    /// A value as it is written in the file.
    pub example: &'static str,
    /// The flag of `midwatch serve` that goes before it, if there is one.
    pub flag: &'static str,
}

/// The place of a value, with the type that it has.
pub enum Slot<'a> {
    /// `host:port`.
    Address(&'a mut SocketAddr),
    /// `host:port`, or nothing.
    OptionalAddress(&'a mut Option<SocketAddr>),
    /// A path; a relative one is relative to the configuration file.
    Path(&'a mut PathBuf),
    /// A path, or nothing.
    OptionalPath(&'a mut Option<PathBuf>),
    /// In milliseconds, or nothing.
    OptionalDuration(&'a mut Option<i64>),
    /// Paths.
    Paths(&'a mut Vec<PathBuf>),
    /// Names.
    Names(&'a mut Vec<String>),
    /// Any text.
    Text(&'a mut String),
    /// `true` or `false`.
    Switch(&'a mut bool),
    /// In milliseconds.
    Duration(Number<'a>),
    /// In bytes.
    Size(Number<'a>),
    /// A number of things.
    Count(Number<'a>),
}

/// The numbers that settings are made of.
pub enum Number<'a> {
    /// As it is.
    Signed(&'a mut i64),
    /// As it is.
    Unsigned(&'a mut u64),
    /// As it is.
    Size(&'a mut usize),
    /// Seconds, where the slot has milliseconds.
    Seconds(&'a mut u64),
}

impl Number<'_> {
    fn get(&self) -> u64 {
        match self {
            Number::Signed(n) => u64::try_from(**n).unwrap_or(0),
            Number::Unsigned(n) => **n,
            Number::Size(n) => **n as u64,
            Number::Seconds(n) => n.saturating_mul(1000),
        }
    }

    fn set(&mut self, value: u64) {
        match self {
            Number::Signed(n) => **n = i64::try_from(value).unwrap_or(i64::MAX),
            Number::Unsigned(n) => **n = value,
            Number::Size(n) => **n = usize::try_from(value).unwrap_or(usize::MAX),
            Number::Seconds(n) => **n = value / 1000,
        }
    }
}

impl Slot<'_> {
    /// The type, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Slot::Address(_) | Slot::OptionalAddress(_) => "address",
            Slot::Names(_) => "list of names",
            Slot::Path(_) | Slot::OptionalPath(_) => "path",
            Slot::Paths(_) => "list of paths",
            Slot::Text(_) => "text",
            Slot::Switch(_) => "true or false",
            Slot::Duration(_) | Slot::OptionalDuration(_) => "duration",
            Slot::Size(_) => "size",
            Slot::Count(_) => "number",
        }
    }

    /// The value as text.
    pub fn show(&self) -> String {
        match self {
            Slot::Address(a) => a.to_string(),
            Slot::OptionalAddress(a) => a.map(|a| a.to_string()).unwrap_or_default(),
            Slot::Names(list) => list.join(", "),
            Slot::Path(p) => p.display().to_string(),
            Slot::OptionalPath(p) => p.as_ref().map(|p| p.display().to_string()).unwrap_or_default(),
            Slot::OptionalDuration(ms) => {
                ms.map(|ms| values::show_duration(u64::try_from(ms).unwrap_or(0))).unwrap_or_default()
            }
            Slot::Paths(list) => list.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", "),
            Slot::Text(t) => (*t).clone(),
            Slot::Switch(s) => s.to_string(),
            Slot::Duration(n) => values::show_duration(n.get()),
            Slot::Size(n) => values::show_size(n.get()),
            Slot::Count(n) => n.get().to_string(),
        }
    }

    /// The value as it is written in the file.
    pub fn written(&self) -> String {
        match self {
            Slot::Paths(list) => format!("{:?}", list),
            Slot::Names(list) => format!("{:?}", list),
            Slot::Switch(_) | Slot::Count(_) => self.show(),
            _ => format!("{:?}", self.show()),
        }
    }
}

impl Setting {
    /// Sets it from a place in a file.
    ///
    /// # Errors
    /// A sentence that says what is expected.
    pub fn read(&self, config: &mut Config, node: &Node) -> Result<(), String> {
        let mut slot = (self.slot)(config);
        match (&mut slot, &node.value) {
            (Slot::Paths(list), Value::List(items)) => {
                let paths = items.iter().map(|item| item.text().map(PathBuf::from));
                **list = paths.collect::<Option<_>>().ok_or("expected a list of paths in quotes")?;
                Ok(())
            }
            (Slot::Names(list), Value::List(items)) => {
                let names = items.iter().map(|item| item.text().map(str::to_string));
                **list = names.collect::<Option<_>>().ok_or("expected a list of names in quotes")?;
                Ok(())
            }
            (Slot::Switch(on), _) => {
                **on =
                    node.truth().ok_or_else(|| format!("expected true or false, found {}", node.kind()))?;
                Ok(())
            }
            (_, Value::Scalar { text, .. }) => self.parse(config, text),
            _ => Err(format!("expected a {} such as {}, found {}", slot.kind(), self.example, node.kind())),
        }
    }

    /// Sets it from the text of a flag.
    ///
    /// # Errors
    /// As [`Setting::read`].
    pub fn parse(&self, config: &mut Config, text: &str) -> Result<(), String> {
        let bounded = |value: u64, show: fn(u64) -> String| {
            let (min, max) = self.bounds;
            if (min..=max).contains(&value) {
                return Ok(value);
            }
            Err(format!("{} is out of bounds; it must be from {} to {}", show(value), show(min), show(max)))
        };
        match (self.slot)(config) {
            Slot::Address(slot) => *slot = address(text)?,
            Slot::OptionalAddress(slot) if text.is_empty() => *slot = None,
            Slot::OptionalAddress(slot) => *slot = Some(address(text)?),
            Slot::Path(_) | Slot::Text(_) if text.is_empty() => return Err("it must not be empty".into()),
            Slot::Path(slot) => *slot = text.into(),
            Slot::OptionalPath(slot) => *slot = (!text.is_empty()).then(|| text.into()),
            Slot::OptionalDuration(slot) if text.is_empty() => *slot = None,
            Slot::OptionalDuration(slot) => {
                *slot = Some(i64::try_from(values::duration_ms(text)?).unwrap_or(i64::MAX));
            }
            Slot::Paths(slot) => *slot = vec![text.into()],
            Slot::Names(slot) => *slot = text.split(',').map(|name| name.trim().to_string()).collect(),
            Slot::Text(slot) => *slot = text.into(),
            Slot::Switch(slot) => *slot = text.parse().map_err(|_| "expected true or false")?,
            Slot::Duration(mut n) => n.set(bounded(values::duration_ms(text)?, values::show_duration)?),
            Slot::Size(mut n) => n.set(bounded(values::size_bytes(text)?, values::show_size)?),
            Slot::Count(mut n) => n.set(bounded(values::count(text)?, |n| n.to_string())?),
        }
        Ok(())
    }

    /// The bounds as text, or "" where there are none.
    pub fn show_bounds(&self) -> String {
        let show = match (self.slot)(&mut Config::default()) {
            Slot::Duration(_) => values::show_duration,
            Slot::Size(_) => values::show_size,
            Slot::Count(_) => |n: u64| n.to_string(),
            _ => return String::new(),
        };
        format!("{} to {}", show(self.bounds.0), show(self.bounds.1))
    }

    /// The default as it is written in the file.
    pub fn default(&self) -> String {
        (self.slot)(&mut Config::default()).written()
    }

    /// The section (`""` for the top of the file) and the key.
    pub fn section_and_key(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let named = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    named.as_deref().unwrap_or(text).parse().map_err(|_| {
        format!(
            "{text:?} is not an address; write an IP address and a port, such as 127.0.0.1:4004 or [::1]:4004"
        )
    })
}

/// The setting of that name.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|s| s.name == name)
}

/// What a section is for.
pub const SECTIONS: &[(&str, &str)] = &[
    ("", "Where to listen, where to keep the data and for how long, and what else to read."),
    ("host", "The recorder of this machine: what it reads once a second."),
    ("discover", "Looking for services on this machine that expose metrics."),
    (
        "tiers",
        "Summaries of each minute and each hour, which are kept longer than samples and answer long questions.",
    ),
    ("store", "How samples are kept. Change these for very large or very small machines only."),
    ("tables", "How log records, spans and changes are kept."),
    ("otlp", "OpenTelemetry's protocol. The main port takes it at `/v1/metrics` in any case."),
    ("spans", "Which traces are kept; all of them unless told otherwise."),
    ("changes", "Finding out by itself what changed on this machine."),
    ("captures", "The last minutes of everything, and when they are captured."),
    (
        "critic",
        "What speaks against a plan: rules of your own, besides those that come with the program (docs/guide/critique.md).",
    ),
    (
        "logs",
        "Log records: files that are followed, templates, metrics of records. Files are named in `[[logs.files]]`, metrics in `[[logs.metrics]]`: docs/guide/logs.md.",
    ),
    ("monitors", "Rules that are evaluated again and again, and who is told: docs/guide/monitors.md."),
    ("membership", "Members of systems that vote, such as etcd: docs/guide/membership.md."),
    ("syslog", "Syslog listeners. Off unless an address is given."),
    ("ingest", "Bounds on what arrives. What is over them is refused, counted, and shown with the reason."),
    ("query", "Bounds on queries."),
    ("sql", "Bounds on answers in SQL. Time, memory and how many at one time are those of `[query]`."),
    ("postgres", "PostgreSQL's protocol, for psql, drivers and other tools; read-only, without passwords."),
    ("web", "By which names the server is asked, and what pages of other origins may do."),
    ("admin", "What may be done to stored data by request."),
];

const MS: u64 = 1;
const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
const NONE: (u64, u64) = (0, u64::MAX);

macro_rules! row {
    ($name:literal, $kind:ident $number:ident, $c:ident . $($path:ident).+, $bounds:expr, $example:literal, $what:literal $(, $flag:literal)?) => {
        Setting {
            name: $name,
            slot: |$c| Slot::$kind(Number::$number(&mut $c.$($path).+)),
            bounds: $bounds,
            what: $what,
            example: $example,
            flag: concat!($($flag)?),
        }
    };
    ($name:literal, $kind:ident, $c:ident . $($path:ident).+, $example:literal, $what:literal $(, $flag:literal)?) => {
        Setting {
            name: $name,
            slot: |$c| Slot::$kind(&mut $c.$($path).+),
            bounds: NONE,
            what: $what,
            example: $example,
            flag: concat!($($flag)?),
        }
    };
}

/// Every setting, by section, the ones that people change first.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    row!("listen", Address, c.listen, "\"127.0.0.1:4004\"", "Where to listen. An address that other machines can reach is refused unless `insecure_listen` is set.", "--listen"),
    row!("insecure_listen", Switch, c.insecure_listen, "true", "Listen where other machines can reach it although there is no password and no TLS: whoever reaches it can read everything and write samples.", "--insecure-listen"),
    row!("data", Path, c.data, "\"/var/lib/midwatch\"", "The folder in which everything is kept; it is made if it is not there. Or a bucket, `s3://BUCKET/PREFIX`, with credentials and address from the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`) or the machine's role.", "--data"),
    row!("wal", Path, c.store.wal, "\"/var/lib/midwatch-wal\"", "With a bucket: the folder for the write-ahead log, which holds what is acknowledged and not in the bucket yet. It has to be on a local disk that stays.", "--wal"),
    row!("retention", Duration Signed, c.store.retention_ms, (HOUR, 100 * 365 * DAY), "\"90d\"", "Samples older than this are removed, whole blocks at a time. Longer costs disk.", "--retention"),
    row!("retention_size", Size Unsigned, c.store.blocks_bytes_max, (64 * MIB, 1024 * TIB), "\"20GiB\"", "The oldest blocks are removed when all blocks together are larger than this.", "--retention-size"),
    row!("archive", OptionalPath, c.store.archive, "\"s3://cold/midwatch\"", "Old blocks move to this folder, or bucket (as `data`), and can be brought back with `midwatch archive restore`. Empty: there is no archive.", "--archive"),
    row!("archive_after", Duration Signed, c.store.archive_after_ms, (HOUR, 100 * 365 * DAY), "\"30d\"", "Blocks whose last sample is older than this move to the archive, and earlier when `retention_size` is nearly reached. It has to be shorter than `retention`, which removes for good."),
    row!("archive_retention", OptionalDuration, c.store.archive_retention_ms, "\"2y\"", "Archived samples older than this are removed. Empty: never."),
    row!("hostname", Text, c.hostname, "\"db-7\"", "The name of this machine: the label `instance` of what is recorded here. Empty: the name that the kernel has."),
    row!("scrape_config_files", Paths, c.scrape_config_files, "[\"prometheus.yml\"]", "Configuration files of Prometheus; their `scrape_configs` are scraped."),

    row!("host.enabled", Switch, c.host_enabled, "false", "Record this machine.", "--no-host"),
    row!("host.processes_per_measure", Count Size, c.host.processes_per_measure, (0, 10_000), "50", "Processes that are recorded one by one for each measure (CPU, memory, I/O). Each costs about ten series."),
    row!("host.processes_max", Count Size, c.host.processes_max, (0, 100_000), "500", "The most processes that are recorded one by one, those that listen on a port included."),
    row!("host.processes_watched_max", Count Size, c.host.processes_watched_max, (0, 1_000_000), "10000", "The most processes that are looked at; more are counted only."),
    row!("host.process_files_max", Count Size, c.host.process_files_max, (0, 100_000), "1024", "Files of processes that are kept open. Each saves some 5 us a second and counts against this program's limit of open files."),
    row!("host.cgroups_max", Count Size, c.host.cgroups_max, (0, 100_000), "1000", "The most control groups that are recorded."),
    row!("host.cgroup_files_max", Count Size, c.host.cgroup_files_max, (0, 100_000), "256", "Files of control groups that are kept open, as `host.process_files_max`."),
    row!("host.things_max", Count Size, c.host.things_max, (1, 100_000), "2048", "The most things of each other kind: disks, interfaces, mount points, interrupts."),
    row!("host.slow_period", Duration Seconds, c.host.slow_seconds, (SECOND, HOUR), "\"10s\"", "How often to read what changes seldom: interrupts, sockets, the list of control groups. Whole seconds."),
    row!("host.remote_filesystems", Switch, c.host.remote_filesystems, "true", "Also ask file systems of other machines (NFS, CIFS) for their space. Such a call can hang."),
    row!("host.proc_root", Path, c.host.proc_root, "\"/host/proc\"", "Where procfs is mounted; another folder in a container."),
    row!("host.sys_root", Path, c.host.sys_root, "\"/host/sys\"", "Where sysfs is mounted; another folder in a container."),

    row!("discover.enabled", Switch, c.discover_enabled, "false", "Ask the listening ports of this machine for metrics once, and scrape those that answer.", "--no-discover"),
    row!("discover.scrape_interval", Duration Unsigned, c.discover.scrape_interval_ms, (SECOND, DAY), "\"15s\"", "How often to scrape what was found."),
    row!("discover.period", Duration Unsigned, c.discover.period_ms, (SECOND, DAY), "\"1m\"", "How often to look for new listening ports."),
    row!("discover.retry_after", Duration Unsigned, c.discover.retry_after_ms, (MINUTE, 365 * DAY), "\"1d\"", "How long a port that did not answer with metrics is left alone."),
    row!("discover.probe_timeout", Duration Unsigned, c.discover.probe_timeout_ms, (100 * MS, MINUTE), "\"5s\"", "How long the first request to a port may take."),
    row!("discover.probe_size_max", Size Size, c.discover.probe_bytes_max, (KIB, 16 * MIB), "\"128KiB\"", "How much of the first answer is read to see whether it is metrics."),
    row!("discover.ports_max", Count Size, c.discover.ports_max, (1, 65_536), "1024", "The most ports that are remembered."),

    row!("tiers.minute_retention", Duration Signed, c.store.tier_minute_retention_ms, (0, 100 * 365 * DAY), "\"90d\"", "Summaries of each minute are removed when they are older than this. 0s: there are none."),
    row!("tiers.hour_retention", Duration Signed, c.store.tier_hour_retention_ms, (0, 100 * 365 * DAY), "\"1y\"", "Summaries of each hour are removed when they are older than this. 0s: there are none."),
    row!("tiers.size", Size Unsigned, c.store.tiers_bytes_max, (MIB, 1024 * TIB), "\"10GiB\"", "The oldest summaries are removed, minutes first, when all together are larger than this. They do not count for `retention_size`."),

    row!("store.head_age", Duration Signed, c.store.head_age_ms, (SECOND, 7 * DAY), "\"4h\"", "Recent samples are cut into a block when the oldest is this old, and earlier when they take more memory than their series, or when most of their series have ended. Longer compresses slow series better, and costs memory and a longer start."),
    row!("store.head_memory", Size Size, c.store.head_bytes_max, (16 * MIB, TIB), "\"4GiB\"", "They are cut early when they take this much memory."),
    row!("store.wal_size", Size Unsigned, c.store.wal_bytes_max, (16 * MIB, TIB), "\"4GiB\"", "They are cut early when their write-ahead log is this long. At twice that, when blocks cannot be written, nothing more is taken."),
    row!("store.series_max", Count Size, c.store.series_max, (1_000, 1_000_000_000), "10000000", "The most series at one time; a sample of one more is refused."),
    row!("store.series_per_metric_max", Count Size, c.store.series_per_metric_max, (100, 1_000_000_000), "5000000", "The most series of one metric at one time, so that a label that goes wrong leaves room for the other metrics; a sample of one more is refused."),
    row!("store.series_per_source_max", Count Size, c.store.series_per_source_max, (100, 1_000_000_000), "5000000", "The most series with one value of the label `job` at one time; a sample of one more is refused."),
    row!("store.index_memory", Size Size, c.store.index_bytes_max, (MIB, TIB), "\"1GiB\"", "The most memory for indexes of blocks between queries."),
    row!("store.metadata_max", Count Size, c.store.metadata_max, (1_000, 10_000_000), "200000", "The most metrics whose type and help text are kept."),
    row!("store.exemplars_max", Count Size, c.store.exemplars_max, (0, 10_000_000), "1000000", "The most exemplars that are kept; the oldest make room for newer ones. Each costs some 300 bytes of memory. 0: none are kept."),
    row!("store.queue_batches_max", Count Size, c.store.queue_batches_max, (1, 65_536), "512", "How many batches may wait to be written; more are refused as busy."),
    row!("store.queue_memory", Size Size, c.store.queue_bytes_max, (MIB, TIB), "\"64MiB\"", "How much memory batches that wait to be written may take; more are refused as busy. One batch alone may be larger."),
    row!("store.merge_blocks", Count Size, c.store.merge_blocks, (2, 64), "8", "How many blocks of one size are merged into a larger one."),
    row!("store.merge_size", Size Unsigned, c.store.merge_bytes_max, (MIB, TIB), "\"512MiB\"", "Merging stops at blocks of this size."),

    row!("tables.logs_retention", Duration Signed, c.store.tables.logs_retention_ms, (HOUR, 100 * 365 * DAY), "\"60d\"", "Log records older than this are removed, whole files at a time. Longer costs disk."),
    row!("tables.spans_retention", Duration Signed, c.store.tables.spans_retention_ms, (HOUR, 100 * 365 * DAY), "\"7d\"", "Spans older than this are removed, whole files at a time."),
    row!("tables.changes_retention", Duration Signed, c.store.tables.changes_retention_ms, (HOUR, 100 * 365 * DAY), "\"10y\"", "Changes older than this are removed, whole files at a time."),
    row!("tables.size", Size Unsigned, c.store.tables.files_bytes_max, (64 * MIB, 1024 * TIB), "\"100GiB\"", "The oldest files of log records and spans are removed when all files of tables together are larger than this. They do not count for `retention_size`."),
    row!("tables.memory", Size Size, c.store.tables.memory_bytes_max, (MIB, TIB), "\"256MiB\"", "Recent rows become files when they take this much memory. At twice that, when files cannot be written, nothing more is taken. More makes fewer and larger files, and less work in the background."),
    row!("tables.recent_age", Duration Signed, c.store.tables.recent_age_ms, (SECOND, 7 * DAY), "\"1h\"", "Recent rows become files when they are this old."),
    row!("tables.log_size", Size Unsigned, c.store.tables.log_bytes_max, (16 * MIB, TIB), "\"1GiB\"", "Recent rows become files when their log on disk is this long. At twice that, when files cannot be written, nothing more is taken."),
    row!("tables.queue_batches_max", Count Size, c.store.tables.queue_batches_max, (1, 65_536), "512", "How many batches of rows may wait to be written; more are refused as busy."),
    row!("tables.queue_memory", Size Size, c.store.tables.queue_bytes_max, (MIB, TIB), "\"64MiB\"", "How much memory rows that wait to be written may take; more are refused as busy. One batch alone may be larger."),
    row!("tables.merge_files", Count Size, c.store.tables.merge_files, (2, 64), "4", "How many files of one size are merged into a larger one."),
    row!("tables.file_size", Size Unsigned, c.store.tables.file_bytes_max, (MIB, TIB), "\"512MiB\"", "Merging stops at files of this size."),

    row!("otlp.enabled", Switch, c.otlp_enabled, "false", "Take it on ports of its own as well.", "--no-otlp"),
    row!("otlp.listen_grpc", OptionalAddress, c.otlp.listen_grpc, "\"127.0.0.1:14317\"", "Where to listen for gRPC. Empty: nowhere."),
    row!("otlp.listen_http", OptionalAddress, c.otlp.listen_http, "\"127.0.0.1:14318\"", "Where to listen for HTTP. Empty: nowhere."),
    row!("otlp.required", Switch, c.otlp.is_required, "true", "A port that another program has ends the start. Otherwise that is told, and the rest goes on without it."),
    row!("otlp.translation_strategy", Text, c.otlp_strategy, "\"NoUTF8EscapingWithSuffixes\"", "How names become Prometheus's: `UnderscoreEscapingWithSuffixes`, `UnderscoreEscapingWithoutSuffixes`, `NoUTF8EscapingWithSuffixes` or `NoTranslation`."),
    row!("otlp.promote_resource_attributes", Names, c.otlp.metrics.promote, "[\"deployment.environment.name\"]", "Attributes of the resource that become labels of each of its series. The others are on `target_info` alone."),
    row!("otlp.promote_scope", Switch, c.otlp.metrics.promote_scope, "true", "Name, version, schema and attributes of the instrumentation scope become labels that begin with `otel_scope_`."),
    row!("otlp.native_histograms", Switch, c.otlp.metrics.native_histograms, "true", "Histograms with explicit buckets become native ones with custom buckets: one series, not one for each bucket."),
    row!("otlp.delta_memory", Size Size, c.otlp.delta_bytes_max, (MIB, TIB), "\"256MiB\"", "Memory for the sums of deltas: about 300 bytes a series, and 16 for each bucket. Deltas of further series are refused."),

    row!("spans.keep_one_in", Count Unsigned, c.tail.keep_one_in, (1, 1_000_000), "100", "Of so many ordinary traces one is kept, by trace id; those with an error or a slow call are kept whole. 1 keeps all. Recent spans are all there; the others are left out when recent rows become files."),
    row!("spans.slow_after", Duration Unsigned, c.tail.slow_ms, (MS, DAY), "\"2s\"", "A trace with a span that takes longer is kept whole, whatever keep_one_in says; so is one that is slower than 99 of 100 of its operation."),
    row!("spans.quiet_for", Duration Signed, c.tail.quiet_ms, (100 * MS, HOUR), "\"10s\"", "A trace is decided when no span of it came for so long."),
    row!("spans.waiting_max", Count Size, c.tail.spans_max, (1_000, 100_000_000), "500000", "Spans that wait for the decision on their trace. Past it the oldest are decided early."),

    row!("changes.detect", Switch, c.changes.enabled, "false", "Find out what changed on this machine: programs replaced or restarted, packages, listed files, the kernel, the clock, build information of targets."),
    row!("changes.files", Paths, c.changes.files, "[\"/etc/nginx/nginx.conf\", \"/etc/myapp\"]", "Files whose content is compared every ten seconds, and folders whose files are (not those of folders inside). Only that they changed is recorded, never what is in them."),
    row!("changes.period", Duration Unsigned, c.changes.period_ms, (SECOND, HOUR), "\"30s\"", "How often to look."),

    row!("captures.before", Duration Signed, c.captures.before_ms, (10 * SECOND, HOUR), "\"10m\"", "How long back everything is remembered at full fidelity. Longer needs more memory for the same detail."),
    row!("captures.after", Duration Signed, c.captures.after_ms, (0, 10 * MINUTE), "\"2m\"", "How long a capture is added to after its trigger. Triggers in this time join it."),
    row!("captures.memory", Size Size, c.captures.memory_bytes, (4 * MIB, 4 * GIB), "\"128MiB\"", "Memory that the ring may take at the most. Where it is too little, the oldest goes first, and is counted."),
    row!("captures.period", Duration Signed, c.captures.period_ms, (0, DAY), "\"1h\"", "One capture for each cause in this time, however often it triggers."),
    row!("captures.on_alerts", Switch, c.captures.on_alerts, "false", "Take a capture when a monitor begins to fire."),
    row!("captures.size", Size Unsigned, c.captures.retention.bytes_max, (16 * MIB, 1024 * TIB), "\"10GiB\"", "The oldest captures that are not pinned are removed when all together are larger than this."),
    row!("captures.retention", Duration Signed, c.captures.retention.age_max_ms, (HOUR, 100 * 365 * DAY), "\"1y\"", "Captures older than this that are not pinned are removed."),

    row!("critic.rules", OptionalPath, c.critic.rules, "\"/etc/midwatch/rules\"", "A folder with rules of your own, one `.toml` file each (docs/formats/critic-rules.md). Read again when a file changes; a broken one is named on the page and left out. Empty: none."),

    row!("logs.usual_files", Switch, c.logs.usual_files, "false", "Follow the system's log (`/var/log/syslog` or `messages`) and those of nginx and Apache, from now on, where they can be read."),
    row!("logs.journal", Switch, c.logs.journal, "false", "Follow systemd's journal from now on, where there is one and the log of the system is not followed as a file already. Needs `journalctl`, and the right to read the journal (the group `systemd-journal`)."),
    row!("logs.journal_folder", OptionalPath, c.logs.journal_folder, "\"/var/log/journal/remote\"", "Follow the journals in this folder instead, from their beginning, as `systemd-journal-remote` writes them. Empty: this machine's own."),
    row!("logs.patterns_max", Count Size, c.logs.patterns.templates_max, (100, 1_000_000), "50000", "Templates of log records that are known at one time, of all services; the one that was not seen for longest makes room. Each takes about 2 KiB."),
    row!("logs.patterns_per_service_max", Count Size, c.logs.patterns.templates_per_service_max, (10, 1_000_000), "1000", "Templates of one service."),

    row!("monitors.files", Paths, c.monitors.files, "[\"rules/*.yml\"]", "Rule files of Prometheus: recording and alerting rules. `*` may stand in the last part of a path. They are read again when they change; what is wrong in one of them is shown, and the others go on."),
    row!("monitors.notifications", OptionalPath, c.monitors.notifications, "\"alertmanager.yml\"", "Who is told of alerts: a configuration of Alertmanager, with routes, receivers and inhibition. It is read again when it changes. Empty: nobody is told, alerts are shown only."),
    row!("monitors.interval", Duration Signed, c.monitors.interval_ms, (SECOND, DAY), "\"5s\"", "How often groups of rules are evaluated that name no interval."),
    row!("monitors.url", Text, c.monitors.url, "\"https://midwatch.example.org\"", "Where people reach this server: the beginning of links in notifications. Empty: where it listens."),
    row!("monitors.actions", OptionalPath, c.monitors.actions, "\"actions.yml\"", "Commands that may run when a monitor fires: docs/guide/actions.md. Empty: none may. They run as the user that Midwatch runs as."),
    row!("membership.etcd", Names, c.membership.etcd, "[\"http://10.0.0.1:2379 http://10.0.0.2:2379\"]", "etcd clusters whose members are watched: one text for each cluster, with endpoints of its members, spaces between. Empty: none."),
    row!("membership.interval", Duration Signed, c.membership.interval_ms, (SECOND, HOUR), "\"10s\"", "How often members are asked."),
    row!("membership.rules", Switch, c.membership.rules, "true", "Evaluate the rules about members that come with the program although `membership.etcd` is empty, for systems whose members a rule records."),

    row!("syslog.udp", OptionalAddress, c.logs.syslog_udp, "\"127.0.0.1:5514\"", "Where to take syslog over UDP. Empty: nowhere."),
    row!("syslog.tcp", OptionalAddress, c.logs.syslog_tcp, "\"127.0.0.1:5514\"", "Where to take syslog over TCP, counted or line by line. Empty: nowhere."),

    row!("ingest.labels_per_series_max", Count Size, c.ingest.labels_per_series_max, (2, 1_024), "100", "Labels of one series, its name included."),
    row!("ingest.label_name_size", Size Size, c.ingest.label_name_bytes_max, (16, 8 * KIB), "\"2KiB\"", "The longest label name."),
    row!("ingest.label_value_size", Size Size, c.ingest.label_value_bytes_max, (64, MIB), "\"8KiB\"", "The longest label value, the metric's name included."),
    row!("ingest.body_size", Size Size, c.ingest.body_bytes_max, (64 * KIB, GIB), "\"64MiB\"", "The largest request as it comes over the wire."),
    row!("ingest.decoded_size", Size Size, c.ingest.decoded_bytes_max, (64 * KIB, GIB), "\"256MiB\"", "The largest request after decompression; checked against the declared size before memory is taken."),
    row!("ingest.samples_per_request_max", Count Size, c.ingest.samples_per_request_max, (1_000, 100_000_000), "5000000", "Samples of one request. Each costs 24 bytes of memory until it is written."),
    row!("ingest.series_per_request_max", Count Size, c.ingest.series_per_request_max, (1_000, 100_000_000), "1000000", "Series of one request or of one target."),
    row!("ingest.metadata_per_request_max", Count Size, c.ingest.metadata_per_request_max, (0, 1_000_000), "50000", "Metrics of one request whose type and help text are kept."),
    row!("ingest.help_size", Size Size, c.ingest.help_bytes_max, (16, 64 * KIB), "\"2KiB\"", "Longer help texts are cut."),
    row!("ingest.line_size", Size Size, c.ingest.line_bytes_max, (KIB, 256 * MIB), "\"32MiB\"", "The longest line of a text body."),
    row!("ingest.future", Duration Signed, c.ingest.future_ms_max, (SECOND, 365 * DAY), "\"1h\"", "How far ahead of this machine's clock a timestamp may be."),
    row!("ingest.log_records_per_request_max", Count Size, c.ingest.log_records_per_request_max, (1_000, 10_000_000), "1000000", "Log records of one request."),
    row!("ingest.log_body_size", Size Size, c.ingest.log_body_bytes_max, (KIB, 16 * MIB), "\"256KiB\"", "The longest text of a log record; longer ones are cut, and say so."),
    row!("ingest.log_attributes_max", Count Size, c.ingest.log_attributes_max, (8, 1_000), "128", "Attributes of one log record; more are left out, and it says how many."),
    row!("ingest.log_attribute_size", Size Size, c.ingest.log_attribute_bytes_max, (64, 16 * MIB), "\"8KiB\"", "The longest value of an attribute of a log record; longer ones are cut."),

    row!("query.timeout", Duration Unsigned, c.query.timeout_ms, (100 * MS, HOUR), "\"2m\"", "How long one query may take."),
    row!("query.concurrent_max", Count Size, c.query.concurrent_max, (1, 1_024), "8", "Queries that are evaluated at one time; more wait."),
    row!("query.waiting_max", Count Size, c.query.waiting_max, (0, 65_536), "256", "Queries that wait at one time; more are refused."),
    row!("query.samples_max", Count Size, c.query.samples_max, (1_000, 10_000_000_000), "100000000", "Samples that one query may hold in memory, 16 bytes each."),
    row!("query.memory_max", Size Size, c.query.bytes_max, (MIB, TIB), "\"4GiB\"", "Memory that one query may hold: 16 bytes for each sample, and the labels of the series."),
    row!("query.series_max", Count Size, c.query.series_max, (100, 1_000_000_000), "5000000", "Series that one selector may find."),
    row!("query.lookback", Duration Signed, c.query.lookback_ms, (SECOND, 7 * DAY), "\"2m\"", "How long the last sample of a series stands for its value."),

    row!("sql.rows_max", Count Size, c.sql.rows_max, (1, 1_000_000_000), "10000000", "Rows of one answer; a longer one ends with an error."),
    row!("sql.answer_size", Size Size, c.sql.answer_bytes_max, (MIB, TIB), "\"1GiB\"", "Bytes of one answer; a longer one ends with an error."),

    row!("postgres.enabled", Switch, c.postgres_enabled, "false", "Speak PostgreSQL's protocol.", "--no-postgres"),
    row!("postgres.listen", OptionalAddress, c.postgres.listen, "\"127.0.0.1:15433\"", "Where to listen. Empty: nowhere. An address that other machines can reach is refused unless `insecure_listen` is set."),
    row!("postgres.required", Switch, c.postgres.is_required, "true", "A port that another program has ends the start. Otherwise that is told, and the rest goes on without it."),
    row!("postgres.connections_max", Count Size, c.postgres.connections_max, (1, 10_000), "100", "Connections at one time; more are closed at once."),
    row!("postgres.idle_timeout", Duration Unsigned, c.postgres.idle_timeout_ms, (SECOND, 7 * DAY), "\"10m\"", "A connection that asks nothing for so long is closed."),

    row!("web.cors_origin", Text, c.cors_origin, "\"https://(grafana|wall)[.]example[.]org\"", "A regular expression. Pages whose whole origin matches may ask questions from a browser and read the answers; they may not write or delete. Empty: none may."),
    row!("web.host_names", Text, c.host_names, "\"midwatch|metrics[.]internal\"", "A regular expression. The server may be asked by names that match it as a whole (without the port), besides IP addresses and localhost. A name that others can point at this machine lets their pages read everything. Empty: none."),

    row!("admin.delete_series", Switch, c.delete_series, "true", "Series may be deleted by request (`POST /api/v1/admin/tsdb/delete_series`), for personal data that must not be kept. There is no password yet: whoever reaches this server could. Each deletion is in the audit."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_holds_together() {
        let mut names = std::collections::BTreeSet::new();
        for s in SETTINGS {
            assert!(names.insert(s.name), "{} comes twice", s.name);
            let (section, _) = s.section_and_key();
            assert!(SECTIONS.iter().any(|(name, _)| *name == section), "{}", s.name);
            assert!(s.what.ends_with('.') && s.what.len() > 10, "{}", s.name);
            // The default is within the bounds and is read back as it is shown.
            let mut config = Config::default();
            let shown = (s.slot)(&mut config).show();
            if !shown.is_empty() {
                assert_eq!(s.parse(&mut config, &shown), Ok(()), "{}", s.name);
                assert_eq!((s.slot)(&mut config).show(), shown, "{}", s.name);
            }
            // The example is read, and changes something.
            let line = format!("x = {}\n", s.example);
            let (node, errors) = super::super::toml_text::parse(&line);
            assert_eq!(errors, [], "{}", s.name);
            let Value::Map(entries) = node.value else { panic!("a map") };
            assert_eq!(s.read(&mut config, &entries[0].value), Ok(()), "{}", s.name);
            let same = [("listen", ""), ("retention_size", "")];
            let changed = (s.slot)(&mut config).show() != shown;
            assert!(
                changed || same.iter().any(|(n, _)| *n == s.name),
                "the example of {} is its default",
                s.name
            );
        }
    }

    #[test]
    fn out_of_bounds_or_of_another_type() {
        for (name, text, part) in [
            ("retention", "1s", "from 1h to 100y"),
            ("retention_size", "1MiB", "from 64MiB"),
            ("query.concurrent_max", "0", "from 1 to 1024"),
            ("query.concurrent_max", "-3", "whole number"),
            ("listen", "everywhere", "127.0.0.1:4004"),
            ("data", "", "empty"),
            ("host.enabled", "maybe", "true or false"),
        ] {
            let error = find(name).unwrap().parse(&mut Config::default(), text).unwrap_err();
            assert!(error.contains(part), "{name} = {text}: {error}");
        }
        let mut config = Config::default();
        find("listen").unwrap().parse(&mut config, "localhost:1").unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:1");
    }
}
