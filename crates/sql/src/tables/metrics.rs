//! The table `metrics`: one row for each sample. Conditions on time, name and labels go to the store; its compressed chunks are
//! decoded one series after another, so that memory stays small whatever the range. Markers of the end of a series are no rows.

use super::by_series::{BySeries, Open};
use super::columns::{self, Runs};
use super::pushdown::{Names, Selection};
use super::{BATCH_ROWS, batch_of};
use crate::Sources;
use crate::error::carried;
use datafusion::arrow::array::{Float64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use model::{HistogramAt, SeriesData, is_stale};
use std::sync::Arc;
use stdx::ErrorKind;
use store::{Part, SeriesPieces};

/// Samples of one stretch of time, at the most; a longer range is read in stretches.
const STRETCH_SAMPLES_MAX: usize = 4_000_000;
/// A stretch is not made shorter than this.
const STRETCH_MS_MIN: i64 = 1_000;
/// Memory of a sample in a chunk, roughly, and of one in the head.
const CHUNK_SAMPLE_BYTES: usize = 2;
const HEAD_SAMPLE_BYTES: usize = 16;

const NAMES: Names = Names { time: "time", id: "series_id" };

/// The table, over these samples.
pub fn table(sources: Sources) -> BySeries {
    let schema = Schema::new(vec![
        Field::new("time", columns::instant(), false),
        Field::new("name", DataType::Utf8, false),
        columns::map_field("labels"),
        Field::new("value", DataType::Float64, true),
        Field::new("histogram", DataType::Utf8, true),
        Field::new("series_id", DataType::Int64, false),
    ]);
    let open: Open = |sources, selection, schema, memory| {
        Ok(Box::new(Reading::new(sources, selection.clone(), schema, memory)))
    };
    BySeries { name: "metrics", names: NAMES, schema: Arc::new(schema), sources, open }
}

/// The state of one scan.
struct Reading {
    sources: Sources,
    selection: Selection,
    schema: SchemaRef,
    memory: MemoryReservation,
    /// Stretches of time that are still to be read, the next one last.
    stretches: Vec<(i64, i64)>,
    range_ms: (i64, i64),
    series: std::vec::IntoIter<SeriesPieces>,
    now: Option<Current>,
}

/// The series that is read now, and how far.
struct Current {
    data: SeriesData,
    samples: usize,
    histograms: usize,
}

/// What becomes a batch.
#[derive(Default)]
struct Rows {
    runs: Runs,
    times: Vec<i64>,
    values: Vec<Option<f64>>,
    histograms: Vec<Option<String>>,
}

impl Reading {
    fn new(sources: Sources, selection: Selection, schema: SchemaRef, memory: MemoryReservation) -> Reading {
        let there = sources.view.range_ms();
        let range = there.map(|(first, last)| (first.max(selection.start_ms), last.min(selection.end_ms)));
        let stretches = range.into_iter().filter(|(first, last)| first <= last).collect();
        Reading {
            sources,
            selection,
            schema,
            memory,
            stretches,
            range_ms: (0, 0),
            series: Vec::new().into_iter(),
            now: None,
        }
    }

    fn batch(&mut self) -> Result<Option<RecordBatch>> {
        let mut rows = Rows::default();
        while rows.runs.len() < BATCH_ROWS {
            if let Some(current) = &mut self.now {
                let wants_histograms = self.schema.column_with_name("histogram").is_some();
                if current.take(&mut rows, wants_histograms) {
                    self.now = None;
                }
            } else if let Some(series) = self.series.next() {
                let (start_ms, end_ms) = self.range_ms;
                let data = series.data(start_ms, end_ms).map_err(carried)?;
                self.now = Some(Current { data, samples: 0, histograms: 0 });
            } else if !self.next_stretch()? {
                break;
            }
        }
        match rows.runs.len() {
            0 => Ok(None),
            _ => rows.finish(&self.schema).map(Some),
        }
    }

    /// Reads the chunks of the next stretch, halved until it is small enough.
    fn next_stretch(&mut self) -> Result<bool> {
        let Some((start_ms, end_ms)) = self.stretches.pop() else { return Ok(false) };
        let limits = &self.sources.promql.limits;
        let samples_max = STRETCH_SAMPLES_MAX.min(limits.samples_max);
        let view = &self.sources.view;
        match view.pieces(&self.selection.matchers, start_ms, end_ms, limits.series_max, samples_max) {
            Err(e)
                if e.kind == ErrorKind::TooLarge
                    && e.bound == Some("query.samples_max")
                    && end_ms - start_ms > STRETCH_MS_MIN =>
            {
                let middle = start_ms + (end_ms - start_ms) / 2;
                self.stretches.push((middle + 1, end_ms));
                self.stretches.push((start_ms, middle));
                Ok(true)
            }
            Err(e) => Err(carried(e)),
            Ok(mut series) => {
                if let Some(ids) = &self.selection.ids {
                    series.retain(|s| ids.contains(&columns::series_id(&s.labels)));
                }
                self.memory.try_resize(series.iter().map(bytes).sum())?;
                self.range_ms = (start_ms, end_ms);
                self.series = series.into_iter();
                Ok(true)
            }
        }
    }
}

impl Iterator for Reading {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        self.batch().transpose()
    }
}

fn bytes(series: &SeriesPieces) -> usize {
    let parts = series.parts().map(|part| match part {
        Part::Summary(summary) => summary.count as usize * CHUNK_SAMPLE_BYTES,
        Part::Open(open) => open.len() * CHUNK_SAMPLE_BYTES,
        Part::Samples(times, _) => times.len() * HEAD_SAMPLE_BYTES,
    });
    series.labels.heap_bytes() + parts.sum::<usize>()
}

impl Current {
    /// Moves samples into a batch until it is full; true if nothing is left.
    fn take(&mut self, rows: &mut Rows, wants_histograms: bool) -> bool {
        let before = rows.times.len();
        let mut room = BATCH_ROWS - before;
        let data = &self.data;
        while room > 0 && self.samples < data.timestamps_ms.len() {
            let value = data.values[self.samples];
            if !is_stale(value) {
                rows.times.push(data.timestamps_ms[self.samples]);
                rows.values.push(Some(value));
                rows.histograms.push(None);
                room -= 1;
            }
            self.samples += 1;
        }
        while room > 0 && self.samples == data.timestamps_ms.len() && self.histograms < data.histograms.len()
        {
            let HistogramAt { timestamp_ms, histogram, .. } = &data.histograms[self.histograms];
            if !histogram.is_stale() {
                rows.times.push(*timestamp_ms);
                rows.values.push(None);
                rows.histograms.push(wants_histograms.then(|| columns::histogram_text(histogram)));
                room -= 1;
            }
            self.histograms += 1;
        }
        rows.runs.push(&data.labels, rows.times.len() - before);
        self.samples == data.timestamps_ms.len() && self.histograms == data.histograms.len()
    }
}

impl Rows {
    fn finish(self, schema: &SchemaRef) -> Result<RecordBatch> {
        let rows = self.times.len();
        batch_of(schema, rows, |name| {
            Ok(match name {
                "time" => columns::instants(self.times.iter().copied()),
                "name" => self.runs.names()?,
                "labels" => self.runs.labels()?,
                "value" => Arc::new(Float64Array::from(self.values.clone())),
                "histogram" => Arc::new(StringArray::from(self.histograms.clone())),
                _ => self.runs.ids()?,
            })
        })
    }
}
