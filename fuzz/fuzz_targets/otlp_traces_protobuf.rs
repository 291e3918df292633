//! Drives [`fuzz::otlp_traces_protobuf`] with libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::otlp_traces_protobuf(data));
