//! Drives [`fuzz::logs::log_otlp`] with libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::logs::log_otlp(data));
