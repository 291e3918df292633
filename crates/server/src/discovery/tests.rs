//! Discovery against real sockets; the list of ports is the test's own, so that nothing else is asked.

use super::*;
use crate::sink::Sink;
use crate::test_http::{Server, metrics, open_store, response, until};
use model::{Matcher, NAME, is_stale};

fn listener(server: &Server, inode: u64) -> ListeningPort {
    let port = server.address.port();
    ListeningPort { address: server.address.ip(), port, inode, pid: Some(1), comm: "shop".into() }
}

#[tokio::test]
async fn services_are_found_scraped_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::default();
    let store = open_store(folder.path(), &registry);
    let sink = Sink::new(Arc::clone(&store), ingest::Limits::default(), registry.clone());
    let (shutdown, seen) = watch::channel(false);
    let manager = Arc::new(ScrapeManager::start(Vec::new(), sink, &registry, "myhost", seen.clone()));

    let good = Server::fixed(metrics("# TYPE orders counter\norders 3\n"));
    let page = Server::fixed(response("200 OK", "content-type: text/html\r\n", "<html>"));
    let missing = Server::fixed(response("404 Not Found", "", ""));
    let silent = Server::start(|_, _| std::thread::sleep(Duration::from_secs(2)));
    let own = Server::fixed(metrics("own 1\n"));
    let servers = [&good, &page, &missing, &silent, &own];
    let ports = servers.iter().zip(1..).map(|(s, i)| listener(s, i)).collect::<Vec<_>>();
    let ports = Arc::new(Mutex::new(ports));
    let listed = Arc::clone(&ports);
    let settings = DiscoverySettings {
        period_ms: 20,
        scrape_interval_ms: 500,
        probe_timeout_ms: 500,
        ..DiscoverySettings::default()
    };
    let surroundings = Surroundings {
        own_ports: vec![own.address.port()],
        hostname: "myhost".into(),
        proc_root: "/nonexistent".into(),
    };
    let read: Ports = Arc::new(move || listed.lock().unwrap().clone());
    let discovery =
        Discovery::start_with(settings, surroundings, read, Arc::clone(&manager), &registry, seen);

    let state = |server: &Server| {
        let all = discovery.snapshot();
        all.into_iter().find(|s| s.port == server.address.port()).map(|s| (s.state, s.reason))
    };
    until("all are judged", || {
        servers.iter().all(|s| state(s).is_some_and(|s| s.0 != PortState::Waiting)).then_some(())
    })
    .await;
    for (server, want, said) in [
        (&good, PortState::Scraped, ""),
        (&page, PortState::Failed, "answered text/html, which does not look like metrics"),
        (&missing, PortState::Failed, "the answer was 404 Not Found; check the path"),
        (&silent, PortState::Failed, "no answer within 0.5 s"),
        (&own, PortState::Own, ""),
    ] {
        assert_eq!(state(server), Some((want, said.to_string())));
    }
    let values = || {
        let series =
            store.view().select(&[Matcher::equal(NAME, "orders")], 0, i64::MAX, 10, 100_000).unwrap();
        series.first().map(|s| (s.labels.to_string(), s.values.clone()))
    };
    let (labels, _) = until("it is scraped", || values().filter(|v| v.1.len() > 1)).await;
    let port = good.address.port();
    assert_eq!(labels, format!(r#"orders{{instance="myhost:{port}", job="shop"}}"#));
    assert!(good.requests()[0].contains(" discovery\r\n"), "{}", good.requests()[0]);
    assert!(!good.requests()[1].contains(" discovery\r\n"), "{}", good.requests()[1]);
    assert_eq!([page.requests().len(), missing.requests().len(), own.requests().len()], [1, 1, 0]);
    assert!(manager.snapshot()[0].found);

    ports.lock().unwrap().retain(|p| p.port != port);
    until("its series end", || values().filter(|v| is_stale(*v.1.last().unwrap()))).await;
    assert!(manager.snapshot().is_empty());
    assert_eq!(state(&good), None);
    drop(shutdown);
}
