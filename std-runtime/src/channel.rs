//! Seeded channels, and the photon pairs that keys come from.

pub use caligo_sim::channel::*;

pub mod pairs;
