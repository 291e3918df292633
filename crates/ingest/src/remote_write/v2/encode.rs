//! A remote write 2.0 request as a client would send it. It must never write a text twice.

use crate::remote_write::compress;
use crate::wire::{put_bytes_field, put_double_field, put_varint, put_varint_field};
use foldhash::{HashMap, HashMapExt};
use model::SeriesData;

/// Encodes series as a request body, as a client would send it.
pub fn encode(series: &[SeriesData]) -> Vec<u8> {
    let mut numbers: HashMap<&str, u64> = HashMap::new();
    let (mut symbols, mut message, mut one, mut part) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    put_bytes_field(&mut symbols, 4, b"");
    let mut number = |text| {
        let next = numbers.len() as u64 + 1;
        *numbers.entry(text).or_insert_with(|| {
            put_bytes_field(&mut symbols, 4, str::as_bytes(text));
            next
        })
    };
    for data in series {
        one.clear();
        part.clear();
        for (name, value) in data.labels.iter() {
            put_varint(&mut part, number(name));
            put_varint(&mut part, number(value));
        }
        put_bytes_field(&mut one, 1, &part);
        for (i, (timestamp_ms, value)) in data.timestamps_ms.iter().zip(&data.values).enumerate() {
            part.clear();
            put_double_field(&mut part, 1, *value);
            put_varint_field(&mut part, 2, *timestamp_ms as u64);
            if let Some(start_ms @ (..=-1 | 1..)) = data.starts_ms.get(i) {
                put_varint_field(&mut part, 3, *start_ms as u64);
            }
            put_bytes_field(&mut one, 2, &part);
        }
        put_bytes_field(&mut message, 5, &one);
    }
    symbols.append(&mut message);
    compress(&symbols)
}
