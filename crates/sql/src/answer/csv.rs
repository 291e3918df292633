//! An answer as comma-separated values (RFC 4180): a line of names, CRLF, quotes where they are needed. NULL is an empty field;
//! an empty text is two quotes, so that the two are not the same.

use super::json;
use crate::SqlError;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;

/// The line of names.
pub fn head(schema: &SchemaRef, out: &mut Vec<u8>) {
    for (i, field) in schema.fields().iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        quoted(field.name(), out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Some rows.
///
/// # Errors
/// A kind of value that cannot be written.
pub fn rows(batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), SqlError> {
    let mut cell = Vec::new();
    for row in 0..batch.num_rows() {
        for (i, column) in batch.columns().iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            if column.is_null(row) || *column.data_type() == DataType::Null {
                continue;
            }
            cell.clear();
            json::plain(column, row, &mut cell)?;
            quoted(&String::from_utf8_lossy(&cell), out);
        }
        out.extend_from_slice(b"\r\n");
    }
    Ok(())
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    let is_plain = !text.is_empty() && !text.contains(['"', ',', '\n', '\r']);
    if is_plain {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}
