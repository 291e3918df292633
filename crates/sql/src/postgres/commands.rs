//! What clients say besides questions: settings of their own side, transactions, `SHOW`. Little of it means anything here; what
//! does no harm is accepted without effect, since drivers insist, and nothing reaches the engine's settings.

use crate::SqlError;
use datafusion::sql::sqlparser::ast::{Set, Statement};

/// What to answer without asking the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Done, with this tag.
    Done(&'static str),
    /// A transaction begins; every query has a state of its own all the same.
    Begin,
    /// It ends.
    End(&'static str),
    /// One text.
    Show(String, String),
}

/// Settings of clients that change nothing in an answer.
const WITHOUT_EFFECT: &[&str] = &[
    "application_name",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "jit",
    "lock_timeout",
    "row_security",
    "search_path",
    "standard_conforming_strings",
    "statement_timeout",
    "synchronize_seqscans",
    "transaction_isolation",
];

/// The command that a statement is, if it is none for the engine.
///
/// # Errors
/// A setting that would have an effect.
pub fn of(statement: &Statement) -> Result<Option<Command>, SqlError> {
    Ok(Some(match statement {
        Statement::Set(set) => {
            check(set)?;
            Command::Done("SET")
        }
        Statement::StartTransaction { .. } => Command::Begin,
        Statement::Commit { .. } => Command::End("COMMIT"),
        Statement::Rollback { .. } => Command::End("ROLLBACK"),
        Statement::Discard { .. } => Command::Done("DISCARD"),
        Statement::ShowVariable { variable } => {
            let name = variable.iter().map(|v| v.value.to_lowercase()).collect::<Vec<_>>().join(" ");
            let Some(value) = shown(&name) else { return Ok(None) };
            Command::Show(name, value.into())
        }
        _ => return Ok(None),
    }))
}

fn check(set: &Set) -> Result<(), SqlError> {
    let refused = |what: &str| {
        Err(SqlError::read_only(format!("{what} cannot be changed; limits are settings of the program")))
    };
    match set {
        Set::SingleAssignment { variable, .. } => {
            let name = variable.to_string().to_lowercase();
            match WITHOUT_EFFECT.contains(&name.as_str()) {
                true => Ok(()),
                false => refused(&name),
            }
        }
        Set::SetTimeZone { value, .. } => {
            let zone = value.to_string().trim_matches(['\'', '"']).to_uppercase();
            match matches!(zone.as_str(), "UTC" | "ETC/UTC" | "GMT" | "DEFAULT" | "LOCAL") {
                true => Ok(()),
                false => Err(SqlError::read_only("instants are in UTC here; convert them with AT TIME ZONE")),
            }
        }
        Set::SetNames { .. }
        | Set::SetNamesDefault {}
        | Set::SetTransaction { .. }
        | Set::SetSessionParam(_) => Ok(()),
        _ => refused("this"),
    }
}

fn shown(name: &str) -> Option<&'static str> {
    Some(match name {
        "server_version" => VERSION,
        "transaction_isolation" | "transaction isolation level" => "repeatable read",
        "time zone" | "timezone" => "UTC",
        "search_path" => "public",
        "client_encoding" | "server_encoding" => "UTF8",
        "datestyle" => "ISO, MDY",
        "standard_conforming_strings" | "default_transaction_read_only" | "transaction_read_only" => "on",
        "max_identifier_length" => "63",
        _ => return None,
    })
}

/// The version of PostgreSQL whose catalogue this resembles.
pub const VERSION: &str = "17.0 (Midwatch)";
