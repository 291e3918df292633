//! The table `series`: one row for each series that is kept, with since when and until when it is known. Conditions on name and
//! labels go to the store. It reads no samples.

use super::by_series::{BySeries, Open};
use super::columns::{self, Runs};
use super::pushdown::Names;
use super::{batch_of, in_batches};
use crate::Sources;
use crate::error::carried;
use datafusion::arrow::array::Int64Array;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use model::Labels;
use std::sync::Arc;
use store::Lifetime;

const NAMES: Names = Names { time: "", id: "id" };

/// The table, over these series.
pub fn table(sources: Sources) -> BySeries {
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, false),
        columns::map_field("labels"),
        Field::new("first_seen", columns::instant(), false),
        Field::new("last_seen", columns::instant(), false),
        Field::new("samples", DataType::Int64, false),
    ]);
    let open: Open = |sources, selection, schema, memory| {
        let series_max = sources.promql.limits.series_max;
        let mut found = sources.view.lifetimes(&selection.matchers, series_max).map_err(carried)?;
        if let Some(ids) = &selection.ids {
            found.retain(|(labels, _)| ids.contains(&columns::series_id(labels)));
        }
        memory.try_resize(found.iter().map(|(labels, _)| labels.heap_bytes() + 64).sum())?;
        Ok(in_batches(found, memory, move |part| batch(&schema, part)))
    };
    BySeries { name: "series", names: NAMES, schema: Arc::new(schema), sources, open }
}

fn batch(schema: &SchemaRef, part: &[(Labels, Lifetime)]) -> Result<RecordBatch> {
    let mut runs = Runs::default();
    part.iter().for_each(|(labels, _)| runs.push(labels, 1));
    batch_of(schema, part.len(), |name| {
        Ok(match name {
            "id" => runs.ids()?,
            "name" => runs.names()?,
            "labels" => runs.labels()?,
            "first_seen" => columns::instants(part.iter().map(|(_, life)| life.first_ms)),
            "last_seen" => columns::instants(part.iter().map(|(_, life)| life.last_ms)),
            _ => Arc::new(Int64Array::from_iter_values(part.iter().map(|(_, life)| life.samples as i64))),
        })
    })
}
