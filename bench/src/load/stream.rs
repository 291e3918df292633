//! What is sent: nodes and their containers as a cluster's monitoring scrapes them, as remote write requests. The
//! same series and values for every program. It must never send anything.

use ingest::remote_write;
use model::{Labels, SeriesData};
use std::collections::BTreeSet;
use std::ops::Range;
use stdx::{Error, ErrorKind, Result};

/// From one scrape to the next, if nothing else is asked for.
pub const SCRAPE_MS: i64 = 15_000;
/// The most series in one request; each has one sample there.
pub const REQUEST_SERIES: usize = 2_000;
/// The most connections: each sends series of its own, so that every series stays in order.
pub const CONNECTIONS: usize = 8;
/// A label that all have, to be counted by.
pub const SELECTOR: &str = "{cluster=\"bench-eu-1\"}";

/// How values go on from scrape to scrape.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// CPU seconds: hundredths, a little more each time.
    Seconds,
    /// Bytes, packets, events: rises by very different amounts.
    Counter,
    /// Memory or space: pages, up and down, often as it was.
    Pages,
    /// A load or a ratio with decimals.
    Level,
    /// Sizes, limits, counters of errors.
    Constant,
}
use Kind::{Constant, Counter, Level, Pages, Seconds};

/// Metrics of a node with the label that tells the parts apart.
const NODE: &[(&str, Kind, &str)] = &[
    ("node_disk_read_bytes_total", Counter, "device"),
    ("node_disk_written_bytes_total", Counter, "device"),
    ("node_disk_reads_completed_total", Counter, "device"),
    ("node_disk_writes_completed_total", Counter, "device"),
    ("node_disk_io_time_seconds_total", Seconds, "device"),
    ("node_disk_io_now", Constant, "device"),
    ("node_network_receive_bytes_total", Counter, "device"),
    ("node_network_transmit_bytes_total", Counter, "device"),
    ("node_network_receive_packets_total", Counter, "device"),
    ("node_network_transmit_packets_total", Counter, "device"),
    ("node_network_receive_errs_total", Constant, "device"),
    ("node_network_transmit_errs_total", Constant, "device"),
    ("node_network_receive_drop_total", Constant, "device"),
    ("node_network_up", Constant, "device"),
    ("node_filesystem_size_bytes", Constant, "mountpoint"),
    ("node_filesystem_avail_bytes", Pages, "mountpoint"),
    ("node_filesystem_free_bytes", Pages, "mountpoint"),
    ("node_filesystem_files_free", Pages, "mountpoint"),
    ("node_hwmon_temp_celsius", Level, "sensor"),
    ("node_cpu_scaling_frequency_hertz", Level, "cpu"),
    ("node_schedstat_running_seconds_total", Seconds, "cpu"),
    ("node_schedstat_waiting_seconds_total", Seconds, "cpu"),
    ("node_softnet_processed_total", Counter, "cpu"),
    ("node_softnet_dropped_total", Constant, "cpu"),
];
const PARTS: usize = 8;
const MODES: [&str; 8] = ["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"];
const CONTAINER: &[(&str, Kind)] = &[
    ("container_cpu_usage_seconds_total", Seconds),
    ("container_cpu_user_seconds_total", Seconds),
    ("container_cpu_system_seconds_total", Seconds),
    ("container_cpu_cfs_periods_total", Counter),
    ("container_cpu_cfs_throttled_periods_total", Constant),
    ("container_memory_working_set_bytes", Pages),
    ("container_memory_rss", Pages),
    ("container_memory_cache", Pages),
    ("container_memory_usage_bytes", Pages),
    ("container_memory_failures_total", Counter),
    ("container_fs_reads_bytes_total", Counter),
    ("container_fs_writes_bytes_total", Counter),
    ("container_network_receive_bytes_total", Counter),
    ("container_network_transmit_bytes_total", Counter),
    ("container_spec_memory_limit_bytes", Constant),
    ("container_spec_cpu_quota", Constant),
    ("container_last_seen", Counter),
    ("kube_pod_container_status_ready", Constant),
    ("kube_pod_container_resource_requests", Constant),
    ("kube_pod_container_status_restarts_total", Constant),
];
const PODS: usize = 20;
/// Series of one node.
const NODE_SERIES: usize = PARTS * MODES.len() + PARTS * NODE.len() + PODS * CONTAINER.len();
const APPS: [&str; 5] = ["checkout", "payments", "search", "catalog", "ingress"];

struct Series {
    /// Time of its next sample.
    next_ms: i64,
    kind: Kind,
    random: u64,
    /// One in three counters and levels hardly moves, as on real machines.
    is_quiet: bool,
    value: f64,
}

/// Which series.
#[derive(Clone, Copy)]
pub struct Population {
    /// How many.
    pub series: usize,
    /// The number of the first node: other nodes have other series.
    pub first_node: usize,
    /// The first samples are at this time and in one interval after it.
    pub start_ms: i64,
    /// From one sample of a series to the next.
    pub interval_ms: i64,
}

/// All series, and where their values stand.
pub struct Stream {
    /// Grouped so that the part of each connection stands together.
    data: Vec<SeriesData>,
    series: Vec<Series>,
    interval_ms: i64,
}

/// Requests of each connection, in order.
pub type Requests = Vec<Vec<Request>>;

/// One request, ready to be sent.
pub struct Request {
    /// Its body.
    pub body: Vec<u8>,
    /// Samples in it.
    pub samples: usize,
}

impl Population {
    /// So many series 15 s apart.
    pub fn new(series: usize, start_ms: i64) -> Population {
        Population { series, first_node: 0, start_ms, interval_ms: SCRAPE_MS }
    }

    /// Its nodes; the next population that shares no series with this one begins after them.
    pub fn next_node(&self) -> usize {
        self.first_node + self.series.div_ceil(NODE_SERIES)
    }
}

impl Stream {
    /// The series at their beginning.
    ///
    /// # Errors
    /// If a label set is wrong.
    pub fn new(population: &Population) -> Result<Stream> {
        let mut all = Vec::new();
        for node in population.first_node..population.next_node() {
            add_node(node, population, &mut all)?;
        }
        all.truncate(population.series);
        let mut parts: Vec<Vec<(SeriesData, Series)>> = (0..CONNECTIONS).map(|_| Vec::new()).collect();
        for (i, one) in all.into_iter().enumerate() {
            parts[i % CONNECTIONS].push(one);
        }
        let (data, series) = parts.into_iter().flatten().unzip();
        Ok(Stream { data, series, interval_ms: population.interval_ms })
    }

    /// Names of all metrics.
    pub fn metrics(&self) -> BTreeSet<String> {
        self.data.iter().map(|d| d.labels.name().to_string()).collect()
    }

    /// How many series have a metric.
    pub fn series_of(&self, metric: &str) -> usize {
        self.data.iter().filter(|d| d.labels.name() == metric).count()
    }

    /// Labels of the last series.
    pub fn last_series(&self) -> Option<&Labels> {
        self.data.last().map(|d| &d.labels)
    }

    /// Time of the newest sample that was made.
    pub fn newest_ms(&self) -> i64 {
        self.series.iter().map(|s| s.next_ms - self.interval_ms).max().unwrap_or(0)
    }

    /// Parts of about one size that share no series.
    pub fn split(mut self, parts: usize) -> Vec<Stream> {
        let mut out = Vec::new();
        for left in (1..=parts).rev() {
            let at = self.data.len() - self.data.len() / left;
            let (data, series) = (self.data.split_off(at), self.series.split_off(at));
            out.push(Stream { data, series, interval_ms: self.interval_ms });
        }
        out
    }

    /// How many series.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// The next samples, so many of each of these series, as one request.
    pub fn request(&mut self, series: Range<usize>, samples: usize) -> Request {
        let data = &mut self.data[series.clone()];
        for (data, series) in data.iter_mut().zip(&mut self.series[series]) {
            data.timestamps_ms.clear();
            data.values.clear();
            for _ in 0..samples {
                data.timestamps_ms.push(series.next_ms);
                data.values.push(series.value);
                series.next_ms += self.interval_ms;
                series.step();
            }
        }
        Request { body: remote_write::encode(data), samples: samples * data.len() }
    }

    /// The next scrapes, split over so many connections. Requests of one connection are of one size.
    pub fn requests(&mut self, scrapes: usize, connections: usize) -> Requests {
        let mut requests: Requests = (0..connections).map(|_| Vec::new()).collect();
        for _ in 0..scrapes {
            for (i, requests) in requests.iter_mut().enumerate() {
                let of = |i: usize| self.data.len() * i / connections;
                let ranges = ranges(of(i)..of(i + 1), REQUEST_SERIES);
                requests.extend(ranges.into_iter().map(|range| self.request(range, 1)));
            }
        }
        requests
    }
}

/// A range in parts of one size, each of at most so many.
pub fn ranges(range: Range<usize>, most: usize) -> Vec<Range<usize>> {
    let size = range.len().div_ceil(range.len().div_ceil(most).max(1)).max(1);
    range.clone().step_by(size).map(|at| at..range.end.min(at + size)).collect()
}

fn add_node(node: usize, population: &Population, all: &mut Vec<(SeriesData, Series)>) -> Result<()> {
    let name = format!("worker-{node:04}");
    let address = format!("10.{}.{}.{}", 16 + node / 65_536, node / 256 % 256, node % 256);
    let always = [("cluster", "bench-eu-1"), ("region", "eu-central-1"), ("node", &name)];
    let mut random = mix(node as u64 + 1);
    // All that one target says has one time; targets are spread over the 15 s.
    let mut add = |metric: &str, kind: Kind, target: u64, pairs: &[(&str, &str)]| {
        random = mix(random);
        let pairs = [("__name__", metric)].into_iter().chain(always).chain(pairs.iter().copied());
        let labels = Labels::from_pairs(pairs);
        let labels = labels.map_err(|e| Error::wrap(ErrorKind::Internal, "a series of the bench", e))?;
        let phase_ms = mix(target * 1_000_003 + node as u64) % population.interval_ms.max(1) as u64;
        let series = Series::new(kind, random, population.start_ms + phase_ms as i64);
        all.push((
            SeriesData { labels, timestamps_ms: Vec::new(), values: Vec::new(), ..Default::default() },
            series,
        ));
        Ok::<(), Error>(())
    };
    let exporter = [("job", "node-exporter"), ("instance", &*format!("{address}:9100"))];
    for cpu in 0..PARTS {
        for mode in MODES {
            let pairs = [exporter[0], exporter[1], ("cpu", &*cpu.to_string()), ("mode", mode)];
            add("node_cpu_seconds_total", Seconds, 1, &pairs)?;
        }
    }
    for (metric, kind, label) in NODE {
        for i in 0..PARTS {
            let part = match *label {
                "device" if metric.contains("network") => format!("eth{i}"),
                "device" => format!("nvme{i}n1"),
                "mountpoint" => format!("/var/lib/volumes/data-{i}"),
                _ => i.to_string(),
            };
            add(metric, *kind, 1, &[exporter[0], exporter[1], (label, &part)])?;
        }
    }
    for pod in 0..PODS {
        let app = APPS[pod % APPS.len()];
        let name =
            format!("{app}-{:08x}-{:05x}", mix(pod as u64) as u32, mix((node * PODS + pod) as u64) >> 44);
        for (metric, kind) in CONTAINER {
            let pairs = [("job", "kubelet"), ("namespace", app), ("pod", &*name), ("container", app)];
            add(metric, *kind, 2, &pairs)?;
        }
    }
    Ok(())
}

impl Series {
    fn new(kind: Kind, random: u64, next_ms: i64) -> Series {
        let value = match kind {
            Seconds => (random % 100_000_000) as f64 / 100.0,
            Counter => (random % (1 << (8 + random % 32))) as f64,
            Pages => (random % 4_000_000 * 4_096) as f64,
            Level => (random % 10_000) as f64 / 100.0,
            Constant => [0.0, 0.0, 1.0, 536_870_912.0][(random % 4) as usize],
        };
        Series { next_ms, kind, random, is_quiet: mix(random).is_multiple_of(3), value }
    }

    fn step(&mut self) {
        self.random = mix(self.random);
        let random = self.random >> 8;
        let moves = random.is_multiple_of(if self.is_quiet { 16 } else { 1 });
        match self.kind {
            // Hundredths that add up exactly, as the kernel counts them.
            Seconds if moves => self.value = ((self.value * 100.0).round() + (random % 1_500) as f64) / 100.0,
            Counter if moves => self.value += (random % (1 << (4 + (random >> 40) % 16))) as f64,
            Pages if random.is_multiple_of(2) => {
                self.value = (self.value + 4_096.0 * ((random >> 8) % 512) as f64 - 4_096.0 * 256.0).max(0.0);
            }
            Level if moves => self.value = ((random >> 8) % 10_000) as f64 / 100.0,
            _ => {}
        }
    }
}

/// Well spread numbers, the same every time.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_scrape_has_every_series_once_whatever_the_connections() {
        for connections in [1, CONNECTIONS] {
            let mut stream = Stream::new(&Population::new(5_000, 1_000)).unwrap();
            let mut seen = HashSet::new();
            let mut bytes = 0;
            for request in stream.requests(3, connections).into_iter().flatten() {
                assert!(request.samples <= REQUEST_SERIES);
                let decoded = remote_write::decode(
                    &request.body,
                    &ingest::Limits::default(),
                    &ingest::KnownLabels::new(0),
                )
                .unwrap();
                assert_eq!((decoded.batch.samples.len(), decoded.rejects.len()), (request.samples, 0));
                for sample in &decoded.batch.samples {
                    let labels = decoded.batch.series[sample.series as usize].clone();
                    assert!((6..=8).contains(&labels.len()), "{labels}");
                    assert!(seen.insert((labels, (sample.timestamp_ms - 1_000) / SCRAPE_MS)));
                }
                bytes += request.body.len();
            }
            assert_eq!(seen.len(), 15_000);
            assert!(bytes / 15_000 < 200);
        }
    }

    #[test]
    fn parts_have_every_series_once_and_the_next_population_has_others() {
        let first = Population::new(5_000, 1_000);
        let second = Population { first_node: first.next_node(), ..first };
        let mut seen = HashSet::new();
        let known = ingest::KnownLabels::new(10_000);
        for population in [first, second] {
            let parts = Stream::new(&population).unwrap().split(3);
            assert_eq!(parts.iter().map(Stream::len).collect::<Vec<_>>().len(), 3);
            for mut part in parts {
                let request = part.request(0..part.len(), 4);
                let decoded =
                    remote_write::decode(&request.body, &ingest::Limits::default(), &known).unwrap();
                assert_eq!(decoded.batch.samples.len(), request.samples);
                seen.extend(decoded.batch.series);
            }
        }
        assert_eq!(seen.len(), 10_000);
    }
}
