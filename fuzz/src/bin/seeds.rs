//! Writes what the fuzzers start from into `corpus/`: valid inputs of each kind, from the samples and scripts of the tests.

use ingest::otlp::{Content, metrics_message};
use ingest::remote_write;
use model::{Labels, SeriesData};
use std::path::{Path, PathBuf};

const OTLP: &str = r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s"}},
  {"key":"a","value":{"arrayValue":{"values":[{"intValue":"1"},{"kvlistValue":{"values":[{"key":"b","value":{"boolValue":true}}]}}]}}}]},
  "scopeMetrics":[{"scope":{"name":"lib","version":"1"},"metrics":[
  {"name":"g.x","unit":"By/s","gauge":{"dataPoints":[{"timeUnixNano":"1700000000000000000","asInt":"-7","flags":0}]}},
  {"name":"c","sum":{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{"startTimeUnixNano":"1","timeUnixNano":"1700000000000000000","asDouble":1.5,
    "exemplars":[{"timeUnixNano":"1700000000000000000","asDouble":2,"traceId":"0102","filteredAttributes":[{"key":"u","value":{"doubleValue":"NaN"}}]}]}]}},
  {"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"1700000000000000000","count":"6","sum":4.5,"bucketCounts":["1","2","3"],"explicitBounds":[0.5,2]}]}},
  {"name":"e","exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[{"timeUnixNano":"1700000000000000000","count":7,"scale":9,"zeroCount":1,
    "positive":{"offset":-1,"bucketCounts":["1","2"]},"negative":{"offset":3,"bucketCounts":[3]}}]}},
  {"name":"s","summary":{"dataPoints":[{"timeUnixNano":"1700000000000000000","count":3,"sum":6,"quantileValues":[{"quantile":0.5,"value":2}]}]}}]}]}]}"#;

fn main() -> std::io::Result<()> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let put = |target: &str, name: &str, bytes: &[u8]| -> std::io::Result<()> {
        let folder = here.join("corpus").join(target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(name), bytes)
    };
    let samples = here.join("../crates/ingest/src/exposition");
    put("text_exposition", "sample", &std::fs::read(samples.join("sample.txt"))?)?;
    put("open_metrics", "sample", &std::fs::read(samples.join("sample.om.txt"))?)?;
    // Protobuf of the same shape by hand: a family with a counter, a histogram with a span.
    let family = b"\x0a\x01x\x12\x01h\x18\x00\x22\x13\x0a\x08\x0a\x01a\x12\x01b\x1a\x09\x09\0\0\0\0\0\0\xf0?";
    let mut delimited = vec![family.len() as u8];
    delimited.extend(family);
    put("protobuf_exposition", "sample", &delimited)?;

    let mut series = Vec::new();
    for i in 0..3 {
        let labels = Labels::from_pairs([("__name__", "m"), ("i", &i.to_string()), ("é", "\n")]).unwrap_or_default();
        let mut one = SeriesData::numbers(labels, vec![1_700_000_000_000, 1_700_000_001_000], vec![1.5, f64::NAN]);
        one.starts_ms = vec![0, 1_600_000_000_000];
        series.push(one);
    }
    let unpacked = |body: &[u8]| snap::raw::Decoder::new().decompress_vec(body).unwrap_or_default();
    put("remote_write_1", "message", &unpacked(&remote_write::encode(&series)))?;
    put("remote_write_1", "body", &remote_write::encode(&series))?;
    put("remote_write_2", "message", &unpacked(&remote_write::v2::encode(&series)))?;

    put("otlp_json", "sample", OTLP.as_bytes())?;
    let limits = ingest::Limits::default();
    let message = metrics_message(OTLP.as_bytes().to_vec(), Content::Json, &limits).unwrap_or_default();
    put("otlp_protobuf", "sample", &message)?;
    put("compressed", "gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x04\0\x43\xbe\xb7\xe8\x01\0\0\0")?;
    put("compressed", "zstd", b"\x28\xb5\x2f\xfd\x04\0\x09\0\0a\x49\x2b\x3f\x9a")?;

    // Each expression of the test scripts.
    let mut number = 0;
    for file in std::fs::read_dir(here.join("../crates/query/tests/scripts"))? {
        for text in expressions(&file?.path())? {
            put("promql", &format!("{number:04}"), text.as_bytes())?;
            number += 1;
        }
    }
    println!("seeds are in {}, {number} of them queries", here.join("corpus").display());
    Ok(())
}

/// Lines of a script that look like questions; what is none is a seed all the same.
fn expressions(file: &Path) -> std::io::Result<Vec<String>> {
    if !file.is_file() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(file)?;
    let lines = text.lines().filter(|line| !line.starts_with('#') && line.contains(['(', '{', '+', '[']));
    Ok(lines.map(|line| line.trim().to_string()).collect())
}
