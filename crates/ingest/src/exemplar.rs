//! From the parts of an exemplar as they arrived to a checked [`Exemplar`], or the reason why not. Shared by all decoders.
//! It must never refuse the sample beside it.

use crate::series::{cut, cut_bytes};
use model::labels::LabelError;
use model::{Exemplar, Labels, RejectReason};

/// Characters of all labels of one exemplar together, names and values, at the most (as in OpenMetrics 1.0).
pub(crate) const LABEL_CHARS_MAX: usize = 128;

/// Why an exemplar was refused.
pub(crate) struct BadExemplar {
    pub reason: RejectReason,
    pub message: String,
}

/// Checks the labels: UTF-8, no name twice or empty, few enough characters. `timestamp_ms` of 0 is no time.
pub(crate) fn build(
    series: u32,
    timestamp_ms: i64,
    value: f64,
    pairs: &[(&[u8], &[u8])],
) -> Result<Exemplar, BadExemplar> {
    let refuse = |reason, what: String| {
        let shown: Vec<String> =
            pairs.iter().take(4).map(|(n, v)| format!("{}={}", cut_bytes(n), cut_bytes(v))).collect();
        Err(BadExemplar { reason, message: format!("exemplar {{{}}}: {what}", cut(&shown.join(","))) })
    };
    if timestamp_ms == 0 {
        return refuse(RejectReason::Malformed, "it has no timestamp".into());
    }
    let mut texts = Vec::with_capacity(pairs.len());
    let mut chars = 0;
    for (name, value) in pairs {
        match (std::str::from_utf8(name), std::str::from_utf8(value)) {
            (Ok(n), Ok(v)) => {
                chars += n.chars().count() + v.chars().count();
                texts.push((n, v));
            }
            _ => return refuse(RejectReason::InvalidUtf8, "a label is not UTF-8".into()),
        }
    }
    if chars > LABEL_CHARS_MAX {
        let what = format!("its labels have {chars} characters; at most {LABEL_CHARS_MAX} are allowed");
        return refuse(RejectReason::LabelTooLong, what);
    }
    match Labels::from_slice(&mut texts) {
        Ok(labels) => Ok(Exemplar { series, timestamp_ms, value, labels }),
        Err(e) => {
            let reason = match e {
                LabelError::Duplicate(_) => RejectReason::DuplicateLabel,
                LabelError::EmptyName => RejectReason::InvalidName,
                LabelError::TooLong(_) => RejectReason::LabelTooLong,
            };
            refuse(reason, e.to_string())
        }
    }
}
