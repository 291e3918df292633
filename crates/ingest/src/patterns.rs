//! Which template a line follows: what its program's text was, with the values left out. Streaming, in bounded memory, and the
//! same line gets the same template after a restart ([`Patterns::to_text`]).
//!
//! Variables are masked first (`mask`), so nearly every line is the text of a template already, and is found by one look-up.
//! Words that vary without looking like values (names of people, of tables) are found by their company (`merge`): when enough
//! templates differ in one place alone, they become one. It must never hold more templates than its bound; the one that was not
//! seen for longest makes room.

mod file;
mod history;
mod mask;
mod merge;

pub use history::{Review, Seen};
pub use mask::mask;

use foldhash::{HashMap, HashMapExt};
use history::History;
use model::Severity;
use std::hash::{BuildHasher, Hasher};

/// Bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Templates at the most, of all services.
    pub templates_max: usize,
    /// Templates of one service.
    pub templates_per_service_max: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { templates_max: 20_000, templates_per_service_max: 4_000 }
    }
}

/// Bytes of a line that are looked at: templates are told by their beginnings.
const LINE_BYTES: usize = 1_000;
/// Texts that lead to their template at once; more are looked for in the long way.
const KNOWN_MAX: usize = 100_000;
/// Bytes of an example.
const EXAMPLE_BYTES: usize = 500;
/// The part that makes room when there are too many.
const EVICTED: usize = 10;

/// One template.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Of the service and the text: the same wherever it is learnt.
    pub id: u64,
    /// What it was called before words in it were found to vary.
    pub former_ids: Vec<u64>,
    /// Whose it is.
    pub service: String,
    /// The words; `<*>` stands for what varies.
    pub text: String,
    /// A line that follows it, the first one that was seen.
    pub example: String,
    /// The host of the first line.
    pub host: String,
    /// The gravest line that followed it.
    pub severity: Severity,
    /// How often, and when.
    pub history: History,
}

/// All templates. One owner changes them, line by line.
#[derive(Debug)]
pub struct Patterns {
    settings: Settings,
    templates: HashMap<u64, Template>,
    /// Templates of one service and one number of words.
    groups: HashMap<u64, Vec<u64>>,
    /// Hashes of masked texts, to templates.
    known: HashMap<u64, u64>,
    /// How many each service has, and when its first line came.
    services: HashMap<String, (usize, i64)>,
    scratch: String,
    /// Changes whenever a template comes, goes or is merged.
    version: u64,
}

/// A line whose template is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Who wrote it.
    pub service: &'a str,
    /// Where.
    pub host: &'a str,
    /// The text.
    pub body: &'a str,
    /// How grave.
    pub severity: Severity,
    /// When, in nanoseconds since 1970.
    pub time_ns: i64,
}

fn hash(service: &str, text: &str) -> u64 {
    // FNV-1a: it must be the same in every version and on every machine.
    let mut h = 0xcbf2_9ce4_8422_2325u64;
    for byte in service.bytes().chain([0]).chain(text.bytes()) {
        h = (h ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    // 0 stands for no template.
    h.max(1)
}

/// For look-ups alone, so it may differ from run to run.
fn quick_hash(service: &str, text: &str) -> u64 {
    let mut hasher = foldhash::fast::FixedState::default().build_hasher();
    hasher.write(service.as_bytes());
    hasher.write_u8(0);
    hasher.write(text.as_bytes());
    hasher.finish()
}

fn group(service: &str, text: &str) -> u64 {
    quick_hash(service, "") ^ (text.split(' ').count() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(text.len().min(bytes_max))]
}

impl Patterns {
    /// None yet.
    pub fn new(settings: Settings) -> Patterns {
        Patterns {
            settings,
            templates: HashMap::new(),
            groups: HashMap::new(),
            known: HashMap::new(),
            services: HashMap::new(),
            scratch: String::new(),
            version: 0,
        }
    }

    /// The template of a line, which is learnt if it is new. An empty line has none: 0.
    pub fn learn(&mut self, line: Line<'_>) -> u64 {
        let mut masked = std::mem::take(&mut self.scratch);
        masked.clear();
        mask(cut(line.body, LINE_BYTES), &mut masked);
        let id = if masked.is_empty() { 0 } else { self.learn_masked(&masked, line) };
        self.scratch = masked;
        id
    }

    fn learn_masked(&mut self, masked: &str, line: Line<'_>) -> u64 {
        let key = quick_hash(line.service, masked);
        let found = self.known.get(&key).copied().filter(|id| self.templates.contains_key(id));
        let id = match found {
            Some(id) => id,
            None => {
                let id = self.find(masked, line.service).unwrap_or_else(|| self.add(masked, line));
                let id = self.merge_around(id, masked);
                if self.known.len() >= KNOWN_MAX {
                    self.known.clear();
                }
                self.known.insert(key, id);
                id
            }
        };
        if let Some(template) = self.templates.get_mut(&id) {
            template.history.count(line.time_ns);
            template.severity = template.severity.max(line.severity);
        }
        id
    }

    fn add(&mut self, masked: &str, line: Line<'_>) -> u64 {
        let template = Template {
            id: hash(line.service, masked),
            former_ids: Vec::new(),
            service: line.service.into(),
            text: masked.into(),
            example: cut(line.body, EXAMPLE_BYTES).into(),
            host: line.host.into(),
            severity: line.severity,
            history: History::new(line.time_ns),
        };
        let id = template.id;
        self.insert(template);
        id
    }

    fn insert(&mut self, template: Template) {
        self.make_room(&template.service);
        self.version += 1;
        let first_ns = template.history.first_ns();
        let of_service = self.services.entry(template.service.clone()).or_insert((0, first_ns));
        of_service.0 += 1;
        of_service.1 = of_service.1.min(first_ns);
        self.groups.entry(group(&template.service, &template.text)).or_default().push(template.id);
        self.templates.insert(template.id, template);
    }

    fn remove(&mut self, id: u64) -> Option<Template> {
        let template = self.templates.remove(&id)?;
        self.version += 1;
        let key = group(&template.service, &template.text);
        if let Some(ids) = self.groups.get_mut(&key) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.groups.remove(&key);
            }
        }
        // When its first line came is remembered while there are few services.
        if let Some(of_service) = self.services.get_mut(&template.service) {
            of_service.0 = of_service.0.saturating_sub(1);
        }
        if self.services.len() > self.settings.templates_max {
            self.services.retain(|_, (count, _)| *count > 0);
        }
        Some(template)
    }

    /// Room for one more: those that were not seen for longest go, several at a time.
    fn make_room(&mut self, service: &str) {
        let of_service = self.services.get(service).map_or(0, |(count, _)| *count);
        let is_full = of_service >= self.settings.templates_per_service_max;
        if !is_full && self.templates.len() < self.settings.templates_max {
            return;
        }
        let candidates = self.templates.values().filter(|t| !is_full || t.service == service);
        let mut by_age: Vec<(i64, u64)> = candidates.map(|t| (t.history.last_ns(), t.id)).collect();
        by_age.sort_unstable();
        let going = (by_age.len() / EVICTED).max(1);
        for (_, id) in by_age.into_iter().take(going) {
            self.remove(id);
        }
    }

    /// A template by its id, or by one that it had.
    pub fn get(&self, id: u64) -> Option<&Template> {
        self.templates.get(&id).or_else(|| self.templates.values().find(|t| t.former_ids.contains(&id)))
    }

    /// All, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Template> {
        self.templates.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.templates.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    /// Changes whenever a template comes, goes or is merged: a reason to write them down.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// When the first line of a service came, in nanoseconds since 1970.
    pub fn service_since_ns(&self, service: &str) -> Option<i64> {
        self.services.get(service).map(|(_, since)| *since)
    }
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
