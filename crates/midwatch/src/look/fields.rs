//! `midwatch look --fields`: which values of which fields are in more, and in fewer, of the log records or spans of a time than
//! otherwise. It must never let an escape sequence through, nor say that a value makes the trouble: it goes with it.

use crate::asking::count;
use crate::text::{Ink, Look, clean, cut};
use clap::{Args, ValueEnum};
use serde_json::{Value as Json, json};

/// Cells of a bar.
const BAR: usize = 12;

/// Which records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Signal {
    /// Log records
    Logs,
    /// Spans
    Spans,
}

/// Flags of `look --fields`.
#[derive(Debug, Default, Args)]
pub struct FieldsArgs {
    /// Fields of log records or spans whose values differ, instead of what changed
    #[arg(long = "fields", value_name = "SIGNAL", conflicts_with_all = ["like", "selector", "save_as"])]
    pub signal: Option<Signal>,
    /// With --fields logs: a search, as on the page of logs
    #[arg(long, value_name = "SEARCH", requires = "signal")]
    pub query: Option<String>,
    /// With --fields spans: of this service
    #[arg(long, value_name = "NAME", requires = "signal")]
    pub service: Option<String>,
    /// With --fields spans: of this operation
    #[arg(long, value_name = "NAME", requires = "signal")]
    pub operation: Option<String>,
    /// With --fields spans: error, ok or unset
    #[arg(long, value_name = "STATUS", requires = "signal")]
    pub status: Option<String>,
    /// With --fields spans: at least as long (500ms)
    #[arg(long, value_name = "DURATION", requires = "signal")]
    pub min_duration: Option<String>,
    /// With --fields spans: at most as long
    #[arg(long, value_name = "DURATION", requires = "signal")]
    pub max_duration: Option<String>,
    /// With --fields spans: an attribute, as name=value; repeat it for more
    #[arg(long = "attribute", value_name = "NAME=VALUE", requires = "signal")]
    pub attributes: Vec<String>,
}

/// Adds to a question which records are meant.
pub fn add(body: &mut Json, signal: Signal, args: &FieldsArgs) {
    if let Some(all) = body.as_object_mut() {
        all.remove("match");
    }
    body["signal"] = if signal == Signal::Logs { "logs" } else { "spans" }.into();
    for (name, value) in [
        ("query", &args.query),
        ("service", &args.service),
        ("operation", &args.operation),
        ("status", &args.status),
        ("min_duration", &args.min_duration),
        ("max_duration", &args.max_duration),
    ] {
        if let Some(value) = value {
            body[name] = value.as_str().into();
        }
    }
    if !args.attributes.is_empty() {
        body["attributes"] = json!(args.attributes);
    }
}

/// The answer as text.
pub fn shown(data: &Json, signal: Signal, look: &Look) -> String {
    let text = |json: &Json| clean(json.as_str().unwrap_or_default());
    let list = |json: &Json| json.as_array().cloned().unwrap_or_default();
    let what = if signal == Signal::Logs { "log records" } else { "spans" };
    let others = if list(&data["baselines"]).is_empty() { "others of that time" } else { "of the baseline" };
    let mut out = format!(
        "{} {what} against {} {others}; {} values compared, {} ms.\n",
        count(&data["inside"]),
        count(&data["outside"]),
        count(&data["values"]),
        data["elapsed_ms"]
    );
    for note in std::iter::once(data["note"].clone()).chain(list(&data["warnings"])) {
        if note != "" && !note.is_null() {
            out += &format!("{}\n", text(&note));
        }
    }
    let (more, fewer) = (list(&data["more"]), list(&data["fewer"]));
    if more.is_empty() && fewer.is_empty() {
        let identifiers: Vec<String> = list(&data["left_out"]["identifiers"]).iter().map(text).collect();
        let left_out = match identifiers.is_empty() {
            true => String::new(),
            false => format!(" Fields that tell records apart were left out: {}.", identifiers.join(", ")),
        };
        return out + &format!("No field differs.{left_out}\n");
    }
    for (title, values) in [("In more of them", more), ("In fewer of them", fewer)] {
        if values.is_empty() {
            continue;
        }
        out += &format!("\n{}\n", look.paint(Ink::Bold, title));
        for one in &values {
            let share = |name: &str| one[name].as_f64().unwrap_or(0.0);
            let (inside, outside) = (share("share_inside"), share("share_outside"));
            let value = cut(&text(&one["text"]), look.width.saturating_sub(50).max(20));
            out += &format!(
                "  {} {:>7} {} {:>7}  {} {value}\n",
                bar(inside),
                percent(inside),
                look.paint(Ink::Dim, "otherwise"),
                percent(outside),
                look.paint(Ink::Dim, &text(&one["field"])),
            );
            let also: Vec<String> = list(&one["also"])
                .iter()
                .take(4)
                .map(|a| format!("{} {}", text(&a["field"]), text(&a["text"])))
                .collect();
            if !also.is_empty() {
                let also = cut(
                    &format!("in as many records: {}", also.join(", ")),
                    look.width.saturating_sub(6).max(20),
                );
                out += &look.paint(Ink::Dim, &format!("      {also}\n"));
            }
        }
    }
    out
}

/// As many cells as its part of the records.
fn bar(share: f64) -> String {
    let cells = (share.clamp(0.0, 1.0) * BAR as f64).round() as usize;
    format!("{}{}", "\u{2588}".repeat(cells), " ".repeat(BAR - cells))
}

fn percent(share: f64) -> String {
    match share * 100.0 {
        p if p > 0.0 && p < 0.1 => "<0.1 %".into(),
        p if p < 10.0 => format!("{p:.1} %"),
        p => format!("{p:.0} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked() {
        let args = FieldsArgs {
            signal: Some(Signal::Spans),
            service: Some("cart".into()),
            min_duration: Some("500ms".into()),
            attributes: vec!["zone=b".into()],
            ..FieldsArgs::default()
        };
        let mut body = json!({ "start": 1, "end": 2, "match": "", "baseline": "others" });
        add(&mut body, Signal::Spans, &args);
        let want = json!({ "start": 1, "end": 2, "baseline": "others", "signal": "spans", "service": "cart",
                           "min_duration": "500ms", "attributes": ["zone=b"] });
        assert_eq!(body, want);
    }

    #[test]
    fn values_are_told_and_nothing_of_them_is_obeyed() {
        let value = |field: &str, text: &str, inside: f64, outside: f64, also: Json| json!({ "field": field, "value": "v", "text": text, "share_inside": inside, "share_outside": outside, "also": also });
        let data = json!({
            "inside": 1200, "outside": 30000, "values": 17, "elapsed_ms": 3.5, "baselines": [[1, 2]], "note": "as the hour before",
            "more": [value("zone", "b\u{1b}[2J", 0.5, 0.0004, json!([{ "field": "host", "text": "h2" }]))],
            "fewer": [value("version", "1.4", 0.031, 1.0, json!([]))], "warnings": [],
        });
        let text = shown(&data, Signal::Logs, &Look { width: 80, colour: false });
        assert!(!text.contains('\u{1b}'), "{text}");
        for part in [
            "1,200 log records against 30,000 of the baseline; 17 values compared, 3.5 ms.\nas the hour before\n",
            "In more of them\n  \u{2588}\u{2588}\u{2588}\u{2588}\u{2588}\u{2588}          50 % otherwise  <0.1 %  zone b\\u{1b}[2J\n",
            "      in as many records: host h2\n",
            "In fewer of them\n                 3.1 % otherwise   100 %  version 1.4\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        let none = json!({ "inside": 1, "outside": 1, "values": 1, "elapsed_ms": 1, "baselines": [], "more": [], "fewer": [],
                           "note": "", "left_out": { "identifiers": ["user.id"] } });
        let text = shown(&none, Signal::Spans, &Look { width: 80, colour: false });
        assert!(text.contains("others of that time") && text.ends_with("left out: user.id.\n"), "{text}");
    }
}
