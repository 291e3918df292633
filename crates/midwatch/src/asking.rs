//! A question that may take long, asked in lines: how far it is on standard error while somebody watches, and the whole at the end.
//! Whoever ends the program ends the work of the server, too. It must never print into what a script reads.

use crate::answer;
use crate::http::Client;
use crate::text::clean;
use anyhow::{Context, bail};
use serde_json::Value as Json;
use std::io::{IsTerminal, Write};

/// Asks, and gives the `data` of the answer. `asked` is quoted where the server points at a place in it.
///
/// # Errors
/// Nobody answers, or it is refused.
pub fn in_lines(client: &Client, path: &str, body: &Json, asked: &str) -> anyhow::Result<Json> {
    let mut progress = Progress { is_shown: std::io::stderr().is_terminal(), width: 0 };
    let last = client.post_lines(path, &body.to_string(), &mut |line| progress.show(line));
    progress.clear();
    let answer = answer::good(last?, asked)?;
    let mut whole: Json =
        serde_json::from_slice(&answer.body).context("the answer is not JSON; is it a Midwatch?")?;
    if whole["status"] != "success" {
        bail!("{}", clean(whole["error"].as_str().unwrap_or("the answer broke off; ask again")));
    }
    Ok(whole["data"].take())
}

/// Whole numbers as people read them.
pub fn count(json: &Json) -> String {
    let digits = json.as_u64().unwrap_or(0).to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `comparing 12,000 of 100,000, 17 moved so far`; `None` for lines that are no progress.
fn progress(line: &Json) -> Option<String> {
    let p = line.get("progress")?;
    let stand_out = |all: &Vec<Json>| all.iter().filter(|d| d["stands_out"] == true).count();
    let so_far = match (line["data"]["moved"].as_u64(), line["data"]["directions"].as_array().map(stand_out))
    {
        (Some(moved), _) => format!(", {moved} moved so far"),
        (None, Some(places)) => format!(", places so far: {places}"),
        (None, None) => String::new(),
    };
    let doing = clean(p["doing"].as_str().unwrap_or_default());
    Some(match p["of"].as_u64() {
        Some(of) if of > 0 => {
            format!("{} {} of {}{so_far}", doing, count(&p["done"]), count(&p["of"]))
        }
        _ => format!("{doing}{so_far}"),
    })
}

/// How far it is, in one line that is written over.
struct Progress {
    is_shown: bool,
    width: usize,
}

impl Progress {
    fn show(&mut self, line: &[u8]) {
        if !self.is_shown {
            return;
        }
        let Ok(line) = serde_json::from_slice::<Json>(line) else { return };
        let Some(text) = self::progress(&line) else { return };
        let width = self.width.max(text.len());
        // Nobody can be told that the terminal is gone.
        let _ = write!(std::io::stderr(), "\r{text:width$}");
        self.width = width;
    }

    fn clear(&mut self) {
        if self.width > 0 {
            let _ = write!(std::io::stderr(), "\r{:width$}\r", "", width = self.width);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn how_far_it_is() {
        let line =
            json!({ "progress": { "doing": "comparing", "done": 1200, "of": 3000 }, "data": { "moved": 7 } });
        assert_eq!(progress(&line).unwrap(), "comparing 1,200 of 3,000, 7 moved so far");
        let line = json!({ "progress": { "doing": "finding series", "done": 0, "of": 0 } });
        assert_eq!(progress(&line).unwrap(), "finding series");
        let line = json!({ "progress": { "doing": "reading spans", "of": 0 }, "data": { "directions": [
            { "stands_out": true }, { "stands_out": false }] } });
        assert_eq!(progress(&line).unwrap(), "reading spans, places so far: 1");
        assert_eq!(progress(&json!({ "status": "success", "data": {} })), None);
    }
}
