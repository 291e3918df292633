//! The rules that come with the program, and folders of the user's.

use super::*;

fn any(_: &Rule) -> Result<(), String> {
    Ok(())
}

#[test]
fn every_rule_of_ours_is_whole_tested_and_cited() {
    let library = Library::load(&[], &any);
    assert_eq!(library.problems, []);
    assert!(library.rules().len() >= 60 && library.rules().len() == BUILTIN.len());
    for (rule, (file, _)) in library.rules().iter().zip(BUILTIN) {
        assert_eq!(format!("{}.toml", rule.id), *file);
        assert!(!rule.sources.is_empty(), "{} cites nothing", rule.id);
        let fires = |is| rule.trials.iter().any(|t| t.fires == is);
        assert!(fires(true) && fires(false), "{} is not tested both ways", rule.id);
        assert!(
            rule.checks.starts_with("wh") || rule.checks.starts_with("how"),
            "{}: {}",
            rule.id,
            rule.checks
        );
        for other in &rule.supersedes {
            assert!(library.get(other).is_some(), "{} supersedes {other}, which is none", rule.id);
        }
        assert!(rule.text.len() < 420 && rule.text.ends_with(['.', '?']), "{}: {}", rule.id, rule.text);
    }
}

fn mine(id: &str, title: &str) -> String {
    format!(
        "id = '{id}'\ntitle = '{title}'\nchecks = 'c'\nkind = 'data'\nweight = 5\nalways = true\ntext = 'x'\nwhy = 'w'\n"
    )
}

#[test]
fn a_broken_file_is_named_and_harms_no_other() {
    let file = |name: &str, text: String| (Origin::Folder, name.to_string(), text);
    let failing = mine("e", "t") + "[[test]]\nplan = 'restart api'\nfires = false\n";
    let library = Library::load(
        &[
            file("a.toml", mine("mine", "first")),
            file("b.toml", "id = ".into()),
            file("c.toml", mine("mine", "second")),
            file("d.toml", mine("last-healthy-copy", "ours is replaced")),
            file("e.toml", failing),
            file("f.toml", format!("#{}", "x".repeat(FILE_BYTES_MAX))),
            file("g.toml", mine("forbidden", "t")),
        ],
        &|rule| if rule.id == "forbidden" { Err("no PromQL".into()) } else { Ok(()) },
    );
    let title = |id: &str| library.get(id).map(|r| r.title.clone());
    assert_eq!(title("mine").as_deref(), Some("first"));
    assert_eq!(title("last-healthy-copy").as_deref(), Some("ours is replaced"));
    assert_eq!(library.rules().len(), BUILTIN.len() + 1);
    let problems: Vec<(&str, &str)> =
        library.problems.iter().map(|p| (p.file.as_str(), p.what.as_str())).collect();
    for (i, (file, part)) in [
        ("b.toml", "line 1"),
        ("c.toml", "another file has the id"),
        ("e.toml", "it does speak"),
        ("f.toml", "at most 65536"),
        ("g.toml", "no PromQL"),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(problems[i].0 == file && problems[i].1.contains(part), "{:?}", problems[i]);
    }
}

#[test]
fn a_folder_is_bounded() {
    let many: Vec<_> = (0..FILES_MAX + 2)
        .map(|i| (Origin::Folder, format!("{i}.toml"), mine(&format!("r{i}"), "t")))
        .collect();
    let library = Library::load(&many, &any);
    assert_eq!(library.problems.len(), 2);
    assert!(library.problems[0].what.contains("more than 1000 files"));
    let heavy: Vec<_> = (0..300)
        .map(|i| {
            let text = format!("{}#{}", mine(&format!("h{i}"), "t"), "x".repeat(60 << 10));
            (Origin::Folder, format!("{i}.toml"), text)
        })
        .collect();
    assert!(Library::load(&heavy, &any).problems[0].what.contains("bytes together"));
}
