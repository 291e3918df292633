//! The texts of one process: /proc/PID/stat and /proc/PID/io. Pure; a command name may hold anything,
//! brackets and newlines too.

use crate::bytes::{Fields, lines, unsigned};

/// What /proc/PID/stat says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Stat {
    pub(crate) parent: u64,
    /// The state's letter: R, S, D, T, t, Z, X, I.
    pub(crate) state: u8,
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    /// Hundredths of a second.
    pub(crate) user_ticks: u64,
    pub(crate) system_ticks: u64,
    pub(crate) threads: u64,
    /// When it was started, in hundredths of a second after the machine.
    pub(crate) start_ticks: u64,
    pub(crate) virtual_bytes: u64,
    pub(crate) resident_pages: u64,
}

impl Stat {
    pub(crate) fn cpu_ticks(&self) -> u64 {
        self.user_ticks.saturating_add(self.system_ticks)
    }
}

/// The command name and the numbers; None if the text is not whole.
pub(crate) fn parse_stat(text: &[u8]) -> Option<(&[u8], Stat)> {
    let open = text.iter().position(|b| *b == b'(')?;
    // The numbers hold no bracket: the last one ends the name.
    let close = text.iter().rposition(|b| *b == b')').filter(|close| *close > open)?;
    let mut fields = Fields(text[close + 1..].trim_ascii_end());
    let state = *fields.next()?.first()?;
    // `skip` fields, then a number.
    let mut number = |skip: usize| fields.nth(skip).and_then(unsigned);
    let stat = Stat {
        state,
        parent: number(0)?,
        minor_faults: number(5)?,
        major_faults: number(1)?,
        user_ticks: number(1)?,
        system_ticks: number(0)?,
        threads: number(4)?,
        start_ticks: number(1)?,
        virtual_bytes: number(0)?,
        resident_pages: number(0)?,
    };
    Some((&text[open + 1..close], stat))
}

/// Bytes read from and written to storage.
pub(crate) fn parse_io(text: &[u8]) -> Option<[u64; 2]> {
    let mut found = [None, None];
    for line in lines(text) {
        let mut fields = Fields(line);
        match fields.next() {
            Some(b"read_bytes:") => found[0] = fields.number(),
            Some(b"write_bytes:") => found[1] = fields.number(),
            _ => {}
        }
    }
    Some([found[0]?, found[1]?])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: &str =
        "1 13374 5477 0 -1 4194304 99 0 7 0 250 31 0 0 20 0 12 0 197308 3133440 363 18446744073709551615";

    #[test]
    fn names_may_hold_anything() {
        for name in ["cat", "a b", "x) R 1 (y", "", ")", "new\nline", "((("] {
            let text = format!("42 ({name}) S {NUMBERS}\n");
            let (comm, stat) = parse_stat(text.as_bytes()).unwrap();
            assert_eq!(comm, name.as_bytes());
            let want = Stat {
                parent: 1,
                state: b'S',
                minor_faults: 99,
                major_faults: 7,
                user_ticks: 250,
                system_ticks: 31,
                threads: 12,
                start_ticks: 197_308,
                virtual_bytes: 3_133_440,
                resident_pages: 363,
            };
            assert_eq!(stat, want);
        }
    }

    #[test]
    fn broken_texts_are_none() {
        let whole = format!("42 (cat) S {NUMBERS}");
        for end in 0..whole.find(" 18446").unwrap() - 4 {
            assert_eq!(parse_stat(&whole.as_bytes()[..end]), None, "cut at {end}");
        }
        for bad in ["", ")(", "1 (x) R", "1 (x) R a b c d e f g h i j k l m n o p q r s t u v w"] {
            assert_eq!(parse_stat(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn io() {
        let text = b"rchar: 6976\nwchar: 0\nsyscr: 10\nsyscw: 0\nread_bytes: 4096\nwrite_bytes: 512\n";
        assert_eq!(parse_io(text), Some([4096, 512]));
        assert_eq!(parse_io(b"read_bytes: x\nwrite_bytes: 1\n"), None);
        assert_eq!(parse_io(b""), None);
    }
}
