//! How fast things go, from two readings some seconds apart: CPU of this process and samples accepted.

use std::sync::Mutex;

/// Rates over the last seconds. One writer, many readers.
#[derive(Default)]
pub struct Pace(Mutex<State>);

#[derive(Default)]
struct State {
    last: Option<(i64, f64, f64)>,
    cpu_ratio: Option<f64>,
    samples_per_s: Option<f64>,
}

impl Pace {
    /// Takes a reading: time in milliseconds, CPU seconds so far, samples so far.
    pub fn read(&self, now_ms: i64, cpu_seconds: f64, samples: f64) {
        let mut state = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if let Some((then_ms, cpu, before)) = state.last {
            let seconds = (now_ms - then_ms) as f64 / 1000.0;
            if seconds > 0.0 {
                state.cpu_ratio = Some((cpu_seconds - cpu) / seconds);
                state.samples_per_s = Some((samples - before) / seconds);
            }
        }
        state.last = Some((now_ms, cpu_seconds, samples));
    }

    /// CPU seconds used per second; `None` before two readings.
    pub fn cpu_ratio(&self) -> Option<f64> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).cpu_ratio
    }

    /// Samples accepted per second; `None` before two readings.
    pub fn samples_per_s(&self) -> Option<f64> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).samples_per_s
    }
}
