//! What the agent's threads may do, said to the kernel. Threads that talk to the server, and those that keep the buffer, may
//! write below the data folder alone, read what names and certificates need, connect to the server's port, and listen
//! nowhere (Landlock). Threads that read the machine may open nothing for writing, connect nowhere and start nothing
//! (seccomp): Landlock is not for them, because it hides what other processes have open. It must never end the agent
//! where the kernel has neither; it says so once.

use super::AgentSettings;
use crate::settings::{Auth, Secret};
use landlock::{
    ABI, Access, AccessFs, AccessNet, NetPort, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr,
    RulesetStatus, path_beneath_rules,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What the newest kernels know; older ones enforce what they know.
const LANDLOCK: ABI = ABI::V5;
/// The port of name servers, for answers that are too long for a datagram.
const NAMES_PORT: u16 = 53;
/// What names, certificates and our own figures need.
const READ: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/localtime",
    "/etc/ld.so.cache",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/lib/ssl",
    "/run/systemd/resolve",
    "/run/nscd",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/proc",
    "/sys",
    "/dev/null",
    "/dev/urandom",
];

/// The two cages, ready to be entered.
#[derive(Default)]
pub struct Confinement {
    talking: Option<RulesetCreated>,
    reading: Option<BpfProgram>,
    /// A thread could not be confined.
    has_failed: AtomicBool,
    /// What there is not, in words.
    told: Vec<String>,
}

impl Confinement {
    /// For an agent of these settings, whose data folder is there.
    pub fn of(settings: &AgentSettings) -> Confinement {
        let mut out = Confinement::default();
        match talking(settings) {
            Ok(ruleset) => out.talking = Some(ruleset),
            Err(e) => out.told.push(format!("Landlock cannot be used: {e}")),
        }
        match reading() {
            Ok(program) => out.reading = Some(program),
            Err(e) => out.told.push(format!("seccomp cannot be used: {e}")),
        }
        // On a thread of its own, which ends with it.
        let is_enforced = std::thread::scope(|scope| scope.spawn(|| out.restrict()).join().unwrap_or(false));
        if out.talking.is_some() && !is_enforced {
            out.talking = None;
            out.told.push(
                "This kernel has no Landlock: the agent writes below its data folder alone, but nothing enforces it."
                    .into(),
            );
        }
        out
    }

    /// What there is not, to be said once.
    pub fn told(&self) -> &[String] {
        &self.told
    }

    /// What does not hold, in words, for the list of agents.
    pub(super) fn problem(&self) -> Option<&'static str> {
        self.has_failed.load(Relaxed).then_some("a thread could not be confined")
    }

    /// From now on this thread, and those that it starts, may do what talking to the server needs.
    pub fn talk(&self) {
        if self.talking.is_some() && !self.restrict() {
            self.has_failed.store(true, Relaxed);
        }
    }

    /// From now on this thread may read, and neither write nor connect.
    pub(super) fn read(&self) {
        if let Some(program) = &self.reading
            && seccompiler::apply_filter(program).is_err()
        {
            self.has_failed.store(true, Relaxed);
        }
    }

    /// True if the kernel enforces all that it knows.
    fn restrict(&self) -> bool {
        let ruleset = self.talking.as_ref().and_then(|ruleset| ruleset.try_clone().ok());
        let status = ruleset.and_then(|ruleset| ruleset.restrict_self().ok());
        status.is_some_and(|status| status.ruleset != RulesetStatus::NotEnforced)
    }
}

fn talking(settings: &AgentSettings) -> Result<RulesetCreated, landlock::RulesetError> {
    let all = AccessFs::from_all(LANDLOCK);
    let (read, write) = (AccessFs::from_read(LANDLOCK) & !AccessFs::Execute, all & !AccessFs::Execute);
    let port = reqwest::Url::parse(&settings.to).ok().and_then(|url| url.port_or_known_default());
    let mut ruleset = Ruleset::default()
        .handle_access(all)?
        .handle_access(AccessNet::BindTcp)?
        .handle_access(AccessNet::ConnectTcp)?
        .create()?
        .add_rules(path_beneath_rules(READ, read))?
        .add_rules(path_beneath_rules(secrets(settings), read))?
        .add_rules(path_beneath_rules([&settings.data], write))?;
    for port in port.into_iter().chain([NAMES_PORT]) {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    Ok(ruleset)
}

/// The folders of files with secrets and certificates: a file that is replaced is another one.
fn secrets(settings: &AgentSettings) -> Vec<PathBuf> {
    let secret = match &settings.client.auth {
        Auth::Basic(_, secret) | Auth::Header(_, secret) => Some(secret),
        Auth::None => None,
    };
    let file = match secret {
        Some(Secret::File(path)) => Some(path),
        _ => None,
    };
    let tls = &settings.client.tls;
    let files = [file, tls.ca_file.as_ref(), tls.cert_file.as_ref(), tls.key_file.as_ref()];
    let folder = |path: &PathBuf| match path.canonicalize().unwrap_or(path.clone()).parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => Path::new(".").to_path_buf(),
    };
    files.into_iter().flatten().map(folder).collect()
}

/// Everything is allowed but what changes a file, starts a program, or reaches another machine or process.
fn reading() -> Result<BpfProgram, seccompiler::BackendError> {
    let denied = DENIED.iter().chain(OLDER);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = denied.map(|call| (*call, Vec::new())).collect();
    let flag = |argument: u8, flag: i32| -> Result<SeccompRule, seccompiler::BackendError> {
        let flag = flag as u64;
        let is_set = SeccompCmpOp::MaskedEq(flag);
        SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, is_set, flag)?])
    };
    for (call, argument) in OPENS {
        let flags = [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC];
        rules.insert(*call, flags.into_iter().map(|f| flag(*argument, f)).collect::<Result<_, _>>()?);
    }
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, denied, arch)?.try_into()
}

/// Calls that open a file, and which argument has the flags.
#[cfg(target_arch = "x86_64")]
const OPENS: &[(i64, u8)] = &[(libc::SYS_openat, 2), (libc::SYS_open, 1)];
#[cfg(not(target_arch = "x86_64"))]
const OPENS: &[(i64, u8)] = &[(libc::SYS_openat, 2)];

/// Calls of old that newer machines do not have.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const OLDER: &[i64] = &[
    libc::SYS_creat, libc::SYS_unlink, libc::SYS_rename, libc::SYS_renameat, libc::SYS_mkdir, libc::SYS_rmdir, libc::SYS_mknod,
    libc::SYS_link, libc::SYS_symlink, libc::SYS_chmod, libc::SYS_chown, libc::SYS_lchown, libc::SYS_fork, libc::SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[];

/// Calls that no reading of a machine needs.
#[rustfmt::skip]
const DENIED: &[i64] = &[
    libc::SYS_openat2, libc::SYS_truncate, libc::SYS_ftruncate, libc::SYS_fallocate, libc::SYS_unlinkat,
    libc::SYS_renameat2, libc::SYS_mkdirat, libc::SYS_mknodat, libc::SYS_linkat, libc::SYS_symlinkat, libc::SYS_fchmod,
    libc::SYS_fchmodat, libc::SYS_fchown, libc::SYS_fchownat, libc::SYS_setxattr, libc::SYS_socket, libc::SYS_socketpair,
    libc::SYS_connect, libc::SYS_bind, libc::SYS_listen, libc::SYS_sendto, libc::SYS_sendmsg, libc::SYS_execve,
    libc::SYS_execveat, libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_kill,
    libc::SYS_tkill, libc::SYS_mount, libc::SYS_umount2, libc::SYS_pivot_root, libc::SYS_chroot, libc::SYS_setns,
    libc::SYS_unshare, libc::SYS_bpf, libc::SYS_perf_event_open, libc::SYS_init_module, libc::SYS_finit_module,
    libc::SYS_delete_module, libc::SYS_reboot, libc::SYS_kexec_load, libc::SYS_setuid, libc::SYS_setgid, libc::SYS_settimeofday,
    libc::SYS_clock_settime, libc::SYS_sethostname, libc::SYS_swapon, libc::SYS_swapoff, libc::SYS_keyctl,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, OpenOptions, read, write};

    fn settings(data: &Path, token: &Path) -> AgentSettings {
        let mut settings = super::super::tests::settings(data);
        settings.client.auth = Auth::Header("Bearer".into(), Secret::File(token.into()));
        settings
    }

    fn within<T: Send>(confine: impl FnOnce() + Send, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let run = || {
                confine();
                work()
            };
            scope.spawn(run).join().unwrap()
        })
    }

    #[test]
    fn who_talks_writes_below_the_data_folder_alone_and_listens_nowhere() {
        let home = tempfile::tempdir().unwrap();
        let [data, other, secrets] = ["data", "other", "secrets"].map(|n| home.path().join(n));
        for folder in [&data, &other, &secrets] {
            std::fs::create_dir(folder).unwrap();
        }
        write(secrets.join("token"), "s").unwrap();
        write(other.join("file"), "x").unwrap();
        let confinement = Confinement::of(&settings(&data, &secrets.join("token")));
        if confinement.talking.is_none() {
            println!("not run: {:?}", confinement.told);
            return;
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let elsewhere = listener.local_addr().unwrap();
        within(
            || confinement.talk(),
            || {
                write(data.join("a"), "x").unwrap();
                std::fs::create_dir(data.join("b")).unwrap();
                std::fs::rename(data.join("a"), data.join("b/c")).unwrap();
                assert_eq!(read(secrets.join("token")).unwrap(), b"s");
                assert!(write(other.join("new"), "x").is_err(), "nothing new elsewhere");
                assert!(OpenOptions::new().append(true).open(other.join("file")).is_err());
                assert!(read(other.join("file")).is_err(), "nor is it read");
                assert!(std::fs::remove_file(other.join("file")).is_err());
                assert!(write(secrets.join("token"), "x").is_err());
                assert!(File::open("/proc/self/stat").is_ok());
                assert!(std::process::Command::new("/bin/true").status().is_err(), "nothing is started");
                assert!(std::net::TcpListener::bind("127.0.0.1:0").is_err(), "nobody is listened to");
                assert!(std::net::TcpStream::connect(elsewhere).is_err(), "the server's port alone");
            },
        );
        assert!(write(other.join("new"), "x").is_ok(), "other threads are as before");
        assert_eq!(confinement.problem(), None);
    }

    #[test]
    fn who_reads_the_machine_writes_nothing_and_connects_nowhere() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        write(&file, "x").unwrap();
        let confinement = Confinement::of(&settings(home.path(), &file));
        if confinement.reading.is_none() {
            println!("not run: {:?}", confinement.told);
            return;
        }
        let piped = std::process::Stdio::piped;
        let mut child = std::process::Command::new("cat").stdin(piped()).stdout(piped()).spawn().unwrap();
        let other = child.id();
        within(
            || confinement.read(),
            || {
                assert_eq!(read(&file).unwrap(), b"x");
                assert!(std::fs::read_dir("/proc/self/fd").unwrap().count() > 0);
                assert!(std::fs::read_link(format!("/proc/{other}/fd/0")).is_ok(), "what others have open");
                let mut recorder = recorder::Recorder::new(recorder::Settings::default());
                let mut batch = model::Batch::default();
                recorder.read(1_000, 0, &mut batch);
                assert!(batch.samples.len() > 100, "all of the machine can be read");
                assert!(OpenOptions::new().append(true).open(&file).is_err());
                assert!(File::create(home.path().join("new")).is_err());
                assert!(std::fs::remove_file(&file).is_err());
                assert!(
                    std::net::TcpStream::connect("127.0.0.1:1").unwrap_err().raw_os_error()
                        == Some(libc::EPERM)
                );
                assert!(std::process::Command::new("/bin/true").status().is_err());
            },
        );
        assert!(OpenOptions::new().append(true).open(&file).is_ok(), "other threads are as before");
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
