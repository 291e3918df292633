//! `midwatch agent`: flags to settings, then the agent until somebody stops it. It must never print a secret, nor take one
//! on the command line, where everyone on the machine can read it.

use crate::config::{kernel_hostname, values};
use crate::serve::{Stop, raise_open_files, runtime, tell};
use crate::text::clean;
use anyhow::{Context, bail};
use clap::Args;
use server::{
    Agent, AgentSettings, Auth, CaptureSettings, ChangesSettings, ClientConfig, Confinement, Secret,
    TlsConfig,
};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// What `--help` ends with.
pub const EXAMPLES: &str = "\
Examples:
  midwatch agent --to http://10.0.0.7:4004
  midwatch agent --to http://10.0.0.7:4004 --data /var/lib/midwatch-agent --buffer 2GiB
  midwatch agent --to https://watch.example.org --token-file token --ca-file ca.pem
  MIDWATCH_TOKEN=... midwatch agent --to https://watch.example.org --token-env MIDWATCH_TOKEN
  midwatch agent --to http://10.0.0.7:4004 --name db-7 --every 5s

It reads what `midwatch serve` reads of its machine, once a second, and needs no root: what it may
not read is left out. All of it goes through a buffer on disk: a lost link loses nothing as long as
the buffer has room. The agent connects to the server, never the other way round
(docs/guide/agent.md). Ctrl-C sends what is buffered, if the server takes it at once.";

/// Flags of `agent`.
#[derive(Debug, Args)]
pub struct AgentArgs {
    /// The Midwatch to send to
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// The folder of the buffer
    #[arg(long, value_name = "FOLDER", default_value = "./midwatch-agent")]
    pub data: PathBuf,
    /// The name of this host: the label `instance` [default: the kernel's]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Bytes of the buffer; when it is full the oldest goes first, and is counted
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = buffer_size)]
    pub buffer: u64,
    /// Send at most once in this time; readings are taken every second all the same
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = every)]
    pub every: u64,
    /// The file that holds a token: `Authorization: Bearer ...`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["token_env", "user"])]
    pub token_file: Option<PathBuf>,
    /// The variable of the environment that holds a token
    #[arg(long, value_name = "NAME", conflicts_with = "user")]
    pub token_env: Option<String>,
    /// The user for basic authentication
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The file that holds the user's password
    #[arg(long, value_name = "FILE", requires = "user", conflicts_with = "password_env")]
    pub password_file: Option<PathBuf>,
    /// The variable of the environment that holds the user's password
    #[arg(long, value_name = "NAME", requires = "user")]
    pub password_env: Option<String>,
    /// Certificates to trust instead of the system's, in PEM
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Our certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "key_file")]
    pub cert_file: Option<PathBuf>,
    /// Its key, in PEM
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    pub key_file: Option<PathBuf>,
    /// Do not look for changes: packages, restarts, files of configuration
    #[arg(long)]
    pub no_changes: bool,
    /// Do not let the kernel enforce what the agent may do (Landlock, seccomp)
    #[arg(long)]
    pub unconfined: bool,
}

fn buffer_size(text: &str) -> Result<u64, String> {
    match values::size_bytes(text)? {
        bytes @ 0x40_0000..=0x1000_0000_0000 => Ok(bytes),
        _ => Err("the buffer has 4MiB to 16TiB".into()),
    }
}

fn every(text: &str) -> Result<u64, String> {
    match values::duration_ms(text)? {
        ms @ 1_000..=60_000 => Ok(ms),
        _ => Err("it is sent every 1s to 60s".into()),
    }
}

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// One sentence with what to do next.
pub fn run(args: &AgentArgs) -> anyhow::Result<ExitCode> {
    let mut settings = settings(args)?;
    let files_max = raise_open_files();
    settings.host.process_files_max = settings.host.process_files_max.min(files_max / 4);
    settings.host.cgroup_files_max = settings.host.cgroup_files_max.min(files_max / 16);
    // The folder has to be there before what may be written can be said.
    server::claim_agent_folder(&settings.data)?;
    let confinement =
        Arc::new(if args.unconfined { Confinement::default() } else { Confinement::of(&settings) });
    let enter = confinement.clone();
    let runtime = runtime(move || enter.talk())?;
    let code = runtime.block_on(send(settings, confinement));
    runtime.shutdown_timeout(Duration::from_secs(2));
    code
}

fn settings(args: &AgentArgs) -> anyhow::Result<AgentSettings> {
    let hostname = args.name.clone().unwrap_or_else(kernel_hostname);
    server::check_host_name(&hostname)?;
    let secret = |file: &Option<PathBuf>, variable: &Option<String>| {
        file.clone().map(Secret::File).or_else(|| variable.clone().map(Secret::Env))
    };
    let token = secret(&args.token_file, &args.token_env);
    let password = secret(&args.password_file, &args.password_env);
    let auth = match (token, &args.user, password) {
        (Some(token), _, _) => Auth::Header("Bearer".into(), token),
        (None, Some(user), Some(password)) => Auth::Basic(user.clone(), password),
        (None, Some(_), None) => bail!("--user needs a password: --password-file or --password-env"),
        (None, None, _) => Auth::None,
    };
    let tls = TlsConfig {
        ca_file: args.ca_file.clone(),
        cert_file: args.cert_file.clone(),
        key_file: args.key_file.clone(),
        ..TlsConfig::default()
    };
    Ok(AgentSettings {
        to: args.to.clone(),
        client: ClientConfig { auth, tls },
        data: args.data.clone(),
        host: recorder::Settings { instance: hostname.clone(), ..recorder::Settings::default() },
        hostname,
        buffer_bytes_max: args.buffer,
        every: Duration::from_millis(args.every),
        captures: CaptureSettings::default(),
        changes: ChangesSettings { enabled: !args.no_changes, ..ChangesSettings::default() },
    })
}

async fn send(settings: AgentSettings, confinement: Arc<Confinement>) -> anyhow::Result<ExitCode> {
    // Before the agent, so that a signal during the start is not lost.
    let mut stop = Stop::new().context("cannot listen for signals")?;
    let (host, data) = (settings.hostname.clone(), settings.data.display().to_string());
    let bytes = values::show_size(settings.buffer_bytes_max);
    let say = Arc::new(|text: &str| tell!(stderr, "{}", clean(text)));
    let agent = Agent::start(settings, confinement, say).await?;
    tell!(
        stdout,
        "Midwatch {} records {} and sends it to {}; buffer: {data}, {bytes}",
        env!("CARGO_PKG_VERSION"),
        clean(&host),
        agent.server(),
    );
    stop.wait().await;
    tell!(stderr, "Stopping; a second Ctrl-C stops at once.");
    tokio::select! {
        left = agent.stop() => {
            left.iter().for_each(|text| tell!(stderr, "{}", clean(text)));
            tell!(stderr, "Stopped.");
        }
        () = stop.wait() => {
            tell!(stderr, "Stopped at once. What is buffered is sent when the agent is started again.");
            std::process::exit(130);
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn of(flags: &[&str]) -> anyhow::Result<AgentSettings> {
        let all = [&["midwatch", "agent", "--to", "http://10.0.0.7:4004", "--name", "db-7"], flags].concat();
        match Cli::try_parse_from(all)?.command {
            Command::Agent(args) => settings(&args),
            _ => unreachable!("it is the agent that was asked for"),
        }
    }

    #[test]
    fn flags() {
        let settings = of(&["--buffer", "1GiB", "--every", "5s"]).unwrap();
        assert_eq!((settings.buffer_bytes_max, settings.every.as_secs()), (1 << 30, 5));
        assert_eq!(settings.host.instance, "db-7");
        for (flags, want) in [
            (&["--buffer", "1MiB"][..], "4MiB to 16TiB"),
            (&["--every", "0s"], "1s to 60s"),
            (&["--user", "ann"], "needs a password"),
            (&["--password-file", "p"], "--user"),
            (&["--token-file", "a", "--token-env", "B"], "cannot be used with"),
            (&["--cert-file", "c"], "--key-file"),
        ] {
            let error = format!("{:#}", of(flags).unwrap_err());
            assert!(error.contains(want), "{flags:?}: {error}");
        }
        let shown = format!("{:?}", of(&["--token-env", "MIDWATCH_TOKEN"]).unwrap().client.auth);
        assert!(!shown.contains("MIDWATCH_TOKEN"), "{shown}");
        assert!(of(&["--name", "a b"]).is_err());
    }
}
