//! The trap of membership, walked into step by step with a real etcd of three: a member dies, others are added in its place
//! without removing it, until the majority of the list is gone. Midwatch has to warn at the first step.

use crate::receivers::is_here;
use crate::support::http::ask;
use crate::support::service::free_port;
use crate::support::{Home, Midwatch, Running, eventually};
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use std::net::SocketAddr;
use std::process::Command;

struct Member {
    name: String,
    client: SocketAddr,
    peer: SocketAddr,
    process: Option<Running>,
}

impl Member {
    fn new(name: &str) -> Member {
        let address = || SocketAddr::from(([127, 0, 0, 1], free_port()));
        Member { name: name.to_string(), client: address(), peer: address(), process: None }
    }

    fn start(&mut self, home: &Home, cluster: &[(String, SocketAddr)], state: &str) {
        let list: Vec<String> = cluster.iter().map(|(name, peer)| format!("{name}=http://{peer}")).collect();
        let (client, peer) = (format!("http://{}", self.client), format!("http://{}", self.peer));
        let mut command = Command::new("etcd");
        command
            .args(["--name", &self.name, "--log-level", "error", "--strict-reconfig-check=false"])
            .arg("--data-dir")
            .arg(home.path(&format!("etcd-{}", self.name)))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &list.join(","), "--initial-cluster-state", state]);
        self.process = Some(Running::start(command));
    }

    fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.signal(Signal::KILL);
            process.finish();
        }
    }
}

fn post(at: SocketAddr, path: &str, body: &Json) -> Result<Json, String> {
    let answer = ask(at, "POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes());
    let answer = answer.map_err(|e| e.to_string())?;
    if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text()) }
}

fn cluster(midwatch: &Midwatch) -> Json {
    midwatch.data("/api/v1/membership")["clusters"][0].clone()
}

/// Waits until the list, the living, and what may fail are as they should be.
fn until(midwatch: &Midwatch, listed: u64, alive: u64, spare: i64) -> Json {
    eventually(&format!("{listed} listed, {alive} alive, {spare} to spare"), || {
        let c = cluster(midwatch);
        let is = (c["listed"].as_u64(), c["alive"].as_u64(), c["spare"].as_i64());
        if is == (Some(listed), Some(alive), Some(spare)) { Ok(c) } else { Err(c.to_string()) }
    })
}

fn fires(midwatch: &Midwatch, name: &str) {
    eventually(&format!("{name} fires"), || {
        let alerts = midwatch.data("/api/v1/alerts")["alerts"].to_string();
        let list: Vec<Json> =
            midwatch.data("/api/v1/alerts")["alerts"].as_array().cloned().unwrap_or_default();
        let is = list.iter().any(|a| a["labels"]["alertname"] == name && a["state"] == "firing");
        if is { Ok(()) } else { Err(alerts) }
    });
}

#[test]
fn the_trap_is_told_of_at_its_first_step() {
    if !is_here("etcd") {
        return;
    }
    let home = Home::new();
    let mut members: Vec<Member> = ["a", "b", "c"].map(Member::new).into();
    let mut list: Vec<(String, SocketAddr)> = members.iter().map(|m| (m.name.clone(), m.peer)).collect();
    members.iter_mut().for_each(|m| m.start(&home, &list, "new"));
    let endpoints: Vec<String> = members.iter().map(|m| format!("http://{}", m.client)).collect();
    let endpoints = endpoints.join(" ");
    home.write("m.toml", &format!("[membership]\netcd = [\"{endpoints}\"]\ninterval = \"1s\"\n"));
    let midwatch = home.serve(&["--config", "m.toml", "--no-host", "--no-discover"]);
    let c = until(&midwatch, 3, 3, 1);
    assert!(c["says"].as_str().unwrap().contains("one more may fail"), "{c}");
    assert_eq!(midwatch.value("midwatch_membership_votes_needed"), Ok(2.0));
    // The first step: a member dies. Nothing is broken yet, and it is told.
    members[2].kill();
    let c = until(&midwatch, 3, 2, 0);
    let says = c["says"].as_str().unwrap();
    assert!(says.contains("Listed and not alive: c (") && says.contains("remove it from the list"), "{says}");
    fires(&midwatch, "MembersMissing");
    // Another is added in its place, and the dead one stays in the list: more votes are needed than before.
    let mut d = Member::new("d");
    let asked = json!({ "peerURLs": [format!("http://{}", d.peer)] });
    eventually("another is added", || post(members[0].client, "/v3/cluster/member/add", &asked));
    until(&midwatch, 4, 2, -1);
    list.push(("d".to_string(), d.peer));
    d.start(&home, &list, "existing");
    let c = until(&midwatch, 4, 3, 0);
    assert_eq!(c["needed"], 3);
    fires(&midwatch, "NoMemberToSpare");
    // The next one that dies takes the majority with it, for ever.
    members[1].kill();
    let c = until(&midwatch, 4, 2, -1);
    assert!(c["says"].as_str().unwrap().contains("the majority is lost"), "{c}");
    eventually("nobody leads", || match cluster(&midwatch)["has_leader"].as_bool() {
        Some(false) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    midwatch.stop();
    members.iter_mut().for_each(Member::kill);
    d.kill();
}
