//! The recorder and nothing else, as a process of its own: reads once a second and forgets what it read. It must not
//! do anything that `midwatch serve` would not do for a reading, but for one short line each second.

use super::subjects::{Readers, Running};
use crate::child::Started;
use capture::Ring;
use model::Batch;
use recorder::{Recorder, Settings, Ticker};
use rustix::time::{ClockId, clock_gettime};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};

fn nanoseconds(clock: ClockId) -> u64 {
    let t = clock_gettime(clock);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// The ring as `midwatch serve` has it by default.
const RING: capture::Settings = capture::Settings { span_ms: 300_000, memory_bytes: 60 << 20 };

/// Reads until standard input ends, and keeps the last minutes in a ring if it is to. Standard output has a line for each reading, `reading SAMPLES CPU_US`; and for
/// each line of input and at the end one `reader NAME CPU_US_SINCE_THE_START` for each reader, then `end`.
///
/// # Errors
/// If nobody listens.
pub fn run(has_ring: bool) -> Result<()> {
    let (send, told) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if line.is_err() || send.send(()).is_err() {
                return;
            }
        }
    });
    let mut recorder = Recorder::new(Settings::default());
    let mut ticker = Ticker::new(Duration::from_secs(1));
    let mut batch = Batch::default();
    let mut ring = has_ring.then(|| Ring::new(RING));
    let mut out = std::io::stdout().lock();
    let mut say = |text: String| {
        let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        said.map_err(|e| Error::wrap(ErrorKind::Unavailable, "nobody listens", e))
    };
    let mut tick = ticker.next(nanoseconds(ClockId::Monotonic));
    loop {
        let wait_ns = tick.due_ns.saturating_sub(nanoseconds(ClockId::Monotonic));
        match told.recv_timeout(Duration::from_nanos(wait_ns)) {
            Ok(()) => say(readers(&batch))?,
            Err(RecvTimeoutError::Disconnected) => return say(readers(&batch)),
            Err(RecvTimeoutError::Timeout) => {
                batch.clear();
                let before_ns = nanoseconds(ClockId::ThreadCPUTime);
                let now_ms = (nanoseconds(ClockId::Realtime) / 1_000_000) as i64;
                let report = recorder.read(now_ms, nanoseconds(ClockId::Monotonic), &mut batch);
                if let Some(ring) = &mut ring {
                    recorder.fill(ring);
                }
                let cpu_us = (nanoseconds(ClockId::ThreadCPUTime) - before_ns) / 1_000;
                say(format!("reading {} {cpu_us}\n", report.samples))?;
                tick = ticker.next(nanoseconds(ClockId::Monotonic));
                recorder.count_missed_ticks(tick.missed);
            }
        }
    }
}

fn readers(batch: &Batch) -> String {
    let mut text = String::new();
    for sample in &batch.samples {
        let labels = &batch.series[sample.series as usize];
        if labels.name() == "midwatch_recorder_cpu_seconds_total" {
            text += &format!("reader {} {:.0}\n", labels.get("reader"), sample.value * 1e6);
        }
    }
    text + "end\n"
}

/// The other side: a process that runs [`run`].
pub struct Alone {
    process: Started,
    lines: Receiver<String>,
    /// What it said when the warm-up ended, and when the run ended.
    before: Said,
    after: Said,
}

/// What the recorder says of itself since it was last asked.
#[derive(Default)]
struct Said {
    samples: f64,
    /// CPU microseconds of each reading.
    readings_us: Vec<f64>,
    /// CPU microseconds of each reader, since its start.
    readers_us: Vec<(String, f64)>,
}

impl Alone {
    /// Starts it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(has_ring: bool) -> Result<Alone> {
        // Not by name: a build may have replaced the file since.
        let mut command = Command::new("/proc/self/exe");
        let what = if has_ring { "ring-loop" } else { "recorder-loop" };
        command.arg0("bench").arg(what).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Started::new("the recorder", &mut command)?;
        let (send, lines) = channel();
        if let Some(out) = process.child().stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(|l| l.ok()) {
                    if send.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Alone { process, lines, before: Said::default(), after: Said::default() })
    }

    /// Asks where the time went, and takes in what came before the answer.
    fn ask(&mut self) -> Result<Said> {
        let silent = || Error::new(ErrorKind::Unavailable, "the recorder does not answer");
        let input = self.process.child().stdin.as_mut().ok_or_else(silent)?;
        input.write_all(b"\n").map_err(|_| silent())?;
        let mut said = Said::default();
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(10)).map_err(|_| silent())?;
            let words: Vec<&str> = line.split(' ').collect();
            let number = |i: usize| words.get(i).and_then(|w| w.parse::<f64>().ok()).unwrap_or(f64::NAN);
            match words[0] {
                "reading" => {
                    said.samples += number(1);
                    said.readings_us.push(number(2));
                }
                "reader" => {
                    said.readers_us.push((words.get(1).copied().unwrap_or_default().into(), number(2)))
                }
                _ => return Ok(said),
            }
        }
    }
}

impl Running for Alone {
    fn process(&mut self) -> &mut Started {
        &mut self.process
    }

    fn begin(&mut self) -> Result<()> {
        self.before = self.ask()?;
        Ok(())
    }

    fn series_per_second(&mut self, _seconds: f64) -> Result<f64> {
        self.after = self.ask()?;
        Ok(self.after.samples / self.after.readings_us.len() as f64)
    }

    fn readers(&mut self) -> Option<Readers> {
        let said = std::mem::take(&mut self.after);
        let count = said.readings_us.len() as f64;
        let before =
            |name: &str| self.before.readers_us.iter().find(|(n, _)| n == name).map_or(0.0, |(_, us)| *us);
        let each = said.readers_us.iter().map(|(name, us)| (name.clone(), (us - before(name)) / count));
        Some((each.collect(), said.readings_us))
    }
}
