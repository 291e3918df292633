//! The fields of OTLP's messages by their names in JSON: what is read of them, and no more. The numbers are those of
//! opentelemetry-proto 1.x.

use super::json::Schema;
use super::json::Type::*;

/// `ExportMetricsServiceRequest`.
pub(super) const METRICS: Schema = &[("resourceMetrics", 1, Message(|| RESOURCE_METRICS))];

const RESOURCE_METRICS: Schema = &[
    ("resource", 1, Message(|| RESOURCE)),
    ("scopeMetrics", 2, Message(|| SCOPE_METRICS)),
    ("schemaUrl", 3, Text),
];
pub(super) const RESOURCE: Schema = &[("attributes", 1, Message(|| KEY_VALUE))];
pub(super) const KEY_VALUE: Schema = &[("key", 1, Text), ("value", 2, Message(|| ANY_VALUE))];
pub(super) const ANY_VALUE: Schema = &[
    ("stringValue", 1, Text),
    ("boolValue", 2, Bool),
    ("intValue", 3, Varint),
    ("doubleValue", 4, Double),
    ("arrayValue", 5, Message(|| &[("values", 1, Message(|| ANY_VALUE))])),
    ("kvlistValue", 6, Message(|| &[("values", 1, Message(|| KEY_VALUE))])),
    ("bytesValue", 7, Bytes),
];
const SCOPE_METRICS: Schema =
    &[("scope", 1, Message(|| SCOPE)), ("metrics", 2, Message(|| METRIC)), ("schemaUrl", 3, Text)];
pub(super) const SCOPE: Schema =
    &[("name", 1, Text), ("version", 2, Text), ("attributes", 3, Message(|| KEY_VALUE))];
const METRIC: Schema = &[
    ("name", 1, Text),
    ("description", 2, Text),
    ("unit", 3, Text),
    ("gauge", 5, Message(|| &[("dataPoints", 1, Message(|| NUMBER))])),
    (
        "sum",
        7,
        Message(|| {
            &[
                ("dataPoints", 1, Message(|| NUMBER)),
                ("aggregationTemporality", 2, Varint),
                ("isMonotonic", 3, Bool),
            ]
        }),
    ),
    (
        "histogram",
        9,
        Message(|| &[("dataPoints", 1, Message(|| HISTOGRAM)), ("aggregationTemporality", 2, Varint)]),
    ),
    (
        "exponentialHistogram",
        10,
        Message(|| &[("dataPoints", 1, Message(|| EXPONENTIAL)), ("aggregationTemporality", 2, Varint)]),
    ),
    ("summary", 11, Message(|| &[("dataPoints", 1, Message(|| SUMMARY))])),
];
const NUMBER: Schema = &[
    ("attributes", 7, Message(|| KEY_VALUE)),
    ("startTimeUnixNano", 2, Fixed),
    ("timeUnixNano", 3, Fixed),
    ("asDouble", 4, Double),
    ("asInt", 6, Fixed),
    ("exemplars", 5, Message(|| EXEMPLAR)),
    ("flags", 8, Varint),
];
const HISTOGRAM: Schema = &[
    ("attributes", 9, Message(|| KEY_VALUE)),
    ("startTimeUnixNano", 2, Fixed),
    ("timeUnixNano", 3, Fixed),
    ("count", 4, Fixed),
    ("sum", 5, Double),
    ("bucketCounts", 6, Fixed),
    ("explicitBounds", 7, Double),
    ("exemplars", 8, Message(|| EXEMPLAR)),
    ("flags", 10, Varint),
];
const EXPONENTIAL: Schema = &[
    ("attributes", 1, Message(|| KEY_VALUE)),
    ("startTimeUnixNano", 2, Fixed),
    ("timeUnixNano", 3, Fixed),
    ("count", 4, Fixed),
    ("sum", 5, Double),
    ("scale", 6, Zigzag),
    ("zeroCount", 7, Fixed),
    ("positive", 8, Message(|| BUCKETS)),
    ("negative", 9, Message(|| BUCKETS)),
    ("flags", 10, Varint),
    ("exemplars", 11, Message(|| EXEMPLAR)),
    ("zeroThreshold", 14, Double),
];
const BUCKETS: Schema = &[("offset", 1, Zigzag), ("bucketCounts", 2, Varint)];
const SUMMARY: Schema = &[
    ("attributes", 7, Message(|| KEY_VALUE)),
    ("startTimeUnixNano", 2, Fixed),
    ("timeUnixNano", 3, Fixed),
    ("count", 4, Fixed),
    ("sum", 5, Double),
    ("quantileValues", 6, Message(|| &[("quantile", 1, Double), ("value", 2, Double)])),
    ("flags", 8, Varint),
];
const EXEMPLAR: Schema = &[
    ("filteredAttributes", 7, Message(|| KEY_VALUE)),
    ("timeUnixNano", 2, Fixed),
    ("asDouble", 3, Double),
    ("asInt", 6, Fixed),
    ("spanId", 4, Id),
    ("traceId", 5, Id),
];

/// `ExportTraceServiceRequest`.
pub(super) const TRACES: Schema = &[("resourceSpans", 1, Message(|| RESOURCE_SPANS))];

const RESOURCE_SPANS: Schema =
    &[("resource", 1, Message(|| RESOURCE)), ("scopeSpans", 2, Message(|| SCOPE_SPANS))];
const SCOPE_SPANS: Schema = &[("scope", 1, Message(|| SCOPE)), ("spans", 2, Message(|| SPAN))];
const SPAN: Schema = &[
    ("traceId", 1, Id),
    ("spanId", 2, Id),
    ("parentSpanId", 4, Id),
    ("name", 5, Text),
    ("kind", 6, Varint),
    ("startTimeUnixNano", 7, Fixed),
    ("endTimeUnixNano", 8, Fixed),
    ("attributes", 9, Message(|| KEY_VALUE)),
    ("droppedAttributesCount", 10, Varint),
    ("events", 11, Message(|| EVENT)),
    ("droppedEventsCount", 12, Varint),
    ("links", 13, Message(|| LINK)),
    ("droppedLinksCount", 14, Varint),
    ("status", 15, Message(|| &[("message", 2, Text), ("code", 3, Varint)])),
];
const EVENT: Schema =
    &[("timeUnixNano", 1, Fixed), ("name", 2, Text), ("attributes", 3, Message(|| KEY_VALUE))];
const LINK: Schema = &[("traceId", 1, Id), ("spanId", 2, Id), ("attributes", 4, Message(|| KEY_VALUE))];
