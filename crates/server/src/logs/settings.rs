//! What can be told about logs. Plain values.

use ingest::logs::Format;
use ingest::patterns;
use look::logs::metric::Spec;
use std::net::SocketAddr;

/// How logs are taken.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// Follow the logs of the system and of web servers where they usually lie.
    pub usual_files: bool,
    /// Syslog over UDP.
    pub syslog_udp: Option<SocketAddr>,
    /// Syslog over TCP.
    pub syslog_tcp: Option<SocketAddr>,
    /// Files that are followed.
    pub files: Vec<FileSettings>,
    /// Metrics that are made of records.
    pub metrics: Vec<Spec>,
    /// Bounds of templates.
    pub patterns: patterns::Settings,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings {
            usual_files: true,
            syslog_udp: None,
            syslog_tcp: None,
            files: Vec::new(),
            metrics: Vec::new(),
            patterns: patterns::Settings::default(),
        }
    }
}

/// Files that are followed.
#[derive(Clone, Debug)]
pub struct FileSettings {
    /// A path, in which `*` and `?` stand for anything within a name.
    pub path: String,
    /// Whose they are; empty: the name of the file without its endings.
    pub service: String,
    /// How lines are written.
    pub format: Format,
    /// Stack traces are joined.
    pub multiline: bool,
    /// A file that is new is read from its beginning, not from its end.
    pub from_beginning: bool,
}

impl FileSettings {
    /// What is followed without being told: the log of the system and those of web servers, where they lie on Debian, Fedora and
    /// their kin, from now on. What is not there or cannot be read is left alone.
    pub fn usual() -> Vec<FileSettings> {
        let one = |path: &str, service: &str, format: Format| FileSettings {
            path: path.into(),
            service: service.into(),
            format,
            multiline: false,
            from_beginning: false,
        };
        vec![
            one("/var/log/syslog", "syslog", Format::Syslog),
            one("/var/log/messages", "syslog", Format::Syslog),
            one("/var/log/nginx/access.log", "nginx", Format::Auto),
            one("/var/log/nginx/error.log", "nginx", Format::Plain),
            one("/var/log/apache2/access.log", "apache", Format::Auto),
            one("/var/log/apache2/error.log", "apache", Format::Plain),
            one("/var/log/httpd/access_log", "apache", Format::Auto),
            one("/var/log/httpd/error_log", "apache", Format::Plain),
        ]
    }
}
