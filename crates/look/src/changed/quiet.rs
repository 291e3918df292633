//! Which time just before a window to compare it with: the last stretch long enough in which nothing was in trouble. It must never
//! overlap the window, nor look farther back than a day: what was so long ago is a question of its own.

use super::Ask;

/// How far back quiet is looked for, milliseconds.
pub const BACK_MS: i64 = 86_400_000;

/// The window against the last quiet stretch before it, twice as long, at least a minute. `troubles`: when something was wrong,
/// in any order. The second value is how many milliseconds earlier it is than just before; `None` if there is no quiet.
pub fn quiet_before(window: (i64, i64), troubles: &[(i64, i64)]) -> (Ask, Option<i64>) {
    let plain = Ask::just_before(window);
    let (from, to) = plain.baselines[0];
    let length = to - from;
    let mut end = to;
    while end - length >= window.0 - BACK_MS {
        let overlapping = troubles.iter().filter(|t| t.0 <= end && t.1 >= end - length);
        match overlapping.map(|t| t.0).min() {
            None => {
                return (Ask { window, baselines: vec![(end - length, end)] }, Some(to - end));
            }
            Some(start) => end = start - 1,
        }
    }
    (plain, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_quiet_stretch_is_taken() {
        // The window is 100 s from 1000 s on: the time just before it is 800 s to 1000 s.
        for (troubles, want, why) in [
            (&[][..], Some((800, 1000)), "nothing was wrong"),
            (&[(1010, 1050)], Some((800, 1000)), "trouble in the window is the window's"),
            (&[(900, 950)], Some((700, 900)), "before the trouble"),
            (&[(990, 1050)], Some((790, 990)), "it began before the window"),
            (&[(900, 950), (600, 710)], Some((400, 600)), "between two troubles there is not enough"),
            (&[(600, 710), (900, 950)], Some((400, 600)), "in any order"),
            (&[(900, 950), (500, 600)], Some((700, 900)), "between two troubles there is enough"),
            (&[(-100_000, 1000)], None, "there is no quiet"),
        ] {
            let troubles: Vec<_> = troubles.iter().map(|t: &(i64, i64)| (t.0 * 1000, t.1 * 1000)).collect();
            let (ask, earlier) = quiet_before((1_000_000, 1_100_000), &troubles);
            let (from, to) = ask.baselines[0];
            let want_ms = want.unwrap_or((800, 1000));
            assert_eq!((from, to), (want_ms.0 * 1000, want_ms.1 * 1000 - 1), "{why}");
            assert_eq!(earlier, want.map(|(_, end)| 1_000_000 - end * 1000), "{why}");
        }
    }
}
