//! From bytes of unknown format to a verdict.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::detect_and_judge(data));
