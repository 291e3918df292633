//! What the query API answers, in types; and its errors as a person reads them. It must never fail on a value that
//! Prometheus would send.

use crate::http::{Answer, Client, HttpError};
use crate::text::clean;
use serde_json::Value;
use std::collections::BTreeMap;

/// One series: labels, and (seconds since 1970, value) in order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// With `__name__`.
    pub labels: BTreeMap<String, String>,
    /// In order of time.
    pub points: Vec<(f64, f64)>,
}

/// What a query found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// One number, or a text.
    Single(String),
    /// A value for each series.
    Vector(Vec<Series>),
    /// Values over time for each series.
    Matrix(Vec<Series>),
}

impl Series {
    /// The label's value, or "".
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// The last value.
    pub fn last(&self) -> Option<f64> {
        self.points.last().map(|(_, v)| *v)
    }
}

/// Asks, and reads the answer; the error is a text for a person, who asked `query`.
///
/// # Errors
/// Nobody answers, or the query fails: where, why, and a hint.
pub fn ask(client: &Client, path: &str, fields: &[(&str, &str)], query: &str) -> Result<Answer, HttpError> {
    good(client.post_form(path, fields)?, query)
}

/// The answer, if it is a good one.
///
/// # Errors
/// What the server says is wrong, with the place in the query.
pub fn good(answer: Answer, query: &str) -> Result<Answer, HttpError> {
    if answer.status == 200 {
        return Ok(answer);
    }
    Err(HttpError::Other(error_text(&answer, query)))
}

/// The error of an answer with the place in the query.
fn error_text(answer: &Answer, query: &str) -> String {
    let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let Some(message) = value["error"].as_str() else {
        return format!("the server answered {}; is it a Midwatch?", answer.status);
    };
    let mut out = clean(message);
    let at = |name: &str| value["position"][name].as_u64().and_then(|n| usize::try_from(n).ok());
    if let (Some(start), Some(end)) = (at("start"), at("end"))
        && let Some(before) = query.get(..start)
    {
        // A query of many lines: show the line, and count from its beginning.
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let line = query[line_start..].lines().next().unwrap_or("");
        let inside = query.get(start..end.min(line_start + line.len())).unwrap_or("");
        let indent = crate::text::cells(&query[line_start..start]);
        out += &format!(
            "\n  {}\n  {}{}",
            clean(line),
            " ".repeat(indent),
            "^".repeat(crate::text::cells(inside).max(1))
        );
    }
    if let Some(hint) = value["hint"].as_str() {
        out += &format!("\n  {}", clean(hint));
    }
    out
}

/// Reads a good answer, and the warnings in it.
///
/// # Errors
/// A sentence if it is not of the API's form.
pub fn read(body: &[u8]) -> Result<(Found, Vec<String>), HttpError> {
    let root: Value = serde_json::from_slice(body)
        .map_err(|e| HttpError::Other(format!("the answer is not JSON ({e}); is it a Midwatch?")))?;
    let texts =
        |name: &str| root[name].as_array().into_iter().flatten().filter_map(|t| t.as_str().map(clean));
    let warnings = texts("warnings").chain(texts("infos")).collect();
    let data = &root["data"];
    let result = &data["result"];
    let series = |point_of: fn(&Value) -> Vec<(f64, f64)>| -> Vec<Series> {
        let list = result.as_array().into_iter().flatten();
        list.map(|s| Series { labels: labels_of(&s["metric"]), points: point_of(s) }).collect()
    };
    let found = match data["resultType"].as_str() {
        Some("vector") => Found::Vector(series(|s| point(&s["value"]).into_iter().collect())),
        Some("matrix") => Found::Matrix(series(|s| {
            s["values"].as_array().into_iter().flatten().filter_map(point).collect()
        })),
        Some("scalar" | "string") => Found::Single(clean(result[1].as_str().unwrap_or(""))),
        _ => return Err(HttpError::Other("the answer has no result; is it a Midwatch?".into())),
    };
    Ok((found, warnings))
}

fn labels_of(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_string()))).collect()
}

fn point(value: &Value) -> Option<(f64, f64)> {
    Some((value[0].as_f64()?, value[1].as_str()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_result() {
        let (found, warnings) = read(
            br#"{"status":"success","warnings":["careful\u001b[2J"],"data":{"resultType":"matrix","result":[
                {"metric":{"__name__":"up","job":"a"},"values":[[1.5,"1"],[2,"NaN"],[3,"+Inf"],[4,"-1e3"]]}]}}"#,
        )
        .unwrap();
        let Found::Matrix(series) = found else { panic!("a matrix") };
        assert_eq!((series[0].label("job"), series[0].label("none")), ("a", ""));
        assert_eq!((series[0].points[0], series[0].points[3]), ((1.5, 1.0), (4.0, -1000.0)));
        assert!(series[0].points[1].1.is_nan() && series[0].points[2].1.is_infinite());
        assert_eq!(warnings, ["careful\\u{1b}[2J"]);
        let (found, _) =
            read(br#"{"data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2"]}]}}"#).unwrap();
        assert!(matches!(found, Found::Vector(v) if v[0].last() == Some(2.0)));
        let (found, _) = read(br#"{"data":{"resultType":"scalar","result":[1,"42"]}}"#).unwrap();
        assert_eq!(found, Found::Single("42".into()));
        for bad in [&b""[..], b"<html>", b"{}", b"[]", br#"{"data":{"resultType":"blob"}}"#] {
            assert!(read(bad).is_err());
        }
        // Whatever stands where a point should be is left out.
        let odd =
            br#"{"data":{"resultType":"vector","result":[{"metric":3,"value":"x"},7,{"value":[1,2]}]}}"#;
        assert!(matches!(read(odd).unwrap().0, Found::Vector(v) if v.iter().all(|s| s.points.is_empty())));
    }

    #[test]
    fn errors_point_at_the_place() {
        let answer = |body: &str| Answer { status: 400, body: body.into() };
        let body = r#"{"status":"error","error":"unknown function \"rat\"","position":{"start":5,"end":8},"hint":"did you mean rate?"}"#;
        assert_eq!(
            error_text(&answer(body), "1 +\n rat(up)"),
            "unknown function \"rat\"\n   rat(up)\n   ^^^\n  did you mean rate?"
        );
        assert!(error_text(&answer("<html>"), "up").contains("answered 400"));
        let far = r#"{"error":"e","position":{"start":500,"end":1000}}"#;
        assert_eq!(error_text(&answer(far), "up"), "e");
        let end = r#"{"error":"e","position":{"start":2,"end":2}}"#;
        assert_eq!(error_text(&answer(end), "up"), "e\n  up\n    ^");
    }
}
