//! What is done with the files of tiers when a data folder is opened. Nothing here can cost a sample: a window that is
//! lost is made again as long as its samples are there.

use super::FOLDER;
use crate::block::paths_in;
use crate::manifest::Manifest;
use crate::objects::{DAMAGED, Objects};
use foldhash::{HashMap, HashSet};
use stdx::Result;

/// After a damaged manifest: an older one may name windows whose files are gone. They are made again.
pub(crate) fn leave_out_lost(objects: &Objects, manifest: &mut Manifest) -> Result<()> {
    let files: HashMap<String, u64> = objects.list(FOLDER)?.into_iter().collect();
    let is_there = |id: u64| paths_in(FOLDER, id).iter().all(|path| files.contains_key(path));
    manifest.tiers.retain(|tier| tier.parts.iter().all(|part| is_there(part.id)));
    Ok(())
}

/// Removes files that no window names: a crash came before the commit, or before the removal. Tells what is missing.
pub(crate) fn remove_orphans(objects: &Objects, manifest: &Manifest, messages: &mut Vec<String>) {
    let parts = || manifest.tiers.iter().flat_map(|tier| &tier.parts);
    let known: HashSet<String> = parts().flat_map(|part| paths_in(FOLDER, part.id)).collect();
    match objects.list(FOLDER) {
        Err(e) => messages.push(format!("left-over summaries were not looked for: {e}")),
        Ok(files) => {
            let sizes: HashMap<&str, u64> = files.iter().map(|(path, size)| (path.as_str(), *size)).collect();
            for (path, _) in files.iter().filter(|(p, _)| !known.contains(p) && !p.ends_with(DAMAGED)) {
                let _ = objects.delete(path);
            }
            for part in parts() {
                for (path, want) in
                    paths_in(FOLDER, part.id).iter().zip([part.series_bytes, part.chunks_bytes])
                {
                    match sizes.get(path.as_str()) {
                        None => messages.push(format!("{path} is missing: its summaries are gone")),
                        Some(size) if *size != want => {
                            messages
                                .push(format!("{path} has {size} bytes instead of {want}: it is damaged"));
                        }
                        Some(_) => {}
                    }
                }
            }
        }
    }
}
