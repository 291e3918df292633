//! Scripts: each line is a time in which a service has so much traffic of which so much is bad, looked at every half minute. Behind
//! the first bar stands how the objective is at its end, behind the second what fired in it, and how soon.

use super::*;
use crate::read::Check;
use model::time::parse_duration_ms;
use std::collections::BTreeMap;

const CHECK: Check<'static> = &|_| Ok(());
/// 2026-03-04, a Wednesday.
const START_MS: i64 = 20_516 * DAY_MS;

/// What happened, in half minutes; what is not in it had no data.
type World = BTreeMap<i64, (f64, f64)>;

struct Run {
    slo: Slo,
    world: World,
    history: History,
    now: i64,
    carry: (f64, f64),
}

impl Run {
    fn count(&self, wanted: history::Wanted) -> BTreeMap<i64, (f64, f64)> {
        let mut out = BTreeMap::new();
        let mut at = wanted.from_ms;
        while at < wanted.to_ms {
            let end = at + wanted.step_ms;
            let inside = self.world.range(at..end);
            if let Some(sum) = inside.map(|(_, c)| *c).reduce(|a, b| (a.0 + b.0, a.1 + b.1)) {
                out.insert(end, sum);
            }
            at = end;
        }
        out
    }

    fn happen(&mut self, at: i64, rate: f64, bad: f64) {
        // Whole events, however rare.
        self.carry.0 += rate * 30.0;
        let total = self.carry.0.floor();
        self.carry.1 += total * bad;
        let wrong = self.carry.1.floor();
        self.carry = (self.carry.0 - total, self.carry.1 - wrong);
        self.world.insert(at, (total - wrong, total));
    }

    fn look(&mut self, error: Option<&str>) -> Verdict {
        let start = self.slo.window.start(self.now).min(self.now - 3 * DAY_MS);
        let wanted = self.history.wanted(self.now, start);
        if error.is_none() {
            if let Some(past) = self.history.past(self.now) {
                let counted = self.count(past);
                self.history.put(past, &counted);
            }
            let counted = self.count(wanted);
            self.history.put(wanted, &counted);
            self.history.compact(self.now, start);
        }
        judge(&self.slo, &self.history, self.now, error)
    }
}

fn new(text: &str) -> Run {
    let yaml = format!("name: t\ntotal: a\nbad: b\n{text}");
    let slo = read::read_one("t", &yaml, CHECK).unwrap();
    Run { slo, world: World::new(), history: History::default(), now: START_MS, carry: (0.0, 0.0) }
}

fn run(head: &str, script: &str) {
    let mut run = new(head);
    for (number, line) in script.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let mut parts = line.split('|').map(str::trim);
        let words: Vec<&str> = parts.next().unwrap().split_whitespace().collect();
        let ms = parse_duration_ms(words[0].trim_start_matches(['+', '-'])).unwrap();
        let (began, mut fired, mut verdict) = (run.now, Vec::<String>::new(), None);
        match words[1] {
            "clock" => {
                run.now += if words[0].starts_with('-') { -ms } else { ms };
                // The samples' times are of the same clock.
                verdict = Some(run.look(None));
            }
            "restart" => {
                let json = saved::to_json(&run.slo, &run.history);
                let text = json.to_string();
                run.history = saved::from_json(&run.slo, &text.parse().unwrap()).unwrap();
                run.now += ms;
                verdict = Some(run.look(None));
            }
            what => {
                while run.now < began + ms {
                    let at = run.now;
                    run.now += STEP_MS;
                    let mut error = None;
                    match what {
                        "nothing" => {}
                        "error" => error = Some("too many series"),
                        rate => {
                            let per_s = |text: &str| match text.split_once('/') {
                                Some((n, "h")) => n.parse::<f64>().unwrap() / 3600.0,
                                Some((n, _)) => n.parse::<f64>().unwrap(),
                                None => panic!("{line}"),
                            };
                            let bad = words[2].trim_end_matches('%').parse::<f64>().unwrap() / 100.0;
                            run.happen(at, per_s(rate), bad);
                        }
                    }
                    // Long quiet times are looked at now and then, as after a pause.
                    let is_rare = ms > 6 * HOUR_MS && (run.now - START_MS) % 300_000 != 0;
                    if words.contains(&"unseen") || is_rare {
                        continue;
                    }
                    let seen = run.look(error);
                    for p in seen.pairs.iter().filter(|p| p.fires) {
                        let name = format!("{} {}", p.pair.severity, format_duration_ms(p.pair.long_ms));
                        if !fired.iter().any(|f| f.starts_with(&name)) {
                            fired.push(format!("{name} after {}", format_duration_ms(run.now - began)));
                        }
                    }
                    verdict = Some(seen);
                }
            }
        }
        let said = match &verdict {
            Some(v) => {
                let left = v
                    .budget
                    .left
                    .map_or_else(|| "nothing known".into(), |l| format!("{:.0} % left", l * 100.0));
                format!("{}, {left}", v.state.as_str())
            }
            None => String::new(),
        };
        let (want, fires) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        assert_eq!((said.as_str(), fired.join(", ").as_str()), (want, fires), "line {}: {line}", number + 1);
    }
}

const USUAL: &str = "objective: 99.9 %\nwindow: 30d\n";

#[test]
fn an_outage_wakes_within_minutes_and_a_leak_makes_a_ticket() {
    run(
        USUAL,
        "
        3d   20/s 0.01% | fine, 90 % left |
        10m  20/s 100%  | burns_fast, -141 % left | page 1h after 1m, page 6h after 2m30s, ticket 3d after 4m, ticket 1d after 4m30s
        1h   20/s 0.01% | spent, -138 % left | page 1h after 30s, page 6h after 30s, ticket 1d after 30s, ticket 3d after 30s
        ",
    );
}

#[test]
fn one_failed_request_wakes_nobody() {
    run(
        USUAL,
        "
        2d   30/h 0%    | fine, 100 % left |
        8m   30/h 100%  | too_little, -177 % left |
        1h   30/h 0%    | too_little, -171 % left |
        6h   30/h 0%    | fine, -142 % left |
        ",
    );
}

#[test]
fn what_is_not_known_is_not_fine() {
    run(
        USUAL,
        "
        1h   10/s 0%    | fine, 100 % left |
        5m   error      | cannot_judge, 100 % left |
        5m   10/s 0%    | fine, 100 % left |
        10m  nothing    | no_data, 100 % left |
        1h   10/s 0%    | fine, 100 % left |
        1h   1/h 0%     | too_little, 100 % left |
        ",
    );
}

#[test]
fn restarts_and_clocks_neither_fire_nor_forget() {
    run(
        USUAL,
        "
        1d   20/s 0%           | fine, 100 % left |
        20m  20/s 0.5% unseen  |  |
        0s   restart           | fine, 93 % left |
        1h   20/s 0%           | fine, 93 % left |
        +1h  clock             | no_data, 93 % left |
        1h   20/s 0%           | fine, 94 % left |
        -30m clock             | fine, 94 % left |
        1h   20/s 0%           | fine, 94 % left |
        ",
    );
}

#[test]
fn a_month_of_the_calendar_begins_anew() {
    run(
        "objective: 99 %\nwindow: calendar day\n",
        "
        23h  1/s 2%     | spent, -100 % left |
        2h   1/s 0%     | fine, 100 % left |
        ",
    );
}

#[test]
fn the_usual_alerts_fit_the_objective() {
    for (objective, window_ms, want) in [
        (
            0.999,
            30 * DAY_MS,
            "14.4x over 1h and 5m, 6x over 6h and 30m, 3x over 1d and 2h, 1x over 3d and 6h",
        ),
        // If all fails a budget of 10 % burns ten times too fast: 14.4 would never be reached.
        (0.9, 30 * DAY_MS, "9x over 1h and 5m, 6x over 6h and 30m, 3x over 1d and 2h, 1x over 3d and 6h"),
        (0.999, DAY_MS, "14.4x over 1h and 5m, 6x over 6h and 30m, 3x over 1d and 2h"),
    ] {
        let words: Vec<String> = usual_pairs(objective, window_ms).iter().map(Pair::words).collect();
        assert_eq!(words.join(", "), want);
    }
}

#[test]
fn the_past_is_counted_once_whatever_the_grain() {
    // Thirty days that were there before the objective: counted in pieces, the newest first.
    let mut run = new(USUAL);
    for at in (0..30 * DAY_MS).step_by(STEP_MS as usize) {
        run.world.insert(START_MS + at, (9.0, 10.0));
    }
    run.now = START_MS + 30 * DAY_MS + 7_000;
    let first = run.look(None);
    assert!(first.budget.unread > 0.9);
    for _ in 0..60 {
        run.look(None);
    }
    let all = run.history.sum(START_MS, START_MS + 30 * DAY_MS);
    assert_eq!((all.good, all.total), (777_600.0, 864_000.0));
    assert_eq!(run.look(None).budget.unread, 0.0);
    assert!(run.history.buckets().count() < 3_000);
    // Half a bucket counts half.
    let early = run.history.sum(START_MS, START_MS + HOUR_MS / 2);
    assert_eq!((early.good, early.total), (540.0, 600.0));
}

#[test]
fn a_slow_source_is_known_between_its_samples() {
    let mut run = new(USUAL);
    for minute in 0..600 {
        // A sample every two minutes: three of four half minutes have none.
        if minute % 2 == 0 {
            run.world.insert(START_MS + minute * 60_000, (60.0, 60.0));
        }
        run.now = START_MS + (minute + 1) * 60_000;
        run.look(None);
    }
    let sum = run.history.sum(START_MS, START_MS + 590 * 60_000);
    assert_eq!((sum.total, sum.known_ms), (295.0 * 60.0, 590.0 * 60_000.0));
}

#[test]
fn names_and_texts_cannot_break_out_of_a_badge() {
    let mut run = new(USUAL);
    run.slo.name = "a</text><script>x</script>&\"\u{202e}' \u{7}".into();
    let verdict = run.look(None);
    let svg = badge::svg(&run.slo, &verdict);
    assert!(!svg.contains("<script") && !svg.contains('\u{202e}') && svg.contains("&lt;script&gt;"), "{svg}");
    assert!(svg.contains("no data"), "in words: {svg}");
    assert!(!svg.replace("http://www.w3.org/2000/svg", "").contains("http"), "it asks for nothing");
}
