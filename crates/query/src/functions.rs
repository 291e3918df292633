//! Every function of the language: its name, what it takes and gives, and what computes it. A table to
//! read; the computing is in `eval`.

use crate::ast::ValueType::{self, Matrix, Scalar, String, Vector};
use crate::eval::dates;
use crate::eval::over_time::{self as over, Window};
use crate::eval::rates;
use crate::eval::sliding::Sliding;
use crate::native;
use model::Histogram;
use std::fmt;

/// One function.
pub struct Function {
    /// As it is written.
    pub name: &'static str,
    /// Types of the arguments.
    pub args: &'static [ValueType],
    /// How many of the last arguments may be left out.
    pub optional: usize,
    /// Whether the last argument may come any number of times (none included, if `optional` is 1).
    pub repeats: bool,
    /// Type of the result.
    pub returns: ValueType,
    pub(crate) body: Body,
}

/// What computes a function.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    /// Each value for itself; the metric's name goes.
    Math(fn(f64) -> f64),
    /// As `Math`, with scalar arguments after the vector.
    MathWith(fn(f64, &[f64]) -> f64),
    /// A number of each native histogram; the metric's name goes.
    Histogram(fn(&Histogram) -> f64),
    /// A part of a date; without an argument, of the evaluation time.
    Date(fn(f64) -> f64),
    /// The samples of one series in a range, and the scalar arguments; `None` is no result.
    Window(fn(&Window<'_>, &[f64]) -> Option<f64>),
    /// As `Window`, of windows that overlap, without scalar arguments.
    Sliding(fn() -> Sliding),
    /// As `Window`, and the metric's name stays.
    WindowKeepsName(fn(&Window<'_>, &[f64]) -> Option<f64>),
    /// All other.
    Special(Special),
}

/// Functions that need more than one series' values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    Absent,
    AbsentOverTime,
    HistogramQuantile,
    HistogramFraction,
    HistogramQuantiles,
    Info,
    LabelReplace,
    LabelJoin,
    Sort,
    SortDesc,
    SortByLabel,
    SortByLabelDesc,
    Scalar,
    Vector,
    Time,
    Pi,
    Start,
    End,
    Step,
    Range,
    MinOf,
    MaxOf,
    Timestamp,
    StartTimestamp,
    Clamp,
}

impl Function {
    /// `quantile_over_time(scalar, range vector)`, for messages.
    pub fn signature(&self) -> std::string::String {
        let args: Vec<_> = self.args.iter().map(|a| a.as_str()).collect();
        let more = if self.repeats { ", ..." } else { "" };
        format!("{}({}{more})", self.name, args.join(", "))
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Every function of the language.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter()
}

/// The function of this name; names are in lower case.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|f| f.name == name)
}

const fn math(name: &'static str, f: fn(f64) -> f64) -> Function {
    fixed(name, &[Vector], Vector, Body::Math(f))
}

const fn histogram(name: &'static str, f: fn(&Histogram) -> f64) -> Function {
    fixed(name, &[Vector], Vector, Body::Histogram(f))
}

const fn date(name: &'static str, f: fn(f64) -> f64) -> Function {
    optional(name, &[Vector], 1, Vector, Body::Date(f))
}

const fn sliding(name: &'static str, start: fn() -> Sliding) -> Function {
    fixed(name, &[Matrix], Vector, Body::Sliding(start))
}

const fn window(name: &'static str, f: fn(&Window<'_>, &[f64]) -> Option<f64>) -> Function {
    fixed(name, &[Matrix], Vector, Body::Window(f))
}

const fn special(
    name: &'static str,
    args: &'static [ValueType],
    returns: ValueType,
    special: Special,
) -> Function {
    fixed(name, args, returns, Body::Special(special))
}

const fn fixed(name: &'static str, args: &'static [ValueType], returns: ValueType, body: Body) -> Function {
    optional(name, args, 0, returns, body)
}

const fn optional(
    name: &'static str,
    args: &'static [ValueType],
    optional: usize,
    returns: ValueType,
    body: Body,
) -> Function {
    Function { name, args, optional, repeats: false, returns, body }
}

const fn repeating(
    name: &'static str,
    args: &'static [ValueType],
    optional: usize,
    special: Special,
) -> Function {
    Function { name, args, optional, repeats: true, returns: Vector, body: Body::Special(special) }
}

/// Radians in a degree.
const DEGREE: f64 = std::f64::consts::PI / 180.0;

/// All functions.
pub(crate) static FUNCTIONS: &[Function] = &[
    // One value at a time.
    math("abs", f64::abs),
    math("ceil", f64::ceil),
    math("floor", f64::floor),
    math("exp", f64::exp),
    math("sqrt", f64::sqrt),
    math("ln", f64::ln),
    math("log2", f64::log2),
    math("log10", f64::log10),
    math("sin", f64::sin),
    math("cos", f64::cos),
    math("tan", f64::tan),
    math("asin", f64::asin),
    math("acos", f64::acos),
    math("atan", f64::atan),
    math("sinh", f64::sinh),
    math("cosh", f64::cosh),
    math("tanh", f64::tanh),
    math("asinh", f64::asinh),
    math("acosh", f64::acosh),
    math("atanh", f64::atanh),
    math("deg", |v| v / DEGREE),
    math("rad", |v| v * DEGREE),
    math("sgn", |v| {
        if v > 0.0 {
            1.0
        } else if v < 0.0 {
            -1.0
        } else {
            v
        }
    }),
    optional("round", &[Vector, Scalar], 1, Vector, Body::MathWith(round)),
    fixed("clamp_min", &[Vector, Scalar], Vector, Body::MathWith(|v, a| larger(a[0], v))),
    fixed("clamp_max", &[Vector, Scalar], Vector, Body::MathWith(|v, a| smaller(a[0], v))),
    special("clamp", &[Vector, Scalar, Scalar], Vector, Special::Clamp),
    // Native histograms.
    histogram("histogram_count", |h| h.count),
    histogram("histogram_sum", |h| h.sum),
    histogram("histogram_avg", |h| h.sum / h.count),
    histogram("histogram_stddev", |h| native::variance(h).sqrt()),
    histogram("histogram_stdvar", native::variance),
    // Dates.
    date("year", dates::year),
    date("month", dates::month),
    date("day_of_month", dates::day_of_month),
    date("day_of_week", dates::day_of_week),
    date("day_of_year", dates::day_of_year),
    date("days_in_month", dates::days_in_month),
    date("hour", dates::hour),
    date("minute", dates::minute),
    // Counters and trends.
    sliding("rate", Sliding::rate),
    sliding("increase", Sliding::increase),
    window("delta", rates::delta),
    window("irate", rates::irate),
    window("idelta", rates::idelta),
    window("changes", over::changes),
    window("resets", over::resets),
    window("deriv", rates::deriv),
    fixed("predict_linear", &[Matrix, Scalar], Vector, Body::Window(rates::predict_linear)),
    fixed(
        "double_exponential_smoothing",
        &[Matrix, Scalar, Scalar],
        Vector,
        Body::Window(rates::double_exponential_smoothing),
    ),
    // The samples of a range.
    sliding("sum_over_time", Sliding::sum),
    sliding("avg_over_time", Sliding::avg),
    sliding("min_over_time", Sliding::min),
    sliding("max_over_time", Sliding::max),
    window("count_over_time", over::count),
    window("stddev_over_time", over::stddev),
    window("stdvar_over_time", over::stdvar),
    window("mad_over_time", over::mad),
    window("present_over_time", |_, _| Some(1.0)),
    fixed("first_over_time", &[Matrix], Vector, Body::WindowKeepsName(over::first)),
    fixed("last_over_time", &[Matrix], Vector, Body::WindowKeepsName(over::last)),
    window("ts_of_first_over_time", over::ts_of_first),
    window("ts_of_last_over_time", over::ts_of_last),
    window("ts_of_min_over_time", over::ts_of_min),
    window("ts_of_max_over_time", over::ts_of_max),
    fixed("quantile_over_time", &[Scalar, Matrix], Vector, Body::Window(over::quantile)),
    special("absent_over_time", &[Matrix], Vector, Special::AbsentOverTime),
    // Several series together.
    special("absent", &[Vector], Vector, Special::Absent),
    special("histogram_quantile", &[Scalar, Vector], Vector, Special::HistogramQuantile),
    special("histogram_fraction", &[Scalar, Scalar, Vector], Vector, Special::HistogramFraction),
    repeating("histogram_quantiles", &[Vector, String, Scalar], 0, Special::HistogramQuantiles),
    optional("info", &[Vector, Vector], 1, Vector, Body::Special(Special::Info)),
    special("label_replace", &[Vector, String, String, String, String], Vector, Special::LabelReplace),
    repeating("label_join", &[Vector, String, String, String], 1, Special::LabelJoin),
    special("sort", &[Vector], Vector, Special::Sort),
    special("sort_desc", &[Vector], Vector, Special::SortDesc),
    repeating("sort_by_label", &[Vector, String], 1, Special::SortByLabel),
    repeating("sort_by_label_desc", &[Vector, String], 1, Special::SortByLabelDesc),
    special("timestamp", &[Vector], Vector, Special::Timestamp),
    special("start_timestamp", &[Vector], Vector, Special::StartTimestamp),
    // Numbers and vectors.
    special("scalar", &[Vector], Scalar, Special::Scalar),
    special("vector", &[Scalar], Vector, Special::Vector),
    special("time", &[], Scalar, Special::Time),
    special("pi", &[], Scalar, Special::Pi),
    special("start", &[], Scalar, Special::Start),
    special("end", &[], Scalar, Special::End),
    special("step", &[], Scalar, Special::Step),
    special("range", &[], Scalar, Special::Range),
    special("min_of", &[Scalar, Scalar], Scalar, Special::MinOf),
    special("max_of", &[Scalar, Scalar], Scalar, Special::MaxOf),
];

/// To the nearest multiple, halves up. Divides by the inverse, so that 0.1 does not leave 0.30000000000000004.
fn round(v: f64, args: &[f64]) -> f64 {
    let inverse = 1.0 / args.first().copied().unwrap_or(1.0);
    (v * inverse + 0.5).floor() / inverse
}

/// The larger; NaN if either is NaN (unlike `f64::max`).
pub(crate) fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// The smaller; NaN if either is NaN (unlike `f64::min`).
pub(crate) fn smaller(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}
