//! Fills the places of a query and of a text. Names come from outside: what stands for a label in a query is escaped
//! here, and nowhere else.

use crate::plan::{Selector, Target};

/// Stands for the target's own series, among matchers: `up{$target, code="500"}`.
const TARGET: &str = "$target";
/// For those of its service.
const SERVICE: &str = "$service";
/// For those of the machines that it runs on; all machines where these are not known.
const HOST: &str = "$host";
/// For the name of its service, in double quotes.
const NAME: &str = "\"$name\"";
/// For the length of the window.
const WINDOW: &str = "$window";

/// What is wrong with the places of a query.
pub fn check(promql: &str) -> Result<(), String> {
    let mut rest = promql.replace(NAME, "");
    for place in [TARGET, SERVICE, HOST, WINDOW] {
        rest = rest.replace(place, "");
    }
    match rest.find('$') {
        None => Ok(()),
        Some(at) => {
            let part: String = rest[at..].chars().take(12).collect();
            Err(format!(
                "{part:?} is no place; there are $target, $service, $host, $window, and \"$name\" in double quotes"
            ))
        }
    }
}

/// Whether a query can only be asked of a known target.
pub fn needs_target(promql: &str) -> bool {
    [TARGET, SERVICE, NAME].iter().any(|place| promql.contains(place))
}

/// Whether a query is of some target, service or host at all.
pub fn has_place(promql: &str) -> bool {
    needs_target(promql) || promql.contains(HOST)
}

/// Whether it is of the machines that something runs on.
pub fn is_of_host(promql: &str) -> bool {
    promql.contains(HOST)
}

/// The query for one target; `None` if it needs one and there is none.
pub fn query(promql: &str, target: Option<&Target>, window_ms: i64) -> Option<String> {
    if needs_target(promql) && target.is_none() {
        return None;
    }
    let any_host = vec![("instance".to_string(), Vec::new())];
    let (own, service, host, name) = match target.map(|t| &t.entity) {
        None => (&any_host, &any_host, &any_host, ""),
        Some(e) => {
            let host = if e.of_hosts.is_empty() { &any_host } else { &e.of_hosts };
            (
                &e.own,
                &e.of_service,
                host,
                if e.service.is_empty() { e.name.as_str() } else { e.service.as_str() },
            )
        }
    };
    let window = format!("{}s", (window_ms / 1000).max(60));
    let mut out = String::with_capacity(promql.len() + 64);
    let mut rest = promql;
    // One pass: what was put in is never looked at again.
    while let Some(at) = rest.find('$') {
        let (place, text) = match &rest[at..] {
            r if r.starts_with(TARGET) => (TARGET, matchers(own)),
            r if r.starts_with(SERVICE) => (SERVICE, matchers(service)),
            r if r.starts_with(HOST) => (HOST, matchers(host)),
            r if r.starts_with(WINDOW) => (WINDOW, window.clone()),
            r if r.starts_with("$name") => ("$name", escaped(name)),
            _ => ("$", "$".to_string()),
        };
        out.push_str(&rest[..at]);
        out.push_str(&text);
        rest = &rest[at + place.len()..];
    }
    out.push_str(rest);
    Some(out)
}

fn matchers(selector: &Selector) -> String {
    let one = |(label, values): &(String, Vec<String>)| match values.as_slice() {
        [] => format!("{label}=~\".+\""),
        [value] => format!("{label}=\"{}\"", escaped(value)),
        many => {
            let all: Vec<String> = many.iter().map(|v| escaped(&literal(v))).collect();
            format!("{label}=~\"{}\"", all.join("|"))
        }
    };
    selector.iter().map(one).collect::<Vec<_>>().join(",")
}

/// As it stands between double quotes in PromQL.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\x00"),
            c => out.push(c),
        }
    }
    out
}

/// A regular expression that matches just this text.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Puts values into `{name}` of a text; a name that `value` does not know stays empty. Names of places that a text has.
pub fn text(template: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let (mut out, mut rest) = (String::with_capacity(template.len() + 32), template);
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            rest = after;
            break;
        };
        out.push_str(&value(name).unwrap_or_default());
        rest = after;
    }
    out + rest
}

/// The names in a text.
pub fn names(template: &str) -> Vec<&str> {
    let parts = template.split('{').skip(1);
    parts.filter_map(|part| part.split_once('}').map(|(name, _)| name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Entity, EntityKind, Matched};

    fn target(name: &str, instances: &[&str]) -> Target {
        let own = vec![("job".to_string(), vec![name.to_string()])];
        let hosts = instances.iter().map(|i| i.to_string()).collect();
        let entity = Entity {
            kind: EntityKind::Service,
            name: name.into(),
            service: name.into(),
            own: own.clone(),
            of_service: own,
            of_hosts: vec![("instance".into(), hosts)],
        };
        Target { entity, said: name.into(), matched: Matched::Exactly }
    }

    #[test]
    fn queries() {
        let api = target("api", &["h1:9100", "h2.b"]);
        for (promql, want) in [
            ("up{$target}", r#"up{job="api"}"#),
            ("up{code=\"5\", $service}", r#"up{code="5", job="api"}"#),
            ("node_load1{$host}", r#"node_load1{instance=~"h1:9100|h2\\.b"}"#),
            ("x{service_name=\"$name\"}[$window]", r#"x{service_name="api"}[900s]"#),
            ("up", "up"),
        ] {
            assert_eq!(query(promql, Some(&api), 900_000).unwrap(), want);
        }
        assert_eq!(query("up{$target}", None, 1), None);
        assert_eq!(query("a{$host}", None, 1).unwrap(), "a{instance=~\".+\"}");
    }

    #[test]
    fn a_hostile_name_stays_a_name() {
        let hostile = target("a\"} or up{job=\"$host\n\\", &[]);
        assert_eq!(
            query("up{$target}", Some(&hostile), 1).unwrap(),
            r#"up{job="a\"} or up{job=\"$host\n\\"}"#
        );
        assert_eq!(literal("a.b|c{2}$"), r"a\.b\|c\{2\}\$");
    }

    #[test]
    fn places_that_are_none() {
        assert!(check("up{$target} + up{service_name=\"$name\"}[$window]").is_ok());
        for bad in ["up{$targte}", "up{a='$name'}", "up{a=\"x$name\"}", "$"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn texts() {
        let value = |name: &str| (name == "heap").then(|| "3 {GiB}".to_string());
        assert_eq!(text("heap {heap}, {none}. {open", &value), "heap 3 {GiB}, . open");
        assert_eq!(names("a {b} c {d.e} {f"), ["b", "d.e"]);
    }
}
