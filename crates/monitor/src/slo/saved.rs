//! What was counted, as it is kept over a restart: JSON, one file for each objective. Format: docs/formats/slos.md. It must never
//! bring back what was counted for another question.

use super::history::{Bucket, History};
use super::{Slo, WINDOW_MS_MAX};
use serde_json::{Value as Json, json};

const FORMAT: u64 = 1;
/// More buckets are not read.
const BUCKETS_MAX: usize = 20_000;

/// What was counted as JSON.
pub fn to_json(slo: &Slo, history: &History) -> Json {
    let buckets: Vec<Json> =
        history.buckets().map(|(at, b)| json!([at, b.length_ms, b.known_ms, b.good, b.total])).collect();
    json!({
        "format": FORMAT,
        "slo": slo.id,
        "counts": slo.counts(),
        "from_ms": history.from_ms,
        "until_ms": history.until_ms,
        "holes": history.holes,
        "buckets": buckets,
    })
}

/// What [`to_json`] wrote; `None` if it makes no sense, or was counted for another question: then the past is read anew.
pub fn from_json(slo: &Slo, json: &Json) -> Option<History> {
    if json["format"] != FORMAT || json["counts"] != slo.counts().as_str() {
        return None;
    }
    let mut history = History {
        from_ms: json["from_ms"].as_i64(),
        until_ms: json["until_ms"].as_i64(),
        ..History::default()
    };
    for hole in json["holes"].as_array()? {
        let (from, to) = (hole[0].as_i64()?, hole[1].as_i64()?);
        (from < to).then(|| history.holes.push((from, to)));
    }
    history.holes.sort_unstable();
    for item in json["buckets"].as_array()?.iter().take(BUCKETS_MAX) {
        let bucket = Bucket {
            length_ms: item[1].as_i64().filter(|ms| (1..=WINDOW_MS_MAX).contains(ms))?,
            known_ms: item[2].as_i64()?,
            good: item[3].as_f64()?,
            total: item[4].as_f64()?,
        };
        history.buckets.insert(item[0].as_i64()?, bucket);
    }
    Some(history)
}
