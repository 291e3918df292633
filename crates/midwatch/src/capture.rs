//! `midwatch capture`: list, take, export, verify and open captures. `open` serves the pages over one file alone, from a
//! folder that is made for it and removed afterwards. It must never say that something is safe that was not read back.

use crate::answer;
use crate::at::At;
use crate::config::Config;
use crate::http::Client;
use crate::serve::{Stop, runtime, tell};
use crate::text::clean;
use crate::units::{Unit, show};
use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use model::time::format_rfc3339_ms;
use serde_json::{Value as Json, json};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use store::captures::{Captures, verify_file};

/// What `--help` ends with.
pub const EXAMPLES: &str = "\
Examples:
  midwatch capture take --reason 'checkout is slow'
  midwatch capture list
  midwatch capture export 20261122-061710-123 --out slow.zip
  midwatch capture verify slow.zip
  midwatch capture open slow.zip

A capture is the last five minutes of everything and the minute after, in files that never change (docs/guide/captures.md).
It is taken when a monitor begins to fire, too.";

/// `midwatch capture ...`
#[derive(Debug, Subcommand)]
pub enum CaptureCommand {
    /// List the captures of a running Midwatch
    #[command(after_help = "\
Examples:
  midwatch capture list
  midwatch capture list --json | jq -r '.data.captures[].id'")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// The server.
        #[command(flatten)]
        server: At,
    },
    /// Take one now; returns when it is durable
    #[command(after_help = "\
Examples:
  midwatch capture take --reason 'checkout is slow'")]
    Take {
        /// Why
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// The server.
        #[command(flatten)]
        server: At,
    },
    /// Write one as a zip file, and read it back
    #[command(after_help = "\
Examples:
  midwatch capture export 20261122-061710-123 --out slow.zip")]
    Export {
        /// Its name
        id: String,
        /// Where to
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// The server.
        #[command(flatten)]
        server: At,
    },
    /// Read every checksum back: of a file or folder, or of a capture that a running Midwatch keeps
    #[command(after_help = "\
Examples:
  midwatch capture verify slow.zip
  midwatch capture verify 20261122-061710-123")]
    Verify {
        /// A file or folder, or a capture's name
        what: String,
        /// The server.
        #[command(flatten)]
        server: At,
    },
    /// Bring one back from the archive, where it stays too; it is pinned until somebody lets go of it
    #[command(after_help = "\
Examples:
  midwatch archive list
  midwatch capture restore 20261122-061710-123")]
    Restore {
        /// Its name
        id: String,
        /// The server.
        #[command(flatten)]
        server: At,
    },
    /// Show the pages over an exported capture alone; nothing else is needed, no server and no network
    #[command(after_help = "\
Examples:
  midwatch capture open slow.zip
  midwatch capture open slow.zip --listen 127.0.0.1:4005")]
    Open(OpenArgs),
}

/// Flags of `capture open`.
#[derive(Debug, Args)]
pub struct OpenArgs {
    /// The zip file, or the folder of a capture
    pub file: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: std::net::SocketAddr,
}

/// Does it.
///
/// # Errors
/// One sentence with what to do next.
pub fn run(command: &CaptureCommand) -> anyhow::Result<ExitCode> {
    match command {
        CaptureCommand::List { json, server } => {
            let body = ask(server, "/api/v1/captures", None)?;
            crate::print(&if *json { format!("{body}\n") } else { list(&body["data"]) })
        }
        CaptureCommand::Take { reason, server } => {
            let user = std::env::var("USER").unwrap_or_default();
            let body = json!({ "user": user, "text": reason });
            let body = ask(server, "/api/v1/captures", Some(&body))?;
            crate::print(&taken(&body["data"]))
        }
        CaptureCommand::Export { id, out, server } => export(id, out, server),
        CaptureCommand::Verify { what, server } => verify(what, server),
        CaptureCommand::Restore { id, server } => {
            if !store::captures::is_id(id) {
                bail!("{id:.60?} is no name of a capture; `midwatch archive list` tells them");
            }
            let user = std::env::var("USER").unwrap_or_default();
            ask(server, &format!("/api/v1/captures/{id}/restore"), Some(&json!({ "user": user })))?;
            crate::print(&format!(
                "{id} is here, every checksum compared; it is pinned until it is let go of.\n"
            ))
        }
        CaptureCommand::Open(args) => open(args),
    }
}

fn ask(server: &At, path: &str, body: Option<&Json>) -> anyhow::Result<Json> {
    let client = Client::new(&server.url, Duration::from_secs(120))?;
    let answer = match body {
        Some(body) => client.post_json(path, &body.to_string())?,
        None => client.get(path)?,
    };
    let answer = answer::good(answer, "")?;
    serde_json::from_slice(&answer.body).context("the answer is not JSON; is it a Midwatch?")
}

fn list(data: &Json) -> String {
    let all = data["captures"].as_array().map(Vec::as_slice).unwrap_or_default();
    if all.is_empty() {
        return "There is no capture yet. `midwatch capture take` takes one; a monitor that begins to fire does.\n".into();
    }
    let mut out = String::from("ID                            SIZE  STATE             CAUSE\n");
    for capture in all {
        let id = clean(capture["id"].as_str().unwrap_or(""));
        let bytes = show(capture["bytes"].as_f64().unwrap_or_default(), Unit::Bytes);
        let state = match (&capture["problem"], capture["after"].is_null(), &capture["pinned"]) {
            (Json::String(_), _, _) => "damaged",
            (_, _, Json::String(_)) => "pinned",
            (_, true, _) => "without the after",
            _ => "whole",
        };
        let cause = &capture["before"]["causes"][0];
        let text = |name: &str| clean(cause[name].as_str().unwrap_or(""));
        let cause = match capture["problem"].as_str() {
            Some(problem) => clean(problem),
            None => format!("{} {} {}", text("kind"), text("name"), text("text")),
        };
        let _ = writeln!(out, "{id:<24} {bytes:>10}  {state:<17} {cause}");
    }
    out
}

fn taken(data: &Json) -> String {
    let id = clean(data["id"].as_str().unwrap_or(""));
    let more = format!("`midwatch capture export {id} --out {id}.zip` takes it away from this machine.\n");
    match data["is_joined"].as_bool() {
        Some(true) => format!(
            "{id} was taken a moment ago and is still being added to: what you said stands in it. {more}"
        ),
        _ => format!("{id} is durable, {} ms after you asked. {more}", data["took_ms"]),
    }
}

fn export(id: &str, out: &Path, server: &At) -> anyhow::Result<ExitCode> {
    if !store::captures::is_id(id) {
        bail!("{id:.60?} is no name of a capture; `midwatch capture list` tells them");
    }
    let client = Client::new(&server.url, Duration::from_secs(600))?;
    let answer = answer::good(client.get(&format!("/api/v1/captures/{id}/export"))?, "")?;
    let shown = out.display();
    let write = || -> std::io::Result<()> {
        let mut file = File::create_new(out)?;
        file.write_all(&answer.body)?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {shown}; name a file that is not there yet"))?;
    let (_, verified) = verify_file(out)?;
    if let Some(problem) = verified.problems.first() {
        bail!("{shown} was read back and is damaged: {problem}");
    }
    crate::print(&format!(
        "{shown}: {} files, {} bytes, every checksum read back. It is safe to destroy the machine that it tells of once this \
         file is on another: run `midwatch capture verify {shown}` there.\n",
        verified.files, verified.bytes
    ))
}

fn verify(what: &str, server: &At) -> anyhow::Result<ExitCode> {
    let path = Path::new(what);
    let (id, files, bytes, problems, place) = if path.exists() {
        let (id, v) = verify_file(path)?;
        (id, v.files, v.bytes, v.problems, format!("{}", path.display()))
    } else if store::captures::is_id(what) {
        let data = &ask(server, &format!("/api/v1/captures/{what}/verify"), Some(&json!({})))?["data"];
        let problems = data["problems"].as_array().into_iter().flatten();
        let problems = problems.filter_map(|p| p.as_str().map(clean)).collect();
        let number = |name: &str| data[name].as_u64().unwrap_or_default();
        (
            what.to_string(),
            number("files"),
            number("bytes"),
            problems,
            "the data folder of this Midwatch".to_string(),
        )
    } else {
        bail!("{what:.200?} is neither a file or folder that is there nor the name of a capture");
    };
    if !problems.is_empty() {
        problems.iter().for_each(|p| tell!(stderr, "{}", clean(p)));
        tell!(stderr, "{id} in {place} is damaged.");
        return Ok(ExitCode::FAILURE);
    }
    let safe = match path.exists() {
        true => "If this is not the machine that it tells of, that one is safe to destroy.",
        false => "It lies on the machine that it tells of: export it before you destroy that.",
    };
    crate::print(&format!(
        "{id} in {place} is whole: {files} files, {bytes} bytes, every checksum read back. {safe}\n"
    ))
}

/// A folder of its own that is removed when it is dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> std::io::Result<Temporary> {
        use std::hash::{BuildHasher, RandomState};
        use std::os::unix::fs::DirBuilderExt;
        let name = format!("midwatch-capture-{:016x}", RandomState::new().hash_one(std::process::id()));
        let path = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Temporary(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(args: &OpenArgs) -> anyhow::Result<ExitCode> {
    let folder =
        Temporary::new().context("cannot make a folder for it in the folder of temporary files (TMPDIR)")?;
    // Nothing is recorded, nothing is removed: what is shown is the file and nothing else.
    let config = Config {
        listen: args.listen,
        data: folder.0.clone(),
        host_enabled: false,
        discover_enabled: false,
        otlp_enabled: false,
        postgres_enabled: false,
        ..Config::default()
    };
    let mut settings = config.into_settings().map_err(anyhow::Error::msg)?;
    let for_ever = 100 * 365 * 86_400_000;
    settings.store.retention_ms = for_ever;
    settings.store.tables.logs_retention_ms = for_ever;
    settings.store.tables.spans_retention_ms = for_ever;
    settings.store.tables.changes_retention_ms = for_ever;
    let (id, manifest, loaded) = bring(&args.file, &settings)?;
    loaded.left_out.iter().for_each(|text| tell!(stderr, "Left out: {}", clean(text)));
    settings.captures.opened = Some(id.clone());
    settings.captures.on_alerts = false;
    settings.captures.retention.age_max_ms = for_ever;
    let runtime = runtime(|| {})?;
    let code = runtime.block_on(async {
        let mut stop = Stop::new().context("cannot listen for signals")?;
        let server = server::Server::start(settings).await.map_err(|e| anyhow!("{e}"))?;
        tell!(
            stdout,
            "Capture {id} of {}, taken {}: {} samples, {} log records, {} spans",
            clean(&manifest.host),
            format_rfc3339_ms(manifest.trigger_ms),
            loaded.samples,
            loaded.logs,
            loaded.spans
        );
        tell!(stdout, "Look at it: http://{}/captures?capture={id}", server.address());
        stop.wait().await;
        server.stop().await;
        anyhow::Ok(ExitCode::SUCCESS)
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    code
}

/// Brings the file into the folder: the capture itself, and what of it the other pages show.
fn bring(
    file: &Path,
    settings: &server::Settings,
) -> anyhow::Result<(String, store::captures::Manifest, store::captures::Imported)> {
    let registry = stdx::metrics::Registry::default();
    let store = store::Store::open(&settings.data, settings.store.clone(), &registry)?;
    let (captures, _) = Captures::open(&settings.data)?;
    let capture = captures.import(file)?;
    let manifest = capture.before.map_err(anyhow::Error::msg)?;
    let loaded = captures.load(&capture.id, &store)?;
    Ok((capture.id, manifest, loaded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_reads() {
        assert!(list(&json!({ "captures": [] })).starts_with("There is no capture yet."));
        let text = list(&json!({ "captures": [
            { "id": "20261122-061710-123", "bytes": 3_000_000, "pinned": null, "after": null,
              "before": { "causes": [{ "kind": "monitor", "name": "Slow\u{1b}[31m", "text": "it began to fire" }] } },
            { "id": "20261122-061711-000", "bytes": 0, "pinned": null, "after": null, "problem": "the manifest is damaged" },
        ] }));
        assert!(
            text.contains("without the after") && text.contains("damaged") && !text.contains('\u{1b}'),
            "{text}"
        );
        let text = taken(&json!({ "id": "a-1", "is_joined": false, "took_ms": 84 }));
        assert!(text.starts_with("a-1 is durable, 84 ms after you asked."), "{text}");
    }

    #[test]
    fn what_is_no_capture_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.zip");
        std::fs::write(&file, "no zip").unwrap();
        let args = OpenArgs { file, listen: "127.0.0.1:0".parse().unwrap() };
        let error = open(&args).unwrap_err().to_string();
        assert!(error.contains("not a capture that Midwatch exported"), "{error}");
    }
}
