//! Prometheus relabelling: rules that rewrite, keep or drop label sets, with the same results as Prometheus, the
//! numbers of `hashmod` included. Label names may be any UTF-8. It must never see samples.

use md5::{Digest, Md5};
use model::LabelsBuilder;
use model::matcher::whole_regex;
use regex::{Captures, Regex};
use stdx::{Error, Result};

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Sets the target label to the expanded replacement where the expression matches.
    #[default]
    Replace,
    /// Drops what does not match.
    Keep,
    /// Drops what matches.
    Drop,
    /// Drops unless the joined source labels equal the target label.
    KeepEqual,
    /// Drops if the joined source labels equal the target label.
    DropEqual,
    /// Sets the target label to a hash of the joined source labels, modulo `modulus`.
    HashMod,
    /// Copies every label whose name matches to the expanded replacement.
    LabelMap,
    /// Removes every label whose name matches.
    LabelDrop,
    /// Removes every label whose name does not match.
    LabelKeep,
    /// Sets the target label to the joined source labels in lower case.
    Lowercase,
    /// Sets the target label to the joined source labels in upper case.
    Uppercase,
}

/// One rule as it is written in a configuration file, with Prometheus's keys and defaults.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelabelConfig {
    /// Labels whose values are joined by `separator` and matched.
    pub source_labels: Vec<String>,
    /// Default `;`.
    pub separator: String,
    /// Must match the whole text. Default `(.*)`.
    pub regex: String,
    /// For `hashmod`.
    pub modulus: u64,
    /// The label that is set; for `replace` it may hold `$1`.
    pub target_label: String,
    /// `$1`, `${1}` and `${name}` are groups of the expression, `$$` is a dollar sign. Default `$1`.
    pub replacement: String,
    /// Default `replace`.
    pub action: Action,
}

impl Default for RelabelConfig {
    fn default() -> Self {
        RelabelConfig {
            source_labels: Vec::new(),
            separator: ";".into(),
            regex: "(.*)".into(),
            modulus: 0,
            target_label: String::new(),
            replacement: "$1".into(),
            action: Action::default(),
        }
    }
}

/// Rules that were checked, applied in their order. No rules change nothing.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    config: RelabelConfig,
    regex: Regex,
    target: Template,
    replacement: Template,
}

impl Rules {
    /// Checks and compiles.
    ///
    /// # Errors
    /// `Invalid`, with the number of the rule and what is wrong with it.
    pub fn compile(configs: &[RelabelConfig]) -> Result<Rules> {
        let rule = |(i, config): (usize, &RelabelConfig)| {
            Rule::compile(config).map_err(|e| Error::invalid(format!("relabelling rule {}: {e}", i + 1)))
        };
        configs.iter().enumerate().map(rule).collect::<Result<_>>().map(Rules)
    }

    /// True if there is no rule.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Rewrites `labels`; false when they are dropped (`labels` is then undefined).
    #[must_use]
    pub fn apply(&self, labels: &mut LabelsBuilder) -> bool {
        self.0.iter().all(|rule| rule.apply(labels))
    }
}

impl Rule {
    fn compile(config: &RelabelConfig) -> Result<Rule, String> {
        use Action::*;
        let default = RelabelConfig::default();
        let action = config.action;
        let needs_target =
            matches!(action, Replace | KeepEqual | DropEqual | HashMod | Lowercase | Uppercase);
        if needs_target && config.target_label.is_empty() {
            return Err(format!("{action:?} needs target_label").to_lowercase());
        }
        if action == HashMod && config.modulus == 0 {
            return Err("hashmod needs a modulus of at least 1".into());
        }
        if action == LabelMap && config.replacement.is_empty() {
            return Err("labelmap needs a replacement".into());
        }
        let only_regex = RelabelConfig { regex: config.regex.clone(), action, ..default.clone() };
        if matches!(action, LabelDrop | LabelKeep) && *config != only_regex {
            return Err(format!("{action:?} takes regex and nothing else").to_lowercase());
        }
        let plain = config.regex == default.regex && config.replacement == default.replacement;
        if matches!(action, KeepEqual | DropEqual) && !(plain && config.separator == default.separator) {
            return Err(
                format!("{action:?} takes source_labels and target_label, nothing else").to_lowercase()
            );
        }
        let regex = whole_regex(&config.regex).map_err(|e| format!("regex {:?}: {e}", config.regex))?;
        Ok(Rule {
            target: Template::compile(&config.target_label, &regex),
            replacement: Template::compile(&config.replacement, &regex),
            config: config.clone(),
            regex,
        })
    }

    fn apply(&self, labels: &mut LabelsBuilder) -> bool {
        let (config, regex) = (&self.config, &self.regex);
        let mut joined = String::new();
        for (i, name) in config.source_labels.iter().enumerate() {
            if i > 0 {
                joined.push_str(&config.separator);
            }
            joined.push_str(labels.get(name));
        }
        let target = &config.target_label;
        match config.action {
            Action::Drop => return !regex.is_match(&joined),
            Action::Keep => return regex.is_match(&joined),
            Action::DropEqual => return labels.get(target) != joined,
            Action::KeepEqual => return labels.get(target) == joined,
            Action::Replace => {
                if let Some(groups) = regex.captures(&joined) {
                    let name = self.target.expand(&groups);
                    if !name.is_empty() {
                        labels.set(&name, &self.replacement.expand(&groups));
                    }
                }
            }
            Action::Lowercase => labels.set(target, &joined.to_lowercase()),
            Action::Uppercase => labels.set(target, &joined.to_uppercase()),
            Action::HashMod => labels.set(target, &(hash(&joined) % config.modulus).to_string()),
            Action::LabelMap => {
                let mut pairs: Vec<_> = labels.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
                pairs.sort();
                for (name, value) in pairs {
                    if let Some(groups) = regex.captures(&name) {
                        let name = self.replacement.expand(&groups);
                        if !name.is_empty() {
                            labels.set(&name, &value);
                        }
                    }
                }
            }
            Action::LabelDrop => labels.retain(|name| !regex.is_match(name)),
            Action::LabelKeep => labels.retain(|name| regex.is_match(name)),
        }
        true
    }
}

/// The last eight bytes of the MD5 sum, big-endian, as Prometheus takes them.
fn hash(text: &str) -> u64 {
    let sum: [u8; 16] = Md5::digest(text.as_bytes()).into();
    sum[8..].iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

/// A text with group references, by the rules of Go's `Regexp.Expand`: the name after `$` is the longest run of
/// letters, digits and underscores; an unknown group is empty; a `$` that begins nothing is a `$`.
#[derive(Clone, Debug)]
struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Group(usize),
}

impl Template {
    fn compile(text: &str, regex: &Regex) -> Template {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(at) = rest.find('$') {
            parts.push(Part::Text(rest[..at].into()));
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                parts.push(Part::Text("$".into()));
                rest = after;
            } else if let Some((name, after)) = reference(rest) {
                rest = after;
                let group = match name.parse::<usize>() {
                    Ok(number) if name.bytes().all(|b| b.is_ascii_digit()) => Some(number),
                    _ => regex.capture_names().position(|n| n == Some(name)),
                };
                parts.extend(group.filter(|g| *g < regex.captures_len()).map(Part::Group));
            } else {
                parts.push(Part::Text("$".into()));
            }
        }
        parts.push(Part::Text(rest.into()));
        parts.retain(|p| *p != Part::Text(String::new()));
        Template(parts)
    }

    fn expand(&self, groups: &Captures<'_>) -> String {
        let text = |part| match part {
            &Part::Group(i) => groups.get(i).map_or("", |m| m.as_str()),
            Part::Text(text) => text.as_str(),
        };
        self.0.iter().map(text).collect()
    }
}

/// The name after a `$`, in braces or not, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let word = |t: &str| t.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(t.len());
    match text.strip_prefix('{') {
        Some(inside) => {
            let (name, after) = inside.split_at(word(inside));
            let after = after.strip_prefix('}')?;
            (!name.is_empty()).then_some((name, after))
        }
        None => {
            let (name, after) = text.split_at(word(text));
            (!name.is_empty()).then_some((name, after))
        }
    }
}

#[cfg(test)]
mod tests;
