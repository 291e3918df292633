//! Metrics of records that somebody asked for while the program ran: kept in `log-metrics.json` of the data folder, durable
//! before that is answered, so that they are counted after a restart too (docs/formats/log-metrics.md). A file that cannot be
//! read is left as it is, and nothing is added to it.

use look::logs::metric::Spec;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind as Io, Read};
use std::path::{Path, PathBuf};
use stdx::{Error, ErrorKind, Result};

const FILE: &str = "log-metrics.json";
const FORMAT: u32 = 1;
/// More is not read.
const FILE_BYTES_MAX: u64 = 4 << 20;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    name: String,
    query: String,
    field: String,
    by: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Content {
    format: u32,
    metrics: Vec<Kept>,
}

/// The file, and what is wrong with it.
pub struct KeptMetrics {
    path: PathBuf,
    problem: Option<String>,
}

impl KeptMetrics {
    /// Reads it.
    pub fn open(data: &Path) -> (KeptMetrics, Vec<Spec>) {
        let path = data.join(FILE);
        let (metrics, problem) = match read(&path) {
            Ok(metrics) => (metrics, None),
            Err(what) => {
                (Vec::new(), Some(format!("{FILE} in the data folder {what}; move it away to begin anew")))
            }
        };
        let spec = |m: Kept| Spec { name: m.name, query: m.query, field: m.field, by: m.by };
        (KeptMetrics { path, problem }, metrics.into_iter().map(spec).collect())
    }

    /// Why it could not be read, in words.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Writes these in its place; when this returns, they are durable.
    ///
    /// # Errors
    /// `Corrupt` if what is there could not be read, `Unavailable` if it cannot be written.
    pub fn write(&self, metrics: &[Spec]) -> Result<()> {
        if let Some(problem) = &self.problem {
            return Err(Error::corrupt(problem.clone()));
        }
        let kept = |s: &Spec| Kept {
            name: s.name.clone(),
            query: s.query.clone(),
            field: s.field.clone(),
            by: s.by.clone(),
        };
        let content = Content { format: FORMAT, metrics: metrics.iter().map(kept).collect() };
        let bytes = serde_json::to_vec_pretty(&content)
            .map_err(|e| Error::wrap(ErrorKind::Internal, "the metric could not be kept", e))?;
        store::durable::replace(&self.path, &bytes)
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "the metric could not be kept", e))
    }
}

fn read(path: &Path) -> std::result::Result<Vec<Kept>, String> {
    let file = match std::fs::File::open(path) {
        Err(e) if e.kind() == Io::NotFound => return Ok(Vec::new()),
        opened => opened.map_err(|e| format!("cannot be read ({e})"))?,
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(|e| format!("cannot be read ({e})"))?;
    let content: Content = serde_json::from_slice(&bytes).map_err(|e| format!("is damaged ({e})"))?;
    match content.format {
        FORMAT => Ok(content.metrics),
        other => Err(format!("has format {other}, which a newer version wrote")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str) -> Spec {
        let (query, field) = ("level:error".into(), "took".into());
        Spec { name: name.into(), query, field, by: vec!["service".into()] }
    }

    #[test]
    fn they_come_back_and_a_damaged_file_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, metrics) = KeptMetrics::open(folder.path());
        assert_eq!((metrics.len(), kept.problem()), (0, None));
        kept.write(&[spec("a"), spec("b")]).unwrap();
        assert_eq!(KeptMetrics::open(folder.path()).1, [spec("a"), spec("b")]);
        for (text, words) in
            [("{\"format\":1,", "damaged"), ("{\"format\":2,\"metrics\":[]}", "newer version")]
        {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            let (kept, metrics) = KeptMetrics::open(folder.path());
            assert!(metrics.is_empty() && kept.problem().unwrap().contains(words), "{text}");
            assert_eq!(kept.write(&[spec("c")]).unwrap_err().kind, ErrorKind::Corrupt);
            assert_eq!(std::fs::read_to_string(folder.path().join(FILE)).unwrap(), text);
        }
    }
}
