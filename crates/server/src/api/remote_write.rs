//! Prometheus remote write, 1.0 and 2.0, on one path: which of the two it is says the Content-Type. What is refused is counted
//! and told; what is accepted is durable before the answer goes out, and counted in the answer's headers.

use super::data::{decode_and_deliver, refusal, unsupported};
use crate::app::App;
use crate::http::{ApiResult, header_text, read_body};
use crate::sink::Delivered;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ingest::remote_write as decoder;
use std::sync::Arc;

/// The two messages.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Message {
    V1,
    V2,
}

/// The names of the messages, as senders write them.
const NAMES: [(&str, Message); 2] =
    [("prometheus.WriteRequest", Message::V1), ("io.prometheus.write.v2.Request", Message::V2)];

pub async fn remote_write(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let content_type = header_text(request.headers(), header::CONTENT_TYPE);
    let Some(message) = message(&content_type) else {
        return Ok(unsupported(
            "remote write is application/x-protobuf, with proto=prometheus.WriteRequest or proto=io.prometheus.write.v2.Request",
        ));
    };
    let encoding = header_text(request.headers(), header::CONTENT_ENCODING);
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("snappy") {
        return Ok(unsupported("remote write has to be encoded with snappy"));
    }
    let body = read_body(request, app.sink.limits().body_bytes_max)
        .await
        .map_err(|e| e.too_long_for("ingest.body_size"))?;
    let decode = match message {
        Message::V1 => decoder::decode,
        Message::V2 => decoder::v2::decode,
    };
    let delivered = decode_and_deliver(&app, "remote_write", body, move |body, sink| {
        decode(body, sink.limits(), sink.known())
    })
    .await;
    let (mut response, delivered) = match delivered {
        Ok(delivered) if delivered.rejects.is_empty() => (StatusCode::NO_CONTENT.into_response(), delivered),
        // What is good has been kept; a 4xx keeps the sender from sending the bad part again and again.
        Ok(delivered) => (refusal(&delivered), delivered),
        Err(e) => (e.into_response(), Delivered::default()),
    };
    count_written(&mut response, &delivered);
    Ok(response)
}

/// Which message a Content-Type says that the body is. Without `proto` it is that of 1.0, as it is without a Content-Type.
fn message(content_type: &str) -> Option<Message> {
    let mut parts = content_type.split(';').map(str::trim);
    let media = parts.next().unwrap_or("");
    if !media.is_empty() && !media.eq_ignore_ascii_case("application/x-protobuf") {
        return None;
    }
    let proto =
        parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.eq_ignore_ascii_case("proto"));
    match proto {
        None => Some(Message::V1),
        Some((_, name)) => {
            let name = name.trim_matches('"');
            NAMES.iter().find(|(known, _)| *known == name).map(|(_, message)| *message)
        }
    }
}

/// What is durable, by kind, as 2.0 wants it: in every answer to a message that is taken.
fn count_written(response: &mut Response, delivered: &Delivered) {
    for (name, count) in [
        ("x-prometheus-remote-write-samples-written", delivered.accepted - delivered.histograms),
        ("x-prometheus-remote-write-histograms-written", delivered.histograms),
        ("x-prometheus-remote-write-exemplars-written", delivered.exemplars),
    ] {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from(count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_says_which_message_it_is() {
        for (content_type, want) in [
            ("", Some(Message::V1)),
            ("application/x-protobuf", Some(Message::V1)),
            ("Application/X-Protobuf; charset=x", Some(Message::V1)),
            ("application/x-protobuf;proto=prometheus.WriteRequest", Some(Message::V1)),
            ("application/x-protobuf;proto=io.prometheus.write.v2.Request", Some(Message::V2)),
            ("application/x-protobuf; proto=\"io.prometheus.write.v2.Request\"; a=b", Some(Message::V2)),
            ("application/x-protobuf;proto=io.prometheus.write.v3.Request", None),
            ("application/x-protobuf;proto=", None),
            ("application/json", None),
            ("application/json;proto=prometheus.WriteRequest", None),
        ] {
            assert_eq!(message(content_type), want, "{content_type}");
        }
    }
}
