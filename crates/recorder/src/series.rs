//! Label sets that are made once and reused every tick. A reader asks for the row of a thing (a disk,
//! a CPU, a process) by its key and pushes values into it; rows that are not asked for any more end
//! with a stale marker. It must never allocate for a row that is already known.

use crate::bytes::VALUE_BYTES_MAX;
use crate::reference::Reference;
use model::{Batch, Labels, LabelsBuilder, Metadata, MetricKind, STALE_NAN_BITS};

/// Where samples go: the batch, the time, and the labels that all series carry.
pub(crate) struct Sink<'a> {
    pub(crate) out: &'a mut Batch,
    pub(crate) now_ms: i64,
    pub(crate) instance: &'a str,
    /// Rows that were refused because a limit was reached.
    pub(crate) refused: u64,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(out: &'a mut Batch, now_ms: i64, instance: &'a str) -> Sink<'a> {
        Sink { out, now_ms, instance, refused: 0 }
    }

    /// Makes a label set. Values are cut to their limit; an empty value is an absent label.
    pub(crate) fn labels<V: AsRef<str>>(&self, metric: &str, pairs: &[(&str, V)]) -> Labels {
        let mut builder = LabelsBuilder::default();
        builder.set(model::NAME, metric);
        builder.set("instance", self.instance);
        builder.set("job", "node");
        for (name, value) in pairs {
            let value = value.as_ref();
            let mut end = value.len().min(5 * VALUE_BYTES_MAX);
            while !value.is_char_boundary(end) {
                end -= 1;
            }
            builder.set(name, &value[..end]);
        }
        // `set` leaves no name twice, and all lengths are bounded: nothing is left to refuse.
        builder.build().unwrap_or_default()
    }

    /// One label set for each metric of a table, all with the same pairs.
    pub(crate) fn labels_of(&self, metrics: &[Reference], pairs: &[(&str, String)]) -> Vec<Labels> {
        metrics.iter().map(|m| self.labels(m.name, pairs)).collect()
    }

    pub(crate) fn push(&mut self, labels: &Labels, value: f64) {
        self.out.push(labels, self.now_ms, value);
    }

    /// Says what a metric is whose name came from the system.
    pub(crate) fn describe(&mut self, metric: &str, kind: MetricKind, unit: &str, help: String) {
        self.out.metadata.push(Metadata { metric: metric.into(), kind, help, unit: unit.into() });
    }
}

/// The series of one thing.
pub(crate) struct Row {
    key: Box<[u8]>,
    generation: u32,
    labels: Vec<Labels>,
    /// Bit i is set once series i has a sample, so that only such series end with a stale marker.
    pushed: u64,
}

impl Row {
    pub(crate) fn new(key: &[u8], generation: u32, labels: Vec<Labels>) -> Row {
        debug_assert!(labels.len() <= 64, "one bit for each series");
        Row { key: key.into(), generation, labels, pushed: 0 }
    }

    /// Appends a sample of the row's series number `index`; nothing if the row has no such series.
    #[inline]
    pub(crate) fn push(&mut self, sink: &mut Sink, index: usize, value: f64) {
        if let Some(labels) = self.labels.get(index) {
            self.pushed |= 1 << (index & 63);
            sink.push(labels, value);
        }
    }

    /// As [`Row::push`], if there is a value.
    #[inline]
    pub(crate) fn push_some(&mut self, sink: &mut Sink, index: usize, value: Option<f64>) {
        if let Some(value) = value {
            self.push(sink, index, value);
        }
    }

    /// Whether series number `index` has had a sample.
    pub(crate) fn has_pushed(&self, index: usize) -> bool {
        self.pushed >> (index & 63) & 1 == 1
    }

    /// Ends every series of the row that has samples.
    pub(crate) fn end(&mut self, sink: &mut Sink) {
        for (i, labels) in self.labels.iter().enumerate() {
            if self.pushed >> (i & 63) & 1 == 1 {
                sink.push(labels, f64::from_bits(STALE_NAN_BITS));
            }
        }
        self.pushed = 0;
    }
}

/// The rows of one reader, kept in the order in which the system lists them.
pub(crate) struct Rows {
    rows: Vec<Row>,
    cursor: usize,
    generation: u32,
    rows_max: usize,
}

impl Rows {
    pub(crate) fn new(rows_max: usize) -> Rows {
        Rows { rows: Vec::new(), cursor: 0, generation: 0, rows_max }
    }

    /// Begins a pass over everything that is there now.
    pub(crate) fn begin(&mut self) {
        self.cursor = 0;
        self.generation = self.generation.wrapping_add(1);
    }

    /// The row of a key; made if it is new and the limit allows it. Costs one comparison when things
    /// come in the same order as the last time. None for a key that came in this pass already: a
    /// series has one value at a time.
    pub(crate) fn row(
        &mut self,
        sink: &mut Sink,
        key: &[u8],
        make: impl FnOnce(&mut Sink) -> Vec<Labels>,
    ) -> Option<&mut Row> {
        let at = match self.position(key) {
            Some(at) if self.rows[at].generation == self.generation => return None,
            Some(at) => at,
            None if self.rows.len() >= self.rows_max => {
                sink.refused += 1;
                return None;
            }
            None => {
                let at = self.cursor.min(self.rows.len());
                let labels = make(sink);
                self.rows.insert(at, Row::new(key, self.generation, labels));
                at
            }
        };
        self.cursor = at + 1;
        let row = &mut self.rows[at];
        row.generation = self.generation;
        Some(row)
    }

    /// Whether the next row in order is of this key: found without a search, where most keys have none.
    pub(crate) fn next_is(&self, key: &[u8]) -> bool {
        self.rows.get(self.cursor).is_some_and(|row| *row.key == *key)
    }

    fn position(&self, key: &[u8]) -> Option<usize> {
        let matches = |row: &Row| *row.key == *key;
        let (before, after) = self.rows.split_at(self.cursor.min(self.rows.len()));
        match after.first() {
            Some(row) if matches(row) => Some(self.cursor),
            _ => match after.iter().position(matches) {
                Some(i) => Some(before.len() + i),
                None => before.iter().position(matches),
            },
        }
    }

    /// Ends the pass: rows that were not asked for end and are forgotten.
    pub(crate) fn end(&mut self, sink: &mut Sink) {
        let generation = self.generation;
        if self.rows.iter().all(|r| r.generation == generation) {
            return;
        }
        self.rows.retain_mut(|row| {
            let kept = row.generation == generation;
            if !kept {
                row.end(sink);
            }
            kept
        });
    }
}

/// Series of one thing that is always there: made at the first push.
#[derive(Default)]
pub(crate) struct Fixed(Vec<Labels>);

impl Fixed {
    /// Appends a sample of metric number `index` of the table.
    #[inline]
    pub(crate) fn push(&mut self, sink: &mut Sink, metrics: &'static [Reference], index: usize, value: f64) {
        if self.0.is_empty() {
            self.0 = sink.labels_of(metrics, &[]);
        }
        if let Some(labels) = self.0.get(index) {
            sink.push(labels, value);
        }
    }
}
