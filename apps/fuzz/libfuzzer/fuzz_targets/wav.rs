#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| elbo_fuzz::run("wav", input));
