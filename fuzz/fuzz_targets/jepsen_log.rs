//! Jepsen's text logs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::reader(fuzz::Format::JepsenLog, data));
