//! Several words on one change: rows with the same id, of which the newest of each field counts. Who wrote first stays its author;
//! what was not said again stays as it was. It must never lose an answer that was given once.

use model::Change;
use std::collections::HashMap;

/// The attribute that says when a row was written, in milliseconds since 1970-01-01 UTC.
pub const SAID: &str = "said_ms";

fn said_ms(change: &Change) -> i64 {
    change.attributes.get(SAID).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// One change for each id, the newest first.
pub fn join(mut rows: Vec<Change>) -> Vec<Change> {
    rows.sort_by_key(|row| (said_ms(row), row.time_ns));
    let (mut out, mut places) = (Vec::<Change>::new(), HashMap::<String, usize>::new());
    for row in rows {
        match places.get(&row.id) {
            Some(at) => add(&mut out[*at], row),
            None => {
                places.insert(row.id.clone(), out.len());
                out.push(row);
            }
        }
    }
    out.sort_by(|a, b| b.time_ns.cmp(&a.time_ns).then_with(|| a.id.cmp(&b.id)));
    out
}

fn add(change: &mut Change, newer: Change) {
    let fields = [
        (&mut change.kind, newer.kind),
        (&mut change.title, newer.title),
        (&mut change.service, newer.service),
        (&mut change.host, newer.host),
        (&mut change.link, newer.link),
    ];
    for (field, new) in fields {
        if !new.is_empty() {
            *field = new;
        }
    }
    if newer.time_ns != 0 {
        change.time_ns = newer.time_ns;
    }
    for (name, value) in newer.attributes.iter() {
        change.attributes.set(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, said: &str, title: &str, attributes: &[(&str, &str)]) -> Change {
        let all = attributes.iter().copied().chain([(SAID, said)]);
        let time_ns = 100 + id.len() as i64;
        Change {
            time_ns,
            id: id.into(),
            title: title.into(),
            author: said.into(),
            attributes: all.collect(),
            ..Change::default()
        }
    }

    #[test]
    fn the_newest_word_counts_and_nothing_said_once_is_lost() {
        let rows = vec![
            row("a", "30", "", &[("outcome", "worked")]),
            row("bb", "10", "other", &[]),
            row("a", "20", "deployed api 1.43", &[("solves", "crash")]),
            row("a", "10", "deployed api", &[("solves", "?"), ("rollback", "1.42")]),
        ];
        let joined = join(rows);
        assert_eq!(joined.len(), 2);
        assert_eq!(joined[0].id, "bb", "the newest first");
        let a = &joined[1];
        assert_eq!((a.title.as_str(), a.author.as_str()), ("deployed api 1.43", "10"));
        let get = |name| a.attributes.get(name);
        assert_eq!(
            (get("solves"), get("rollback"), get("outcome")),
            (Some("crash"), Some("1.42"), Some("worked"))
        );
    }
}
