//! What a server can be told. Plain values with units in names or types; only the program's command line
//! knows files, flags and the environment.

use ingest::relabel::Rules;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Settings of a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where the data is kept.
    pub data: PathBuf,
    /// The store's settings.
    pub store: store::Settings,
    /// The host recorder's settings; `None` records nothing of the host.
    pub host: Option<recorder::Settings>,
    /// Look for local services that expose metrics.
    pub discover: Option<DiscoverySettings>,
    /// What to scrape.
    pub scrape: Vec<ScrapeConfig>,
    /// How OpenTelemetry's data is taken.
    pub otlp: OtlpSettings,
    /// Which traces are kept.
    pub tail: ingest::spans::tail::TailSettings,
    /// How changes are found out.
    pub changes: ChangesSettings,
    /// How much is remembered at full fidelity, and when it is captured.
    pub captures: CaptureSettings,
    /// What is watched, and who is told.
    pub monitors: MonitorSettings,
    /// Whose members are watched.
    pub membership: crate::membership::MembershipSettings,
    /// How plans are criticised.
    pub critic: crate::critique::CriticSettings,
    /// How logs are taken.
    pub logs: crate::logs::LogSettings,
    /// Limits on what arrives.
    pub ingest: ingest::Limits,
    /// Limits on queries.
    pub query: QuerySettings,
    /// Limits on answers in SQL.
    pub sql: SqlSettings,
    /// PostgreSQL's protocol.
    pub postgres: PostgresSettings,
    /// Which origins of pages may ask from a browser, and by which names this server is asked.
    pub trusted: crate::transport::Trusted,
    /// Series may be deleted by request.
    pub delete_series: bool,
    /// The name of this host, for labels and pages.
    pub hostname: String,
    /// Every setting with its value as text, for the API; secrets must not be among them.
    pub shown: Vec<(String, String)>,
}

/// How OpenTelemetry's data is taken. The main port takes it in any case.
#[derive(Clone, Debug)]
pub struct OtlpSettings {
    /// Where to listen for gRPC.
    pub listen_grpc: Option<SocketAddr>,
    /// Where to listen for HTTP.
    pub listen_http: Option<SocketAddr>,
    /// A port that is taken ends the start.
    pub is_required: bool,
    /// How metrics are translated.
    pub metrics: ingest::otlp::Settings,
    /// Memory for the sums of deltas.
    pub delta_bytes_max: usize,
}

impl Default for OtlpSettings {
    fn default() -> Self {
        OtlpSettings {
            listen_grpc: Some(SocketAddr::from(([127, 0, 0, 1], 4317))),
            listen_http: Some(SocketAddr::from(([127, 0, 0, 1], 4318))),
            is_required: false,
            metrics: ingest::otlp::Settings::default(),
            delta_bytes_max: 64 << 20,
        }
    }
}

/// What is watched, and who is told.
#[derive(Clone, Debug)]
pub struct MonitorSettings {
    /// Rule files of Prometheus; the last part of a path may hold `*`.
    pub files: Vec<PathBuf>,
    /// Who is told: a configuration of Alertmanager.
    pub notifications: Option<PathBuf>,
    /// How often groups are evaluated that say nothing of it.
    pub interval_ms: i64,
    /// Where people reach this server, for links; empty: where it listens.
    pub url: String,
    /// Rule files that come with the program: name and text.
    pub shipped: Vec<(&'static str, &'static str)>,
    /// What may run when a monitor fires; `None`: nothing.
    pub actions: Option<PathBuf>,
}

impl Default for MonitorSettings {
    fn default() -> Self {
        MonitorSettings {
            files: Vec::new(),
            notifications: None,
            interval_ms: 15_000,
            url: String::new(),
            shipped: Vec::new(),
            actions: None,
        }
    }
}

/// How much is remembered at full fidelity, and when it is captured.
#[derive(Clone, Debug)]
pub struct CaptureSettings {
    /// How long the ring is, milliseconds.
    pub before_ms: i64,
    /// How long a capture is added to after the trigger, milliseconds.
    pub after_ms: i64,
    /// Memory of the ring, bytes.
    pub memory_bytes: usize,
    /// One capture for each cause in this time, milliseconds.
    pub period_ms: i64,
    /// Take one when a monitor begins to fire.
    pub on_alerts: bool,
    /// How many are kept.
    pub retention: store::captures::Retention,
    /// The one capture that this program shows and does nothing else.
    pub opened: Option<String>,
}

impl Default for CaptureSettings {
    fn default() -> Self {
        CaptureSettings {
            before_ms: 300_000,
            after_ms: 60_000,
            memory_bytes: capture::Settings::default().memory_bytes,
            period_ms: 600_000,
            on_alerts: true,
            retention: store::captures::Retention::default(),
            opened: None,
        }
    }
}

/// How changes on this machine are found out.
#[derive(Clone, Debug)]
pub struct ChangesSettings {
    /// Look at all?
    pub enabled: bool,
    /// Files, and folders of files, whose content is compared.
    pub files: Vec<PathBuf>,
    /// How often.
    pub period_ms: u64,
}

impl Default for ChangesSettings {
    fn default() -> Self {
        // What people alter by hand on any machine; nothing that holds secrets.
        let files = [
            "/etc/hosts",
            "/etc/resolv.conf",
            "/etc/fstab",
            "/etc/sysctl.conf",
            "/etc/sysctl.d",
            "/etc/ssh/sshd_config",
        ];
        ChangesSettings { enabled: true, files: files.map(PathBuf::from).to_vec(), period_ms: 10_000 }
    }
}

/// Limits on queries.
#[derive(Clone, Debug)]
pub struct QuerySettings {
    /// How long one query may take.
    pub timeout_ms: u64,
    /// Queries evaluated at one time; more wait.
    pub concurrent_max: usize,
    /// Queries that wait at one time; more are refused.
    pub waiting_max: usize,
    /// Samples that one query may hold in memory.
    pub samples_max: usize,
    /// Bytes that one query may hold in memory: samples (16 each) and labels.
    pub bytes_max: usize,
    /// Series that one selector may return.
    pub series_max: usize,
    /// How long a sample stands for its series.
    pub lookback_ms: i64,
}

impl Default for QuerySettings {
    fn default() -> Self {
        QuerySettings {
            timeout_ms: 20_000,
            concurrent_max: 4,
            waiting_max: 64,
            samples_max: 50_000_000,
            bytes_max: 1 << 30,
            series_max: 1_000_000,
            lookback_ms: 300_000,
        }
    }
}

/// Limits on answers in SQL; time, memory and how many at once are those of [`QuerySettings`].
#[derive(Clone, Debug)]
pub struct SqlSettings {
    /// Rows of one answer.
    pub rows_max: usize,
    /// Bytes of one answer.
    pub answer_bytes_max: usize,
}

impl Default for SqlSettings {
    fn default() -> Self {
        SqlSettings { rows_max: 1_000_000, answer_bytes_max: 256 << 20 }
    }
}

/// PostgreSQL's protocol on a port of its own.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// Where to listen.
    pub listen: Option<SocketAddr>,
    /// A port that is taken ends the start.
    pub is_required: bool,
    /// Connections at one time; more are closed at once.
    pub connections_max: usize,
    /// A connection that asks nothing for so long is closed.
    pub idle_timeout_ms: u64,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        PostgresSettings {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 5433))),
            is_required: false,
            connections_max: 32,
            idle_timeout_ms: 3_600_000,
        }
    }
}

/// How local services are looked for.
#[derive(Clone, Debug)]
pub struct DiscoverySettings {
    /// How often to look at the listening ports.
    pub period_ms: u64,
    /// How often to scrape what was found.
    pub scrape_interval_ms: u64,
    /// How long a port that did not answer with metrics is left alone.
    pub retry_after_ms: u64,
    /// How long the first request may take.
    pub probe_timeout_ms: u64,
    /// How much of an answer is read to see whether it is metrics, in bytes.
    pub probe_bytes_max: usize,
    /// The most ports that are remembered.
    pub ports_max: usize,
}

impl Default for DiscoverySettings {
    fn default() -> Self {
        DiscoverySettings {
            period_ms: 10_000,
            scrape_interval_ms: 5_000,
            retry_after_ms: 3_600_000,
            probe_timeout_ms: 2_000,
            probe_bytes_max: 64 << 10,
            ports_max: 512,
        }
    }
}

/// One job of targets, as in `scrape_configs` of Prometheus.
#[derive(Clone, Debug)]
pub struct ScrapeConfig {
    /// Value of the label `job`.
    pub job: String,
    /// How often.
    pub interval_ms: u64,
    /// How long one scrape may take.
    pub timeout_ms: u64,
    /// Path of the URL.
    pub metrics_path: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Parameters of the URL.
    pub params: Vec<(String, String)>,
    /// On a conflict the scraped label wins.
    pub honor_labels: bool,
    /// Timestamps in the body are used.
    pub honor_timestamps: bool,
    /// Ask for the format that has native histograms first.
    pub native_histograms: bool,
    /// Follow redirects.
    pub follow_redirects: bool,
    /// A larger answer fails the scrape, in bytes.
    pub body_bytes_max: usize,
    /// More samples after relabelling fail the scrape; 0 is no limit.
    pub samples_max: usize,
    /// Credentials and TLS.
    pub client: ClientConfig,
    /// Applied to targets.
    pub relabel: Rules,
    /// Applied to scraped series.
    pub metric_relabel: Rules,
    /// Targets named in the configuration.
    pub static_configs: Vec<TargetGroup>,
    /// Targets in files.
    pub file_sd: Vec<FileSd>,
    /// Targets from HTTP.
    pub http_sd: Vec<HttpSd>,
}

impl Default for ScrapeConfig {
    fn default() -> Self {
        ScrapeConfig {
            job: String::new(),
            interval_ms: 60_000,
            timeout_ms: 10_000,
            metrics_path: "/metrics".into(),
            scheme: "http".into(),
            params: Vec::new(),
            honor_labels: false,
            honor_timestamps: true,
            native_histograms: false,
            follow_redirects: true,
            body_bytes_max: 64 << 20,
            samples_max: 0,
            client: ClientConfig::default(),
            relabel: Rules::default(),
            metric_relabel: Rules::default(),
            static_configs: Vec::new(),
            file_sd: Vec::new(),
            http_sd: Vec::new(),
        }
    }
}

/// Addresses with labels of their own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetGroup {
    /// `host:port`.
    pub targets: Vec<String>,
    /// Labels of all of them.
    pub labels: Vec<(String, String)>,
}

/// Targets in JSON or YAML files (read by [`FileSd::parse`]).
#[derive(Clone)]
pub struct FileSd {
    /// Paths; the last part may hold one `*`.
    pub files: Vec<PathBuf>,
    /// How often to look whether they changed.
    pub refresh_ms: u64,
    /// Reads the text of a file; given from outside, since formats of files are not the server's matter.
    pub parse: fn(&str) -> Result<Vec<TargetGroup>, String>,
}

impl fmt::Debug for FileSd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSd").field("files", &self.files).finish_non_exhaustive()
    }
}

/// Targets that an HTTP endpoint lists as JSON.
#[derive(Clone, Debug)]
pub struct HttpSd {
    /// The endpoint.
    pub url: String,
    /// How often to ask.
    pub refresh_ms: u64,
    /// Credentials and TLS.
    pub client: ClientConfig,
}

/// Credentials and TLS of a client.
#[derive(Clone, Debug, Default)]
pub struct ClientConfig {
    /// How to identify.
    pub auth: Auth,
    /// TLS.
    pub tls: TlsConfig,
}

/// How a client identifies itself. Files are read anew for each request, so that rotation works.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// Name and password.
    Basic(String, Secret),
    /// `Authorization: TYPE CREDENTIALS`, mostly `Bearer`.
    Header(String, Secret),
}

/// A secret, or the file that holds it. It never shows what it holds.
#[derive(Clone)]
pub enum Secret {
    /// The secret itself.
    Text(String),
    /// The file that holds it.
    File(PathBuf),
    /// The variable of the environment that holds it.
    Env(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// TLS of a client.
#[derive(Clone, Debug, Default)]
pub struct TlsConfig {
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our certificate.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// The name to expect in the certificate, if it is not the address's.
    pub server_name: Option<String>,
    /// Trust anyone.
    pub insecure_skip_verify: bool,
}
