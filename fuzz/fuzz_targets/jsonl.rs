//! Our own lines.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::reader(fuzz::Format::JsonLines, data));
