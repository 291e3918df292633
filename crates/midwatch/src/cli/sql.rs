//! Flags of `midwatch sql`. They must never say more than the command does.

use super::DEFAULT_URL;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Flags of `sql`.
#[derive(Debug, Args)]
pub struct SqlArgs {
    /// The query; - reads it from standard input
    #[arg(value_name = "SQL", conflicts_with = "file")]
    pub sql: Option<String>,
    /// Read the query from a file
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// How to write the answer [default: table on a terminal, csv into a pipe]
    #[arg(long, value_enum)]
    pub format: Option<SqlFormat>,
    /// Rows at the most; that there are more is said, where the format can
    #[arg(long, value_name = "ROWS")]
    pub limit: Option<u64>,
    /// The Midwatch to ask
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL)]
    pub url: String,
}

/// How an answer in SQL is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SqlFormat {
    /// Columns under each other
    Table,
    /// Comma-separated values
    Csv,
    /// JSON of the API
    Json,
    /// Arrow's stream of record batches
    Arrow,
}
