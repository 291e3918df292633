//! Turns over the days on which clocks are set, layers, overrides and gaps.

use super::super::times::{Span, minute_of_day, weekdays, zone};
use super::*;
use model::time::parse_time_ms;

fn layer(people: &str, start: &str, hours: i64) -> Layer {
    Layer {
        people: people.split(' ').map(String::from).collect(),
        start: wall_time(start).unwrap(),
        every: Duration::hours(hours),
        during: Vec::new(),
    }
}

fn rota(place: &str, layers: Vec<Layer>) -> Rota {
    Rota { name: "db".into(), zone: zone(place).unwrap(), layers, overrides: Vec::new() }
}

fn ms(text: &str) -> i64 {
    parse_time_ms(text).unwrap()
}

/// `PERSON FROM` on the clock of the place.
fn show(rota: &Rota, from: &str, to: &str, more: &[Override]) -> Vec<String> {
    let shifts = rota.shifts(ms(from), ms(to), more);
    let one =
        |s: &Shift| format!("{} {}", s.person.as_deref().unwrap_or("-"), wall_words(s.from_ms, rota.zone));
    shifts.iter().map(one).collect()
}

#[test]
fn a_hand_over_is_at_the_same_hour_when_the_clocks_are_set() {
    let daily = rota("Europe/Zurich", vec![layer("ada bob", "2026-10-23 09:00", 24)]);
    // The night of the 25th has 25 hours.
    assert_eq!(
        show(&daily, "2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z", &[]),
        ["ada 2026-10-24 02:00", "bob 2026-10-24 09:00", "ada 2026-10-25 09:00", "bob 2026-10-26 09:00"]
    );
    let shifts = daily.shifts(ms("2026-10-24T07:00:00Z"), ms("2026-10-27T00:00:00Z"), &[]);
    assert_eq!((shifts[0].to_ms - shifts[0].from_ms) / 3_600_000, 25);
    // The night of March 28th 2027 has 23.
    let spring = rota("Europe/Zurich", vec![layer("ada bob", "2027-03-26 09:00", 24)]);
    let shifts = spring.shifts(ms("2027-03-27T08:00:00Z"), ms("2027-03-29T00:00:00Z"), &[]);
    assert_eq!((shifts[0].to_ms - shifts[0].from_ms) / 3_600_000, 23);
    // Day and night by twelve hours.
    let halves = rota("America/New_York", vec![layer("day night", "2026-10-30 08:00", 12)]);
    assert_eq!(
        show(&halves, "2026-10-31T12:00:00Z", "2026-11-02T02:00:00Z", &[]),
        ["day 2026-10-31 08:00", "night 2026-10-31 20:00", "day 2026-11-01 08:00", "night 2026-11-01 20:00"]
    );
}

#[test]
fn an_hour_that_is_not_there_or_there_twice() {
    // 02:30 is not there on March 28th 2027, and twice on October 25th 2026.
    for (start, want) in
        [("2027-03-28 02:30", "2027-03-28T01:00:00Z"), ("2026-10-25 02:30", "2026-10-25T00:30:00Z")]
    {
        let zurich = zone("Europe/Zurich").unwrap();
        assert_eq!(instant_ms(wall_time(start).unwrap(), zurich), ms(want), "{start}");
    }
    let odd = rota("Europe/Zurich", vec![layer("ada bob", "2026-10-24 02:30", 24)]);
    let shifts = odd.shifts(ms("2026-10-24T12:00:00Z"), ms("2026-10-25T12:00:00Z"), &[]);
    let names: Vec<_> = shifts.iter().map(|s| s.person.clone().unwrap()).collect();
    assert_eq!(names, ["ada", "bob"], "the second 02:30 hands nothing back");
}

#[test]
fn layers_overrides_and_gaps() {
    let office = Span {
        times: vec![(minute_of_day("09:00").unwrap(), minute_of_day("17:00").unwrap())],
        weekdays: vec![weekdays("monday:friday").unwrap()],
        ..Span::default()
    };
    let office = TimeInterval { name: "office".into(), spans: vec![office] };
    let upper = Layer { during: vec![office.clone()], ..layer("eve", "2026-11-16", 24) };
    let two = rota("UTC", vec![layer("ada bob", "2026-11-16", 7 * 24), upper.clone()]);
    assert_eq!(
        show(&two, "2026-11-20T00:00:00Z", "2026-11-23T12:00:00Z", &[]),
        [
            "ada 2026-11-20 00:00",
            "eve 2026-11-20 09:00",
            "ada 2026-11-20 17:00",
            "bob 2026-11-23 00:00",
            "eve 2026-11-23 09:00"
        ]
    );
    let stand_in = |person: &str, from: &str, to: &str| Override {
        id: "1".into(),
        rota: "db".into(),
        person: person.into(),
        from_ms: ms(from),
        to_ms: ms(to),
    };
    let more = [
        stand_in("kim", "2026-11-20T08:00:00Z", "2026-11-20T20:00:00Z"),
        stand_in("lee", "2026-11-20T10:07:00Z", "2026-11-20T11:00:00Z"),
    ];
    assert_eq!(
        show(&two, "2026-11-20T00:00:00Z", "2026-11-20T22:00:00Z", &more),
        [
            "ada 2026-11-20 00:00",
            "kim 2026-11-20 08:00",
            "lee 2026-11-20 10:07",
            "kim 2026-11-20 11:00",
            "ada 2026-11-20 20:00"
        ]
    );
    // Only by day: at night it names nobody, and then everybody is told.
    let gaps = rota("UTC", vec![upper, Layer { during: vec![office], ..layer("kim", "2026-11-16", 24) }]);
    assert_eq!(gaps.at(ms("2026-11-20T20:00:00Z"), &[]), None);
    assert_eq!(gaps.told(ms("2026-11-20T20:00:00Z"), &[]), ["eve", "kim"]);
    assert_eq!(gaps.told(ms("2026-11-20T12:00:00Z"), &[]), ["kim"]);
    // Before the first hand-over nobody is on call.
    assert_eq!(two.at(ms("2026-11-15T23:59:00Z"), &[]), None);
}

#[test]
fn times_as_people_write_them() {
    assert_eq!(wall_time("2026-11-02").unwrap(), wall_time("2026-11-02T00:00").unwrap());
    for bad in
        ["", "2026", "2026-13-01", "2026-02-30", "2026-11-02 25:00", "2026-11-02 09", "x-y-z", "99999-01-01"]
    {
        assert!(wall_time(bad).is_err(), "{bad}");
    }
}
