//! `shop ROLE`: one process of a small shop that is there to be watched and broken. `shop link` relays between two of
//! them, `shop customers` are those who buy. Addresses come by the environment; it must never listen off loopback.

mod admin;
mod cache;
mod clock;
mod config;
mod customers;
mod db;
mod link;
mod roles;
mod serve;
mod shop;
mod telemetry;

use opentelemetry::logs::Severity;
use opentelemetry::{Context, KeyValue};
use serve::Role;
use shop::Shop;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use telemetry::Telemetry;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let role = std::env::args().nth(1).ok_or("shop ROLE: gateway, catalogue, cart, ..., link, customers")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match role.as_str() {
        "link" => runtime.block_on(async {
            let control = listener(&variable("SHOP_CONTROL")?).await?;
            Ok(link::relay(listener(&variable("SHOP_LISTEN")?).await?, control, variable("SHOP_TARGET")?)
                .await?)
        }),
        "customers" => runtime.block_on(customers()),
        name => {
            let role =
                roles::ALL.iter().find(|r| r.name == name).ok_or(format!("there is no role {name}"))?;
            let version = variable("SHOP_VERSION")?;
            let telemetry = {
                // The exporter for gRPC wants a runtime around it.
                let _inside = runtime.enter();
                Telemetry::start(name, &version, &variable("SHOP_LISTEN")?)
            };
            let shop = runtime.block_on(service(*role, version, telemetry))?;
            shop.telemetry.stop();
            Ok(())
        }
    }
}

fn variable(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|_| format!("{name} is not in the environment").into())
}

async fn listener(address: &str) -> Result<TcpListener, Failure> {
    let address: std::net::SocketAddr = address.parse()?;
    if !address.ip().is_loopback() {
        return Err(format!("{address} can be reached from other machines").into());
    }
    Ok(TcpListener::bind(address).await?)
}

async fn customers() -> Result<(), Failure> {
    let rate = variable("SHOP_SESSIONS_PER_SECOND")?.parse()?;
    let crowd = customers::Crowd::new(variable("SHOP_BASE")?, rate);
    let listener = listener(&variable("SHOP_LISTEN")?).await?;
    tokio::spawn(crowd.clone().come());
    let measured =
        move |axum::extract::Query(query): axum::extract::Query<std::collections::HashMap<String, u64>>| {
            let answer = crowd.report(query.get("seconds").copied().unwrap_or(60)).to_string();
            async move { answer }
        };
    Ok(axum::serve(listener, axum::Router::new().route("/measured", axum::routing::get(measured))).await?)
}

/// Serves until SIGTERM or SIGINT.
async fn service(role: Role, version: String, telemetry: Telemetry) -> Result<Arc<Shop>, Failure> {
    let peers: serde_json::Value = serde_json::from_str(&variable("SHOP_PEERS")?)?;
    let address = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_string();
    let peers = peers.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), address(v))).collect();
    let members: Vec<String> = variable("SHOP_ETCD")?.split(',').map(str::to_string).collect();
    let pool = |name: &str| std::env::var(name).ok().map(|dsn| db::Pool::new(dsn, 4));
    let shop = Arc::new(Shop {
        name: role.name,
        version,
        telemetry,
        peers,
        config: config::Config::default(),
        db: pool("SHOP_DB"),
        replica: pool("SHOP_REPLICA"),
        cache: match std::env::var("SHOP_REDIS") {
            Ok(address) => Some(cache::Cache::connect(&address).await?),
            Err(_) => None,
        },
        chance: clock::Chance::new(),
        served: AtomicU64::new(0),
        leak_kib: AtomicU64::new(0),
        leaked: Default::default(),
        hog_percent: AtomicU64::new(0),
        http: reqwest::Client::builder().build()?,
    });
    gauges(&shop);
    shop.config.refresh(&shop.http, &members, role.name).await;
    tokio::spawn(watch_config(shop.clone(), members));
    if role.name == "worker" {
        tokio::spawn(roles::worker::work(shop.clone()));
    }
    let listener = listener(&variable("SHOP_LISTEN")?).await?;
    let text = format!("{} {} serves on {}", role.name, shop.version, listener.local_addr()?);
    shop.log(&Context::new(), Severity::Info, &text, &[("version", shop.version.clone())]);
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        result = serve::serve(shop.clone(), role, listener) => result?,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    shop.log(&Context::new(), Severity::Info, &format!("{} stops", role.name), &[]);
    Ok(shop)
}

/// What is read at each export: memory, and the connections of the pool.
fn gauges(shop: &Arc<Shop>) {
    let meter = &shop.telemetry.meter;
    meter
        .u64_observable_gauge("process.memory.usage")
        .with_unit("By")
        .with_callback(|o| o.observe(admin::rss_kib() * 1_024, &[]))
        .build();
    if shop.db.is_some() {
        let of = Arc::downgrade(shop);
        meter
            .u64_observable_gauge("db.client.connection.count")
            .with_callback(move |o| {
                if let Some(pool) = of.upgrade().as_ref().and_then(|s| s.db.as_ref()) {
                    let (size, waiting) = pool.size_and_waiting();
                    o.observe(pool.free() as u64, &[KeyValue::new("state", "idle")]);
                    o.observe((size - pool.free().min(size)) as u64, &[KeyValue::new("state", "used")]);
                    o.observe(waiting, &[KeyValue::new("state", "pending")]);
                }
            })
            .build();
    }
}

async fn watch_config(shop: Arc<Shop>, members: Vec<String>) {
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        if shop.config.refresh(&shop.http, &members, shop.name).await {
            let text = format!("configuration changed: {:?}", shop.config.all());
            shop.log(&Context::new(), Severity::Info, &text, &[]);
        }
    }
}
