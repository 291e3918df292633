//! An answer as one JSON object: columns first, then rows as lists, then how it ended, so that it can be written as it comes.
//! Numbers that JSON does not know are texts (`"NaN"`, `"+Inf"`, `"-Inf"`), as in answers to PromQL; whole numbers that a
//! browser would round are texts too; instants are texts in UTC.

use super::type_name;
use crate::SqlError;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use datafusion::arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt64Type,
};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use std::io::Write;
use stdx::ErrorKind;

/// Whole numbers beyond this are not exact in a browser.
const EXACT_MAX: u64 = 1 << 53;

/// Columns, and the beginning of the rows.
pub fn head(schema: &SchemaRef, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"data\":{\"columns\":[");
    for (i, field) in schema.fields().iter().enumerate() {
        out.extend_from_slice(if i > 0 { b",{\"name\":" } else { b"{\"name\":" });
        text(field.name(), out);
        let _ = write!(out, ",\"type\":\"{}\"}}", type_name(field.data_type()));
    }
    out.extend_from_slice(b"],\"rows\":[");
}

/// Some rows; `follows` if there were some before.
///
/// # Errors
/// A kind of value that cannot be written.
pub fn rows(batch: &RecordBatch, follows: bool, out: &mut Vec<u8>) -> Result<(), SqlError> {
    for row in 0..batch.num_rows() {
        out.extend_from_slice(if follows || row > 0 { b",\n[" } else { b"\n[" });
        for (i, column) in batch.columns().iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            value(column, row, out)?;
        }
        out.push(b']');
    }
    Ok(())
}

/// How it ended.
pub fn tail(
    rows: usize,
    truncated: bool,
    seconds: f64,
    error: Option<&SqlError>,
    warnings: &[String],
    out: &mut Vec<u8>,
) {
    let _ =
        write!(out, "\n]}},\"stats\":{{\"rows\":{rows},\"seconds\":{seconds:.6}}},\"truncated\":{truncated}");
    if !warnings.is_empty() {
        out.extend_from_slice(b",\"warnings\":[");
        for (i, warning) in warnings.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            text(warning, out);
        }
        out.push(b']');
    }
    match error {
        None => out.extend_from_slice(b",\"status\":\"success\"}"),
        Some(error) => {
            let kind = match error.kind {
                ErrorKind::Cancelled => "timeout",
                ErrorKind::Internal | ErrorKind::Corrupt => "internal",
                _ => "execution",
            };
            let _ = write!(out, ",\"status\":\"error\",\"errorType\":\"{kind}\",\"error\":");
            text(&error.message, out);
            if let Some(hint) = &error.hint {
                out.extend_from_slice(b",\"hint\":");
                text(hint, out);
            }
            out.push(b'}');
        }
    }
}

/// A whole column as texts of JSON; NULL stays NULL.
///
/// # Errors
/// A kind of value that cannot be written.
pub fn column(array: &ArrayRef) -> Result<StringArray, SqlError> {
    let mut builder = StringBuilder::new();
    let mut cell = Vec::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            builder.append_null();
            continue;
        }
        cell.clear();
        value(array, row, &mut cell)?;
        builder.append_value(String::from_utf8_lossy(&cell));
    }
    Ok(builder.finish())
}

/// A value as JSON, but a text without quotes.
///
/// # Errors
/// A kind of value that cannot be written.
pub fn plain(array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Result<(), SqlError> {
    match array.data_type() {
        DataType::Utf8 => out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes()),
        DataType::Utf8View => out.extend_from_slice(array.as_string_view().value(row).as_bytes()),
        t if t.is_nested() => value(array, row, out)?,
        _ => {
            let start = out.len();
            value(array, row, out)?;
            if out.len() > start + 1 && out[start] == b'"' {
                out.pop();
                out.remove(start);
            }
        }
    }
    Ok(())
}

/// One value as JSON.
fn value(array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Result<(), SqlError> {
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Null => out.extend_from_slice(b"null"),
        DataType::Boolean => {
            out.extend_from_slice(if array.as_boolean().value(row) { b"true" } else { b"false" });
        }
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row), out),
        DataType::Float32 => float(f64::from(array.as_primitive::<Float32Type>().value(row)), out),
        DataType::Int64 => whole(i128::from(array.as_primitive::<Int64Type>().value(row)), out),
        DataType::UInt64 => whole(i128::from(array.as_primitive::<UInt64Type>().value(row)), out),
        DataType::Utf8 => text(array.as_string::<i32>().value(row), out),
        DataType::LargeUtf8 => text(array.as_string::<i64>().value(row), out),
        DataType::Utf8View => text(array.as_string_view().value(row), out),
        DataType::Timestamp(unit, _) => {
            let (n, per_second) = match unit {
                TimeUnit::Second => (array.as_primitive::<TimestampSecondType>().value(row), 1),
                TimeUnit::Millisecond => (array.as_primitive::<TimestampMillisecondType>().value(row), 1_000),
                TimeUnit::Microsecond => {
                    (array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000_000)
                }
                TimeUnit::Nanosecond => {
                    (array.as_primitive::<TimestampNanosecondType>().value(row), 1_000_000_000)
                }
            };
            instant(n, per_second, out);
        }
        DataType::Map(..) => {
            let entry = array.as_map().value(row);
            let (keys, values) = (entry.column(0), entry.column(1));
            out.push(b'{');
            for i in 0..entry.len() {
                if i > 0 {
                    out.push(b',');
                }
                let mut key = Vec::new();
                plain(keys, i, &mut key)?;
                text(&String::from_utf8_lossy(&key), out);
                out.push(b':');
                value(values, i, out)?;
            }
            out.push(b'}');
        }
        DataType::Struct(fields) => {
            let parts = array.as_struct();
            out.push(b'{');
            for (i, field) in fields.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                text(field.name(), out);
                out.push(b':');
                value(parts.column(i), row, out)?;
            }
            out.push(b'}');
        }
        DataType::List(_) => list(&array.as_list::<i32>().value(row), out)?,
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(row), out)?,
        DataType::FixedSizeList(..) => list(&array.as_fixed_size_list().value(row), out)?,
        DataType::Dictionary(..) => {
            let one = array.slice(row, 1);
            let dictionary = one.as_any_dictionary();
            value(dictionary.values(), dictionary.normalized_keys()[0], out)?;
        }
        other => {
            let broken =
                |e| SqlError::new(ErrorKind::Invalid, format!("values of this kind cannot be shown: {e}"));
            let options = FormatOptions::default();
            let shown = ArrayFormatter::try_new(array, &options).map_err(broken)?.value(row).to_string();
            match other.is_integer() {
                true => out.extend_from_slice(shown.as_bytes()),
                false => text(&shown, out),
            }
        }
    }
    Ok(())
}

fn list(items: &ArrayRef, out: &mut Vec<u8>) -> Result<(), SqlError> {
    out.push(b'[');
    for i in 0..items.len() {
        if i > 0 {
            out.push(b',');
        }
        value(items, i, out)?;
    }
    out.push(b']');
    Ok(())
}

fn whole(n: i128, out: &mut Vec<u8>) {
    let _ = match n.unsigned_abs() <= u128::from(EXACT_MAX) {
        true => write!(out, "{n}"),
        false => write!(out, "\"{n}\""),
    };
}

fn float(v: f64, out: &mut Vec<u8>) {
    let _ = match v {
        v if v.is_nan() => write!(out, "\"NaN\""),
        v if v.is_infinite() => write!(out, "\"{}Inf\"", if v > 0.0 { '+' } else { '-' }),
        v if v != 0.0 && !(1e-5..1e21).contains(&v.abs()) => write!(out, "{v:e}"),
        v => write!(out, "{v}"),
    };
}

/// An instant in UTC with as many digits as it needs: `2026-01-31T12:00:00.25Z`.
fn instant(n: i64, per_second: i64, out: &mut Vec<u8>) {
    let (seconds, rest) = (n.div_euclid(per_second), n.rem_euclid(per_second));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = model::time::civil_from_days(days);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    let _ = write!(out, "\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}", second % 60);
    if rest > 0 {
        let digits = per_second.ilog10() as usize;
        let fraction = format!("{rest:0digits$}");
        let _ = write!(out, ".{}", fraction.trim_end_matches('0'));
    }
    out.extend_from_slice(b"Z\"");
}

/// A text of JSON; control characters are escaped.
fn text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut from = 0;
    for (i, b) in text.bytes().enumerate() {
        let escape: &[u8] = match b {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..0x20 | 0x7f => &[],
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[from..i]);
        match escape.is_empty() {
            true => drop(write!(out, "\\u{b:04x}")),
            false => out.extend_from_slice(escape),
        }
        from = i + 1;
    }
    out.extend_from_slice(&text.as_bytes()[from..]);
    out.push(b'"');
}
