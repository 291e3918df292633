//! Drives [`fuzz::remote_write_1`] with libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::remote_write_1(data));
