//! Notifications at programs that are not ours: a mail server, and Debian's Alertmanager in both directions. Where one is
//! missing its test says so and checks nothing.

use crate::monitors::Inbox;
use crate::support::http::ask;
use crate::support::service::free_port;
use crate::support::{Home, Running, eventually};
use serde_json::Value as Json;
use std::net::SocketAddr;
use std::process::Command;

/// Whether a program is here; says so if it is not.
pub fn is_here(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    let is_here = found.is_ok_and(|o| o.status.success());
    if !is_here {
        eprintln!(
            "not run: {program} is not installed (Debian: python3-aiosmtpd, prometheus-alertmanager, etcd-server)"
        );
    }
    is_here
}

const RULES: &str = "groups:\n- name: g\n  interval: 1s\n  rules:\n  - alert: Größe\n    expr: vector(2) > 1\n    labels: {severity: page, service: shop}\n    annotations: {summary: 'it is {{ $value }}'}\n";

fn serve(home: &Home, notifications: &str) -> crate::support::Midwatch {
    home.write("rules.yml", RULES);
    home.write("am.yml", notifications);
    home.write("m.toml", "[monitors]\nfiles = [\"rules.yml\"]\nnotifications = \"am.yml\"\n");
    home.serve(&["--config", "m.toml", "--no-host", "--no-discover"])
}

#[test]
fn by_mail() {
    if !is_here("aiosmtpd") {
        return;
    }
    let home = Home::new();
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new("aiosmtpd");
    let letters = home.path("letters");
    command.args(["-n", "-l", &address, "-c", "aiosmtpd.handlers.Mailbox"]).arg(&letters);
    let server = Running::start(command);
    let notifications = format!(
        "route: {{receiver: r, group_wait: 0s, group_interval: 1s}}\nreceivers:\n- name: r\n  email_configs:\n  \
         - {{to: 'ada@example.org, Bob <bob@example.org>', from: midwatch@example.org, smarthost: '{address}', require_tls: false}}\n"
    );
    // The server may come later than the notification: it waits.
    let midwatch = serve(&home, &notifications);
    let letter = eventually("a letter comes", || {
        let mut files = std::fs::read_dir(letters.join("new")).map_err(|e| e.to_string())?;
        let file = files.next().ok_or("none yet")?.map_err(|e| e.to_string())?;
        std::fs::read_to_string(file.path()).map_err(|e| e.to_string())
    });
    for part in [
        "From: Midwatch <midwatch@example.org>",
        "To: ada@example.org, bob@example.org",
        "Subject: =?utf-8?Q?PAGE=3A_Gr=C3=B6=C3=9Fe=3A_it_is_2",
        "Auto-Submitted: auto-generated",
        "PAGE: Gr=C3=B6=C3=9Fe: it is 2",
        "X-RcptTo: ada@example.org, bob@example.org",
    ] {
        assert!(letter.contains(part), "{part} is not in\n{letter}");
    }
    let data = midwatch.data("/api/v1/monitors");
    assert_eq!(data["notifications"]["receivers"][0]["targets"][0]["kind"], "email");
    midwatch.stop();
    server.signal(rustix::process::Signal::TERM);
    server.finish();
}

fn alertmanager(home: &Home, told: &Inbox) -> (Running, SocketAddr) {
    let address = format!("127.0.0.1:{}", free_port());
    let config = format!(
        "route: {{receiver: r, group_wait: 1s, group_interval: 1s}}\nreceivers:\n- name: r\n  webhook_configs: [{{url: 'http://{}/a'}}]\n",
        told.service.address
    );
    let config = home.write("theirs.yml", &config);
    let mut command = Command::new("prometheus-alertmanager");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", home.path("theirs").display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--cluster.listen-address=");
    let running = Running::start(command);
    let address: SocketAddr = address.parse().unwrap();
    eventually("Alertmanager is ready", || match ask(address, "GET", "/-/ready", &[], &[]) {
        Ok(answer) if answer.status == 200 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    (running, address)
}

#[test]
fn to_alertmanager() {
    if !is_here("prometheus-alertmanager") {
        return;
    }
    let (home, told) = (Home::new(), Inbox::start());
    let (theirs, address) = alertmanager(&home, &told);
    let notifications = format!(
        "route: {{receiver: r, group_wait: 0s, group_interval: 1s}}\nreceivers:\n- name: r\n  alertmanager_configs: [{{url: 'http://{address}'}}]\n"
    );
    let midwatch = serve(&home, &notifications);
    let body = eventually("Alertmanager tells it", || {
        told.bodies().first().cloned().ok_or("nothing yet".to_string())
    });
    assert_eq!(body["alerts"][0]["labels"]["alertname"], "Größe");
    assert_eq!(body["alerts"][0]["annotations"]["summary"], "it is 2");
    assert_eq!(body["status"], "firing");
    // It ends there when it ends here.
    home.write("rules.yml", "groups: []\n");
    eventually("its end is told", || {
        let is_over = told.bodies().iter().any(|b| b["status"] == "resolved");
        if is_over { Ok(()) } else { Err("not yet".to_string()) }
    });
    midwatch.stop();
    theirs.signal(rustix::process::Signal::TERM);
    theirs.finish();
}

#[test]
fn as_alertmanager_for_its_own_tool() {
    if !is_here("amtool") {
        return;
    }
    let (home, inbox) = (Home::new(), Inbox::start());
    let notifications = format!(
        "route: {{receiver: r, group_wait: 0s, group_interval: 1s}}\nreceivers:\n- name: r\n  webhook_configs: [{{url: 'http://{}/x'}}]\n",
        inbox.service.address
    );
    let midwatch = serve(&home, &notifications);
    inbox.wait(1);
    let url = format!("--alertmanager.url=http://{}", midwatch.address);
    let run = |args: &[&str]| -> String {
        let out = Command::new("amtool").arg(&url).args(args).output().unwrap();
        let (text, wrong) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{args:?}: {text}{wrong}");
        text.into_owned()
    };
    let alerts: Json = serde_json::from_str(&run(&["alert", "query", "-o", "json"])).unwrap();
    assert_eq!(alerts[0]["labels"]["alertname"], "Größe");
    run(&["alert", "add", "alertname=Theirs", "service=other"]);
    let heard = inbox.wait(2);
    assert!(heard[1].contains("Theirs") && heard[1].contains("2 x "), "{heard:?}");
    let id =
        run(&["silence", "add", "alertname=Theirs", "--author=ada", "--comment=a trial", "--duration=1h"]);
    let silences = run(&["silence", "query", "-o", "json"]);
    assert!(silences.contains(id.trim()), "{silences}");
    run(&["silence", "expire", id.trim()]);
    midwatch.stop();
}

#[test]
fn an_approved_command_runs_once_and_it_is_said_whether_it_held() {
    let home = Home::new();
    let (ran, limit) = (home.path("ran"), home.path("rules.yml"));
    // The command itself makes the alert end: it writes other rules.
    let script = format!(
        "#!/bin/sh\nread -r alert\nprintf '%s %s\\n' \"$alert\" \"$(env | sort | tr '\\n' ' ')\" >> {}\nprintf 'groups: []\\n' > {}\necho done\n",
        ran.display(),
        limit.display()
    );
    let script = home.write("mend.sh", &script);
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    home.write("rules.yml", RULES);
    let actions = format!(
        "actions:\n- name: mend\n  command: [{}]\n  environment: {{LANG: C}}\n  matchers: ['service=\"shop\"']\n  approved_by: Ada\n  hold: 10s\n",
        script.display()
    );
    home.write("actions.yml", &actions);
    home.write("m.toml", "[monitors]\nfiles = [\"rules.yml\"]\nactions = \"actions.yml\"\n");
    let midwatch = home.serve(&["--config", "m.toml", "--no-host", "--no-discover"]);
    let run = eventually("it is known whether it held", || {
        let data = midwatch.data("/api/v1/actions");
        let run = data["runs"][0].clone();
        if run["did_it_hold"] == "held" { Ok(run) } else { Err(data.to_string()) }
    });
    assert_eq!(run["alert"]["alertname"], "Größe");
    assert!(run["how"].as_str().unwrap().starts_with("exit code 0 after "), "{run}");
    let said = std::fs::read_to_string(&ran).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    // What the alert says comes as data, and the environment is the one that was approved.
    assert!(
        said.contains("\"service\":\"shop\"") && said.contains("LANG=C ") && !said.contains("HOME="),
        "{said}"
    );
    let changes = midwatch.data("/api/v1/changes?kind=action");
    assert!(changes.to_string().contains("it held"), "{changes}");
    midwatch.stop();
}
