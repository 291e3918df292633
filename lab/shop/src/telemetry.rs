//! Traces, logs and metrics by OpenTelemetry's SDK to wherever `OTEL_EXPORTER_OTLP_ENDPOINT` says; log lines also to
//! standard output as JSON. It must never make a request wait: a receiver that is away costs telemetry, nothing else.

use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider, UpDownCounter};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Bounds of the histograms of durations in seconds: finer at the short end than the SDK's own.
const SECONDS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0];

/// What a process tells about itself.
pub struct Telemetry {
    service: String,
    tracer: SdkTracer,
    logger: SdkLogger,
    traces: SdkTracerProvider,
    logs: SdkLoggerProvider,
    metrics: SdkMeterProvider,
    /// For instruments of one role.
    pub meter: Meter,
    /// `http.server.request.duration` in seconds.
    pub served: Histogram<f64>,
    /// `http.server.active_requests`.
    pub active: UpDownCounter<i64>,
    /// `http.client.request.duration` in seconds.
    pub called: Histogram<f64>,
    /// `db.client.operation.duration` in seconds, for PostgreSQL and Redis.
    pub asked: Histogram<f64>,
    /// `shop.retries`.
    pub retries: Counter<u64>,
    lines: AtomicU64,
}

fn exporters() -> Result<(SpanExporter, LogExporter, MetricExporter), opentelemetry_otlp::ExporterBuildError>
{
    let grpc = std::env::var("OTEL_EXPORTER_OTLP_PROTOCOL").is_ok_and(|p| p == "grpc");
    Ok(if grpc {
        (
            SpanExporter::builder().with_tonic().build()?,
            LogExporter::builder().with_tonic().build()?,
            MetricExporter::builder().with_tonic().build()?,
        )
    } else {
        (
            SpanExporter::builder().with_http().build()?,
            LogExporter::builder().with_http().build()?,
            MetricExporter::builder().with_http().build()?,
        )
    })
}

impl Telemetry {
    /// Begins to export, with threads of its own.
    pub fn start(service: &str, version: &str, instance: &str) -> Telemetry {
        let resource = Resource::builder()
            .with_service_name(service.to_string())
            .with_attributes([
                KeyValue::new("service.version", version.to_string()),
                KeyValue::new("service.instance.id", instance.to_string()),
                KeyValue::new("deployment.environment.name", "lab"),
                KeyValue::new("process.pid", i64::from(std::process::id())),
            ])
            .build();
        let mut traces = SdkTracerProvider::builder().with_resource(resource.clone());
        let mut logs = SdkLoggerProvider::builder().with_resource(resource.clone());
        let mut metrics = SdkMeterProvider::builder().with_resource(resource);
        if std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() {
            match exporters() {
                Ok((spans, lines, numbers)) => {
                    traces = traces.with_batch_exporter(spans);
                    logs = logs.with_batch_exporter(lines);
                    metrics = metrics.with_periodic_exporter(numbers);
                }
                Err(e) => eprintln!("telemetry stays here: {e}"),
            }
        }
        let (traces, logs, metrics) = (traces.build(), logs.build(), metrics.build());
        let meter = metrics.meter("shop");
        let seconds = |name: &'static str, what: &'static str| {
            let histogram = meter.f64_histogram(name).with_unit("s").with_description(what);
            histogram.with_boundaries(SECONDS.to_vec()).build()
        };
        Telemetry {
            service: service.to_string(),
            tracer: traces.tracer("shop"),
            logger: logs.logger("shop"),
            served: seconds("http.server.request.duration", "Duration of requests that were answered"),
            called: seconds("http.client.request.duration", "Duration of requests to other services"),
            asked: seconds("db.client.operation.duration", "Duration of operations of a data base"),
            active: meter.i64_up_down_counter("http.server.active_requests").with_unit("{request}").build(),
            retries: meter
                .u64_counter("shop.retries")
                .with_description("Calls made again after a failure")
                .build(),
            traces,
            logs,
            metrics,
            meter,
            lines: AtomicU64::new(0),
        }
    }

    /// Begins a span below `cx`; what is below it gets the context that comes back.
    pub fn span(&self, cx: &Context, name: String, kind: SpanKind, attributes: Vec<KeyValue>) -> Context {
        let builder = self.tracer.span_builder(name).with_kind(kind).with_attributes(attributes);
        cx.with_span(builder.start_with_context(&self.tracer, cx))
    }

    /// The context that the caller sent (`traceparent`), or none.
    pub fn extract(headers: &axum::http::HeaderMap) -> Context {
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers))
    }

    /// `traceparent` for whoever is called.
    pub fn traceparent(cx: &Context) -> String {
        let span = cx.span();
        let context = span.span_context();
        format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
    }

    /// A log line, on standard output and to the receiver; it belongs to the span of `cx`.
    pub fn log(&self, cx: &Context, severity: Severity, message: &str, fields: &[(&'static str, String)]) {
        self.lines.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now();
        let span = cx.span();
        let context = span.span_context();
        let mut record = self.logger.create_log_record();
        record.set_timestamp(now);
        record.set_severity_number(severity);
        record.set_severity_text(severity.name());
        record.set_body(AnyValue::from(message.to_string()));
        let mut line = serde_json::json!({
            "time": crate::clock::rfc3339(now), "level": severity.name(), "service": self.service, "message": message,
        });
        for (key, value) in fields {
            record.add_attribute(*key, value.clone());
            line[*key] = value.clone().into();
        }
        if context.is_valid() {
            record.set_trace_context(context.trace_id(), context.span_id(), Some(context.trace_flags()));
            line["trace_id"] = context.trace_id().to_string().into();
            line["span_id"] = context.span_id().to_string().into();
        }
        self.logger.emit(record);
        // A full disk under the log file is no reason to fail a customer.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }

    /// Ends the span of `cx`, as failed if there is a message.
    pub fn end(cx: &Context, failure: Option<&str>) {
        if let Some(message) = failure {
            cx.span().set_status(Status::error(message.to_string()));
        }
        cx.span().end();
    }

    /// Log lines since the start.
    pub fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Sends what is waiting; called off the runtime's thread, for it blocks.
    pub fn stop(&self) {
        let _ = self.traces.shutdown();
        let _ = self.logs.shutdown();
        let _ = self.metrics.shutdown();
    }
}

struct Headers<'a>(&'a axum::http::HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|k| k.as_str()).collect()
    }
}
