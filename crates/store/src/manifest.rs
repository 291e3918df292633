//! What the store consists of: numbered manifests, each made once by conditional create and never
//! changed. The highest readable number counts. It must never be advanced before everything
//! that it names is durable. Format: `docs/formats/manifest.md`.

use crate::objects::Objects;
use serde::{Deserialize, Serialize};
use stdx::{Error, ErrorKind, Result};

/// Older manifests that are kept, for the case that the newest is damaged.
const KEEP: u64 = 4;

/// One version of the list of blocks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// Number of this manifest; each one is one more than the last.
    pub number: u64,
    /// How often the store has been opened for writing. Two writers cannot both commit the same number.
    pub epoch: u64,
    /// Who made it, where several machines can write: a name that no other opening of the store has.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub writer: String,
    /// Write-ahead segments below this number are in blocks; of a log that lies beside the manifest.
    pub wal_floor: u64,
    /// The same for logs that lie on machines of their own, those used last at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogFloor>,
    /// Number of the next block.
    pub next_block: u64,
    /// Blocks in order of precedence: of two samples at one instant, the earlier block's counts.
    pub blocks: Vec<BlockEntry>,
    /// Name of the archive, once there is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub archive: String,
    /// Blocks in the archive, in the order in which they went there. What is earlier counts more, as among `blocks`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub archived: Vec<ArchivedBlock>,
    /// A manifest was damaged once: the archive may hold blocks that only it named, so nothing unknown is removed there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_strangers: bool,
    /// Samples up to here may have been removed by retention; absent as long as none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_through_ms: Option<i64>,
    /// Windows that are summarised.
    #[serde(default)]
    pub tiers: Vec<TierEntry>,
    /// Files of logs, spans and changes.
    #[serde(default, skip_serializing_if = "crate::tables::list::List::is_empty")]
    pub tables: crate::tables::list::List,
}

/// A window of time that is summarised in buckets of one length. It is derived: it can be made again as long as the
/// blocks are there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TierEntry {
    /// Length of a bucket, milliseconds.
    pub resolution_ms: i64,
    /// The window is `start_ms < t <= end_ms`; both are whole numbers of buckets from 1970.
    pub start_ms: i64,
    /// See `start_ms`.
    pub end_ms: i64,
    /// Of the blocks cut from the head with a number up to this, every sample of the window is in it.
    pub sources_through: u64,
    /// Something could not be read or was gone already when it was made: the summaries are of a part of the samples.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_partial: bool,
    /// Its files, each with some of the series, in order of labels; none if there was no sample.
    pub parts: Vec<BlockEntry>,
}

/// How far the log of one machine is in blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogFloor {
    /// Name of the log.
    pub log: String,
    /// Its segments below this number are in blocks.
    pub floor: u64,
}

/// A block in the archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArchivedBlock {
    /// As it was before.
    pub block: BlockEntry,
    /// Epoch of the writer that copied it: its files are named after it.
    pub epoch: u64,
    /// It was asked for, to be in the store as well until then, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_until_ms: Option<i64>,
}

/// What is known of a block that came back from the archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restored {
    /// Number of the block in the archive. It is there still.
    pub archived: u64,
    /// Until when it stays, milliseconds since 1970.
    pub until_ms: i64,
}

/// A block as the manifest knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlockEntry {
    /// Its number, which its files are named after.
    pub id: u64,
    /// First sample, milliseconds since 1970.
    pub first_ms: i64,
    /// Last sample.
    pub last_ms: i64,
    /// Number of series.
    pub series: u64,
    /// Number of samples.
    pub samples: u64,
    /// Size of `chunks.parquet` in bytes.
    pub chunks_bytes: u64,
    /// Size of `series.parquet` in bytes.
    pub series_bytes: u64,
    /// How many times it was merged; a block cut from the head is 0.
    pub level: u32,
    /// Checksum (CRC-32) of `series.parquet`; absent in blocks written before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series_crc32: Option<u32>,
    /// Checksum over the rows of `chunks.parquet` without their samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_crc32: Option<u32>,
    /// It is here for a while only, and in the archive for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
    /// Checksum of the whole of `chunks.parquet`; absent in blocks written before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks_crc32: Option<u32>,
    /// Number of the newest block cut from the head whose samples are in it; absent if that is itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_source: Option<u64>,
    /// How many of its samples are native histograms.
    #[serde(default, skip_serializing_if = "is_none")]
    pub histograms: u64,
}

fn is_none(n: &u64) -> bool {
    *n == 0
}

impl BlockEntry {
    /// Number of the newest block cut from the head whose samples are in it.
    pub fn newest_source(&self) -> u64 {
        self.newest_source.unwrap_or(self.id)
    }

    /// A block of which only the files are known: it may hold anything.
    pub fn unknown(id: u64, series_bytes: u64, chunks_bytes: u64) -> BlockEntry {
        BlockEntry {
            id,
            first_ms: i64::MIN,
            last_ms: i64::MAX,
            series: 0,
            samples: 0,
            chunks_bytes,
            series_bytes,
            ..BlockEntry::default()
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    crc32: u32,
    manifest: Box<serde_json::value::RawValue>,
}

/// The newest format number that this version writes and reads.
pub const FORMAT: u32 = 4;

/// Logs that are remembered. What a forgotten one holds is written once more when it comes back, which does no harm.
const LOGS_MAX: usize = 64;

/// Where the manifest of this number lies.
pub fn path(number: u64) -> String {
    format!("manifest/{number:012}.json")
}

impl Manifest {
    /// Reads the newest manifest that is whole; an empty one if there is none at all. The texts are about
    /// manifests that had to be passed over; its number is then that of the newest of them.
    ///
    /// # Errors
    /// If the folder cannot be read, if all manifests there are damaged, or if the format is newer than ours.
    pub fn load(objects: &Objects) -> Result<(Manifest, Vec<String>)> {
        let numbers = Manifest::numbers(objects)?;
        let mut passed_over = Vec::new();
        for number in numbers.iter().rev() {
            match Manifest::read(objects, *number) {
                Ok(manifest) => {
                    // The damaged one keeps its number: the next has to come after it.
                    let number = numbers.last().copied().unwrap_or_default().max(manifest.number);
                    return Ok((Manifest { number, ..manifest }, passed_over));
                }
                Err(e) if e.kind == ErrorKind::Corrupt => {
                    passed_over.push(format!("{} is damaged and was passed over: {e}", path(*number)));
                }
                Err(e) => return Err(e),
            }
        }
        if numbers.is_empty() {
            return Ok((Manifest { format: FORMAT, ..Manifest::default() }, passed_over));
        }
        Err(Error::corrupt(format!(
            "none of the {} manifests can be read; restore the folder from a backup ({})",
            numbers.len(),
            passed_over.join("; ")
        )))
    }

    /// Numbers of the manifests that are there, rising.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn numbers(objects: &Objects) -> Result<Vec<u64>> {
        let files = objects.list("manifest")?;
        let number = |name: &str| name.strip_prefix("manifest/")?.strip_suffix(".json")?.parse::<u64>().ok();
        let mut numbers: Vec<u64> = files.iter().filter_map(|(name, _)| number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The manifest of this number.
    ///
    /// # Errors
    /// `Corrupt` if it is damaged, `Invalid` if its format is newer than ours, or it cannot be read.
    pub fn read(objects: &Objects, number: u64) -> Result<Manifest> {
        objects.get(&path(number)).and_then(|bytes| decode(&bytes))
    }

    /// Makes this manifest the newest, durably.
    ///
    /// # Errors
    /// `Conflict` if another process has made one of this number or a higher one: it is the writer now. After any other
    /// error this one may be there all the same.
    pub fn commit(&self, objects: &Objects) -> Result<()> {
        let bytes = encode(self)?;
        match objects.put_new(&path(self.number), &bytes) {
            // A request that was repeated after its answer was lost finds what it has made itself.
            Err(e) if e.kind == ErrorKind::Conflict && objects.is_shared() => {
                match objects.get(&path(self.number)) {
                    Ok(found) if found == bytes => {}
                    Err(e) if e.kind != ErrorKind::NotFound => return Err(e),
                    _ => return Err(fenced()),
                }
            }
            done => done?,
        }
        // Its number may have been made and removed again by a writer that is far ahead.
        if objects.is_shared() && self.is_superseded(objects)? {
            let _ = objects.delete(&path(self.number));
            return Err(fenced());
        }
        if self.number > KEEP {
            // A left-over old manifest does no harm: the highest number counts.
            let _ = objects.delete(&path(self.number - KEEP));
        }
        Ok(())
    }

    /// Whether somebody has made a newer one.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn is_superseded(&self, objects: &Objects) -> Result<bool> {
        Ok(Manifest::numbers(objects)?.into_iter().any(|number| number > self.number))
    }

    /// Every file that blocks and tiers have: the folder, and what is known of it.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &BlockEntry)> + Clone {
        let tiers = self.tiers.iter().flat_map(|tier| &tier.parts);
        let blocks = self.blocks.iter().map(|b| (crate::block::FOLDER, b));
        blocks.chain(tiers.map(|part| (crate::tier::FOLDER, part)))
    }

    /// The next version, to be changed and committed.
    pub fn next(&self) -> Manifest {
        Manifest { format: FORMAT, number: self.number + 1, ..self.clone() }
    }

    /// Segments below this number of a log are in blocks; `None` is the log that lies beside the manifest.
    pub fn floor(&self, log: Option<&str>) -> u64 {
        match log {
            None => self.wal_floor,
            Some(log) => self.logs.iter().find(|l| l.log == log).map_or(0, |l| l.floor),
        }
    }

    /// Says that segments below this number of a log are in blocks.
    pub fn set_floor(&mut self, log: Option<&str>, floor: u64) {
        let Some(log) = log else {
            self.wal_floor = floor;
            return;
        };
        self.logs.retain(|l| l.log != log);
        self.logs.push(LogFloor { log: log.into(), floor });
        let excess = self.logs.len().saturating_sub(LOGS_MAX);
        self.logs.drain(..excess);
    }
}

/// The error of a writer that is not the writer any more.
pub fn fenced() -> Error {
    Error::new(ErrorKind::Conflict, "another Midwatch has begun to write to the same place")
}

fn encode(manifest: &Manifest) -> Result<Vec<u8>> {
    let internal = |e| Error::wrap(ErrorKind::Internal, "cannot write the manifest as JSON", e);
    let text = serde_json::to_string(manifest).map_err(internal)?;
    let crc32 = crc32fast::hash(text.as_bytes());
    let manifest = serde_json::value::RawValue::from_string(text).map_err(internal)?;
    serde_json::to_vec(&Envelope { crc32, manifest }).map_err(internal)
}

fn decode(bytes: &[u8]) -> Result<Manifest> {
    let corrupt = |e| Error::wrap(ErrorKind::Corrupt, "it is not JSON of the right shape", e);
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(corrupt)?;
    if crc32fast::hash(envelope.manifest.get().as_bytes()) != envelope.crc32 {
        return Err(Error::corrupt("its checksum is wrong"));
    }
    let manifest: Manifest = serde_json::from_str(envelope.manifest.get()).map_err(corrupt)?;
    if manifest.format > FORMAT {
        return Err(Error::invalid(format!(
            "the data folder has format {}, this version reads up to {FORMAT}; use a newer Midwatch",
            manifest.format
        )));
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::local(folder.path()).unwrap();
        let (mut m, _) = Manifest::load(&objects).unwrap();
        for epoch in 1..=6 {
            m = Manifest { epoch, ..m.next() };
            m.commit(&objects).unwrap();
        }
        assert_eq!(m.commit(&objects).unwrap_err().kind, ErrorKind::Conflict);
        assert_eq!(Manifest::load(&objects).unwrap(), (m.clone(), vec![]));
        assert_eq!(objects.list("manifest").unwrap().len() as u64, KEEP);

        std::fs::write(folder.path().join(path(6)), b"").unwrap();
        let (older, passed_over) = Manifest::load(&objects).unwrap();
        assert_eq!((older.epoch, older.number, passed_over.len()), (5, 6, 1));
        older.next().commit(&objects).unwrap();
        assert_eq!(Manifest::load(&objects).unwrap(), (older.next(), vec![]));
        std::fs::remove_file(folder.path().join(path(7))).unwrap();
        for number in 4..=5 {
            let file = folder.path().join(path(number));
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, text.replace("\"epoch\":", "\"epoch\":1")).unwrap();
        }
        assert_eq!(Manifest::load(&objects).unwrap_err().kind, ErrorKind::Corrupt);
    }
}
