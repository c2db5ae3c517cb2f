//! Sessions: the core's machines given keys, decoders and a channel.

pub mod choice;
pub mod decoders;
pub mod driver;
pub mod interleave;
pub mod local;
pub mod planner;
pub mod report;
pub mod store;
