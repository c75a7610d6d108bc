//! Owns nothing: libFuzzer's way into [`hotline_fuzz::message`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = hotline_fuzz::message(data);
});
