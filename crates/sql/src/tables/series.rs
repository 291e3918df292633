//! The table `series`: one row for each series that is kept, with since when and until when it is known. Conditions on name and
//! labels go to the store. It reads no samples.

use super::columns::{self, Runs};
use super::pushdown::{self, Names};
use super::{BATCH_ROWS, Batches, scan};
use crate::Sources;
use crate::error::carried;
use async_trait::async_trait;
use datafusion::arrow::array::Int64Array;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use model::Labels;
use std::sync::Arc;
use store::Lifetime;

const NAMES: Names = Names { time: "", id: "id" };

/// The table.
#[derive(Clone)]
pub struct Series {
    sources: Sources,
    schema: SchemaRef,
}

impl Series {
    /// Over these series.
    pub fn new(sources: Sources) -> Series {
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("name", DataType::Utf8, false),
            columns::map_field("labels"),
            Field::new("first_seen", columns::instant(), false),
            Field::new("last_seen", columns::instant(), false),
            Field::new("samples", DataType::Int64, false),
        ]);
        Series { sources, schema: Arc::new(schema) }
    }
}

impl std::fmt::Debug for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("series")
    }
}

#[async_trait]
impl TableProvider for Series {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(pushdown::support(filters, NAMES))
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => self.schema.clone(),
        };
        let selection = pushdown::selection(filters, NAMES);
        let (sources, of_scan) = (self.sources.clone(), schema.clone());
        scan(schema, limit, move |context| {
            let series_max = sources.promql.limits.series_max;
            let mut found = sources.view.lifetimes(&selection.matchers, series_max).map_err(carried)?;
            if let Some(ids) = &selection.ids {
                found.retain(|(labels, _)| ids.contains(&columns::series_id(labels)));
            }
            let memory = MemoryConsumer::new("series").register(context.memory_pool());
            memory.try_resize(found.iter().map(|(labels, _)| labels.heap_bytes() + 64).sum())?;
            let (schema, mut rest) = (of_scan.clone(), found.into_iter());
            Ok(Box::new(std::iter::from_fn(move || {
                let _held = &memory;
                let part: Vec<_> = rest.by_ref().take(BATCH_ROWS).collect();
                (!part.is_empty()).then(|| batch(&schema, &part))
            })) as Batches)
        })
    }
}

fn batch(schema: &SchemaRef, part: &[(Labels, Lifetime)]) -> Result<RecordBatch> {
    let mut runs = Runs::default();
    part.iter().for_each(|(labels, _)| runs.push(labels, 1));
    let columns = schema.fields().iter().map(|field| {
        Ok(match field.name().as_str() {
            "id" => runs.ids()?,
            "name" => runs.names()?,
            "labels" => runs.labels()?,
            "first_seen" => columns::instants(part.iter().map(|(_, life)| life.first_ms)),
            "last_seen" => columns::instants(part.iter().map(|(_, life)| life.last_ms)),
            _ => Arc::new(Int64Array::from_iter_values(part.iter().map(|(_, life)| life.samples as i64))),
        })
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(part.len()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}
