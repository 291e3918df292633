//! One connection's side of the protocol: simple queries and prepared ones. A prepared statement is planned anew each time it
//! runs, so that it sees what came in since, and keeps nothing of the store from being given back.

use super::commands::{self, Command};
use super::{Catalog, Postgres, Stop};
use crate::engine::Asked;
use crate::{SqlError, answer};
use arrow_pg::datatypes::{arrow_schema_to_pg_fields, df, encode_recordbatch, into_pg_type};
use async_trait::async_trait;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::sql::sqlparser::ast::{Expr, Statement as Ast, UnaryOperator, Value};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use futures::Sink;
use pgwire::api::auth::noop::NoopStartupHandler;
use pgwire::api::cancel::CancelHandler;
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo, QueryResponse, Response, Tag};
use pgwire::api::stmt::QueryParser;
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, Type};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::data::DataRow;
use pgwire::messages::extendedquery::Execute;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use stdx::ErrorKind;
use tokio::sync::mpsc;

/// Rows that are handed over at a time.
const PART_ROWS: usize = 256;
/// Parts that may wait for the client.
const PARTS_WAITING: usize = 2;
/// Rows of a portal that are fetched at a time, at the most; more are all that there are.
const FETCH_MAX: i32 = 100_000;

/// Statements that `PREPARE` may name on one connection.
const NAMED_MAX: usize = 100;

/// A statement, prepared: what it is, and what goes in and out.
#[derive(Clone, Debug)]
pub struct Prepared {
    ast: Box<Ast>,
    text: String,
    command: Option<Command>,
    parameters: Vec<Option<DataType>>,
    schema: SchemaRef,
}

/// A connection.
pub struct Session {
    shared: Arc<Postgres>,
    parser: PostgresCompatibilityParser,
    /// Set when another connection asks for it, and taken back when the next query begins.
    cancelled: Arc<AtomicBool>,
    key: Mutex<Option<(i32, Vec<u8>)>>,
    /// What `PREPARE` named.
    named: Mutex<HashMap<String, Box<Ast>>>,
}

impl Session {
    /// A connection that has just been made.
    pub fn new(shared: Arc<Postgres>) -> Session {
        Session {
            shared,
            parser: PostgresCompatibilityParser::new(),
            cancelled: Arc::default(),
            key: Mutex::default(),
            named: Mutex::default(),
        }
    }

    /// Forgets it.
    pub fn end(&self) {
        self.cancelled.store(true, Relaxed);
        if let Some(key) = self.key.lock().unwrap_or_else(|e| e.into_inner()).take() {
            self.shared.running.lock().unwrap_or_else(|e| e.into_inner()).remove(&key);
        }
    }

    fn parse(&self, text: &str) -> Result<Vec<Ast>, SqlError> {
        crate::allowed::text(text, self.shared.host.limits().text_bytes_max)?;
        self.parser.parse(text).map_err(|e| {
            let e = datafusion::error::DataFusionError::SQL(Box::new(e), None);
            SqlError::of(&e, text)
        })
    }

    async fn catalog(&self) -> Result<Arc<Catalog>, SqlError> {
        let shared = self.shared.clone();
        let make = || async move {
            let stop: Stop = Arc::new(|| false);
            let sources = shared.host.sources(&stop);
            let template = shared.engine.template().clone();
            let catalog =
                shared.engine.on_its_threads(async move { Catalog::new(&template, &sources) }).await?;
            Ok::<_, SqlError>(Arc::new(catalog))
        };
        self.shared.catalog.get_or_try_init(make).await.cloned()
    }

    /// Runs one statement and gives its rows as they come.
    async fn ask(
        &self,
        ast: Box<Ast>,
        text: String,
        values: Option<ParamValues>,
        format: &Format,
    ) -> Result<Response, SqlError> {
        let catalog = self.catalog().await?;
        self.cancelled.store(false, Relaxed);
        let (sender, mut receiver) = mpsc::channel(PARTS_WAITING);
        let running = Running {
            shared: self.shared.clone(),
            catalog,
            cancelled: self.cancelled.clone(),
            format: format.clone(),
            sender: sender.clone(),
        };
        let admitted = self.shared.host.admit(Box::new(move |stop| running.run(ast, text, values, stop)));
        let shared = self.shared.clone();
        let task = tokio::spawn(async move {
            if let Err(e) = admitted.await {
                let e = SqlError::from(e);
                if let Some(bound) = e.bound {
                    shared.host.hit(bound, &e.message);
                }
                let _ = sender.send(Part::Error(e)).await;
            }
        });
        let guard = Ends(task);
        let fields = match receiver.recv().await {
            Some(Part::Fields(fields)) => fields,
            Some(Part::Error(e)) => return Err(e),
            _ => return Err(SqlError::new(ErrorKind::Internal, "the query failed inside; this is a bug")),
        };
        let rows = futures::stream::unfold((receiver, guard, Vec::new().into_iter()), next_row);
        Ok(Response::Query(QueryResponse::new(fields, rows)))
    }

    async fn describe(&self, ast: Box<Ast>, text: &str) -> Result<Prepared, SqlError> {
        let command = commands::of(&ast)?;
        if let Some(command) = command {
            let schema = Arc::new(Schema::empty());
            return Ok(Prepared {
                ast,
                text: text.into(),
                command: Some(command),
                parameters: Vec::new(),
                schema,
            });
        }
        let catalog = self.catalog().await?;
        let stop: Stop = Arc::new(|| false);
        let plain =
            self.shared.engine.session(&self.shared.host.sources(&stop), &self.shared.host.limits())?;
        let (asked, owned) = (ast.clone(), text.to_string());
        let planning = async move {
            let state = catalog.session(&plain)?;
            let told = |e| SqlError::of(&e, &owned);
            let statement = datafusion::sql::parser::Statement::Statement(asked);
            let plan = state.statement_to_plan(statement).await.map_err(told)?;
            crate::allowed::check(&plan)?;
            let mut parameters: Vec<_> = plan.get_parameter_types().map_err(told)?.into_iter().collect();
            parameters.sort_by_key(|(name, _)| name.trim_start_matches('$').parse().unwrap_or(usize::MAX));
            let types = parameters.into_iter().map(|(_, data_type)| data_type).collect();
            Ok((types, Arc::new(plan.schema().as_arrow().clone())))
        };
        let (parameters, schema) = self.shared.engine.on_its_threads(planning).await?;
        Ok(Prepared { ast, text: text.into(), command: None, parameters, schema: shown_schema(&schema) })
    }

    /// `PREPARE`: it is checked now and planned anew each time it runs.
    async fn name(&self, name: String, ast: Box<Ast>, text: &str) -> Result<Response, SqlError> {
        self.describe(ast.clone(), text).await?;
        let mut named = self.named.lock().unwrap_or_else(|e| e.into_inner());
        if named.len() >= NAMED_MAX {
            let said = format!("{NAMED_MAX} statements are prepared already; DEALLOCATE one first");
            return Err(SqlError::new(ErrorKind::TooLarge, said));
        }
        named.insert(name, ast);
        Ok(Response::Execution(Tag::new("PREPARE")))
    }

    /// `EXECUTE`: with constants for its parameters.
    async fn run_named(&self, name: &str, with: &[Expr], text: &str) -> Result<Response, SqlError> {
        let ast = self.named.lock().unwrap_or_else(|e| e.into_inner()).get(name).cloned();
        let ast = ast.ok_or_else(|| {
            SqlError::new(ErrorKind::NotFound, format!("no statement of the name {name:?} was prepared"))
        })?;
        let values = with.iter().map(constant).collect::<Result<Vec<_>, _>>()?;
        let values = (!values.is_empty()).then(|| ParamValues::from(values));
        self.ask(ast, text.into(), values, &Format::UnifiedText).await
    }

    async fn answer(&self, statement: Ast, text: &str) -> Result<Response, SqlError> {
        match statement {
            Ast::Prepare { name, statement, .. } => self.name(name.value, statement, text).await,
            Ast::Execute { name: Some(name), parameters, .. } => {
                self.run_named(&name.to_string(), &parameters, text).await
            }
            Ast::Deallocate { name, .. } => {
                let mut named = self.named.lock().unwrap_or_else(|e| e.into_inner());
                named.retain(|known, _| name.value != "ALL" && *known != name.value);
                Ok(Response::Execution(Tag::new("DEALLOCATE")))
            }
            other => self.ask(Box::new(other), text.into(), None, &Format::UnifiedText).await,
        }
    }

    fn told(&self, e: SqlError, text: &str) -> PgWireError {
        if let Some(bound) = e.bound {
            self.shared.host.hit(bound, &e.message);
        }
        told(&e, text)
    }
}

/// A constant in the text of `EXECUTE`.
fn constant(expr: &Expr) -> Result<ScalarValue, SqlError> {
    let number = |text: &str| {
        text.parse()
            .map(|n| ScalarValue::Int64(Some(n)))
            .or_else(|_| text.parse().map(|n| ScalarValue::Float64(Some(n))))
    };
    let found = match expr {
        Expr::Value(v) => match &v.value {
            Value::Number(text, _) => number(text).ok(),
            Value::SingleQuotedString(text) => Some(ScalarValue::Utf8(Some(text.clone()))),
            Value::Boolean(v) => Some(ScalarValue::Boolean(Some(*v))),
            Value::Null => Some(ScalarValue::Null),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match constant(expr)? {
            ScalarValue::Int64(Some(n)) => n.checked_neg().map(|n| ScalarValue::Int64(Some(n))),
            ScalarValue::Float64(Some(n)) => Some(ScalarValue::Float64(Some(-n))),
            _ => None,
        },
        _ => None,
    };
    found.ok_or_else(|| SqlError::new(ErrorKind::Invalid, "parameters of EXECUTE are constants"))
}

/// An error as the protocol has it; places are counted in characters from 1.
fn told(e: &SqlError, text: &str) -> PgWireError {
    let mut info = ErrorInfo::new("ERROR".into(), e.code.into(), e.message.clone());
    info.hint.clone_from(&e.hint);
    info.position =
        e.position.and_then(|(start, _)| Some((text.get(..start)?.chars().count() + 1).to_string()));
    PgWireError::UserError(Box::new(info))
}

enum Part {
    Fields(Arc<Vec<FieldInfo>>),
    Rows(Vec<DataRow>),
    Error(SqlError),
}

/// Stops waiting for a query that nobody reads any more.
struct Ends(tokio::task::JoinHandle<()>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

type Streamed = (mpsc::Receiver<Part>, Ends, std::vec::IntoIter<DataRow>);

async fn next_row((mut parts, guard, mut rows): Streamed) -> Option<(PgWireResult<DataRow>, Streamed)> {
    loop {
        if let Some(row) = rows.next() {
            return Some((Ok(row), (parts, guard, rows)));
        }
        match parts.recv().await? {
            Part::Rows(more) => rows = more.into_iter(),
            Part::Error(e) => return Some((Err(told(&e, "")), (parts, guard, rows))),
            Part::Fields(_) => {}
        }
    }
}

/// A query on a thread that may block.
struct Running {
    shared: Arc<Postgres>,
    catalog: Arc<Catalog>,
    cancelled: Arc<AtomicBool>,
    format: Format,
    sender: mpsc::Sender<Part>,
}

impl Running {
    fn run(self, ast: Box<Ast>, text: String, values: Option<ParamValues>, stop: Stop) {
        if let Err(mut e) = self.rows(ast, text, values, &stop) {
            if e.kind == ErrorKind::Cancelled && self.cancelled.load(Relaxed) {
                e = SqlError {
                    bound: None,
                    ..SqlError::new(ErrorKind::Cancelled, "the query was cancelled on request")
                };
            }
            if let Some(bound) = e.bound {
                self.shared.host.hit(bound, &e.message);
            }
            let _ = self.sender.blocking_send(Part::Error(e));
        }
    }

    fn rows(
        &self,
        ast: Box<Ast>,
        text: String,
        values: Option<ParamValues>,
        stop: &Stop,
    ) -> Result<(), SqlError> {
        let (host, engine) = (&self.shared.host, &self.shared.engine);
        let (inner, cancelled, gone) = (stop.clone(), self.cancelled.clone(), self.sender.clone());
        let stop: Stop = Arc::new(move || inner() || cancelled.load(Relaxed) || gone.is_closed());
        let state = self.catalog.session(&engine.session(&host.sources(&stop), &host.limits())?)?;
        let mut rows = engine.start_in(state, Asked::Statement { ast, values, text }, &*stop)?;
        let schema = shown_schema(rows.schema());
        enough_formats(&self.format, &schema)?;
        let fields = arrow_schema_to_pg_fields(&schema, &self.format, None).map_err(unknown_type)?;
        let fields = Arc::new(fields);
        if self.sender.blocking_send(Part::Fields(fields.clone())).is_err() {
            return Ok(());
        }
        let bounds = host.bounds();
        let (mut count, mut bytes) = (0, 0);
        while let Some(batch) = rows.next(&*stop)? {
            for start in (0..batch.num_rows()).step_by(PART_ROWS) {
                let part = batch.slice(start, PART_ROWS.min(batch.num_rows() - start));
                let encoded = encode_recordbatch(fields.clone(), shown(&part, &schema)?);
                let encoded = encoded.collect::<PgWireResult<Vec<DataRow>>>().map_err(unknown_type)?;
                count += encoded.len();
                bytes += encoded.iter().map(|row| row.data.len()).sum::<usize>();
                answer::within(count, bytes, &bounds)?;
                if self.sender.blocking_send(Part::Rows(encoded)).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// A client says for all columns at once how it wants them, or for each.
fn enough_formats(format: &Format, schema: &SchemaRef) -> Result<(), SqlError> {
    let columns = schema.fields().len();
    match format {
        Format::Individual(formats) if formats.len() != columns => {
            let said =
                format!("the answer has {columns} columns, and formats are given for {}", formats.len());
            Err(SqlError::new(ErrorKind::Invalid, said))
        }
        _ => Ok(()),
    }
}

fn unknown_type(e: PgWireError) -> SqlError {
    SqlError::new(ErrorKind::Invalid, format!("a column has a type that PostgreSQL's protocol does not: {e}"))
        .hint("Make a text of it with to_json(column).")
}

fn is_shown_as_json(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Map(..)) || into_pg_type(data_type).is_err()
}

/// Types that the protocol lacks are texts of JSON.
fn shown_schema(schema: &SchemaRef) -> SchemaRef {
    let field = |field: &Arc<Field>| match is_shown_as_json(field.data_type()) {
        true => Arc::new(Field::new(field.name(), DataType::Utf8, true)),
        false => field.clone(),
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

fn shown(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, SqlError> {
    let column = |column: &ArrayRef| -> Result<ArrayRef, SqlError> {
        Ok(match is_shown_as_json(column.data_type()) {
            true => Arc::new(answer::json_column(column)?),
            false => column.clone(),
        })
    };
    let columns = batch.columns().iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
        .map_err(|e| SqlError::of(&e.into(), ""))
}

fn respond(command: Command) -> PgWireResult<Response> {
    Ok(match command {
        Command::Done(tag) => Response::Execution(Tag::new(tag)),
        Command::Begin => Response::TransactionStart(Tag::new("BEGIN")),
        Command::End(tag) => Response::TransactionEnd(Tag::new(tag)),
        Command::Show(name, value) => {
            let fields = Arc::new(vec![FieldInfo::new(name, None, None, Type::TEXT, FieldFormat::Text)]);
            let mut encoder = DataRowEncoder::new(fields.clone());
            encoder.encode_field(&Some(value.as_str()))?;
            let row = Ok(encoder.take_row());
            Response::Query(QueryResponse::new(fields, futures::stream::iter([row])))
        }
    })
}

#[async_trait]
impl NoopStartupHandler for Session {
    async fn post_startup<C>(&self, client: &mut C, _message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let (pid, secret) = client.pid_and_secret_key();
        let key = (pid, secret.to_bytes().to_vec());
        let mut running = self.shared.running.lock().unwrap_or_else(|e| e.into_inner());
        running.insert(key.clone(), self.cancelled.clone());
        *self.key.lock().unwrap_or_else(|e| e.into_inner()) = Some(key);
        Ok(())
    }
}

#[async_trait]
impl CancelHandler for Session {
    async fn on_cancel_request(&self, request: CancelRequest) {
        let key = (request.pid, request.secret_key.to_bytes().to_vec());
        if let Some(cancelled) = self.shared.running.lock().unwrap_or_else(|e| e.into_inner()).get(&key) {
            cancelled.store(true, Relaxed);
        }
    }
}

#[async_trait]
impl SimpleQueryHandler for Session {
    async fn do_query<C>(&self, _client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statements = self.parse(query).map_err(|e| self.told(e, query))?;
        // Each holds its place in the queue until its rows are read: one after the other only.
        let questions = statements.iter().filter(|s| matches!(commands::of(s), Ok(None))).count();
        if questions > 1 {
            let e =
                SqlError::new(ErrorKind::Invalid, "one question at a time; send them one after the other");
            return Err(self.told(e, query));
        }
        let mut responses = Vec::new();
        for statement in statements {
            responses.push(match commands::of(&statement).map_err(|e| self.told(e, query))? {
                Some(command) => respond(command)?,
                None => self.answer(statement, query).await.map_err(|e| self.told(e, query))?,
            });
        }
        Ok(if responses.is_empty() { vec![Response::EmptyQuery] } else { responses })
    }
}

#[async_trait]
impl QueryParser for Session {
    type Statement = Prepared;

    async fn parse_sql<C>(
        &self,
        _client: &C,
        sql: &str,
        _types: &[Option<Type>],
    ) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let mut statements = self.parse(sql).map_err(|e| self.told(e, sql))?;
        if statements.len() > 1 {
            let e = SqlError::new(ErrorKind::Invalid, "a prepared statement is one statement");
            return Err(self.told(e, sql));
        }
        let Some(statement) = statements.pop() else { return Ok(None) };
        self.describe(Box::new(statement), sql).await.map(Some).map_err(|e| self.told(e, sql))
    }

    fn get_parameter_types(&self, statement: &Prepared) -> PgWireResult<Vec<Type>> {
        let one = |t: &Option<DataType>| t.as_ref().map_or(Ok(Type::UNKNOWN), into_pg_type);
        statement.parameters.iter().map(one).collect()
    }

    fn get_result_schema(
        &self,
        statement: &Prepared,
        format: Option<&Format>,
    ) -> PgWireResult<Vec<FieldInfo>> {
        if let Some(Command::Show(name, _)) = &statement.command {
            return Ok(vec![FieldInfo::new(name.clone(), None, None, Type::TEXT, FieldFormat::Text)]);
        }
        let format = format.unwrap_or(&Format::UnifiedText);
        enough_formats(format, &statement.schema).map_err(|e| self.told(e, ""))?;
        arrow_schema_to_pg_fields(&statement.schema, format, None)
    }
}

/// The parser of prepared statements is the session itself.
#[async_trait]
impl ExtendedQueryHandler for Session {
    type Statement = Prepared;
    type QueryParser = Session;

    fn query_parser(&self) -> Arc<Session> {
        Arc::new(Session::new(self.shared.clone()))
    }

    async fn on_execute<C>(&self, client: &mut C, mut message: Execute) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        // Memory is taken for as many rows as the client says.
        if !(0..=FETCH_MAX).contains(&message.max_rows) {
            message.max_rows = 0;
        }
        self._on_execute(client, message).await
    }

    async fn do_query<C>(
        &self,
        _client: &mut C,
        portal: &Portal<Prepared>,
        _max_rows: usize,
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let prepared = &portal.statement.statement;
        if let Some(command) = prepared.command.clone() {
            return respond(command);
        }
        let types: Vec<Option<&DataType>> = prepared.parameters.iter().map(Option::as_ref).collect();
        let values = match types.is_empty() {
            true => None,
            false => Some(df::deserialize_parameters(portal, &types)?),
        };
        let asked =
            self.ask(prepared.ast.clone(), prepared.text.clone(), values, &portal.result_column_format);
        asked.await.map_err(|e| self.told(e, &prepared.text))
    }
}
