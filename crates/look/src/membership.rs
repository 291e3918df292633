//! Members of a group that votes: what is listed against what lives, and how much may still fail. The trap is a list that
//! grows while members die: a majority of the list is needed, and the dead count. It must never call a member alive that
//! did not answer.

/// A member as the list has it, and as it was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Member {
    /// What names it in the group.
    pub id: String,
    /// Its name; empty: it was added, and never started.
    pub name: String,
    /// It follows, and has no vote.
    pub is_learner: bool,
    /// It answered.
    pub is_alive: bool,
    /// It says that it leads.
    pub is_leader: bool,
    /// Its database on disk, bytes.
    pub db_bytes: Option<f64>,
    /// How long a sync of its log took lately: 99 % were faster. Seconds.
    pub fsync_p99_s: Option<f64>,
}

/// What follows from a list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Count {
    /// In the list, learners among them.
    pub listed: usize,
    /// Of these, that answer.
    pub alive: usize,
    /// Without a vote.
    pub learners: usize,
    /// With a vote.
    pub voters: usize,
    /// Of these, that answer.
    pub voters_alive: usize,
    /// Votes without which nothing is decided: `voters / 2 + 1`.
    pub needed: usize,
    /// How many voters may still fail; negative: so many are missing.
    pub spare: i64,
    /// Somebody leads.
    pub has_leader: bool,
}

/// Counts.
pub fn count(members: &[Member]) -> Count {
    let of = |is: &dyn Fn(&Member) -> bool| members.iter().filter(|m| is(m)).count();
    let voters = of(&|m| !m.is_learner);
    let voters_alive = of(&|m| !m.is_learner && m.is_alive);
    let needed = voters / 2 + 1;
    Count {
        listed: members.len(),
        alive: of(&|m| m.is_alive),
        learners: of(&|m| m.is_learner),
        voters,
        voters_alive,
        needed,
        spare: voters_alive as i64 - needed as i64,
        has_leader: of(&|m| m.is_alive && m.is_leader) > 0,
    }
}

/// How it is and what to do, in a sentence or two.
pub fn says(members: &[Member]) -> String {
    let c = count(members);
    let dead: Vec<String> = members
        .iter()
        .filter(|m| !m.is_alive)
        .map(|m| {
            if m.name.is_empty() {
                format!("{} (never started)", m.id)
            } else {
                format!("{} ({})", m.name, m.id)
            }
        })
        .collect();
    let votes = format!("{} of {} voters answer, {} are needed", c.voters_alive, c.voters, c.needed);
    let next = match c.spare {
        s if s < 0 => "the majority is lost: nothing is written any more".to_string(),
        0 => "no further one may fail".to_string(),
        1 => "one more may fail".to_string(),
        s => format!("{s} more may fail"),
    };
    if dead.is_empty() {
        let leader = if c.has_leader { "" } else { "; nobody leads" };
        return format!("{votes}; {next}{leader}");
    }
    let action = if c.spare < 0 {
        "bring listed members back; adding others only raises what is needed"
    } else {
        "remove it from the list before another is added in its place"
    };
    format!("{votes}; {next}. Listed and not alive: {}; {action}", dead.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `NAME` lives, `-NAME` does not, `~NAME` learns, `-` was never started; the first that lives leads.
    fn members(text: &str) -> Vec<Member> {
        let mut has_leader = false;
        let one = |(i, word): (usize, &str)| {
            let is_alive = !word.starts_with('-');
            let is_learner = word.contains('~');
            let is_leader = is_alive && !is_learner && !std::mem::replace(&mut has_leader, true);
            let name = word.trim_start_matches(['-', '~']).to_string();
            Member { id: format!("{i}"), name, is_learner, is_alive, is_leader, ..Member::default() }
        };
        text.split_whitespace().enumerate().map(one).collect()
    }

    #[test]
    fn the_trap_in_steps() {
        for (list, listed, alive, needed, spare, part) in [
            ("a b c", 3, 3, 2, 1, "3 of 3 voters answer, 2 are needed; one more may fail"),
            // One dies.
            (
                "a b -c",
                3,
                2,
                2,
                0,
                "no further one may fail. Listed and not alive: c (2); remove it from the list",
            ),
            // Another is added in its place, and the dead one stays in the list.
            ("a b -c d", 4, 3, 3, 0, "3 of 4 voters answer, 3 are needed"),
            ("a -b -c d e", 5, 3, 3, 0, "Listed and not alive: b (1), c (2)"),
            ("-a -b -c d e f", 6, 3, 4, -1, "the majority is lost: nothing is written any more"),
            // Added, and never started: it counts at once.
            ("a b -", 3, 2, 2, 0, "2 (never started)"),
            ("a b c ~d", 4, 4, 2, 1, "3 of 3 voters answer"),
            ("a", 1, 1, 1, 0, "1 of 1 voters answer, 1 are needed"),
            ("", 0, 0, 1, -1, "0 of 0"),
        ] {
            let found = members(list);
            let c = count(&found);
            assert_eq!((c.listed, c.alive, c.needed, c.spare), (listed, alive, needed, spare), "{list}");
            assert!(says(&found).contains(part), "{list}: {}", says(&found));
        }
        assert!(!count(&members("-a -b")).has_leader && count(&members("a -b")).has_leader);
    }
}
