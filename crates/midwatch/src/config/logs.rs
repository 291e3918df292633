//! `[[logs.files]]` and `[[logs.metrics]]`: lists of tables, which do not fit into the table of settings. Every key that is not
//! known, and every value that makes no sense, is named with its line.

use super::problems::Problems;
use document::did_you_mean;
use document::{Entry, Node, Value};
use ingest::logs::Format;
use look::logs::metric::{LogMetric, Spec};
use server::{FileSettings, LogSettings};

/// What can be said of files.
const FILE_KEYS: [&str; 5] = ["path", "service", "format", "multiline", "from"];
/// What can be said of metrics.
const METRIC_KEYS: [&str; 4] = ["name", "query", "field", "by"];

/// Whether this key of `[logs]` is one of the lists.
pub fn is_list(section: &str, key: &str) -> bool {
    section == "logs" && matches!(key, "files" | "metrics")
}

/// Reads one of the lists.
pub fn read(entry: &Entry, logs: &mut LogSettings, problems: &mut Problems) {
    let Value::List(items) = &entry.value.value else {
        let what = format!(
            "logs.{} is a list: write [[logs.{}]] on a line of its own, then its keys",
            entry.key, entry.key
        );
        return problems.error(entry.line, what);
    };
    for item in items {
        let Value::Map(keys) = &item.value else {
            problems.error(
                item.line,
                format!("an entry of logs.{} is a table of keys, not {}", entry.key, item.kind()),
            );
            continue;
        };
        if entry.key == "files" {
            logs.files.extend(file(item.line, keys, problems));
        } else {
            logs.metrics.extend(metric(item.line, keys, problems));
        }
    }
}

fn unknown(place: &str, entry: &Entry, known: &[&str], problems: &mut Problems) {
    let hint = did_you_mean(&entry.key, known.iter().copied());
    let hint = if hint.is_empty() { format!("; there are {}", known.join(", ")) } else { hint };
    problems.error(
        entry.line,
        format!("unknown key {:?} in {place}{hint}", entry.key.chars().take(100).collect::<String>()),
    );
}

fn text(place: &str, entry: &Entry, problems: &mut Problems) -> String {
    match entry.value.text() {
        Some(text) => text.to_string(),
        None => {
            problems.error(
                entry.value.line,
                format!("{place}.{}: expected a text, got {}", entry.key, entry.value.kind()),
            );
            String::new()
        }
    }
}

fn file(line: usize, keys: &[Entry], problems: &mut Problems) -> Option<FileSettings> {
    const PLACE: &str = "logs.files";
    let mut out = FileSettings {
        path: String::new(),
        service: String::new(),
        format: Format::Auto,
        multiline: true,
        from_beginning: true,
    };
    for entry in keys {
        match entry.key.as_str() {
            "path" => out.path = text(PLACE, entry, problems),
            "service" => out.service = text(PLACE, entry, problems),
            "format" => match Format::parse(&text(PLACE, entry, problems)) {
                Ok(format) => out.format = format,
                Err(e) => problems.error(entry.value.line, format!("{PLACE}.format: {e}")),
            },
            "multiline" => match entry.value.truth() {
                Some(truth) => out.multiline = truth,
                None => problems.error(entry.value.line, format!("{PLACE}.multiline: write true or false")),
            },
            "from" => match text(PLACE, entry, problems).as_str() {
                "beginning" => out.from_beginning = true,
                "end" => out.from_beginning = false,
                _ => {
                    problems.error(entry.value.line, format!("{PLACE}.from: write \"beginning\" or \"end\""))
                }
            },
            _ => unknown(PLACE, entry, &FILE_KEYS, problems),
        }
    }
    if !out.path.starts_with('/') {
        let what = "logs.files.path: an absolute path is needed, such as \"/var/log/shop/*.log\"";
        problems.error(line, what);
        return None;
    }
    Some(out)
}

fn metric(line: usize, keys: &[Entry], problems: &mut Problems) -> Option<Spec> {
    const PLACE: &str = "logs.metrics";
    let mut out = Spec { name: String::new(), query: String::new(), field: String::new(), by: Vec::new() };
    for entry in keys {
        match entry.key.as_str() {
            "name" => out.name = text(PLACE, entry, problems),
            "query" => out.query = text(PLACE, entry, problems),
            "field" => out.field = text(PLACE, entry, problems),
            "by" => match &entry.value.value {
                Value::List(items) => {
                    out.by = items.iter().filter_map(Node::text).map(String::from).collect()
                }
                _ => problems.error(entry.value.line, format!("{PLACE}.by: expected a list of fields")),
            },
            _ => unknown(PLACE, entry, &METRIC_KEYS, problems),
        }
    }
    match LogMetric::new(out) {
        Ok(metric) => Some(metric.spec().clone()),
        Err(e) => {
            problems.error(line, format!("{PLACE}: {e}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::toml_text;
    use super::*;

    fn read_text(text: &str) -> (LogSettings, Vec<String>) {
        let (mut logs, mut problems) = (LogSettings::default(), Problems::default());
        let (root, errors) = toml_text::parse(text);
        assert_eq!(errors, []);
        let Value::Map(sections) = root.value else { panic!("a map") };
        let Value::Map(lists) = &sections[0].value.value else { panic!("a map") };
        lists.iter().for_each(|entry| read(entry, &mut logs, &mut problems));
        (logs, problems.list.iter().map(|p| format!("{}: {}", p.line, p.what)).collect())
    }

    #[test]
    fn files_and_metrics() {
        let (logs, problems) = read_text(
            "[[logs.files]]\npath = \"/var/log/shop/*.log\"\nservice = \"shop\"\nformat = \"json\"\nmultiline = false\nfrom = \"end\"\n\
             [[logs.files]]\npath = \"/srv/access.log\"\nformat = '$remote_addr \"$request\" $status'\n\
             [[logs.metrics]]\nname = \"failed\"\nquery = \"level:error\"\nby = [\"service\"]\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(
            (logs.files.len(), logs.files[0].from_beginning, logs.files[1].from_beginning),
            (2, false, true)
        );
        assert_eq!((logs.metrics[0].name.as_str(), logs.metrics[0].by.len()), ("failed", 1));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, words) in [
            ("[[logs.files]]\nservice = \"a\"", "1: logs.files.path: an absolute path"),
            ("[[logs.files]]\npath = \"/a\"\nformat = \"xml\"", "3: logs.files.format: \"xml\" is no format"),
            ("[[logs.files]]\npath = \"/a\"\nservise = \"x\"", "3: unknown key \"servise\""),
            ("[[logs.files]]\npath = \"/a\"\nfrom = \"now\"", "3: logs.files.from"),
            ("[[logs.files]]\npath = \"/a\"\nmultiline = 3", "3: logs.files.multiline"),
            ("[[logs.metrics]]\nname = \"a b\"", "1: logs.metrics: \"a b\" is no name"),
            ("[[logs.metrics]]\nname = \"a\"\nby = 3", "3: logs.metrics.by"),
            ("[logs]\nfiles = 3", "2: logs.files is a list"),
        ] {
            let problems = read_text(text).1;
            assert!(problems.iter().any(|p| p.contains(words)), "{text}: {problems:?}");
        }
    }
}
