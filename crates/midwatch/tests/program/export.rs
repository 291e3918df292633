//! What is kept, as files for other programs, while it runs and after: the same samples as through the API.

use crate::support::{Home, Midwatch, decode_lines, http::encode, now_ms, series};
use ingest::exposition::{Format, decode};
use ingest::scrape::Scrape;
use model::SeriesData;

fn some(start_ms: i64) -> Vec<SeriesData> {
    let samples = |n: i64| (0..n).map(|i| (start_ms + i * 1000, (i * n) as f64 / 8.0)).collect::<Vec<_>>();
    vec![
        series("first_total", &[("i", "1")], &samples(30)),
        series("first_total", &[("i", "2"), ("text", "ä \"x\"\n")], &samples(40)),
        // A label that sorts before the name, so that series of one name do not lie together.
        series("second", &[("A", "early")], &samples(5)),
        series("second", &[], &samples(50)),
    ]
}

/// The API's own lines.
fn lines(midwatch: &Midwatch, selector: &str) -> String {
    midwatch.get(&format!("/api/v1/export?match[]={}", encode(selector))).text()
}

#[test]
fn the_same_as_through_the_api_while_it_runs_and_after() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let start_ms = now_ms() / 1000 * 1000 - 600_000;
    midwatch.write(&some(start_ms));
    let want = lines(&midwatch, "{__name__=~\"first_total|second\"}");
    let of_one = lines(&midwatch, "first_total{i=\"2\"}");
    let jsonl = |more: &[&str]| home.run(&[&["export", "--format", "jsonl"], more].concat());
    assert_eq!(jsonl(&["--match", "first_total", "--match", "second"]).stdout, want);
    assert_eq!(jsonl(&["--match", "first_total{i=\"2\"}"]).stdout, of_one);
    let second = |ms: i64| (ms / 1000).to_string();
    let (start, end) = (second(start_ms + 10_000), second(start_ms + 12_000));
    let part = jsonl(&["--match", "second{A=\"\"}", "--start", &start, "--end", &end]);
    assert_eq!(decode_lines(part.stdout.as_bytes())[0].values, [62.5, 68.75, 75.0]);
    let parquet = ["export", "--format", "parquet", "--out", "all.parquet", "--match", "first_total"];
    let made = home.run(&parquet);
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
    assert!(made.stdout.starts_with("all.parquet: 70 samples of 2 series, "), "{}", made.stdout);
    let bytes = std::fs::read(home.path("all.parquet")).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    let nothing = jsonl(&["--match", "third"]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(0), ""));
    assert!(nothing.stderr.starts_with("Nothing found"), "{}", nothing.stderr);
    midwatch.stop();
    assert_eq!(jsonl(&["--match", "first_total", "--match", "second"]).stdout, want);
}

#[test]
fn openmetrics_is_read_back_whole() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let start_ms = now_ms() / 1000 * 1000 - 600_000;
    midwatch.write(&some(start_ms));
    let made =
        home.run(&["export", "--format", "openmetrics", "--match", "{__name__=~\"first_total|second\"}"]);
    let families: Vec<&str> = made.stdout.lines().filter(|line| line.starts_with("# TYPE")).collect();
    assert_eq!(families, ["# TYPE first_total unknown", "# TYPE second unknown"]);
    let limits = ingest::Limits::default();
    let read =
        decode(made.stdout.as_bytes(), Scrape { format: Format::OpenMetrics, at_ms: 1, limits: &limits });
    let read = read.unwrap();
    assert!(read.rejects.is_empty(), "{:?}", read.rejects);
    let mut back: Vec<_> = read
        .batch
        .samples
        .iter()
        .map(|s| (read.batch.series[s.series as usize].to_string(), s.timestamp_ms, s.value.to_bits()))
        .collect();
    let mut want: Vec<_> = some(start_ms)
        .iter()
        .flat_map(|s| {
            let pairs = s.timestamps_ms.iter().zip(&s.values);
            pairs.map(|(t, v)| (s.labels.to_string(), *t, v.to_bits())).collect::<Vec<_>>()
        })
        .collect();
    back.sort();
    want.sort();
    assert_eq!(back, want);
}

#[test]
fn what_is_damaged_makes_no_file_unless_that_is_wanted() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    midwatch.write(&some(now_ms() - 600_000));
    midwatch.write(&[series("later", &[], &[(now_ms(), 1.0)])]);
    midwatch.stop();
    let wal = std::fs::read_dir(home.path("midwatch-data/wal")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&wal).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&wal, bytes).unwrap();
    let args = ["export", "--format", "jsonl", "--out", "all.jsonl"];
    let refused = home.run(&args);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("is damaged") && refused.stderr.contains("--partial"),
        "{}",
        refused.stderr
    );
    let left: Vec<_> = std::fs::read_dir(home.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["midwatch-data"]);
    let partial = home.run(&[&args[..], &["--partial"]].concat());
    assert_eq!(partial.code, Some(0), "{partial:?}");
    assert!(partial.stderr.contains("is damaged") && home.path("all.jsonl").exists(), "{}", partial.stderr);
    for (args, words) in [
        (&["export", "--format", "parquet"][..], "name it with --out"),
        (&["export", "--format", "jsonl", "--match", "{"], "--match {:"),
        (&["export", "--format", "jsonl", "--start", "2", "--end", "1"], "--start is after --end"),
        (&["export", "--format", "jsonl", "--data", "nowhere"], "name a data folder"),
        (&["export", "--format", "jsonl", "--out", "no/such/folder/x"], "cannot write no/such/folder/x"),
    ] {
        let ended = home.run(args);
        assert_eq!(ended.code, Some(1), "{args:?} {ended:?}");
        assert!(
            ended.stderr.starts_with("midwatch: ") && ended.stderr.contains(words),
            "{args:?} {}",
            ended.stderr
        );
    }
}

#[test]
fn rows_of_tables_beside_the_program_and_without_it() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let lines =
        "{\"msg\":\"first \\u001b[31m\",\"user\":\"u-1\"}\n{\"msg\":\"second\",\"level\":\"error\"}\n";
    assert_eq!(midwatch.post("/api/v1/logs?service=shop", &[], lines.as_bytes()).unwrap().status, 204);
    let change = br#"{"title":"deployed","service":"shop","kind":"deploy"}"#;
    assert_eq!(
        midwatch.post("/api/v1/changes", &[("Content-Type", "application/json")], change).unwrap().status,
        200
    );
    let rows = |args: &[&str]| -> Vec<serde_json::Value> {
        let made = home.run(&[&["export", "--format", "jsonl"], args].concat());
        assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{args:?}");
        made.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let check = || {
        let logs = rows(&["--table", "logs"]);
        assert_eq!(logs.len(), 2);
        assert_eq!(
            (&logs[0]["body"], &logs[0]["attributes"]["user"]),
            (&"first \u{1b}[31m".into(), &"u-1".into())
        );
        assert_eq!((&logs[1]["severity"], &logs[1]["service"]), (&17.into(), &"shop".into()));
        assert_eq!(rows(&["--table", "changes"])[0]["title"], "deployed");
        assert_eq!(rows(&["--table", "spans"]).len(), 0);
        assert_eq!(rows(&["--table", "logs", "--end", "2020-01-01T00:00:00Z"]).len(), 0);
    };
    check();
    assert_eq!(midwatch.stop().code, Some(0));
    check();
    let made = home.run(&["export", "--table", "logs", "--format", "parquet", "--out", "logs.parquet"]);
    assert_eq!((made.code, made.stdout.as_str()), (Some(0), "logs.parquet: 2 rows\n"), "{made:?}");
    assert_eq!(&std::fs::read(home.path("logs.parquet")).unwrap()[..4], b"PAR1");
    let refused = home.run(&["export", "--table", "logs", "--format", "openmetrics"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("is for samples"), "{refused:?}");
}
