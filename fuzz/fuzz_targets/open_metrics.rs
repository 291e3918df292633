//! Drives [`fuzz::open_metrics`] with libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::open_metrics(data));
