//! The texts of a control group's files, version 1 and 2, as values by position. Pure; what it does not
//! understand it leaves out.

use super::metrics::at;
use crate::bytes::{Fields, lines, trim, unsigned};
use crate::readers::pressure::totals;

/// Values by position in the table of metrics.
#[derive(Default)]
pub(crate) struct Values([Option<f64>; 32]);

impl Values {
    pub(crate) fn clear(&mut self) {
        self.0 = [None; 32];
    }

    pub(crate) fn get(&self, index: usize) -> Option<f64> {
        self.0[index]
    }

    fn set(&mut self, index: usize, value: f64) {
        self.0[index] = Some(value);
    }

    fn add(&mut self, index: usize, value: f64) {
        self.0[index] = Some(self.0[index].unwrap_or(0.0) + value);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.0.iter().enumerate().filter_map(|(i, v)| Some((i, (*v)?)))
    }
}

/// Lines `name number`.
fn each(text: &[u8], mut found: impl FnMut(&[u8], f64)) {
    for line in lines(text) {
        let mut fields = Fields(line);
        if let (Some(name), Some(value)) = (fields.next(), fields.number()) {
            found(name, value as f64);
        }
    }
}

/// One number.
pub(crate) fn single(text: &[u8], values: &mut Values, index: usize) {
    if let Some(n) = unsigned(trim(text)) {
        values.set(index, n as f64);
    }
}

/// From this number on, version 1 means that there is no limit.
const UNLIMITED_MIN: u64 = 1 << 62;

/// One number, or `max`, or in version 1 one so large that it is none.
pub(crate) fn limit(text: &[u8], values: &mut Values, index: usize) {
    if let Some(n) = unsigned(trim(text)).filter(|n| *n < UNLIMITED_MIN) {
        values.set(index, n as f64);
    }
}

/// Version 2: times in microseconds.
pub(crate) fn cpu_stat(text: &[u8], values: &mut Values) {
    each(text, |name, n| match name {
        b"usage_usec" => values.set(at::CPU_USAGE, n / 1e6),
        b"user_usec" => values.set(at::CPU_USER, n / 1e6),
        b"system_usec" => values.set(at::CPU_SYSTEM, n / 1e6),
        b"nr_periods" => values.set(at::CPU_PERIODS, n),
        b"nr_throttled" => values.set(at::CPU_THROTTLED_PERIODS, n),
        b"throttled_usec" => values.set(at::CPU_THROTTLED, n / 1e6),
        _ => {}
    });
}

/// Version 1: throttling alone, in nanoseconds.
pub(crate) fn cpu_stat_v1(text: &[u8], values: &mut Values) {
    each(text, |name, n| match name {
        b"nr_periods" => values.set(at::CPU_PERIODS, n),
        b"nr_throttled" => values.set(at::CPU_THROTTLED_PERIODS, n),
        b"throttled_time" => values.set(at::CPU_THROTTLED, n / 1e9),
        _ => {}
    });
}

/// Nanoseconds.
pub(crate) fn cpuacct_usage(text: &[u8], values: &mut Values) {
    if let Some(n) = unsigned(trim(text)) {
        values.set(at::CPU_USAGE, n as f64 / 1e9);
    }
}

/// Hundredths of a second.
pub(crate) fn cpuacct_stat(text: &[u8], values: &mut Values) {
    each(text, |name, n| match name {
        b"user" => values.set(at::CPU_USER, n / 100.0),
        b"system" => values.set(at::CPU_SYSTEM, n / 100.0),
        _ => {}
    });
}

pub(crate) fn memory_stat(text: &[u8], values: &mut Values) {
    each(text, |name, n| match name {
        b"anon" => values.set(at::ANON, n),
        b"file" => values.set(at::FILE, n),
        _ => {}
    });
}

/// Version 1: the sums over the groups below begin with `total_`.
pub(crate) fn memory_stat_v1(text: &[u8], values: &mut Values) {
    each(text, |name, n| match name {
        b"total_rss" => values.set(at::ANON, n),
        b"total_cache" => values.set(at::FILE, n),
        b"total_swap" => values.set(at::SWAP, n),
        _ => {}
    });
}

/// memory.events of version 2, memory.oom_control of version 1.
pub(crate) fn memory_events(text: &[u8], values: &mut Values) {
    each(text, |name, n| match name {
        b"oom_kill" => values.set(at::OOM_KILLS, n),
        b"max" => values.set(at::LIMIT_HITS, n),
        _ => {}
    });
}

/// Lines `8:0 rbytes=1 wbytes=2 rios=3 wios=4 ...`: summed over devices.
pub(crate) fn io_stat(text: &[u8], values: &mut Values) {
    for line in lines(text) {
        for field in Fields(line).skip(1) {
            let Some(equals) = field.iter().position(|b| *b == b'=') else { continue };
            let index = match &field[..equals] {
                b"rbytes" => at::READ_BYTES,
                b"wbytes" => at::WRITTEN_BYTES,
                b"rios" => at::READS,
                b"wios" => at::WRITES,
                _ => continue,
            };
            if let Some(n) = unsigned(&field[equals + 1..]) {
                values.add(index, n as f64);
            }
        }
    }
}

/// Lines `8:0 Read 123`: summed over devices; writes are the metric after `reads`.
pub(crate) fn blkio(text: &[u8], values: &mut Values, reads: usize) {
    for line in lines(text) {
        let mut fields = Fields(line);
        // The last line is a total without a device.
        let (Some(_), Some(operation), Some(n)) = (fields.next(), fields.next(), fields.number()) else {
            continue;
        };
        match operation {
            b"Read" => values.add(reads, n as f64),
            b"Write" => values.add(reads + 1, n as f64),
            _ => {}
        }
    }
}

pub(crate) fn pressure(text: &[u8], values: &mut Values, some: usize) {
    for (full, micros) in totals(text) {
        values.set(some + usize::from(full), micros as f64 / 1e6);
    }
}
