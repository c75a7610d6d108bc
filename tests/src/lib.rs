//! Whole calls, conformance, interop with real peers, tidy: the tests live in `tests/`.
