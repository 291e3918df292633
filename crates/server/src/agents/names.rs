//! The name of an agent's capture: that of the server's capture that it belongs to, and the host. It must never be one that
//! cannot be the name of a folder, nor the same for two hosts.

use std::hash::{DefaultHasher, Hasher};

/// Between the name of the server's capture and the host.
const AT: &str = "-at-";
/// Characters of the host in it.
const HOST_CHARS_MAX: usize = 20;

/// `20261122-061710-123-at-web-1`. A host whose name cannot stand there as it is gets four digits besides.
pub fn name_at(capture: &str, host: &str) -> String {
    let plain: String =
        host.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect();
    if plain == host && plain.len() <= HOST_CHARS_MAX && !plain.contains(AT) {
        return format!("{capture}{AT}{plain}");
    }
    let mut hasher = DefaultHasher::new();
    hasher.write(host.as_bytes());
    let kept: String = plain.to_ascii_lowercase().chars().take(HOST_CHARS_MAX - 5).collect();
    format!("{capture}{AT}{kept}-{:04x}", hasher.finish() & 0xffff)
}

/// The name of the server's capture, if this is the name of an agent's.
pub fn base_of(name: &str) -> Option<&str> {
    name.split_once(AT).map(|(base, _)| base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folders_and_differ_by_host() {
        let base = "20261122-061710-123-99";
        let hosts = [
            "web-1",
            "web.1",
            "WEB-1",
            "web_1",
            "-at-x",
            "a-host-with-a-very-long-name-1.example.org",
            "a-host-with-a-very-long-name-2.example.org",
            "web1.example.org",
            "[::1]:4004",
        ];
        let names: std::collections::BTreeSet<String> = hosts.iter().map(|h| name_at(base, h)).collect();
        assert_eq!(names.len(), hosts.len(), "{names:?}");
        for name in &names {
            assert!(store::captures::is_id(name), "{name}");
            assert_eq!(base_of(name), Some(base), "{name}");
        }
        assert_eq!(name_at(base, "web-1"), "20261122-061710-123-99-at-web-1");
        assert_eq!(base_of(base), None);
    }
}
