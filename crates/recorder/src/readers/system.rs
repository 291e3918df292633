//! The system as a whole: load, time, open files, entropy, and what machine and distribution it is.
//! It must never decide the time of samples: the clock is one of the things it reports on.

use super::{Context, Reader};
use crate::bytes::{Fields, clean, float, trim};
use crate::files::{Shape, Source};
use crate::reference::{Reference, gauge};
use crate::series::{Fixed, Rows, Sink};
use crate::settings::Settings;
use std::path::PathBuf;

const LOAD: &[Reference] = &[
    gauge("node_load1", "", &[], "/proc/loadavg", "Threads that run or wait, average of one minute."),
    gauge("node_load5", "", &[], "/proc/loadavg", "Threads that run or wait, average of five minutes."),
    gauge("node_load15", "", &[], "/proc/loadavg", "Threads that run or wait, average of fifteen minutes."),
];

const SINGLE: &[Reference] = &[
    gauge("node_filefd_allocated", "", &[], "/proc/sys/fs/file-nr", "Open files of the whole machine."),
    gauge("node_filefd_maximum", "", &[], "/proc/sys/fs/file-nr", "The most files that may be open."),
    gauge("node_entropy_available_bits", "bits", &[], "/proc/sys/kernel/random", "Entropy that is there."),
    gauge("node_entropy_pool_size_bits", "bits", &[], "/proc/sys/kernel/random", "Size of the entropy pool."),
];

const SELINUX: &[Reference] = &[
    gauge("node_selinux_enabled", "", &[], "/sys/fs/selinux", "1 if SELinux is on. Once a minute."),
    gauge(
        "node_selinux_current_mode",
        "",
        &[],
        "/sys/fs/selinux",
        "1 if SELinux enforces its rules, 0 if it only reports.",
    ),
];

const IDENTITY: &[Reference] = &[
    gauge(
        "node_uname_info",
        "",
        &["sysname", "release", "version", "machine", "nodename", "domainname"],
        "uname",
        "Always 1: kernel and host name. Once a minute.",
    ),
    gauge(
        "node_os_info",
        "",
        &[
            "id",
            "id_like",
            "name",
            "pretty_name",
            "variant",
            "variant_id",
            "version",
            "version_codename",
            "version_id",
            "build_id",
            "image_id",
            "image_version",
        ],
        "/etc/os-release",
        "Always 1: the distribution. Once a minute.",
    ),
    gauge(
        "node_os_version",
        "",
        &["id", "id_like", "name"],
        "/etc/os-release",
        "The distribution's version as a number, major.minor.",
    ),
];

pub(crate) fn reference() -> Vec<Reference> {
    [LOAD, SINGLE, IDENTITY, SELINUX].concat()
}

pub(crate) struct System {
    loadavg: Source,
    file_nr: Source,
    entropy: [Source; 2],
    os_release: [PathBuf; 2],
    load: Fixed,
    single: Fixed,
    identity: Rows,
    enforce: PathBuf,
    selinux: Fixed,
}

impl System {
    pub(crate) fn new(settings: &Settings) -> System {
        let proc = &settings.proc_root;
        let whole = |path: &str| Source::new(proc.join(path), Shape::Whole);
        System {
            loadavg: whole("loadavg"),
            file_nr: whole("sys/fs/file-nr"),
            entropy: [whole("sys/kernel/random/entropy_avail"), whole("sys/kernel/random/poolsize")],
            os_release: ["/etc/os-release".into(), "/usr/lib/os-release".into()],
            load: Fixed::default(),
            single: Fixed::default(),
            identity: Rows::new(8),
            enforce: settings.sys_root.join("fs/selinux/enforce"),
            selinux: Fixed::default(),
        }
    }

    fn read_identity(&mut self, cx: &mut Context) {
        let sink = &mut cx.sink;
        self.identity.begin();
        let make = |s: &mut Sink| vec![s.labels(IDENTITY[0].name, &uname_pairs())];
        if let Some(row) = self.identity.row(sink, b"uname", make) {
            row.push(sink, 0, 1.0);
        }
        let text = self.os_release.iter().find_map(|path| std::fs::read(path).ok()).unwrap_or_default();
        let text = &text[..text.len().min(64 << 10)];
        if !text.is_empty() {
            let make = |s: &mut Sink| {
                vec![
                    s.labels(IDENTITY[1].name, &os_pairs(text, IDENTITY[1].labels)),
                    s.labels(IDENTITY[2].name, &os_pairs(text, IDENTITY[2].labels)),
                ]
            };
            if let Some(row) = self.identity.row(sink, text, make) {
                row.push(sink, 0, 1.0);
                row.push_some(sink, 1, os_version(&os_value(text, "version_id")));
            }
        }
        self.identity.end(sink);
    }
}

impl Reader for System {
    fn name(&self) -> &'static str {
        "system"
    }

    fn read(&mut self, cx: &mut Context) {
        if let Some(text) = self.loadavg.read(cx.io) {
            let mut fields = Fields(trim(text));
            for i in 0..3 {
                if let Some(v) = fields.float() {
                    self.load.push(&mut cx.sink, LOAD, i, v);
                }
            }
        }
        if let Some(text) = self.file_nr.read(cx.io) {
            let mut fields = Fields(trim(text));
            for (i, skip) in [(0, 0), (1, 1)] {
                if let Some(v) = fields.nth(skip).and_then(float) {
                    self.single.push(&mut cx.sink, SINGLE, i, v);
                }
            }
        }
        for (i, source) in self.entropy.iter_mut().enumerate() {
            if let Some(v) = source.read(cx.io).map(trim).and_then(float) {
                self.single.push(&mut cx.sink, SINGLE, 2 + i, v);
            }
        }
        if cx.is_minute_tick() {
            self.read_identity(cx);
            let mode = cx.io.read_once(&self.enforce).map(trim).and_then(float);
            self.selinux.push(&mut cx.sink, SELINUX, 0, f64::from(u8::from(mode.is_some())));
            if let Some(mode) = mode {
                self.selinux.push(&mut cx.sink, SELINUX, 1, mode);
            }
        }
    }
}

fn uname_pairs() -> [(&'static str, String); 6] {
    let u = rustix::system::uname();
    [
        ("sysname", clean(u.sysname().to_bytes())),
        ("release", clean(u.release().to_bytes())),
        ("version", clean(u.version().to_bytes())),
        ("machine", clean(u.machine().to_bytes())),
        ("nodename", clean(u.nodename().to_bytes())),
        ("domainname", clean(u.domainname().to_bytes())),
    ]
}

fn os_pairs(text: &[u8], names: &[&'static str]) -> Vec<(&'static str, String)> {
    names.iter().map(|name| (*name, os_value(text, name))).collect()
}

/// The value of a name (given in lower case) of an os-release file, without its quotes.
fn os_value(text: &[u8], name: &str) -> String {
    let value = crate::bytes::lines(text).find_map(|line| {
        let equals = line.iter().position(|b| *b == b'=')?;
        line[..equals].eq_ignore_ascii_case(name.as_bytes()).then(|| trim(&line[equals + 1..]))
    });
    let value = value.unwrap_or_default();
    let quoted = |q: &[u8]| value.strip_prefix(q)?.strip_suffix(q);
    clean(quoted(b"\"").or_else(|| quoted(b"'")).unwrap_or(value))
}

/// `22.04.1` is 22.04; what does not begin with a number has none.
fn os_version(text: &str) -> Option<f64> {
    let mut parts = text.split('.');
    let major = parts.next()?;
    match parts.next() {
        Some(minor) => float(format!("{major}.{minor}").as_bytes()),
        None => float(major.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release() {
        let text = b"NAME=\"Ubuntu\"\nVERSION_ID='22.04'\nID=ubuntu\nBROKEN\n=x\nEMPTY=\n";
        assert_eq!(os_value(text, "name"), "Ubuntu");
        assert_eq!(os_value(text, "version_id"), "22.04");
        assert_eq!(os_value(text, "id"), "ubuntu");
        assert_eq!(os_value(text, "empty"), "");
        assert_eq!(os_value(text, "none"), "");
        for (text, want) in [("12", Some(12.0)), ("22.04.1", Some(22.04)), ("", None), ("rolling", None)] {
            assert_eq!(os_version(text), want);
        }
    }
}
