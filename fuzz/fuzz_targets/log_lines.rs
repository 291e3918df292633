//! Drives [`fuzz::logs::log_lines`] with libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::logs::log_lines(data));
