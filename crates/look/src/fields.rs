//! Fields that differ: of two sets of records (inside a brush and outside it) every value of every field is compared, and those that
//! are in more, or in less, of the records inside are ranked. A value that goes with the trouble need not make it: it must never say
//! why.

use foldhash::{HashMap, HashSet};

/// Fields that are told apart.
pub const FIELDS_MAX: usize = 400;
/// Values of one field that are told apart.
pub const VALUES_MAX: usize = 5_000;
/// Bytes of a value; longer ones are cut.
pub const VALUE_BYTES_MAX: usize = 200;
/// A field with a value of its own in more than this part of the records tells records apart, and not what they have in common.
const IDENTIFIER: f64 = 0.5;
/// With fewer values it is no identifier.
const IDENTIFIER_MIN: usize = 50;
/// Twice the logarithm of a likelihood ratio, in which one of a thousand values that do not differ would be by chance (chi-square
/// with one degree of freedom); twice the logarithm of how many values were compared is added.
const STRENGTH_MIN: f64 = 10.83;
/// A share has to change by this factor: among very many records the smallest change is certain, and not worth a word.
const FACTOR_MIN: f64 = 1.25;

/// Counts of two sets of records, inside and outside.
#[derive(Default)]
pub struct Fields {
    records: (u64, u64),
    fields: HashMap<String, Field>,
    fields_left_out: HashSet<String>,
}

#[derive(Default)]
struct Field {
    records: (u64, u64),
    values: HashMap<String, (u64, u64)>,
    /// Values that found no room, as often as they came.
    beyond: u64,
}

/// A value whose share differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Differs {
    /// The field.
    pub field: String,
    /// Its value.
    pub value: String,
    /// Records with it: inside, and outside.
    pub records: (u64, u64),
    /// Their shares of all records on that side, 0 to 1.
    pub shares: (f64, f64),
    /// How sure it is that they differ: twice the logarithm of a likelihood ratio. For ranking alone.
    pub strength: f64,
    /// Other fields and values that are in as many records on both sides.
    pub also: Vec<(String, String)>,
}

/// What differs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// All records: inside, and outside.
    pub records: (u64, u64),
    /// In more of the records inside, the surest first.
    pub more: Vec<Differs>,
    /// In fewer.
    pub fewer: Vec<Differs>,
    /// Values that were compared.
    pub values: usize,
    /// Fields that tell nearly every record apart, and were left out.
    pub identifiers: Vec<String>,
    /// Fields with more values than are told apart: the rarer may be missing.
    pub cut: Vec<String>,
    /// Fields past the bound.
    pub fields_left_out: usize,
}

impl Fields {
    /// Counts a record; its values follow.
    pub fn record(&mut self, is_inside: bool) {
        count(&mut self.records, is_inside);
    }

    /// Counts a value of the record, each field once.
    pub fn value(&mut self, name: &str, value: &str, is_inside: bool) {
        if value.is_empty() {
            return;
        }
        let is_full = self.fields.len() >= FIELDS_MAX;
        let field = match self.fields.get_mut(name) {
            Some(field) => field,
            None if is_full => {
                if self.fields_left_out.len() < FIELDS_MAX {
                    self.fields_left_out.insert(short(name).to_string());
                }
                return;
            }
            None => self.fields.entry(name.to_string()).or_default(),
        };
        count(&mut field.records, is_inside);
        let is_full = field.values.len() >= VALUES_MAX;
        match field.values.get_mut(short(value)) {
            Some(counts) => count(counts, is_inside),
            None if is_full => field.beyond += 1,
            None => {
                let mut counts = (0, 0);
                count(&mut counts, is_inside);
                field.values.insert(short(value).to_string(), counts);
            }
        }
    }

    /// All records so far.
    pub fn records(&self) -> (u64, u64) {
        self.records
    }

    /// What differs, at most `limit` each way.
    pub fn answer(&self, limit: usize) -> Answer {
        let mut answer = Answer {
            records: self.records,
            fields_left_out: self.fields_left_out.len(),
            ..Answer::default()
        };
        let mut all: Vec<Differs> = Vec::new();
        for (name, field) in &self.fields {
            if field.is_identifier() {
                answer.identifiers.push(name.clone());
                continue;
            }
            if field.beyond > 0 {
                answer.cut.push(name.clone());
            }
            answer.values += field.values.len();
            all.extend(field.values.iter().map(|(value, records)| self.compare(name, value, *records)));
        }
        let strength_min = STRENGTH_MIN + 2.0 * (answer.values.max(1) as f64).ln();
        all.retain(|d| d.strength >= strength_min && is_far(d.shares));
        all.sort_by(|a, b| {
            let name = |d: &Differs| (d.field.clone(), d.value.clone());
            b.strength.total_cmp(&a.strength).then_with(|| name(a).cmp(&name(b)))
        });
        for one in all {
            let list = if one.shares.0 > one.shares.1 { &mut answer.more } else { &mut answer.fewer };
            // What is in as many records on both sides is most likely in the very same ones.
            match list.iter().position(|d| d.records == one.records) {
                Some(same) if list[same].also.len() < limit => list[same].also.push((one.field, one.value)),
                None if list.len() < limit => list.push(one),
                _ => {}
            }
        }
        answer.identifiers.sort();
        answer.cut.sort();
        answer
    }

    fn compare(&self, field: &str, value: &str, records: (u64, u64)) -> Differs {
        let share = |k: u64, n: u64| if n == 0 { 0.0 } else { k as f64 / n as f64 };
        let (inside, outside) = self.records;
        Differs {
            field: field.into(),
            value: value.into(),
            records,
            shares: (share(records.0, inside), share(records.1, outside)),
            strength: strength(records, self.records),
            also: Vec::new(),
        }
    }
}

impl Field {
    fn is_identifier(&self) -> bool {
        let records = (self.records.0 + self.records.1) as f64;
        let distinct = self.values.len() as f64 + self.beyond as f64;
        self.values.len() >= IDENTIFIER_MIN && distinct > IDENTIFIER * records
    }
}

fn count(counts: &mut (u64, u64), is_inside: bool) {
    let side = if is_inside { &mut counts.0 } else { &mut counts.1 };
    *side += 1;
}

fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(text.len().min(VALUE_BYTES_MAX))]
}

fn is_far((inside, outside): (f64, f64)) -> bool {
    inside >= FACTOR_MIN * outside || outside >= FACTOR_MIN * inside
}

/// The G statistic of a table of two by two: twice the sum of what was seen times the logarithm of how many times more that is than
/// would be expected if both sides had the same share (Woolf 1957).
fn strength(with: (u64, u64), all: (u64, u64)) -> f64 {
    let (k, k0) = (with.0 as f64, with.1 as f64);
    let (n, n0) = (all.0 as f64, all.1 as f64);
    if n == 0.0 || n0 == 0.0 {
        return 0.0;
    }
    let share = (k + k0) / (n + n0);
    let cell = |seen: f64, expected: f64| if seen > 0.0 { seen * (seen / expected).ln() } else { 0.0 };
    let with = cell(k, n * share) + cell(k0, n0 * share);
    let without = cell(n - k, n * (1.0 - share)) + cell(n0 - k0, n0 * (1.0 - share));
    (2.0 * (with + without)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many records, whether they are inside, and their fields.
    type Row<'a> = (usize, bool, &'a [(&'a str, &'a str)]);

    fn counted(rows: &[Row<'_>]) -> Fields {
        let mut fields = Fields::default();
        for (count, is_inside, values) in rows {
            for _ in 0..*count {
                fields.record(*is_inside);
                values.iter().for_each(|(n, v)| fields.value(n, v, *is_inside));
            }
        }
        fields
    }

    fn names(list: &[Differs]) -> Vec<String> {
        list.iter().map(|d| format!("{}={}", d.field, d.value)).collect()
    }

    #[test]
    fn what_is_over_represented_comes_first_with_its_counts() {
        let answer = counted(&[
            (80, true, &[("version", "v2"), ("zone", "a")]),
            (20, true, &[("version", "v1"), ("zone", "b")]),
            (100, false, &[("version", "v1"), ("zone", "a")]),
            (100, false, &[("version", "v1"), ("zone", "b")]),
        ])
        .answer(10);
        assert_eq!(names(&answer.more), ["version=v2", "zone=a"]);
        assert_eq!(names(&answer.fewer), ["version=v1", "zone=b"]);
        assert_eq!(answer.records, (100, 200));
        let first = &answer.more[0];
        assert_eq!((first.records, first.shares), ((80, 0), (0.8, 0.0)));
        // 2 * sum of seen * ln(seen / expected), by hand: 80 of 100 against 0 of 200.
        assert!((first.strength - 247.87).abs() < 0.01, "{}", first.strength);
    }

    #[test]
    fn what_is_in_the_same_records_is_told_once() {
        let both: &[(&str, &str)] = &[("version", "v2"), ("host", "web-7")];
        let answer = counted(&[(50, true, both), (50, true, &[]), (100, false, &[])]).answer(10);
        assert_eq!(names(&answer.more), ["host=web-7"]);
        assert_eq!(answer.more[0].also, [("version".to_string(), "v2".to_string())]);
    }

    #[test]
    fn chance_and_trifles_are_not_told() {
        // The same shares; a few records; a certain change of two parts in a hundred.
        let same = counted(&[(50, true, &[("zone", "a")]), (50, false, &[("zone", "a")])]).answer(10);
        let few = counted(&[(3, true, &[("zone", "a")]), (3, false, &[("zone", "b")])]).answer(10);
        let trifle = counted(&[
            (52_000, true, &[("zone", "a")]),
            (48_000, true, &[("zone", "b")]),
            (50_000, false, &[("zone", "a")]),
            (50_000, false, &[("zone", "b")]),
        ])
        .answer(10);
        for answer in [same, few, trifle, Fields::default().answer(10)] {
            assert!(answer.more.is_empty() && answer.fewer.is_empty(), "{answer:?}");
        }
    }

    #[test]
    fn random_halves_hardly_ever_differ() {
        let mut state = 5u64;
        let mut next = |n: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % n
        };
        let mut told = 0;
        for _ in 0..50 {
            let mut fields = Fields::default();
            for _ in 0..2_000 {
                let is_inside = next(2) == 0;
                fields.record(is_inside);
                for (name, kinds) in [("user", 40), ("zone", 3), ("path", 100)] {
                    fields.value(name, &next(kinds).to_string(), is_inside);
                }
            }
            let answer = fields.answer(100);
            told += answer.more.len() + answer.fewer.len();
        }
        // 7,150 values were compared that do not differ.
        assert!(told <= 1, "{told} of them were told");
    }

    #[test]
    fn identifiers_and_what_finds_no_room_are_named() {
        let mut fields = Fields::default();
        for i in 0..20_000 {
            fields.record(i % 2 == 0);
            fields.value("request_id", &i.to_string(), i % 2 == 0);
            fields.value("user", &(i % 6_000).to_string(), i % 2 == 0);
            fields.value(&format!("field {}", i % 500), "x", i % 2 == 0);
        }
        let answer = fields.answer(10);
        assert_eq!(
            (answer.identifiers, answer.cut),
            (vec!["request_id".to_string()], vec!["user".to_string()])
        );
        assert_eq!(answer.fields_left_out, 500 + 2 - FIELDS_MAX);
        // A long value is cut between its letters.
        let mut fields = Fields::default();
        fields.record(true);
        fields.value("text", &"é".repeat(VALUE_BYTES_MAX), true);
        assert_eq!(fields.answer(1).values, 1);
    }
}
