//! Remote read: raw samples of series for another Prometheus, as one message or as a stream of chunks.

use super::series::stopped;
use crate::app::App;
use crate::http::{ApiError, ApiResult, header_text, read_body};
use crate::transport::{PART_BYTES, answer_in_parts};
use ::query::{ReadLimits, Source};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use ingest::remote_read::{self, Form};
use model::SeriesData;
use std::collections::VecDeque;
use std::sync::Arc;
use stdx::{Error, ErrorKind};

const STREAM: &str = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";

pub async fn read(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let encoding = header_text(request.headers(), header::CONTENT_ENCODING);
    if !matches!(encoding.as_str(), "" | "snappy") {
        return Ok(super::data::unsupported("remote read has to be encoded with snappy"));
    }
    let body = read_body(request, app.sink.limits().body_bytes_max)
        .await
        .map_err(|e| e.too_long_for("ingest.body_size"))?;
    let asked = remote_read::decode(&body, app.sink.limits()).map_err(|e| ApiError::bad(e.to_string()))?;
    let inside = app.clone();
    let found = app.gate.run(None, move |stop| -> stdx::Result<Answer> {
        let settings = inside.gate.settings();
        let (mut samples_left, mut bytes_left) = (settings.samples_max, settings.bytes_max);
        let view = inside.store.view();
        let mut results = Vec::new();
        for query in &asked.queries {
            let limits = ReadLimits {
                series_max: settings.series_max,
                samples_max: samples_left,
                bytes_max: bytes_left,
            };
            let mut found = Vec::new();
            let range_ms = (query.start_ms, query.end_ms);
            Source::select_each(&view, &query.matchers, range_ms, limits, &mut |series| {
                if stop() {
                    return Err(stopped());
                }
                found.push(series);
                Ok(())
            })?;
            found.sort_by(|a: &SeriesData, b| a.labels.cmp(&b.labels));
            let samples: usize = found.iter().map(|s| s.timestamps_ms.len() + s.histograms.len()).sum();
            samples_left = samples_left.saturating_sub(samples);
            bytes_left = bytes_left.saturating_sub(samples * 16);
            results.push(found);
        }
        // Nobody reads warnings in protobuf, and a part is not the whole.
        if let Some(warning) = view.warnings().first() {
            return Err(Error::corrupt(format!("a part of the data cannot be read ({warning})")));
        }
        let has_histograms = results.iter().flatten().any(|s| !s.histograms.is_empty());
        // Chunks of native histograms are a format of their own; the message has them too.
        let form = asked.forms.iter().find(|f| **f == Form::Samples || !has_histograms);
        match form {
            Some(Form::Chunks) => {
                let each = |(i, all): (usize, Vec<SeriesData>)| all.into_iter().map(move |s| (i, s));
                Ok(Answer::Stream(results.into_iter().enumerate().flat_map(each).collect()))
            }
            Some(Form::Samples) => Ok(Answer::Message(remote_read::encode_samples(&results)?)),
            None => Err(Error::new(
                ErrorKind::TooLarge,
                "there are native histograms, which are not streamed: accept SAMPLES too",
            )),
        }
    });
    match found.await? {
        Answer::Message(message) => {
            let headers =
                [(header::CONTENT_TYPE, "application/x-protobuf"), (header::CONTENT_ENCODING, "snappy")];
            Ok((StatusCode::OK, headers, message).into_response())
        }
        Answer::Stream(series) => Ok(answer_in_parts(&app, STREAM, Frames(series))?),
    }
}

enum Answer {
    Message(Vec<u8>),
    /// Series with the number of their query.
    Stream(VecDeque<(usize, SeriesData)>),
}

/// The frames of series, given back as they are written.
struct Frames(VecDeque<(usize, SeriesData)>);

impl Iterator for Frames {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        while out.len() < PART_BYTES {
            let Some((query, series)) = self.0.pop_front() else { break };
            out.extend(remote_read::encode_chunks(&series, query));
        }
        (!out.is_empty()).then(|| out.into())
    }
}
