//! Sends one notification by its receiver's protocol, and heartbeats. It must never show a secret, nor follow a redirect.

use super::notifier::Event;
use super::{Monitors, lock};
use crate::client::Clients;
use crate::client::post::{self, Post};
use crate::client::smtp;
use crate::settings;
use monitor::notify::config::{Auth, Config, Secret, Target, TargetKind};
use monitor::notify::dispatch::Notification;
use monitor::notify::mail::mail as payload_mail;
use monitor::notify::outbox::Outcome;
use monitor::notify::payload;
use std::sync::Arc;
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};
use tokio::runtime::Handle;

/// How long a receiver may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The target that a notification names.
pub fn find<'c>(config: &'c Config, target: &str) -> Option<&'c Target> {
    let (receiver, place) = target.rsplit_once('/')?;
    config.receivers.iter().find(|r| r.name == receiver)?.targets.get(place.parse::<usize>().ok()?)
}

/// Sends it on the tasks' threads; the outcome comes back as an event.
pub fn spawn(
    monitors: &Arc<Monitors>,
    clients: &Arc<Clients>,
    runtime: &Handle,
    config: &Config,
    n: Notification,
) {
    let events = monitors.events.clone();
    let Some(target) = find(config, &n.target).cloned() else {
        let gone = Outcome::Later("its receiver is in the configuration no more".into());
        let _ = events.try_send(Event::Sent(n.id, "none", gone));
        return;
    };
    let (clients, base) = (clients.clone(), monitors.base.clone());
    runtime.spawn(async move {
        let outcome = send(&clients, &n, &target, &base).await;
        // The channel may be full for a moment in a storm: this must not be lost, or nothing more is sent there.
        let mut event = Event::Sent(n.id, target.kind.as_str(), outcome);
        while let Err(e) = events.try_send(event) {
            match e {
                std::sync::mpsc::TrySendError::Full(back) => event = back,
                std::sync::mpsc::TrySendError::Disconnected(_) => return,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}

async fn send(clients: &Clients, n: &Notification, target: &Target, base: &str) -> Outcome {
    let made = async {
        let url = post::secret(&secret(&target.url)).await?;
        let key = match &target.key {
            Some(key) => post::secret(&secret(key)).await?,
            None => String::new(),
        };
        if target.kind == TargetKind::Email {
            return mail(n, target, url, key, base).await;
        }
        let request = payload::request(n, target, &key, base);
        let url = match request.path.as_str() {
            "" => url,
            path => format!("{}{path}", url.trim_end_matches('/')),
        };
        let (headers, content_type, body) = (request.headers, request.content_type, request.body);
        let post = Post { url, auth: auth(&target.auth), headers, content_type, body, timeout: TIMEOUT };
        let (status, text) = clients.post(post).await?;
        Ok(judge(status.as_u16(), &text))
    };
    match made.await {
        Ok(outcome) => outcome,
        Err(e) if e.kind == ErrorKind::Invalid => Outcome::Refused(e.to_string()),
        Err(e) => Outcome::Later(e.to_string()),
    }
}

/// Sends it as an e-mail.
async fn mail(
    n: &Notification,
    target: &Target,
    address: String,
    password: String,
    base: &str,
) -> Result<Outcome> {
    let mail = payload_mail(n, target, base).map_err(Error::invalid)?;
    let name = target.option("auth_username");
    let server = smtp::Server {
        address,
        hello: target.option("hello").to_string(),
        require_tls: target.option("require_tls") != "false",
        login: (!name.is_empty()).then(|| (name.to_string(), password)),
    };
    let letter = smtp::Letter { from: &mail.from, to: &mail.to, message: &mail.message };
    smtp::deliver(&server, &letter, TIMEOUT).await.map(|()| Outcome::Taken)
}

/// What a status says of trying again.
fn judge(status: u16, text: &str) -> Outcome {
    let text: String = text.chars().take(200).collect();
    let said = if text.is_empty() { String::new() } else { format!(": {text}") };
    match status {
        200..=299 => Outcome::Taken,
        300..=399 => {
            Outcome::Later(format!("it answers {status}: redirects are not followed; give the right address"))
        }
        401 | 403 => Outcome::Later(format!("it answers {status}: check the credentials{said}")),
        404 => Outcome::Later(format!("it answers {status}: check the address{said}")),
        408 | 425 | 429 | 500.. => Outcome::Later(format!("it answers {status}{said}")),
        _ => Outcome::Refused(format!("it answers {status}{said}")),
    }
}

fn secret(secret: &Secret) -> settings::Secret {
    match secret {
        Secret::Text(text) => settings::Secret::Text(text.clone()),
        Secret::File(path) => settings::Secret::File(path.clone()),
        Secret::Env(name) => settings::Secret::Env(name.clone()),
    }
}

fn auth(auth: &Auth) -> settings::Auth {
    match auth {
        Auth::None => settings::Auth::None,
        Auth::Basic(name, password) => settings::Auth::Basic(name.clone(), secret(password)),
        Auth::Header(kind, credentials) => settings::Auth::Header(kind.clone(), secret(credentials)),
    }
}

/// The dead man's switch: it beats as long as every group is evaluated in time.
#[derive(Default)]
pub struct Beat {
    next_ms: i64,
}

impl Beat {
    /// Sends a beat, if it is time and everything is judged.
    pub fn look(&mut self, monitors: &Arc<Monitors>, clients: &Arc<Clients>, runtime: &Handle, now_ms: i64) {
        let config = monitors.notify().notifier.config().clone();
        let Some(heartbeat) = &config.heartbeat else { return };
        if now_ms < self.next_ms && self.next_ms - now_ms <= heartbeat.interval_ms {
            return;
        }
        self.next_ms = now_ms + heartbeat.interval_ms;
        if !monitors.is_judging(now_ms) {
            return;
        }
        let (inside, clients, url) = (monitors.clone(), clients.clone(), heartbeat.url.clone());
        runtime.spawn(async move {
            let sent = async {
                let url = post::secret(&secret(&url)).await?;
                let body = "{\"from\":\"midwatch\",\"judging\":true}".to_string();
                let (headers, content_type) = (Vec::new(), "application/json");
                let post =
                    Post { url, auth: settings::Auth::None, headers, content_type, body, timeout: TIMEOUT };
                clients.post(post).await
            };
            let is_taken = sent.await.is_ok_and(|(status, _)| status.is_success());
            inside.counters.sent("heartbeat", if is_taken { "taken" } else { "later" });
            if is_taken {
                inside.notify().heartbeat_ms = Some(crate::clock::now_ms());
            }
        });
    }
}

impl Monitors {
    /// Whether every group was evaluated within three of its intervals.
    fn is_judging(&self, now_ms: i64) -> bool {
        let up_ms = self.started.elapsed().as_millis() as i64;
        self.groups().iter().all(|g| {
            let late_ms = 3 * g.group.interval_ms + 5_000;
            match lock(&g.run).last_ms {
                Some(last) => now_ms - last <= late_ms,
                None => up_ms <= late_ms,
            }
        })
    }
}
