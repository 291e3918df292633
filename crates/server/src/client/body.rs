//! The body of one answer, collected under a limit, decompressed while it comes. It must never hold more than
//! its limit, nor more than what is left of the budget that all bodies share.

use super::{Ask, is_gzip};
use flate2::write::MultiGzDecoder;
use reqwest::Response;
use std::io::{self, Write};
use std::sync::Arc;
use stdx::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory is taken from the budget in steps of this size; the first step is free.
const STEP_BYTES: usize = 1 << 20;

/// What all bodies together may take.
pub(super) struct Budget(Arc<Semaphore>);

impl Budget {
    pub fn new(bytes_max: usize) -> Budget {
        Budget(Arc::new(Semaphore::new(bytes_max / STEP_BYTES)))
    }
}

/// A body that is being read.
pub(super) struct Body<'a> {
    form: Form,
    bytes_read: u64,
    budget: &'a Budget,
    held: Vec<OwnedSemaphorePermit>,
    cut: bool,
}

enum Form {
    Plain(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

/// A buffer that takes bytes up to its limit, and fails past it.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let fits = from.len().min(self.bytes_max - self.bytes.len());
        self.bytes.extend_from_slice(&from[..fits]);
        if fits < from.len() {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> Body<'a> {
    /// Checks what the headers declare before memory is taken.
    pub fn new(response: &Response, ask: &Ask<'_>, budget: &'a Budget) -> Result<Body<'a>> {
        let bytes_max = ask.body_bytes_max;
        let declared = response.content_length().filter(|n| *n > bytes_max as u64 && !ask.cut);
        if let Some(declared) = declared {
            return Err(too_large(&format!("{declared} bytes"), bytes_max));
        }
        let plain = Bounded { bytes: Vec::new(), bytes_max, full: false };
        let form = match is_gzip(response)? {
            true => Form::Gzip(Box::new(MultiGzDecoder::new(plain))),
            false => Form::Plain(plain),
        };
        Ok(Body { form, bytes_read: 0, budget, held: Vec::new(), cut: ask.cut })
    }

    /// Bytes that came over the wire.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Takes the next part; false when no more is wanted.
    pub fn push(&mut self, chunk: &[u8]) -> Result<bool> {
        self.bytes_read += chunk.len() as u64;
        let written = match &mut self.form {
            Form::Plain(plain) => plain.write_all(chunk),
            Form::Gzip(gzip) => gzip.write_all(chunk),
        };
        let bounded = match &self.form {
            Form::Plain(plain) => plain,
            Form::Gzip(gzip) => gzip.get_ref(),
        };
        match written {
            Err(_) if bounded.full && self.cut => return Ok(false),
            Err(_) if bounded.full => {
                return Err(too_large("longer", bounded.bytes_max));
            }
            Err(e) => return Err(Error::wrap(ErrorKind::Unavailable, "the gzip of the answer is broken", e)),
            Ok(()) => {}
        }
        while bounded.bytes.len() / STEP_BYTES > self.held.len() {
            let permit = Arc::clone(&self.budget.0).try_acquire_owned().map_err(|_| {
                let message = "all answers that are being read take too much memory together; \
                     scrape less at one time, or lower body_size_limit";
                Error::new(ErrorKind::Busy, message)
            })?;
            self.held.push(permit);
        }
        Ok(true)
    }

    /// The bytes.
    pub fn finish(self) -> Result<Vec<u8>> {
        match self.form {
            Form::Plain(plain) => Ok(plain.bytes),
            Form::Gzip(mut gzip) if self.cut => {
                let _ = gzip.try_finish();
                Ok(std::mem::take(&mut gzip.get_mut().bytes))
            }
            Form::Gzip(gzip) => gzip
                .finish()
                .map(|plain| plain.bytes)
                .map_err(|e| Error::wrap(ErrorKind::Unavailable, "the gzip of the answer is broken", e)),
        }
    }
}

fn too_large(what: &str, bytes_max: usize) -> Error {
    let message = format!("the answer is {what}, more than the limit of {bytes_max} bytes (body_size_limit)");
    Error::new(ErrorKind::TooLarge, message)
}
