//! Codes as files: construction, statistics, import and export.

pub mod base;
pub mod cycles;
pub mod generate;
pub mod patterns;
pub mod peg;
pub mod qc_file;
pub mod sparse;
