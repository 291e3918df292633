//! Disks whose power can be cut: a file system in an image that lies on btrfs (or xfs), where a copy of the image at one
//! instant costs nothing (`cp --reflink=always`). What the copy holds is what the disk held at that instant; what the
//! kernel had still to write is not in it. All of it lies in memory and in a mount namespace of this process, so that
//! nothing of it is left over, however this process ends. It must never touch a disk that was there before.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set in the process that has a mount namespace of its own.
const INSIDE: &str = "MIDWATCH_TORTURE_MOUNTS";
/// The name of the copy of a disk as the power cut left it.
const AS_CUT: &str = "as-cut";
const IMAGE_BYTES: u64 = 256 << 20;
/// What the images may take together, with what they share counted once.
const POOL_BYTES: u64 = 3 << 30;

/// What is on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// ext4, with its journal: what most machines have.
    Ext4,
    /// ext4 without a journal: it keeps no more than what it has to, so a name is there only if its folder was synced.
    NoJournal,
}

impl FileSystem {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            FileSystem::Ext4 => "ext4",
            FileSystem::NoJournal => "ext4 without a journal",
        }
    }
}

/// Goes on in a mount namespace of its own, if that can be; else nothing changes, and [`Disks::new`] says why.
pub fn enter_namespace() {
    if rustix::process::geteuid().is_root()
        && std::env::var_os(INSIDE).is_none()
        && let Ok(this) = std::env::current_exe()
    {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "--"]).arg(this);
        // Comes back only if it failed.
        let _ = command.args(std::env::args_os().skip(1)).env(INSIDE, "1").exec();
    }
}

/// A pool of disks.
pub struct Disks {
    // In this order they are unmounted.
    pool: Mounted,
    _memory: Mounted,
    _folder: tempfile::TempDir,
    mounts: std::cell::Cell<u64>,
    /// What was cut and not mounted since.
    unsettled: std::cell::RefCell<std::collections::BTreeSet<String>>,
}

/// A disk that is mounted, until this is dropped.
pub struct Mounted {
    /// Where.
    pub path: PathBuf,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmount = |flags: &[&str]| command("umount", flags, &[&self.path]).is_ok();
        // What still has a file open there keeps it no longer than that.
        if !self.path.as_os_str().is_empty() && !unmount(&[]) {
            unmount(&["--lazy"]);
        }
    }
}

fn command(program: &str, flags: &[&str], paths: &[&Path]) -> Result<(), String> {
    let output = Command::new(program).args(flags).args(paths).output();
    let output = output.map_err(|e| format!("{program} cannot be started ({e})"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(format!("{program} {} failed: {said}", flags.join(" ")))
}

impl Disks {
    /// An empty pool.
    ///
    /// # Errors
    /// Why there cannot be one on this machine.
    pub fn new() -> Result<Disks, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("mounting disks needs root".into());
        }
        if std::env::var_os(INSIDE).is_none() {
            return Err("there is no mount namespace (unshare, of util-linux)".into());
        }
        let folder = tempfile::Builder::new().prefix("midwatch-torture-").tempdir();
        let folder = folder.map_err(|e| format!("no folder for temporary files: {e}"))?;
        let path = folder.path().to_path_buf();
        command("mount", &["-t", "tmpfs", "-o", "size=4g", "none"], &[&path])?;
        let memory = Mounted { path: path.clone() };
        let image = path.join("pool.img");
        set_length(&image, POOL_BYTES)?;
        if let Err(why) = command("mkfs.btrfs", &["-q"], &[&image]) {
            let xfs = command("mkfs.xfs", &["-q", "-m", "reflink=1"], &[&image]);
            xfs.map_err(|e| format!("neither btrfs ({why}) nor xfs with reflink ({e}) can be made"))?;
        }
        let pool = path.join("pool");
        Ok(Disks {
            pool: mount(&image, &pool, "noatime")?,
            _memory: memory,
            _folder: folder,
            mounts: std::cell::Cell::new(0),
            unsettled: std::cell::RefCell::default(),
        })
    }

    fn image(&self, disk: &str) -> PathBuf {
        self.pool.path.join(format!("{disk}.img"))
    }

    /// Makes an empty disk of this name, in place of one that was there.
    ///
    /// # Errors
    /// If there is no such file system.
    pub fn format(&self, disk: &str, file_system: FileSystem) -> Result<(), String> {
        self.remove(disk);
        set_length(&self.image(disk), IMAGE_BYTES)?;
        let journal = match file_system {
            FileSystem::Ext4 => "has_journal",
            FileSystem::NoJournal => "^has_journal",
        };
        command("mkfs.ext4", &["-q", "-F", "-O", journal, "-E", "lazy_itable_init=0"], &[&self.image(disk)])
    }

    /// Removes a disk that is not mounted.
    pub fn remove(&self, disk: &str) {
        self.unsettled.borrow_mut().remove(disk);
        let _ = std::fs::remove_file(self.image(disk));
    }

    /// Gives a disk that is not mounted another name.
    ///
    /// # Errors
    /// If it is not there.
    pub fn rename(&self, disk: &str, name: &str) -> Result<(), String> {
        let mut unsettled = self.unsettled.borrow_mut();
        unsettled.remove(name);
        if unsettled.remove(disk) {
            unsettled.insert(name.to_string());
        }
        std::fs::rename(self.image(disk), self.image(name)).map_err(|e| format!("no disk {disk}: {e}"))
    }

    /// Copies a disk as it is at one instant: what it would hold if the power were cut now.
    ///
    /// # Errors
    /// If it cannot be copied.
    pub fn cut(&self, disk: &str, to: &str) -> Result<(), String> {
        self.remove(to);
        self.unsettled.borrow_mut().insert(to.to_string());
        command("cp", &["--reflink=always"], &[&self.image(disk), &self.image(to)])
    }

    /// Copies the last disk without a journal that was cut and mounted, as it was before that, to a file that takes the room of its data.
    ///
    /// # Errors
    /// If there was none, or no room.
    pub fn keep_as_cut(&self, file: &Path) -> Result<(), String> {
        command("cp", &["--sparse=always"], &[&self.image(AS_CUT), file])
    }

    /// Puts what lies on a cut disk without a journal on a new one. Such a disk must not be written to before it is
    /// repaired: it does not say which blocks are free. And e2fsck is no part of what is tried: where a removed file is
    /// still on the disk and its blocks are a new file's by now, it mends the removed one and cuts the new one off.
    fn settle(&self, disk: &str) -> Result<(), String> {
        self.remove(AS_CUT);
        self.rename(disk, AS_CUT)?;
        self.format(disk, FileSystem::NoJournal)?;
        let (from, to) = (self._folder.path().join("as-cut"), self._folder.path().join("settled"));
        let from = mount(&self.image(AS_CUT), &from, "noatime,ro")?;
        let to = mount(&self.image(disk), &to, "noatime")?;
        copy_what_can_be_read(&from.path, &to.path).map_err(|e| format!("a cut disk cannot be copied: {e}"))
    }

    /// Does what a machine does when it starts, and mounts the disk.
    ///
    /// # Errors
    /// If it cannot be mounted.
    pub fn mount(&self, disk: &str, file_system: FileSystem) -> Result<Mounted, String> {
        if file_system == FileSystem::NoJournal && self.unsettled.borrow_mut().remove(disk) {
            self.settle(disk)?;
        }
        let number = self.mounts.get();
        self.mounts.set(number + 1);
        let path = self._folder.path().join(format!("mount-{number}"));
        // Nothing may reach the disk because time has passed.
        let options = if file_system == FileSystem::Ext4 { "noatime,commit=300" } else { "noatime" };
        mount(&self.image(disk), &path, options)
    }
}

fn set_length(file: &Path, bytes: u64) -> Result<(), String> {
    let made = std::fs::File::create(file).and_then(|f| f.set_len(bytes));
    made.map_err(|e| format!("{}: {e}", file.display()))
}

fn mount(image: &Path, at: &Path, options: &str) -> Result<Mounted, String> {
    std::fs::create_dir_all(at).map_err(|e| format!("{}: {e}", at.display()))?;
    command("mount", &["-o", &format!("loop,{options}")], &[image, at])?;
    Ok(Mounted { path: at.to_path_buf() })
}

/// Copies folders and files. A name whose file cannot be read is left out, and a file ends where it cannot be read on:
/// such are files that were removed, whose blocks have other content by now. If one was not, what is missing is found.
fn copy_what_can_be_read(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let Ok(entry) = entry else { continue };
        let (Ok(kind), at) = (entry.metadata(), to.join(entry.file_name())) else { continue };
        if kind.is_dir() {
            std::fs::create_dir_all(&at)?;
            copy_what_can_be_read(&entry.path(), &at)?;
        } else if let Ok(file) = std::fs::File::open(entry.path()) {
            let mut bytes = Vec::new();
            let _ = std::io::Read::read_to_end(&mut std::io::Read::take(file, IMAGE_BYTES), &mut bytes);
            std::fs::write(&at, bytes)?;
        }
    }
    Ok(())
}
