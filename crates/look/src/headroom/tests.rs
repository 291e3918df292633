//! Headroom: which time is named, and which is not.

use super::*;

const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;

/// `n` points over so long a time, ending now; noise that a generator with a seed gives.
fn points(n: usize, over_s: f64, value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    noisy(n, over_s, 7, value)
}

fn noisy(n: usize, over_s: f64, mut seed: u64, value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    (0..n)
        .map(|i| {
            let t = over_s * i as f64 / (n - 1) as f64;
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let noise = (seed >> 40) as f64 / (1u64 << 24) as f64 - 0.5;
            (1e9 + t, value(t) + noise)
        })
        .collect()
}

fn filling(limit: f64, points: Vec<(f64, f64)>) -> Headroom {
    let used = points.last().map_or(f64::NAN, |p| p.1);
    judge(Sort::Filling, &Measured { used, limit, points })
}

#[test]
fn what_is_said_of_a_pace() {
    let mut wrong = Vec::new();
    for (what, headroom, says, state) in [
        (
            "fills evenly",
            filling(1_000.0, points(100, 3.0 * DAY, |t| 500.0 + 50.0 * t / DAY)),
            "in 6 to 8 days",
            State::Look,
        ),
        (
            "fills within hours",
            filling(1_000.0, points(100, 3.0 * HOUR, |t| 500.0 + 100.0 * t / HOUR)),
            "in 2 to 3 hours",
            State::Bad,
        ),
        (
            "stands still",
            filling(1_000.0, points(100, 3.0 * DAY, |_| 500.0)),
            "not within 30 days",
            State::Fine,
        ),
        (
            "empties",
            filling(1_000.0, points(100, 3.0 * DAY, |t| 500.0 - 50.0 * t / DAY)),
            "not within 30 days",
            State::Fine,
        ),
        (
            "a saw",
            filling(1_000.0, points(100, 3.0 * DAY, |t| 500.0 + 300.0 * (t / DAY).fract())),
            "",
            State::Unknown,
        ),
        (
            "nearly full and still",
            filling(1_000.0, points(100, 3.0 * DAY, |_| 960.0)),
            "not within 30 days",
            State::Bad,
        ),
        (
            "seen for minutes only",
            filling(1_000.0, points(100, 0.1 * HOUR, |t| 500.0 + 0.01 * t)),
            "not within 60 minutes",
            State::Fine,
        ),
        (
            "few points",
            filling(1_000.0, points(7, DAY, |t| 500.0 + t / HOUR)),
            "cannot say: too little is known yet",
            State::Unknown,
        ),
        ("over", filling(400.0, points(100, DAY, |_| 500.0)), "at its limit", State::Bad),
        (
            "no bound",
            filling(0.0, points(100, DAY, |_| 500.0)),
            "cannot say: its bound is not known",
            State::Unknown,
        ),
    ] {
        let is_right = (says.is_empty() || headroom.says == says) && headroom.state == state;
        if !is_right {
            wrong.push(format!("{what}: {headroom:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_true_pace_is_within_the_interval() {
    for (slope, n) in [(0.0, 50), (3.0, 20), (-2.0, 150), (10.0, 400)] {
        let within = (0..200u64).filter(|seed| {
            let t = trend(&noisy(n, 100.0, seed * 7_919, |t| slope * t)).unwrap();
            assert!(t.low <= t.per_s && t.per_s <= t.high, "{slope}: {t:?}");
            t.low <= slope && slope <= t.high
        });
        // Ninety of a hundred are promised.
        let within = within.count();
        assert!(within >= 170, "{slope}: {within} of 200");
    }
    // One wild point moves nothing.
    let mut wild = points(60, 100.0, |t| 3.0 * t);
    wild[30].1 = 1e9;
    assert!((trend(&wild).unwrap().per_s - 3.0).abs() < 0.05);
    // Points that repeat one another are less sure than their number.
    let even = trend(&points(100, 100.0, |t| t)).unwrap();
    let waves = trend(&points(100, 100.0, |t| t + 5.0 * (t / 8.0).sin())).unwrap();
    assert!(waves.high - waves.low > 2.0 * (even.high - even.low), "{even:?} {waves:?}");
    assert_eq!(trend(&[(1.0, 1.0); 20]), None);
    assert_eq!(trend(&[(0.0, f64::NAN); 20]), None);
}

#[test]
fn deadlines_and_groups() {
    let says = |sort, used| {
        let h = judge(sort, &Measured { used, limit: 0.0, points: Vec::new() });
        (h.says, h.state)
    };
    for (sort, used, want, state) in [
        (Sort::Deadline, 40.0 * DAY, "in 40 days", State::Fine),
        (Sort::Deadline, 10.0 * DAY, "in 10 days", State::Look),
        (Sort::Deadline, 1.5 * HOUR, "in 2 hours", State::Bad),
        (Sort::Deadline, -3.0 * DAY, "ended 3 days ago", State::Bad),
        (Sort::Deadline, f64::NAN, "cannot say", State::Unknown),
        (Sort::Spare, 2.0, "2 members may fail", State::Fine),
        (Sort::Spare, 1.0, "1 member may fail", State::Fine),
        (Sort::Spare, 0.0, "no member may fail", State::Bad),
        (Sort::Spare, -1.0, "the majority is lost", State::Bad),
    ] {
        assert_eq!(says(sort, used), (want.to_string(), state));
    }
}

#[test]
fn the_soonest_first_then_the_fullest() {
    let h = |soonest_s: Option<f64>, share| Headroom { soonest_s, ..new(share, State::Fine, String::new()) };
    let sorted = [h(Some(0.0), 1.0), h(Some(9.0), 0.1), h(None, 0.9), h(None, 0.2), h(None, f64::NAN)];
    for w in sorted.windows(2) {
        assert_eq!(order(&w[0], &w[1]), Ordering::Less, "{w:?}");
    }
}
