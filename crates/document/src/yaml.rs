//! YAML to a [`Node`]. Anchors, aliases and merge keys work; one document per file. It must never recurse deeper than
//! the parser's limit of nesting, nor let aliases grow a small file into a large tree.

use crate::tree::{Entry, NODES_MAX, Node, SyntaxError, Value};
use granit_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::HashMap;

/// Reads the one document of `text`; an empty one is `Null`.
///
/// # Errors
/// The first thing that is not YAML, a key that comes twice, a second document, or too many nodes.
pub fn parse(text: &str) -> Result<Node, SyntaxError> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|e| SyntaxError { line: e.marker().line(), what: e.info().to_string() })?;
        builder.take(event, span)?;
    }
    Ok(builder.document.unwrap_or(Node { line: 1, value: Value::Null }))
}

#[derive(Default)]
struct Builder {
    document: Option<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

/// A list or map that has not ended, and its anchor.
struct Open {
    line: usize,
    anchor: usize,
    collection: Collection,
}

enum Collection {
    List(Vec<Node>),
    /// With the key that waits for its value.
    Map(Vec<Entry>, Option<(String, usize)>),
}

fn error<T>(line: usize, what: impl Into<String>) -> Result<T, SyntaxError> {
    Err(SyntaxError { line, what: what.into() })
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), SyntaxError> {
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let quoted = style != ScalarStyle::Plain;
                let value = match &*text {
                    "" | "~" | "null" | "Null" | "NULL" if !quoted => Value::Null,
                    text => Value::Scalar { text: text.to_string(), quoted },
                };
                self.put(Node { line, value }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open.push(Open { line, anchor, collection: Collection::List(Vec::new()) });
                Ok(())
            }
            Event::MappingStart(_, anchor, _) => {
                self.open.push(Open { line, anchor, collection: Collection::Map(Vec::new(), None) });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = match open.collection {
                    Collection::List(items) => Value::List(items),
                    Collection::Map(entries, _) => Value::Map(merged(entries)?),
                };
                self.put(Node { line: open.line, value }, open.anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => {
                    self.nodes += node.size();
                    let node =
                        if self.nodes > NODES_MAX { Node { line, value: Value::Null } } else { node.clone() };
                    self.put(node, 0)
                }
                None => error(line, "an alias stands inside the thing that it names"),
            },
            Event::DocumentStart(..) if self.document.is_some() => {
                error(line, "a second document begins here; a configuration is one document")
            }
            _ => Ok(()),
        }
    }

    fn put(&mut self, node: Node, anchor: usize) -> Result<(), SyntaxError> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return error(node.line, format!("more than {NODES_MAX} keys and values"));
        }
        if anchor != 0 {
            // The copy is counted like an alias, or many anchors of one large thing would cost without limit.
            self.nodes += node.size();
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|o| &mut o.collection) {
            None => self.document = Some(node),
            Some(Collection::List(items)) => items.push(node),
            Some(Collection::Map(entries, waiting)) => match waiting.take() {
                Some((key, line)) => entries.push(Entry { key, line, value: node }),
                None => match node.value {
                    Value::Scalar { text, .. } => *waiting = Some((text, node.line)),
                    Value::Null => *waiting = Some(("null".into(), node.line)),
                    _ => return error(node.line, "a key must be a single value"),
                },
            },
        }
        Ok(())
    }
}

/// Checks that no key comes twice, and lets `<<` bring in the keys that are not there.
fn merged(entries: Vec<Entry>) -> Result<Vec<Entry>, SyntaxError> {
    let (mut out, mut bring): (Vec<Entry>, Vec<Node>) = (Vec::new(), Vec::new());
    let mut lines: HashMap<String, usize> = HashMap::new();
    for entry in entries {
        if entry.key == "<<" {
            match entry.value.value {
                Value::List(items) => bring.extend(items),
                _ => bring.push(entry.value),
            }
            continue;
        }
        if let Some(first) = lines.insert(entry.key.clone(), entry.line) {
            return error(
                entry.line,
                format!("the key {:?} is here for the second time; it was on line {first}", entry.key),
            );
        }
        out.push(entry);
    }
    for node in bring {
        let Value::Map(entries) = node.value else {
            return error(node.line, "<< needs a table of keys, or a list of them");
        };
        for entry in entries {
            if let std::collections::hash_map::Entry::Vacant(free) = lines.entry(entry.key.clone()) {
                free.insert(entry.line);
                out.push(entry);
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(node: &Node) -> String {
        let of = |v: &Value| match v {
            Value::Null => "null".to_string(),
            Value::Scalar { text, quoted: true } => format!("{text:?}"),
            Value::Scalar { text, .. } => text.clone(),
            Value::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
            Value::Map(entries) => {
                let entry = |e: &Entry| format!("{}@{}={}", e.key, e.line, show(&e.value));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(" "))
            }
        };
        of(&node.value)
    }

    #[test]
    fn documents() {
        for (text, want) in [
            ("", "null"),
            ("# only a comment\n", "null"),
            ("a: 1\nb:\n  - x\n  - 'y'\n", "{a@1=1 b@2=[x \"y\"]}"),
            ("---\na: {b: ~, c: \"\"}\n", "{a@2={b@2=null c@2=\"\"}}"),
            ("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\n", "{x@1={a@1=1 b@1=2} y@2={b@4=3 a@1=1}}"),
            ("[{\"targets\": [\"a:1\"]}]", "[{targets@1=[\"a:1\"]}]"),
            ("a: |\n  two\n  lines\n", "{a@1=\"two\\nlines\\n\"}"),
        ] {
            assert_eq!(parse(text).map(|n| show(&n)), Ok(want.to_string()), "{text}");
        }
    }

    #[test]
    fn refused_with_the_line() {
        for (text, line, part) in [
            ("a: 1\nb: 2\na: 3\n", 3, "line 1"),
            ("a: 1\n---\nb: 2\n", 2, "second document"),
            ("a: [1, 2\nb: 3\n", 2, ""),
            ("a:\n\t- b\n", 2, ""),
            ("? [a]\n: b\n", 1, "single value"),
            ("a: *nobody\n", 1, ""),
            ("a:\n  <<: 3\n", 2, "<<"),
        ] {
            let e = parse(text).unwrap_err();
            assert!(e.line == line && e.what.contains(part), "{text:?}: {e:?}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&"- ".repeat(100_000)).is_err());
    }

    #[test]
    fn aliases_cannot_grow_without_limit() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_string();
        for i in 1..20 {
            let before = format!("*a{}", i - 1);
            text += &format!("a{i}: &a{i} [{}]\n", vec![before; 10].join(", "));
        }
        assert!(parse(&text).unwrap_err().what.contains("more than"));
    }
}
