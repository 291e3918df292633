//! Order, pauses, and what is given up.

use super::super::dispatch::Told;
use super::*;

fn notification(id: &str, target: &str, why: Why, at_ms: i64) -> Notification {
    let labels = Labels::from_pairs([("alertname", "A"), ("q", "\"\n☂")]).unwrap();
    Notification {
        id: id.into(),
        target: target.into(),
        receiver: target.into(),
        group_key: "{}:{}".into(),
        group_labels: Labels::default(),
        alerts: vec![Alert { labels, value: Some(f64::INFINITY), limit: "> 1".into(), ..Alert::default() }],
        left_out: 0,
        at_ms,
        why,
        told: Told { firing: [u64::MAX, 3].into(), resolved: [].into(), at_ms },
    }
}

fn queue(outbox: &mut Outbox, n: Notification) -> Vec<String> {
    outbox.queue(Decided { notifications: vec![n], ..Decided::default() })
}

fn due(outbox: &mut Outbox, now_ms: i64) -> Vec<String> {
    outbox.take_due(now_ms).into_iter().map(|n| n.id).collect()
}

#[test]
fn in_order_for_each_target_with_growing_pauses() {
    let mut outbox = Outbox::default();
    for (id, target) in [("1", "a"), ("2", "a"), ("3", "b")] {
        queue(&mut outbox, notification(id, target, Why::New, 0));
    }
    assert_eq!(due(&mut outbox, 0), ["1", "3"]);
    assert_eq!(due(&mut outbox, 0), Vec::<String>::new());
    let later = || Outcome::Later("down".into());
    assert!(outbox.settle("1", later(), 0).is_empty());
    let mut now = 0;
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let next = outbox.next_ms().unwrap();
        pauses.push((next - now) / 1_000);
        now = next;
        assert_eq!(due(&mut outbox, now), ["1"]);
        outbox.settle("1", later(), now);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    now = outbox.next_ms().unwrap();
    due(&mut outbox, now);
    assert_eq!(outbox.settle("1", Outcome::Taken, now).len(), 1);
    assert_eq!(due(&mut outbox, now), ["2"]);
}

#[test]
fn what_is_given_up_is_counted() {
    let mut outbox = Outbox::default();
    queue(&mut outbox, notification("1", "a", Why::New, 0));
    for n in 0..3 {
        let now = outbox.next_ms().unwrap();
        due(&mut outbox, now);
        assert_eq!(outbox.settle("1", Outcome::Refused("400".into()), now).len(), usize::from(n == 2));
    }
    queue(&mut outbox, notification("2", "a", Why::New, 0));
    // Not by the clock alone.
    due(&mut outbox, 0);
    assert_eq!(outbox.settle("2", Outcome::Later("down".into()), TRIED_FOR_MS + 1).len(), 0);
    let mut lines = Vec::new();
    while lines.is_empty() {
        let now = outbox.next_ms().unwrap();
        due(&mut outbox, now);
        lines = outbox.settle("2", Outcome::Later("down".into()), now);
    }
    for i in 0..WAITING_MAX + 5 {
        let why = if i == 7 { Why::Repeat } else { Why::New };
        let mut n = notification(&format!("n{i}"), "a", why, 0);
        n.group_key = format!("{i}");
        queue(&mut outbox, n);
    }
    assert_eq!(outbox.waiting().count(), WAITING_MAX);
    assert!(!outbox.waiting().any(|w| w.notification.why == Why::Repeat));
    assert_eq!(outbox.lost, Lost { refused: 1, too_old: 1, too_many: 5 });
}

#[test]
fn a_repetition_that_waits_is_replaced() {
    let mut outbox = Outbox::default();
    let mut lines = queue(&mut outbox, notification("1", "a", Why::New, 0));
    lines.extend(queue(&mut outbox, notification("2", "a", Why::Repeat, 1)));
    lines.extend(queue(&mut outbox, notification("3", "a", Why::Resolved, 2)));
    let ids = |o: &Outbox| o.waiting().map(|w| w.notification.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&outbox), ["1", "3"]);
    let again = Outbox::replay(lines.iter().map(String::as_str));
    assert_eq!((ids(&again.outbox), again.damaged), (ids(&outbox), 0));
    // The state as new lines is the same state.
    let mut notifier = Notifier::new(Default::default());
    again.told.iter().for_each(|(key, told)| notifier.remember(key.clone(), told.clone(), i64::MAX));
    let written = again.outbox.lines(&notifier);
    let third = Outbox::replay(written.iter().map(String::as_str));
    assert_eq!((ids(&third.outbox), third.damaged, &third.told), (ids(&outbox), 0, &again.told));
    let n = third.outbox.waiting().next().unwrap();
    assert_eq!(n.notification, notification("1", "a", Why::New, 0));
}

#[test]
fn lines_that_make_no_sense_are_counted_and_harmless() {
    let good = queue(&mut Outbox::default(), notification("1", "a", Why::New, 0));
    let lines = [
        "",
        "{",
        "[]",
        "{\"what\":\"queued\"}",
        "{\"what\":\"told\",\"key\":3}",
        "{\"what\":\"done\"}",
        &good[0],
    ];
    let kept = Outbox::replay(lines.into_iter());
    assert_eq!((kept.outbox.waiting().count(), kept.damaged), (1, 6));
}
