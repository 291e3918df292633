//! The reference of every setting and every key of a Prometheus configuration, as text for a terminal and as the page
//! docs/reference/configuration.md. Made from the tables; it must never say anything that they do not.

use super::prometheus::keys::{PLACES, Support};
use super::table::{SECTIONS, SETTINGS, Setting, find};
use document::did_you_mean;
use std::fmt::Write;

/// All settings, or one, or those of a section.
///
/// # Errors
/// A sentence if there is none of that name.
pub fn text(name: Option<&str>) -> Result<String, String> {
    let mut out = String::new();
    let Some(name) = name else {
        out.push_str(
            "Settings of midwatch.toml. `midwatch config explain NAME` shows one, or those of a section.\n",
        );
        SECTIONS.iter().for_each(|(section, _)| section_text(section, &mut out));
        return Ok(out);
    };
    if let Some(setting) = find(name) {
        setting_text(setting, &mut out);
    } else if SECTIONS.iter().any(|(section, _)| *section == name && !name.is_empty()) {
        section_text(name, &mut out);
    } else {
        let known = SETTINGS.iter().map(|s| s.name).chain(SECTIONS.iter().map(|s| s.0));
        return Err(format!("there is no setting {name:?}{}", did_you_mean(name, known)));
    }
    Ok(out)
}

fn section_text(section: &str, out: &mut String) {
    if let Some((name, what)) = SECTIONS.iter().find(|(name, _)| *name == section) {
        let heading = if name.is_empty() { "Top of the file".into() } else { format!("[{name}]") };
        let _ = write!(out, "\n{heading}\n{what}\n\n");
        SETTINGS.iter().filter(|s| s.section_and_key().0 == section).for_each(|s| setting_text(s, out));
    }
}

fn setting_text(setting: &Setting, out: &mut String) {
    let kind = kind_of(setting);
    let bounds = Some(setting.show_bounds()).filter(|b| !b.is_empty()).map(|b| format!(", {b}"));
    let _ = writeln!(out, "{} ({kind}{})", setting.name, bounds.unwrap_or_default());
    wrap(setting.what, 76, out);
    let _ = writeln!(out, "    default {}, for example {}", setting.default(), example(setting));
    if !setting.flag.is_empty() {
        let _ = writeln!(out, "    flag of `midwatch serve`: {}", setting.flag);
    }
    out.push('\n');
}

fn kind_of(setting: &Setting) -> &'static str {
    (setting.slot)(&mut super::Config::default()).kind()
}

fn example(setting: &Setting) -> String {
    format!("{} = {}", setting.section_and_key().1, setting.example)
}

/// Lines of at most `width` characters, indented by four.
fn wrap(text: &str, width: usize, out: &mut String) {
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            let _ = writeln!(out, "    {line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(out, "    {line}");
}

/// The text of docs/reference/configuration.md.
pub fn document() -> String {
    let mut out = String::from(PREFACE);
    for (section, what) in SECTIONS {
        let heading = if section.is_empty() { "Top of the file".into() } else { format!("`[{section}]`") };
        let _ = write!(out, "\n## {heading}\n\n{what}\n\n");
        out.push_str(
            "| key | type | default | bounds | what it does | example |\n|---|---|---|---|---|---|\n",
        );
        for s in SETTINGS.iter().filter(|s| s.section_and_key().0 == *section) {
            let flag = if s.flag.is_empty() { String::new() } else { format!(" Flag: `{}`.", s.flag) };
            let key = s.section_and_key().1;
            let _ = writeln!(
                out,
                "| `{key}` | {} | `{}` | {} | {}{flag} | `{}` |",
                kind_of(s),
                s.default(),
                s.show_bounds(),
                s.what,
                example(s)
            );
        }
    }
    out.push_str(PROMETHEUS);
    for (place, table) in PLACES {
        let _ = write!(out, "\n### Keys of {place}\n\n| key | here |\n|---|---|\n");
        for (name, support) in *table {
            let text = match support {
                Support::Used("") => "works".to_string(),
                Support::Used(note) => format!("works: {note}"),
                Support::NoEffect(why) => format!("no effect (a warning): {why}"),
                Support::Refused(instead) => format!("refused: {instead}"),
            };
            let _ = writeln!(out, "| `{name}` | {text} |");
        }
    }
    out
}

const PREFACE: &str = "\
# Configuration

Generated from the code: do not edit. `midwatch config explain` prints the same.

Midwatch needs no configuration. With `midwatch serve --config midwatch.toml` it reads one in TOML:

```toml
listen = \"127.0.0.1:4004\"
retention = \"90d\"
scrape_config_files = [\"prometheus.yml\"]

[host]
processes_per_measure = 50

[discover]
enabled = false
```

Flags go before the file, the file before the defaults. A duration is written with its unit (`500ms`, `30s`, `1h30m`,
`15d`, `1y`), a size too (`512MiB`, `20GiB`, `500MB`; a plain number is bytes). Paths are relative to the folder of the file.
What is unknown or wrong keeps Midwatch from starting, and all of it is named at once; `midwatch config check FILE`
does only that.
";

const PROMETHEUS: &str = "
## A configuration of Prometheus

A file given to `--config` whose name ends in `.yml` or `.yaml`, and each file in `scrape_config_files`, is a configuration
of Prometheus: its `scrape_configs` are scraped as Prometheus does, with the same defaults. What has no effect is named in a
warning. What would change what is scraped, and is not there, is an error, and so is every key that Prometheus does not
have. Variables and environment are not expanded. Anchors, aliases and `<<` work.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::golden;

    #[test]
    fn the_reference_is_up_to_date() {
        golden("docs/reference/configuration.md", &document());
        golden("crates/midwatch/src/config/explain.txt", &text(None).unwrap());
    }

    #[test]
    fn one_setting_or_section() {
        let one = text(Some("store.head_age")).unwrap();
        assert!(one.starts_with("store.head_age (duration, 1s to 1w)\n"), "{one}");
        assert!(text(Some("query")).unwrap().contains("query.lookback"));
        assert!(text(Some("retenton")).unwrap_err().ends_with("did you mean \"retention\"?"));
    }

    #[test]
    fn the_file_of_the_preface_is_good() {
        let toml = PREFACE.split("```toml\n").nth(1).and_then(|t| t.split("```").next()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("m.toml"), toml).unwrap();
        std::fs::write(folder.path().join("prometheus.yml"), "scrape_configs: []").unwrap();
        assert_eq!(super::super::load(&folder.path().join("m.toml")).1, []);
    }
}
