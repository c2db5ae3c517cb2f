//! Information reconciliation for quantum cryptography, without an operating system.
#![no_std]
#![forbid(unsafe_code)]

pub mod bits;
pub mod code;
mod syndrome;
