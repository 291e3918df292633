//! Prometheus's XOR chunks of numbers: Gorilla's scheme (Pelkonen et al., "Gorilla: a fast, scalable, in-memory time series
//! database", VLDB 2015) with the widths that Prometheus chose for milliseconds. Written only, for remote read.

/// Bits from the highest of each byte down.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Bits of the last byte that are free.
    free: u32,
}

impl Bits {
    /// The lowest `count` bits of `value`, highest first.
    fn put(&mut self, value: u64, count: u32) {
        let mut left = count;
        while left > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let take = left.min(self.free);
            let part = (value >> (left - take)) & ((1 << take) - 1);
            if let Some(last) = self.bytes.last_mut() {
                *last |= (part as u8) << (self.free - take);
            }
            self.free -= take;
            left -= take;
        }
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 128 {
            self.put(value & 127 | 128, 8);
            value >>= 7;
        }
        self.put(value, 8);
    }
}

/// One chunk of at most 65,535 samples; `times` in milliseconds, strictly increasing.
pub fn encode(times: &[i64], values: &[f64]) -> Vec<u8> {
    let mut bits = Bits { bytes: (times.len() as u16).to_be_bytes().to_vec(), free: 0 };
    let (mut time, mut delta, mut value) = (0i64, 0u64, 0u64);
    let mut window = None;
    for (i, (t, v)) in times.iter().zip(values).enumerate() {
        let next = v.to_bits();
        match i {
            0 => {
                bits.varint((t << 1 ^ t >> 63) as u64);
                bits.put(next, 64);
            }
            1 => {
                delta = t.wrapping_sub(time) as u64;
                bits.varint(delta);
                put_value(&mut bits, value ^ next, &mut window);
            }
            _ => {
                let now = t.wrapping_sub(time) as u64;
                put_change(&mut bits, now.wrapping_sub(delta) as i64);
                delta = now;
                put_value(&mut bits, value ^ next, &mut window);
            }
        }
        (time, value) = (*t, next);
    }
    bits.bytes
}

/// How much a step in time differs from the one before.
fn put_change(bits: &mut Bits, change: i64) {
    let fits = |n: u32| (-((1i64 << (n - 1)) - 1)..=1i64 << (n - 1)).contains(&change);
    match change {
        0 => bits.put(0, 1),
        _ if fits(14) => {
            bits.put(0b10, 2);
            bits.put(change as u64, 14);
        }
        _ if fits(17) => {
            bits.put(0b110, 3);
            bits.put(change as u64, 17);
        }
        _ if fits(20) => {
            bits.put(0b1110, 4);
            bits.put(change as u64, 20);
        }
        _ => {
            bits.put(0b1111, 4);
            bits.put(change as u64, 64);
        }
    }
}

/// The bits in which two values differ; `window` is how many zeros the last such had in front and behind.
fn put_value(bits: &mut Bits, xor: u64, window: &mut Option<(u32, u32)>) {
    if xor == 0 {
        return bits.put(0, 1);
    }
    bits.put(1, 1);
    // Five bits hold the number in front.
    let (front, behind) = (xor.leading_zeros().min(31), xor.trailing_zeros());
    match *window {
        Some((f, b)) if front >= f && behind >= b => {
            bits.put(0, 1);
            bits.put(xor >> b, 64 - f - b);
        }
        _ => {
            *window = Some((front, behind));
            let length = 64 - front - behind;
            bits.put(1, 1);
            bits.put(u64::from(front), 5);
            // Six bits: 64 is written as 0.
            bits.put(u64::from(length) & 63, 6);
            bits.put(xor >> behind, length);
        }
    }
}
