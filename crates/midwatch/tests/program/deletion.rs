//! Deleting a person's data: off unless it is allowed, nothing on the first word, gone from every answer and every file
//! afterwards, with an audit that does not name them.

use crate::support::http::encode;
use crate::support::{Home, now_ms, series, text};

const SELECTOR: &str = "{user=\"ada@example.org\"}";

fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    let pair = |(n, v): &(&str, &str)| format!("{}={}", encode(n), encode(v));
    fields.iter().map(pair).collect::<Vec<_>>().join("&").into_bytes()
}

const FORM: [(&str, &str); 1] = [("Content-Type", "application/x-www-form-urlencoded")];

#[test]
fn by_request_only_where_it_is_allowed_and_only_when_it_is_meant() {
    let home = Home::new();
    home.write("midwatch.toml", "[admin]\ndelete_series = true\n");
    let path = "/api/v1/admin/tsdb/delete_series";
    let data = |users: &[&str]| -> Vec<_> {
        let now = now_ms();
        users
            .iter()
            .map(|u| series("logins_total", &[("user", u)], &[(now - 1000, 1.0), (now, 2.0)]))
            .collect()
    };
    {
        let midwatch = home.serve_quietly();
        midwatch.write(&data(&["ada@example.org", "bob"]));
        let answer = midwatch.post(path, &FORM, &form(&[("match[]", SELECTOR), ("yes", "1")])).unwrap();
        assert_eq!(answer.status, 403);
        assert!(answer.text().contains("delete_series = true"), "{}", answer.text());
        assert_eq!(midwatch.export("logins_total").len(), 2);
        midwatch.stop();
    }
    let midwatch = home.serve(&["--no-host", "--no-discover", "--config", "midwatch.toml"]);
    let ask = |fields: &[(&str, &str)]| midwatch.post(path, &FORM, &form(fields)).unwrap();
    let plan = ask(&[("match[]", SELECTOR)]).json();
    assert_eq!(
        (&plan["data"]["dry_run"], &plan["data"]["series"], &plan["data"]["samples"]),
        (&true.into(), &1.into(), &2.into())
    );
    assert_eq!(midwatch.export("logins_total").len(), 2, "nothing on the first word");
    assert_eq!(ask(&[("match[]", SELECTOR), ("yes", "1")]).status, 400, "why?");
    assert_eq!(ask(&[("match[]", "{user=~\".*\"}"), ("yes", "1"), ("reason", "r")]).status, 400);
    let done = ask(&[("match[]", SELECTOR), ("yes", "1"), ("reason", "request 4711")]).json();
    assert_eq!((&done["data"]["samples"], &done["data"]["dry_run"]), (&2.into(), &false.into()), "{done}");
    assert_eq!(midwatch.export("logins_total").len(), 1);
    let values = midwatch.data("/api/v1/label/user/values");
    assert_eq!(values, serde_json::json!(["bob"]));
    let audit = midwatch.data("/api/v1/audit");
    assert_eq!(audit["entries"][0]["address"], "127.0.0.1");
    assert_eq!(audit["entries"][1]["result"], "done");
    assert!(!audit.to_string().contains("ada"), "{audit}");
    midwatch.stop();
    let found = home.run(&["audit", "--data", "midwatch-data", "--value", "ada@example.org"]);
    assert!(found.stdout.contains("request 4711"), "{found:?}");
    let other = home.run(&["audit", "--data", "midwatch-data", "--value", "bob"]);
    assert_eq!(other.stdout, "nothing\n");
}

#[test]
fn by_command_in_a_folder_that_nobody_uses() {
    let home = Home::new();
    let now = now_ms();
    let data = home.path("midwatch-data");
    let command = |more: &[&str]| {
        home.run(&[&["delete-series", "--match", SELECTOR, "--data", text(&data)], more].concat())
    };
    let midwatch = home.serve_quietly();
    for user in ["ada@example.org", "bob"] {
        midwatch.write(&[series("logins_total", &[("user", user)], &[(now, 1.0)])]);
    }
    let in_use = command(&[]);
    assert!(in_use.code == Some(1) && in_use.stderr.contains("--url"), "{in_use:?}");
    midwatch.stop();
    let plan = command(&[]);
    assert!(
        plan.code == Some(0) && plan.stdout.starts_with("Would delete up to 1 samples of 1 series"),
        "{plan:?}"
    );
    let done = command(&["--yes", "--reason", "request 4711"]);
    assert!(done.code == Some(0) && done.stdout.starts_with("Deleted 1 samples of 1 series"), "{done:?}");
    let midwatch = home.serve_quietly();
    assert_eq!(midwatch.export("logins_total").len(), 1);
    let nowhere = home.run(&["delete-series", "--match", SELECTOR, "--data", "nowhere"]);
    assert!(nowhere.stderr.contains("not a data folder") && !home.path("nowhere").exists(), "{nowhere:?}");
}
