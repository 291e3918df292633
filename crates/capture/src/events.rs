//! Things that happen once, in the order in which they came: messages of the kernel. The oldest go first. It must never
//! hold more than its budget.

use crate::class::KERNEL;
use crate::track::TEXT_BYTES_MAX;
use model::{Columns, Texts, Values};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// What a message costs beside its text.
const EVENT_BYTES: usize = 64;

/// A message of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When, milliseconds since 1970.
    pub time_ms: i64,
    /// How bad: `err`.
    pub level: &'static str,
    /// Who: `kern`.
    pub facility: &'static str,
    /// Its number in the kernel's log.
    pub sequence: i64,
    /// What it says.
    pub text: Arc<str>,
}

/// The last messages.
#[derive(Debug)]
pub struct Events {
    budget_bytes: usize,
    span_ms: i64,
    messages: VecDeque<Message>,
    bytes: usize,
    /// Messages that went before their time because the budget was used up, since the start.
    pub dropped_early: u64,
}

impl Events {
    /// Holds `span_ms` of messages in at most `budget_bytes`.
    pub fn new(span_ms: i64, budget_bytes: usize) -> Events {
        Events { budget_bytes, span_ms, messages: VecDeque::new(), bytes: 0, dropped_early: 0 }
    }

    /// One more.
    pub fn push(&mut self, mut message: Message) {
        if message.text.len() > TEXT_BYTES_MAX {
            message.text = message.text[..message.text.floor_char_boundary(TEXT_BYTES_MAX)].into();
        }
        self.bytes += EVENT_BYTES + message.text.len();
        self.messages.push_back(message);
        while self.bytes > self.budget_bytes && self.drop_first() {
            self.dropped_early += 1;
        }
    }

    /// Forgets what is older than the span.
    pub fn forget(&mut self, now_ms: i64) {
        let oldest_ms = now_ms.saturating_sub(self.span_ms);
        while self.messages.front().is_some_and(|m| m.time_ms < oldest_ms) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) -> bool {
        let first = self.messages.pop_front();
        self.bytes -= first.as_ref().map_or(0, |m| EVENT_BYTES + m.text.len());
        first.is_some()
    }

    /// Memory that it takes, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.bytes
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Time of the oldest.
    pub fn since_ms(&self) -> Option<i64> {
        self.messages.front().map(|m| m.time_ms)
    }

    /// The messages of `from_ms..=to_ms`; where they are more than `rows_max` the newest, with how many were left out.
    pub fn columns(&self, from_ms: i64, to_ms: i64, rows_max: usize) -> (Columns, u64) {
        let all: Vec<&Message> =
            self.messages.iter().filter(|m| (from_ms..=to_ms).contains(&m.time_ms)).collect();
        let left_out = all.len().saturating_sub(rows_max);
        let rows = &all[left_out..];
        let words = |of: fn(&Message) -> Arc<str>| {
            let (mut texts, mut ids) = (Texts::default(), HashMap::new());
            for row in rows {
                let word = of(row);
                let at = *ids.entry(word.clone()).or_insert_with(|| {
                    texts.words.push(word);
                    texts.words.len() as u32 - 1
                });
                texts.at.push(at);
            }
            Values::Texts(texts)
        };
        let values = [
            Values::Times(rows.iter().map(|m| m.time_ms).collect()),
            words(|m| m.level.into()),
            words(|m| m.facility.into()),
            words(|m| m.text.clone()),
            Values::Integers(rows.iter().map(|m| Some(m.sequence)).collect()),
        ];
        let names = std::iter::once("time").chain(KERNEL.columns.iter().map(|c| c.name));
        (Columns { columns: names.map(String::from).zip(values).collect() }, left_out as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_by_age_and_by_size() {
        let mut events = Events::new(10_000, 10 * (EVENT_BYTES + 1));
        let message = |n: i64| Message {
            time_ms: n * 1000,
            level: "info",
            facility: "kern",
            sequence: n,
            text: "x".into(),
        };
        (0..12).for_each(|n| events.push(message(n)));
        assert_eq!((events.len(), events.since_ms(), events.dropped_early), (10, Some(2_000), 2));
        events.forget(15_000);
        assert_eq!(events.since_ms(), Some(5_000));
        let (columns, left_out) = events.columns(6_000, 9_000, 3);
        assert_eq!((columns.times(), left_out), (&[7_000, 8_000, 9_000][..], 1));
        assert_eq!(columns.texts("message").unwrap().get(2), "x");
        events.forget(1_000_000);
        assert_eq!((events.len(), events.memory_bytes()), (0, 0));
    }
}
