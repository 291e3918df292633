//! What a person types into the search box, taken apart. Any text is a query: nothing is an error.
//!
//! `disk read` both words; `"io time"` a phrase; `device=sda`, `device:sda` a label; `-sda`, `-device=sda`,
//! `device!=sda` without it.

/// Bytes of a query that are read.
pub const QUERY_BYTES_MAX: usize = 1024;
/// Words of a query that are used.
pub const WORDS_MAX: usize = 16;

/// One condition; all must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// What must be there.
    pub what: What,
    /// It must not be there.
    pub exclude: bool,
}

/// What a word asks for; texts are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A text anywhere; a space in it stands for any separator.
    Text(String),
    /// A label with this value (or its beginning); `text` is the word as a whole, for when no label fits.
    Label {
        /// Label name.
        name: String,
        /// Its value or the beginning of it; empty for any value.
        value: String,
        /// `name:value` as typed; empty for `name=value`, which can mean nothing else.
        text: String,
    },
}

/// Takes a query apart.
pub fn parse(query: &str) -> Vec<Word> {
    let query = query[..query.floor_char_boundary(QUERY_BYTES_MAX.min(query.len()))].to_lowercase();
    split(&query).into_iter().filter_map(|raw| word(&raw)).take(WORDS_MAX).collect()
}

/// Characters of a word, and whether each stood in quotes.
type Raw = Vec<(char, bool)>;

fn split(query: &str) -> Vec<Raw> {
    let (mut words, mut word, mut quoted) = (Vec::new(), Raw::new(), false);
    for c in query.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(std::mem::take(&mut word)),
            c => word.push((if c.is_whitespace() { ' ' } else { c }, quoted)),
        }
    }
    words.push(word);
    words.retain(|w| !w.is_empty());
    words
}

fn word(raw: &[(char, bool)]) -> Option<Word> {
    let (mut exclude, mut raw) = (false, raw);
    if let [('-', false), rest @ ..] = raw {
        (exclude, raw) = (true, rest);
    }
    let text = |part: &[(char, bool)]| part.iter().map(|(c, _)| *c).collect::<String>().trim().to_string();
    let label = |at: usize, after: usize, colon: bool| What::Label {
        name: text(&raw[..at]),
        value: text(&raw[after..]),
        text: if colon { text(raw) } else { String::new() },
    };
    let find = |wanted: char| raw.iter().position(|c| *c == (wanted, false)).filter(|at| *at > 0);
    let what = match (find('='), find(':')) {
        (Some(at), _) if at > 1 && raw[at - 1] == ('!', false) => {
            exclude = !exclude;
            label(at - 1, at + 1, false)
        }
        (Some(at), _) => label(at, at + 1, false),
        (None, Some(at)) => label(at, at + 1, true),
        (None, None) => What::Text(text(raw)),
    };
    (what != What::Text(String::new())).then_some(Word { what, exclude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let text = |t: &str| What::Text(t.into());
        let label =
            |n: &str, v: &str, t: &str| What::Label { name: n.into(), value: v.into(), text: t.into() };
        for (query, want) in [
            ("", vec![]),
            ("  ", vec![]),
            ("Disk  READ", vec![(text("disk"), false), (text("read"), false)]),
            ("\"io time\" x", vec![(text("io time"), false), (text("x"), false)]),
            ("device=sda", vec![(label("device", "sda", ""), false)]),
            ("device:sda", vec![(label("device", "sda", "device:sda"), false)]),
            ("device=", vec![(label("device", "", ""), false)]),
            ("a=\"b c\"", vec![(label("a", "b c", ""), false)]),
            ("a=b=c", vec![(label("a", "b=c", ""), false)]),
            ("\"a=b\"", vec![(text("a=b"), false)]),
            ("-sda -device=sda", vec![(text("sda"), true), (label("device", "sda", ""), true)]),
            ("device!=sda", vec![(label("device", "sda", ""), true)]),
            ("-device!=sda", vec![(label("device", "sda", ""), false)]),
            ("=x :y - \"\"", vec![(text("=x"), false), (text(":y"), false)]),
            ("\"open", vec![(text("open"), false)]),
            ("ÄÖ", vec![(text("äö"), false)]),
        ] {
            let got: Vec<_> = parse(query).into_iter().map(|w| (w.what, w.exclude)).collect();
            assert_eq!(got, want, "{query}");
        }
        assert_eq!(parse(&"é ".repeat(5_000)).len(), WORDS_MAX);
    }
}
