//! Which series pass all matchers. The cheapest matchers come first; what is left then is either looked up in the index
//! or, where that would read more values than there are series left, asked of these series themselves.

use super::LabelIndex;
use super::values::Values;
use model::{Matcher, Names};
use stdx::ids::{Bitmap, SetRef};

/// How many values are read in about the time in which one series is asked for its value.
const VALUES_PER_SERIES: usize = 4;

/// What an index has to read for a matcher.
enum Wanted {
    /// Every value.
    Every,
    /// The values of these sets.
    These(Vec<SetRef>),
    /// Each value has to be asked whether the matcher names it; those are wanted for which this is the answer.
    Asked { named: bool },
}

impl LabelIndex {
    /// The ids, sorted, of the series that pass all matchers.
    pub fn select(&self, matchers: &[Matcher]) -> Vec<u32> {
        let mut order: Vec<&Matcher> = matchers.iter().collect();
        order.sort_by_cached_key(|m| self.cost(m));
        let mut found: Option<Bitmap> = None;
        for matcher in order {
            let narrowed = self.narrow(found.as_ref(), matcher);
            found = narrowed.or(found);
            if found.as_ref().is_some_and(Bitmap::is_empty) {
                return Vec::new();
            }
        }
        match found {
            Some(found) => found.iter().collect(),
            None => (0..self.series.len() as u32).collect(),
        }
    }

    /// First those that require some values, the rarest first; then those that require values to be looked for; then
    /// those that only exclude.
    fn cost(&self, matcher: &Matcher) -> (bool, bool, usize) {
        let excludes = matcher.matches_empty();
        let Some(values) = self.names.get(matcher.name.as_str()) else { return (excludes, false, 0) };
        match self.wanted(values, matcher) {
            Wanted::Every => (excludes, true, values.series()),
            Wanted::These(sets) => (excludes, false, sets.iter().map(|set| self.sets.len(*set)).sum()),
            Wanted::Asked { .. } => (excludes, true, values.len()),
        }
    }

    /// Which of the values decide: those of series that are to be kept, or of series that are to be taken out.
    fn wanted(&self, values: &Values, matcher: &Matcher) -> Wanted {
        // A matcher that the empty value passes takes out the series whose values do not.
        let named = matcher.is_negative() == matcher.matches_empty();
        match (matcher.names(), named) {
            (Names::All | Names::Present, true) => Wanted::Every,
            (Names::All | Names::Present, false) => Wanted::These(Vec::new()),
            (Names::These(texts), _) => {
                let sets: Vec<SetRef> = texts.iter().filter_map(|text| values.get(text)).collect();
                match (named, sets.is_empty()) {
                    (true, _) => Wanted::These(sets),
                    (false, true) => Wanted::Every,
                    (false, false) => Wanted::Asked { named },
                }
            }
            (Names::Some, _) => Wanted::Asked { named },
        }
    }

    /// Those of `before` (all, if there is none) that pass; `None` if that makes no difference.
    fn narrow(&self, before: Option<&Bitmap>, matcher: &Matcher) -> Option<Bitmap> {
        let excludes = matcher.matches_empty();
        let Some(values) = self.names.get(matcher.name.as_str()) else {
            return (!excludes).then(Bitmap::new);
        };
        let wanted = match self.wanted(values, matcher) {
            Wanted::Every if values.series() == self.series.len() => return excludes.then(Bitmap::new),
            Wanted::These(sets) if sets.is_empty() => return (!excludes).then(Bitmap::new),
            Wanted::These(sets) => return Some(self.apply(before, excludes, &sets)),
            wanted => wanted,
        };
        if let Some(before) = before
            && (before.len() as usize).saturating_mul(VALUES_PER_SERIES) < values.len()
        {
            let passes = |id: &u32| matcher.matches(self.series[*id as usize].get(&matcher.name));
            return Some(before.iter().filter(passes).collect());
        }
        let sets: Vec<SetRef> = match wanted {
            Wanted::Asked { named } => {
                let passes = |(text, _): &(&str, SetRef)| matcher.names_value(text) == named;
                values.iter().filter(passes).map(|(_, set)| set).collect()
            }
            _ => values.iter().map(|(_, set)| set).collect(),
        };
        Some(self.apply(before, excludes, &sets))
    }

    /// Keeps, or takes out, the series of some sets.
    fn apply(&self, before: Option<&Bitmap>, excludes: bool, sets: &[SetRef]) -> Bitmap {
        match (before, excludes, sets) {
            (Some(before), false, [one]) => self.sets.and(before, *one),
            (Some(before), false, _) => before & self.sets.union(sets.iter().copied()),
            (None, false, _) => self.sets.union(sets.iter().copied()),
            (Some(before), true, _) => before - self.sets.union(sets.iter().copied()),
            (None, true, _) => {
                let mut all = Bitmap::new();
                all.insert_range(0..self.series.len() as u32);
                all - self.sets.union(sets.iter().copied())
            }
        }
    }
}
