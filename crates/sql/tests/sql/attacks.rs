//! What must not be possible: writing anything, reading files or settings, taking more memory, time or rows than a query may,
//! and ending the process. Each attack is a line.

use crate::support::{engine, run, small};
use sql::{Limits, Query, SqlError, answer};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use stdx::ErrorKind;

/// Statements that are no questions. Whatever they say, they are refused, and with a reason that names no engine.
const NO_QUESTIONS: &[&str] = &[
    "CREATE TABLE t (a int)",
    "CREATE TABLE t AS SELECT * FROM metrics",
    "CREATE OR REPLACE TABLE metrics AS SELECT 1",
    "CREATE TEMPORARY TABLE t (a int)",
    "CREATE VIEW v AS SELECT * FROM metrics",
    "CREATE SCHEMA s",
    "CREATE DATABASE d",
    "CREATE INDEX i ON metrics (time)",
    "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '/etc/passwd'",
    "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'file:///etc/passwd'",
    "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'http://127.0.0.1/x.csv'",
    "CREATE UNBOUNDED EXTERNAL TABLE t (a int) STORED AS CSV LOCATION '/dev/zero'",
    "CREATE FUNCTION f(int) RETURNS int RETURN $1",
    "DROP TABLE metrics",
    "DROP VIEW IF EXISTS metrics",
    "DROP SCHEMA public CASCADE",
    "DROP FUNCTION abs",
    "ALTER TABLE metrics ADD COLUMN x int",
    "TRUNCATE metrics",
    "INSERT INTO metrics SELECT * FROM metrics",
    "INSERT INTO metrics (name) VALUES ('x')",
    "UPDATE metrics SET value = 0",
    "DELETE FROM metrics",
    "MERGE INTO metrics USING series ON true WHEN MATCHED THEN DELETE",
    "SELECT * INTO t FROM metrics",
    "COPY metrics TO '/tmp/x.csv'",
    "COPY (SELECT 1) TO '/tmp/x.parquet' STORED AS PARQUET",
    "COPY metrics FROM '/etc/passwd'",
    "COPY metrics FROM PROGRAM 'id'",
    "SET datafusion.execution.batch_size = 1",
    "SET datafusion.runtime.memory_limit = '100G'",
    "SET datafusion.catalog.location = 'file:///'",
    "RESET datafusion.runtime.memory_limit",
    "SHOW ALL",
    "SHOW datafusion.runtime.temp_directory",
    "SELECT * FROM information_schema.df_settings",
    "WITH x AS (SELECT * FROM information_schema.df_settings) SELECT count(*) FROM x",
    "SELECT (SELECT count(*) FROM information_schema.df_settings)",
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM information_schema.df_settings)",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM \"/etc/passwd\"",
    "SELECT * FROM 'file:///etc/passwd.csv'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_parquet('/etc/passwd')",
    "SELECT * FROM parquet_metadata('/etc/passwd')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT * FROM pg_catalog.pg_settings",
    "BEGIN",
    "COMMIT",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    "DECLARE c CURSOR FOR SELECT 1",
    "LISTEN x",
    "CALL f()",
    "DO $$ BEGIN END $$",
    "VACUUM",
    "ANALYZE metrics",
    "GRANT ALL ON metrics TO public",
    "LOCK TABLE metrics",
    "USE x",
    "KILL 1",
    "EXPLAIN CREATE TABLE t (a int)",
    "EXPLAIN ANALYZE COPY metrics TO '/tmp/x.csv'",
    "EXPLAIN INSERT INTO metrics (name) VALUES ('x')",
    "WITH x AS (INSERT INTO metrics (name) VALUES ('x') RETURNING *) SELECT * FROM x",
    "SELECT 1; DROP TABLE metrics",
    "SELECT 1; SELECT 2",
    "/* SELECT */ DROP TABLE metrics",
    "SELECT * FROM metrics FOR UPDATE",
];

#[test]
fn only_questions_are_answered() {
    let stored = small();
    for text in NO_QUESTIONS {
        match stored.csv(text) {
            // A clause that changes nothing may be taken for what it is.
            Ok(_) if text.ends_with("FOR UPDATE") => {}
            Ok(answer) => panic!("{text}: {answer}"),
            Err(e) => {
                assert_eq!(e.kind, ErrorKind::Invalid, "{text}: {e}");
                assert!(!e.message.is_empty() && !e.message.contains("/root"), "{text}: {e}");
                assert!(!e.message.contains("root:x"), "{text}: {e}");
            }
        }
    }
    assert_eq!(stored.csv("SELECT count(*) FROM metrics").unwrap(), "count(*)\n80\n");
    assert!(!std::path::Path::new("/tmp/x.csv").exists());
}

#[test]
fn questions_about_the_tables_are_answered() {
    let stored = small();
    for text in [
        "SHOW TABLES",
        "DESCRIBE metrics",
        "SHOW COLUMNS FROM metrics",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM information_schema.columns WHERE table_name = 'series'",
        "EXPLAIN SELECT count(*) FROM metrics",
        "EXPLAIN ANALYZE SELECT count(*) FROM metrics",
        "VALUES (1), (2)",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 10) SELECT sum(n) FROM t",
        "SELECT 1;",
        "",
    ] {
        match stored.csv(text) {
            Ok(answer) => assert!(!answer.is_empty(), "{text}"),
            Err(e) => assert!(text.is_empty(), "{text}: {e}"),
        }
    }
}

/// Questions that would take all memory or never end. Each ends with an error, within seconds, and the next one is answered.
#[test]
fn nothing_takes_more_than_it_may() {
    let stored = small();
    let limits = Limits { memory_bytes_max: 32 << 20, ..Limits::default() };
    let bounds = answer::Bounds { limit: usize::MAX, rows_max: 100_000, bytes_max: 4 << 20 };
    let doubled = |with: &str| {
        let mut text = String::from("WITH t0 AS (SELECT 'aaaaaaaaaaaaaaaa' AS s)");
        for i in 1..12 {
            text += &format!(", t{i} AS (SELECT {} AS s FROM t{})", with.replace('$', "s"), i - 1);
        }
        text + " SELECT length(to_json(s)) FROM t11"
    };
    let texts = [
        "SELECT repeat('x', 1000000000)".to_string(),
        "SELECT lpad('x', 2000000000)".into(),
        "SELECT range(0, 10000000000)".into(),
        "SELECT array_repeat(1, 10000000000)".into(),
        doubled("$ || $ || $ || $ || $ || $ || $ || $"),
        doubled("concat($, $, $, $, $, $, $, $)"),
        doubled("replace($, 'a', 'aaaaaaaa')"),
        doubled("regexp_replace($, 'a', 'aaaaaaaa', 'g')"),
        doubled("[$, $, $, $, $, $, $, $]"),
        doubled("struct($, $, $, $, $, $, $, $)"),
        "SELECT * FROM generate_series(1, 1000000000000) ORDER BY 1 DESC".into(),
        "SELECT array_agg(value) FROM generate_series(1, 1000000000000)".into(),
        "SELECT string_agg(value::text, ',') FROM generate_series(1, 1000000000000)".into(),
        "SELECT count(DISTINCT value) FROM generate_series(1, 1000000000000)".into(),
        "SELECT value FROM generate_series(1, 1000000000000)".into(),
        "SELECT count(*) FROM generate_series(1, 1000000000000)".into(),
        "SELECT count(*) FROM metrics a, metrics b, metrics c, metrics d, metrics e, metrics f".into(),
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t".into(),
        "SELECT count(*) OVER (ORDER BY value) FROM generate_series(1, 1000000000000)".into(),
    ];
    for text in texts {
        let started = Instant::now();
        let stop = || started.elapsed() > Duration::from_millis(1_500);
        let query = Query { text: text.clone(), ..Query::default() };
        let asked = engine().start(&query, &stored.sources(), &limits, &stop).and_then(|mut rows| {
            answer::write(&mut rows, answer::Format::Csv, &bounds, &Vec::new, &stop, &mut |_| true)
        });
        let short: String = text.chars().take(90).collect();
        let error = asked.expect_err(&short);
        let is_fine = matches!(error.kind, ErrorKind::TooLarge | ErrorKind::Cancelled | ErrorKind::Invalid);
        assert!(is_fine, "{short}: {error:?}");
        assert!(started.elapsed() < Duration::from_secs(20), "{short}: {:?}", started.elapsed());
    }
    assert_eq!(stored.csv("SELECT 1 AS one").unwrap(), "one\n1\n");
}

#[test]
fn deep_and_long_texts_are_errors() {
    let stored = small();
    let long = |n: usize| format!("SELECT {}1", "1 + ".repeat(n));
    for text in [
        format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000)),
        long(16_000),
        format!("SELECT {}", "NOT ".repeat(10_000) + "true"),
        format!("SELECT {} 1", "-".to_string() + &" - ".repeat(8_000)),
        format!("SELECT 1 WHERE {}", vec!["1 = 1"; 8_000].join(" OR ")),
        vec!["SELECT 1"; 6_000].join(" UNION ALL "),
        format!("SELECT {}", vec!["1"; 30_000].join(",")),
        format!("SELECT * FROM {}", vec!["metrics"; 100].join(" CROSS JOIN ")),
        format!("SELECT {}1{}", "(SELECT ".repeat(2_000), ")".repeat(2_000)),
        format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(2_000), " END".repeat(2_000)),
        "x".repeat(1 << 20),
        "SELECT '".into(),
        "SELECT \u{0}".into(),
        "SELECT \"".into(),
        "SELECT $1".into(),
        "SELECT $99999999999".into(),
        "SELECT 1e999999999".into(),
        "SELECT 99999999999999999999999999999999999999999999999999".into(),
        "SELECT interval '99999999999999 years'".into(),
        "SELECT labels['".into(),
        "SELECT * FROM promql('sum(')".into(),
        "SELECT * FROM promql(name) FROM metrics".into(),
        "SELECT * FROM promql('up', 1, 2, 0)".into(),
        "SELECT * FROM promql('up', 0, 9e15, '1ms')".into(),
        "SELECT * FROM promql()".into(),
    ] {
        let short: String = text.chars().take(60).collect();
        if let Err(e) = stored.csv(&text) {
            assert!(!matches!(e.kind, ErrorKind::Internal), "{short}: {e:?}");
        }
    }
    assert_eq!(stored.csv("SELECT 1 AS one").unwrap(), "one\n1\n");
}

#[test]
fn errors_say_where_and_what_to_do() {
    let stored = small();
    let check = |text: &str, part: &str, message: &str, hint: &str| {
        let e = stored.csv(text).expect_err(text);
        let at = e.position.map(|(start, end)| text[start..end].to_string());
        assert_eq!(at.as_deref().unwrap_or("-"), part, "{text}: {e:?}");
        assert!(e.message.contains(message), "{text}: {e:?}");
        assert!(e.hint.as_deref().unwrap_or("").contains(hint), "{text}: {e:?}");
    };
    check("SELEC 1", "SELEC", "this is not SQL", "");
    check("SELECT 1 FROM", "", "this is not SQL", "");
    check("SELECT valu FROM metrics", "valu", "there is no column \"valu\"", "value");
    check("SELECT * FROM metric", "metric", "not found", "SHOW TABLES");
    check("DROP TABLE metrics", "-", "made, changed or dropped", "Only questions");
    check("SELECT 1/0", "-", "ivide by zero", "");
    check("SELECT nope(1)", "nope", "nope", "");
}

#[test]
fn rows_and_bytes_are_bounded() {
    let stored = small();
    let ask = |bounds: answer::Bounds, format| -> Result<Vec<u8>, SqlError> {
        let query = Query { text: "SELECT * FROM metrics".into(), ..Query::default() };
        run(&query, &stored.sources(), &Limits::default(), format, &bounds)
    };
    let few = answer::Bounds { limit: usize::MAX, rows_max: 10, bytes_max: 1 << 20 };
    assert_eq!(ask(few, answer::Format::Csv).unwrap_err().bound, Some(answer::ROWS));
    let short = answer::Bounds { limit: usize::MAX, rows_max: 1_000, bytes_max: 1_000 };
    assert_eq!(ask(short, answer::Format::Json).unwrap_err().bound, Some(answer::BYTES));
    let wanted = answer::Bounds { limit: 10, rows_max: 1_000, bytes_max: 1 << 20 };
    let json: serde_json::Value =
        serde_json::from_slice(&ask(wanted, answer::Format::Json).unwrap()).unwrap();
    assert_eq!(json["truncated"], true);
    assert_eq!(json["data"]["rows"].as_array().unwrap().len(), 10);
    let all = answer::Bounds { limit: 80, rows_max: 80, bytes_max: 1 << 20 };
    let json: serde_json::Value = serde_json::from_slice(&ask(all, answer::Format::Json).unwrap()).unwrap();
    assert_eq!(json["truncated"], false);
}

#[test]
fn a_query_that_nobody_waits_for_ends() {
    let stored = small();
    let left = AtomicBool::new(false);
    let query =
        Query { text: "SELECT value FROM generate_series(1, 1000000000000)".into(), ..Query::default() };
    let stop = || left.load(Relaxed);
    let mut rows = engine().start(&query, &stored.sources(), &Limits::default(), &stop).unwrap();
    assert!(rows.next(&stop).unwrap().is_some());
    left.store(true, Relaxed);
    let ended = std::iter::from_fn(|| Some(rows.next(&stop))).take(10).find_map(Result::err).unwrap();
    assert_eq!((ended.kind, ended.bound), (ErrorKind::Cancelled, Some("query.timeout")));
}
