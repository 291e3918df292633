//! What Home says, in plain words. It must never say more than was measured.

use super::conditions::{Condition, Direction};
use super::{Row, State, Subject};
use model::Labels;

/// The most things that the headline names.
const NAMED_MAX: usize = 3;

/// The one line on top.
pub(super) fn headline(subjects: &[Subject]) -> String {
    if subjects.is_empty() {
        return "Nothing has been recorded yet. The first numbers come within seconds.".into();
    }
    let of = |state| {
        let pairs = subjects.iter().flat_map(|s| s.tiles.iter().map(move |t| (s, t)));
        pairs.filter(|(_, t)| t.state == state).collect::<Vec<_>>()
    };
    let (bad, look, silent) = (of(State::Bad), of(State::Look), of(State::Silent));
    // A subject of which nothing is judged has no tile, and is not fine.
    let unjudged = subjects.iter().filter(|s| s.tiles.is_empty()).count();
    let counts: Vec<String> = [
        (bad.len(), "is bad", "are bad"),
        (look.len(), "is worth a look", "are worth a look"),
        (silent.len() + unjudged, "is silent", "are silent"),
    ]
    .into_iter()
    .filter(|(n, ..)| *n > 0)
    .enumerate()
    .map(|(i, (n, one, many))| match (i, n) {
        (0, 1) => format!("1 thing {one}"),
        (0, n) => format!("{n} things {many}"),
        (_, 1) => format!("1 {one}"),
        (_, n) => format!("{n} {many}"),
    })
    .collect();
    if counts.is_empty() {
        // Only what somebody said they care about can be all.
        let is_watched = subjects.iter().any(|s| s.kind == super::SubjectKind::Monitors);
        let said = if is_watched {
            "All fine. See you tomorrow."
        } else {
            "All that is checked here is fine. Nothing of your own is watched yet."
        };
        return said.into();
    }
    let all = bad.iter().chain(&look).chain(&silent);
    let name = |(s, t): &(&Subject, &super::Tile)| {
        format!("{} of {} ({})", t.title.to_lowercase(), s.title, t.value)
    };
    let names: Vec<String> = all.take(NAMED_MAX).map(name).collect();
    let more = (bad.len() + look.len() + silent.len()).saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let names = if names.is_empty() { String::new() } else { format!(": {}{more}", names.join(", ")) };
    format!("{}{names}.", counts.join(", "))
}

/// Why it matters, how many are concerned, the limits, what to do.
pub(super) fn detail(
    c: &Condition,
    labels: &Labels,
    details: &[Row],
    count: usize,
    outside: usize,
) -> String {
    let mut text = format!("{} ", c.why);
    if count > 1 {
        text += &format!("Shown is the worst of {count}; {outside} outside the limits. ");
    }
    let side = if c.direction == Direction::Above { "from" } else { "at or below" };
    // Up or down: there is no limit to tell.
    if c.unit != "state" {
        text += &format!("Worth a look {side} {}", limit(c, c.warn));
        text += &match c.bad.is_finite() {
            true => format!(", bad {side} {}. ", limit(c, c.bad)),
            false => "; never bad by itself. ".to_string(),
        };
    }
    let same = |row: &&Row| ["instance", "job"].iter().chain(c.by).all(|l| row.0.get(l) == labels.get(l));
    if let Some((_, v)) = details.iter().find(same).filter(|(_, v)| v.is_finite()) {
        text += &format!("{} {}. ", c.detail_says, value(*v, c.detail_unit));
    }
    text + c.what_to_do
}

/// A limit with its unit. Limits of counts lie half-way, because an increase over time is an estimate.
fn limit(c: &Condition, limit: f64) -> String {
    let half = limit.fract() == 0.5 && c.unit != "ratio";
    let whole = if c.direction == Direction::Above { limit.ceil() } else { limit.floor() };
    value(if half { whole } else { limit }, c.unit)
}

/// A value with its unit.
pub fn value(v: f64, unit: &str) -> String {
    match unit {
        "ratio" => {
            let percent = v * 100.0;
            // Limits are approached from both ends: never show 100 % for 99.96 %.
            let percent = if percent.abs() < 0.05 { 0.0 } else { percent };
            let digits = if percent == percent.round() || (10.0..=99.0).contains(&percent) { 0 } else { 1 };
            let shown = if percent < 100.0 && percent > 99.9 { 99.9 } else { percent };
            format!("{shown:.digits$} %")
        }
        "s" => duration(v),
        "state" => if v > 0.0 { "up" } else { "down" }.to_string(),
        "" => number(v),
        count if ["in ", "times ", "samples "].iter().any(|w| count.starts_with(w)) => {
            format!("{} {count}", v.round())
        }
        unit => format!("{} {unit}", number(v)),
    }
}

fn number(v: f64) -> String {
    if v == v.round() && v.abs() < 1e9 {
        format!("{v}")
    } else if v.abs() >= 100.0 {
        format!("{v:.0}")
    } else if v.abs() >= 1.0 {
        format!("{v:.1}")
    } else {
        format!("{v:.3}").trim_end_matches('0').trim_end_matches('.').to_string()
    }
}

/// Seconds in the unit that reads best.
pub fn duration(seconds: f64) -> String {
    let s = seconds.abs();
    let sign = if seconds < 0.0 { "-" } else { "" };
    let (v, unit) = match s {
        s if !s.is_finite() => return "an unknown time".into(),
        0.0 => (0.0, "s"),
        s if s < 0.001 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s if s < 120.0 => (s, "s"),
        s if s < 7_200.0 => (s / 60.0, "min"),
        s if s < 172_800.0 => (s / 3_600.0, "h"),
        s => (s / 86_400.0, "days"),
    };
    let v = if v >= 10.0 { v.round() } else { (v * 10.0).round() / 10.0 };
    format!("{sign}{v} {unit}")
}

/// Puts label values into `{name}` of a template; `quoted` for PromQL, where they stand in quotes already.
pub(super) fn fill(template: &str, labels: &Labels, quoted: bool) -> String {
    let (mut out, mut rest) = (String::new(), template);
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(end) = rest.find('>') else { break };
        let value = labels.get(&rest[1..end]);
        if quoted {
            out.push_str(&value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
        } else if value.contains([' ', '"']) {
            out.push_str(&format!("\"{}\"", value.replace('"', " ")));
        } else {
            out.push_str(value);
        }
        rest = &rest[end + 1..];
    }
    (out + rest).trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_words() {
        for (v, unit, want) in [
            (0.91, "ratio", "91 %"),
            (0.9996, "ratio", "99.9 %"),
            (1.0, "ratio", "100 %"),
            (0.0123, "ratio", "1.2 %"),
            (0.004, "ratio", "0.4 %"),
            (0.0001, "ratio", "0 %"),
            (0.98, "in the last hour", "1 in the last hour"),
            (0.0004, "s", "400 µs"),
            (0.05, "s", "50 ms"),
            (90.0, "s", "90 s"),
            (18_000.0, "s", "5 h"),
            (3.0, "", "3"),
            (2.345, "errors/s", "2.3 errors/s"),
            (0.02, "errors/s", "0.02 errors/s"),
            (0.0, "state", "down"),
        ] {
            assert_eq!(value(v, unit), want);
        }
    }

    #[test]
    fn templates() {
        let labels = Labels::from_pairs([("device", "sd\"a"), ("mountpoint", "/my disk")]).unwrap();
        assert_eq!(fill("x{device=\"<device>\"}", &labels, true), "x{device=\"sd\\\"a\"}");
        assert_eq!(fill("avail mountpoint=<mountpoint>", &labels, false), "avail mountpoint=\"/my disk\"");
        assert_eq!(fill("a <none> b <open", &labels, false), "a  b <open");
    }
}
