//! What tools ask PostgreSQL's catalogue for: `pg_catalog` with our tables in it, and the functions that go with it. Made once,
//! so that the numbers of objects stay the same from one query to the next.

use crate::engine::{CATALOG, SCHEMA};
use crate::{SqlError, tables};
use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider};
use datafusion::catalog::{MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider};
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::TableType;
use datafusion::prelude::SessionContext;
use datafusion_pg_catalog::pg_catalog::catalog_info::CatalogInfo;
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::{PgCatalogSchemaProvider, PgCatalogStaticTables};
use datafusion_pg_catalog::setup_pg_catalog;
use std::sync::Arc;

/// The catalogue and a state with its functions.
pub struct Catalog {
    schema: Arc<dyn SchemaProvider>,
    template: SessionState,
}

/// Our tables, by their columns alone.
#[derive(Clone, Debug)]
struct Ours(Arc<Vec<(String, SchemaRef)>>);

impl Catalog {
    /// From the tables of a session.
    ///
    /// # Errors
    /// `Internal`.
    pub fn new(template: &SessionState, sources: &crate::Sources) -> Result<Catalog, SqlError> {
        let told = |e: DataFusionError| SqlError::of(&e, "");
        let ours = tables::all(sources).into_iter().map(|(name, table)| (name.to_string(), table.schema()));
        let ours = Ours(Arc::new(ours.collect()));
        let static_tables = Arc::new(PgCatalogStaticTables::try_new().map_err(told)?);
        let schema =
            PgCatalogSchemaProvider::try_new(ours, static_tables, EmptyContextProvider).map_err(told)?;
        // The functions come with a set-up of the whole; its own catalogue is thrown away.
        let list = MemoryCatalogProviderList::new();
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, Arc::new(MemorySchemaProvider::new())).map_err(told)?;
        list.register_catalog(CATALOG.into(), Arc::new(catalog));
        let state =
            SessionStateBuilder::new_from_existing(template.clone()).with_catalog_list(Arc::new(list));
        let context = SessionContext::new_with_state(state.build());
        setup_pg_catalog(&context, CATALOG, EmptyContextProvider).map_err(|e| told(*e))?;
        Ok(Catalog { schema: Arc::new(schema), template: context.state() })
    }

    /// A session that has this catalogue besides.
    ///
    /// # Errors
    /// `Internal`.
    pub fn session(&self, plain: &SessionState) -> Result<SessionState, SqlError> {
        let told = |e: DataFusionError| SqlError::of(&e, "");
        let list = plain.catalog_list().clone();
        if let Some(catalog) = list.catalog(CATALOG) {
            catalog.register_schema("pg_catalog", self.schema.clone()).map_err(told)?;
        }
        let mut state = SessionStateBuilder::new_from_existing(self.template.clone())
            .with_runtime_env(plain.runtime_env().clone())
            .with_catalog_list(list)
            .build();
        state.execution_props_mut().query_execution_start_time =
            plain.execution_props().query_execution_start_time;
        if let Some(promql) = plain.table_functions().get("promql") {
            state.register_udtf("promql", promql.function().clone());
        }
        Ok(state)
    }
}

#[async_trait]
impl CatalogInfo for Ours {
    async fn catalog_names(&self) -> Result<Vec<String>, DataFusionError> {
        Ok(vec![CATALOG.into()])
    }

    async fn schema_names(&self, catalog: &str) -> Result<Option<Vec<String>>, DataFusionError> {
        let names = ["pg_catalog", "information_schema", SCHEMA];
        Ok((catalog == CATALOG).then(|| names.map(String::from).into()))
    }

    async fn table_names(
        &self,
        _catalog: &str,
        schema: &str,
    ) -> Result<Option<Vec<String>>, DataFusionError> {
        Ok(Some(match schema == SCHEMA {
            true => self.0.iter().map(|(name, _)| name.clone()).collect(),
            false => Vec::new(),
        }))
    }

    async fn table_schema(
        &self,
        _catalog: &str,
        _schema: &str,
        table: &str,
    ) -> Result<Option<SchemaRef>, DataFusionError> {
        Ok(self.0.iter().find(|(name, _)| name == table).map(|(_, schema)| schema.clone()))
    }

    async fn table_type(
        &self,
        _catalog: &str,
        _schema: &str,
        _table: &str,
    ) -> Result<Option<TableType>, DataFusionError> {
        Ok(Some(TableType::Base))
    }
}
