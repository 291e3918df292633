//! Recent samples become blocks while it runs: nothing is lost on the way, whether it is killed or the disk is full just
//! then, and retention removes what it says and no more.

use crate::support::{Home, Midwatch, can_mount, eventually, now_ms, series, text};
use std::path::Path;
use std::process::Command;

const SERIES: usize = 1_000;
const SAMPLES: usize = 1_000;
const STEP_MS: i64 = 100;

/// The smallest log that is allowed: about 2.5 million samples that compress badly.
const SMALL_LOG: &str = "[store]\nwal_size = \"16MiB\"\n";

fn value(i: usize, sample: usize) -> f64 {
    // SplitMix64: no compression sees through it.
    let mut noise = ((i * SAMPLES + sample) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    noise = (noise ^ noise >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    noise = (noise ^ noise >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    f64::from_bits((noise ^ noise >> 31) >> 12 | 0x3ff0_0000_0000_0000)
}

/// Writes more than a third of what the log may hold, from `start_ms` on, under a name.
fn write_much(midwatch: &Midwatch, name: &str, start_ms: i64) {
    for part in 0..SERIES / 100 {
        let series: Vec<_> = (part * 100..(part + 1) * 100)
            .map(|i| {
                let samples = (0..SAMPLES).map(|s| (start_ms + s as i64 * STEP_MS, value(i, s)));
                series(name, &[("i", &*i.to_string())], &samples.collect::<Vec<_>>())
            })
            .collect();
        midwatch.write(&series);
    }
}

/// Looks at every sample of some series, and at the number of all.
fn assert_all_there(midwatch: &Midwatch, name: &str, start_ms: i64) {
    for i in [0, 1, SERIES / 2, SERIES - 1] {
        let found = midwatch.export(&format!("{name}{{i=\"{i}\"}}"));
        assert_eq!(found.len(), 1, "{name} {i}");
        assert_eq!(found[0].timestamps_ms.len(), SAMPLES, "{name} {i}");
        for (s, (t, v)) in found[0].timestamps_ms.iter().zip(&found[0].values).enumerate() {
            assert_eq!(
                (*t, v.to_bits()),
                (start_ms + s as i64 * STEP_MS, value(i, s).to_bits()),
                "{name} {i} {s}"
            );
        }
    }
    let all = format!("sum(count_over_time({name}[2d]))");
    assert_eq!(midwatch.value(&all), Ok((SERIES * SAMPLES) as f64), "{name}");
}

fn blocks(midwatch: &Midwatch, least: f64) {
    eventually("blocks", || match midwatch.own("midwatch_store_blocks") {
        blocks if blocks >= least => Ok(()),
        blocks => Err(format!("{blocks} blocks")),
    });
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap());
    entries
        .map(|e| if e.path().is_dir() { bytes_below(&e.path()) } else { e.metadata().unwrap().len() })
        .sum()
}

#[test]
fn samples_move_into_blocks_and_retention_removes_them() {
    let home = Home::new();
    home.write("midwatch.toml", SMALL_LOG);
    // Half a day: however the samples fall into blocks, old ones are not merged with new ones.
    let flags = ["--no-host", "--no-discover", "--config", "midwatch.toml"];
    let midwatch = home.serve(&[&flags[..], &["--retention", "12h"]].concat());
    let (old_ms, new_ms) = (now_ms() - 5 * 3_600_000, now_ms() - 600_000);
    for name in ["old_a", "old_b", "old_c"] {
        write_much(&midwatch, name, old_ms);
    }
    blocks(&midwatch, 1.0);
    write_much(&midwatch, "new", new_ms);
    assert_all_there(&midwatch, "old_a", old_ms);
    assert_all_there(&midwatch, "old_c", old_ms);
    assert_all_there(&midwatch, "new", new_ms);
    midwatch.kill();
    let midwatch = home.serve(&[&flags[..], &["--retention", "12h"]].concat());
    assert_all_there(&midwatch, "old_a", old_ms);
    assert_all_there(&midwatch, "new", new_ms);
    midwatch.stop();
    let before = bytes_below(&home.path("midwatch-data"));
    // Two hours are kept from now on: the old block goes, and its file with it.
    let midwatch = home.serve(&[&flags[..], &["--retention", "2h"]].concat());
    eventually("the old block is removed", || match midwatch.own("midwatch_store_blocks_removed_total") {
        removed if removed >= 1.0 => Ok(()),
        removed => Err(format!("{removed} removed")),
    });
    eventually("its samples are gone", || match midwatch.query("count(last_over_time(old_a[2d]))") {
        rows if rows.is_empty() => Ok(()),
        rows => Err(format!("{rows:?}")),
    });
    assert_all_there(&midwatch, "new", new_ms);
    eventually("its file is gone", || match bytes_below(&home.path("midwatch-data")) {
        left if left < before * 3 / 4 => Ok(()),
        left => Err(format!("{left} of {before} bytes")),
    });
}

#[test]
fn a_block_that_finds_no_space_is_written_once_there_is_some() {
    if let Err(why) = can_mount() {
        eprintln!("not tested, since this machine does not let us make a small disk: {why}");
        return;
    }
    let home = Home::new();
    home.write("midwatch.toml", SMALL_LOG);
    home.serve_quietly().stop();
    // A disk of its own for blocks, which somebody else fills.
    let script = "mount -t tmpfs -o size=64m none midwatch-data/blocks && exec \"$0\" serve \
                  --no-host --no-discover --listen 127.0.0.1:0 --config midwatch.toml";
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script, env!("CARGO_BIN_EXE_midwatch")]).current_dir(home.path(""));
    let midwatch = Midwatch::start(command);
    let disk = format!("/proc/{}/root{}", midwatch.process.id(), text(&home.path("midwatch-data/blocks")));
    let other = format!("{disk}/other");
    std::fs::write(&other, vec![0; 65 << 20]).unwrap_err();
    let start_ms = now_ms() - 600_000;
    let names = ["one", "two", "three"];
    names.iter().for_each(|name| write_much(&midwatch, name, start_ms));
    eventually("a block is tried", || match midwatch.own("midwatch_store_upkeep_errors_total") {
        errors if errors >= 1.0 => Ok(()),
        errors => Err(format!("{errors} errors, {} blocks", midwatch.own("midwatch_store_blocks"))),
    });
    names.iter().for_each(|name| assert_all_there(&midwatch, name, start_ms));
    let log = || bytes_below(&home.path("midwatch-data/wal"));
    let before = log();
    std::fs::remove_file(other).unwrap();
    blocks(&midwatch, 1.0);
    names.iter().for_each(|name| assert_all_there(&midwatch, name, start_ms));
    // What came after the cut, if anything, stays in the log.
    eventually("the log that is in the block now is removed", || match log() {
        left if left < before * 3 / 4 => Ok(()),
        left => Err(format!("{left} of {before} bytes")),
    });
}
