//! The store as its owner sees it: open, append, view, and maintain. It starts one thread, the writer;
//! everything else happens on the caller's threads, and what time it is the caller says.

use crate::archive::{self, Archive};
use crate::block::Block;
use crate::folder::DataFolder;
use crate::head::Head;
use crate::lease::{self, Opened};
use crate::maintenance::Maintenance;
use crate::manifest::ArchivedBlock;
use crate::objects::Objects;
use crate::place::Place;
use crate::recovery::{recover, remove_orphans};
use crate::settings::Settings;
use crate::tables::Tables;
use crate::tier::{TierStats, Tiers};
use crate::view::View;
use crate::wal;
use crate::work::{Work, WorkReading};
use crate::writer::{Appended, Command, queue_bytes};
use model::{Batch, Labels, Metadata};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use stdx::metrics::{Registry, Value};
use stdx::{Error, ErrorKind, Result};

/// What several threads look at. Each part has one writer.
pub(crate) struct Shared {
    pub(crate) state: RwLock<State>,
    metadata: RwLock<std::collections::BTreeMap<String, Metadata>>,
    new_series: Mutex<Vec<Labels>>,
    /// Of batches that wait for the writer.
    pub queued_bytes: AtomicUsize,
    /// Heads take twice what they may: blocks cannot be written, and nothing more is taken.
    pub is_over_memory: AtomicBool,
    /// The same of the log.
    pub is_over_wal: AtomicBool,
    /// Another process writes to the same bucket now, and nothing more is taken.
    pub is_fenced: AtomicBool,
    /// Why removal by age is held, while it is.
    pub held: Mutex<Option<String>>,
    pub stats: Stats,
    /// What goes on in the background.
    pub work: Work,
}

#[derive(Clone)]
pub(crate) struct State {
    pub blocks: Arc<Vec<Arc<Block>>>,
    pub archived: Arc<Vec<ArchivedBlock>>,
    /// Times of the first and last sample of archived blocks that are not among `blocks`.
    pub away: Arc<Vec<(i64, i64)>>,
    pub tiers: Arc<Tiers>,
    /// Oldest first; the last takes appends.
    pub heads: Vec<Arc<RwLock<Head>>>,
}

/// The store's own measurements.
pub(crate) struct Stats {
    pub appended: Value,
    pub late: Value,
    pub wal_bytes: Value,
    pub fsyncs: Value,
    pub wal_errors: Value,
    pub internal_errors: Value,
    pub problem: Mutex<Option<String>>,
    pub head_series: Value,
    pub head_samples: Value,
    pub head_bytes: Value,
    pub wal_size: Value,
    pub blocks: Value,
    pub blocks_bytes: Value,
    pub tiers: Vec<TierStats>,
    pub cuts: Value,
    pub removed: Value,
    /// Series of the metric and of the source that have most, in the newest head.
    pub metric_series: Value,
    pub source_series: Value,
    pub metadata_refused: Value,
}

/// What a writer says that another one has taken over from.
pub(crate) const FENCED: &str = "another Midwatch writes to the same bucket now, so nothing more is recorded here; what was \
    acknowledged is safe in the log of this machine: stop the other one and start this one again, and it goes there";

/// Names, help texts and units that are kept at the most, bytes.
const METADATA_BYTES_MAX: usize = 16 << 20;

/// New series that are remembered for [`Store::take_new_series`] at the most.
const NEW_SERIES_MAX: usize = 1_000_000;

impl Shared {
    pub fn active(&self) -> Arc<RwLock<Head>> {
        let state = self.state.read().unwrap_or_else(|e| e.into_inner());
        state.heads.last().cloned().unwrap_or_default()
    }

    pub fn push_head(&self, next: Head) -> Arc<RwLock<Head>> {
        let mut state = self.state.write().unwrap_or_else(|e| e.into_inner());
        let before = state.heads.last().cloned().unwrap_or_default();
        state.heads.push(Arc::new(RwLock::new(next)));
        before
    }

    pub fn announce(&self, series: Vec<Labels>) {
        let mut new = self.new_series.lock().unwrap_or_else(|e| e.into_inner());
        let room = NEW_SERIES_MAX.saturating_sub(new.len());
        new.extend(series.into_iter().take(room));
    }

    pub fn metadata(&self) -> std::collections::BTreeMap<String, Metadata> {
        self.metadata.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Keeps what is new among `metadata` and returns it.
    pub fn new_metadata(&self, metadata: Vec<Metadata>, max: usize) -> Vec<Metadata> {
        if metadata.is_empty() {
            return metadata;
        }
        let size = |m: &Metadata| m.metric.len() + m.help.len() + m.unit.len();
        let mut known = self.metadata.write().unwrap_or_else(|e| e.into_inner());
        let mut bytes: usize = known.values().map(size).sum();
        let mut new = metadata;
        new.retain(|m| {
            let before = known.get(&m.metric);
            if before == Some(m) {
                return false;
            }
            let after = bytes - before.map_or(0, size) + size(m);
            // Each segment of the log repeats all of it.
            if after > METADATA_BYTES_MAX || (known.len() >= max && before.is_none()) {
                self.stats.metadata_refused.inc();
                return false;
            }
            bytes = after;
            known.insert(m.metric.clone(), m.clone());
            true
        });
        new
    }
}

/// Keeps samples. Dropping it waits for the writer; what was acknowledged is in the log.
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    pub(crate) commands: Option<SyncSender<Command>>,
    writer: Option<JoinHandle<()>>,
    pub(crate) maintenance: Mutex<Maintenance>,
    pub(crate) objects: Objects,
    pub(crate) archive: Archive,
    pub(crate) folder: DataFolder,
    pub(crate) settings: Settings,
    tables: Tables,
    messages: Vec<String>,
}

/// The store in numbers.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Series in the newest head.
    pub head_series: u64,
    /// Series of the metric that has most in the newest head.
    pub metric_series: u64,
    /// Series of the source (label `job`) that has most there.
    pub source_series: u64,
    /// Metrics whose type and help are known.
    pub metadata: u64,
    /// Indexes of blocks in memory, bytes.
    pub index_bytes: u64,
    /// Samples in all heads.
    pub head_samples: u64,
    /// Memory of all heads, bytes (estimated).
    pub head_bytes: u64,
    /// Log segments on disk, bytes.
    pub wal_bytes: u64,
    /// Blocks.
    pub blocks: u64,
    /// Their size, bytes.
    pub blocks_bytes: u64,
    /// Samples in blocks.
    pub blocks_samples: u64,
    /// Oldest sample kept, milliseconds since 1970.
    pub oldest_ms: Option<i64>,
    /// Free bytes of the disk.
    pub disk_free_bytes: Option<u64>,
    /// Total bytes of the disk.
    pub disk_total_bytes: Option<u64>,
    /// Why nothing can be written now, in words.
    pub problem: Option<String>,
    /// What was found to be wrong at the start, in words.
    pub messages: Vec<String>,
    /// Background work, by kind.
    pub work: Vec<WorkReading>,
}

impl Store {
    /// Opens a data folder, or a bucket (`s3://BUCKET/PREFIX`) with its log in a folder, and reads the log.
    ///
    /// # Errors
    /// `Conflict` if another process has it, `Invalid` if it is not ours, `Unavailable` if it cannot be
    /// used, `Corrupt` if no manifest can be read. Damaged blocks and log segments are no error: see
    /// [`Status::messages`].
    pub fn open(path: &Path, settings: Settings, registry: &Registry) -> Result<Store> {
        Store::open_at(Place::open(path, &settings)?, settings, registry)
    }

    pub(crate) fn open_at(place: Place, settings: Settings, registry: &Registry) -> Result<Store> {
        let Place { folder, objects, log } = place;
        // What cannot be written now is written later; until then nothing may be removed on its word.
        let Opened { manifest, mut messages, is_committed } = lease::open(&objects, log.as_deref())?;
        let floor = manifest.floor(log.as_deref());
        let blocks = manifest.blocks.iter().map(|e| Arc::new(Block::new(e.clone(), objects.clone())));
        let shared = Arc::new(Shared {
            state: RwLock::new(State {
                blocks: Arc::new(blocks.collect()),
                archived: Arc::new(manifest.archived.clone()),
                away: Arc::new(archive::away(&manifest)),
                tiers: Arc::new(Tiers::of(&manifest, &objects, &Tiers::default())),
                heads: vec![Arc::default()],
            }),
            metadata: RwLock::default(),
            new_series: Mutex::default(),
            queued_bytes: AtomicUsize::new(0),
            is_over_memory: AtomicBool::new(false),
            is_over_wal: AtomicBool::new(false),
            is_fenced: AtomicBool::new(false),
            held: Mutex::default(),
            stats: Stats::new(registry),
            work: Work::new(registry),
        });
        let wal_folder = folder.path.join("wal");
        if is_committed {
            remove_orphans(&objects, &manifest, &mut messages);
            crate::tables::list::remove_orphans(&objects, &manifest.tables, &mut messages);
            wal::remove_below(&wal_folder, floor)?;
        }
        let (writer, is_durable) = recover(&shared, &wal_folder, floor, &settings, &mut messages)?;
        let (commands, queue) = sync_channel(settings.queue_batches_max);
        let writer = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(queue))
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "cannot start a thread", e))?;
        let list = (&objects, &manifest.tables, log.as_deref());
        let (tables, are_tables_durable) =
            Tables::open(list, &folder.path, settings.tables.clone(), registry)?;
        messages.extend(tables.status().messages);
        let mut maintenance = Maintenance::new(manifest, log);
        if !is_committed {
            maintenance.burn_number();
        }
        let store = Store {
            shared,
            commands: Some(commands),
            writer: Some(writer),
            maintenance: Mutex::new(maintenance),
            objects,
            archive: Archive::default(),
            folder,
            settings,
            tables,
            messages,
        };
        let flush = || {
            if !is_durable {
                store.flush_head()?;
            }
            // The clock is not known yet: these rows are as old as they say.
            if are_tables_durable { Ok(()) } else { store.flush_tables(i64::MAX) }
        };
        if let Err(e) = flush() {
            // A sender that repeats what the log gave back would be told that it is kept.
            return Err(Error::wrap(
                ErrorKind::Unavailable,
                "the log can neither be made durable nor be replaced by a block; see to the disk",
                e,
            ));
        }
        Ok(store)
    }

    /// Hands a batch to the writer. What can be awaited resolves when the samples are durable.
    ///
    /// # Errors
    /// `Busy` if too many batches are waiting already, or memory is used up: try again later. `Unavailable` if another
    /// process writes to the same bucket now.
    pub fn append(&self, batch: Batch) -> Result<Pending> {
        let (reply, outcome) = tokio::sync::oneshot::channel();
        let commands = self.commands.as_ref().ok_or_else(stopped)?;
        if self.shared.is_over_memory.load(Relaxed) {
            return Err(Error::new(
                ErrorKind::Busy,
                "memory for samples is used up while blocks cannot be written; see the status for why",
            )
            .bound("store.head_memory"));
        }
        if self.shared.is_fenced.load(Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable, FENCED));
        }
        if self.shared.is_over_wal.load(Relaxed) {
            return Err(Error::new(
                ErrorKind::Busy,
                "the write-ahead log has twice the size that store.wal_size allows, while blocks cannot be written; \
                 see the status for why",
            )
            .bound("store.wal_size"));
        }
        let busy = |what: &str, setting| {
            let text =
                format!("the disk does not keep up: too many {what} are waiting; try again in a second");
            Error::new(ErrorKind::Busy, text).bound(setting)
        };
        let bytes = queue_bytes(&batch);
        let queued = self.shared.queued_bytes.fetch_add(bytes, Relaxed);
        let sent = if queued > 0 && queued + bytes > self.settings.queue_bytes_max {
            Err(busy("bytes", "store.queue_memory"))
        } else {
            commands.try_send(Command::Append(batch, reply)).map_err(|e| match e {
                TrySendError::Full(_) => busy("batches", "store.queue_batches_max"),
                TrySendError::Disconnected(_) => stopped(),
            })
        };
        if sent.is_err() {
            self.shared.queued_bytes.fetch_sub(bytes, Relaxed);
        }
        sent.map(|()| Pending(outcome))
    }

    /// What is there now.
    pub fn view(&self) -> View {
        let state = self.shared.state.read().unwrap_or_else(|e| e.into_inner()).clone();
        let State { blocks, heads, tiers, away, .. } = state;
        View { blocks, heads, tiers, away, warnings: Arc::default() }
    }

    /// Log records, spans and changes.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// What is known of metrics, by name.
    pub fn metadata(&self) -> std::collections::BTreeMap<String, Metadata> {
        self.shared.metadata()
    }

    /// What is known of one metric.
    pub fn metadata_of(&self, series_name: &str) -> Option<Metadata> {
        let known = self.shared.metadata.read().unwrap_or_else(|e| e.into_inner());
        model::metadata::family_names(series_name).find_map(|name| known.get(name)).cloned()
    }

    /// Series that were first written since this was last called (at the start: those in the log). A series
    /// is told again after a cut.
    pub fn take_new_series(&self) -> Vec<Labels> {
        std::mem::take(&mut *self.shared.new_series.lock().unwrap_or_else(|e| e.into_inner()))
    }

    /// The settings that it was opened with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The folder on this machine: of everything, or of the log alone where blocks lie in a bucket.
    pub fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// The register of background work.
    pub fn work(&self) -> &Work {
        &self.shared.work
    }

    /// Why nothing can be written now, in words.
    fn problem(&self) -> Option<String> {
        if self.shared.is_fenced.load(Relaxed) {
            return Some(FENCED.into());
        }
        self.shared.stats.problem.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// The store in numbers.
    pub fn status(&self) -> Status {
        let view = self.view();
        let disk = self.folder.disk_bytes();
        let mut status = Status {
            blocks: view.blocks.len() as u64,
            blocks_bytes: view.blocks.iter().map(|b| b.bytes()).sum(),
            blocks_samples: view.blocks.iter().map(|b| b.entry.samples).sum(),
            oldest_ms: view.blocks.iter().map(|b| b.entry.first_ms).min(),
            disk_free_bytes: disk.map(|d| d.0),
            disk_total_bytes: disk.map(|d| d.1),
            problem: self.problem(),
            messages: self.messages.clone(),
            work: self.shared.work.read(),
            metric_series: self.shared.stats.metric_series.get() as u64,
            source_series: self.shared.stats.source_series.get() as u64,
            metadata: self.shared.metadata.read().unwrap_or_else(|e| e.into_inner()).len() as u64,
            index_bytes: view.blocks.iter().map(|b| b.index_bytes() as u64).sum(),
            ..Status::default()
        };
        status.messages.extend(self.shared.held.lock().unwrap_or_else(|e| e.into_inner()).clone());
        let segments = wal::segments(&self.folder.path.join("wal")).unwrap_or_default();
        status.wal_bytes = segments.iter().map(|s| s.1).sum();
        let heads: Vec<_> = view.heads.iter().map(|h| h.read().unwrap_or_else(|e| e.into_inner())).collect();
        for (i, head) in heads.iter().enumerate() {
            status.head_series = head.index().series().len() as u64;
            status.head_samples += head.samples;
            let shares_index = heads.get(i + 1).is_some_and(|next| next.shares_index(head));
            status.head_bytes += if shares_index { head.own_bytes() } else { head.heap_bytes() } as u64;
            status.oldest_ms = [status.oldest_ms, head.range_ms.map(|r| r.0)].into_iter().flatten().min();
        }
        status
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.tables.stop();
        self.commands = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

pub(crate) fn stopped() -> Error {
    Error::new(ErrorKind::Unavailable, "the store is stopping")
}

/// The outcome of an append, when it comes.
pub struct Pending(tokio::sync::oneshot::Receiver<Result<Appended>>);

impl Pending {
    /// Waits without blocking a thread.
    ///
    /// # Errors
    /// `Unavailable` if the log cannot be written: nothing of the batch was kept.
    pub async fn wait(self) -> Result<Appended> {
        self.0.await.map_err(|_| stopped())?
    }

    /// Waits and blocks this thread.
    ///
    /// # Errors
    /// As [`Pending::wait`].
    pub fn wait_blocking(self) -> Result<Appended> {
        self.0.blocking_recv().map_err(|_| stopped())?
    }
}
