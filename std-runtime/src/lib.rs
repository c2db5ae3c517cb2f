//! Host side of Caligo: what needs a thread, a file, a clock or entropy.
//!
//! * [`matrix`]: codes as files: construction, statistics, import, export.
//! * [`kernel`]: decoding with the best instruction set of the machine: `caligo-engine`.
//! * [`amplify`]: privacy amplification, likewise; [`dispatch`] can be told not to.
//! * [`efficiency`], and parts of the modules below: what `caligo-sim` simulates in one process.
//! * [`primitives`]: hashes that the machines of oblivious transfer ask for.
//! * [`channel`], [`montecarlo`], [`calibrate`]: seeded simulation, and the rate table measured by it.
//! * [`keyfile`], [`session`]: key files, and what makes two of them one.
//! * [`transfer`]: oblivious transfers between the core's machines.
//! * [`qkd`]: key distribution, from pairs to keys.
//! * [`bounds`]: the core's security formulas for a parameter file.
//! * [`campaign`]: many samples over a space of parameters, kept so that a kill loses nothing.
//! * [`cli`]: the command line, arguments and printing only.
#![forbid(unsafe_code)]

pub mod amplify;
pub mod bounds;
pub mod calibrate;
pub mod campaign;
pub mod channel;
pub mod cli;
pub mod config;
pub mod entropy;
pub mod keyfile;
pub mod matrix;
pub mod montecarlo;
pub mod plot;
pub mod primitives;
pub mod qkd;
pub mod session;
pub mod side_info;
pub mod transfer;

pub use caligo_engine as kernel;
pub use caligo_engine::dispatch;
pub use caligo_sim::efficiency;
