//! A histogram as text, as Prometheus writes it into labels (`count_values`): `{count:4, sum:5, (1,2]:4}`.

use super::bounds::{Bucket, negative, positive};
use model::Histogram;
use std::fmt::Write;

/// The text; buckets that hold nothing are left out.
pub(crate) fn text(h: &Histogram) -> String {
    let mut out = format!("{{count:{}, sum:{}", number(h.count), number(h.sum));
    let mut below: Vec<Bucket> = negative(h).collect();
    below.reverse();
    let (lower, upper, count) = (-h.zero_threshold, h.zero_threshold, h.zero_count);
    let zero = Bucket { lower, upper, lower_inclusive: true, upper_inclusive: true, count };
    for b in below.into_iter().chain([zero]).chain(positive(h)).filter(|b| b.count != 0.0) {
        let open = if b.lower_inclusive { '[' } else { '(' };
        let close = if b.upper_inclusive { ']' } else { ')' };
        let _ = write!(out, ", {open}{},{}{close}:{}", number(b.lower), number(b.upper), number(b.count));
    }
    out.push('}');
    out
}

/// The shortest digits that read back as the same number, with an exponent below 0.0001 and from a million on, as Go's
/// `%g` has it.
fn number(v: f64) -> String {
    let scientific = format!("{v:e}");
    let Some((digits, exponent)) = scientific.split_once('e').filter(|_| v.is_finite()) else {
        return crate::number::plain_text(v);
    };
    match exponent.parse::<i32>() {
        Ok(n) if n < -4 => format!("{digits}e-{:02}", -n),
        Ok(n) if n >= 6 => format!("{digits}e+{n:02}"),
        _ => format!("{v}"),
    }
}
