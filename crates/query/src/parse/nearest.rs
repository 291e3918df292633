//! "Did you mean ...?": the known name that is nearest to a mistyped one.

/// The nearest of `names` within a third of the length (at least one) in changed, missing, added or
/// swapped characters.
pub(crate) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let allowed = (word.len() / 3).max(1);
    names
        // Of two that are as near, the one that goes on from what was written.
        .map(|n| (distance(word.as_bytes(), n.as_bytes()), !n.starts_with(&word), n))
        .filter(|(d, ..)| *d <= allowed)
        .min()
        .map(|(.., n)| n)
}

/// Optimal string alignment distance.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let substitution = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substitution.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_find_their_name() {
        let names = ["rate", "irate", "increase", "sum_over_time", "sum"];
        for (word, want) in [
            ("raet", Some("rate")),
            ("incraese", Some("increase")),
            ("SUM_OVR_TIME", Some("sum_over_time")),
            ("zzzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names.into_iter()), want, "{word}");
        }
    }
}
