//! Which keys of a Prometheus configuration are used, which have no effect here, and which are refused because what
//! is scraped would not be what the file says. The reader and the reference are made from these tables.

/// What happens to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It works as in Prometheus; what differs.
    Used(&'static str),
    /// It does not change what is scraped; a warning says so and why.
    NoEffect(&'static str),
    /// Without it something else would be scraped than was meant: an error that says what to do instead.
    Refused(&'static str),
}

/// A key and what happens to it.
pub type Key = (&'static str, Support);

use Support::{NoEffect, Refused, Used};

const TOLD: &str = "who is told stands in a file of Alertmanager's, which `notifications` in the section [monitors] of midwatch.toml names";
const LABELS: &str = "the limits of the section [ingest] of midwatch.toml hold for every target";
const CLASSIC: &str = "classic histograms are always recorded as they are";
/// What is asked for where native histograms are wanted.
const NATIVE: &str = "asks for protobuf first, the one format that has native histograms; where it comes, they are recorded beside the classic ones";
const NAMES: &str = "names may be any UTF-8";
const FORMATS: &str = "each target is asked for OpenMetrics, text or protobuf, and answers with what it has";
const DISCOVERY: &str = "write what finds the targets into a file and name it in file_sd_configs, or let it answer over HTTP and use http_sd_configs";
const PROXY: &str = "targets are asked directly";
const INLINE: &str = "put it into a file and name the file";

/// The top of the file.
pub const TOP: &[Key] = &[
    ("global", Used("")),
    ("scrape_configs", Used("")),
    ("scrape_config_files", Refused("name those files in `scrape_config_files` of midwatch.toml")),
    ("rule_files", Used("`*` in the last part only; read again when they change")),
    ("alerting", NoEffect(TOLD)),
    ("remote_write", NoEffect("Midwatch sends nothing to other machines")),
    ("remote_read", NoEffect("queries read what Midwatch keeps itself")),
    ("storage", NoEffect("retention and limits are settings of midwatch.toml")),
    ("tracing", NoEffect("Midwatch sends no traces")),
    ("runtime", NoEffect("it is about the Go runtime")),
    ("otlp", NoEffect("OTLP is not received")),
];

/// `global`.
pub const GLOBAL: &[Key] = &[
    ("scrape_interval", Used("default 1m")),
    ("scrape_timeout", Used("default 10s, or the interval if that is shorter")),
    ("body_size_limit", Used("")),
    ("sample_limit", Used("")),
    ("evaluation_interval", Used("default 15s")),
    ("rule_query_offset", NoEffect("groups of rules name their own query_offset")),
    ("external_labels", NoEffect("they are for other systems, and Midwatch sends nothing to them")),
    ("query_log_file", NoEffect("there is no query log")),
    ("scrape_failure_log_file", NoEffect("failed scrapes are shown with their reasons at /api/v1/targets")),
    ("scrape_protocols", NoEffect(FORMATS)),
    ("label_limit", NoEffect(LABELS)),
    ("label_name_length_limit", NoEffect(LABELS)),
    ("label_value_length_limit", NoEffect(LABELS)),
    ("target_limit", NoEffect("there is no limit on targets")),
    ("keep_dropped_targets", NoEffect("dropped targets are always shown")),
    ("metric_name_validation_scheme", NoEffect(NAMES)),
    ("metric_name_escaping_scheme", NoEffect(NAMES)),
    ("scrape_native_histograms", Used(NATIVE)),
    ("always_scrape_classic_histograms", NoEffect(CLASSIC)),
    ("convert_classic_histograms_to_nhcb", NoEffect(CLASSIC)),
    ("extra_scrape_metrics", NoEffect("the scrape's own metrics are always recorded")),
];

/// An entry of `scrape_configs`, beside [`CLIENT`].
pub const JOB: &[Key] = &[
    ("job_name", Used("needed, and once only")),
    ("scrape_interval", Used("")),
    ("scrape_timeout", Used("")),
    ("metrics_path", Used("")),
    ("scheme", Used("")),
    ("params", Used("")),
    ("honor_labels", Used("")),
    ("honor_timestamps", Used("")),
    ("body_size_limit", Used("default 64MiB")),
    ("sample_limit", Used("")),
    ("static_configs", Used("")),
    ("file_sd_configs", Used("")),
    ("http_sd_configs", Used("")),
    ("relabel_configs", Used("")),
    ("metric_relabel_configs", Used("")),
    (
        "track_timestamps_staleness",
        NoEffect("series with timestamps of their own end when they are not sent any more"),
    ),
    ("scrape_protocols", NoEffect(FORMATS)),
    (
        "fallback_scrape_protocol",
        NoEffect("an answer without a known content type is read as text if it is that"),
    ),
    ("enable_compression", NoEffect("answers may be compressed or not")),
    ("label_limit", NoEffect(LABELS)),
    ("label_name_length_limit", NoEffect(LABELS)),
    ("label_value_length_limit", NoEffect(LABELS)),
    ("target_limit", NoEffect("there is no limit on targets")),
    ("keep_dropped_targets", NoEffect("dropped targets are always shown")),
    ("scrape_failure_log_file", NoEffect("failed scrapes are shown with their reasons at /api/v1/targets")),
    ("metric_name_validation_scheme", NoEffect(NAMES)),
    ("metric_name_escaping_scheme", NoEffect(NAMES)),
    ("scrape_native_histograms", Used(NATIVE)),
    ("scrape_classic_histograms", NoEffect(CLASSIC)),
    ("always_scrape_classic_histograms", NoEffect(CLASSIC)),
    ("convert_classic_histograms_to_nhcb", NoEffect(CLASSIC)),
    ("native_histogram_bucket_limit", NoEffect(CLASSIC)),
    ("native_histogram_min_bucket_factor", NoEffect(CLASSIC)),
    ("extra_scrape_metrics", NoEffect("the scrape's own metrics are always recorded")),
    ("azure_sd_configs", Refused(DISCOVERY)),
    ("aws_sd_configs", Refused(DISCOVERY)),
    ("consul_sd_configs", Refused(DISCOVERY)),
    ("digitalocean_sd_configs", Refused(DISCOVERY)),
    ("dns_sd_configs", Refused(DISCOVERY)),
    ("docker_sd_configs", Refused(DISCOVERY)),
    ("dockerswarm_sd_configs", Refused(DISCOVERY)),
    ("ec2_sd_configs", Refused(DISCOVERY)),
    ("eureka_sd_configs", Refused(DISCOVERY)),
    ("gce_sd_configs", Refused(DISCOVERY)),
    ("hetzner_sd_configs", Refused(DISCOVERY)),
    ("ionos_sd_configs", Refused(DISCOVERY)),
    ("kubernetes_sd_configs", Refused(DISCOVERY)),
    ("kuma_sd_configs", Refused(DISCOVERY)),
    ("lightsail_sd_configs", Refused(DISCOVERY)),
    ("linode_sd_configs", Refused(DISCOVERY)),
    ("marathon_sd_configs", Refused(DISCOVERY)),
    ("nerve_sd_configs", Refused(DISCOVERY)),
    ("nomad_sd_configs", Refused(DISCOVERY)),
    ("openstack_sd_configs", Refused(DISCOVERY)),
    ("ovhcloud_sd_configs", Refused(DISCOVERY)),
    ("puppetdb_sd_configs", Refused(DISCOVERY)),
    ("scaleway_sd_configs", Refused(DISCOVERY)),
    ("serverset_sd_configs", Refused(DISCOVERY)),
    ("stackit_sd_configs", Refused(DISCOVERY)),
    ("triton_sd_configs", Refused(DISCOVERY)),
    ("uyuni_sd_configs", Refused(DISCOVERY)),
    ("vultr_sd_configs", Refused(DISCOVERY)),
];

/// How a target or an endpoint of `http_sd_configs` is asked.
pub const CLIENT: &[Key] = &[
    ("basic_auth", Used("`username`, `password` or `password_file`")),
    ("authorization", Used("`type`, `credentials` or `credentials_file`")),
    ("bearer_token", Used("")),
    ("bearer_token_file", Used("")),
    ("tls_config", Used("")),
    ("follow_redirects", Used("")),
    ("enable_http2", NoEffect("HTTP/1.1 is spoken")),
    ("oauth2", Refused("have something else write the token into a file and name it in bearer_token_file")),
    ("sigv4", Refused("it is not supported")),
    ("http_headers", Refused("only authorization can be sent")),
    ("proxy_url", Refused(PROXY)),
    ("no_proxy", Refused(PROXY)),
    ("proxy_from_environment", Refused(PROXY)),
    ("proxy_connect_header", Refused(PROXY)),
];

/// `tls_config`.
pub const TLS: &[Key] = &[
    ("ca_file", Used("")),
    ("cert_file", Used("")),
    ("key_file", Used("")),
    ("server_name", Used("")),
    ("insecure_skip_verify", Used("")),
    ("min_version", NoEffect("TLS 1.2 and 1.3 are spoken")),
    ("max_version", NoEffect("TLS 1.2 and 1.3 are spoken")),
    ("ca", Refused(INLINE)),
    ("cert", Refused(INLINE)),
    ("key", Refused(INLINE)),
];

/// `basic_auth`.
pub const BASIC: &[Key] = &[
    ("username", Used("")),
    ("password", Used("")),
    ("password_file", Used("")),
    ("username_file", Refused("write the name into username; it is not a secret")),
];

/// `authorization`.
pub const AUTHORIZATION: &[Key] =
    &[("type", Used("")), ("credentials", Used("")), ("credentials_file", Used(""))];

/// An entry of `static_configs`, or of a file or answer that lists targets.
pub const TARGETS: &[Key] = &[("targets", Used("")), ("labels", Used(""))];

/// An entry of `file_sd_configs`.
pub const FILE_SD: &[Key] = &[
    ("files", Used("JSON, or YAML; the last part of a path may hold one `*`")),
    ("refresh_interval", Used("default 5m")),
];

/// An entry of `http_sd_configs`, beside [`CLIENT`].
pub const HTTP_SD: &[Key] = &[("url", Used("")), ("refresh_interval", Used("default 1m"))];

/// A rule of `relabel_configs` or `metric_relabel_configs`.
pub const RELABEL: &[Key] = &[
    ("source_labels", Used("")),
    ("separator", Used("")),
    ("target_label", Used("")),
    ("regex", Used("the syntax of Rust's `regex`, which is close to Go's")),
    ("modulus", Used("")),
    ("replacement", Used("")),
    ("action", Used("")),
];

/// The tables with the place where each holds, for the reference.
pub const PLACES: &[(&str, &[Key])] = &[
    ("top of the file", TOP),
    ("`global`", GLOBAL),
    ("`scrape_configs`", JOB),
    ("`scrape_configs` and `http_sd_configs`", CLIENT),
    ("`tls_config`", TLS),
    ("`basic_auth`", BASIC),
    ("`authorization`", AUTHORIZATION),
    ("`static_configs`", TARGETS),
    ("`file_sd_configs`", FILE_SD),
    ("`http_sd_configs`", HTTP_SD),
    ("`relabel_configs`, `metric_relabel_configs`", RELABEL),
];
