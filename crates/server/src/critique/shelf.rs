//! The rules in force: those of the program, the files of the user's folder, and the rules of thumb in the data folder. Files are
//! looked at again when somebody asks, at most every two seconds; a broken one is named and counted, and the others go on.

use critic::library::Origin;
use critic::thumb::Thumb;
use critic::{Library, Rule};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use stdx::metrics::{Registry, Value};
use stdx::{Error, ErrorKind, Result};

/// How often files are looked at.
const PERIOD: Duration = Duration::from_secs(2);
/// Rules of thumb that are kept.
const THUMBS_MAX: usize = 500;

/// What a folder looked like: (name, length, time of change) of each file.
type Look = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// The rules, and where they come from.
pub struct Shelf {
    folder: Option<PathBuf>,
    thumbs: PathBuf,
    state: Mutex<State>,
    rules: Value,
    broken: Value,
}

struct State {
    looked: Option<Instant>,
    seen: Look,
    library: Arc<Library>,
}

impl Shelf {
    /// Reads all rules.
    pub fn open(folder: Option<PathBuf>, thumbs: PathBuf, registry: &Registry) -> Shelf {
        let shelf = Shelf {
            folder,
            thumbs,
            state: Mutex::new(State { looked: None, seen: Vec::new(), library: Arc::default() }),
            rules: registry.gauge("midwatch_critic_rules", "Rules of the critic that are in force."),
            broken: registry.gauge(
                "midwatch_critic_rules_broken",
                "Files of rules of the critic that are left out because something is wrong with them.",
            ),
        };
        shelf.library();
        shelf
    }

    /// Files of rules as they were last seen.
    pub fn files(&self) -> usize {
        self.state.lock().unwrap_or_else(|e| e.into_inner()).seen.len()
    }

    /// The folder of the user's rules.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The rules as the files are now.
    pub fn library(&self) -> Arc<Library> {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        if state.looked.is_some_and(|at| at.elapsed() < PERIOD) {
            return state.library.clone();
        }
        let (seen, problem) = self.look();
        if state.looked.is_none() || seen != state.seen || problem.is_some() {
            let mut library = Library::load(&self.read(&seen), &is_promql);
            if let Some((file, what)) = problem {
                library.problems.insert(0, critic::Problem { file, what });
            }
            self.rules.set(library.rules().len() as f64);
            self.broken.set(library.problems.len() as f64);
            state.library = Arc::new(library);
            state.seen = seen;
        }
        state.looked = Some(Instant::now());
        state.library.clone()
    }

    /// Which files there are; and what is wrong with the user's folder.
    fn look(&self) -> (Look, Option<(String, String)>) {
        let mut seen = list(&self.thumbs).unwrap_or_default();
        let problem = self.folder.as_ref().and_then(|folder| match list(folder) {
            Ok(files) => {
                seen.extend(files);
                None
            }
            Err(e) => Some((
                folder.display().to_string(),
                format!("the folder cannot be read: {e}; see critic.rules"),
            )),
        });
        (seen, problem)
    }

    fn read(&self, seen: &Look) -> Vec<(Origin, String, String)> {
        let files = seen.iter().take(critic::library::FILES_MAX + THUMBS_MAX + 1);
        files
            .map(|(path, length, _)| {
                let origin = if path.starts_with(&self.thumbs) { Origin::Thumb } else { Origin::Folder };
                let name = path.file_name().unwrap_or_default().to_string_lossy().to_string();
                // One byte more than a rule may have says that it is too long; more is not read.
                let text = match *length > critic::rule::FILE_BYTES_MAX as u64 {
                    true => "#".repeat(critic::rule::FILE_BYTES_MAX + 1),
                    false => std::fs::read(path)
                        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                        .unwrap_or_else(|e| format!("the file cannot be read: {e}")),
                };
                (origin, name, text)
            })
            .collect()
    }

    /// Makes a rule of thumb a rule, durable when this returns.
    ///
    /// # Errors
    /// `Invalid` if it makes no rule, `TooLarge` if there are too many, `Unavailable` if it cannot be written.
    pub fn write(&self, thumb: &Thumb, now_ms: i64) -> Result<(Rule, String)> {
        let (rule, text) = thumb.rule(now_ms)?;
        is_promql(&rule).map_err(Error::invalid)?;
        let io = |e: std::io::Error| {
            Error::new(ErrorKind::Unavailable, format!("{} cannot be written: {e}", self.thumbs.display()))
        };
        if list(&self.thumbs).unwrap_or_default().len() >= THUMBS_MAX {
            let e = format!("there are {THUMBS_MAX} rules of thumb already; remove one first");
            return Err(Error::new(ErrorKind::TooLarge, e));
        }
        std::fs::create_dir_all(&self.thumbs).map_err(io)?;
        let path = self.thumbs.join(format!("{}.toml", rule.id));
        store::durable::replace(&path, text.as_bytes()).map_err(io)?;
        self.forget();
        Ok((rule, text))
    }

    /// Takes a rule of thumb away.
    ///
    /// # Errors
    /// `NotFound` if it is none that was written in the page.
    pub fn remove(&self, id: &str) -> Result<()> {
        let is_name = id.starts_with("thumb-") && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let path = self.thumbs.join(format!("{id}.toml"));
        if !is_name || !path.is_file() {
            let text =
                format!("{id:.80?} is no rule of thumb; other rules are files, or come with the program");
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        std::fs::remove_file(&path).map_err(|e| {
            Error::new(ErrorKind::Unavailable, format!("{} cannot be removed: {e}", path.display()))
        })?;
        self.forget();
        Ok(())
    }

    fn forget(&self) {
        self.state.lock().unwrap_or_else(|e| e.into_inner()).looked = None;
    }
}

/// Rules whose queries cannot be parsed would be silent for ever.
fn is_promql(rule: &Rule) -> std::result::Result<(), String> {
    for question in &rule.questions {
        let places = [
            ("$target", "a=\"b\""),
            ("$service", "a=\"b\""),
            ("$host", "a=\"b\""),
            ("$window", "15m"),
            ("$name", "b"),
        ];
        let promql =
            places.iter().fold(question.promql.clone(), |text, (place, with)| text.replace(place, with));
        ::query::parse(&promql).map_err(|e| format!("query {:?} is no PromQL: {e}", question.name))?;
    }
    Ok(())
}

fn list(folder: &Path) -> std::io::Result<Look> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "toml")
            && let Ok(about) = std::fs::metadata(&path)
            && about.is_file()
        {
            files.push((path, about.len(), about.modified().ok()));
        }
        if files.len() > 2 * critic::library::FILES_MAX {
            break;
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands in rules that come with the program is PromQL.
    #[test]
    fn every_query_is_valid() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(None, folder.path().join("none"), &Registry::default());
        assert_eq!(shelf.library().problems, []);
        assert!(shelf.library().rules().len() >= 60);
    }

    #[test]
    fn files_are_read_anew_when_they_change_and_broken_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::default();
        let shelf = Shelf::open(Some(folder.path().into()), folder.path().join("thumbs"), &registry);
        let ours = shelf.library().rules().len();
        let rule = "id = 'mine'\ntitle = 't'\nchecks = 'c'\nkind = 'data'\nweight = 5\nalways = true\ntext = 'x'\nwhy = 'w'\n";
        std::fs::write(folder.path().join("mine.toml"), rule).unwrap();
        std::fs::write(folder.path().join("bad.toml"), "id = ").unwrap();
        let query = "[[query]]\nname = 'a'\npromql = 'up{'\nsays = 's'\n";
        std::fs::write(folder.path().join("worse.toml"), rule.replace("mine", "worse") + query).unwrap();
        shelf.forget();
        let library = shelf.library();
        assert_eq!(library.rules().len(), ours + 1);
        let problems: Vec<&str> = library.problems.iter().map(|p| p.file.as_str()).collect();
        assert_eq!(problems, ["bad.toml", "worse.toml"]);
        assert!(library.problems[1].what.contains("is no PromQL"), "{:?}", library.problems);
        std::fs::remove_dir_all(folder.path()).unwrap();
        shelf.forget();
        assert!(shelf.library().problems[0].what.contains("cannot be read"));
    }

    #[test]
    fn a_rule_of_thumb_is_written_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(None, folder.path().join("thumbs"), &Registry::default());
        let thumb = Thumb {
            see: "checkout times out".into(),
            look: "locks".into(),
            look_query: "max(pg_locks_count)".into(),
            because: "it was that".into(),
            ..Thumb::default()
        };
        let (rule, _) = shelf.write(&thumb, 5).unwrap();
        assert!(shelf.library().get(&rule.id).is_some());
        let bad = Thumb { look_query: "max(".into(), ..thumb };
        assert!(shelf.write(&bad, 6).unwrap_err().to_string().contains("is no PromQL"));
        assert_eq!(shelf.remove("../x").unwrap_err().kind, ErrorKind::NotFound);
        assert_eq!(shelf.remove("last-healthy-copy").unwrap_err().kind, ErrorKind::NotFound);
        shelf.remove(&rule.id).unwrap();
        assert!(shelf.library().get(&rule.id).is_none());
    }
}
