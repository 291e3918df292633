//! Redis: the cache of the catalogue, carts, and the queue of jobs. It must never fail a request that can do without.

use crate::shop::{Fault, Shop};
use crate::telemetry::Telemetry;
use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue};
use redis::FromRedisValue;
use redis::aio::ConnectionManager;
use std::time::Instant;

/// A connection to Redis that comes back by itself.
pub struct Cache {
    connection: ConnectionManager,
}

impl Cache {
    /// Connects to `redis://ADDRESS`.
    pub async fn connect(address: &str) -> Result<Cache, redis::RedisError> {
        let client = redis::Client::open(format!("redis://{address}"))?;
        Ok(Cache { connection: client.get_connection_manager().await? })
    }

    /// One command, with a span and a measured duration.
    pub async fn run<T: FromRedisValue>(
        &self,
        shop: &Shop,
        cx: &Context,
        command: &'static str,
        args: &[&str],
    ) -> Result<T, Fault> {
        let attributes = vec![
            KeyValue::new("db.system.name", "redis"),
            KeyValue::new("db.operation.name", command),
            KeyValue::new("db.query.text", format!("{command} {}", args.first().unwrap_or(&""))),
        ];
        let span = shop.telemetry.span(cx, command.to_string(), SpanKind::Client, attributes);
        let begun = Instant::now();
        let mut connection = self.connection.clone();
        let result = redis::cmd(command).arg(args).query_async::<T>(&mut connection).await;
        let labels = [KeyValue::new("db.system.name", "redis"), KeyValue::new("db.operation.name", command)];
        shop.telemetry.asked.record(begun.elapsed().as_secs_f64(), &labels);
        let result = result.map_err(|e| Fault::new(502, format!("Redis: {e} ({command})")));
        Telemetry::end(&span, result.as_ref().err().map(|f| f.message.as_str()));
        result
    }
}
