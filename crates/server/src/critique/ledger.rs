//! What was said of rules: how often each was shown, found helpful or wrong and why, and where it is left out. Lines of JSON in
//! the data folder that are only added (`docs/formats/critic-ledger.md`); each word of a person is durable before it is
//! answered. It must never lose a reason.

use crate::line_file::LineFile;
use critic::Adaptation;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use stdx::{Error, Result};

/// Bytes of the file; past it no word is taken.
pub const FILE_BYTES_MAX: u64 = 16 << 20;
/// Its name in the list of limits.
pub const BYTES: &str = "what was said of critic rules";
/// Words on one rule that are listed, the newest.
const LISTED_MAX: usize = 20;
/// Bytes of a reason.
pub const REASON_BYTES_MAX: usize = 1_000;
/// Showings that are counted in memory before they are written.
const SHOWN_MAX: u64 = 50;

/// What somebody said of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It helped.
    Helpful,
    /// It was beside the point.
    Wrong,
    /// Not here, because ...
    NotHere,
    /// Here again.
    HereAgain,
}

impl Verdict {
    const ALL: [(Verdict, &'static str); 4] = [
        (Verdict::Helpful, "helpful"),
        (Verdict::Wrong, "wrong"),
        (Verdict::NotHere, "not_here"),
        (Verdict::HereAgain, "here_again"),
    ];

    /// As in the file and in the API.
    pub fn as_str(self) -> &'static str {
        Verdict::ALL.iter().find(|(v, _)| *v == self).map_or("", |(_, name)| name)
    }

    /// From its name.
    ///
    /// # Errors
    /// Names all that there are.
    pub fn parse(text: &str) -> Result<Verdict> {
        let found = Verdict::ALL.iter().find(|(_, name)| *name == text).map(|(v, _)| *v);
        found.ok_or_else(|| {
            Error::invalid(format!("{text:.40?} is no verdict; it is helpful, wrong, not_here or here_again"))
        })
    }
}

/// One word of a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// Of which rule.
    pub rule: String,
    /// What.
    pub verdict: Verdict,
    /// For which service or host; empty: everywhere.
    pub service: String,
    /// Why.
    pub because: String,
    /// Who says so.
    pub author: String,
    /// From which address.
    pub address: String,
}

/// What is known of one rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// How often it was shown.
    pub shown: u64,
    /// How often it helped.
    pub helpful: u64,
    /// How often it was beside the point.
    pub wrong: u64,
    /// The newest words on it, the newest first.
    pub words: Vec<Entry>,
}

#[derive(Default)]
struct State {
    counts: BTreeMap<String, Counts>,
    adaptations: Vec<Entry>,
    /// Not written yet.
    shown: BTreeMap<String, u64>,
    damaged: usize,
}

/// The file, and what is in it.
pub struct Ledger {
    state: Mutex<(LineFile, State)>,
}

impl Ledger {
    /// Reads the file; lines that are damaged are counted and left out.
    pub fn open(path: PathBuf) -> Ledger {
        let mut state = State::default();
        let (file, damaged) = LineFile::open(path, BYTES, FILE_BYTES_MAX, |json| state.take(json));
        state.damaged = damaged;
        Ledger { state: Mutex::new((file, state)) }
    }

    /// Where rules are left out.
    pub fn adaptations(&self) -> Vec<Adaptation> {
        let (_, state) = &*self.lock();
        let one = |e: &Entry| Adaptation {
            rule: e.rule.clone(),
            service: e.service.clone(),
            because: e.because.clone(),
        };
        state.adaptations.iter().map(one).collect()
    }

    /// The same, with who said so and when.
    pub fn left_out(&self, rule: &str) -> Vec<Entry> {
        self.lock().1.adaptations.iter().filter(|e| e.rule == rule).cloned().collect()
    }

    /// What is known of a rule.
    pub fn counts(&self, rule: &str) -> Counts {
        self.lock().1.counts.get(rule).cloned().unwrap_or_default()
    }

    /// How long the file is.
    pub fn bytes(&self) -> u64 {
        self.lock().0.bytes()
    }

    /// Lines of the file that could not be read.
    pub fn damaged(&self) -> usize {
        self.lock().1.damaged
    }

    /// Counts what was shown; written now and then, because nobody waits for a count.
    pub fn shown<'a>(&self, rules: impl Iterator<Item = &'a str>) {
        let (file, state) = &mut *self.lock();
        for rule in rules {
            state.counts.entry(rule.to_string()).or_default().shown += 1;
            *state.shown.entry(rule.to_string()).or_default() += 1;
        }
        if state.shown.values().sum::<u64>() >= SHOWN_MAX {
            let line = json!({ "what": "shown", "rules": state.shown });
            if file.add(&line).is_ok() {
                state.shown.clear();
            }
        }
    }

    /// Takes a word; durable when this returns.
    ///
    /// # Errors
    /// `Invalid` without a reason where one is needed, `TooLarge` when the file is full, `Unavailable`.
    pub fn say(&self, entry: Entry) -> Result<()> {
        let needs_reason = matches!(entry.verdict, Verdict::NotHere | Verdict::Wrong);
        if needs_reason && entry.because.trim().is_empty() {
            return Err(Error::invalid("say why: \"because\" is missing; the next one will want to know"));
        }
        let long = [&entry.service, &entry.because, &entry.author].iter().any(|t| t.len() > REASON_BYTES_MAX);
        if long {
            return Err(Error::invalid(format!(
                "service, reason and author have at most {REASON_BYTES_MAX} bytes each"
            )));
        }
        let (file, state) = &mut *self.lock();
        let mut line = to_json(&entry);
        if !state.shown.is_empty() {
            line["shown"] = json!(state.shown);
        }
        file.add(&line)?;
        state.shown.clear();
        state.word(entry);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, (LineFile, State)> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl State {
    fn take(&mut self, json: &Json) -> Option<()> {
        for (rule, n) in json["shown"].as_object().or(json["rules"].as_object()).into_iter().flatten() {
            self.counts.entry(rule.clone()).or_default().shown += n.as_u64()?;
        }
        if json["what"] == "shown" {
            return Some(());
        }
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_string();
        let verdict = Verdict::parse(json["what"].as_str()?).ok()?;
        self.word(Entry {
            at_ms: json["at_ms"].as_i64()?,
            rule: json["rule"].as_str()?.to_string(),
            verdict,
            service: text("service"),
            because: text("because"),
            author: text("author"),
            address: text("address"),
        });
        Some(())
    }

    fn word(&mut self, entry: Entry) {
        let counts = self.counts.entry(entry.rule.clone()).or_default();
        let same = |e: &Entry| e.rule == entry.rule && e.service.eq_ignore_ascii_case(&entry.service);
        match entry.verdict {
            Verdict::Helpful => counts.helpful += 1,
            Verdict::Wrong => counts.wrong += 1,
            Verdict::NotHere => {
                self.adaptations.retain(|e| !same(e));
                self.adaptations.push(entry.clone());
            }
            Verdict::HereAgain => self.adaptations.retain(|e| !same(e)),
        }
        counts.words.insert(0, entry);
        counts.words.truncate(LISTED_MAX);
    }
}

/// As in the file and in the API.
pub fn to_json(e: &Entry) -> Json {
    json!({
        "at_ms": e.at_ms, "what": e.verdict.as_str(), "rule": e.rule, "service": e.service, "because": e.because,
        "author": e.author, "address": e.address,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(verdict: Verdict, service: &str, because: &str) -> Entry {
        Entry {
            at_ms: 7,
            rule: "r".into(),
            verdict,
            service: service.into(),
            because: because.into(),
            author: "ada".into(),
            address: "127.0.0.1".into(),
        }
    }

    #[test]
    fn what_was_said_is_there_after_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("critic/ledger.jsonl");
        let ledger = Ledger::open(path.clone());
        ledger.shown(["r", "r", "s"].into_iter());
        ledger.say(entry(Verdict::NotHere, "api", "it is stateless")).unwrap();
        ledger.say(entry(Verdict::NotHere, "API", "it really is")).unwrap();
        ledger.say(entry(Verdict::NotHere, "cart", "too")).unwrap();
        ledger.say(entry(Verdict::HereAgain, "cart", "")).unwrap();
        ledger.say(entry(Verdict::Wrong, "", "it was beside the point")).unwrap();
        ledger.say(entry(Verdict::Helpful, "", "")).unwrap();
        assert!(ledger.say(entry(Verdict::NotHere, "x", " ")).unwrap_err().to_string().contains("say why"));
        assert!(ledger.say(entry(Verdict::Wrong, "x", &"y".repeat(1_001))).is_err());
        let again = Ledger::open(path.clone());
        for ledger in [&ledger, &again] {
            let counts = ledger.counts("r");
            assert_eq!((counts.shown, counts.helpful, counts.wrong, counts.words.len()), (2, 1, 1, 6));
            assert_eq!(ledger.counts("s").shown, 1);
            let left_out = ledger.adaptations();
            assert_eq!(left_out.len(), 1);
            assert_eq!((left_out[0].service.as_str(), left_out[0].because.as_str()), ("API", "it really is"));
        }
        // A line that a crash cut off is one line.
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 20]).unwrap();
        let cut = Ledger::open(path.clone());
        assert_eq!((cut.damaged(), cut.counts("r").helpful, cut.counts("r").wrong), (1, 0, 1));
        cut.say(entry(Verdict::Helpful, "", "")).unwrap();
        assert_eq!(Ledger::open(path).counts("r").helpful, 1);
    }
}
