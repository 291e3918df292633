//! Monitors on Home: what people said they care about. It must never call a monitor fine that was not judged.

use super::{State, Subject, SubjectKind, Tile};

/// Monitors that are shown one by one.
const SHOWN_MAX: usize = 30;

/// A monitor, as whoever evaluates it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// What names it.
    pub id: String,
    /// For people.
    pub name: String,
    /// How it is: silent is one that was not judged.
    pub state: State,
    /// In words: `firing since 03:14 UTC`.
    pub value: String,
    /// What it says, and what to do.
    pub detail: String,
}

/// All monitors as one subject: those that are not fine each on its own, the others as a number.
pub(super) fn subject(watched: &[Watched]) -> Option<Subject> {
    if watched.is_empty() {
        return None;
    }
    let mut tiles: Vec<Tile> = watched
        .iter()
        .filter(|w| w.state != State::Fine)
        .map(|w| tile(&w.id, &w.name, w.state, w.value.clone(), w.detail.clone()))
        .collect();
    tiles.sort_by(|a, b| b.state.cmp(&a.state).then_with(|| a.title.cmp(&b.title)));
    let left_out = tiles.len().saturating_sub(SHOWN_MAX);
    if left_out > 0 {
        let worst = tiles[SHOWN_MAX].state;
        tiles.truncate(SHOWN_MAX);
        tiles.push(tile(
            "",
            "More",
            worst,
            format!("{left_out} more"),
            "The page Monitors lists all.".into(),
        ));
    }
    let fine = watched.iter().filter(|w| w.state == State::Fine).count();
    if fine > 0 {
        let value = format!("{fine} of {}", watched.len());
        let detail = "Judged, with data, and within their limits.".to_string();
        tiles.push(tile("", "Fine", State::Fine, value, detail));
    }
    let state = tiles.iter().map(|t| t.state).max().unwrap_or(State::Silent);
    let (id, title) = ("monitors".to_string(), "Monitors".to_string());
    Some(Subject { id, title, kind: SubjectKind::Monitors, state, tiles })
}

fn tile(id: &str, title: &str, state: State, value: String, detail: String) -> Tile {
    let (q, selector) = (String::new(), String::new());
    Tile { id: id.to_string(), title: title.to_string(), state, value, detail, q, selector }
}
