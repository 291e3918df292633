//! The configuration: from files and flags to the server's settings. Only this part of the program knows TOML and
//! YAML. It must never ignore anything that is written in a file without saying so, and never print a secret.

pub mod explain;
mod logs;
pub mod problems;
pub mod prometheus;
pub mod table;
mod toml_text;
pub mod values;

use document::{Entry, FILE_BYTES_MAX, Node, Value, did_you_mean};
use problems::{Problem, Problems};
use server::ScrapeConfig;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use table::{SECTIONS, SETTINGS, Setting};

/// Everything that can be set, with its defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Also where others can reach it.
    pub insecure_listen: bool,
    /// The data folder, or a bucket.
    pub data: PathBuf,
    /// Empty: the kernel's.
    pub hostname: String,
    /// Files of Prometheus.
    pub scrape_config_files: Vec<PathBuf>,
    /// The jobs that those files hold.
    pub scrape: Vec<ScrapeConfig>,
    /// The store.
    pub store: store::Settings,
    /// Record this machine?
    pub host_enabled: bool,
    /// The recorder.
    pub host: recorder::Settings,
    /// Look for services?
    pub discover_enabled: bool,
    /// How.
    pub discover: server::DiscoverySettings,
    /// Take OpenTelemetry's protocol on ports of its own?
    pub otlp_enabled: bool,
    /// How it is taken.
    pub otlp: server::OtlpSettings,
    /// How its names are translated.
    pub otlp_strategy: String,
    /// Which traces are kept.
    pub tail: ingest::spans::tail::TailSettings,
    /// How changes are found out.
    pub changes: server::ChangesSettings,
    /// The ring of the last minutes, and captures.
    pub captures: server::CaptureSettings,
    /// What is watched, and who is told.
    pub monitors: server::MonitorSettings,
    /// Whose members are watched.
    pub membership: server::MembershipSettings,
    /// How plans are criticised.
    pub critic: server::CriticSettings,
    /// How logs are taken.
    pub logs: server::LogSettings,
    /// Limits on what arrives.
    pub ingest: ingest::Limits,
    /// Limits on queries.
    pub query: server::QuerySettings,
    /// Limits on answers in SQL.
    pub sql: server::SqlSettings,
    /// Speak PostgreSQL's protocol?
    pub postgres_enabled: bool,
    /// How.
    pub postgres: server::PostgresSettings,
    /// Which origins of pages may ask: a regular expression, empty for none.
    pub cors_origin: String,
    /// Names by which the server may be asked: a regular expression, empty for none.
    pub host_names: String,
    /// Series may be deleted by request.
    pub delete_series: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 4004)),
            insecure_listen: false,
            data: "./midwatch-data".into(),
            hostname: String::new(),
            scrape_config_files: Vec::new(),
            scrape: Vec::new(),
            store: store::Settings::default(),
            host_enabled: true,
            host: recorder::Settings::default(),
            discover_enabled: true,
            discover: server::DiscoverySettings::default(),
            otlp_enabled: true,
            otlp: server::OtlpSettings::default(),
            otlp_strategy: ingest::otlp::Strategy::ALL[0].0.into(),
            tail: ingest::spans::tail::TailSettings::default(),
            changes: server::ChangesSettings::default(),
            captures: server::CaptureSettings::default(),
            monitors: server::MonitorSettings::default(),
            membership: server::MembershipSettings::default(),
            critic: server::CriticSettings::default(),
            logs: server::LogSettings::default(),
            ingest: ingest::Limits::default(),
            query: server::QuerySettings::default(),
            sql: server::SqlSettings::default(),
            postgres_enabled: true,
            postgres: server::PostgresSettings::default(),
            cors_origin: String::new(),
            host_names: String::new(),
            delete_series: false,
        }
    }
}

/// Reads a configuration file: Prometheus's if its name ends in `.yml` or `.yaml`, else Midwatch's own. Every problem
/// is in the list; the configuration is to be used only if none of them is an error.
pub fn load(path: &Path) -> (Config, Vec<Problem>) {
    let (mut config, mut problems) = (Config::default(), Problems::default());
    problems.file = path.display().to_string();
    if is_yaml(path) {
        config.scrape_config_files = vec![path.into()];
    } else if let Some(text) = read(path, &mut problems) {
        read_toml(&text, &mut config, &mut problems);
        resolve_paths(&mut config, path.parent().unwrap_or(Path::new("")));
    }
    for file in config.scrape_config_files.clone() {
        problems.file = file.display().to_string();
        let Some(text) = read(&file, &mut problems) else { continue };
        let folder = file.parent().unwrap_or(Path::new("")).to_path_buf();
        let rules = prometheus::read(&text, &folder, &config.ingest, &mut config.scrape, &mut problems);
        config.monitors.files.extend(rules.files);
        if let Some(interval_ms) = rules.interval_ms {
            config.monitors.interval_ms = interval_ms;
        }
    }
    (config, problems.list)
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("yml") || e.eq_ignore_ascii_case("yaml"))
}

/// The text of a file of a bearable size.
fn read(path: &Path, problems: &mut Problems) -> Option<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let result = std::fs::File::open(path).and_then(|f| f.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    if let Err(e) = result {
        problems.error(0, format!("cannot be read: {e}"));
        return None;
    }
    if bytes.len() as u64 > FILE_BYTES_MAX {
        problems.error(0, format!("is larger than {} MiB; is it the right file?", FILE_BYTES_MAX >> 20));
        return None;
    }
    match String::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(e) => {
            let line =
                1 + e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
            problems.error(line, "is not UTF-8 text");
            None
        }
    }
}

fn read_toml(text: &str, config: &mut Config, problems: &mut Problems) {
    let (root, errors) = toml_text::parse(text);
    for e in errors {
        problems.error(e.line, e.what);
    }
    let Value::Map(entries) = &root.value else { return };
    for entry in entries {
        let section = SECTIONS.iter().find(|(name, _)| !name.is_empty() && *name == entry.key);
        match (section, &entry.value.value) {
            (None, _) => read_setting("", entry, config, problems),
            (Some((name, _)), Value::Map(inside)) => {
                without_sql(cfg!(feature = "sql"), name, entry.line, problems);
                inside.iter().for_each(|e| read_setting(name, e, config, problems));
            }
            (Some((name, _)), _) => {
                let what = format!("{name} is a section: write [{name}] on a line of its own, then its keys");
                problems.error(entry.line, what);
            }
        }
    }
}

/// Says so when a section is about what this program was built without.
fn without_sql(is_built: bool, section: &str, line: usize, problems: &mut Problems) {
    if !is_built && matches!(section, "postgres" | "sql") {
        let what = format!(
            "[{section}] has no effect: this program was built without SQL; `make build` builds it in"
        );
        problems.warning(line, what);
    }
}

fn read_setting(section: &str, entry: &Entry, config: &mut Config, problems: &mut Problems) {
    if logs::is_list(section, &entry.key) {
        return logs::read(entry, &mut config.logs, problems);
    }
    let known = |s: &&Setting| s.section_and_key().0 == section;
    match SETTINGS.iter().filter(known).find(|s| s.section_and_key().1 == entry.key) {
        Some(setting) => {
            if let Err(e) = setting.read(config, &entry.value) {
                problems.error(entry.value.line, format!("{}: {e}", setting.name));
            }
        }
        None => {
            let what = unknown_setting(section, &entry.key);
            problems.error(entry.line, what);
        }
    }
}

/// Names the key, and the setting that was probably meant: of the same section first, else of any.
fn unknown_setting(section: &str, key: &str) -> String {
    let here = SETTINGS.iter().filter(|s| s.section_and_key().0 == section).map(|s| s.section_and_key().1);
    let sections = SECTIONS.iter().map(|(name, _)| *name).filter(|n| section.is_empty() && !n.is_empty());
    let mut hint = did_you_mean(key, here.chain(sections));
    if hint.is_empty() {
        let elsewhere = SETTINGS.iter().find(|s| s.section_and_key().1 == key).map(|s| s.section_and_key());
        hint = match elsewhere {
            Some(("", _)) => "; it belongs above the first [section]".into(),
            Some((name, _)) => format!("; it belongs into [{name}]"),
            None => "; `midwatch config explain` lists all settings".into(),
        };
    }
    let place = if section.is_empty() { String::new() } else { format!(" in [{section}]") };
    format!("unknown key {:?}{place}{hint}", key.chars().take(100).collect::<String>())
}

/// Paths in a file are relative to its folder, wherever the program was started.
fn resolve_paths(config: &mut Config, folder: &Path) {
    let defaults = Config::default();
    if config.data != defaults.data && !store::Location::is_bucket(&config.data) {
        config.data = folder.join(&config.data);
    }
    if let Some(archive) = config.store.archive.as_mut().filter(|a| !store::Location::is_bucket(a)) {
        *archive = folder.join(&*archive);
    }
    if config.store.wal != defaults.store.wal {
        config.store.wal = folder.join(&config.store.wal);
    }
    if let Some(rules) = config.critic.rules.as_mut() {
        *rules = folder.join(&*rules);
    }
    let files = config.scrape_config_files.iter_mut().chain(&mut config.monitors.files);
    let files = files.chain(&mut config.monitors.notifications).chain(&mut config.monitors.actions);
    files.for_each(|f| *f = folder.join(&*f));
    config.logs.journal_folder.iter_mut().for_each(|f| *f = folder.join(&*f));
}

impl Config {
    /// Every setting and its value, for the API. There is no secret among them: secrets stand in scrape
    /// configurations only.
    pub fn shown(&self) -> Vec<(String, String)> {
        let mut copy = self.clone();
        SETTINGS.iter().map(|s| (s.name.to_string(), (s.slot)(&mut copy).show())).collect()
    }

    /// What the server is told.
    ///
    /// # Errors
    /// A sentence, if others could reach the server and that was not asked for.
    pub fn into_settings(mut self) -> Result<server::Settings, String> {
        if !self.listen.ip().is_loopback() && !self.insecure_listen {
            return Err(format!(
                "{} can be reached from other machines, and Midwatch asks for no password yet: whoever reaches it \
                 reads everything and writes samples. Listen on 127.0.0.1:{} and use a tunnel (ssh -L), or say \
                 --insecure-listen if a firewall or proxy protects it",
                self.listen,
                self.listen.port()
            ));
        }
        self.otlp.metrics.strategy =
            self.otlp_strategy.parse().map_err(|e| format!("otlp.translation_strategy: {e}"))?;
        self.otlp.metrics.lookback_ms = self.query.lookback_ms;
        for address in [&self.otlp.listen_grpc, &self.otlp.listen_http].into_iter().flatten() {
            if self.otlp_enabled && !address.ip().is_loopback() && !self.insecure_listen {
                return Err(format!(
                    "{address} can be reached from other machines, and Midwatch asks for no password yet: whoever reaches it writes \
                     samples. Take OTLP at 127.0.0.1:{}, or say --insecure-listen if a firewall or proxy protects it",
                    address.port()
                ));
            }
        }
        for address in [&self.logs.syslog_udp, &self.logs.syslog_tcp].into_iter().flatten() {
            if !address.ip().is_loopback() && !self.insecure_listen {
                return Err(format!(
                    "{address} can be reached from other machines, and syslog knows no password: whoever reaches it writes records. \
                     Take syslog at 127.0.0.1:{}, or say --insecure-listen if a firewall protects it",
                    address.port()
                ));
            }
        }
        // The machine's own logs are part of recording the machine.
        self.logs.usual_files &= self.host_enabled;
        self.logs.journal &= self.host_enabled;
        if !self.otlp_enabled {
            (self.otlp.listen_grpc, self.otlp.listen_http) = (None, None);
        }
        if !self.postgres_enabled {
            self.postgres.listen = None;
        }
        if let Some(address) = self.postgres.listen.filter(|a| !a.ip().is_loopback() && !self.insecure_listen)
        {
            return Err(format!(
                "{address} can be reached from other machines, and Midwatch asks for no password yet: whoever reaches it reads \
                 everything. Speak PostgreSQL's protocol at 127.0.0.1:{} and use a tunnel (ssh -L), or say --insecure-listen if \
                 a firewall protects it",
                address.port()
            ));
        }
        // Before anything is shown: an address may hold a password by mistake.
        for place in [Some(&self.data), self.store.archive.as_ref()].into_iter().flatten() {
            store::Location::parse(place).map_err(|e| e.message)?;
        }
        if self.store.archive.is_some() && self.store.archive_after_ms >= self.store.retention_ms {
            return Err("archive_after has to be shorter than retention, or everything is removed before it is archived: \
                        give a longer retention or a shorter archive_after"
                .into());
        }
        let trusted = server::Trusted::new(&self.cors_origin, &self.host_names)?;
        if self.hostname.is_empty() {
            self.hostname = kernel_hostname();
        }
        let shown = self.shown();
        let host = recorder::Settings { instance: self.hostname.clone(), ..self.host };
        Ok(server::Settings {
            listen: self.listen,
            data: self.data,
            store: self.store,
            host: self.host_enabled.then_some(host),
            discover: self.discover_enabled.then_some(self.discover),
            scrape: self.scrape,
            otlp: self.otlp,
            tail: self.tail,
            changes: self.changes,
            captures: self.captures,
            monitors: self.monitors,
            membership: self.membership,
            critic: self.critic,
            logs: self.logs,
            ingest: self.ingest,
            query: self.query,
            sql: self.sql,
            postgres: self.postgres,
            trusted,
            delete_series: self.delete_series,
            hostname: self.hostname,
            shown,
        })
    }
}

/// The name that the kernel has for this machine.
pub fn kernel_hostname() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".into() } else { name }
}

/// Targets as they stand in a file that `file_sd_configs` names: JSON, or YAML.
///
/// # Errors
/// A sentence with the line.
pub fn target_file(text: &str) -> Result<Vec<server::TargetGroup>, String> {
    let root: Node = document::parse(text).map_err(|e| format!("line {}: {}", e.line, e.what))?;
    let mut problems = Problems::default();
    let groups = prometheus::target_groups(&root, "", &mut problems);
    match problems.list.first() {
        Some(p) => Err(format!("line {}: {}", p.line, p.what)),
        None => Ok(groups),
    }
}

#[cfg(test)]
mod tests;
