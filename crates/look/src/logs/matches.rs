//! Whether a record is meant by a query. The tables answer most of it by their indexes; this is for records that are only
//! passing by, and for what tables cannot compare.

use super::query::{Compare, Query, What};
use model::{LogBatch, Severity};
use regex::Regex;
use std::collections::HashMap;

/// One record, wherever it is.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The batch that it is in.
    pub batch: &'a LogBatch,
    /// Which of it.
    pub i: usize,
}

impl<'a> Facts<'a> {
    /// A field by its name: an attribute of the record or of its origin, or one of what every record has.
    pub fn field(&self, name: &str) -> Option<&'a str> {
        let origin = self.batch.origin(self.i);
        match name {
            "service" | "service.name" => Some(origin.service.as_str()),
            "host" | "host.name" => Some(origin.host.as_str()),
            "level" | "severity" => Some(self.batch.row(self.i).severity.name()),
            "body" | "message" if self.attribute(name).is_none() => Some(self.body()),
            _ => self.attribute(name),
        }
    }

    fn attribute(&self, name: &str) -> Option<&'a str> {
        let own = self.batch.attributes(self.i).find(|(n, _)| *n == name).map(|(_, v)| v);
        own.or_else(|| self.batch.origin(self.i).attributes.get(name))
    }

    fn body(&self) -> &'a str {
        self.batch.row(self.i).body
    }
}

/// A query with its expressions compiled.
pub struct Compiled {
    query: Query,
    regexes: HashMap<String, Regex>,
}

impl Compiled {
    /// Compiles the expressions.
    ///
    /// # Errors
    /// Says which makes no sense.
    pub fn new(query: Query) -> Result<Compiled, String> {
        let mut regexes = HashMap::new();
        for term in &query.terms {
            if let What::Regex(text) = &term.what {
                let regex = regex::RegexBuilder::new(text).size_limit(1 << 20).build();
                let regex = regex.map_err(|e| format!("/{text}/ is no regular expression: {e}"))?;
                regexes.insert(text.clone(), regex);
            }
        }
        Ok(Compiled { query, regexes })
    }

    /// The query.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Whether a record is meant.
    pub fn matches(&self, facts: Facts<'_>) -> bool {
        self.query.terms.iter().all(|term| self.holds(&term.what, facts) != term.is_not)
    }

    fn holds(&self, what: &What, facts: Facts<'_>) -> bool {
        let row = facts.batch.row(facts.i);
        let origin = facts.batch.origin(facts.i);
        match what {
            What::Word(word) => {
                let id = |id: Option<String>| id.is_some_and(|id| id.eq_ignore_ascii_case(word));
                has_word(row.body, word)
                    || has_word(&origin.service, word)
                    || has_word(&origin.host, word)
                    || facts.batch.attributes(facts.i).any(|(_, v)| has_word(v, word))
                    || origin.attributes.iter().any(|(_, v)| has_word(v, word))
                    || id(row.trace_id.map(|t| t.to_string()))
                    || id(row.span_id.map(|t| t.to_string()))
            }
            What::Phrase(phrase) => has_word(row.body, phrase),
            What::Regex(text) => self.regexes.get(text).is_some_and(|regex| regex.is_match(row.body)),
            What::Level(severity) => row.severity != Severity::UNKNOWN && row.severity >= *severity,
            What::Service(values) => values.contains(&origin.service),
            What::Host(values) => values.contains(&origin.host),
            What::Field(name, values) => {
                facts.field(name).is_some_and(|v| values.is_empty() || values.iter().any(|want| want == v))
            }
            What::Number(name, compare, limit) => {
                let value = facts.field(name).and_then(|v| v.parse::<f64>().ok());
                value.is_some_and(|value| match compare {
                    Compare::Greater => value > *limit,
                    Compare::AtLeast => value >= *limit,
                    Compare::Less => value < *limit,
                    Compare::AtMost => value <= *limit,
                })
            }
            What::Trace(id) => row.trace_id.is_some_and(|t| t.to_string() == *id),
            What::Pattern(id) => row.pattern == *id,
        }
    }
}

/// Whether a record is meant by a query whose expressions are compiled.
pub fn matches(query: &Compiled, batch: &LogBatch, i: usize) -> bool {
    query.matches(Facts { batch, i })
}

/// Whether a text has these words, one after another, in any case: no letter or digit before and behind.
pub fn has_word(text: &str, words: &str) -> bool {
    let (text, words) = (text.as_bytes(), words.as_bytes());
    if words.is_empty() || text.len() < words.len() {
        return words.is_empty();
    }
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b >= 128;
    let first = words[0];
    let candidates = memchr::memchr2_iter(first.to_ascii_lowercase(), first.to_ascii_uppercase(), text);
    for at in candidates {
        let Some(found) = text.get(at..at + words.len()) else { return false };
        let before = at == 0 || !is_part(text[at - 1]) || !is_part(first);
        let behind =
            text.get(at + words.len()).is_none_or(|b| !is_part(*b) || !is_part(words[words.len() - 1]));
        if before && behind && found.eq_ignore_ascii_case(words) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::query::parse;
    use super::*;
    use model::{LogRow, Origin};

    #[test]
    fn words_are_whole() {
        for (text, words, want) in [
            ("Connection Refused by peer", "connection refused", true),
            ("reconnection refused", "connection", false),
            ("id=abc-123;", "abc-123", true),
            ("id=abc-1234", "abc-123", false),
            ("a (b)", "(b)", true),
            ("", "x", false),
        ] {
            assert_eq!(has_word(text, words), want, "{words} in {text}");
        }
    }

    #[test]
    fn records_are_meant_or_not() {
        let mut batch = LogBatch::default();
        batch.origins.push(Origin {
            service: "cart".into(),
            host: "h1".into(),
            attributes: [("env", "prod")].into_iter().collect(),
        });
        let row = LogRow {
            time_ns: 1,
            origin: 0,
            severity: Severity::WARN,
            body: "request timed out after 12 s",
            pattern: 255,
            trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".parse().ok(),
            span_id: None,
        };
        batch.push(row, [("status", "504"), ("user.id", "u-1")]);
        for (query, want) in [
            ("", true),
            ("timed", true),
            ("time", false),
            ("u-1", true),
            ("\"timed out\"", true),
            ("\"out timed\"", false),
            ("/tim.*out/", true),
            ("/^out/", false),
            ("level:warn", true),
            ("level:error", false),
            ("-level:error", true),
            ("service:cart,x host:h1", true),
            ("service:x", false),
            ("status:504 env:prod user.id:*", true),
            ("missing:*", false),
            ("-missing:*", true),
            ("status>=500", true),
            ("status<500", false),
            ("user.id>1", false),
            ("trace:4bf92f3577b34da6a3ce929d0e0e4736 4bf92f3577b34da6a3ce929d0e0e4736", true),
            ("pattern:ff", true),
        ] {
            let compiled = Compiled::new(parse(query).unwrap()).unwrap();
            assert_eq!(matches(&compiled, &batch, 0), want, "{query}");
        }
        assert!(Compiled::new(parse("/a(/").unwrap()).is_err());
    }
}
