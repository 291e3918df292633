//! Who is in a group: targets of a job, replicas of a database. Joined is who was not there before, left is who was missing for a
//! while although the group was seen. It must never call the first sight of a group a change, nor call members gone because
//! whoever lists them is silent.

use std::collections::{BTreeMap, BTreeSet};

/// Groups and their members, each by name.
pub type Groups = BTreeMap<String, BTreeSet<String>>;

/// A member must be missing for so long: what is started anew comes back.
const MISSING_MS: i64 = 60_000;
/// Groups, and members of one, that are remembered.
const GROUPS_MAX: usize = 1_000;
const MEMBERS_MAX: usize = 5_000;

/// One who came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Of which group.
    pub group: String,
    /// Who.
    pub member: String,
    /// Came, not went.
    pub has_joined: bool,
    /// Who is there now.
    pub members: usize,
}

/// Who is missing since when.
#[derive(Default)]
pub struct Missing(BTreeMap<(String, String), i64>);

impl Missing {
    /// Compares what is seen now with what is known, which becomes what is known next.
    pub fn step(&mut self, known: &mut Groups, now: Groups, now_ms: i64) -> Vec<Moved> {
        let mut out = Vec::new();
        for (group, mut members) in now {
            while members.len() > MEMBERS_MAX {
                members.pop_last();
            }
            let Some(before) = known.get_mut(&group) else {
                if known.len() < GROUPS_MAX {
                    known.insert(group, members);
                }
                continue;
            };
            let mut moved = Vec::new();
            for member in &members {
                self.0.remove(&(group.clone(), member.clone()));
                if before.len() < MEMBERS_MAX && before.insert(member.clone()) {
                    moved.push((member.clone(), true));
                }
            }
            for member in before.difference(&members).cloned().collect::<Vec<_>>() {
                let key = (group.clone(), member.clone());
                let since_ms = *self.0.entry(key.clone()).or_insert(now_ms);
                if now_ms.saturating_sub(since_ms) >= MISSING_MS {
                    self.0.remove(&key);
                    before.remove(&member);
                    moved.push((member, false));
                }
            }
            let members = before.len();
            out.extend(moved.into_iter().map(|(member, has_joined)| Moved {
                group: group.clone(),
                member,
                has_joined,
                members,
            }));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(text: &str) -> Groups {
        let names = |list: &str| list.split(',').filter(|n| !n.is_empty()).map(String::from).collect();
        text.split_whitespace()
            .filter_map(|part| part.split_once('='))
            .map(|(group, list)| (group.to_string(), names(list)))
            .collect()
    }

    /// What is seen at each second, and who came and went.
    #[test]
    fn who_came_and_who_went() {
        let (mut missing, mut known) = (Missing::default(), Groups::new());
        for (at_s, seen, want) in [
            (0, "api=a,b db=", ""),
            (10, "api=a,b,c db=r1", "api+c db+r1"),
            // b is started anew.
            (20, "api=a,c db=r1", ""),
            (50, "api=a,b,c db=r1", ""),
            // Nobody says who is in db; c is gone.
            (60, "api=a,b", ""),
            (119, "api=a,b", ""),
            (120, "api=a,b", "api-c"),
            (130, "api=a,b", ""),
            (140, "api=a,b db=", ""),
            (200, "api=a,b,c db=", "api+c db-r1"),
        ] {
            let moved = missing.step(&mut known, groups(seen), at_s * 1_000);
            let sign = |m: &Moved| if m.has_joined { '+' } else { '-' };
            let told: Vec<_> = moved.iter().map(|m| format!("{}{}{}", m.group, sign(m), m.member)).collect();
            assert_eq!(told.join(" "), want, "at {at_s} s");
        }
        assert_eq!(known, groups("api=a,b,c db="));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut missing, mut known) = (Missing::default(), Groups::new());
        let many = |n: usize| (0..n).map(|i| format!("{i:06}")).collect::<BTreeSet<_>>();
        missing.step(&mut known, many(GROUPS_MAX + 5).into_iter().map(|g| (g, BTreeSet::new())).collect(), 0);
        missing.step(&mut known, [("000000".to_string(), many(MEMBERS_MAX + 5))].into(), 1);
        assert_eq!((known.len(), known["000000"].len()), (GROUPS_MAX, MEMBERS_MAX));
    }
}
