//! What is booked and said is there after a start, whatever a crash cut off; and it stays within its bounds.

use super::*;

const HOUR: i64 = 3_600_000;

fn given(hours: i64, entities: &[&str]) -> Given {
    let place = |name: &&str| Pointed {
        entity: name.to_string(),
        kind: "service".into(),
        basis: "statistics".into(),
        signs: BTreeSet::from(["memory".to_string()]),
        said: None,
    };
    Given {
        asked_ms: hours * HOUR + 5,
        window: (hours * HOUR, hours * HOUR + 600_000),
        places: entities.iter().map(place).collect(),
        ..Given::default()
    }
}

fn word(id: &str, entity: &str, verdict: Verdict, because: &str) -> Word {
    let because = because.into();
    Word {
        id: id.into(),
        entity: entity.into(),
        verdict: Some(verdict),
        because,
        said_ms: 9,
        author: "ada".into(),
        ..Word::default()
    }
}

#[test]
fn the_last_word_counts_and_is_there_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path());
    let first = ledger.book(given(1, &["cart", "web"])).unwrap();
    ledger.say(word(&first, "cart", Verdict::Accepted, "")).unwrap();
    ledger.say(word(&first, "cart", Verdict::Wrong, "it was the disk")).unwrap();
    let second = ledger.book(given(9, &["web"])).unwrap();
    ledger.say(word(&second, "web", Verdict::Right, "")).unwrap();
    let again = Ledger::open(folder.path());
    for ledger in [&ledger, &again] {
        let (given, words) = ledger.one(&first).unwrap();
        assert_eq!(given.places[0].said, Some((Verdict::Wrong, "it was the disk".into())));
        assert_eq!((given.places[1].said.as_ref(), words.len(), words[0].author.as_str()), (None, 1, "ada"));
        let measured = ledger.measured(("service", "statistics"));
        assert_eq!((measured.given, measured.right, measured.wrong), (2, 1, 1));
    }
}

#[test]
fn asked_again_it_is_the_same_advice() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path());
    let id = ledger.book(given(1, &["cart"])).unwrap();
    let more = Given { window: (HOUR + 60_000, 2 * HOUR), ..given(1, &["cart", "web"]) };
    assert_eq!(ledger.book(more).unwrap(), id);
    assert_eq!(ledger.one(&id).unwrap().0.places.len(), 2);
    // Another place, or another time, is another one; two at one moment have two ids.
    assert_ne!(ledger.book(given(1, &["web"])).unwrap(), id);
    assert_ne!(ledger.book(given(2, &["cart"])).unwrap(), id);
    assert_eq!(Ledger::open(folder.path()).given(), ledger.given());
    assert_eq!(ledger.given().len(), 3);
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path());
    let id = ledger.book(given(1, &["cart"])).unwrap();
    for (word, why) in [
        (word("nothing", "cart", Verdict::Right, ""), "there is no advice"),
        (word(&id, "web", Verdict::Right, ""), "it has cart"),
        (word(&id, "cart", Verdict::Rejected, " "), "say why"),
        (word(&id, "cart", Verdict::Wrong, ""), "say why"),
        (word(&id, "cart", Verdict::Right, &"x".repeat(TEXT_BYTES_MAX + 1)), "at most"),
    ] {
        let error = ledger.say(word).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert!(!ledger.one(&id).unwrap().0.is_judged());
}

#[test]
fn a_crash_at_any_byte_loses_the_last_line_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("advice/ledger.jsonl");
    let ledger = Ledger::open(folder.path());
    let id = ledger.book(given(1, &["cart"])).unwrap();
    let before = std::fs::metadata(&path).unwrap().len() as usize;
    ledger.say(word(&id, "cart", Verdict::Right, "the leak")).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for cut in before..whole.len() - 1 {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let cut_off = Ledger::open(folder.path());
        assert!(!cut_off.one(&id).unwrap().0.is_judged());
        assert_eq!(cut_off.size().2, usize::from(cut > before));
        cut_off.say(word(&id, "cart", Verdict::Right, "the leak")).unwrap();
        assert!(Ledger::open(folder.path()).one(&id).unwrap().0.is_judged(), "cut at {cut}");
    }
}

#[test]
fn what_nobody_judged_makes_room_first() {
    let mut all = Entries::default();
    for hours in 0..10 {
        let id = all.free_id(hours * HOUR);
        all.put(Given { id: id.clone(), ..given(hours, &["cart"]) });
        if hours == 0 {
            all.say(word(&id, "cart", Verdict::Right, "the leak"));
        }
    }
    all.make_room(3);
    let left: Vec<i64> = all.given.values().map(|g| g.window.0 / HOUR).collect();
    assert_eq!(left, [0, 8, 9]);
    // A file that is written anew holds what fits, with the words.
    let one = all.lines(10_000);
    assert_eq!(
        one.iter().map(|l| l["what"].as_str().unwrap()).collect::<Vec<_>>(),
        ["given", "right", "given", "given"]
    );
    let few = all.lines(400);
    assert!(few.len() < 4 && few.iter().map(|l| l.to_string().len()).sum::<usize>() <= 400, "{few:?}");
    all.make_room(0);
    assert!(all.given.is_empty() && all.words.is_empty());
}

#[test]
fn a_full_file_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("advice/ledger.jsonl");
    let ledger = Ledger::open(folder.path());
    let id = ledger.book(given(1, &["cart"])).unwrap();
    // As after many starts of an earlier version that wrote more.
    let mut text = std::fs::read_to_string(&path).unwrap();
    let noise = format!("{{\"what\":\"other\",\"x\":\"{}\"}}\n", "y".repeat(1 << 20));
    (0..16).for_each(|_| text.push_str(&noise));
    std::fs::write(&path, text).unwrap();
    let full = Ledger::open(folder.path());
    assert_eq!((full.size().0, full.size().2), (1, 16));
    full.say(word(&id, "cart", Verdict::Right, "")).unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < 2_000);
    assert!(Ledger::open(folder.path()).one(&id).unwrap().0.is_judged());
}
