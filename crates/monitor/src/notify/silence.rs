//! Silences: alerts that nobody is told of for a while, because somebody said so and why. It must never end later than
//! it was asked for, nor hide that it is there.

use super::matchers::parse_one;
use model::time::format_rfc3339_ms;
use model::{Labels, MatchOp, Matcher};
use serde_json::{Value as Json, json};

/// The most silences that are kept.
pub const SILENCES_MAX: usize = 10_000;
/// The most characters of a text.
const TEXT_CHARS_MAX: usize = 1_000;
/// How long a silence is listed after its end.
pub const KEPT_MS: i64 = 5 * 86_400_000;

/// A silence.
#[derive(Clone, Debug, PartialEq)]
pub struct Silence {
    /// What names it.
    pub id: String,
    /// Which alerts.
    pub matchers: Vec<Matcher>,
    /// From.
    pub starts_at_ms: i64,
    /// Until.
    pub ends_at_ms: i64,
    /// Who.
    pub author: String,
    /// Why.
    pub reason: String,
    /// When it was made or changed.
    pub updated_at_ms: i64,
}

impl Silence {
    /// Reads one as Alertmanager's API has it.
    ///
    /// # Errors
    /// What is missing or makes no sense.
    pub fn from_api(json: &Json, new_id: &str, now_ms: i64) -> Result<Silence, String> {
        let text = |key: &str| -> Result<String, String> {
            let text = json[key].as_str().unwrap_or("").trim();
            if text.is_empty() {
                return Err(format!("{key:?} is missing: a silence says who made it, and why"));
            }
            Ok(text.chars().take(TEXT_CHARS_MAX).collect())
        };
        let time = |key: &str| -> Result<i64, String> {
            let text = json[key].as_str().ok_or_else(|| format!("{key:?} is missing"))?;
            model::time::parse_time_ms(text).map_err(|e| format!("{key:?}: {e}"))
        };
        let list = json["matchers"].as_array().ok_or("\"matchers\" is missing")?;
        let matchers = list.iter().map(matcher).collect::<Result<Vec<_>, _>>()?;
        if matchers.iter().all(Matcher::matches_empty) {
            return Err("a silence needs a matcher that does not match everything".into());
        }
        let (starts_at_ms, ends_at_ms) = (time("startsAt")?, time("endsAt")?);
        if ends_at_ms <= starts_at_ms || ends_at_ms <= now_ms {
            return Err("\"endsAt\" has to be later than \"startsAt\", and than now".into());
        }
        let id = json["id"].as_str().filter(|i| !i.is_empty()).unwrap_or(new_id);
        let id = id.chars().take(64).collect();
        let (author, reason) = (text("createdBy")?, text("comment")?);
        Ok(Silence { id, matchers, starts_at_ms, ends_at_ms, author, reason, updated_at_ms: now_ms })
    }

    /// As Alertmanager's API has it.
    pub fn to_api(&self, now_ms: i64) -> Json {
        let matchers: Vec<Json> = self
            .matchers
            .iter()
            .map(|m| {
                json!({
                    "name": m.name,
                    "value": m.value,
                    "isRegex": matches!(m.op, MatchOp::Regex | MatchOp::NotRegex),
                    "isEqual": !m.is_negative(),
                })
            })
            .collect();
        json!({
            "id": self.id,
            "status": { "state": self.state(now_ms) },
            "updatedAt": format_rfc3339_ms(self.updated_at_ms),
            "startsAt": format_rfc3339_ms(self.starts_at_ms),
            "endsAt": format_rfc3339_ms(self.ends_at_ms),
            "createdBy": self.author,
            "comment": self.reason,
            "matchers": matchers,
        })
    }

    /// What [`Silence::to_api`] gave.
    ///
    /// # Errors
    /// What is missing.
    pub fn from_kept(json: &Json) -> Result<Silence, String> {
        let time = |key: &str| model::time::parse_time_ms(json[key].as_str().unwrap_or(""));
        let updated_at_ms = time("updatedAt")?;
        // A silence of long ago is still one: it is read as it was when it was written.
        Silence::from_api(json, "", i64::MIN).map(|s| Silence { updated_at_ms, ..s })
    }

    /// `pending`, `active` or `expired`.
    pub fn state(&self, now_ms: i64) -> &'static str {
        if now_ms >= self.ends_at_ms {
            "expired"
        } else if now_ms < self.starts_at_ms {
            "pending"
        } else {
            "active"
        }
    }

    /// Whether it silences an alert with these labels now.
    pub fn silences(&self, labels: &Labels, now_ms: i64) -> bool {
        (self.starts_at_ms..self.ends_at_ms).contains(&now_ms) && Matcher::all(&self.matchers, labels)
    }
}

fn matcher(json: &Json) -> Result<Matcher, String> {
    if let Some(text) = json.as_str() {
        return parse_one(text);
    }
    let name = json["name"].as_str().filter(|n| !n.is_empty()).ok_or("a matcher has no \"name\"")?;
    let value = json["value"].as_str().ok_or("a matcher has no \"value\"")?;
    let (regex, equal) =
        (json["isRegex"].as_bool().unwrap_or(false), json["isEqual"].as_bool().unwrap_or(true));
    let op = match (regex, equal) {
        (false, true) => MatchOp::Equal,
        (false, false) => MatchOp::NotEqual,
        (true, true) => MatchOp::Regex,
        (true, false) => MatchOp::NotRegex,
    };
    Matcher::new(name, op, value)
}
