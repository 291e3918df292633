//! Random queries that are valid. What is compared or rounded is exact on both sides: whole numbers with each other, other
//! numbers with such that no result can be equal to.

use crate::data::{BOTH, HISTOGRAMS, NUMBERS, Random};

/// A query that gives a vector.
pub fn query(random: &mut Random) -> String {
    match random.below(5) {
        0 | 1 => numbers(random, 3),
        2 | 3 => histograms(random, 2),
        _ => format!("{}({})", random.choose(&["count", "group", "sum", "avg", "max", "min"]), any(random)),
    }
}

fn any(random: &mut Random) -> String {
    let name = random.choose(&["h", "c_total", BOTH, "custom", "{__name__=~\"g|h\"}", "{job=\"1\"}"]);
    if name.starts_with('{') { name.into() } else { with_matchers(random, name) }
}

fn with_matchers(random: &mut Random, name: &str) -> String {
    let matchers = random.choose(&[
        "",
        "",
        "",
        "{job=\"0\"}",
        "{host!=\"1\"}",
        "{job=~\"0|1\", host=\"0\"}",
        "{x=\"\"}",
    ]);
    format!("{name}{matchers}")
}

fn shift(random: &mut Random) -> &'static str {
    random.choose(&["", "", "", "", " offset 45s", " offset -20s", " @ 300", " @ end()", " @ 200 offset 10s"])
}

fn length(random: &mut Random) -> &'static str {
    random.choose(&["20s", "1m", "90s", "2m", "5m"])
}

/// A selector of whole numbers.
fn exact(random: &mut Random) -> String {
    let name = random.choose(&NUMBERS);
    let selector = with_matchers(random, name);
    let shift = shift(random);
    format!("{selector}{shift}")
}

fn range(random: &mut Random, metrics: &[&str]) -> String {
    let name = random.choose(metrics);
    let selector = with_matchers(random, name);
    let (length, shift) = (length(random), shift(random));
    if random.one_in(5) {
        let step = random.choose(&["15s", "20s", "33s"]);
        return format!("{selector}[{length}:{step}]{shift}");
    }
    format!("{selector}[{length}]{shift}")
}

fn grouping(random: &mut Random) -> &'static str {
    random.choose(&["", "", " by (job)", " without (host)", " by (host, job)", " by (nothing)"])
}

/// A number that no result is equal to.
fn odd(random: &mut Random) -> f64 {
    random.below(60) as f64 - 20.0 + 0.371_234
}

fn numbers(random: &mut Random, depth: u32) -> String {
    if depth == 0 {
        return exact(random);
    }
    let deeper = |random: &mut Random| numbers(random, depth - 1);
    match random.below(14) {
        0 => exact(random),
        1 => {
            let f = random.choose(&["abs", "-", "sgn", "exp", "sort", "timestamp", "last_over_time"]);
            match f {
                "-" => format!("-({})", deeper(random)),
                "exp" => format!("exp(({}) / 1e6)", deeper(random)),
                "sgn" => format!("sgn({} - 3.371)", exact(random)),
                "last_over_time" => format!("last_over_time({})", range(random, &NUMBERS)),
                f => format!("{f}({})", deeper(random)),
            }
        }
        2 => format!("{}({})", random.choose(&["floor", "ceil", "round"]), exact(random)),
        3 => format!("clamp({}, {}, {})", deeper(random), odd(random) - 40.0, odd(random)),
        4 | 5 => {
            let f = random.choose(&["rate", "increase", "delta", "irate", "idelta", "deriv"]);
            format!("{f}({})", range(random, &["c_total", "c_total", "g", BOTH]))
        }
        6 => {
            let names = [
                "sum",
                "avg",
                "min",
                "max",
                "count",
                "present",
                "first",
                "stdvar",
                "ts_of_first",
                "ts_of_last",
            ];
            format!("{}_over_time({})", random.choose(&names), range(random, &["c_total", "g", BOTH]))
        }
        7 => format!(
            "{}({})",
            random.choose(&["changes", "resets"]),
            range(random, &["c_total", "g", "h", BOTH])
        ),
        8 | 9 => {
            let op = random.choose(&["sum", "avg", "min", "max", "count", "group", "stdvar"]);
            format!("{op}{} ({})", grouping(random), deeper(random))
        }
        10 => match random.below(3) {
            0 => format!("quantile{} (0.3, {})", grouping(random), exact(random)),
            1 => {
                format!("{}{} (2, {})", random.choose(&["topk", "bottomk"]), grouping(random), exact(random))
            }
            _ => format!("count_values{} (\"v\", {})", grouping(random), exact(random)),
        },
        11 => {
            let op = random.choose(&["+", "-", "*", "/", ">", "<=", "> bool", "!= bool"]);
            match random.below(3) {
                0 => format!("{} {op} ({})", odd(random), deeper(random)),
                1 => format!("({}) {op} {}", deeper(random), odd(random)),
                _ => format!("({}) {op} scalar(g{{job=\"0\", host=\"0\"}}) + 0.1357", deeper(random)),
            }
        }
        12 => joined(random, depth - 1),
        _ => format!(
            "{}({})",
            random.choose(&["histogram_count", "histogram_sum", "histogram_avg"]),
            histograms(random, depth - 1)
        ),
    }
}

fn joined(random: &mut Random, depth: u32) -> String {
    let matching = random.choose(&["on (job, host)", "ignoring (x)", "on (host, job)"]);
    match random.below(5) {
        0 => {
            let op = random.choose(&["==", "!=", ">", "<= bool", ">= bool"]);
            format!("{} {op} {matching} {}", exact(random), exact(random))
        }
        1 => {
            let op = random.choose(&["+", "-", "*", "/"]);
            format!("({}) {op} {matching} ({})", numbers(random, depth), numbers(random, depth))
        }
        2 => {
            let op = random.choose(&["and", "or", "unless"]);
            format!("({}) {op} {matching} ({})", numbers(random, depth), numbers(random, depth))
        }
        3 => format!(
            "({}) * on (job) group_left () (sum by (job) ({}))",
            numbers(random, depth),
            exact(random)
        ),
        _ => format!("{} + {matching} fill(2) {}", exact(random), exact(random)),
    }
}

fn histograms(random: &mut Random, depth: u32) -> String {
    let deeper = |random: &mut Random| histograms(random, depth.saturating_sub(1));
    match if depth == 0 { 0 } else { random.below(12) } {
        0 | 1 => {
            let name = random.choose(&["h", "h", "custom", BOTH]);
            let selector = with_matchers(random, name);
            format!("{selector}{}", shift(random))
        }
        2 | 3 => {
            let f = random.choose(&["rate", "increase", "irate", "delta", "idelta"]);
            format!("{f}({})", range(random, &["h", "h", "custom", BOTH]))
        }
        4 => {
            let f = random.choose(&["sum", "avg", "last", "first", "count"]);
            format!("{f}_over_time({})", range(random, &["h", "custom", BOTH]))
        }
        5 | 6 => {
            format!("{}{} ({})", random.choose(&["sum", "avg", "count"]), grouping(random), deeper(random))
        }
        7 => format!("({}) {} {}", deeper(random), random.choose(&["*", "/", "+", "=="]), odd(random)),
        8 => format!("-({})", deeper(random)),
        9 => {
            let name = random.choose(&HISTOGRAMS);
            let op = random.choose(&["+", "-", "==", "!=", "and", "unless", "*"]);
            format!("{} {op} on (job, host) {}", with_matchers(random, name), with_matchers(random, name))
        }
        10 => {
            let q = random.choose(&["0.1371", "0.5173", "0.9319"]);
            format!("histogram_quantile({q}, {})", distributions(random))
        }
        _ => {
            let (lower, upper) = (-odd(random).abs(), odd(random).abs());
            format!("histogram_fraction({lower}, {upper}, {})", distributions(random))
        }
    }
}

/// Histograms whose counts are not below zero, so that they are distributions.
fn distributions(random: &mut Random) -> String {
    let name = random.choose(&["h", "custom"]);
    let selector = with_matchers(random, name);
    match random.below(3) {
        0 => selector,
        1 => format!("rate({})", range(random, &["h", "custom"])),
        _ => format!("sum{} ({selector})", grouping(random)),
    }
}
