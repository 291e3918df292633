//! A host made of text, for tests: files of /proc and /sys in a temporary folder, and what the recorder
//! makes of them as lines of text.

use crate::{Recorder, Settings};
use model::Batch;
use std::path::PathBuf;

/// A host whose folders `proc` and `sys` hold what the test wrote.
pub(crate) struct Host {
    folder: tempfile::TempDir,
    recorder: Recorder,
    /// The last batch.
    pub(crate) batch: Batch,
    seconds: i64,
}

impl Host {
    /// Lines `path: text`; `|` in the text is the end of a line. A text ends with the end of a line.
    pub(crate) fn new(files: &str) -> Host {
        Host::with(files, |_| {})
    }

    /// As [`Host::new`], with other settings.
    pub(crate) fn with(files: &str, change: impl FnOnce(&mut Settings)) -> Host {
        let folder = tempfile::tempdir().unwrap();
        let root = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        let mut settings = Settings {
            proc_root: root("proc"),
            sys_root: root("sys"),
            instance: String::new(),
            ..Settings::default()
        };
        change(&mut settings);
        let host = Host { folder, recorder: Recorder::new(settings), batch: Batch::default(), seconds: 0 };
        host.write(files);
        host
    }

    /// Writes more files, or others in their place.
    pub(crate) fn write(&self, files: &str) {
        for line in files.lines() {
            let (path, text) = line.split_once(": ").unwrap();
            let path = self.path(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text.replace('|', "\n") + "\n").unwrap();
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Removes a file or a folder.
    pub(crate) fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
    }

    /// Reads once; the samples for which `keep` is true, one a line, without the labels that all have.
    pub(crate) fn read(&mut self, keep: impl Fn(&str) -> bool) -> String {
        self.batch.clear();
        let report =
            self.recorder.read(self.seconds * 1000, self.seconds as u64 * 1_000_000_000, &mut self.batch);
        assert_eq!(report.samples, self.batch.samples.len());
        self.seconds += 1;
        let mut out = String::new();
        for sample in &self.batch.samples {
            let labels = self.batch.series[sample.series as usize].filtered(|name| name != "job");
            let line = match model::is_stale(sample.value) {
                true => format!("{labels} stale"),
                false => format!("{labels} {}", sample.value),
            };
            if keep(&line) {
                out += &line;
                out.push('\n');
            }
        }
        out
    }
}
