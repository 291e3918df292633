//! PromQL one step after the other, one series after the other, from the words of its documentation. Slow on purpose.

use super::histograms as h;
use super::windows::over_window;
use crate::support::Naive;
use model::histogram::ResetHint;
use model::{Histogram, Labels, Matcher, NAME};
use query::{
    Aggregate, AggregateOp, At, BinaryOp, Duration, Expr, ExprKind, Group, Matching, Operand, Point,
    Selector, Shift, ValueType,
};
use std::sync::Arc;

const LOOKBACK_MS: i64 = 300_000;

/// A sample: its series, whether the name no longer says what it is, and the value.
pub type Element = (Labels, bool, Point);

pub struct OneByOne<'a> {
    pub source: &'a Naive,
    pub start_ms: i64,
    pub end_ms: i64,
}

/// A sample of a range: its time, since when it counts, and the value.
pub type Sample = (i64, i64, Point);

/// A series of a range vector, with the range.
pub struct Window {
    pub labels: Labels,
    pub nameless: bool,
    pub samples: Vec<Sample>,
    pub from_ms: i64,
    pub to_ms: i64,
}

pub fn number(p: &Point) -> f64 {
    p.number().expect("a number")
}

pub fn is_histogram(p: &Point) -> bool {
    p.number().is_none()
}

pub fn histogram(p: &Point) -> &Histogram {
    match p {
        Point::Histogram(h) => h,
        Point::Number(_) => panic!("a histogram"),
    }
}

pub fn of(h: Histogram) -> Point {
    Point::Histogram(Arc::new(h))
}

impl OneByOne<'_> {
    /// What the whole query is worth at a time.
    pub fn answer(&self, expr: &Expr, time: i64) -> Result<Vec<Element>, String> {
        let mut found = self.vector(expr, time)?;
        for e in &mut found {
            if e.1 {
                e.0 = e.0.filtered(|n| n != NAME);
            }
        }
        unique(&found, |e| e.0.clone())?;
        Ok(found)
    }

    fn shifted(&self, shift: &Shift, time: i64) -> i64 {
        let base = match shift.at {
            None => time,
            Some(At::Time(t)) => t,
            Some(At::Start) => self.start_ms,
            Some(At::End) => self.end_ms,
        };
        base - ms(&shift.offset)
    }

    /// All samples of the series that are selected, in order of time, stale markers included.
    fn series(&self, matchers: &[Matcher]) -> Vec<(Labels, Vec<Sample>)> {
        let chosen = self.source.series.iter().filter(|s| Matcher::all(matchers, &s.labels));
        chosen
            .map(|s| {
                let mut samples = Vec::new();
                for (i, t) in s.timestamps_ms.iter().enumerate() {
                    let start = s.starts_ms.get(i).copied().unwrap_or(0);
                    samples.push((*t, start, Point::Number(s.values[i])));
                }
                for h in &s.histograms {
                    samples.push((h.timestamp_ms, h.start_ms, Point::Histogram(h.histogram.clone())));
                }
                samples.sort_by_key(|s| s.0);
                (s.labels.clone(), samples)
            })
            .collect()
    }

    /// The newest sample of each series, with its own time.
    fn newest(&self, s: &Selector, time: i64) -> Vec<(Labels, i64, Point)> {
        let at = self.shifted(&s.shift, time);
        let newest = |(labels, samples): (Labels, Vec<Sample>)| {
            let (t, _, p) = samples.into_iter().rfind(|(t, ..)| *t <= at)?;
            (t > at - LOOKBACK_MS && !is_stale(&p)).then_some((labels, t, p))
        };
        self.series(&s.matchers).into_iter().filter_map(newest).collect()
    }

    fn windows(&self, expr: &Expr, time: i64) -> Result<Vec<Window>, String> {
        match &expr.inner().kind {
            ExprKind::Range(s, length) => {
                let to_ms = self.shifted(&s.shift, time);
                let from_ms = to_ms - ms(length);
                let inside = |(labels, mut samples): (Labels, Vec<Sample>)| {
                    samples.retain(|(t, _, p)| from_ms < *t && *t <= to_ms && !is_stale(p));
                    Window { labels, nameless: false, samples, from_ms, to_ms }
                };
                Ok(self
                    .series(&s.matchers)
                    .into_iter()
                    .map(inside)
                    .filter(|w| !w.samples.is_empty())
                    .collect())
            }
            ExprKind::Subquery(s) => {
                let to_ms = self.shifted(&s.shift, time);
                let from_ms = to_ms - ms(&s.range);
                let step = s.step.as_ref().map_or(60_000, ms);
                let mut windows: Vec<Window> = Vec::new();
                let first = (from_ms + 1..=to_ms).find(|t| t.rem_euclid(step) == 0).unwrap_or(to_ms + 1);
                for t in (first..=to_ms).step_by(step as usize) {
                    for (labels, nameless, point) in self.vector(&s.expr, t)? {
                        let sample = (t, 0, point);
                        match windows.iter_mut().find(|w| w.labels == labels) {
                            Some(w) => w.samples.push(sample),
                            None => windows.push(Window {
                                labels,
                                nameless,
                                samples: vec![sample],
                                from_ms,
                                to_ms,
                            }),
                        }
                    }
                }
                Ok(windows)
            }
            other => panic!("no range: {other:?}"),
        }
    }

    fn scalar(&self, expr: &Expr, time: i64) -> Result<f64, String> {
        match &expr.inner().kind {
            ExprKind::Number(n) => Ok(*n),
            ExprKind::Negate(e) => Ok(-self.scalar(e, time)?),
            ExprKind::Binary(first, rest) => rest.iter().try_fold(self.scalar(first, time)?, |left, r| {
                Ok(arithmetic(r.op, left, self.scalar(&r.expr, time)?))
            }),
            ExprKind::Call(f, args) if f.name == "scalar" => {
                let found = self.vector(&args[0], time)?;
                let numbers: Vec<f64> = found.iter().filter_map(|e| e.2.number()).collect();
                Ok(if let [one] = numbers[..] { one } else { f64::NAN })
            }
            other => panic!("no scalar: {other:?}"),
        }
    }

    fn vector(&self, expr: &Expr, time: i64) -> Result<Vec<Element>, String> {
        match &expr.inner().kind {
            ExprKind::Selector(s) => {
                Ok(self.newest(s, time).into_iter().map(|(l, _, p)| (l, false, p)).collect())
            }
            ExprKind::Negate(e) => Ok(self
                .vector(e, time)?
                .into_iter()
                .map(|(l, _, p)| match p {
                    Point::Number(v) => (l, true, Point::Number(-v)),
                    Point::Histogram(x) => {
                        (l, true, of(Histogram { hint: ResetHint::Gauge, ..h::scaled(&x, -1.0) }))
                    }
                })
                .collect()),
            ExprKind::Binary(first, rest) => self.chain(first, rest, time),
            ExprKind::Aggregate(a) => self.aggregate(a, time),
            ExprKind::Call(f, args) => self.call(f.name, args, time),
            other => panic!("no vector: {other:?}"),
        }
    }

    fn call(&self, name: &str, args: &[Expr], time: i64) -> Result<Vec<Element>, String> {
        if let Some(range) = args.iter().find(|a| a.value_type == ValueType::Matrix) {
            let keeps_name = matches!(name, "last_over_time" | "first_over_time");
            let windows = self.windows(range, time)?;
            let value =
                |w: Window| Some((w.labels.clone(), w.nameless || !keeps_name, over_window(name, &w)?));
            return Ok(windows.into_iter().filter_map(value).collect());
        }
        if let ("timestamp", ExprKind::Selector(s)) = (name, &args[0].inner().kind) {
            let newest = self.newest(s, time).into_iter();
            return Ok(newest.map(|(l, t, _)| (l, true, Point::Number(t as f64 / 1000.0))).collect());
        }
        let vector = args.iter().rfind(|a| a.value_type == ValueType::Vector).expect("a vector");
        let scalars: Result<Vec<f64>, String> =
            args.iter().filter(|a| a.value_type == ValueType::Scalar).map(|a| self.scalar(a, time)).collect();
        let scalars = scalars?;
        let keeps_name = name == "sort";
        let value = |p: &Point| -> Option<f64> {
            match (name, p) {
                ("timestamp", _) => Some(time as f64 / 1000.0),
                ("histogram_count", Point::Histogram(h)) => Some(h.count),
                ("histogram_sum", Point::Histogram(h)) => Some(h.sum),
                ("histogram_avg", Point::Histogram(h)) => Some(h.sum / h.count),
                ("histogram_quantile", Point::Histogram(x)) => Some(h::quantile(scalars[0], x)),
                ("histogram_fraction", Point::Histogram(x)) => Some(h::fraction(scalars[0], scalars[1], x)),
                (_, Point::Histogram(_)) => None,
                (f, Point::Number(v)) => Some(match f {
                    "abs" => v.abs(),
                    "exp" => v.exp(),
                    "floor" => v.floor(),
                    "ceil" => v.ceil(),
                    "round" => (v + 0.5).floor(),
                    "sgn" => v.signum(),
                    "sort" => *v,
                    "clamp" if v.is_nan() || scalars[0].is_nan() || scalars[1].is_nan() => f64::NAN,
                    "clamp" => v.min(scalars[1]).max(scalars[0]),
                    _ if f.starts_with("histogram_") => return None,
                    other => panic!("what is {other}?"),
                }),
            }
        };
        if name == "clamp" && scalars[0] > scalars[1] {
            return Ok(Vec::new());
        }
        let found = self.vector(vector, time)?.into_iter();
        Ok(found.filter_map(|(l, n, p)| Some((l, n || !keeps_name, Point::Number(value(&p)?)))).collect())
    }

    fn aggregate(&self, a: &Aggregate, time: i64) -> Result<Vec<Element>, String> {
        let param = match &a.param {
            Some(p) if p.value_type == ValueType::Scalar => self.scalar(p, time)?,
            _ => f64::NAN,
        };
        let mut groups: Vec<(Labels, Vec<Element>)> = Vec::new();
        for e in self.vector(&a.expr, time)? {
            let mut key = group_labels(&e.0, a);
            if a.op == AggregateOp::CountValues {
                key = key.with("v", &number(&e.2).to_string());
            }
            match groups.iter_mut().find(|(k, _)| *k == key) {
                Some((_, members)) => members.push(e),
                None => groups.push((key, vec![e])),
            }
        }
        let mut out = Vec::new();
        for (key, members) in groups {
            if matches!(a.op, AggregateOp::Topk | AggregateOp::Bottomk) {
                let mut members: Vec<Element> = members.into_iter().filter(|e| !is_histogram(&e.2)).collect();
                members.sort_by(|x, y| {
                    let (x_value, y_value) = (number(&x.2), number(&y.2));
                    let order = if a.op == AggregateOp::Topk {
                        y_value.total_cmp(&x_value)
                    } else {
                        x_value.total_cmp(&y_value)
                    };
                    order.then(x.0.cmp(&y.0))
                });
                out.extend(members.into_iter().take(param as usize));
                continue;
            }
            let takes_histograms =
                matches!(a.op, AggregateOp::Sum | AggregateOp::Avg | AggregateOp::Count | AggregateOp::Group);
            let taken: Vec<Element> =
                members.into_iter().filter(|e| takes_histograms || !is_histogram(&e.2)).collect();
            let nameless = taken.iter().any(|e| e.1);
            let points: Vec<&Point> = taken.iter().map(|e| &e.2).collect();
            if let Some(p) = fold(a.op, &points, param) {
                out.push((key, nameless, p));
            }
        }
        Ok(out)
    }

    fn chain(&self, first: &Expr, rest: &[Operand], time: i64) -> Result<Vec<Element>, String> {
        enum Side {
            Scalar(f64),
            Vector(Vec<Element>),
        }
        let side = |e: &Expr| -> Result<Side, String> {
            Ok(if e.value_type == ValueType::Scalar {
                Side::Scalar(self.scalar(e, time)?)
            } else {
                Side::Vector(self.vector(e, time)?)
            })
        };
        let mut left = side(first)?;
        for r in rest {
            left = match (left, side(&r.expr)?) {
                (Side::Scalar(a), Side::Scalar(b)) => Side::Scalar(arithmetic(r.op, a, b)),
                (Side::Vector(v), Side::Scalar(n)) => Side::Vector(with_number(r, v, n, false)),
                (Side::Scalar(n), Side::Vector(v)) => Side::Vector(with_number(r, v, n, true)),
                (Side::Vector(a), Side::Vector(b)) => Side::Vector(matched(r, a, b)?),
            };
        }
        match left {
            Side::Vector(v) => Ok(v),
            Side::Scalar(_) => panic!("a chain of scalars"),
        }
    }
}

fn ms(d: &Duration) -> i64 {
    match d {
        Duration::Fixed(ms) => *ms,
        other => panic!("computed: {other:?}"),
    }
}

fn is_stale(p: &Point) -> bool {
    match p {
        Point::Number(v) => model::is_stale(*v),
        Point::Histogram(h) => h.is_stale(),
    }
}

fn unique(elements: &[Element], key: impl Fn(&Element) -> Labels) -> Result<(), String> {
    let mut keys: Vec<Labels> = elements.iter().map(key).collect();
    keys.sort();
    if keys.windows(2).any(|w| w[0] == w[1]) { Err("the same labels twice".into()) } else { Ok(()) }
}

fn group_labels(labels: &Labels, a: &Aggregate) -> Labels {
    labels.filtered(|n| n != NAME && a.labels.iter().any(|l| l == n) != a.without)
}

pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

pub fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / values.len() as f64
}

/// The sum of histograms; `None` if they do not go together.
fn total(points: &[&Point]) -> Option<Histogram> {
    let (first, rest) = points.split_first()?;
    rest.iter().try_fold(histogram(first).clone(), |sum, p| h::sum(&sum, histogram(p), 1.0))
}

pub fn fold(op: AggregateOp, points: &[&Point], param: f64) -> Option<Point> {
    let count = points.len() as f64;
    if points.is_empty() {
        return None;
    }
    match op {
        AggregateOp::Count | AggregateOp::CountValues => return Some(Point::Number(count)),
        AggregateOp::Group => return Some(Point::Number(1.0)),
        _ => {}
    }
    let histograms = points.iter().filter(|p| is_histogram(p)).count();
    if histograms > 0 {
        if histograms < points.len() {
            return None;
        }
        let sum = total(points)?;
        return Some(of(if op == AggregateOp::Avg { h::scaled(&sum, 1.0 / count) } else { sum }));
    }
    let mut values: Vec<f64> = points.iter().map(|p| number(p)).collect();
    Some(Point::Number(match op {
        AggregateOp::Sum => values.iter().sum(),
        AggregateOp::Avg => mean(&values),
        AggregateOp::Min => values.iter().copied().fold(f64::NAN, f64::min),
        AggregateOp::Max => values.iter().copied().fold(f64::NAN, f64::max),
        AggregateOp::Stdvar => variance(&values),
        AggregateOp::Quantile => {
            values.sort_by(f64::total_cmp);
            let rank = param * (count - 1.0);
            let (low, high) = (rank.floor() as usize, rank.ceil() as usize);
            values[low] + (values[high] - values[low]) * (rank - rank.floor())
        }
        other => panic!("what is {other:?}?"),
    }))
}

fn compared(op: BinaryOp, a: f64, b: f64) -> Option<bool> {
    Some(match op {
        BinaryOp::Equal => a == b,
        BinaryOp::NotEqual => a != b,
        BinaryOp::Greater => a > b,
        BinaryOp::Less => a < b,
        BinaryOp::GreaterEqual => a >= b,
        BinaryOp::LessEqual => a <= b,
        _ => return None,
    })
}

fn arithmetic(op: BinaryOp, a: f64, b: f64) -> f64 {
    match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => a / b,
        other => panic!("what is {other:?}?"),
    }
}

/// Two samples: a value and, of a comparison, whether it holds. `None` if they do not go together.
pub fn operate(op: BinaryOp, a: &Point, b: &Point) -> Option<(Point, Option<bool>)> {
    match (a, b) {
        (Point::Number(x), Point::Number(y)) => Some(match compared(op, *x, *y) {
            Some(holds) => (a.clone(), Some(holds)),
            None => (Point::Number(arithmetic(op, *x, *y)), None),
        }),
        (Point::Number(n), Point::Histogram(x)) | (Point::Histogram(x), Point::Number(n))
            if op == BinaryOp::Mul =>
        {
            Some((of(h::scaled(x, *n)), None))
        }
        (Point::Histogram(x), Point::Number(n)) if op == BinaryOp::Div => {
            Some((of(h::scaled(x, 1.0 / n)), None))
        }
        (Point::Histogram(x), Point::Histogram(y)) => match op {
            BinaryOp::Add => Some((of(h::sum(x, y, 1.0)?), None)),
            BinaryOp::Sub => Some((of(h::sum(x, y, -1.0)?), None)),
            BinaryOp::Equal | BinaryOp::NotEqual => {
                let same = |x: &Histogram| {
                    (
                        x.schema,
                        x.count.to_bits(),
                        x.sum.to_bits(),
                        x.custom_bounds.to_vec(),
                        x.positive.clone(),
                        x.negative.clone(),
                        x.zero_count.to_bits(),
                    )
                };
                Some((a.clone(), Some((same(x) == same(y)) == (op == BinaryOp::Equal))))
            }
            _ => None,
        },
        _ => None,
    }
}

/// What a comparison keeps, or with `bool` gives.
fn kept(r: &Operand, value: Point, holds: Option<bool>, keep: &Point) -> Option<Point> {
    match holds {
        Some(holds) if r.returns_bool => Some(Point::Number(f64::from(u8::from(holds)))),
        Some(true) => Some(keep.clone()),
        Some(false) => None,
        None => Some(value),
    }
}

fn drops_name(r: &Operand) -> bool {
    r.returns_bool || matches!(r.op, BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div)
}

fn with_number(r: &Operand, vector: Vec<Element>, n: f64, is_left: bool) -> Vec<Element> {
    let n = Point::Number(n);
    let one = |(l, nameless, p): Element| {
        let (value, holds) = if is_left { operate(r.op, &n, &p)? } else { operate(r.op, &p, &n)? };
        Some((l, nameless || drops_name(r), kept(r, value, holds, &p)?))
    };
    vector.into_iter().filter_map(one).collect()
}

fn matched(r: &Operand, left: Vec<Element>, right: Vec<Element>) -> Result<Vec<Element>, String> {
    let m: Matching = r.matching.clone().unwrap_or_default();
    let listed = |n: &str| m.labels.iter().any(|l| l == n);
    let signature = |l: &Labels| l.filtered(|n| if m.on { listed(n) } else { n != NAME && !listed(n) });
    let has = |side: &[Element], l: &Labels| side.iter().any(|e| signature(&e.0) == signature(l));
    match r.op {
        BinaryOp::And => return Ok(left.into_iter().filter(|e| has(&right, &e.0)).collect()),
        BinaryOp::Unless => return Ok(left.into_iter().filter(|e| !has(&right, &e.0)).collect()),
        BinaryOp::Or => {
            let more: Vec<Element> = right.into_iter().filter(|e| !has(&left, &e.0)).collect();
            return Ok(left.into_iter().chain(more).collect());
        }
        _ => {}
    }
    let any_left = !left.is_empty() || m.fill_left.is_some() || m.fill_right.is_some();
    if any_left {
        unique(&right, |e| signature(&e.0))?;
    }
    let mut pairs: Vec<(Element, Element)> = Vec::new();
    for l in &left {
        match (right.iter().find(|e| signature(&e.0) == signature(&l.0)), m.fill_right) {
            (Some(e), _) => pairs.push((l.clone(), e.clone())),
            (None, Some(v)) => pairs.push((l.clone(), (signature(&l.0), false, Point::Number(v)))),
            (None, None) => {}
        }
    }
    if m.group == Group::OneToOne {
        let lefts: Vec<Element> = pairs.iter().map(|p| p.0.clone()).collect();
        unique(&lefts, |e| signature(&e.0))?;
    }
    if let Some(v) = m.fill_left {
        for e in right.iter().filter(|e| !has(&left, &e.0)) {
            pairs.push(((signature(&e.0), false, Point::Number(v)), e.clone()));
        }
    }
    let mut out = Vec::new();
    for (l, e) in pairs {
        let Some((value, holds)) = operate(r.op, &l.2, &e.2) else { continue };
        let labels = l.0.filtered(|n| m.group != Group::OneToOne || listed(n) == m.on);
        if let Some(p) = kept(r, value, holds, &l.2) {
            out.push((labels, l.1 || drops_name(r), p));
        }
    }
    unique(&out, |e| e.0.clone())?;
    Ok(out)
}
