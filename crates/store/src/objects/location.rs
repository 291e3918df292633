//! Where objects are: a folder, or a prefix in a bucket. It must never take or show a password.

use std::fmt;
use std::path::{Path, PathBuf};
use stdx::{Error, Result};

/// What the address of a bucket begins with.
const SCHEME: &str = "s3://";

/// A folder, or a prefix in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder on a file system.
    Folder(PathBuf),
    /// Objects of a bucket whose names begin with a prefix.
    Bucket {
        /// Name of the bucket.
        bucket: String,
        /// Parts between `/`; empty is the whole bucket.
        prefix: String,
    },
}

impl Location {
    /// Reads `s3://BUCKET/PREFIX`; everything else without `://` is a folder.
    ///
    /// # Errors
    /// `Invalid`, with what is expected. The text is not repeated where it may hold a password.
    pub fn parse(text: &Path) -> Result<Location> {
        let Some(text) = text.to_str() else { return Ok(Location::Folder(text.into())) };
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return match text.split_once("://") {
                Some((scheme, _)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                    Err(Error::invalid(format!(
                        "{scheme}:// is not known; name a folder, or a bucket as s3://BUCKET/PREFIX"
                    )))
                }
                _ => Ok(Location::Folder(text.into())),
            };
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if rest.contains('@') || bucket.contains(':') {
            return Err(Error::invalid(
                "the address of a bucket holds no user, password or port: give them as AWS_ACCESS_KEY_ID, \
                 AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL in the environment, and the bucket as s3://BUCKET/PREFIX",
            ));
        }
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(good) {
            return Err(Error::invalid(format!(
                "{bucket:?} is not the name of a bucket (3 to 63 of a-z 0-9 . -); expected s3://BUCKET/PREFIX"
            )));
        }
        let prefix = prefix.trim_end_matches('/');
        let plain = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-=".contains(&b))
                && part.bytes().any(|b| b != b'.')
        };
        if !prefix.is_empty() && (prefix.len() > 512 || !prefix.split('/').all(plain)) {
            return Err(Error::invalid(format!(
                "{prefix:?} is not a prefix that can be used: parts of A-Z a-z 0-9 . _ - = between single slashes, \
                 512 bytes at the most"
            )));
        }
        Ok(Location::Bucket { bucket: bucket.into(), prefix: prefix.into() })
    }

    /// Whether the text of a setting names a bucket rather than a folder.
    pub fn is_bucket(text: &Path) -> bool {
        text.to_str().is_some_and(|text| text.starts_with(SCHEME))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Folder(path) => write!(f, "{}", path.display()),
            Location::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "{SCHEME}{bucket}"),
            Location::Bucket { bucket, prefix } => write!(f, "{SCHEME}{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_buckets() {
        for (text, want) in [
            ("./midwatch-data", "./midwatch-data"),
            ("/srv/a:b@c", "/srv/a:b@c"),
            ("s3://telemetry", "s3://telemetry"),
            ("s3://telemetry/", "s3://telemetry"),
            ("s3://telemetry/prod/eu-1/", "s3://telemetry/prod/eu-1"),
            ("S3://x", "error: S3:// is not known"),
            ("gs://bucket/x", "error: gs:// is not known"),
            ("s3://", "error: \"\" is not the name of a bucket"),
            ("s3://Big", "error: \"Big\" is not the name of a bucket"),
            ("s3://telemetry/a//b", "error: \"a//b\" is not a prefix"),
            ("s3://telemetry/../b", "error: \"../b\" is not a prefix"),
            ("s3://telemetry/a#b", "error: \"a#b\" is not a prefix"),
            ("s3://AKIA:hunter2@telemetry/a", "error: the address of a bucket holds no user"),
            ("s3://minio:9000/telemetry", "error: the address of a bucket holds no user"),
        ] {
            let got = match Location::parse(Path::new(text)) {
                Ok(location) => location.to_string(),
                Err(e) => format!("error: {e}"),
            };
            assert!(got == want || (want.starts_with("error") && got.starts_with(want)), "{text}: {got}");
            assert!(!got.contains("hunter2"));
        }
    }
}
