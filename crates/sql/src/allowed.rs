//! Which plans may run: an allow-list over the whole logical plan, subqueries included. What is not on the list is refused,
//! also what a later version of the engine may bring. It looks at plans only: the text of a query decides nothing.

use crate::SqlError;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{DdlStatement, LogicalPlan, Statement};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// Tables that one query may read, each counted as often as it is read: each costs a scan.
pub const SCANS_MAX: usize = 64;
/// Steps of one plan: planning takes time that grows faster than they do.
pub const STEPS_MAX: usize = 2_000;
/// Tables of the catalogue that would tell about the engine and its host.
const HIDDEN: &[&str] = &["df_settings"];

/// Bytes of a text; its name in the list of limits is [`TEXT`].
pub const TEXT: &str = "bytes of one SQL query";
/// Operators of one text. Each may stand above the one before it, and a tree is walked by recursion.
pub const OPERATORS_MAX: usize = 2_000;
/// Its name in the list of limits.
pub const OPERATORS: &str = "operators of one SQL query";

/// Refuses a text that is too long, or would become too deep a tree. Anything else about it is the parser's to say.
///
/// # Errors
/// `TooLarge`, with what to do.
pub fn text(text: &str, bytes_max: usize) -> Result<(), SqlError> {
    if text.len() > bytes_max {
        let said = format!("the query is longer than {bytes_max} bytes; shorten it");
        return Err(SqlError::new(stdx::ErrorKind::TooLarge, said).bound(TEXT));
    }
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize() else { return Ok(()) };
    let is_operator = |token: &Token| match token {
        Token::Word(word) => word.quote_style.is_none() && word.keyword != Keyword::NoKeyword,
        Token::Whitespace(_)
        | Token::Comma
        | Token::Period
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::LParen
        | Token::RParen
        | Token::EOF => false,
        _ => true,
    };
    if tokens.iter().filter(|t| is_operator(t)).count() > OPERATORS_MAX {
        let said = format!(
            "the query has more than {OPERATORS_MAX} operators and keywords; write a long list of alternatives with IN (...)"
        );
        return Err(SqlError::new(stdx::ErrorKind::TooLarge, said).bound(OPERATORS));
    }
    Ok(())
}

/// Refuses a plan that is not a question, or reads what nobody should.
///
/// # Errors
/// Says what was refused.
pub fn check(plan: &LogicalPlan) -> Result<(), SqlError> {
    let (mut refused, mut scans, mut steps) = (None, 0, 0);
    let visited = plan.apply_with_subqueries(|node| {
        steps += 1;
        scans += usize::from(matches!(node, LogicalPlan::TableScan(_)));
        refused = one(node).err().or_else(|| too_large(scans, steps));
        Ok(match refused.is_some() {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    });
    match (refused, visited) {
        (Some(refused), _) => Err(refused),
        (None, Ok(_)) => Ok(()),
        (None, Err(e)) => Err(SqlError::of(&e, "")),
    }
}

fn one(node: &LogicalPlan) -> Result<(), SqlError> {
    match node {
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::DescribeTable(_)
        | LogicalPlan::Unnest(_)
        | LogicalPlan::RecursiveQuery(_) => Ok(()),
        LogicalPlan::TableScan(scan) if HIDDEN.contains(&scan.table_name.table()) => {
            Err(SqlError::read_only("settings of the engine are not shown"))
        }
        LogicalPlan::TableScan(_) => Ok(()),
        LogicalPlan::Dml(_) => Err(SqlError::read_only("nothing can be written with SQL")),
        LogicalPlan::Copy(_) => Err(SqlError::read_only("nothing can be copied to files with SQL")),
        LogicalPlan::Ddl(ddl) => Err(SqlError::read_only(match ddl {
            DdlStatement::CreateExternalTable(_) => "files and other places cannot be read with SQL",
            DdlStatement::CreateFunction(_) => "functions cannot be defined",
            _ => "tables and schemas cannot be made, changed or dropped with SQL",
        })),
        LogicalPlan::Statement(statement) => Err(SqlError::read_only(match statement {
            Statement::SetVariable(_) | Statement::ResetVariable(_) => "settings cannot be changed with SQL",
            Statement::TransactionStart(_) | Statement::TransactionEnd(_) => {
                "there are no transactions: each query sees one state of the data"
            }
            _ => "statements cannot be prepared this way; send parameters with the query",
        })),
        LogicalPlan::Extension(_) => Err(SqlError::read_only("this kind of query is not known here")),
    }
}

fn too_large(scans: usize, steps: usize) -> Option<SqlError> {
    let text = match () {
        () if scans > SCANS_MAX => format!("the query reads tables more than {SCANS_MAX} times; split it"),
        () if steps > STEPS_MAX => format!("the query has more than {STEPS_MAX} steps; split it"),
        () => return None,
    };
    Some(SqlError::new(stdx::ErrorKind::TooLarge, text).bound(COMPLEXITY))
}

/// Its name in the list of limits.
pub const COMPLEXITY: &str = "steps of one SQL query";
