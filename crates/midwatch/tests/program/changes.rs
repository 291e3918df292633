//! Changes: told by people and scripts, found out by Midwatch itself, kept over a kill.

use crate::support::{Home, Midwatch, eventually, now_ms};
use serde_json::{Value as Json, json};

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn url_of(midwatch: &Midwatch) -> String {
    format!("http://{}", midwatch.address)
}

fn record(midwatch: &Midwatch, change: &Json) -> Json {
    let answer = midwatch.post("/api/v1/changes", &[JSON], change.to_string().as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"].clone()
}

fn titles(midwatch: &Midwatch, query: &str) -> Vec<String> {
    let list = midwatch.data(&format!("/api/v1/changes?{query}"));
    list["changes"].as_array().unwrap().iter().map(|c| c["title"].as_str().unwrap().to_string()).collect()
}

#[test]
fn told_said_more_about_listed_and_kept_over_a_kill() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let url = url_of(&midwatch);
    let told = home.run(&[
        "change",
        "deployed api 1.42",
        "--service",
        "api",
        "--kind",
        "deploy",
        "--id",
        "deploy-1",
        "--answer",
        "solves=the crash",
        "--author",
        "ada",
        "--url",
        &url,
    ]);
    assert_eq!((told.code, told.stdout.trim()), (Some(0), "deploy-1"), "{}", told.stderr);
    let later = (now_ms() + 60_000) / 1000;
    record(&midwatch, &json!({ "title": "flag on", "kind": "flag", "host": "vm1", "time": later }));
    // The same once more is the same; a later word adds to it.
    let again = record(&midwatch, &json!({ "id": "deploy-1", "title": "deployed api 1.42" }));
    assert_eq!(again["is_new"], false);
    let told = home.run(&["change", "--id", "deploy-1", "--outcome", "worked", "--url", &url]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);

    let check = |midwatch: &Midwatch| {
        let end = (now_ms() + 120_000) / 1000;
        assert_eq!(titles(midwatch, &format!("end={end}")), ["flag on", "deployed api 1.42"]);
        assert_eq!(titles(midwatch, "service=api"), ["deployed api 1.42"]);
        assert_eq!(titles(midwatch, "kind=config"), Vec::<String>::new());
        let change = midwatch.data("/api/v1/changes/deploy-1");
        let said = &change["attributes"];
        assert_eq!((said["solves"].as_str(), said["outcome"].as_str()), (Some("the crash"), Some("worked")));
        assert_eq!((change["author"].as_str(), change["kind"].as_str()), (Some("ada"), Some("deploy")));
        assert_eq!(midwatch.data("/api/v1/changes/deploy-1/compare")["measures"], json!([]));
        assert_eq!(midwatch.get("/api/v1/changes/none").status, 404);
    };
    check(&midwatch);
    midwatch.kill();
    check(&home.serve_quietly());
}

#[test]
fn bad_ones_are_refused_with_what_to_do() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    for (body, words) in [
        ("", "not a change in JSON"),
        ("{}", "needs a title"),
        (r#"{"title":"x","kind":"a b"}"#, "a kind is a word"),
        (r#"{"title":"x","link":"javascript:alert(1)"}"#, "http://"),
        (r#"{"title":"x","answers":{"mood":"good"}}"#, "test_of_success"),
        (r#"{"title":"x","time":"2999-01-01T00:00:00Z"}"#, "more than a year ahead"),
        (r#"{"tilte":"x"}"#, "it has id, time, kind, title"),
    ] {
        let answer = midwatch.post("/api/v1/changes", &[JSON], body.as_bytes()).unwrap();
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.text().contains(words), "{}", answer.text());
    }
    let nothing = home.run(&["change", "--url", &url_of(&midwatch)]);
    assert!(nothing.code != Some(0) && nothing.stderr.contains("say what was changed"), "{}", nothing.stderr);
}

#[test]
fn a_file_that_is_watched_is_found_out_also_what_happened_in_between() {
    let home = Home::new();
    let file = home.write("app.conf", "workers = 1\n");
    home.write(
        "midwatch.toml",
        &format!("[changes]\nperiod = \"1s\"\nfiles = [{:?}]\n", file.display().to_string()),
    );
    let flags = ["--no-discover", "--config", "midwatch.toml"];
    let midwatch = home.serve(&flags);
    let seen = home.path("midwatch-data").join("changes-seen.json");
    eventually("what is seen is remembered", || if seen.exists() { Ok(()) } else { Err("not yet".into()) });
    home.write("app.conf", "workers = 2\n");
    let wanted = format!("{} was changed", file.display());
    let has = |midwatch: &Midwatch, count: usize| {
        eventually("the change is found", || {
            match titles(midwatch, "kind=config").iter().filter(|t| **t == wanted).count() {
                n if n == count => Ok(()),
                n => Err(format!("{n} times")),
            }
        })
    };
    has(&midwatch, 1);
    midwatch.kill();
    home.write("app.conf", "workers = 3\n");
    let midwatch = home.serve(&flags);
    has(&midwatch, 2);
    let told = midwatch.data("/api/v1/changes?kind=config");
    assert!(!told.to_string().contains("workers"), "what is in a file is nobody's business");
}
