//! The clock: what time the machine believes it is, and when that was changed under everyone's feet.
//! Steps are seen by comparing the wall clock with one that only runs; a clock that is slewed moves
//! both. It must never take a delay between two readings for a step.

use super::{Context, Reader};
use crate::bytes::{Fields, clean, trim};
use crate::reference::{Reference, counter, gauge};
use crate::series::{Fixed, Rows, Sink};
use crate::settings::Settings;
use rustix::time::{ClockId, DynamicClockId, clock_gettime, clock_gettime_dynamic};
use std::path::PathBuf;

mod kernel;
use kernel::Discipline;

pub(crate) const METRICS: &[Reference] = &[
    gauge(
        "node_time_seconds",
        "seconds",
        &[],
        "clock_gettime",
        "The time of this machine in seconds since 1970, when it was read.",
    ),
    gauge(
        "node_timex_tai_offset_seconds",
        "seconds",
        &[],
        "clock_gettime",
        "International atomic time less the wall clock, as the kernel was told; 0 if it was not.",
    ),
    counter(
        "node_clock_steps_total",
        "",
        &[],
        "clock_gettime",
        "How often the wall clock was set (by more than 1 ms) instead of running on.",
    ),
    gauge(
        "node_clock_last_step_seconds",
        "seconds",
        &[],
        "clock_gettime",
        "By how much it was set the last time; negative if back.",
    ),
    gauge(
        "node_clock_drift_ratio",
        "",
        &[],
        "clock_gettime",
        "By how much the clock is made to run faster (above 0) or slower than the hardware's, over the last minute.",
    ),
    gauge(
        "node_clock_suspended_seconds",
        "seconds",
        &[],
        "clock_gettime",
        "Time that the machine has slept since it was started.",
    ),
    gauge(
        "node_timex_sync_status",
        "",
        &[],
        "adjtimex",
        "1 while a time service keeps the clock right, as it told the kernel; else 0. All node_timex_ metrics but the offset of atomic time are absent where the kernel may not be asked.",
    ),
    gauge(
        "node_timex_offset_seconds",
        "seconds",
        &[],
        "adjtimex",
        "What the kernel has still to correct of the wall clock's difference from the time service.",
    ),
    gauge(
        "node_timex_estimated_error_seconds",
        "seconds",
        &[],
        "adjtimex",
        "The time service's estimate of the clock's error.",
    ),
    gauge(
        "node_timex_maxerror_seconds",
        "seconds",
        &[],
        "adjtimex",
        "The most that the clock can be wrong by; it grows while no time service speaks, up to 16 s.",
    ),
    gauge(
        "node_timex_frequency_adjustment_ratio",
        "",
        &[],
        "adjtimex",
        "The rate that the clock is made to run at, as a share of its own; 1 is none.",
    ),
    gauge(
        "node_timex_loop_time_constant",
        "",
        &[],
        "adjtimex",
        "The time constant of the kernel's control loop.",
    ),
    gauge("node_timex_status", "", &[], "adjtimex", "The bits of the clock's status, as in adjtimex(2)."),
    gauge("node_timex_tick_seconds", "seconds", &[], "adjtimex", "Seconds between two ticks of the clock."),
];

pub(crate) const SOURCES: &[Reference] = &[
    gauge(
        "node_time_clocksource_available_info",
        "",
        &["device", "clocksource"],
        "/sys/devices/system/clocksource",
        "Always 1: the clock sources that the kernel could use. Once a minute.",
    ),
    gauge(
        "node_time_clocksource_current_info",
        "",
        &["device", "clocksource"],
        "/sys/devices/system/clocksource",
        "Always 1: the clock source that it uses. Once a minute.",
    ),
];

/// A change of the difference between two clocks by less is the delay between reading them.
const STEP_NS_MIN: i128 = 1_000_000;

/// Nanoseconds of the clocks, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clocks {
    /// Since 1970; may be set.
    pub(crate) real: i128,
    /// Since the start, sleep included; runs at the rate of `real`.
    pub(crate) boot: i128,
}

/// Sees steps. Pure.
#[derive(Default)]
pub(crate) struct Steps {
    last: Option<Clocks>,
    pub(crate) count: u64,
    pub(crate) last_step_ns: i128,
}

impl Steps {
    pub(crate) fn observe(&mut self, now: Clocks) {
        if let Some(last) = self.last {
            let step = (now.real - now.boot) - (last.real - last.boot);
            if step.abs() >= STEP_NS_MIN {
                self.count += 1;
                self.last_step_ns = step;
            }
        }
        self.last = Some(now);
    }
}

pub(crate) struct Clock {
    steps: Steps,
    /// The adjusted and the raw clock a minute ago.
    rate_from: Option<(i128, i128)>,
    drift: Option<f64>,
    fixed: Fixed,
    folder: PathBuf,
    sources: Rows,
}

impl Clock {
    pub(crate) fn new(settings: &Settings) -> Clock {
        Clock {
            steps: Steps::default(),
            rate_from: None,
            drift: None,
            fixed: Fixed::default(),
            folder: settings.sys_root.join("devices/system/clocksource/clocksource0"),
            sources: Rows::new(32),
        }
    }

    fn read_sources(&mut self, cx: &mut Context) {
        self.sources.begin();
        for (i, file) in ["available_clocksource", "current_clocksource"].into_iter().enumerate() {
            let Some(text) = cx.io.read_once(&self.folder.join(file)) else { continue };
            for name in Fields(trim(text)).take(16) {
                let mut key = name.to_vec();
                key.push(i as u8);
                let make = |s: &mut Sink| {
                    vec![s.labels(SOURCES[i].name, &[("clocksource", clean(name)), ("device", "0".into())])]
                };
                if let Some(row) = self.sources.row(&mut cx.sink, &key, make) {
                    row.push(&mut cx.sink, 0, 1.0);
                }
            }
        }
        self.sources.end(&mut cx.sink);
    }
}

impl Reader for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn read(&mut self, cx: &mut Context) {
        let now = read_clocks();
        self.steps.observe(now);
        let (adjusted, raw) = (nanoseconds(ClockId::Monotonic), nanoseconds(ClockId::MonotonicRaw));
        match self.rate_from {
            None => self.rate_from = Some((adjusted, raw)),
            Some((a, r)) if raw - r >= 60_000_000_000 => {
                self.drift = Some(((adjusted - a) - (raw - r)) as f64 / (raw - r) as f64);
                self.rate_from = Some((adjusted, raw));
            }
            Some(_) => {}
        }
        let tai = clock_gettime_dynamic(DynamicClockId::Tai).ok();
        let tai_seconds =
            tai.map(|t| (t.tv_sec as f64 - now.real as f64 / 1e9 + t.tv_nsec as f64 / 1e9).round());
        let told = Discipline::read();
        let values = [
            Some(now.real as f64 / 1e9),
            tai_seconds,
            Some(self.steps.count as f64),
            Some(self.steps.last_step_ns as f64 / 1e9),
            self.drift,
            Some(((now.boot - adjusted) as f64 / 1e9).round().max(0.0)),
            told.map(|t| f64::from(u8::from(t.is_synchronised))),
            told.map(|t| t.offset_seconds),
            told.map(|t| t.estimated_error_seconds),
            told.map(|t| t.max_error_seconds),
            told.map(|t| t.frequency_ratio),
            told.map(|t| t.time_constant),
            told.map(|t| t.status),
            told.map(|t| t.tick_seconds),
        ];
        for (i, value) in values.into_iter().enumerate() {
            if let Some(value) = value {
                self.fixed.push(&mut cx.sink, METRICS, i, value);
            }
        }
        if cx.is_minute_tick() {
            self.read_sources(cx);
        }
    }
}

fn nanoseconds(clock: ClockId) -> i128 {
    let t = clock_gettime(clock);
    i128::from(t.tv_sec) * 1_000_000_000 + i128::from(t.tv_nsec)
}

/// The wall clock between two readings of the other; of three tries the one that took least time.
fn read_clocks() -> Clocks {
    let one = || {
        let before = nanoseconds(ClockId::Boottime);
        let real = nanoseconds(ClockId::Realtime);
        let after = nanoseconds(ClockId::Boottime);
        (after - before, Clocks { real, boot: before + (after - before) / 2 })
    };
    let tries = [one(), one(), one()];
    tries.iter().min_by_key(|(width, _)| *width).map_or(tries[0].1, |(_, clocks)| *clocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In milliseconds: (wall clock, the other, steps so far, the last step).
    #[test]
    fn steps() {
        let mut steps = Steps::default();
        for (real, boot, count, last) in [
            (5_000, 100, 0, 0),
            (6_000, 1_100, 0, 0),
            (7_600, 2_700, 0, 0), // a late reading is no step
            (9_000, 3_700, 1, 400),
            (10_000, 4_700, 1, 400),
            (1_000, 5_700, 2, -10_000),
            (2_000, 6_700, 2, -10_000),
        ] {
            steps.observe(Clocks { real: real * 1_000_000, boot: boot * 1_000_000 });
            assert_eq!((steps.count, steps.last_step_ns), (count, last * 1_000_000), "at {boot}");
        }
    }
}
