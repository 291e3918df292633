//! Backups of folders that are written to meanwhile, restored and compared; what may be replaced, and what may not.

use super::beside::BESIDE;
use super::*;
use crate::testing::{START_MS, append, contents, everything, files, fill, open};
use crate::verify::verify;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};

fn make(data: &Path, dest: &Path) -> Result<Backup> {
    backup(data, dest, BackupOptions::default(), 1, &mut |_| true)
}

fn bring_back(dest: &Path, to: &Path) -> Result<Restored> {
    restore(dest, to, false, &mut |_| true)
}

fn is_whole(folder: &Path) -> bool {
    verify(folder, &mut |_| true).unwrap().is_whole()
}

#[test]
fn a_backup_restored_is_the_same() {
    for copy in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let [data, dest, back] = ["data", "backup", "back"].map(|n| home.path().join(n));
        fill(&data);
        let made = backup(&data, &dest, BackupOptions { copy }, 1, &mut |_| true).unwrap();
        assert_eq!((made.files, made.blocks, made.segments, made.kept), (6, 2, 1, 0));
        assert_eq!(made.linked, if copy { 0 } else { 4 });
        assert_eq!(made.problems, Vec::<String>::new());
        assert!(is_whole(&dest));
        let restored = bring_back(&dest, &back).unwrap();
        assert_eq!((restored.files, restored.bytes, restored.made_ms), (6, made.bytes, 1));
        assert!(is_whole(&back));
        assert_eq!(folder::id_of(&back), folder::id_of(&data));
        assert_eq!(contents(&back), contents(&data));
        assert!(is_whole(&dest), "the restored folder shares nothing with the backup");
    }
}

#[test]
fn what_lies_beside_the_samples_comes_back_with_its_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let [data, dest, back] = ["data", "backup", "back"].map(|n| home.path().join(n));
    fill(&data);
    let names = BESIDE.into_iter().chain(["critic/rules/mine.toml"]);
    for name in names.clone() {
        let path = data.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{name}\n")).unwrap();
    }
    std::fs::set_permissions(data.join("AUDIT_KEY"), std::fs::Permissions::from_mode(0o600)).unwrap();
    make(&data, &dest).unwrap();
    // A second run into the same folder has what is there by then.
    std::fs::write(data.join("usage.jsonl"), "later\n").unwrap();
    make(&data, &dest).unwrap();
    assert!(is_whole(&dest));
    bring_back(&dest, &back).unwrap();
    for name in names {
        let want = if name == "usage.jsonl" { "later\n".into() } else { format!("{name}\n") };
        assert_eq!(std::fs::read_to_string(back.join(name)).unwrap(), want);
    }
    assert_eq!(std::fs::metadata(back.join("AUDIT_KEY")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(is_whole(&back));
}

#[test]
fn everything_acknowledged_before_it_began_is_in_it_while_it_is_written_cut_and_merged() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let store = open(&data);
    append(&store, 0..10);
    let (acknowledged, stop) = (AtomicI64::new(10), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(SeqCst) {
                let number = acknowledged.load(SeqCst);
                append(&store, number..number + 1);
                acknowledged.store(number + 1, SeqCst);
                if number % 40 == 0 {
                    store.flush_head().unwrap();
                    // Merges, and removes what was merged.
                    store.maintain(START_MS, 0).unwrap();
                }
            }
        });
        for i in 0..12 {
            // Each third is one more into the same folder.
            let dest = home.path().join(format!("backup{}", i / 3));
            let least = acknowledged.load(SeqCst);
            match make(&data, &dest) {
                // Cut more often than ever happens outside of this test.
                Err(e) if e.kind == ErrorKind::Busy => continue,
                other => drop(other.unwrap()),
            }
            assert!(is_whole(&dest), "{:?}", verify(&dest, &mut |_| true).unwrap().findings);
            let back = home.path().join(format!("back{i}"));
            bring_back(&dest, &back).unwrap();
            for series in contents(&back) {
                let times: Vec<i64> =
                    (0..series.timestamps_ms.len() as i64).map(|n| START_MS + n * 1000 + n % 3).collect();
                assert_eq!(series.timestamps_ms, times, "none between is missing");
                assert!(times.len() as i64 >= least, "{} of {least}", times.len());
            }
            let report = verify(&data, &mut |_| true).unwrap();
            assert!(report.is_whole(), "{:?}", report.findings);
        }
        stop.store(true, SeqCst);
    });
    assert!(acknowledged.load(SeqCst) > 50);
    drop(store);
}

#[test]
fn a_second_backup_brings_only_what_is_new_and_drops_what_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let [data, dest, back] = ["data", "backup", "back"].map(|n| home.path().join(n));
    fill(&data);
    make(&data, &dest).unwrap();
    let store = open(&data);
    append(&store, 120..150);
    store.flush_head().unwrap();
    let made = make(&data, &dest).unwrap();
    assert_eq!((made.blocks, made.kept, made.linked), (3, 4, 2));
    append(&store, 150..160);
    store.flush_head().unwrap();
    // Four blocks become one.
    store.maintain(START_MS, 0).unwrap();
    append(&store, 160..161);
    let made = make(&data, &dest).unwrap();
    assert_eq!((made.blocks, made.kept, made.linked, made.files), (1, 0, 2, 4));
    assert_eq!(files(&dest).len(), 4 + 3, "and the identity, the list and the lock");
    bring_back(&dest, &back).unwrap();
    let want = everything(&store.view());
    assert_eq!((contents(&back), want[0].timestamps_ms.len()), (want, 161));
}

#[test]
fn one_that_was_interrupted_is_told_and_taken_up_again() {
    let home = tempfile::tempdir().unwrap();
    let [data, dest, back] = ["data", "backup", "back"].map(|n| home.path().join(n));
    fill(&data);
    let options = BackupOptions { copy: true };
    // As many steps as it takes, and one more each time.
    for steps in 0.. {
        let mut left = steps;
        let mut go_on = |_: &Progress| {
            left -= 1;
            left >= 0
        };
        match backup(&data, &dest, options, 1, &mut go_on) {
            Err(e) => assert_eq!(e.kind, ErrorKind::Cancelled),
            Ok(_) => break,
        }
        assert_eq!(bring_back(&dest, &back).unwrap_err().kind, ErrorKind::NotFound);
        let report = verify(&dest, &mut |_| true).unwrap();
        assert!(report.findings[0].to_string().contains("never finished"), "{:?}", report.findings);
    }
    let made = make(&data, &dest).unwrap();
    assert_eq!((made.kept, made.linked), (4, 0));
    // All six were looked at, and two of them are copied.
    assert_eq!(
        restore(&dest, &back, false, &mut |p| p.files < 6 + 2).unwrap_err().kind,
        ErrorKind::Cancelled
    );
    let error = crate::Store::open(&back, Default::default(), &Default::default()).err().unwrap();
    assert!(error.message.contains("restore that was interrupted"), "{error}");
    bring_back(&dest, &back).unwrap();
    assert_eq!(contents(&back), contents(&data));
}

#[test]
fn a_good_backup_is_not_replaced_by_one_of_something_else() {
    let home = tempfile::tempdir().unwrap();
    let [data, dest, back, fresh, other] =
        ["data", "backup", "back", "fresh", "other"].map(|n| home.path().join(n));
    fill(&data);
    make(&data, &dest).unwrap();
    let refused = |from: &Path, to: &Path, kind: ErrorKind, words: &str| {
        let error = make(from, to).unwrap_err();
        assert!(error.kind == kind && error.message.contains(words), "{error}");
    };
    fill(&fresh);
    refused(&fresh, &dest, ErrorKind::Conflict, "is of another data folder");
    bring_back(&dest, &back).unwrap();
    drop(open(&data));
    make(&data, &dest).unwrap();
    refused(&back, &dest, ErrorKind::Conflict, "newer than the data folder");
    std::fs::create_dir(&other).unwrap();
    refused(&other, &dest, ErrorKind::Invalid, "not a data folder");
    std::fs::write(other.join("thesis.txt"), "years of work").unwrap();
    refused(&data, &other, ErrorKind::Invalid, "thesis.txt");
    refused(&data, &data.join("backup"), ErrorKind::Invalid, "inside of each other");
    assert_eq!(bring_back(&dest, &other).unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(bring_back(&dest, &data).unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(bring_back(&data, &home.path().join("new")).unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(files(&other).len(), 1);
}

#[test]
fn a_damaged_backup_is_not_restored_unless_that_is_wanted() {
    let home = tempfile::tempdir().unwrap();
    let [data, dest, back] = ["data", "backup", "back"].map(|n| home.path().join(n));
    fill(&data);
    backup(&data, &dest, BackupOptions { copy: true }, 1, &mut |_| true).unwrap();
    let victim = files(&dest.join("blocks"))[0].clone();
    std::fs::write(&victim, "nonsense").unwrap();
    let error = bring_back(&dest, &back).unwrap_err();
    assert!(error.kind == ErrorKind::Corrupt && error.message.contains("--partial"), "{error}");
    assert!(!back.exists());
    std::fs::remove_file(&victim).unwrap();
    let restored = restore(&dest, &back, true, &mut |_| true).unwrap();
    assert_eq!((restored.problems.len(), restored.files), (1, 5));
    let store = open(&back);
    assert_eq!(store.status().messages.len(), 1, "{:?}", store.status().messages);
}

#[test]
fn a_damaged_block_of_the_data_folder_is_told() {
    let home = tempfile::tempdir().unwrap();
    let [data, dest] = ["data", "backup"].map(|n| home.path().join(n));
    fill(&data);
    let victims = files(&data.join("blocks"));
    let mut bytes = std::fs::read(&victims[0]).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&victims[0], bytes).unwrap();
    std::fs::remove_file(&victims[2]).unwrap();
    let made = make(&data, &dest).unwrap();
    let words = made.problems.join("; ");
    assert!(
        made.problems.len() == 2 && words.contains("is damaged") && words.contains("240 samples of 6"),
        "{words}"
    );
}

/// A capture of one row, in both parts.
fn capture(data: &Path, id: &str) {
    use crate::captures::{Captures, Part};
    use model::{Columns, Values};
    let (captures, _) = Captures::open(data).unwrap();
    for part in [Part::Before, Part::After] {
        let draft = captures.begin(id, part).unwrap();
        let columns =
            vec![("time".into(), Values::Times(vec![1])), ("pid".into(), Values::Integers(vec![Some(7)]))];
        draft.columns("processes", &Columns { columns }).unwrap();
        let manifest = crate::captures::Manifest {
            format: 1,
            id: id.into(),
            part,
            host: "db".into(),
            trigger_ms: 1,
            from_ms: 0,
            to_ms: 1,
            took_ms: 0,
            causes: Vec::new(),
            classes: Vec::new(),
            notes: Vec::new(),
            files: Vec::new(),
        };
        draft.finish(manifest).unwrap();
    }
}

#[test]
fn captures_and_their_pins_come_back_and_those_that_went_go() {
    let home = tempfile::tempdir().unwrap();
    let [data, dest, back] = ["data", "backup", "back"].map(|n| home.path().join(n));
    fill(&data);
    capture(&data, "one");
    capture(&data, "two");
    let (captures, _) = crate::captures::Captures::open(&data).unwrap();
    captures.pin("two", Some("incident 7")).unwrap();
    let made = make(&data, &dest).unwrap();
    assert_eq!((made.files, made.linked), (6 + 2 * 4 + 1, 4 + 2 * 4));
    assert!(is_whole(&dest));
    captures.delete("one").unwrap();
    let made = make(&data, &dest).unwrap();
    assert_eq!((made.files, made.kept), (6 + 4 + 1, 4 + 4), "what never changes is not brought again");
    assert!(is_whole(&dest) && !dest.join("captures/one").exists());
    bring_back(&dest, &back).unwrap();
    let (restored, collected) = crate::captures::Captures::open(&back).unwrap();
    assert!(collected.is_empty(), "{collected:?}");
    assert_eq!(restored.list().unwrap(), captures.list().unwrap());
    assert!(restored.verify("two").unwrap().problems.is_empty() && is_whole(&back));
    // One that was made while the first was written is there as far as its manifests say.
    capture(&data, "three");
    std::fs::remove_file(data.join("captures/three/manifest-after.json")).unwrap();
    let made = make(&data, &dest).unwrap();
    assert_eq!((made.files, made.problems.len()), (6 + 4 + 1 + 2, 0));
    // Damage is told, in the folder and in a backup that was not linked.
    let copied = home.path().join("copied");
    backup(&data, &copied, BackupOptions { copy: true }, 1, &mut |_| true).unwrap();
    for folder in [&data, &copied] {
        let path = folder.join("captures/two/processes.parquet");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[9] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let findings = verify(folder, &mut |_| true).unwrap().findings;
        assert!(findings.iter().any(|f| f.to_string().contains("captures/two")), "{findings:?}");
    }
}
