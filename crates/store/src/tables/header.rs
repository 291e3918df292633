//! What is known of a file without reading its rows: its granules (some thousand rows each) with their times, which
//! attributes have columns of their own, where the words are, the checksums of every piece. It stands at the end of the
//! file's index. It must never be believed when its checksum is wrong. Format: `docs/formats/tables.md`.

use super::checked::{Checked, PIECE_BYTES};
use super::index::{Directory, GRANULES_MAX};
use super::promote::Promoted;
use super::schema::Table;
use crate::objects::Objects;
use crate::xor::{Reader, put_signed, put_text, put_varint};
use serde::{Deserialize, Serialize};
use stdx::{Error, Result};

/// First and last bytes of an index.
pub const MAGIC: &[u8; 8] = b"MWTIDX\0\x01";
/// Length and checksum of the header, and the magic.
const FOOTER_BYTES: u64 = 16;
/// What is read first of the end of an index.
const END_BYTES: u64 = 128 << 10;
/// A header is smaller than this, bytes.
const HEADER_BYTES_MAX: u64 = 256 << 20;

/// A file as the manifest knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its number, which its two parts are named after.
    pub id: u64,
    /// Name of its table.
    pub table: String,
    /// Number of rows.
    pub rows: u64,
    /// First time of a row, nanoseconds since 1970.
    pub first_ns: i64,
    /// Last time.
    pub last_ns: i64,
    /// When the newest of its rows came, milliseconds since 1970 by the wall clock: rows whose times lie ahead are kept no
    /// longer for it.
    pub written_ms: i64,
    /// About the size of its rows as text, bytes.
    pub raw_bytes: u64,
    /// Size of the Parquet file, bytes.
    pub bytes: u64,
    /// Size of the index, bytes.
    pub index_bytes: u64,
    /// How many times it was merged.
    pub level: u32,
    /// Checksum (CRC-32) of the header of its index, which has those of everything else.
    pub header_crc32: u32,
}

impl FileEntry {
    /// Its table, if it is one of ours.
    pub fn table(&self) -> Option<Table> {
        Table::from_name(&self.table)
    }

    /// Where its two parts lie: rows and index.
    pub fn paths(&self) -> [String; 2] {
        paths(&self.table, self.id)
    }

    /// Bytes on disk.
    pub fn size(&self) -> u64 {
        self.bytes + self.index_bytes
    }
}

/// The folder of a table's files.
pub fn folder(table: &str) -> String {
    format!("tables/{table}")
}

/// Where the two parts of a file lie.
pub fn paths(table: &str, id: u64) -> [String; 2] {
    let folder = folder(table);
    [format!("{folder}/{id:012}.parquet"), format!("{folder}/{id:012}.index")]
}

/// The number in the name of a file.
pub fn id_of(path: &str) -> Option<u64> {
    let name = path.rsplit('/').next()?;
    name.strip_suffix(".parquet").or_else(|| name.strip_suffix(".index"))?.parse().ok()
}

/// Some thousand rows that follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Granule {
    /// How many.
    pub rows: u32,
    /// Number of the row group that they are in.
    pub group: u32,
    /// First and last time.
    pub min_ns: i64,
    pub max_ns: i64,
}

/// How a file came to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Made {
    /// How many times it was merged.
    pub level: u32,
    /// See [`FileEntry::written_ms`].
    pub written_ms: i64,
    /// See [`FileEntry::raw_bytes`].
    pub raw_bytes: u64,
    /// Numbers of the files that it was merged of.
    pub sources: Vec<u64>,
    /// Name of the log that its rows were in, and the first segment that has others.
    pub log: String,
    pub log_floor: u64,
    /// Number of the first file that was written of the same recent rows, and how many there are.
    pub cut: (u64, u64),
}

/// See the head of this file.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    pub made: Made,
    pub granules: Vec<Granule>,
    /// Columns of attributes.
    pub promoted: Vec<Promoted>,
    pub words: Directory,
    /// Checksums of the Parquet file, piece by piece.
    pub rows_sums: Vec<u32>,
    /// Those of the words.
    pub words_sums: Vec<u32>,
}

impl Header {
    /// The end of an index: header, its length, its checksum, magic. And the checksum.
    pub fn encode(&self) -> (Vec<u8>, u32) {
        let mut out = Vec::new();
        let made = &self.made;
        put_varint(&mut out, u64::from(made.level));
        put_signed(&mut out, made.written_ms);
        put_varint(&mut out, made.raw_bytes);
        put_varint(&mut out, made.sources.len() as u64);
        made.sources.iter().for_each(|id| put_varint(&mut out, *id));
        put_text(&mut out, &made.log);
        [made.log_floor, made.cut.0, made.cut.1].into_iter().for_each(|n| put_varint(&mut out, n));
        put_varint(&mut out, self.granules.len() as u64);
        let mut before_ns = 0i64;
        for g in &self.granules {
            put_varint(&mut out, u64::from(g.rows));
            put_varint(&mut out, u64::from(g.group));
            put_signed(&mut out, g.min_ns.wrapping_sub(before_ns));
            put_varint(&mut out, g.max_ns.wrapping_sub(g.min_ns) as u64);
            before_ns = g.min_ns;
        }
        put_varint(&mut out, self.promoted.len() as u64);
        for p in &self.promoted {
            put_text(&mut out, &p.name);
            put_varint(&mut out, p.rows << 1 | u64::from(p.is_whole));
        }
        self.words.put(&mut out);
        for sums in [&self.rows_sums, &self.words_sums] {
            put_varint(&mut out, sums.len() as u64);
            sums.iter().for_each(|sum| out.extend_from_slice(&sum.to_le_bytes()));
        }
        let crc32 = crc32fast::hash(&out);
        let length = out.len() as u32;
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&crc32.to_le_bytes());
        out.extend_from_slice(MAGIC);
        (out, crc32)
    }

    fn decode(bytes: &[u8]) -> Result<Header> {
        let mut r = Reader::new(bytes);
        let (level, written_ms, raw_bytes) = (r.varint()? as u32, r.signed()?, r.varint()?);
        let mut sources = Vec::new();
        for _ in 0..r.varint()? {
            sources.push(r.varint()?);
        }
        let log = r.text()?.to_string();
        let (log_floor, cut) = (r.varint()?, (r.varint()?, r.varint()?));
        let made = Made { level, written_ms, raw_bytes, sources, log, log_floor, cut };
        let n = r.varint()?;
        if n > GRANULES_MAX as u64 {
            return Err(Error::corrupt("a file has more granules than it can have"));
        }
        let mut granules = Vec::new();
        let mut min_ns = 0i64;
        for _ in 0..n {
            let (rows, group) = (r.varint()? as u32, r.varint()? as u32);
            min_ns = min_ns.wrapping_add(r.signed()?);
            granules.push(Granule { rows, group, min_ns, max_ns: min_ns.wrapping_add(r.varint()? as i64) });
        }
        let mut promoted = Vec::new();
        for _ in 0..r.varint()? {
            let (name, rows) = (r.text()?.to_string(), r.varint()?);
            promoted.push(Promoted { name, rows: rows >> 1, is_whole: rows & 1 == 1 });
        }
        let words = Directory::read(&mut r, granules.len())?;
        let mut sums = || -> Result<Vec<u32>> {
            let n = r.varint()?;
            let bytes = r.bytes(usize::try_from(n.saturating_mul(4)).unwrap_or(usize::MAX))?;
            Ok(bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect())
        };
        let (rows_sums, words_sums) = (sums()?, sums()?);
        Ok(Header { made, granules, promoted, words, rows_sums, words_sums })
    }

    /// Reads the header of a file.
    ///
    /// # Errors
    /// `Corrupt`, `NotFound`, `Unavailable`.
    pub fn read(objects: &Objects, entry: &FileEntry) -> Result<Header> {
        let (header, crc32, length) = Header::read_end(objects, entry)?;
        let [_, path] = entry.paths();
        let rows: u64 = header.granules.iter().map(|g| u64::from(g.rows)).sum();
        if crc32 != entry.header_crc32 || rows != entry.rows || !header.fits(entry, length) {
            return Err(Error::corrupt(format!("{path} does not fit the manifest")));
        }
        Ok(header)
    }

    /// What a manifest would say of a file of which only the sizes are known.
    ///
    /// # Errors
    /// As [`Header::read`].
    pub fn describe(objects: &Objects, entry: FileEntry) -> Result<(FileEntry, Made)> {
        let (header, header_crc32, length) = Header::read_end(objects, &entry)?;
        if !header.fits(&entry, length) {
            return Err(Error::corrupt("its parts do not fit each other"));
        }
        let made = header.made;
        let entry = FileEntry {
            rows: header.granules.iter().map(|g| u64::from(g.rows)).sum(),
            first_ns: header.granules.iter().map(|g| g.min_ns).min().unwrap_or(0),
            last_ns: header.granules.iter().map(|g| g.max_ns).max().unwrap_or(0),
            written_ms: made.written_ms,
            raw_bytes: made.raw_bytes,
            level: made.level,
            header_crc32,
            ..entry
        };
        Ok((entry, made))
    }

    /// Whether its checksums are as many as the parts have pieces.
    fn fits(&self, entry: &FileEntry, length: u64) -> bool {
        let fits = |bytes: u64, sums: &[u32]| bytes.div_ceil(PIECE_BYTES) == sums.len() as u64;
        let words_end = entry.index_bytes - FOOTER_BYTES - length;
        fits(entry.bytes, &self.rows_sums)
            && fits(words_end, &self.words_sums)
            && self.words.bytes() + MAGIC.len() as u64 == words_end
    }

    /// The header, its checksum and its length.
    fn read_end(objects: &Objects, entry: &FileEntry) -> Result<(Header, u32, u64)> {
        let [_, path] = entry.paths();
        let wrong = |what: &str| Error::corrupt(format!("{path} {what}"));
        let n = END_BYTES.min(entry.index_bytes);
        let end = objects.get_range(&path, entry.index_bytes - n, n)?;
        let footer = end.len().checked_sub(FOOTER_BYTES as usize).and_then(|at| end.get(at..));
        let Some([a, b, c, d, e, f, g, h, magic @ ..]) = footer else { return Err(wrong("is too short")) };
        let length = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
        if magic != MAGIC || length > HEADER_BYTES_MAX || length + FOOTER_BYTES > entry.index_bytes {
            return Err(wrong("does not end as an index does"));
        }
        let header = match end.len().checked_sub((length + FOOTER_BYTES) as usize) {
            Some(at) => end.slice(at..end.len() - FOOTER_BYTES as usize),
            None => objects.get_range(&path, entry.index_bytes - FOOTER_BYTES - length, length)?,
        };
        let crc32 = u32::from_le_bytes([*e, *f, *g, *h]);
        if crc32fast::hash(&header) != crc32 {
            return Err(wrong("was changed: the checksum of its header is wrong"));
        }
        Ok((Header::decode(&header)?, crc32, length))
    }

    /// The two parts of the file, to be read with every piece checked.
    pub fn parts(&self, objects: &Objects, entry: &FileEntry) -> [Checked; 2] {
        let [rows, index] = entry.paths();
        let words_bytes = self.words.bytes() + MAGIC.len() as u64;
        [
            Checked::new(objects.clone(), rows, entry.bytes, self.rows_sums.clone()),
            Checked::new(objects.clone(), index, words_bytes, self.words_sums.clone()),
        ]
    }
}
