//! Who is told what, when, and how: what an Alertmanager is, as a decider. Alerts go in ([`dispatch::Notifier`]),
//! notifications come out, and wait in an [`outbox`] until their receiver has taken them. Configured by a file of
//! Alertmanager's ([`config`]).

pub mod ack;
pub mod config;
pub mod dispatch;
pub mod escalate;
pub mod frame;
pub mod incoming;
pub mod mail;
pub mod matchers;
pub mod outbox;
pub mod payload;
pub mod rota;
pub mod route;
pub mod silence;
pub mod times;
pub mod words;

use model::Labels;
use serde_json::{Map, Value as Json, json};

/// An alert, whoever found it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Alert {
    /// What names it.
    pub labels: Labels,
    /// What people are told.
    pub annotations: Vec<(String, String)>,
    /// Since when.
    pub starts_at_ms: i64,
    /// Until when: in the past, it is resolved; in the future, it is unless it is told anew.
    pub ends_at_ms: Option<i64>,
    /// Where it can be looked at.
    pub url: String,
    /// What the condition gave last.
    pub value: Option<f64>,
    /// What the condition compares with: `> 0.9`, or "".
    pub limit: String,
    /// It ended because no data comes any more.
    pub is_blind: bool,
}

impl Alert {
    /// Whether it is over at that time.
    pub fn is_resolved(&self, at_ms: i64) -> bool {
        self.ends_at_ms.is_some_and(|end| end <= at_ms)
    }

    /// An annotation, or "".
    pub fn annotation(&self, name: &str) -> &str {
        self.annotations.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    /// As it is kept and handed on.
    pub fn to_json(&self) -> Json {
        json!({
            "labels": object(self.labels.iter()),
            "annotations": object(self.annotations.iter().map(|(n, v)| (n.as_str(), v.as_str()))),
            "starts_at_ms": self.starts_at_ms,
            "ends_at_ms": self.ends_at_ms,
            "url": self.url,
            "value": self.value.map(|v| v.to_string()),
            "limit": self.limit,
            "is_blind": self.is_blind,
        })
    }

    /// What [`Alert::to_json`] gave; `None` if it is not whole.
    pub fn from_json(json: &Json) -> Option<Alert> {
        Some(Alert {
            labels: Labels::from_pairs(pairs(&json["labels"])?).ok()?,
            annotations: pairs(&json["annotations"])?,
            starts_at_ms: json["starts_at_ms"].as_i64()?,
            ends_at_ms: json["ends_at_ms"].as_i64(),
            url: json["url"].as_str()?.to_string(),
            value: json["value"].as_str().and_then(|v| v.parse().ok()),
            limit: json["limit"].as_str()?.to_string(),
            is_blind: json["is_blind"].as_bool()?,
        })
    }
}

/// Names with texts as a JSON object.
pub fn object<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Map<String, Json> {
    pairs.map(|(n, v)| (n.to_string(), v.into())).collect()
}

/// A JSON object of texts as pairs.
pub fn pairs(json: &Json) -> Option<Vec<(String, String)>> {
    json.as_object()?.iter().map(|(n, v)| Some((n.clone(), v.as_str()?.to_string()))).collect()
}

/// A number that names labels, the same in every process: FNV-1a of names and values.
pub fn fingerprint(labels: &Labels) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for b in bytes.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for (name, value) in labels.iter() {
        add(name.as_bytes());
        add(value.as_bytes());
    }
    hash
}
