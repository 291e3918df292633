//! The agent's data folder: marked as its own, so that no other program's folder is taken for one. It must never touch a
//! folder that has something else in it.

use std::path::Path;
use stdx::{Error, ErrorKind, Result};

/// Marks the folder, and has the agent's number.
const MARK: &str = "midwatch-agent.json";
/// Bytes of the name of a host, as of the label.
const NAME_BYTES_MAX: usize = 253;

/// Makes the folder if it is not there; returns the number of the agent that it belongs to.
///
/// # Errors
/// `Conflict` if it holds something else; `Unavailable`.
pub fn claim(folder: &Path) -> Result<String> {
    let shown = folder.display();
    let fail = |e| Error::wrap(ErrorKind::Unavailable, format!("cannot use the folder {shown}"), e);
    std::fs::create_dir_all(folder).map_err(fail)?;
    let path = folder.join(MARK);
    if let Ok(bytes) = std::fs::read(&path)
        && let Ok(json) = serde_json::from_slice::<serde_json::Value>(&bytes)
        && let Some(id) = json["id"].as_str().filter(|id| is_number(id))
    {
        return Ok(id.into());
    }
    let mut others = std::fs::read_dir(folder).map_err(fail)?.flatten().map(|e| e.file_name());
    if let Some(other) = others.find(|name| name != MARK) {
        let text = format!(
            "{shown} holds {other:?} and is not the folder of an agent; name an empty one with --data"
        );
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    let id = format!("{:016x}", super::backoff::random());
    let json = serde_json::json!({ "format": 1, "id": id });
    store::durable::replace(&path, format!("{json}\n").as_bytes()).map_err(fail)?;
    Ok(id)
}

fn is_number(id: &str) -> bool {
    id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether this can be the name of a host: it becomes the label `instance`.
///
/// # Errors
/// `Invalid` with what is wrong.
pub fn check_name(name: &str) -> Result<()> {
    let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'));
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !is_plain {
        let text = "the name of a host has letters, digits, '-', '_', '.' and ':' only, at most 253; name it with --name";
        return Err(Error::invalid(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_claimed_once_and_no_other_program_loses_its_own() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("agent");
        let id = claim(&folder).unwrap();
        std::fs::write(folder.join("more"), "of ours").unwrap();
        assert_eq!(claim(&folder).unwrap(), id, "it stays the same agent");
        let other = home.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("MIDWATCH"), "x").unwrap();
        assert_eq!(claim(&other).unwrap_err().kind, ErrorKind::Conflict);
        assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);
    }

    #[test]
    fn names() {
        for (name, is_good) in
            [("db-7", true), ("db-7.example.org", true), ("", false), ("a b", false), ("\u{1b}[31m", false)]
        {
            assert_eq!(check_name(name).is_ok(), is_good, "{name:?}");
        }
    }
}
