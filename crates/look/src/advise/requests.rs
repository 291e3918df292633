//! What happens within requests: which lines are written and which calls are made, in the window and before. A line that
//! always followed another and no longer does says where work ends early; a new error says where it goes wrong. Requests
//! are told by trace and span; lines without are put together by moments. It must never hold more than its bounds: what
//! is beyond them is counted.

use foldhash::{HashMap, HashMapExt, HashSet};
use std::hash::{BuildHasher, Hash};

/// Entries (a line or a call within a request) that are held.
pub const ENTRIES_MAX: usize = 1_500_000;
/// Different events (a template, an operation) of all services.
const EVENTS_MAX: usize = 50_000;
/// Events of one request that are looked at.
const EVENTS_OF_REQUEST_MAX: usize = 48;
/// Events of a service that are tried as the one that no longer follows, those that became rarest.
const CANDIDATES_MAX: usize = 64;
/// How often a companion has to have been seen before.
const BEFORE_MIN: u32 = 4;
/// How often a companion has to be seen in the window.
const INSIDE_MIN: u32 = 3;
/// The part of its requests that had both, before.
const TOGETHER_MIN: f64 = 0.6;
/// Less of a difference than this is not told.
const DIFFERENCE_MIN: f64 = 0.3;
/// So much of a difference counts whole; of what is beyond, the logarithm: thirty requests that end early say little more
/// than twenty.
const LINE_NATS_WHOLE: f64 = 8.0;
/// The most that one difference counts.
pub const LINE_NATS_MAX: f64 = 18.0;
/// Spans that come later than lines by up to this long are on their way, milliseconds.
const LATE_MS_MAX: i64 = 60_000;
/// Differences that are told of one service.
const TOLD_MAX: usize = 3;

/// What can happen within a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A line of this template was written.
    Line(u64),
    /// A line of this template was written by this place in the code.
    Place(u64, String),
    /// This was done.
    Operation(String),
    /// This service was asked.
    Call(String),
}

/// How a line sounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// As any other.
    #[default]
    Plain,
    /// As a warning.
    Warning,
    /// As an error.
    Error,
}

impl Tone {
    /// By its severity, or where a line has none, by its words.
    pub fn of(severity: model::Severity, text: &str) -> Tone {
        const ERRORS: &[&str] =
            &["error", "exception", "fail", "fatal", "panic", "refused", "timeout", "timed out", "denied"];
        let text = text.to_ascii_lowercase();
        match severity {
            s if s >= model::Severity::ERROR => Tone::Error,
            _ if ERRORS.iter().any(|w| text.contains(w)) => Tone::Error,
            s if s >= model::Severity::WARN => Tone::Warning,
            _ if text.contains("warn") => Tone::Warning,
            _ => Tone::Plain,
        }
    }

    /// How much a line that is new or more frequent counts: a plain one mostly says that more is asked.
    fn weight(self) -> f64 {
        match self {
            Tone::Plain => 0.15,
            Tone::Warning => 0.3,
            Tone::Error => 1.0,
        }
    }
}

/// A difference between requests of the window and of before.
#[derive(Clone, Debug, PartialEq)]
pub struct Differs {
    /// Whose requests.
    pub service: String,
    /// What is more or less frequent.
    pub event: Event,
    /// What it used to come with; `None`: it became more frequent.
    pub companion: Option<Event>,
    /// How it sounds.
    pub tone: Tone,
    /// Requests in the window: with it, and all (with the companion).
    pub inside: (u32, u32),
    /// The same before.
    pub before: (u32, u32),
    /// How strongly that speaks, natural logarithm of the likelihood ratio, weighed; 0 to [`LINE_NATS_MAX`].
    pub nats: f64,
    /// The logarithm of how many differences were tried of this kind: the farthest of many is far by chance.
    pub by_chance: f64,
    /// When it was seen first or last in the window, milliseconds since 1970; of what no longer comes, the window's begin.
    pub onset_ms: Option<i64>,
}

struct Entry {
    request: u64,
    event: u32,
    is_inside: bool,
    time_ms: i64,
}

#[derive(Default)]
struct Known {
    tone: Tone,
    first_inside_ms: Option<i64>,
}

/// Events by request.
#[derive(Default)]
pub struct Requests {
    services: Vec<String>,
    service_ids: HashMap<String, u32>,
    events: Vec<(u32, Event, Known)>,
    event_ids: HashMap<(u32, Event), u32>,
    entries: Vec<Entry>,
    left_out: u64,
    hasher: foldhash::fast::FixedState,
}

impl Requests {
    /// Adds one event. `request` tells requests apart, whatever it is made of.
    pub fn add(
        &mut self,
        service: &str,
        request: impl Hash,
        event: Event,
        tone: impl FnOnce() -> Tone,
        time_ms: i64,
        is_inside: bool,
    ) {
        if self.entries.len() >= ENTRIES_MAX {
            self.left_out += 1;
            return;
        }
        let service = match self.service_ids.get(service) {
            Some(id) => *id,
            None => {
                let id = self.services.len() as u32;
                self.services.push(service.to_string());
                self.service_ids.insert(service.to_string(), id);
                id
            }
        };
        let key = (service, event);
        let event = match self.event_ids.get(&key) {
            Some(id) => *id,
            None if self.events.len() >= EVENTS_MAX => {
                self.left_out += 1;
                return;
            }
            None => {
                let id = self.events.len() as u32;
                self.events.push((service, key.1.clone(), Known { tone: tone(), ..Known::default() }));
                self.event_ids.insert(key, id);
                id
            }
        };
        if is_inside {
            let first = &mut self.events[event as usize].2.first_inside_ms;
            *first = Some(first.map_or(time_ms, |t| t.min(time_ms)));
        }
        let request = self.hasher.hash_one((service, request));
        self.entries.push(Entry { request, event, is_inside, time_ms });
    }

    /// Entries that found no room.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The differences, by service; of each the strongest first.
    pub fn differences(mut self) -> Vec<Differs> {
        self.entries.sort_unstable_by_key(|e| (e.request, e.event));
        self.entries.dedup_by_key(|e| (e.request, e.event));
        let settled = self.settled();
        let mut by_service: Vec<Vec<Request>> = Vec::new();
        by_service.resize_with(self.services.len(), Vec::new);
        for group in self.entries.chunk_by(|a, b| a.request == b.request) {
            let group = &group[..group.len().min(EVENTS_OF_REQUEST_MAX)];
            let service = self.events[group[0].event as usize].0 as usize;
            // A request that goes on from before into the window is of the window.
            let is_inside = group.iter().any(|e| e.is_inside);
            let is_settled = group.iter().all(|e| e.time_ms <= settled[service]);
            by_service[service].push(Request { events: group, is_inside, is_settled });
        }
        let mut all = Vec::new();
        for (service, requests) in by_service.iter().enumerate() {
            let mut of_one = self.of_service(service, requests);
            of_one.sort_by(|a, b| b.nats.total_cmp(&a.nats));
            of_one.truncate(TOLD_MAX);
            all.extend(of_one);
        }
        all
    }

    /// For each service the time up to which both its lines and its spans have arrived. Senders hand spans over later than lines: what was
    /// written a moment ago lacks spans, and misses nothing. One that lags for longer has stopped, and that is worth telling.
    fn settled(&self) -> Vec<i64> {
        let mut last = vec![[None::<i64>; 2]; self.services.len()];
        for entry in &self.entries {
            let (service, event, _) = &self.events[entry.event as usize];
            let is_span = matches!(event, Event::Operation(_) | Event::Call(_));
            let last = &mut last[*service as usize][usize::from(is_span)];
            *last = Some(last.map_or(entry.time_ms, |t| t.max(entry.time_ms)));
        }
        let one = |last: &[Option<i64>; 2]| match last {
            [Some(lines), Some(spans)] if (lines - spans).abs() <= LATE_MS_MAX => *lines.min(spans),
            _ => i64::MAX,
        };
        last.iter().map(one).collect()
    }

    fn of_service(&self, service: usize, requests: &[Request]) -> Vec<Differs> {
        let (total, counts) = count(requests.iter());
        if total.inside == 0 || total.before == 0 {
            return Vec::new();
        }
        let mut out = Vec::new();
        let mut rarer: Vec<(f64, u32)> = Vec::new();
        let telling = self.telling_places(&counts);
        let tried = counts.len();
        for (event, n) in &counts {
            if let Event::Place(pattern, _) = &self.events[*event as usize].1
                && !telling.contains(pattern)
            {
                continue;
            }
            let (ratio, lift) = likelihood(*n, total);
            if ratio > 0.0 {
                let tone = self.events[*event as usize].2.tone;
                let nats = ratio * told(lift) * tone.weight();
                out.push(self.differs(service, *event, None, (*n, total), (nats, tried)));
            }
        }
        let (total, counts) = count(requests.iter().filter(|r| r.is_settled));
        for (event, n) in &counts {
            if let Event::Place(pattern, _) = &self.events[*event as usize].1
                && !telling.contains(pattern)
            {
                continue;
            }
            let expected = f64::from(n.before) * f64::from(total.inside) / f64::from(total.before.max(1));
            if n.before >= BEFORE_MIN {
                rarer.push(((expected - f64::from(n.inside)) / (expected + 1.0).sqrt(), *event));
            }
        }
        rarer.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        rarer.truncate(CANDIDATES_MAX);
        let candidates = rarer.len();
        for (_, event) in rarer {
            let mut with: HashMap<u32, Counts> = HashMap::new();
            for request in requests.iter().filter(|r| r.is_settled && r.has(event)) {
                for other in request.events.iter().filter(|e| e.event != event) {
                    with.entry(other.event).or_default().add(request.is_inside);
                }
            }
            let tried = candidates * with.len();
            let best = with.iter().filter_map(|(companion, both)| {
                let all = counts[companion];
                let share = f64::from(both.before) / f64::from(all.before.max(1));
                if all.before < BEFORE_MIN || all.inside < INSIDE_MIN || share < TOGETHER_MIN {
                    return None;
                }
                let (ratio, drop) = likelihood(*both, all);
                (ratio < 0.0).then(|| (-ratio * told(drop), *companion, *both, all))
            });
            let best = best.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
            if let Some((nats, companion, both, all)) = best {
                out.push(self.differs(service, event, Some(companion), (both, all), (nats, tried)));
            }
        }
        out.retain(|d| d.nats > 0.0);
        out
    }

    /// Templates that several places of the code write, the same ones as before. One place says nothing that its template does
    /// not; and where places are new, the program is another.
    fn telling_places(&self, counts: &HashMap<u32, Counts>) -> HashSet<u64> {
        let mut places: HashMap<u64, (u32, bool)> = HashMap::new();
        for (event, n) in counts {
            if let Event::Place(pattern, _) = &self.events[*event as usize].1 {
                let (count, is_new) = places.entry(*pattern).or_default();
                *count += 1;
                *is_new |= n.before == 0;
            }
        }
        let is_telling = |(_, (count, is_new)): &(u64, (u32, bool))| *count > 1 && !is_new;
        places.into_iter().filter(is_telling).map(|(pattern, _)| pattern).collect()
    }

    fn differs(
        &self,
        service: usize,
        event: u32,
        companion: Option<u32>,
        (n, all): (Counts, Counts),
        (nats, tried): (f64, usize),
    ) -> Differs {
        let (_, what, known) = &self.events[event as usize];
        Differs {
            service: self.services[service].clone(),
            event: what.clone(),
            companion: companion.map(|c| self.events[c as usize].1.clone()),
            tone: known.tone,
            inside: (n.inside, all.inside),
            before: (n.before, all.before),
            nats: soft(nats),
            by_chance: (tried.max(1) as f64).ln(),
            onset_ms: if companion.is_none() { known.first_inside_ms } else { None },
        }
    }
}

struct Request<'a> {
    /// Sorted by event.
    events: &'a [Entry],
    is_inside: bool,
    /// Whether all that belongs to it can have arrived.
    is_settled: bool,
}

/// How many requests there are, and with each event.
fn count<'a>(requests: impl Iterator<Item = &'a Request<'a>>) -> (Counts, HashMap<u32, Counts>) {
    let mut total = Counts::default();
    let mut counts: HashMap<u32, Counts> = HashMap::new();
    for request in requests {
        total.add(request.is_inside);
        for e in request.events {
            counts.entry(e.event).or_default().add(request.is_inside);
        }
    }
    (total, counts)
}

impl Request<'_> {
    fn has(&self, event: u32) -> bool {
        self.events.binary_search_by_key(&event, |e| e.event).is_ok()
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    inside: u32,
    before: u32,
}

impl Counts {
    fn add(&mut self, is_inside: bool) {
        if is_inside { self.inside += 1 } else { self.before += 1 }
    }
}

/// How much better two shares explain the counts than one: the logarithm of the likelihood ratio of two binomials, less than
/// nothing where the share of the window is the smaller one; and by what part it differs, 0 to 1.
fn likelihood(n: Counts, all: Counts) -> (f64, f64) {
    let log = |k: u32, n: u32, p: f64| {
        let p = p.clamp(1e-9, 1.0 - 1e-9);
        f64::from(k) * p.ln() + f64::from(n - k) * (1.0 - p).ln()
    };
    let share = |k: u32, n: u32| f64::from(k) / f64::from(n.max(1));
    let (inside, before) = (share(n.inside, all.inside), share(n.before, all.before));
    let one = share(n.inside + n.before, all.inside + all.before);
    let two = log(n.inside, all.inside, inside) + log(n.before, all.before, before);
    let ratio = (two - log(n.inside, all.inside, one) - log(n.before, all.before, one)).max(0.0);
    let differs = 1.0 - inside.min(before) / inside.max(before).max(f64::MIN_POSITIVE);
    (if inside >= before { ratio } else { -ratio }, differs)
}

fn soft(nats: f64) -> f64 {
    let beyond = (nats - LINE_NATS_WHOLE).max(0.0) / LINE_NATS_WHOLE;
    (nats.min(LINE_NATS_WHOLE) + 0.5 * LINE_NATS_WHOLE * beyond.ln_1p()).min(LINE_NATS_MAX)
}

/// The place in the code that a line names (`web.cart.Pay#120`, `pay.go:12`), if it does at its beginning. The number alone would be taken
/// for a value; with its file or class it tells two lines of the same words apart.
pub fn place_in(line: &str) -> Option<&str> {
    const LOOKED_AT: usize = 160;
    const FILES: &[&str] = &[
        "go", "java", "kt", "scala", "py", "rs", "c", "cc", "cpp", "h", "js", "ts", "rb", "php", "cs", "ex",
        "erl",
    ];
    let line = &line[..line.floor_char_boundary(LOOKED_AT)];
    line.split([' ', '\t', '[', ']', '(', ')', '|', ',']).find(|word| {
        let Some((name, number)) = word.rsplit_once(['#', ':']) else { return false };
        let is_number = (1..=5).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._$/-".contains(&b));
        let Some((_, last)) = name.rsplit_once('.') else { return false };
        let is_code = word.contains('#') || FILES.contains(&last);
        is_number && is_name && is_code && last.bytes().any(|b| b.is_ascii_alphabetic())
    })
}

/// A small difference in many requests is certain, and still small.
fn told(difference: f64) -> f64 {
    ((difference - DIFFERENCE_MIN) / (1.0 - DIFFERENCE_MIN)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests as text: `inside` or `before`, how many, and their events; a line with `!` sounds as an error.
    fn of(text: &str) -> Vec<Differs> {
        let mut requests = Requests::default();
        let mut id = 0;
        for line in text.lines().filter(|l| !l.trim().is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            for _ in 0..words[1].parse::<u32>().unwrap() {
                id += 1;
                for word in &words[2..] {
                    let tone = if word.contains('!') { Tone::Error } else { Tone::Plain };
                    let event = Event::Operation(word.trim_end_matches('!').into());
                    requests.add("shop", id, event, || tone, 5, words[0] == "inside");
                }
            }
        }
        requests.differences()
    }

    /// Requests one a second with a line each and a span each, the spans of the last of them not yet there.
    fn late(missing: i64) -> Vec<Differs> {
        let mut requests = Requests::default();
        for i in 0..120 {
            let mut add = |event| requests.add("shop", i, event, Tone::default, i * 1_000, i >= 60);
            add(Event::Line(1));
            if i < 120 - missing {
                add(Event::Operation("ask".into()));
            }
        }
        requests.differences()
    }

    #[test]
    fn spans_that_are_on_their_way_are_not_missed_and_those_that_stopped_are() {
        assert_eq!(late(0), []);
        assert_eq!(late(30), []);
        let stopped = &late(61)[0];
        assert_eq!((&stopped.event, stopped.inside.0), (&Event::Operation("ask".into()), 0));
    }

    #[test]
    fn a_line_that_no_longer_follows_is_told_with_its_companion() {
        let all = of("before 20 begin find done
                      inside 20 begin find");
        let gone = &all[0];
        assert_eq!((&gone.event, gone.before.0, gone.inside.0), (&Event::Operation("done".into()), 20, 0));
        assert_eq!(gone.companion, Some(Event::Operation("begin".into())));
        assert!(gone.nats > LINE_NATS_WHOLE && gone.nats < LINE_NATS_MAX, "{gone:?}");
    }

    #[test]
    fn an_error_that_is_new_is_told_and_a_plain_line_counts_little() {
        let all = of("before 30 begin
                      inside 20 begin broken!
                      inside 10 begin chatter");
        assert_eq!((&all[0].event, all[0].tone), (&Event::Operation("broken".into()), Tone::Error));
        assert_eq!((all[0].inside, all[0].before, all[0].onset_ms), ((20, 30), (0, 30), Some(5)));
        assert!(all.iter().skip(1).all(|d| d.nats < 3.0), "{all:#?}");
    }

    #[test]
    fn the_same_requests_in_other_numbers_are_no_difference() {
        assert_eq!(
            of("before 300 begin find done
                before 100 other
                inside 10 begin find done
                inside 3 other"),
            []
        );
        assert_eq!(of("inside 10 begin broken!"), [], "nothing to compare with");
    }

    #[test]
    fn places_in_the_code_are_known_by_their_looks() {
        for (line, place) in [
            ("16:48:42.424 INFO t.s.TravelImpl#532 begun", Some("t.s.TravelImpl#532")),
            ("E1120 05:06:07 1 src/pay.go:12] no", Some("src/pay.go:12")),
            ("listening on shop.example:8080", None),
            ("worker#12 ready", None),
            ("12:30:15.5 done", None),
            ("", None),
        ] {
            assert_eq!(place_in(line), place, "{line}");
        }
    }

    #[test]
    fn of_two_places_with_the_same_words_the_missing_one_is_told_unless_the_program_is_another() {
        let of = |places: [&[&str]; 2]| {
            let mut requests = Requests::default();
            for id in 0..40 {
                for place in places[usize::from(id >= 20)] {
                    let is_inside = id >= 20;
                    requests.add("shop", id, Event::Line(1), Tone::default, 0, is_inside);
                    requests.add("shop", id, Event::Place(1, place.to_string()), Tone::default, 0, is_inside);
                }
            }
            requests.differences()
        };
        let gone = of([&["a.B#1", "a.B#2"], &["a.B#1"]]);
        assert_eq!(gone[0].event, Event::Place(1, "a.B#2".into()));
        assert_eq!(of([&["a.B#1", "a.B#2"], &["a.B#3", "a.B#4"]]), []);
    }

    #[test]
    fn lines_without_severity_are_known_by_their_words() {
        use model::Severity as S;
        for (severity, text, tone) in [
            (S::INFO, "all is well", Tone::Plain),
            (S::UNKNOWN, "java.lang.NullPointerException", Tone::Error),
            (S::ERROR, "hm", Tone::Error),
            (S::UNKNOWN, "WARN low", Tone::Warning),
        ] {
            assert_eq!(Tone::of(severity, text), tone, "{text}");
        }
    }

    #[test]
    fn there_is_a_bound() {
        let mut requests = Requests::default();
        for i in 0..EVENTS_MAX + 10 {
            requests.add("a", i, Event::Line(i as u64), Tone::default, 0, true);
        }
        assert_eq!(requests.left_out(), 10);
        assert_eq!(requests.differences(), []);
    }
}
