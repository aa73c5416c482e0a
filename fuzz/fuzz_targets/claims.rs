#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| filesync_signer_fuzz::claims::run(data));
