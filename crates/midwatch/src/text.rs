//! Text on a terminal: what others wrote is made harmless, widths are counted in cells, colours are used only where
//! they are wanted. It must never let an escape sequence through.

/// What does a person on this terminal see?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Cells of a line.
    pub width: usize,
    /// Use colours.
    pub colour: bool,
}

/// Colours by their meaning, as ANSI codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Headings.
    Bold,
    /// What matters less.
    Dim,
    /// Fine.
    Green,
    /// Worth a look.
    Yellow,
    /// Bad.
    Red,
    /// A series of a chart, by its number.
    Series(usize),
}

/// Told apart by colour-blind people too, on dark and light terminals: blue, yellow, magenta, cyan, red, green.
const SERIES: [&str; 6] = ["34", "33", "35", "36", "31", "32"];

impl Look {
    /// `text` in a colour, if colours are used.
    pub fn paint(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Green => "32",
            Ink::Yellow => "33",
            Ink::Red => "1;31",
            Ink::Series(i) => SERIES[i % SERIES.len()],
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }
}

/// Whatever could steer a terminal or hide text is shown as an escape.
pub fn clean(text: &str) -> String {
    let bad = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if !text.contains(bad) {
        return text.into();
    }
    text.chars().map(|c| if bad(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// Cells that a character takes, well enough for tables: two for East Asian wide forms and emoji, none for marks.
fn cells_of(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0xfe00..=0xfe0f | 0x20d0..=0x20ff => 0,
        0x1100..=0x115f | 0x2e80..=0x303e | 0x3041..=0xa4cf | 0xac00..=0xd7a3 => 2,
        0xf900..=0xfaff | 0xfe30..=0xfe4f | 0xff00..=0xff60 | 0xffe0..=0xffe6 => 2,
        0x1f300..=0x1f64f | 0x1f680..=0x1f6ff | 0x1f900..=0x1f9ff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Cells that a text without escape sequences takes.
pub fn cells(text: &str) -> usize {
    text.chars().map(cells_of).sum()
}

/// At most `width` cells; what is cut is shown by `…`.
pub fn cut(text: &str, width: usize) -> String {
    if cells(text) <= width {
        return text.into();
    }
    let (mut out, mut used) = (String::new(), 0);
    for c in text.chars() {
        if used + cells_of(c) + 1 > width {
            break;
        }
        used += cells_of(c);
        out.push(c);
    }
    if width > 0 {
        out.push('…');
    }
    out
}

/// Exactly `width` cells, text at the left.
pub fn left(text: &str, width: usize) -> String {
    let text = cut(text, width);
    let room = width.saturating_sub(cells(&text));
    text + &" ".repeat(room)
}

/// Exactly `width` cells, text at the right.
pub fn right(text: &str, width: usize) -> String {
    let text = cut(text, width);
    " ".repeat(width.saturating_sub(cells(&text))) + &text
}

/// Hours, minutes and seconds of a time in milliseconds since 1970, in UTC.
pub fn clock(ms: i64) -> String {
    let s = ms.div_euclid(1000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// "1 error", "3 errors": of what takes an s.
pub fn counted(n: usize, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_made_harmless() {
        for (text, want) in [
            ("plain é 漢", "plain é 漢"),
            ("\x1b[2J\x07", "\\u{1b}[2J\\u{7}"),
            ("a\nb\u{202e}c\u{9b}m", "a\\nb\\u{202e}c\\u{9b}m"),
        ] {
            assert_eq!(clean(text), want);
        }
    }

    #[test]
    fn numbers_of_things() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "rule")), ["0 rules", "1 rule", "2 rules"]);
    }

    #[test]
    fn widths() {
        assert_eq!((cells("abc"), cells("漢字"), cells("e\u{301}")), (3, 4, 1));
        assert_eq!((left("ab", 4), right("ab", 4)), ("ab  ".into(), "  ab".into()));
        assert_eq!(
            (cut("abcdef", 4), cut("漢字漢字", 5), cut("ab", 0)),
            ("abc…".into(), "漢字…".into(), String::new())
        );
    }
}
