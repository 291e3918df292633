//! What a situation is made of: series, changes, names. It evaluates PromQL over them as the store would.

use critic::facts::{Answer, Facts, Happened, Moved, Row, When};
use critic::plan::{Entity, EntityKind, Names};
use model::histogram::Buckets;
use model::{Histogram, HistogramAt, Labels, Matcher, SeriesData};
use query::{QueryOptions, ReadLimits, Source, Value};
use std::collections::BTreeMap;

const NOW_MS: i64 = 1_700_000_000_000;
const WINDOW_MS: i64 = 15 * 60_000;
const BEGIN_MS: i64 = NOW_MS - 2 * 3_600_000;
const STEP_MS: i64 = 15_000;

#[derive(Clone, Debug, Default)]
pub struct Situation {
    pub title: String,
    lines: Vec<String>,
    pub plan: String,
    pub goal: String,
    pub says: Vec<(String, String)>,
    pub checked: Vec<String>,
    pub cannot: Vec<String>,
    pub not_understood: bool,
}

/// The situations of a file; its worlds are known to the files after it.
pub fn parse(file: &str, text: &str, worlds: &mut BTreeMap<String, Vec<String>>) -> Vec<Situation> {
    let mut out: Vec<Situation> = Vec::new();
    let mut world: Option<String> = None;
    for (number, line) in text.lines().enumerate() {
        let fail = |what: &str| -> ! { panic!("{file}:{}: {what}: {line}", number + 1) };
        let is_inside = line.starts_with(' ');
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !is_inside {
            match line.split_once(' ') {
                Some(("world", name)) => world = Some(name.to_string()),
                Some(("situation", title)) => {
                    world = None;
                    out.push(Situation { title: title.to_string(), ..Situation::default() });
                }
                _ => fail("neither world nor situation"),
            }
            continue;
        }
        if let Some(name) = &world {
            worlds.entry(name.clone()).or_default().push(line.to_string());
            continue;
        }
        let Some(situation) = out.last_mut() else { fail("belongs to nothing") };
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "in" => match worlds.get(rest) {
                Some(lines) => situation.lines.extend(lines.iter().cloned()),
                None => fail("no such world"),
            },
            "plan" => situation.plan = rest.to_string(),
            "goal" => situation.goal = rest.to_string(),
            "says" => {
                let (rule, part) = rest.split_once(": ").unwrap_or((rest, ""));
                situation.says.push((rule.to_string(), part.to_string()));
            }
            "checked" => situation.checked.push(rest.to_string()),
            "cannot" => situation.cannot.push(rest.trim_start_matches("check ").to_string()),
            "not" => situation.not_understood = true,
            _ => situation.lines.push(line.to_string()),
        }
    }
    out
}

/// Everything that is known in one situation.
pub struct World {
    series: Vec<SeriesData>,
    happened: Vec<Happened>,
    moved: Option<Vec<Moved>>,
    entities: Vec<Entity>,
    /// A query that could not be evaluated.
    pub wrong: Option<String>,
}

impl World {
    pub fn new(situation: &Situation) -> World {
        let mut world = World {
            series: Vec::new(),
            happened: Vec::new(),
            moved: Some(Vec::new()),
            entities: Vec::new(),
            wrong: None,
        };
        for line in &situation.lines {
            world.read(line);
        }
        world
    }

    pub fn names(&self) -> Names {
        Names::new(self.entities.clone())
    }

    fn read(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "known" => self.known(rest),
            "change" => {
                let (ago, rest) = rest.split_once(" ago ").unwrap_or_else(|| panic!("no time: {line}"));
                let (what, title) = rest.split_once(": ").unwrap_or((rest, rest));
                let (kind, of) = what.split_once(' ').unwrap_or((what, ""));
                let (title, outcome) = title.split_once(" => ").unwrap_or((title, ""));
                let is_host = self.entities.iter().any(|e| e.kind == EntityKind::Host && e.name == of);
                let (service, host) = if is_host { ("", of) } else { (of, "") };
                self.happened.push(Happened {
                    at_ms: NOW_MS - (seconds(ago) * 1000.0) as i64,
                    id: format!("c{}", self.happened.len()),
                    kind: kind.into(),
                    title: title.into(),
                    service: service.into(),
                    host: host.into(),
                    outcome: outcome.into(),
                });
            }
            "moved" if rest == "unknown" => self.moved = None,
            "moved" => {
                let (ago, rest) = rest.split_once(" ago ").unwrap_or_else(|| panic!("no time: {line}"));
                let (whose, title) = rest.split_once(": ").unwrap_or_else(|| panic!("whose: {line}"));
                self.moved.get_or_insert_default().push(Moved {
                    title: title.into(),
                    sentence: "rose".into(),
                    whose: vec![whose.into()],
                    onset_ms: NOW_MS - (seconds(ago) * 1000.0) as i64,
                    count: 1,
                });
            }
            _ => self.series_line(line),
        }
    }

    /// `api: api-1 api-2 on h1`, or `host h1`.
    fn known(&mut self, text: &str) {
        let one = |label: &str, value: &str| (label.to_string(), vec![value.to_string()]);
        if let Some(host) = text.strip_prefix("host ") {
            let own = vec![one("instance", host)];
            self.entities.push(Entity {
                kind: EntityKind::Host,
                name: host.into(),
                service: String::new(),
                own: own.clone(),
                of_service: own.clone(),
                of_hosts: own,
            });
            return;
        }
        let (head, hosts) = text.split_once(" on ").unwrap_or((text, ""));
        let (name, instances) = head.split_once(':').unwrap_or((head, ""));
        let of_service = vec![one("job", name)];
        let hosts: Vec<String> = hosts.split_whitespace().map(String::from).collect();
        let of_hosts = if hosts.is_empty() { Vec::new() } else { vec![("instance".to_string(), hosts)] };
        let new = |kind, called: &str, own| Entity {
            kind,
            name: called.into(),
            service: name.into(),
            own,
            of_service: of_service.clone(),
            of_hosts: of_hosts.clone(),
        };
        self.entities.push(new(EntityKind::Service, name, of_service.clone()));
        for instance in instances.split_whitespace() {
            let own = vec![one("job", name), one("instance", instance)];
            self.entities.push(new(EntityKind::Instance, instance, own));
        }
    }

    fn series_line(&mut self, line: &str) {
        let end = line.find('}').map_or_else(|| line.find(' ').unwrap_or(line.len()), |i| i + 1);
        let (name, rest) = line.split_at(end);
        let matchers = query::parse_selector(name).unwrap_or_else(|e| panic!("{line}: {e}"));
        let labels = Labels::from_pairs(matchers.iter().map(|m| (&m.name, &m.value))).unwrap();
        self.series.retain(|s| s.labels != labels);
        let rest = rest.trim();
        if rest == "gone" {
            return;
        }
        let times = (BEGIN_MS..=NOW_MS).step_by(STEP_MS as usize);
        if let Some(text) = rest.strip_prefix("took ") {
            let (before, now) = text.split_once(" -> ").unwrap_or((text, text));
            self.series.push(histogram(labels, times, seconds(before), seconds(now)));
            return;
        }
        let mut series = SeriesData { labels, ..SeriesData::default() };
        let mut sum = 0.0;
        let step = |at: i64, before: f64, now: f64| if at <= NOW_MS - WINDOW_MS { before } else { now };
        for at in times {
            let value = match (rest.split_once(" -> "), rest.split_once(" ~ ")) {
                (Some((a, b)), _) if a.starts_with('+') => {
                    sum += step(at, rate(a), rate(b)) * STEP_MS as f64 / 1000.0;
                    sum
                }
                (Some((a, b)), _) => step(at, number(a), number(b)),
                (_, Some((a, b))) => {
                    let share = (at - BEGIN_MS) as f64 / (NOW_MS - BEGIN_MS) as f64;
                    number(a) + (number(b) - number(a)) * share
                }
                _ if rest.starts_with('+') => {
                    sum += rate(rest) * STEP_MS as f64 / 1000.0;
                    sum
                }
                _ => number(rest),
            };
            if !value.is_nan() {
                series.timestamps_ms.push(at);
                series.values.push(value);
            }
        }
        self.series.push(series);
    }
}

/// Ten calls a step, which take so long.
fn histogram(labels: Labels, times: impl Iterator<Item = i64>, before: f64, now: f64) -> SeriesData {
    let schema = 3;
    let index = |seconds: f64| (seconds.log2() * f64::from(1 << schema)).ceil() as i32;
    let mut counts: BTreeMap<i32, f64> = BTreeMap::new();
    let (mut sum, mut count) = (0.0, 0.0);
    let mut series = SeriesData { labels, ..SeriesData::default() };
    for at in times {
        let took = if at <= NOW_MS - WINDOW_MS { before } else { now };
        *counts.entry(index(took)).or_default() += 10.0;
        sum += 10.0 * took;
        count += 10.0;
        let positive = Buckets::from_pairs(counts.iter().map(|(i, c)| (*i, *c)));
        let histogram = Histogram { schema, count, sum, positive, ..Histogram::default() };
        series.histograms.push(HistogramAt { timestamp_ms: at, start_ms: 0, histogram: histogram.into() });
    }
    series
}

/// `12`, `1.5G`, `90%`, `none`.
fn number(text: &str) -> f64 {
    if text == "none" {
        return f64::NAN;
    }
    let (digits, factor) = match text.char_indices().last() {
        Some((i, 'k')) => (&text[..i], 1e3),
        Some((i, 'M')) => (&text[..i], 1e6),
        Some((i, 'G')) => (&text[..i], 1e9),
        Some((i, '%')) => (&text[..i], 0.01),
        _ => (text, 1.0),
    };
    digits.parse::<f64>().unwrap_or_else(|_| panic!("{text:?} is no number")) * factor
}

/// `+5/s`.
fn rate(text: &str) -> f64 {
    number(text.trim_start_matches('+').trim_end_matches("/s"))
}

/// `20ms`, `2s`, `5m`, `3h`, `2d`.
fn seconds(text: &str) -> f64 {
    let digits = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let factor = match &text[digits..] {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        other => panic!("{other:?} is no unit of time"),
    };
    number(&text[..digits]) * factor
}

struct Series<'a>(&'a [SeriesData]);

impl Source for Series<'_> {
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        _: ReadLimits,
    ) -> stdx::Result<Vec<SeriesData>> {
        let inside = |t: &i64| start_ms <= *t && *t <= end_ms;
        let all = self.0.iter().filter(|s| Matcher::all(matchers, &s.labels)).map(|s| {
            let kept: Vec<usize> = (0..s.values.len()).filter(|i| inside(&s.timestamps_ms[*i])).collect();
            SeriesData {
                labels: s.labels.clone(),
                timestamps_ms: kept.iter().map(|i| s.timestamps_ms[*i]).collect(),
                values: kept.iter().map(|i| s.values[*i]).collect(),
                histograms: s.histograms.iter().filter(|h| inside(&h.timestamp_ms)).cloned().collect(),
                ..SeriesData::default()
            }
        });
        Ok(all.filter(|s| !s.values.is_empty() || !s.histograms.is_empty()).collect())
    }

    fn series(&self, m: &[Matcher], start_ms: i64, end_ms: i64, l: ReadLimits) -> stdx::Result<Vec<Labels>> {
        Ok(self.select(m, start_ms, end_ms, l)?.into_iter().map(|s| s.labels).collect())
    }
}

impl Facts for World {
    fn now_ms(&self) -> i64 {
        NOW_MS
    }

    fn since_ms(&self) -> i64 {
        NOW_MS - WINDOW_MS
    }

    fn ask(&mut self, promql: &str, when: When) -> Answer {
        let at_ms = if when == When::Now { NOW_MS } else { NOW_MS - WINDOW_MS };
        let source = Series(&self.series);
        let answer = query::parse(promql).map_err(|e| e.to_string()).and_then(|e| {
            query::instant(&source, &e, at_ms, &QueryOptions::default()).map_err(|e| e.to_string())
        });
        match answer {
            Ok(result) => Ok(match result.value {
                Value::Vector(rows) => rows
                    .into_iter()
                    .filter_map(|(labels, _, point)| {
                        let labels = labels.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
                        Some(Row { labels, value: point.number()? })
                    })
                    .collect(),
                Value::Scalar(value) => vec![Row { labels: Vec::new(), value }],
                _ => Vec::new(),
            }),
            Err(e) => {
                self.wrong = Some(format!("{promql}: {e}"));
                Err(e)
            }
        }
    }

    fn happened(&self) -> Result<&[Happened], String> {
        Ok(&self.happened)
    }

    fn moved(&self) -> Result<&[Moved], String> {
        self.moved.as_deref().ok_or_else(|| "nothing was compared".to_string())
    }
}
