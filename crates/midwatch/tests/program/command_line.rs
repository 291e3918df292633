//! The commands beside `serve`, each run as a person or a script runs it, with what it prints and its exit code.

use crate::support::{Home, Midwatch, eventually, now_ms, series};
use std::io::Write;
use std::process::{Command, Stdio};

/// A server with two series of a minute, and its address as a flag.
fn with_series(home: &Home) -> (Midwatch, String) {
    let midwatch = home.serve_quietly();
    let start_ms = now_ms() / 1000 * 1000 - 60_000;
    let samples = |factor: f64| -> Vec<(i64, f64)> {
        (0..=60).map(|i| (start_ms + i * 1000, i as f64 * factor)).collect()
    };
    midwatch.write(&[
        series("shop_basket_bytes", &[("shop", "north"), ("till", "1")], &samples(1024.0)),
        series("shop_basket_bytes", &[("shop", "south"), ("till", "1")], &samples(2048.0)),
    ]);
    let url = format!("http://{}", midwatch.address);
    (midwatch, url)
}

/// Runs it on a terminal, which `script` gives it, with some keys pressed.
fn on_a_terminal(home: &Home, args: &str, keys: &str) -> (bool, String) {
    let line = format!("'{}' {args}", env!("CARGO_BIN_EXE_midwatch"));
    let mut command = Command::new("timeout");
    command.args(["60", "script", "-qec", &line, "/dev/null"]).env("NO_COLOR", "1").env("TERM", "xterm");
    command.current_dir(home.path("")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("script (Debian's package bsdutils): {e}"));
    child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    (out.status.success(), String::from_utf8_lossy(&out.stdout).replace('\r', ""))
}

#[test]
fn a_query_into_a_pipe_is_the_answer_of_the_api() {
    let home = Home::new();
    let (midwatch, url) = with_series(&home);
    let at = (now_ms() / 1000).to_string();
    let ended = home.run(&["query", "sum by (shop) (shop_basket_bytes)", "--at", &at, "--url", &url]);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
    let query = "query=sum%20by%20(shop)%20(shop_basket_bytes)";
    let api = midwatch.get(&format!("/api/v1/query?{query}&time={at}"));
    assert_eq!(ended.stdout.trim_end(), api.text());

    let ended = home.run(&["query", "shop_basket_bytes", "--range", "1m", "--step", "10s", "--url", &url]);
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(json["data"]["resultType"], "matrix");
    assert_eq!(json["data"]["result"].as_array().map(Vec::len), Some(2), "{json}");
}

#[test]
fn a_query_on_a_terminal_is_a_table() {
    let home = Home::new();
    let (_midwatch, url) = with_series(&home);
    let (good, text) = on_a_terminal(&home, &format!("query shop_basket_bytes --url {url}"), "");
    assert!(good && !text.contains('\u{1b}'), "{text:?}");
    let row =
        |shop: &str| text.lines().find(|l| l.contains(shop)).unwrap_or_else(|| panic!("{text}")).to_string();
    // 60 KiB and 120 KiB, with the unit that the name says.
    assert!(row("north").contains("60") && row("north").contains("Ki"), "{text}");
    assert!(row("south").contains("120"), "{text}");
    let (good, text) = on_a_terminal(&home, &format!("query no_such_name --url {url}"), "");
    assert!(good && text.contains("Nothing found") && text.contains("midwatch query"), "{text}");
    let (good, text) = on_a_terminal(&home, &format!("query shop_basket_bytes --json --url {url}"), "");
    assert!(good && text.starts_with("{\"status\":\"success\""), "{text}");
}

#[test]
fn a_query_as_a_chart() {
    let home = Home::new();
    let (_midwatch, url) = with_series(&home);
    let ended = home.run(&["query", "shop_basket_bytes", "--plot", "--range", "1m", "--url", &url]);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
    let braille = |c: char| ('\u{2800}'..='\u{28ff}').contains(&c);
    let (shop, drawn) = (ended.stdout.contains("south"), ended.stdout.lines().count() > 8);
    let ink = ended.stdout.chars().filter(|c| braille(*c) || "━█▁▂▃▄▅▆▇*·".contains(*c)).count();
    assert!(shop && drawn && ink > 20, "{}", ended.stdout);
    assert!(!ended.stdout.contains('\u{1b}'), "no colours into a pipe: {:?}", ended.stdout);
}

#[test]
fn a_query_that_fails_says_where_and_how_to_mend_it() {
    let home = Home::new();
    let (midwatch, url) = with_series(&home);
    for (promql, part) in [("sum(shop_basket_bytes", ")"), ("rate(shop_basket_bytes)", "["), ("", "")] {
        let ended = home.run(&["query", promql, "--url", &url]);
        assert_eq!(ended.code, Some(1), "{promql}: {ended:?}");
        assert!(
            ended.stderr.starts_with("midwatch: ") && ended.stderr.contains(part),
            "{promql}: {}",
            ended.stderr
        );
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
    let nobody = format!("http://127.0.0.1:{}", crate::support::service::free_port());
    let ended = home.run(&["query", "up", "--url", &nobody]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("midwatch serve") && ended.stderr.contains("--url"), "{}", ended.stderr);
    // Labels from outside must not move the cursor or paint.
    let t = now_ms();
    midwatch.write(&[series("evil", &[("label", "\u{1b}[2J\u{7}red")], &[(t, 1.0)])]);
    let (_, text) = on_a_terminal(&home, &format!("query evil --url {url}"), "");
    assert!(text.contains("red") && !text.contains(['\u{1b}', '\u{7}']), "{text:?}");
}

#[test]
fn a_configuration_is_checked_without_a_start() {
    let home = Home::new();
    let check = |name: &str, text: &str| {
        home.write(name, text);
        home.run(&["config", "check", name])
    };
    let good = check(
        "prometheus.yml",
        "global: {scrape_interval: 15s}\nscrape_configs:\n- job_name: a\n  static_configs: [{targets: ['h:1']}]\n\
         - job_name: b\n  basic_auth: {username: u, password: hunter2}\n  static_configs: [{targets: ['h:2']}]\n",
    );
    assert_eq!((good.code, &*good.stderr), (Some(0), ""), "{good:?}");
    assert_eq!(good.stdout, "prometheus.yml: good; 2 scrape jobs\n");

    let warned = check("warned.yml", "remote_write: [{url: 'http://h/'}]\nscrape_configs: [{job_name: a}]\n");
    assert_eq!(warned.code, Some(0), "{warned:?}");
    assert!(warned.stderr.starts_with("warned.yml:1: warning: "), "{}", warned.stderr);
    assert!(warned.stdout.contains("left out"), "{}", warned.stdout);

    let bad = check(
        "bad.yml",
        "global:\n  scrape_intervall: 15s\nscrape_configs:\n- job_name: a\n  kubernetes_sd_configs: [{role: pod}]\n\
         - job_name: a\n  scrape_interval: soon\n  basic_auth: {username: u, pasword: hunter2}\n",
    );
    assert_eq!((bad.code, &*bad.stdout), (Some(1), ""), "{bad:?}");
    for part in [
        "bad.yml:2: error: ",
        "scrape_interval\"?",
        "bad.yml:5: error: ",
        "bad.yml:7: error: ",
        "bad.yml:8: error: ",
    ] {
        assert!(bad.stderr.contains(part), "{part:?} is not in {}", bad.stderr);
    }
    assert!(!bad.stderr.contains("hunter2"), "{}", bad.stderr);
    assert!(bad.stderr.lines().last().unwrap().ends_with("errors"), "{}", bad.stderr);

    let own = check("midwatch.toml", "retention = \"7d\"\n[query]\ntimeout = \"5s\"\n");
    assert_eq!(own.code, Some(0), "{own:?}");
    let gone = home.run(&["config", "check", "gone.toml"]);
    assert_eq!(gone.code, Some(1));
    assert!(gone.stderr.contains("gone.toml") && gone.stderr.contains("No such file"), "{}", gone.stderr);
}

#[test]
fn every_setting_is_explained() {
    let home = Home::new();
    let all = home.run(&["config", "explain"]);
    assert_eq!(all.code, Some(0));
    assert!(all.stdout.contains("retention") && all.stdout.contains("scrape_interval"), "{}", all.stdout);
    let one = home.run(&["config", "explain", "retention_size"]);
    assert!(one.stdout.contains("20GiB") && one.stdout.lines().count() < 20, "{}", one.stdout);
    let none = home.run(&["config", "explain", "retentoin"]);
    assert_eq!(none.code, Some(1), "{none:?}");
    assert!(none.stderr.contains("retention"), "{}", none.stderr);
    let page = home.run(&["config", "explain", "--markdown"]);
    assert!(page.stdout.starts_with("# "), "{}", page.stdout);
}

#[test]
fn completions_are_scripts_that_shells_accept() {
    let home = Home::new();
    for (shell, part) in
        [("bash", "complete -F"), ("zsh", "#compdef midwatch"), ("fish", "complete -c midwatch")]
    {
        let ended = home.run(&["completions", shell]);
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
        assert!(ended.stdout.contains(part) && ended.stdout.contains("no-discover"), "{shell}");
    }
    // Bash is there everywhere: it has to be able to read it.
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    let text = home.run(&["completions", "bash"]).stdout;
    bash.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success());
    assert_eq!(home.run(&["completions", "tcsh"]).code, Some(2));
}

#[test]
fn help_and_version() {
    let home = Home::new();
    let version = home.run(&["--version"]);
    assert_eq!(
        (version.code, version.stdout),
        (Some(0), format!("midwatch {}\n", env!("CARGO_PKG_VERSION")))
    );
    let help = home.run(&["--help"]);
    assert!(help.stdout.contains("midwatch serve") && help.stdout.contains("Examples:"), "{}", help.stdout);
    let nothing = home.run(&[]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    assert!(nothing.stderr.contains("Usage:"), "{}", nothing.stderr);
}

#[test]
fn top_into_a_pipe_prints_one_screen() {
    let home = Home::new();
    let midwatch = home.serve(&["--no-discover"]);
    eventually("the machine is recorded", || midwatch.value("rate(node_context_switches_total[5s])"));
    let url = format!("http://{}", midwatch.address);
    let ended = home.run(&["top", "--url", &url]);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
    assert!(!ended.stdout.contains('\u{1b}'), "{:?}", ended.stdout);
    let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
    for part in [&*hostname, "CPU", "Mem", &url] {
        assert!(ended.stdout.contains(part), "{part:?} is not in {}", ended.stdout);
    }
    // On a terminal it stays until a key is pressed, and leaves the terminal as it was.
    let (good, text) = on_a_terminal(&home, &format!("top --url {url}"), "q");
    assert!(good && text.contains(&hostname), "{text:?}");
    assert!(text.contains("\u{1b}[?1049h") && text.contains("\u{1b}[?1049l"), "{text:?}");
    let nobody = format!("http://127.0.0.1:{}", crate::support::service::free_port());
    let ended = home.run(&["top", "--url", &nobody]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("midwatch serve"), "{}", ended.stderr);
}
