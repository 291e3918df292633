//! Messages of the kernel, from /dev/kmsg, as they come. It must never wait for one, nor write.

use super::Fill;
use capture::class::KERNEL;
use capture::{Message, Told};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::path::PathBuf;

/// Records that are read in one tick; the rest waits.
const RECORDS_MAX: usize = 2_000;
/// The kernel gives a record in one read, and none is longer.
const RECORD_BYTES_MAX: usize = 8 << 10;
/// Ticks after which a log that could not be opened is tried again.
const RETRY_TICKS: u64 = 60;

const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
const FACILITIES: [&str; 12] =
    ["kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"];

pub(super) struct Kernel {
    path: PathBuf,
    file: Option<File>,
    retry_tick: u64,
    problem: String,
    buffer: Vec<u8>,
}

impl Kernel {
    pub(super) fn new(settings: &crate::Settings) -> Kernel {
        Kernel {
            path: settings.kernel_log.clone(),
            file: None,
            retry_tick: 0,
            problem: String::new(),
            buffer: vec![0; RECORD_BYTES_MAX],
        }
    }

    pub(super) fn fill(&mut self, fill: &mut Fill) {
        if self.file.is_none() && fill.io.tick >= self.retry_tick {
            self.retry_tick = fill.io.tick + RETRY_TICKS;
            self.open();
        }
        self.read(fill);
        fill.ring.forget_messages(fill.now_ms);
        fill.ring.tell(&KERNEL, Told { problem: self.problem.clone(), period_seconds: 1 });
    }

    fn open(&mut self) {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let shown = self.path.display();
        (self.file, self.problem) = match openat(CWD, &self.path, flags, Mode::empty()) {
            Ok(file) => (Some(File::from(file)), String::new()),
            Err(Errno::NOENT) => (None, format!("there is no {shown} here, as in most containers")),
            Err(Errno::ACCESS | Errno::PERM) => (
                None,
                format!("{shown} may not be read: it needs root, CAP_SYSLOG or kernel.dmesg_restrict=0"),
            ),
            Err(e) => (None, format!("{shown} cannot be opened: {e}")),
        };
    }

    fn read(&mut self, fill: &mut Fill) {
        let Some(file) = &self.file else { return };
        let now = clock_gettime(ClockId::Monotonic);
        let uptime_us = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000);
        for _ in 0..RECORDS_MAX {
            match rustix::io::read(file, &mut self.buffer) {
                Ok(0) | Err(Errno::AGAIN) => return,
                Ok(n) => {
                    let text = String::from_utf8_lossy(&self.buffer[..n]);
                    // A device gives one record at a time; a file many.
                    for message in text.lines().filter_map(|line| parse(line, fill.now_ms, uptime_us)) {
                        fill.ring.message(message);
                    }
                }
                // What was not read in time was overwritten: the next read goes on behind it.
                Err(Errno::PIPE | Errno::INTR) => {}
                Err(e) => {
                    self.problem = format!("{} cannot be read: {e}", self.path.display());
                    self.file = None;
                    return;
                }
            }
        }
    }
}

/// `6,1234,5678901,-;text`: priority, number, microseconds since the start. None for what continues a record, and for
/// what is broken.
fn parse(line: &str, now_ms: i64, uptime_us: i64) -> Option<Message> {
    if line.starts_with(' ') {
        return None;
    }
    let (head, text) = line.split_once(';')?;
    let mut fields = head.split(',');
    let priority: usize = fields.next()?.parse().ok()?;
    let sequence: i64 = fields.next()?.parse().ok()?;
    let at_us: i64 = fields.next()?.parse().ok()?;
    let age_ms = uptime_us.checked_sub(at_us)? / 1_000;
    Some(Message {
        time_ms: now_ms.saturating_sub(age_ms.max(0)),
        level: LEVELS[priority & 7],
        facility: FACILITIES.get(priority >> 3).unwrap_or(&"local"),
        sequence,
        text: unescape(text).into(),
    })
}

/// The kernel writes bytes that are no text as `\x1b`: the text keeps that form, and control characters go.
fn unescape(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        for (line, want) in [
            (
                "6,12,5000000,-;usb 1-1: new device",
                Some((995_000, "info", "kern", 12, "usb 1-1: new device")),
            ),
            (
                "3,13,9999000,-,caller=T1;Out of memory: Killed process 7 (a;b)",
                Some((999_999, "err", "kern", 13, "Out of memory: Killed process 7 (a;b)")),
            ),
            ("30,14,0,c;systemd[1]: x", Some((990_000, "info", "daemon", 14, "systemd[1]: x"))),
            ("999999,15,0,-;x", Some((990_000, "debug", "local", 15, "x"))),
            // Ahead of the clock: now.
            ("0,16,20000000,-;x\u{1b}y", Some((1_000_000, "emerg", "kern", 16, "x y"))),
            (" SUBSYSTEM=usb", None),
            ("6,12,x,-;text", None),
            ("6,12,5000000,- text", None),
            ("", None),
        ] {
            let want = want.map(|(time_ms, level, facility, sequence, text)| Message {
                time_ms,
                level,
                facility,
                sequence,
                text: text.into(),
            });
            assert_eq!(parse(line, 1_000_000, 10_000_000), want, "{line}");
        }
        assert_eq!(parse("6,1,-9223372036854775808,-;x", 0, 1), None);
    }
}
