//! A notification as an e-mail: a message of RFC 5322 in ASCII, whatever is in the texts. Messages of one group form a
//! thread. It must never let a text of a label become a header, nor an address that nobody wrote into the settings.

use super::config::Target;
use super::dispatch::Notification;
use super::payload::{lines, links};
use super::words::headline;
use chrono::{DateTime, Datelike, Timelike, Utc};

/// The most recipients of one message.
const RECIPIENTS_MAX: usize = 100;
/// Characters of an encoded word besides its frame (RFC 2047: 75 in all).
const WORD_CHARS: usize = 60;
/// The longest line of quoted-printable text.
const LINE_CHARS: usize = 74;

/// A message, and between whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Mail {
    /// The sender's address alone.
    pub from: String,
    /// The recipients' addresses alone.
    pub to: Vec<String>,
    /// Headers and text, lines ended by CR LF.
    pub message: String,
}

/// The message of a notification.
///
/// # Errors
/// Which address is none.
pub fn mail(n: &Notification, target: &Target, base: &str) -> Result<Mail, String> {
    let from = address(target.option("from"))?;
    let to = target.option("to").split(',').map(str::trim).filter(|t| !t.is_empty());
    let to: Vec<String> = to.take(RECIPIENTS_MAX).map(address).collect::<Result<_, _>>()?;
    if to.is_empty() {
        return Err("\"to\" names nobody".into());
    }
    let domain = from.rsplit('@').next().unwrap_or("localhost");
    let thread = super::payload::dedup_key(n);
    let mut text = vec![headline(n), String::new()];
    text.extend(lines(n));
    text.extend(links(n, base).into_iter().map(|(title, url)| format!("{title}: {url}")));
    let headers = [
        ("Date", date(n.at_ms)),
        ("From", format!("Midwatch <{from}>")),
        ("To", to.join(", ")),
        ("Subject", encoded(&headline(n))),
        ("Message-ID", format!("<{}.{thread}@{domain}>", n.id)),
        ("In-Reply-To", format!("<{thread}@{domain}>")),
        ("References", format!("<{thread}@{domain}>")),
        ("Auto-Submitted", "auto-generated".to_string()),
        ("MIME-Version", "1.0".to_string()),
        ("Content-Type", "text/plain; charset=utf-8".to_string()),
        ("Content-Transfer-Encoding", "quoted-printable".to_string()),
    ];
    let head: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    Ok(Mail { from, to, message: format!("{head}\r\n{}", quoted(&text.join("\n"))) })
}

/// The address in `Name <address>`, or the text itself.
fn address(text: &str) -> Result<String, String> {
    let inner = text.rsplit_once('<').map_or(text, |(_, rest)| rest.trim_end().trim_end_matches('>')).trim();
    let is_plain = |c: char| c.is_ascii_graphic() && !"<>()[],;:\\\"".contains(c);
    match inner.split_once('@') {
        Some((name, domain))
            if !name.is_empty()
                && !domain.is_empty()
                && inner.chars().all(is_plain)
                && !text.contains(char::is_control) =>
        {
            Ok(inner.to_string())
        }
        _ => Err(format!("{:?} is no e-mail address", inner.chars().take(100).collect::<String>())),
    }
}

/// `Sun, 22 Nov 2026 03:14:00 +0000`.
fn date(at_ms: i64) -> String {
    let at = DateTime::<Utc>::from_timestamp_millis(at_ms).unwrap_or_default();
    let day = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][at.weekday().num_days_from_sunday() as usize];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months[at.month0() as usize];
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    format!("{day}, {:02} {month} {} {hour:02}:{minute:02}:{second:02} +0000", at.day(), at.year())
}

/// A header's text: as it is where that is plain, else as encoded words.
fn encoded(text: &str) -> String {
    let is_plain =
        text.len() < 200 && text.bytes().all(|b| (b' '..=b'~').contains(&b)) && !text.contains("=?");
    if is_plain {
        return text.to_string();
    }
    let (mut words, mut word) = (Vec::new(), String::new());
    let mut buffer = [0; 4];
    for c in text.chars() {
        let safe = c.is_ascii_alphanumeric() || "!*+-/".contains(c);
        let part: String = match c {
            c if safe => c.to_string(),
            ' ' => "_".into(),
            c => c.encode_utf8(&mut buffer).bytes().map(|b| format!("={b:02X}")).collect(),
        };
        if word.len() + part.len() > WORD_CHARS {
            words.push(std::mem::take(&mut word));
        }
        word += &part;
    }
    words.push(word);
    words.iter().map(|w| format!("=?utf-8?Q?{w}?=")).collect::<Vec<_>>().join("\r\n ")
}

/// Quoted-printable (RFC 2045).
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for line in text.split('\n') {
        let mut length = 0;
        let bytes = line.trim_end_matches('\r').as_bytes();
        for (i, b) in bytes.iter().enumerate() {
            let is_last_space = *b == b' ' && i + 1 == bytes.len();
            // A dot at the begin of a line means something to SMTP.
            let is_plain =
                (b' '..=b'~').contains(b) && *b != b'=' && !is_last_space && !(*b == b'.' && length == 0);
            let part = if is_plain { char::from(*b).to_string() } else { format!("={b:02X}") };
            if length + part.len() > LINE_CHARS {
                out += "=\r\n";
                length = 0;
            }
            length += part.len();
            out += &part;
        }
        out += "\r\n";
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_in_ascii() {
        assert_eq!(encoded("PAGE: disk full"), "PAGE: disk full");
        assert_eq!(
            encoded("für = ü\r\nBcc: x@y.ch"),
            "=?utf-8?Q?f=C3=BCr_=3D_=C3=BC=0D=0ABcc=3A_x=40y=2Ech?="
        );
        let long = encoded(&"ü".repeat(100));
        assert!(long.split("\r\n ").all(|w| w.len() <= 75 && w.starts_with("=?utf-8?Q?")), "{long}");
        assert_eq!(quoted("a=b ü.\n.\nend "), "a=3Db =C3=BC.\r\n=2E\r\nend=20\r\n");
        assert!(quoted(&"x".repeat(500)).lines().all(|l| l.len() <= 76));
        assert_eq!(date(1_795_319_986_226), "Sun, 22 Nov 2026 03:59:46 +0000");
    }

    #[test]
    fn addresses() {
        for (text, want) in [
            ("ada@example.org", Some("ada@example.org")),
            ("Ada <ada@example.org>", Some("ada@example.org")),
            ("ada", None),
            ("@b", None),
            ("a@b\r\nRCPT TO:<x@y>", None),
            ("a@b c", None),
            ("\"a b\"@c", None),
        ] {
            assert_eq!(address(text).ok().as_deref(), want, "{text}");
        }
    }
}
