//! From records to a batch, within the limits: the one place where texts are cut, times clamped and attributes counted. What
//! it changes it marks and counts; it must never change anything silently.

use super::{ATTRIBUTES_DROPPED, CUT, Context, Decoded, TIME_GIVEN};
use crate::series::cut;
use foldhash::{HashMap, HashMapExt};
use model::batch::count_reject;
use model::time::format_rfc3339_ms;
use model::{LogRow, Origin, Pairs, RejectReason, Severity, SpanId, TraceId};
use std::borrow::Cow;

/// Attributes that a record collects at most while it is read; the batch takes fewer.
const COLLECTED_MAX: usize = 1_024;
/// Bytes of an attribute's name.
const NAME_BYTES_MAX: usize = 256;
/// Different origins of one request; records of further ones are refused.
const ORIGINS_MAX: usize = 20_000;
/// Records without a time keep their order: each is so much later than the one before.
const STEP_NS: i64 = 1;

/// One record while it is put together. Made once and used again.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// When, in nanoseconds since 1970; without it the time of the arrival is taken.
    pub time_ns: Option<i64>,
    /// How grave.
    pub severity: Severity,
    /// The text.
    pub body: String,
    /// Goes before the service of the source, unless it is empty.
    pub service: String,
    /// Goes before the host of the source, unless it is empty.
    pub host: String,
    /// The trace that it belongs to.
    pub trace_id: Option<TraceId>,
    /// The span that it belongs to.
    pub span_id: Option<SpanId>,
    /// Whether an identifier was no identifier.
    pub has_bad_id: bool,
    /// Whether bytes were replaced.
    pub has_invalid_utf8: bool,
    attributes: Pairs,
    /// Attributes that were not collected.
    dropped: u64,
}

impl Record {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.body.clear();
        self.service.clear();
        self.host.clear();
        self.attributes.clear();
        *self = Record {
            body: std::mem::take(&mut self.body),
            service: std::mem::take(&mut self.service),
            host: std::mem::take(&mut self.host),
            attributes: std::mem::take(&mut self.attributes),
            ..Record::default()
        };
    }

    /// Adds an attribute; an empty name is none.
    pub fn attribute(&mut self, name: &str, value: &str) {
        if name.is_empty() {
            return;
        }
        match self.attributes.len() < COLLECTED_MAX && self.attributes.bytes() < 16 << 20 {
            true => self.attributes.push(name, value),
            false => self.dropped += 1,
        }
    }

    /// The attributes so far.
    pub fn attributes(&self) -> &Pairs {
        &self.attributes
    }

    /// Bytes as text; what is not UTF-8 is replaced and remembered.
    pub fn text<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, str> {
        let text = String::from_utf8_lossy(bytes);
        self.has_invalid_utf8 |= matches!(text, Cow::Owned(_));
        text
    }

    /// The trace in hexadecimal; what is no identifier is remembered as such, nothing is nothing.
    pub fn trace(&mut self, text: &str) {
        match text.parse() {
            Ok(id) => self.trace_id = Some(id),
            Err(_) => self.has_bad_id |= !text.is_empty(),
        }
    }

    /// As [`Record::trace`], for the span.
    pub fn span(&mut self, text: &str) {
        match text.parse() {
            Ok(id) => self.span_id = Some(id),
            Err(_) => self.has_bad_id |= !text.is_empty(),
        }
    }
}

/// Fills a batch.
pub struct Builder<'a> {
    context: Context<'a>,
    out: Decoded,
    origins: HashMap<Origin, u32>,
    /// The last origin that was made of another and a record's own service and host.
    last: Option<(u32, String, String, u32)>,
}

impl<'a> Builder<'a> {
    /// An empty batch.
    pub fn new(context: Context<'a>) -> Builder<'a> {
        Builder { context, out: Decoded::default(), origins: HashMap::new(), last: None }
    }

    /// What is known besides the bytes.
    pub fn context(&self) -> Context<'a> {
        self.context
    }

    /// How many records were given, kept or not.
    pub fn records(&self) -> u64 {
        self.out.records
    }

    /// The number of an origin; `None` when there are too many of them.
    pub fn origin(&mut self, origin: &Origin) -> Option<u32> {
        if let Some(known) = self.origins.get(origin) {
            return Some(*known);
        }
        if self.origins.len() >= ORIGINS_MAX {
            return None;
        }
        let number = self.out.batch.origins.len() as u32;
        self.out.batch.origins.push(origin.clone());
        self.origins.insert(origin.clone(), number);
        Some(number)
    }

    /// Counts a record that makes no sense.
    pub fn refuse(&mut self, reason: RejectReason, message: impl FnOnce() -> String) {
        self.out.records += 1;
        count_reject(&mut self.out.rejects, reason, 1, message);
    }

    /// Adds a record of an origin, and tells whether it was taken.
    pub fn push(&mut self, record: &Record, origin: &Origin) -> bool {
        match self.origin(origin) {
            Some(origin) => self.push_at(record, origin),
            None => {
                self.refuse(RejectReason::TooLarge, || {
                    format!("a request may hold records of at most {ORIGINS_MAX} origins")
                });
                false
            }
        }
    }

    /// Adds a record of a numbered origin, and tells whether it was taken.
    pub fn push_at(&mut self, record: &Record, origin: u32) -> bool {
        let limits = self.context.limits;
        let (records_max, bytes_max) = (limits.log_records_per_request_max, limits.decoded_bytes_max);
        if self.out.batch.len() >= records_max || self.out.batch.bytes() > bytes_max {
            self.refuse(RejectReason::TooLarge, || {
                format!(
                    "a request may hold at most {records_max} records and {bytes_max} bytes of text; the rest is refused"
                )
            });
            return false;
        }
        let Some(origin) = self.own_origin(record, origin) else {
            self.refuse(RejectReason::TooLarge, || {
                format!("a request may hold records of at most {ORIGINS_MAX} origins")
            });
            return false;
        };
        let (now_ns, oldest_ns) = (self.context.now_ns, self.context.oldest_ns);
        let given = record.time_ns.unwrap_or_else(|| now_ns + self.out.batch.len() as i64 * STEP_NS);
        if given < oldest_ns {
            self.refuse(RejectReason::TooOld, || {
                let (at, oldest) =
                    (format_rfc3339_ms(given / 1_000_000), format_rfc3339_ms(oldest_ns / 1_000_000));
                format!("a record at {at} is before {oldest}, the oldest time kept: {}", cut(&record.body))
            });
            return false;
        }
        let is_future = given > now_ns.saturating_add(limits.future_ms_max.saturating_mul(1_000_000));
        self.keep(record, origin, if is_future { now_ns } else { given }, is_future.then_some(given));
        true
    }

    fn keep(&mut self, record: &Record, origin: u32, time_ns: i64, given: Option<i64>) {
        let limits = self.context.limits;
        let body_max = limits.log_body_bytes_max;
        let end = record.body.floor_char_boundary(record.body.len().min(body_max));
        let (mut marks, mut altered) = (Pairs::new(), self.out.altered);
        if end < record.body.len() {
            marks.push(CUT, &record.body.len().to_string());
            altered.cut += 1;
        }
        if let Some(given) = given {
            marks.push(TIME_GIVEN, &format_rfc3339_ms(given / 1_000_000));
            altered.clamped += 1;
        }
        let (taken, value_max) = (limits.log_attributes_max, limits.log_attribute_bytes_max);
        let left_out = record.dropped + record.attributes.len().saturating_sub(taken) as u64;
        if left_out > 0 {
            marks.push(ATTRIBUTES_DROPPED, &left_out.to_string());
        }
        let is_long = |(name, value): (&str, &str)| name.len() > NAME_BYTES_MAX || value.len() > value_max;
        altered.attributes += u64::from(left_out > 0 || record.attributes.iter().take(taken).any(is_long));
        altered.bad_ids += u64::from(record.has_bad_id);
        altered.invalid_utf8 += u64::from(record.has_invalid_utf8);
        self.out.altered = altered;
        let row = LogRow {
            time_ns,
            origin,
            severity: record.severity,
            body: &record.body[..end],
            pattern: 0,
            trace_id: record.trace_id,
            span_id: record.span_id,
        };
        let short = |text: &'_ str, max: usize| text.floor_char_boundary(text.len().min(max));
        let attributes = record.attributes.iter().take(taken);
        let attributes = attributes.map(|(n, v)| (&n[..short(n, NAME_BYTES_MAX)], &v[..short(v, value_max)]));
        self.out.batch.push(row, attributes.chain(marks.iter()));
        self.out.records += 1;
    }

    /// The origin with the record's own service and host, if it names them.
    fn own_origin(&mut self, record: &Record, base: u32) -> Option<u32> {
        if record.service.is_empty() && record.host.is_empty() {
            return Some(base);
        }
        if let Some((of, service, host, own)) = &self.last
            && (*of, service, host) == (base, &record.service, &record.host)
        {
            return Some(*own);
        }
        let mut origin = self.out.batch.origins.get(base as usize).cloned().unwrap_or_default();
        let cut_to =
            |text: &str| text[..text.floor_char_boundary(text.len().min(NAME_BYTES_MAX))].to_string();
        if !record.service.is_empty() {
            origin.service = cut_to(&record.service);
        }
        if !record.host.is_empty() {
            origin.host = cut_to(&record.host);
        }
        let own = self.origin(&origin)?;
        self.last = Some((base, record.service.clone(), record.host.clone(), own));
        Some(own)
    }

    /// The batch, and what was not kept.
    pub fn finish(self) -> Decoded {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW_NS, context, show};
    use super::*;
    use crate::Limits;

    fn record(body: &str, time_ns: Option<i64>) -> Record {
        Record { body: body.into(), time_ns, ..Record::default() }
    }

    #[test]
    fn what_is_too_much_is_cut_marked_and_counted() {
        let limits = Limits {
            log_body_bytes_max: 5,
            log_attributes_max: 2,
            log_attribute_bytes_max: 3,
            ..Limits::default()
        };
        let context = Context { oldest_ns: NOW_NS - 1_000_000_000, ..context(&limits) };
        let mut builder = Builder::new(context);
        let mut many = record("naïve text", None);
        (0..5_000).for_each(|i| many.attribute(&format!("k{i}"), "wert"));
        let origin = Origin { service: "s".into(), ..Origin::default() };
        assert!(builder.push(&many, &origin));
        assert!(builder.push(&record("later", Some(NOW_NS + 3_600_000_000_000)), &origin));
        assert!(!builder.push(&record("old", Some(1)), &origin));
        let decoded = builder.finish();
        assert_eq!(
            show(&decoded),
            "now s: naïv {k0=wer, k1=wer, midwatch.cut_from_bytes=11, midwatch.attributes_dropped=4998}\n\
             now s: later {midwatch.time_given=2026-11-21T13:00:00Z}\n\
             too_old 1: a record at 1970-01-01T00:00:00Z is before 2026-11-21T11:59:59Z, the oldest time kept: old\n\
             cut 1, time_clamped 1, attributes_dropped 1"
        );
        assert_eq!(decoded.records, 3);
    }

    #[test]
    fn a_batch_is_bounded() {
        let limits = Limits { log_records_per_request_max: 3, ..Limits::default() };
        let mut builder = Builder::new(context(&limits));
        let taken = (0..10).filter(|_| builder.push(&record("x", None), &Origin::default())).count();
        let decoded = builder.finish();
        assert_eq!((taken, decoded.batch.len(), decoded.records, decoded.rejects[0].samples), (3, 3, 10, 7));
        let times: Vec<_> = decoded.batch.rows().map(|r| r.time_ns - NOW_NS).collect();
        assert_eq!(times, [0, 1, 2], "without a time of their own they keep their order");
    }

    #[test]
    fn a_records_own_service_and_host_go_first() {
        let limits = Limits::default();
        let mut builder = Builder::new(context(&limits));
        let base = Origin { service: "file".into(), host: "here".into(), attributes: Pairs::new() };
        let own = Record { service: "sshd".into(), ..record("a", None) };
        builder.push(&own, &base);
        builder.push(&own, &base);
        builder.push(&Record { host: "there".into(), ..record("b", None) }, &base);
        let batch = builder.finish().batch;
        let of = |i: usize| (batch.origin(i).service.as_str(), batch.origin(i).host.as_str());
        assert_eq!(
            (0..3).map(of).collect::<Vec<_>>(),
            [("sshd", "here"), ("sshd", "here"), ("file", "there")]
        );
        assert_eq!(batch.origins.len(), 3);
    }
}
