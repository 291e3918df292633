//! Which processes are recorded one by one: the busiest by each measure. Pure: numbers in, positions
//! out. It must never depend on the order in which equal values come.

/// Reused between rankings.
#[derive(Default)]
pub(crate) struct Ranking(Vec<(u64, u32)>);

impl Ranking {
    /// Calls `take` with the positions of the `count` largest values that are at least `floor`; of
    /// equal values the ones at the lower position.
    pub(crate) fn largest(
        &mut self,
        values: impl Iterator<Item = u64>,
        count: usize,
        floor: u64,
        mut take: impl FnMut(usize),
    ) {
        self.0.clear();
        let numbered = values.enumerate().filter(|(_, v)| *v >= floor);
        self.0.extend(numbered.map(|(i, v)| (v, u32::MAX - i as u32)));
        if count == 0 {
            return;
        }
        if self.0.len() > count {
            self.0.select_nth_unstable_by(count - 1, |a, b| b.cmp(a));
            self.0.truncate(count);
        }
        for (_, i) in &self.0 {
            take((u32::MAX - i) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn largest() {
        for (values, count, floor, want) in [
            (&[5, 1, 9, 7][..], 2, 0, &[2, 3][..]),
            (&[5, 1, 9, 7], 10, 5, &[0, 2, 3]),
            (&[4, 4, 4, 4], 2, 1, &[0, 1]),
            (&[0, 0, 3], 2, 1, &[2]),
            (&[1, 2], 0, 0, &[]),
            (&[], 3, 0, &[]),
        ] {
            let mut got = Vec::new();
            Ranking::default().largest(values.iter().copied(), count, floor, |i| got.push(i));
            got.sort_unstable();
            assert_eq!(got, want, "{values:?}, {count} from {floor}");
        }
    }
}
