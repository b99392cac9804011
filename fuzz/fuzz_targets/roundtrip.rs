//! What a reader accepts and a writer can hold reads back as it was.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::roundtrip(data));
