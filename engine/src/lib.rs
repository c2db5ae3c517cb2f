//! Decoding on a host or in a browser: the core's kernels compiled for several instruction sets, and the tiers that
//! combine them.
//!
//! * [`Engine`]: frames to decisions, by the instructions the machine has.
//! * [`Seen`]: what is decided after each iteration, for who wants to look on.
//! * [`Tier`], [`Effort`]: which arithmetics, and how long.
//! * [`dispatch`]: whether kernels may use what the processor has.
//!
//! No result depends on the instruction set.
#![cfg_attr(target_arch = "wasm32", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod dispatch;
mod engine;
mod first_pass;
#[cfg(target_arch = "x86_64")]
#[doc(hidden)]
pub mod lanes;
#[cfg(target_arch = "aarch64")]
mod neon;
mod tier;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
mod watch;

pub use engine::{Engine, Input};
pub use tier::{Effort, Tier};
pub use watch::{Seen, Stage, Watch};
