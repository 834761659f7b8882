//! What the end-to-end tests share. The tests themselves are in `tests/tests/`.
#![forbid(unsafe_code)]

pub mod scan;
