//! Objectives and monitors on Home, by service: what people said they care about. It must never call one fine that was not judged.

use super::{State, Subject, SubjectKind, Tile};
use std::collections::BTreeMap;

/// What is not fine is shown one by one, up to so many of a service.
const SHOWN_MAX: usize = 30;
/// Objectives that are fine, of all services, are shown one by one up to so many.
const FINE_MAX: usize = 40;
/// What the id of an objective's tile begins with.
pub const SLO_TILE: &str = "slo/";

/// An objective or a monitor, as whoever evaluates it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// What names it.
    pub id: String,
    /// For people.
    pub name: String,
    /// Which service it is about, or "".
    pub service: String,
    /// A promise, not only a monitor.
    pub is_slo: bool,
    /// How it is: silent is one that was not judged.
    pub state: State,
    /// In words: `firing since 03:14 UTC`.
    pub value: String,
    /// What it says, and what to do.
    pub detail: String,
}

/// One subject for each service that has an objective or a monitor, and one for those that are of none: what is not fine each on
/// its own, and objectives, the other monitors as a number.
pub(super) fn subjects(watched: &[Watched]) -> Vec<Subject> {
    let mut services: BTreeMap<&str, Vec<&Watched>> = BTreeMap::new();
    watched.iter().for_each(|w| services.entry(w.service.as_str()).or_default().push(w));
    let fine = watched.iter().filter(|w| w.is_slo && w.state == State::Fine).count();
    services.into_iter().map(|(service, of)| subject(service, &of, fine <= FINE_MAX)).collect()
}

fn subject(service: &str, watched: &[&Watched], with_fine: bool) -> Subject {
    let is_shown = |w: &Watched| w.state != State::Fine || (w.is_slo && with_fine);
    let mut shown: Vec<&&Watched> = watched.iter().filter(|w| is_shown(w)).collect();
    shown.sort_by(|a, b| (b.state, b.is_slo).cmp(&(a.state, a.is_slo)).then_with(|| a.name.cmp(&b.name)));
    let mut tiles: Vec<Tile> = shown
        .iter()
        .map(|w| {
            let id = if w.is_slo { format!("{SLO_TILE}{}", w.id) } else { w.id.clone() };
            tile(&id, &w.name, w.state, w.value.clone(), w.detail.clone())
        })
        .collect();
    let left_out = tiles.len().saturating_sub(SHOWN_MAX);
    if left_out > 0 {
        let worst = tiles[SHOWN_MAX].state;
        tiles.truncate(SHOWN_MAX);
        let detail = "The pages SLOs and Monitors list all.".to_string();
        tiles.push(tile("", "More", worst, format!("{left_out} more"), detail));
    }
    let rest = watched.iter().filter(|w| !is_shown(w)).count();
    if rest > 0 {
        let value = format!("{rest} of {}", watched.len());
        let detail = "Judged, with data, and within their limits.".to_string();
        tiles.push(tile("", "Fine", State::Fine, value, detail));
    }
    let state = tiles.iter().map(|t| t.state).max().unwrap_or(State::Silent);
    let (id, title) = match service {
        "" => ("monitors".to_string(), "Monitors".to_string()),
        service => (format!("monitors/{service}"), service.to_string()),
    };
    Subject { id, title, kind: SubjectKind::Monitors, state, tiles }
}

fn tile(id: &str, title: &str, state: State, value: String, detail: String) -> Tile {
    let (q, selector) = (String::new(), String::new());
    Tile { id: id.to_string(), title: title.to_string(), state, value, detail, q, selector }
}
