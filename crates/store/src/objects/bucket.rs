//! Objects in a bucket that speaks S3. Names are made by conditional create, so that of two writers one learns that it
//! came second. Every request ends within a bounded time, and what cannot be reached fails fast for a while, so that
//! queries wait once and not for every block. It must never show credentials.

use super::location::Location;
use super::transport::Connector;
use super::{DAMAGED, PIECE_BYTES};
use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as ObjectPath;
use object_store::{
    BackoffConfig, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, RetryConfig,
};
use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use stdx::{Error, ErrorKind, Result};

/// How often a request is repeated, and until how long after the first.
const RETRIES_MAX: usize = 4;
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);
/// What is shown of an answer that explains an error.
const CAUSE_CHARS_MAX: usize = 300;

/// A prefix in a bucket.
#[derive(Clone)]
pub struct Bucket(Arc<Inner>);

struct Inner {
    store: AmazonS3,
    location: Location,
    prefix: String,
    runtime: Runtime,
    fail_fast: Duration,
    /// Until when reads fail at once, and with what.
    down: Mutex<Option<(Instant, String)>>,
}

/// A runtime that may be dropped anywhere: tokio's own panics when that happens on one of its threads.
struct Runtime(Option<tokio::runtime::Runtime>);

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// An object that is being sent: in one request if it is small, else in parts that become visible together.
pub struct Upload {
    bucket: Bucket,
    path: String,
    buffer: Vec<u8>,
    parts: Option<Box<dyn MultipartUpload>>,
}

/// How long failures are borne.
struct Patience {
    /// Wait before the first repetition; it doubles with each.
    first_wait: Duration,
    /// How long reads are not tried after the bucket could not be reached.
    fail_fast: Duration,
}

impl Bucket {
    /// A bucket with credentials and address from the environment or the machine's role.
    pub fn open(location: &Location) -> Result<Bucket> {
        let patience = Patience { first_wait: Duration::from_millis(100), fail_fast: Duration::from_secs(5) };
        Bucket::with(location, AmazonS3Builder::from_env(), patience)
    }

    /// A bucket with variables of an environment of its own, which is soon at the end of its patience.
    #[cfg(test)]
    pub fn for_tests(location: &Location, environment: &[(&str, String)]) -> Bucket {
        let with = |b: AmazonS3Builder, (name, value): &(&str, String)| {
            b.with_config(name.to_ascii_lowercase().parse().unwrap(), value)
        };
        let patience = Patience { first_wait: Duration::from_millis(1), fail_fast: Duration::from_millis(1) };
        Bucket::with(location, environment.iter().fold(AmazonS3Builder::new(), with), patience).unwrap()
    }

    fn with(location: &Location, builder: AmazonS3Builder, patience: Patience) -> Result<Bucket> {
        let Location::Bucket { bucket, prefix } = location else {
            return Err(Error::new(ErrorKind::Internal, "a folder is not a bucket"));
        };
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: patience.first_wait,
                max_backoff: patience.first_wait * 20,
                base: 2.0,
            },
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_TIMEOUT,
        };
        let store = builder
            .with_bucket_name(bucket)
            .with_retry(retry)
            // Deleting many at once is what fewest providers support.
            .with_disable_bulk_delete(true)
            .with_http_connector(Connector)
            .build()
            .map_err(|e| {
                let text = format!("{location} cannot be used; check the AWS_ variables of the environment");
                Error::wrap(ErrorKind::Invalid, text, e)
            })?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store-bucket")
            .enable_all()
            .build()
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "cannot start a thread", e))?;
        Ok(Bucket(Arc::new(Inner {
            store,
            location: location.clone(),
            prefix: prefix.clone(),
            runtime: Runtime(Some(runtime)),
            fail_fast: patience.fail_fast,
            down: Mutex::default(),
        })))
    }

    fn full(&self, path: &str) -> ObjectPath {
        match self.0.prefix.as_str() {
            "" => ObjectPath::from(path),
            prefix => ObjectPath::from(format!("{prefix}/{path}")),
        }
    }

    fn wait<T>(&self, path: &str, work: impl Future<Output = object_store::Result<T>>) -> Result<T> {
        let runtime =
            self.0.runtime.0.as_ref().ok_or_else(|| Error::new(ErrorKind::Internal, "no runtime"))?;
        let done = runtime.block_on(work).map_err(|e| self.explain(path, e));
        let mut down = self.0.down.lock().unwrap_or_else(|e| e.into_inner());
        match &done {
            Err(e) if e.kind == ErrorKind::Unavailable => {
                *down = Some((Instant::now() + self.0.fail_fast, e.message.clone()));
            }
            _ => *down = None,
        }
        done
    }

    /// As [`Bucket::wait`], unless the bucket could not be reached a moment ago.
    fn read<T>(&self, path: &str, work: impl Future<Output = object_store::Result<T>>) -> Result<T> {
        let down = self.0.down.lock().unwrap_or_else(|e| e.into_inner()).clone();
        match down {
            Some((until, text)) if Instant::now() < until => Err(Error::new(ErrorKind::Unavailable, text)),
            _ => self.wait(path, work),
        }
    }

    pub fn get(&self, path: &str) -> Result<Bytes> {
        let full = self.full(path);
        self.read(path, async { self.0.store.get(&full).await?.bytes().await })
    }

    pub fn get_ranges(&self, path: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let full = self.full(path);
        let read = self.read(path, async {
            match ranges {
                [range] => Ok(vec![self.0.store.get_range(&full, range.clone()).await?]),
                _ => self.0.store.get_ranges(&full, ranges).await,
            }
        });
        let Err(e) = read else { return read };
        // Where a read past the end is an error, it is one of many shapes: the size decides.
        let end = ranges.iter().map(|range| range.end).max().unwrap_or(0);
        match self.wait(path, self.0.store.head(&full)) {
            Ok(meta) if meta.size < end => Err(super::short(path)),
            _ => Err(e),
        }
    }

    pub fn size(&self, path: &str) -> Result<u64> {
        let full = self.full(path);
        self.read(path, self.0.store.head(&full)).map(|meta| meta.size)
    }

    pub fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        let full = self.full(prefix);
        let found = self.wait(prefix, self.0.store.list_with_delimiter(Some(&full)))?;
        let own = |location: &ObjectPath| {
            let path = location.as_ref();
            match self.0.prefix.as_str() {
                "" => Some(path.to_string()),
                prefix => path.strip_prefix(prefix)?.strip_prefix('/').map(str::to_string),
            }
        };
        Ok(found.objects.iter().filter_map(|o| Some((own(&o.location)?, o.size))).collect())
    }

    pub fn delete(&self, path: &str) -> Result<()> {
        let full = self.full(path);
        match self.wait(path, self.0.store.delete(&full)) {
            Err(e) if e.kind != ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    pub fn set_aside(&self, path: &str) -> Result<()> {
        let (from, to) = (self.full(path), self.full(&format!("{path}{DAMAGED}")));
        self.wait(path, self.0.store.copy(&from, &to))?;
        self.delete(path)
    }

    fn put_new(&self, path: &str, payload: PutPayload) -> Result<()> {
        let full = self.full(path);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        self.wait(path, self.0.store.put_opts(&full, payload, options)).map(|_| ())
    }

    pub fn upload(&self, path: &str) -> Upload {
        Upload { bucket: self.clone(), path: path.into(), buffer: Vec::new(), parts: None }
    }

    pub fn claim(&self, identity: &str, text: &str) -> Result<()> {
        let top = match self.0.prefix.as_str() {
            "" => None,
            prefix => Some(ObjectPath::from(prefix)),
        };
        let found = match self.wait("", self.0.store.list_with_delimiter(top.as_ref())) {
            Err(e) if e.kind == ErrorKind::NotFound => {
                let text = format!(
                    "there is no bucket for {}; make it first, or check the name, AWS_REGION and AWS_ENDPOINT_URL",
                    self.0.location
                );
                return Err(Error::new(ErrorKind::NotFound, text));
            }
            found => found?,
        };
        let full = self.full(identity);
        if !found.objects.iter().any(|o| o.location == full) {
            if let Some(other) =
                found.objects.iter().map(|o| &o.location).chain(&found.common_prefixes).next()
            {
                return Err(Error::invalid(format!(
                    "{} is not Midwatch's (it holds {other}); name an empty prefix",
                    self.0.location
                )));
            }
            match self.put_new(identity, PutPayload::from(text.to_string())) {
                Err(e) if e.kind != ErrorKind::Conflict => return Err(e),
                _ => {}
            }
        }
        // It is there now, so that making it anew has to fail. Where it does not, two writers would destroy each other's
        // data without a word.
        match self.put_new(identity, PutPayload::from(text.to_string())) {
            Err(e) if e.kind == ErrorKind::Conflict => Ok(()),
            Err(e) => Err(e),
            Ok(()) => Err(Error::invalid(format!(
                "{} overwrites objects although it was asked not to (If-None-Match): use a provider that supports \
                 conditional writes",
                self.0.location
            ))),
        }
    }

    fn explain(&self, path: &str, e: object_store::Error) -> Error {
        use object_store::Error as E;
        let place = &self.0.location;
        let cause = root_cause(&e);
        // Not every request tells a refusal apart by its kind.
        let has_status = |status: &str| cause.contains(&format!("status code: {status} "));
        let is_refused = has_status("401") || has_status("403");
        let (kind, message) = match &e {
            _ if matches!(e, E::NotFound { .. }) || has_status("404") => {
                (ErrorKind::NotFound, format!("{path} is not in {place}"))
            }
            E::AlreadyExists { .. } | E::Precondition { .. } => {
                (ErrorKind::Conflict, format!("{path} is in {place} already"))
            }
            _ if is_refused => (
                ErrorKind::Unavailable,
                format!(
                    "{place} refuses the credentials ({cause}); check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
                     the role of this machine, and what they may do"
                ),
            ),
            _ => (
                ErrorKind::Unavailable,
                format!(
                    "{place} cannot be used now ({cause}); check the network, AWS_ENDPOINT_URL, AWS_REGION and the \
                     credentials"
                ),
            ),
        };
        Error::new(kind, message)
    }
}

/// The innermost error, on one line: those around it name the URL again and again.
fn root_cause(e: &dyn std::error::Error) -> String {
    let mut inner = e;
    while let Some(source) = inner.source() {
        inner = source;
    }
    let text = inner.to_string();
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(CAUSE_CHARS_MAX).collect()
}

impl Upload {
    fn send_part(&mut self) -> Result<()> {
        let part = PutPayload::from(std::mem::take(&mut self.buffer));
        let full = self.bucket.full(&self.path);
        if self.parts.is_none() {
            // Joining the parts has no condition: nobody else uses this name, and if it is there already it is ours.
            match self.bucket.wait(&self.path, self.bucket.0.store.head(&full)) {
                Err(e) if e.kind == ErrorKind::NotFound => {}
                Err(e) => return Err(e),
                Ok(_) => {
                    let text = format!("{} is in {} already", self.path, self.bucket.0.location);
                    return Err(Error::new(ErrorKind::Conflict, text));
                }
            }
            self.parts = Some(self.bucket.wait(&self.path, self.bucket.0.store.put_multipart(&full))?);
        }
        let Some(parts) = &mut self.parts else { return Ok(()) };
        let sent = parts.put_part(part);
        self.bucket.wait(&self.path, sent)
    }

    pub fn finish(mut self) -> Result<()> {
        if self.parts.is_none() {
            let payload = PutPayload::from(std::mem::take(&mut self.buffer));
            return self.bucket.put_new(&self.path, payload);
        }
        if !self.buffer.is_empty() {
            self.send_part()?;
        }
        if let Some(parts) = &mut self.parts {
            self.bucket.wait(&self.path, parts.complete())?;
            self.parts = None;
        }
        Ok(())
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.buffer.len() as u64 >= PIECE_BYTES {
            self.send_part().map_err(std::io::Error::other)?;
        }
        let take = bytes.len().min(PIECE_BYTES as usize - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..take]);
        Ok(take)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(mut parts) = self.parts.take() {
            // What cannot be given up now, the bucket's own rule for incomplete uploads removes.
            let _ = self.bucket.wait(&self.path, parts.abort());
        }
    }
}
