//! A buffer that is killed, damaged and filled past its bound, against a list in memory.

use super::*;
use proptest::prelude::*;

const SETTINGS: Settings = Settings { bytes_max: 1 << 20, keep_ms: 0 };

fn open(folder: &Path, settings: Settings) -> Buffer {
    Buffer::open(folder, settings).unwrap().0
}

fn payload(number: u64, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (number as usize * 31 + i) as u8).collect()
}

fn numbers(frames: &[Frame]) -> Vec<u64> {
    frames.iter().map(|f| f.number).collect()
}

fn waiting(buffer: &mut Buffer) -> Vec<Frame> {
    buffer.waiting(usize::MAX).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    segment::list(folder).unwrap().into_iter().map(|(_, path)| path).collect()
}

#[test]
fn what_was_pushed_comes_back_in_order_and_what_arrived_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut buffer = open(folder.path(), SETTINGS);
    for n in 1..=5 {
        assert_eq!(buffer.push(n * 1000, n * 1000, 7, &payload(n as u64, 100)).unwrap(), n as u64);
    }
    let found = buffer.waiting(250).unwrap();
    assert_eq!(numbers(&found), [1, 2], "as many as are asked for");
    assert_eq!(found[1].payload, payload(2, 100));
    assert_eq!(numbers(&buffer.waiting(1).unwrap()), [1], "one at least");
    buffer.acknowledge(&found).unwrap();
    let reading = buffer.read();
    assert_eq!((reading.waiting_frames, reading.waiting_samples, reading.dropped_frames), (3, 21, 0));
    drop(buffer);
    // As after a kill: nothing was closed.
    let mut buffer = open(folder.path(), SETTINGS);
    assert_eq!(numbers(&waiting(&mut buffer)), [3, 4, 5]);
    assert_eq!(buffer.read().waiting_samples, 21);
    assert_eq!(buffer.push(6000, 6000, 7, b"x").unwrap(), 6);
    let all = waiting(&mut buffer);
    buffer.acknowledge(&all).unwrap();
    assert_eq!(buffer.read().waiting_samples, 0);
    assert!(waiting(&mut buffer).is_empty());
}

/// A process that is killed leaves a part of its last write: every cut of the file is one.
#[test]
fn a_kill_at_any_point_loses_at_most_the_frame_that_was_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut ends = vec![HEADER_BYTES];
    let mut buffer = open(folder.path(), SETTINGS);
    for n in 1..=4u64 {
        buffer.push(n as i64, n as i64, 1, &payload(n, 20 + n as usize)).unwrap();
        ends.push(buffer.read().bytes);
    }
    drop(buffer);
    let path = files(folder.path())[0].clone();
    let whole = std::fs::read(&path).unwrap();
    for cut in 0..=whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let (mut buffer, problems) = Buffer::open(folder.path(), SETTINGS).unwrap();
        assert!(problems.is_empty(), "a kill is no damage: {problems:?}");
        let kept = ends.iter().filter(|e| **e <= cut as u64).count().saturating_sub(1) as u64;
        let found = waiting(&mut buffer);
        assert_eq!(numbers(&found), (1..=kept).collect::<Vec<_>>(), "cut at {cut}");
        assert!(found.iter().all(|f| f.payload == payload(f.number, 20 + f.number as usize)));
        // It goes on with the next number, and both are there.
        let next = buffer.push(9, 9, 1, b"after").unwrap();
        assert_eq!(next, kept + 1);
        assert_eq!(waiting(&mut buffer).last().unwrap().payload, b"after");
        drop(buffer);
        let mut buffer = open(folder.path(), SETTINGS);
        assert_eq!(waiting(&mut buffer).len() as u64, kept + 1, "cut at {cut}");
        drop(buffer);
        files(folder.path()).iter().for_each(|f| std::fs::remove_file(f).unwrap());
        std::fs::remove_file(folder.path().join("cursor")).unwrap();
    }
}

#[test]
fn a_changed_byte_gives_fewer_frames_and_never_a_wrong_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut buffer = open(folder.path(), SETTINGS);
    for n in 1..=3u64 {
        buffer.push(n as i64, n as i64, 1, &payload(n, 30)).unwrap();
    }
    drop(buffer);
    let path = files(folder.path())[0].clone();
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        std::fs::write(&path, &damaged).unwrap();
        let mut buffer = open(folder.path(), SETTINGS);
        let found = waiting(&mut buffer);
        assert_eq!(numbers(&found), (1..=found.len() as u64).collect::<Vec<_>>(), "byte {at}");
        assert!(found.iter().all(|f| f.payload == payload(f.number, 30)), "byte {at}");
        // The four bytes behind the header's checksum are nothing.
        assert!(found.len() < 3 || (20..24).contains(&at), "byte {at}");
        drop(buffer);
        files(folder.path()).iter().for_each(|f| std::fs::remove_file(f).unwrap());
        std::fs::remove_file(folder.path().join("cursor")).unwrap();
    }
}

#[test]
fn a_disk_that_changes_under_a_running_buffer_costs_one_segment_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut buffer = open(folder.path(), SETTINGS);
    for n in 1..=3u64 {
        buffer.push(n as i64, n as i64, 5, &payload(n, 30)).unwrap();
    }
    let path = files(folder.path())[0].clone();
    let mut bytes = std::fs::read(&path).unwrap();
    let at = HEADER_BYTES as usize + 66 + 40;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let found = waiting(&mut buffer);
    assert_eq!(numbers(&found), [1]);
    buffer.acknowledge(&found).unwrap();
    assert!(waiting(&mut buffer).is_empty());
    let reading = buffer.read();
    assert_eq!((reading.dropped_frames, reading.dropped_samples, reading.waiting_samples), (2, 10, 0));
    buffer.push(9, 9, 5, b"after").unwrap();
    assert_eq!(numbers(&waiting(&mut buffer)), [4]);
    assert_eq!(buffer.read().dropped_frames, 2, "counted once");
}

#[test]
fn at_the_bound_the_oldest_goes_and_is_counted_also_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { bytes_max: 256 << 10, keep_ms: i64::MAX };
    let mut buffer = open(folder.path(), settings);
    for n in 1..=1000u64 {
        buffer.push(n as i64, n as i64, 3, &payload(n, 1000)).unwrap();
        assert!(buffer.read().bytes <= settings.bytes_max);
    }
    let found = waiting(&mut buffer);
    let reading = buffer.read();
    assert_eq!(found.last().unwrap().number, 1000, "the newest is there");
    assert_eq!(reading.waiting_frames, found.len() as u64);
    assert_eq!(reading.dropped_frames, 1000 - found.len() as u64);
    assert_eq!(reading.dropped_samples, 3 * reading.dropped_frames);
    assert!(reading.bytes > settings.bytes_max * 3 / 4, "most of the bound is used: {reading:?}");
    drop(buffer);
    assert_eq!(open(folder.path(), settings).read(), reading);
    let mut buffer = open(folder.path(), settings);
    let e = buffer.push(0, 0, 1, &vec![0; 100 << 10]).unwrap_err();
    assert_eq!(e.kind, ErrorKind::TooLarge);
}

#[test]
fn what_arrived_is_kept_for_its_time_and_makes_room_first() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { bytes_max: 256 << 10, keep_ms: 50 };
    let mut buffer = open(folder.path(), settings);
    for n in 1..=400u64 {
        buffer.push(n as i64, n as i64, 1, &payload(n, 1000)).unwrap();
        let found = waiting(&mut buffer);
        buffer.acknowledge(&found).unwrap();
    }
    assert_eq!(buffer.read().dropped_frames, 0);
    let (kept, is_cut) = buffer.since(360, u64::MAX).unwrap();
    assert_eq!((numbers(&kept), is_cut), ((360..=400).collect(), false));
    assert!(buffer.read().bytes < 100 << 10, "the rest is gone");
    let (kept, is_cut) = buffer.since(360, 20 << 10).unwrap();
    assert!(is_cut && kept.last().unwrap().number == 400 && kept.len() < 41);
}

#[test]
fn two_programs_never_share_one() {
    let folder = tempfile::tempdir().unwrap();
    let _one = open(folder.path(), SETTINGS);
    let two = Buffer::open(folder.path(), SETTINGS).map(drop).unwrap_err();
    assert_eq!(two.kind, ErrorKind::Conflict, "{two}");
}

#[test]
fn a_torn_cursor_falls_back_to_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cursor");
    let mut cursor = Cursor::open(&path).unwrap();
    for acknowledged in 1..=5 {
        cursor.place.acknowledged = acknowledged;
        cursor.write().unwrap();
    }
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut torn = whole.clone();
        torn[at] ^= 0xff;
        std::fs::write(&path, torn).unwrap();
        let found = Cursor::open(&path).unwrap().place.acknowledged;
        assert!(found == 4 || found == 5, "byte {at}: {found}");
    }
}

/// What a test does to a buffer.
#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    /// Frames that are taken, and whether they arrive.
    Send(usize, bool),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0usize..9000).prop_map(Step::Push),
        2 => (0usize..30_000, any::<bool>()).prop_map(|(n, arrives)| Step::Send(n, arrives)),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Every frame that was pushed arrived, waits, or is counted as dropped; none twice, none out of order.
    #[test]
    fn as_a_list_in_memory(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { bytes_max: 64 << 10, keep_ms: 3 };
        let mut buffer = open(folder.path(), settings);
        // Number and length of what waits or may have been dropped, the oldest first.
        let mut list: VecDeque<(u64, usize)> = VecDeque::new();
        let (mut pushed, mut dropped) = (0u64, 0u64);
        for step in steps {
            match step {
                Step::Push(bytes) => {
                    pushed += 1;
                    let number = buffer.push(pushed as i64, pushed as i64, 2, &payload(pushed, bytes)).unwrap();
                    prop_assert_eq!(number, pushed);
                    list.push_back((number, bytes));
                }
                Step::Send(bytes, arrives) => {
                    let found = buffer.waiting(bytes).unwrap();
                    prop_assert!(found.len() <= 1 || found.iter().map(|f| f.payload.len()).sum::<usize>() <= bytes);
                    for (frame, (number, length)) in found.iter().zip(&list) {
                        prop_assert_eq!(frame.number, *number);
                        prop_assert_eq!(&frame.payload, &payload(*number, *length));
                    }
                    if arrives {
                        buffer.acknowledge(&found).unwrap();
                        list.drain(..found.len());
                    }
                }
                Step::Restart => {
                    drop(buffer);
                    buffer = open(folder.path(), settings);
                }
            }
            let reading = buffer.read();
            prop_assert!(reading.bytes <= settings.bytes_max);
            // What went for want of room is the oldest of what waited.
            while reading.dropped_frames > dropped {
                prop_assert!(list.pop_front().is_some());
                dropped += 1;
            }
            prop_assert_eq!(reading.waiting_frames, list.len() as u64);
            prop_assert_eq!(reading.waiting_samples, 2 * list.len() as u64);
            prop_assert_eq!(reading.dropped_samples, 2 * dropped);
            prop_assert_eq!(numbers(&buffer.waiting(usize::MAX).unwrap()), list.iter().map(|l| l.0).collect::<Vec<_>>());
        }
    }
}
