//! Debian's psql against the port that speaks PostgreSQL's protocol: describing tables, questions, prepared statements, errors,
//! cancelling. `make test` installs psql; without it this fails, since a check that was not made is none.

use crate::support::{Home, Midwatch, Running, eventually, series};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

struct Psql {
    _midwatch: Midwatch,
    address: SocketAddr,
}

impl Psql {
    fn start(home: &Home, more: &str) -> Psql {
        home.write("midwatch.toml", &format!("[postgres]\nlisten = \"127.0.0.1:0\"\n{more}"));
        let flags = ["serve", "--listen", "127.0.0.1:0", "--no-otlp", "--no-host", "--no-discover"];
        let command = home.command(&[&flags[..], &["--config", "midwatch.toml"]].concat());
        let midwatch = Midwatch::start(command);
        let out = midwatch.process.stdout();
        let line = out.lines().find_map(|l| l.strip_prefix("Answers psql: psql -h ")).expect(&out);
        let words: Vec<&str> = line.split(' ').collect();
        let address = format!("{}:{}", words[0], words[2]).parse().unwrap();
        let at = (crate::support::now_ms() / 60_000 - 15) * 60_000;
        midwatch.write(&[
            series("jobs_total", &[("job", "api")], &[(at, 1.0), (at + 1_000, 2.0)]),
            series("jobs_total", &[("job", "web")], &[(at, 10.0)]),
        ]);
        Psql { _midwatch: midwatch, address }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("psql");
        command.args(["-X", "-h", &self.address.ip().to_string(), "-p", &self.address.port().to_string()]);
        command
            .args(["-d", "midwatch", "-U", "anyone"])
            .env("PGCONNECT_TIMEOUT", "20")
            .env("PGSSLMODE", "prefer");
        command
    }

    /// What a script prints: unaligned rows without heads, and errors.
    fn run(&self, script: &str) -> (String, String) {
        let mut command = self.command();
        command.args(["-A", "-t", "-v", "VERBOSITY=verbose"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql is there: apt-get install postgresql-client");
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let ended = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(ended.stdout), text(ended.stderr))
    }

    fn rows(&self, script: &str) -> String {
        let (out, error) = self.run(script);
        assert_eq!(error, "", "{script}");
        out.trim_end().to_string()
    }
}

#[test]
fn psql_describes_and_asks() {
    let home = Home::new();
    let psql = Psql::start(&home, "");
    for (script, parts) in [
        ("\\dt", vec!["public|metrics|table|", "public|series|table|"]),
        ("\\d", vec!["public|metrics|table|"]),
        ("\\d metrics", vec!["time|timestamp", "name|text", "labels|", "value|double precision"]),
        ("\\d series", vec!["id|bigint"]),
        ("\\l", vec!["midwatch|"]),
        ("\\dn", vec!["public|"]),
        ("\\conninfo", vec!["\"midwatch\""]),
        (
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1;",
            vec!["metrics", "series"],
        ),
    ] {
        let out = psql.rows(script);
        assert!(parts.iter().all(|part| out.contains(part)), "{script}: {out}");
    }
    for (script, want) in [
        ("SELECT count(*) FROM metrics;", "3"),
        ("SELECT labels['job'] AS job, sum(value) FROM metrics GROUP BY 1 ORDER BY 1;", "api|3.0\nweb|10.0"),
        ("SELECT labels FROM series WHERE labels['job'] = 'api';", "{\"job\":\"api\"}"),
        ("SELECT true, NULL, 1.5, 'x', 9007199254740993;", "t||1.5|x|9007199254740993"),
        ("SELECT 1; SELECT 2;", "1\n2"),
        ("BEGIN; SELECT 1; COMMIT;", "BEGIN\n1\nCOMMIT"),
        ("SET application_name = 'x'; SHOW search_path;", "SET\npublic"),
        ("SELECT current_database();", "midwatch"),
        (
            "PREPARE p AS SELECT $1::bigint + 1; EXECUTE p(41); EXECUTE p(-1); DEALLOCATE p;",
            "PREPARE\n42\n0\nDEALLOCATE",
        ),
        (
            "PREPARE p AS SELECT name FROM series WHERE labels['job'] = $1; EXECUTE p('web');",
            "PREPARE\njobs_total",
        ),
    ] {
        assert_eq!(psql.rows(script), want, "{script}");
    }
}

#[test]
fn psql_is_told_what_is_wrong() {
    let home = Home::new();
    let psql = Psql::start(&home, "");
    for (script, parts) in [
        ("SELEC 1;", vec!["42601", "this is not SQL"]),
        ("SELECT nope FROM metrics;", vec!["there is no column", "HINT"]),
        ("DROP TABLE metrics;", vec!["25006", "dropped"]),
        ("INSERT INTO metrics (name) VALUES ('x');", vec!["25006"]),
        ("COPY metrics TO '/tmp/x';", vec!["ERROR", "not possible here"]),
        ("CREATE TABLE t AS SELECT 1;", vec!["25006"]),
        ("SET work_mem = '1GB';", vec!["25006", "work_mem"]),
        ("SET datafusion.execution.batch_size = 1;", vec!["25006"]),
        ("SELECT 1/0;", vec!["22000", "zero"]),
        ("EXECUTE nothing;", vec!["ERROR"]),
        ("PREPARE p AS DROP TABLE metrics;", vec!["25006"]),
    ] {
        let (_, error) = psql.run(script);
        assert!(parts.iter().all(|part| error.contains(part)), "{script}: {error}");
    }
    // After each mistake the connection goes on.
    let (out, _) = psql.run("SELEC 1;\nSELECT nope FROM metrics;\nSELECT 1/0;\nSELECT 7;");
    assert_eq!(out, "7\n");
}

#[test]
fn psql_cancels_with_ctrl_c() {
    let home = Home::new();
    let psql = Psql::start(&home, "");
    let mut command = psql.command();
    command.args(["-A", "-t", "-c", "SELECT count(*) FROM generate_series(1, 1000000000000)"]);
    let running = Running::start(command);
    let status = |want: f64| {
        eventually("the query runs", || match psql._midwatch.own("midwatch_postgres_connections") {
            n if n == want => Ok(()),
            n => Err(n.to_string()),
        });
    };
    status(1.0);
    // psql takes the signal for the query only once it waits for it: again until it ends.
    let mut running = running;
    eventually("psql ends", || {
        running.signal(Signal::INT);
        running.ended().map(|_| ()).ok_or_else(|| "it goes on".into())
    });
    status(0.0);
    assert_eq!(psql.rows("SELECT 1;"), "1");
}

#[test]
fn limits_of_connections_idleness_and_time() {
    let home = Home::new();
    let more =
        "connections_max = 2\nidle_timeout = \"1s\"\n[query]\ntimeout = \"1s\"\n[sql]\nrows_max = 1000\n";
    let psql = Psql::start(&home, more);
    let (_, error) = psql.run("SELECT count(*) FROM generate_series(1, 1000000000000);");
    assert!(error.contains("57014") && error.contains("query.timeout"), "{error}");
    let (_, error) = psql.run("SELECT * FROM generate_series(1, 2000);");
    assert!(error.contains("sql.rows_max"), "{error}");
    // Two that say nothing take both places, and lose them when they have said nothing for too long.
    let silent = || TcpStream::connect(psql.address).unwrap();
    let (mut a, _b) = (silent(), silent());
    eventually("both are taken", || match psql._midwatch.own("midwatch_postgres_connections") {
        2.0 => Ok(()),
        n => Err(n.to_string()),
    });
    let mut third = silent();
    third.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert!(matches!(third.read(&mut [0; 16]), Ok(0) | Err(_)), "it is closed at once");
    a.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
    let mut answer = [0];
    a.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"N", "no TLS");
}

#[test]
fn hostile_bytes_end_a_connection_and_nothing_else() {
    let home = Home::new();
    let psql = Psql::start(&home, "");
    let startup = b"\0\0\0\x12\0\x03\0\0user\0anyone\0\0";
    let mut startup = startup.to_vec();
    startup[3] = startup.len() as u8;
    let after = |more: &[u8]| [&startup[..], more].concat();
    for bytes in [
        vec![0xff; 100_000],
        vec![0; 100_000],
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        after(b"Q\x7f\xff\xff\xff"),
        after(&[&b"Q\x3f\xff\xff\xf0"[..], &vec![b'x'; 3 << 20]].concat()),
        after(b"Q\0\0\0\0"),
        after(b"Q\0\0\0\x04"),
        after(b"E\0\0\0\x09\0\xff\xff\xff\xff"),
        after(b"D\0\0\0\x06S\0"),
        after(b"d\0\0\0\x08\0\0\0\0"),
        after(b"c\0\0\0\x04"),
        b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02".to_vec(),
    ] {
        let mut stream = TcpStream::connect(psql.address).unwrap();
        // The server may close before it has taken all.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    // Messages that end early, alone and with more behind them; and formats for some columns only.
    let message =
        |kind: u8, body: &[u8]| [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat();
    let parse = &b"\0SELECT $1::bigint, 2\0\0\x01\0\0\0\x14"[..];
    let bind = &b"\0\0\0\x01\0\x01\0\x01\0\0\0\x08\0\0\0\0\0\0\0\x07\0\x02\0\0\0\0"[..];
    let end = [message(b'E', b"\0\0\0\0\0"), message(b'S', b""), message(b'X', b"")].concat();
    let said = |messages: &[Vec<u8>]| {
        let mut stream = TcpStream::connect(psql.address).unwrap();
        let _ = stream.write_all(&after(&messages.concat()));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let whole = said(&[message(b'P', parse), message(b'B', bind), end.clone()]);
    assert!(whole.contains("SELECT 1") && !whole.contains("ERROR"), "{whole}");
    for cut in 0..parse.len() {
        assert!(said(&[message(b'P', &parse[..cut]), end.clone()]).contains("08P01"), "until {cut}");
    }
    for cut in 0..bind.len() {
        let told = said(&[message(b'P', parse), message(b'B', &bind[..cut]), end.clone()]);
        assert!(told.contains("08P01"), "until {cut}: {told}");
    }
    let three = [&bind[..bind.len() - 6], &[0, 3, 0, 0, 0, 0, 0, 0]].concat();
    let told = said(&[message(b'P', parse), message(b'B', &three), end]);
    assert!(told.contains("the answer has 2 columns, and formats are given for 3"), "{told}");
    assert!(!psql._midwatch.process.stderr().contains("panicked"), "{}", psql._midwatch.process.stderr());
    // Rows that a client names are no reason to take memory for them.
    let parse = b"P\0\0\0\x2d\0SELECT * FROM generate_series(1, 10)\0\0\0";
    let mut many = parse.to_vec();
    many[4] = (many.len() - 1) as u8;
    many.extend(b"B\0\0\0\x0c\0\0\0\0\0\0\0\0");
    for rows in [i32::MAX, -1, i32::MIN] {
        let mut bytes = many.clone();
        bytes.extend(b"E\0\0\0\x09\0");
        bytes.extend(rows.to_be_bytes());
        bytes.extend(b"S\0\0\0\x04X\0\0\0\x04");
        let mut stream = TcpStream::connect(psql.address).unwrap();
        stream.write_all(&after(&bytes)).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(answer.windows(9).filter(|w| *w == b"SELECT 10").count(), 1, "{rows}");
    }
    assert_eq!(psql.rows("SELECT 1;"), "1");
}
