//! Customers: people and programs that look, buy and come back, with time to think, more of them by day. They measure
//! what they get. They must never be more than a small machine bears: sessions are bounded.

use crate::clock::Chance;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Sessions at once.
const SESSIONS_MAX: usize = 60;
/// A day of the shop: long nights would make a lab dull.
const DAY: Duration = Duration::from_secs(1_200);
/// What is measured is kept for so many requests.
const KEPT_MAX: usize = 20_000;
/// Keys, and how many of a hundred sessions come with each.
const KEYS: [(&str, u64, &str); 4] = [
    ("web-7f3a", 55, "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0"),
    ("ios-51c9", 20, "ShopApp/3.2 iOS/17"),
    ("android-a08e", 17, "ShopApp/3.1 Android/14"),
    ("acme-e4d2", 8, "acme-sync/0.9"),
];

struct Measured {
    at: Instant,
    operation: &'static str,
    ms: f64,
    status: u16,
}

/// The crowd.
pub struct Crowd {
    http: Client,
    base: String,
    chance: Chance,
    measured: Mutex<VecDeque<Measured>>,
    sessions: AtomicUsize,
    per_second: f64,
}

struct Session {
    user: String,
    key: &'static str,
    agent: &'static str,
}

impl Crowd {
    /// Customers of the shop at `base` (`http://127.0.0.1:8080`), so many new sessions each second on average.
    pub fn new(base: String, per_second: f64) -> Arc<Crowd> {
        Arc::new(Crowd {
            http: Client::builder().timeout(Duration::from_secs(8)).build().expect("no TLS is needed"),
            base,
            chance: Chance::new(),
            measured: Mutex::default(),
            sessions: AtomicUsize::new(0),
            per_second,
        })
    }

    /// Lets them come, for ever.
    pub async fn come(self: Arc<Crowd>) {
        let begun = Instant::now();
        loop {
            let phase = begun.elapsed().as_secs_f64() / DAY.as_secs_f64() * std::f64::consts::TAU;
            let rate = self.per_second * (1.0 + 0.35 * phase.sin());
            tokio::time::sleep(Duration::from_secs_f64(self.chance.exponential(1.0 / rate).min(20.0))).await;
            if self.sessions.fetch_add(1, Ordering::Relaxed) < SESSIONS_MAX {
                let crowd = self.clone();
                tokio::spawn(async move {
                    crowd.visit().await;
                    crowd.sessions.fetch_sub(1, Ordering::Relaxed);
                });
            } else {
                self.sessions.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// One session: a few pages, perhaps an order, and a look whether it is there.
    async fn visit(&self) {
        let mut dice = self.chance.below(100);
        let who = KEYS.iter().find(|(_, share, _)| {
            let hit = dice < *share;
            dice = dice.saturating_sub(*share);
            hit
        });
        let (key, _, agent) = *who.unwrap_or(&KEYS[0]);
        let session = Session { user: format!("u{:05}", 1 + self.chance.below(5_000)), key, agent };
        let category = self.chance.below(40);
        self.ask(&session, "list", Method::GET, &format!("/products?category={category}"), Value::Null).await;
        for _ in 0..1 + self.chance.below(3) {
            self.think(1.2).await;
            // Some products are looked at far more often than others.
            let product = 1 + (self.chance.unit().powi(3) * 2_000.0) as u64;
            self.ask(&session, "product", Method::GET, &format!("/products/{product}"), Value::Null).await;
            if self.chance.below(100) < 60 {
                let item = json!({ "product_id": product, "quantity": 1 + self.chance.below(3) });
                self.ask(&session, "add", Method::POST, "/cart", item).await;
            }
        }
        self.think(0.8).await;
        if self.chance.below(100) < 25 {
            self.ask(&session, "orders", Method::GET, "/orders", Value::Null).await;
            return;
        }
        let cart = self.ask(&session, "cart", Method::GET, "/cart", Value::Null).await;
        if cart["items"].as_array().is_none_or(|items| items.is_empty()) {
            return;
        }
        self.think(1.5).await;
        let provider = if self.chance.below(100) < 60 { "nordpay" } else { "paylink" };
        let order =
            self.ask(&session, "checkout", Method::POST, "/checkout", json!({ "provider": provider })).await;
        self.think(1.0).await;
        if let Some(id) = order["id"].as_i64() {
            self.ask(&session, "order", Method::GET, &format!("/orders/{id}"), Value::Null).await;
        }
    }

    async fn think(&self, mean_s: f64) {
        tokio::time::sleep(Duration::from_secs_f64(0.2 + self.chance.exponential(mean_s).min(6.0))).await;
    }

    async fn ask(
        &self,
        who: &Session,
        operation: &'static str,
        method: Method,
        path: &str,
        body: Value,
    ) -> Value {
        let begun = Instant::now();
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .header("x-user-id", &who.user)
            .header("x-api-key", who.key)
            .header("user-agent", who.agent);
        if !body.is_null() {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let (status, value) = match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                let bytes = response.bytes().await.unwrap_or_default();
                (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
            }
            Err(_) => (0, Value::Null),
        };
        let ms = begun.elapsed().as_secs_f64() * 1_000.0;
        let mut measured = self.measured.lock().expect("no holder panics");
        measured.push_back(Measured { at: begun, operation, ms, status });
        if measured.len() > KEPT_MAX {
            measured.pop_front();
        }
        value
    }

    /// What requests that began in the last seconds got: for each operation count, errors (5xx, or no answer), refused
    /// (4xx), and quantiles of milliseconds.
    pub fn report(&self, seconds: u64) -> Value {
        let measured = self.measured.lock().expect("no holder panics");
        let mut by: BTreeMap<&str, Vec<&Measured>> = BTreeMap::new();
        for m in measured.iter().filter(|m| m.at.elapsed() < Duration::from_secs(seconds)) {
            by.entry(m.operation).or_default().push(m);
        }
        let told = by.into_iter().map(|(operation, list)| {
            let mut ms: Vec<f64> = list.iter().map(|m| m.ms).collect();
            ms.sort_by(f64::total_cmp);
            let quantile = |q: f64| (ms[((ms.len() - 1) as f64 * q).round() as usize] * 10.0).round() / 10.0;
            let errors = list.iter().filter(|m| m.status == 0 || m.status >= 500).count();
            let refused = list.iter().filter(|m| (400..500).contains(&m.status)).count();
            let told = json!({
                "count": list.len(), "errors": errors, "refused": refused,
                "p50_ms": quantile(0.5), "p90_ms": quantile(0.9), "p99_ms": quantile(0.99),
            });
            (operation.to_string(), told)
        });
        Value::Object(told.collect())
    }
}
