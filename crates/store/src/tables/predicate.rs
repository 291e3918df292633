//! What rows are asked for. A predicate is checked and prepared once for a scan; [`super::evaluate`] applies it.

use super::schema::Table;
use super::words::WordFinder;
use model::Severity;
use stdx::{Error, Result};

/// A condition on rows. A value that is missing is equal to nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// A column of text or whole numbers has this value; numbers are given as their digits.
    Equals {
        /// Name of the column.
        column: String,
        /// The value.
        value: String,
    },
    /// The same for any of several values.
    In {
        /// Name of the column.
        column: String,
        /// The values.
        values: Vec<String>,
    },
    /// A column of whole numbers (nanoseconds of `time` and `duration_ns` included) has at least this value.
    AtLeast {
        /// Name of the column.
        column: String,
        /// The value.
        value: i64,
    },
    /// The same for at most.
    AtMost {
        /// Name of the column.
        column: String,
        /// The value.
        value: i64,
    },
    /// As grave as this or graver. Of the table of logs only.
    SeverityAtLeast(Severity),
    /// An attribute, of the row or of its resource.
    Attribute {
        /// Its name.
        name: String,
        /// What is asked of it.
        test: AttributeTest,
    },
    /// The text (`body` of logs, `name` of spans, `title` of changes) has this part, in this case.
    Contains(String),
    /// The text has these words, one after the other, in any case. What a word is: `docs/formats/tables.md`.
    Word(String),
    /// The text matches this regular expression somewhere.
    Regex(String),
    /// The text follows this template.
    Pattern(u64),
    /// Anything in the row has this as a word, in any case: the text, an identifier, service, host, an attribute's value.
    Id(String),
    /// The opposite.
    Not(Box<Predicate>),
}

/// What is asked of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeTest {
    /// It is there.
    Exists,
    /// It is there with this value.
    Equals(String),
    /// It is there, and not with this value.
    NotEquals(String),
}

/// The most bytes of a text that is looked for.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// The most memory that a regular expression may take when it is compiled, bytes.
const REGEX_BYTES_MAX: usize = 4 << 20;
/// The most predicates of one scan.
const PREDICATES_MAX: usize = 1000;
/// The most that may lie inside of each other.
const DEPTH_MAX: usize = 16;

/// A predicate that is ready to be applied.
pub enum Prepared {
    In { column: String, values: Vec<String>, numbers: Vec<i128> },
    Between { column: String, min: i64, max: i64 },
    Attribute { name: String, test: AttributeTest },
    Contains(Box<memchr::memmem::Finder<'static>>),
    Word(WordFinder),
    Regex(regex::bytes::Regex),
    Id(WordFinder),
    Not(Box<Prepared>),
}

/// Checks predicates and prepares them.
///
/// # Errors
/// `Invalid`, with what is wrong.
pub fn prepare(table: Table, predicates: &[Predicate]) -> Result<Vec<Prepared>> {
    if predicates.len() > PREDICATES_MAX {
        let text =
            format!("{} conditions at once are too many; the most is {PREDICATES_MAX}", predicates.len());
        return Err(Error::invalid(text));
    }
    predicates.iter().map(|p| prepare_one(table, p, DEPTH_MAX)).collect()
}

fn prepare_one(table: Table, predicate: &Predicate, depth: usize) -> Result<Prepared> {
    if depth == 0 {
        let text = format!("more than {DEPTH_MAX} conditions inside of each other; ask in simpler words");
        return Err(Error::invalid(text));
    }
    let column = |name: &str| -> Result<String> {
        match table.schema().field_with_name(name) {
            Ok(field) if !field.data_type().is_nested() => Ok(name.into()),
            Ok(_) => Err(Error::invalid(format!("`{name}` is not a column of single values"))),
            Err(_) => Err(no_column(table, name)),
        }
    };
    let numbers = |values: &[String]| values.iter().filter_map(|v| v.parse().ok()).collect();
    Ok(match predicate {
        Predicate::Equals { column: name, value } => {
            let values = vec![bounded(value)?.to_string()];
            Prepared::In { column: column(name)?, numbers: numbers(&values), values }
        }
        Predicate::In { column: name, values } => {
            values.iter().try_for_each(|v| bounded(v).map(|_| ()))?;
            let mut values = values.clone();
            values.sort_unstable();
            Prepared::In { column: column(name)?, numbers: numbers(&values), values }
        }
        Predicate::AtLeast { column: name, value } => {
            Prepared::Between { column: column(name)?, min: *value, max: i64::MAX }
        }
        Predicate::AtMost { column: name, value } => {
            Prepared::Between { column: column(name)?, min: i64::MIN, max: *value }
        }
        Predicate::SeverityAtLeast(severity) => Prepared::Between {
            column: column("severity")?,
            min: i64::from(severity.number()),
            max: i64::MAX,
        },
        Predicate::Attribute { name, test } => {
            bounded(name)?;
            Prepared::Attribute { name: name.clone(), test: test.clone() }
        }
        Predicate::Contains(text) => {
            let finder = memchr::memmem::Finder::new(bounded(text)?.as_bytes()).into_owned();
            Prepared::Contains(Box::new(finder))
        }
        Predicate::Word(text) => Prepared::Word(finder(text)?),
        Predicate::Regex(text) => {
            let regex = regex::bytes::RegexBuilder::new(bounded(text)?)
                .size_limit(REGEX_BYTES_MAX)
                .dfa_size_limit(REGEX_BYTES_MAX)
                .build()
                .map_err(|e| {
                    Error::invalid(format!("the regular expression {text:?} cannot be used: {e}"))
                })?;
            Prepared::Regex(regex)
        }
        Predicate::Pattern(id) => {
            let (column, numbers) = (column("pattern")?, vec![i128::from(*id)]);
            Prepared::In { column, numbers, values: vec![id.to_string()] }
        }
        Predicate::Id(text) => Prepared::Id(finder(text)?),
        Predicate::Not(inner) => Prepared::Not(Box::new(prepare_one(table, inner, depth - 1)?)),
    })
}

/// The error that a table has no column of this name.
pub fn no_column(table: Table, name: &str) -> Error {
    let schema = table.schema();
    let all: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    Error::invalid(format!("{} has no column `{name}`; it has {}", table.name(), all.join(", ")))
}

fn finder(text: &str) -> Result<WordFinder> {
    WordFinder::new(bounded(text)?)
        .ok_or_else(|| Error::invalid(format!("{text:?} has no letter and no digit to look for")))
}

fn bounded(text: &str) -> Result<&str> {
    if text.len() > TEXT_BYTES_MAX {
        let text = format!("a condition of {} bytes is too long; the most is {TEXT_BYTES_MAX}", text.len());
        return Err(Error::invalid(text));
    }
    Ok(text)
}

impl Prepared {
    /// The attribute that it looks at, if it looks at nothing else.
    pub fn attribute(&self) -> Option<&str> {
        match self {
            Prepared::Attribute { name, .. } => Some(name),
            Prepared::Not(inner) => inner.attribute(),
            _ => None,
        }
    }

    /// Calls `each` with every column that is looked at, of those that the table has; `attributes` stands for all that
    /// may hold attributes.
    pub fn columns(&self, table: Table, each: &mut impl FnMut(&str)) {
        match self {
            Prepared::In { column, .. } | Prepared::Between { column, .. } => each(column),
            Prepared::Attribute { .. } => ["attributes", "resource"].into_iter().for_each(each),
            Prepared::Contains(_) | Prepared::Word(_) | Prepared::Regex(_) => each(table.text_column()),
            Prepared::Id(_) => {
                let schema = table.schema();
                schema.fields().iter().filter(|f| is_searched(f)).for_each(|f| each(f.name()));
            }
            Prepared::Not(inner) => inner.columns(table, each),
        }
    }
}

/// Whether [`Predicate::Id`] looks into a column: everything that is text.
pub fn is_searched(field: &arrow_schema::Field) -> bool {
    use arrow_schema::DataType::{List, Map, Utf8};
    matches!(field.data_type(), Utf8 | Map(..) | List(..))
}
