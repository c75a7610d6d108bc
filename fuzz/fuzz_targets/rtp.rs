//! Owns nothing: libFuzzer's way into [`hotline_fuzz::rtp`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = hotline_fuzz::rtp(data);
});
