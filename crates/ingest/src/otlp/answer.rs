//! What is said to a sender: how much of a request was refused and why, or why all of it was.

use crate::wire::{put_bytes_field, put_varint_field};
use model::Reject;
use serde_json::json;

/// The two encodings of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `application/x-protobuf`, and all of gRPC.
    Protobuf,
    /// `application/json`.
    Json,
}

impl Content {
    /// From the media type of a Content-Type, without its parameters.
    pub fn from_media_type(media_type: &str) -> Option<Content> {
        match media_type.to_ascii_lowercase().as_str() {
            "application/x-protobuf" | "application/protobuf" => Some(Content::Protobuf),
            "application/json" => Some(Content::Json),
            _ => None,
        }
    }

    /// The Content-Type of an answer.
    pub fn media_type(self) -> &'static str {
        match self {
            Content::Protobuf => "application/x-protobuf",
            Content::Json => "application/json",
        }
    }
}

/// An `ExportMetricsServiceResponse`: empty if everything was kept, otherwise a partial success with the number of data points
/// that were refused, of `points`, and the reasons.
pub fn metrics_answer(content: Content, rejects: &[Reject], points: u64) -> Vec<u8> {
    let reasons = rejects.iter().map(Reject::to_string).collect();
    answer(content, "rejectedDataPoints", rejects, points, reasons)
}

/// An `ExportTraceServiceResponse`, in the same way.
pub fn traces_answer(content: Content, rejects: &[Reject], spans: u64) -> Vec<u8> {
    let reason = |r: &Reject| format!("{} ({} spans): {}", r.reason.as_str(), r.samples, r.message);
    answer(content, "rejectedSpans", rejects, spans, rejects.iter().map(reason).collect())
}

/// An `ExportLogsServiceResponse`, in the same way.
pub fn logs_answer(content: Content, rejects: &[Reject], records: u64) -> Vec<u8> {
    let reason = |r: &Reject| format!("{} ({} records): {}", r.reason.as_str(), r.samples, r.message);
    answer(content, "rejectedLogRecords", rejects, records, rejects.iter().map(reason).collect())
}

fn answer(content: Content, counted: &str, rejects: &[Reject], points: u64, reasons: Vec<String>) -> Vec<u8> {
    // The store counts samples, and a point of a histogram is several.
    let refused = rejects.iter().map(|r| r.samples).sum::<u64>().min(points);
    let reasons = reasons.join("; ");
    match content {
        Content::Json if rejects.is_empty() => b"{}".to_vec(),
        Content::Json => {
            // 64-bit numbers are texts in protobuf's JSON.
            let partial = json!({ counted: refused.to_string(), "errorMessage": reasons });
            json!({ "partialSuccess": partial }).to_string().into_bytes()
        }
        Content::Protobuf => {
            let (mut partial, mut out) = (Vec::new(), Vec::new());
            if !rejects.is_empty() {
                put_varint_field(&mut partial, 1, refused);
                put_bytes_field(&mut partial, 2, reasons.as_bytes());
                put_bytes_field(&mut out, 1, &partial);
            }
            out
        }
    }
}

/// A `google.rpc.Status` of a request of which nothing was kept. `retry_after_s` is for gRPC, which has no header for it.
pub fn failure(content: Content, code: u32, message: &str, retry_after_s: Option<u64>) -> Vec<u8> {
    match content {
        Content::Json => json!({ "code": code, "message": message }).to_string().into_bytes(),
        Content::Protobuf => {
            let mut out = Vec::new();
            put_varint_field(&mut out, 1, u64::from(code));
            put_bytes_field(&mut out, 2, message.as_bytes());
            if let Some(seconds) = retry_after_s {
                // google.rpc.RetryInfo { google.protobuf.Duration { seconds } } in a google.protobuf.Any.
                let (mut duration, mut info, mut any) = (Vec::new(), Vec::new(), Vec::new());
                put_varint_field(&mut duration, 1, seconds);
                put_bytes_field(&mut info, 1, &duration);
                put_bytes_field(&mut any, 1, b"type.googleapis.com/google.rpc.RetryInfo");
                put_bytes_field(&mut any, 2, &info);
                put_bytes_field(&mut out, 3, &any);
            }
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::RejectReason;

    #[test]
    fn answers() {
        let rejects = [Reject { reason: RejectReason::TooOld, samples: 7, message: "x is old".into() }];
        assert_eq!(metrics_answer(Content::Protobuf, &[], 3), b"");
        assert_eq!(metrics_answer(Content::Json, &[], 3), b"{}");
        let json = String::from_utf8(metrics_answer(Content::Json, &rejects, 3)).unwrap();
        let want =
            r#"{"partialSuccess":{"errorMessage":"too_old (7 samples): x is old","rejectedDataPoints":"3"}}"#;
        assert_eq!(json, want);
        let protobuf = metrics_answer(Content::Protobuf, &rejects, 30);
        assert_eq!(protobuf, b"\x0a\x21\x08\x07\x12\x1dtoo_old (7 samples): x is old");
        assert_eq!(failure(Content::Json, 3, "no", None), br#"{"code":3,"message":"no"}"#);
        let retry = failure(Content::Protobuf, 14, "busy", Some(1));
        assert!(retry.starts_with(b"\x08\x0e\x12\x04busy\x1a"), "{retry:x?}");
        assert!(retry.ends_with(b"RetryInfo\x12\x04\x0a\x02\x08\x01"), "{retry:x?}");
    }
}
