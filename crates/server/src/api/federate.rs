//! `/federate`: the newest sample of each selected series, for a Prometheus that scrapes it. What ended, or is older than
//! the lookback, is not there.

use super::series::{matcher_sets, stopped};
use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiResult, Params, header_text};
use crate::transport::{PART_BYTES, answer_in_parts};
use ::query::{ReadLimits, Source};
use axum::extract::{Request, State};
use axum::http::header;
use bytes::Bytes;
use ingest::write_samples::{Format, Point, PointValue};
use model::{Labels, SeriesData, is_stale};
use std::collections::BTreeMap;
use std::sync::Arc;

pub async fn federate(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let format = Format::from_accept(&header_text(request.headers(), header::ACCEPT));
    let params = Params::read(request).await?;
    let sets = matcher_sets(&params)?;
    let inside = app.clone();
    let found = app.gate.run(None, move |stop| -> stdx::Result<Vec<Point>> {
        let settings = inside.gate.settings();
        let limits = ReadLimits {
            series_max: settings.series_max,
            samples_max: settings.samples_max,
            bytes_max: settings.bytes_max,
        };
        let (view, now_ms) = (inside.store.view(), now_ms());
        let mut newest: BTreeMap<Labels, Point> = BTreeMap::new();
        let range_ms = (now_ms - settings.lookback_ms + 1, now_ms);
        for matchers in &sets {
            // Of each series one sample is held.
            Source::select_each(&view, matchers, range_ms, limits, &mut |series| {
                if stop() {
                    return Err(stopped());
                }
                newest.extend(last(&series).map(|point| (series.labels, point)));
                Ok(())
            })?;
        }
        let mut points: Vec<Point> = newest.into_values().filter(|p| !p.labels.name().is_empty()).collect();
        // Stable: in order of labels within a metric.
        points.sort_by(|a, b| a.labels.name().cmp(b.labels.name()));
        Ok(points)
    });
    let parts = Families { points: found.await?, format, at: 0, is_done: false };
    Ok(answer_in_parts(&app, format.content_type(), parts)?)
}

/// The newest sample; none if it says that the series ended.
fn last(series: &SeriesData) -> Option<Point> {
    let number = series.timestamps_ms.last().zip(series.values.last());
    let histogram = series.histograms.last();
    let (timestamp_ms, value) = match (number, histogram) {
        (Some((t, v)), h) if h.is_none_or(|h| h.timestamp_ms < *t) => {
            if is_stale(*v) {
                return None;
            }
            (*t, PointValue::Number(*v))
        }
        (_, Some(h)) if !h.histogram.is_stale() => {
            (h.timestamp_ms, PointValue::Histogram(h.histogram.clone()))
        }
        _ => return None,
    };
    Some(Point { labels: series.labels.clone(), timestamp_ms, value })
}

/// The body, some metrics at a time.
struct Families {
    points: Vec<Point>,
    format: Format,
    at: usize,
    is_done: bool,
}

impl Iterator for Families {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        while out.len() < PART_BYTES && self.at < self.points.len() {
            let rest = &self.points[self.at..];
            let name = rest[0].labels.name();
            let length = rest.iter().take_while(|p| p.labels.name() == name).count();
            self.format.write_family(&mut out, &rest[..length]);
            self.at += length;
        }
        if self.at == self.points.len() && !self.is_done {
            out.extend(self.format.end());
            self.is_done = true;
        }
        (!out.is_empty()).then(|| out.into())
    }
}
