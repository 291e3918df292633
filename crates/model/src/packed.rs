//! How the pairs of a label set lie in one text, in memory alone: there is one such text for each series, so that every
//! byte counts. It must never be written to a file, and knows nothing of order or doubles.
//!
//! For each label: the name, the length of the value, the value. A name of [`COMMON`] is one character from 64 on. Any
//! other is its length and the name; a length is one character, or 62 and two of 7 bits each, low first. The length of a
//! value is one character below 124, or 126 and two, or 127 and three. All of these are below 128, so that the whole is
//! valid UTF-8. Where the dictionary of the process has a text, its number stands in its place ([`shorten`]): of a name
//! 63 and three characters, of a value 124 and two, or 125 and three. So one label set may be packed in several ways.

use crate::dictionary::SHARED;

/// The longest name in bytes that can be packed.
pub const NAME_BYTES_MAX: usize = (1 << 14) - 1;
/// The longest value in bytes that can be packed.
pub const VALUE_BYTES_MAX: usize = (1 << 21) - 1;

/// Names that most series have, sorted, at most 64. They say nothing about what is allowed.
const COMMON: &[&str] = &[
    "__name__",
    "action",
    "address",
    "app",
    "bucket",
    "cluster",
    "code",
    "collector",
    "component",
    "container",
    "container_id",
    "cpu",
    "daemonset",
    "database",
    "datname",
    "deployment",
    "device",
    "direction",
    "endpoint",
    "env",
    "environment",
    "error",
    "event",
    "family",
    "fstype",
    "group",
    "handler",
    "host",
    "id",
    "image",
    "instance",
    "interface",
    "job",
    "kind",
    "le",
    "level",
    "method",
    "mode",
    "mountpoint",
    "name",
    "namespace",
    "node",
    "operation",
    "path",
    "phase",
    "pod",
    "port",
    "protocol",
    "quantile",
    "queue",
    "reason",
    "region",
    "resource",
    "result",
    "route",
    "scope",
    "service",
    "source",
    "state",
    "status",
    "topic",
    "type",
    "version",
    "zone",
];

const NAME_IS_COMMON: u8 = 64;
const NAME_IS_LONG: u8 = 62;
const NAME_IS_SHARED: u8 = 63;
const VALUE_IS_SHARED: u8 = 124;
const VALUE_IS_SHARED_WIDELY: u8 = 125;
const VALUE_IS_LONG: u8 = 126;
const VALUE_IS_LONGER: u8 = 127;

/// Appends a pair as it is, without the dictionary. The name has at most [`NAME_BYTES_MAX`] bytes, the value [`VALUE_BYTES_MAX`].
pub fn pack(out: &mut String, name: &str, value: &str) {
    put_name(out, name);
    put_value(out, value);
}

fn put_name(out: &mut String, name: &str) {
    match COMMON.binary_search(&name) {
        Ok(index) => out.push(char::from(NAME_IS_COMMON + index as u8)),
        Err(_) => {
            if name.len() < usize::from(NAME_IS_LONG) {
                out.push(char::from(name.len() as u8));
            } else {
                out.push(char::from(NAME_IS_LONG));
                put_length(out, name.len(), 2);
            }
            out.push_str(name);
        }
    }
}

fn put_value(out: &mut String, value: &str) {
    if value.len() < usize::from(VALUE_IS_SHARED) {
        out.push(char::from(value.len() as u8));
    } else {
        let (code, bytes) = if value.len() < 1 << 14 { (VALUE_IS_LONG, 2) } else { (VALUE_IS_LONGER, 3) };
        out.push(char::from(code));
        put_length(out, value.len(), bytes);
    }
    out.push_str(value);
}

/// The same pairs, with numbers for the texts that the dictionary of the process has. Costs a look-up for each text: for
/// label sets that stay.
pub fn shorten(packed: &str) -> String {
    let mut out = String::with_capacity(packed.len());
    for (name, value) in Pairs(packed) {
        match COMMON.binary_search(&name).map_err(|_| SHARED.number(name)) {
            Err(Some(number)) => {
                out.push(char::from(NAME_IS_SHARED));
                put_length(&mut out, number as usize, 3);
            }
            _ => put_name(&mut out, name),
        }
        match SHARED.number(value) {
            Some(number) => {
                let (code, bytes) =
                    if number < 1 << 14 { (VALUE_IS_SHARED, 2) } else { (VALUE_IS_SHARED_WIDELY, 3) };
                out.push(char::from(code));
                put_length(&mut out, number as usize, bytes);
            }
            None => put_value(&mut out, value),
        }
    }
    out
}

fn put_length(out: &mut String, mut n: usize, bytes: usize) {
    for _ in 0..bytes {
        out.push(char::from((n & 127) as u8));
        n >>= 7;
    }
}

/// The pairs in the order in which they were packed.
pub struct Pairs<'a>(pub &'a str);

impl<'a> Pairs<'a> {
    /// The next `n` bytes.
    fn text(&mut self, n: usize) -> &'a str {
        let (text, rest) = self.0.split_at(n);
        self.0 = rest;
        text
    }

    fn length(&mut self, bytes: usize) -> usize {
        self.text(bytes).bytes().rev().fold(0, |n, b| n << 7 | usize::from(b))
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        let first = *self.0.as_bytes().first()?;
        self.0 = &self.0[1..];
        let name = match first {
            NAME_IS_COMMON.. => COMMON[usize::from(first - NAME_IS_COMMON)],
            NAME_IS_LONG => {
                let n = self.length(2);
                self.text(n)
            }
            NAME_IS_SHARED => SHARED.text(self.length(3) as u32),
            n => self.text(usize::from(n)),
        };
        let n = match self.length(1) as u8 {
            VALUE_IS_SHARED => return Some((name, SHARED.text(self.length(2) as u32))),
            VALUE_IS_SHARED_WIDELY => return Some((name, SHARED.text(self.length(3) as u32))),
            VALUE_IS_LONG => self.length(2),
            VALUE_IS_LONGER => self.length(3),
            n => usize::from(n),
        };
        Some((name, self.text(n)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_names_are_sorted_and_fit() {
        assert!(COMMON.windows(2).all(|w| w[0] < w[1]));
        assert!(COMMON.len() <= 64);
    }

    #[test]
    fn every_length_comes_back() {
        let lengths = [1, 2, 61, 62, 63, 64, 123, 124, 125, 126, 127, 128, 16_383, 16_384, VALUE_BYTES_MAX];
        let mut packed = String::new();
        let mut pairs = Vec::new();
        for length in lengths {
            let name = "n".repeat(length.min(NAME_BYTES_MAX));
            pairs.push((name, "é".repeat(length / 2) + &"x".repeat(length % 2)));
        }
        pairs.extend(COMMON.iter().map(|name| (name.to_string(), String::new())));
        pairs.iter().for_each(|(n, v)| pack(&mut packed, n, v));
        let back = |packed: &str| {
            Pairs(packed).map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<(String, String)>>()
        };
        assert_eq!(back(&packed), pairs);
        // The dictionary takes what comes twice.
        let once = shorten(&packed);
        let twice = shorten(&packed);
        assert!(twice.len() < once.len());
        assert_eq!((back(&once), back(&twice)), (pairs.clone(), pairs));
    }

    #[test]
    fn a_usual_series_is_little_more_than_its_values() {
        let mut packed = String::new();
        [("__name__", "up"), ("instance", "a:1"), ("job", "b")]
            .iter()
            .for_each(|(n, v)| pack(&mut packed, n, v));
        assert_eq!(packed.len(), 3 * 2 + 6);
    }
}
