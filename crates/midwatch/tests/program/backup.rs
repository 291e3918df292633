//! Backups of a program that runs and is written to, restored on a new folder: the same answers, and nothing that was
//! acknowledged is missing. What is damaged is said.

use crate::support::{Home, Midwatch, eventually, now_ms, series, text};
use model::SeriesData;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

const SERIES: usize = 20;

/// The series of one request: each has the number as its value, at a time of its own.
fn request(number: u64, start_ms: i64) -> Vec<SeriesData> {
    let at = start_ms + number as i64 * 10;
    (0..SERIES).map(|i| series("kept", &[("i", &*i.to_string())], &[(at, number as f64)])).collect()
}

fn answers(midwatch: &Midwatch, start_ms: i64) -> (Vec<SeriesData>, serde_json::Value) {
    let (start, end) = (start_ms / 1000, start_ms / 1000 + 600);
    let range = format!("/api/v1/query_range?query=sum(kept)&start={start}&end={end}&step=1");
    (midwatch.export("kept"), midwatch.data(&range))
}

#[test]
fn backups_while_it_is_written_to_hold_all_that_was_acknowledged() {
    let home = Home::new();
    // A log so small that heads are cut and blocks merged on the way.
    home.write("midwatch.toml", "[store]\nwal_size = \"16MiB\"\n");
    let midwatch = home.serve(&["--no-host", "--no-discover", "--config", "midwatch.toml"]);
    let start_ms = now_ms() - 3_600_000;
    let (written, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut least = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if stop.load(SeqCst) {
                    break;
                }
                midwatch.write(&request(number, start_ms));
                written.store(number + 1, SeqCst);
            }
        });
        for i in 0..4 {
            let before = eventually("more is written", || match written.load(SeqCst) {
                n if n >= least.last().unwrap_or(&0) + 20 => Ok(n),
                n => Err(format!("{n} requests")),
            });
            // The last two go to one folder.
            let dest = format!("backup{}", i.min(2));
            let made = home.run(&["backup", &dest]);
            assert_eq!(made.code, Some(0), "{made:?}");
            assert!(made.stdout.contains("holds a backup of ./midwatch-data"), "{}", made.stdout);
            least.push(before);
        }
        stop.store(true, SeqCst);
    });
    for (dest, least) in [("backup0", least[0]), ("backup1", least[1]), ("backup2", least[3])] {
        let checked = home.run(&["verify", dest]);
        assert_eq!(checked.code, Some(0), "{checked:?}");
        let back = format!("{dest}-back");
        let restored = home.run(&["restore", dest, "--data", &back]);
        assert_eq!(restored.code, Some(0), "{restored:?}");
        let copy = home.serve(&["--no-host", "--no-discover", "--data", &back]);
        let export = copy.export("kept");
        assert_eq!(export.len(), SERIES, "{dest}");
        for found in export {
            let numbers: Vec<u64> = found.values.iter().map(|v| *v as u64).collect();
            assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "{dest}: none between is missing");
            assert!(numbers.len() as u64 >= least, "{dest}: {} of {least}", numbers.len());
        }
    }
    // Nothing is written any more: the same answers.
    let want = answers(&midwatch, start_ms);
    assert_eq!(home.run(&["backup", "last", "--copy"]).code, Some(0));
    assert_eq!(home.run(&["restore", "last", "--data", "last-back"]).code, Some(0));
    let copy = home.serve(&["--no-host", "--no-discover", "--data", "last-back"]);
    assert_eq!(answers(&copy, start_ms), want);
    midwatch.stop();
    assert_eq!(home.run(&["backup", "stopped"]).code, Some(0));
}

#[test]
fn what_is_wrong_is_said_and_what_is_somebody_elses_is_left() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    midwatch.write(&[series("kept", &[], &[(now_ms(), 1.0)])]);
    midwatch.stop();
    assert_eq!(home.run(&["backup", "b", "--copy"]).code, Some(0));
    let files = std::fs::read_dir(home.path("b/wal-000000000001")).unwrap().map(|file| file.unwrap().path());
    let wal = { files }.find(|path| path.extension().is_some_and(|end| end == "wal")).unwrap();
    let mut bytes = std::fs::read(&wal).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&wal, bytes).unwrap();
    let checked = home.run(&["verify", "b"]);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    for words in ["its checksum is wrong", "not whole records", "what to do:", "b is not whole"] {
        assert!(checked.stdout.contains(words), "{words}: {}", checked.stdout);
    }
    let json: serde_json::Value = serde_json::from_str(&home.run(&["verify", "b", "--json"]).stdout).unwrap();
    assert_eq!((&json["whole"], json["findings"].as_array().unwrap().len()), (&false.into(), 2), "{json}");
    home.write("thesis.txt", "years of work");
    let here = home.path("");
    for (args, words) in [
        (&["restore", "b", "--data", "new"][..], "the backup is damaged, nothing was restored"),
        (&["restore", "b", "--data", "midwatch-data"], "the backup is damaged"),
        (&["restore", "midwatch-data", "--data", "new"], "is not a backup"),
        (&["backup", text(&here)], "lie inside of each other"),
        (&["backup", "c", "--data", "nowhere"], "nowhere is not a folder that is there"),
        (&["backup", "c", "--data", "s3://bucket/prefix"], "this works on folders"),
        (&["verify", "nowhere"], "is not a folder that is there"),
        (&["verify", text(&here)], "is not a data folder of Midwatch"),
    ] {
        let ended = home.run(args);
        assert_eq!(ended.code, Some(1), "{args:?} {ended:?}");
        assert!(ended.stderr.starts_with("midwatch: ") && ended.stderr.contains(words), "{args:?} {ended:?}");
    }
    assert!(!home.path("new").exists() && !home.path("c").exists());
}
