//! An order that people expect: numbers inside texts compare by their value, `cpu2` before `cpu10`.

use model::Labels;
use std::cmp::Ordering;

/// Compares two texts; runs of digits compare as numbers. Total: texts that differ are never equal.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (x, y) = (a.as_bytes(), b.as_bytes());
    let same = x.iter().zip(y).take_while(|(p, q)| p == q).count();
    // A number that began before the first difference is part of it.
    let digits = |t: &[u8]| t.iter().rev().take_while(|c| c.is_ascii_digit()).count();
    let from = same - digits(&x[..same]);
    let number = |t: &[u8]| t[from..].iter().take_while(|c| c.is_ascii_digit()).count();
    let (n, m) = (number(x), number(y));
    if n > 0 && m > 0 {
        let trim = |t: &[u8], n: usize| t[from..from + n].iter().take_while(|c| **c == b'0').count();
        let (p, q) = (trim(x, n), trim(y, m));
        let (x_digits, y_digits) = (&x[from + p..from + n], &y[from + q..from + m]);
        let order = x_digits.len().cmp(&y_digits.len()).then_with(|| x_digits.cmp(y_digits));
        return order.then_with(|| a.cmp(b));
    }
    a.cmp(b)
}

/// Compares series: by metric name, then label by label.
pub fn compare_series(a: &Labels, b: &Labels) -> Ordering {
    compare(a.name(), b.name()).then_with(|| {
        let (mut x, mut y) = (a.iter(), b.iter());
        loop {
            match (x.next(), y.next()) {
                (Some((n, v)), Some((m, w))) => {
                    let order = n.cmp(m).then_with(|| compare(v, w));
                    if order != Ordering::Equal {
                        return order;
                    }
                }
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                (None, None) => return Ordering::Equal,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let sorted =
            ["", "0", "01", "1", "a", "a1", "a1b", "a02", "a2", "a10", "a10b", "b", "cpu 2", "cpu 10"];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a:?} {b:?}");
                assert_eq!(compare(a, b), compare(b, a).reverse(), "{a:?} {b:?}");
            }
        }
    }
}
