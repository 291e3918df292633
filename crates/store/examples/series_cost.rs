//! What a series costs in the index of labels, in memory and in time, and how long matchers take:
//! `cargo run --release -p store --example series_cost [SERIES]`.
//!
//! The series are as Kubernetes shows them: ten labels, one unique for each series, one for each pod of 40 series.

use model::{Labels, MatchOp, Matcher};
use std::time::Instant;
use store::LabelIndex;

fn labels(i: usize) -> Labels {
    let pod = i / 40;
    let pairs = [
        ("__name__", format!("container_metric_{}_total", i % 40)),
        ("cluster", "eu-1".into()),
        ("namespace", format!("team-{}", pod % 30)),
        ("pod", format!("checkout-{:08x}-{pod}", pod as u64 * 0x9e37_79b9 % 0xffff_ffff)),
        ("container", format!("c{}", i % 3)),
        ("node", format!("node-{}", pod % 100)),
        ("instance", format!("10.{}.{}.{}:8080", pod % 3, pod % 256, pod % 251)),
        ("job", "kubelet".into()),
        ("id", format!("/kubepods/burstable/{i}")),
        ("code", ["200", "404", "500"][i % 3].into()),
    ];
    Labels::from_pairs(pairs).unwrap_or_default()
}

/// Resident memory of this process, bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = status.split(' ').nth(1).and_then(|p| p.parse().ok()).unwrap_or_default();
    pages * 4096.0
}

fn main() {
    let count: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(100_000);
    let start = resident();
    let series: Vec<Labels> = (0..count).map(labels).collect();
    let labels_bytes = (resident() - start) / count as f64;
    let (start, begun) = (resident(), Instant::now());
    let mut index = LabelIndex::default();
    series.iter().for_each(|labels| {
        index.push(labels.clone());
    });
    let each = |begun: Instant| begun.elapsed().as_secs_f64() * 1e9 / count as f64;
    println!("{count} series; labels themselves {labels_bytes:.0} B a series (resident)");
    println!(
        "index: {:.0} B a series (resident), {:.0} ns to add a series; heap_bytes says {:.0} B, labels included",
        (resident() - start) / count as f64,
        each(begun),
        index.heap_bytes() as f64 / count as f64,
    );
    lookup(&mut index, &series);
    for (name, op, value, more) in [
        ("__name__", MatchOp::Equal, "container_metric_7_total", None),
        ("__name__", MatchOp::Regex, "container_metric_7_total|container_metric_8_total", None),
        ("__name__", MatchOp::Regex, ".+", None),
        ("pod", MatchOp::Regex, "checkout-00.*", None),
        ("id", MatchOp::Regex, "/kubepods/burstable/77.*", None),
        ("id", MatchOp::Regex, "/kubepods/.*/77[0-9]+", None),
        ("id", MatchOp::Regex, ".*99.*", None),
        ("id", MatchOp::Regex, ".*99.*", Some(("pod", "checkout-00000000-0"))),
        ("id", MatchOp::NotRegex, "/kubepods/burstable/7.*", None),
        ("id", MatchOp::NotEqual, "", Some(("__name__", "container_metric_7_total"))),
    ] {
        let mut matchers: Vec<Matcher> = Matcher::new(name, op, value).into_iter().collect();
        matchers.extend(more.map(|(n, v)| Matcher::equal(n, v)));
        let mut best_ms = f64::INFINITY;
        let mut found = 0;
        for _ in 0..5 {
            let begun = Instant::now();
            found = index.select(&matchers).len();
            best_ms = best_ms.min(begun.elapsed().as_secs_f64() * 1e3);
        }
        let more = more.map_or(String::new(), |(n, v)| format!(", {n}=\"{v}\""));
        println!("{best_ms:9.3} ms  {found:8} series  {name}{}\"{value}\"{more}", op.as_str());
    }
}

fn lookup(index: &mut LabelIndex, series: &[Labels]) {
    let begun = Instant::now();
    let found = series.iter().filter(|labels| index.find(labels).is_some()).count();
    println!(
        "labels to id: {:.0} ns each, {found} found",
        begun.elapsed().as_secs_f64() * 1e9 / series.len() as f64
    );
}
