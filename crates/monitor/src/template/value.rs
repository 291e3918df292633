//! What a template computes with, and how Go prints it.

use super::format;
use model::Labels;
use std::cmp::Ordering;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Nil,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(String),
    /// Names with texts.
    Map(Labels),
    /// A row of a query.
    Row(Labels, f64),
    /// Rows of a query, or other values.
    List(Vec<Value>),
    /// What `.` is at the beginning.
    Root,
}

impl Value {
    /// As `{{ if }}` takes it.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(b) => *b,
            Value::Int(n) => *n != 0,
            Value::Float(n) => *n != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::Map(labels) => !labels.is_empty(),
            Value::List(list) => !list.is_empty(),
            Value::Row(..) | Value::Root => true,
        }
    }

    /// As it is printed.
    pub fn text(&self) -> String {
        match self {
            Value::Nil => "<no value>".into(),
            Value::Bool(b) => b.to_string(),
            Value::Int(n) => n.to_string(),
            Value::Float(n) => format::shortest(*n),
            Value::Text(text) => text.clone(),
            Value::Map(labels) => {
                let pairs: Vec<String> = labels.iter().map(|(n, v)| format!("{n}:{v}")).collect();
                format!("map[{}]", pairs.join(" "))
            }
            Value::Row(labels, value) => format!("{labels} {}", format::shortest(*value)),
            Value::List(list) => {
                format!("[{}]", list.iter().map(Value::text).collect::<Vec<_>>().join(" "))
            }
            Value::Root => "{}".into(),
        }
    }

    /// A number, also where it is written as a text.
    ///
    /// # Errors
    /// What it is instead.
    pub fn number(&self) -> Result<f64, String> {
        match self {
            Value::Int(n) => Ok(*n as f64),
            Value::Float(n) => Ok(*n),
            Value::Text(text) => format::parse(text).ok_or_else(|| format!("{text:?} is not a number")),
            other => Err(format!("expected a number, found {}", other.kind())),
        }
    }

    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Nil => "nothing",
            Value::Bool(_) => "a truth value",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "a text",
            Value::Map(_) => "labels",
            Value::Row(..) => "a row of a query",
            Value::List(_) => "a list",
            Value::Root => "all facts",
        }
    }

    /// Compares numbers with numbers and texts with texts.
    ///
    /// # Errors
    /// What cannot be compared.
    pub fn compare(&self, other: &Value) -> Result<Option<Ordering>, String> {
        match (self, other) {
            (Value::Text(a), Value::Text(b)) => Ok(Some(a.cmp(b))),
            (Value::Bool(a), Value::Bool(b)) => Ok(Some(a.cmp(b))),
            (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
                Ok(self.number()?.partial_cmp(&other.number()?))
            }
            _ => Err(format!("{} and {} cannot be compared", self.kind(), other.kind())),
        }
    }
}
