//! `/admin/`: what a process knows of itself, and switches for the faults that cannot be had from outside. It must
//! never be reached through the gateway.

use crate::clock;
use crate::shop::{Fault, Req, Shop};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// `GET /admin/stats`, `POST /admin/leak?kib=N`, `/admin/hog?percent=N`, `/admin/connections?leak=1`.
pub fn answer(shop: &Arc<Shop>, req: &Req) -> Result<Value, Fault> {
    match (req.method.as_str(), req.path.as_str()) {
        ("GET", "/admin/stats") => Ok(stats(shop)),
        ("POST", "/admin/leak") => {
            shop.leak_kib.store(req.number("kib", 0).min(4_096), Ordering::Relaxed);
            Ok(stats(shop))
        }
        ("POST", "/admin/hog") => {
            let percent = req.number("percent", 0).min(90);
            if shop.hog_percent.swap(percent, Ordering::Relaxed) == 0 && percent > 0 {
                tokio::spawn(hog(shop.clone()));
            }
            Ok(stats(shop))
        }
        ("POST", "/admin/connections") => {
            shop.db()?.leak(req.number("leak", 0) > 0);
            Ok(stats(shop))
        }
        _ => Err(Fault::new(404, "the admin knows stats, leak, hog and connections")),
    }
}

fn stats(shop: &Shop) -> Value {
    json!({
        "service": shop.name,
        "version": shop.version,
        "pid": std::process::id(),
        "clock_ms": clock::now_ms(),
        "rss_kib": rss_kib(),
        "served": shop.served.load(Ordering::Relaxed),
        "lines": shop.telemetry.lines(),
        "config": shop.config.all(),
        "connections_free": shop.db.as_ref().map(|p| p.free()),
    })
}

/// Resident memory as the kernel counts it.
pub fn rss_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// A runaway job on the thread that also answers requests.
async fn hog(shop: Arc<Shop>) {
    let mut sum = 0u64;
    loop {
        let percent = shop.hog_percent.load(Ordering::Relaxed);
        if percent == 0 {
            return;
        }
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(percent * 4) {
            sum = (0..10_000).fold(sum, |s, i| s.wrapping_mul(31).wrapping_add(i));
        }
        std::hint::black_box(sum);
        tokio::time::sleep(Duration::from_millis(400 - percent * 4)).await;
    }
}
