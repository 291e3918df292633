//! Seeded random choices and damage, for tests: the same on every run. It must never be part of the program.

/// xorshift64*: enough to choose damage.
pub struct Random(pub u64);

impl Random {
    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n.max(1)
    }

    /// Flips, cuts, repeats and overwrites a few places.
    pub fn damage(&mut self, valid: &[u8]) -> Vec<u8> {
        const SIGNS: &[u8] = b"{}\"\\,[]= \n#:\x00\x80\x1b";
        let mut body = valid.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(body.len());
            match self.below(6) {
                0 => body[at..].iter_mut().take(1).for_each(|b| *b ^= 1 << (at % 8)),
                1 => body.truncate(at),
                2 => body[at..].iter_mut().take(1).for_each(|b| *b = 0xff),
                3 => {
                    let length = [9, 30][at % 2];
                    let part = body[at..(at + length).min(body.len())].to_vec();
                    body.splice(at..at, part);
                }
                4 => body.insert(at, SIGNS[at % SIGNS.len()]),
                _ => drop(body.drain(at..(at + 5).min(body.len()))),
            }
        }
        body
    }
}
