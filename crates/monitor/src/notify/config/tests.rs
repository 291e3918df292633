//! Files of Alertmanager, good and bad.

use super::*;

fn show(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|p| format!("{}: {}", p.line, p.what)).collect()
}

#[test]
fn a_file_as_alertmanager_has_it() {
    let text = r#"
global:
  resolve_timeout: 10m
  slack_api_url_file: /etc/secrets/slack
route:
  receiver: chat
  group_by: [alertname, cluster]
  group_wait: 10s
  routes:
    - match: {severity: page}
      match_re: {team: "db|cache"}
      receiver: pager
      repeat_interval: 1h
      routes:
        - matchers: [env="test", zone=~"a.*"]
          receiver: chat
          group_by: ['...']
receivers:
  - name: chat
    slack_configs:
      - channel: '#ops'
        title: '{{ .CommonLabels.alertname }}'
  - name: pager
    pagerduty_configs:
      - routing_key: $PAGERDUTY_KEY
    webhook_configs:
      - url: http://127.0.0.1:9/x
        http_config: {authorization: {credentials: hunter2}}
    ntfy_configs:
      - url: https://ntfy.sh/mine
inhibit_rules:
  - source_match: {severity: page}
    target_matchers: ['severity="warn"']
    equal: [host]
heartbeat: {url: http://127.0.0.1:9/alive, interval: 30s}
"#;
    let (config, problems) = read("am.yml", text);
    assert_eq!(show(&problems), ["22: chat: title has no effect: the text is made of what is known"]);
    let config = config.unwrap();
    assert_eq!(
        (config.resolve_timeout_ms, config.heartbeat.as_ref().unwrap().interval_ms),
        (600_000, 30_000)
    );
    let page = &config.route.routes[0];
    assert_eq!((page.group_wait_ms, page.repeat_interval_ms, page.matchers.len()), (10_000, 3_600_000, 2));
    assert_eq!(page.routes[0].group_by, GroupBy::All);
    assert_eq!(page.routes[0].key, r#"{}/{severity="page",team=~"db|cache"}/{env="test",zone=~"a.*"}"#);
    let [chat, pager] = &config.receivers[..] else { panic!("two") };
    assert_eq!(chat.targets[0].url, Secret::File("/etc/secrets/slack".into()));
    assert_eq!((chat.targets[0].option("channel"), chat.targets[0].send_resolved), ("#ops", false));
    assert_eq!(pager.targets[0].key, Some(Secret::Env("PAGERDUTY_KEY".into())));
    assert_eq!(pager.targets.len(), 3);
    // Nothing shows a secret.
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let receivers = "receivers:\n- name: a\n";
    for (text, want, is_usable) in [
        ("route: {receiver: b}\n", "1: there is no receiver \"b\"", false),
        (
            "route: {receiver: a, matchers: [x=y]}\n",
            "1: the first route takes every alert: it has no matchers",
            false,
        ),
        ("route: {receiver: a, group_wait: 5}\n", "1: group_wait: \"5\" has no unit; write 5s or 5m", true),
        (
            "route: {receiver: a, routes: [{matchers: ['x']}]}\n",
            "1: \"x\" is not a matcher such as severity=\"page\" or job=~\"api|web\"",
            true,
        ),
        (
            "route: {receiver: a, routes: [{mute_time_intervals: [n]}]}\n",
            "1: there is no time interval \"n\"",
            true,
        ),
        ("{}\n", "", false),
    ] {
        let (config, problems) = read("am.yml", &format!("{receivers}{text}"));
        if !want.is_empty() {
            assert_eq!(show(&problems), [want.replacen("1:", "3:", 1)], "{text}");
        }
        assert_eq!(config.is_some(), is_usable, "{text}");
    }
    for (target, want) in [
        ("pagerduty_configs: [{}]", "a: pagerduty_configs needs routing_key"),
        ("webhook_configs: [{send_resolved: true}]", "a: webhook_configs needs url"),
        (
            "webhook_configs: [{url: 'http://x', http_config: {tls_config: {}}}]",
            "\"tls_config\" in http_config is not supported",
        ),
        ("jira_configs: []", "a: \"jira_configs\" is not supported"),
        ("email_configs: [{to: a@b.ch, smarthost: 'b.ch:25'}]", "a: email_configs needs from"),
        ("oncall_configs: [{rota: db}]", "a: there is no rota \"db\""),
        ("webhook_config: []", "a: \"webhook_config\" is not supported; did you mean \"webhook_configs\"?"),
    ] {
        let text = format!("route: {{receiver: a}}\nreceivers:\n- name: a\n  {target}\n");
        let (_, problems) = read("am.yml", &text);
        assert!(problems.iter().any(|p| p.what == want), "{target}: {:?}", show(&problems));
    }
}
