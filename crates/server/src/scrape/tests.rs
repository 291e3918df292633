//! Whole scrapes: small servers, a real store, and what can be read back from it.

use super::*;
use crate::settings::{Auth, ClientConfig, FileSd, HttpSd, ScrapeConfig, Secret, TargetGroup, TlsConfig};
use crate::test_http::{Server, metrics, open_store, response, until};
use model::{Matcher, NAME, is_stale};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use store::Store;
use tokio::sync::watch;

/// A store with a manager over it.
struct World {
    store: Arc<Store>,
    sink: Sink,
    registry: Registry,
    manager: ScrapeManager,
    /// Dropped last: the manager ends with it.
    _shutdown: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl World {
    fn start(configs: Vec<ScrapeConfig>) -> World {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::default();
        let store = open_store(folder.path(), &registry);
        let sink = Sink::new(Arc::clone(&store), ingest::Limits::default(), registry.clone());
        let (shutdown, seen) = watch::channel(false);
        let manager = ScrapeManager::start(configs, sink.clone(), &registry, "myhost", seen);
        World { store, sink, registry, manager, _shutdown: shutdown, _folder: folder }
    }

    /// Values of a metric, `stale` for its markers, in the order of time; all its series together.
    fn values(&self, metric: &str) -> Vec<String> {
        let matchers = [Matcher::equal(NAME, metric)];
        let series = self.store.view().select(&matchers, 0, i64::MAX, 1_000, 1_000_000).unwrap();
        let of = |s: &model::SeriesData| {
            s.values
                .iter()
                .map(|v| if is_stale(*v) { "stale".into() } else { v.to_string() })
                .collect::<Vec<_>>()
        };
        series.iter().flat_map(of).collect()
    }

    fn labels(&self, metric: &str) -> Vec<String> {
        let matchers = [Matcher::equal(NAME, metric)];
        let series = self.store.view().select(&matchers, 0, i64::MAX, 1_000, 1_000_000).unwrap();
        series.iter().map(|s| s.labels.to_string()).collect()
    }

    /// Waits until the only target was scraped, and says how it went.
    async fn scraped(&self) -> LastScrape {
        until("the target is scraped", || {
            let last = self.manager.snapshot().first()?.last.clone();
            (last.health != Health::Unknown).then_some(last)
        })
        .await
    }

    fn counter(&self, name: &str) -> f64 {
        self.registry.read().iter().filter(|f| f.name == name).flat_map(|f| &f.values).map(|(_, v)| v).sum()
    }
}

/// A job that scrapes one server often.
fn job(server: &Server) -> ScrapeConfig {
    ScrapeConfig {
        job: "api".into(),
        interval_ms: 500,
        timeout_ms: 500,
        static_configs: vec![group(server)],
        ..ScrapeConfig::default()
    }
}

fn group(server: &Server) -> TargetGroup {
    TargetGroup { targets: vec![server.address.to_string()], labels: vec![("env".into(), "test".into())] }
}

#[tokio::test]
async fn a_good_target() {
    let server =
        Server::fixed(metrics("# TYPE requests counter\nrequests{path=\"/\"} 7\nrequests{path=\"/x\"} 1\n"));
    let world = World::start(vec![job(&server)]);
    until("two scrapes are kept", || (world.values("up").len() >= 2).then_some(())).await;
    let address = server.address;
    assert_eq!(
        world.labels("requests"),
        [
            format!(r#"requests{{env="test", instance="{address}", job="api", path="/"}}"#),
            format!(r#"requests{{env="test", instance="{address}", job="api", path="/x"}}"#),
        ]
    );
    assert_eq!(world.labels("up"), [format!(r#"up{{env="test", instance="{address}", job="api"}}"#)]);
    for (report, value) in [
        ("up", "1"),
        ("scrape_samples_scraped", "2"),
        ("scrape_samples_post_metric_relabeling", "2"),
        ("scrape_series_added", "2"),
    ] {
        assert_eq!(world.values(report)[0], value, "{report}");
    }
    assert_eq!(world.values("scrape_series_added")[1], "0");
    let status = &world.manager.snapshot()[0];
    assert_eq!((status.last.health, status.last.error.as_str(), status.last.samples), (Health::Up, "", 2));
    assert_eq!(status.scrape_url, format!("http://{address}/metrics"));
    assert_eq!(status.global_url, format!("http://myhost:{}/metrics", address.port()));
    assert_eq!(world.sink.sources()[0].source, format!("scrape api {address}"));
    assert!(server.requests()[0].contains("x-prometheus-scrape-timeout-seconds: 0.5"));
    assert_eq!(world.store.metadata()["requests"].kind, model::MetricKind::Counter);
}

#[tokio::test]
async fn bad_targets_are_down_with_a_reason() {
    let endless = |part: &'static [u8], pause_ms| {
        Server::start(move |_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(part).is_ok() {
                std::thread::sleep(std::time::Duration::from_millis(pause_ms));
            }
        })
    };
    let cases = [
        (
            Server::fixed(response("500 Internal Server Error", "", "")),
            "the answer was 500 Internal Server Error",
        ),
        (
            Server::fixed(response("200 OK", "content-type: text/html\r\n", "<html>")),
            "the answer is text/html",
        ),
        (
            Server::fixed(response("200 OK", "content-type: application/openmetrics-text\r\n", "a 1\n")),
            "# EOF",
        ),
        (Server::fixed("garbage"), "the request failed"),
        (endless(b"x", 5), "no whole answer ("),
        (endless(&[b'#'; 65_536], 0), "the answer is longer, more than the limit of 1000000 bytes"),
    ];
    let start = |(server, said)| {
        let config = ScrapeConfig { body_bytes_max: 1_000_000, timeout_ms: 300, ..job(&server) };
        (World::start(vec![config]), said, server)
    };
    let worlds: Vec<_> = cases.into_iter().map(start).collect();
    for (world, said, _) in &worlds {
        let last = world.scraped().await;
        assert!(last.error.contains(said), "{:?} has no {said:?}", last.error);
        assert_eq!(last.health, Health::Down);
        assert_eq!(world.values("up")[0], "0");
        assert_eq!(world.values("scrape_samples_scraped")[0], "0");
    }
}

#[tokio::test]
async fn bad_lines_spoil_only_themselves() {
    let server = Server::fixed(metrics("good 1\nbad line here\nbad{a=\"b} 2\nalso_good 3\n"));
    let world = World::start(vec![job(&server)]);
    assert_eq!(world.scraped().await.health, Health::Up);
    assert_eq!((world.values("good")[0].as_str(), world.values("also_good")[0].as_str()), ("1", "3"));
    let rejects = &world.sink.sources()[0].rejects;
    assert!(rejects[0].reject.message.contains("line 2"), "{rejects:?}");
}

#[tokio::test]
async fn series_end_when_they_vanish_or_the_target_is_down() {
    let body = Arc::new(Mutex::new(metrics("stays 1\ngoes 1\n")));
    let shown = Arc::clone(&body);
    let server = Server::start(move |_, stream| drop(stream.write_all(&shown.lock().unwrap())));
    let world = World::start(vec![job(&server)]);
    world.scraped().await;
    *body.lock().unwrap() = metrics("stays 1\n");
    until("one series ends", || (world.values("goes").last()? == "stale").then_some(())).await;
    assert_eq!(world.values("stays").last().unwrap(), "1");
    *body.lock().unwrap() = response("500 Oh No", "", "");
    until("all series end", || (world.values("stays").last()? == "stale").then_some(())).await;
    assert_eq!(world.values("up").last().unwrap(), "0");
    *body.lock().unwrap() = metrics("stays 2\n");
    until("it is up again", || (world.values("stays").last()? == "2").then_some(())).await;
    let all = world.values("stays");
    assert_eq!(all.iter().filter(|v| *v == "stale").count(), 1, "{all:?}");
}

#[tokio::test]
async fn too_many_samples_fail_the_scrape_and_leave_no_series() {
    let body = Arc::new(Mutex::new(metrics("a 1\nb 2\n")));
    let shown = Arc::clone(&body);
    let server = Server::start(move |_, stream| drop(stream.write_all(&shown.lock().unwrap())));
    let world = World::start(vec![ScrapeConfig { samples_max: 2, ..job(&server) }]);
    world.scraped().await;
    *body.lock().unwrap() = metrics("a 1\nb 2\nc 3\n");
    until("the target is down", || (world.manager.snapshot()[0].last.health == Health::Down).then_some(()))
        .await;
    let error = world.manager.snapshot()[0].last.error.clone();
    assert_eq!(error, "3 samples, more than the limit of 2 (sample_limit)");
    assert_eq!((world.values("a").last().unwrap().as_str(), world.values("c").len()), ("stale", 0));
}

#[tokio::test]
async fn credentials_and_redirects() {
    let server = Server::start(|head, stream| {
        let answer = if !head.contains("authorization: Basic YW15OnMzY3JldA==\r\n") {
            response("401 Unauthorized", "", "")
        } else if head.starts_with("GET /metrics ") {
            response("302 Found", "location: /real\r\n", "")
        } else {
            metrics("a 1\n")
        };
        let _ = stream.write_all(&answer);
    });
    let auth = Auth::Basic("amy".into(), Secret::Text("s3cret".into()));
    let client = ClientConfig { auth, tls: TlsConfig::default() };
    let with = ScrapeConfig { client, ..job(&server) };
    let cases = [
        (with.clone(), ""),
        (
            ScrapeConfig { follow_redirects: false, ..with },
            "the answer was 302 Found; redirects are not followed here",
        ),
        (job(&server), "the answer was 401 Unauthorized; check the credentials in the configuration"),
    ];
    let worlds: Vec<_> = cases.into_iter().map(|(config, said)| (World::start(vec![config]), said)).collect();
    for (world, said) in &worlds {
        assert_eq!(world.scraped().await.error, *said);
    }
}

#[tokio::test]
async fn a_large_body_is_decoded_aside() {
    // Few series with long labels: a slow machine has to make them in one timeout.
    let long = "x".repeat(500);
    let body: String = (0..2_500).map(|i| format!("large_metric{{id=\"{i}-{long}\"}} {i}\n")).collect();
    assert!(body.len() > 1 << 20);
    let server = Server::fixed(metrics(&body));
    let world = World::start(vec![ScrapeConfig { interval_ms: 5_000, timeout_ms: 5_000, ..job(&server) }]);
    assert_eq!(world.scraped().await.samples, 2_500);
}

#[tokio::test]
async fn scrapes_that_take_longer_than_the_interval_are_counted() {
    let server = Server::start(|_, stream| {
        std::thread::sleep(std::time::Duration::from_millis(60));
        let _ = stream.write_all(&metrics("a 1\n"));
    });
    let spec = TargetSpec::plain("slow", &server.address.to_string(), "h:1", 20, 20).unwrap();
    let spec = TargetSpec { timeout_ms: 1_000, ..spec };
    let world = World::start(Vec::new());
    assert!(world.manager.add_discovered(spec.clone()));
    assert!(!world.manager.add_discovered(spec), "it is there already");
    world.scraped().await;
    until("a scrape is missed", || (world.counter("midwatch_scrape_missed_total") >= 1.0).then_some(()))
        .await;
}

#[tokio::test]
async fn a_target_that_is_taken_away_ends_its_series_and_reports() {
    let server = Server::fixed(metrics("a 1\n"));
    let spec = TargetSpec::plain("api", &server.address.to_string(), "myhost:1", 500, 500).unwrap();
    let world = World::start(Vec::new());
    assert!(world.manager.add_discovered(spec.clone()));
    until("it is kept", || (!world.values("a").is_empty()).then_some(())).await;
    assert_eq!(world.labels("a"), [r#"a{instance="myhost:1", job="api"}"#]);
    world.manager.remove_discovered(&spec);
    until("its series end", || (world.values("a").last()? == "stale").then_some(())).await;
    assert_eq!(world.values("up").last().unwrap(), "stale");
    assert!(world.manager.snapshot().is_empty());
}

#[tokio::test]
async fn a_stop_of_the_process_ends_no_series() {
    let server = Server::fixed(metrics("a 1\n"));
    let world = World::start(vec![job(&server)]);
    until("it is kept", || (!world.values("a").is_empty()).then_some(())).await;
    world._shutdown.send(true).unwrap();
    until("nothing is scraped", || world.manager.snapshot().is_empty().then_some(())).await;
    tokio::time::sleep(std::time::Duration::from_millis(550)).await;
    assert!(world.values("a").iter().all(|v| v == "1"));
}

/// One target a line, for tests.
fn parse_lines(text: &str) -> Result<Vec<TargetGroup>, String> {
    match text.contains('!') {
        true => Err("a line may hold no !".into()),
        false => {
            Ok(vec![TargetGroup { targets: text.lines().map(String::from).collect(), labels: Vec::new() }])
        }
    }
}

fn instances(world: &World) -> Vec<String> {
    let mut all: Vec<_> =
        world.manager.snapshot().iter().map(|t| t.labels.get("instance").to_string()).collect();
    all.sort();
    all
}

async fn instances_are(world: &World, want: &[&str]) {
    until(&format!("the targets are {want:?}"), || (instances(world) == want).then_some(())).await;
}

#[tokio::test]
async fn lists_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("a.list", "127.0.0.1:1\n127.0.0.1:2\n");
    write("other.txt", "127.0.0.1:9\n");
    let sd = FileSd { files: vec![folder.path().join("*.list")], refresh_ms: 10, parse: parse_lines };
    let config = ScrapeConfig { job: "files".into(), file_sd: vec![sd], ..ScrapeConfig::default() };
    let world = World::start(vec![config]);
    instances_are(&world, &["127.0.0.1:1", "127.0.0.1:2"]).await;
    let path = &world.manager.snapshot()[0].discovered_labels;
    let shown = folder.path().join("a.list").display().to_string();
    assert!(path.contains(&("__meta_filepath".into(), shown)), "{path:?}");
    write("b.list", "127.0.0.1:3\nnot/an/address\n");
    instances_are(&world, &["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]).await;
    assert!(world.manager.problems()[0].contains("HOST:PORT"), "{:?}", world.manager.problems());
    write("a.list", "broken!");
    until("the broken file is told", || {
        world.manager.problems().iter().find(|p| p.contains("no !")).map(drop)
    })
    .await;
    instances_are(&world, &["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]).await;
    write("a.list", "127.0.0.1:2\n");
    instances_are(&world, &["127.0.0.1:2", "127.0.0.1:3"]).await;
    std::fs::remove_file(folder.path().join("b.list")).unwrap();
    instances_are(&world, &["127.0.0.1:2"]).await;
    assert_eq!(world.manager.problems(), [""; 0]);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_told_and_may_come() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("late.list");
    let sd = FileSd { files: vec![path.clone()], refresh_ms: 10, parse: parse_lines };
    let config = ScrapeConfig { job: "files".into(), file_sd: vec![sd], ..ScrapeConfig::default() };
    let world = World::start(vec![config]);
    until("the file is missed", || {
        world.manager.problems().iter().find(|p| p.contains("late.list")).map(drop)
    })
    .await;
    std::fs::write(&path, "127.0.0.1:1").unwrap();
    instances_are(&world, &["127.0.0.1:1"]).await;
    assert_eq!(world.manager.problems(), [""; 0]);
}

#[tokio::test]
async fn lists_over_http() {
    let json = |body: &str| response("200 OK", "content-type: application/json\r\n", body);
    let list =
        Arc::new(Mutex::new(json(r#"[{"targets":["127.0.0.1:1"],"labels":{"zone":"b"}},{"targets":[]}]"#)));
    let shown = Arc::clone(&list);
    let server = Server::start(move |_, stream| drop(stream.write_all(&shown.lock().unwrap())));
    let url = server.url("/targets?token=s3cret");
    let sd = HttpSd { url: url.clone(), refresh_ms: 20, client: ClientConfig::default() };
    let config = ScrapeConfig { job: "http".into(), http_sd: vec![sd], ..ScrapeConfig::default() };
    let world = World::start(vec![config]);
    instances_are(&world, &["127.0.0.1:1"]).await;
    let target = &world.manager.snapshot()[0];
    assert_eq!(target.labels.get("zone"), "b");
    assert!(target.discovered_labels.contains(&("__meta_url".into(), url)));
    let request = &server.requests()[0];
    assert!(request.contains("accept: application/json\r\n"), "{request}");
    assert!(request.contains("x-prometheus-refresh-interval-seconds: 0.02\r\n"), "{request}");
    for (bad, said) in [
        (json("[{"), "EOF while parsing"),
        (response("200 OK", "content-type: text/html\r\n", "[]"), "not application/json"),
        (response("503 Service Unavailable", "", ""), "503"),
    ] {
        *list.lock().unwrap() = bad;
        until(said, || world.manager.problems().iter().find(|p| p.contains(said)).map(drop)).await;
        assert!(!world.manager.problems()[0].contains("s3cret"));
        assert_eq!(instances(&world), ["127.0.0.1:1"], "the last good list stands");
    }
    *list.lock().unwrap() = json("[]");
    instances_are(&world, &[]).await;
}

#[tokio::test]
async fn too_many_targets_are_named() {
    let group = TargetGroup {
        targets: (0..TARGETS_MAX + 3)
            .map(|i| format!("10.{}.{}.{}:1", i >> 16, (i >> 8) & 255, i & 255))
            .collect(),
        labels: Vec::new(),
    };
    let config = ScrapeConfig {
        job: "many".into(),
        interval_ms: 3_600_000,
        timeout_ms: 1_000,
        static_configs: vec![group],
        ..ScrapeConfig::default()
    };
    let world = World::start(vec![config]);
    assert_eq!(world.manager.snapshot().len(), TARGETS_MAX);
    let said = r#"job "many": 3 targets are not scraped: at most 10000 can be"#;
    assert_eq!(world.manager.problems(), [said]);
}

#[tokio::test]
async fn configured_ports_of_this_host_are_known() {
    let targets = |list: &[&str]| {
        vec![TargetGroup { targets: list.iter().map(|t| t.to_string()).collect(), labels: Vec::new() }]
    };
    let config = ScrapeConfig {
        job: "api".into(),
        static_configs: targets(&[
            "localhost:81",
            "127.0.0.2:82",
            "[::1]:83",
            "MyHost:84",
            "10.1.1.1:85",
            "localhost",
        ]),
        ..ScrapeConfig::default()
    };
    let world = World::start(vec![config]);
    let known: Vec<u16> = (80..=86).filter(|p| world.manager.configured_job(*p).is_some()).collect();
    assert_eq!(known, [80, 81, 82, 83, 84]);
    assert!(Path::new(world._folder.path()).exists());
}

/// Who wants native histograms asks for protobuf first, and what comes is kept and counted as one sample.
#[tokio::test]
async fn native_histograms_are_asked_for_and_kept() {
    use ingest::wire::{put_bytes_field, put_double_field, put_varint, put_varint_field};
    let message = |build: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        build(&mut out);
        out
    };
    let histogram = message(&|m| {
        put_varint_field(m, 1, 7);
        put_double_field(m, 2, 1.25);
        put_varint_field(m, 5, 6);
        put_bytes_field(m, 12, &message(&|span| put_varint_field(span, 2, 1)));
        put_bytes_field(m, 13, &[14]);
        put_bytes_field(m, 15, &message(&|time| put_varint_field(time, 1, 1_600_000_000)));
    });
    let family = message(&|m| {
        put_bytes_field(m, 1, b"latency_seconds");
        put_varint_field(m, 3, 4);
        put_bytes_field(m, 4, &message(&|metric| put_bytes_field(metric, 7, &histogram)));
    });
    let mut body = Vec::new();
    put_varint(&mut body, family.len() as u64);
    body.extend(family);
    let server = Server::start(move |request, stream| {
        let accept = request
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("accept:").map(String::from));
        let wants = accept.is_some_and(|accept| accept.trim().starts_with("application/vnd.google.protobuf"));
        let kind =
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let _ = match wants {
            true => stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)),
            false => stream.write_all(&metrics("text 1\n")),
        };
    });
    let world = World::start(vec![ScrapeConfig { native_histograms: true, ..job(&server) }]);
    assert_eq!(world.scraped().await.samples, 1);
    let matchers = [Matcher::equal(NAME, "latency_seconds")];
    let found =
        until("it is kept", || world.store.view().select(&matchers, 0, i64::MAX, 10, 10_000).unwrap().pop())
            .await;
    let at = &found.histograms[0];
    assert_eq!((at.start_ms, at.histogram.count, at.histogram.sum), (1_600_000_000_000, 7.0, 1.25));
    assert_eq!(at.histogram.buckets().len(), 1);
    assert!(found.values.is_empty());
    assert_eq!(world.values("scrape_samples_scraped")[0], "1");
}
