//! `midwatch demo`: a Midwatch of its own in a folder that goes away, and the small shop of the crate `demo`, whose
//! services send to it as any sender does. It must never touch a data folder that somebody keeps.

mod feed;

use crate::cli::DemoArgs;
use crate::config::Config;
use crate::serve::{Stop, runtime, tell};
use anyhow::{Context, anyhow};
use demo::{Demo, Episode, FAULTS, Fault, SECOND_NS};
use feed::Feed;
use server::Server;
use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

const MINUTE_NS: i64 = 60 * SECOND_NS;
/// How long the shop has been open when the demonstration begins.
const PAST_NS: i64 = 60 * MINUTE_NS;
/// Of which so much is told in full.
const DETAIL_NS: i64 = 10 * MINUTE_NS;
/// When the first fault begins.
const FIRST_NS: i64 = 20 * SECOND_NS;

/// As a fault's name: nothing breaks, nor ever did.
const NEVER: &str = "none";

/// Runs until SIGINT or SIGTERM, and leaves nothing behind.
///
/// # Errors
/// One sentence with what to do next.
pub fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    if args.list {
        let width = FAULTS.iter().map(|f| f.name.len()).max().unwrap_or(0);
        FAULTS.iter().for_each(|f| tell!(stdout, "{:width$}  {}", f.name, f.begins));
        return Ok(ExitCode::SUCCESS);
    }
    let breaks = match args.fault.as_deref() {
        None => Breaks::OneAfterTheOther,
        Some(NEVER) => Breaks::Never,
        Some(name) => Breaks::Always(find(name)?),
    };
    let folder = Folder::make()?;
    let mut config = Config {
        listen: address(args.listen.as_deref())?,
        data: folder.0.join("data"),
        host_enabled: false,
        discover_enabled: false,
        otlp_enabled: false,
        postgres_enabled: false,
        ..Config::default()
    };
    config.hostname = "demo".into();
    let settings = config.into_settings().map_err(anyhow::Error::msg)?;
    let runtime = runtime(|| {})?;
    let result = runtime.block_on(async {
        let mut stop = Stop::new().context("cannot listen for signals")?;
        let server = Server::start(settings).await.map_err(|e| anyhow!("{e}"))?;
        let url = format!("http://{}", server.address());
        let ended = Arc::new(AtomicBool::new(false));
        let mut shop = tokio::task::spawn_blocking({
            let ended = ended.clone();
            move || shop(&url, breaks, &ended)
        });
        let result = tokio::select! {
            result = &mut shop => result,
            () = stop.wait() => {
                ended.store(true, Ordering::Relaxed);
                shop.await
            }
        };
        tell!(stderr, "The demonstration ends; its folder {} is removed.", folder.0.display());
        server.stop().await;
        result.context("the shop broke down")?
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    result.map(|()| ExitCode::SUCCESS)
}

/// What breaks by itself.
#[derive(Clone, Copy)]
enum Breaks {
    OneAfterTheOther,
    Always(&'static Fault),
    Never,
}

fn find(name: &str) -> anyhow::Result<&'static Fault> {
    FAULTS.iter().find(|f| f.name == name).ok_or_else(|| {
        let names: Vec<&str> = FAULTS.iter().map(|f| f.name).collect();
        anyhow!("there is no fault {name:?}; there are {}; {NEVER} for none", names.join(", "))
    })
}

/// The usual address, or any of loopback if that is taken.
fn address(asked: Option<&str>) -> anyhow::Result<SocketAddr> {
    if let Some(text) = asked {
        return text
            .parse()
            .map_err(|_| anyhow!("--listen: {text:?} is not an address such as 127.0.0.1:4004"));
    }
    let usual = Config::default().listen;
    Ok(match TcpListener::bind(usual) {
        Ok(_) => usual,
        Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    })
}

/// A new folder of ours alone, which goes when this does.
struct Folder(PathBuf);

impl Folder {
    fn make() -> anyhow::Result<Folder> {
        let path =
            std::env::temp_dir().join(format!("midwatch-demo-{}-{}", std::process::id(), server::now_ms()));
        // It must be new: somebody else may have put something there.
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make {} (TMPDIR names another place)", path.display()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_dir_all(&self.0) {
            tell!(stderr, "{} is left: {e}", self.0.display());
        }
    }
}

/// The shop's past, then its present a second at a time.
fn shop(url: &str, breaks: Breaks, ended: &AtomicBool) -> anyhow::Result<()> {
    let mut feed = Feed::new(url)?;
    let now = || server::now_ms() * 1_000_000;
    let begun = now();
    let start_ns = begun - PAST_NS;
    let episodes = match breaks {
        Breaks::Never => Vec::new(),
        Breaks::OneAfterTheOther => [past(begun), demo::endless(begun + FIRST_NS, None)].concat(),
        Breaks::Always(fault) => [past(begun), demo::endless(begun + FIRST_NS, Some(fault))].concat(),
    };
    let mut demo = Demo::new(begun as u64, start_ns, begun - DETAIL_NS, episodes);
    tell!(stdout, "A small shop opens: {} services, of which none is real.", demo::SERVICES.len());
    while demo.now_ns() < begun {
        if ended.load(Ordering::Relaxed) {
            return Ok(());
        }
        feed.send(&demo.step((demo.now_ns() + MINUTE_NS).min(begun)))?;
    }
    tell!(stdout, "Its last hour is there already. Ctrl-C ends it and removes all of it.");
    tell!(stdout, "Look at it: {url}");
    match breaks {
        Breaks::Never => tell!(stdout, "Nothing breaks in it by itself."),
        _ => tell!(stdout, "In {} s the first of {} faults begins.", FIRST_NS / SECOND_NS, FAULTS.len()),
    }
    let asked = asked();
    while !ended.load(Ordering::Relaxed) {
        let told = demo.step(now());
        told.news.iter().for_each(|n| say(url, n));
        feed.send(&told)?;
        while let Ok((fault, begins)) = asked.try_recv() {
            demo.turn(fault, begins);
        }
        std::thread::sleep(Duration::from_millis(1_000 - (server::now_ms() % 1_000) as u64));
    }
    Ok(())
}

/// What already went wrong in the hour before.
fn past(now_ns: i64) -> Vec<Episode> {
    let ago = |name: &str, from: i64, to: i64| {
        let fault = FAULTS.iter().find(|f| f.name == name)?;
        Some(Episode { fault, start_ns: now_ns - from * MINUTE_NS, end_ns: now_ns - to * MINUTE_NS })
    };
    [ago("slow-sql", 47, 42), ago("full-disk", 33, 29), ago("slow-shard", 18, 13)]
        .into_iter()
        .flatten()
        .collect()
}

/// One piece of news, with where to look.
fn say(url: &str, news: &demo::News) {
    tell!(stdout, "{} UTC  {}", clock(news.time_ns), news.text);
    if news.begins {
        let words = news.look.replace(' ', "+").replace('=', "%3D");
        tell!(stdout, "              look at {url}/look?q={words}&last=15m");
        tell!(
            stdout,
            "              its traces {url}/traces?service={}&order=slowest&last=15m",
            news.service
        );
        tell!(stdout, "              or ask: {}", news.promql);
    }
}

/// `14:03:20`.
fn clock(time_ns: i64) -> String {
    model::time::format_rfc3339_ms(time_ns / 1_000_000).chars().skip(11).take(8).collect()
}

/// What is typed: the name of a fault breaks or heals it. Nothing, if nobody can type.
fn asked() -> mpsc::Receiver<(&'static Fault, bool)> {
    let (to, from) = mpsc::channel();
    if std::io::stdin().is_terminal() {
        tell!(
            stdout,
            "Type the name of a fault and Enter to break the shop with it, again to heal it: midwatch demo --list"
        );
        std::thread::spawn(move || {
            let mut broken: Vec<&'static str> = vec![];
            for line in std::io::stdin().lines().map_while(Result::ok) {
                match find(line.trim()) {
                    Ok(fault) => {
                        let begins = !broken.contains(&fault.name);
                        broken.retain(|name| *name != fault.name);
                        if begins {
                            broken.push(fault.name);
                        }
                        if to.send((fault, begins)).is_err() {
                            return;
                        }
                    }
                    Err(e) if !line.trim().is_empty() => tell!(stdout, "{e}"),
                    Err(_) => {}
                }
            }
        });
    }
    from
}
