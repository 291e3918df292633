//! A pool of connections to PostgreSQL, small on purpose. It must never wait without end for a connection.

use crate::shop::{Fault, Shop};
use crate::telemetry::Telemetry;
use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row, Statement};

/// How long a request waits for a connection.
const WAIT_MS: u64 = 1_000;

/// Connections to one server.
pub struct Pool {
    dsn: String,
    size: usize,
    free: Semaphore,
    idle: Mutex<Vec<Conn>>,
    leaking: AtomicBool,
    leaked: Mutex<Vec<Conn>>,
    waiting: AtomicU64,
}

struct Conn {
    client: Client,
    statements: HashMap<String, Statement>,
}

impl Pool {
    /// Connects when first asked.
    pub fn new(dsn: String, size: usize) -> Pool {
        Pool {
            dsn,
            size,
            free: Semaphore::new(size),
            idle: Mutex::default(),
            leaking: AtomicBool::new(false),
            leaked: Mutex::default(),
            waiting: AtomicU64::new(0),
        }
    }

    /// Connections that nobody has.
    pub fn free(&self) -> usize {
        self.free.available_permits()
    }

    /// All connections, and requests that wait for one.
    pub fn size_and_waiting(&self) -> (usize, u64) {
        (self.size, self.waiting.load(Ordering::Relaxed))
    }

    /// The fault `pool-exhaustion`: connections are not given back; when it ends, all are.
    pub fn leak(&self, on: bool) {
        self.leaking.store(on, Ordering::Relaxed);
        if !on && let (Ok(mut leaked), Ok(mut idle)) = (self.leaked.lock(), self.idle.lock()) {
            self.free.add_permits(leaked.len());
            idle.append(&mut leaked);
        }
    }

    /// Rows of a query, with a span and a measured duration. `operation` is its short name: `select orders`.
    pub async fn query(
        &self,
        shop: &Shop,
        cx: &Context,
        operation: &'static str,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fault> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let permit = tokio::time::timeout(Duration::from_millis(WAIT_MS), self.free.acquire()).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let Ok(Ok(permit)) = permit else {
            let message = format!(
                "no connection of the pool became free in {WAIT_MS} ms: all {} are in use",
                self.size
            );
            return Err(Fault::new(503, message));
        };
        let attributes = vec![
            KeyValue::new("db.system.name", "postgresql"),
            KeyValue::new("db.operation.name", operation),
            KeyValue::new("db.query.text", sql.to_string()),
        ];
        let span = shop.telemetry.span(cx, operation.to_string(), SpanKind::Client, attributes);
        let begun = Instant::now();
        let result = self.run(sql, params).await;
        let labels =
            [KeyValue::new("db.system.name", "postgresql"), KeyValue::new("db.operation.name", operation)];
        shop.telemetry.asked.record(begun.elapsed().as_secs_f64(), &labels);
        let result = match result {
            Ok((rows, conn)) => {
                if self.leaking.load(Ordering::Relaxed) {
                    permit.forget();
                    self.leaked.lock().expect("no holder panics").push(conn);
                } else {
                    self.idle.lock().expect("no holder panics").push(conn);
                }
                Ok(rows)
            }
            Err(e) => {
                let reason = e.as_db_error().map_or_else(|| e.to_string(), |d| d.message().to_string());
                Err(Fault::new(500, format!("PostgreSQL: {reason} ({operation})")))
            }
        };
        Telemetry::end(&span, result.as_ref().err().map(|f| f.message.as_str()));
        result
    }

    /// A connection on which a query failed is not used again.
    async fn run(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<(Vec<Row>, Conn), tokio_postgres::Error> {
        let kept = self.idle.lock().expect("no holder panics").pop();
        let mut conn = match kept {
            Some(conn) if !conn.client.is_closed() => conn,
            _ => self.connect().await?,
        };
        let statement = match conn.statements.get(sql) {
            Some(statement) => statement.clone(),
            None => {
                let statement = conn.client.prepare(sql).await?;
                conn.statements.insert(sql.to_string(), statement.clone());
                statement
            }
        };
        let rows = conn.client.query(&statement, params).await?;
        Ok((rows, conn))
    }

    async fn connect(&self) -> Result<Conn, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.dsn, NoTls).await?;
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Conn { client, statements: HashMap::new() })
    }
}
