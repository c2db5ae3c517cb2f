//! Host side of Caligo: what needs a thread, a file, a clock or entropy.
#![forbid(unsafe_code)]

pub mod channel;
pub mod matrix;
