//! Puts series that moved together into groups: their pictures agree and they began at about the same time. Groups
//! are ordered by how far their best member stands out; members by when they began. It must never hide a member.

use super::{How, Moved, PICTURE};

/// Pictures that correlate at least this much are of one shape.
const ALIKE: f32 = 0.85;
/// Only this many groups are looked through for one that fits; a series of none of them begins its own.
const GROUPS_MAX: usize = 200;

/// One series of a group: the index into what [`groups`] was given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Member {
    /// Index into the slice.
    pub index: usize,
    /// True: it moves against the group (falls where the group rises).
    pub against: bool,
}

/// Series that moved together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Earliest first; of those that began together the one that stands out most first.
    pub members: Vec<Member>,
    /// The earliest onset, milliseconds since 1970-01-01 UTC.
    pub onset_ms: i64,
    /// The highest score of a member.
    pub score: f64,
}

/// Groups, the most outstanding first. `tolerance_ms`: onsets no farther apart are taken for one moment (the scrape
/// interval, or a picture's bin, whichever is longer).
pub fn groups(moved: &[Moved], tolerance_ms: i64) -> Vec<Group> {
    let shapes: Vec<[f32; PICTURE]> = moved.iter().map(standardised).collect();
    let mut order: Vec<usize> = (0..moved.len()).collect();
    order.sort_by(|a, b| moved[*b].score.total_cmp(&moved[*a].score).then(a.cmp(b)));
    let mut leaders: Vec<(usize, Vec<Member>)> = Vec::new();
    for index in order {
        let one = &moved[index];
        let fits = leaders.iter_mut().take(GROUPS_MAX).find_map(|(leader, members)| {
            let lead = &moved[*leader];
            if (lead.onset_ms - one.onset_ms).abs() > tolerance_ms || kind(lead.how) != kind(one.how) {
                return None;
            }
            if kind(one.how) != Kind::Line {
                return (lead.how == one.how).then_some((members, false));
            }
            let alike: f32 = shapes[*leader].iter().zip(&shapes[index]).map(|(a, b)| a * b).sum();
            (alike.abs() >= ALIKE).then_some((members, alike < 0.0))
        });
        match fits {
            Some((members, against)) => members.push(Member { index, against }),
            None => leaders.push((index, vec![Member { index, against: false }])),
        }
    }
    let group = |(leader, mut members): (usize, Vec<Member>)| {
        // What most of them did is what the group did.
        if members.iter().filter(|m| m.against).count() * 2 > members.len() {
            members.iter_mut().for_each(|m| m.against = !m.against);
        }
        let by = |m: &Member| moved[m.index].onset_ms;
        members.sort_by(|a, b| {
            by(a)
                .cmp(&by(b))
                .then(moved[b.index].score.total_cmp(&moved[a.index].score))
                .then(a.index.cmp(&b.index))
        });
        let onset_ms = members.iter().map(by).min().unwrap_or(0);
        Group { members, onset_ms, score: moved[leader].score }
    };
    leaders.into_iter().map(group).collect()
}

#[derive(PartialEq)]
enum Kind {
    /// Compared by its picture.
    Line,
    /// Came or went: there is no picture of one side.
    Presence,
}

fn kind(how: How) -> Kind {
    match how {
        How::Appeared | How::Disappeared => Kind::Presence,
        _ => Kind::Line,
    }
}

/// The picture with mean 0 and length 1, so that the sum of products of two is their correlation; gaps are the mean.
fn standardised(moved: &Moved) -> [f32; PICTURE] {
    let mut shape = [0.0f32; PICTURE];
    let known = || moved.picture.iter().filter(|v| v.is_finite());
    let count = known().count();
    if count == 0 {
        return shape;
    }
    // Values near the largest that there are would overflow when squared.
    let scale = known().fold(0.0f32, |m, v| m.max(v.abs())).max(f32::MIN_POSITIVE);
    let mean = known().map(|v| v / scale).sum::<f32>() / count as f32;
    for (out, v) in shape.iter_mut().zip(&moved.picture) {
        *out = if v.is_finite() { v / scale - mean } else { 0.0 };
    }
    let length = shape.iter().map(|v| v * v).sum::<f32>().sqrt();
    if length > 0.0 {
        shape.iter_mut().for_each(|v| *v /= length);
    }
    shape
}
