//! Agents on machines of their own, as far as the network goes: a namespace for each, joined to the server's by a pair of
//! virtual cables. Needs root; without, it says that it was not run.

use crate::support::{Finished, Home, Running, eventually};
use serde_json::Value as Json;
use std::path::Path;
use std::process::Command;

const PORT: u16 = 4004;

/// Namespaces of this test, gone with it.
struct Net {
    server: String,
    hosts: Vec<String>,
}

fn ip(args: &[&str]) -> Result<(), String> {
    let out = Command::new("ip").args(args).output().map_err(|e| format!("ip: {e}"))?;
    match out.status.success() {
        true => Ok(()),
        false => Err(format!("ip {}: {}", args.join(" "), String::from_utf8_lossy(&out.stderr).trim())),
    }
}

impl Net {
    /// One for the server, and one for each host, whose cable has 10.77.N.1 at the server and 10.77.N.2 at the host.
    fn new(hosts: usize) -> Result<Net, String> {
        let name = |what: &str| format!("mw{}-{what}", std::process::id());
        let mut net = Net { server: name("s"), hosts: Vec::new() };
        ip(&["netns", "add", &net.server])?;
        ip(&["-n", &net.server, "link", "set", "lo", "up"])?;
        for n in 1..=hosts {
            let host = name(&n.to_string());
            ip(&["netns", "add", &host])?;
            net.hosts.push(host.clone());
            let (there, here) = (format!("to-{n}"), "cable");
            ip(&[
                "-n",
                &net.server,
                "link",
                "add",
                &there,
                "type",
                "veth",
                "peer",
                "name",
                here,
                "netns",
                &host,
            ])?;
            ip(&["-n", &net.server, "addr", "add", &format!("10.77.{n}.1/24"), "dev", &there])?;
            ip(&["-n", &host, "addr", "add", &format!("10.77.{n}.2/24"), "dev", here])?;
            ip(&["-n", &net.server, "link", "set", &there, "up"])?;
            ip(&["-n", &host, "link", "set", here, "up"])?;
        }
        Ok(net)
    }

    fn cable(&self, host: usize, state: &str) {
        ip(&["-n", &self.hosts[host - 1], "link", "set", "cable", state]).unwrap();
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in self.hosts.iter().chain([&self.server]) {
            let _ = ip(&["netns", "del", name]);
        }
    }
}

/// `midwatch ARGS` in a namespace.
fn within(home: &Home, net: &str, args: &[&str]) -> Command {
    let plain = home.command(args);
    let mut command = Command::new("ip");
    command.args(["netns", "exec", net]).arg(plain.get_program()).args(plain.get_args());
    command.current_dir(plain.get_current_dir().unwrap_or(Path::new(".")));
    command
}

fn json(done: &Finished) -> Result<Json, String> {
    serde_json::from_str(&done.stdout).map_err(|e| format!("{e}: {done:?}"))
}

#[test]
fn hosts_of_their_own_networks_are_recorded_cut_off_and_captured() {
    let net = match Net::new(2) {
        Ok(net) => net,
        Err(why) => {
            println!("not run: namespaces of networks cannot be made here: {why}");
            return;
        }
    };
    let home = Home::new();
    home.write("midwatch.toml", "[captures]\nafter = \"1s\"\n");
    let listen = format!("0.0.0.0:{PORT}");
    let flags = ["serve", "--listen", &listen, "--insecure-listen", "--config", "midwatch.toml"];
    let quiet = ["--no-host", "--no-discover", "--no-otlp", "--no-postgres"];
    let _server = Running::start(within(&home, &net.server, &[&flags[..], &quiet].concat()));
    let agents: Vec<Running> = (1..=2)
        .map(|n| {
            let (name, to) = (format!("host-{n}"), format!("http://10.77.{n}.1:{PORT}"));
            let args = ["agent", "--to", &to, "--name", &name, "--data", &name, "--no-changes"];
            Running::start(within(&home, &net.hosts[n - 1], &args))
        })
        .collect();
    let url = format!("http://127.0.0.1:{PORT}");
    let ask = |args: &[&str]| {
        let all = [args, &["--url", &url]].concat();
        json(&Running::start(within(&home, &net.server, &all)).finish())
    };
    let value = |promql: &str| -> Result<f64, String> {
        let found = ask(&["query", promql])?;
        let value = found["data"]["result"][0]["value"][1].as_str().and_then(|v| v.parse().ok());
        value.ok_or_else(|| found.to_string())
    };
    eventually("both hosts are recorded, each with its own cable", || {
        let count =
            value("count(node_network_receive_bytes_total{device=\"cable\",instance=~\"host-[12]\"})")?;
        if count == 2.0 { Ok(()) } else { Err(format!("{count}; {}", agents[0].stderr())) }
    });
    let readings = |n: usize| value(&format!("count_over_time(node_load1{{instance=\"host-{n}\"}}[5m])"));

    net.cable(1, "down");
    let before = [readings(1).unwrap(), readings(2).unwrap()];
    eventually("the other host goes on", || {
        let now = readings(2)?;
        if now >= before[1] + 5.0 { Ok(()) } else { Err(format!("{now}")) }
    });
    assert!(readings(1).unwrap() <= before[0] + 2.0, "nothing comes through a cable that was pulled");
    net.cable(1, "up");
    eventually("what was read meanwhile arrives", || {
        let now = readings(1)?;
        if now >= before[0] + 5.0 { Ok(()) } else { Err(format!("{now}: {}", agents[0].stderr())) }
    });
    let gap = value(
        "max(max_over_time((timestamp(node_load1{instance=\"host-1\"}) - timestamp(node_load1{instance=\"host-1\"} offset 1s))[2m:1s]))",
    );
    assert!(gap.as_ref().is_ok_and(|gap| *gap <= 5.0), "no reading is missing: {gap:?}");
    assert_eq!(value("midwatch_agent_dropped_samples_total{instance=\"host-1\"}").unwrap(), 0.0);

    let taken = Running::start(within(
        &home,
        &net.server,
        &["capture", "take", "--reason", "the cable", "--url", &url],
    ));
    assert_eq!(taken.finish().code, Some(0));
    let all = eventually("a capture of the server and of each host", || {
        let all = ask(&["capture", "list", "--json"])?["data"]["captures"].clone();
        let whole = all.as_array().into_iter().flatten().filter(|c| !c["after"].is_null()).count();
        if whole == 3 { Ok(all) } else { Err(all.to_string()) }
    });
    let mut hosts: Vec<&str> =
        all.as_array().unwrap().iter().filter_map(|c| c["before"]["host"].as_str()).collect();
    hosts.sort_unstable();
    assert_eq!(
        hosts.iter().filter(|h| h.starts_with("host-")).copied().collect::<Vec<_>>(),
        ["host-1", "host-2"]
    );
}
