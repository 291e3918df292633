//! Who may write: on a folder the lock decides; in a bucket that several machines reach, the one that started last. It
//! makes a manifest with a higher epoch, and every commit of the one before fails from then on. What that one has
//! acknowledged stays in its own log. Two writers must never lose a block or a sample of each other.

use crate::maintenance::Maintenance;
use crate::manifest::{Manifest, fenced};
use crate::objects::Objects;
use crate::recovery::adopt_blocks;
use crate::store::Store;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::Ordering::Relaxed;
use stdx::{Error, ErrorKind, Result};

/// Numbers of blocks that one opening of a shared store may use: two writers never take the same.
pub const BLOCKS_PER_EPOCH: u64 = 1_000_000;
/// How often a start tries again when another start was faster.
const STARTS_MAX: usize = 8;
/// How often a writer looks whether another one has taken over.
const LOOK_EVERY_MS: u64 = 30_000;

/// A name that nobody else has.
pub fn unique_name() -> String {
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}

/// What opening a store found and made.
pub struct Opened {
    /// The newest manifest, ours.
    pub manifest: Manifest,
    /// What was found to be wrong, in words.
    pub messages: Vec<String>,
    /// Whether the manifest is written. On a folder what cannot be written now is written later.
    pub is_committed: bool,
}

/// Makes this process the writer.
///
/// # Errors
/// If there is no whole manifest; in a bucket also if it cannot be written.
pub fn open(objects: &Objects, log: Option<&str>) -> Result<Opened> {
    for _ in 0..STARTS_MAX {
        let (mut manifest, mut messages) = match Manifest::load(objects) {
            // Old manifests go while they are being listed.
            Err(e) if e.kind == ErrorKind::NotFound && objects.is_shared() => continue,
            loaded => loaded?,
        };
        if !messages.is_empty() {
            adopt_blocks(objects, &mut manifest, &mut messages)?;
            crate::tables::list::adopt(objects, &mut manifest.tables, &mut messages)?;
            manifest.keep_strangers = true;
        }
        if let (Some(log), Some(before)) = (log, manifest.writer.split_once('.'))
            && before.0 != log
        {
            messages.push(
                "another machine wrote to this bucket before; if it still runs, it stops recording within a minute"
                    .into(),
            );
        }
        let mut next = Manifest { epoch: manifest.epoch + 1, ..manifest.next() };
        if let Some(log) = log {
            next.writer = format!("{log}.{}", unique_name());
            next.next_block = (next.next_block / BLOCKS_PER_EPOCH + 1) * BLOCKS_PER_EPOCH;
            next.tables.next_file = (next.tables.next_file / BLOCKS_PER_EPOCH + 1) * BLOCKS_PER_EPOCH;
        }
        match next.commit(objects) {
            Ok(()) => return Ok(Opened { manifest: next, messages, is_committed: true }),
            Err(e) if objects.is_shared() && e.kind == ErrorKind::Conflict => {}
            Err(e) if objects.is_shared() => return Err(e),
            Err(e) => {
                messages.push(format!("nothing can be written now, what is stored can be read: {e}"));
                return Ok(Opened { manifest: next, messages, is_committed: false });
            }
        }
    }
    Err(Error::new(
        ErrorKind::Conflict,
        "other Midwatches keep starting on the same bucket; stop all but one, or give each a prefix of its own",
    ))
}

/// The writer's part of maintenance.
#[derive(Default)]
pub struct Lease {
    /// A manifest of which nobody knows whether it was made.
    uncertain: Option<Manifest>,
    /// Another writer has taken over.
    is_lost: bool,
    look_again_ms: u64,
}

impl Lease {
    /// Commits a manifest. In a bucket an error may leave the outcome open; then it is settled before the next commit,
    /// by making the same one again: a writer that went on with the next number could not tell its own from another's.
    ///
    /// # Errors
    /// `Conflict` if another writer has taken over.
    pub fn commit(&mut self, next: &Manifest, objects: &Objects) -> Result<()> {
        if self.is_lost {
            return Err(fenced());
        }
        let committed = next.commit(objects);
        if objects.is_shared() {
            match &committed {
                Err(e) if e.kind == ErrorKind::Conflict => self.is_lost = true,
                Err(_) => self.uncertain = Some(next.clone()),
                Ok(()) => {}
            }
        }
        committed
    }

    /// Finds out what became of the last commit if that is not known. Returns the number that is used up by it.
    ///
    /// # Errors
    /// `Conflict` if another writer has taken over; `Unavailable` if it is still not known.
    pub fn settle(&mut self, objects: &Objects) -> Result<Option<u64>> {
        let Some(open) = self.uncertain.take() else { return Ok(None) };
        self.commit(&open, objects)?;
        Ok(Some(open.number))
    }

    /// Whether another writer is known to have taken over.
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Looks from time to time whether another writer has taken over: until the next commit that may take hours.
    fn look(&mut self, manifest: &Manifest, objects: &Objects, uptime_ms: u64) {
        if !objects.is_shared() || self.is_lost || uptime_ms < self.look_again_ms {
            return;
        }
        self.look_again_ms = uptime_ms + LOOK_EVERY_MS;
        let own = self.uncertain.as_ref().unwrap_or(manifest);
        // That the bucket cannot be asked now is no answer.
        self.is_lost = own.is_superseded(objects).unwrap_or(false);
    }
}

impl Store {
    /// Writes what is only in the log of this machine to the bucket, so that another one can go on from there; call it
    /// before an orderly end. On a folder there is nothing to do.
    ///
    /// # Errors
    /// As [`Store::maintain`]; what could not be written is in the log.
    pub fn hand_over(&self) -> Result<()> {
        let is_needed = self.objects.is_shared() && !self.shared.is_fenced.load(Relaxed);
        if is_needed { self.flush_head() } else { Ok(()) }
    }

    /// Whether this process may still write; if not, new samples are refused from now on.
    pub(crate) fn is_writer(&self, m: &mut Maintenance, uptime_ms: u64) -> bool {
        let (lease, manifest) = m.lease();
        lease.look(manifest, &self.objects, uptime_ms);
        if lease.is_lost() {
            self.shared.is_fenced.store(true, Relaxed);
        }
        !lease.is_lost()
    }
}
