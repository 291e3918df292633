//! A data folder as it is at one instant, for readers besides the program that uses it: without its lock, and without
//! writing anything. Files of blocks are held open, so that what that program removes meanwhile can still be read.
//! It must never write.

use crate::archive;
use crate::block::{self, Block};
use crate::folder;
use crate::head::Head;
use crate::manifest::Manifest;
use crate::objects::Objects;
use crate::pinned::Pinned;
use crate::view::View;
use crate::wal;
use crate::wal_read::{ById, Replay, replay_all};
use model::{HistogramAt, Labels, Metadata};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, RwLock};
use stdx::{Error, ErrorKind, Result};

/// How often it begins again because the log was cut while it was read.
const ROUNDS_MAX: usize = 20;

/// Segments that are read at a time.
const THREADS_MAX: usize = 4;

/// What a data folder held when it was opened.
pub struct ReadOnly {
    pub(crate) blocks: Vec<Arc<Block>>,
    pub(crate) head: Arc<RwLock<Head>>,
    metadata: BTreeMap<String, Metadata>,
    messages: Vec<String>,
    /// Times of archived blocks, which are not read.
    away: Arc<Vec<(i64, i64)>>,
}

impl ReadOnly {
    /// Opens a data folder that may be in use.
    ///
    /// # Errors
    /// `Invalid` if it is not ours; `Corrupt` if no manifest can be read; `Busy` if the log was cut again and again
    /// meanwhile; `Unavailable`. Damaged blocks and log segments are no error: see [`ReadOnly::messages`].
    pub fn open(path: &Path) -> Result<ReadOnly> {
        folder::must_be_ours(path)?;
        let objects = Objects::existing(path)?;
        for _ in 0..ROUNDS_MAX {
            if let Some(found) = ReadOnly::round(path, &objects)? {
                return Ok(found);
            }
        }
        let text = format!("the log was cut {ROUNDS_MAX} times while it was read; try again");
        Err(Error::new(ErrorKind::Busy, text))
    }

    /// `None` if something went that is needed.
    fn round(path: &Path, objects: &Objects) -> Result<Option<ReadOnly>> {
        let (manifest, mut messages) = Manifest::load(objects)?;
        let names = || manifest.blocks.iter().flat_map(|b| block::paths(b.id));
        let pinned = Pinned::open(path, names())?;
        let missing: Vec<String> = names().filter(|name| !pinned.holds(name)).collect();
        let mut log = Log::default();
        if !log.read(&path.join("wal"), manifest.wal_floor, &mut messages)? {
            return Ok(None);
        }
        let (now, _) = Manifest::load(objects)?;
        if now.wal_floor != manifest.wal_floor || (!missing.is_empty() && now.number != manifest.number) {
            return Ok(None);
        }
        messages.extend(missing.iter().map(|name| format!("{name} is missing: its samples are gone")));
        let objects = Objects::pinned(path, pinned);
        let away = Arc::new(archive::away(&manifest));
        let blocks = manifest.blocks.into_iter().map(|e| Arc::new(Block::new(e, objects.clone())));
        Ok(Some(ReadOnly {
            blocks: blocks.collect(),
            head: Arc::new(RwLock::new(log.head)),
            metadata: log.metadata,
            messages,
            away,
        }))
    }

    /// All of it as a view.
    pub fn view(&self) -> View {
        View {
            blocks: Arc::new(self.blocks.clone()),
            heads: vec![self.head.clone()],
            away: self.away.clone(),
            warnings: Arc::default(),
            // It gives samples; summaries of them nobody asks it for.
            tiers: Arc::default(),
        }
    }

    /// What is known of metrics, by name.
    pub fn metadata(&self) -> &BTreeMap<String, Metadata> {
        &self.metadata
    }

    /// What was damaged or missing when it was opened, in words.
    pub fn messages(&self) -> &[String] {
        &self.messages
    }
}

/// The log, read into a head.
#[derive(Default)]
struct Log {
    head: Head,
    segment_ids: ById<u32>,
    metadata: BTreeMap<String, Metadata>,
}

impl Log {
    /// Reads the segments from `floor` on; false if one went meanwhile.
    fn read(&mut self, folder: &Path, floor: u64, messages: &mut Vec<String>) -> Result<bool> {
        let all = match wal::segments(folder) {
            Err(e) if e.kind == ErrorKind::NotFound => {
                messages.push("the folder of the log is missing".into());
                return Ok(true);
            }
            all => all?,
        };
        let numbers: Vec<u64> = all.into_iter().map(|s| s.0).filter(|number| *number >= floor).collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let mut gone = false;
        replay_all(folder, &numbers, threads, self, |log, number, rest| {
            log.segment_ids.clear();
            match rest {
                // What is no damage is a write that was never acknowledged.
                Ok(rest) if !rest.is_damage => {}
                Ok(rest) => messages.push(format!(
                    "log segment {number} is damaged: what follows, {} bytes, was left out",
                    rest.bytes
                )),
                Err(e) if e.kind == ErrorKind::NotFound => gone = true,
                Err(e) => messages.push(format!("log segment {number} cannot be read: {e}")),
            }
        })?;
        Ok(!gone)
    }
}

impl Replay for Log {
    fn series(&mut self, segment_id: u32, labels: Labels) -> Result<()> {
        let id = self.head.id_of(labels);
        self.segment_ids.insert(segment_id, id);
        Ok(())
    }

    fn sample(&mut self, segment_id: u32, timestamp_ms: i64, bits: u64, start_ms: i64) -> Result<()> {
        match self.segment_ids.get_mut(segment_id) {
            Some(id) => self.head.push_started(*id, timestamp_ms, f64::from_bits(bits), start_ms),
            None => Ok(()),
        }
    }

    fn histogram(&mut self, segment_id: u32, at: HistogramAt) -> Result<()> {
        match self.segment_ids.get_mut(segment_id) {
            Some(id) => self.head.push_histogram(*id, at),
            None => Ok(()),
        }
    }

    fn metadata(&mut self, metadata: Metadata) {
        self.metadata.insert(metadata.metric.clone(), metadata);
    }
}
