//! Real telemetry as it was recorded, read from files: what is sent, and when each sample was taken. It must never change
//! a value; times are moved only where the name of the set says so.

use ingest::exposition::Format;
use ingest::scrape::{Scrape, ScrapeCache, Target};
use model::{Labels, SeriesData};
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use stdx::{Error, ErrorKind, Result};

/// Scrapes of one machine every second, as text.
const SCRAPES: &str = "scrapes_node_prom_vm_1s.txt.zst";
/// Series of the Numenta Anomaly Benchmark, one CSV file each.
const NAB: &str = "nab.tar.zst";
/// Instances that are made of the scrapes every second, to have scrapes every 15 s.
const PHASES: i64 = 15;

/// What is measured.
pub struct Dataset {
    /// For the table.
    pub name: &'static str,
    /// Whole series, times increasing.
    pub series: Vec<SeriesData>,
    /// The most that Midwatch may take of what the better peer takes.
    pub goal: f64,
}

impl Dataset {
    /// Samples of all series.
    pub fn samples(&self) -> usize {
        self.series.iter().map(|s| s.values.len()).sum()
    }

    /// The first and the last time.
    pub fn range_ms(&self) -> (i64, i64) {
        let times =
            || self.series.iter().flat_map(|s| [s.timestamps_ms.first(), s.timestamps_ms.last()]).flatten();
        (times().copied().min().unwrap_or(0), times().copied().max().unwrap_or(0))
    }
}

/// All sets that the folder has, smallest first.
///
/// # Errors
/// If a file is there and cannot be read.
pub fn load(folder: &Path, now_ms: i64) -> Result<Vec<Dataset>> {
    let mut out = Vec::new();
    if folder.join(NAB).is_file() {
        out.push(Dataset { name: "NAB", series: nab(&folder.join(NAB), now_ms)?, goal: 0.95 });
    }
    if folder.join(SCRAPES).is_file() {
        let recorded = scrapes(&folder.join(SCRAPES))?;
        let aligned: Vec<SeriesData> = recorded.iter().map(aligned).collect();
        let sets = [
            ("scrapes, 15 s, as recorded", phases(&recorded)?, 0.5),
            ("scrapes, 15 s, aligned", phases(&aligned)?, 0.85),
            ("scrapes, 1 s, as recorded", recorded, 0.5),
            ("scrapes, 1 s, aligned", aligned, 0.85),
        ];
        out.extend(sets.map(|(name, series, goal)| Dataset { name, series, goal }));
    }
    if out.is_empty() {
        let message = format!("{} has neither {SCRAPES} nor {NAB}", folder.display());
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    Ok(out)
}

fn failed(what: &str, e: std::io::Error) -> Error {
    Error::wrap(ErrorKind::Unavailable, format!("cannot read {what}"), e)
}

/// What a program prints; it has to end well.
fn output(command: &mut Command, mut each: impl FnMut(&mut dyn BufRead) -> Result<()>) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.map_err(|e| failed(&format!("with {name}"), e))?;
    let read = match child.stdout.take() {
        Some(out) => each(&mut BufReader::with_capacity(1 << 20, out)),
        None => Ok(()),
    };
    let status = child.wait().map_err(|e| failed(&name, e))?;
    read?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Invalid, format!("{name} failed: {status}")))
    }
}

fn scrapes(path: &Path) -> Result<Vec<SeriesData>> {
    let limits = ingest::Limits::default();
    let mut caches: HashMap<String, ScrapeCache> = HashMap::new();
    let mut all: HashMap<Labels, SeriesData> = HashMap::new();
    let mut take = |head: &str, body: &[u8]| -> Result<()> {
        let mut words = head.split_whitespace();
        let (Some(at_ms), Some(target)) = (words.next().and_then(|w| w.parse().ok()), words.next()) else {
            return Ok(());
        };
        if !caches.contains_key(target) {
            let pairs = [("job", target), ("instance", "host-00:9100")];
            let labels = Labels::from_pairs(pairs);
            let labels = labels.map_err(|e| Error::wrap(ErrorKind::Internal, "labels of a target", e))?;
            let target_of = Target { labels, ..Target::default() };
            caches.insert(target.to_string(), ScrapeCache::new(target_of));
        }
        let Some(cache) = caches.get_mut(target) else { return Ok(()) };
        let batch =
            cache.scrape(body, Scrape { format: Format::Text, at_ms, limits: &limits })?.decoded.batch;
        for sample in &batch.samples {
            let labels = &batch.series[sample.series as usize];
            let data = all.entry(labels.clone()).or_insert_with(|| SeriesData {
                labels: labels.clone(),
                timestamps_ms: Vec::new(),
                values: Vec::new(),
                ..Default::default()
            });
            push(data, sample.timestamp_ms, sample.value);
        }
        Ok(())
    };
    output(Command::new("zstd").arg("-dc").arg(path), |input| {
        let (mut head, mut body, mut line) = (String::new(), Vec::new(), Vec::new());
        loop {
            line.clear();
            let read = input.read_until(b'\n', &mut line).map_err(|e| failed(SCRAPES, e))?;
            if read == 0 || line.starts_with(b"@ ") {
                take(&head, &body)?;
                head = String::from_utf8_lossy(&line).trim_start_matches("@ ").to_string();
                body.clear();
            } else {
                body.extend_from_slice(&line);
            }
            if read == 0 {
                return Ok(());
            }
        }
    })?;
    Ok(sorted(all))
}

fn push(data: &mut SeriesData, time_ms: i64, value: f64) {
    if data.timestamps_ms.last().is_none_or(|last| *last < time_ms) {
        data.timestamps_ms.push(time_ms);
        data.values.push(value);
    }
}

/// The same every time.
fn sorted(all: HashMap<Labels, SeriesData>) -> Vec<SeriesData> {
    let mut all: Vec<SeriesData> = all.into_values().collect();
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    all
}

/// Times to the nearest second; of two samples in one second the first.
fn aligned(data: &SeriesData) -> SeriesData {
    let mut out = SeriesData {
        labels: data.labels.clone(),
        timestamps_ms: Vec::new(),
        values: Vec::new(),
        ..Default::default()
    };
    for (time_ms, value) in data.timestamps_ms.iter().zip(&data.values) {
        push(&mut out, (time_ms + 500).div_euclid(1_000) * 1_000, *value);
    }
    out
}

/// Fifteen instances of each series, each with every fifteenth sample.
fn phases(series: &[SeriesData]) -> Result<Vec<SeriesData>> {
    let mut out = Vec::new();
    for data in series {
        for phase in 0..PHASES {
            let instance = format!("host-{phase:02}:9100");
            let renamed = |(name, value)| (name, if name == "instance" { &*instance } else { value });
            let labels = Labels::from_pairs(data.labels.iter().map(renamed));
            let labels = labels.map_err(|e| Error::wrap(ErrorKind::Internal, "labels of an instance", e))?;
            let mut one =
                SeriesData { labels, timestamps_ms: Vec::new(), values: Vec::new(), ..Default::default() };
            for (time_ms, value) in data.timestamps_ms.iter().zip(&data.values) {
                if (time_ms + 500).div_euclid(1_000).rem_euclid(PHASES) == phase {
                    push(&mut one, *time_ms, *value);
                }
            }
            if !one.values.is_empty() {
                out.push(one);
            }
        }
    }
    Ok(out)
}

/// One series for each file; all begin at one time and end before now.
fn nab(path: &Path, now_ms: i64) -> Result<Vec<SeriesData>> {
    let folder = crate::child::folder()?;
    let mut tar = Command::new("tar");
    tar.arg("--zstd").arg("-xf").arg(path).arg("-C").arg(folder.path());
    output(&mut tar, |_| Ok(()))?;
    let mut files = Vec::new();
    csv_files(folder.path(), &mut files);
    let mut all = HashMap::new();
    for file in files {
        let mut text = String::new();
        let mut gzip = Command::new("gzip");
        output(gzip.arg("-dc").arg(&file), |input| {
            input.read_to_string(&mut text).map(drop).map_err(|e| failed(NAB, e))
        })?;
        let part =
            |n: usize| file.iter().rev().nth(n).map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
        let name = part(0).trim_end_matches(".csv.gz").to_string();
        let pairs = [("__name__", "nab_value"), ("job", &*part(1)), ("file", &*name)];
        let labels = Labels::from_pairs(pairs);
        let labels = labels.map_err(|e| Error::wrap(ErrorKind::Internal, "labels of a file", e))?;
        let mut data = SeriesData {
            labels: labels.clone(),
            timestamps_ms: Vec::new(),
            values: Vec::new(),
            ..Default::default()
        };
        for (time_ms, value) in text.lines().filter_map(csv_line) {
            push(&mut data, time_ms, value);
        }
        all.insert(labels, data);
    }
    let mut all = sorted(all);
    let length =
        |d: &SeriesData| d.timestamps_ms.last().zip(d.timestamps_ms.first()).map_or(0, |(b, a)| b - a);
    let longest_ms = all.iter().map(length).max().unwrap_or(0);
    let start_ms = (now_ms - longest_ms - 3_600_000).div_euclid(300_000) * 300_000;
    for data in &mut all {
        let by_ms = start_ms - data.timestamps_ms.first().copied().unwrap_or(0);
        data.timestamps_ms.iter_mut().for_each(|t| *t += by_ms);
    }
    Ok(all)
}

fn csv_files(folder: &Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            csv_files(&path, out);
        } else if path.to_string_lossy().ends_with(".csv.gz") {
            out.push(path);
        }
    }
}

/// `2014-04-01 00:05:00,19.5`
fn csv_line(line: &str) -> Option<(i64, f64)> {
    let (time, value) = line.split_once(',')?;
    let numbers: Vec<i64> = time.split(['-', ' ', ':']).filter_map(|n| n.parse().ok()).collect();
    let [year, month, day, hour, minute, second] = numbers[..] else { return None };
    // Days from civil: years begin in March, so that leap days come last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hour) * 3_600_000 + minute * 60_000 + second * 1_000, value.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_csv() {
        assert_eq!(csv_line("1970-01-01 00:00:01,2.5"), Some((1_000, 2.5)));
        assert_eq!(csv_line("2014-04-01 00:05:00,-1e3"), Some((1_396_310_700_000, -1000.0)));
        assert_eq!(csv_line("2016-02-29 12:00:00,0"), Some((1_456_747_200_000, 0.0)));
        assert_eq!(csv_line("timestamp,value"), None);
    }

    #[test]
    fn every_sample_is_of_one_phase_and_alignment_keeps_order() {
        let labels = Labels::from_pairs([("__name__", "a"), ("instance", "i")]).unwrap();
        let timestamps_ms: Vec<i64> = (0..100).map(|i| 1_000_000_000 + i * 1_000 + i % 7 * 30).collect();
        let values = (0..100).map(f64::from).collect();
        let data = SeriesData { labels, timestamps_ms, values, ..Default::default() };
        let all = phases(std::slice::from_ref(&data)).unwrap();
        assert_eq!(all.len(), 15);
        assert_eq!(all.iter().map(|d| d.values.len()).sum::<usize>(), 100);
        let moved = aligned(&data);
        assert!(moved.timestamps_ms.windows(2).all(|w| w[1] - w[0] == 1_000));
        assert_eq!(moved.values, data.values);
    }
}
