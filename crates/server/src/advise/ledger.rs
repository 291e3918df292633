//! Advice that was given, and what people said of it: lines in `advice/ledger.jsonl` of the data folder
//! (`docs/formats/advice-ledger.md`). How often directions are right is counted from here and from nowhere else. It must never lose a
//! reason while there is room, nor grow past its bounds: what nobody judged makes room first.

use crate::line_file::LineFile;
use look::advise::{APART_MS, Given, Measured, Pointed, Verdict};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use stdx::{Error, ErrorKind, Result};

/// Advice that is remembered. Its name in the list of limits.
pub const GIVEN: &str = "advice in the ledger";
/// And how much.
pub const GIVEN_MAX: usize = 2_000;
/// Bytes of the file, which is then written anew. Its name in the list of limits.
pub const BYTES: &str = "the ledger of advice";
/// And how many.
pub const BYTES_MAX: u64 = 16 << 20;
/// Bytes that are left when it is written anew.
const BYTES_KEPT: usize = 8 << 20;
/// Directions of one advice that are remembered.
pub const PLACES_MAX: usize = 5;
/// Signs of one direction.
pub const SIGNS_MAX: usize = 12;
/// Characters of a sign.
pub const SIGN_CHARS_MAX: usize = 120;
/// Bytes of a reason, an author, a name.
const TEXT_BYTES_MAX: usize = 1_000;

/// A word of a person on a direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Word {
    /// Of which advice.
    pub id: String,
    /// Of which thing.
    pub entity: String,
    /// What; `None` is refused.
    pub verdict: Option<Verdict>,
    /// Why.
    pub because: String,
    /// When it was said, milliseconds since 1970-01-01 UTC.
    pub said_ms: i64,
    /// Who says so.
    pub author: String,
    /// From which address.
    pub address: String,
}

/// The file, and what is in it.
pub struct Ledger {
    state: Mutex<State>,
}

struct State {
    file: LineFile,
    all: Entries,
    damaged: usize,
}

/// Advice by id: ids grow with time.
#[derive(Default)]
struct Entries {
    given: BTreeMap<String, Given>,
    /// The last word on each direction, by id and entity.
    words: BTreeMap<(String, String), Word>,
}

impl Ledger {
    /// Reads the file; lines that are damaged are counted and left out.
    pub fn open(data: &Path) -> Ledger {
        let mut all = Entries::default();
        let path = data.join("advice/ledger.jsonl");
        let (file, damaged) = LineFile::open(path, BYTES, BYTES_MAX, |json| all.take(json));
        all.make_room(GIVEN_MAX);
        Ledger { state: Mutex::new(State { file, all, damaged }) }
    }

    /// Books advice, and gives the id under which people may speak of it. The same first thing for about the same time is one advice,
    /// however often it is asked.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be written: it was not booked.
    pub fn book(&self, given: Given) -> Result<String> {
        let mut state = self.lock();
        let known = state.all.same(&given);
        let (id, is_news) = match known {
            Some(known) => {
                let has_room = known.places.len() < PLACES_MAX;
                (known.id.clone(), has_room && given.places.iter().any(|p| !is_there(known, p)))
            }
            None => (state.all.free_id(given.asked_ms), true),
        };
        let given = Given { id: id.clone(), ..given };
        if is_news {
            state.write(given_json(&given))?;
        }
        state.all.put(given);
        state.all.make_room(GIVEN_MAX);
        Ok(id)
    }

    /// Takes a word; durable when this returns.
    ///
    /// # Errors
    /// `NotFound` for advice or a direction that is not there, `Invalid` without a reason where one is needed, `Unavailable`.
    pub fn say(&self, word: Word) -> Result<()> {
        let Some(verdict) = word.verdict else { return Err(Error::invalid("a verdict is missing")) };
        if verdict.needs_reason() && word.because.trim().is_empty() {
            return Err(Error::invalid("say why: \"because\" is missing; the next one will want to know"));
        }
        if [&word.because, &word.author, &word.entity].iter().any(|t| t.len() > TEXT_BYTES_MAX) {
            let text = format!("reason, author and entity have at most {TEXT_BYTES_MAX} bytes each");
            return Err(Error::invalid(text));
        }
        let mut state = self.lock();
        let Some(given) = state.all.given.get(&word.id) else {
            let text = format!("there is no advice {:.40?}; GET /api/v1/advise/ledger lists them", word.id);
            return Err(Error::new(ErrorKind::NotFound, text));
        };
        if !given.places.iter().any(|p| p.entity == word.entity) {
            let names: Vec<&str> = given.places.iter().map(|p| p.entity.as_str()).collect();
            let text =
                format!("this advice has no direction {:.80?}; it has {}", word.entity, names.join(", "));
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        state.write(word_json(&word))?;
        state.all.say(word);
        Ok(())
    }

    /// All that is remembered, oldest first.
    pub fn given(&self) -> Vec<Given> {
        self.lock().all.given.values().cloned().collect()
    }

    /// One advice with the last words on it.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn one(&self, id: &str) -> Result<(Given, Vec<Word>)> {
        let state = self.lock();
        let given = state.all.given.get(id).cloned();
        let given =
            given.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no advice {id:.40?}")))?;
        Ok((given, state.all.words_on(id).cloned().collect()))
    }

    /// How often first directions of a kind were right.
    pub fn measured(&self, of: (&str, &str)) -> Measured {
        Measured::of(self.lock().all.given.values(), of)
    }

    /// How many advices there are, how long the file is, and how many of its lines could not be read.
    pub fn size(&self) -> (usize, u64, usize) {
        let state = self.lock();
        (state.all.given.len(), state.file.bytes(), state.damaged)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl State {
    /// Adds a line; a file that is full is written anew first.
    fn write(&mut self, line: Json) -> Result<()> {
        if self.file.bytes() >= BYTES_MAX {
            let lines = self.all.lines(BYTES_KEPT);
            self.file.rewrite(lines.into_iter())?;
        }
        self.file.add(&line)
    }
}

fn is_there(given: &Given, place: &Pointed) -> bool {
    given.places.iter().any(|p| p.entity == place.entity)
}

impl Entries {
    /// Advice whose first direction is the same thing, for about the same time.
    fn same(&self, given: &Given) -> Option<&Given> {
        let first = given.places.first().map(|p| &p.entity);
        self.given.values().rev().find(|g| {
            (g.window.0 - given.window.0).abs() < APART_MS && g.places.first().map(|p| &p.entity) == first
        })
    }

    fn free_id(&self, asked_ms: i64) -> String {
        let mut id = asked_ms.max(0) as u64;
        while self.given.contains_key(&format!("{id:011x}")) {
            id += 1;
        }
        format!("{id:011x}")
    }

    fn put(&mut self, given: Given) {
        let known = self
            .given
            .entry(given.id.clone())
            .or_insert_with(|| Given { places: Vec::new(), ..given.clone() });
        for place in given.places {
            let has_room = known.places.len() < PLACES_MAX;
            match known.places.iter_mut().find(|p| p.entity == place.entity) {
                Some(there) => {
                    let more: Vec<String> = place.signs.difference(&there.signs).cloned().collect();
                    let room = SIGNS_MAX.saturating_sub(there.signs.len());
                    there.signs.extend(more.into_iter().take(room));
                }
                None if has_room => known.places.push(place),
                None => {}
            }
        }
    }

    fn say(&mut self, word: Word) {
        let place =
            self.given.get_mut(&word.id).and_then(|g| g.places.iter_mut().find(|p| p.entity == word.entity));
        if let (Some(place), Some(verdict)) = (place, word.verdict) {
            place.said = Some((verdict, word.because.clone()));
            self.words.insert((word.id.clone(), word.entity.clone()), word);
        }
    }

    fn words_on<'a>(&'a self, id: &str) -> impl Iterator<Item = &'a Word> {
        let from = (id.to_string(), String::new());
        let id = id.to_string();
        self.words.range(from..).take_while(move |((of, _), _)| *of == id).map(|(_, word)| word)
    }

    /// Forgets the oldest of what nobody judged, then the oldest.
    fn make_room(&mut self, max: usize) {
        while self.given.len() > max {
            let unjudged = self.given.values().find(|g| !g.is_judged()).map(|g| g.id.clone());
            let Some(id) = unjudged.or_else(|| self.given.keys().next().cloned()) else { return };
            self.given.remove(&id);
            self.words.retain(|(of, _), _| *of != id);
        }
    }

    /// The lines of a new file of at most so many bytes; what finds no room in it is forgotten.
    fn lines(&mut self, bytes_max: usize) -> Vec<Json> {
        loop {
            let of = |g: &Given| {
                let words = self.words_on(&g.id).map(word_json).collect::<Vec<_>>();
                std::iter::once(given_json(g)).chain(words)
            };
            let lines: Vec<Json> = self.given.values().flat_map(of).collect();
            let bytes: usize = lines.iter().map(|l| l.to_string().len() + 1).sum();
            if bytes <= bytes_max {
                return lines;
            }
            self.make_room(self.given.len() * 3 / 4);
        }
    }

    fn take(&mut self, json: &Json) -> Option<()> {
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_string();
        let id = json["id"].as_str()?.to_string();
        if json["what"] == "given" {
            let window = (json["window"][0].as_i64()?, json["window"][1].as_i64()?);
            let places =
                json["places"].as_array()?.iter().take(PLACES_MAX).map(place_of).collect::<Option<_>>()?;
            self.put(Given { id, asked_ms: json["asked_ms"].as_i64()?, window, places });
            return Some(());
        }
        let verdict = Some(Verdict::parse(json["what"].as_str()?)?);
        self.say(Word {
            id,
            entity: json["entity"].as_str()?.to_string(),
            verdict,
            because: text("because"),
            said_ms: json["said_ms"].as_i64()?,
            author: text("author"),
            address: text("address"),
        });
        Some(())
    }
}

fn place_of(json: &Json) -> Option<Pointed> {
    let signs = json["signs"].as_array()?.iter().take(SIGNS_MAX);
    Some(Pointed {
        entity: json["entity"].as_str()?.to_string(),
        kind: json["kind"].as_str()?.to_string(),
        basis: json["basis"].as_str()?.to_string(),
        signs: signs.filter_map(|s| s.as_str().map(String::from)).collect::<BTreeSet<_>>(),
        said: None,
    })
}

fn given_json(given: &Given) -> Json {
    let place =
        |p: &Pointed| json!({ "entity": p.entity, "kind": p.kind, "basis": p.basis, "signs": p.signs });
    json!({
        "what": "given", "id": given.id, "asked_ms": given.asked_ms, "window": [given.window.0, given.window.1],
        "places": given.places.iter().map(place).collect::<Vec<_>>(),
    })
}

/// As in the file and in the API.
pub fn word_json(word: &Word) -> Json {
    json!({
        "what": word.verdict.map(Verdict::as_str), "id": word.id, "entity": word.entity, "because": word.because,
        "said_ms": word.said_ms, "author": word.author, "address": word.address,
    })
}

#[cfg(test)]
mod tests;
