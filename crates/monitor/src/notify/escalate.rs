//! Escalation: who else is told of what nobody takes care of, and when. Steps count from the first notification of a
//! group; an acknowledgement of all that fires stops them, and something new that fires begins them anew. It must never
//! skip a step.

use serde_json::{Value as Json, json};

/// Who is told after how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Escalation {
    /// As routes name it.
    pub name: String,
    /// In order.
    pub steps: Vec<Step>,
    /// How often all of it is done again.
    pub repeat: u32,
    /// From one begin to the next.
    pub round_ms: i64,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// After the begin.
    pub after_ms: i64,
    /// Receivers.
    pub receivers: Vec<String>,
}

/// How far a group is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// When its steps began to count.
    pub since_ms: i64,
    /// Everything that fires is acknowledged: no further step.
    pub is_held: bool,
}

impl Escalation {
    /// When a step was due last, `None` if it was not yet.
    pub fn due_ms(&self, step: usize, progress: Progress, now_ms: i64) -> Option<i64> {
        let first_ms = progress.since_ms + self.steps.get(step)?.after_ms;
        if now_ms < first_ms {
            return None;
        }
        let rounds = ((now_ms - first_ms) / self.round_ms.max(1)).min(i64::from(self.repeat));
        Some(first_ms + rounds * self.round_ms)
    }

    /// When the next step is due after `now_ms`.
    pub fn next_ms(&self, progress: Progress, now_ms: i64) -> Option<i64> {
        let rounds = |after_ms: i64| (0..=i64::from(self.repeat)).map(move |r| after_ms + r * self.round_ms);
        let all = self.steps.iter().flat_map(|s| rounds(s.after_ms)).map(|ms| progress.since_ms + ms);
        all.filter(|ms| *ms > now_ms).min().filter(|_| !progress.is_held)
    }
}

impl Progress {
    /// Where a group is now: `is_firing` and `is_acked` are of all of its alerts that may be told of.
    pub fn follow(known: Option<Progress>, is_firing: bool, is_acked: bool, now_ms: i64) -> Option<Progress> {
        match known {
            _ if !is_firing => None,
            None if is_acked => None,
            Some(p) if is_acked => Some(Progress { is_held: true, ..p }),
            Some(p) if !p.is_held => Some(p),
            _ => Some(Progress { since_ms: now_ms, is_held: false }),
        }
    }

    /// As a line of the outbox.
    pub fn line(group_key: &str, progress: Option<Progress>) -> String {
        let since_ms = progress.map(|p| p.since_ms);
        let is_held = progress.is_some_and(|p| p.is_held);
        json!({ "what": "escalated", "key": group_key, "since_ms": since_ms, "is_held": is_held }).to_string()
    }

    /// What [`Progress::line`] gave.
    pub fn from_json(json: &Json) -> Option<(String, Option<Progress>)> {
        let key = json["key"].as_str()?.to_string();
        let is_held = json["is_held"].as_bool()?;
        Some((key, json["since_ms"].as_i64().map(|since_ms| Progress { since_ms, is_held })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_rounds() {
        let step = |after_ms| Step { after_ms, receivers: Vec::new() };
        let e =
            Escalation { name: "e".into(), steps: vec![step(0), step(5), step(20)], repeat: 2, round_ms: 30 };
        let p = Progress { since_ms: 100, is_held: false };
        for (now, dues, next) in [
            (100, [Some(100), None, None], Some(105)),
            (107, [Some(100), Some(105), None], Some(120)),
            (125, [Some(100), Some(105), Some(120)], Some(130)),
            (131, [Some(130), Some(105), Some(120)], Some(135)),
            (179, [Some(160), Some(165), Some(150)], Some(180)),
            (900, [Some(160), Some(165), Some(180)], None),
        ] {
            assert_eq!(std::array::from_fn(|i| e.due_ms(i, p, now)), dues, "{now}");
            assert_eq!(e.next_ms(p, now), next, "{now}");
        }
        assert_eq!(e.next_ms(Progress { is_held: true, ..p }, 100), None);
    }

    #[test]
    fn an_acknowledgement_holds_and_news_begins_anew() {
        let at = |since_ms, is_held| Some(Progress { since_ms, is_held });
        for (known, firing, acked, want) in [
            (None, true, false, at(9, false)),
            (None, true, true, None),
            (at(1, false), true, false, at(1, false)),
            (at(1, false), true, true, at(1, true)),
            (at(1, true), true, true, at(1, true)),
            (at(1, true), true, false, at(9, false)),
            (at(1, true), false, false, None),
        ] {
            assert_eq!(Progress::follow(known, firing, acked, 9), want, "{known:?} {firing} {acked}");
            let line = Progress::line("k", want);
            assert_eq!(Progress::from_json(&line.parse().unwrap()), Some(("k".to_string(), want)));
        }
    }
}
