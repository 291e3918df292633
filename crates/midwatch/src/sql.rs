//! `midwatch sql`: asks a running server in SQL, and shows rows as a table, or passes on CSV, JSON or Arrow as they are. It must
//! never change what is piped, and never print what a terminal would obey.

use crate::answer;
use crate::cli::{SqlArgs, SqlFormat};
use crate::http::Client;
use crate::text::{Ink, Look, cells, clean, cut, left, right};
use anyhow::{Context, bail};
use serde_json::Value;
use std::io::{IsTerminal, Read, Write};
use std::time::Duration;

/// Bytes of a query.
const QUERY_BYTES_MAX: u64 = 64 << 10;
/// The widest column, in cells.
const COLUMN_MAX: usize = 60;
/// Rows of a table on a terminal unless more are asked for.
const TABLE_ROWS: &str = "1000";

/// Asks, and writes the answer to standard output.
///
/// # Errors
/// No query, nobody answers, or the query fails.
pub fn run(args: &SqlArgs) -> anyhow::Result<()> {
    let text = text(args)?;
    let client = Client::new(&args.url, Duration::from_secs(3_600))?;
    let terminal = std::io::stdout().is_terminal();
    let format = args.format.unwrap_or(if terminal { SqlFormat::Table } else { SqlFormat::Csv });
    let (named, limit) = match format {
        SqlFormat::Table => ("json", Some(args.limit.map_or(TABLE_ROWS.into(), |n| n.to_string()))),
        SqlFormat::Json => ("json", args.limit.map(|n| n.to_string())),
        SqlFormat::Csv => ("csv", args.limit.map(|n| n.to_string())),
        SqlFormat::Arrow => ("arrow", args.limit.map(|n| n.to_string())),
    };
    let mut form = vec![("query", text.as_str()), ("format", named)];
    form.extend(limit.as_deref().map(|n| ("limit", n)));
    let answer = answer::ask(&client, "/api/v1/sql", &form, &text)?;
    let mut out = std::io::stdout().lock();
    if matches!(format, SqlFormat::Csv | SqlFormat::Arrow) {
        if format == SqlFormat::Arrow && terminal {
            bail!("Arrow is not for a terminal: write it to a file with > rows.arrows");
        }
        return out.write_all(&answer.body).or_else(closed);
    }
    let json: Value =
        serde_json::from_slice(&answer.body).context("the answer is not JSON; is it a Midwatch?")?;
    let failed =
        (json["status"] != "success").then(|| clean(json["error"].as_str().unwrap_or("it broke off")));
    if format == SqlFormat::Json {
        out.write_all(&answer.body).and_then(|()| out.write_all(b"\n")).or_else(closed)?;
    } else {
        let width = crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns));
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let look = Look { width: if terminal { width.clamp(40, 400) } else { 160 }, colour };
        let lines = table(&json, &look).join("\n") + "\n";
        out.write_all(lines.as_bytes()).or_else(closed)?;
    }
    let warnings = json["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
    warnings.for_each(|w| eprintln!("{}", clean(w)));
    match failed {
        Some(text) => bail!("{text}"),
        None => Ok(()),
    }
}

/// Whoever reads may stop reading.
fn closed(e: std::io::Error) -> anyhow::Result<()> {
    match e.kind() {
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(e.into()),
    }
}

/// The query: an argument, a file, or standard input.
fn text(args: &SqlArgs) -> anyhow::Result<String> {
    let read = |mut source: Box<dyn Read>, name: &str| -> anyhow::Result<String> {
        let mut text = String::new();
        let limit = QUERY_BYTES_MAX + 1;
        source
            .by_ref()
            .take(limit)
            .read_to_string(&mut text)
            .with_context(|| format!("cannot read {name}"))?;
        if text.len() as u64 > QUERY_BYTES_MAX {
            bail!("{name} is longer than {QUERY_BYTES_MAX} bytes; that is no query");
        }
        Ok(text)
    };
    let text = match (&args.sql, &args.file) {
        (Some(sql), _) if sql != "-" => sql.clone(),
        (_, Some(path)) => {
            let name = path.display().to_string();
            read(Box::new(std::fs::File::open(path).with_context(|| format!("cannot open {name}"))?), &name)?
        }
        (None, None) if std::io::stdin().is_terminal() => {
            bail!("there is no query; give one (midwatch sql 'SHOW TABLES'), --file, or - for standard input")
        }
        _ => read(Box::new(std::io::stdin()), "standard input")?,
    };
    if text.trim().is_empty() {
        bail!("the query is empty; midwatch sql 'SHOW TABLES' shows what there is to ask");
    }
    Ok(text)
}

/// The answer with a line of names, numbers to the right, and how many rows there are.
fn table(json: &Value, look: &Look) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (columns, rows) = (list(&json["data"]["columns"]), list(&json["data"]["rows"]));
    let heads: Vec<String> = columns.iter().map(|c| clean(c["name"].as_str().unwrap_or(""))).collect();
    let is_number = |i: usize| matches!(columns[i]["type"].as_str(), Some("integer" | "float" | "decimal"));
    let shown: Vec<Vec<String>> = rows.iter().map(|row| list(row).iter().map(cell).collect()).collect();
    let width_of = |i: usize| {
        let widest = shown.iter().filter_map(|row| row.get(i)).map(|text| cells(text)).max().unwrap_or(0);
        widest.max(cells(&heads[i])).min(COLUMN_MAX)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width_of).collect();
    let line = |texts: &[String]| {
        let mut out = String::new();
        for (i, text) in texts.iter().enumerate().take(widths.len()) {
            let text = cut(text, widths[i]);
            let text = if is_number(i) { right(&text, widths[i]) } else { left(&text, widths[i]) };
            out += if i > 0 { "  " } else { "" };
            out += &text;
        }
        out.trim_end().to_string()
    };
    let mut out = Vec::new();
    if !heads.is_empty() {
        out.push(look.paint(Ink::Bold, &line(&heads)));
    }
    out.extend(shown.iter().map(|row| line(row)));
    let more = if json["truncated"] == true { "; there are more: --limit shows them" } else { "" };
    let count = format!("{} row{}{more}", shown.len(), if shown.len() == 1 { "" } else { "s" });
    out.push(look.paint(Ink::Dim, &count));
    out
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => clean(text),
        Value::Object(map) => {
            let pairs = map.iter().map(|(name, value)| format!("{}={}", clean(name), cell(value)));
            pairs.collect::<Vec<_>>().join(" ")
        }
        other => clean(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table() {
        let json = serde_json::json!({
            "data": {
                "columns": [
                    { "name": "job", "type": "text" },
                    { "name": "labels", "type": "map" },
                    { "name": "n", "type": "integer" },
                ],
                "rows": [["api", { "code": "500", "path": "/" }, 7], ["\u{1b}[2Jweb", null, 12_345]],
            },
            "truncated": true,
        });
        let lines = table(&json, &Look { width: 80, colour: false });
        assert_eq!(lines[0], "job           labels               n");
        assert_eq!(lines[1], "api           code=500 path=/      7");
        assert_eq!(lines[2], format!("\\u{{1b}}[2Jweb{}12345", " ".repeat(19)));
        assert_eq!(lines[3], "2 rows; there are more: --limit shows them");
    }
}
