//! Tables whose rows are of series: conditions on name, labels and time go to the store. It must never know what their rows are.

use super::pushdown::{self, Names, Selection};
use super::{Batches, projected, scan};
use crate::Sources;
use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;

/// Begins to read what is selected, as batches of that schema; what it holds is taken from the memory.
pub type Open = fn(Sources, &Selection, SchemaRef, MemoryReservation) -> Result<Batches>;

/// Such a table.
#[derive(Clone)]
pub struct BySeries {
    /// What it is called.
    pub name: &'static str,
    /// The columns that conditions are understood on, beside name and labels.
    pub names: Names,
    /// All its columns.
    pub schema: SchemaRef,
    /// What it reads.
    pub sources: Sources,
    /// How.
    pub open: Open,
}

impl std::fmt::Debug for BySeries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

#[async_trait]
impl TableProvider for BySeries {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(pushdown::support(filters, self.names))
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = projected(&self.schema, projection)?;
        let selection = pushdown::selection(filters, self.names);
        let (table, of_scan) = (self.clone(), schema.clone());
        scan(schema, limit, move |context| {
            let memory = MemoryConsumer::new(table.name).register(context.memory_pool());
            (table.open)(table.sources.clone(), &selection, of_scan.clone(), memory)
        })
    }
}
