//! Rule files: found by their patterns, read when they change, and turned into groups that can be evaluated. A file that
//! cannot be read any more goes on as it was read last. It must never take a state away from a rule that is still there.

use super::loaded::{GroupRun, LoadedGroup, Parsed, RuleRun};
use super::slos::SloRun;
use super::{Monitors, lock};
use foldhash::{HashMap, HashMapExt};
use monitor::news::About;
use monitor::schedule::Schedule;
use monitor::{Group, Problem, slo};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// The rule file that is written by this program, in the folder of what is kept.
pub const OWN_FILE: &str = "own.yml";
/// The file of objectives that is written by this program, in the same folder.
pub const OWN_SLOS: &str = "slos.yml";
/// The most rule files.
const FILES_MAX: usize = 2_000;
/// The largest rule file, in bytes.
const FILE_BYTES_MAX: u64 = document_bytes_max();
/// The most rules of all files.
pub const RULES_MAX: usize = 50_000;

const fn document_bytes_max() -> u64 {
    8 << 20
}

/// When a file was changed, and its size; `None` if it is not there.
pub type Stamp = Option<(SystemTime, u64)>;

/// A rule file.
pub struct RuleFile {
    pub path: PathBuf,
    pub stamp: Stamp,
    pub groups: Vec<Group>,
    pub problems: Vec<Problem>,
}

impl Monitors {
    /// Where rules are kept that were made on pages and by requests.
    pub fn own_file(&self) -> PathBuf {
        self.folder.join(OWN_FILE)
    }

    /// Where objectives are kept that were made on pages and by requests.
    pub fn own_slos(&self) -> PathBuf {
        self.folder.join(OWN_SLOS)
    }

    /// Reads files that changed; true if any did.
    pub(super) fn read_files(&self, now_ms: i64) -> bool {
        let (paths, mut problems) = self.paths();
        let mut read = lock(&self.read);
        let same = read.files.iter().map(|f| (&f.path, &f.stamp));
        let stamps: Vec<(PathBuf, Stamp)> = paths.into_iter().map(|p| (p.clone(), stamp(&p))).collect();
        if read.has_read && same.eq(stamps.iter().map(|(p, s)| (p, s))) {
            return false;
        }
        read.has_read = true;
        let mut before = std::mem::take(&mut read.files);
        for (path, stamp) in stamps {
            let known = before.iter().position(|f| f.path == path).map(|i| before.swap_remove(i));
            match known {
                Some(file) if file.stamp == stamp => read.files.push(file),
                known => read.files.push(self.read_file(path, stamp, known)),
            }
        }
        problems.extend(read.files.iter().flat_map(|f| f.problems.iter().cloned()));
        let shipped = self.settings.shipped.iter().flat_map(|(name, text)| {
            monitor::read::read(name, text, self.settings.interval_ms, &check).groups
        });
        let own = read.files.iter().flat_map(|f| f.groups.iter().cloned());
        let mut groups: Vec<Group> = own.chain(shipped).collect();
        one_of_each(&mut groups, &mut problems);
        self.apply_decisions(&mut groups);
        let mut rules = 0;
        groups.retain(|g| {
            rules += g.rules.len();
            if rules > RULES_MAX {
                let what =
                    format!("more than {RULES_MAX} rules in all files: the group {:?} is left out", g.name);
                problems.push(Problem { file: g.file.clone(), line: g.line, what, is_error: true });
            }
            rules <= RULES_MAX
        });
        read.problems = problems;
        drop(read);
        self.load(groups, now_ms);
        true
    }

    fn read_file(&self, path: PathBuf, stamp: Stamp, before: Option<RuleFile>) -> RuleFile {
        let name = self.name_of(&path);
        let fail = |what: String| Problem { file: name.clone(), line: 0, what, is_error: true };
        let kept = |problem: Problem, before: Option<RuleFile>| {
            let groups = before.map(|f| f.groups).unwrap_or_default();
            let mut problems = vec![problem];
            if !groups.is_empty() {
                let what = "its rules go on as they were before".to_string();
                problems.push(Problem { file: name.clone(), line: 0, what, is_error: false });
            }
            RuleFile { path: path.clone(), stamp, groups, problems }
        };
        if stamp.is_some_and(|(_, bytes)| bytes > FILE_BYTES_MAX) {
            return kept(fail(format!("it is larger than {} MiB", FILE_BYTES_MAX >> 20)), before);
        }
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) => return kept(fail(format!("it cannot be read: {e}")), before),
        };
        if slo::read::is_slo_file(&text) {
            let read = slo::read::read(&name, &text, &check);
            if !read.is_readable {
                let none = || fail("it holds no objectives".into());
                return kept(read.problems.into_iter().next().unwrap_or_else(none), before);
            }
            let groups = read.slos.into_iter().map(|slo| slo::rules::group(Arc::new(slo))).collect();
            return RuleFile { path, stamp, groups, problems: read.problems };
        }
        let read = monitor::read::read(&name, &text, self.settings.interval_ms, &check);
        if !read.is_readable {
            let problem =
                read.problems.into_iter().next().unwrap_or_else(|| fail("it is no rule file".into()));
            return kept(problem, before);
        }
        RuleFile { path, stamp, groups: read.groups, problems: read.problems }
    }

    /// How a file is named to people: our own by its last part, others as they were given.
    fn name_of(&self, path: &Path) -> String {
        match path {
            path if path == self.own_file() => OWN_FILE.to_string(),
            path if path == self.own_slos() => OWN_SLOS.to_string(),
            path => path.display().to_string(),
        }
    }

    /// Rule files that there are, in order, our own last.
    fn paths(&self) -> (Vec<PathBuf>, Vec<Problem>) {
        let (mut paths, mut problems) = (Vec::new(), Vec::new());
        for pattern in &self.settings.files {
            let found = expand(pattern);
            if found.is_empty() {
                let what = "there is no such file".to_string();
                problems.push(Problem { file: pattern.display().to_string(), line: 0, what, is_error: true });
            }
            paths.extend(found);
        }
        paths.dedup();
        if paths.len() > FILES_MAX {
            let what = format!("more than {FILES_MAX} rule files; the others are left out");
            problems.push(Problem { file: String::new(), line: 0, what, is_error: true });
            paths.truncate(FILES_MAX);
        }
        paths.extend([self.own_file(), self.own_slos()].into_iter().filter(|own| own.is_file()));
        (paths, problems)
    }

    /// Evaluates these groups from now on. States of rules that are still there stay; alerts of others are over.
    fn load(&self, groups: Vec<Group>, now_ms: i64) {
        let mut due = lock(&self.due);
        let mut runs: HashMap<String, RuleRun> = HashMap::new();
        let mut timing: HashMap<String, (Option<i64>, u64, Option<SloRun>)> = HashMap::new();
        for old in &due.groups {
            let mut run = lock(&old.run);
            timing.insert(old.group.key(), (run.last_ms, run.missed, run.slo.take()));
            let keys = old.parsed.iter().map(|p| p.key.clone());
            runs.extend(keys.zip(run.rules.iter_mut().map(std::mem::take)));
        }
        due.groups = groups
            .into_iter()
            .filter_map(|group| {
                let parsed: Option<Vec<Parsed>> = (0..group.rules.len()).map(|i| parse(&group, i)).collect();
                let parsed = parsed?;
                parsed.iter().zip(&group.rules).for_each(|(p, rule)| self.book_there(&p.id, rule, now_ms));
                let rules = parsed.iter().map(|p| runs.remove(&p.key).unwrap_or_default()).collect();
                let (last_ms, missed, known) = timing.remove(&group.key()).unwrap_or_default();
                let slo = group.slo.as_ref().map(|slo| {
                    known.filter(|run| run.is_of(slo)).unwrap_or_else(|| SloRun::open(&self.folder, slo))
                });
                let run = GroupRun { last_ms, missed, took_s: 0.0, rules, slo };
                let schedule = Schedule::new(&group.key(), group.interval_ms);
                Some(Arc::new(LoadedGroup { group, schedule, parsed, run: Mutex::new(run) }))
            })
            .collect();
        due.schedule(now_ms);
        drop(due);
        self.changed.notify_all();
        self.is_dirty.store(true, Relaxed);
        self.end_rules(runs.into_values(), now_ms);
        let gone = timing.into_values().filter_map(|(.., slo)| slo);
        gone.for_each(|slo| self.end_series(slo.series(), now_ms));
    }

    /// Alerts of rules that are there no more are over, though nobody knows whether it is fine.
    pub(super) fn end_rules(&self, runs: impl Iterator<Item = RuleRun>, now_ms: i64) {
        for run in runs {
            self.end_series(&run.series, now_ms);
            let mut notify = self.notify();
            About::default()
                .gone(&run.state, now_ms)
                .into_iter()
                .for_each(|a| notify.notifier.put(a, now_ms));
        }
    }
}

/// Leaves out objectives whose address another file's has, and those that are too many.
fn one_of_each(groups: &mut Vec<Group>, problems: &mut Vec<Problem>) {
    let mut known: HashMap<String, String> = HashMap::new();
    groups.retain(|group| {
        let Some(slo) = &group.slo else { return true };
        let what = match known.get(&slo.id) {
            Some(file) => format!("the objective {:?} stands in {file} too, and is left out here", slo.name),
            None if known.len() >= slo::SLOS_MAX => {
                format!("more than {} objectives in all files: {:?} is left out", slo::SLOS_MAX, slo.name)
            }
            None => {
                known.insert(slo.id.clone(), group.file.clone());
                return true;
            }
        };
        problems.push(Problem { file: group.file.clone(), line: slo.line, what, is_error: true });
        false
    });
}

/// Whether a text is an expression that a rule can have.
pub fn check(text: &str) -> Result<(), String> {
    let expr = ::query::parse(text).map_err(|e| e.to_string())?;
    match expr.value_type {
        ::query::ValueType::Vector | ::query::ValueType::Scalar => Ok(()),
        other => Err(format!("it is a {}; a rule needs an instant vector or a number", other.as_str())),
    }
}

fn parse(group: &Group, i: usize) -> Option<Parsed> {
    let rule = &group.rules[i];
    let expr = ::query::parse(&rule.expr).ok()?;
    let enough = rule.alerting().and_then(|a| a.enough.as_ref());
    let enough = enough.and_then(|text| ::query::parse(text).ok());
    let id = id_of(group, i);
    Some(Parsed { limit: super::ask::limit_words(&expr), expr, enough, id, key: group.rule_key(i) })
}

/// What names a rule in addresses.
pub(super) fn id_of(group: &Group, i: usize) -> String {
    let key = group.rule_key(i);
    let hash =
        key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// The stamp of a file.
pub fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok().filter(|m| m.is_file())?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Files that a path means; `*` in its last part stands for anything.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let last = pattern.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if !last.contains('*') {
        return if pattern.is_file() { vec![pattern.to_path_buf()] } else { Vec::new() };
    }
    let folder = pattern.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned()));
    let mut found: Vec<PathBuf> = names
        .filter(|name| !name.starts_with('.') && matches(&last, name))
        .map(|name| folder.join(name))
        .filter(|p| p.is_file())
        .collect();
    found.sort();
    found
}

/// Whether a name is what a pattern with `*` means.
fn matches(pattern: &str, name: &str) -> bool {
    let parts: Vec<&str> = pattern.split('*').collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    if name.len() < first.len() + last.len() || !name.starts_with(first) || !name.ends_with(last) {
        return false;
    }
    let mut rest = &name[first.len()..name.len() - last.len()];
    parts[1..parts.len() - 1].iter().all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (pattern, name, want) in [
            ("*.yml", "a.yml", true),
            ("*.yml", "a.yaml", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxc", false),
            ("ab*ba", "aba", false),
            ("*", "anything", true),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }
}
