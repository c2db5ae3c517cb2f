//! Sessions: two parties' keys in, one key out.

mod interleave;
pub mod local;
pub mod report;
mod verification;
