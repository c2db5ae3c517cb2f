//! Codes as files: construction, statistics, import and export.

pub mod alist;
pub mod base;
pub mod cycles;
pub mod generate;
pub mod library;
pub mod mother;
pub mod npy;
pub mod npz;
pub mod patterns;
pub mod peg;
pub mod qc_file;
pub mod sparse;
pub mod words;
