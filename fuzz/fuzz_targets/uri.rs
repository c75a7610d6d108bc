//! Owns nothing: libFuzzer's way into [`hotline_fuzz::uri`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = hotline_fuzz::uri(data);
});
