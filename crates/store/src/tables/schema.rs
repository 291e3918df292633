//! What the columns of each table are: in memory, in files and in answers. A column that is added later comes at the end
//! and may be null, so that files that lack it can still be read. Described in `docs/formats/tables.md`.

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use std::sync::{Arc, LazyLock};

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Log records.
    Logs,
    /// Spans of traces.
    Spans,
    /// Changes.
    Changes,
}

impl Table {
    /// All, in the order of their numbers on disk.
    pub const ALL: [Table; 3] = [Table::Logs, Table::Spans, Table::Changes];

    /// `logs`, `spans`, `changes`: in SQL, in file names, in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Table::Logs => "logs",
            Table::Spans => "spans",
            Table::Changes => "changes",
        }
    }

    /// From its name.
    pub fn from_name(name: &str) -> Option<Table> {
        Table::ALL.into_iter().find(|t| t.name() == name)
    }

    /// Its columns. `time` is the first and never null.
    pub fn schema(self) -> SchemaRef {
        static SCHEMAS: LazyLock<[SchemaRef; 3]> =
            LazyLock::new(|| [logs(), spans(), changes()].map(Arc::new));
        SCHEMAS[self as usize].clone()
    }

    /// The column that [`super::Predicate::Contains`] and its like look at.
    pub fn text_column(self) -> &'static str {
        match self {
            Table::Logs => "body",
            Table::Spans => "name",
            Table::Changes => "title",
        }
    }
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, false)
}

fn text_or_null(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn time(name: &str) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), false)
}

/// Names to values.
fn map(name: &str) -> Field {
    Field::new(name, DataType::Map(pairs_field(), false), false)
}

/// The entries of a map column, named as the Parquet format names them.
pub fn pairs_field() -> FieldRef {
    Arc::new(Field::new("key_value", DataType::Struct(pairs_fields()), false))
}

/// Key and value of such an entry.
pub fn pairs_fields() -> Fields {
    vec![text("key"), text("value")].into()
}

/// What happened within a span.
pub fn event_fields() -> Fields {
    vec![time("time"), text("name"), map("attributes")].into()
}

/// Other spans that a span has to do with.
pub fn link_fields() -> Fields {
    vec![text("trace_id"), text("span_id"), map("attributes")].into()
}

/// The element of a list column.
pub fn item(fields: Fields) -> FieldRef {
    Arc::new(Field::new("element", DataType::Struct(fields), false))
}

fn logs() -> Schema {
    Schema::new(vec![
        time("time"),
        text("service"),
        text("host"),
        Field::new("severity", DataType::UInt8, false),
        text("body"),
        Field::new("pattern", DataType::UInt64, true),
        text_or_null("trace_id"),
        text_or_null("span_id"),
        map("attributes"),
        map("resource"),
    ])
}

fn spans() -> Schema {
    Schema::new(vec![
        time("time"),
        Field::new("duration_ns", DataType::Int64, false),
        text("trace_id"),
        text("span_id"),
        text_or_null("parent_id"),
        text("service"),
        text("host"),
        text("name"),
        text("kind"),
        text("status"),
        text("status_message"),
        map("attributes"),
        map("resource"),
        Field::new("events", DataType::List(item(event_fields())), false),
        Field::new("links", DataType::List(item(link_fields())), false),
    ])
}

fn changes() -> Schema {
    Schema::new(vec![
        time("time"),
        text("id"),
        text("kind"),
        text("title"),
        text("service"),
        text("host"),
        text("author"),
        text("link"),
        map("attributes"),
    ])
}
