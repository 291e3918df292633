//! The folder /proc: which processes there are, and the files of one. It must never allocate for a
//! path, nor take a process that ended between two calls for a fault.

use crate::bytes::unsigned;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, SeekFrom, openat, seek, statat};
use rustix::io::Errno;
use std::fs::File;
use std::path::Path;

/// The most process numbers that are looked at in one listing.
const PIDS_MAX: usize = 1 << 17;

pub(crate) struct ProcDir {
    folder: OwnedFd,
    entries: Vec<u8>,
    /// Whether the size of /proc/PID/fd is the number of open files (since Linux 6.2).
    fd_size_counts: bool,
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl ProcDir {
    pub(crate) fn open(root: &Path) -> rustix::io::Result<ProcDir> {
        let folder = openat(CWD, root, FOLDER, Mode::empty())?;
        let mut dir = ProcDir { folder, entries: Vec::with_capacity(32 << 10), fd_size_counts: false };
        // Listing the folder of our own files opens one more: the numbers differ by one at most.
        let size = statat(&dir.folder, "self/fd", AtFlags::empty()).map_or(0, |s| s.st_size.max(0) as u64);
        let listed = dir.count_entries(b"self/fd").unwrap_or(0);
        dir.fd_size_counts = size > 0 && listed.abs_diff(size) <= 2;
        Ok(dir)
    }

    /// Fills `pids` with the processes there are now, ascending.
    pub(crate) fn list(&mut self, pids: &mut Vec<u32>) -> rustix::io::Result<()> {
        pids.clear();
        seek(&self.folder, SeekFrom::Start(0))?;
        let mut dir = RawDir::new(&self.folder, self.entries.spare_capacity_mut());
        while let Some(entry) = dir.next() {
            let pid = unsigned(entry?.file_name().to_bytes()).and_then(|n| u32::try_from(n).ok());
            if let Some(pid) = pid.filter(|_| pids.len() < PIDS_MAX) {
                pids.push(pid);
            }
        }
        // procfs lists them in order already; other folders need not.
        if !pids.is_sorted() {
            pids.sort_unstable();
        }
        Ok(())
    }

    /// Opens a file of a process.
    pub(crate) fn open_file(&self, pid: u32, name: &str) -> std::io::Result<File> {
        let path = PidPath::new(pid, name);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(File::from(openat(&self.folder, path.bytes(), flags, Mode::empty())?))
    }

    /// The number of the user whose a process is.
    pub(crate) fn owner(&self, pid: u32) -> std::io::Result<u32> {
        Ok(statat(&self.folder, PidPath::new(pid, "").bytes(), AtFlags::empty())?.st_uid)
    }

    /// The number of files that a process has open.
    pub(crate) fn count_fds(&mut self, pid: u32) -> std::io::Result<u64> {
        let path = PidPath::new(pid, "fd");
        if self.fd_size_counts {
            let stat = statat(&self.folder, path.bytes(), AtFlags::empty())?;
            // Without the right to look inside, the size is still told; an honest number either way.
            return Ok(stat.st_size.max(0) as u64);
        }
        Ok(self.count_entries(path.bytes())?)
    }

    fn count_entries(&mut self, path: &[u8]) -> Result<u64, Errno> {
        let folder = openat(&self.folder, path, FOLDER, Mode::empty())?;
        let mut dir = RawDir::new(folder, self.entries.spare_capacity_mut());
        let mut count = 0;
        while let Some(entry) = dir.next() {
            let name = entry?;
            count += u64::from(!matches!(name.file_name().to_bytes(), b"." | b".."));
        }
        Ok(count)
    }

    /// Calls `found` with what each open file of a process leads to (`socket:[123]`, a path), until it
    /// returns false.
    pub(crate) fn each_fd(&mut self, pid: u32, mut found: impl FnMut(&[u8]) -> bool) -> Result<(), Errno> {
        let folder = openat(&self.folder, PidPath::new(pid, "fd").bytes(), FOLDER, Mode::empty())?;
        let mut target = [std::mem::MaybeUninit::uninit(); 512];
        let mut dir = RawDir::new(&folder, self.entries.spare_capacity_mut());
        while let Some(entry) = dir.next() {
            let entry = entry?;
            if matches!(entry.file_name().to_bytes(), b"." | b"..") {
                continue;
            }
            let (text, _) = match rustix::fs::readlinkat_raw(&folder, entry.file_name(), &mut target) {
                Ok(read) => read,
                Err(_) => continue,
            };
            if !found(text) {
                break;
            }
        }
        Ok(())
    }
}

/// `PID/name` in a buffer of fixed size.
pub(crate) struct PidPath([u8; 32], usize);

impl PidPath {
    pub(crate) fn new(pid: u32, name: &str) -> PidPath {
        debug_assert!(name.len() <= 20, "a name of ours, short");
        let (mut path, mut digits, mut rest) = (PidPath([0; 32], 0), [0; 10], pid);
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        for part in [&digits[first..], b"/", name.as_bytes()] {
            let length = part.len().min(32 - path.1);
            path.0[path.1..path.1 + length].copy_from_slice(&part[..length]);
            path.1 += length;
        }
        path
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (pid, want) in [(0, "0/fd"), (7, "7/fd"), (4_194_304, "4194304/fd"), (u32::MAX, "4294967295/fd")]
        {
            assert_eq!(PidPath::new(pid, "fd").bytes(), want.as_bytes());
        }
    }
}
