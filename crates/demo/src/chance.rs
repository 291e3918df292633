//! Chance that is the same for the same seed: splitmix64 (Steele, Lea, Flood 2014). It must never be asked for
//! secrets.

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// Any number.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to, not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From 0 up to, not including, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits() % end.max(1)
    }

    /// True so many times of a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// The time to the next of events that happen independently, every `mean_ns` on average.
    pub fn exponential(&mut self, mean_ns: f64) -> i64 {
        (-mean_ns * (1.0 - self.unit()).ln()) as i64
    }

    /// A duration around a median, in nanoseconds: log-normal with a sigma of 0.35 (a sum of twelve uniform numbers
    /// less six is normal enough), which is what latencies look like: never below, sometimes far above.
    pub fn around(&mut self, median_ms: f64) -> i64 {
        let normal = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        (median_ms * (0.35 * normal).exp() * 1e6) as i64
    }
}
