//! One error shape for every engine: a kind that says what the caller should do, a message for people,
//! and the source. It must never decide how an error is shown; `server` maps a kind to HTTP in one place.

use std::fmt;

/// What the caller should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is wrong; repeating it cannot help.
    Invalid,
    /// The thing asked for does not exist.
    NotFound,
    /// Something else holds what was asked for (a lock, a name).
    Conflict,
    /// A limit of this process is reached; try again later.
    Busy,
    /// A limit set on one request (series, samples, memory, time) is exceeded; ask for less.
    TooLarge,
    /// Something outside (disk, network) does not work now; try again later.
    Unavailable,
    /// Stored bytes fail their checksum or cannot be decoded.
    Corrupt,
    /// The caller gave up or the time limit passed.
    Cancelled,
    /// A bug of this program.
    Internal,
}

/// An error: kind, message for people (says what to do next where it can), and source.
#[derive(Debug)]
pub struct Error {
    /// What the caller should do.
    pub kind: ErrorKind,
    /// One sentence or two for people.
    pub message: String,
    /// The cause, if it is an error itself.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// The setting whose bound was hit, if it is one: `query.samples_max`.
    pub bound: Option<&'static str>,
}

/// Result with the shared [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with no source.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), source: None, bound: None }
    }

    /// Keeps `source` under a message of our own.
    pub fn wrap(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Error { kind, message: message.into(), source: Some(source.into()), bound: None }
    }

    /// Names the setting whose bound was hit, so that it can be counted.
    pub fn bound(mut self, setting: &'static str) -> Self {
        self.bound = Some(setting);
        self
    }

    /// Shorthand for [`ErrorKind::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// Shorthand for [`ErrorKind::Corrupt`].
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{}: {source}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn std::error::Error + 'static))
    }
}
