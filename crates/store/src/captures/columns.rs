//! Plain tables as Arrow has them, and back. It must never make a value that is not in the file.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use model::{Columns, Texts, Values};
use std::collections::HashMap;
use std::sync::Arc;
use stdx::{Error, ErrorKind, Result};

fn internal(e: arrow_schema::ArrowError) -> Error {
    Error::wrap(ErrorKind::Internal, "a table of a capture cannot be put together", e)
}

/// One batch of all rows.
pub fn to_batch(columns: &Columns) -> Result<RecordBatch> {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (name, values) in &columns.columns {
        let (kind, is_null, array): (DataType, bool, ArrayRef) = match values {
            Values::Times(times) => {
                let array = TimestampMillisecondArray::from(times.clone()).with_timezone("UTC");
                (DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), false, Arc::new(array))
            }
            Values::Integers(numbers) => (DataType::Int64, true, Arc::new(Int64Array::from(numbers.clone()))),
            Values::Texts(texts) => {
                let words: StringArray = texts.words.iter().map(|w| Some(&**w)).collect();
                let keys = Int32Array::from_iter_values(texts.at.iter().map(|at| *at as i32));
                let array = DictionaryArray::<Int32Type>::try_new(keys, Arc::new(words)).map_err(internal)?;
                let kind = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
                (kind, false, Arc::new(array))
            }
        };
        fields.push(Field::new(name, kind, is_null));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(internal)
}

/// Adds rows of a file; columns of kinds that no class has are left out.
pub fn add_batch(out: &mut Columns, ids: &mut [HashMap<Arc<str>, u32>], batch: &RecordBatch) -> Result<()> {
    let wrong = || Error::corrupt("a file of a capture has other columns than it began with");
    let schema = batch.schema();
    let arrays = schema.fields().iter().map(|f| f.name().clone()).zip(batch.columns().to_vec());
    for (i, (name, array)) in arrays.enumerate() {
        let (known, values) = out.columns.get_mut(i).ok_or_else(wrong)?;
        if *known != name {
            return Err(wrong());
        }
        match values {
            Values::Times(times) => {
                let found = array.as_primitive_opt::<TimestampMillisecondType>().ok_or_else(wrong)?;
                times.extend(found.values());
            }
            Values::Integers(numbers) => {
                numbers.extend(array.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?.iter());
            }
            Values::Texts(texts) => {
                add_texts(texts, ids.get_mut(i).ok_or_else(wrong)?, &array).ok_or_else(wrong)?
            }
        }
    }
    Ok(())
}

fn add_texts(texts: &mut Texts, ids: &mut HashMap<Arc<str>, u32>, array: &ArrayRef) -> Option<()> {
    let mut place = |word: &str| match ids.get(word) {
        Some(id) => *id,
        None => {
            let word: Arc<str> = word.into();
            texts.words.push(word.clone());
            let id = texts.words.len() as u32 - 1;
            ids.insert(word, id);
            id
        }
    };
    if let Some(plain) = array.as_string_opt::<i32>() {
        let at: Vec<u32> = plain.iter().map(|word| place(word.unwrap_or(""))).collect();
        texts.at.extend(at);
        return Some(());
    }
    let dictionary = array.as_dictionary_opt::<Int32Type>()?;
    let words = dictionary.values().as_string_opt::<i32>()?;
    let mut places: Vec<Option<u32>> = vec![None; words.len()];
    let mut at = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        at.push(match dictionary.key(row) {
            Some(key) => match places.get(key).copied().flatten() {
                Some(known) => known,
                None => {
                    let new = place(words.value(key));
                    *places.get_mut(key)? = Some(new);
                    new
                }
            },
            None => place(""),
        });
    }
    texts.at.extend(at);
    Some(())
}

/// No rows yet, with the columns that a file has.
pub fn empty(schema: &Schema) -> Columns {
    let columns = schema.fields().iter().filter_map(|field| {
        let values = match field.data_type() {
            DataType::Timestamp(TimeUnit::Millisecond, _) => Values::Times(Vec::new()),
            DataType::Int64 => Values::Integers(Vec::new()),
            DataType::Utf8 | DataType::Dictionary(_, _) => Values::Texts(Texts::default()),
            _ => return None,
        };
        Some((field.name().clone(), values))
    });
    Columns { columns: columns.collect() }
}
