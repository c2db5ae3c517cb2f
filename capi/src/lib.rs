//! C interface of [`caligo_core`]: encoder, decoders, and the machines of reconciliation.
//!
//! Nothing is allocated, and nothing of the world is touched. Whoever calls gives memory (`..._size` says how much, of any
//! alignment), time, private randomness, and a channel; a machine takes one event and says one effect
//! ([`CaligoEffect`]). A handle lives in the memory that it was made in, until `..._end` overwrites that. Handles are not
//! shared between threads without a lock; different ones are independent.
//!
//! `include/caligo.h` is made from this crate by `cbindgen`; `examples/socketpair.c` reconciles a key from end to end.
#![cfg_attr(not(feature = "std"), no_std)]
#![allow(clippy::missing_panics_doc, reason = "a panic ends the process")]

// In the order of the header.
mod codec;
mod decoder;
mod effect;
mod memory;

mod config;
mod host;

mod alice;
mod bob;

mod amplify;

mod status;

pub use alice::*;
pub use amplify::*;
pub use bob::*;
pub use codec::*;
pub use config::*;
pub use decoder::*;
pub use effect::*;
pub use status::*;
