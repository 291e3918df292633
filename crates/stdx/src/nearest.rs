//! The known word that was probably meant when an unknown one was written. It must never guess one that has little to do
//! with it.

/// Longer words are no typing errors.
const LETTERS_MAX: usize = 64;

/// The known word that was probably meant: at most a third of the letters of the longer one differ (one, in short words),
/// whatever the case of what was written.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let letters: Vec<char> = lower.chars().take(LETTERS_MAX + 1).collect();
    if letters.is_empty() || letters.len() > LETTERS_MAX {
        return None;
    }
    let scored = known.into_iter().filter_map(|name| {
        let of_name: Vec<char> = name.chars().collect();
        let allowed = (letters.len().max(of_name.len()) / 3).max(1);
        let off = distance(&letters, &of_name);
        // Of two that are as near, the one that goes on from what was written.
        // A word of one letter is another word, not a typing error.
        (off <= allowed && off < letters.len()).then(|| (off, !name.starts_with(&lower), name))
    });
    scored.min().map(|(.., name)| name)
}

/// `; did you mean "x"?`, or nothing.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|k| format!("; did you mean {k:?}?")).unwrap_or_default()
}

/// Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
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
    fn typing_errors_find_their_word() {
        let known = [
            "scrape_interval",
            "scrape_timeout",
            "job_name",
            "rate",
            "irate",
            "increase",
            "sum_over_time",
            "sum",
        ];
        for (word, want) in [
            ("scrape_intervall", Some("scrape_interval")),
            ("jobname", Some("job_name")),
            ("raet", Some("rate")),
            ("incraese", Some("increase")),
            ("SUM_OVR_TIME", Some("sum_over_time")),
            ("kubernetes", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), want, "{word}");
        }
        assert_eq!(nearest(&"sum".repeat(100), known), None);
        assert_eq!(did_you_mean("smu", known), "; did you mean \"sum\"?");
    }
}
