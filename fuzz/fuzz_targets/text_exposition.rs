//! Drives [`fuzz::text_exposition`] with libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::text_exposition(data));
