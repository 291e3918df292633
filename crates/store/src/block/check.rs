//! Reads every chunk of a block and says which ones are not what was written. It must never stop at the first.

use super::Block;
use crate::chunk::{Chunk, Summary};
use crate::parquet_io as pq;
use bytes::Bytes;
use model::Labels;
use stdx::{ErrorKind, Result};

/// Rows that are read at once.
const ROWS_AT_ONCE: usize = 8192;
/// Rows that are lost together where their page cannot be read: as few as is quick.
const ROWS_TOGETHER: usize = 256;

impl Block {
    /// Tells for each chunk what is wrong with it, if anything.
    ///
    /// # Errors
    /// `Corrupt` if the block cannot be read at all; if the files cannot be read now; those of `found`.
    pub fn check(
        &self,
        mut found: impl FnMut(&Labels, &Summary, Option<String>) -> Result<()>,
    ) -> Result<()> {
        let index = self.index()?;
        let path = &self.paths[1];
        let read = |rows: &[u32], out: &mut Vec<(u32, Bytes, Bytes)>| {
            out.clear();
            let found = |i: usize, timestamps, values| out.push((rows[i], timestamps, values));
            pq::read_payloads(&self.objects, path, &index.file, rows, found)
        };
        let all: Vec<u32> = (0..index.rows.len() as u32).collect();
        let (mut id, mut payloads) = (0usize, Vec::new());
        let mut tell = |row: u32, payload: Result<(Bytes, Bytes), String>| {
            while index.starts[id + 1] <= row {
                id += 1;
            }
            let summary = index.rows[row as usize];
            let problem = match payload {
                Err(text) => Some(text),
                Ok((timestamps, values)) => {
                    let chunk = Chunk { summary, timestamps, values };
                    if chunk.checksum(id as u32) != index.checksums[row as usize] {
                        Some("its checksum is wrong".to_string())
                    } else {
                        chunk.check().err().map(|e| e.to_string())
                    }
                }
            };
            found(index.labels.labels(id as u32), &summary, problem)
        };
        for group in all.chunks(ROWS_AT_ONCE) {
            match read(group, &mut payloads) {
                Ok(()) => {
                    for (row, timestamps, values) in payloads.drain(..) {
                        tell(row, Ok((timestamps, values)))?;
                    }
                }
                Err(e) if e.kind != ErrorKind::Corrupt => return Err(e),
                Err(_) => {
                    for part in group.chunks(ROWS_TOGETHER) {
                        match read(part, &mut payloads) {
                            Ok(()) => {
                                for (row, timestamps, values) in payloads.drain(..) {
                                    tell(row, Ok((timestamps, values)))?;
                                }
                            }
                            Err(e) if e.kind != ErrorKind::Corrupt => return Err(e),
                            Err(e) => {
                                for row in part {
                                    tell(*row, Err(e.to_string()))?;
                                }
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
