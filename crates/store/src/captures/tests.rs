//! Captures on disk: what is written comes back, a kill at any point leaves a whole one or none, and no flipped bit goes
//! unseen.

use super::*;
use model::{Columns, Texts, Values};
use std::collections::BTreeMap;

fn columns(rows: i64) -> Columns {
    let texts =
        Texts { words: vec!["a".into(), "\u{e9}".into()], at: (0..rows as u32).map(|i| i % 2).collect() };
    Columns {
        columns: vec![
            ("time".into(), Values::Times((0..rows).map(|i| 1_000 * i).collect())),
            ("comm".into(), Values::Texts(texts)),
            ("pid".into(), Values::Integers((0..rows).map(|i| (i % 3 != 0).then_some(i - 1)).collect())),
        ],
    }
}

fn manifest(id: &str, part: Part) -> Manifest {
    Manifest {
        format: manifest::FORMAT,
        id: id.into(),
        part,
        host: "web-1".into(),
        trigger_ms: 300_000,
        from_ms: 0,
        to_ms: 300_000,
        took_ms: 80,
        causes: vec![Cause { kind: "monitor".into(), name: "HighLatency".into(), ..Cause::default() }],
        classes: vec![ClassTold {
            name: "kernel".into(),
            problem: "may not be read".into(),
            ..ClassTold::default()
        }],
        notes: Vec::new(),
        files: Vec::new(),
    }
}

fn take(captures: &Captures, id: &str, part: Part) -> Manifest {
    let draft = captures.begin(id, part).unwrap();
    draft.columns("processes", &columns(100)).unwrap();
    draft.columns("sockets", &columns(0)).unwrap();
    draft.columns("kernel", &columns(7)).unwrap();
    draft.finish(manifest(id, part)).unwrap()
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut out = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        match entry.path().is_dir() {
            true => out.extend(files(&entry.path()).into_iter().map(|(n, b)| (format!("{name}/{n}"), b))),
            false => drop(out.insert(name, std::fs::read(entry.path()).unwrap())),
        }
    }
    out
}

#[test]
fn what_is_written_comes_back_from_both_parts() {
    let data = tempfile::tempdir().unwrap();
    let (captures, removed) = Captures::open(data.path()).unwrap();
    assert!(removed.is_empty());
    let before = take(&captures, "a-1", Part::Before);
    assert_eq!(
        before.files.iter().map(|f| (f.name.as_str(), f.rows)).collect::<Vec<_>>(),
        [("kernel.parquet", 7), ("processes.parquet", 100)]
    );
    assert_eq!(captures.columns("a-1", "processes").unwrap(), columns(100));
    assert_eq!(captures.columns("a-1", "sockets").unwrap(), Columns::default());
    take(&captures, "a-1", Part::After);
    let both = captures.columns("a-1", "processes").unwrap();
    assert_eq!((both.len(), both.times()[100]), (200, 0));
    assert_eq!(both.integers("pid").unwrap()[100..], columns(100).integers("pid").unwrap()[..]);

    let (captures, removed) = Captures::open(data.path()).unwrap();
    assert!(removed.is_empty());
    let all = captures.list().unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].before.as_ref().unwrap(), &before);
    assert_eq!(all[0].after.as_ref().unwrap().part, Part::After);
    let verified = captures.verify("a-1").unwrap();
    assert_eq!((verified.files, verified.problems), (4, vec![]));
    assert_eq!(captures.begin("a-1", Part::Before).err().unwrap().kind, ErrorKind::Conflict);
    assert_eq!(captures.begin("a-1", Part::After).err().unwrap().kind, ErrorKind::Conflict);
    assert_eq!(captures.begin("a-2", Part::After).err().unwrap().kind, ErrorKind::NotFound);
    assert_eq!(captures.begin("../x", Part::Before).err().unwrap().kind, ErrorKind::Invalid);
}

/// Every state that a kill can leave: the steps of writing, one by one, each with its files cut off at several lengths.
#[test]
fn a_kill_at_any_point_leaves_a_whole_part_or_none() {
    let whole = tempfile::tempdir().unwrap();
    let (captures, _) = Captures::open(whole.path()).unwrap();
    take(&captures, "a-1", Part::Before);
    take(&captures, "a-1", Part::After);
    let finished = files(&whole.path().join(FOLDER).join("a-1"));
    let of = |part: Part| -> Vec<(&String, &Vec<u8>)> {
        let is_after = |name: &str| name.starts_with("after-") || name == AFTER;
        let mut all: Vec<_> = finished.iter().filter(|(n, _)| is_after(n) == (part == Part::After)).collect();
        // The manifest is written last.
        all.sort_by_key(|(name, _)| name.as_str() == part.manifest());
        all
    };
    let check = |data: &Path, has_before: bool, has_after: bool, what: &str| {
        let (captures, _) = Captures::open(data).unwrap();
        let all = captures.list().unwrap();
        assert_eq!(all.len(), usize::from(has_before), "{what}");
        if has_before {
            assert_eq!(all[0].after.is_some(), has_after, "{what}");
            assert_eq!(captures.verify("a-1").unwrap().problems, Vec::<String>::new(), "{what}");
            let rows = captures.columns("a-1", "processes").unwrap().len();
            assert_eq!(rows, if has_after { 200 } else { 100 }, "{what}");
        }
        let left = files(&data.join(FOLDER));
        assert!(left.keys().all(|n| n.starts_with("a-1/")), "{what}: {:?}", left.keys());
        assert_eq!(left.keys().any(|n| n.contains("after-")), has_after, "{what}");
    };
    for part in [Part::Before, Part::After] {
        let written = of(part);
        for step in 0..written.len() {
            for cut in [0, 1, written[step].1.len() / 2, written[step].1.len()] {
                let data = tempfile::tempdir().unwrap();
                let folder = data.path().join(FOLDER);
                if part == Part::After {
                    std::fs::create_dir_all(folder.join("a-1")).unwrap();
                    of(Part::Before)
                        .iter()
                        .for_each(|(n, b)| std::fs::write(folder.join("a-1").join(n), b).unwrap());
                }
                let suffix = if part == Part::After { ".after" } else { "" };
                let temporary = folder.join(format!(".a-1{suffix}{UNFINISHED}"));
                std::fs::create_dir_all(&temporary).unwrap();
                for (name, bytes) in &written[..step] {
                    std::fs::write(temporary.join(name), bytes).unwrap();
                }
                std::fs::write(temporary.join(written[step].0), &written[step].1[..cut]).unwrap();
                check(
                    data.path(),
                    part == Part::After,
                    false,
                    &format!("{part:?}, file {step} cut at {cut}"),
                );
            }
        }
    }
    // The second part moves file by file, its manifest last.
    let written = of(Part::After);
    for moved in 0..=written.len() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join(FOLDER);
        std::fs::create_dir_all(folder.join("a-1")).unwrap();
        let temporary = folder.join(format!(".a-1.after{UNFINISHED}"));
        std::fs::create_dir_all(&temporary).unwrap();
        of(Part::Before).iter().for_each(|(n, b)| std::fs::write(folder.join("a-1").join(n), b).unwrap());
        for (i, (name, bytes)) in written.iter().enumerate() {
            let place = if i < moved { folder.join("a-1") } else { temporary.clone() };
            std::fs::write(place.join(name), bytes).unwrap();
        }
        check(data.path(), true, moved == written.len(), &format!("{moved} files moved"));
    }
}

#[test]
fn no_flipped_bit_goes_unseen_in_a_folder_or_an_exported_file() {
    let data = tempfile::tempdir().unwrap();
    let (captures, _) = Captures::open(data.path()).unwrap();
    take(&captures, "a-1", Part::Before);
    let mut zip = Vec::new();
    let bytes = export(&captures, "a-1", &mut zip).unwrap();
    assert_eq!(bytes, zip.len() as u64);
    let path = data.path().join("a.zip");
    let folder = data.path().join(FOLDER).join("a-1");
    let originals = files(&folder);
    for (name, original) in &originals {
        for at in (0..original.len()).step_by((original.len() / 40).max(1)) {
            let mut bytes = original.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(folder.join(name), &bytes).unwrap();
            assert!(!captures.verify("a-1").unwrap().problems.is_empty(), "{name} at {at}");
        }
        std::fs::write(folder.join(name), &original[..original.len() - 2]).unwrap();
        assert!(!captures.verify("a-1").unwrap().problems.is_empty(), "{name} cut off");
        std::fs::write(folder.join(name), original).unwrap();
    }
    assert!(captures.verify("a-1").unwrap().problems.is_empty());
    // Of an exported file: what was packed is told, and whatever else may be flipped does no harm.
    let payload: u64 = originals.values().map(|b| b.len() as u64).sum();
    let mut seen = 0;
    for at in (0..zip.len()).step_by(37) {
        let mut bytes = zip.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, &bytes).unwrap();
        seen += u64::from(verify_file(&path).map_or(true, |(_, v)| !v.problems.is_empty()));
    }
    assert!(seen * 37 >= payload * 9 / 10, "{seen} of {} flips seen", zip.len() / 37);
    for end in (0..zip.len()).step_by(101) {
        std::fs::write(&path, &zip[..end]).unwrap();
        assert!(verify_file(&path).is_err(), "cut at {end}");
    }
}

#[test]
fn an_exported_capture_opens_elsewhere_as_the_same() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (captures, _) = Captures::open(here.path()).unwrap();
    take(&captures, "a-1", Part::Before);
    take(&captures, "a-1", Part::After);
    let path = here.path().join("a.zip");
    let mut file = std::fs::File::create(&path).unwrap();
    export(&captures, "a-1", &mut file).unwrap();
    assert_eq!(verify_file(&path).unwrap().1.files, 4);
    let (other, _) = Captures::open(there.path()).unwrap();
    assert_eq!(other.import(&path).unwrap(), captures.get("a-1").unwrap());
    assert_eq!(files(&here.path().join(FOLDER)), files(&there.path().join(FOLDER)));
    assert_eq!(other.import(&path).err().unwrap().kind, ErrorKind::Conflict);
    other.delete("a-1").unwrap();
    // The folder does as well.
    other.import(&captures.folder_of("a-1").unwrap()).unwrap();
    assert_eq!(other.verify("a-1").unwrap().files, 4);
    std::fs::write(&path, "PK something else").unwrap();
    assert_eq!(other.import(&path).err().unwrap().kind, ErrorKind::Invalid);
}

#[test]
fn the_oldest_go_first_and_pinned_ones_stay() {
    let data = tempfile::tempdir().unwrap();
    let (captures, _) = Captures::open(data.path()).unwrap();
    for id in ["a-1", "a-2", "a-3", "a-4"] {
        take(&captures, id, Part::Before);
    }
    let one = captures.get("a-1").unwrap().bytes;
    captures.pin("a-1", Some("incident 7")).unwrap();
    assert_eq!(captures.delete("a-1").err().unwrap().kind, ErrorKind::Conflict);
    let gone = |bytes_max, age_max_ms, now_ms| -> Vec<String> {
        let retention = Retention { bytes_max, age_max_ms };
        captures.retain(&retention, now_ms).unwrap().into_iter().map(|k| k.id).collect()
    };
    assert_eq!(gone(one * 4, i64::MAX, 300_000), Vec::<String>::new());
    assert_eq!(gone(one * 3, i64::MAX, 300_000), ["a-2"]);
    assert_eq!(gone(u64::MAX, 1_000, 300_500), Vec::<String>::new());
    assert_eq!(gone(u64::MAX, 1_000, 302_000), ["a-3", "a-4"]);
    captures.pin("a-1", None).unwrap();
    captures.delete("a-1").unwrap();
    assert_eq!(captures.get("a-1").err().unwrap().kind, ErrorKind::NotFound);
    assert!(files(&data.path().join(FOLDER)).is_empty());
}

#[test]
fn names_say_the_time_of_the_trigger() {
    assert_eq!(id_at(1_763_791_234_567), "20251122-060034-567");
    assert_eq!(id_at(0), "19700101-000000-000");
    for (text, want) in [
        ("20251122-060034-567", true),
        ("", false),
        ("-a", false),
        ("A", false),
        ("a/b", false),
        ("..", false),
    ] {
        assert_eq!(is_id(text), want, "{text:?}");
    }
}

#[test]
fn manifests_that_name_what_no_capture_has_are_refused() {
    let of = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = manifest("a-1", Part::Before);
        let entry = |name: &str| FileEntry {
            name: name.into(),
            table: "x".into(),
            rows: 0,
            bytes: 0,
            sha256: String::new(),
        };
        manifest.files = vec![entry("x.parquet")];
        change(&mut manifest);
        Manifest::decode(&manifest.encode().unwrap()).err().map(|e| e.kind)
    };
    assert_eq!(of(&|_| ()), None);
    assert_eq!(of(&|m| m.format = 2), Some(ErrorKind::Invalid));
    assert_eq!(of(&|m| m.id = "../a".into()), Some(ErrorKind::Corrupt));
    assert_eq!(of(&|m| m.files[0].name = "../x.parquet".into()), Some(ErrorKind::Corrupt));
    assert_eq!(of(&|m| m.files[0].name = "manifest.json".into()), Some(ErrorKind::Corrupt));
    assert_eq!(of(&|m| m.files.push(m.files[0].clone())), Some(ErrorKind::Corrupt));
    assert_eq!(of(&|m| m.files = vec![m.files[0].clone(); 1000]), Some(ErrorKind::Corrupt));
}

#[test]
fn the_time_of_a_name_is_read_back() {
    for ms in [0, 1_700_000_000_123, 4_102_444_799_999] {
        assert_eq!(id_time_ms(&id_at(ms)), Some(ms / 1000 * 1000));
        assert_eq!(id_time_ms(&format!("{}-2-at-web-1", id_at(ms))), Some(ms / 1000 * 1000));
    }
    for other in ["", "one", "a-longer-name-than-15", "20261322-061710-123", "2026112\u{e9}-061710-123"] {
        assert_eq!(id_time_ms(other), None, "{other}");
    }
}

/// What another machine took arrives part by part, each once, and nothing of it is there before it is whole.
#[test]
fn parts_of_another_machine_are_taken_once_and_only_whole() {
    let (there, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (theirs, _) = Captures::open(there.path()).unwrap();
    let (ours, _) = Captures::open(here.path()).unwrap();
    let id = "20261122-061710-123-at-web-1";
    let mut sent = Vec::new();
    for part in [Part::Before, Part::After] {
        take(&theirs, id, part);
        let path = there.path().join(format!("{part:?}.zip"));
        export_part(&theirs, id, part, &mut std::fs::File::create(&path).unwrap()).unwrap();
        sent.push(path);
    }
    let receive = |path: &Path| ours.receive(path, id, "web-1");
    assert_eq!(receive(&sent[1]).unwrap_err().kind, ErrorKind::NotFound, "the first part comes first");
    let whole = std::fs::read(&sent[0]).unwrap();
    let spoiled = there.path().join("spoiled.zip");
    for at in (0..whole.len()).step_by(37) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&spoiled, &bytes).unwrap();
        // A flipped bit where a zip says things twice may do no harm: then it is whole.
        if receive(&spoiled).is_ok() {
            assert!(ours.verify(id).unwrap().problems.is_empty(), "byte {at}");
            ours.delete(id).unwrap();
        }
        std::fs::write(&spoiled, &whole[..at]).unwrap();
        assert!(receive(&spoiled).is_err(), "cut at {at}");
        assert!(files(ours.folder()).is_empty(), "byte {at}: {:?}", files(ours.folder()).keys());
    }
    assert!(ours.receive(&sent[0], "another", "web-1").is_err());
    assert!(ours.receive(&sent[0], id, "web-2").is_err());
    for path in [&sent[0], &sent[0], &sent[1], &sent[1]] {
        let is_first_time =
            ours.list().unwrap().first().is_none_or(|c| c.after.is_none() && path == &sent[1]);
        assert_eq!(receive(path).unwrap().1, is_first_time, "{path:?}");
    }
    assert_eq!(files(&ours.folder_of(id).unwrap()), files(&theirs.folder_of(id).unwrap()));
}
