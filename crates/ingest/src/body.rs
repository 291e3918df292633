//! Bodies as they come over the wire, to the bytes that they stand for. It must never give more than it was told to, nor take
//! the memory for more before it knows.

use crate::Limits;
use std::io::Read;
use stdx::{Error, ErrorKind, Result};

/// Window of zstd at the most: 8 MiB, which every decoder has to take (RFC 8878, 3.1.1.1.2).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// gzip, of one or several members.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Encoding {
    /// All of them, by the names that HTTP and gRPC have for them.
    pub const ALL: [(&str, Encoding); 3] =
        [("identity", Encoding::Identity), ("gzip", Encoding::Gzip), ("zstd", Encoding::Zstd)];

    /// From the value of a header; nothing is `identity`. `None` for what is not understood.
    pub fn from_name(name: &str) -> Option<Encoding> {
        let name = if name.is_empty() { "identity" } else { name };
        Encoding::ALL
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, encoding)| *encoding)
    }
}

/// What a body stands for, of at most `decoded_bytes_max`.
///
/// # Errors
/// `TooLarge` past the limit, `Invalid` for what is not compressed in that way.
pub fn decompress(body: &[u8], encoding: Encoding, limits: &Limits) -> Result<Vec<u8>> {
    let max = limits.decoded_bytes_max;
    let bad = |e: std::io::Error| Error::wrap(ErrorKind::Invalid, "the body cannot be decompressed", e);
    let mut out = Vec::new();
    // One byte more than is allowed shows that there is more.
    let bounded = max as u64 + 1;
    match encoding {
        Encoding::Identity => out.extend(body.iter().take(max + 1)),
        Encoding::Gzip => {
            flate2::read::MultiGzDecoder::new(body).take(bounded).read_to_end(&mut out).map_err(bad)?;
        }
        Encoding::Zstd => {
            let mut decoder = zstd::stream::Decoder::with_buffer(body).map_err(bad)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(bad)?;
            decoder.take(bounded).read_to_end(&mut out).map_err(bad)?;
        }
    }
    if out.len() > max {
        let text = format!("the body holds more than {max} bytes when decompressed; send less per request");
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn bodies_come_back_within_the_limit() {
        let limits = Limits { decoded_bytes_max: 1_000, ..Limits::default() };
        let text = b"one two three ".repeat(50);
        let bomb = vec![0u8; 64 << 20];
        let two = [gzip(b"one two "), gzip(b"three")].concat();
        assert_eq!(decompress(&two, Encoding::Gzip, &limits).unwrap(), b"one two three", "two members");
        for (encoding, good, bomb) in [
            (Encoding::Identity, text.clone(), bomb.clone()),
            (Encoding::Gzip, gzip(&text), gzip(&bomb)),
            (
                Encoding::Zstd,
                zstd::encode_all(&text[..], 3).unwrap(),
                zstd::encode_all(&bomb[..], 3).unwrap(),
            ),
        ] {
            assert_eq!(decompress(&good, encoding, &limits).unwrap(), text);
            assert_eq!(decompress(&bomb, encoding, &limits).unwrap_err().kind, ErrorKind::TooLarge);
            if encoding != Encoding::Identity {
                for spoiled in [&good[..good.len() - 5], b"plain", b""] {
                    let kind = decompress(spoiled, encoding, &limits).map_err(|e| e.kind);
                    assert!(
                        matches!(kind, Err(ErrorKind::Invalid)) || spoiled.is_empty(),
                        "{encoding:?} {kind:?}"
                    );
                }
            }
        }
        // A window of 128 MiB.
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&text).unwrap();
        let wide = encoder.finish().unwrap();
        assert_eq!(decompress(&wide, Encoding::Zstd, &limits).unwrap_err().kind, ErrorKind::Invalid);
    }

    #[test]
    fn names() {
        assert_eq!(Encoding::from_name(""), Some(Encoding::Identity));
        assert_eq!(Encoding::from_name("GZIP"), Some(Encoding::Gzip));
        assert_eq!(Encoding::from_name("br"), None);
    }
}
