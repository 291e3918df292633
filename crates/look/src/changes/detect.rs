//! What changed on a machine, found out by comparing facts with those of the look before: programs replaced or restarted, packages,
//! files, kernel and boot, build information of targets, the clock. What comes back again and again is one change with a count.
//! It must never read anything itself, and never call the first sight of something a change.

use super::SAID;
use super::members::{Groups, Missing};
use model::Change;
use std::collections::{BTreeMap, BTreeSet};

/// A fact of this moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// Everything that runs; those looks that could not be had are left out.
    Programs(Vec<Program>),
    /// Packages that are installed: name and version.
    Packages(BTreeMap<String, String>),
    /// Files that are watched: path and a hash of the content.
    Files(BTreeMap<String, u64>),
    /// The kernel's release, and the id of this boot.
    Kernel {
        /// As `uname -r`.
        release: String,
        /// Changes with each boot.
        boot_id: String,
    },
    /// Series of build information: what they are of (`job`, `instance` and the metric), and all their other labels.
    Builds(Vec<(Build, String)>),
    /// Groups that can be seen now, and who is in them.
    Members(Groups),
    /// The clock of the wall, and one that never steps, both in milliseconds.
    Clock {
        /// Since 1970-01-01 UTC.
        wall_ms: i64,
        /// Since any moment.
        steady_ms: i64,
    },
}

/// What build information is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Build {
    /// `prometheus_build_info` ...
    pub metric: String,
    /// Its job.
    pub job: String,
    /// Its instance.
    pub instance: String,
}

/// A running process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The unit that started it, or its own name.
    pub name: String,
    /// Its id.
    pub pid: u32,
    /// When it began, in milliseconds since 1970-01-01 UTC.
    pub start_ms: i64,
    /// Which file runs: device, inode, size and time of change, as one text; empty if that cannot be read.
    pub binary: String,
}

/// What is remembered over a restart of Midwatch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Packages of the last look.
    pub packages: BTreeMap<String, String>,
    /// Files of the last look.
    pub files: BTreeMap<String, u64>,
    /// Kernel and boot of the last look.
    pub kernel: Option<(String, String)>,
    /// Programs that ran for a while: name and file.
    pub binaries: BTreeMap<String, String>,
    /// Who was in which group.
    pub members: Groups,
}

/// A unit must have run for so long for its end to be a restart.
const STEADY_MS: i64 = 20_000;
/// Any other program, which may be somebody's command: editors and browsers are no services.
const STEADY_PROGRAM_MS: i64 = 10 * 60 * 1000;
/// Programs that say nothing by their name: they run others.
const NAMELESS: [&str; 14] = [
    "bash", "dash", "fish", "java", "node", "perl", "php", "python", "python3", "ruby", "sh", "sleep",
    "sudo", "zsh",
];
/// How long a program may be gone in between.
const GONE_MS: i64 = 10 * 60 * 1000;
/// Restarts within this time are one change with a count.
const STORM_MS: i64 = 10 * 60 * 1000;
/// The clock stepped if it moved so much against one that does not.
const STEP_MS: i64 = 1_000;
/// Changes of one look; more are one that says how many.
const CHANGES_MAX: usize = 50;
/// Names of programs that are remembered.
const NAMES_MAX: usize = 5_000;

struct Seen {
    /// Ids and starts of its processes.
    processes: BTreeSet<(u32, i64)>,
    /// The first start of those.
    since_ms: i64,
    binary: String,
    last_seen_ms: i64,
}

struct Storm {
    id: String,
    time_ms: i64,
    last_ms: i64,
    count: u64,
    said_count: u64,
}

/// Compares each look with the one before.
#[derive(Default)]
pub struct Detector {
    host: String,
    memory: Memory,
    programs: BTreeMap<String, Seen>,
    storms: BTreeMap<String, Storm>,
    builds: BTreeMap<Build, BTreeSet<String>>,
    clock: Option<(i64, i64)>,
    missing: Missing,
}

impl Detector {
    /// Of a host, with what was remembered of it.
    pub fn new(host: &str, memory: Memory) -> Detector {
        Detector { host: host.into(), memory, ..Detector::default() }
    }

    /// What is to be remembered.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The changes that the facts tell, at most a bounded number.
    pub fn step(&mut self, facts: Vec<Fact>, now_ms: i64) -> Vec<Change> {
        let mut out = Vec::new();
        for fact in facts {
            match fact {
                Fact::Programs(all) => self.programs(all, now_ms, &mut out),
                Fact::Packages(all) => self.packages(all, now_ms, &mut out),
                Fact::Files(all) => self.files(all, now_ms, &mut out),
                Fact::Kernel { release, boot_id } => self.kernel(release, boot_id, now_ms, &mut out),
                Fact::Builds(all) => self.builds(all, now_ms, &mut out),
                Fact::Members(all) => self.members(all, now_ms, &mut out),
                Fact::Clock { wall_ms, steady_ms } => self.clock(wall_ms, steady_ms, now_ms, &mut out),
            }
        }
        if out.len() > CHANGES_MAX {
            let more = out.len() - CHANGES_MAX;
            out.truncate(CHANGES_MAX);
            let title = format!("{more} more changes were found at the same moment");
            out.push(self.change("other", "detector", &title, now_ms, "more"));
        }
        out
    }

    /// Its id is made of what it is about and when: found twice, it is one.
    fn change(&self, kind: &str, author: &str, title: &str, now_ms: i64, about: &str) -> Change {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for byte in [kind, "\0", &self.host, "\0", about].into_iter().flat_map(str::bytes) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let mut change = Change {
            time_ns: now_ms.saturating_mul(1_000_000),
            id: format!("{kind}-{now_ms}-{hash:016x}"),
            kind: kind.into(),
            title: title.chars().take(300).collect(),
            host: self.host.clone(),
            author: author.into(),
            ..Change::default()
        };
        change.attributes.push(SAID, &now_ms.to_string());
        change
    }

    fn programs(&mut self, all: Vec<Program>, now_ms: i64, out: &mut Vec<Change>) {
        let mut by_name: BTreeMap<String, Vec<Program>> = BTreeMap::new();
        for program in all {
            if by_name.len() < NAMES_MAX || by_name.contains_key(&program.name) {
                by_name.entry(program.name.clone()).or_default().push(program);
            }
        }
        by_name.retain(|name, _| !NAMELESS.contains(&name.as_str()));
        for (name, all) in by_name {
            let since_ms = all.iter().map(|p| p.start_ms).min().unwrap_or(now_ms);
            // The oldest process is the one that was started; others are its children.
            let binary =
                all.iter().min_by_key(|p| (p.start_ms, p.pid)).map_or(String::new(), |p| p.binary.clone());
            let now = Seen {
                processes: all.iter().map(|p| (p.pid, p.start_ms)).collect(),
                since_ms,
                binary,
                last_seen_ms: now_ms,
            };
            self.program(name, now, now_ms, out);
        }
        self.programs.retain(|_, seen| now_ms.saturating_sub(seen.last_seen_ms) <= GONE_MS);
        self.storms.retain(|_, storm| now_ms.saturating_sub(storm.last_ms) <= STORM_MS);
    }

    fn program(&mut self, name: String, now: Seen, now_ms: i64, out: &mut Vec<Change>) {
        let steady_ms = if name.ends_with(".service") { STEADY_MS } else { STEADY_PROGRAM_MS };
        let is_steady = now_ms.saturating_sub(now.since_ms) >= steady_ms;
        let known = self.memory.binaries.get(&name).cloned();
        let remembered = known.filter(|b| !b.is_empty() && !now.binary.is_empty());
        let is_replaced = remembered.as_ref().is_some_and(|b| *b != now.binary);
        let before = self.programs.get(&name);
        let is_known = before.is_some();
        let is_same = before.is_some_and(|b| !b.processes.is_disjoint(&now.processes));
        // One that never ran for a while may be anything: a command, a job. Known is what ran steadily once.
        let was_steady = before.is_some_and(|b| b.last_seen_ms.saturating_sub(b.since_ms) >= steady_ms)
            || self.storms.contains_key(&name);
        if is_known && !is_same && was_steady {
            let (kind, what) = match is_replaced {
                true => ("deploy", "runs another binary"),
                false => ("restart", "was restarted"),
            };
            let at_ms = now.since_ms.clamp(now_ms.saturating_sub(GONE_MS), now_ms);
            self.again(&name, kind, what, at_ms, now_ms, out);
        } else if !is_known && is_replaced && is_steady {
            // While Midwatch did not look.
            let title = format!("{name} runs another binary");
            let mut change = self.change("deploy", "process", &title, now.since_ms.min(now_ms), &name);
            change.service = service_of(&name);
            out.push(change);
        }
        let is_remembered = remembered.is_some() || self.memory.binaries.len() < NAMES_MAX;
        let is_told = is_replaced && !is_same && is_known && was_steady;
        if is_told || (is_steady && !now.binary.is_empty() && is_remembered) {
            self.memory.binaries.insert(name.clone(), now.binary.clone());
        }
        self.programs.insert(name, now);
    }

    /// The first restart is a change; those soon after it are told as its count, ever more rarely.
    fn again(&mut self, name: &str, kind: &str, what: &str, at_ms: i64, now_ms: i64, out: &mut Vec<Change>) {
        let mut change = self.change(kind, "process", &format!("{name} {what}"), at_ms, name);
        change.service = service_of(name);
        change.attributes.set(SAID, &now_ms.to_string());
        match self.storms.get_mut(name).filter(|storm| kind == "restart" && storm.id.starts_with("restart")) {
            Some(storm) => {
                storm.count += 1;
                storm.last_ms = now_ms;
                if storm.count < 2 * storm.said_count {
                    return;
                }
                storm.said_count = storm.count;
                change.id.clone_from(&storm.id);
                change.time_ns = storm.time_ms.saturating_mul(1_000_000);
                change.title = format!("{name} was restarted {} times", storm.count);
                change.attributes.push("count", &storm.count.to_string());
            }
            None => {
                let id = change.id.clone();
                let storm = Storm { id, time_ms: at_ms, last_ms: now_ms, count: 1, said_count: 1 };
                self.storms.insert(name.into(), storm);
            }
        }
        out.push(change);
    }

    fn packages(&mut self, all: BTreeMap<String, String>, now_ms: i64, out: &mut Vec<Change>) {
        if !self.memory.packages.is_empty() {
            let mut put = |name: &str, title: String, from: &str, to: &str| {
                let mut change = self.change("package", "package", &title, now_ms, name);
                change.attributes.push("before", from);
                change.attributes.push("after", to);
                out.push(change);
            };
            for (name, version) in &all {
                match self.memory.packages.get(name) {
                    Some(old) if old == version => {}
                    Some(old) => put(name, format!("package {name} {old} became {version}"), old, version),
                    None => put(name, format!("package {name} {version} was installed"), "", version),
                }
            }
            for (name, old) in self.memory.packages.iter().filter(|(name, _)| !all.contains_key(*name)) {
                put(name, format!("package {name} {old} was removed"), old, "");
            }
        }
        self.memory.packages = all;
    }

    fn files(&mut self, all: BTreeMap<String, u64>, now_ms: i64, out: &mut Vec<Change>) {
        if !self.memory.files.is_empty() {
            let of = |path: &String| self.memory.files.get(path);
            let changed = all.iter().filter_map(|(path, hash)| match of(path) {
                Some(old) if old == hash => None,
                Some(_) => Some((path, "was changed")),
                None => Some((path, "is new")),
            });
            let gone = self
                .memory
                .files
                .keys()
                .filter(|path| !all.contains_key(*path))
                .map(|path| (path, "is gone"));
            for (path, what) in changed.chain(gone) {
                let mut change = self.change("config", "file", &format!("{path} {what}"), now_ms, path);
                change.attributes.push("file", path);
                out.push(change);
            }
        }
        self.memory.files = all;
    }

    fn kernel(&mut self, release: String, boot_id: String, now_ms: i64, out: &mut Vec<Change>) {
        if let Some((old_release, old_boot)) = &self.memory.kernel
            && *old_boot != boot_id
        {
            let title = match *old_release == release {
                true => format!("the machine was started anew, with the same kernel {release}"),
                false => {
                    format!("the machine was started anew, with kernel {release} instead of {old_release}")
                }
            };
            let mut change = self.change("kernel", "kernel", &title, now_ms, &boot_id);
            change.attributes.push("before", old_release);
            change.attributes.push("after", &release);
            out.push(change);
        }
        self.memory.kernel = Some((release, boot_id));
    }

    fn builds(&mut self, all: Vec<(Build, String)>, now_ms: i64, out: &mut Vec<Change>) {
        let mut now: BTreeMap<Build, BTreeSet<String>> = BTreeMap::new();
        for (build, labels) in all.into_iter().take(NAMES_MAX) {
            now.entry(build).or_default().insert(labels);
        }
        for (build, labels) in &now {
            let Some(before) = self.builds.get(build) else { continue };
            let new: Vec<&str> = labels.difference(before).map(String::as_str).collect();
            if new.is_empty() {
                continue;
            }
            let old: Vec<&str> = before.difference(labels).map(String::as_str).collect();
            let about = format!("{} {} {}", build.metric, build.job, build.instance);
            let (from, to) = only_different(&old.join(" "), &new.join(" "));
            let title = format!(
                "{} at {}: {to}{}",
                build.job,
                build.instance,
                if from.is_empty() { String::new() } else { format!(" instead of {from}") }
            );
            let mut change = self.change("build", "build_info", &title, now_ms, &about);
            change.service.clone_from(&build.job);
            change.attributes.push("before", &old.join(" "));
            change.attributes.push("after", &new.join(" "));
            out.push(change);
        }
        // Those that are not answering now are compared when they answer again.
        self.builds.extend(now);
        while self.builds.len() > NAMES_MAX {
            self.builds.pop_first();
        }
    }

    fn members(&mut self, all: Groups, now_ms: i64, out: &mut Vec<Change>) {
        for moved in self.missing.step(&mut self.memory.members, all, now_ms) {
            let (group, member) = (&moved.group, &moved.member);
            let what = if moved.has_joined { "joined" } else { "left" };
            let title = format!("{member} {what} {group}: {} now", moved.members);
            let mut change =
                self.change("membership", "members", &title, now_ms, &format!("{group} {member} {what}"));
            change.service = group.split(' ').nth(3).unwrap_or(group).to_string();
            change.attributes.push("group", group);
            change.attributes.push("member", member);
            out.push(change);
        }
    }

    fn clock(&mut self, wall_ms: i64, steady_ms: i64, now_ms: i64, out: &mut Vec<Change>) {
        if let Some((wall_before, steady_before)) = self.clock {
            let step_ms = (wall_ms - wall_before) - (steady_ms - steady_before);
            if step_ms.abs() >= STEP_MS {
                let way = if step_ms > 0 { "forward" } else { "back" };
                let title = format!("the clock stepped {way} by {:.1} s", step_ms.abs() as f64 / 1000.0);
                let mut change = self.change("clock", "clock", &title, now_ms, "clock");
                change.attributes.push("step_ms", &step_ms.to_string());
                out.push(change);
            }
        }
        self.clock = Some((wall_ms, steady_ms));
    }
}

/// `nginx.service` is the service `nginx`.
fn service_of(name: &str) -> String {
    name.strip_suffix(".service").unwrap_or(name).to_string()
}

/// Of two lists of `name="value"`, what is not in the other.
fn only_different(old: &str, new: &str) -> (String, String) {
    let words = |text: &str| text.split(' ').map(str::to_string).collect::<BTreeSet<_>>();
    let (a, b) = (words(old), words(new));
    let list = |set: Vec<String>| set.into_iter().take(5).collect::<Vec<_>>().join(" ");
    (list(a.difference(&b).cloned().collect()), list(b.difference(&a).cloned().collect()))
}

#[cfg(test)]
mod tests;
