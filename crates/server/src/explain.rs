//! Why is this number there, or missing? Puts together what the store, the books of the sources and the targets
//! know of one series, in words. It states what was observed, and never guesses a cause.

use crate::app::App;
use crate::catalogue::kind_and_unit;
use crate::scrape::{Health, TargetStatus};
use model::{Labels, Matcher};
use serde_json::{Value as Json, json};
use stdx::{Error, ErrorKind, Result};

/// Gaps that are listed at the most.
const GAPS_MAX: usize = 100;
/// Samples that are looked at for gaps.
const SAMPLES_MAX: usize = 20_000_000;

/// All that is known of the first series that the matchers select.
///
/// # Errors
/// `NotFound` if there is none in all that is kept.
pub fn series(app: &App, matchers: &[Matcher], start_ms: i64, end_ms: i64, now_ms: i64) -> Result<Json> {
    let view = app.store.view();
    let mut known = view.lifetimes(matchers, app.settings.query.series_max)?;
    known.sort_by(|a, b| (b.1.last_ms, &a.0).cmp(&(a.1.last_ms, &b.0)));
    let Some((labels, life)) = known.first() else {
        return Err(Error::new(
            ErrorKind::NotFound,
            "no series with these labels was ever kept; the page of targets says what is collected",
        ));
    };
    let samples = view.one_series(labels, start_ms, end_ms, SAMPLES_MAX)?;
    let times = samples.map(|s| s.samples(start_ms, end_ms)).transpose()?.unwrap_or_default().0;
    let recent = recent_interval_ms(&view, labels, life.last_ms)?;
    let gaps = recent.map_or(Vec::new(), |interval| gaps(&times, interval));
    let (kind, unit) = kind_and_unit(&app.store, labels);
    let source = Source::of(app, labels);
    let drops = source.drops(app);
    let mut explanation = vec![seen(life.last_ms, recent, now_ms)];
    explanation.extend(source.problem.clone());
    if times.is_empty() {
        explanation.push("It has no sample in the range that is shown.".into());
    } else if !gaps.is_empty() {
        let longest = gaps.iter().map(|(from, to)| to - from).max().unwrap_or(0);
        explanation.push(format!(
            "{} in the range that is shown, the longest {} long.",
            if gaps.len() == 1 { "One gap".into() } else { format!("{} gaps", gaps.len()) },
            words(longest)
        ));
    }
    for drop in &drops {
        explanation.push(format!(
            "{} samples of this source (not all of this series) were refused since the start of the program: {}.",
            drop["samples"], drop["reason"].as_str().unwrap_or("")
        ));
    }
    if let Some(problem) = app.store.status().problem {
        explanation.push(format!("Nothing can be written at the moment: {problem}."));
    }
    explanation.push(retention(app, life.first_ms, now_ms));
    explanation.extend(view.warnings());
    let pairs: serde_json::Map<String, Json> =
        labels.iter().filter(|(n, _)| *n != model::NAME).map(|(n, v)| (n.to_string(), v.into())).collect();
    Ok(json!({
        "labels": pairs,
        "metric": labels.name(),
        "selector": labels.to_string(),
        "matching": known.len(),
        "kind": kind.as_str(),
        "unit": unit,
        "help": app.store.metadata_of(labels.name()).map_or(String::new(), |m| m.help),
        "source": { "kind": source.kind, "text": source.text },
        "first_seen_ms": life.first_ms,
        "last_seen_ms": life.last_ms,
        "interval_ms": recent,
        "samples_in_range": times.len(),
        "gaps": gaps.iter().take(GAPS_MAX).map(|(from, to)| json!({ "from_ms": from, "to_ms": to })).collect::<Vec<_>>(),
        "drops": drops,
        "explanation": explanation,
    }))
}

/// The median time between the series' newest samples.
fn recent_interval_ms(view: &store::View, labels: &Labels, last_ms: i64) -> Result<Option<i64>> {
    let from_ms = last_ms.saturating_sub(3_600_000);
    let Some(series) = view.one_series(labels, from_ms, last_ms, SAMPLES_MAX)? else { return Ok(None) };
    let times = series.samples(from_ms, last_ms)?.0;
    let mut intervals: Vec<i64> = times.windows(2).rev().take(120).map(|w| w[1] - w[0]).collect();
    intervals.sort_unstable();
    Ok(intervals.get(intervals.len() / 2).copied())
}

fn gaps(times: &[i64], interval_ms: i64) -> Vec<(i64, i64)> {
    let longest_ms = (interval_ms * 5 / 2).max(interval_ms + 1_000);
    times.windows(2).filter(|w| w[1] - w[0] > longest_ms).map(|w| (w[0], w[1])).collect()
}

fn seen(last_ms: i64, interval_ms: Option<i64>, now_ms: i64) -> String {
    let ago = now_ms - last_ms;
    let due = interval_ms.map_or(String::new(), |i| format!("; one came every {} before", words(i)));
    match interval_ms {
        Some(i) if ago > (i * 5 / 2).max(i + 2_000) => {
            format!("It is missing now: the last sample came {} ago{due}.", words(ago))
        }
        _ => format!("The last sample came {} ago{due}.", words(ago.max(0))),
    }
}

fn retention(app: &App, first_ms: i64, now_ms: i64) -> String {
    let kept = model::time::format_duration_ms(app.store.settings().retention_ms);
    format!(
        "Its oldest kept sample is {} old; what is older than {kept} is removed.",
        words(now_ms - first_ms)
    )
}

/// A duration for people: two units at the most.
fn words(ms: i64) -> String {
    let s = ms / 1000;
    match s {
        _ if ms < 1000 => format!("{ms} ms"),
        0..=119 => format!("{s} s"),
        120..=7199 => format!("{} min", s / 60),
        7200..=172_799 => format!("{} h {} min", s / 3600, s / 60 % 60),
        _ => format!("{} d {} h", s / 86_400, s / 3600 % 24),
    }
}

struct Source {
    kind: &'static str,
    text: String,
    /// Its name in the books, where one is known.
    book: String,
    problem: Option<String>,
}

impl Source {
    /// Where a series comes from, by its job and instance.
    fn of(app: &App, labels: &Labels) -> Source {
        let (job, instance) = (labels.get("job"), labels.get("instance"));
        let host = app.settings.host.as_ref();
        if job == "node" && host.is_some_and(|h| h.instance == instance) {
            let file = recorder::reference()
                .iter()
                .find(|r| r.name == labels.name())
                .map_or("/proc and /sys".to_string(), |r| r.source.to_string());
            let text = format!("this host, read from {file} every second");
            return Source { kind: "host", text, book: "host".into(), problem: None };
        }
        if job == "midwatch" && instance.ends_with(&format!(":{}", app.address.port())) {
            let text = "Midwatch itself".to_string();
            return Source { kind: "midwatch", text, book: "midwatch".into(), problem: None };
        }
        let of_target =
            |t: &&TargetStatus| t.labels.get("job") == job && t.labels.get("instance") == instance;
        if let Some(target) = app.scrape.snapshot().iter().find(of_target) {
            let down = target.last.health == Health::Down;
            let problem = down.then(|| format!("Its target is down: {}.", target.last.error));
            let text = format!("{}, scraped every {}", target.scrape_url, words(target.interval_ms as i64));
            return Source { kind: "scrape", text, book: format!("scrape {job} {instance}"), problem };
        }
        let books: Vec<String> = app.sink.sources().into_iter().map(|s| s.source).collect();
        let scraped = format!("scrape {job} {instance}");
        if books.contains(&scraped) {
            let text = "a target that was scraped, and is gone: nothing listens there any more, or no configuration names it".into();
            return Source { kind: "scrape", text, book: scraped, problem: None };
        }
        const PUSHED: [(&str, &str); 3] = [
            ("remote_write", "to /api/v1/write"),
            ("import", "to /api/v1/import"),
            ("otlp", "by OpenTelemetry's protocol"),
        ];
        let sent = PUSHED.into_iter().filter(|(s, _)| books.iter().any(|b| b == s)).collect::<Vec<_>>();
        match sent.as_slice() {
            [(one, how)] => Source {
                kind: one,
                text: format!("no target of this run of the program: sent {how}, or recorded by an earlier run"),
                book: (*one).into(),
                problem: None,
            },
            [] => Source {
                kind: "unknown",
                text: "no source of this run of the program: it was recorded by an earlier run, or by a target that is gone".into(),
                book: String::new(),
                problem: None,
            },
            _ => Source {
                kind: "remote_write",
                text: "no target of this run of the program: sent to it (remote write, OpenTelemetry's protocol, import), or recorded by an earlier run".into(),
                book: "remote_write".into(),
                problem: None,
            },
        }
    }

    fn drops(&self, app: &App) -> Vec<Json> {
        let sources = app.sink.sources();
        let book = sources.iter().find(|s| s.source == self.book);
        book.map_or(Vec::new(), |s| {
            s.rejects
                .iter()
                .map(|r| {
                    json!({ "reason": r.reject.reason.as_str(), "samples": r.reject.samples, "last_ms": r.last_ms, "message": r.reject.message })
                })
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_words() {
        assert_eq!(gaps(&[0, 1000, 2000, 9000, 10_000], 1000), [(2000, 9000)]);
        assert_eq!(gaps(&[0, 15_000, 30_100], 15_000), []);
        assert_eq!(seen(0, Some(1000), 2500), "The last sample came 2 s ago; one came every 1 s before.");
        assert!(seen(0, Some(1000), 60_000).starts_with("It is missing now: the last sample came 60 s ago"));
        assert_eq!((words(90_061_000), words(400_000_000)), ("25 h 1 min".into(), "4 d 15 h".into()));
    }
}
