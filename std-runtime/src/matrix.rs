//! Codes as files: construction, statistics, import and export.

pub mod alist;
pub mod cycles;
pub mod generate;
pub mod library;
pub mod npy;
pub mod npz;
pub mod peg;
pub mod qc_file;
pub mod words;

pub use caligo_sim::matrix::{base, mother, patterns, sparse};
