//! Advice that was given, what people said of it, and how often its first direction was right. It must never count what nobody judged,
//! nor show a share of fewer than [`JUDGED_MIN`].

use std::collections::BTreeSet;

/// Below so many that were judged nothing is said of how often directions are right.
pub const JUDGED_MIN: usize = 5;
/// The last so many are what is measured: what was long ago was another program, and another system.
pub const LAST: usize = 20;

/// What a person says of a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Somebody went to look there.
    Accepted,
    /// Somebody knew at once that it leads nowhere, and why.
    Rejected,
    /// In the end it was there.
    Right,
    /// In the end it was elsewhere.
    Wrong,
}

impl Verdict {
    /// All, by their names in the HTTP API and in the file.
    pub const ALL: [(&'static str, Verdict); 4] = [
        ("accepted", Verdict::Accepted),
        ("rejected", Verdict::Rejected),
        ("right", Verdict::Right),
        ("wrong", Verdict::Wrong),
    ];

    /// One word.
    pub fn as_str(self) -> &'static str {
        Verdict::ALL.iter().find(|(_, v)| *v == self).map_or("", |(name, _)| name)
    }

    /// From its name.
    pub fn parse(name: &str) -> Option<Verdict> {
        Verdict::ALL.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
    }

    /// Whether the next one will want to know why.
    pub fn needs_reason(self) -> bool {
        matches!(self, Verdict::Rejected | Verdict::Wrong)
    }
}

/// A direction that was given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pointed {
    /// The thing's name.
    pub entity: String,
    /// What kind of thing.
    pub kind: String,
    /// What its weightiest evidence rests on.
    pub basis: String,
    /// What it is known by: metrics, templates of lines, operations, rules.
    pub signs: BTreeSet<String>,
    /// The last word on it, and why.
    pub said: Option<(Verdict, String)>,
}

/// Advice that was given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// By which people speak of it.
    pub id: String,
    /// When it was asked, milliseconds since 1970-01-01 UTC.
    pub asked_ms: i64,
    /// The window.
    pub window: (i64, i64),
    /// Its directions that stood out, best first.
    pub places: Vec<Pointed>,
}

impl Given {
    /// Whether the first direction was right in the end; `None`: nobody said so.
    fn is_first_right(&self) -> Option<bool> {
        let said = |p: &Pointed| p.said.as_ref().map(|(verdict, _)| *verdict);
        match said(self.places.first()?) {
            Some(Verdict::Right) => Some(true),
            Some(Verdict::Wrong | Verdict::Rejected) => Some(false),
            // It was at another place, and nobody says that it was here, too.
            _ => self.places.iter().skip(1).any(|p| said(p) == Some(Verdict::Right)).then_some(false),
        }
    }

    /// Whether anything was said of it.
    pub fn is_judged(&self) -> bool {
        self.places.iter().any(|p| p.said.is_some())
    }
}

/// How often first directions of a kind were right, of the last [`LAST`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// The kind of thing, and what the direction rested on; empty: any.
    pub of: (String, String),
    /// Directions that were given.
    pub given: usize,
    /// Judged right.
    pub right: usize,
    /// Judged wrong, or rejected, or another one was right.
    pub wrong: usize,
}

impl Measured {
    /// Of all that was given, oldest first; `of`: kind of thing and basis of the first direction, each empty for any.
    pub fn of<'a>(given: impl DoubleEndedIterator<Item = &'a Given>, of: (&str, &str)) -> Measured {
        let is = |wanted: &str, value: &str| wanted.is_empty() || wanted == value;
        let is_of = |g: &&Given| g.places.first().is_some_and(|p| is(of.0, &p.kind) && is(of.1, &p.basis));
        let mut measured = Measured { of: (of.0.into(), of.1.into()), ..Measured::default() };
        for one in given.rev().filter(is_of).take(LAST) {
            measured.given += 1;
            match one.is_first_right() {
                Some(true) => measured.right += 1,
                Some(false) => measured.wrong += 1,
                None => {}
            }
        }
        measured
    }

    /// Whether enough were judged to say anything.
    pub fn is_known(&self) -> bool {
        self.right + self.wrong >= JUDGED_MIN
    }

    /// In one plain sentence; empty while too few were judged.
    pub fn sentence(&self) -> String {
        if !self.is_known() {
            return String::new();
        }
        let article = |word: &str| if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        let of = match (self.of.0.as_str(), self.of.1.as_str()) {
            ("", "") => String::new(),
            (kind, "") => format!(" that was {} {kind}", article(kind)),
            ("", basis) => format!(" that rested on {basis}"),
            (kind, basis) => format!(" that was {} {kind} and rested on {basis}", article(kind)),
        };
        let open = match self.given - self.right - self.wrong {
            0 => String::new(),
            n => format!("; {n} not judged"),
        };
        format!(
            "Of the last {} answers with a first direction{of}, it was right in {} and wrong in {}{open}.",
            self.given, self.right, self.wrong
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(kind: &str, said: &[Option<Verdict>]) -> Given {
        let place = |said: &Option<Verdict>| Pointed {
            kind: kind.into(),
            basis: "requests".into(),
            said: said.map(|v| (v, String::new())),
            ..Pointed::default()
        };
        Given { places: said.iter().map(place).collect(), ..Given::default() }
    }

    #[test]
    fn nothing_is_said_while_few_were_judged() {
        use Verdict::{Accepted, Rejected, Right, Wrong};
        let mut all = vec![
            given("service", &[Some(Right)]),
            given("service", &[Some(Wrong)]),
            // The second was right, so that the first was not.
            given("service", &[None, Some(Right)]),
            given("service", &[Some(Rejected), None]),
            // Looking there is no verdict, and of another kind is another kind.
            given("service", &[Some(Accepted), None]),
            given("host", &[Some(Right)]),
        ];
        let service = |all: &[Given]| Measured::of(all.iter(), ("service", "requests"));
        assert_eq!((service(&all).given, service(&all).right, service(&all).wrong), (5, 1, 3));
        assert_eq!(service(&all).sentence(), "");
        all.push(given("service", &[Some(Right), Some(Right)]));
        assert_eq!(
            service(&all).sentence(),
            "Of the last 6 answers with a first direction that was a service and rested on requests, it was right in 2 and wrong in 3; \
             1 not judged."
        );
        assert_eq!(
            Measured::of(all.iter(), ("", "")).sentence(),
            "Of the last 7 answers with a first direction, it was right in 3 and wrong in 3; 1 not judged."
        );
    }

    #[test]
    fn the_last_ones_are_what_is_measured() {
        let mut all = vec![given("host", &[Some(Verdict::Wrong)]); 30];
        all.extend(vec![given("host", &[Some(Verdict::Right)]); 15]);
        let measured = Measured::of(all.iter(), ("host", ""));
        assert_eq!((measured.given, measured.right, measured.wrong), (LAST, 15, 5));
    }
}
