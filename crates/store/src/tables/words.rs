//! What a word of a text is. A *long word* is a run of letters, digits and `. - _ @`, without such marks at its ends: an
//! address, a UUID, a host, a number. A *short word* is a run of letters alone within one (`refused`, `java`). Long and
//! short words are what [`super::Predicate::Word`] and [`super::Predicate::Id`] find, and what the index of a file holds:
//! both must go by the functions here, so that the index never hides a row. Bytes above 127 are letters. Case is ignored
//! for ASCII.

const DELIMITER: u8 = 0;
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const JOINER: u8 = 3;

const CLASS: [u8; 256] = {
    let mut class = [DELIMITER; 256];
    let mut b = 0;
    while b < 256 {
        let byte = b as u8;
        class[b] = if byte.is_ascii_alphabetic() || byte >= 128 {
            LETTER
        } else if byte.is_ascii_digit() {
            DIGIT
        } else if matches!(byte, b'.' | b'-' | b'_' | b'@') {
            JOINER
        } else {
            DELIMITER
        };
        b += 1;
    }
    class
};

fn is_letter(b: u8) -> bool {
    CLASS[b as usize] == LETTER
}

fn is_alphanumeric(b: u8) -> bool {
    matches!(CLASS[b as usize], LETTER | DIGIT)
}

/// Calls `each` with every long word, and with every short word within a long one that is more than that.
#[inline]
pub fn for_each(text: &[u8], mut each: impl FnMut(&[u8])) {
    long_words(text, |word, has_other| {
        each(word);
        if has_other {
            word.split(|b| !is_letter(*b)).filter(|w| w.len() > 1).for_each(|short| {
                // `a1` has the letter run `a`, which is no word: digits stand beside it.
                let start = short.as_ptr() as usize - word.as_ptr() as usize;
                let end = start + short.len();
                let before = start > 0 && is_alphanumeric(word[start - 1]);
                let after = end < word.len() && is_alphanumeric(word[end]);
                if !before && !after {
                    each(short);
                }
            });
        }
    });
}

/// Calls `each` with every long word of at least two bytes, and whether it has more than letters.
#[inline]
fn long_words(text: &[u8], mut each: impl FnMut(&[u8], bool)) {
    let mut at = 0;
    while at < text.len() {
        // A word begins with a letter or a digit.
        if !is_alphanumeric(text[at]) {
            at += 1;
            continue;
        }
        let start = at;
        let (mut end, mut seen) = (at, 0u8);
        while at < text.len() {
            match CLASS[text[at] as usize] {
                DELIMITER => break,
                JOINER => {}
                class => {
                    end = at + 1;
                    seen |= class;
                }
            }
            at += 1;
        }
        let word = &text[start..end];
        if word.len() > 1 {
            each(word, seen & DIGIT != 0 || word.iter().any(|b| CLASS[*b as usize] == JOINER));
        }
    }
}

/// The long words of a text that somebody looks for as words.
pub fn long_words_of(text: &str) -> Vec<&[u8]> {
    let mut words = Vec::new();
    // What is handed on lies within `text`; the closure's borrow does not say so.
    long_words(text.as_bytes(), |word, _| {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        words.push(&text.as_bytes()[start..start + word.len()]);
    });
    words
}

/// The long words of a text that somebody looks for as a part of another: those at its ends may be parts of longer ones,
/// and are left out.
pub fn inner_words_of(text: &str) -> Vec<&[u8]> {
    let bytes = text.as_bytes();
    let is_delimiter = |b: &u8| CLASS[*b as usize] == DELIMITER;
    let (Some(first), Some(last)) =
        (bytes.iter().position(is_delimiter), bytes.iter().rposition(is_delimiter))
    else {
        return Vec::new();
    };
    text.get(first..=last).map(long_words_of).unwrap_or_default()
}

/// Looks for a text at boundaries of words.
#[derive(Clone, Debug)]
pub struct WordFinder {
    needle: Finder,
    /// The first long word is letters alone, so that it may be a short word of the text.
    first_is_short: bool,
    last_is_short: bool,
}

impl WordFinder {
    /// `None` if there is no word in `text`.
    pub fn new(text: &str) -> Option<WordFinder> {
        let text = text.trim_matches(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric());
        let words = long_words_of(text);
        let all_letters = |word: Option<&&[u8]>| word.is_some_and(|w| w.iter().all(|b| is_letter(*b)));
        Some(WordFinder {
            needle: Finder::new(text.as_bytes())?,
            first_is_short: all_letters(words.first()),
            last_is_short: all_letters(words.last()),
        })
    }

    /// Whether it is in there.
    pub fn is_in(&self, text: &[u8]) -> bool {
        let mut from = 0;
        while let Some(start) = self.needle.find(text, from) {
            let end = start + self.needle.len();
            if is_edge(text[..start].iter().rev(), self.first_is_short)
                && is_edge(text[end..].iter(), self.last_is_short)
            {
                return true;
            }
            from = start + 1;
        }
        false
    }
}

/// Whether a word ends where these bytes go on from.
fn is_edge<'a>(mut beyond: impl Iterator<Item = &'a u8>, is_short: bool) -> bool {
    match beyond.next() {
        None => true,
        Some(b) if is_alphanumeric(*b) => false,
        Some(b) if CLASS[*b as usize] == DELIMITER || is_short => true,
        // Marks at the end of a long word are not of it.
        Some(_) => {
            beyond.find(|b| CLASS[**b as usize] != JOINER).is_none_or(|b| CLASS[*b as usize] == DELIMITER)
        }
    }
}

/// Finds bytes, ignoring the case of ASCII letters.
#[derive(Clone, Debug)]
pub struct Finder {
    needle: Vec<u8>,
    /// The byte of the needle that is least often in texts, and its place.
    rare: (u8, usize),
}

impl Finder {
    /// `None` for nothing.
    pub fn new(needle: &[u8]) -> Option<Finder> {
        const OFTEN: &[u8] = b" etaoinsrhldcumfpgwybv10.2-/:34567890,_\"'()[]=kxjqz";
        let often = |b: u8| OFTEN.iter().position(|o| *o == b.to_ascii_lowercase()).unwrap_or(OFTEN.len());
        let place = (0..needle.len()).max_by_key(|i| often(needle[*i]))?;
        Some(Finder { needle: needle.to_vec(), rare: (needle[place], place) })
    }

    /// Length of what is looked for; never 0.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.needle.len()
    }

    /// The first place at or after `from`.
    pub fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        let (rare, place) = self.rare;
        let (lower, upper) = (rare.to_ascii_lowercase(), rare.to_ascii_uppercase());
        let mut at = from + place;
        while at < text.len() {
            at += memchr::memchr2(lower, upper, &text[at..])?;
            let start = at - place;
            let there = text.get(start..start + self.needle.len())?;
            if there.eq_ignore_ascii_case(&self.needle) {
                return Some(start);
            }
            at += 1;
        }
        None
    }
}
