//! Command lines without the secrets in them. What is known to be a secret by its name (`--password`, `TOKEN=`, the
//! password of a URL, `Authorization:`) or by its form (keys that say what they are) is replaced; everything else stays,
//! because a command line that says nothing helps nobody. It must never give back what it recognised.

/// What stands in the place of a secret.
pub const REDACTED: &str = "***";

/// Parts of names after which a secret stands.
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api-key",
    "api_key",
    "accesskey",
    "access-key",
    "access_key",
    "privatekey",
    "private-key",
    "private_key",
    "credential",
    "auth",
    "bearer",
    "cookie",
    "sessionid",
    "session-id",
    "session_id",
    "signature",
    "dsn",
    "conn-str",
    "connection-string",
    "connection_string",
];

/// Names that have such a part and hold no secret.
const HARMLESS: &[&str] = &[
    "author",
    "authority",
    "authorized",
    "no-auth",
    "auth-mode",
    "auth-type",
    "auth-method",
    "auth-file",
    "auth_mode",
    "auth_type",
    "auth_method",
    "password-file",
    "passwd-file",
    "token-file",
    "secret-file",
    "passwordfile",
    "tokenfile",
    "secretfile",
    "password_file",
    "token_file",
    "secret_file",
    "secret-name",
    "secret_name",
    "tokenizer",
    "max-tokens",
    "max_tokens",
    "num-tokens",
];

/// Beginnings that only secrets have.
const FORMS: &[&str] = &[
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xoxs-",
    "sk-ant-",
    "sk_live_",
    "rk_live_",
    "sk-proj-",
    "AKIA",
    "ASIA",
    "eyJhbGciOi",
    "AIza",
    "npm_",
    "dop_v1_",
    "hvs.",
    "-----BEGIN",
];
/// Programs of which an argument with blanks is a script, and not one value.
const SHELLS: &[&str] =
    &["sh", "bash", "dash", "ash", "zsh", "ksh", "fish", "su", "env", "ssh", "watch", "timeout"];
/// A form counts from this length on; a lone name before the `@` of an address is taken for a token from there on.
const FORM_BYTES_MIN: usize = 16;

/// Programs of which an option of one letter is a password: the name, the letter, and whether the secret may stand in
/// the next argument.
const SHORT: &[(&str, &str, bool)] = &[
    ("mysql", "-p", false),
    ("mysqldump", "-p", false),
    ("mysqladmin", "-p", false),
    ("mariadb", "-p", false),
    ("mariadb-dump", "-p", false),
    ("redis-cli", "-a", true),
    ("valkey-cli", "-a", true),
    ("curl", "-u", true),
    ("curl", "--user", true),
    ("curl", "-U", true),
    ("curl", "--proxy-user", true),
    ("sshpass", "-p", true),
    ("mongo", "-p", true),
    ("mongosh", "-p", true),
    ("mongodump", "-p", true),
    ("sqlcmd", "-P", true),
    ("ldapsearch", "-w", true),
    ("ipmitool", "-P", true),
    ("smbclient", "-U", true),
    ("docker login", "-p", true),
    ("podman login", "-p", true),
    ("snmpwalk", "-c", true),
];

/// A command line as /proc gives it, arguments ended by zeros, as one text without what looks like a secret. At most so
/// many bytes are looked at.
pub fn command(arguments: &[u8], bytes_max: usize) -> String {
    let whole = &arguments[..arguments.len().min(bytes_max)];
    let whole = whole.strip_suffix(&[0]).unwrap_or(whole);
    let texts: Vec<String> =
        whole.split(|b| *b == 0).map(|a| String::from_utf8_lossy(a).into_owned()).collect();
    // A program that wrote its own title has blanks where others have zeros.
    let parts: Vec<&str> = match texts.as_slice() {
        [one] => one.split(' ').collect(),
        all => all.iter().map(String::as_str).collect(),
    };
    let program = parts.first().map_or("", |p| p.rsplit('/').next().unwrap_or(p));
    let program = match parts.get(1) {
        Some(&"login") => &format!("{program} login"),
        _ => program,
    };
    let mut out = String::with_capacity(whole.len());
    let mut is_secret = false;
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        if std::mem::take(&mut is_secret) && !part.starts_with("--") && !part.is_empty() {
            // `Authorization: Bearer ...` in two arguments: both words go.
            is_secret = part.eq_ignore_ascii_case("bearer") || part.eq_ignore_ascii_case("basic");
            out.push_str(REDACTED);
            continue;
        }
        let (shown, next) = argument(program, part);
        out.push_str(&shown.replace(|c: char| c.is_control(), " "));
        is_secret = next;
    }
    out.truncate(out.trim_end().len());
    out
}

/// One argument without secrets, and whether the next one is a secret.
fn argument(program: &str, text: &str) -> (String, bool) {
    for (of, option, may_be_next) in SHORT {
        if program != *of {
            continue;
        }
        if text == *option {
            return (text.into(), *may_be_next);
        }
        if let Some(rest) = text.strip_prefix(option).filter(|_| !text.starts_with("--")) {
            debug_assert!(!rest.is_empty(), "the option alone was seen to above");
            return (format!("{option}{REDACTED}"), false);
        }
    }
    if is_form(text) {
        return (REDACTED.into(), false);
    }
    if text.contains(' ') && SHELLS.contains(&program) {
        return (inside(text), false);
    }
    if text.starts_with("pass:") {
        return (format!("pass:{REDACTED}"), false);
    }
    // `--name=value`, `NAME=value`, `name:value` of a header.
    if let Some((name, value)) = text.split_once('=').filter(|(name, _)| is_name(name)) {
        if names_secret(name) && !value.is_empty() {
            return (format!("{name}={REDACTED}"), false);
        }
        return (format!("{name}={}", inside(value)), false);
    }
    if let Some((name, value)) = text.split_once(':').filter(|(name, _)| is_name(name)) {
        if names_secret(name) && !value.is_empty() && !value.starts_with("//") {
            return (format!("{name}: {REDACTED}"), false);
        }
        if names_secret(name) && value.is_empty() {
            return (text.into(), true);
        }
    }
    let is_option = text.starts_with('-') && is_name(text.trim_start_matches('-'));
    (inside(text), is_option && names_secret(text))
}

/// Whether a text may be a name: of an option, a variable, a header.
fn is_name(text: &str) -> bool {
    let text = text.trim_start_matches('-');
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn names_secret(name: &str) -> bool {
    let name = name.trim_start_matches('-').to_ascii_lowercase();
    let is_in = |list: &[&str]| list.iter().any(|part| name.contains(part));
    let is_key = ["_key", "_pass", "-pass"].iter().any(|end| name.ends_with(end)) || name == "pass";
    // `author` is harmless and the beginning of what is not.
    name.contains("authorization") || (is_key || is_in(NAMES)) && !is_in(HARMLESS)
}

fn is_form(text: &str) -> bool {
    text.len() >= FORM_BYTES_MIN && FORMS.iter().any(|form| text.starts_with(form))
}

/// A text without the secrets that stand within it: passwords of URLs, secret parameters of their queries, headers.
fn inside(text: &str) -> String {
    let mut out = without_password(text);
    if let Some(at) = out.find(['?', ';', '&']) {
        let (before, query) = out.split_at(at);
        let mut shown = before.to_string();
        for part in query.split_inclusive(['?', ';', '&', ' ']) {
            match part.split_once('=') {
                Some((name, value)) if is_name(name) && names_secret(name) => {
                    let end = value.chars().next_back().filter(|c| matches!(c, '?' | ';' | '&' | ' '));
                    shown.push_str(name);
                    shown.push('=');
                    shown.push_str(REDACTED);
                    shown.extend(end);
                }
                _ => shown.push_str(part),
            }
        }
        out = shown;
    }
    // A shell's whole script in one argument: its words, one by one.
    if out.contains(' ') {
        let mut is_secret = false;
        // A secret in quotes goes on until they close.
        let mut until: Option<char> = None;
        let words: Vec<String> = out
            .split(' ')
            .map(|word| {
                if let Some(quote) = until {
                    until = until.filter(|_| !word.ends_with(quote));
                    return REDACTED.to_string();
                }
                let opened = word.split_once('=').map_or(word, |(_, value)| value).chars().next();
                let opened = opened.filter(|c| matches!(c, '\'' | '"'));
                let opened = opened.filter(|quote| word.matches(*quote).count() == 1);
                if std::mem::take(&mut is_secret) && !word.is_empty() {
                    let name = word.trim_matches(['\'', '"']);
                    is_secret = name.eq_ignore_ascii_case("bearer") || name.eq_ignore_ascii_case("basic");
                    until = opened;
                    return REDACTED.to_string();
                }
                let bare = word.trim_matches(['\'', '"']);
                let (shown, next) = argument("", bare);
                is_secret = next;
                if shown != bare && shown.ends_with(REDACTED) {
                    until = opened;
                }
                if shown == bare { word.to_string() } else { shown }
            })
            .collect();
        out = words.join(" ");
    }
    out
}

/// `scheme://user:password@host` with the password replaced, wherever it stands.
fn without_password(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(['/', ' ', '?', '#', '"', '\'']).unwrap_or(after.len());
        // A password may hold an @ that nobody escaped: the last one ends it.
        let authority = after[..end].rfind('@');
        rest = match authority {
            Some(host) => {
                match after[..host].split_once(':') {
                    Some((user, _)) => out.extend([user, ":", REDACTED]),
                    None if host < FORM_BYTES_MIN => out.push_str(&after[..host]),
                    None => out.push_str(REDACTED),
                }
                &after[host..]
            }
            None => after,
        };
    }
    out + rest
}

#[cfg(test)]
mod tests;
