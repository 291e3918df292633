//! Receivers: to whom, by which protocol, with which credentials.

use super::{Reader, Table};
use document::{Entry, Node, Value, did_you_mean};
use std::path::PathBuf;

/// The most targets of one receiver.
const TARGETS_MAX: usize = 100;

/// A secret, or where it stands. It never shows what it holds.
#[derive(Clone, PartialEq)]
pub enum Secret {
    /// The secret itself.
    Text(String),
    /// The file that holds it.
    File(PathBuf),
    /// The variable of the environment that holds it.
    Env(String),
}

/// A name with all that are told under it.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// As routes name it.
    pub name: String,
    /// Each is told.
    pub targets: Vec<Target>,
}

/// How a request identifies itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Auth {
    /// Not at all.
    None,
    /// Name and password.
    Basic(String, Secret),
    /// `Authorization: TYPE CREDENTIALS`.
    Header(String, Secret),
}

/// Who is told by which protocol.
#[derive(Clone, Debug)]
pub struct Target {
    /// The protocol.
    pub kind: TargetKind,
    /// Where to.
    pub url: Secret,
    /// Credentials.
    pub auth: Auth,
    /// What else identifies us: a routing key, an API key.
    pub key: Option<Secret>,
    /// Whether it is told that something is over.
    pub send_resolved: bool,
    /// What is left of its settings: `channel`, `username`, `priority` ...
    pub options: Vec<(String, String)>,
}

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// Alertmanager's webhook.
    Webhook,
    /// Alertmanager's API, version 2.
    Alertmanager,
    /// Slack's incoming webhook.
    Slack,
    /// PagerDuty's Events API, version 2.
    PagerDuty,
    /// Opsgenie's alert API, which others speak too.
    Opsgenie,
    /// ntfy.
    Ntfy,
    /// Microsoft Teams' workflow webhook.
    Teams,
    /// E-mail by SMTP.
    Email,
    /// Whoever is on call: a rota.
    OnCall,
}

struct Row {
    kind: TargetKind,
    /// The key in the file.
    list: &'static str,
    /// The key of its address.
    url: &'static str,
    /// Where that is if nothing is said.
    default_url: &'static str,
    /// The key of what identifies us, if there has to be one.
    key: &'static str,
    /// Alertmanager's default of `send_resolved`.
    send_resolved: bool,
    /// Other keys that are used.
    options: &'static [&'static str],
}

const ROWS: &[Row] = &[
    row(TargetKind::Webhook, "webhook_configs", "url", "", "", true, &["max_alerts"]),
    row(TargetKind::Alertmanager, "alertmanager_configs", "url", "", "", true, &[]),
    row(TargetKind::Slack, "slack_configs", "api_url", "", "", false, &["channel", "username", "icon_emoji"]),
    row(
        TargetKind::PagerDuty,
        "pagerduty_configs",
        "url",
        "https://events.pagerduty.com/v2/enqueue",
        "routing_key",
        true,
        &["severity", "component", "group", "class", "client"],
    ),
    row(
        TargetKind::Opsgenie,
        "opsgenie_configs",
        "api_url",
        "https://api.opsgenie.com/",
        "api_key",
        true,
        &["priority", "tags"],
    ),
    row(TargetKind::Ntfy, "ntfy_configs", "url", "", "", true, &["priority", "tags"]),
    row(TargetKind::Teams, "msteamsv2_configs", "webhook_url", "", "", true, &[]),
    row(TargetKind::Teams, "msteams_configs", "webhook_url", "", "", true, &[]),
    row(TargetKind::Email, "email_configs", "smarthost", "", "", false, EMAIL),
    row(TargetKind::OnCall, "oncall_configs", "", "rota:", "", true, &["rota"]),
];

/// Settings of e-mail; `auth_password` is its key.
const EMAIL: &[&str] = &["to", "from", "hello", "auth_username", "auth_identity", "require_tls"];

const fn row(
    kind: TargetKind,
    list: &'static str,
    url: &'static str,
    default_url: &'static str,
    key: &'static str,
    send_resolved: bool,
    options: &'static [&'static str],
) -> Row {
    Row { kind, list, url, default_url, key, send_resolved, options }
}

/// Receivers of Alertmanager that are not here.
const THEIRS: &[&str] = &[
    "discord_configs",
    "jira_configs",
    "mattermost_configs",
    "pushover_configs",
    "rocketchat_configs",
    "sns_configs",
    "telegram_configs",
    "victorops_configs",
    "webex_configs",
    "wechat_configs",
];

/// Settings of how a text looks: ours is made of what is known, so these have no effect.
const LOOKS: &[&str] = &[
    "title",
    "title_link",
    "text",
    "fallback",
    "color",
    "pretext",
    "footer",
    "fields",
    "short_fields",
    "actions",
    "icon_url",
    "link_names",
    "mrkdwn_in",
    "image_url",
    "thumb_url",
    "callback_id",
    "description",
    "details",
    "images",
    "links",
    "client_url",
    "source",
    "message",
    "note",
    "entity",
    "summary",
    "update_alerts",
];

impl TargetKind {
    /// As the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            TargetKind::Webhook => "webhook",
            TargetKind::Alertmanager => "alertmanager",
            TargetKind::Slack => "slack",
            TargetKind::PagerDuty => "pagerduty",
            TargetKind::Opsgenie => "opsgenie",
            TargetKind::Ntfy => "ntfy",
            TargetKind::Teams => "teams",
            TargetKind::Email => "email",
            TargetKind::OnCall => "on_call",
        }
    }
}

impl Target {
    /// One of the other settings, or "".
    pub fn option(&self, name: &str) -> &str {
        self.options.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }
}

/// `global:`.
pub(super) struct Globals {
    pub resolve_timeout_ms: i64,
    urls: Vec<(&'static str, Secret)>,
    opsgenie_key: Option<Secret>,
    smtp_password: Option<Secret>,
    smtp: Vec<(&'static str, String)>,
    auth: Auth,
}

const GLOBAL: &[&str] = &[
    "resolve_timeout",
    "http_config",
    "slack_api_url",
    "slack_api_url_file",
    "pagerduty_url",
    "opsgenie_api_url",
    "opsgenie_api_key",
    "opsgenie_api_key_file",
    "smtp_from",
    "smtp_smarthost",
    "smtp_hello",
    "smtp_auth_username",
    "smtp_auth_identity",
    "smtp_auth_password",
    "smtp_auth_password_file",
    "smtp_require_tls",
];

impl Globals {
    pub fn read(reader: &mut Reader<'_>, node: Option<&Node>) -> Globals {
        let mut globals = Globals {
            resolve_timeout_ms: 300_000,
            urls: Vec::new(),
            opsgenie_key: None,
            smtp_password: None,
            smtp: Vec::new(),
            auth: Auth::None,
        };
        let Some(node) = node.filter(|n| n.value != Value::Null) else { return globals };
        let Some(table) = reader.table(node, "global", GLOBAL) else { return globals };
        if let Some(ms) = reader.duration(&table, "resolve_timeout") {
            globals.resolve_timeout_ms = ms;
        }
        for (list, key) in [
            ("slack_configs", "slack_api_url"),
            ("pagerduty_configs", "pagerduty_url"),
            ("opsgenie_configs", "opsgenie_api_url"),
            ("email_configs", "smtp_smarthost"),
        ] {
            globals.urls.extend(Secret::of(&table, key).map(|url| (list, url)));
        }
        globals.opsgenie_key = Secret::of(&table, "opsgenie_api_key");
        globals.smtp_password = Secret::of(&table, "smtp_auth_password");
        let smtp = EMAIL.iter().filter_map(|n| Some((*n, table.text(&format!("smtp_{n}"))?.to_string())));
        globals.smtp = smtp.collect();
        globals.auth = auth(reader, table.get("http_config")).unwrap_or(Auth::None);
        globals
    }
}

pub(super) fn read(reader: &mut Reader<'_>, node: &Node, globals: &Globals) -> Option<Receiver> {
    let Value::Map(entries) = &node.value else {
        reader.problems.error(node.line, format!("expected a receiver, found {}", node.kind()));
        return None;
    };
    let Some(name) = Table(entries).text("name").map(str::to_string) else {
        reader.problems.error(node.line, "a receiver needs a name");
        return None;
    };
    let mut targets = Vec::new();
    for entry in entries.iter().filter(|e| e.key != "name") {
        let Some(row) = ROWS.iter().find(|r| r.list == entry.key) else {
            // A name that Alertmanager has is no slip of the pen.
            let is_theirs = THEIRS.contains(&entry.key.as_str());
            let known = ROWS.iter().map(|r| r.list).filter(|_| !is_theirs);
            let hint = did_you_mean(&entry.key, known);
            let key: String = entry.key.chars().take(100).collect();
            reader.problems.error(entry.line, format!("{name}: {key:?} is not supported{hint}"));
            continue;
        };
        for item in reader.list(Some(&entry.value), row.list) {
            targets.extend(target(reader, row, item, &name, globals));
        }
    }
    if targets.len() > TARGETS_MAX {
        let what = format!("{name} has more than {TARGETS_MAX} targets; the others are left out");
        reader.problems.error(node.line, what);
        targets.truncate(TARGETS_MAX);
    }
    Some(Receiver { name, targets })
}

fn target(reader: &mut Reader<'_>, row: &Row, node: &Node, name: &str, globals: &Globals) -> Option<Target> {
    let (url_file, key_file) = (format!("{}_file", row.url), format!("{}_file", row.key));
    let looks = |e: &&Entry| LOOKS.contains(&e.key.as_str());
    let entries = match &node.value {
        Value::Map(entries) => entries.as_slice(),
        _ => &[],
    };
    for entry in entries.iter().filter(looks) {
        let what = format!("{name}: {} has no effect: the text is made of what is known", entry.key);
        reader.problems.warning(entry.line, what);
    }
    let mut known = vec!["send_resolved", "http_config", "timeout", row.url, &url_file, row.key, &key_file];
    known.extend(row.options.iter().chain(LOOKS));
    let is_mail = row.kind == TargetKind::Email;
    if is_mail {
        known.extend(["auth_password", "auth_password_file", "headers", "html"]);
    }
    let table = reader.table(node, row.list, &known)?;
    let global = globals.urls.iter().find(|(list, _)| *list == row.list).map(|(_, url)| url.clone());
    let default = (!row.default_url.is_empty()).then(|| Secret::Text(row.default_url.into()));
    let Some(url) = Secret::of(&table, row.url).or(global).or(default) else {
        reader.problems.error(node.line, format!("{name}: {} needs {}", row.list, row.url));
        return None;
    };
    let key = match row.key {
        "" if is_mail => Secret::of(&table, "auth_password").or(globals.smtp_password.clone()),
        "" => None,
        key => {
            let of_all = globals.opsgenie_key.clone().filter(|_| row.kind == TargetKind::Opsgenie);
            let found = Secret::of(&table, key).or(of_all);
            if found.is_none() {
                reader.problems.error(node.line, format!("{name}: {} needs {key}", row.list));
            }
            Some(found?)
        }
    };
    let auth = auth(reader, table.get("http_config")).unwrap_or_else(|| globals.auth.clone());
    let options = row.options.iter().filter_map(|n| Some((n.to_string(), table.text(n)?.to_string())));
    let mut options: Vec<(String, String)> = options.collect();
    if is_mail {
        let own = |name: &str| options.iter().any(|(n, _)| n == name);
        let more = globals.smtp.iter().filter(|(n, _)| !own(n)).map(|(n, v)| (n.to_string(), v.clone()));
        options.extend(more.collect::<Vec<_>>());
        for needed in ["to", "from"] {
            if !options.iter().any(|(n, _)| n == needed) {
                reader.problems.error(node.line, format!("{name}: {} needs {needed}", row.list));
                return None;
            }
        }
    }
    Some(Target {
        kind: row.kind,
        url,
        auth,
        key,
        send_resolved: table.truth("send_resolved").unwrap_or(row.send_resolved),
        options,
    })
}

/// `http_config`: credentials; TLS and redirects are ours to decide.
fn auth(reader: &mut Reader<'_>, node: Option<&Node>) -> Option<Auth> {
    let table = reader.table(
        node?,
        "http_config",
        &[
            "authorization",
            "basic_auth",
            "bearer_token",
            "bearer_token_file",
            "follow_redirects",
            "enable_http2",
        ],
    )?;
    if let Some(node) = table.get("basic_auth") {
        let keys = ["username", "password", "password_file"];
        let basic = reader.table(node, "basic_auth", &keys)?;
        let password = Secret::of(&basic, "password")?;
        return Some(Auth::Basic(basic.text("username").unwrap_or("").to_string(), password));
    }
    if let Some(node) = table.get("authorization") {
        let keys = ["type", "credentials", "credentials_file"];
        let own = reader.table(node, "authorization", &keys)?;
        let credentials = Secret::of(&own, "credentials")?;
        return Some(Auth::Header(own.text("type").unwrap_or("Bearer").to_string(), credentials));
    }
    Secret::of(&table, "bearer_token").map(|token| Auth::Header("Bearer".into(), token))
}
