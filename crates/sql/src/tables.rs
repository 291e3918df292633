//! The tables: what they are called, which columns they have, and how a table that is read as a stream of batches becomes one
//! of the engine's. They read what they were given and nothing else; a row is made when somebody takes it.

mod by_series;
pub(crate) mod columns;
mod kept;
mod metrics;
mod pushdown;
mod series;

use crate::Sources;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use std::fmt;
use std::sync::Arc;
use store::tables::Table;

/// Rows of one batch, at the most.
pub const BATCH_ROWS: usize = 8_192;

/// Every table by name.
pub fn all(sources: &Sources) -> Vec<(&'static str, Arc<dyn TableProvider>)> {
    let mut all: Vec<(&'static str, Arc<dyn TableProvider>)> = vec![
        ("metrics", Arc::new(metrics::table(sources.clone()))),
        ("series", Arc::new(series::table(sources.clone()))),
    ];
    for table in Table::ALL {
        all.push((table.name(), Arc::new(kept::Kept::new(sources.clone(), table))));
    }
    all
}

/// Batches, one after the other. Each is made on a thread that may block for a moment.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

type Open = dyn Fn(&TaskContext) -> Result<Batches> + Send + Sync;

/// The wanted columns of a table.
///
/// # Errors
/// A column is wanted that is not there.
pub fn projected(schema: &SchemaRef, projection: Option<&Vec<usize>>) -> Result<SchemaRef> {
    Ok(match projection {
        Some(columns) => Arc::new(schema.project(columns)?),
        None => schema.clone(),
    })
}

/// A batch of so many rows: each column of the schema by its name.
///
/// # Errors
/// A column is not what the schema says.
pub fn batch_of(
    schema: &SchemaRef,
    rows: usize,
    column: impl Fn(&str) -> Result<ArrayRef>,
) -> Result<RecordBatch> {
    let columns = schema.fields().iter().map(|field| column(field.name())).collect::<Result<Vec<_>>>()?;
    // A batch without columns, which counting asks for, has rows all the same.
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

/// Rows that are there already, in batches; their memory is held until the last was taken.
pub fn in_batches<T: Send + 'static>(
    rows: Vec<T>,
    memory: MemoryReservation,
    batch: impl Fn(&[T]) -> Result<RecordBatch> + Send + 'static,
) -> Batches {
    let mut rest = rows.into_iter();
    Box::new(std::iter::from_fn(move || {
        let _held = &memory;
        let part: Vec<T> = rest.by_ref().take(BATCH_ROWS).collect();
        (!part.is_empty()).then(|| batch(&part))
    }))
}

/// A plan that reads batches; `schema` is that of the batches.
pub fn scan(
    schema: SchemaRef,
    limit: Option<usize>,
    open: impl Fn(&TaskContext) -> Result<Batches> + Send + Sync + 'static,
) -> Result<Arc<dyn ExecutionPlan>> {
    let source = Arc::new(Source { schema: schema.clone(), open: Box::new(open) });
    Ok(Arc::new(StreamingTableExec::try_new(schema, vec![source], None, [], false, limit)?))
}

struct Source {
    schema: SchemaRef,
    open: Box<Open>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

impl PartitionStream for Source {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let opened = tokio::task::block_in_place(|| (self.open)(&context));
        let batches = futures::stream::unfold(Some(opened), |state| async move {
            let mut batches = match state? {
                Ok(batches) => batches,
                Err(e) => return Some((Err(e), None)),
            };
            // Blocks are read from a disk or a bucket here; other queries go on meanwhile.
            let next = tokio::task::block_in_place(|| batches.next())?;
            let more = next.is_ok().then_some(Ok(batches));
            Some((next, more))
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches))
    }
}
