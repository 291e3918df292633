//! Small typing errors: is one word the other with a letter too many, missing, wrong, or two letters swapped?

/// The longest word that is compared, in bytes.
const BYTES_MAX: usize = 40;

/// How many errors are forgiven in a word of so many bytes: one from 4 letters, two from 8.
pub(crate) fn edits_allowed(bytes: usize) -> usize {
    match bytes {
        0..4 => 0,
        4..8 => 1,
        8..=BYTES_MAX => 2,
        _ => 0,
    }
}

/// A word that was typed, prepared for many comparisons.
pub struct Typed<'a> {
    word: &'a [u8],
    letters: u32,
    edits_max: usize,
}

/// The letters of a word as a set of 32: a quick test that rules most words out.
fn letters(word: &[u8]) -> u32 {
    word.iter().fold(0, |set, b| set | 1 << (b & 31))
}

impl<'a> Typed<'a> {
    /// `None` for words too short or too long for errors to be forgiven.
    pub fn new(word: &'a str) -> Option<Typed<'a>> {
        let word = word.as_bytes();
        let edits_max = edits_allowed(word.len());
        (edits_max > 0).then(|| Typed { word, letters: letters(word), edits_max })
    }

    /// How many errors are forgiven in it.
    pub fn errors_max(&self) -> usize {
        self.edits_max
    }

    /// The number of errors (1 or 2, or 0 for none) by which the typed word is `other` or its beginning; `None` if
    /// there are more than allowed.
    pub fn compare(&self, other: &[u8]) -> Option<usize> {
        if other.len() + self.edits_max < self.word.len() {
            return None;
        }
        let other = &other[..other.len().min(self.word.len() + self.edits_max)];
        // Each error can bring at most one letter that the other word does not have.
        if (self.letters & !letters(other)).count_ones() as usize > self.edits_max {
            return None;
        }
        let errors = prefix_distance(self.word, other);
        (errors <= self.edits_max).then_some(errors)
    }
}

/// Optimal string alignment distance between `typed` and the nearest beginning of `other`.
fn prefix_distance(typed: &[u8], other: &[u8]) -> usize {
    let width = other.len() + 1;
    let (mut before, mut above, mut row) = ([0; BYTES_MAX + 3], [0; BYTES_MAX + 3], [0; BYTES_MAX + 3]);
    for (j, cell) in above.iter_mut().enumerate().take(width) {
        *cell = j;
    }
    for (i, a) in typed.iter().enumerate() {
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let mut best = (above[j] + usize::from(a != b)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && typed[i - 1] == *b {
                best = best.min(before[j - 1] + 1);
            }
            row[j + 1] = best;
        }
        (before, above) = (above, row);
    }
    above[..width].iter().copied().min().unwrap_or(typed.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (typed, word, want) in [
            ("memroy", "memory", Some(1)),
            ("memry", "memory", Some(1)),
            ("memoryy", "memory", Some(1)),
            ("mamory", "memory", Some(1)),
            ("memory", "memory", Some(0)),
            ("memro", "memory", Some(1)),
            ("mmroy", "memory", None),
            ("filesytsem", "filesystem", Some(1)),
            ("fliesytsem", "filesystem", Some(2)),
            ("fliesytsme", "filesystem", None),
            ("disc", "disk", Some(1)),
            ("network", "", None),
        ] {
            assert_eq!(Typed::new(typed).unwrap().compare(word.as_bytes()), want, "{typed} {word}");
        }
        assert!(Typed::new("cpu").is_none() && Typed::new(&"x".repeat(41)).is_none());
        let long = "x".repeat(40);
        assert_eq!(Typed::new(&long).unwrap().compare("x".repeat(300).as_bytes()), Some(0));
    }
}
