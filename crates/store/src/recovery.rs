//! What is done when a data folder is opened: blocks that a damaged manifest named are taken in, files that nobody
//! names are removed, the log is read into the head. It must never remove what may be the only copy of a sample.

use crate::block;
use crate::head::Head;
use crate::manifest::Manifest;
use crate::objects::Objects;
use crate::settings::Settings;
use crate::store::Shared;
use crate::wal::{self, Replay, Wal};
use crate::writer::Writer;
use foldhash::{HashMap, HashMapExt};
use model::{Labels, Metadata};
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
                messages.push(format!("block {id} cannot be read, and no whole manifest names it: {e}"))
            }
        }
    }
    Ok(())
}

/// Files of blocks that no manifest names: a crash came before the commit, or before the removal.
pub(crate) fn remove_orphans(objects: &Objects, manifest: &Manifest, messages: &mut Vec<String>) {
    let known: Vec<String> = manifest.blocks.iter().flat_map(|b| block::paths(b.id)).collect();
    match objects.list("blocks") {
        Err(e) => messages.push(format!("left-over files were not looked for: {e}")),
        Ok(files) => {
            for (path, _) in files.iter().filter(|(p, _)| !known.contains(p)) {
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

/// Reads the log into the head and makes the writer that goes on from there.
pub(crate) fn recover(
    shared: &Arc<Shared>,
    wal_folder: &Path,
    floor: u64,
    settings: &Settings,
    messages: &mut Vec<String>,
) -> Result<Writer> {
    struct Recovery<'a> {
        shared: &'a Shared,
        head: Head,
        ids: HashMap<Labels, u32>,
        segment_ids: HashMap<u32, u32>,
    }
    impl Replay for Recovery<'_> {
        fn series(&mut self, segment_id: u32, labels: Labels) -> Result<()> {
            let head = &mut self.head;
            let id = *self.ids.entry(labels.clone()).or_insert_with(|| head.add_series(labels));
            self.segment_ids.insert(segment_id, id);
            Ok(())
        }
        fn sample(&mut self, segment_id: u32, timestamp_ms: i64, bits: u64) -> Result<()> {
            let Some(id) = self.segment_ids.get(&segment_id) else { return Ok(()) };
            // A batch that was not acknowledged, and so was sent again, may be in the log twice.
            if self.head.newest(*id).is_some_and(|(t, _)| timestamp_ms <= t)
                && self.head.recent_value(*id, timestamp_ms).is_some()
            {
                return Ok(());
            }
            self.head.push(*id, timestamp_ms, f64::from_bits(bits))
        }
        fn metadata(&mut self, metadata: Metadata) {
            self.shared.new_metadata(vec![metadata], usize::MAX);
        }
    }
    let mut recovery =
        Recovery { shared, head: Head::default(), ids: HashMap::new(), segment_ids: HashMap::new() };
    let segments = wal::segments(wal_folder)?;
    let mut next = floor.max(1);
    for (number, _) in &segments {
        next = next.max(number + 1);
        recovery.segment_ids.clear();
        let cut_off = wal::replay(wal_folder, *number, &mut recovery)?;
        if cut_off > 0 {
            messages.push(format!(
                "log segment {number}: the last {cut_off} bytes are not whole records and were left out"
            ));
        }
    }
    let newest = (0..recovery.head.len() as u32).map(|id| recovery.head.newest(id)).collect();
    shared.announce(recovery.head.index.series().to_vec());
    *shared.active().write().unwrap_or_else(|e| e.into_inner()) = recovery.head;
    Ok(Writer {
        shared: shared.clone(),
        wal: Wal::new(wal_folder, next),
        ids: recovery.ids,
        newest,
        group: None,
        series_max: settings.series_max,
        metadata_max: settings.metadata_max,
    })
}
