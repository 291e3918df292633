//! A monitor that judged and cannot any more is itself something to be told of: what it watches may be broken, and nobody
//! would know. It fires like an alert, after a time of its own, with a label of its own. It must never fire for a monitor
//! that never had anything to look at: a rule of a pack that does not fit here is no reason to wake anybody.

use super::{Active, AlertState, Judgement};
use crate::rule::Rule;
use model::Labels;

/// The label that tells such an alert from those of the monitor's condition.
pub const LABEL: &str = "midwatch_state";
/// Its value.
pub const VALUE: &str = "blind";

/// What a rule remembers of its sight.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// It was judged once, by this process or one before.
    pub has_judged: bool,
    /// It is blind.
    pub alert: Option<Active>,
    /// It was told to be blind, and sees again: still to be told.
    pub seen: Option<Active>,
}

impl Sight {
    /// Takes how the monitor is; true if something changed that is to be kept.
    pub fn step(&mut self, rule: &Rule, judgement: &Judgement, at_ms: i64) -> bool {
        let why = match judgement {
            Judgement::NoData if self.has_judged => {
                "nothing that it looks at has a sample any more".to_string()
            }
            Judgement::CannotJudge(why) => format!("its condition cannot be evaluated: {why}"),
            Judgement::Unknown | Judgement::NoData => return false,
            _ => {
                let had_judged = std::mem::replace(&mut self.has_judged, true);
                let ended = self.alert.take();
                let has_ended = ended.is_some();
                self.seen = ended.filter(|a| a.state == AlertState::Firing).or(self.seen.take());
                return has_ended || !had_judged;
            }
        };
        let Some(for_ms) = rule.alerting().and_then(|a| a.blind_for_ms) else { return false };
        let is_new = self.alert.is_none();
        let alert = self.alert.get_or_insert_with(|| Active {
            labels: labels(rule),
            annotations: Vec::new(),
            state: AlertState::Pending,
            value: f64::NAN,
            active_at_ms: at_ms,
            fired_at_ms: None,
            resolved_at_ms: None,
            kept_since_ms: None,
        });
        alert.annotations = vec![("summary".to_string(), why)];
        if alert.state == AlertState::Pending && at_ms - alert.active_at_ms >= for_ms {
            (alert.state, alert.fired_at_ms) = (AlertState::Firing, Some(at_ms));
            return true;
        }
        is_new
    }
}

/// The rule's own labels, as far as they need no row, and ours.
fn labels(rule: &Rule) -> Labels {
    let own = rule.labels.iter().filter(|(_, t)| !t.text().contains("{{"));
    let labels = own.fold(Labels::default(), |l, (name, t)| l.with(name, t.text()));
    labels.with("alertname", &rule.name).with(LABEL, VALUE)
}
