//! What can be told about logs. Plain values.

use ingest::logs::Format;
use ingest::patterns;
use look::logs::metric::Spec;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// How logs are taken.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// Follow the logs of the system and of web servers where they usually lie.
    pub usual_files: bool,
    /// Follow systemd's journal, where this machine has one and writes no file of the same.
    pub journal: bool,
    /// Follow the journals in this folder instead, from their beginning.
    pub journal_folder: Option<PathBuf>,
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
            journal: true,
            journal_folder: None,
            syslog_udp: None,
            syslog_tcp: None,
            files: Vec::new(),
            metrics: Vec::new(),
            patterns: patterns::Settings::default(),
        }
    }
}

/// The journal that is followed.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// Not the machine's own, but those in this folder.
    pub folder: Option<PathBuf>,
}

impl LogSettings {
    /// Which journal is followed. The machine's own only where it does not come by a file already, which would be twice.
    pub fn followed_journal(&self) -> Option<JournalSettings> {
        if let Some(folder) = &self.journal_folder {
            return Some(JournalSettings { folder: Some(folder.clone()) });
        }
        let is_there = |paths: [&str; 2]| paths.iter().any(|path| Path::new(path).exists());
        let comes_by_file = self.usual_files && is_there(["/var/log/syslog", "/var/log/messages"]);
        let has_journal = is_there(["/run/log/journal", "/var/log/journal"]);
        (self.journal && has_journal && !comes_by_file).then_some(JournalSettings { folder: None })
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
