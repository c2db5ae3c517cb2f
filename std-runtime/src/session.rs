//! Sessions: the core's machines given keys, entropy, decoders and a channel.

pub mod choice;
pub mod connection;
pub mod deal;
pub mod decoders;
pub mod driver;
mod handshake;
pub mod interleave;
pub mod local;
pub mod planner;
pub mod psk;
pub mod record;
pub mod report;
pub mod store;
pub mod tcp;
