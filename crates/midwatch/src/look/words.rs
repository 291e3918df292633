//! What `midwatch look` prints: groups with their members and small courses, and lines like one. It must never let an
//! escape sequence through.

use crate::asking::count;
use crate::plot::spark;
use crate::text::{Ink, Look, clean, cut};
use serde_json::Value as Json;

/// Members of a group that are shown.
const MEMBERS: usize = 5;
/// Cells of a course.
const SPARK: usize = 24;

fn text(json: &Json) -> String {
    clean(json.as_str().unwrap_or_default())
}

fn list(json: &Json) -> &[Json] {
    json.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn clock(json: &Json) -> String {
    let text = model::time::format_rfc3339_ms((json.as_f64().unwrap_or(0.0) * 1000.0) as i64);
    // Of 2026-03-04T05:06:07.890Z the time of day.
    text.get(11..19).map_or(text.clone(), |t| format!("{t}Z"))
}

/// The labels that say which series it is, and not where it belongs.
fn labels(series: &Json) -> String {
    let all = series["labels"].as_object();
    let shown = all
        .into_iter()
        .flatten()
        .filter(|(name, _)| !matches!(name.as_str(), "__name__" | "instance" | "job"));
    shown.map(|(name, value)| format!("{}={}", clean(name), text(value))).collect::<Vec<_>>().join(" ")
}

fn course(series: &Json) -> String {
    let picture = list(&series["picture"]);
    let points: Vec<(f64, f64)> =
        picture.iter().enumerate().filter_map(|(i, v)| Some((i as f64, v.as_f64()?))).collect();
    spark(&points, (0.0, picture.len() as f64), SPARK)
}

/// Who, in a few words: `api on host vm`.
fn whose(series: &Json) -> String {
    let entity = &series["entity"];
    let of = text(&entity["parent"]);
    let of = if of.is_empty() { of } else { format!(", {of}") };
    format!("{} {}{of}", text(&entity["kind"]), text(&entity["title"]))
}

/// What changed.
pub fn changed(data: &Json, look: &Look) -> String {
    let mut out = format!(
        "{} of {} series moved, {} never move at all; {} ms.\n",
        count(&data["moved"]),
        count(&data["compared"]),
        count(&data["still"]),
        data["elapsed_ms"]
    );
    if data["is_peers"] == true {
        out = format!(
            "{} of {} series differ from their peers; {} have none. {} ms.\n",
            count(&data["moved"]),
            count(&data["compared"]),
            count(&data["left_out"]["without_peers"]),
            data["elapsed_ms"]
        );
    } else if let [baseline, rest @ ..] = list(&data["baselines"]) {
        let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        out += &look.paint(
            Ink::Dim,
            &format!(
                "{} to {} against {} to {}{more}.",
                clock(&data["window"][0]),
                clock(&data["window"][1]),
                clock(&baseline[0]),
                clock(&baseline[1])
            ),
        );
        out.push('\n');
    }
    for note in std::iter::once(&data["note"]).chain(list(&data["warnings"])).filter(|n| *n != "") {
        out += &format!("{}\n", text(note));
    }
    let groups = list(&data["groups"]);
    if groups.is_empty() {
        return out + "Nothing stands out.\n";
    }
    for group in groups {
        let members = list(&group["members"]);
        let Some(first) = members.first() else { continue };
        let together = match group["count"].as_u64().unwrap_or(0) {
            0 | 1 => "one series moved".into(),
            n => format!("{n} series moved together; first: {} of {}", text(&first["title"]), whose(first)),
        };
        out += &format!("\n{}\n", look.paint(Ink::Bold, &format!("{}  {together}", clock(&group["onset"]))));
        for one in members.iter().take(MEMBERS) {
            let line = format!("{}, {}: {}", text(&one["title"]), whose(one), text(&one["sentence"]));
            out += &format!("  {} {:>6.1}  {line}\n", course(one), one["score"].as_f64().unwrap_or(0.0));
            let more = labels(one);
            if !more.is_empty() {
                let more = cut(&more, look.width.saturating_sub(SPARK + 12).max(20));
                out += &look.paint(Ink::Dim, &format!("  {:width$}{more}\n", "", width = SPARK + 9));
            }
        }
        let more = group["count"].as_u64().unwrap_or(0).saturating_sub(members.len().min(MEMBERS) as u64);
        if more > 0 {
            out += &look.paint(Ink::Dim, &format!("  and {more} more of the same shape\n"));
        }
    }
    let more = data["groups_total"].as_u64().unwrap_or(0).saturating_sub(groups.len() as u64);
    if more > 0 {
        out += &look.paint(Ink::Dim, &format!("\n{more} more groups stand out less; --limit shows more.\n"));
    }
    out
}

/// Lines like one.
pub fn like(data: &Json, look: &Look) -> String {
    let one = &data["like"];
    let mut out = format!(
        "{}  {}\n",
        course(one),
        look.paint(Ink::Bold, &format!("{}, {}", text(&one["title"]), whose(one)))
    );
    out += &format!(
        "{} of {} series are alike (correlation {} or more); {} never move. {} ms.\n",
        count(&data["alike_total"]),
        count(&data["compared"]),
        data["correlation_min"],
        count(&data["still"]),
        data["elapsed_ms"]
    );
    for warning in list(&data["warnings"]) {
        out += &format!("{}\n", text(warning));
    }
    for one in list(&data["alike"]) {
        let more = labels(one);
        let more =
            if more.is_empty() { more } else { format!("  {}", look.paint(Ink::Dim, &cut(&more, 60))) };
        out += &format!(
            "{}  {:>6.3}  {}, {}: {}{more}\n",
            course(one),
            one["correlation"].as_f64().unwrap_or(0.0),
            text(&one["title"]),
            whose(one),
            text(&one["sentence"])
        );
    }
    let told = list(&data["alike"]).len() as u64;
    let more = data["alike_total"].as_u64().unwrap_or(0).saturating_sub(told);
    if more > 0 {
        out += &look.paint(Ink::Dim, &format!("{more} more are less alike; --limit shows more.\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PLAIN: Look = Look { width: 80, colour: false };

    fn series(title: &str, sentence: &str) -> Json {
        json!({
            "title": title, "sentence": sentence, "picture": [0.0, 0.0, null, 5.0], "score": 12.34, "correlation": 0.91,
            "entity": { "kind": "host", "title": "vm", "parent": "" }, "labels": { "__name__": "x", "device": "sda" },
        })
    }

    #[test]
    fn groups_are_told_and_nothing_of_them_is_obeyed() {
        let data = json!({
            "compared": 12345, "still": 7, "moved": 2, "elapsed_ms": 1.5, "window": [0, 60], "baselines": [[0, 30]],
            "note": "compared with an earlier time", "warnings": [], "groups_total": 3,
            "groups": [{ "onset": 3_723.0, "count": 9, "members": [series("load\u{1b}[2J", "rose from 1 to 5")] }],
        });
        let text = changed(&data, &PLAIN);
        assert!(!text.contains('\u{1b}'), "{text}");
        for part in [
            "2 of 12,345 series moved, 7 never move at all",
            "00:00:00Z to 00:01:00Z against 00:00:00Z to 00:00:30Z.",
            "compared with an earlier time\n",
            "01:02:03Z  9 series moved together; first: load",
            "12.3  load\\u{1b}[2J, host vm: rose from 1 to 5",
            "device=sda",
            "and 8 more of the same shape",
            "2 more groups stand out less",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        let quiet =
            json!({ "compared": 5, "still": 5, "moved": 0, "elapsed_ms": 1, "groups": [], "note": "" });
        assert!(changed(&quiet, &PLAIN).ends_with("Nothing stands out.\n"));
    }

    #[test]
    fn lines_like_one() {
        let data = json!({
            "like": series("load", ""), "alike": [series("waiting", "the same shape, 5 s later")], "alike_total": 4,
            "compared": 1000, "still": 900, "correlation_min": 0.7, "elapsed_ms": 2,
        });
        let text = like(&data, &PLAIN);
        for part in [
            "load, host vm\n4 of 1,000 series are alike",
            "0.910  waiting, host vm: the same shape, 5 s later  device=sda",
            "3 more are less alike",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }
}
