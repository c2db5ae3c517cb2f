//! Simulation of a block or a session in one process: what needs neither files nor threads, a clock or entropy, so that a
//! browser has it too.
//!
//! * [`channel`]: seeded keys, errors, links.
//! * [`matrix`]: codes in memory, and the library of a code with its orders.
//! * [`session`]: both of the core's machines given keys, decoders and a channel.
//! * [`block`]: one block, its conversation and its decoder's course.
//! * [`efficiency`]: what sessions disclose, over many of them.
//! * [`frames`]: frames to measure speed on.
//! * [`interval`]: confidence of a frame error rate.
#![cfg_attr(target_arch = "wasm32", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod block;
pub mod channel;
pub mod efficiency;
pub mod frames;
pub mod interval;
mod key;
pub mod matrix;
pub mod session;
mod strategy;

pub use key::{Key, MAX_BITS};
pub use strategy::Strategy;
