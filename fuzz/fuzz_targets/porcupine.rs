//! Porcupine's key-value lines.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::reader(fuzz::Format::Porcupine, data));
