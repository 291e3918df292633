//! Prometheus remote write 2.0: an `io.prometheus.write.v2.Request` in snappy's block format. Strings stand once, in a table of
//! symbols, and labels are pairs of references into it.
//! It must never let one series decide about another: only a body that cannot be split into symbols and series is an error.
//!
//! The fields are those of the specification 2.0-rc.4, with the start of each sample and histogram; the start of a whole series
//! (`created_timestamp`, field 6 of earlier texts) stands for the samples that have none of their own.

use super::decompress;
use crate::exemplar::{self, BadExemplar};
use crate::histogram::from_remote_write;
use crate::known::Key;
use crate::series::{RawPairs, Refused, cut};
use crate::wire::{Field, Reader, WireError};
use crate::{Decoded, KnownLabels, Limits};
use describe::Described;
use foldhash::{HashSet, HashSetExt};
use model::batch::count_reject;
use model::{HistogramSample, Labels, Reject, RejectReason, Sample};
use std::ops::Range;
use std::sync::Arc;
use stdx::{Error, Result};

/// Symbols of one request at the most: they cost 32 bytes of memory each, and may be of 2 bytes.
pub const SYMBOLS_MAX: usize = 2_000_000;
/// Series that are looked up together: the lock is held for so many.
const LOOK_UP_SERIES: usize = 1024;

/// Decodes a request body. Call [`crate::check_times`] afterwards.
///
/// A duplicate, empty, too long or non-UTF-8 label, or a reference that leads nowhere, refuses its own series alone. Values keep
/// their bits, stale markers included. Labels may come in any order. Series that are in `known` cost a look, whatever the
/// numbers of their symbols are this time; the others are added to it.
///
/// # Errors
/// `Invalid` for a body that is not snappy or not the protobuf message (of which nothing may be kept), `TooLarge`
/// past `body_bytes_max`, `decoded_bytes_max` or [`SYMBOLS_MAX`].
pub fn decode(body: &[u8], limits: &Limits, known: &KnownLabels) -> Result<Decoded> {
    decode_message(&decompress(body, limits)?, limits, known)
}

/// Decodes the protobuf message alone (already decompressed).
///
/// # Errors
/// As [`decode`].
pub fn decode_message(message: &[u8], limits: &Limits, known: &KnownLabels) -> Result<Decoded> {
    let bad = |e: WireError| Error::invalid(format!("the body is not a remote write 2.0 request: {e}"));
    // Symbols may stand behind the series that name them.
    let symbols = symbols(message, known)?;
    let mut decoder = Decoder {
        limits,
        known,
        symbols,
        out: Decoded::default(),
        pairs: RawPairs::default(),
        refs: Vec::new(),
        buckets: 0,
        bounds: Arc::default(),
        described: HashSet::new(),
        new: Vec::new(),
    };
    let mut reader = Reader::new(message);
    let mut waiting = Vec::new();
    while let Some((number, field)) = reader.field().map_err(bad)? {
        if number == 5 {
            waiting.push(field.bytes().map_err(bad)?);
            if waiting.len() == LOOK_UP_SERIES {
                decoder.all(&mut waiting);
            }
        }
    }
    decoder.all(&mut waiting);
    known.add(decoder.new);
    Ok(decoder.out)
}

/// A text of the table, and its hashes for [`KnownLabels`].
struct Symbol<'a> {
    bytes: &'a [u8],
    key: Key,
}

fn symbols<'a>(message: &'a [u8], known: &KnownLabels) -> Result<Vec<Symbol<'a>>> {
    let bad = |e: WireError| Error::invalid(format!("the body is not a remote write 2.0 request: {e}"));
    let (mut reader, mut out, mut is_version_1, mut is_version_2) =
        (Reader::new(message), Vec::new(), false, false);
    while let Some((number, field)) = reader.field().map_err(bad)? {
        is_version_1 |= number < 4;
        is_version_2 |= number == 4 || number == 5;
        if number == 4 {
            if out.len() == SYMBOLS_MAX {
                let text = format!(
                    "the request has more than {SYMBOLS_MAX} symbols, the most that are taken at once: send fewer series per request"
                );
                return Err(Error::new(stdx::ErrorKind::TooLarge, text));
            }
            let bytes = field.bytes().map_err(bad)?;
            out.push(Symbol { bytes, key: known.key(bytes) });
        }
    }
    if is_version_1 && !is_version_2 {
        return Err(Error::invalid(
            "this looks like remote write 1.0, but its Content-Type says 2.0: \
             send it as application/x-protobuf;proto=prometheus.WriteRequest",
        ));
    }
    Ok(out)
}

/// A series of which only the labels have been looked at.
struct Pending<'a> {
    message: &'a [u8],
    /// Bytes of the label references that stand at its beginning.
    refs_bytes: usize,
    /// Those references, in [`Decoder::refs`].
    refs: Range<usize>,
}

/// How much of a batch there was before a series.
struct Mark {
    samples: usize,
    starts: usize,
    histograms: usize,
    exemplars: usize,
}

/// What one series held, kept or not.
#[derive(Default)]
struct Count {
    samples: u64,
    histograms: u64,
    exemplars: u64,
    /// Histograms that make no sense; the series is not named in the messages.
    bad: Vec<Reject>,
    created_ms: i64,
    said: Described,
    /// Label references that stand behind something else.
    has_late_refs: bool,
}

struct Decoder<'a, 'l> {
    limits: &'l Limits,
    known: &'l KnownLabels,
    symbols: Vec<Symbol<'a>>,
    out: Decoded,
    pairs: RawPairs<'a>,
    refs: Vec<u32>,
    /// Buckets and bounds of histograms so far.
    buckets: usize,
    /// Bounds of the last histogram.
    bounds: Arc<[f64]>,
    /// Metrics and what was said of them, by references and type: each series says it again.
    described: HashSet<(u32, u32, u32, u64)>,
    /// What `known` did not have.
    new: Vec<(Key, Labels)>,
}

type Res<T = ()> = std::result::Result<T, WireError>;

impl<'a> Decoder<'a, '_> {
    /// Decodes and forgets the messages of some series.
    fn all(&mut self, messages: &mut Vec<&'a [u8]>) {
        self.refs.clear();
        let refs_max = 2 * self.limits.labels_per_series_max + 2;
        let pending: Vec<Pending<'a>> = messages
            .drain(..)
            .map(|message| {
                let first = self.refs.len();
                let refs_bytes = leading_refs(message, &mut self.refs, refs_max);
                Pending { message, refs_bytes, refs: first..self.refs.len() }
            })
            .collect();
        let refs = std::mem::take(&mut self.refs);
        let keys: Vec<Key> = pending
            .iter()
            .map(|one| {
                // A reference that leads nowhere gets a key that nothing is kept under.
                let keys =
                    refs[one.refs.clone()].iter().map(|r| self.symbols.get(*r as usize).map(|s| s.key));
                self.known.key_of(keys.map(|key| key.unwrap_or_default()))
            })
            .collect();
        let known = self.known;
        known.find(&keys, |i, labels| self.series(&pending[i], &refs, keys[i], labels));
        self.refs = refs;
    }

    fn series(&mut self, one: &Pending<'a>, refs: &[u32], key: Key, known: Option<&Labels>) {
        let batch = &self.out.batch;
        let mark = Mark {
            samples: batch.samples.len(),
            starts: batch.starts.len(),
            histograms: batch.histograms.len(),
            exemplars: batch.exemplars.len(),
        };
        let mut count = Count::default();
        let mut late = Vec::new();
        let parsed = self.fields(&one.message[one.refs_bytes..], &mut count, &mut late);
        let refs = &refs[one.refs.clone()];
        let labels = match known {
            Some(labels) if parsed.is_ok() && !count.has_late_refs => Ok(labels.clone()),
            _ => self.labels(refs, &late, parsed),
        };
        let labels = match labels {
            Ok(labels) => labels,
            Err((Refused { reason, message }, is_broken)) => {
                self.back_to(&mark);
                let lost = count.samples + count.histograms + count.exemplars + u64::from(is_broken);
                return count_reject(&mut self.out.rejects, reason, lost, || message);
            }
        };
        if self.out.batch.series.len() >= self.limits.series_per_request_max {
            self.back_to(&mark);
        }
        self.starts_of_series(&mark, count.created_ms);
        let batch = &self.out.batch;
        let kept = batch.samples.len() - mark.samples + batch.histograms.len() - mark.histograms
            + batch.exemplars.len()
            - mark.exemplars;
        let bad: u64 = count.bad.iter().map(|r| r.samples).sum();
        let lost = (count.samples + count.histograms + count.exemplars).saturating_sub(kept as u64 + bad);
        for Reject { reason, samples, message } in count.bad {
            count_reject(&mut self.out.rejects, reason, samples, || {
                format!("{}: {message}", cut(&labels.to_string()))
            });
        }
        if lost > 0 {
            count_reject(&mut self.out.rejects, RejectReason::TooLarge, lost, || {
                format!(
                    "{}: a request may hold at most {} samples of {} series, and {} buckets of histograms; the rest is refused",
                    cut(&labels.to_string()),
                    self.limits.samples_per_request_max,
                    self.limits.series_per_request_max,
                    self.limits.histogram_buckets_per_request_max
                )
            });
        }
        if known.is_none() && !count.has_late_refs {
            self.new.push((key, labels.clone()));
        }
        self.describe(refs, &labels, count.said);
        if kept > 0 {
            self.out.batch.series.push(labels);
        }
    }

    /// The labels that references mean, or why there are none; true if the message itself is broken.
    fn labels(
        &mut self,
        refs: &[u32],
        late: &[u32],
        parsed: Res,
    ) -> std::result::Result<Labels, (Refused, bool)> {
        self.pairs.clear();
        let all: Vec<u32> = refs.iter().chain(late).copied().collect();
        let mut nowhere = None;
        for pair in all.chunks_exact(2) {
            match (self.symbols.get(pair[0] as usize), self.symbols.get(pair[1] as usize)) {
                (Some(name), Some(value)) => self.pairs.push(name.bytes, value.bytes, self.limits),
                (name, _) => {
                    nowhere = nowhere.or(Some(if name.is_none() { pair[0] } else { pair[1] }));
                }
            }
        }
        let have = self.symbols.len();
        let broken = match (parsed, nowhere) {
            (Err(e), _) => Some(e.to_string()),
            (_, Some(r)) => {
                Some(format!("a label refers to symbol {r}, but the request has {have}, counted from 0"))
            }
            _ if all.len() % 2 == 1 => {
                Some(format!("{} label references are not pairs of a name and a value", all.len()))
            }
            _ => None,
        };
        match broken {
            Some(what) => Err((self.pairs.refused(RejectReason::Malformed, &what), true)),
            None => self.pairs.build(self.limits).map_err(|refused| (refused, false)),
        }
    }

    fn back_to(&mut self, mark: &Mark) {
        let batch = &mut self.out.batch;
        batch.samples.truncate(mark.samples);
        batch.starts.truncate(mark.starts);
        batch.histograms.truncate(mark.histograms);
        batch.exemplars.truncate(mark.exemplars);
    }

    /// Gives the start of the series to each of its samples and histograms without one.
    fn starts_of_series(&mut self, mark: &Mark, created_ms: i64) {
        if created_ms == 0 {
            return;
        }
        let batch = &mut self.out.batch;
        let mut own = batch.starts.split_off(mark.starts).into_iter().peekable();
        for i in mark.samples..batch.samples.len() {
            let i = i as u32;
            let start = own.next_if(|(at, _)| *at == i);
            batch.starts.push(start.unwrap_or((i, created_ms)));
        }
        let histograms = batch.histograms[mark.histograms..].iter_mut();
        histograms.filter(|h| h.at.start_ms == 0).for_each(|h| h.at.start_ms = created_ms);
    }

    /// Everything of a series behind its labels goes into the batch.
    fn fields(&mut self, message: &'a [u8], count: &mut Count, late: &mut Vec<u32>) -> Res {
        let mut reader = Reader::new(message);
        let series = self.out.batch.series.len() as u32;
        while let Some((number, field)) = reader.field()? {
            let batch = &self.out.batch;
            let held = batch.samples.len() + batch.histograms.len() + batch.exemplars.len();
            let has_room = held < self.limits.samples_per_request_max;
            match number {
                1 => {
                    count.has_late_refs = true;
                    push_refs(field, late, 2 * self.limits.labels_per_series_max + 2)?;
                }
                2 => {
                    let (timestamp_ms, value, start_ms) = sample(field.bytes()?)?;
                    count.samples += 1;
                    // Memory is bounded here: two bytes of input can be a sample.
                    if has_room {
                        let batch = &mut self.out.batch;
                        if start_ms != 0 {
                            batch.starts.push((batch.samples.len() as u32, start_ms));
                        }
                        batch.samples.push(Sample { series, timestamp_ms, value });
                    }
                }
                3 => {
                    count.histograms += 1;
                    let bytes = field.bytes()?;
                    if has_room && self.buckets < self.limits.histogram_buckets_per_request_max {
                        self.histogram(series, bytes, &mut count.bad);
                    }
                }
                4 => {
                    count.exemplars += 1;
                    let bytes = field.bytes()?;
                    if has_room {
                        self.exemplar(series, bytes, count)?;
                    }
                }
                5 => count.said = Described::read(field.bytes()?)?,
                6 => count.created_ms = field.varint()? as i64,
                _ => {}
            }
        }
        Ok(())
    }

    /// A bad histogram spoils only itself.
    fn histogram(&mut self, series: u32, message: &[u8], bad: &mut Vec<Reject>) {
        match from_remote_write(message, &mut self.bounds) {
            Ok(at) => {
                let h = &at.histogram;
                self.buckets += h.positive.counts.len() + h.negative.counts.len() + h.custom_bounds.len();
                self.out.batch.histograms.push(HistogramSample { series, at });
            }
            Err(Refused { reason, message }) => count_reject(bad, reason, 1, || message),
        }
    }

    /// A bad exemplar spoils only itself.
    fn exemplar(&mut self, series: u32, message: &'a [u8], count: &mut Count) -> Res {
        let (mut refs, mut value, mut timestamp_ms) = (Vec::new(), 0.0, 0);
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            match number {
                1 => push_refs(field, &mut refs, 2 * self.limits.labels_per_series_max + 2)?,
                2 => value = field.double()?,
                3 => timestamp_ms = field.varint()? as i64,
                _ => {}
            }
        }
        let symbol = |r: u32| self.symbols.get(r as usize).map(|s| s.bytes);
        let mut pairs = Vec::with_capacity(refs.len() / 2);
        for pair in refs.chunks(2) {
            match (symbol(pair[0]), pair.get(1).and_then(|r| symbol(*r))) {
                (Some(name), Some(value)) => pairs.push((name, value)),
                _ => {
                    pairs.clear();
                    pairs.push((b"".as_slice(), b"".as_slice()));
                    break;
                }
            }
        }
        match exemplar::build(series, timestamp_ms, value, &pairs) {
            Ok(exemplar) => self.out.batch.exemplars.push(exemplar),
            Err(BadExemplar { reason, message }) => {
                count.exemplars -= 1;
                count_reject(&mut self.out.rejects, reason, 1, || message);
            }
        }
        Ok(())
    }
}

/// References at the beginning of a series go to `refs`, `refs_max` of them; returns how many bytes they take.
fn leading_refs(message: &[u8], refs: &mut Vec<u32>, refs_max: usize) -> usize {
    const PACKED: u8 = 1 << 3 | 2;
    const SINGLE: u8 = 1 << 3;
    let mut reader = Reader::new(message);
    let (first, mut taken) = (refs.len(), 0);
    while let Some(&(PACKED | SINGLE)) = reader.rest().first() {
        let Ok(Some((_, field))) = reader.field() else { break };
        if push_refs(field, refs, first + refs_max).is_err() {
            break;
        }
        taken = message.len() - reader.rest().len();
    }
    taken
}

/// Packed or single numbers; those past `refs_max` are read and not held.
fn push_refs(field: Field<'_>, refs: &mut Vec<u32>, refs_max: usize) -> Res {
    let mut push = |r: u64| {
        if refs.len() < refs_max {
            // What is no 32-bit number leads nowhere either.
            refs.push(u32::try_from(r).unwrap_or(u32::MAX));
        }
    };
    match field {
        Field::Varint(r) => push(r),
        Field::Bytes(packed) => {
            let mut reader = Reader::new(packed);
            while let Some(r) = reader.packed_varint()? {
                push(r);
            }
        }
        _ => return Err(WireError::WrongType),
    }
    Ok(())
}

/// Time in milliseconds, value, and start in milliseconds or 0. Each is left out where it is 0.
#[inline]
fn sample(message: &[u8]) -> Res<(i64, f64, i64)> {
    let (mut value, mut timestamp_ms, mut start_ms) = (0.0, 0, 0);
    let mut reader = Reader::new(message);
    while let Some((number, field)) = reader.field()? {
        match number {
            1 => value = field.double()?,
            2 => timestamp_ms = field.varint()? as i64,
            3 => start_ms = field.varint()? as i64,
            _ => {}
        }
    }
    Ok((timestamp_ms, value, start_ms))
}

mod describe;
mod encode;

pub use encode::encode;

#[cfg(test)]
mod tests;
