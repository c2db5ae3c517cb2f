//! Sessions: the core's machines given keys, entropy, decoders and a channel.

pub mod connection;
pub mod deal;
mod handshake;
pub mod local;
pub mod psk;
pub mod record;
pub mod tcp;

pub use caligo_sim::session::{choice, decoders, driver, interleave, planner, report, store};
