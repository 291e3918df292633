//! Lines with a known change, and what has to be said of them. Every second one sample; the window is 600..=900 s,
//! the baseline the ten minutes before.

use super::*;

const WINDOW: (i64, i64) = (600_000, 900_000);

fn ask() -> Ask {
    Ask::just_before(WINDOW)
}

/// Noise that is the same every time: -1 to 1.
fn noise(i: i64) -> f64 {
    let x = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d;
    let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((x >> 40) as f64 / f64::from(1u32 << 23)) - 1.0
}

fn line(value: impl Fn(i64) -> Option<f64>) -> (Vec<i64>, Vec<f64>) {
    (0..=900).filter_map(|i| Some((i * 1000, value(i)?))).unzip()
}

fn moved(value: impl Fn(i64) -> Option<f64>) -> Option<Moved> {
    let (times, values) = line(value);
    Comparer::default().compare(&ask(), &times, &values, false)
}

#[test]
fn the_question_just_before_is_twice_as_long_and_does_not_touch_the_window() {
    assert_eq!(ask().baselines, [(0, 599_999)]);
    assert_eq!(Ask::earlier(WINDOW, 500_000).baselines, [(100_000, 400_000)]);
    assert_eq!(Ask::just_before((90_000, 90_000)).baselines, [(30_000, 89_999)]);
}

type Value = Box<dyn Fn(i64) -> Option<f64>>;

#[test]
fn a_change_is_told_with_its_kind_and_its_beginning() {
    let step = |at: i64, by: f64| -> Value {
        Box::new(move |i| Some(10.0 + noise(i) + if i >= at { by } else { 0.0 }))
    };
    let table: Vec<(&str, Value, How, i64, i64)> = vec![
        ("a step up", step(700, 20.0), How::Rose, 700, 1),
        ("a step down", step(650, -8.0), How::Fell, 650, 2),
        ("a step before the window was drawn", step(580, 20.0), How::Rose, 580, 1),
        ("a ramp", Box::new(|i| Some(5.0 + noise(i) + ((i - 640).max(0) as f64) * 0.2)), How::Rose, 640, 40),
        ("from nothing", Box::new(|i| Some(if i >= 720 { 3.0 } else { 0.0 })), How::Rose, 720, 0),
        (
            "wider",
            Box::new(|i| Some(50.0 + noise(i) * if i >= 680 { 9.0 } else { 1.0 })),
            How::Wider,
            680,
            20,
        ),
        (
            "calmer",
            Box::new(|i| Some(50.0 + noise(i) * if i >= 600 { 0.01 } else { 9.0 })),
            How::Calmer,
            600,
            30,
        ),
        ("came", Box::new(|i| (i >= 750).then_some(4.0)), How::Appeared, 750, 0),
        ("went", Box::new(|i| (i < 590).then_some(4.0)), How::Disappeared, 589, 0),
        ("went in the middle", Box::new(|i| (i < 760).then_some(4.0)), How::Disappeared, 759, 0),
    ];
    for (name, value, how, onset_s, tolerance_s) in table {
        let moved = moved(value).unwrap_or_else(|| panic!("{name}: not told"));
        assert_eq!(moved.how, how, "{name}: {moved:?}");
        let off = (moved.onset_ms - onset_s * 1000).abs();
        assert!(off <= tolerance_s * 1000, "{name}: began at {} ms", moved.onset_ms);
        assert!((SCORE_MIN..=SCORE_MAX).contains(&moved.score), "{name}: {}", moved.score);
    }
}

#[test]
fn what_goes_on_as_before_is_not_told() {
    let table: Vec<(&str, Value)> = vec![
        ("constant", Box::new(|_| Some(7.0))),
        ("nothing at all", Box::new(|_| None)),
        ("noise", Box::new(|i| Some(10.0 + noise(i)))),
        ("a wave", Box::new(|i| Some((i as f64 / 10.0).sin()))),
        ("pulses as before", Box::new(|i| Some(if i % 60 == 0 { 100.0 } else { 0.0 }))),
        ("late by a moment", Box::new(|i| (i < 890).then_some(4.0))),
        ("a sample now and then", Box::new(|i| (i == 100).then_some(1.0))),
    ];
    for (name, value) in table {
        assert_eq!(moved(value), None, "{name}");
    }
}

#[test]
fn the_larger_step_in_the_same_noise_ranks_first_and_old_outliers_do_not_hide_it() {
    let score = |by: f64| moved(|i| Some(10.0 + noise(i) + if i >= 600 { by } else { 0.0 })).unwrap().score;
    assert!(score(3.0) < score(6.0) && score(6.0) < score(12.0));
    let spiky =
        moved(|i| Some(if i == 50 { 400.0 } else { 10.0 + noise(i) + if i >= 600 { 12.0 } else { 0.0 } }));
    assert!(spiky.unwrap().score > 1.0);
}

#[test]
fn what_counts_up_is_compared_by_its_rate_and_a_restart_is_no_change() {
    let mut comparer = Comparer::default();
    let (times, values) =
        line(|i| Some((i * 5) as f64 + if i >= 700 { ((i - 700) * 20) as f64 } else { 0.0 }));
    let moved = comparer.compare(&ask(), &times, &values, true).unwrap();
    assert_eq!((moved.how, moved.onset_ms, moved.before), (How::Rose, 701_000, 5.0));
    let (times, values) = line(|i| Some(if i < 700 { i * 5 } else { (i - 700) * 5 } as f64));
    assert_eq!(comparer.compare(&ask(), &times, &values, true).map(|m| m.how), None);
}

#[test]
fn what_is_no_number_is_left_out() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(moved(|i| Some(if i % 7 == 0 { bad } else { 3.0 })), None);
    }
    assert_eq!(moved(|i| Some(if i >= 600 { f64::NAN } else { 3.0 })).unwrap().how, How::Disappeared);
    assert!(
        moved(|i| Some(if i >= 600 { f64::MAX } else { -f64::MAX })).is_none_or(|m| m.score <= SCORE_MAX)
    );
}

#[test]
fn series_that_moved_together_make_one_group_with_the_first_mover_first() {
    let at = |at: i64, by: f64, base: f64| {
        moved(move |i| Some(base + noise(i) * base * 0.01 + if i >= at { by } else { 0.0 })).unwrap()
    };
    let mut all = vec![at(700, 50.0, 10.0), at(698, 5.0, 10.0), at(700, -500.0, 5000.0), at(800, 30.0, 10.0)];
    all.push(moved(|i| (i >= 700).then_some(1.0)).unwrap());
    let groups = groups(&all, 5_000);
    let members: Vec<Vec<(usize, bool)>> =
        groups.iter().map(|g| g.members.iter().map(|m| (m.index, m.against)).collect()).collect();
    assert_eq!(members, [vec![(1, false), (0, false), (2, true)], vec![(3, false)], vec![(4, false)]]);
    assert_eq!(groups[0].onset_ms, 698_000);
    assert_eq!(groups[0].score, all[0].score);
}

#[test]
fn sentences_say_what_was_measured() {
    let of = |how, before, after| Moved { score: 5.0, how, onset_ms: 0, before, after, picture: vec![] };
    for (moved, unit, words) in [
        (of(How::Rose, 0.2, 5.1), "/s", "rose from 0.2 per second to 5.1 per second (25.5 times as much)"),
        (of(How::Fell, 99.98, 87.1), "percent", "fell from 100 % to 87.1 %"),
        (of(How::Fell, 300.0, 101.0), "", "fell from 300 to 101 (a third part)"),
        (of(How::Rose, 0.0, 1234567.0), "bytes", "rose from 0 to 1.23M bytes"),
        (of(How::Wider, 1.0, 0.000123), "s", "swings wider than before around 0.000123 s"),
        (of(How::Calmer, 1.0, 40.04), "", "hardly moves any more, at 40"),
        (of(How::Appeared, f64::NAN, 12.0), "", "was not there before; now 12"),
        (of(How::Disappeared, 12.0, f64::NAN), "s", "is gone; before 12 s"),
    ] {
        assert_eq!(sentence(&moved, unit), words);
    }
}
