//! Lines of an access log as a busy shop would have them: few users do most, few paths are asked most, and each line has an
//! identifier of its own. The same lines come each time. It must never depend on a clock but for the times it is given.

/// Lines sent at once.
pub const BATCH: u64 = 2_000;
/// Time between two lines, nanoseconds: 500 a second.
pub const STEP_NS: i64 = 2_000_000;

const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "curl/8.5.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
];
const PATHS: [&str; 8] = [
    "/",
    "/cart",
    "/api/v1/items",
    "/static/app.js",
    "/static/style.css",
    "/search",
    "/checkout",
    "/api/v1/users",
];
const STATUSES: [u16; 6] = [200, 200, 200, 304, 404, 500];

/// Numbers that look random, by SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Small numbers more often than large ones, below `n`.
    fn skewed(&mut self, n: u64) -> u64 {
        (self.next() % n).min(self.next() % n).min(self.next() % n)
    }
}

/// The identifier of a line.
pub fn id(number: u64) -> String {
    let mut random = Random(number ^ 0x5eed);
    format!("{:016x}{:016x}", random.next(), random.next())
}

/// How lines are written.
#[derive(Clone, Copy, PartialEq)]
pub enum Form {
    /// nginx's `combined`, with the time taken and an identifier of the request behind it.
    Identified,
    /// nginx's `combined` as it is.
    Combined,
}

/// One line without its end.
pub fn line(number: u64, time_ns: i64, form: Form, out: &mut String) {
    use std::fmt::Write;
    let mut random = Random(number.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let user = random.skewed(200_000);
    let (a, b, c, d) = (11 + user % 180, user / 7 % 256, user / 11 % 256, user % 251);
    let path = PATHS[random.skewed(8) as usize];
    let rest = match path {
        "/api/v1/items" => format!("/{}", random.skewed(50_000)),
        "/api/v1/users" => format!("/{user}/orders?page={}", random.skewed(9)),
        "/search" => format!("?q=term{}", random.skewed(5_000)),
        _ => String::new(),
    };
    let method = if path == "/checkout" { "POST" } else { "GET" };
    let (status, size) = (STATUSES[random.skewed(6) as usize], random.skewed(60_000));
    let (agent, took) = (AGENTS[(user % 6) as usize], random.skewed(900));
    let time = model::time::format_rfc3339_ms(time_ns / 1_000_000);
    let _ = write!(
        out,
        "{a}.{b}.{c}.{d} - - [{time}] \"{method} {path}{rest} HTTP/1.1\" {status} {size} \"https://shop.example/\" \"{agent}\""
    );
    if form == Form::Identified {
        let _ = write!(out, " 0.{took:03} {}", id(number));
    }
}

/// The names of its parts.
pub const FORMAT: &str = "$remote_addr - $remote_user [$time_iso8601] \"$request\" $status $body_bytes_sent \"$http_referer\" \
                          \"$http_user_agent\" $request_time $request_id";

/// One request of Loki's push API with a batch of lines, and the bytes that they have as lines.
pub fn push(first: u64, start_ns: i64, form: Form, out: &mut Vec<u8>) -> u64 {
    out.clear();
    out.extend_from_slice(
        b"{\"streams\":[{\"stream\":{\"service_name\":\"nginx\",\"host\":\"web-1\"},\"values\":[",
    );
    let (mut text, mut raw) = (String::new(), 0);
    for number in first..first + BATCH {
        text.clear();
        let time_ns = start_ns + number as i64 * STEP_NS;
        line(number, time_ns, form, &mut text);
        raw += text.len() as u64 + 1;
        let comma = if number > first { "," } else { "" };
        let quoted = serde_json::Value::from(text.as_str());
        out.extend_from_slice(format!("{comma}[\"{time_ns}\",{quoted}]").as_bytes());
    }
    out.extend_from_slice(b"]}]}");
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_access_logs_and_the_same_each_time() {
        let mut text = String::new();
        line(7, 1_767_225_600_000_000_000, Form::Identified, &mut text);
        let mut again = String::new();
        line(7, 1_767_225_600_000_000_000, Form::Identified, &mut again);
        assert_eq!(text, again);
        assert!(text.ends_with(&id(7)) && text.contains("[2026-01-01T00:00:00Z] \""), "{text}");
        let mut body = Vec::new();
        let raw = push(0, 0, Form::Combined, &mut body);
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let values = json["streams"][0]["values"].as_array().unwrap();
        assert_eq!(values.len() as u64, BATCH);
        assert_eq!(values.iter().map(|v| v[1].as_str().unwrap().len() as u64 + 1).sum::<u64>(), raw);
    }
}
