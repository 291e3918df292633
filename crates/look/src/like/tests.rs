//! Shapes: what is alike, what is not, and the fast way against the plainest one on random lines.

use super::*;

const RANGE: (i64, i64) = (0, 2_399_999);

fn shape(value: impl Fn(i64) -> f64) -> Option<Shape> {
    let (times, values): (Vec<i64>, Vec<f64>) = (0..240).map(|i| (i * 10_000, value(i))).unzip();
    Shape::of(&times, &values, RANGE, false)
}

fn bump(i: i64, at: i64) -> f64 {
    if (at..at + 40).contains(&i) { 5.0 } else { 0.0 }
}

#[test]
fn the_same_shape_is_found_larger_upside_down_earlier_and_later() {
    let one = shape(|i| bump(i, 100)).unwrap();
    for (name, other, correlation, lag_s) in [
        ("itself", shape(|i| bump(i, 100)), 1.0, 0),
        ("a thousand times as much", shape(|i| 7.0 + 1000.0 * bump(i, 100)), 1.0, 0),
        ("upside down", shape(|i| 3.0 - bump(i, 100)), -1.0, 0),
        ("later by 100 s", shape(|i| bump(i, 110)), 1.0, 100),
        ("earlier by 200 s", shape(|i| bump(i, 80)), 1.0, -200),
    ] {
        let alike = one.alike(&other.unwrap(), 2_400_000).unwrap_or_else(|| panic!("{name}: not alike"));
        assert!((alike.correlation - correlation).abs() < 0.02, "{name}: {alike:?}");
        assert_eq!(alike.lag_ms, lag_s * 1000, "{name}");
    }
}

#[test]
fn other_shapes_are_not_alike_and_what_never_moves_has_none() {
    let one = shape(|i| bump(i, 100)).unwrap();
    for other in [shape(|i| i as f64), shape(|i| bump(i, 10)), shape(|i| (i as f64 / 3.0).sin())] {
        assert_eq!(one.alike(&other.unwrap(), 2_400_000), None);
    }
    assert!(shape(|_| 4.0).is_none());
    assert!(shape(|_| f64::NAN).is_none());
    assert!(Shape::of(&[], &[], RANGE, false).is_none());
    assert!(Shape::of(&[5, 6], &[1.0, 2.0], RANGE, false).is_none(), "too little is known");
}

#[test]
fn a_slope_is_alike_at_the_same_time_not_at_the_farthest_lag() {
    let noisy = |i: i64| i as f64 + ((i * 7919) % 13) as f64;
    let alike = shape(noisy).unwrap().alike(&shape(|i| i as f64).unwrap(), 2_400_000).unwrap();
    assert!(alike.correlation > 0.99 && alike.lag_ms == 0, "{alike:?}");
}

#[test]
fn what_only_the_full_line_has_is_found_too() {
    // Means of five points hardly move.
    let quick = |i: i64| f64::from(u8::from(i % 5 == 0));
    let alike = shape(quick).unwrap().alike(&shape(|i| 3.0 * quick(i)).unwrap(), 2_400_000).unwrap();
    assert!(alike.correlation > 0.99 && alike.lag_ms == 0, "{alike:?}");
}

#[test]
fn series_that_are_scraped_seldom_and_values_without_bounds_are_compared() {
    let (times, values): (Vec<i64>, Vec<f64>) = (0..80).map(|i| (i * 30_000, bump(i * 3, 100))).unzip();
    let seldom = Shape::of(&times, &values, RANGE, false).unwrap();
    let alike = shape(|i| bump(i, 100)).unwrap().alike(&seldom, 2_400_000).unwrap();
    assert!(alike.correlation > 0.95 && alike.lag_ms.abs() <= 20_000, "{alike:?}");
    let huge = shape(|i| if i % 2 == 0 { f64::MAX } else { -f64::MAX }).unwrap();
    let alike = huge.alike(&huge, i64::MAX).unwrap();
    assert!(alike.correlation > 0.99 && alike.lag_ms == 0, "{alike:?}");
}

/// Random lines: walks, noise, steps, some with gaps.
fn random(state: &mut u64) -> Vec<f64> {
    let mut next = || {
        *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (*state >> 33) as f64 / f64::from(1u32 << 31)
    };
    let kind = (next() * 4.0) as u32;
    let (gaps, step_at) = (next() < 0.3, next() * POINTS as f64);
    let mut value = 0.0;
    (0..POINTS)
        .map(|i| {
            let noise = next() - 0.5;
            value = match kind {
                0 => value + noise,
                1 => noise,
                2 => noise * 0.1 + f64::from(u8::from(i as f64 > step_at)),
                _ => (i as f64 / 9.0).sin() + noise,
            };
            if gaps && next() < 0.1 { f64::NAN } else { value }
        })
        .collect()
}

/// The correlation as textbooks have it.
fn naive_correlation(a: &[f64], b: &[f64], lag: isize) -> f64 {
    let pairs: Vec<(f64, f64)> = (0..a.len() as isize)
        .filter_map(|i| Some((a[i as usize], *b.get(usize::try_from(i + lag).ok()?)?)))
        .collect();
    let known: Vec<_> = pairs.iter().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    if (known.len() as f64) < 0.5 * pairs.len() as f64 {
        return 0.0;
    }
    let n = known.len() as f64;
    let (mx, my) = (known.iter().map(|p| p.0).sum::<f64>() / n, known.iter().map(|p| p.1).sum::<f64>() / n);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in known {
        xx += (x - mx) * (x - mx);
        yy += (y - my) * (y - my);
        xy += (x - mx) * (y - my);
    }
    if xx * yy == 0.0 { 0.0 } else { xy / (xx * yy).sqrt() }
}

#[test]
fn the_fast_way_finds_what_the_plainest_finds() {
    let mut state = 11;
    let (mut alike_count, mut missed) = (0, 0);
    for round in 0..150 {
        let a = random(&mut state);
        // Half of them are made of the first one, shifted, so that many are alike.
        let mut b = random(&mut state);
        if round % 2 == 0 {
            let by = (state >> 40) as usize % (POINTS / LAG);
            b = (0..POINTS).map(|i| 0.7 * a[(i + by) % POINTS] + 0.3 * b[i]).collect();
        }
        let mut merit: Option<(f64, f64, isize)> = None;
        for lag in -((POINTS / LAG) as isize)..=(POINTS / LAG) as isize {
            let r = naive_correlation(&a, &b, lag);
            let worth = r.abs() - 0.03 * lag.unsigned_abs() as f64 / (POINTS / LAG) as f64;
            if merit.is_none_or(|m| worth > m.0 + 1e-12) {
                merit = Some((worth, r, lag));
            }
        }
        let (_, want, lag) = merit.unwrap();
        let times: Vec<i64> = (0..POINTS as i64).map(|i| i * 10_000).collect();
        let shape = |values: &[f64]| Shape::of(&times, values, RANGE, false);
        let (Some(one), Some(other)) = (shape(&a), shape(&b)) else { continue };
        // Gaps of one or two points are filled by the line before them, in both.
        let has_gaps = a.iter().chain(&b).any(|v| v.is_nan());
        let found = best(&one.full, &other.full, POINTS / LAG);
        if !has_gaps {
            assert!((found.0 - want).abs() < 1e-9, "round {round}: {found:?}, not {want} at {lag}");
            assert_eq!(found.1, lag, "round {round}");
        }
        if found.0.abs() >= ALIKE_MIN {
            alike_count += 1;
            missed += usize::from(one.alike(&other, 2_400_000).is_none());
        }
    }
    assert!(alike_count > 20, "{alike_count} pairs are a weak test");
    assert_eq!(missed, 0, "of {alike_count} pairs that are alike the coarse lines lost some");
}

#[test]
fn in_words() {
    let say = |correlation, lag_ms| sentence(&Alike { correlation, lag_ms }, 1_000);
    assert_eq!(say(0.9, 0), "the same shape, at the same time");
    assert_eq!(say(0.9, 20_000), "the same shape, 20 s later");
    assert_eq!(say(-0.9, -180_000), "the same shape upside down, 3 min earlier");
}
