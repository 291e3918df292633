//! What looks like trouble and is none: what was found in times in which nothing was wrong.

use super::*;

/// Metric, unit, and values by number.
type Series<'a> = (&'a str, &'a str, &'a dyn Fn(i64) -> f64);

/// One series of a service, with its own values before and in the window, every ten seconds.
fn world(series: &[Series<'_>]) -> Signals {
    let ask = Ask { window: WINDOW, baselines: vec![(0, WINDOW.0 - 1)] };
    let mut signals = Signals { ask: Some(ask.clone()), compared: 100, ..Signals::default() };
    signals.entities.push(Entity::service("a"));
    for (metric, unit, value) in series {
        let (times, values): (Vec<i64>, Vec<f64>) =
            (0..=240).map(|i| (i * 10_000, value(i))).filter(|(_, v)| v.is_finite()).unzip();
        let labels = Labels::from_pairs([("__name__", *metric), ("service", "a")]).unwrap();
        let mut comparer = Comparer::default();
        let moved = comparer.compare(&ask, &times, &values, false);
        let (place, key, mean) = (place_of(&labels), comparable(&labels), comparer.means(&ask));
        let unit = unit.to_string();
        signals.series.push(SeriesSignal { labels, place, entity: 0, key, unit, mean, moved });
        signals.measured_before.insert("another".into());
    }
    signals
}

fn inside(i: i64) -> bool {
    i >= WINDOW.0 / 10_000
}

#[test]
fn a_few_pulses_among_zeros_are_no_level() {
    let pulses = |i: i64| if i % 17 == 0 || inside(i) && i % 9 == 0 { 1.0 } else { 0.0 };
    let advice = advise(&world(&[("queue_depth", "", &pulses)]), 10);
    assert!(!advice.stands_out, "{advice:#?}");
    // A queue that stays there is one.
    let level = |i: i64| if inside(i) { 1.0 + noise(i) * 0.2 } else { 0.0 };
    assert!(advise(&world(&[("queue_depth", "", &level)]), 10).stands_out);
    // So is one that grows.
    let slope = |i: i64| if inside(i) { (i - WINDOW.0 / 10_000) as f64 } else { 0.0 } + noise(i) * 0.1;
    assert!(advise(&world(&[("queue_depth", "", &slope)]), 10).stands_out);
}

#[test]
fn more_that_is_asked_takes_more_time_together_and_more_work() {
    let grown = |by: f64| move |i: i64| if inside(i) { by } else { 1.0 } * (1.0 + noise(i) * 0.02);
    let (more, same, slower) = (grown(2.0), grown(1.0), grown(4.0));
    let count = ("request_duration_seconds_count", "/s");
    let asked = |sum: &dyn Fn(i64) -> f64| {
        advise(
            &world(&[
                (count.0, count.1, &more),
                ("request_duration_seconds_sum", "s/s", sum),
                ("cpu_seconds", "s/s", &more),
            ]),
            10,
        )
    };
    assert!(!asked(&more).stands_out, "{:#?}", asked(&more));
    assert!(asked(&slower).stands_out);
    // Without more that is asked it is the thing's own, and memory is never expected to grow.
    assert!(advise(&world(&[(count.0, count.1, &same), ("cpu_seconds", "s/s", &more)]), 10).stands_out);
    assert!(advise(&world(&[(count.0, count.1, &more), ("memory_bytes", "bytes", &more)]), 10).stands_out);
}

#[test]
fn what_is_counted_for_the_first_time_is_no_news_unless_it_is_a_failure() {
    let appears =
        |value: f64| move |i: i64| if inside(i) { value + noise(i) * 0.1 * value } else { f64::NAN };
    let (none, some) = (appears(0.0), appears(3.0));
    for (metric, value, stands_out) in [
        ("request_failed_total", &none as &dyn Fn(i64) -> f64, false),
        ("request_failed_total", &some, true),
        ("threads", &some, false),
    ] {
        let advice = advise(&world(&[(metric, "", value)]), 10);
        assert_eq!(advice.stands_out, stands_out, "{metric}: {advice:#?}");
    }
    // Others of its metric were there before: then this one is new, and not the measuring.
    let mut signals = world(&[("threads", "", &some)]);
    signals.measured_before.insert("threads".into());
    assert!(advise(&signals, 10).stands_out);
}

#[test]
fn numbers_that_stand_out_are_shown_beside_requests_that_do_not() {
    let slope =
        |i: i64| 100.0 + if inside(i) { 10.0 * (i - WINDOW.0 / 10_000) as f64 } else { 0.0 } + noise(i);
    let mut signals = world(&[("memory_bytes", "bytes", &slope)]);
    let differs = World::of("line chatter in b: 3 of 4, before 1 of 4").differs;
    signals.entities.push(Entity::service("b"));
    signals.compared = 1_000;
    signals.differs = differs;
    assert!(!signals.differs.is_empty());
    let advice = advise(&signals, 10);
    assert_eq!((names(&signals, &advice)[0].as_str(), advice.stands_out), ("a", true), "{advice:#?}");
}
