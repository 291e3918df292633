//! Log records: one line of text, when, from where, how grave, and everything that was said beside it. A batch is
//! columnar, because records come by the thousand: text in one buffer, what is said of their origin once. Data only;
//! it must never know where it came from or where it goes.

use crate::{Pairs, SpanId, TraceId};

/// How grave, in OpenTelemetry's numbers: 1-4 trace, 5-8 debug, 9-12 info, 13-16 warn, 17-20 error, 21-24 fatal; 0 is not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Severity(u8);

impl Severity {
    /// Not said.
    pub const UNKNOWN: Severity = Severity(0);
    /// The first of each range.
    pub const TRACE: Severity = Severity(1);
    /// See [`Severity::TRACE`].
    pub const DEBUG: Severity = Severity(5);
    /// See [`Severity::TRACE`].
    pub const INFO: Severity = Severity(9);
    /// See [`Severity::TRACE`].
    pub const WARN: Severity = Severity(13);
    /// See [`Severity::TRACE`].
    pub const ERROR: Severity = Severity(17);
    /// See [`Severity::TRACE`].
    pub const FATAL: Severity = Severity(21);

    /// From OpenTelemetry's number; what is out of range is not said.
    pub fn from_number(number: u8) -> Severity {
        if number <= 24 { Severity(number) } else { Severity(0) }
    }

    /// OpenTelemetry's number, 0 to 24.
    pub fn number(self) -> u8 {
        self.0
    }

    /// `trace`, `debug`, `info`, `warn`, `error`, `fatal`, or nothing when it is not said.
    pub fn name(self) -> &'static str {
        match self.0 {
            0 => "",
            1..=4 => "trace",
            5..=8 => "debug",
            9..=12 => "info",
            13..=16 => "warn",
            17..=20 => "error",
            _ => "fatal",
        }
    }

    /// From the words that programs use for it (`WARNING`, `err`, `crit`, `notice` ...), in any case.
    pub fn from_word(word: &str) -> Option<Severity> {
        const WORDS: &[(&str, u8)] = &[
            ("trace", 1),
            ("finest", 1),
            ("verbose", 5),
            ("debug", 5),
            ("dbg", 5),
            ("fine", 5),
            ("info", 9),
            ("information", 9),
            ("informational", 9),
            ("notice", 10),
            ("log", 9),
            ("warn", 13),
            ("warning", 13),
            ("wrn", 13),
            ("error", 17),
            ("err", 17),
            ("severe", 17),
            ("critical", 18),
            ("crit", 18),
            ("alert", 19),
            ("fatal", 21),
            ("panic", 21),
            ("emerg", 21),
            ("emergency", 21),
        ];
        WORDS.iter().find(|(w, _)| w.eq_ignore_ascii_case(word)).map(|(_, n)| Severity(*n))
    }
}

/// Where records or spans come from: said once for many of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The service (`service.name`, syslog's application, the name of a file's source); empty: not known.
    pub service: String,
    /// The host (`host.name`, syslog's host name); empty: not known.
    pub host: String,
    /// Everything else that is said of the origin (`service.version`, `k8s.pod.name` ...).
    pub attributes: Pairs,
}

/// One log record, borrowed: what goes into a batch and what comes out of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogRow<'a> {
    /// When it happened, in nanoseconds since 1970-01-01 UTC.
    pub time_ns: i64,
    /// Index into [`LogBatch::origins`].
    pub origin: u32,
    /// How grave.
    pub severity: Severity,
    /// The text; for structured records the message.
    pub body: &'a str,
    /// The template that the text follows; 0: none was found yet.
    pub pattern: u64,
    /// The trace that it belongs to.
    pub trace_id: Option<TraceId>,
    /// The span that it belongs to.
    pub span_id: Option<SpanId>,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    time_ns: i64,
    pattern: u64,
    trace_id: Option<TraceId>,
    span_id: Option<SpanId>,
    origin: u32,
    body_end: u32,
    /// How many entries of `pairs` belong to this and all before it.
    pairs_end: u32,
    severity: Severity,
}

/// Log records that arrived together, in the order in which they arrived. At most 4 GiB of text.
#[derive(Clone, Debug, Default)]
pub struct LogBatch {
    /// Where records come from.
    pub origins: Vec<Origin>,
    heads: Vec<Head>,
    bodies: String,
    text: String,
    pairs: Vec<(u32, u32)>,
}

impl LogBatch {
    /// Adds a record with its attributes. The origin must be one of [`LogBatch::origins`].
    pub fn push<'a>(&mut self, row: LogRow<'_>, attributes: impl IntoIterator<Item = (&'a str, &'a str)>) {
        debug_assert!((row.origin as usize) < self.origins.len());
        self.bodies.push_str(row.body);
        for (name, value) in attributes {
            self.text.push_str(name);
            let name_end = self.text.len() as u32;
            self.text.push_str(value);
            self.pairs.push((name_end, self.text.len() as u32));
        }
        self.heads.push(Head {
            time_ns: row.time_ns,
            pattern: row.pattern,
            trace_id: row.trace_id,
            span_id: row.span_id,
            origin: row.origin,
            body_end: self.bodies.len() as u32,
            pairs_end: self.pairs.len() as u32,
            severity: row.severity,
        });
    }

    /// Record `i`. Panics past the end, as a slice does.
    pub fn row(&self, i: usize) -> LogRow<'_> {
        let head = &self.heads[i];
        let from = if i == 0 { 0 } else { self.heads[i - 1].body_end as usize };
        LogRow {
            time_ns: head.time_ns,
            origin: head.origin,
            severity: head.severity,
            body: &self.bodies[from..head.body_end as usize],
            pattern: head.pattern,
            trace_id: head.trace_id,
            span_id: head.span_id,
        }
    }

    /// The attributes of record `i`.
    pub fn attributes(&self, i: usize) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        let first = if i == 0 { 0 } else { self.heads[i - 1].pairs_end as usize };
        (first..self.heads[i].pairs_end as usize).map(|p| {
            let from = if p == 0 { 0 } else { self.pairs[p - 1].1 as usize };
            let (name_end, value_end) = self.pairs[p];
            (&self.text[from..name_end as usize], &self.text[name_end as usize..value_end as usize])
        })
    }

    /// Where record `i` comes from.
    pub fn origin(&self, i: usize) -> &Origin {
        &self.origins[self.heads[i].origin as usize]
    }

    /// Says which template the text of record `i` follows.
    pub fn set_pattern(&mut self, i: usize, pattern: u64) {
        self.heads[i].pattern = pattern;
    }

    /// All records.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = LogRow<'_>> {
        (0..self.len()).map(|i| self.row(i))
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Bytes of text held: bodies, attributes' names and values; what bounds go by, together with [`LogBatch::len`].
    pub fn bytes(&self) -> usize {
        self.bodies.len() + self.text.len()
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.origins.clear();
        self.heads.clear();
        self.bodies.clear();
        self.text.clear();
        self.pairs.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(body: &str) -> LogRow<'_> {
        LogRow {
            time_ns: 5,
            origin: 0,
            severity: Severity::INFO,
            body,
            pattern: 0,
            trace_id: None,
            span_id: None,
        }
    }

    #[test]
    fn records_come_back_with_their_own_attributes() {
        let mut batch = LogBatch::default();
        batch.origins.push(Origin { service: "cart".into(), ..Origin::default() });
        batch.push(row("first"), [("a", "1"), ("b", "2")]);
        batch.push(row(""), []);
        batch.push(row("third"), [("c", "")]);
        batch.set_pattern(2, 7);
        assert_eq!(batch.rows().map(|r| r.body).collect::<Vec<_>>(), ["first", "", "third"]);
        let attributes: Vec<Vec<_>> = (0..3).map(|i| batch.attributes(i).collect()).collect();
        assert_eq!(attributes, [vec![("a", "1"), ("b", "2")], vec![], vec![("c", "")]]);
        assert_eq!((batch.row(2).pattern, batch.origin(1).service.as_str(), batch.bytes()), (7, "cart", 15));
    }

    #[test]
    fn severities_have_words_and_numbers() {
        for (word, number, name) in [
            ("WARNING", 13, "warn"),
            ("err", 17, "error"),
            ("Info", 9, "info"),
            ("NOTICE", 10, "info"),
            ("crit", 18, "error"),
            ("emerg", 21, "fatal"),
        ] {
            let severity = Severity::from_word(word).unwrap();
            assert_eq!((severity.number(), severity.name()), (number, name), "{word}");
        }
        assert_eq!(Severity::from_word("hello"), None);
        assert_eq!(Severity::from_number(25), Severity::UNKNOWN);
    }
}
