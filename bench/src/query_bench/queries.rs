//! What is asked: one query for each kind that dashboards and people ask, from one series to all, at one instant and over
//! ranges; and the panels of a dashboard. It must hold no figure.

/// One query.
pub struct Query {
    /// As it stands in the table.
    pub name: &'static str,
    /// The text.
    pub promql: &'static str,
    /// Seconds before now and step of a range; `None` at one instant.
    pub range: Option<(i64, i64)>,
}

const fn query(name: &'static str, promql: &'static str, range: Option<(i64, i64)>) -> Query {
    Query { name, promql, range }
}

const HOURS_6: Option<(i64, i64)> = Some((21_600, 60));
const MINUTES_9: Option<(i64, i64)> = Some((540, 15));

/// All queries, in the order of the table.
pub const QUERIES: &[Query] = &[
    query("one series", "rpc_requests_total{instance=\"rpc-07\",handler=\"/v1/h3\"}", None),
    query("rate of 10,260 series by handler", "sum by (handler) (rate(http_requests_total[5m]))", None),
    query("1,080 series x 6 h at 60 s", "sum by (handler) (rate(rpc_requests_total[5m]))", HOURS_6),
    query("count of all series", "count({__name__=~\".+\"})", None),
    query(
        "one series x 6 h at 60 s",
        "rate(rpc_requests_total{instance=\"rpc-07\",handler=\"/v1/h3\"}[5m])",
        HOURS_6,
    ),
    query(
        "CPU of one node by mode, 9 min",
        "sum by (mode) (rate(node_cpu_seconds_total{node=\"worker-0007\"}[1m]))",
        MINUTES_9,
    ),
    query(
        "CPU of all nodes, 9 min",
        "1 - avg by (node) (rate(node_cpu_seconds_total{mode=\"idle\"}[1m]))",
        MINUTES_9,
    ),
    query("memory by namespace, 9 min", "sum by (namespace) (container_memory_working_set_bytes)", MINUTES_9),
    query("busiest 10 interfaces", "topk(10, rate(node_network_receive_bytes_total[5m]))", None),
    query("busiest 5 handlers, 6 h", "topk(5, sum by (handler) (rate(rpc_requests_total[5m])))", HOURS_6),
    query(
        "regular expression on a label",
        "count by (mode) (node_cpu_seconds_total{node=~\"worker-00(1|2)[0-4]\"})",
        None,
    ),
    query(
        "share of errors, 9 min",
        "sum(rate(http_requests_total{code=~\"5..\"}[1m])) / sum(rate(http_requests_total[1m]))",
        MINUTES_9,
    ),
    query(
        "99th percentile of 6,000 buckets",
        "histogram_quantile(0.99, sum by (le, handler) (rate(rpc_duration_seconds_bucket[5m])))",
        None,
    ),
    query(
        "99th percentile by instance, 9 min",
        "histogram_quantile(0.99, sum by (le, instance) (rate(rpc_duration_seconds_bucket[1m])))",
        MINUTES_9,
    ),
    query(
        "join of 10,260 with 190 series",
        "http_requests_total * on (instance) group_left () (sum by (instance) (http_requests_total) > bool 0)",
        None,
    ),
    query(
        "join of two rates, 9 min",
        "sum by (instance, handler) (rate(http_requests_total{code=\"500\"}[1m])) / on (instance, handler) \
         sum by (instance, handler) (rate(http_requests_total[1m]))",
        MINUTES_9,
    ),
    query(
        "subquery: worst minute of 6 h",
        "max_over_time(sum by (handler) (rate(rpc_requests_total[5m]))[6h:1m])",
        None,
    ),
    query(
        "average of an hour, 6 h at 60 s",
        "sum by (handler) (avg_over_time(rpc_requests_total[1h]))",
        HOURS_6,
    ),
];

/// The panels of one of the dashboards: all of one node or one instance, as a person has them open.
pub fn panels(dashboard: usize) -> Vec<(String, Option<(i64, i64)>)> {
    let node = format!("worker-{dashboard:04}");
    let (api, rpc) = (format!("api-{dashboard:02}"), format!("rpc-{dashboard:02}"));
    let of_node = [
        "sum by (mode) (rate(node_cpu_seconds_total{N}[1m]))",
        "1 - avg(rate(node_cpu_seconds_total{N,mode=\"idle\"}[1m]))",
        "rate(node_network_receive_bytes_total{N}[1m])",
        "rate(node_network_transmit_bytes_total{N}[1m])",
        "rate(node_disk_read_bytes_total{N}[1m])",
        "rate(node_disk_written_bytes_total{N}[1m])",
        "node_filesystem_avail_bytes{N} / node_filesystem_size_bytes{N}",
        "topk(5, container_memory_working_set_bytes{N})",
        "sum by (namespace) (container_memory_working_set_bytes{N})",
        "sum by (namespace) (rate(container_cpu_usage_seconds_total{N}[1m]))",
    ];
    let of_services = [
        "sum by (handler) (rate(http_requests_total{A}[1m]))",
        "sum by (code) (rate(http_requests_total{A}[1m]))",
        "sum(rate(http_requests_total{A,code=~\"5..\"}[1m])) / sum(rate(http_requests_total{A}[1m]))",
        "topk(3, sum by (handler) (rate(http_requests_total{A}[1m])))",
        "max(rate(http_requests_total{A}[1m]))",
        "sum by (handler) (rate(rpc_requests_total{R}[5m]))",
        "avg_over_time(sum(rate(rpc_requests_total{R}[5m]))[5m:1m])",
        "histogram_quantile(0.5, sum by (le) (rate(rpc_duration_seconds_bucket{R}[1m])))",
        "histogram_quantile(0.99, sum by (le) (rate(rpc_duration_seconds_bucket{R}[1m])))",
        "histogram_quantile(0.99, sum by (le, handler) (rate(rpc_duration_seconds_bucket{R}[1m])))",
    ];
    let fill = |text: &&str| {
        let text = text.replace("{N", &format!("{{node=\"{node}\""));
        text.replace("{A", &format!("{{instance=\"{api}\"")).replace("{R", &format!("{{instance=\"{rpc}\""))
    };
    of_node.iter().chain(&of_services).map(|text| (fill(text), MINUTES_9)).collect()
}
