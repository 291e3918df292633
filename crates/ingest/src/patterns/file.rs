//! Templates as text, to be written down and read back after a restart: a line of JSON each (docs/formats/patterns.md). A line
//! that makes no sense is left out, never a reason to fail.

use super::history::{HOURS, MINUTES};
use super::{History, Patterns, Settings, Template};
use model::Severity;
use serde::{Deserialize, Serialize};

/// The first line.
const HEADER: &str = "{\"midwatch_patterns\":1}";

#[derive(Serialize, Deserialize)]
struct Line {
    id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former_ids: Vec<String>,
    service: String,
    text: String,
    example: String,
    #[serde(default)]
    host: String,
    severity: u8,
    first_ns: i64,
    last_ns: i64,
    total: u64,
    minute: i64,
    minutes: Vec<u32>,
    hour: i64,
    hours: Vec<u32>,
}

fn to_hex(id: u64) -> String {
    format!("{id:016x}")
}

fn from_hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok().filter(|id| *id != 0)
}

impl Template {
    fn to_line(&self) -> Line {
        let h = &self.history;
        Line {
            id: to_hex(self.id),
            former_ids: self.former_ids.iter().copied().map(to_hex).collect(),
            service: self.service.clone(),
            text: self.text.clone(),
            example: self.example.clone(),
            host: self.host.clone(),
            severity: self.severity.number(),
            first_ns: h.first_ns,
            last_ns: h.last_ns,
            total: h.total,
            minute: h.minute,
            minutes: h.minutes.to_vec(),
            hour: h.hour,
            hours: h.hours.to_vec(),
        }
    }

    fn from_line(line: Line) -> Option<Template> {
        let minutes: [u32; MINUTES] = line.minutes.try_into().ok()?;
        let hours: [u32; HOURS] = line.hours.try_into().ok()?;
        // What lies beyond these was never written by us, and could not be added to.
        let is_sane = |slot: i64| (-1_000_000_000..1_000_000_000).contains(&slot);
        if !is_sane(line.minute) || !is_sane(line.hour) || line.text.is_empty() {
            return None;
        }
        Some(Template {
            id: from_hex(&line.id)?,
            former_ids: line.former_ids.iter().filter_map(|id| from_hex(id)).collect(),
            service: line.service,
            text: line.text,
            example: line.example,
            host: line.host,
            severity: Severity::from_number(line.severity),
            history: History {
                first_ns: line.first_ns,
                last_ns: line.last_ns,
                total: line.total,
                minute: line.minute,
                hour: line.hour,
                minutes,
                hours,
            },
        })
    }
}

impl Patterns {
    /// All of them, as text.
    pub fn to_text(&self) -> String {
        let mut out = String::from(HEADER);
        out.push('\n');
        for template in self.iter() {
            if let Ok(line) = serde_json::to_string(&template.to_line()) {
                out.push_str(&line);
                out.push('\n');
            }
        }
        out
    }

    /// From text; also says how many lines made no sense.
    pub fn from_text(text: &str, settings: Settings) -> (Patterns, usize) {
        let (mut patterns, mut broken) = (Patterns::new(settings), 0);
        for line in text.lines().filter(|line| !line.is_empty() && *line != HEADER) {
            match serde_json::from_str::<Line>(line).ok().and_then(Template::from_line) {
                Some(template) if patterns.templates.contains_key(&template.id) => broken += 1,
                Some(template) => patterns.insert(template),
                None => broken += 1,
            }
        }
        patterns.version = 0;
        (patterns, broken)
    }
}
