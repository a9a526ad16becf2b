#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| snaphold_fuzz::run("log", data));
