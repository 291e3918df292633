//! Rows as bytes: JSON, CSV or Arrow's stream, one part after another, within bounds on rows and bytes. An answer that ends
//! early says so where its format can. It must never hold more than a part of an answer.

mod csv;
mod json;

pub use json::column as json_column;

use crate::{Rows, SqlError};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::record_batch::RecordBatch;
use std::time::Instant;
use stdx::ErrorKind;

/// Rows of an answer: its name in the list of limits and among the settings.
pub const ROWS: &str = "sql.rows_max";
/// Bytes of an answer.
pub const BYTES: &str = "sql.answer_size";
/// Bytes after which a part is handed over.
const PART_BYTES: usize = 64 << 10;

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One object: columns with their types, rows as lists, and how it ended.
    #[default]
    Json,
    /// RFC 4180, with a line of names.
    Csv,
    /// Arrow's stream of record batches.
    Arrow,
}

impl Format {
    /// The type of the body.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Csv => "text/csv; charset=utf-8",
            Format::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// From a name.
    pub fn named(name: &str) -> Option<Format> {
        match name {
            "json" => Some(Format::Json),
            "csv" => Some(Format::Csv),
            "arrow" => Some(Format::Arrow),
            _ => None,
        }
    }
}

/// Bounds of one answer.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// More rows are left out, and the answer says so; asked for by the client.
    pub limit: usize,
    /// More rows end it with an error.
    pub rows_max: usize,
    /// More bytes end it with an error.
    pub bytes_max: usize,
}

/// Takes parts; false when nobody wants more.
pub type Sink<'a> = dyn FnMut(Vec<u8>) -> bool + 'a;

/// Writes a whole answer. What goes wrong before the first part was handed over is returned, and nothing is written; later it
/// is in the answer itself where its format can say it, and is returned in any case.
///
/// # Errors
/// What went wrong. Of an answer in JSON that has begun nothing more has to be said.
pub fn write(
    rows: &mut Rows,
    format: Format,
    bounds: &Bounds,
    warnings: &dyn Fn() -> Vec<String>,
    stop: &dyn Fn() -> bool,
    sink: &mut Sink<'_>,
) -> Result<(), SqlError> {
    let started = Instant::now();
    let mut writer = Writer::new(format, rows.schema())?;
    let mut written = Written::default();
    let ended = all(rows, &mut writer, bounds, stop, sink, &mut written);
    if let Ok(false) = ended {
        return Ok(());
    }
    let error = match ended {
        Err(e) if written.bytes == 0 => return Err(e),
        ended => ended.err(),
    };
    writer.finish(&written, started.elapsed().as_secs_f64(), error.as_ref(), &warnings())?;
    if error.is_none() || format == Format::Json {
        sink(std::mem::take(&mut writer.out));
    }
    error.map_or(Ok(()), Err)
}

/// What was written so far.
#[derive(Default)]
struct Written {
    rows: usize,
    bytes: usize,
    truncated: bool,
}

/// False if nobody wants the rest.
fn all(
    rows: &mut Rows,
    writer: &mut Writer,
    bounds: &Bounds,
    stop: &dyn Fn() -> bool,
    sink: &mut Sink<'_>,
    written: &mut Written,
) -> Result<bool, SqlError> {
    while let Some(batch) = rows.next(stop)? {
        // Small steps: a row may be long, and bounds are looked at between steps.
        for start in (0..batch.num_rows()).step_by(256) {
            let mut part = batch.slice(start, 256.min(batch.num_rows() - start));
            let room = bounds.limit.min(bounds.rows_max).saturating_sub(written.rows);
            let is_last = part.num_rows() > room;
            if is_last {
                part = part.slice(0, room);
            }
            writer.batch(&part)?;
            written.rows += part.num_rows();
            let more = usize::from(is_last && bounds.limit > bounds.rows_max);
            within(written.rows + more, written.bytes + writer.out.len(), bounds)?;
            if writer.out.len() >= PART_BYTES {
                written.bytes += writer.out.len();
                if !sink(std::mem::take(&mut writer.out)) {
                    return Ok(false);
                }
            }
            if is_last {
                written.truncated = true;
                return Ok(true);
            }
        }
    }
    Ok(true)
}

/// Whether an answer may be so long.
///
/// # Errors
/// `TooLarge`, with what to do.
pub fn within(rows: usize, bytes: usize, bounds: &Bounds) -> Result<(), SqlError> {
    let (text, bound) = match () {
        () if rows > bounds.rows_max => (
            format!(
                "the answer has more than {} rows; aggregate, add LIMIT, or raise {ROWS}",
                bounds.rows_max
            ),
            ROWS,
        ),
        () if bytes > bounds.bytes_max => (
            format!(
                "the answer is longer than {} bytes; ask for fewer rows or columns, or raise {BYTES}",
                bounds.bytes_max
            ),
            BYTES,
        ),
        () => return Ok(()),
    };
    Err(SqlError::new(ErrorKind::TooLarge, text).bound(bound))
}

struct Writer {
    out: Vec<u8>,
    rows: usize,
    kind: Kind,
}

enum Kind {
    Json,
    Csv,
    Arrow(Box<StreamWriter<Vec<u8>>>),
}

impl Writer {
    fn new(format: Format, schema: &SchemaRef) -> Result<Writer, SqlError> {
        let mut out = Vec::new();
        let kind = match format {
            Format::Json => {
                json::head(schema, &mut out);
                Kind::Json
            }
            Format::Csv => {
                csv::head(schema, &mut out);
                Kind::Csv
            }
            Format::Arrow => {
                Kind::Arrow(Box::new(StreamWriter::try_new(Vec::new(), schema).map_err(broken)?))
            }
        };
        Ok(Writer { out, rows: 0, kind })
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<(), SqlError> {
        match &mut self.kind {
            Kind::Json => json::rows(batch, self.rows > 0, &mut self.out)?,
            Kind::Csv => csv::rows(batch, &mut self.out)?,
            Kind::Arrow(writer) => {
                writer.write(batch).map_err(broken)?;
                self.out.append(writer.get_mut());
            }
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    fn finish(
        &mut self,
        written: &Written,
        seconds: f64,
        error: Option<&SqlError>,
        warnings: &[String],
    ) -> Result<(), SqlError> {
        match &mut self.kind {
            Kind::Json => {
                json::tail(written.rows, written.truncated, seconds, error, warnings, &mut self.out)
            }
            Kind::Csv => {}
            Kind::Arrow(writer) => {
                writer.finish().map_err(broken)?;
                self.out.append(writer.get_mut());
            }
        }
        Ok(())
    }
}

fn broken(e: datafusion::arrow::error::ArrowError) -> SqlError {
    SqlError::new(ErrorKind::Internal, format!("the answer could not be written: {e}"))
}

/// What a column holds, in words that do not change with the engine.
pub fn type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Null => "null",
        DataType::Boolean => "boolean",
        t if t.is_integer() => "integer",
        t if t.is_floating() => "float",
        t if t.is_decimal() => "decimal",
        DataType::Timestamp(..) => "timestamp",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(_) | DataType::Time64(_) => "time",
        DataType::Interval(_) | DataType::Duration(_) => "interval",
        t if t.is_string() => "text",
        DataType::Dictionary(_, value) => type_name(value),
        DataType::Map(..) => "map",
        DataType::Struct(_) => "struct",
        t if t.is_binary() => "bytes",
        t if t.is_nested() => "list",
        _ => "text",
    }
}
