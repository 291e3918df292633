//! How far a long piece of work is, told to whoever waits for it, who may end it. It must never print.

use stdx::{Error, ErrorKind, Result};

/// How far the work is. The totals grow while the work finds out what there is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Files that are done.
    pub files: u64,
    /// Files that are known to be wanted.
    pub files_total: u64,
    /// Bytes that are done.
    pub bytes: u64,
    /// Bytes that are known to be wanted.
    pub bytes_total: u64,
}

/// Who is told, and asked whether to go on.
pub struct Watch<'a> {
    /// How far it is.
    pub progress: Progress,
    go_on: &'a mut dyn FnMut(&Progress) -> bool,
}

impl<'a> Watch<'a> {
    /// `go_on` is called after every piece of at most a few MiB; false ends the work with `Cancelled`.
    pub fn new(go_on: &'a mut dyn FnMut(&Progress) -> bool) -> Watch<'a> {
        Watch { progress: Progress::default(), go_on }
    }

    pub(crate) fn expect(&mut self, files: u64, bytes: u64) {
        self.progress.files_total += files;
        self.progress.bytes_total += bytes;
    }

    pub(crate) fn bytes(&mut self, bytes: u64) -> Result<()> {
        self.progress.bytes += bytes;
        self.ask()
    }

    pub(crate) fn file(&mut self) -> Result<()> {
        self.progress.files += 1;
        self.ask()
    }

    fn ask(&mut self) -> Result<()> {
        let p = &mut self.progress;
        p.files_total = p.files_total.max(p.files);
        p.bytes_total = p.bytes_total.max(p.bytes);
        if (self.go_on)(p) { Ok(()) } else { Err(Error::new(ErrorKind::Cancelled, "it was stopped")) }
    }
}
