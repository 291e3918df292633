//! What happens to every answer between a handler and the connection: whether its format is acceptable, compression,
//! long answers in parts, and what pages of other origins may do. It must never look at what an answer says.

mod accept;
mod compress;
mod parts;
mod trusted;

pub use accept::acceptable;
pub use compress::compressed;
pub use parts::{LARGE_ANSWERS_BOUND, LARGE_ANSWERS_MAX, PART_BYTES, answer_in_parts};
pub use trusted::Trusted;

/// The quality that a list such as that of `Accept` gives to the first entry for which `is_it` is true, from 0 to 1000;
/// entries are in lower case, without parameters. `None` if there is no such entry.
pub fn quality(list: &str, is_it: impl Fn(&str) -> bool) -> Option<u32> {
    list.split(',').find_map(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let name = parts.next().unwrap_or("").to_ascii_lowercase();
        if !is_it(&name) {
            return None;
        }
        let q = parts.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
        let q: f64 = q.map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
        Some((q.clamp(0.0, 1.0) * 1000.0) as u32)
    })
}

#[cfg(test)]
mod tests {
    use super::quality;

    #[test]
    fn qualities() {
        for (list, name, want) in [
            ("gzip, zstd;q=0.5", "zstd", Some(500)),
            ("gzip, zstd;q=0.5", "gzip", Some(1000)),
            ("GZIP;level=1;q=0", "gzip", Some(0)),
            ("gzip;q=much", "gzip", Some(0)),
            ("gzip;q=-3", "gzip", Some(0)),
            ("br", "gzip", None),
            ("", "gzip", None),
        ] {
            assert_eq!(quality(list, |n| n == name), want, "{list}");
        }
    }
}
