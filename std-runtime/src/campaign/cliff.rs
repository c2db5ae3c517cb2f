//! Where the clearance changes its sign: models of recorded samples, samples chosen by them, answers.
//!
//! | module | what comes in → what goes out |
//! |---|---|
//! | [`data`] | rows → what models learn from, a tenth kept apart |
//! | [`model`] | samples of one strategy, hyperparameters → the clearance elsewhere, with its uncertainty; what a run may show |
//! | [`chance`] | a row → by how much its estimate was off; inputs → what is usual there |
//! | [`train`] | data → models and guardrail, tried on the tenth; what went wrong, and what was done about it |
//! | [`mod@file`] | models → one versioned file, and back |
//! | [`suggest`] | models → the samples of an iteration |
//! | [`ask`] | a model, inputs → whether a transfer would succeed, and with how many pairs |
//! | [`active`] | folder with a design's samples → the same with those that models chose |

pub mod active;
pub mod ask;
pub mod chance;
pub mod data;
pub mod file;
pub mod model;
pub mod suggest;
pub mod train;
