//! What a check found: each thing in words, with what is lost by it. It must never hold a word of what could not be read.

use crate::chunk::Summary;
use crate::manifest::BlockEntry;
use model::time::format_rfc3339_ms;
use serde::Serialize;
use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// All is as it should be; it is worth knowing.
    Note,
    /// It may be what a crash leaves, or damage: nobody can tell.
    Doubt,
    /// Bytes are not those that were written.
    Damage,
}

/// What cannot be read any more.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Lost {
    /// Series that lose samples; `None` if that is not known.
    pub series: Option<u64>,
    /// Samples; `None` if that is not known.
    pub samples: Option<u64>,
    /// First time of what is lost, milliseconds since 1970.
    pub first_ms: Option<i64>,
    /// Last time.
    pub last_ms: Option<i64>,
    /// Some of the series.
    pub examples: Vec<String>,
}

impl Lost {
    /// A whole block.
    pub(crate) fn block(entry: &BlockEntry) -> Lost {
        Lost {
            series: Some(entry.series),
            samples: Some(entry.samples),
            first_ms: Some(entry.first_ms),
            last_ms: Some(entry.last_ms),
            examples: Vec::new(),
        }
    }

    /// One more chunk.
    pub(crate) fn add(&mut self, summary: &Summary) {
        *self.samples.get_or_insert(0) += u64::from(summary.count);
        self.first_ms = Some(self.first_ms.map_or(summary.first_ms, |t| t.min(summary.first_ms)));
        self.last_ms = Some(self.last_ms.map_or(summary.last_ms, |t| t.max(summary.last_ms)));
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.samples {
            Some(samples) => write!(f, "{samples} samples")?,
            None => f.write_str("an unknown number of samples")?,
        }
        if let Some(series) = self.series {
            write!(f, " of {series} series")?;
        }
        match (self.first_ms, self.last_ms) {
            (Some(first), Some(last)) => {
                write!(f, " between {} and {}", format_rfc3339_ms(first), format_rfc3339_ms(last))?;
            }
            (Some(first), None) => write!(f, " from {} on", format_rfc3339_ms(first))?,
            _ => {}
        }
        if !self.examples.is_empty() {
            write!(f, ", such as {}", self.examples.join(", "))?;
        }
        Ok(())
    }
}

/// What a finding is about, so that it can be dropped when that was replaced meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    Block(u64),
    Segment(u64),
    Other,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The file, from the folder on.
    pub file: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// What is lost, if anything.
    pub lost: Option<Lost>,
    /// What to do, if anything.
    pub advice: Option<String>,
    #[serde(skip)]
    pub(crate) about: About,
}

impl Finding {
    pub(crate) fn new(file: impl Into<String>, severity: Severity, what: impl Into<String>) -> Finding {
        let (file, what) = (file.into(), what.into());
        Finding { file, severity, what, lost: None, advice: None, about: About::Other }
    }

    pub(crate) fn about(mut self, about: About) -> Finding {
        self.about = about;
        self
    }

    pub(crate) fn lost(mut self, lost: Lost) -> Finding {
        self.lost = Some(lost);
        self
    }

    pub(crate) fn advice(mut self, text: impl Into<String>) -> Finding {
        self.advice = Some(text.into());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Note => "note",
            Severity::Doubt => "doubtful",
            Severity::Damage => "damaged",
        };
        write!(f, "{}: {word}: {}", self.file, self.what)?;
        if let Some(lost) = &self.lost {
            write!(f, "\n  lost: {lost}")?;
        }
        if let Some(advice) = &self.advice {
            write!(f, "\n  what to do: {advice}")?;
        }
        Ok(())
    }
}

/// Everything that was found, and how much was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// What was found.
    pub findings: Vec<Finding>,
    /// Files that were read.
    pub files: u64,
    /// Bytes that were read of blocks and of the log.
    pub bytes: u64,
    /// Blocks.
    pub blocks: u64,
    /// Chunks that were decoded.
    pub chunks: u64,
    /// Segments of the log.
    pub segments: u64,
    /// Samples in blocks and in the log that are whole; one that lies in two places counts twice.
    pub samples: u64,
}

impl Report {
    /// Nothing is damaged or doubtful.
    pub fn is_whole(&self) -> bool {
        self.findings.iter().all(|f| f.severity == Severity::Note)
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }
}
