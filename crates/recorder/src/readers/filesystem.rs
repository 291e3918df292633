//! Space and inodes of mounted file systems. It must never ask one that lives on another machine unless
//! told to: such a call can hang for ever and would hang the tick with it.

use super::{Context, Reader};
use crate::bytes::{Fields, clean, lines, unescape_octal};
use crate::files::{Shape, Source};
use crate::reference::{Reference, gauge};
use crate::series::{Rows, Sink};
use crate::settings::Settings;
use rustix::fs::{StatVfsMountFlags, statvfs};

const LABELS: &[&str] = &["device", "fstype", "mountpoint"];
const SOURCE: &str = "statvfs";

pub(crate) const METRICS: &[Reference] = &[
    gauge(
        "node_filesystem_size_bytes",
        "bytes",
        LABELS,
        SOURCE,
        "Size. Read every 5 s; local file systems only.",
    ),
    gauge("node_filesystem_free_bytes", "bytes", LABELS, SOURCE, "Space that is free."),
    gauge(
        "node_filesystem_avail_bytes",
        "bytes",
        LABELS,
        SOURCE,
        "Space that programs without privileges may still use.",
    ),
    gauge("node_filesystem_files", "", LABELS, SOURCE, "Inodes: the number of files that it can hold."),
    gauge("node_filesystem_files_free", "", LABELS, SOURCE, "Inodes that are free."),
    gauge("node_filesystem_readonly", "", LABELS, SOURCE, "1 if it is mounted read-only."),
    gauge("node_filesystem_device_error", "", LABELS, SOURCE, "1 if the file system could not be asked."),
];

/// File systems that hold no one's data.
const PSEUDO: &[&[u8]] = &[
    b"autofs",
    b"binfmt_misc",
    b"bpf",
    b"cgroup",
    b"cgroup2",
    b"configfs",
    b"debugfs",
    b"devpts",
    b"devtmpfs",
    b"efivarfs",
    b"fusectl",
    b"hugetlbfs",
    b"iso9660",
    b"mqueue",
    b"nsfs",
    b"overlay",
    b"proc",
    b"procfs",
    b"pstore",
    b"ramfs",
    b"rpc_pipefs",
    b"securityfs",
    b"selinuxfs",
    b"squashfs",
    b"sysfs",
    b"tracefs",
];

/// File systems that live on another machine, beside all that begin with `fuse.`.
const REMOTE: &[&[u8]] = &[
    b"nfs",
    b"nfs4",
    b"cifs",
    b"smb3",
    b"smbfs",
    b"9p",
    b"ceph",
    b"lustre",
    b"afs",
    b"beegfs",
    b"gpfs",
    b"ocfs2",
    b"gfs2",
    b"ncpfs",
    b"coda",
    b"orangefs",
    b"virtiofs",
    b"fuse",
];

/// Mount points under which there are only the system's own or containers' mounts.
const MOUNTS_IGNORED: &[&[u8]] =
    &[b"/dev", b"/proc", b"/sys", b"/run/credentials", b"/var/lib/docker", b"/var/lib/containers/storage"];

pub(crate) struct Filesystems {
    mounts: Source,
    rows: Rows,
    remote: bool,
}

impl Filesystems {
    pub(crate) fn new(settings: &Settings) -> Filesystems {
        Filesystems {
            mounts: Source::new(settings.proc_root.join("mounts"), Shape::Records),
            rows: Rows::new(settings.things_max),
            remote: settings.remote_filesystems,
        }
    }
}

/// One line of /proc/mounts that is of interest.
struct Mount<'a> {
    device: &'a [u8],
    point: &'a [u8],
    kind: &'a [u8],
}

impl Reader for Filesystems {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn read(&mut self, cx: &mut Context) {
        if !cx.is_slow_tick(2) {
            return;
        }
        let Some(text) = self.mounts.read(cx.io) else { return };
        let sink = &mut cx.sink;
        self.rows.begin();
        let mut failed = 0;
        for line in lines(text) {
            let Some(mount) = mount_of(line, self.remote) else { continue };
            // The line up to the options is the key: what is mounted where, and as what.
            let key_length = mount.kind.as_ptr_range().end as usize - line.as_ptr() as usize;
            let make = |s: &mut Sink| {
                let pair = |name, value: &[u8]| (name, clean(&unescape_octal(value)));
                let pairs = [
                    pair("device", mount.device),
                    pair("fstype", mount.kind),
                    pair("mountpoint", mount.point),
                ];
                s.labels_of(METRICS, &pairs)
            };
            let Some(row) = self.rows.row(sink, &line[..key_length], make) else { continue };
            let stat = if mount.point.contains(&b'\\') {
                statvfs(unescape_octal(mount.point).as_slice())
            } else {
                statvfs(mount.point)
            };
            match stat {
                Ok(s) => {
                    let block = s.f_frsize as f64;
                    row.push(sink, 0, s.f_blocks as f64 * block);
                    row.push(sink, 1, s.f_bfree as f64 * block);
                    row.push(sink, 2, s.f_bavail as f64 * block);
                    row.push(sink, 3, s.f_files as f64);
                    row.push(sink, 4, s.f_ffree as f64);
                    row.push(sink, 5, f64::from(u8::from(s.f_flag.contains(StatVfsMountFlags::RDONLY))));
                    row.push(sink, 6, 0.0);
                }
                Err(_) => {
                    failed += 1;
                    row.push(sink, 6, 1.0);
                }
            }
        }
        self.rows.end(sink);
        cx.io.errors += failed;
    }
}

fn mount_of(line: &[u8], remote: bool) -> Option<Mount<'_>> {
    let mut fields = Fields(line);
    let mount = Mount { device: fields.next()?, point: fields.next()?, kind: fields.next()? };
    let under = |folder: &&[u8]| {
        mount.point.strip_prefix(*folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    let is_remote = REMOTE.contains(&mount.kind) || mount.kind.starts_with(b"fuse.");
    let ignored = PSEUDO.contains(&mount.kind) || MOUNTS_IGNORED.iter().any(under) || (is_remote && !remote);
    (!ignored).then_some(mount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_mounts_are_recorded() {
        for (line, remote, want) in [
            ("/dev/vda / ext4 rw 0 0", false, true),
            ("tmpfs /run tmpfs rw 0 0", false, true),
            ("/dev/sdb1 /device\\040x xfs rw 0 0", false, true),
            ("proc /proc proc rw 0 0", false, false),
            ("tmpfs /dev/shm tmpfs rw 0 0", false, false),
            ("overlay /merged overlay rw 0 0", false, false),
            ("server:/x /mnt nfs4 rw 0 0", false, false),
            ("server:/x /mnt nfs4 rw 0 0", true, true),
            ("me@there: /mnt fuse.sshfs rw 0 0", false, false),
            ("/dev/sdc1 /usb fuseblk rw 0 0", false, true),
            ("broken", false, false),
            ("", false, false),
        ] {
            assert_eq!(mount_of(line.as_bytes(), remote).is_some(), want, "{line}");
        }
    }
}
