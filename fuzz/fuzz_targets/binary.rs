//! Our binary form, as it is and in frames whose checksums are right.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::binary(data));
