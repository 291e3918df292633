//! From label pairs as they arrived to a checked [`Labels`], or the reason why not. Shared by all decoders.

use crate::Limits;
use model::labels::{LabelError, NAME};
use model::{Labels, RejectReason};

/// How many characters of a series a message shows.
const SHOWN_CHARS_MAX: usize = 200;

/// Why a series was refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refused {
    pub reason: RejectReason,
    pub message: String,
}

/// Cuts a text for a message.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

/// Cuts bytes for a message; what is not UTF-8 is replaced.
pub(crate) fn cut_bytes(bytes: &[u8]) -> String {
    let end = bytes.len().min(4 * (SHOWN_CHARS_MAX + 1));
    cut(&String::from_utf8_lossy(&bytes[..end]))
}

/// The pairs of one series as they arrived, collected within the limit on their number.
#[derive(Default)]
pub(crate) struct RawPairs<'a> {
    pairs: Vec<(&'a [u8], &'a [u8])>,
    count: usize,
}

impl<'a> RawPairs<'a> {
    pub fn clear(&mut self) {
        self.pairs.clear();
        self.count = 0;
    }

    /// Pairs past the limit are counted and not held, so that a body of empty pairs cannot grow in memory. A pair
    /// with an empty value is an absent label, but is held so that a name which comes twice is seen.
    pub fn push(&mut self, name: &'a [u8], value: &'a [u8], limits: &Limits) {
        self.count += 1;
        if self.pairs.len() <= limits.labels_per_series_max {
            self.pairs.push((name, value));
        }
    }

    /// Checks everything and packs.
    pub fn build(&self, limits: &Limits) -> Result<Labels, Refused> {
        let refuse = |reason, what: String| Err(self.refused(reason, &what));
        if self.count > limits.labels_per_series_max {
            let what = format!("{} labels; at most {} are allowed", self.count, limits.labels_per_series_max);
            return refuse(RejectReason::TooManyLabels, what);
        }
        let mut texts = Vec::with_capacity(self.pairs.len());
        for (name, value) in &self.pairs {
            match (std::str::from_utf8(name), std::str::from_utf8(value)) {
                (Ok(n), Ok(v)) => texts.push((n, v)),
                _ => {
                    let what = format!("label {} is not UTF-8", cut_bytes(name));
                    return refuse(RejectReason::InvalidUtf8, what);
                }
            }
        }
        check(&mut texts, limits).or_else(|refused| refuse(refused.reason, refused.message))
    }

    /// A refusal that names the series first.
    pub fn refused(&self, reason: RejectReason, what: &str) -> Refused {
        let mut shown = Vec::new();
        for (name, value) in &self.pairs {
            if shown.len() > 4 * SHOWN_CHARS_MAX {
                break;
            }
            let part = |b: &[u8]| b[..b.len().min(SHOWN_CHARS_MAX)].to_vec();
            shown.extend(if *name == NAME.as_bytes() { Vec::new() } else { part(name) });
            shown.extend(if *name == NAME.as_bytes() { b"" } else { b"=".as_slice() });
            shown.extend(part(value));
            shown.push(b' ');
        }
        let shown = cut_bytes(shown.trim_ascii());
        let message =
            if shown.is_empty() { format!("(no labels): {what}") } else { format!("{shown}: {what}") };
        Refused { reason, message }
    }
}

/// Checks texts against the limits and packs them. The message does not name the series.
pub(crate) fn check(texts: &mut [(&str, &str)], limits: &Limits) -> Result<Labels, Refused> {
    check_limits(texts.iter().copied(), limits)?;
    Labels::from_slice(texts).map_err(|e| {
        let reason = match e {
            LabelError::Duplicate(_) => RejectReason::DuplicateLabel,
            LabelError::EmptyName => RejectReason::InvalidName,
            LabelError::TooLong(_) => RejectReason::LabelTooLong,
        };
        Refused { reason, message: e.to_string() }
    })
}

/// Checks the number and lengths of labels, and that there is a metric name. The message does not name the series.
pub(crate) fn check_limits<'a>(
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    limits: &Limits,
) -> Result<(), Refused> {
    let refuse = |reason, message: String| Err(Refused { reason, message });
    let (mut named, mut count) = (false, 0);
    for (name, value) in labels {
        count += 1;
        if name.len() > limits.label_name_bytes_max || value.len() > limits.label_value_bytes_max {
            let short: String = name.chars().take(64).collect();
            let (n, v) = (limits.label_name_bytes_max, limits.label_value_bytes_max);
            let what = format!(
                "label {short:?} has a name of {} and a value of {} bytes; at most {n} and {v} are allowed",
                name.len(),
                value.len()
            );
            return refuse(RejectReason::LabelTooLong, what);
        }
        named |= name == NAME && !value.is_empty();
    }
    if count > limits.labels_per_series_max {
        let what = format!("{count} labels; at most {} are allowed", limits.labels_per_series_max);
        return refuse(RejectReason::TooManyLabels, what);
    }
    if !named {
        return refuse(RejectReason::InvalidName, "there is no metric name (__name__)".into());
    }
    Ok(())
}
