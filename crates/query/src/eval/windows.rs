//! Range vectors: for each series the samples, and for each step the window into them, which only moves
//! forward. Windows of selectors and of subqueries look the same to the functions over them.

use super::column::{ABSENT, Column, Steps, is_present};
use super::edges;
use super::mixed::About;
use super::mixed_rates::is_reset;
use super::over_time::Window;
use super::rates::overlaps;
use super::selector::Shifted;
use super::{Eval, Sink, internal, summaries};
use crate::ast::{Edges, Expr, ExprKind, Subquery};
use crate::error::{QueryError, Span};
use crate::functions::{Body, Function};
use crate::native;
use crate::value::Point;
use model::{HistogramAt, SeriesData, is_stale};
use stdx::ErrorKind;

/// The windows of one range vector: the same for all its series.
pub(super) struct Windows {
    times: Shifted,
    range_ms: i64,
    steps: Steps,
    edges: Edges,
    lookback_ms: i64,
}

impl Windows {
    /// How far the samples of a window may lie before and after its range.
    fn reach(&self) -> (i64, i64) {
        match self.edges {
            Edges::Plain => (0, 0),
            Edges::Anchored => (self.lookback_ms, 0),
            Edges::Smoothed => (self.lookback_ms, self.lookback_ms),
        }
    }

    /// `start < t <= end` of a step.
    fn bounds(&self, step: usize) -> (i64, i64) {
        let end = self.times.time(step);
        (end - self.range_ms, end)
    }

    /// The samples in the window of one step.
    pub(super) fn samples(&self, series: &SeriesData, step: usize) -> SeriesData {
        let ((start_ms, end_ms), (before_ms, after_ms)) = (self.bounds(step), self.reach());
        let times = &series.timestamps_ms;
        let low = times.partition_point(|t| *t <= start_ms - before_ms);
        let range = low..times.partition_point(|t| *t <= end_ms + after_ms);
        let starts_ms = series.starts_ms.get(range.clone()).unwrap_or_default();
        let (timestamps_ms, values) = (&times[range.clone()], &series.values[range]);
        // What edges are, only numbers tell.
        let inside = between(&series.histograms, start_ms, end_ms);
        let histograms = series.histograms[inside].to_vec();
        let (timestamps_ms, values) = match self.edges {
            Edges::Plain => (timestamps_ms.to_vec(), values.to_vec()),
            other => {
                let time_ms = end_ms;
                let window = Window {
                    timestamps_ms,
                    values,
                    starts_ms,
                    histograms: &[],
                    resets: &[],
                    first: low,
                    start_ms,
                    end_ms,
                    time_ms,
                };
                edges::samples(&window, other)
            }
        };
        SeriesData { labels: series.labels.clone(), timestamps_ms, values, histograms, ..Default::default() }
    }

    /// Calls `f` with each window that is not empty, and gives a value per step.
    pub(super) fn map(
        &self,
        eval: &Eval<'_>,
        series: &SeriesData,
        mut f: impl FnMut(usize, &Window<'_>) -> Option<f64>,
    ) -> Result<Vec<f64>, QueryError> {
        let times = &series.timestamps_ms;
        let (before_ms, after_ms) = self.reach();
        let (mut low, mut high) = (0, 0);
        let mut values = Vec::with_capacity(self.steps.count);
        for step in 0..self.steps.count {
            let (start_ms, end_ms) = self.bounds(step);
            while high < times.len() && times[high] <= end_ms + after_ms {
                high += 1;
            }
            while low < high && times[low] <= start_ms - before_ms {
                low += 1;
            }
            eval.worked(high - low + 1)?;
            let window = Window {
                timestamps_ms: &times[low..high],
                values: &series.values[low..high],
                starts_ms: series.starts_ms.get(low..high).unwrap_or_default(),
                histograms: &[],
                resets: &[],
                first: low,
                start_ms,
                end_ms,
                time_ms: self.steps.time(step),
            };
            values.push(if low == high { None } else { f(step, &window) }.unwrap_or(ABSENT));
        }
        Ok(values)
    }
}

impl Windows {
    /// As [`Windows::map`], of a series with native histograms; `resets` as in [`Window::resets`].
    fn map_both(
        &self,
        eval: &Eval<'_>,
        series: &SeriesData,
        resets: &[bool],
        mut f: impl FnMut(usize, &Window<'_>) -> Result<Option<Point>, QueryError>,
    ) -> Result<Vec<Option<Point>>, QueryError> {
        let (times, histograms) = (&series.timestamps_ms, &series.histograms);
        let (before_ms, after_ms) = self.reach();
        let (mut points, mut bytes) = (Vec::with_capacity(self.steps.count), 0);
        for step in 0..self.steps.count {
            let (start_ms, end_ms) = self.bounds(step);
            let (from_ms, to_ms) = (start_ms - before_ms, end_ms + after_ms);
            let low = times.partition_point(|t| *t <= from_ms);
            let high = times.partition_point(|t| *t <= to_ms).max(low);
            let inside = between(histograms, from_ms, to_ms);
            eval.worked(high - low + inside.len() + 1)?;
            let window = Window {
                timestamps_ms: &times[low..high],
                values: &series.values[low..high],
                starts_ms: series.starts_ms.get(low..high).unwrap_or_default(),
                resets: resets.get(inside.clone()).unwrap_or_default(),
                histograms: &histograms[inside],
                first: low,
                start_ms,
                end_ms,
                time_ms: self.steps.time(step),
            };
            let empty = low == high && window.histograms.is_empty();
            let point = if empty { None } else { f(step, &window)? };
            if let Some(Point::Histogram(h)) = &point {
                // Thousands of steps can each make a histogram: they are counted while they come.
                let more = native::bytes(h);
                eval.hold_bytes(more)?;
                bytes += more;
            }
            points.push(point);
        }
        eval.release_bytes(bytes);
        Ok(points)
    }
}

/// Where the histograms of `from_ms < t <= to_ms` are.
fn between(histograms: &[HistogramAt], from_ms: i64, to_ms: i64) -> std::ops::Range<usize> {
    let low = histograms.partition_point(|h| h.timestamp_ms <= from_ms);
    low..histograms.partition_point(|h| h.timestamp_ms <= to_ms).max(low)
}

/// Takes the series of a range vector one by one, each with whether its name has to go.
type SeriesSink<'s> = &'s mut dyn FnMut(SeriesData, bool, &Windows) -> Result<(), QueryError>;

impl Eval<'_> {
    /// Each series of a range vector with its windows.
    pub(super) fn windows(&self, expr: &Expr, steps: &Steps, sink: SeriesSink<'_>) -> Result<(), QueryError> {
        match &expr.kind {
            ExprKind::Paren(e) => self.windows(e, steps, sink),
            ExprKind::Range(selector, range) => {
                let times = self.shifted(&selector.shift, steps)?;
                let range_ms = self.duration(range, "range", true)?;
                let lookback_ms = self.lookback_ms();
                let windows = Windows { times, range_ms, steps: *steps, edges: selector.edges, lookback_ms };
                let (before_ms, after_ms) = windows.reach();
                let start_ms = times.first() - range_ms - before_ms;
                self.read_each(selector, start_ms, times.last() + after_ms, &mut |mut series| {
                    drop_stale(&mut series);
                    sink(series, false, &windows)
                })
            }
            ExprKind::Subquery(s) => self.subquery(s, steps, sink).map_err(|e| e.at(expr.span)),
            _ => Err(internal(expr)),
        }
    }

    /// Evaluates the inner expression once for all windows, at multiples of its own step.
    fn subquery(&self, subquery: &Subquery, steps: &Steps, sink: SeriesSink<'_>) -> Result<(), QueryError> {
        let times = self.shifted(&subquery.shift, steps)?;
        let range_ms = self.duration(&subquery.range, "range", true)?;
        let windows = Windows { times, range_ms, steps: *steps, edges: Edges::Plain, lookback_ms: 0 };
        let step_ms = match &subquery.step {
            Some(step) => self.duration(step, "subquery step", true)?,
            None => self.options.subquery_step_ms.max(1),
        };
        // The first multiple of the step that lies after the start of the first window.
        let start_ms = ((times.first() - range_ms).div_euclid(step_ms) + 1) * step_ms;
        if start_ms > times.last() {
            return Ok(());
        }
        let inner = Steps::new(start_ms, times.last(), step_ms);
        let max = self.options.limits.subquery_steps_max;
        if inner.count > max {
            let message = format!("a subquery of {} steps is over the limit of {max}", inner.count);
            return Err(
                QueryError::new(ErrorKind::TooLarge, message).hint("use a longer step in [range:step]")
            );
        }
        // One series at a time: its values and times, and what is made of them.
        self.hold(inner.count * 3)?;
        let done = self.subquery_series(&subquery.expr, &inner, &windows, sink);
        self.release(inner.count * 3);
        done
    }

    fn subquery_series(
        &self,
        expr: &Expr,
        inner: &Steps,
        windows: &Windows,
        sink: SeriesSink<'_>,
    ) -> Result<(), QueryError> {
        if expr.value_type == crate::ast::ValueType::Scalar {
            let values = self.scalar(expr, inner)?;
            return sink(Column::new(Default::default(), values).into_series(inner), false, windows);
        }
        self.marking_resets(false, || {
            self.vector(expr, inner, &mut |column| {
                self.worked(inner.count)?;
                let (nameless, bytes) = (column.nameless, column.bytes());
                self.hold_bytes(bytes)?;
                let done = sink(column.into_series(inner), nameless, windows);
                self.release_bytes(bytes);
                done
            })
        })
    }

    /// A function over windows: the range vector is the one matrix among the arguments, the others are
    /// scalars.
    pub(super) fn window_function(
        &self,
        function: &Function,
        args: &[Expr],
        steps: &Steps,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        let body = function.body;
        let keeps_name = matches!(body, Body::WindowKeepsName(_));
        let Some((range, scalars)) = split(args) else { return Ok(()) };
        let params = self.params(&scalars, steps)?;
        self.check_params(function, args, &params)?;
        let counter = matches!(function.name, "rate" | "increase");
        let edges = match &range.inner().kind {
            ExprKind::Range(selector, _) => selector.edges,
            _ => Edges::Plain,
        };
        if edges == Edges::Plain && self.window_summaries(function, range, steps, sink)? {
            return Ok(());
        }
        // With `@` every step has the same window; only a prediction depends on the step's time.
        let repeats = function.name != "predict_linear";
        self.windows(range, steps, &mut |series, nameless, windows| {
            let repeats = repeats && windows.times.fixed_ms.is_some();
            let mut previous: Option<([f64; 2], Option<f64>)> = None;
            let mut sliding = match body {
                Body::Sliding(start) => Some(start()),
                _ => None,
            };
            let given = |step: usize| {
                let mut given = [0.0; 2];
                given.iter_mut().zip(&params).for_each(|(g, p)| *g = p[step]);
                given
            };
            if !series.histograms.is_empty() {
                let about = About { name: series.labels.name(), span: range.span };
                // Windows overlap: each pair of histograms is compared once, however many windows it is in.
                let resets = if counter { self.resets(&series)? } else { Vec::new() };
                let points = windows.map_both(self, &series, &resets, |step, window| {
                    let of_numbers = |w: &Window<'_>| match (body, &mut sliding) {
                        _ if edges != Edges::Plain => edges::compute(function.name, w, edges),
                        (Body::Window(f) | Body::WindowKeepsName(f), _) => f(w, &given(step)),
                        (_, Some(sliding)) => sliding.next(w),
                        _ => None,
                    };
                    self.of_both(function.name, window, edges, &about, of_numbers)
                })?;
                let (nameless, count) = (nameless || !keeps_name, points.len());
                let column = Column::of_points(series.labels.clone(), nameless, count, points.into_iter());
                if column.is_empty() {
                    return Ok(());
                }
                if counter && column.values.iter().any(|v| is_present(*v)) {
                    self.check_counter_name(column.labels.name(), range.span);
                }
                return sink(column);
            }
            if counter && edges == Edges::Plain && !series.starts_ms.is_empty() {
                self.check_starts(&series, windows, range.span);
            }
            let values = windows.map(self, &series, |step, window| {
                let given = given(step);
                let value = match previous {
                    Some((before, value)) if repeats && before == given => value,
                    _ if edges != Edges::Plain => edges::compute(function.name, window, edges),
                    _ => match (body, &mut sliding) {
                        (Body::Window(f) | Body::WindowKeepsName(f), _) => f(window, &given),
                        (_, Some(sliding)) => sliding.next(window),
                        _ => None,
                    },
                };
                previous = Some((given, value));
                value
            })?;
            let nameless = nameless || !keeps_name;
            let column = Column { labels: series.labels, nameless, values, histograms: None };
            if column.is_empty() {
                return Ok(());
            }
            if counter {
                self.check_counter_name(column.labels.name(), range.span);
            }
            sink(column)
        })
    }

    /// Of each histogram of a series whether the counter was reset before it.
    fn resets(&self, series: &SeriesData) -> Result<Vec<bool>, QueryError> {
        let mut resets = Vec::with_capacity(series.histograms.len());
        for (i, now) in series.histograms.iter().enumerate() {
            self.worked(native::work(&now.histogram))?;
            resets.push(i > 0 && is_reset(now, &series.histograms[i - 1]));
        }
        Ok(resets)
    }

    /// Warns of counters whose samples in a window count the same time twice.
    fn check_starts(&self, series: &SeriesData, windows: &Windows, span: Span) {
        let at = |i: usize| (series.starts_ms[i], series.timestamps_ms[i]);
        let overlapping = |i: &usize| overlaps(at(i - 1), series.starts_ms[*i]);
        let seen = |i: usize| {
            (0..windows.steps.count).any(|step| {
                let (start_ms, end_ms) = windows.bounds(step);
                start_ms < series.timestamps_ms[i - 1] && series.timestamps_ms[i] <= end_ms
            })
        };
        if (1..series.starts_ms.len()).filter(overlapping).take(100).any(seen) {
            self.warn_of_overlap(&About { name: series.labels.name(), span });
        }
    }

    /// Parameters that have no meaning: an error or a warning.
    fn check_params(
        &self,
        function: &Function,
        args: &[Expr],
        params: &[Vec<f64>],
    ) -> Result<(), QueryError> {
        match function.name {
            "quantile_over_time" => params[0].iter().for_each(|q| self.check_quantile(*q, args[0].span)),
            "double_exponential_smoothing" => {
                for (i, what) in ["smoothing", "trend"].iter().enumerate() {
                    if let Some(p) = params[i].iter().find(|p| !(**p > 0.0 && **p < 1.0)) {
                        let message = format!("invalid {what} factor: it must be between 0 and 1, got {p}");
                        return Err(QueryError::invalid(message).at(args[i + 1].span));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// 1 at each step at which no series has a sample in its window.
    pub(super) fn absent_over_time(&self, range: &Expr, steps: &Steps) -> Result<Vec<f64>, QueryError> {
        self.hold(steps.count)?;
        let mut absent = vec![1.0; steps.count];
        let mut not_absent = |present: &[f64]| {
            absent.iter_mut().zip(present).filter(|(_, p)| is_present(**p)).for_each(|(a, _)| *a = ABSENT);
        };
        if let ExprKind::Range(selector, length) = &range.inner().kind
            && selector.edges == Edges::Plain
            && self.over_buckets(selector, length, steps, summaries::present, &mut |_, values| {
                not_absent(&values);
                Ok(())
            })?
        {
            return Ok(absent);
        }
        self.windows(range, steps, &mut |series, _, windows| {
            if series.histograms.is_empty() {
                not_absent(&windows.map(self, &series, |_, _| Some(1.0))?);
            } else {
                let present = windows.map_both(self, &series, &[], |_, _| Ok(Some(Point::Number(1.0))))?;
                not_absent(&present.iter().map(|p| p.as_ref().map_or(ABSENT, |_| 1.0)).collect::<Vec<_>>());
            }
            Ok(())
        })?;
        Ok(absent)
    }
}

/// The range vector among the arguments, and the scalars in order.
fn split(args: &[Expr]) -> Option<(&Expr, Vec<&Expr>)> {
    let range = args.iter().find(|a| a.value_type == crate::ast::ValueType::Matrix)?;
    Some((range, args.iter().filter(|a| a.value_type == crate::ast::ValueType::Scalar).collect()))
}

/// Stale markers are no samples of a range.
pub(super) fn drop_stale(series: &mut SeriesData) {
    if series.histograms.iter().any(|h| h.histogram.is_stale()) {
        series.histograms.retain(|h| !h.histogram.is_stale());
    }
    if !series.values.iter().any(|v| is_stale(*v)) {
        return;
    }
    let keep: Vec<bool> = series.values.iter().map(|v| !is_stale(*v)).collect();
    let mut kept = keep.iter();
    series.timestamps_ms.retain(|_| *kept.next().unwrap_or(&true));
    let mut kept = keep.iter();
    series.starts_ms.retain(|_| *kept.next().unwrap_or(&true));
    series.values.retain(|v| !is_stale(*v));
}
