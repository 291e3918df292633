//! What is done when a data folder is opened: blocks that a damaged manifest named are taken in, files that nobody
//! names are removed, the log is read into the head. It must never remove what may be the only copy of a sample.

use crate::block;
use crate::durable::sync_folder;
use crate::head::Head;
use crate::manifest::Manifest;
use crate::objects::{DAMAGED, Objects, io_error};
use crate::series_counts::SeriesCounts;
use crate::settings::Settings;
use crate::store::Shared;
use crate::tier;
use crate::wal::{self, Wal};
use crate::wal_read::{ById, Replay, replay_all};
use crate::writer::{NEVER, Writer};
use crate::writer_histograms::Histograms;
use foldhash::HashMap;
use model::{HistogramAt, Labels, Metadata};
use std::path::Path;
use std::sync::Arc;
use stdx::Result;

/// After a damaged manifest: blocks that only it named hold samples whose log is gone already, so they are taken in by
/// what is found in their files. One that was not yet committed repeats what the log has, which does no harm; those
/// that had been merged into others are not missed.
pub(crate) fn adopt_blocks(
    objects: &Objects,
    manifest: &mut Manifest,
    messages: &mut Vec<String>,
) -> Result<()> {
    let files: HashMap<String, u64> = objects.list("blocks")?.into_iter().collect();
    let is_there = |id: u64| block::paths(id).iter().all(|path| files.contains_key(path));
    manifest.blocks.retain(|b| is_there(b.id));
    tier::leave_out_lost(objects, manifest)?;
    let mut ids: Vec<u64> = files.keys().filter_map(|path| block::id_of(path)).collect();
    ids.sort_unstable();
    ids.dedup();
    let first_unknown = manifest.next_block;
    for id in ids.into_iter().filter(|id| *id >= first_unknown) {
        let [series_bytes, chunks_bytes] = block::paths(id).map(|path| files.get(&path).copied());
        let (Some(series_bytes), Some(chunks_bytes)) = (series_bytes, chunks_bytes) else { continue };
        manifest.next_block = id + 1;
        match block::entry_of(objects, id, series_bytes, chunks_bytes) {
            Ok(entry) => {
                messages.push(format!("block {id} was found without a whole manifest and taken in"));
                manifest.blocks.push(entry);
            }
            Err(e) => {
                for path in block::paths(id) {
                    objects.set_aside(&path)?;
                }
                messages.push(format!(
                    "block {id}, which no whole manifest names, cannot be read and was set aside: {e}"
                ));
            }
        }
    }
    Ok(())
}

/// Files of blocks that no manifest names: a crash came before the commit, or before the removal.
pub(crate) fn remove_orphans(objects: &Objects, manifest: &Manifest, messages: &mut Vec<String>) {
    tier::remove_orphans(objects, manifest, messages);
    let known: Vec<String> = manifest.blocks.iter().flat_map(|b| block::paths(b.id)).collect();
    match objects.list("blocks") {
        Err(e) => messages.push(format!("left-over files were not looked for: {e}")),
        Ok(files) => {
            for (path, _) in files.iter().filter(|(p, _)| !known.contains(p) && !p.ends_with(DAMAGED)) {
                let _ = objects.delete(path);
            }
            for entry in &manifest.blocks {
                let sizes = [entry.series_bytes, entry.chunks_bytes];
                for (path, size) in block::paths(entry.id).iter().zip(sizes) {
                    match files.iter().find(|(p, _)| p == path) {
                        None => messages.push(format!("{path} is missing: its samples are gone")),
                        Some((_, s)) if *s != size => {
                            messages.push(format!("{path} has {s} bytes instead of {size}: it is damaged"));
                        }
                        Some(_) => {}
                    }
                }
            }
        }
    }
}

/// Segments that are decoded at a time: each may be as large as it gets, but little of it is in memory.
const THREADS_MAX: usize = 8;

/// Reads the log into the head and makes the writer that goes on from there.
pub(crate) fn recover(
    shared: &Arc<Shared>,
    wal_folder: &Path,
    floor: u64,
    settings: &Settings,
    messages: &mut Vec<String>,
) -> Result<(Writer, bool)> {
    struct Recovery<'a> {
        shared: &'a Shared,
        head: Head,
        segment_ids: ById<u32>,
    }
    impl Replay for Recovery<'_> {
        fn series(&mut self, segment_id: u32, labels: Labels) -> Result<()> {
            let id = self.head.id_of(labels);
            self.segment_ids.insert(segment_id, id);
            Ok(())
        }
        fn sample(&mut self, segment_id: u32, timestamp_ms: i64, bits: u64, start_ms: i64) -> Result<()> {
            let Some(id) = self.segment_ids.get_mut(segment_id) else { return Ok(()) };
            // A batch that was not acknowledged, and so was sent again, may be in the log twice.
            if self.head.newest(*id).is_some_and(|(t, _)| timestamp_ms <= t)
                && self.head.has_recent(*id, timestamp_ms)
            {
                return Ok(());
            }
            self.head.push_started(*id, timestamp_ms, f64::from_bits(bits), start_ms)
        }
        fn histogram(&mut self, segment_id: u32, at: HistogramAt) -> Result<()> {
            let Some(id) = self.segment_ids.get_mut(segment_id) else { return Ok(()) };
            if self.head.has_recent(*id, at.timestamp_ms) {
                return Ok(());
            }
            self.head.push_histogram(*id, at)
        }
        fn metadata(&mut self, metadata: Metadata) {
            self.shared.new_metadata(vec![metadata], usize::MAX);
        }
    }
    let mut recovery = Recovery { shared, head: Head::default(), segment_ids: ById::default() };
    let segments = wal::segments(wal_folder)?;
    let mut next = floor.max(1);
    let mut is_durable = true;
    let mut durable = Ok(());
    let numbers: Vec<u64> = segments.iter().map(|s| s.0).filter(|number| *number >= floor).collect();
    for number in &numbers {
        next = next.max(number + 1);
        // What a crash left unsynced is in the head now, and a sender that repeats it is told that it is kept.
        let path = wal::segment_path(wal_folder, *number);
        let synced = std::fs::File::open(&path).and_then(|file| file.sync_all());
        durable = durable.and(synced.map_err(|e| io_error(&path, e)));
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    replay_all(wal_folder, &numbers, threads, &mut recovery, |recovery, number, rest| {
        recovery.segment_ids.clear();
        let path = wal::segment_path(wal_folder, number);
        match rest {
            Ok(rest) if rest.bytes == 0 => {}
            Ok(rest) if !rest.is_damage => messages.push(format!(
                "log segment {number}: the last {} bytes are not whole records and were left out",
                rest.bytes
            )),
            Ok(rest) => {
                keep_damaged(&path);
                messages.push(format!(
                    "log segment {number} is damaged: what follows, {} bytes, was left out; a copy is kept beside it",
                    rest.bytes
                ));
            }
            Err(e) => {
                keep_damaged(&path);
                messages.push(format!("log segment {number} cannot be read: {e}"));
            }
        }
    })?;
    if let Err(e) = durable.and_then(|()| sync_folder(wal_folder)) {
        messages.push(format!("the log could not be made durable, a block is written instead: {e}"));
        is_durable = false;
    }
    let mut counts = SeriesCounts::new(settings);
    let series = recovery.head.index().series().to_vec();
    series.iter().for_each(|labels| counts.add(labels));
    counts.tell(&shared.stats);
    let newest = |id| recovery.head.newest(id).unwrap_or(NEVER);
    let newest = (0..series.len() as u32).map(newest).collect();
    shared.announce(series);
    *shared.active().write().unwrap_or_else(|e| e.into_inner()) = recovery.head;
    let writer = Writer {
        shared: shared.clone(),
        wal: Wal::new(wal_folder, next),
        newest,
        group: None,
        histograms: Histograms::default(),
        counts,
        metadata_max: settings.metadata_max,
    };
    Ok((writer, is_durable))
}

/// A second name, so that the file stays for whoever can read more of it when the log no longer needs it.
fn keep_damaged(path: &Path) {
    let mut name = path.as_os_str().to_owned();
    name.push(DAMAGED);
    let _ = std::fs::hard_link(path, name);
}
