//! A configuration file as a tree in which every key and value knows its line, whatever the format was. It must
//! never interpret a value, and never hold more than [`NODES_MAX`] nodes.

/// The largest file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 8 << 20;
/// The most keys and values of one file, aliases expanded.
pub const NODES_MAX: usize = 500_000;

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Counted from 1.
    pub line: usize,
    /// What is written there.
    pub value: Value,
}

/// What is written at a place.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, or `null`.
    Null,
    /// A text, a number or a truth value; `quoted` if it can only be a text.
    Scalar {
        /// As written, escapes resolved.
        text: String,
        /// In quotes, or a block of text.
        quoted: bool,
    },
    /// `[a, b]`.
    List(Vec<Node>),
    /// Keys with values, in the order of the file.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The line of the key.
    pub line: usize,
    /// The value.
    pub value: Node,
}

impl Node {
    /// What this is, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar { quoted: true, .. } => "a text",
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a table of keys",
        }
    }

    /// The text of a single value.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// `true` or `false`, as the format writes them without quotes.
    pub fn truth(&self) -> Option<bool> {
        match &self.value {
            Value::Scalar { text, quoted: false } => match text.as_str() {
                "true" | "True" | "TRUE" | "yes" | "on" => Some(true),
                "false" | "False" | "FALSE" | "no" | "off" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// How many nodes this is, itself included.
    pub fn size(&self) -> usize {
        1 + match &self.value {
            Value::List(items) => items.iter().map(Node::size).sum(),
            Value::Map(entries) => entries.iter().map(|e| e.value.size()).sum(),
            _ => 0,
        }
    }
}

/// A file that cannot be read as its format; the line is 0 where none is known.
#[derive(Clone, Debug, PartialEq)]
pub struct SyntaxError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}
