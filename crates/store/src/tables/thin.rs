//! Leaving rows out when recent ones become files: of spans, those of traces that are not worth a file. Which these are is
//! decided elsewhere; until then every row that was acknowledged is in the log and can be found. It must never leave out a row
//! whose trace it cannot read.

use super::recent::Part;
use super::rows::wrong;
use super::{Table, Tables, to_spans};
use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray};
use arrow_select::filter::filter_record_batch;
use model::{SpanBatch, TraceId};
use stdx::Result;

/// Says of rows, each with its trace, which are to be kept. It is asked again when writing them failed.
pub type Thin = Box<dyn Fn(&[TraceId]) -> Vec<bool> + Send + Sync>;

impl Tables {
    /// From now on this is asked for the spans of every file that is made of recent rows. The first that is given stays.
    pub fn thin_spans(&self, thin: Thin) {
        let _ = self.0.shared.thin.set(thin);
    }

    /// The spans that are in no file yet, some at a time, as after a start, when nobody has seen them come.
    pub fn recent_spans(&self, mut each: impl FnMut(SpanBatch)) {
        let state = self.0.shared.state.read().unwrap_or_else(|e| e.into_inner()).clone();
        for part in state.recent.iter().flat_map(|r| r.parts(Table::Spans)) {
            each(to_spans(&part.rows));
        }
    }
}

/// Parts without the rows that are not to be kept, and how many those are.
pub(super) fn thin(parts: Vec<Part>, thin: Option<&Thin>) -> Result<(Vec<Part>, u64)> {
    let Some(thin) = thin else { return Ok((parts, 0)) };
    let of_part = |part: &Part| -> Vec<Option<TraceId>> {
        let ids = part.rows.column_by_name("trace_id").and_then(|c| c.as_string_opt::<i32>());
        let id = |i| ids.filter(|ids| ids.is_valid(i)).and_then(|ids| ids.value(i).parse().ok());
        (0..part.rows.num_rows()).map(id).collect()
    };
    let ids: Vec<_> = parts.iter().map(of_part).collect();
    let asked: Vec<_> = ids.iter().flatten().flatten().copied().collect();
    let mut answers = thin(&asked).into_iter();
    let (mut kept, mut left_out) = (Vec::new(), 0);
    for (part, ids) in parts.into_iter().zip(ids) {
        let mask: BooleanArray =
            ids.iter().map(|id| Some(id.is_none() || answers.next().unwrap_or(true))).collect();
        left_out += (mask.len() - mask.true_count()) as u64;
        match mask.true_count() {
            0 => {}
            n if n == mask.len() => kept.push(part),
            _ => kept.push(Part::new(filter_record_batch(&part.rows, &mask).map_err(wrong)?, part.bytes)),
        }
    }
    Ok((kept, left_out))
}
