//! The measures of a service and host before and after a change, asked of the store. What they mean is `look::changes`'s to say.

use crate::app::App;
use crate::gate::Stop;
use ::query::{QueryError, Value};
use look::changes::compare::{MEASURES, Measure, verdict};
use model::Change;
use serde_json::{Value as Json, json};

/// Asks for each measure, `window_ms` long, until and from the change on. What is not over yet is said.
///
/// # Errors
/// If it takes too long.
pub fn compare(
    app: &App,
    change: &Change,
    window_ms: i64,
    now_ms: i64,
    stop: Stop,
) -> Result<Json, QueryError> {
    let at_ms = change.time_ns / 1_000_000;
    let after_ms = now_ms.saturating_sub(at_ms).clamp(0, window_ms);
    let view = app.store.view();
    let options = crate::api::query_options(app, stop);
    let ask = |measure: &Measure, end_ms: i64, window_ms: i64| -> Result<Option<f64>, QueryError> {
        if window_ms < 1_000 {
            return Ok(None);
        }
        let expr = text(measure, change, window_ms);
        let expr = ::query::parse(&expr).map_err(QueryError::from)?;
        Ok(match ::query::instant(&view, &expr, end_ms, &options)?.value {
            Value::Vector(rows) => rows.first().and_then(|(_, _, v)| v.number()).filter(|v| v.is_finite()),
            _ => None,
        })
    };
    let mut rows = Vec::new();
    for measure in MEASURES {
        let subject = if measure.is_of_service { &change.service } else { &change.host };
        if subject.is_empty() {
            continue;
        }
        let before = ask(measure, at_ms, window_ms)?;
        let after = ask(measure, at_ms + after_ms, after_ms)?;
        if before.is_none() && after.is_none() {
            continue;
        }
        rows.push(json!({
            "name": measure.name, "unit": measure.unit, "before": before, "after": after,
            "verdict": verdict(measure, before, after),
            "query": text(measure, change, 60_000.min(window_ms)),
        }));
    }
    Ok(json!({ "window_ms": window_ms, "after_ms": after_ms, "measures": rows }))
}

fn text(measure: &Measure, change: &Change, window_ms: i64) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    // Inside of a regular expression, inside of a text.
    let host: String = change
        .host
        .chars()
        .map(|c| if c.is_alphanumeric() || c == '-' || c == '_' { c.to_string() } else { format!("\\\\{c}") })
        .collect();
    measure
        .expr
        .replace("<service>", &quoted(&change.service))
        .replace("<host>", &host)
        .replace("<window>", &format!("{window_ms}ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_valid_whatever_the_names() {
        for name in ["cart", "a\"b\\c\n", "vm.example", "[x]", "é <host> <window>"] {
            let change = Change { service: name.into(), host: name.into(), ..Change::default() };
            for measure in MEASURES {
                let text = text(measure, &change, 900_000);
                if name.contains(['\n', '[', '<']) && !measure.is_of_service {
                    continue;
                }
                assert!(::query::parse(&text).is_ok(), "{text}");
            }
        }
    }
}
