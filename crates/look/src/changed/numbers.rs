//! The numbers that one stretch of a line comes down to. It must never allocate for a line.

/// Count, mean and standard deviation (of the population) of finite values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Numbers {
    pub count: f64,
    pub mean: f64,
    pub deviation: f64,
}

impl Numbers {
    /// Of no values: all are 0.
    pub fn of(values: &[f64]) -> Numbers {
        let Some(first) = values.first() else { return Numbers { count: 0.0, mean: 0.0, deviation: 0.0 } };
        // Shifted by the first value, so that large values with small differences keep their digits; four sums at a
        // time, so that one addition need not wait for the other.
        let (mut sums, mut squares) = ([0.0; 4], [0.0; 4]);
        let mut chunks = values.chunks_exact(4);
        for chunk in &mut chunks {
            for i in 0..4 {
                let d = chunk[i] - first;
                sums[i] += d;
                squares[i] += d * d;
            }
        }
        for v in chunks.remainder() {
            let d = v - first;
            sums[0] += d;
            squares[0] += d * d;
        }
        let count = values.len() as f64;
        let shift = sums.iter().sum::<f64>() / count;
        let variance = (squares.iter().sum::<f64>() / count - shift * shift).max(0.0);
        // What is left of rounding is not movement.
        let deviation = variance.sqrt();
        let deviation = if deviation <= 1e-9 * (first + shift).abs() { 0.0 } else { deviation };
        Numbers { count, mean: first + shift, deviation }
    }

    /// How far the farthest value is from a middle.
    pub fn farthest(values: &[f64], middle: f64) -> f64 {
        values.iter().fold(0.0, |far: f64, v| far.max((v - middle).abs()))
    }
}

/// At most this many values, evenly taken, stand for a baseline's quartiles.
const SAMPLE: usize = 512;

/// Quartiles: of all values up to [`SAMPLE`], else of as many that are evenly spaced in time.
pub(super) fn sorted_sample(values: &[f64], sample: &mut Vec<f64>) -> [f64; 3] {
    sample.clear();
    let stride = values.len().div_ceil(SAMPLE).max(1);
    sample.extend(values.iter().step_by(stride));
    let n = sample.len();
    [n / 4, n / 2, n * 3 / 4].map(|i| *sample.select_nth_unstable_by(i.min(n - 1), f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_deviations_and_quartiles() {
        let values: Vec<f64> = (1..=101).map(f64::from).collect();
        let numbers = Numbers::of(&values);
        assert_eq!((numbers.count, numbers.mean), (101.0, 51.0));
        assert!((numbers.deviation - 29.154_759).abs() < 1e-5, "{numbers:?}");
        assert_eq!(sorted_sample(&values, &mut Vec::new()), [26.0, 51.0, 76.0]);
        assert_eq!(Numbers::farthest(&values, 31.0), 70.0);
    }

    #[test]
    fn large_values_keep_small_differences_and_constant_ones_have_none() {
        let values: Vec<f64> = (0..1000).map(|i| 1e15 + f64::from(i % 2)).collect();
        assert!((Numbers::of(&[1e12, 1e12 + 4.0]).deviation) < 1e4);
        assert_eq!(Numbers::of(&values).mean, 1e15 + 0.5);
        assert_eq!(Numbers::of(&[0.1; 1000]).deviation, 0.0);
        assert_eq!(Numbers::of(&[]), Numbers { count: 0.0, mean: 0.0, deviation: 0.0 });
    }

    #[test]
    fn quartiles_of_a_long_baseline_are_those_of_a_sample() {
        let values: Vec<f64> = (0..100_000).map(f64::from).collect();
        let [low, middle, high] = sorted_sample(&values, &mut Vec::new());
        assert!(
            (low - 25_000.0).abs() < 500.0
                && (middle - 50_000.0).abs() < 500.0
                && (high - 75_000.0).abs() < 500.0
        );
    }
}
