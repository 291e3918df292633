//! `midwatch query`: asks a running server, and shows what it answers as a table, a chart, or JSON. It must never
//! change what is piped: that is the API's own answer.

use crate::answer::{self, Found, Series};
use crate::cli::QueryArgs;
use crate::http::Client;
use crate::plot::{self, Chart};
use crate::table;
use crate::text::{Ink, Look, clean};
use crate::units::unit_of;
use anyhow::{Context, bail};
use model::time::{format_duration_ms, parse_duration_ms, parse_time_ms};
use std::io::IsTerminal;
use std::time::Duration;

/// Series of one chart; more are named only.
const CHART_SERIES_MAX: usize = 6;
/// The range of a chart when none is given.
const HOUR_MS: i64 = 3_600_000;
/// Values of a range, about.
const STEPS: i64 = 240;

/// When and how closely to ask: milliseconds since 1970, and milliseconds.
#[derive(Debug, PartialEq)]
enum When {
    At(Option<i64>),
    Range { start: i64, end: i64, step: i64 },
}

/// Asks and gives the text for standard output.
///
/// # Errors
/// A flag is wrong, nobody answers, or the query fails.
pub fn run(args: &QueryArgs, now_ms: i64) -> anyhow::Result<String> {
    let when = when(args, now_ms)?;
    let client = Client::new(&args.url, Duration::from_secs(120))?;
    let seconds = |ms: i64| (ms as f64 / 1000.0).to_string();
    let (path, fields) = match &when {
        When::At(at) => ("/api/v1/query", at.map(|ms| ("time", seconds(ms))).into_iter().collect()),
        When::Range { start, end, step } => (
            "/api/v1/query_range",
            vec![("start", seconds(*start)), ("end", seconds(*end)), ("step", seconds(*step))],
        ),
    };
    let mut form: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
    form.push(("query", &args.promql));
    let answer = answer::ask(&client, path, &form, &args.promql)?;
    let terminal = std::io::stdout().is_terminal();
    if args.json || (!terminal && !args.plot) {
        return Ok(String::from_utf8_lossy(&answer.body).trim_end().to_string() + "\n");
    }
    let (found, warnings) = answer::read(&answer.body)?;
    warnings.iter().for_each(|w| eprintln!("{w}"));
    Ok(show(&found, &when, args, &look(terminal)).join("\n") + "\n")
}

/// What standard output can show.
fn look(terminal: bool) -> Look {
    let width = crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns));
    Look {
        width: if terminal { width.clamp(40, 400) } else { 80 },
        colour: terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
    }
}

fn when(args: &QueryArgs, now_ms: i64) -> anyhow::Result<When> {
    let at = args.at.as_deref().map(parse_time_ms).transpose().map_err(anyhow::Error::msg).context("--at")?;
    let duration = |flag: &'static str, text: &Option<String>| -> anyhow::Result<Option<i64>> {
        let ms =
            text.as_deref().map(parse_duration_ms).transpose().map_err(anyhow::Error::msg).context(flag)?;
        match ms {
            Some(0) => bail!("{flag} must be longer than 0"),
            ms => Ok(ms),
        }
    };
    let range = duration("--range", &args.range)?.or(args.plot.then_some(HOUR_MS));
    let step = duration("--step", &args.step)?;
    let Some(range) = range else {
        if step.is_some() {
            bail!("--step goes with --range: --range 1h --step 10s");
        }
        return Ok(When::At(at));
    };
    let end = at.unwrap_or(now_ms);
    Ok(When::Range {
        start: end.saturating_sub(range),
        end,
        step: step.unwrap_or_else(|| fitting_step(range)),
    })
}

/// A step that people would choose, for about [`STEPS`] values.
fn fitting_step(range_ms: i64) -> i64 {
    const STEPS_MS: [i64; 14] = [
        1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000,
        3_600_000, 7_200_000,
    ];
    let wanted = range_ms / STEPS;
    STEPS_MS.into_iter().find(|s| *s >= wanted).unwrap_or((wanted / 86_400_000 + 1) * 86_400_000)
}

fn show(found: &Found, when: &When, args: &QueryArgs, look: &Look) -> Vec<String> {
    let unit = unit_of(&args.promql);
    match (found, when) {
        (Found::Single(text), _) => vec![text.clone()],
        (Found::Vector(list) | Found::Matrix(list), _) if list.is_empty() => nothing(args),
        (Found::Matrix(list), When::Range { start, end, step }) => {
            let range = (*start as f64 / 1000.0, *end as f64 / 1000.0);
            if args.plot {
                return chart(list, &args.promql, range, *step as f64 / 1000.0, look);
            }
            let mut lines = table::matrix(list, unit, range, look);
            let text =
                format!("every {} over {}", format_duration_ms(*step), format_duration_ms(end - start));
            lines.push(look.paint(Ink::Dim, &text));
            lines
        }
        (Found::Matrix(list), When::At(_)) => {
            let times = list.iter().flat_map(|s| &s.points).map(|p| p.0);
            let range = times.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), t| (l.min(t), h.max(t)));
            table::matrix(list, unit, range, look)
        }
        (Found::Vector(list), _) => table::vector(list, unit, look),
    }
}

fn nothing(args: &QueryArgs) -> Vec<String> {
    let words: Vec<&str> = args.promql.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let longest = words.into_iter().max_by_key(|w| w.len()).unwrap_or("");
    vec![
        "Nothing found: no series has a value there.".into(),
        format!(
            "Longer ago? add --range 1d. Another name? midwatch query 'group by (__name__) ({{__name__=~\".*{}.*\"}})'",
            clean(longest)
        ),
    ]
}

/// One chart of all series where colours tell them apart, else one chart each.
fn chart(list: &[Series], query: &str, range: (f64, f64), step: f64, look: &Look) -> Vec<String> {
    let unit = unit_of(query);
    let shown = &list[..list.len().min(CHART_SERIES_MAX)];
    let gap = step * 1.5;
    let (common, _) = table::shared(shown);
    let mut out = Vec::new();
    if !common.is_empty() && shown.len() > 1 {
        out.push(look.paint(Ink::Bold, &table::name_of(&common)));
    }
    let label = |s: &Series| {
        let own = s.labels.iter().filter(|(n, _)| shown.len() == 1 || !common.contains_key(*n));
        let name = table::name_of(&own.map(|(n, v)| (n.clone(), v.clone())).collect());
        let last = s.last().map(|v| crate::units::show(v, unit)).unwrap_or_default();
        format!("{}  last {last}", if name == "{}" { clean(query) } else { name })
    };
    if look.colour || shown.len() == 1 {
        out.extend(plot::draw(&Chart { series: shown, unit, range, gap }, plot::ROWS, look));
        let legend = |(i, s): (usize, &Series)| format!("{} {}", look.paint(Ink::Series(i), "━━"), label(s));
        out.extend(shown.iter().enumerate().map(legend));
    } else {
        for s in shown {
            out.push(label(s));
            let one = std::slice::from_ref(s);
            out.extend(plot::draw(&Chart { series: one, unit, range, gap }, plot::ROWS / 2, look));
        }
    }
    if list.len() > shown.len() {
        out.push(format!(
            "{} more series are not drawn; topk({CHART_SERIES_MAX}, ...) chooses.",
            list.len() - shown.len()
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(range: Option<&str>, step: Option<&str>, at: Option<&str>, plot: bool) -> QueryArgs {
        let text = |t: Option<&str>| t.map(str::to_string);
        QueryArgs {
            promql: "up".into(),
            range: text(range),
            step: text(step),
            at: text(at),
            plot,
            json: false,
            url: String::new(),
        }
    }

    #[test]
    fn times() {
        let now = 10_000_000;
        for (a, want) in [
            (args(None, None, None, false), When::At(None)),
            (args(None, None, Some("5"), false), When::At(Some(5_000))),
            (args(Some("1h"), None, None, false), When::Range { start: 6_400_000, end: now, step: 15_000 }),
            (
                args(Some("1m"), Some("10s"), Some("100"), false),
                When::Range { start: 40_000, end: 100_000, step: 10_000 },
            ),
            (args(None, None, None, true), When::Range { start: 6_400_000, end: now, step: 15_000 }),
        ] {
            assert_eq!(when(&a, now).unwrap(), want);
        }
        for (a, part) in [
            (args(Some("x"), None, None, false), "--range"),
            (args(Some("0s"), None, None, false), "longer than 0"),
            (args(None, Some("10s"), None, false), "--step goes with --range"),
            (args(None, None, Some("yesterday"), false), "--at"),
        ] {
            let error = format!("{:#}", when(&a, now).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
        for range in [1, 60_000, 86_400_000, 365 * 86_400_000] {
            let values = range / fitting_step(range);
            assert!(values <= STEPS, "{range}: {values}");
        }
    }

    #[test]
    fn a_chart_each_without_colours() {
        let s = |job: &str| Series {
            labels: [("__name__".to_string(), "up".to_string()), ("job".into(), job.into())].into(),
            points: vec![(0.0, 1.0), (15.0, 0.0), (30.0, 1.0)],
        };
        let list: Vec<Series> = ["a", "b", "c", "d", "e", "f", "g"].map(s).into();
        let look = Look { width: 60, colour: false };
        let lines = chart(&list, "up", (0.0, 30.0), 15.0, &look);
        assert_eq!(lines[0], "up");
        assert_eq!(lines[1], "{job=\"a\"}  last 1");
        assert_eq!(lines.last().unwrap(), "1 more series are not drawn; topk(6, ...) chooses.");
        let one = chart(&list[..1], "up", (0.0, 30.0), 15.0, &look);
        assert_eq!(one.last().unwrap(), "━━ up{job=\"a\"}  last 1");
        assert!(
            show(&Found::Vector(vec![]), &When::At(None), &args(None, None, None, false), &look)[0]
                .starts_with("Nothing found")
        );
    }
}
