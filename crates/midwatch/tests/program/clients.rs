//! Programs that write logs on real machines: Debian's nginx with its access logs, util-linux's logger, rsyslog, and systemd's
//! journal. Where one of them is missing, its test says that it was not run; the others are held to it.

use crate::logs::bodies;
use crate::support::{Home, Midwatch, Running, eventually, text};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where a program lies, or why its test is not run.
fn program(name: &str, package: &str) -> Option<PathBuf> {
    let folders = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/lib/systemd:/sbin";
    let found = folders.split(':').map(|folder| Path::new(folder).join(name)).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("not run: there is no {name} here (Debian: apt-get install {package})");
    }
    found
}

/// nginx in a folder, listening at a socket in it.
struct Nginx {
    running: Running,
    socket: PathBuf,
}

impl Nginx {
    fn start(path: &Path, home: &Home) -> Nginx {
        let folder = text(&home.path("")).trim_end_matches('/').to_string();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {folder}/tmp;"))
            .concat();
        home.write(
            "nginx.conf",
            &format!(
                "daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;\nevents {{}}\n\
                 http {{ {temporary}\n\
                 log_format notes '{NOTES}';\n\
                 access_log {folder}/access.log combined; access_log {folder}/notes.log notes;\n\
                 server {{ listen unix:{folder}/s; location / {{ return 200 ok; }} location /missing {{ return 404; }} }} }}\n"
            ),
        );
        let mut command = Command::new(path);
        let (prefix, config, errors) =
            (format!("{folder}/"), format!("{folder}/nginx.conf"), format!("{folder}/error.log"));
        command.args(["-p", &prefix, "-c", &config, "-e", &errors]);
        let nginx = Nginx { running: Running::start(command), socket: home.path("s") };
        eventually("nginx answers", || UnixStream::connect(&nginx.socket).map_err(|e| e.to_string()));
        nginx
    }

    fn get(&self, path: &str, user: usize) {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nUser-Agent: test \"quoted\"\r\nX-User-Id: u-{user}\r\n\
             X-Api-Key: key-{}\r\n\r\n",
            user % 3
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream.read_to_string(&mut String::new()).unwrap();
    }
}

/// A format of one's own, as it stands in the configuration of nginx and in that of Midwatch.
const NOTES: &str = "$remote_addr [$time_local] \"$request\" $status $body_bytes_sent \"$http_user_agent\" uid=$http_x_user_id \
                     key=\"$http_x_api_key\" rt=$request_time";

#[test]
fn nginx_is_followed_with_fields_of_its_own_through_kills_and_rotation() {
    let Some(path) = program("nginx", "nginx-light") else { return };
    let home = Home::new();
    let nginx = Nginx::start(&path, &home);
    let (access, notes) = (home.path("access.log"), home.path("notes.log"));
    home.write(
        "midwatch.toml",
        &format!(
            "[[logs.files]]\npath = \"{}\"\nservice = \"combined\"\n[[logs.files]]\npath = \"{}\"\nservice = \"f\"\nformat = '{NOTES}'\n",
            text(&access),
            text(&notes)
        ),
    );
    let serve = || home.serve(&["--no-host", "--no-discover", "--config", "midwatch.toml"]);
    let get = |range: std::ops::Range<usize>| {
        for user in range {
            nginx.get(if user % 10 == 7 { "/missing?a=1" } else { "/cart" }, user);
        }
    };
    let midwatch = serve();
    get(0..40);
    let all = |midwatch: &Midwatch, count: usize| {
        for service in ["combined", "f"] {
            eventually("every line once", || {
                let found = bodies(midwatch, &format!("service:{service}")).len();
                if found == count { Ok(()) } else { Err(format!("{service}: {found} of {count}")) }
            });
        }
    };
    all(&midwatch, 40);
    midwatch.kill();
    // Rotated while nobody looks, as logrotate does it.
    get(40..60);
    for path in [&access, &notes] {
        std::fs::rename(path, path.with_extension("log.1")).unwrap();
    }
    nginx.running.signal(Signal::USR1);
    eventually("nginx opened its files anew", || notes.metadata().map_err(|e| e.to_string()));
    get(60..80);
    let midwatch = serve();
    all(&midwatch, 80);
    midwatch.kill();
    let midwatch = serve();
    all(&midwatch, 80);
    for user in 0..80 {
        let one = format!("http.request.header.x-user-id:u-{user}");
        assert_eq!(bodies(&midwatch, &one).len(), 1, "{one}");
    }
    for (query, count) in [
        ("service:f http.response.status_code:404", 8),
        ("service:combined level:warn", 8),
        ("service:f http.request.header.x-api-key:key-1", 27),
        ("service:f key-1", 27),
        ("service:f url.path:/missing url.query:a=1", 8),
        ("service:combined http.request.method:GET url.path:/cart", 72),
        ("service:f http.server.request.duration<5", 80),
    ] {
        assert_eq!(bodies(&midwatch, query).len(), count, "{query}");
    }
}

fn with_syslog(home: &Home) -> (Midwatch, [SocketAddr; 2]) {
    home.write("midwatch.toml", "[syslog]\nudp = \"127.0.0.1:0\"\ntcp = \"127.0.0.1:0\"\n");
    let midwatch = home.serve(&["--no-host", "--no-discover", "--config", "midwatch.toml"]);
    let out = midwatch.process.stdout();
    let address = |what: &str| {
        let line = out.lines().find(|l| l.contains(what)).unwrap_or_else(|| panic!("{what}: {out}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let addresses = [address("syslog UDP"), address("syslog TCP")];
    (midwatch, addresses)
}

#[test]
fn logger_speaks_syslog_in_each_of_its_ways() {
    let Some(path) = program("logger", "bsdutils") else { return };
    let home = Home::new();
    let (midwatch, [udp, tcp]) = with_syslog(&home);
    let log = |how: &[&str], at: SocketAddr, text: &str| {
        let mut command = Command::new(&path);
        let port = at.port().to_string();
        command.args([
            "--server",
            "127.0.0.1",
            "--port",
            &port,
            "-t",
            "shop",
            "-p",
            "local0.warning",
            "--id=77",
        ]);
        let ended = command.args(how).arg(text).output().unwrap();
        assert!(ended.status.success(), "{how:?}: {}", String::from_utf8_lossy(&ended.stderr));
    };
    let ways: [&[&str]; 5] = [
        &["--udp", "--rfc5424"],
        &["--udp", "--rfc3164"],
        &["--tcp", "--rfc5424"],
        &["--tcp", "--rfc3164"],
        &["--tcp", "--octet-count", "--rfc5424"],
    ];
    for (n, how) in ways.iter().enumerate() {
        log(how, if how[0] == "--udp" { udp } else { tcp }, &format!("message {n} caf\u{e9} [x] \"y\""));
    }
    log(&["--tcp", "--rfc5424", "--sd-id", "shop@32473", "--sd-param", "user=\"u-17\""], tcp, "structured");
    let wanted: Vec<String> = (0..ways.len()).map(|n| format!("message {n} caf\u{e9} [x] \"y\"")).collect();
    eventually("each came as it was said", || {
        let mut found = bodies(&midwatch, "service:shop level:warn message process.pid:77");
        found.sort();
        if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
    });
    eventually("its fields are found", || match bodies(&midwatch, "u-17").as_slice() {
        [one] if one == "structured" => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn rsyslog_forwards_what_it_is_told() {
    let Some(path) = program("rsyslogd", "rsyslog") else { return };
    let Some(logger) = program("logger", "bsdutils") else { return };
    let home = Home::new();
    let (midwatch, [udp, tcp]) = with_syslog(&home);
    let socket = home.path("log");
    let forward = |protocol: &str, at: SocketAddr, more: &str| {
        format!(
            "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{}\" protocol=\"{protocol}\" {more})\n",
            at.port()
        )
    };
    let config = format!(
        "global(workDirectory=\"{}\")\nmodule(load=\"imuxsock\" SysSock.Use=\"off\")\ninput(type=\"imuxsock\" Socket=\"{}\" \
         CreatePath=\"on\")\n{}{}{}",
        text(&home.path("")),
        text(&socket),
        forward("tcp", tcp, "template=\"RSYSLOG_SyslogProtocol23Format\" TCP_Framing=\"octet-counted\""),
        forward("tcp", tcp, "template=\"RSYSLOG_TraditionalForwardFormat\""),
        forward("udp", udp, "template=\"RSYSLOG_ForwardFormat\""),
    );
    home.write("rsyslog.conf", &config);
    let mut command = Command::new(path);
    command.args(["-n", "-f", text(&home.path("rsyslog.conf")), "-i", text(&home.path("rsyslog.pid"))]);
    let _rsyslog = Running::start(command);
    eventually("rsyslog listens", || socket.symlink_metadata().map_err(|e| e.to_string()));
    for n in 0..20 {
        let message = format!("line number {n} of rsyslog");
        let status =
            Command::new(&logger).args(["-u", text(&socket), "-t", "shop", &message]).status().unwrap();
        assert!(status.success());
    }
    // Each line by each of the three ways.
    let found = eventually("all are there", || {
        let found = bodies(&midwatch, "service:shop \"of rsyslog\"");
        if found.len() >= 60 { Ok(found) } else { Err(format!("{} of 60", found.len())) }
    });
    for n in 0..20 {
        let line = format!("line number {n} of rsyslog");
        assert_eq!(found.iter().filter(|body| **body == line).count(), 3, "{line}");
    }
}

/// Adds entries to a journal in a folder, as the journals of other machines come.
fn add_to_journal(remote: &Path, file: &Path, numbers: std::ops::Range<usize>) {
    let now_us = crate::support::now_ms() as usize * 1_000;
    let entries: String = numbers
        .map(|n| {
            format!(
                "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={}\n_BOOT_ID=0123456789abcdef0123456789abcdef\n_HOSTNAME=h1\n\
                 SYSLOG_IDENTIFIER=f\nPRIORITY={}\nORDER_ID=o-{n}\nMESSAGE=line number {n} of the journal\n\n",
                now_us + n,
                1_000 + n,
                if n % 10 == 0 { 3 } else { 6 },
            )
        })
        .collect();
    let mut command = Command::new(remote);
    command.arg(format!("--output={}", text(file))).arg("-").stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(entries.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_journal_is_followed_once_through_kills() {
    let Some(remote) = program("systemd-journal-remote", "systemd-journal-remote") else { return };
    if program("journalctl", "systemd").is_none() {
        return;
    }
    let home = Home::new();
    std::fs::create_dir(home.path("journal")).unwrap();
    let file = home.path("journal/a.journal");
    home.write("midwatch.toml", "[logs]\njournal_folder = \"journal\"\n");
    let all_once = |midwatch: &Midwatch, count: usize| {
        let mut found = eventually("all entries are there", || {
            let found = bodies(midwatch, "service:f");
            if found.len() >= count { Ok(found) } else { Err(format!("{} of {count}", found.len())) }
        });
        found.sort();
        let mut wanted: Vec<String> = (0..count).map(|n| format!("line number {n} of the journal")).collect();
        wanted.sort();
        assert_eq!(found, wanted, "each once");
    };
    add_to_journal(&remote, &file, 0..50);
    let serve = || home.serve(&["--no-host", "--no-discover", "--config", "midwatch.toml"]);
    let mut count = 50;
    for round in 0..3 {
        let midwatch = serve();
        all_once(&midwatch, count);
        add_to_journal(&remote, &file, count..count + 37);
        // Killed while it is still reading, and once when it has read all.
        if round == 1 {
            all_once(&midwatch, count + 37);
        }
        midwatch.kill();
        add_to_journal(&remote, &file, count + 37..count + 50);
        count += 50;
    }
    let midwatch = serve();
    all_once(&midwatch, count);
    assert_eq!(bodies(&midwatch, "service:f level:error").len(), count / 10);
    assert_eq!(bodies(&midwatch, "order_id:o-77"), ["line number 77 of the journal"]);
    assert_eq!(midwatch.stop().code, Some(0));
    let midwatch = serve();
    all_once(&midwatch, count);
}
