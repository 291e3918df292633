//! Matchers as Alertmanager's files and API write them: `severity="page"`, `job=~a|b`, with or without quotes. It must
//! never take what it does not understand for something that matches.

use model::{MatchOp, Matcher};

/// One matcher.
///
/// # Errors
/// What is wrong, with how one is written.
pub fn parse_one(text: &str) -> Result<Matcher, String> {
    let text = text.trim();
    let bad = || format!("{text:?} is not a matcher such as severity=\"page\" or job=~\"api|web\"");
    let at = text.find(['=', '!']).ok_or_else(bad)?;
    let (name, rest) = text.split_at(at);
    let (op, value) =
        [("=~", MatchOp::Regex), ("!~", MatchOp::NotRegex), ("!=", MatchOp::NotEqual), ("=", MatchOp::Equal)]
            .iter()
            .find_map(|(sign, op)| rest.strip_prefix(sign).map(|v| (*op, v)))
            .ok_or_else(bad)?;
    let name = name.trim().trim_matches('"');
    if name.is_empty() {
        return Err(bad());
    }
    Matcher::new(name, op, unquote(value.trim()).ok_or_else(bad)?)
}

/// Several, divided by commas, in `{}` or not.
///
/// # Errors
/// As [`parse_one`].
pub fn parse_many(text: &str) -> Result<Vec<Matcher>, String> {
    let text = text.trim();
    let inner = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text);
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (i, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&inner[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    parts.into_iter().filter(|p| !p.trim().is_empty()).map(parse_one).collect()
}

fn unquote(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('"') else {
        return (!text.contains('"')).then(|| text.to_string());
    };
    let inner = inner.strip_suffix('"')?;
    let (mut out, mut chars) = (String::new(), inner.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => return None,
            '\\' => out.push(match chars.next()? {
                'n' => '\n',
                c @ ('"' | '\\') => c,
                _ => return None,
            }),
            c => out.push(c),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_write_them() {
        for (text, want) in [
            ("severity=\"page\"", "severity = page"),
            ("severity = page", "severity = page"),
            ("job=~\"a|b\"", "job =~ a|b"),
            ("job!~x.*", "job !~ x.*"),
            ("a!=\"\"", "a != "),
            ("a=\"x,\\\"y\\\"\"", "a = x,\"y\""),
        ] {
            let m = parse_one(text).unwrap();
            assert_eq!(format!("{} {} {}", m.name, m.op.as_str(), m.value), want);
        }
        assert_eq!(parse_many("{a=\"x,y\", b=~\"c\"}").unwrap().len(), 2);
        assert_eq!(parse_many(" ").unwrap().len(), 0);
        for bad in ["a", "=x", "a=\"x", "a=x\"", "a=~\"(\"", "a\"b"] {
            assert!(parse_one(bad).is_err(), "{bad}");
        }
    }
}
