//! Requests as Prometheus sends them, hostile ones, and answers read by a decoder written from the format alone.

use super::*;

fn request(queries: &[Vec<u8>], forms: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    queries.iter().for_each(|q| put_bytes_field(&mut message, 1, q));
    if !forms.is_empty() {
        put_bytes_field(&mut message, 2, forms);
    }
    snap::raw::Encoder::new().compress_vec(&message).unwrap()
}

fn a_query(start_ms: i64, end_ms: i64, matchers: &[(u64, &str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint_field(&mut out, 1, start_ms as u64);
    put_varint_field(&mut out, 2, end_ms as u64);
    for (op, name, value) in matchers {
        let mut m = Vec::new();
        put_varint_field(&mut m, 1, *op);
        put_bytes_field(&mut m, 2, name.as_bytes());
        put_bytes_field(&mut m, 3, value.as_bytes());
        put_bytes_field(&mut out, 3, &m);
    }
    out
}

#[test]
fn requests() {
    let limits = Limits::default();
    let all = [(0, "__name__", "up"), (1, "a", "b"), (2, "c", "d.*"), (3, "e", "f|g")];
    let got = decode(&request(&[a_query(-5, 10, &all)], &[1, 0]), &limits).unwrap();
    let matchers: Vec<String> =
        got.queries[0].matchers.iter().map(|m| format!("{}{}{}", m.name, m.op.as_str(), m.value)).collect();
    assert_eq!(matchers, ["__name__=up", "a!=b", "c=~d.*", "e!~f|g"]);
    assert_eq!((got.queries[0].start_ms, got.queries[0].end_ms), (-5, 10));
    assert_eq!(got.forms, [Form::Chunks, Form::Samples]);
    assert_eq!(decode(&request(&[], &[]), &limits).unwrap().forms, [Form::Samples], "the old senders' form");
    assert_eq!(decode(&request(&[], &[7, 0]), &limits).unwrap().forms, [Form::Samples]);
    for (body, part) in [
        (request(&[a_query(0, 1, &[(2, "a", "(")])], &[]), "unclosed group"),
        (request(&[a_query(0, 1, &[(9, "a", "b")])], &[]), "the type 9"),
        (request(&[b"\x0a".to_vec()], &[]), "a query"),
        (request(&[], &[7]), "STREAMED_XOR_CHUNKS"),
        (request(&vec![a_query(0, 1, &[]); 65], &[]), "at most 64 queries"),
        (request(&vec![a_query(0, 1, &[(0, "a", "b"); 33]); 4], &[]), "at most 128 matchers"),
        (request(&[a_query(0, 1, &[(2, "a", &"b".repeat(70_000))])], &[]), "65536 bytes"),
        (b"rubbish".to_vec(), "not snappy"),
    ] {
        let error = decode(&body, &limits).unwrap_err().to_string();
        assert!(error.contains(part), "{error} does not say {part}");
    }
}

/// Reads bits from the highest of each byte down.
struct Bits<'a>(&'a [u8], usize);

impl Bits<'_> {
    fn take(&mut self, count: u32) -> u64 {
        (0..count).fold(0, |value, _| {
            let bit = self.0[self.1 / 8] >> (7 - self.1 % 8) & 1;
            self.1 += 1;
            value << 1 | u64::from(bit)
        })
    }

    fn varint(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.take(8);
            value |= (byte & 127) << shift;
            shift += 7;
            if byte < 128 {
                return value;
            }
        }
    }

    fn signed(&mut self, count: u32) -> i64 {
        let value = self.take(count);
        // The largest is positive: 2^(n-1), not its negative.
        if count < 64 && value > 1 << (count - 1) { value as i64 - (1 << count) } else { value as i64 }
    }
}

fn read_xor(chunk: &[u8]) -> Vec<(i64, f64)> {
    let mut bits = Bits(&chunk[2..], 0);
    let count = u16::from_be_bytes([chunk[0], chunk[1]]);
    let (mut t, mut delta, mut v, mut front, mut length) = (0i64, 0i64, 0u64, 0, 0);
    let mut out = Vec::new();
    for i in 0..count {
        match i {
            0 => {
                let zigzag = bits.varint();
                t = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
                v = bits.take(64);
            }
            _ => {
                if i == 1 {
                    delta = bits.varint() as i64;
                } else {
                    let ones = (0..4).take_while(|_| bits.take(1) == 1).count();
                    delta = delta.wrapping_add(match ones {
                        0 => 0,
                        1 => bits.signed(14),
                        2 => bits.signed(17),
                        3 => bits.signed(20),
                        _ => bits.signed(64),
                    });
                }
                t = t.wrapping_add(delta);
                if bits.take(1) == 1 {
                    if bits.take(1) == 1 {
                        front = bits.take(5) as u32;
                        length = bits.take(6) as u32;
                        length = if length == 0 { 64 } else { length };
                    }
                    v ^= bits.take(length) << (64 - front - length);
                }
            }
        }
        out.push((t, f64::from_bits(v)));
    }
    out
}

#[test]
fn chunks_hold_the_samples_bit_for_bit() {
    let step = [1, 1, 1, 8_192, 8_193, 20_000, 65_536, 65_537, 300_000, 524_288, 600_000, 1 << 40, 5, 5];
    let mut times = vec![-7i64];
    step.iter().cycle().take(115).for_each(|s| times.push(times[times.len() - 1] + s));
    let odd = [0.0, -0.0, 1.0, 1.0, f64::NAN, f64::INFINITY, 1e-300, 0.1, 0.3, f64::from_bits(1), f64::MIN];
    let values: Vec<f64> = odd.iter().copied().cycle().take(times.len()).collect();
    for n in [1, 2, 3, 50, times.len()] {
        let read = read_xor(&xor::encode(&times[..n], &values[..n]));
        let bits = |all: &mut dyn Iterator<Item = (i64, f64)>| {
            all.map(|(t, v)| (t, v.to_bits())).collect::<Vec<_>>()
        };
        let want = bits(&mut times[..n].iter().copied().zip(values[..n].iter().copied()));
        assert_eq!(bits(&mut read.into_iter()), want, "{n} samples");
    }
}

#[test]
fn frames_have_length_checksum_and_series() {
    assert_eq!(castagnoli(b"123456789"), 0xe306_9283, "the check value of CRC-32C");
    let labels = Labels::from_pairs([("__name__", "up"), ("job", "a")]).unwrap();
    let times: Vec<i64> = (0..300).map(|i| i * 1000).collect();
    let series = SeriesData::numbers(labels, times.clone(), vec![1.5; 300]);
    let bytes = encode_chunks(&series, 3);
    let length = usize::from(bytes[0] & 127) | usize::from(bytes[1]) << 7;
    let message = &bytes[6..];
    assert_eq!(message.len(), length, "one frame");
    assert_eq!(bytes[2..6], castagnoli(message).to_be_bytes());
    let mut reader = Reader::new(message);
    let (_, inner) = reader.field().unwrap().unwrap();
    assert_eq!(reader.field().unwrap(), Some((2, Field::Varint(3))));
    let (mut inner, mut read) = (Reader::new(inner.bytes().unwrap()), Vec::new());
    while let Some((number, field)) = inner.field().unwrap() {
        if number == 2 {
            let mut chunk = Reader::new(field.bytes().unwrap());
            while let Some((number, field)) = chunk.field().unwrap() {
                if number == 4 {
                    read.extend(read_xor(field.bytes().unwrap()));
                }
            }
        }
    }
    assert_eq!(read, times.iter().map(|t| (*t, 1.5)).collect::<Vec<_>>());
}
