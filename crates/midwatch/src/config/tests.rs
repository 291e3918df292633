//! Midwatch's own configuration files, and what both kinds have in common.

use super::problems::Severity;
use super::*;

fn load_text(name: &str, text: &str) -> (Config, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let (config, problems) = load(&path);
    let strip = |p: &Problem| p.to_string().replace(&format!("{}/", folder.path().display()), "");
    (config, problems.iter().map(strip).collect())
}

#[test]
fn a_whole_file() {
    let (config, problems) = load_text(
        "midwatch.toml",
        r#"
listen = "127.0.0.1:5005"
data = "/srv/mw"
retention = "90d"
retention_size = "1.5GiB"
hostname = "db-7"

[host]
processes_per_measure = 5
slow_period = "10s"
remote_filesystems = true

[discover]
enabled = false

[store]
series_max = 1_000_000

[ingest]
future = "1h"

[query]
timeout = "10s"
"#,
    );
    assert_eq!(problems, [""; 0]);
    let settings = config.into_settings().unwrap();
    assert_eq!((settings.listen.port(), settings.data.to_str()), (5005, Some("/srv/mw")));
    assert_eq!((settings.store.retention_ms, settings.store.blocks_bytes_max), (90 * 86_400_000, 3 << 29));
    let host = settings.host.unwrap();
    assert_eq!((host.instance.as_str(), host.processes_per_measure, host.slow_seconds), ("db-7", 5, 10));
    assert!(host.remote_filesystems && settings.discover.is_none());
    assert_eq!((settings.store.series_max, settings.ingest.future_ms_max), (1_000_000, 3_600_000));
    assert_eq!(settings.query.timeout_ms, 10_000);
    let shown: std::collections::BTreeMap<_, _> = settings.shown.into_iter().collect();
    assert_eq!(shown["retention_size"], "1536MiB");
    assert_eq!(shown["hostname"], "db-7");
    assert_eq!(shown.len(), SETTINGS.len());
}

#[test]
fn no_configuration_at_all() {
    let settings = Config::default().into_settings().unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:4004");
    assert_eq!(settings.data.to_str(), Some("./midwatch-data"));
    assert!(settings.host.is_some() && settings.discover.is_some() && settings.scrape.is_empty());
    assert!(!settings.hostname.is_empty());
}

#[test]
fn all_mistakes_are_said_each_with_its_line() {
    let (_, problems) = load_text(
        "m.toml",
        "lisen = \"127.0.0.1:1\"\nretention = 30\nseries_max = 3\n\n[stor]\nx = 1\n[query]\ntimeot = \"1s\"\n\
         samples_max = -1\nlookback = \"10y\"\nlisten = \"x\"\n[host]\nenabled = \"yes\"\nzebra = 1\n",
    );
    assert_eq!(
        problems,
        [
            "m.toml:1: error: unknown key \"lisen\"; did you mean \"listen\"?",
            "m.toml:2: error: retention: \"30\" has no unit; write a duration like 30s, 5m, 1h30m or 15d",
            "m.toml:3: error: unknown key \"series_max\"; it belongs into [store]",
            "m.toml:5: error: unknown key \"stor\"; did you mean \"store\"?",
            "m.toml:8: error: unknown key \"timeot\" in [query]; did you mean \"timeout\"?",
            "m.toml:9: error: query.samples_max: \"-1\" is not a whole number such as 1000",
            "m.toml:10: error: query.lookback: 10y is out of bounds; it must be from 1s to 1w",
            "m.toml:11: error: unknown key \"listen\" in [query]; it belongs above the first [section]",
            "m.toml:13: error: host.enabled: expected true or false, found a text",
            "m.toml:14: error: unknown key \"zebra\" in [host]; `midwatch config explain` lists all settings",
        ]
    );
}

#[test]
fn a_file_that_is_no_configuration() {
    for (name, text, want) in [
        ("a.toml", "= 3", "a.toml:1: error: "),
        ("a.toml", "a = 1\na = 2", "a.toml:2: error: "),
        ("a.toml", "host = 3", "a.toml:1: error: host is a section: write [host]"),
        ("a.yml", "a: b: c", "a.yml:1: error: "),
        ("a.yml", "{", "a.yml:"),
    ] {
        let (_, problems) = load_text(name, text);
        assert!(problems.iter().any(|p| p.starts_with(want)), "{text}: {problems:?}");
    }
    let (_, problems) = load(Path::new("/nowhere/m.toml"));
    assert!(problems[0].to_string().starts_with("/nowhere/m.toml: error: cannot be read: No such file"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("binary.toml");
    std::fs::write(&path, b"a = 1\n\xff\xfe").unwrap();
    assert!(load(&path).1[0].to_string().ends_with("binary.toml:2: error: is not UTF-8 text"));
    std::fs::write(&path, vec![b' '; (FILE_BYTES_MAX + 1) as usize]).unwrap();
    assert!(load(&path).1[0].what.contains("larger than 8 MiB"));
    assert!(load(folder.path()).1[0].what.contains("cannot be read"));
}

#[test]
fn files_of_prometheus_are_found_beside_ours() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("m.toml", "data = \"d\"\nscrape_config_files = [\"a.yml\", \"b.yml\"]");
    write(
        "a.yml",
        "rule_files: [x]\nglobal: {evaluation_interval: 7s}\nalerting: {}\nscrape_configs: [{job_name: one}]",
    );
    write("b.yml", "scrape_configs: [{job_name: two}, {job_name: one}]");
    let (config, problems) = load(&folder.path().join("m.toml"));
    assert_eq!(config.data, folder.path().join("d"));
    assert_eq!(config.scrape.iter().map(|j| j.job.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(problems.iter().map(|p| p.severity).collect::<Vec<_>>(), [Severity::Warning, Severity::Error]);
    assert_eq!((config.monitors.files, config.monitors.interval_ms), (vec![folder.path().join("x")], 7_000));
    assert!(problems[0].file.ends_with("/a.yml") && problems[1].file.ends_with("/b.yml"));
    // The same file directly.
    let (config, _) = load(&folder.path().join("a.yml"));
    assert_eq!(config.scrape.len(), 1);
    assert_eq!(config.data, Config::default().data);
}

#[test]
fn files_of_targets() {
    let group = |targets: &[&str], labels: &[(&str, &str)]| server::TargetGroup {
        targets: targets.iter().map(ToString::to_string).collect(),
        labels: labels.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(),
    };
    for (text, want) in [
        ("", vec![]),
        ("[]", vec![]),
        ("- targets: [a:1, b:2]\n  labels: {x: y}\n", vec![group(&["a:1", "b:2"], &[("x", "y")])]),
        (
            "[\n\t{\"targets\": [\"a:1\"], \"labels\": {\"x\": \"\\u00e9\"}}\n]\n",
            vec![group(&["a:1"], &[("x", "é")])],
        ),
    ] {
        assert_eq!(target_file(text), Ok(want), "{text}");
    }
    for (text, part) in [
        ("{}", "line 1: expected a list"),
        ("- target: [a]", "line 1: unknown key [0].target"),
        ("- targets: [a:1]\n- targets: ['http://b']", "line 2: [1].targets: \"http://b\" is not host:port"),
        ("- [", "line "),
    ] {
        let error = target_file(text).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn a_program_without_sql_says_what_has_no_effect() {
    let mut problems = Problems { file: "f".into(), ..Problems::default() };
    without_sql(true, "postgres", 3, &mut problems);
    without_sql(false, "query", 4, &mut problems);
    assert!(problems.list.is_empty());
    without_sql(false, "postgres", 5, &mut problems);
    assert!(problems.list[0].to_string().starts_with("f:5: warning: [postgres] has no effect"));
}
