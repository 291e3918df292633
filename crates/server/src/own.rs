//! Midwatch's measurements of itself: read from the registry and from /proc/self, recorded like any other
//! source, and given out at /metrics.

use crate::app::App;
use crate::clock::now_ms;
use ingest::Decoded;
use model::{Batch, Labels, Metadata, MetricKind};
use stdx::metrics::{FamilyReading, Kind, Registry};

/// What this process costs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// CPU time since the start, seconds.
    pub cpu_seconds: f64,
    /// Resident memory, bytes.
    pub resident_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open files.
    pub open_files: u64,
}

/// Reads /proc/self; zeros where it cannot be read.
pub fn cost() -> Cost {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold anything: count from its end.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_whitespace().collect());
    let number = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    Cost {
        cpu_seconds: (number(11) + number(12)) / rustix::param::clock_ticks_per_second() as f64,
        resident_bytes: number(21) as u64 * rustix::param::page_size() as u64,
        threads: number(17) as u64,
        open_files: std::fs::read_dir("/proc/self/fd").map_or(0, |d| d.count() as u64),
    }
}

/// Every family of this process: the registry's and those about the process itself.
pub fn families(app: &App) -> Vec<FamilyReading> {
    // Sets the gauges of what goes on at this moment.
    app.store.work().read();
    families_of(&app.registry, app.started_ms)
}

/// Those of a registry, and those about the process.
pub fn families_of(registry: &Registry, started_ms: i64) -> Vec<FamilyReading> {
    let cost = cost();
    let plain =
        |name, kind, help, value| FamilyReading { name, kind, help, values: vec![(Vec::new(), value)] };
    let mut families = registry.read();
    families.extend([
        plain("process_cpu_seconds_total", Kind::Counter, "CPU time of this process.", cost.cpu_seconds),
        plain(
            "process_resident_memory_bytes",
            Kind::Gauge,
            "Memory of this process.",
            cost.resident_bytes as f64,
        ),
        plain("process_threads", Kind::Gauge, "Threads of this process.", cost.threads as f64),
        plain("process_open_fds", Kind::Gauge, "Open files of this process.", cost.open_files as f64),
        plain(
            "process_start_time_seconds",
            Kind::Gauge,
            "Start of this process.",
            started_ms as f64 / 1000.0,
        ),
        FamilyReading {
            name: "midwatch_build_info",
            kind: Kind::Gauge,
            help: "Version of this program.",
            values: vec![(vec![("version", env!("CARGO_PKG_VERSION").to_string())], 1.0)],
        },
    ]);
    families.sort_by_key(|f| f.name);
    families
}

/// Records the families as of now.
///
/// # Errors
/// As the sink's.
pub async fn record(app: &App, first: bool) -> stdx::Result<()> {
    let instance = format!("{}:{}", app.settings.hostname, app.address.port());
    // On whole seconds, as all that is read here.
    let batch = batch(families(app), &instance, first, now_ms() / 1000 * 1000);
    app.sink.deliver("midwatch", Decoded { batch, rejects: Vec::new() }).await.map(|_| ())
}

/// The families as samples of one instant; `first` adds what they are.
pub fn batch(families: Vec<FamilyReading>, instance: &str, first: bool, time_ms: i64) -> Batch {
    let mut batch = Batch::default();
    for family in families {
        if first {
            batch.metadata.push(Metadata {
                metric: family.name.into(),
                kind: match family.kind {
                    Kind::Counter => MetricKind::Counter,
                    Kind::Gauge => MetricKind::Gauge,
                },
                help: family.help.into(),
                unit: String::new(),
            });
        }
        for (pairs, value) in &family.values {
            let fixed = [("__name__", family.name), ("job", "midwatch"), ("instance", instance)];
            let own = pairs.iter().map(|(n, v)| (*n, v.as_str()));
            if let Ok(labels) = Labels::from_pairs(fixed.into_iter().chain(own)) {
                batch.push(&labels, time_ms, *value);
            }
        }
    }
    batch
}
