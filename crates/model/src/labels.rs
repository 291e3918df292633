//! A label set: sorted, unique, immutable, cheap to clone, with its hash computed once.
//! It must never hold an empty value (an empty label is an absent label) or two labels of one name.

pub use crate::packed::NAME_BYTES_MAX;
use crate::packed::{Pairs, VALUE_BYTES_MAX, pack, shorten};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

/// The label that holds the metric's name.
pub const NAME: &str = "__name__";

/// A sorted set of `name=value` pairs in one allocation.
#[derive(Clone)]
pub struct Labels {
    hash: u64,
    packed: Arc<str>,
}

/// The hash of the pairs as they are packed without the dictionary. It is keyed per process, so that nobody outside can
/// aim collisions at us, and never stored.
fn hash_of(packed: &str) -> u64 {
    static STATE: OnceLock<foldhash::quality::RandomState> = OnceLock::new();
    STATE.get_or_init(Default::default).hash_one(packed)
}

impl Labels {
    /// Builds from pairs in any order. Empty values are dropped.
    ///
    /// # Errors
    /// A name that comes twice, is empty, or a name or value over its length limit.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Labels, LabelError> {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.push(name.as_ref(), value.as_ref());
        }
        builder.build()
    }

    /// Builds from borrowed pairs in any order, with no allocation besides the result; sorts `pairs` in
    /// place. Empty values are dropped.
    ///
    /// # Errors
    /// As [`Labels::from_pairs`].
    pub fn from_slice(pairs: &mut [(&str, &str)]) -> Result<Labels, LabelError> {
        // Senders sort: then there is nothing to do.
        if pairs.windows(2).any(|p| p[0].0 >= p[1].0) {
            pairs.sort_unstable();
        }
        let cut = |name: &str| name.chars().take(64).collect();
        if let Some(twice) = pairs.windows(2).find(|p| p[0].0 == p[1].0) {
            return Err(LabelError::Duplicate(cut(twice[0].0)));
        }
        let mut packed = String::with_capacity(pairs.iter().map(|(n, v)| n.len() + v.len() + 5).sum());
        for (name, value) in pairs.iter() {
            if name.is_empty() {
                return Err(LabelError::EmptyName);
            }
            if name.len() > NAME_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
                return Err(LabelError::TooLong(cut(name)));
            }
            if !value.is_empty() {
                pack(&mut packed, name, value);
            }
        }
        Ok(Labels::shortened(&packed))
    }

    /// Pairs in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + '_ {
        Pairs(&self.packed)
    }

    /// The value of `name`, or "" if the label is absent (as in Prometheus, the two are the same).
    pub fn get(&self, name: &str) -> &str {
        self.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v)
    }

    /// The metric's name, or "".
    pub fn name(&self) -> &str {
        self.get(NAME)
    }

    /// The number of labels, the name included.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// True if there is no label at all.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.packed.len() + 16
    }

    /// Whether anybody else holds this very set (and not one that is equal to it).
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.packed) > 1
    }

    /// The hash of this process for this set. Not stable between processes: never store it.
    pub fn hash64(&self) -> u64 {
        self.hash
    }

    /// A copy without the labels for which `keep` is false.
    pub fn filtered(&self, mut keep: impl FnMut(&str) -> bool) -> Labels {
        let mut packed = String::with_capacity(self.packed.len());
        for (n, v) in self.iter().filter(|(n, _)| keep(n)) {
            pack(&mut packed, n, v);
        }
        Labels::from_packed(packed)
    }

    /// A copy with `name` set to `value` (removed if `value` is empty). Over-long texts are cut.
    pub fn with(&self, name: &str, value: &str) -> Labels {
        let mut builder = LabelsBuilder::from(self);
        builder.set(name, value);
        builder.build_truncating()
    }

    /// For sets that are made for the moment.
    fn from_packed(packed: String) -> Labels {
        Labels { hash: hash_of(&packed), packed: packed.into() }
    }

    /// For sets that may stay for long: as small as can be.
    fn shortened(packed: &str) -> Labels {
        Labels { hash: hash_of(packed), packed: shorten(packed).into() }
    }
}

impl Default for Labels {
    fn default() -> Self {
        Labels::from_packed(String::new())
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        // Most that are compared came from one place: then nothing has to be read.
        self.hash == other.hash
            && (Arc::ptr_eq(&self.packed, &other.packed)
                || self.packed == other.packed
                || self.iter().eq(other.iter()))
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

/// `name{a="b"}`, escaped so that PromQL reads it back.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |n: &str, colon: bool| {
            !n.is_empty()
                && !n.as_bytes()[0].is_ascii_digit()
                && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || (colon && b == b':'))
        };
        let name = self.name();
        let name_inside = !name.is_empty() && !plain(name, true);
        if !name_inside {
            f.write_str(name)?;
        }
        if self.len() == usize::from(!name.is_empty()) && !name_inside && !name.is_empty() {
            return Ok(());
        }
        f.write_str("{")?;
        let mut separator = "";
        if name_inside {
            write!(f, "\"{}\"", escape(name))?;
            separator = ", ";
        }
        for (n, v) in self.iter().filter(|(n, _)| *n != NAME) {
            if plain(n, false) {
                write!(f, "{separator}{n}=\"{}\"", escape(v))?;
            } else {
                write!(f, "{separator}\"{}\"=\"{}\"", escape(n), escape(v))?;
            }
            separator = ", ";
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Why a label set was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelError {
    /// The same name twice.
    Duplicate(String),
    /// A label whose name is the empty string.
    EmptyName,
    /// A name or value longer than can be held; holds the name's beginning.
    TooLong(String),
}

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LabelError::Duplicate(n) => write!(f, "label {n:?} comes twice"),
            LabelError::EmptyName => f.write_str("a label has an empty name"),
            LabelError::TooLong(n) => write!(f, "label {n:?} is too long"),
        }
    }
}

impl std::error::Error for LabelError {}

/// Collects pairs, then sorts and checks once. Reusable after [`LabelsBuilder::clear`].
#[derive(Clone, Default, Debug)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

impl From<&Labels> for LabelsBuilder {
    fn from(labels: &Labels) -> Self {
        LabelsBuilder { pairs: labels.iter().map(|(n, v)| (n.into(), v.into())).collect() }
    }
}

impl LabelsBuilder {
    /// Adds a pair without looking whether the name is there already.
    pub fn push(&mut self, name: &str, value: &str) {
        self.pairs.push((name.into(), value.into()));
    }

    /// Replaces or adds; an empty value removes.
    pub fn set(&mut self, name: &str, value: &str) {
        self.pairs.retain(|(n, _)| n != name);
        if !value.is_empty() {
            self.push(name, value);
        }
    }

    /// The present value, or "".
    pub fn get(&self, name: &str) -> &str {
        self.pairs.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    /// Pairs in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// Keeps the labels for which `keep(name)` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.pairs.retain(|(n, _)| keep(n));
    }

    /// Forgets all pairs, keeps the memory.
    pub fn clear(&mut self) {
        self.pairs.clear();
    }

    /// Sorts, checks and packs.
    ///
    /// # Errors
    /// See [`LabelError`].
    pub fn build(&mut self) -> Result<Labels, LabelError> {
        self.pairs.sort();
        for pair in self.pairs.windows(2) {
            if pair[0].0 == pair[1].0 {
                return Err(LabelError::Duplicate(pair[0].0.chars().take(64).collect()));
            }
        }
        let mut packed = String::new();
        for (name, value) in &self.pairs {
            if name.is_empty() {
                return Err(LabelError::EmptyName);
            }
            if name.len() > NAME_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
                return Err(LabelError::TooLong(name.chars().take(64).collect()));
            }
            if !value.is_empty() {
                pack(&mut packed, name, value);
            }
        }
        Ok(Labels::shortened(&packed))
    }

    fn build_truncating(&mut self) -> Labels {
        let cut = |text: &mut String, max: usize| {
            let end = (0..=max.min(text.len())).rev().find(|i| text.is_char_boundary(*i));
            text.truncate(end.unwrap_or(0));
        };
        for (n, v) in &mut self.pairs {
            cut(n, NAME_BYTES_MAX);
            cut(v, VALUE_BYTES_MAX);
        }
        self.pairs.retain(|(n, v)| !n.is_empty() && !v.is_empty());
        self.pairs.sort();
        self.pairs.dedup_by(|b, a| a.0 == b.0);
        let mut packed = String::new();
        self.pairs.iter().for_each(|(n, v)| pack(&mut packed, n, v));
        Labels::from_packed(packed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied()).unwrap()
    }

    #[test]
    fn sorted_unique_and_without_empty_values() {
        let l = labels(&[("b", "2"), (NAME, "up"), ("a", "1"), ("gone", "")]);
        let pairs: Vec<_> = l.iter().collect();
        assert_eq!(pairs, [(NAME, "up"), ("a", "1"), ("b", "2")]);
        assert_eq!((l.get("a"), l.get("gone"), l.name(), l.len()), ("1", "", "up", 3));
        let twice = Labels::from_pairs([("a", "1"), ("a", "2")]);
        assert_eq!(twice, Err(LabelError::Duplicate("a".into())));
        assert_eq!(Labels::from_pairs([("", "1")]), Err(LabelError::EmptyName));
    }

    #[test]
    fn lengths_over_one_packed_byte_survive() {
        for len in [0, 1, 127, 128, 129, 16_383, 16_384, 100_000] {
            let value = "é".repeat(len / 2) + "x";
            let l = labels(&[("n", &value), ("z", "end")]);
            assert_eq!((l.get("n"), l.get("z")), (value.as_str(), "end"));
        }
        let long = "v".repeat(VALUE_BYTES_MAX + 1);
        assert!(Labels::from_pairs([("n", long.as_str())]).is_err());
        assert_eq!(Labels::default().with("n", &long).get("n").len(), VALUE_BYTES_MAX);
    }

    #[test]
    fn equality_order_and_hash_follow_the_pairs() {
        let a = labels(&[("a", "1"), ("b", "2")]);
        let b = labels(&[("b", "2"), ("a", "1")]);
        assert_eq!(a, b);
        assert_eq!(a.hash64(), b.hash64());
        assert!(labels(&[("a", "10")]) < labels(&[("a", "9")]));
        assert!(labels(&[("a", "1")]) < a);
        assert_eq!(a.with("b", ""), labels(&[("a", "1")]));
        assert_eq!(a.filtered(|n| n != "a"), labels(&[("b", "2")]));
    }

    #[test]
    fn what_lies_in_the_dictionary_is_equal_to_what_does_not() {
        let pairs = [("node", "worker-of-this-test"), ("name_of_this_test", "x"), ("z", "yet-another-text")];
        let before = labels(&pairs);
        let _ = labels(&pairs);
        let after = labels(&pairs);
        assert!(
            after.heap_bytes() + 30 < before.heap_bytes(),
            "{} {}",
            after.heap_bytes(),
            before.heap_bytes()
        );
        assert_eq!((&before, before.hash64()), (&after, after.hash64()));
        assert_eq!(before.cmp(&after), Ordering::Equal);
        assert_eq!(after.with("z", ""), before.filtered(|name| name != "z"));
        assert!(after.iter().eq(pairs_in_order(&pairs)));
        assert_ne!(after, labels(&[pairs[0], pairs[1], ("z", "yet-another-texu")]));
    }

    fn pairs_in_order<'a>(pairs: &[(&'a str, &'a str)]) -> std::vec::IntoIter<(&'a str, &'a str)> {
        let mut pairs = pairs.to_vec();
        pairs.sort_unstable();
        pairs.into_iter()
    }

    #[test]
    fn shown_so_that_promql_reads_it() {
        let check = |pairs: &[(&str, &str)], want: &str| assert_eq!(labels(pairs).to_string(), want);
        check(&[(NAME, "up")], "up");
        check(&[], "{}");
        check(&[("a", "x\"y\\z\n")], r#"{a="x\"y\\z\n"}"#);
        check(&[(NAME, "my.metric"), ("ä", "1")], r#"{"my.metric", "ä"="1"}"#);
    }
}
