//! Drives [`fuzz::protobuf_exposition`] with libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::protobuf_exposition(data));
