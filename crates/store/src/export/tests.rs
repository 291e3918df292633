//! What is exported is what a view gives, whatever the program that uses the folder does meanwhile, and however the files
//! are damaged.

use crate::RowsWriter;
use crate::read_only::ReadOnly;
use crate::testing::{START_MS, append, everything, files, fill, open};
use model::histogram::Buckets;
use model::{Histogram, HistogramAt, Labels, Matcher, SeriesData};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, RowAccessor};
use std::path::Path;
use std::sync::Arc;

fn all() -> Vec<Vec<Matcher>> {
    vec![Vec::new()]
}

fn export(data: &ReadOnly, sets: &[Vec<Matcher>], range: (i64, i64)) -> (Vec<SeriesData>, Vec<String>) {
    let mut found = Vec::new();
    let problems = data
        .for_each_series(sets, range.0, range.1, |series| {
            found.push(series);
            Ok(())
        })
        .unwrap();
    (found, problems)
}

const EVER: (i64, i64) = (i64::MIN, i64::MAX);

#[test]
fn everything_as_it_was_when_it_was_opened() {
    let folder = tempfile::tempdir().unwrap();
    let count = fill(folder.path());
    let store = open(folder.path());
    let want = everything(&store.view());
    assert_eq!(want[0].timestamps_ms.len() as i64, count);
    let data = ReadOnly::open(folder.path()).unwrap();
    // The program goes on: cuts, merges, removes the files that were there.
    append(&store, count..count + 5);
    for _ in 0..2 {
        store.flush_head().unwrap();
        append(&store, count + 5..count + 6);
    }
    let before = files(&folder.path().join("blocks"));
    store.maintain(START_MS, 0).unwrap();
    assert!(files(&folder.path().join("blocks")).iter().all(|file| !before.contains(file)));
    assert_eq!(export(&data, &all(), EVER), (want.clone(), vec![]));
    assert_eq!(everything(&data.view()), want);
    assert_eq!(data.metadata()["m"].help, "Help.");
    let now = ReadOnly::open(folder.path()).unwrap();
    assert_eq!(export(&now, &all(), EVER).0, everything(&store.view()));
}

#[test]
fn series_and_times_are_chosen() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let data = ReadOnly::open(folder.path()).unwrap();
    let sets = ["1", "4"].map(|s| vec![Matcher::equal("__name__", "m"), Matcher::equal("s", s)]);
    let range = (START_MS + 45_000, START_MS + 95_000);
    let (found, problems) = export(&data, &sets, range);
    assert_eq!((found.len(), problems), (2, vec![]));
    let want = open(folder.path()).view().select(&sets[1], range.0, range.1, 10, 1_000).unwrap();
    assert_eq!(found[1], want[0]);
    assert_eq!(found[1].values.len(), 50);
    assert_eq!(data.names(&sets, range.0, range.1), ["m"]);
    assert_eq!(export(&data, &[vec![Matcher::equal("s", "none")]], range).0, vec![]);
}

#[test]
fn what_is_damaged_is_left_out_and_told() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let whole = export(&ReadOnly::open(folder.path()).unwrap(), &all(), EVER).0;
    let value_of = |labels: &Labels, t: i64| {
        let series = whole.iter().find(|s| s.labels == *labels)?;
        series.timestamps_ms.iter().position(|time| *time == t).map(|i| series.values[i])
    };
    for path in files(&folder.path().join("blocks")) {
        let bytes = std::fs::read(&path).unwrap();
        let mut told = 0;
        for at in (0..bytes.len()).step_by(bytes.len() / 60) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            std::fs::write(&path, &damaged).unwrap();
            let data = ReadOnly::open(folder.path()).unwrap();
            let (found, problems) = export(&data, &all(), EVER);
            told += usize::from(!problems.is_empty());
            // All of it, or what is missing is told; never another value.
            assert!(found == whole || !problems.is_empty(), "{path:?} byte {at}");
            for series in found {
                for (t, v) in series.timestamps_ms.iter().zip(&series.values) {
                    assert_eq!(Some(*v), value_of(&series.labels, *t), "{path:?} byte {at}");
                }
            }
        }
        assert!(told > 20, "{path:?} {told}");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(ReadOnly::open(folder.path()).unwrap().messages().len(), 1);
        std::fs::write(&path, &bytes).unwrap();
    }
}

/// Metric, labels, time, bits of the value.
type Row = (String, Vec<(String, String)>, i64, Option<u64>);

fn read_back(path: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(|row| row.unwrap());
    let text = |field: &Field| match field {
        Field::Str(text) => text.clone(),
        other => panic!("{other}"),
    };
    rows.map(|row| {
        let labels = row.get_map(1).unwrap().entries().iter().map(|(k, v)| (text(k), text(v))).collect();
        let value = row.get_double(3).ok().map(f64::to_bits);
        (row.get_string(0).unwrap().clone(), labels, row.get_timestamp_millis(2).unwrap(), value)
    })
    .collect()
}

/// Numbers and histograms of a series stand in one order of time; each has the columns that are its own.
#[test]
fn histograms_and_starts_are_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let h = Histogram {
        count: 5.0,
        sum: 0.25,
        zero_threshold: 1.0,
        zero_count: 2.0,
        positive: Buckets::from_pairs([(1, 3.0)]),
        ..Histogram::default()
    };
    let at = |timestamp_ms, start_ms, h: &Histogram| HistogramAt {
        timestamp_ms,
        start_ms,
        histogram: Arc::new(h.clone()),
    };
    let series = SeriesData {
        labels: Labels::from_pairs([("__name__", "h")]).unwrap(),
        timestamps_ms: vec![2, 4],
        values: vec![1.5, 2.5],
        starts_ms: vec![0, 3],
        histograms: vec![at(1, 0, &h), at(3, 1, &Histogram::stale()), at(5, 2, &h)],
    };
    let mut rows = RowsWriter::new(std::fs::File::create(&path).unwrap()).unwrap();
    rows.push(&series).unwrap();
    rows.push(&SeriesData::numbers(series.labels.clone(), vec![9], vec![9.0])).unwrap();
    assert_eq!(rows.rows(), 6);
    rows.finish().unwrap();
    let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let rows: Vec<String> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
    let buckets = "[{lower: -1E0, upper: 1.0, count: 2.0}, {lower: 1.0, upper: 2.0, count: 3.0}]";
    let time = |t: i64| format!("1970-01-01 00:00:00.00{t} +00:00");
    let want = [
        (1, "null".into(), "null".into(), format!("count: 5.0, sum: 0.25, buckets: {buckets}")),
        (2, "1.5".to_string(), "null".into(), "count: null, sum: null, buckets: []".into()),
        (3, "null".into(), time(1), "count: null, sum: null, buckets: []".into()),
        (4, "2.5".into(), time(3), "count: null, sum: null, buckets: []".into()),
        (5, "null".into(), time(2), format!("count: 5.0, sum: 0.25, buckets: {buckets}")),
        (9, "9.0".into(), "null".into(), "count: null, sum: null, buckets: []".into()),
    ];
    for (row, (t, value, start, rest)) in rows.iter().zip(&want) {
        let t = time(*t);
        let text = format!(
            "{{metric: \"h\", labels: {{}}, timestamp: {t}, value: {value}, start: {start}, {rest}}}"
        );
        assert_eq!(*row, text);
    }
    assert_eq!(rows.len(), want.len());
}

#[test]
fn rows_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let stale = f64::from_bits(model::STALE_NAN_BITS);
    let series = |pairs: &[(&str, &str)], timestamps_ms: Vec<i64>, values: Vec<f64>| SeriesData {
        labels: Labels::from_pairs(pairs.iter().copied()).unwrap(),
        timestamps_ms,
        values,
        ..Default::default()
    };
    let all = [
        series(&[("__name__", "a"), ("x", "1"), ("y", "ä \"\n")], vec![-5, 0, 7], vec![1.5, stale, -0.0]),
        series(&[("__name__", "b")], vec![1], vec![f64::NAN]),
        // More than one part of rows whose labels are spelt out at once.
        series(
            &[("A", "before"), ("__name__", "c")],
            (0..9_000).collect(),
            (0..9_000).map(f64::from).collect(),
        ),
    ];
    let mut rows = RowsWriter::new(std::fs::File::create(&path).unwrap()).unwrap();
    all.iter().for_each(|s| rows.push(s).unwrap());
    assert_eq!(rows.rows(), 9_004);
    rows.finish().unwrap();
    let mut want = Vec::new();
    for s in &all {
        let labels: Vec<_> = s
            .labels
            .iter()
            .filter(|l| l.0 != "__name__")
            .map(|(n, v)| (n.to_string(), v.to_string()))
            .collect();
        for (t, v) in s.timestamps_ms.iter().zip(&s.values) {
            let value = Some(v.to_bits()).filter(|bits| *bits != model::STALE_NAN_BITS);
            want.push((s.labels.name().to_string(), labels.clone(), *t, value));
        }
    }
    assert_eq!(read_back(&path), want);
    // Nothing at all is a file too.
    let path = folder.path().join("none.parquet");
    RowsWriter::new(std::fs::File::create(&path).unwrap()).unwrap().finish().unwrap();
    assert_eq!(read_back(&path), vec![]);
}
