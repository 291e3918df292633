//! A native histogram as Prometheus writes it into answers: count and sum, and each bucket that holds anything as
//! `[rule, "lower", "upper", "count"]`. The rule says which bounds are inside: 0 the upper one, 1 the lower one, 2 none,
//! 3 both.

use super::{push_time, push_value};
use model::Histogram;
use std::fmt::Write;

/// `[time, {...}]`
pub(super) fn push_histogram(out: &mut String, ms: i64, h: &Histogram) {
    out.push('[');
    push_time(out, ms);
    out.push_str(",{\"count\":\"");
    push_value(out, h.count);
    out.push_str("\",\"sum\":\"");
    push_value(out, h.sum);
    out.push('"');
    let mut any = false;
    for b in ::query::histogram_buckets(h).iter().filter(|b| b.count != 0.0) {
        let rule = match (b.lower_inclusive, b.upper_inclusive) {
            (false, true) => 0,
            (true, false) => 1,
            (false, false) => 2,
            (true, true) => 3,
        };
        out.push_str(if any { "," } else { ",\"buckets\":[" });
        let _ = write!(out, "[{rule}");
        for v in [b.lower, b.upper, b.count] {
            out.push_str(",\"");
            push_value(out, v);
            out.push('"');
        }
        out.push(']');
        any = true;
    }
    out.push_str(if any { "]}]" } else { "}]" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::histogram::{Buckets, CUSTOM_SCHEMA};

    #[test]
    fn as_prometheus_writes_them() {
        let exponential = Histogram {
            count: 8.5,
            sum: -2.0,
            zero_threshold: 0.25,
            zero_count: 1.5,
            positive: Buckets::from_pairs([(-1, 1.0), (0, 2.0), (3, 0.0)]),
            negative: Buckets::from_pairs([(1, 1.0), (2, 3.0)]),
            ..Default::default()
        };
        let custom = Histogram {
            schema: CUSTOM_SCHEMA,
            count: 3.0,
            sum: f64::NAN,
            positive: Buckets::from_pairs([(0, 1.0), (2, 2.0)]),
            custom_bounds: [0.5, 1.0].into(),
            ..Default::default()
        };
        for (h, want) in [
            (
                exponential,
                r#"[1.5,{"count":"8.5","sum":"-2","buckets":[[1,"-4","-2","3"],[1,"-2","-1","1"],[3,"-0.25","0.25","1.5"],[0,"0.25","0.5","1"],[0,"0.5","1","2"]]}]"#,
            ),
            (
                custom,
                r#"[1.5,{"count":"3","sum":"NaN","buckets":[[3,"-Inf","0.5","1"],[0,"1","+Inf","2"]]}]"#,
            ),
            (Histogram::default(), r#"[1.5,{"count":"0","sum":"0"}]"#),
        ] {
            let mut out = String::new();
            push_histogram(&mut out, 1500, &h);
            assert_eq!(out, want);
        }
    }
}
