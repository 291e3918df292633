//! The store as its owner sees it: open, append, view, and maintain. It starts one thread, the writer;
//! everything else happens on the caller's threads, and what time it is the caller says.

use crate::block::{self, Block};
use crate::folder::DataFolder;
use crate::head::Head;
use crate::manifest::Manifest;
use crate::objects::Objects;
use crate::recovery::{adopt_blocks, recover, remove_orphans};
use crate::settings::Settings;
use crate::view::View;
use crate::wal;
use crate::writer::{Appended, Command};
use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use model::{Batch, Labels, Metadata};
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use stdx::metrics::{Registry, Value};
use stdx::{Error, ErrorKind, Result};

/// What several threads look at. Each part has one writer.
pub(crate) struct Shared {
    state: RwLock<State>,
    metadata: RwLock<std::collections::BTreeMap<String, Metadata>>,
    new_series: Mutex<Vec<Labels>>,
    pub stats: Stats,
}

#[derive(Clone)]
struct State {
    blocks: Arc<Vec<Arc<Block>>>,
    /// Oldest first; the last takes appends.
    heads: Vec<Arc<RwLock<Head>>>,
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
    pub cuts: Value,
    pub removed: Value,
}

/// New series that are remembered for [`Store::take_new_series`] at the most.
const NEW_SERIES_MAX: usize = 1_000_000;

impl Shared {
    pub fn active(&self) -> Arc<RwLock<Head>> {
        let state = self.state.read().unwrap_or_else(|e| e.into_inner());
        state.heads.last().cloned().unwrap_or_default()
    }

    pub fn push_head(&self) -> Arc<RwLock<Head>> {
        let mut state = self.state.write().unwrap_or_else(|e| e.into_inner());
        let before = state.heads.last().cloned().unwrap_or_default();
        state.heads.push(Arc::default());
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
        let mut known = self.metadata.write().unwrap_or_else(|e| e.into_inner());
        let mut new = metadata;
        new.retain(|m| {
            if known.get(&m.metric) == Some(m) || (known.len() >= max && !known.contains_key(&m.metric)) {
                return false;
            }
            known.insert(m.metric.clone(), m.clone());
            true
        });
        new
    }
}

/// Keeps samples. Dropping it waits for the writer; what was acknowledged is in the log.
pub struct Store {
    shared: Arc<Shared>,
    commands: Option<SyncSender<Command>>,
    writer: Option<JoinHandle<()>>,
    maintenance: Mutex<Maintenance>,
    objects: Objects,
    folder: DataFolder,
    settings: Settings,
    messages: Vec<String>,
}

struct Maintenance {
    manifest: Manifest,
    /// Cut heads that wait to be written as blocks, each with the first log segment after it.
    cut: Vec<(Arc<RwLock<Head>>, u64)>,
    head_since_ms: Option<i64>,
    /// Blocks out of the manifest whose files readers may still use.
    retired: Vec<Arc<Block>>,
    /// Blocks that could not be read whole: they are left as they are.
    unreadable: HashSet<u64>,
}

/// The store in numbers.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Series in the newest head.
    pub head_series: u64,
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
}

impl Store {
    /// Opens the data folder and reads the log.
    ///
    /// # Errors
    /// `Conflict` if another process has it, `Invalid` if it is not ours, `Unavailable` if it cannot be
    /// used, `Corrupt` if no manifest can be read. Damaged blocks and log segments are no error: see
    /// [`Status::messages`].
    pub fn open(path: &Path, settings: Settings, registry: &Registry) -> Result<Store> {
        let folder = DataFolder::open(path)?;
        let objects = Objects::local(&folder.path)?;
        let (mut manifest, mut messages) = Manifest::load(&objects)?;
        if !messages.is_empty() {
            adopt_blocks(&objects, &mut manifest, &mut messages)?;
        }
        let manifest = Manifest { epoch: manifest.epoch + 1, ..manifest.next() };
        manifest.commit(&objects)?;
        let blocks = manifest.blocks.iter().map(|e| Arc::new(Block::new(e.clone(), objects.clone())));
        let shared = Arc::new(Shared {
            state: RwLock::new(State { blocks: Arc::new(blocks.collect()), heads: vec![Arc::default()] }),
            metadata: RwLock::default(),
            new_series: Mutex::default(),
            stats: Stats::new(registry),
        });
        remove_orphans(&objects, &manifest, &mut messages);
        let wal_folder = folder.path.join("wal");
        wal::remove_below(&wal_folder, manifest.wal_floor)?;
        let writer = recover(&shared, &wal_folder, manifest.wal_floor, &settings, &mut messages)?;
        let (commands, queue) = sync_channel(settings.queue_batches_max);
        let writer = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(queue))
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "cannot start a thread", e))?;
        let maintenance = Maintenance {
            manifest,
            cut: Vec::new(),
            head_since_ms: None,
            retired: Vec::new(),
            unreadable: HashSet::new(),
        };
        Ok(Store {
            shared,
            commands: Some(commands),
            writer: Some(writer),
            maintenance: Mutex::new(maintenance),
            objects,
            folder,
            settings,
            messages,
        })
    }

    /// Hands a batch to the writer. What can be awaited resolves when the samples are durable.
    ///
    /// # Errors
    /// `Busy` if too many batches are waiting already: try again later.
    pub fn append(&self, batch: Batch) -> Result<Pending> {
        let (reply, outcome) = tokio::sync::oneshot::channel();
        let commands = self.commands.as_ref().ok_or_else(stopped)?;
        match commands.try_send(Command::Append(batch, reply)) {
            Ok(()) => Ok(Pending(outcome)),
            Err(TrySendError::Full(_)) => Err(Error::new(
                ErrorKind::Busy,
                "the disk does not keep up: too many batches are waiting; try again in a second",
            )),
            Err(TrySendError::Disconnected(_)) => Err(stopped()),
        }
    }

    /// What is there now.
    pub fn view(&self) -> View {
        let state = self.shared.state.read().unwrap_or_else(|e| e.into_inner()).clone();
        View { blocks: state.blocks, heads: state.heads, warnings: Arc::default() }
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
            problem: self.shared.stats.problem.lock().unwrap_or_else(|e| e.into_inner()).clone(),
            messages: self.messages.clone(),
            ..Status::default()
        };
        let segments = wal::segments(&self.folder.path.join("wal")).unwrap_or_default();
        status.wal_bytes = segments.iter().map(|s| s.1).sum();
        for head in &view.heads {
            let head = head.read().unwrap_or_else(|e| e.into_inner());
            status.head_series = head.len() as u64;
            status.head_samples += head.samples;
            status.head_bytes += head.heap_bytes() as u64;
            status.oldest_ms = [status.oldest_ms, head.range_ms.map(|r| r.0)].into_iter().flatten().min();
        }
        status
    }

    /// Cuts, merges and removes what is due. Call it every few seconds from one thread that may block.
    ///
    /// # Errors
    /// The first that occurred; what could not be done is tried again at the next call.
    pub fn maintain(&self, now_ms: i64) -> Result<()> {
        let mut m = self.maintenance.lock().unwrap_or_else(|e| e.into_inner());
        let status = self.status();
        self.shared.stats.read(&status);
        let since = *m.head_since_ms.get_or_insert(now_ms);
        let due = now_ms.saturating_sub(since) >= self.settings.head_age_ms
            || status.head_bytes as usize >= self.settings.head_bytes_max
            || status.wal_bytes >= self.settings.wal_bytes_max;
        if due && m.cut.is_empty() && status.head_samples > 0 {
            self.cut(&mut m)?;
            m.head_since_ms = Some(now_ms);
        }
        self.write_cut_heads(&mut m)?;
        self.retain(&mut m, now_ms)?;
        self.merge(&mut m)?;
        self.remove_retired(&mut m);
        self.bound_indexes();
        Ok(())
    }

    /// Cuts the head into a block now.
    ///
    /// # Errors
    /// As [`Store::maintain`].
    pub fn flush_head(&self) -> Result<()> {
        let mut m = self.maintenance.lock().unwrap_or_else(|e| e.into_inner());
        if m.cut.is_empty() {
            self.cut(&mut m)?;
        }
        self.write_cut_heads(&mut m)
    }

    fn cut(&self, m: &mut Maintenance) -> Result<()> {
        let (reply, outcome) = tokio::sync::oneshot::channel();
        let commands = self.commands.as_ref().ok_or_else(stopped)?;
        commands.send(Command::Cut(reply)).map_err(|_| stopped())?;
        m.cut.push(outcome.blocking_recv().map_err(|_| stopped())??);
        self.shared.stats.cuts.inc();
        Ok(())
    }

    fn write_cut_heads(&self, m: &mut Maintenance) -> Result<()> {
        while let Some((head, floor)) = m.cut.first().cloned() {
            let series = {
                let head = head.read().unwrap_or_else(|e| e.into_inner());
                let ids = 0..head.len() as u32;
                ids.map(|id| Ok((head.index.labels(id).clone(), head.chunks(id)?)))
                    .collect::<Result<Vec<_>>>()?
            };
            let entry = block::write(&self.objects, m.manifest.next_block, 0, series)?;
            let mut next = m.manifest.next();
            next.next_block += 1;
            next.wal_floor = floor;
            next.blocks.extend(entry.clone());
            next.commit(&self.objects)?;
            m.manifest = next;
            {
                // Block in and head out at one instant: a view has the samples once.
                let mut state = self.shared.state.write().unwrap_or_else(|e| e.into_inner());
                let mut blocks = state.blocks.to_vec();
                blocks.extend(entry.map(|e| Arc::new(Block::new(e, self.objects.clone()))));
                state.blocks = Arc::new(blocks);
                state.heads.retain(|h| !Arc::ptr_eq(h, &head));
            }
            m.cut.remove(0);
            wal::remove_below(&self.folder.path.join("wal"), floor)?;
        }
        Ok(())
    }

    /// Removes the blocks that retention by age and by size no longer covers.
    fn retain(&self, m: &mut Maintenance, now_ms: i64) -> Result<()> {
        let oldest_ms = now_ms.saturating_sub(self.settings.retention_ms);
        let mut keep: Vec<_> = m.manifest.blocks.iter().filter(|b| b.last_ms >= oldest_ms).cloned().collect();
        let size = |b: &crate::manifest::BlockEntry| b.chunks_bytes + b.series_bytes;
        let mut total: u64 = keep.iter().map(size).sum();
        while total > self.settings.blocks_bytes_max && !keep.is_empty() {
            let oldest = (0..keep.len()).min_by_key(|i| keep[*i].last_ms).unwrap_or(0);
            total -= size(&keep.remove(oldest));
        }
        if keep.len() < m.manifest.blocks.len() {
            self.shared.stats.removed.add((m.manifest.blocks.len() - keep.len()) as f64);
            self.replace_blocks(m, keep, None)?;
        }
        Ok(())
    }

    /// Merges neighbouring small blocks into one, one merge at a call.
    fn merge(&self, m: &mut Maintenance) -> Result<()> {
        let n = self.settings.merge_blocks.max(2);
        let size = |b: &crate::manifest::BlockEntry| b.chunks_bytes + b.series_bytes;
        let Some(at) = m.manifest.blocks.windows(n).position(|w| {
            w.iter().all(|b| b.level == w[0].level && !m.unreadable.contains(&b.id))
                && w.iter().map(size).sum::<u64>() <= self.settings.merge_bytes_max
        }) else {
            return Ok(());
        };
        let mut joined: HashMap<Labels, usize> = HashMap::new();
        let mut series: Vec<block::SeriesChunks> = Vec::new();
        let mut warnings = Vec::new();
        let view = self.view();
        let ids: Vec<u64> = m.manifest.blocks[at..at + n].iter().map(|b| b.id).collect();
        for id in ids {
            let block = view.blocks.iter().find(|b| b.entry.id == id);
            let block = block.ok_or_else(|| Error::new(ErrorKind::Internal, "a block is not in the view"))?;
            match block.read_all(&mut warnings) {
                Ok(_) if !warnings.is_empty() => {
                    m.unreadable.insert(id);
                    return Ok(());
                }
                Err(e) if matches!(e.kind, ErrorKind::Corrupt | ErrorKind::NotFound) => {
                    m.unreadable.insert(id);
                    return Ok(());
                }
                Err(e) => return Err(e),
                Ok(found) => {
                    for (labels, mut chunks) in found {
                        match joined.get(&labels) {
                            Some(position) => series[*position].1.append(&mut chunks),
                            None => {
                                joined.insert(labels.clone(), series.len());
                                series.push((labels, chunks));
                            }
                        }
                    }
                }
            }
        }
        for (_, chunks) in &mut series {
            join_small(chunks)?;
        }
        let level = m.manifest.blocks[at].level + 1;
        let Some(entry) = block::write(&self.objects, m.manifest.next_block, level, series)? else {
            return Ok(());
        };
        let mut keep = m.manifest.blocks.clone();
        keep.splice(at..at + n, [entry.clone()]);
        self.replace_blocks(m, keep, Some(entry))
    }

    fn replace_blocks(
        &self,
        m: &mut Maintenance,
        keep: Vec<crate::manifest::BlockEntry>,
        added: Option<crate::manifest::BlockEntry>,
    ) -> Result<()> {
        let mut next = m.manifest.next();
        next.next_block += u64::from(added.is_some());
        next.blocks = keep;
        next.commit(&self.objects)?;
        m.manifest = next;
        let mut state = self.shared.state.write().unwrap_or_else(|e| e.into_inner());
        let old = state.blocks.clone();
        let kept = m.manifest.blocks.iter().map(|entry| {
            let known = old.iter().find(|b| b.entry.id == entry.id).cloned();
            known.unwrap_or_else(|| Arc::new(Block::new(entry.clone(), self.objects.clone())))
        });
        state.blocks = Arc::new(kept.collect());
        let gone = old.iter().filter(|b| !m.manifest.blocks.iter().any(|e| e.id == b.entry.id));
        m.retired.extend(gone.cloned());
        Ok(())
    }

    /// Files go when the last reader has gone. What is left over by a crash goes at the next start.
    fn remove_retired(&self, m: &mut Maintenance) {
        m.retired.retain(|block| {
            if Arc::strong_count(block) > 1 {
                return true;
            }
            block::paths(block.entry.id).iter().any(|path| self.objects.delete(path).is_err())
        });
    }

    fn bound_indexes(&self) {
        let mut total = 0;
        // Newest blocks are asked for most.
        for block in self.view().blocks.iter().rev() {
            total += block.index_bytes();
            if total > self.settings.index_bytes_max {
                block.forget_index();
            }
        }
    }
}

/// Decodes and seals anew where neighbouring chunks are small and in order: slow series would
/// otherwise stay in chunks of one cut.
fn join_small(chunks: &mut Vec<crate::chunk::Chunk>) -> Result<()> {
    const SMALL: u32 = crate::chunk::SAMPLES_MAX as u32 / 2;
    let in_order = chunks.windows(2).all(|w| w[0].summary.last_ms < w[1].summary.first_ms);
    if !in_order || !chunks.windows(2).any(|w| w[0].summary.count + w[1].summary.count <= SMALL) {
        return Ok(());
    }
    let (mut t, mut v) = (Vec::new(), Vec::new());
    for chunk in chunks.iter() {
        chunk.decode(&mut t, &mut v)?;
    }
    let parts = t.chunks(crate::chunk::SAMPLES_MAX).zip(v.chunks(crate::chunk::SAMPLES_MAX));
    *chunks = parts.map(|(t, v)| crate::chunk::seal(t, v)).collect::<Result<_>>()?;
    Ok(())
}

impl Drop for Store {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn stopped() -> Error {
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
