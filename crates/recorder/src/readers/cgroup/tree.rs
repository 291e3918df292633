//! The trees of control groups: where they are mounted, and which groups there are. It must never
//! return more groups than its limit, nor walk deeper than a bound.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A tree: the unified one of version 2, or that of one controller of version 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Root {
    Unified,
    CpuAcct,
    Cpu,
    Memory,
    Blkio,
    Pids,
}

impl Root {
    pub(crate) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Where each tree may be, below /sys/fs/cgroup; the first that is there counts.
const PLACES: [(Root, &[&str]); 6] = [
    (Root::Unified, &["", "unified"]),
    (Root::CpuAcct, &["cpuacct", "cpu,cpuacct", "cpuacct,cpu"]),
    (Root::Cpu, &["cpu", "cpu,cpuacct", "cpuacct,cpu"]),
    (Root::Memory, &["memory"]),
    (Root::Blkio, &["blkio"]),
    (Root::Pids, &["pids"]),
];

/// A file that only the top of such a tree has.
fn marker(root: Root) -> &'static str {
    match root {
        Root::Unified => "cgroup.controllers",
        Root::CpuAcct => "cpuacct.usage",
        Root::Cpu => "cpu.shares",
        Root::Memory => "memory.usage_in_bytes",
        Root::Blkio | Root::Pids => "cgroup.procs",
    }
}

const DEPTH_MAX: usize = 16;

pub(crate) struct Tree {
    base: PathBuf,
    groups_max: usize,
    /// The folder of each tree, by its number; None if there is none.
    folders: [Option<PathBuf>; 6],
}

impl Tree {
    pub(crate) fn new(base: PathBuf, groups_max: usize) -> Tree {
        Tree { base, groups_max, folders: Default::default() }
    }

    /// Every group's path (`/` is the top), ascending, with the bits of the trees that it is in; and how
    /// many were left out at the limit.
    pub(crate) fn walk(&mut self) -> (Vec<(Vec<u8>, u8)>, u64) {
        let mut found = BTreeMap::new();
        let mut left_out = 0;
        for (root, places) in PLACES {
            let folders = places.iter().map(|place| self.base.join(place));
            let folder = folders.into_iter().find(|f| f.join(marker(root)).exists());
            if let Some(folder) = &folder {
                left_out += self.walk_tree(folder, root.bit(), &mut found);
            }
            self.folders[root as usize] = folder;
        }
        (found.into_iter().collect(), left_out)
    }

    /// Breadth first, so that at the limit the groups near the top are kept.
    fn walk_tree(&self, folder: &Path, bit: u8, found: &mut BTreeMap<Vec<u8>, u8>) -> u64 {
        let mut left_out = 0;
        let mut level: Vec<Vec<u8>> = vec![b"/".to_vec()];
        for _ in 0..DEPTH_MAX {
            let mut next = Vec::new();
            for path in level {
                if !found.contains_key(&path) && found.len() >= self.groups_max {
                    left_out += 1;
                    continue;
                }
                *found.entry(path.clone()).or_insert(0) |= bit;
                let below = std::fs::read_dir(join(folder, &path)).into_iter().flatten().flatten();
                for entry in below.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())) {
                    let mut below = path.clone();
                    if below.len() > 1 {
                        below.push(b'/');
                    }
                    below.extend(entry.file_name().into_vec());
                    next.push(below);
                }
            }
            if next.is_empty() {
                break;
            }
            next.sort();
            level = next;
        }
        left_out
    }

    /// The path of one file of a group, into a path that is reused.
    pub(crate) fn path_of(&self, root: Root, group: &[u8], name: &str, path: &mut PathBuf) {
        path.clear();
        if let Some(folder) = &self.folders[root as usize] {
            path.push(folder);
            path.push(relative(group));
            path.push(name);
        }
    }
}

fn relative(group: &[u8]) -> &OsStr {
    OsStr::from_bytes(group.strip_prefix(b"/").unwrap_or(group))
}

fn join(folder: &Path, group: &[u8]) -> PathBuf {
    folder.join(relative(group))
}
