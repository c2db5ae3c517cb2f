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
pub mod spread;
pub mod store;

use caligo_core::leakage::{LeakBits, Policy};
use caligo_core::ot::{Abort, Correction, Setup, Start, Terms};
use caligo_core::rate::RateError;
use caligo_core::reconcile::plan::{Goal, Planner};
use caligo_core::security::{Forecast, Infeasible, Proof};
use caligo_core::wire::MAX_BITS;

use crate::channel::pairs::SourceError;
use crate::config::nsm::Parameters;
use crate::kernel::Effort;
use crate::matrix::library::{Library, LibraryError};
use crate::matrix::mother::Mother;
use crate::primitives::Host;
use crate::session::choice;
use crate::session::local::{self as session, Ground, QberSource, SessionError};
use crate::session::planner::LibraryPlanner;

/// Most rounds of a transfer on a host: each takes three and a half bytes of memory.
pub const MAX_ROUNDS: u64 = 1 << 30;

/// By which argument lengths are computed. The other one takes sets for granted that Bob cannot choose.
pub const PROOF: Proof = Proof::StrongConverse;

/// Disclosures of a block at most, the syndrome included, if errors are corrected blindly.
pub const BLIND_ROUNDS: u8 = 10;

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
    /// Frame error rate of a block to plan for, after the last reveal if there are any; if none is given, that with which
    /// all blocks of a set succeed but for epsilon_ec.
    pub target_fer: Option<f64>,
}

/// Why there is no transfer, or an early end of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// No string would be secure by these parameters.
    #[error("{0}")]
    Infeasible(Infeasible),
    /// Errors cannot be corrected so.
    #[error("nsm.{0}")]
    Correction(&'static str),
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

/// The mother code by which transfers disclose least: a function of the parameters alone, so that both parties come to
/// the same one.
///
/// # Errors
/// [`TransferError`] if no string could be secure, or no code can correct so many errors.
pub fn choose(parameters: &Parameters) -> Result<Mother, TransferError> {
    let forecast = checked(parameters, PROOF, Start::IfPromising)?;
    let (mother, _) = choice::choose_planned(forecast.set_bits as usize, planned_for(parameters, &forecast))?;
    Ok(mother)
}

/// The same out of `libraries`, by ascending length of the code: the place of the best, whether or not a string could be
/// secure.
///
/// # Errors
/// [`TransferError::Rate`] if no code can correct so many errors.
pub fn choose_among(libraries: &[Library], parameters: &Parameters) -> Result<usize, TransferError> {
    let forecast = Forecast::of(&parameters.nsm, &parameters.targets);
    let config = planned_for(parameters, &forecast);
    Ok(choice::choose_among(libraries, forecast.set_bits as usize, config)?.0)
}

/// What a transfer would reconcile by with a code of some length.
fn planned_for(parameters: &Parameters, forecast: &Forecast) -> impl Fn(usize) -> session::Config {
    let strategy = parameters.correction.strategy();
    let epsilon = parameters.targets.epsilon_ec().value();
    let (qber, set_bits) = (forecast.coincidences.qber, forecast.set_bits);
    move |n| session::Config {
        qber: QberSource::Given(qber),
        adapt: false,
        target_fer: planned(epsilon / (set_bits / n as f64).ceil()),
        ..session::Config::of(strategy.into())
    }
}

/// What all transfers of a command have in common.
#[derive(Debug)]
pub struct Stage<'a> {
    library: &'a Library,
    ground: Ground<'a>,
    config: Config,
    code_bits: usize,
    proof: Proof,
    start: Start,
    rounds: usize,
    target_fer: f64,
}

impl<'a> Stage<'a> {
    /// The stage for `config`'s transfers with `library`'s code.
    ///
    /// # Errors
    /// [`TransferError`] if no string could be secure, or no code rate fits.
    pub fn new(library: &'a Library, config: Config) -> Result<Self, TransferError> {
        Self::on(library, Ground::of(library)?, config, PROOF, Start::IfPromising)
    }

    /// The same on `library`'s own ground, which is the same for all stages, by another proof, and if `start` says so,
    /// without prospects.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn on(
        library: &'a Library,
        ground: Ground<'a>,
        mut config: Config,
        proof: Proof,
        start: Start,
    ) -> Result<Self, TransferError> {
        if config.parameters.correction != Correction::OneWay {
            // Another reveal costs less than a wrong guess, which is a wrong string: no tag comes before the last round.
            config.effort.guesses.get_or_insert(0);
        }
        let forecast = checked(&config.parameters, proof, start)?;
        let found = config.parameters.nsm.record().num_pairs;
        if found > MAX_ROUNDS {
            return Err(TransferError::Rounds(found));
        }
        let (rounds, code_bits) = (found as usize, library.code()?.n());
        let mut stage = Self { library, ground, config, code_bits, proof, start, rounds, target_fer: 0.0 };
        stage.target_fer = match config.target_fer.map_or_else(|| stage.frame_error_rate(&forecast), Ok) {
            // Where no rate fits what is expected, one may fit what is seen.
            Err(TransferError::Rate(_)) if start == Start::Anyway => planned(stage.wanted()),
            found => found?,
        };
        Ok(stage)
    }

    /// epsilon_ec.
    fn wanted(&self) -> f64 {
        self.config.parameters.targets.epsilon_ec().value()
    }

    /// Frame error rate with which all blocks of a set succeed, except with probability epsilon_ec.
    fn frame_error_rate(&self, forecast: &Forecast) -> Result<f64, TransferError> {
        let wanted = self.wanted();
        let plan = self
            .planner_for(planned(wanted))?
            .plan(Some(forecast.coincidences.qber), forecast.set_bits as usize)?;
        let payload = self.code_bits - usize::from(plan.punctured) - usize::from(plan.shortened);
        let blocks = (forecast.set_bits / payload as f64).ceil().max(1.0);
        Ok(planned(wanted / blocks))
    }

    /// Code and order.
    pub(crate) const fn library(&self) -> &'a Library {
        self.library
    }

    /// By which argument lengths are computed.
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// How.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Length of the code.
    pub fn code_bits(&self) -> usize {
        self.code_bits
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
            code: self.ground.fingerprint,
            proof: self.proof,
            start: self.start,
            policy,
            committed,
            correction: parameters.correction,
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
        let correction = self.config.parameters.correction;
        let rounds = if correction == Correction::OneWay { 1 } else { BLIND_ROUNDS };
        let strategy = correction.strategy();
        let goal = Goal { strategy, rounds, target_fer, modulated: 0, shortened: 0 };
        Ok(LibraryPlanner::new(self.library, goal, self.config.effort.tier, None)?)
    }
}

/// What is to be expected of `parameters`, if a transfer is possible with them, or begins anyway.
fn checked(parameters: &Parameters, proof: Proof, start: Start) -> Result<Forecast, TransferError> {
    let Parameters { nsm, targets, correction } = parameters;
    correction.check(nsm.record().strategy).map_err(TransferError::Correction)?;
    let forecast = Forecast::of(nsm, targets);
    if start == Start::IfPromising {
        forecast.feasible(proof).map_err(TransferError::Infeasible)?;
    }
    Ok(forecast)
}

/// The frame error rate that rate tables can plan for, nearest to `target`.
fn planned(target: f64) -> f64 {
    target.clamp(1e-6, 0.5)
}
