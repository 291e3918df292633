//! `midwatch serve`: flags and file to settings, then the server until somebody stops it.

use crate::cli::ServeArgs;
use crate::config::problems::Severity;
use crate::config::{self, Config, table};
use crate::text::{clean, counted};
use anyhow::{Context, anyhow, bail};
use server::Server;
use std::path::Path;
use std::process::ExitCode;
use stdx::ErrorKind;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Prints a line. One that cannot be printed (a full disk, a reader that has gone) is no reason to stop recording, as
/// the standard macros would have it.
macro_rules! tell {
    ($to:ident, $($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::$to(), $($text)*);
    }};
}
pub(crate) use tell;

/// Runs until SIGINT or SIGTERM, then until everything is safe.
///
/// # Errors
/// One sentence with what to do next.
pub fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let config = configuration(args)?;
    let mut settings = config.into_settings().map_err(anyhow::Error::msg)?;
    let files_max = raise_open_files();
    if let Some(host) = &mut settings.host {
        // What the recorder keeps open to save time leaves most for connections, blocks and the log.
        host.process_files_max = host.process_files_max.min(files_max / 4);
        host.cgroup_files_max = host.cgroup_files_max.min(files_max / 16);
    }
    let runtime = runtime(|| {})?;
    let code = runtime.block_on(serve(settings));
    // A task that hangs must not keep the program from ending.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    code
}

/// The threads of the shell; each begins with `enter`.
pub fn runtime(enter: impl Fn() + Send + Sync + 'static) -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    // Statements of PostgreSQL's protocol are trees, and are walked by recursion here.
    builder.worker_threads(2).thread_name("midwatch-io").thread_stack_size(8 << 20);
    builder.on_thread_start(enter);
    builder.enable_all().build().context("cannot start threads")
}

/// The usual soft limit of 1,024 open files is for programs that use select(2); the recorder alone keeps hundreds
/// open. What the administrator set as the hard limit stays. Returns the limit.
pub fn raise_open_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const ENOUGH: u64 = 65_536;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(ENOUGH).min(ENOUGH);
    let limit = match current {
        Some(now) if now < wanted => {
            match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
                Ok(()) => wanted,
                Err(_) => now,
            }
        }
        now => now.unwrap_or(ENOUGH),
    };
    usize::try_from(limit).unwrap_or(usize::MAX)
}

async fn serve(settings: server::Settings) -> anyhow::Result<ExitCode> {
    // Before the server, so that a signal during a long start is not lost.
    let mut stop = Stop::new().context("cannot listen for signals")?;
    let about = settings.clone();
    let started = tokio::select! {
        started = Server::start(settings) => started,
        () = stop.wait() => return Ok(ExitCode::SUCCESS),
    };
    let server = started.map_err(|e| start_error(&e, &about))?;
    server.messages().iter().for_each(|m| tell!(stderr, "{}", clean(m)));
    announce(&about, server.address(), server.otlp(), server.postgres());
    stop.wait().await;
    tell!(stderr, "Stopping; a second Ctrl-C stops at once.");
    tokio::select! {
        left = server.stop() => {
            left.iter().for_each(|text| tell!(stderr, "{}", clean(text)));
            tell!(stderr, "Stopped. Everything is in {}.", places(&about));
        }
        () = stop.wait() => {
            tell!(stderr, "Stopped at once. Nothing acknowledged is lost.");
            std::process::exit(130);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the data is, in words.
fn places(settings: &server::Settings) -> String {
    let data = settings.data.display();
    match store::Location::is_bucket(&settings.data) {
        true => format!("{data} and {}", settings.store.wal.display()),
        false => data.to_string(),
    }
}

/// SIGINT and SIGTERM.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Listens from now on.
    pub fn new() -> std::io::Result<Stop> {
        Ok(Stop { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Until one of them comes.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn announce(
    settings: &server::Settings,
    address: std::net::SocketAddr,
    otlp: &[(&str, std::net::SocketAddr)],
    postgres: Option<std::net::SocketAddr>,
) {
    let what = match (&settings.host, settings.scrape.len()) {
        (Some(_), 0) => "records this machine".to_string(),
        (Some(_), jobs) => format!("records this machine and {}", count(jobs)),
        (None, 0) if settings.discover.is_some() => "records what it finds on this machine".to_string(),
        (None, 0) => "records what is sent to it".to_string(),
        (None, jobs) => format!("records {}", count(jobs)),
    };
    tell!(stdout, "Midwatch {} {what} into {}", env!("CARGO_PKG_VERSION"), settings.data.display());
    if !address.ip().is_loopback() {
        tell!(stdout, "Anyone who can reach {address} can read everything and write samples.");
    }
    let mut shown = address;
    if address.ip().is_unspecified() {
        shown.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let (syslog, otlp): (Vec<_>, Vec<_>) = otlp.iter().partition(|(what, _)| what.starts_with("syslog"));
    if !otlp.is_empty() {
        let ports: Vec<String> = otlp.iter().map(|(what, address)| format!("{what} at {address}")).collect();
        tell!(stdout, "Takes OTLP by {}", ports.join(", "));
    }
    for (what, address) in syslog {
        tell!(stdout, "Takes {what} at {address}");
    }
    if let Some(address) = postgres {
        tell!(stdout, "Answers psql: psql -h {} -p {} -d midwatch", address.ip(), address.port());
    }
    tell!(stdout, "Look at it: http://{shown}");
}

fn count(jobs: usize) -> String {
    format!("{jobs} scrape job{}", if jobs == 1 { "" } else { "s" })
}

/// The file if there is one, with the flags over it. Warnings are printed.
fn configuration(args: &ServeArgs) -> anyhow::Result<Config> {
    let mut config = match &args.config {
        None => Config::default(),
        Some(path) => {
            let (config, problems) = config::load(path);
            problems.iter().for_each(|p| tell!(stderr, "{p}"));
            let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
            if errors > 0 {
                bail!(
                    "the configuration has {}; mend {}",
                    counted(errors, "error"),
                    if errors == 1 { "it" } else { "them" }
                );
            }
            config
        }
    };
    apply(args, &mut config).map_err(anyhow::Error::msg)?;
    Ok(config)
}

/// Flags over what the file says.
fn apply(args: &ServeArgs, config: &mut Config) -> Result<(), String> {
    let texts = [
        ("listen", &args.listen),
        ("data", &args.data),
        ("wal", &args.wal),
        ("archive", &args.archive),
        ("retention", &args.retention),
        ("retention_size", &args.retention_size),
    ];
    for (name, value) in texts {
        if let (Some(value), Some(setting)) = (value, table::find(name)) {
            setting.parse(config, value).map_err(|e| format!("{}: {e}", setting.flag))?;
        }
    }
    config.host_enabled &= !args.no_host;
    config.discover_enabled &= !args.no_discover;
    config.otlp_enabled &= !args.no_otlp;
    config.postgres_enabled &= !args.no_postgres;
    config.insecure_listen |= args.insecure_listen;
    Ok(())
}

/// One sentence with what to do next; for a port in use, also who uses it.
fn start_error(error: &stdx::Error, settings: &server::Settings) -> anyhow::Error {
    let address = settings.listen.to_string();
    if error.kind != ErrorKind::Conflict || !error.message.starts_with(&address) {
        return anyhow!("{error}");
    }
    let ports = recorder::listening_ports(Path::new("/proc"));
    match ports
        .iter()
        .find(|p| p.port == settings.listen.port())
        .and_then(|p| p.pid.map(|pid| (pid, &p.comm)))
    {
        Some((pid, comm)) => anyhow!("{error} (it is {}, process {pid})", clean(comm)),
        None => anyhow!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_before_the_file() {
        let mut config = Config { host_enabled: true, discover_enabled: false, ..Config::default() };
        let args = ServeArgs {
            listen: Some("127.0.0.1:1".into()),
            retention: Some("7d".into()),
            retention_size: Some("1GiB".into()),
            no_host: true,
            ..ServeArgs::default()
        };
        apply(&args, &mut config).unwrap();
        assert_eq!(config.listen.port(), 1);
        assert_eq!((config.store.retention_ms, config.store.blocks_bytes_max), (7 * 86_400_000, 1 << 30));
        assert!(!config.host_enabled && !config.discover_enabled);
    }

    #[test]
    fn a_flag_that_is_wrong_is_named() {
        for (args, want) in [
            (
                ServeArgs { retention: Some("30".into()), ..Default::default() },
                "--retention: \"30\" has no unit",
            ),
            (
                ServeArgs { listen: Some("4004".into()), ..Default::default() },
                "--listen: \"4004\" is not an address",
            ),
            (
                ServeArgs { retention_size: Some("1KiB".into()), ..Default::default() },
                "--retention-size: 1KiB is out",
            ),
        ] {
            let error = apply(&args, &mut Config::default()).unwrap_err();
            assert!(error.starts_with(want), "{error}");
        }
    }

    #[test]
    fn others_are_kept_out_unless_asked_for() {
        for listen in ["0.0.0.0:4004", "192.168.1.7:4004", "[::]:4004"] {
            let mut config = Config { listen: listen.parse().unwrap(), ..Config::default() };
            let error = config.clone().into_settings().unwrap_err();
            assert!(error.contains("--insecure-listen") && error.contains("127.0.0.1:4004"), "{error}");
            config.insecure_listen = true;
            assert!(config.into_settings().is_ok());
        }
        for listen in ["127.0.0.1:0", "127.9.9.9:1", "[::1]:4004"] {
            assert!(Config { listen: listen.parse().unwrap(), ..Config::default() }.into_settings().is_ok());
        }
    }

    #[test]
    fn an_address_with_a_password_is_refused_unseen_and_an_archive_has_to_come_before_the_end() {
        for setting in ["data", "archive"] {
            let mut config = Config::default();
            table::find(setting).unwrap().parse(&mut config, "s3://me:hunter2@telemetry/prod").unwrap();
            let error = config.into_settings().unwrap_err();
            assert!(error.contains("AWS_ACCESS_KEY_ID") && !error.contains("hunter2"), "{error}");
        }
        let mut config = Config::default();
        for (setting, value) in [("archive", "cold"), ("archive_after", "30d")] {
            table::find(setting).unwrap().parse(&mut config, value).unwrap();
        }
        assert!(config.into_settings().unwrap_err().contains("shorter than retention"));
    }

    #[test]
    fn a_port_in_use_is_shown_with_its_user() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = listener.local_addr().unwrap();
        let settings = Config { listen, ..Config::default() }.into_settings().unwrap();
        let error = stdx::Error::new(ErrorKind::Conflict, format!("{listen} is in use"));
        let text = start_error(&error, &settings).to_string();
        assert!(text.ends_with(&format!("process {})", std::process::id())), "{text}");
        let locked = stdx::Error::new(ErrorKind::Conflict, "d is in use by another process");
        assert_eq!(start_error(&locked, &settings).to_string(), "d is in use by another process");
    }
}
