//! Paths with `*` and `?` to the files that there are. It must never follow more than a bound, nor go deeper than the path says.

use std::path::{Path, PathBuf};

/// Entries of one folder that are looked at.
const ENTRIES_MAX: usize = 10_000;

/// Files that fit, at most `max`, in order.
pub fn find(pattern: &str, max: usize) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from(if pattern.starts_with('/') { "/" } else { "" })];
    for part in pattern.split('/').filter(|p| !p.is_empty()) {
        let is_plain = !part.contains(['*', '?']);
        found = found
            .into_iter()
            .flat_map(|folder| if is_plain { vec![folder.join(part)] } else { entries(&folder, part) })
            .take(max)
            .collect();
    }
    found.retain(|path| path.is_file());
    found.sort();
    found
}

/// Whether a path fits, part by part.
pub fn matches(pattern: &str, path: &Path) -> bool {
    let path = path.to_string_lossy();
    let parts = |text: &str| text.split('/').filter(|p| !p.is_empty()).map(String::from).collect::<Vec<_>>();
    let (pattern, path) = (parts(pattern), parts(&path));
    pattern.len() == path.len() && pattern.iter().zip(&path).all(|(p, n)| fits(p.as_bytes(), n.as_bytes()))
}

fn entries(folder: &Path, part: &str) -> Vec<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let all = std::fs::read_dir(folder).into_iter().flatten().flatten().take(ENTRIES_MAX);
    let fits = |e: &std::fs::DirEntry| fits(part.as_bytes(), e.file_name().as_encoded_bytes());
    all.filter(fits).map(|e| e.path()).collect()
}

/// Whether a name fits, without backtracking more than one star back.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b) if *b == b'?' || *b == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit() {
        for (pattern, name, want) in [
            ("*.log", "a.log", true),
            ("*.log", "a.log.1", false),
            ("a*b*c", "aXXbYYbc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("**********x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), want, "{pattern} {name}");
        }
    }

    #[test]
    fn paths_fit_part_by_part() {
        for (pattern, path, want) in
            [("/a/*.log", "/a/b.log", true), ("/a/*.log", "/a/c/b.log", false), ("/*/b", "/a/b", true)]
        {
            assert_eq!(matches(pattern, Path::new(path)), want, "{pattern} {path}");
        }
    }

    #[test]
    fn files_are_found() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/x.log", "b/x.log", "b/y.txt", "x.log"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let root = folder.path().display().to_string();
        let names = |pattern: &str| -> Vec<String> {
            let found = find(&format!("{root}/{pattern}"), 10);
            found.iter().map(|p| p.strip_prefix(&root).unwrap().display().to_string()).collect()
        };
        assert_eq!(names("*/*.log"), ["a/x.log", "b/x.log"]);
        assert_eq!(names("x.log"), ["x.log"]);
        assert_eq!(names("*"), ["x.log"], "no folders");
        assert!(names("none/*").is_empty());
    }
}
