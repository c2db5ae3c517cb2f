//! Codes in memory: quasi-cyclic and sparse matrices, built-in codes, orders, and what ties them together.

pub mod base;
pub mod library;
pub mod mother;
pub mod patterns;
pub mod sparse;
