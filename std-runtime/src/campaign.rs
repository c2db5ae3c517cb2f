//! Campaigns: many simulated transfers over a space of parameters, kept so that a kill loses nothing.
//!
//! Every sample is a function of (seed, number of samples, index): which worker makes it, and when, cannot change it.
//!
//! | module | what comes in → what goes out |
//! |---|---|
//! | [`space`] | a point of the unit cube → parameters of a sample |
//! | [`design`] | seed, N, index → a point of the unit cube |
//! | [`feasibility`] | inputs of many samples → the first inequality each fails |
//! | [`batch`] | campaign, indices → inputs and verdicts, infeasible points replaced if asked for |
//! | [`sample`] | a sample → both machines of oblivious transfer → its row |
//! | [`pipeline`] | indices → samples → rows, on all cores |
//! | [`cliff`] | rows → models of the margin, samples that they choose, answers |
//! | [`run`] | folder, campaign → the folder with its samples |
//! | [`merge`] | folders of one campaign → one folder |
//! | [`report`] | state, rows → one page, as HTML and Markdown |
//! | [`rows`] | what is recorded of a sample: one table of columns |
//! | [`store`] | rows → shards → rows in order, comma-separated values, HDF5 |
//! | [`state`] | folder, campaign → the folder, locked, and how far it is |

pub mod batch;
pub mod cliff;
pub mod design;
pub mod feasibility;
pub mod merge;
pub mod pipeline;
pub mod report;
pub mod rows;
pub mod run;
pub mod sample;
pub mod space;
pub mod state;
pub mod store;
