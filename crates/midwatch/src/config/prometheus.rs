//! A Prometheus configuration to scrape configurations. Whatever of it is not carried out is named, with its place.
//! It must never show a password or token, not even in a message about one.

mod client;
pub mod keys;
mod reader;

use super::problems::Problems;
use super::values;
use document::{Node, Value};
use ingest::relabel::{Action, RelabelConfig, Rules};
use keys::{FILE_SD, GLOBAL, HTTP_SD, JOB, RELABEL, TARGETS, TOP};
use reader::{Place, bool_of, each, list_of, texts_of};
use server::{FileSd, HttpSd, ScrapeConfig, TargetGroup};
use std::path::{Path, PathBuf};

/// The most jobs of one configuration.
const JOBS_MAX: usize = 10_000;

/// What a configuration says of rules.
#[derive(Debug, Default)]
pub struct RuleFiles {
    /// `rule_files`: the last part may hold `*`.
    pub files: Vec<PathBuf>,
    /// `evaluation_interval`.
    pub interval_ms: Option<i64>,
}

/// Adds the jobs of a configuration file to `jobs`. `folder` is the folder of the file: paths are relative to it.
pub fn read(
    text: &str,
    folder: &Path,
    limits: &ingest::Limits,
    jobs: &mut Vec<ScrapeConfig>,
    problems: &mut Problems,
) -> RuleFiles {
    let mut rules = RuleFiles::default();
    let root = match document::parse(text) {
        Ok(root) => root,
        Err(e) => {
            problems.error(e.line, e.what);
            return rules;
        }
    };
    let (mut defaults, mut list) = (defaults(limits), None);
    each(&root, &Place::default(), &[TOP], problems, |key, node, place, problems| match key {
        "global" => global(node, place, &mut defaults, &mut rules, problems),
        "rule_files" => {
            let files = list_of(node, place, problems).into_iter().map(|(item, place)| {
                let mut text = String::new();
                place.text(item, &mut text, problems);
                text
            });
            rules.files = files.filter(|f| !f.is_empty()).map(|f| folder.join(f)).collect();
        }
        _ => list = Some((node.clone(), place.clone())),
    });
    let Some((node, place)) = list else { return rules };
    for (item, place) in list_of(&node, &place, problems).into_iter().take(JOBS_MAX) {
        if let Some(config) = job(item, &place, folder, &defaults, problems) {
            if jobs.iter().any(|other| other.job == config.job) {
                problems
                    .error(item.line, format!("{place}.job_name: there is already a job {:?}", config.job));
            } else {
                jobs.push(config);
            }
        }
    }
    rules
}

/// What holds for each job that does not say otherwise. The timeout is 0 until somebody names one.
fn defaults(limits: &ingest::Limits) -> ScrapeConfig {
    let body_bytes_max = ScrapeConfig::default().body_bytes_max.max(limits.body_bytes_max);
    ScrapeConfig { timeout_ms: 0, body_bytes_max, ..ScrapeConfig::default() }
}

const TIMEOUT_MS: u64 = 10_000;

fn global(
    node: &Node,
    place: &Place,
    defaults: &mut ScrapeConfig,
    rules: &mut RuleFiles,
    problems: &mut Problems,
) {
    each(node, place, &[GLOBAL], problems, |key, node, place, problems| {
        if key == "evaluation_interval" {
            let mut ms = 0;
            place.duration(node, &mut ms, problems);
            rules.interval_ms = i64::try_from(ms).ok().filter(|ms| *ms > 0);
        } else {
            common(key, node, place, defaults, problems);
        }
    });
}

/// The keys that `global` and a job share. False if it is none of them.
fn common(key: &str, node: &Node, place: &Place, to: &mut ScrapeConfig, problems: &mut Problems) -> bool {
    match key {
        "scrape_interval" => place.duration(node, &mut to.interval_ms, problems),
        "scrape_timeout" => place.duration(node, &mut to.timeout_ms, problems),
        "body_size_limit" => {
            if let Some(bytes) = place.parsed(node, values::prometheus_size_bytes, problems) {
                // 0 is "no limit" there; here there always is one.
                if bytes > 0 {
                    to.body_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX);
                }
            }
        }
        "scrape_native_histograms" => bool_of(node, place, &mut to.native_histograms, problems),
        "sample_limit" => {
            if let Some(count) = place.parsed(node, values::count, problems) {
                to.samples_max = usize::try_from(count).unwrap_or(usize::MAX);
            }
        }
        _ => return false,
    }
    true
}

fn job(
    node: &Node,
    place: &Place,
    folder: &Path,
    defaults: &ScrapeConfig,
    problems: &mut Problems,
) -> Option<ScrapeConfig> {
    let before = problems.errors();
    let mut to = ScrapeConfig { timeout_ms: 0, ..defaults.clone() };
    let mut auth = client::Collected::default();
    each(node, place, &[JOB, keys::CLIENT], problems, |key, node, place, problems| {
        if common(key, node, place, &mut to, problems) {
            return;
        }
        match key {
            "job_name" => place.text(node, &mut to.job, problems),
            "metrics_path" => place.text(node, &mut to.metrics_path, problems),
            "scheme" => place.text(node, &mut to.scheme, problems),
            "params" => to.params = params(node, place, problems),
            "honor_labels" => bool_of(node, place, &mut to.honor_labels, problems),
            "honor_timestamps" => bool_of(node, place, &mut to.honor_timestamps, problems),
            "follow_redirects" => bool_of(node, place, &mut to.follow_redirects, problems),
            "static_configs" => to.static_configs = target_groups(node, &place.to_string(), problems),
            "file_sd_configs" => to.file_sd = file_sd(node, place, folder, problems),
            "http_sd_configs" => to.http_sd = http_sd(node, place, folder, problems),
            "relabel_configs" => to.relabel = relabel(node, place, problems),
            "metric_relabel_configs" => to.metric_relabel = relabel(node, place, problems),
            _ => auth.key(key, node, place, folder, problems),
        }
    });
    to.client = auth.finish(node.line, place, problems);
    if to.job.is_empty() && matches!(node.value, Value::Map(_)) && problems.errors() == before {
        problems.error(node.line, format!("{place}.job_name is missing"));
    }
    check_times(&mut to, defaults, node.line, place, problems);
    if !matches!(to.scheme.as_str(), "http" | "https") {
        problems.error(node.line, format!("{place}.scheme must be http or https"));
    }
    if !to.metrics_path.starts_with('/') {
        problems.error(node.line, format!("{place}.metrics_path must begin with /"));
    }
    let endpoints = to.http_sd.iter().map(|h| &h.client);
    for client in
        endpoints.chain([&to.client]).filter(|c| c.tls.ca_file.is_some() || c.tls.cert_file.is_some())
    {
        if let Err(e) = server::check_client(client) {
            problems.error(node.line, format!("{place}: {}", e.message));
        }
    }
    (problems.errors() == before).then_some(to)
}

/// A job's own timeout may not be longer than its interval; one that it only inherits is cut to fit.
fn check_times(
    to: &mut ScrapeConfig,
    defaults: &ScrapeConfig,
    line: usize,
    place: &Place,
    problems: &mut Problems,
) {
    if to.interval_ms < 100 {
        problems.error(line, format!("{place}.scrape_interval must be at least 100ms"));
    } else if to.timeout_ms > to.interval_ms {
        let (timeout, interval) =
            (values::show_duration(to.timeout_ms), values::show_duration(to.interval_ms));
        problems.error(
            line,
            format!("{place}.scrape_timeout ({timeout}) is longer than the interval ({interval})"),
        );
    } else if to.timeout_ms == 0 {
        let inherited = if defaults.timeout_ms == 0 { TIMEOUT_MS } else { defaults.timeout_ms };
        to.timeout_ms = inherited.min(to.interval_ms);
    }
}

fn params(node: &Node, place: &Place, problems: &mut Problems) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let Value::Map(entries) = &node.value else {
        place.expected(node, "names with lists of values", problems);
        return out;
    };
    for entry in entries {
        let place = place.key(&entry.key);
        out.extend(texts_of(&entry.value, &place, problems).into_iter().map(|v| (entry.key.clone(), v)));
    }
    out
}

/// The list of a `static_configs`, or of a file that lists targets.
pub fn target_groups(node: &Node, at: &str, problems: &mut Problems) -> Vec<TargetGroup> {
    let mut out = Vec::new();
    for (item, place) in list_of(node, &Place::named(at), problems) {
        let mut group = TargetGroup::default();
        each(item, &place, &[TARGETS], problems, |key, node, place, problems| match (key, &node.value) {
            ("targets", _) => {
                group.targets = texts_of(node, place, problems);
                for target in group.targets.iter().filter(|t| t.is_empty() || t.contains(['/', ' ', '@'])) {
                    let what = format!(
                        "{place}: {target:?} is not host:port (scheme and path have keys of their own)"
                    );
                    problems.error(node.line, what);
                }
            }
            (_, Value::Map(entries)) => {
                for entry in entries {
                    let mut value = String::new();
                    place.key(&entry.key).text(&entry.value, &mut value, problems);
                    group.labels.push((entry.key.clone(), value));
                }
            }
            (_, Value::Null) => {}
            _ => place.expected(node, "names with values", problems),
        });
        out.push(group);
    }
    out
}

fn file_sd(node: &Node, place: &Place, folder: &Path, problems: &mut Problems) -> Vec<FileSd> {
    let mut out = Vec::new();
    for (item, place) in list_of(node, place, problems) {
        let mut to = FileSd { files: Vec::new(), refresh_ms: 300_000, parse: super::target_file };
        each(item, &place, &[FILE_SD], problems, |key, node, place, problems| {
            if key == "refresh_interval" {
                return place.duration(node, &mut to.refresh_ms, problems);
            }
            for file in texts_of(node, place, problems) {
                let (parent, last) = file.rsplit_once('/').unwrap_or(("", &file));
                if parent.contains('*') || last.matches('*').count() > 1 {
                    problems.error(
                        node.line,
                        format!("{place}: {file:?} has a * that is not the only one of its last part"),
                    );
                } else if ![".json", ".yml", ".yaml"].iter().any(|end| last.ends_with(end)) {
                    problems.error(node.line, format!("{place}: {file:?} must end in .json, .yml or .yaml"));
                } else {
                    to.files.push(folder.join(file));
                }
            }
        });
        if to.files.is_empty() && problems.errors() == 0 {
            problems.error(item.line, format!("{place}.files is missing"));
        }
        out.push(to);
    }
    out
}

fn http_sd(node: &Node, place: &Place, folder: &Path, problems: &mut Problems) -> Vec<HttpSd> {
    let mut out = Vec::new();
    for (item, place) in list_of(node, place, problems) {
        let mut to = HttpSd { url: String::new(), refresh_ms: 60_000, client: Default::default() };
        let mut auth = client::Collected::default();
        each(item, &place, &[HTTP_SD, keys::CLIENT], problems, |key, node, place, problems| match key {
            "url" => place.text(node, &mut to.url, problems),
            "refresh_interval" => place.duration(node, &mut to.refresh_ms, problems),
            "follow_redirects" => {
                let mut follow = true;
                bool_of(node, place, &mut follow, problems);
                if !follow {
                    problems
                        .warning(node.line, format!("{place} has no effect: redirects are followed here"));
                }
            }
            _ => auth.key(key, node, place, folder, problems),
        });
        if !to.url.starts_with("http://") && !to.url.starts_with("https://") {
            problems.error(item.line, format!("{place}.url must begin with http:// or https://"));
        }
        to.client = auth.finish(item.line, &place, problems);
        out.push(to);
    }
    out
}

const ACTIONS: [(&str, Action); 11] = [
    ("replace", Action::Replace),
    ("keep", Action::Keep),
    ("drop", Action::Drop),
    ("keepequal", Action::KeepEqual),
    ("dropequal", Action::DropEqual),
    ("hashmod", Action::HashMod),
    ("labelmap", Action::LabelMap),
    ("labeldrop", Action::LabelDrop),
    ("labelkeep", Action::LabelKeep),
    ("lowercase", Action::Lowercase),
    ("uppercase", Action::Uppercase),
];

fn relabel(node: &Node, place: &Place, problems: &mut Problems) -> Rules {
    let mut configs = Vec::new();
    for (item, place) in list_of(node, place, problems) {
        let before = problems.errors();
        let mut to = RelabelConfig::default();
        each(item, &place, &[RELABEL], problems, |key, node, place, problems| match key {
            "source_labels" => to.source_labels = texts_of(node, place, problems),
            "separator" => place.any_text(node, &mut to.separator, problems),
            "regex" => place.any_text(node, &mut to.regex, problems),
            "target_label" => place.any_text(node, &mut to.target_label, problems),
            "replacement" => place.any_text(node, &mut to.replacement, problems),
            "modulus" => to.modulus = place.parsed(node, values::count, problems).unwrap_or(0),
            _ => {
                let word = node.text().unwrap_or("").to_lowercase();
                match ACTIONS.iter().find(|(name, _)| *name == word) {
                    Some((_, action)) => to.action = *action,
                    None => {
                        let hint = document::did_you_mean(&word, ACTIONS.iter().map(|(name, _)| *name));
                        problems.error(node.line, format!("{place}: there is no action {word:?}{hint}"));
                    }
                }
            }
        });
        // One rule at a time, so that each one that is wrong is named with its line.
        if problems.errors() == before {
            match Rules::compile(std::slice::from_ref(&to)) {
                Ok(_) => configs.push(to),
                Err(e) => {
                    let message = e.message.trim_start_matches("relabelling rule 1: ");
                    problems.error(item.line, format!("{place}: {message}"));
                }
            }
        }
    }
    Rules::compile(&configs).unwrap_or_default()
}

#[cfg(test)]
mod tests;
