//! Reads a plan: words to actions, beliefs, targets. One pass for each kind of thing over the same words; what no pass
//! used is not understood. It must never fail on any text within its limits.

use super::beliefs::{BELIEFS, INTROS, SAID};
use super::vocabulary::{FILLERS, NOT, OTHERWISE, PHRASES, THINGS};
use super::{
    Action, Asked, EACH_MAX, EntityKind, Goal, Hypothesis, Matched, Names, Plan, Said, TEXT_BYTES_MAX,
    Target, WORDS_MAX,
};
use look::typo::Typed;
use stdx::{Error, ErrorKind, Result};

/// Words between a verb and its object.
const REACH: usize = 6;
/// Words that are compared with names letter by letter.
const MISTYPED_MAX: usize = 8;

/// Reads what was asked.
///
/// # Errors
/// The text is too long, or a name in the structured part is none that there is.
pub fn read(asked: &Asked, names: &Names) -> Result<Plan> {
    if asked.text.len() > TEXT_BYTES_MAX {
        let text = format!("a plan has at most {TEXT_BYTES_MAX} bytes; this has {}", asked.text.len());
        return Err(Error::new(ErrorKind::TooLarge, text).bound("a plan in words"));
    }
    if asked.target.len() > 300 {
        return Err(Error::invalid("a target is a name of at most 300 bytes"));
    }
    let mut reader = Reader::new(&asked.text);
    reader.said();
    reader.actions();
    reader.names(names);
    reader.beliefs();
    reader.things();
    let mut plan = reader.finish(names);
    if !asked.action.is_empty() {
        let action = Action::parse(&asked.action)?;
        plan.actions.retain(|a| *a != action);
        plan.actions.insert(0, action);
        // Without an action in the words, everything named there was taken for a belief.
        if plan.targets.is_empty() {
            plan.targets = std::mem::take(&mut plan.suspects);
            plan.hypotheses.retain(|h| *h != Hypothesis::Named);
        }
    }
    if !asked.target.is_empty() {
        let word = asked.target.trim().to_lowercase();
        plan.targets.retain(|t| t.said != word);
        match names.find(&word) {
            Some(target) => plan.targets.insert(0, target),
            None => plan.unknown_names.insert(0, asked.target.trim().to_string()),
        }
    }
    if !asked.goal.is_empty() {
        plan.goal = Some(Goal::parse(&asked.goal)?);
    }
    // A machine that is restarted is rebooted.
    if plan.targets.first().is_some_and(|t| t.entity.kind == EntityKind::Host) {
        for action in plan.actions.iter_mut().filter(|a| **a == Action::Restart) {
            *action = Action::Reboot;
        }
    }
    Ok(plan)
}

/// Is a word the other one, in another form of it, or mistyped?
fn is_form_of(word: &str, verb: &str) -> bool {
    if word == verb {
        return true;
    }
    let Some(stem) = word.strip_suffix("ing").or_else(|| word.strip_suffix('s')) else { return false };
    let doubled = stem.len() > 2 && stem.as_bytes()[stem.len() - 1] == stem.as_bytes()[stem.len() - 2];
    stem == verb
        || verb.strip_suffix('e') == Some(stem)
        || (doubled && stem.get(..stem.len() - 1) == Some(verb))
}

fn is_mistyped(word: &str, verb: &str) -> bool {
    let Some(typed) = Typed::new(word) else { return false };
    // The first letter is seldom wrong, and "watch" is no "patch".
    let near = word.len() > 4
        && verb.len() > 4
        && word.as_bytes()[0] == verb.as_bytes()[0]
        && word.len().abs_diff(verb.len()) <= 1;
    near && typed.compare(verb.as_bytes()) == Some(1)
}

struct Reader {
    words: Vec<String>,
    used: Vec<bool>,
    /// (place, action).
    actions: Vec<(usize, Action)>,
    targets: Vec<(usize, Target)>,
    beliefs: Vec<(usize, Hypothesis)>,
    plan: Plan,
}

impl Reader {
    fn new(text: &str) -> Reader {
        let text = text.to_lowercase().replace('\u{2019}', "'");
        let is_edge = |c: char| !(c.is_alphanumeric() || c == '-' || c == '_' || c == '%');
        let words: Vec<String> = text
            .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '`' | '(' | ')'))
            .map(|w| w.trim_matches(is_edge).to_string())
            .filter(|w| !w.is_empty())
            .take(WORDS_MAX)
            .collect();
        let used = vec![false; words.len()];
        let plan = Plan { words: words.clone(), ..Plan::default() };
        Reader { words, used, actions: Vec::new(), targets: Vec::new(), beliefs: Vec::new(), plan }
    }

    /// Do the words from `at` on say `phrase`? How many words that are.
    fn says(&self, at: usize, phrase: &str) -> Option<usize> {
        let mut n = 0;
        for part in phrase.split(' ') {
            if self.words.get(at + n)? != part {
                return None;
            }
            n += 1;
        }
        Some(n)
    }

    /// As [`Reader::says`], with the verb in any form.
    fn says_verb(&self, at: usize, phrase: &str) -> Option<usize> {
        let (first, rest) = phrase.split_once(' ').map_or((phrase, ""), |(f, r)| (f, r));
        if !is_form_of(self.words.get(at)?, first) {
            return None;
        }
        if rest.is_empty() { Some(1) } else { self.says(at + 1, rest).map(|n| n + 1) }
    }

    fn mark(&mut self, at: usize, n: usize) {
        let end = (at + n).min(self.used.len());
        self.used[at..end].fill(true);
    }

    fn said(&mut self) {
        for at in 0..self.words.len() {
            for (said, phrases) in SAID {
                if let Some(n) = phrases.iter().filter_map(|p| self.says(at, p)).max() {
                    let is_not = at > 0 && NOT.contains(&self.words[at - 1].as_str());
                    if !is_not {
                        self.plan.said.insert(*said);
                    }
                    self.mark(at, n);
                }
            }
            let word = self.words[at].clone();
            let digits = word.bytes().take_while(u8::is_ascii_digit).count();
            if digits > 0 && matches!(&word[digits..], "s" | "m" | "h" | "d" | "min" | "hours" | "minutes") {
                self.plan.said.insert(Said::Until);
                self.mark(at, 1);
            }
            let goal = match word.as_str() {
                "diagnose" | "debug" | "understand" | "investigate" | "reproduce" => Goal::Diagnose,
                "preserve" | "forensics" => Goal::Preserve,
                "restore" | "recover" | "mitigate" | "unblock" => Goal::Restore,
                _ => continue,
            };
            self.plan.goal.get_or_insert(goal);
            self.mark(at, 1);
        }
    }

    fn actions(&mut self) {
        let mut at = 0;
        let mut is_otherwise = false;
        while at < self.words.len() {
            is_otherwise |= at > 0 && OTHERWISE.contains(&self.words[at].as_str());
            let Some((action, n, object)) = self.action_at(at) else {
                at += 1;
                continue;
            };
            self.mark(at, n);
            if let Some(object) = object {
                self.mark(object, 1);
            }
            // "the deploy" is a thing, "not restart" is no plan.
            let before = |back: usize| at.checked_sub(back).map_or("", |i| self.words[i].as_str());
            let is_noun = matches!(
                before(1),
                "the" | "a" | "an" | "this" | "that" | "bad" | "new" | "last" | "our" | "of" | "my" | "his"
            );
            let is_not = NOT.contains(&before(1)) || (NOT.contains(&before(2)) && !is_noun);
            let after = (at + n..at + n + 3).filter_map(|i| self.words.get(i));
            let is_otherwise = is_otherwise || after.into_iter().any(|w| OTHERWISE.contains(&w.as_str()));
            if is_otherwise && action == Action::Rollback && !self.actions.is_empty() {
                self.plan.said.insert(Said::Rollback);
            } else if !is_noun && !is_not && !self.actions.iter().any(|(_, a)| *a == action) {
                self.actions.push((at, action));
            } else if is_noun {
                // May be a belief.
                self.used[at..at + n].fill(false);
            }
            at += n;
        }
    }

    /// The action that is said from a place on, how many words its verb has, and where its object stands.
    fn action_at(&self, at: usize) -> Option<(Action, usize, Option<usize>)> {
        let with = |says: &dyn Fn(&str) -> Option<usize>| {
            PHRASES.iter().find_map(|phrase| {
                let n = phrase.verbs.iter().filter_map(|v| says(v)).max()?;
                if phrase.objects.is_empty() {
                    return Some((phrase.action, n, None));
                }
                // What is bounced is a machine only if that is said at once.
                let reach = if phrase.action == Action::Reboot { 2 } else { REACH };
                let end = (at + n + reach).min(self.words.len());
                let object = (at + n..end).find(|i| phrase.objects.contains(&self.words[*i].as_str()))?;
                Some((phrase.action, n, Some(object)))
            })
        };
        with(&|verb| self.says_verb(at, verb)).or_else(|| {
            let word = &self.words[at];
            let is_known = self.used[at] || FILLERS.contains(&word.as_str());
            let mistyped = |verb: &str| (!verb.contains(' ') && is_mistyped(word, verb)).then_some(1);
            if is_known || self.is_vocabulary(word) { None } else { with(&mistyped) }
        })
    }

    fn is_vocabulary(&self, word: &str) -> bool {
        let beliefs = BELIEFS.iter().any(|(_, list)| list.contains(&word));
        beliefs || THINGS.iter().any(|(_, list)| list.contains(&word))
    }

    fn names(&mut self, names: &Names) {
        let mut compared = 0;
        for at in 0..self.words.len() {
            let word = self.words[at].clone();
            let is_verb = self.actions.iter().any(|(i, _)| *i == at);
            let mut found = names.exactly(&word).filter(|_| !is_verb);
            if found.is_none() && !self.used[at] && !FILLERS.contains(&word.as_str()) {
                found = names.as_part(&word);
                if found.is_none() && !self.is_vocabulary(&word) && compared < MISTYPED_MAX {
                    compared += 1;
                    found = names.mistyped(&word);
                }
            }
            let Some(target) = found else { continue };
            self.used[at] = true;
            if target.matched != Matched::Exactly {
                self.plan.read_as.push((word, target.entity.name.clone()));
            }
            if !self.targets.iter().any(|(_, t)| t.entity == target.entity) {
                self.targets.push((at, target));
            }
        }
    }

    /// Places after which a belief stands.
    fn intros(&self) -> Vec<usize> {
        let ends = (0..self.words.len())
            .filter_map(|at| INTROS.iter().filter_map(|p| self.says(at, p)).max().map(|n| at + n));
        ends.collect()
    }

    fn beliefs(&mut self) {
        let intros = self.intros();
        let is_introduced = |at: usize| intros.iter().any(|end| at >= *end && at - end < 5);
        let has_action = !self.actions.is_empty();
        let mut at = 0;
        while at < self.words.len() {
            let said = BELIEFS.iter().find_map(|(belief, phrases)| {
                Some((*belief, phrases.iter().filter_map(|p| self.says(at, p)).max()?))
            });
            let Some((belief, n)) = said else {
                at += 1;
                continue;
            };
            let is_verb = self.actions.iter().any(|(i, _)| *i == at);
            let is_object = self.used[at] && has_action && !is_introduced(at);
            if !is_verb && !is_object && (!has_action || is_introduced(at)) {
                if !self.beliefs.iter().any(|(_, b)| *b == belief) {
                    self.beliefs.push((at, belief));
                }
                self.mark(at, n);
            }
            at += n;
        }
        let (suspects, targets): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.targets).into_iter().partition(|(at, _)| {
                !has_action || (is_introduced(*at) && self.actions.iter().all(|(i, _)| i < at))
            });
        // "restart it, it is api": what is suspected is acted on.
        let is_only = has_action && targets.is_empty();
        self.plan.suspects = suspects.into_iter().map(|(_, t)| t).take(EACH_MAX).collect();
        self.plan.targets = targets.into_iter().map(|(_, t)| t).take(EACH_MAX).collect();
        if is_only {
            self.plan.targets.extend(self.plan.suspects.first().cloned());
        }
    }

    fn things(&mut self) {
        for at in 0..self.words.len() {
            for (thing, list) in THINGS {
                let word = self.words[at].as_str();
                let is_part = word.split(['-', '_', '.', ':']).any(|part| list.contains(&part));
                if list.contains(&word) || is_part {
                    self.plan.things.insert(thing);
                    if list.contains(&word) {
                        self.used[at] = true;
                    }
                }
            }
        }
        for target in &self.plan.targets {
            let name = target.entity.name.to_lowercase();
            let parts: Vec<&str> = name.split(['-', '_', '.', ':', '/']).collect();
            let fit = THINGS.iter().filter(|(_, list)| parts.iter().any(|p| list.contains(p)));
            self.plan.things.extend(fit.map(|(thing, _)| *thing));
        }
    }

    fn finish(mut self, names: &Names) -> Plan {
        let verbs: Vec<usize> = self.actions.iter().map(|(at, _)| *at).collect();
        let mut after_verb = false;
        for at in 0..self.words.len() {
            let word = &self.words[at];
            if verbs.contains(&at) {
                after_verb = true;
                continue;
            }
            if self.used[at] || FILLERS.contains(&word.as_str()) || word.bytes().all(|b| b.is_ascii_digit()) {
                continue;
            }
            let looks_like_a_name =
                word.contains(['-', '_', '.', ':', '/']) || word.bytes().any(|b| b.is_ascii_digit());
            let list = if (looks_like_a_name || (after_verb && self.plan.targets.is_empty()))
                && !names.all().is_empty()
            {
                &mut self.plan.unknown_names
            } else {
                &mut self.plan.not_understood
            };
            if !list.contains(word) && list.len() < 20 {
                list.push(word.clone());
            }
            after_verb = false;
        }
        self.actions.sort_by_key(|(at, _)| *at);
        self.plan.actions = self.actions.into_iter().map(|(_, a)| a).take(EACH_MAX).collect();
        self.plan.hypotheses = self.beliefs.into_iter().map(|(_, b)| b).take(EACH_MAX).collect();
        if !self.plan.suspects.is_empty() {
            self.plan.hypotheses.push(Hypothesis::Named);
        }
        self.plan
    }
}
