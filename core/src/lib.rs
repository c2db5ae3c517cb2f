//! Information reconciliation for quantum cryptography, without an operating system.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

pub mod bits;
pub mod code;
mod syndrome;
#[cfg(feature = "alloc")]
pub mod rank;
pub mod decode;
pub mod llr;
pub mod puncture;
pub mod leakage;
pub mod limits;
pub mod verify;
