//! What strace wrote, as events, and the rules that their order has to keep. It must never run anything.

/// One system call that ended, as strace tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its name.
    pub call: String,
    /// Its arguments, as text; descriptors with their paths (`-y`).
    pub arguments: String,
    /// What it gave; negative if it failed.
    pub result: i64,
    /// The failure was made.
    pub is_injected: bool,
}

/// Reads the output of `strace -f -y`, in the order in which the calls ended. Lines that are no calls are left out.
pub fn parse(text: &str) -> Vec<(u64, Event)> {
    let mut unfinished = std::collections::BTreeMap::new();
    let mut events = Vec::new();
    for line in text.lines() {
        let Some((pid, rest)) = line.trim_start().split_once(' ') else { continue };
        let Ok(pid) = pid.parse::<u64>() else { continue };
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            unfinished.insert(pid, begun.trim_end().to_string());
            continue;
        }
        let whole = match rest.strip_prefix("<... ").and_then(|r| r.split_once(" resumed>")) {
            Some((_, end)) => unfinished.remove(&pid).unwrap_or_default() + end,
            None => rest.to_string(),
        };
        events.extend(event(&whole).map(|event| (pid, event)));
    }
    events
}

fn event(line: &str) -> Option<Event> {
    let (call, rest) = line.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(") = ").or_else(|| {
        // strace aligns short calls.
        let at = rest.rfind(" = ")?;
        Some((rest[..at].trim_end().trim_end_matches(')'), &rest[at + 3..]))
    })?;
    let number = result.split([' ', '<']).next()?;
    Some(Event {
        call: call.into(),
        arguments: arguments.into(),
        result: number.parse().ok()?,
        is_injected: result.contains("(INJECTED)"),
    })
}

impl Event {
    fn is_sync(&self) -> bool {
        matches!(self.call.as_str(), "fsync" | "fdatasync")
    }

    /// The path of the first argument if that is a descriptor.
    fn descriptor_path(&self) -> &str {
        let inside = self.arguments.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
        inside.map_or("", |(path, _)| path)
    }

    /// Texts in quotes, in order.
    fn texts(&self) -> Vec<&str> {
        self.arguments.split('"').skip(1).step_by(2).collect()
    }

    /// What was told to whoever started the program: `word number`.
    fn told(&self) -> Option<(&str, u64)> {
        let text = (self.call == "sendto").then(|| self.texts())?.first().copied()?;
        let (word, number) = text.trim_end_matches("\\n").split_once(' ')?;
        Some((word, number.split(' ').next()?.parse().ok()?))
    }
}

/// The folder that a file lies in.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn is_in(path: &str, name: &str) -> bool {
    folder(path).ends_with(name)
}

/// The folders of logs: of samples, and of rows of the tables. Every batch has some of both.
const LOGS: [&str; 2] = ["/wal", "/tables-log"];

fn is_log(path: &str) -> bool {
    LOGS.iter().any(|log| is_in(path, log))
}

/// Whether it is a folder of files that manifests name.
fn has_blocks(path: &str) -> bool {
    path.ends_with("/blocks") || is_in(path, "/tables")
}

/// What was told too early, or done on the word of a sync that failed. The program is expected to tell `send N` before
/// and `ack N` after each batch of new samples, one at a time.
///
/// 1. Between them a file of each log is written and then synced, and the folder is synced after the file was made.
/// 2. A sync that fails there is not made good by another of the same file.
/// 3. A file gets its name among blocks and manifests only after it was synced, and the last sync did not fail.
/// 4. A manifest gets its name only after the folder of the blocks was synced.
/// 5. A file of the log goes only after the folder of the manifests was synced.
pub fn broken_rules(events: &[(u64, Event)]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut state = State::default();
    for (_, event) in events {
        if event.is_sync() {
            state.synced(event);
        } else if event.result >= 0 {
            state.done(event, &mut broken);
        } else if let ("openat", [folder, ..]) = (event.call.as_str(), event.texts().as_slice()) {
            // A folder that cannot be opened cannot be synced.
            if has_blocks(folder) {
                state.blocks_failed.insert(folder.to_string());
            }
        }
    }
    broken
}

#[derive(Default)]
struct State {
    /// Files and folders whose last sync failed, and that never had one.
    unsynced: std::collections::BTreeSet<String>,
    failed: std::collections::BTreeSet<String>,
    /// Log files whose folder was not synced since they were made.
    nameless: std::collections::BTreeSet<String>,
    /// Log files synced, and those that failed to, since the last `send`.
    synced_now: Vec<String>,
    failed_now: Vec<String>,
    /// Folders of blocks and of tables with names that are not yet durable; and whether that of manifests is one.
    blocks_pending: std::collections::BTreeSet<String>,
    /// Those of which a sync failed: a file that got its name there is given up, and a manifest may name others. And where
    /// the last file got its name: that one a manifest which follows is about.
    blocks_failed: std::collections::BTreeSet<String>,
    blocks_named: String,
    manifest_pending: bool,
    /// Log files with something that was acknowledged.
    holds_acknowledged: std::collections::BTreeSet<String>,
}

impl State {
    fn synced(&mut self, event: &Event) {
        let path = event.descriptor_path().to_string();
        if event.result < 0 {
            if is_log(&path) {
                self.failed_now.push(path.clone());
            }
            if has_blocks(&path) {
                self.blocks_failed.insert(path.clone());
            }
            self.failed.insert(path);
            return;
        }
        self.unsynced.remove(&path);
        if LOGS.iter().any(|log| path.ends_with(log)) {
            self.nameless.retain(|file| folder(file) != path);
        }
        if has_blocks(&path) {
            self.blocks_pending.remove(&path);
            self.blocks_failed.remove(&path);
        }
        self.manifest_pending &= !path.ends_with("/manifest");
        if is_log(&path) && !self.failed.contains(&path) {
            self.synced_now.push(path);
        }
    }

    fn done(&mut self, event: &Event, broken: &mut Vec<String>) {
        let texts = event.texts();
        match event.call.as_str() {
            "openat" if event.arguments.contains("O_CREAT") => {
                let path = texts.first().copied().unwrap_or_default().to_string();
                // The name may have been that of another file before.
                self.failed.remove(&path);
                if is_log(&path) {
                    self.nameless.insert(path.clone());
                }
                self.unsynced.insert(path);
            }
            "write" | "pwrite64" | "writev" => {
                let path = event.descriptor_path().to_string();
                self.synced_now.retain(|p| *p != path);
                self.unsynced.insert(path);
            }
            "link" | "linkat" | "rename" | "renameat" | "renameat2" => {
                let (from, to) = match texts.as_slice() {
                    [from, to, ..] => (*from, *to),
                    _ => return,
                };
                if to.ends_with(".damaged") || is_log(to) {
                    return;
                }
                if self.failed.contains(from) || self.unsynced.contains(from) {
                    broken.push(format!("{to} got its name although it was not synced"));
                }
                let is_unsure = |f: &String| *f == self.blocks_named || !self.blocks_failed.contains(f);
                if is_in(to, "/manifest") && self.blocks_pending.iter().any(is_unsure) {
                    broken.push(format!("{to} got its name before the names of its blocks were synced"));
                }
                if has_blocks(folder(to)) {
                    self.blocks_named = folder(to).to_string();
                    self.blocks_failed.remove(&self.blocks_named);
                    self.blocks_pending.insert(self.blocks_named.clone());
                }
                self.manifest_pending |= is_in(to, "/manifest");
            }
            "unlink" | "unlinkat" => {
                let path = texts.first().copied().unwrap_or_default();
                if self.manifest_pending && self.holds_acknowledged.contains(path) {
                    broken.push(format!("{path} was removed before the name of the manifest was synced"));
                }
                self.holds_acknowledged.remove(path);
                self.nameless.remove(path);
            }
            _ => match event.told() {
                Some(("send", _)) => {
                    self.synced_now.clear();
                    self.failed_now.clear();
                }
                Some(("ack", number)) => self.acknowledged(number, broken),
                _ => {}
            },
        }
    }

    fn acknowledged(&mut self, number: u64, broken: &mut Vec<String>) {
        let good: Vec<&String> = self.synced_now.iter().filter(|p| !self.failed.contains(*p)).collect();
        for log in LOGS {
            let mut of_log = good.iter().filter(|p| is_in(p, log)).peekable();
            if of_log.peek().is_some() {
                continue;
            }
            broken.push(match self.failed_now.iter().rfind(|p| is_in(p, log)) {
                Some(failed) => {
                    format!("batch {number} was acknowledged although the sync of {failed} failed")
                }
                None => {
                    format!("batch {number} was acknowledged before a file in {log} was written and synced")
                }
            });
        }
        if let Some(file) = good.iter().find(|file| self.nameless.contains(**file)) {
            broken.push(format!("batch {number} was acknowledged before the folder of {file} was synced"));
        }
        self.holds_acknowledged.extend(good.into_iter().cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
7 openat(AT_FDCWD</x>, "/d/wal/1.wal", O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0666) = 5</d/wal/1.wal>
7 write(5</d/wal/1.wal>, "MWWAL"..., 16) = 16
7 fsync(5</d/wal/1.wal>) = 0
7 fsync(6</d/wal>) = 0
7 openat(AT_FDCWD</x>, "/d/tables-log/1.log", O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0666) = 7</d/tables-log/1.log>
7 write(7</d/tables-log/1.log>, "MWTAB"..., 16) = 16
7 fsync(8</d/tables-log>) = 0
8 sendto(3<TCP:[1]>, "send 0\n", 7, MSG_NOSIGNAL, NULL, 0) = 7
7 write(5</d/wal/1.wal>, "x"..., 9) = 9
7 fdatasync(5</d/wal/1.wal> <unfinished ...>
9 write(7</d/tables-log/1.log>, "x"..., 9) = 9
8 futex(0x1, FUTEX_WAKE) = 1
7 <... fdatasync resumed>)          = 0
9 fdatasync(7</d/tables-log/1.log>) = 0
8 sendto(3<TCP:[1]>, "ack 0\n", 6, MSG_NOSIGNAL, NULL, 0) = 6
8 openat(AT_FDCWD</x>, "/d/blocks/0.parquet#0", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0666) = 9</d/blocks/0.parquet#0>
8 write(9</d/blocks/0.parquet#0>, "P"..., 16) = 16
8 fsync(9</d/blocks/0.parquet#0>) = 0
8 linkat(AT_FDCWD</x>, "/d/blocks/0.parquet#0", AT_FDCWD</x>, "/d/blocks/0.parquet", 0) = 0
8 fsync(9</d/blocks>) = 0
8 openat(AT_FDCWD</x>, "/d/tables/logs/0.parquet#0", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0666) = 9</d/tables/logs/0.parquet#0>
8 write(9</d/tables/logs/0.parquet#0>, "P"..., 16) = 16
8 fsync(9</d/tables/logs/0.parquet#0>) = 0
8 linkat(AT_FDCWD</x>, "/d/tables/logs/0.parquet#0", AT_FDCWD</x>, "/d/tables/logs/0.parquet", 0) = 0
8 fsync(9</d/tables/logs>) = 0
8 openat(AT_FDCWD</x>, "/d/manifest/1.json#0", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0666) = 9</d/manifest/1.json#0>
8 write(9</d/manifest/1.json#0>, "{"..., 16) = 16
8 fsync(9</d/manifest/1.json#0>) = 0
8 linkat(AT_FDCWD</x>, "/d/manifest/1.json#0", AT_FDCWD</x>, "/d/manifest/1.json", 0) = 0
8 fsync(9</d/manifest>) = 0
8 unlink("/d/wal/1.wal") = 0
"#;

    #[test]
    fn each_rule_finds_what_breaks_it() {
        assert_eq!(broken_rules(&parse(GOOD)), Vec::<String>::new());
        let without = |line: &str| {
            assert!(GOOD.contains(line), "{line}");
            broken_rules(&parse(&GOOD.replacen(line, "", 1))).join("; ")
        };
        for (line, want) in [
            ("7 fsync(6</d/wal>) = 0\n", "before the folder of /d/wal/1.wal was synced"),
            ("8 fsync(9</d/blocks/0.parquet#0>) = 0\n", "got its name although it was not synced"),
            ("7 fsync(8</d/tables-log>) = 0\n", "before the folder of /d/tables-log/1.log was synced"),
            (
                "9 fdatasync(7</d/tables-log/1.log>) = 0\n",
                "before a file in /tables-log was written and synced",
            ),
            ("8 fsync(9</d/tables/logs>) = 0\n", "before the names of its blocks were synced"),
            ("8 fsync(9</d/blocks>) = 0\n", "before the names of its blocks were synced"),
            ("8 fsync(9</d/manifest>) = 0\n", "before the name of the manifest was synced"),
            ("8 fsync(9</d/manifest/1.json#0>) = 0\n", "got its name although it was not synced"),
        ] {
            assert!(without(line).contains(want), "{line}: {}", without(line));
        }
        // The folder of blocks cannot be synced: no manifest may follow, unless other files got their names first.
        let failed =
            GOOD.replace("8 fsync(9</d/tables/logs>) = 0", "8 fsync(9</d/tables/logs>) = -1 EIO (x)");
        assert!(broken_rules(&parse(&failed))[0].contains("before the names of its blocks were synced"));
        let failed = GOOD.replace("8 fsync(9</d/blocks>) = 0", "8 fsync(9</d/blocks>) = -1 EIO (x)");
        assert_eq!(broken_rules(&parse(&failed)), Vec::<String>::new());
        let failed =
            GOOD.replace("resumed>)          = 0", "resumed>) = -1 EIO (Input/output error) (INJECTED)");
        let events = parse(&failed);
        assert_eq!(events.iter().filter(|(_, e)| e.is_injected).count(), 1);
        assert!(broken_rules(&events)[0].contains("although the sync of /d/wal/1.wal failed"));
        let again = failed.replace("9 fdatasync(7", "7 fdatasync(5</d/wal/1.wal>) = 0\n9 fdatasync(7");
        assert!(broken_rules(&parse(&again))[0].contains("although the sync"), "{again}");
        let early = GOOD.replace(
            "8 futex(0x1, FUTEX_WAKE) = 1",
            "8 sendto(3<TCP:[1]>, \"ack 0\\n\", 6, MSG_NOSIGNAL, NULL, 0) = 6",
        );
        assert!(broken_rules(&parse(&early))[0].contains("before a file in /wal was written and synced"));
    }
}
