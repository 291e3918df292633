//! From a text to rows: parse, plan, check, run, on threads of its own with large stacks, within a pool of memory for each
//! query. Every query gets a session of its own over the state that it was given, so that nothing one does reaches another.
//! It must never touch a disk: nothing spills, no file format and no place outside is registered.

use crate::{SqlError, allowed, functions, guard, promql, tables};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;
use stdx::{Error, ErrorKind};
use tokio::sync::mpsc;

/// The catalogue and the schema in which the tables are.
pub const CATALOG: &str = "midwatch";
/// As in PostgreSQL.
pub const SCHEMA: &str = "public";
/// Batches that may wait for whoever takes the rows.
const BATCHES_WAITING: usize = 2;
/// Stack of a thread: plans are walked by recursion. Memory is taken for what is used of it.
const STACK_BYTES: usize = 64 << 20;
/// How often the caller is asked whether to stop.
const STOP_PERIOD: Duration = Duration::from_millis(25);

/// What queries read.
#[derive(Clone)]
pub struct Sources {
    /// The samples, as they are now.
    pub view: Arc<store::View>,
    /// Logs, spans and changes.
    pub tables: store::tables::Tables,
    /// How PromQL inside SQL is evaluated; its limits hold for tables of samples too.
    pub promql: query::QueryOptions,
    /// The instant that is `now()`, in PromQL too, milliseconds since 1970.
    pub now_ms: i64,
}

/// What one query may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Memory of sorting, grouping and joining, in bytes.
    pub memory_bytes_max: usize,
    /// Bytes of the text.
    pub text_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { memory_bytes_max: 1 << 30, text_bytes_max: 64 << 10 }
    }
}

/// A value for `$1`, `$2` ...
#[derive(Clone, Debug, PartialEq)]
pub enum Parameter {
    /// NULL.
    Null,
    /// TRUE or FALSE.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(String),
}

/// A question.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// One statement.
    pub text: String,
    /// Values of its parameters.
    pub parameters: Vec<Parameter>,
}

/// Runs queries. One for the process.
pub struct Engine {
    runtime: Option<tokio::runtime::Runtime>,
    threads: usize,
    /// Made by the first query: making it runs through all functions there are, which brings tens of megabytes of the
    /// program into memory that whoever never asks in SQL does not need.
    template: OnceLock<SessionState>,
}

impl Engine {
    /// An engine with so many threads.
    ///
    /// # Errors
    /// `Unavailable` if threads cannot be started.
    pub fn new(threads: usize) -> stdx::Result<Engine> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("midwatch-sql")
            .thread_stack_size(STACK_BYTES)
            .enable_time()
            .build()
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "cannot start threads for SQL", e))?;
        Ok(Engine { runtime: Some(runtime), threads: threads.max(1), template: OnceLock::new() })
    }

    fn runtime(&self) -> &tokio::runtime::Handle {
        self.runtime
            .as_ref()
            .map(tokio::runtime::Runtime::handle)
            .expect("it is there until the engine is dropped")
    }

    /// A session over some sources; what is planned in it sees these and no others.
    pub(crate) fn session(&self, sources: &Sources, limits: &Limits) -> Result<SessionState, SqlError> {
        let broken = |e| SqlError::of(&e, "");
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(limits.memory_bytes_max)))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .build_arc()
            .map_err(broken)?;
        // The engine knows the local disk by default; then it knows no place at all.
        let disk = datafusion::execution::object_store::ObjectStoreUrl::local_filesystem();
        environment.deregister_object_store(disk.as_ref()).map_err(broken)?;
        let schema = MemorySchemaProvider::new();
        for (name, table) in tables::all(sources) {
            schema.register_table(name.into(), table).map_err(broken)?;
        }
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, Arc::new(schema)).map_err(broken)?;
        let list = datafusion::catalog::MemoryCatalogProviderList::new();
        datafusion::catalog::CatalogProviderList::register_catalog(&list, CATALOG.into(), Arc::new(catalog));
        let mut state = SessionStateBuilder::new_from_existing(self.template().clone())
            .with_runtime_env(environment)
            .with_catalog_list(Arc::new(list))
            .build();
        let now = datafusion::arrow::temporal_conversions::timestamp_ms_to_datetime(sources.now_ms);
        state.execution_props_mut().query_execution_start_time = now.map(|at| at.and_utc());
        state.register_udtf("promql", Arc::new(promql::Function::new(sources.clone())));
        Ok(state)
    }

    /// Plans and starts a query. `stop` is asked often.
    ///
    /// Call it, and what it gives, where threads may block.
    ///
    /// # Errors
    /// Whatever is wrong with the text; `Cancelled` if `stop` says so.
    pub fn start(
        &self,
        query: &Query,
        sources: &Sources,
        limits: &Limits,
        stop: &dyn Fn() -> bool,
    ) -> Result<Rows, SqlError> {
        allowed::text(&query.text, limits.text_bytes_max)?;
        self.start_in(self.session(sources, limits)?, Asked::Text(query.clone()), stop)
    }

    /// As [`Engine::start`], in a session of this engine.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn start_in(
        &self,
        state: SessionState,
        asked: Asked,
        stop: &dyn Fn() -> bool,
    ) -> Result<Rows, SqlError> {
        self.spawn(stop, move |sender| async move {
            let plan = plan(&state, &asked).await?;
            run(state, plan, asked.text(), sender).await
        })
    }

    /// What all sessions share.
    pub(crate) fn template(&self) -> &SessionState {
        self.template.get_or_init(|| template(self.threads))
    }

    fn spawn<F>(
        &self,
        stop: &dyn Fn() -> bool,
        work: impl FnOnce(mpsc::Sender<Part>) -> F,
    ) -> Result<Rows, SqlError>
    where
        F: Future<Output = Result<(), SqlError>> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
        let last = sender.clone();
        let work = work(sender);
        let task = self.runtime().spawn(async move {
            if let Err(e) = work.await {
                let _ = last.send(Part::Error(e)).await;
            }
        });
        let mut rows = Rows {
            schema: Arc::new(datafusion::arrow::datatypes::Schema::empty()),
            receiver,
            runtime: self.runtime().clone(),
            task: Some(task),
        };
        match rows.wait(stop)? {
            Some(Part::Schema(schema)) => rows.schema = schema,
            Some(Part::Error(e)) => return Err(e),
            Some(Part::Batch(_)) | None => return Err(rows.broken()),
        }
        Ok(rows)
    }

    /// Does something of this engine's on its own threads, whose stacks are large.
    pub(crate) async fn on_its_threads<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, SqlError>> + Send + 'static,
    ) -> Result<T, SqlError> {
        let broken =
            |_| SqlError::new(ErrorKind::Internal, "planning failed inside; this is a bug worth reporting");
        self.runtime().spawn(work).await.map_err(broken)?
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It may be dropped where nothing may block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

enum Part {
    Schema(SchemaRef),
    Batch(RecordBatch),
    Error(SqlError),
}

/// The rows of a running query. Dropping it ends the query.
pub struct Rows {
    schema: SchemaRef,
    receiver: mpsc::Receiver<Part>,
    runtime: tokio::runtime::Handle,
    task: Option<tokio::task::JoinHandle<()>>,
}

/// Wakes a thread that waits for rows.
struct Unpark(std::thread::Thread);

impl futures::task::ArcWake for Unpark {
    fn wake_by_ref(this: &Arc<Unpark>) {
        this.0.unpark();
    }
}

impl Rows {
    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next rows, or none at the end. Blocks; `stop` is asked often.
    ///
    /// # Errors
    /// What went wrong while it ran; `Cancelled` if `stop` says so.
    pub fn next(&mut self, stop: &dyn Fn() -> bool) -> Result<Option<RecordBatch>, SqlError> {
        match self.wait(stop)? {
            Some(Part::Batch(batch)) => Ok(Some(batch)),
            Some(Part::Error(e)) => Err(e),
            Some(Part::Schema(_)) => Err(self.broken()),
            None => self.ended(),
        }
    }

    fn wait(&mut self, stop: &dyn Fn() -> bool) -> Result<Option<Part>, SqlError> {
        loop {
            if stop() {
                self.end();
                return Err(SqlError::new(
                    ErrorKind::Cancelled,
                    "the query took longer than it may and was stopped; take a shorter time range or fewer rows, or raise \
                     query.timeout",
                )
                .bound("query.timeout"));
            }
            // The engine's threads may all be busy with plans, and then its timers rest: this thread waits by itself.
            let waker = futures::task::waker(Arc::new(Unpark(std::thread::current())));
            match self.receiver.poll_recv(&mut std::task::Context::from_waker(&waker)) {
                Poll::Ready(part) => return Ok(part),
                Poll::Pending => std::thread::park_timeout(STOP_PERIOD),
            }
        }
    }

    /// The channel is closed at the end of the task, be it a good one.
    fn ended(&mut self) -> Result<Option<RecordBatch>, SqlError> {
        match self.task.take().map(|task| self.runtime.block_on(task)) {
            None | Some(Ok(())) => Ok(None),
            Some(Err(_)) => Err(self.broken()),
        }
    }

    fn end(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    fn broken(&self) -> SqlError {
        SqlError::new(ErrorKind::Internal, "the query failed inside; this is a bug worth reporting")
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.end();
    }
}

/// A question, as it came.
pub(crate) enum Asked {
    /// A text.
    Text(Query),
    /// A statement that was read from a text.
    Statement {
        /// What was read.
        ast: Box<datafusion::sql::sqlparser::ast::Statement>,
        /// Values of its parameters.
        values: Option<ParamValues>,
        /// The text, for places in errors.
        text: String,
    },
}

impl Asked {
    fn text(&self) -> &str {
        match self {
            Asked::Text(query) => &query.text,
            Asked::Statement { text, .. } => text,
        }
    }
}

/// A plan that may run, with its parameters filled in.
async fn plan(state: &SessionState, asked: &Asked) -> Result<LogicalPlan, SqlError> {
    let told = |e| SqlError::of(&e, asked.text());
    let (statement, values) = match asked {
        Asked::Text(query) => {
            let dialect = state.config_options().sql_parser.dialect;
            let statement = state.sql_to_statement(&query.text, &dialect).map_err(told)?;
            (statement, (!query.parameters.is_empty()).then(|| values(&query.parameters)))
        }
        Asked::Statement { ast, values, .. } => {
            (datafusion::sql::parser::Statement::Statement(ast.clone()), values.clone())
        }
    };
    let plan = state.statement_to_plan(statement).await.map_err(told)?;
    allowed::check(&plan)?;
    match values {
        Some(values) => plan.with_param_values(values).map_err(told),
        None => Ok(plan),
    }
}

fn values(parameters: &[Parameter]) -> ParamValues {
    let one = |p: &Parameter| match p {
        Parameter::Null => ScalarValue::Null,
        Parameter::Bool(v) => ScalarValue::Boolean(Some(*v)),
        Parameter::Int(v) => ScalarValue::Int64(Some(*v)),
        Parameter::Float(v) => ScalarValue::Float64(Some(*v)),
        Parameter::Text(v) => ScalarValue::Utf8(Some(v.clone())),
    };
    ParamValues::from(parameters.iter().map(one).collect::<Vec<_>>())
}

/// Runs a plan that was checked: the one door to execution, so it checks again.
async fn run(
    state: SessionState,
    plan: LogicalPlan,
    text: &str,
    sender: mpsc::Sender<Part>,
) -> Result<(), SqlError> {
    let told = |e| SqlError::of(&e, text);
    allowed::check(&plan)?;
    let physical = state.create_physical_plan(&plan).await.map_err(told)?;
    let mut stream = execute_stream(yielding(physical).map_err(told)?, state.task_ctx()).map_err(told)?;
    if sender.send(Part::Schema(stream.schema())).await.is_err() {
        return Ok(());
    }
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(told)?;
        if batch.num_rows() > 0 && sender.send(Part::Batch(batch)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The same plan with a pause after each batch of every operator that can make many rows of few. The engine pauses where rows come
/// from; a product of small tables would read those once and then run, without a place where it could be ended.
fn yielding(plan: Arc<dyn ExecutionPlan>) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
    let paused = plan.transform_up(|node| {
        let multiplies =
            matches!(node.cardinality_effect(), CardinalityEffect::Unknown | CardinalityEffect::GreaterEqual);
        Ok(match multiplies && !node.children().is_empty() {
            true => Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>),
            false => Transformed::no(node),
        })
    });
    paused.map(|done| done.data)
}

/// What all sessions share: functions and settings, and neither files nor tables.
fn template(threads: usize) -> SessionState {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true)
        .with_target_partitions(threads);
    let options = config.options_mut();
    options.sql_parser.dialect = datafusion::config::Dialect::PostgreSQL;
    options.sql_parser.collect_spans = true;
    options.execution.time_zone = Some("UTC".into());
    SessionStateBuilder::new()
        .with_config(config)
        .with_expr_planners(guard::planners())
        .with_scalar_functions(guard::scalar_functions(functions::scalar()))
        .with_higher_order_functions(SessionStateDefaults::default_higher_order_functions())
        .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .with_table_function_list(SessionStateDefaults::default_table_functions())
        .build()
}
