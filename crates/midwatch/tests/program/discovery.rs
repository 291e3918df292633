//! Services of this machine that expose metrics are found by looking at its ports; what was asked and did not answer with
//! metrics is shown with the reason, and left alone. Other services of the machine are there too, and do not matter here.

use crate::support::service::{OPEN_METRICS, Service, TEXT};
use crate::support::{Home, Midwatch, eventually};
use serde_json::Value as Json;
use std::time::Duration;

/// What is known of a port, once it is in that state.
fn port(midwatch: &Midwatch, number: u16, state: &str) -> Json {
    eventually(&format!("port {number} is {state}"), || {
        let data = midwatch.data("/api/v1/discovery");
        let found = data["ports"].as_array().unwrap().iter().find(|p| p["port"] == number);
        found.filter(|p| p["state"] == state).cloned().ok_or(data.to_string())
    })
}

#[test]
fn a_service_with_metrics_is_found_and_scraped() {
    let plain = Service::fixed("200 OK", TEXT, "# TYPE found_plain gauge\nfound_plain{unique=\"d1\"} 41\n");
    let open = Service::fixed(
        "200 OK",
        OPEN_METRICS,
        "# TYPE found_open gauge\nfound_open{unique=\"d2\"} 42\n# EOF\n",
    );
    let home = Home::new();
    let midwatch = home.serve(&["--no-host"]);
    assert!(midwatch.process.stdout().contains("records what it finds on this machine"));
    for (service, name, want) in [(&plain, "found_plain", 41.0), (&open, "found_open", 42.0)] {
        let (labels, value) = eventually(name, || midwatch.query(name).pop().ok_or("not yet".into()));
        assert_eq!(value, want);
        let number = service.address.port();
        assert!(labels["instance"].ends_with(&format!(":{number}")), "{labels:?}");
        let known = port(&midwatch, number, "scraped");
        assert_eq!(known["process"], labels["job"], "{known}");
        // As Prometheus shows it, with how it was found.
        let targets = midwatch.data("/api/v1/targets?state=active");
        let url = format!("http://127.0.0.1:{number}/metrics");
        let mut active = targets["activeTargets"].as_array().unwrap().iter();
        let shown = active.find(|t| t["scrapeUrl"] == url).unwrap_or_else(|| panic!("{targets}"));
        assert_eq!((&shown["health"], &shown["found"]), (&"up".into(), &true.into()), "{shown}");
    }
    // Not itself: it records its own metrics already.
    port(&midwatch, midwatch.address.port(), "own");
    // When it goes, its series end and it is no target any more.
    let number = plain.address.port();
    drop(plain);
    eventually("what is gone is forgotten", || {
        let (rows, data) = (midwatch.query("found_plain"), midwatch.data("/api/v1/discovery"));
        let known = data["ports"].as_array().unwrap().iter().any(|p| p["port"] == number);
        if rows.is_empty() && !known { Ok(()) } else { Err(format!("{rows:?} {data}")) }
    });
}

#[test]
fn what_does_not_answer_with_metrics_is_shown_with_why_and_left_alone() {
    let lost = Service::fixed("404 Not Found", "text/plain", "nothing");
    let page = Service::fixed("200 OK", "text/html", "<html>up 1</html>");
    let closed = Service::start(|_| Ok(()));
    let silent = Service::start(|request| request.drip(b"", Duration::from_millis(50)));
    let endless = Service::start(|request| request.drip(&[b'x'; 65_536], Duration::from_millis(1)));
    let home = Home::new();
    home.write("midwatch.toml", "[discover]\nprobe_timeout = \"500ms\"\n");
    let midwatch = home.serve(&["--no-host", "--config", "midwatch.toml"]);
    for (service, why) in [
        (&lost, "404"),
        (&page, "text/html"),
        (&closed, "no HTTP answer"),
        (&silent, "within"),
        (&endless, ""),
    ] {
        let known = port(&midwatch, service.address.port(), "failed");
        assert!(known["reason"].as_str().unwrap().contains(why), "{why:?} is not in {known}");
        let wait_ms = known["next_check_ms"].as_i64().unwrap() - known["checked_ms"].as_i64().unwrap();
        assert_eq!(wait_ms, 3_600_000, "{known}");
    }
    let targets = midwatch.data("/api/v1/targets");
    for service in [&lost, &page, &closed, &silent, &endless] {
        let url = format!("http://127.0.0.1:{}/metrics", service.address.port());
        assert!(!targets["activeTargets"].as_array().unwrap().iter().any(|t| t["scrapeUrl"] == url));
    }
    assert!(midwatch.own("midwatch_discovery_probes_total{result=\"other\"}") >= 2.0);
    assert!(midwatch.own("midwatch_discovery_probes_total{result=\"failed\"}") >= 2.0);
}

#[test]
fn a_service_that_a_configuration_names_is_scraped_once() {
    let service = Service::fixed("200 OK", TEXT, "named_value 1\n");
    let home = Home::new();
    home.write(
        "prometheus.yml",
        &format!(
            "scrape_configs: [{{job_name: named, scrape_interval: 1s, static_configs: [{{targets: ['{}']}}]}}]",
            service.address
        ),
    );
    let midwatch = home.serve(&["--no-host", "--config", "prometheus.yml"]);
    let known = port(&midwatch, service.address.port(), "scraped");
    assert!(known["reason"].as_str().unwrap().contains("\"named\""), "{known}");
    eventually("its job scrapes it", || midwatch.value("named_value{job=\"named\"}"));
    assert_eq!(midwatch.query("named_value").len(), 1);
}
