//! Acknowledgements: somebody has seen an alert and takes care of it. It is told no more until it is over, and nobody above
//! is called. It must never outlive its alert, nor cover one that began after it.

use super::Alert;
use model::Labels;
use serde_json::{Value as Json, json};

/// The most characters of a text.
const TEXT_CHARS_MAX: usize = 1_000;

/// Who takes care of an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Ack {
    /// The alert's.
    pub labels: Labels,
    /// Who.
    pub author: String,
    /// What they say, or "".
    pub note: String,
    /// When.
    pub at_ms: i64,
}

impl Ack {
    /// One of now, its texts cut where they are too long.
    pub fn new(labels: Labels, author: &str, note: &str, at_ms: i64) -> Ack {
        let cut = |text: &str| text.trim().chars().take(TEXT_CHARS_MAX).collect();
        Ack { labels, author: cut(author), note: cut(note), at_ms }
    }

    /// Whether it is for this alert, as it is now.
    pub fn covers(&self, alert: &Alert, now_ms: i64) -> bool {
        !alert.is_resolved(now_ms) && alert.starts_at_ms <= self.at_ms
    }

    /// As a line of the outbox.
    pub fn to_line(&self) -> String {
        let labels = super::object(self.labels.iter());
        json!({ "what": "ack", "labels": labels, "author": self.author, "note": self.note, "at_ms": self.at_ms })
            .to_string()
    }

    /// The line that takes it back.
    pub fn end_line(labels: &Labels) -> String {
        json!({ "what": "unack", "labels": super::object(labels.iter()) }).to_string()
    }

    /// What [`Ack::to_line`] gave.
    pub fn from_json(json: &Json) -> Option<Ack> {
        Some(Ack {
            labels: Labels::from_pairs(super::pairs(&json["labels"])?).ok()?,
            author: json["author"].as_str()?.to_string(),
            note: json["note"].as_str()?.to_string(),
            at_ms: json["at_ms"].as_i64()?,
        })
    }
}
