//! Disks: /proc/diskstats every tick, and what kind of disk each is once. It must never report
//! partitions or memory-backed devices, whose I/O is another disk's or nobody's.

use super::{Context, Reader};
use crate::bytes::{Fields, clean, lines, trim, unsigned};
use crate::files::{Shape, Source};
use crate::reference::{Reference, counter, gauge};
use crate::series::{Rows, Sink};
use crate::settings::Settings;
use std::path::PathBuf;

const DISK: &[&str] = &["device"];
const SOURCE: &str = "/proc/diskstats";

/// In the order of the fields of /proc/diskstats after the device's name.
pub(crate) const METRICS: &[Reference] = &[
    counter("node_disk_reads_completed_total", "", DISK, SOURCE, "Reads completed."),
    counter(
        "node_disk_reads_merged_total",
        "",
        DISK,
        SOURCE,
        "Reads merged with a neighbour before they were issued.",
    ),
    counter("node_disk_read_bytes_total", "bytes", DISK, SOURCE, "Bytes read."),
    counter(
        "node_disk_read_time_seconds_total",
        "seconds",
        DISK,
        SOURCE,
        "Seconds that all reads took together; by the number of reads it is the latency.",
    ),
    counter("node_disk_writes_completed_total", "", DISK, SOURCE, "Writes completed."),
    counter(
        "node_disk_writes_merged_total",
        "",
        DISK,
        SOURCE,
        "Writes merged with a neighbour before they were issued.",
    ),
    counter("node_disk_written_bytes_total", "bytes", DISK, SOURCE, "Bytes written."),
    counter(
        "node_disk_write_time_seconds_total",
        "seconds",
        DISK,
        SOURCE,
        "Seconds that all writes took together; by the number of writes it is the latency.",
    ),
    gauge("node_disk_io_now", "", DISK, SOURCE, "Requests in progress now."),
    counter(
        "node_disk_io_time_seconds_total",
        "seconds",
        DISK,
        SOURCE,
        "Seconds in which at least one request was in progress: its rate is how busy the disk is.",
    ),
    counter(
        "node_disk_io_time_weighted_seconds_total",
        "seconds",
        DISK,
        SOURCE,
        "Seconds weighted by the requests in progress: its rate is the average queue.",
    ),
    counter("node_disk_discards_completed_total", "", DISK, SOURCE, "Discards completed."),
    counter("node_disk_discards_merged_total", "", DISK, SOURCE, "Discards merged with a neighbour."),
    counter("node_disk_discarded_sectors_total", "", DISK, SOURCE, "Sectors of 512 bytes discarded."),
    counter(
        "node_disk_discard_time_seconds_total",
        "seconds",
        DISK,
        SOURCE,
        "Seconds that all discards took together.",
    ),
    counter("node_disk_flush_requests_total", "", DISK, SOURCE, "Flush requests completed."),
    counter(
        "node_disk_flush_requests_time_seconds_total",
        "seconds",
        DISK,
        SOURCE,
        "Seconds that all flush requests took together.",
    ),
];

/// What one unit of each field is in the metric's unit.
const SCALES: [f64; 17] =
    [1.0, 1.0, 512.0, 1e-3, 1.0, 1.0, 512.0, 1e-3, 1.0, 1e-3, 1e-3, 1.0, 1.0, 1.0, 1e-3, 1.0, 1e-3];

pub(crate) const INFO: &[Reference] = &[gauge(
    "node_disk_info",
    "",
    &["device", "major", "minor", "model", "serial", "wwn", "revision", "path"],
    "/sys/block",
    "Always 1: which device it is.",
)];

pub(crate) struct Disks {
    diskstats: Source,
    block_root: PathBuf,
    rows: Rows,
    infos: Rows,
}

impl Disks {
    pub(crate) fn new(settings: &Settings) -> Disks {
        Disks {
            diskstats: Source::new(settings.proc_root.join("diskstats"), Shape::Records),
            block_root: settings.sys_root.join("block"),
            rows: Rows::new(settings.things_max),
            infos: Rows::new(settings.things_max),
        }
    }
}

impl Reader for Disks {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn read(&mut self, cx: &mut Context) {
        let is_info_tick = cx.is_slow_tick(1);
        let Some(text) = self.diskstats.read(cx.io) else { return };
        let sink = &mut cx.sink;
        self.rows.begin();
        if is_info_tick {
            self.infos.begin();
        }
        for line in lines(text) {
            let mut fields = Fields(line);
            let (Some(major), Some(minor), Some(name)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            if !is_disk(name) {
                continue;
            }
            let make = |s: &mut Sink| s.labels_of(METRICS, &[("device", clean(name))]);
            let Some(row) = self.rows.row(sink, name, make) else { continue };
            for (i, field) in fields.take(SCALES.len()).enumerate() {
                if let Some(n) = unsigned(field) {
                    row.push(sink, i, scaled(n, SCALES[i]));
                }
            }
            if is_info_tick {
                let block_root = &self.block_root;
                let make = |s: &mut Sink| vec![s.labels(INFO[0].name, &info(block_root, name, major, minor))];
                if let Some(row) = self.infos.row(sink, name, make) {
                    row.push(sink, 0, 1.0);
                }
            }
        }
        self.rows.end(sink);
        if is_info_tick {
            self.infos.end(sink);
        }
    }
}

/// Milliseconds divide exactly where a product with 0.001 would not.
fn scaled(n: u64, scale: f64) -> f64 {
    if scale == 1e-3 { n as f64 / 1e3 } else { n as f64 * scale }
}

/// What sysfs says of a device; read once, when it is seen for the first time.
fn info(
    block_root: &std::path::Path,
    name: &[u8],
    major: &[u8],
    minor: &[u8],
) -> Vec<(&'static str, String)> {
    use std::os::unix::ffi::OsStrExt;
    // The kernel writes "!" for "/" in the names of this folder.
    let file_name: Vec<u8> = name.iter().map(|b| if *b == b'/' { b'!' } else { *b }).collect();
    let folder = block_root.join(std::ffi::OsStr::from_bytes(&file_name));
    let text = |path: &str| std::fs::read(folder.join(path)).map(|t| clean(trim(&t))).unwrap_or_default();
    let either = |a: &str, b: &str| Some(text(a)).filter(|t| !t.is_empty()).unwrap_or_else(|| text(b));
    vec![
        ("device", clean(name)),
        ("major", clean(major)),
        ("minor", clean(minor)),
        ("model", text("device/model")),
        ("serial", either("device/serial", "serial")),
        ("wwn", either("wwid", "device/wwid")),
        ("revision", text("device/rev")),
    ]
}

/// False for partitions and for loop, floppy, RAM and compressed RAM devices.
fn is_disk(name: &[u8]) -> bool {
    let digits = name.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return true;
    }
    let stem = &name[..name.len() - digits];
    let is_partition_of_letters = [b"hd".as_slice(), b"sd", b"vd", b"xvd"]
        .iter()
        .filter_map(|prefix| stem.strip_prefix(*prefix))
        .any(|rest| !rest.is_empty() && rest.iter().all(u8::is_ascii_lowercase));
    let is_partition_of_numbers =
        (stem.starts_with(b"nvme") || stem.starts_with(b"mmcblk")) && stem.ends_with(b"p");
    let is_memory = matches!(stem, b"loop" | b"ram" | b"zram" | b"fd");
    !(is_partition_of_letters || is_partition_of_numbers || is_memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_devices_are_disks() {
        for name in
            ["sda", "vda", "xvdb", "nvme0n1", "mmcblk0", "dm-0", "md127", "sr0", "nbd3", "cciss/c0d0", "sdaa"]
        {
            assert!(is_disk(name.as_bytes()), "{name}");
        }
        for name in
            ["sda1", "vdb12", "xvda1", "nvme0n1p2", "mmcblk0p1", "loop0", "ram15", "zram0", "fd0", "sdaa3"]
        {
            assert!(!is_disk(name.as_bytes()), "{name}");
        }
    }
}
