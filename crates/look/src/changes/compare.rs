//! Before and after a change: whether a measure became better, worse, or neither. It must never call a difference one that is within
//! what the measure does anyway, and never decide by itself that a change has failed: it shows, people judge.

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Less is better: errors, durations.
    Lower,
    /// Neither way is better in itself: calls, CPU.
    Neither,
}

/// A measure that is compared.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// For people.
    pub name: &'static str,
    /// `s`, `ratio`, `per_second`, `bytes`.
    pub unit: &'static str,
    /// What to ask, with `<service>` for the service's name, `<host>` for the host's and `<window>` for how long; evaluated at
    /// the end of either window. One number.
    pub expr: &'static str,
    /// Which way is better.
    pub better: Better,
    /// A difference smaller than this is none, in the unit.
    pub floor: f64,
    /// Whether it is of a service; else of a host.
    pub is_of_service: bool,
}

/// What is compared, the first is looked at first.
pub const MEASURES: &[Measure] = &[
    Measure {
        name: "errors",
        unit: "ratio",
        expr: r#"(sum(increase(traces_span_metrics_calls_total{service_name="<service>",span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER",status_code="STATUS_CODE_ERROR"}[<window>])) or vector(0)) / sum(increase(traces_span_metrics_calls_total{service_name="<service>",span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"}[<window>]))"#,
        better: Better::Lower,
        floor: 0.002,
        is_of_service: true,
    },
    Measure {
        name: "duration, 99 of 100 below",
        unit: "s",
        expr: r#"histogram_quantile(0.99, sum(increase(traces_span_metrics_duration_seconds{service_name="<service>",span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"}[<window>])))"#,
        better: Better::Lower,
        floor: 0.001,
        is_of_service: true,
    },
    Measure {
        name: "duration, half below",
        unit: "s",
        expr: r#"histogram_quantile(0.5, sum(increase(traces_span_metrics_duration_seconds{service_name="<service>",span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"}[<window>])))"#,
        better: Better::Lower,
        floor: 0.001,
        is_of_service: true,
    },
    Measure {
        name: "calls",
        unit: "per_second",
        expr: r#"sum(rate(traces_span_metrics_calls_total{service_name="<service>",span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"}[<window>]))"#,
        better: Better::Neither,
        floor: 0.05,
        is_of_service: true,
    },
    Measure {
        name: "CPU of the host",
        unit: "ratio",
        expr: r#"1 - avg(rate(node_cpu_seconds_total{instance=~"<host>(:.*)?",mode="idle"}[<window>]))"#,
        better: Better::Neither,
        floor: 0.05,
        is_of_service: false,
    },
    Measure {
        name: "memory in use on the host",
        unit: "ratio",
        expr: r#"1 - avg(avg_over_time(node_memory_MemAvailable_bytes{instance=~"<host>(:.*)?"}[<window>])) / avg(avg_over_time(node_memory_MemTotal_bytes{instance=~"<host>(:.*)?"}[<window>]))"#,
        better: Better::Neither,
        floor: 0.05,
        is_of_service: false,
    },
];

/// What became of a measure: `better`, `worse`, `same`, `more`, `less`, or `unknown` where a side was not measured.
pub fn verdict(measure: &Measure, before: Option<f64>, after: Option<f64>) -> &'static str {
    let finite = |v: Option<f64>| v.filter(|v| v.is_finite());
    let (Some(before), Some(after)) = (finite(before), finite(after)) else { return "unknown" };
    let difference = after - before;
    // A fifth of what it was: less than that any service does by itself.
    if difference.abs() < measure.floor || difference.abs() < 0.2 * before.abs() {
        return "same";
    }
    match (measure.better, difference > 0.0) {
        (Better::Lower, true) => "worse",
        (Better::Lower, false) => "better",
        (Better::Neither, true) => "more",
        (Better::Neither, false) => "less",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_more_than_usual_is_a_difference() {
        let (errors, calls) = (&MEASURES[0], &MEASURES[3]);
        for (measure, before, after, want) in [
            (errors, Some(0.0), Some(0.001), "same"),
            (errors, Some(0.0), Some(0.05), "worse"),
            (errors, Some(0.10), Some(0.11), "same"),
            (errors, Some(0.10), Some(0.01), "better"),
            (errors, None, Some(0.5), "unknown"),
            (errors, Some(f64::NAN), Some(0.5), "unknown"),
            (calls, Some(10.0), Some(20.0), "more"),
            (calls, Some(10.0), Some(1.0), "less"),
        ] {
            assert_eq!(verdict(measure, before, after), want, "{} {before:?} {after:?}", measure.name);
        }
    }
}
