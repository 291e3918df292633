//! TOML to a [`Node`], in the order of the file. It must never stop at the first mistake.

use document::{Entry, Node, SyntaxError, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Reads all of `text`, with everything in it that is not TOML.
pub fn parse(text: &str) -> (Node, Vec<SyntaxError>) {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let error = |e: toml::de::Error| SyntaxError {
        line: e.span().map_or(0, |s| lines.at(s.start)),
        what: e.message().trim().to_string(),
    };
    (Node { line: 1, value: map(table.get_ref(), &lines) }, errors.into_iter().map(error).collect())
}

/// Where lines begin, for the line of a byte.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Lines {
        Lines(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i).collect())
    }

    fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|end| *end < byte) + 1
    }
}

fn map(table: &DeTable<'_>, lines: &Lines) -> Value {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let name: &std::borrow::Cow<'_, str> = key.get_ref();
        Entry { key: name.to_string(), line: lines.at(key.span().start), value: node(value, lines) }
    };
    let mut entries: Vec<Entry> = table.iter().map(entry).collect();
    entries.sort_by_key(|e| e.line);
    Value::Map(entries)
}

fn node(value: &Spanned<DeValue<'_>>, lines: &Lines) -> Node {
    let plain = |text: String| Value::Scalar { text, quoted: false };
    let inside = match value.get_ref() {
        DeValue::String(text) => Value::Scalar { text: text.to_string(), quoted: true },
        DeValue::Integer(number) if number.radix() == 10 => plain(number.as_str().replace('_', "")),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            plain(i64::from_str_radix(&digits, number.radix()).map_or(digits, |n| n.to_string()))
        }
        DeValue::Float(number) => plain(number.as_str().replace('_', "")),
        DeValue::Boolean(truth) => plain(truth.to_string()),
        DeValue::Datetime(time) => plain(time.to_string()),
        DeValue::Array(items) => Value::List(items.iter().map(|item| node(item, lines)).collect()),
        DeValue::Table(table) => map(table, lines),
    };
    Node { line: lines.at(value.span().start), value: inside }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_keys_and_values() {
        let (node, errors) = parse("listen = \"x\"\n\n[store]\nseries_max = 1_000\nhead_memory = 0x10\n");
        assert_eq!(errors, []);
        let Value::Map(top) = node.value else { panic!("a map") };
        assert_eq!((top[0].key.as_str(), top[0].line), ("listen", 1));
        let Value::Map(store) = &top[1].value.value else { panic!("a map") };
        assert_eq!(
            (store[0].key.as_str(), store[0].line, store[0].value.text()),
            ("series_max", 4, Some("1000"))
        );
        assert_eq!(
            (store[1].key.as_str(), store[1].line, store[1].value.text()),
            ("head_memory", 5, Some("16"))
        );
    }

    #[test]
    fn every_mistake_has_its_line() {
        let (_, errors) = parse("a = \nb = 2\nb = 3\nc = [1,\n");
        let lines: Vec<usize> = errors.iter().map(|e| e.line).collect();
        assert!(lines.contains(&1) && lines.contains(&3), "{errors:?}");
    }
}
