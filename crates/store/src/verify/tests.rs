//! Every type of file, damaged in every way: it is noticed, and said in words.

use super::*;
use crate::testing::{files, fill};

fn check(folder: &Path) -> Report {
    verify(folder, &mut |_| true).unwrap()
}

#[test]
fn a_whole_folder_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let report = check(folder.path());
    assert_eq!(report.findings, vec![]);
    assert_eq!((report.blocks, report.segments, report.samples), (2, 1, 120 * 6));
    assert_eq!(report.chunks, 2 * 6);
    // Beside a program that has it open, too.
    let store = crate::testing::open(folder.path());
    assert!(check(folder.path()).is_whole());
    drop(store);
}

#[test]
fn what_is_not_ours_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: &Path| verify(path, &mut |_| true).unwrap_err().kind;
    assert_eq!(error(folder.path()), ErrorKind::Invalid);
    assert_eq!(error(&folder.path().join("none")), ErrorKind::NotFound);
    fill(folder.path());
    assert_eq!(verify(folder.path(), &mut |_| false).unwrap_err().kind, ErrorKind::Cancelled);
}

/// Files whose bytes mean nothing: only that they are there.
fn is_empty_of_meaning(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    ["MIDWATCH", "MIDWATCH-BACKUP", "LOCK"].contains(&&*name)
}

/// Ends of whole frames of a log segment: cut there, it is a shorter log, and nothing in it says that there was more.
fn frame_ends(bytes: &[u8]) -> Vec<usize> {
    let (mut ends, mut at) = (vec![16], 16);
    while at + 8 <= bytes.len() {
        at += 8 + u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        ends.push(at);
    }
    ends
}

fn every_damage_is_noticed(folder: &Path, is_backup: bool) {
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((random >> 33) % below.max(1) as u64) as usize
    };
    let mut kinds = BTreeSet::new();
    for path in files(folder).into_iter().filter(|p| !is_empty_of_meaning(p)) {
        let name = path.strip_prefix(folder).unwrap().display().to_string();
        let whole = std::fs::read(&path).unwrap();
        let is_log = name.ends_with(".wal");
        kinds.insert(name.rsplit_once('.').unwrap().1.to_string());
        for _ in 0..20 {
            let mut bytes = whole.clone();
            let (at, bit) = (next(bytes.len()), next(8));
            bytes[at] ^= 1 << bit;
            std::fs::write(&path, &bytes).unwrap();
            assert!(!check(folder).is_whole(), "{name}: bit {bit} of byte {at} of {} unnoticed", whole.len());
        }
        for _ in 0..8 {
            let length = next(whole.len());
            if is_log && !is_backup && frame_ends(&whole).contains(&length) {
                continue;
            }
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(!check(folder).is_whole(), "{name}: cut to {length} of {} unnoticed", whole.len());
        }
        std::fs::write(&path, &whole).unwrap();
        if !is_log || is_backup {
            std::fs::remove_file(&path).unwrap();
            // An older list of blocks is not missed: it is kept only for the case that the newest is damaged.
            let is_older = name.starts_with("manifest") && !is_backup;
            assert!(is_older || !check(folder).is_whole(), "{name}: missing, unnoticed");
            std::fs::write(&path, &whole).unwrap();
        }
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["json", "parquet", "wal"]);
    assert!(check(folder).is_whole());
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_data_folder_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    every_damage_is_noticed(folder.path(), false);
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_backup_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (data, dest) = (folder.path().join("data"), folder.path().join("backup"));
    fill(&data);
    let options = backup::BackupOptions { copy: true };
    backup::backup(&data, &dest, options, 0, &mut |_| true).unwrap();
    every_damage_is_noticed(&dest, true);
}

#[test]
fn a_damaged_chunk_is_said_with_its_series_and_times() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let manifest = load(
        &place_of(folder.path(), &mut Report::default(), &mut Watch::new(&mut |_| true)).unwrap().unwrap(),
    );
    let entry = manifest.unwrap().unwrap().blocks[0].clone();
    let path = folder.path().join(&crate::block::paths(entry.id)[1]);
    let whole = std::fs::read(&path).unwrap();
    // Somewhere in the values of some series: all flips that hit one chunk alone.
    let mut single = 0;
    for at in (0..whole.len()).step_by(11) {
        let mut bytes = whole.clone();
        bytes[at] ^= 16;
        std::fs::write(&path, &bytes).unwrap();
        let report = check(folder.path());
        assert_eq!(report.findings.len(), 1, "{at}");
        let finding = &report.findings[0];
        let text = finding.to_string();
        assert!(text.contains("what to do: "), "{text}");
        let Some(lost) = &finding.lost else { continue };
        if lost.series == Some(1) {
            single += 1;
            assert_eq!((lost.samples, lost.first_ms), (Some(50), Some(entry.first_ms)));
            assert!(text.contains("1 of 6 chunks") && text.contains("such as m{s=\""), "{text}");
            assert!(text.contains("50 samples of 1 series between 2023-11-14T22:13:20Z and "), "{text}");
        }
    }
    assert!(single > 3, "{single}");
}

#[test]
fn what_a_power_cut_leaves_is_doubted_and_what_lies_before_a_whole_record_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let path = files(folder.path()).into_iter().find(|p| p.extension().is_some_and(|e| e == "wal")).unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
    let report = check(folder.path());
    assert_eq!(report.findings[0].severity, Severity::Doubt);
    let mut bytes = whole.clone();
    bytes[whole.len() / 2] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let report = check(folder.path());
    assert_eq!(report.findings[0].severity, Severity::Damage);
    let text = report.findings[0].to_string();
    assert!(text.contains("lost: an unknown number of samples from 2023-11-14T"), "{text}");
}
