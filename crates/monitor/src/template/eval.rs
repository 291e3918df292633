//! Fills a template in. It must never take more steps, or give more text, than its bounds.

use super::Facts;
use super::parse::{Command, Operand, Piece, Pipeline};
use super::value::Value;

/// Pieces and calls of one expansion.
const STEPS_MAX: usize = 20_000;
/// Bytes of one expansion.
const OUT_BYTES_MAX: usize = 64 << 10;
/// Queries of one expansion.
const QUERIES_MAX: usize = 20;

/// What an expansion has used.
pub struct Run<'a> {
    /// What it speaks of.
    pub facts: &'a Facts<'a>,
    steps: usize,
    queries: usize,
    variables: Vec<(String, Value)>,
    out: String,
}

/// The text of pieces.
pub fn run(pieces: &[Piece], facts: &Facts<'_>) -> Result<String, String> {
    let variables = vec![
        (String::new(), Value::Root),
        ("labels".into(), Value::Map(facts.labels.clone())),
        ("value".into(), Value::Float(facts.value)),
        ("externalURL".into(), Value::Text(facts.external_url.to_string())),
        ("externalLabels".into(), Value::Map(Default::default())),
    ];
    let mut run = Run { facts, steps: 0, queries: 0, variables, out: String::new() };
    run.pieces(pieces, &Value::Root)?;
    Ok(run.out)
}

impl Run<'_> {
    /// Rows of a query.
    pub fn ask(&mut self, text: &str) -> Result<Value, String> {
        self.queries += 1;
        if self.queries > QUERIES_MAX {
            return Err(format!("it asks more than {QUERIES_MAX} queries"));
        }
        let rows = (self.facts.ask)(text).map_err(|e| format!("query {text:?}: {e}"))?;
        Ok(Value::List(rows.into_iter().map(|(labels, value)| Value::Row(labels, value)).collect()))
    }

    fn pieces(&mut self, pieces: &[Piece], dot: &Value) -> Result<(), String> {
        // Variables end with the block that declares them.
        let known = self.variables.len();
        for piece in pieces {
            self.step()?;
            match piece {
                Piece::Text(text) => self.out.push_str(text),
                Piece::Print(pipeline) => {
                    let text = self.pipeline(pipeline, dot)?.text();
                    self.out.push_str(&text);
                }
                Piece::Set(name, is_new, pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    self.set(name, *is_new, value)?;
                }
                Piece::If(branches, otherwise) => {
                    let mut body = otherwise;
                    for (test, then) in branches {
                        if self.pipeline(test, dot)?.is_true() {
                            body = then;
                            break;
                        }
                    }
                    self.pieces(body, dot)?;
                }
                Piece::With(name, pipeline, body, otherwise) => {
                    let value = self.pipeline(pipeline, dot)?;
                    if !value.is_true() {
                        self.pieces(otherwise, dot)?;
                        continue;
                    }
                    let inside = self.variables.len();
                    if let Some(name) = name {
                        self.variables.push((name.clone(), value.clone()));
                    }
                    self.pieces(body, &value)?;
                    self.variables.truncate(inside);
                }
                Piece::Range(index, item, pipeline, body, otherwise) => {
                    let names = (index.as_deref(), item.as_deref());
                    self.range(names, pipeline, body, otherwise, dot)?;
                }
            }
            if self.out.len() > OUT_BYTES_MAX {
                return Err(format!("it gives more than {OUT_BYTES_MAX} bytes"));
            }
        }
        self.variables.truncate(known);
        Ok(())
    }

    fn range(
        &mut self,
        (index, item): (Option<&str>, Option<&str>),
        pipeline: &Pipeline,
        body: &[Piece],
        otherwise: &[Piece],
        dot: &Value,
    ) -> Result<(), String> {
        let items: Vec<(Value, Value)> = match self.pipeline(pipeline, dot)? {
            Value::List(list) => {
                list.into_iter().enumerate().map(|(i, v)| (Value::Int(i as i64), v)).collect()
            }
            Value::Map(labels) => {
                labels.iter().map(|(n, v)| (Value::Text(n.into()), Value::Text(v.into()))).collect()
            }
            Value::Nil => Vec::new(),
            other => return Err(format!("range needs a list, found {}", other.kind())),
        };
        if items.is_empty() {
            return self.pieces(otherwise, dot);
        }
        for (i, value) in items {
            self.step()?;
            let inside = self.variables.len();
            if let Some(name) = index {
                self.variables.push((name.to_string(), i));
            }
            if let Some(name) = item {
                self.variables.push((name.to_string(), value.clone()));
            }
            self.pieces(body, &value)?;
            self.variables.truncate(inside);
        }
        Ok(())
    }

    fn set(&mut self, name: &str, is_new: bool, value: Value) -> Result<(), String> {
        if is_new {
            self.variables.push((name.to_string(), value));
            return Ok(());
        }
        let known = self.variables.iter_mut().rev().find(|(n, _)| n == name);
        known.ok_or_else(|| format!("the variable ${name} is not there"))?.1 = value;
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        self.steps += 1;
        if self.steps > STEPS_MAX { Err(format!("it takes more than {STEPS_MAX} steps")) } else { Ok(()) }
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, String> {
        let mut last = None;
        for command in pipeline {
            self.step()?;
            last = Some(match command {
                Command::Value(operand) => self.operand(operand, dot)?,
                Command::Call(function, operands) => {
                    let mut arguments = Vec::with_capacity(operands.len() + 1);
                    for operand in operands {
                        arguments.push(self.operand(operand, dot)?);
                    }
                    arguments.extend(last);
                    (function.call)(self, arguments).map_err(|e| format!("{}: {e}", function.name))?
                }
            });
        }
        Ok(last.unwrap_or(Value::Nil))
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, String> {
        Ok(match operand {
            Operand::Int(n) => Value::Int(*n),
            Operand::Float(n) => Value::Float(*n),
            Operand::Text(text) => Value::Text(text.clone()),
            Operand::Bool(b) => Value::Bool(*b),
            Operand::Nil => Value::Nil,
            Operand::Dot(names) => self.fields(dot.clone(), names)?,
            Operand::Variable(name, names) => {
                let known = self.variables.iter().rev().find(|(n, _)| n == name);
                let value = known.ok_or_else(|| format!("the variable ${name} is not there"))?.1.clone();
                self.fields(value, names)?
            }
            Operand::Inner(pipeline, names) => {
                let value = self.pipeline(pipeline, dot)?;
                self.fields(value, names)?
            }
            Operand::Call(function) => {
                (function.call)(self, Vec::new()).map_err(|e| format!("{}: {e}", function.name))?
            }
        })
    }

    fn fields(&self, mut value: Value, names: &[String]) -> Result<Value, String> {
        for name in names {
            value = match (&value, name.as_str()) {
                (Value::Root, "Labels") => Value::Map(self.facts.labels.clone()),
                (Value::Root, "Value") => Value::Float(self.facts.value),
                (Value::Root, "ExternalURL") => Value::Text(self.facts.external_url.to_string()),
                (Value::Root, "ExternalLabels") => Value::Map(Default::default()),
                (Value::Row(labels, _), "Labels") => Value::Map(labels.clone()),
                (Value::Row(_, value), "Value") => Value::Float(*value),
                // A label that is not there is the empty text, as in Prometheus.
                (Value::Map(labels), name) => Value::Text(labels.get(name).to_string()),
                (other, name) => return Err(format!("{} has no {name}", other.kind())),
            };
        }
        Ok(value)
    }
}
