//! The bounds as a person meets them: what is over one is refused with its name and what to do, counted, and shown in
//! the list of limits; what is below it goes on.

use crate::support::{Home, Midwatch, now_ms, series};
use serde_json::Value as Json;

/// One that is narrow everywhere.
fn narrow(home: &Home) -> Midwatch {
    let settings = "[store]\nseries_per_metric_max = 100\nseries_per_source_max = 150\n\n\
        [query]\nsamples_max = 1000000\nmemory_max = \"1MiB\"\nseries_max = 100\ntimeout = \"10s\"\n\n\
        [ingest]\nbody_size = \"64KiB\"\n";
    home.write("midwatch.toml", settings);
    home.serve(&["--no-host", "--no-discover", "--config", "midwatch.toml"])
}

fn limit(midwatch: &Midwatch, name: &str) -> Json {
    let data = midwatch.data("/api/v1/status/limits");
    let rows = data["limits"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}: {data}")).clone()
}

#[test]
fn one_metric_and_one_source_leave_room_for_the_others() {
    let home = Home::new();
    let midwatch = narrow(&home);
    let now = now_ms();
    let many = |name: &str, job: &str, n: usize| {
        let all: Vec<_> =
            (0..n).map(|i| series(name, &[("job", job), ("i", &i.to_string())], &[(now, 1.0)])).collect();
        midwatch.remote_write(&ingest::remote_write::encode(&all)).unwrap()
    };
    let answer = many("runaway", "a", 103);
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["accepted"], 100);
    assert_eq!(answer.json()["rejected"][0]["reason"], "too_many_series_of_metric");
    assert!(answer.text().contains("store.series_per_metric_max"), "{}", answer.text());
    let answer = many("calm", "a", 60);
    assert_eq!(answer.json()["rejected"][0]["reason"], "too_many_series_of_source");
    assert_eq!(answer.json()["accepted"], 50);
    assert_eq!(many("calm", "b", 40).status, 204);
    // What is known already is taken as before.
    assert_eq!(many("runaway", "a", 100).status, 204);

    let of_metric = limit(&midwatch, "store.series_per_metric_max");
    assert_eq!(
        (&of_metric["limit"], &of_metric["used"], &of_metric["hits"]),
        (&100.0.into(), &100.0.into(), &3.into())
    );
    assert!(of_metric["last_ms"].as_i64().unwrap() >= now);
    assert!(of_metric["message"].as_str().unwrap().starts_with("runaway has 100 series"), "{of_metric}");
    assert_eq!(limit(&midwatch, "store.series_per_source_max")["hits"], 10);
}

#[test]
fn a_query_says_which_bound_it_hit() {
    let home = Home::new();
    let midwatch = narrow(&home);
    let now = now_ms();
    let samples: Vec<(i64, f64)> = (0..1000).map(|i| (now - 1000 * i, i as f64)).rev().collect();
    for part in 0..4 {
        let all: Vec<_> = (0..20)
            .map(|i| series("m", &[("part", &part.to_string()), ("i", &i.to_string())], &samples[..]))
            .collect();
        for one in all.chunks(2) {
            midwatch.write(one);
        }
    }
    for i in 0..101 {
        midwatch.write(&[series(&format!("other_{i}"), &[("job", "others")], &[(now, 1.0)])]);
    }
    let ask =
        |query: &str| midwatch.get(&format!("/api/v1/query?query={}", crate::support::http::encode(query)));
    assert_eq!(ask("sum(count_over_time(m{part=\"0\"}[1h]))").status, 200);
    for (query, bound, words) in [
        ("sum(count_over_time(m[1h]))", "query.memory_max", "query.memory_max"),
        ("{__name__=~\"other_.*\"}", "query.series_max", "narrower label matchers"),
    ] {
        let answer = ask(query);
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert!(answer.text().contains(words), "{}", answer.text());
        assert_eq!(limit(&midwatch, bound)["hits"], 1, "{bound}");
        assert_eq!(midwatch.own(&format!("midwatch_limit_hits_total{{limit=\"{bound}\"}}")), 1.0);
    }
    let body = vec![b' '; 65 << 10];
    assert_eq!(midwatch.post("/api/v1/import", &[], &body).unwrap().status, 413);
    assert_eq!(limit(&midwatch, "ingest.body_size")["hits"], 1);
}
