//! Oblivious transfers on a host: the core's machines with memory, time, randomness, pairs and a decoder.
//!
//! In: a parameter file's numbers, a source of pairs, Bob's choice. Out: Alice's two strings and Bob's one, and how it
//! came to them. [`local`] runs both machines in one process, as often as one likes ([`runs`]); [`host`]
//! runs one of them, over a connection and in real time.

pub mod drive;
pub mod host;
pub mod local;
pub mod randomness;
pub mod report;
pub mod runs;
pub mod store;

use caligo_core::leakage::{LeakBits, Policy};
use caligo_core::ot::{Abort, Setup, Terms};
use caligo_core::rate::RateError;
use caligo_core::reconcile::plan::{Goal, Planner};
use caligo_core::security::{Forecast, Infeasible, Proof};
use caligo_core::wire::{MAX_BITS, Strategy};

use crate::channel::pairs::SourceError;
use crate::config::nsm::Parameters;
use crate::kernel::Effort;
use crate::matrix::library::{Library, LibraryError};
use crate::primitives::Host;
use crate::session::local::{Ground, SessionError};
use crate::session::planner::LibraryPlanner;

/// Most rounds of a transfer on a host: each takes three and a half bytes of memory.
pub const MAX_ROUNDS: u64 = 1 << 30;

/// By which argument lengths are computed. The other one takes sets for granted that Bob cannot choose.
pub const PROOF: Proof = Proof::StrongConverse;

/// How transfers are made.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Device, adversary, failures allowed.
    pub parameters: Parameters,
    /// How disclosures are charged.
    pub policy: Policy,
    /// Whether Bob commits to his detections and tells them after the bases, instead of telling them before.
    pub committed: bool,
    /// Most bits that may be charged to either set, if less than what the proof allows.
    pub budget: Option<u64>,
    /// Decoder.
    pub effort: Effort,
    /// Frame error rate of a block to plan for; if none is given, that with which all blocks of a set succeed but for
    /// epsilon_ec.
    pub target_fer: Option<f64>,
}

/// Why there is no transfer, or an early end of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// No string would be secure by these parameters.
    #[error("{0}")]
    Infeasible(Infeasible),
    /// More rounds than a host takes.
    #[error("num_pairs: expected at most {MAX_ROUNDS} for a transfer, found {0}")]
    Rounds(u64),
    /// A machine ended the transfer.
    #[error("transfer ended: {0}")]
    Aborted(Abort),
    /// No rate fits.
    #[error("{0}")]
    Rate(#[from] RateError),
    /// The source of pairs.
    #[error("{0}")]
    Source(#[from] SourceError),
    /// Code, decoder, entropy, or the channel to the peer.
    #[error("{0}")]
    Session(#[from] SessionError),
}

impl From<LibraryError> for TransferError {
    fn from(error: LibraryError) -> Self {
        Self::Session(error.into())
    }
}

/// What all transfers of a command have in common.
#[derive(Debug)]
pub struct Stage<'a> {
    library: &'a Library,
    ground: Ground<'a>,
    config: Config,
    rounds: usize,
    target_fer: f64,
}

impl<'a> Stage<'a> {
    /// The stage for `config`'s transfers with `library`'s code.
    ///
    /// # Errors
    /// [`TransferError`] if no string could be secure, or no code rate fits.
    pub fn new(library: &'a Library, config: Config) -> Result<Self, TransferError> {
        let Parameters { nsm, targets } = &config.parameters;
        let forecast = Forecast::of(nsm, targets);
        forecast.feasible(PROOF).map_err(TransferError::Infeasible)?;
        let found = nsm.record().num_pairs;
        if found > MAX_ROUNDS {
            return Err(TransferError::Rounds(found));
        }
        let mut stage =
            Self { library, ground: Ground::of(library)?, config, rounds: found as usize, target_fer: 0.0 };
        stage.target_fer = match config.target_fer {
            Some(target) => target,
            None => stage.frame_error_rate(&forecast)?,
        };
        Ok(stage)
    }

    /// Frame error rate with which all blocks of a set succeed, except with probability epsilon_ec.
    fn frame_error_rate(&self, forecast: &Forecast) -> Result<f64, TransferError> {
        let wanted = self.config.parameters.targets.epsilon_ec().value();
        let n = self.library.code()?.n();
        let plan = self
            .planner_for(planned(wanted))?
            .plan(Some(forecast.coincidences.qber), forecast.set_bits as usize)?;
        let payload = n - usize::from(plan.punctured) - usize::from(plan.shortened);
        let blocks = (forecast.set_bits / payload as f64).ceil().max(1.0);
        Ok(planned(wanted / blocks))
    }

    /// How.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Rounds of a transfer.
    pub fn rounds(&self) -> usize {
        self.rounds
    }

    /// Frame error rate that blocks are planned for.
    pub fn target_fer(&self) -> f64 {
        self.target_fer
    }

    /// What a machine is given, with the time to wait for its peer.
    ///
    /// # Errors
    /// None once the library is loaded.
    pub fn setup(&self, timeout_us: u64) -> Result<Setup<'_>, TransferError> {
        Ok(self.ground.setup(timeout_us)?)
    }

    /// What both parties agree on.
    pub fn terms(&self) -> Terms<'static> {
        let Config { parameters, policy, committed, budget, .. } = self.config;
        Terms {
            parameters: parameters.nsm,
            targets: parameters.targets,
            proof: PROOF,
            policy,
            committed,
            cap: LeakBits(budget.unwrap_or(u64::MAX)),
            chunk_bits: MAX_BITS / 64 * 64,
            primitives: &Host,
        }
    }

    /// Alice's planner.
    ///
    /// # Errors
    /// None once the library is loaded.
    pub fn planner(&self) -> Result<LibraryPlanner<'_>, TransferError> {
        self.planner_for(self.target_fer)
    }

    fn planner_for(&self, target_fer: f64) -> Result<LibraryPlanner<'_>, TransferError> {
        let goal = Goal { strategy: Strategy::Baseline, rounds: 1, target_fer, modulated: 0, shortened: 0 };
        Ok(LibraryPlanner::new(self.library, goal, self.config.effort.tier, None)?)
    }
}

/// The frame error rate that rate tables can plan for, nearest to `target`.
fn planned(target: f64) -> f64 {
    target.clamp(1e-6, 0.5)
}
