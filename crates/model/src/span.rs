//! Spans: one piece of work of one service for one request, and who asked for it. Data only; it must never know where
//! it came from or where it goes, and promises nothing about a span's parents: they may be missing, late, or in a circle.

use crate::{Origin, Pairs, SpanId, TraceId};

/// Which side of a call a span is (OTLP's kinds).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpanKind {
    /// Not said.
    #[default]
    Unspecified,
    /// Within a service.
    Internal,
    /// Answers a call.
    Server,
    /// Makes a call.
    Client,
    /// Puts a message into a queue.
    Producer,
    /// Takes a message out of a queue.
    Consumer,
}

impl SpanKind {
    /// From OTLP's number; what is not known is not said.
    pub fn from_number(number: u8) -> SpanKind {
        match number {
            1 => SpanKind::Internal,
            2 => SpanKind::Server,
            3 => SpanKind::Client,
            4 => SpanKind::Producer,
            5 => SpanKind::Consumer,
            _ => SpanKind::Unspecified,
        }
    }

    /// `internal`, `server`, `client`, `producer`, `consumer`, or nothing when it is not said.
    pub fn name(self) -> &'static str {
        match self {
            SpanKind::Unspecified => "",
            SpanKind::Internal => "internal",
            SpanKind::Server => "server",
            SpanKind::Client => "client",
            SpanKind::Producer => "producer",
            SpanKind::Consumer => "consumer",
        }
    }

    /// OTLP's number.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// How a span ended (OTLP's status).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpanStatus {
    /// Not said: no error.
    #[default]
    Unset,
    /// Said to be right.
    Ok,
    /// Failed.
    Error,
}

impl SpanStatus {
    /// From OTLP's number; what is not known is not said.
    pub fn from_number(number: u8) -> SpanStatus {
        match number {
            1 => SpanStatus::Ok,
            2 => SpanStatus::Error,
            _ => SpanStatus::Unset,
        }
    }

    /// `ok`, `error`, or nothing when it is not said.
    pub fn name(self) -> &'static str {
        match self {
            SpanStatus::Unset => "",
            SpanStatus::Ok => "ok",
            SpanStatus::Error => "error",
        }
    }

    /// OTLP's number.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// Something that happened at one instant within a span (an exception, a retry).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpanEvent {
    /// Nanoseconds since 1970-01-01 UTC.
    pub time_ns: i64,
    /// Its name.
    pub name: String,
    /// What was said beside it.
    pub attributes: Pairs,
}

/// Another span that this one has to do with, in the same trace or another.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanLink {
    /// Its trace.
    pub trace_id: TraceId,
    /// The span there.
    pub span_id: SpanId,
    /// What was said beside it.
    pub attributes: Pairs,
}

/// One span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its trace.
    pub trace_id: TraceId,
    /// Itself.
    pub span_id: SpanId,
    /// Who asked for it; `None`: nobody, or it is not known.
    pub parent_id: Option<SpanId>,
    /// Index into [`SpanBatch::origins`].
    pub origin: u32,
    /// The operation.
    pub name: String,
    /// Which side of a call.
    pub kind: SpanKind,
    /// When it began, in nanoseconds since 1970-01-01 UTC.
    pub start_ns: i64,
    /// How long it took, in nanoseconds; 0 where the clock stepped back in between.
    pub duration_ns: u64,
    /// How it ended.
    pub status: SpanStatus,
    /// What was said of the error.
    pub status_message: String,
    /// What was said beside it.
    pub attributes: Pairs,
    /// What happened within it.
    pub events: Vec<SpanEvent>,
    /// What else it has to do with.
    pub links: Vec<SpanLink>,
}

/// Spans that arrived together, in the order in which they arrived.
#[derive(Clone, Debug, Default)]
pub struct SpanBatch {
    /// Where spans come from.
    pub origins: Vec<Origin>,
    /// The spans.
    pub spans: Vec<Span>,
}

impl SpanBatch {
    /// Where a span of this batch comes from.
    pub fn origin(&self, span: &Span) -> &Origin {
        &self.origins[span.origin as usize]
    }
}
