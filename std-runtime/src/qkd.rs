//! Key distribution on a host: the core's machines with memory, randomness, pairs and decoders.
//!
//! In: a device and failures allowed, what both sides' detectors recorded. Out: both parties' keys, and how they came to
//! them. [`local`] runs all three conversations in one process, [`runs`] as often as one likes; [`host`] holds one party's
//! side of them, over a connection.

pub mod host;
pub mod local;
pub mod report;
pub mod runs;
pub mod store;

use std::path::PathBuf;

use caligo_core::leakage::Policy;
use caligo_core::qkd::{Abort, Terms};
use caligo_core::reconcile::estimate::upper;
use caligo_core::security::{Infeasible, KeyForecast};
use caligo_core::wire::MAX_BITS;

use crate::channel::pairs::SourceError;
use crate::config::Strategy;
use crate::config::qkd::Parameters;
use crate::kernel::Effort;
use crate::matrix::library::{Library, LibraryError};
use crate::matrix::mother::Mother;
use crate::session::choice;
use crate::session::local::{self as session, Ground, QberSource, SessionError};

/// Most rounds of a run on a host: each takes about three bytes of memory.
pub const MAX_ROUNDS: u64 = 1 << 30;

/// How long parties wait for each other, in microseconds. In one process nothing is late unless it is lost.
const TIMEOUT_US: u64 = 30_000_000;

/// How keys are distributed.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Device, failures allowed, strategy.
    pub parameters: Parameters,
    /// How disclosures are charged.
    pub policy: Policy,
    /// Decoder.
    pub effort: Effort,
}

/// Why there is no run at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QkdError {
    /// No key is to be expected of these parameters.
    #[error("{0}")]
    Infeasible(Infeasible),
    /// More rounds than a host takes.
    #[error("num_pairs: expected at most {MAX_ROUNDS} for a key distribution, found {0}")]
    Rounds(u64),
    /// A recording without rounds.
    #[error("{}: expected rounds, found none", .0.display())]
    Empty(PathBuf),
    /// A machine ended a key distribution between two hosts.
    #[error("key distribution ended: {0}")]
    Aborted(Abort),
    /// The source of pairs.
    #[error("{0}")]
    Source(#[from] SourceError),
    /// Code, decoder or entropy.
    #[error("{0}")]
    Session(#[from] SessionError),
    /// The code or its orders.
    #[error("{0}")]
    Library(#[from] LibraryError),
}

impl From<Abort> for QkdError {
    fn from(abort: Abort) -> Self {
        Self::Aborted(abort)
    }
}

/// The mother code by which runs disclose least: a function of device and failures alone, so that both parties come to the
/// same one, whatever strategy Alice chooses.
///
/// # Errors
/// [`QkdError`] if no key is to be expected, or no code can correct so many errors.
pub fn choose(parameters: &Parameters) -> Result<Mother, QkdError> {
    let forecast = KeyForecast::of(&parameters.device, &parameters.targets);
    forecast.feasible().map_err(QkdError::Infeasible)?;
    let (mother, _) = choice::choose_planned(2 * forecast.counts.kept as usize, |_| session::Config {
        qber: QberSource::Given(forecast.qber),
        ..session::Config::of(Strategy::Baseline)
    })
    .map_err(SessionError::from)?;
    Ok(mother)
}

/// What all runs of a command have in common.
#[derive(Debug)]
pub struct Stage<'a> {
    library: &'a Library,
    config: Config,
    code_bits: usize,
    terms: Terms,
}

impl<'a> Stage<'a> {
    /// The stage for `config`'s runs with `library`'s code.
    ///
    /// # Errors
    /// [`QkdError::Infeasible`] names the inequality if no key is to be expected, [`QkdError::Rounds`] if there are too
    /// many.
    pub fn new(library: &'a Library, config: Config) -> Result<Self, QkdError> {
        let Parameters { device, targets, .. } = config.parameters;
        let rounds = device.record().num_pairs;
        if rounds > MAX_ROUNDS {
            return Err(QkdError::Rounds(rounds));
        }
        KeyForecast::of(&device, &targets).feasible().map_err(QkdError::Infeasible)?;
        let terms = Terms {
            device,
            targets,
            policy: config.policy,
            code: Ground::of(library)?.fingerprint,
            timeout_us: TIMEOUT_US,
            // Whole words.
            chunk_bits: MAX_BITS / 64 * 64,
        };
        Ok(Self { library, config, code_bits: library.code()?.n(), terms })
    }

    /// How.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Length of the code.
    pub fn code_bits(&self) -> usize {
        self.code_bits
    }

    /// Rounds of a run.
    pub fn rounds(&self) -> usize {
        self.terms.device.record().num_pairs as usize
    }

    /// How a sifted key is reconciled: blocks planned by what the sample showed, within the budget that leaves a bit of the
    /// key.
    ///
    /// Errors are taken to be symmetric whatever is learnt of them: what Bob answers then follows from the places of the
    /// errors alone, which the bound of the key's length gives to an eavesdropper.
    fn session(&self, estimated: &caligo_core::qkd::contract::Estimated) -> session::Config {
        let strategy = self.config.parameters.strategy;
        let estimate = &estimated.estimate;
        let qber = match strategy {
            // A rate that is too high costs a block.
            Strategy::Baseline => estimate.upper,
            // It costs a reveal; one standard deviation, as from verified blocks.
            Strategy::Blind | Strategy::Symmetric => upper(estimate.observed(), estimate.tested as f64, 1.0),
        };
        session::Config {
            qber: QberSource::Given(qber.min(0.499)),
            adapt: false,
            learn: false,
            effort: self.config.effort,
            policy: self.config.policy,
            budget: Some(estimated.cap().0),
            ..session::Config::of(strategy)
        }
    }
}
