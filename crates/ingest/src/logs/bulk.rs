//! Elasticsearch's `_bulk`: lines of actions and documents, of which documents that are created or indexed become records; and
//! the answer in its form, an item for each action.

use super::{Builder, Context, Decoded, Record, json};
use crate::series::cut;
use model::{Origin, Pairs, RejectReason};
use serde_json::{Value, json};
use std::fmt::Write;

/// What became of one action.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    /// `create`, `index`, or what is not done here.
    action: &'static str,
    index: String,
    id: String,
    /// As HTTP's.
    status: u16,
    error: &'static str,
}

/// What one request held.
#[derive(Debug, Default)]
pub struct Bulk {
    /// The records.
    pub decoded: Decoded,
    items: Vec<Item>,
}

const ACTIONS: [&str; 4] = ["create", "index", "update", "delete"];

/// Decodes a body. `index` is the one in the path of the request, for actions that name none; it stands for the service of
/// documents that name none.
pub fn decode(body: &[u8], index: &str, base: &Origin, context: Context<'_>) -> Bulk {
    let mut builder = Builder::new(context);
    let mut out = Bulk::default();
    let (mut record, mut scratch) = (Record::default(), Pairs::new());
    let mut lines = super::line::lines(body);
    while let Some(line) = lines.next() {
        let Some(mut item) = action(line, index) else {
            builder.refuse(RejectReason::Malformed, || {
                format!(
                    "{:?} is no action of _bulk; create and index are taken",
                    cut(&String::from_utf8_lossy(line))
                )
            });
            out.items.push(Item {
                action: "index",
                index: index.into(),
                id: String::new(),
                status: 400,
                error: "malformed action",
            });
            // Nobody knows which line is the next action.
            break;
        };
        let has_document = item.action != "delete";
        let document = if has_document { lines.next() } else { Some(&b""[..]) };
        let is_taken = matches!(item.action, "create" | "index");
        match document {
            Some(document) if is_taken => {
                record.clear();
                match json::read(document, &mut record, &mut scratch, &context) {
                    true => {
                        if record.service.is_empty() && base.service.is_empty() {
                            record.service.push_str(&item.index);
                        }
                        if !builder.push(&record, base) {
                            (item.status, item.error) = (429, "refused");
                        }
                    }
                    false => {
                        builder.refuse(RejectReason::Malformed, || {
                            format!(
                                "a document is no JSON object: {:?}",
                                cut(&String::from_utf8_lossy(document))
                            )
                        });
                        (item.status, item.error) = (400, "the document is no JSON object");
                    }
                }
            }
            Some(_) => {
                builder.refuse(RejectReason::Unsupported, || {
                    format!("{} of _bulk: records are added, never changed", item.action)
                });
                (item.status, item.error) = (400, "records are added, never changed or deleted");
            }
            None => {
                builder.refuse(RejectReason::Malformed, || "the last action has no document".into());
                (item.status, item.error) = (400, "the document is missing");
            }
        }
        out.items.push(item);
    }
    out.decoded = builder.finish();
    out
}

fn action(line: &[u8], index: &str) -> Option<Item> {
    // An action is short.
    let value: Value = serde_json::from_slice(line.get(..line.len().min(64 << 10))?).ok()?;
    let (name, details) = value.as_object()?.iter().next()?;
    let action = ACTIONS.iter().find(|known| *known == name)?;
    let text = |key: &str| details.get(key).and_then(Value::as_str).map(cut);
    Some(Item {
        action,
        index: text("_index").unwrap_or_else(|| index.to_string()),
        id: text("_id").unwrap_or_default(),
        status: 201,
        error: "",
    })
}

impl Bulk {
    /// The answer, for as long as `took_ms` was needed.
    pub fn answer(&self, took_ms: u64) -> String {
        let errors = self.items.iter().any(|item| item.status >= 300);
        let mut out = format!("{{\"took\":{took_ms},\"errors\":{errors},\"items\":[");
        for (i, item) in self.items.iter().enumerate() {
            let mut details = json!({ "_index": item.index, "_id": item.id, "status": item.status });
            match item.error {
                "" => details["result"] = "created".into(),
                reason => details["error"] = json!({ "type": "midwatch_exception", "reason": reason }),
            }
            let comma = if i > 0 { "," } else { "" };
            let _ = write!(out, "{comma}{{\"{}\":{details}}}", item.action);
        }
        out.push_str("]}");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{context, show};
    use super::*;
    use crate::Limits;

    #[test]
    fn documents_become_records_and_every_action_is_answered() {
        let body = "{\"create\":{\"_index\":\"web\"}}\n{\"@timestamp\":\"2026-11-20T05:06:07Z\",\"message\":\"a\",\"x\":{\"y\":1}}\n\
            {\"index\":{\"_id\":\"7\"}}\n{\"message\":\"b\",\"service\":{\"name\":\"cart\"}}\n\
            {\"delete\":{\"_id\":\"7\"}}\n\
            {\"update\":{\"_id\":\"7\"}}\n{\"doc\":{}}\n\
            {\"create\":{}}\n[1]\n\
            {\"create\":{}}\n";
        let limits = Limits::default();
        let bulk = decode(body.as_bytes(), "logs", &Origin::default(), context(&limits));
        assert_eq!(
            show(&bulk.decoded),
            "2026-11-20T05:06:07Z web: a {x.y=1}\n\
             now cart: b\n\
             unsupported 2: delete of _bulk: records are added, never changed\n\
             malformed 2: a document is no JSON object: \"[1]\""
        );
        let answer: Value = serde_json::from_str(&bulk.answer(3)).unwrap();
        assert_eq!(answer["errors"], true);
        let of = |i: usize, action: &str| answer["items"][i][action]["status"].clone();
        assert_eq!(
            [
                of(0, "create"),
                of(1, "index"),
                of(2, "delete"),
                of(3, "update"),
                of(4, "create"),
                of(5, "create")
            ],
            [201, 201, 400, 400, 400, 400]
        );
        assert_eq!(answer["items"][1]["index"]["_index"], "logs");
    }

    #[test]
    fn a_body_that_is_something_else_ends_at_once() {
        let limits = Limits::default();
        let bulk = decode(b"hello\n{\"create\":{}}\n{}\n", "logs", &Origin::default(), context(&limits));
        assert_eq!(
            show(&bulk.decoded),
            "malformed 1: \"hello\" is no action of _bulk; create and index are taken"
        );
        assert_eq!(
            decode(b"", "", &Origin::default(), context(&limits)).answer(0),
            r#"{"took":0,"errors":false,"items":[]}"#
        );
    }
}
