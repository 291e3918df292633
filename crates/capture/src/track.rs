//! The readings of one class over time, in little memory: segments of half a minute, each of which begins with
//! everything and then says only what became different. The oldest segments go first. Text stands once in each segment.
//! It must never hold more than its budget, nor give a row that was not pushed.

use crate::class::Class;
use model::{Columns, Texts, Values};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The most columns of a class: bits of a mask.
pub const COLUMNS_MAX: usize = 40;
/// The longest text of a row, bytes; longer ones are cut.
pub const TEXT_BYTES_MAX: usize = 2_048;
/// How long a segment is, milliseconds.
const SEGMENT_MS: i64 = 30_000;
/// A segment takes at most this part of the budget, so that what is dropped at a time is little.
const SEGMENTS_OF_BUDGET: usize = 8;
/// What one row costs while it is there beside its bytes: its place and its values.
const SLOT_BYTES: usize = 48;
/// Stands for a number that is not known. The smallest number itself is kept as the one above it.
const NONE: i64 = i64::MIN;

/// A row as it is pushed: what it is known by from reading to reading, and its values in the class's order.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The same thing has the same key at each reading.
    pub key: u64,
    /// As many as the class has columns of texts.
    pub texts: &'a [&'a str],
    /// As many as the class has columns of numbers.
    pub numbers: &'a [Option<i64>],
}

/// Half a minute of readings.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    words: Vec<Arc<str>>,
    words_bytes: usize,
    /// For each reading its time and the end of its operations in `bytes`, and how many rows there were.
    frames: Vec<(i64, usize, u32)>,
    bytes: Vec<u8>,
}

const INSERT: u64 = 0;
const UPDATE: u64 = 1;
const REMOVE: u64 = 2;

impl Segment {
    fn memory_bytes(&self) -> usize {
        self.words_bytes + self.bytes.capacity() + self.frames.capacity() * 24
    }

    fn end_ms(&self) -> i64 {
        self.frames.last().map_or(i64::MIN, |f| f.0)
    }
}

/// Rows of the segment that is being written, as they were last.
#[derive(Debug, Default)]
struct Open {
    segment: Segment,
    ids: HashMap<Arc<str>, u32>,
    slots: HashMap<u64, u32>,
    /// For each slot its key and the reading in which it was pushed last; 0 is free.
    states: Vec<(u64, u32)>,
    values: Vec<i64>,
    free: Vec<u32>,
    rows: u32,
}

/// The readings of a class.
#[derive(Debug)]
pub struct Track {
    class: &'static Class,
    budget_bytes: usize,
    span_ms: i64,
    sealed: VecDeque<Arc<Segment>>,
    open: Open,
    /// Of the reading that is being pushed.
    time_ms: i64,
    operations: Vec<u8>,
    last_slot: i64,
    /// Rows that found no place within the budget, since the start.
    pub refused: u64,
    /// Segments that went before their time because the budget was used up, since the start.
    pub dropped_early: u64,
}

impl Track {
    /// Holds `span_ms` of readings in at most `budget_bytes`.
    pub fn new(class: &'static Class, span_ms: i64, budget_bytes: usize) -> Track {
        Track {
            class,
            budget_bytes,
            span_ms,
            sealed: VecDeque::new(),
            open: Open::default(),
            time_ms: i64::MIN,
            operations: Vec::new(),
            last_slot: 0,
            refused: 0,
            dropped_early: 0,
        }
    }

    /// Begins a reading; rows that are not pushed until [`Track::end`] are gone.
    pub fn begin(&mut self, time_ms: i64) {
        let segment = &self.open.segment;
        let is_old = segment.frames.first().is_some_and(|first| {
            !(0..SEGMENT_MS).contains(&time_ms.saturating_sub(first.0)) || time_ms <= segment.end_ms()
        });
        let is_full = self.open_bytes() > self.budget_bytes / SEGMENTS_OF_BUDGET;
        if !segment.frames.is_empty() && (is_old || is_full) {
            self.seal();
        }
        self.time_ms = time_ms;
        self.open.rows = 0;
        self.operations.clear();
        self.last_slot = 0;
    }

    fn seal(&mut self) {
        let mut open = std::mem::take(&mut self.open);
        open.segment.bytes.shrink_to_fit();
        open.segment.frames.shrink_to_fit();
        self.sealed.push_back(Arc::new(open.segment));
    }

    /// One row of the reading.
    pub fn push(&mut self, row: Row) {
        let (texts, numbers) = (self.class.texts(), self.class.numbers());
        debug_assert!(row.texts.len() == texts && row.numbers.len() == numbers, "{}", self.class.name);
        // The open segment and its working state may have half of the budget.
        if self.open_bytes() > self.budget_bytes / 2 {
            self.refused += 1;
            return;
        }
        let reading = self.open.segment.frames.len() as u32 + 1;
        let width = texts + numbers;
        let known = self.open.slots.get(&row.key).copied();
        let slot = known.unwrap_or_else(|| self.open.take_slot(row.key, width));
        let at = slot as usize * width;
        let is_new = known.is_none();
        let mut mask = 0u64;
        let mut fresh = [0i64; COLUMNS_MAX];
        for (i, new) in fresh.iter_mut().enumerate().take(width) {
            let old = self.open.values[at + i];
            *new = match i.checked_sub(texts) {
                None => self.open.word(row.texts.get(i).copied().unwrap_or(""), old, is_new),
                Some(n) => row.numbers.get(n).copied().flatten().map_or(NONE, |v| v.max(NONE + 1)),
            };
            let differs = if is_new { *new != NONE } else { *new != old };
            mask |= u64::from(differs) << i;
        }
        self.open.states[slot as usize].1 = reading;
        self.open.rows += 1;
        if !is_new && mask == 0 {
            return;
        }
        self.operation(slot, if is_new { INSERT } else { UPDATE });
        put(&mut self.operations, mask);
        for (i, new) in fresh.iter().enumerate().take(width) {
            let old = &mut self.open.values[at + i];
            if mask >> i & 1 == 1 {
                let base = if is_new { 0 } else { *old };
                put(&mut self.operations, zigzag(new.wrapping_sub(base)));
            }
            *old = *new;
        }
    }

    fn operation(&mut self, slot: u32, kind: u64) {
        let gap = zigzag(i64::from(slot) - self.last_slot);
        put(&mut self.operations, gap << 2 | kind);
        self.last_slot = i64::from(slot);
    }

    /// Ends the reading.
    pub fn end(&mut self) {
        let reading = self.open.segment.frames.len() as u32 + 1;
        for slot in 0..self.open.states.len() {
            let (key, seen) = self.open.states[slot];
            if seen != 0 && seen != reading {
                self.operation(slot as u32, REMOVE);
                self.open.states[slot].1 = 0;
                self.open.slots.remove(&key);
                self.open.free.push(slot as u32);
            }
        }
        let segment = &mut self.open.segment;
        segment.bytes.extend_from_slice(&self.operations);
        segment.frames.push((self.time_ms, segment.bytes.len(), self.open.rows));
        self.evict();
    }

    fn evict(&mut self) {
        let oldest_ms = self.time_ms.saturating_sub(self.span_ms);
        while self.sealed.front().is_some_and(|s| s.end_ms() < oldest_ms) {
            self.sealed.pop_front();
        }
        while self.memory_bytes() > self.budget_bytes && self.sealed.pop_front().is_some() {
            self.dropped_early += 1;
        }
    }

    fn open_bytes(&self) -> usize {
        // A word stands in the segment, and its place in the map.
        self.open.segment.memory_bytes()
            + self.open.ids.len() * 32
            + self.open.states.len() * SLOT_BYTES
            + self.open.values.len() * 8
            + self.operations.len()
    }

    /// Memory that it takes, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.sealed.iter().map(|s| s.memory_bytes()).sum::<usize>() + self.open_bytes()
    }

    /// Time of the oldest reading.
    pub fn since_ms(&self) -> Option<i64> {
        let oldest = self.sealed.front().map_or(&self.open.segment, |s| s);
        oldest.frames.first().map(|f| f.0)
    }

    /// Rows of the newest reading.
    pub fn rows_now(&self) -> u64 {
        self.open.segment.frames.last().map_or(0, |f| u64::from(f.2))
    }

    /// What there is now, to be read while more is pushed.
    pub fn freeze(&self) -> FrozenTrack {
        let open = Some(Arc::new(self.open.segment.clone())).filter(|s| !s.frames.is_empty());
        FrozenTrack { class: self.class, segments: self.sealed.iter().cloned().chain(open).collect() }
    }
}

impl Open {
    fn take_slot(&mut self, key: u64, width: usize) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.states.push((0, 0));
            self.values.resize(self.values.len() + width, 0);
            self.states.len() as u32 - 1
        });
        self.states[slot as usize] = (key, 0);
        self.slots.insert(key, slot);
        slot
    }

    /// The place of a text among the words; mostly it is the one that the row had before.
    fn word(&mut self, text: &str, old: i64, is_new: bool) -> i64 {
        let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
        let words = &mut self.segment.words;
        if !is_new && words.get(old as usize).is_some_and(|word| **word == *text) {
            return old;
        }
        if let Some(id) = self.ids.get(text) {
            return i64::from(*id);
        }
        let word: Arc<str> = text.into();
        self.segment.words_bytes += text.len() + 32;
        words.push(word.clone());
        let id = words.len() as u32 - 1;
        self.ids.insert(word, id);
        i64::from(id)
    }
}

/// The readings of a class at one instant.
#[derive(Clone, Debug)]
pub struct FrozenTrack {
    /// Of what.
    pub class: &'static Class,
    segments: Vec<Arc<Segment>>,
}

impl FrozenTrack {
    /// All rows of the readings in `from_ms..=to_ms`. Where they are more than `rows_max`, whole readings are left out
    /// at equal distances, counted back from the newest; returned with how many readings were left out.
    pub fn columns(&self, from_ms: i64, to_ms: i64, rows_max: usize) -> (Columns, u64) {
        let frames =
            self.segments.iter().flat_map(|s| &s.frames).filter(|f| (from_ms..=to_ms).contains(&f.0));
        let (count, rows) = frames.fold((0usize, 0usize), |(n, rows), f| (n + 1, rows + f.2 as usize));
        let stride = rows.div_ceil(rows_max.max(1)).max(1);
        let mut out = Output::new(self.class, if stride == 1 { rows } else { rows_max });
        let mut left = count;
        for segment in &self.segments {
            let mut state = State::new(self.class.columns.len());
            let mut start = 0;
            out.begin_segment();
            for (time_ms, end, _) in &segment.frames {
                let is_whole = state.apply(segment.bytes.get(start..*end).unwrap_or(&[])).is_some();
                debug_assert!(is_whole, "a reading is whole");
                start = *end;
                if (from_ms..=to_ms).contains(time_ms) {
                    left -= 1;
                    if left.is_multiple_of(stride) {
                        out.reading(*time_ms, &state, &segment.words);
                    }
                }
            }
        }
        (out.finish(), (count - count.div_ceil(stride)) as u64)
    }
}

/// Rows while a segment is read back.
struct State {
    width: usize,
    values: Vec<i64>,
    present: Vec<bool>,
}

impl State {
    fn new(width: usize) -> State {
        State { width, values: Vec::new(), present: Vec::new() }
    }

    fn apply(&mut self, mut bytes: &[u8]) -> Option<()> {
        let mut last = 0i64;
        while !bytes.is_empty() {
            let head = take(&mut bytes)?;
            last += unzigzag(head >> 2);
            let slot = usize::try_from(last).ok()?;
            if slot == self.present.len() {
                self.present.push(false);
                self.values.resize(self.values.len() + self.width, 0);
            }
            let values = self.values.get_mut(slot * self.width..(slot + 1) * self.width)?;
            let present = self.present.get_mut(slot)?;
            let kind = head & 3;
            *present = kind != REMOVE;
            if kind == REMOVE {
                continue;
            }
            let mask = take(&mut bytes)?;
            for (i, value) in values.iter_mut().enumerate() {
                let has = mask >> i & 1 == 1;
                if kind == INSERT {
                    *value = if has { unzigzag(take(&mut bytes)?) } else { NONE };
                } else if has {
                    *value = value.wrapping_add(unzigzag(take(&mut bytes)?));
                }
            }
        }
        Some(())
    }
}

/// Columns while they are filled.
struct Output {
    class: &'static Class,
    times: Vec<i64>,
    texts: Vec<Texts>,
    numbers: Vec<Vec<Option<i64>>>,
    /// For each column of texts its words' places.
    ids: Vec<HashMap<Arc<str>, u32>>,
    /// For each column of texts and word of the present segment the place in the output; none yet is the highest.
    places: Vec<Vec<u32>>,
}

impl Output {
    fn new(class: &'static Class, rows: usize) -> Output {
        let texts = class.texts();
        Output {
            class,
            times: Vec::with_capacity(rows),
            texts: vec![Texts::default(); texts],
            numbers: vec![Vec::with_capacity(rows); class.numbers()],
            ids: vec![HashMap::new(); texts],
            places: vec![Vec::new(); texts],
        }
    }

    fn begin_segment(&mut self) {
        self.places.iter_mut().for_each(Vec::clear);
    }

    fn reading(&mut self, time_ms: i64, state: &State, words: &[Arc<str>]) {
        for (slot, _) in state.present.iter().enumerate().filter(|(_, present)| **present) {
            self.times.push(time_ms);
            let values = &state.values[slot * state.width..(slot + 1) * state.width];
            let (texts, numbers) = values.split_at(self.texts.len());
            for (i, value) in texts.iter().enumerate() {
                let at = self.place(i, *value as usize, words);
                self.texts[i].at.push(at);
            }
            for (column, value) in self.numbers.iter_mut().zip(numbers) {
                column.push(Some(*value).filter(|v| *v != NONE));
            }
        }
    }

    fn place(&mut self, column: usize, word: usize, words: &[Arc<str>]) -> u32 {
        let places = &mut self.places[column];
        if places.len() <= word {
            places.resize(word + 1, u32::MAX);
        }
        if places[word] == u32::MAX {
            let text = words.get(word).cloned().unwrap_or_else(|| "".into());
            let all = &mut self.texts[column].words;
            places[word] = *self.ids[column].entry(text.clone()).or_insert_with(|| {
                all.push(text);
                all.len() as u32 - 1
            });
        }
        places[word]
    }

    fn finish(self) -> Columns {
        let names = self.class.columns.iter().map(|c| c.name.to_string());
        let values =
            self.texts.into_iter().map(Values::Texts).chain(self.numbers.into_iter().map(Values::Integers));
        let mut columns = vec![("time".to_string(), Values::Times(self.times))];
        columns.extend(names.zip(values));
        Columns { columns }
    }
}

fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0u64;
    for i in 0..10 {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(first & 0x7f) << (7 * i);
        if first & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests;
