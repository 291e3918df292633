//! A small store with known samples, and queries on it.
#![allow(dead_code)]

use model::{Batch, Labels};
use sql::{Engine, Limits, Parameter, Query, Sources, SqlError, answer};
use std::sync::{Arc, OnceLock};
use stdx::metrics::Registry;
use store::{Settings, Store};

/// 2026-01-31T12:00:00Z.
pub const NOON_MS: i64 = 1_769_860_800_000;

pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(2).unwrap())
}

pub struct Stored {
    _folder: tempfile::TempDir,
    pub store: Store,
}

impl Stored {
    pub fn new(batch: Batch) -> Stored {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Settings::default(), &Registry::default()).unwrap();
        if !batch.samples.is_empty() || !batch.histograms.is_empty() {
            store.append(batch).unwrap().wait_blocking().unwrap();
        }
        Stored { _folder: folder, store }
    }

    pub fn sources(&self) -> Sources {
        Sources {
            view: Arc::new(self.store.view()),
            tables: self.store.tables().clone(),
            promql: query::QueryOptions::default(),
            now_ms: NOON_MS + 600_000,
        }
    }

    /// The answer as CSV with plain line ends.
    pub fn csv(&self, text: &str) -> Result<String, SqlError> {
        self.written(text, &[], answer::Format::Csv).map(|out| out.replace("\r\n", "\n"))
    }

    pub fn written(
        &self,
        text: &str,
        parameters: &[Parameter],
        format: answer::Format,
    ) -> Result<String, SqlError> {
        let bounds = answer::Bounds { limit: 100_000, rows_max: 1_000_000, bytes_max: 64 << 20 };
        let query = Query { text: text.into(), parameters: parameters.to_vec() };
        run(&query, &self.sources(), &Limits::default(), format, &bounds)
            .map(|out| String::from_utf8_lossy(&out).into_owned())
    }
}

pub fn run(
    query: &Query,
    sources: &Sources,
    limits: &Limits,
    format: answer::Format,
    bounds: &answer::Bounds,
) -> Result<Vec<u8>, SqlError> {
    let mut rows = engine().start(query, sources, limits, &|| false)?;
    let mut out = Vec::new();
    answer::write(&mut rows, format, bounds, &Vec::new, &|| false, &mut |part| {
        out.extend(part);
        true
    })?;
    Ok(out)
}

pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied()).unwrap()
}

/// Requests of two jobs and the memory of one, each ten minutes long, a sample every 30 s, from noon on.
pub fn small() -> Stored {
    let mut batch = Batch::default();
    for i in 0..20 {
        let at = NOON_MS + i * 30_000;
        let requests = |job, code| labels(&[("__name__", "requests_total"), ("job", job), ("code", code)]);
        batch.push(&requests("api", "200"), at, (i * 10) as f64);
        batch.push(&requests("api", "500"), at, i as f64);
        batch.push(&requests("web", "200"), at, (i * 5) as f64);
        batch.push(&labels(&[("__name__", "memory_bytes"), ("job", "api")]), at, 1024.0 + i as f64);
    }
    batch.push(
        &labels(&[("__name__", "memory_bytes"), ("job", "api")]),
        NOON_MS + 600_000,
        f64::from_bits(model::STALE_NAN_BITS),
    );
    Stored::new(batch)
}
