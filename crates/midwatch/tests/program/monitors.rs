//! Monitors in the running program: a rule is evaluated, its alert shown and told, and a kill between any two steps neither
//! forgets nor tells twice.

use crate::support::service::Service;
use crate::support::{Home, Midwatch, eventually};
use serde_json::Value as Json;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// Someone who is told, and what they heard. While it is closed, nobody is let in.
pub struct Inbox {
    pub service: Service,
    bodies: Arc<Mutex<Vec<Json>>>,
    is_open: Arc<AtomicBool>,
}

impl Inbox {
    pub fn start() -> Inbox {
        let (bodies, is_open) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(true)));
        let (kept, open) = (bodies.clone(), is_open.clone());
        let service = Service::start(move |request| {
            // Others on this machine may look what this port is.
            if !request.head.starts_with("POST ") {
                return request.reply("404 Not Found", "text/plain", b"");
            }
            if !open.load(SeqCst) {
                return request.reply("503 Service Unavailable", "text/plain", b"closed");
            }
            let body = serde_json::from_slice(&request.body).unwrap_or(Json::Null);
            kept.lock().unwrap().push(body);
            request.reply("200 OK", "text/plain", b"")
        });
        Inbox { service, bodies, is_open }
    }

    pub fn open(&self, is_open: bool) {
        self.is_open.store(is_open, SeqCst);
    }

    /// What it heard, in order.
    pub fn bodies(&self) -> Vec<Json> {
        self.bodies.lock().unwrap().clone()
    }

    /// The first lines of what it heard, in order.
    pub fn headlines(&self) -> Vec<String> {
        self.bodies().iter().map(|b| b["headline"].as_str().unwrap_or_default().to_string()).collect()
    }

    /// Waits until it heard of as many.
    pub fn wait(&self, count: usize) -> Vec<String> {
        eventually("it is told", || match self.headlines() {
            all if all.len() >= count => Ok(all),
            all => Err(format!("{all:?}")),
        })
    }
}

/// Writes the rules: an alert that fires where a limit is below 1.
fn rules(home: &Home, limit: &str) {
    let text = format!(
        "groups:\n- name: g\n  interval: 1s\n  rules:\n  - {{record: one, expr: vector(1)}}\n  - alert: There\n    expr: one > {limit}\n    \
         labels: {{severity: page, service: shop}}\n    annotations: {{summary: 'it is {{{{ $value }}}}'}}\n"
    );
    home.write("rules.yml", &text);
}

fn settings(home: &Home, inbox: &Inbox) {
    let url = format!("http://{}/x", inbox.service.address);
    let told = format!(
        "route: {{receiver: r, group_wait: 0s, group_interval: 1s}}\nreceivers:\n- name: r\n  webhook_configs: [{{url: '{url}'}}]\n"
    );
    home.write("am.yml", &told);
    home.write("m.toml", "[monitors]\nfiles = [\"rules.yml\", \"bad.yml\"]\nnotifications = \"am.yml\"\n");
}

fn start(home: &Home) -> Midwatch {
    home.serve(&["--config", "m.toml", "--no-host", "--no-discover"])
}

fn waiting(midwatch: &Midwatch) -> u64 {
    let data = midwatch.data("/api/v1/monitors");
    data["notifications"]["receivers"][0]["targets"][0]["waiting"].as_u64().unwrap_or_default()
}

#[test]
fn what_fires_is_told_once_over_a_kill_and_so_is_its_end() {
    let (home, inbox) = (Home::new(), Inbox::start());
    rules(&home, "0");
    home.write("bad.yml", "groups: [");
    settings(&home, &inbox);
    let midwatch = start(&home);
    let heard = inbox.wait(1);
    assert!(
        heard[0].starts_with("PAGE: There: it is 1, 1 where more than 0 is too much, since "),
        "{heard:?}"
    );
    assert_eq!(midwatch.data("/api/v1/alerts")["alerts"][0]["state"], "firing");
    let problems = midwatch.data("/api/v1/monitors")["problems"].to_string();
    assert!(problems.contains("bad.yml"), "{problems}");
    eventually("the delivery is noted", || match waiting(&midwatch) {
        0 => Ok(()),
        n => Err(format!("{n} wait")),
    });
    midwatch.kill();
    let midwatch = start(&home);
    eventually("it is evaluated again", || match midwatch.value("ALERTS{alertstate=\"firing\"}") {
        Ok(value) if midwatch.data("/api/v1/monitors")["monitors"][0]["last_ms"].is_i64() => Ok(value),
        other => Err(format!("{other:?}")),
    });
    rules(&home, "1");
    let heard = inbox.wait(2);
    assert!(heard[1].starts_with("RESOLVED: There for shop, after "), "{heard:?}");
    assert_eq!(heard.len(), 2, "{heard:?}");
    midwatch.stop();
}

#[test]
fn killed_between_the_decision_and_the_delivery() {
    let (home, inbox) = (Home::new(), Inbox::start());
    inbox.open(false);
    rules(&home, "0");
    home.write("bad.yml", "groups: []");
    settings(&home, &inbox);
    let midwatch = start(&home);
    eventually("it waits for the receiver", || match waiting(&midwatch) {
        1 => Ok(()),
        n => Err(format!("{n} wait")),
    });
    midwatch.kill();
    // It is over, and the next process is there, before anybody could be told.
    let midwatch = start(&home);
    assert_eq!(waiting(&midwatch), 1);
    midwatch.kill();
    inbox.open(true);
    let midwatch = start(&home);
    let heard = inbox.wait(1);
    assert!(heard[0].starts_with("PAGE: There: it is 1"), "{heard:?}");
    rules(&home, "1");
    let heard = inbox.wait(2);
    assert!(heard.len() == 2 && heard[1].starts_with("RESOLVED"), "{heard:?}");
    midwatch.stop();
}

#[test]
fn what_ended_while_nobody_looked_is_told_to_be_over() {
    let (home, inbox) = (Home::new(), Inbox::start());
    rules(&home, "0");
    home.write("bad.yml", "groups: []");
    settings(&home, &inbox);
    let text = std::fs::read_to_string(home.path("am.yml")).unwrap();
    home.write("am.yml", &format!("global: {{resolve_timeout: 2s}}\n{text}"));
    let midwatch = start(&home);
    inbox.wait(1);
    midwatch.kill();
    // Whatever was known of the alert besides what was told is lost.
    std::fs::remove_file(home.path("midwatch-data/monitors/alerts.json")).ok();
    rules(&home, "1");
    let midwatch = start(&home);
    let heard = inbox.wait(2);
    assert!(heard.len() == 2 && heard[1].starts_with("RESOLVED"), "{heard:?}");
    midwatch.stop();
}
