//! Facts of this machine and of what is watched from here, read for the detector of changes: processes, packages, files, kernel, build information, clocks.
//! It starts no process, follows no link out of a watched folder, and must never keep what is in a file.

mod members;

use crate::app::App;
use crate::clock::now_ms;
use look::changes::{Build, Fact, Program};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

/// Processes that are looked at.
const PROCESSES_MAX: usize = 20_000;
/// Bytes of a watched file that are read.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Files of one watched folder, and of all.
const FILES_OF_FOLDER_MAX: usize = 200;
const FILES_MAX: usize = 2_000;
/// Bytes of the list of packages.
const PACKAGES_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a small file under /proc.
const SMALL_BYTES_MAX: u64 = 64 << 10;

/// What can be had at this moment, of the machine and of what is watched from here.
pub(super) fn read(app: &App, begun: Instant) -> Vec<Fact> {
    let root = app.settings.host.clone().unwrap_or_default().proc_root;
    let mut facts = of_machine(&root, &app.settings.changes.files, begun);
    facts.extend(builds(app));
    facts.push(Fact::Members(members::read(app)));
    facts
}

/// What can be had of a machine alone.
pub fn of_machine(proc_root: &Path, watched: &[PathBuf], begun: Instant) -> Vec<Fact> {
    let mut facts = vec![Fact::Clock { wall_ms: now_ms(), steady_ms: begun.elapsed().as_millis() as i64 }];
    facts.extend(programs(proc_root));
    facts.extend(packages(Path::new("/var/lib/dpkg/status")));
    facts.push(Fact::Files(files(watched)));
    facts.extend(kernel(proc_root));
    facts
}

fn small(path: &Path) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(SMALL_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

fn programs(root: &Path) -> Option<Fact> {
    let boot_s: i64 = small(&root.join("stat"))?
        .lines()
        .find_map(|line| line.strip_prefix("btime "))
        .and_then(|text| text.trim().parse().ok())?;
    let ticks = rustix::param::clock_ticks_per_second().max(1) as i64;
    let mut all = Vec::new();
    for entry in std::fs::read_dir(root).ok()?.flatten().take(PROCESSES_MAX) {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let folder = entry.path();
        let Some(stat) = small(&folder.join("stat")) else { continue };
        // The name in brackets may hold anything: count from its end.
        let Some((head, rest)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let parent: u32 = fields.get(1).and_then(|f| f.parse().ok()).unwrap_or(0);
        // Threads of the kernel are no programs.
        if pid == 2 || parent == 2 {
            continue;
        }
        let Some(start_ticks) = fields.get(19).and_then(|f| f.parse::<i64>().ok()) else { continue };
        let name = head.split_once('(').map_or("", |(_, name)| name);
        let unit = small(&folder.join("cgroup")).and_then(|text| unit_of(&text));
        // The file behind the link: what runs, even if its name was given to another one since.
        let binary = std::fs::metadata(folder.join("exe"))
            .ok()
            .map(|m| format!("{}:{}:{}:{}", m.dev(), m.ino(), m.size(), m.mtime()));
        all.push(Program {
            name: unit.unwrap_or_else(|| name.to_string()),
            pid,
            start_ms: boot_s * 1000 + start_ticks.saturating_mul(1000) / ticks,
            binary: binary.unwrap_or_default(),
        });
    }
    Some(Fact::Programs(all))
}

/// The service of systemd that a process belongs to.
fn unit_of(cgroup: &str) -> Option<String> {
    let mut parts =
        cgroup.lines().filter_map(|line| line.rsplit_once(':')).flat_map(|(_, path)| path.split('/'));
    let unit = parts.rfind(|part| part.ends_with(".service"))?;
    // Of a user's session, or of Midwatch's own surroundings, the program's name says more.
    let is_session = unit.starts_with("user@") || unit.starts_with("session-");
    (!is_session).then(|| unit.to_string())
}

fn packages(path: &Path) -> Option<Fact> {
    let file = std::fs::File::open(path).ok()?;
    if file.metadata().ok()?.len() > PACKAGES_BYTES_MAX {
        return None;
    }
    let mut text = String::new();
    file.take(PACKAGES_BYTES_MAX).read_to_string(&mut text).ok()?;
    let all = parse_packages(&text);
    // Caught while it was written: the next look will see it.
    (!all.is_empty()).then_some(Fact::Packages(all))
}

fn parse_packages(text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for part in text.split("\n\n") {
        let field = |name: &str| {
            part.lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|rest| rest.strip_prefix(':'))
                .map(str::trim)
        };
        let is_installed = field("Status").is_some_and(|status| status.ends_with(" installed"));
        if let (true, Some(name), Some(version)) = (is_installed, field("Package"), field("Version")) {
            all.insert(name.to_string(), version.to_string());
        }
    }
    all
}

fn files(paths: &[std::path::PathBuf]) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    let mut put = |path: &Path| {
        if all.len() < FILES_MAX
            && let Some(hash) = hash_of(path)
        {
            all.insert(path.display().to_string(), hash);
        }
    };
    for path in paths {
        if !path.is_dir() {
            put(path);
            continue;
        }
        let Ok(entries) = std::fs::read_dir(path) else { continue };
        let mut inside: Vec<_> =
            entries.flatten().map(|e| e.path()).filter(|p| p.is_file()).take(FILES_OF_FOLDER_MAX).collect();
        inside.sort();
        inside.iter().for_each(|path| put(path));
    }
    all
}

/// A hash of a regular file; of the beginning and the size of a large one.
fn hash_of(path: &Path) -> Option<u64> {
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    hasher.write_u64(size);
    Some(hasher.finish())
}

fn kernel(root: &Path) -> Option<Fact> {
    let release = small(&root.join("sys/kernel/osrelease"))?.trim().to_string();
    let boot_id = small(&root.join("sys/kernel/random/boot_id"))?.trim().to_string();
    Some(Fact::Kernel { release, boot_id })
}

/// The labels of what a query finds now.
fn rows(app: &App, query: &str) -> Option<Vec<model::Labels>> {
    let expr = ::query::parse(query).ok()?;
    let begun = SystemTime::now();
    let stop: crate::gate::Stop =
        std::sync::Arc::new(move || begun.elapsed().is_ok_and(|d| d.as_secs() >= 5));
    let options = crate::api::query_options(app, stop);
    let view = app.store.view();
    let ::query::Value::Vector(rows) = ::query::instant(&view, &expr, now_ms(), &options).ok()?.value else {
        return None;
    };
    Some(rows.into_iter().map(|(labels, ..)| labels).collect())
}

/// Series of build information that have a sample now.
fn builds(app: &App) -> Option<Fact> {
    let build = |labels: &model::Labels| {
        let of = |name: &str| labels.get(name).to_string();
        let build = Build { metric: of("__name__"), job: of("job"), instance: of("instance") };
        let others = labels.iter().filter(|(name, _)| !matches!(*name, "__name__" | "job" | "instance"));
        let others: Vec<String> = others.map(|(n, v)| format!("{n}={v:?}").replace(' ', "_")).collect();
        (build, others.join(" "))
    };
    Some(Fact::Builds(rows(app, r#"{__name__=~".+_build_info"}"#)?.iter().map(build).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_that_are_installed() {
        let text = "Package: curl\nStatus: install ok installed\nVersion: 8.1\nDescription: x\n Version: 9\n\n\
                    Package: old\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: broken\n";
        assert_eq!(parse_packages(text), [("curl".to_string(), "8.1".to_string())].into());
    }

    #[test]
    fn units_of_processes() {
        for (cgroup, want) in [
            ("0::/system.slice/nginx.service\n", Some("nginx.service")),
            ("0::/user.slice/user-0.slice/user@0.service/app.slice/api.service\n", Some("api.service")),
            ("0::/user.slice/user-0.slice/user@0.service/init.scope\n", None),
            ("0::/\n", None),
        ] {
            assert_eq!(unit_of(cgroup).as_deref(), want, "{cgroup}");
        }
    }

    #[test]
    fn files_change_with_their_content_and_folders_are_not_gone_into() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        std::fs::write(&path, "1").unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::fs::write(folder.path().join("inner/b.conf"), "1").unwrap();
        let look = || files(&[folder.path().to_path_buf(), folder.path().join("missing")]);
        let first = look();
        assert_eq!(first.len(), 1);
        assert_eq!(look(), first);
        std::fs::write(&path, "2").unwrap();
        assert_ne!(look(), first);
    }

    #[test]
    fn this_process_is_seen() {
        let Some(Fact::Programs(all)) = programs(Path::new("/proc")) else { panic!("no /proc") };
        let own = all.iter().find(|p| p.pid == std::process::id()).unwrap();
        assert!(!own.binary.is_empty() && (now_ms() - own.start_ms) < 24 * 3_600_000, "{own:?}");
    }
}
