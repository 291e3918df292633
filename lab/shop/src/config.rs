//! Configuration from etcd, asked for every two seconds through its JSON gateway. It must never keep a process from
//! serving: when no member answers, what was known stays.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// Values below `/shop/SERVICE/`.
#[derive(Default)]
pub struct Config {
    values: Mutex<BTreeMap<String, String>>,
}

impl Config {
    /// A value as a number.
    pub fn number(&self, name: &str, default: u64) -> u64 {
        self.text(name).and_then(|v| v.parse().ok()).unwrap_or(default)
    }

    /// A value.
    pub fn text(&self, name: &str) -> Option<String> {
        self.values.lock().expect("no holder panics").get(name).cloned()
    }

    /// All.
    pub fn all(&self) -> BTreeMap<String, String> {
        self.values.lock().expect("no holder panics").clone()
    }

    /// Asks one member after the other; true if what is known changed.
    pub async fn refresh(&self, http: &reqwest::Client, members: &[String], service: &str) -> bool {
        let prefix = format!("/shop/{service}/");
        let mut end = prefix.clone().into_bytes();
        *end.last_mut().expect("not empty") += 1;
        let body = json!({ "key": encode(prefix.as_bytes()), "range_end": encode(&end) }).to_string();
        for member in members {
            let url = format!("http://{member}/v3/kv/range");
            let request = http.post(url).body(body.clone()).timeout(Duration::from_secs(1));
            let Ok(response) = request.send().await else { continue };
            if !response.status().is_success() {
                continue;
            }
            let Ok(bytes) = response.bytes().await else { continue };
            let Ok(answer) = serde_json::from_slice::<Value>(&bytes) else { continue };
            let text = |v: &Value| {
                v.as_str().and_then(decode).and_then(|b| String::from_utf8(b).ok()).unwrap_or_default()
            };
            let pairs = answer["kvs"].as_array().into_iter().flatten();
            let read = pairs.map(|kv| (text(&kv["key"]).replace(&prefix, ""), text(&kv["value"]))).collect();
            let mut values = self.values.lock().expect("no holder panics");
            let changed = *values != read;
            *values = read;
            return changed;
        }
        false
    }
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 (RFC 4648, section 4), which etcd's gateway uses for bytes.
fn encode(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().enumerate().fold(0u32, |b, (i, byte)| b | u32::from(*byte) << (16 - 8 * i));
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for byte in text.bytes().filter(|b| *b != b'=') {
        bits = bits << 6 | LETTERS.iter().position(|l| *l == byte)? as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of RFC 4648, section 10.
    #[test]
    fn base64() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(plain.as_bytes()));
        }
        assert_eq!(decode("!"), None);
    }
}
