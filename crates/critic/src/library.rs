//! All rules: those that come with the program, and those of the user, which may replace one by its id. A file that is
//! broken is named and left out; the others are not harmed.

use crate::rule::{FILE_BYTES_MAX, Rule};
use std::collections::BTreeMap;

include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// Files of one folder.
pub const FILES_MAX: usize = 1_000;
/// Bytes of all files of a folder.
pub const BYTES_MAX: usize = 16 << 20;

/// A file that is no rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Its name.
    pub file: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

/// Where a rule came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// With the program.
    Builtin,
    /// A file of the user's folder.
    Folder,
    /// Written in the page.
    Thumb,
}

impl Origin {
    /// As in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Builtin => "builtin",
            Origin::Folder => "folder",
            Origin::Thumb => "thumb",
        }
    }
}

/// The rules, by id.
#[derive(Clone, Debug, Default)]
pub struct Library {
    rules: Vec<Rule>,
    origins: Vec<Origin>,
    /// Files that are none.
    pub problems: Vec<Problem>,
}

/// Name and text of the rules that come with the program.
pub fn builtin() -> &'static [(&'static str, &'static str)] {
    BUILTIN
}

/// Something else to check in a rule, such as whether its queries are PromQL; the text says what is wrong.
pub type Check<'a> = &'a dyn Fn(&Rule) -> Result<(), String>;

impl Library {
    /// Those that come with the program, then the files (where from, name, text); the later of two with one id counts.
    pub fn load(files: &[(Origin, String, String)], check: Check<'_>) -> Library {
        let builtin = BUILTIN.iter().map(|(name, text)| (Origin::Builtin, *name, *text));
        let given = files.iter().map(|(origin, name, text)| (*origin, name.as_str(), text.as_str()));
        let mut library = Library::default();
        let mut by_id: BTreeMap<String, (Rule, Origin)> = BTreeMap::new();
        let (mut count, mut bytes) = (0, 0);
        for (origin, name, text) in builtin.chain(given) {
            if origin != Origin::Builtin {
                count += 1;
                bytes += text.len();
            }
            let rule = match () {
                () if count > FILES_MAX => {
                    Err(format!("more than {FILES_MAX} files of rules; this one is left out"))
                }
                () if bytes > BYTES_MAX => Err(format!(
                    "the files of rules have more than {BYTES_MAX} bytes together; this one is left out"
                )),
                () if text.len() > FILE_BYTES_MAX => {
                    Err(format!("it has {} bytes; a rule has at most {FILE_BYTES_MAX}", text.len()))
                }
                () => Rule::parse(text).map_err(|e| e.to_string()),
            };
            let checked = rule
                .and_then(|rule| check(&rule).map(|()| rule))
                .and_then(|rule| crate::rule::run(&rule).map_err(|wrong| wrong.join("; ")).map(|()| rule));
            match checked {
                Err(what) => library.problems.push(Problem { file: name.to_string(), what }),
                Ok(rule) => match by_id.get(&rule.id) {
                    Some((_, there)) if *there == origin => {
                        let what =
                            format!("another file has the id {:?} already; this one is left out", rule.id);
                        library.problems.push(Problem { file: name.to_string(), what });
                    }
                    _ => {
                        by_id.insert(rule.id.clone(), (rule, origin));
                    }
                },
            }
        }
        (library.rules, library.origins) = by_id.into_values().unzip();
        library
    }

    /// These rules alone.
    #[cfg(test)]
    pub(crate) fn only(library: Library, ids: &[&str]) -> Library {
        let all = library.rules.into_iter().zip(library.origins);
        let (rules, origins) = all.filter(|(rule, _)| ids.contains(&rule.id.as_str())).unzip();
        Library { rules, origins, problems: library.problems }
    }

    /// All rules, by id.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// All rules with where each came from.
    pub fn with_origins(&self) -> impl Iterator<Item = (&Rule, Origin)> {
        self.rules.iter().zip(self.origins.iter().copied())
    }

    /// A rule by its id.
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|r| r.id == id)
    }
}

#[cfg(test)]
mod tests;
