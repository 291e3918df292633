//! Names of services, instances and hosts, as people type them: in any letters, without the port, with the number of a
//! copy, or mistyped.

use super::{Entity, EntityKind, Matched, Target};
use look::typo::Typed;
use std::collections::HashMap;

/// Names that are compared letter by letter with a mistyped word.
const COMPARED_MAX: usize = 20_000;

/// What is known by name.
pub struct Names {
    entities: Vec<Entity>,
    /// Small letters to the entity; without the port as well.
    by_name: HashMap<String, usize>,
}

impl Names {
    /// A service comes before a host, a host before an instance, where they have one name.
    pub fn new(mut entities: Vec<Entity>) -> Names {
        let order = |kind| match kind {
            EntityKind::Service => 0,
            EntityKind::Host => 1,
            EntityKind::Instance => 2,
        };
        entities.sort_by(|a, b| order(a.kind).cmp(&order(b.kind)).then_with(|| a.name.cmp(&b.name)));
        let mut by_name = HashMap::new();
        for (i, entity) in entities.iter().enumerate() {
            let name = entity.name.to_lowercase();
            if let Some((host, port)) = name.rsplit_once(':')
                && port.bytes().all(|b| b.is_ascii_digit())
            {
                by_name.entry(host.to_string()).or_insert(i);
            }
            by_name.entry(name).or_insert(i);
        }
        Names { entities, by_name }
    }

    /// All of them, services first.
    pub fn all(&self) -> &[Entity] {
        &self.entities
    }

    /// What a word of small letters names, as it stands.
    pub(super) fn exactly(&self, word: &str) -> Option<Target> {
        let found = self.by_name.get(word)?;
        Some(self.target(*found, word, Matched::Exactly))
    }

    /// What a word names when its last parts are the number or the hash of a copy: `api-7`, `api-6c9f-x2`.
    pub(super) fn as_part(&self, word: &str) -> Option<Target> {
        let mut rest = word;
        for _ in 0..3 {
            let cut = rest.rfind(['-', '.', '/', ':', '_'])?;
            rest = &rest[..cut];
            if let Some(found) = self.by_name.get(rest) {
                return Some(self.target(*found, word, Matched::AsPartOf));
            }
        }
        None
    }

    /// What a word names but for a typing error or two; nothing if two names are equally near.
    pub(super) fn mistyped(&self, word: &str) -> Option<Target> {
        let typed = Typed::new(word)?;
        let mut best: Option<(usize, usize, bool)> = None;
        for (i, entity) in self.entities.iter().take(COMPARED_MAX).enumerate() {
            let name = entity.name.to_lowercase();
            let Some(errors) = typed.compare(name.as_bytes()).map(|e| e.max(name.len().abs_diff(word.len())))
            else {
                continue;
            };
            if errors > typed.errors_max() || errors == 0 {
                continue;
            }
            match best {
                Some((e, ..)) if errors > e => {}
                Some((e, _, _)) if errors == e => best = best.map(|(e, i, _)| (e, i, true)),
                _ => best = Some((errors, i, false)),
            }
        }
        let (_, found, is_ambiguous) = best?;
        (!is_ambiguous).then(|| self.target(found, word, Matched::Mistyped))
    }

    /// All three, the surest first.
    pub(super) fn find(&self, word: &str) -> Option<Target> {
        self.exactly(word).or_else(|| self.as_part(word)).or_else(|| self.mistyped(word))
    }

    fn target(&self, index: usize, said: &str, matched: Matched) -> Target {
        Target { entity: self.entities[index].clone(), said: said.to_string(), matched }
    }
}
