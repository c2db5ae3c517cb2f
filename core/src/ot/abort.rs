//! Why a transfer ends early, and why Bob may not believe his string.

use core::fmt;

use super::contract::Condition;
use crate::code::LengthError;
use crate::leakage::BudgetExceeded;
use crate::puncture::PatternError;
use crate::qber::{Estimate, QberThreshold};
use crate::rate::RateError;
use crate::security::{Inequality, Infeasible};
use crate::sift::UnlikelyCount;
use crate::wire::{Kind, WireError};

/// Why a transfer ended early.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Abort {
    /// A frame was refused: cut, changed, lost, replayed.
    Wire(WireError),
    /// A frame of a kind that has no place here.
    PhaseOrder {
        /// Its kind.
        kind: Kind,
        /// What the machine was doing.
        phase: &'static str,
    },
    /// A frame's content contradicts the transfer.
    Contradiction(&'static str),
    /// The parties are configured differently.
    Synchronisation(&'static str),
    /// The leakage budget of a set.
    Budget(BudgetExceeded),
    /// Nothing came in time.
    Timeout,
    /// No rate fits.
    Rate(RateError),
    /// The pattern.
    Pattern(PatternError),
    /// The host's answer does not fit the effect.
    Host(&'static str),
    /// The host gave up.
    Cancelled,
    /// A phase did not give what it promises.
    Contract(Condition),
    /// Numbers of rounds that honest devices would not give.
    Count(UnlikelyCount),
    /// No string would be secure by these parameters.
    Infeasible(Infeasible),
    /// No string is secure with what happened: both sides of the inequality.
    EntropyDepleted(Inequality),
    /// The error rate may be too high.
    QberThreshold(QberThreshold),
    /// Something was told at a time that the noisy-storage model forbids.
    Nsm(NsmViolation),
    /// Bob's detections are not what he committed to.
    Commitment(CommitmentMismatch),
    /// The peer aborted; its code.
    Peer(u8),
}

/// Something was told at a time that the noisy-storage model forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NsmViolation {
    /// Told before Delta t had passed and all bases were told.
    Early(Kind),
    /// Told after the bases, and so perhaps chosen by them.
    Late(Kind),
}

/// Bob's detections are not what he committed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitmentMismatch;

/// Why Bob's string is not the one he chose, but random. It is his to know, and no abort: an abort would tell Alice
/// which set he tried to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The decoder did not converge for so many blocks.
    DecodingFailed {
        /// Blocks.
        blocks: u32,
    },
    /// It did, but to a string with another tag.
    HashMismatch,
}

impl Abort {
    /// What the peer is told. Up to 10 as [`crate::reconcile::Abort::code`].
    pub const fn code(&self) -> u8 {
        match self {
            Self::Wire(_) => 1,
            Self::PhaseOrder { .. } => 2,
            Self::Contradiction(_) => 3,
            Self::Synchronisation(_) => 4,
            Self::Budget(_) => 5,
            Self::Timeout => 6,
            Self::Rate(_) => 7,
            Self::Pattern(_) => 8,
            Self::Host(_) => 9,
            Self::Cancelled => 10,
            Self::Contract(_) => 11,
            Self::Count(_) => 12,
            Self::Infeasible(_) => 13,
            Self::EntropyDepleted(_) => 14,
            Self::QberThreshold(_) => 15,
            Self::Nsm(_) => 16,
            Self::Commitment(_) => 17,
            Self::Peer(code) => *code,
        }
    }

    /// The sample that it is about, if it is about one.
    pub(super) const fn estimate(&self) -> Option<Estimate> {
        match self {
            Self::QberThreshold(threshold) => Some(threshold.estimate),
            _ => None,
        }
    }

    /// Its name in reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Peer(code) => Self::name_of(*code),
            _ => Self::name_of(self.code()),
        }
    }

    /// The name of the abort with this code.
    pub const fn name_of(code: u8) -> &'static str {
        match code {
            1 => "wire",
            2 => "phase_order",
            3 => "contradiction",
            4 => "synchronisation",
            5 => "leakage_budget",
            6 => "timeout",
            7 => "rate",
            8 => "pattern",
            9 => "host",
            10 => "cancelled",
            11 => "contract",
            12 => "count",
            13 => "infeasible",
            14 => "entropy_depleted",
            15 => "qber_threshold",
            16 => "nsm_violation",
            17 => "commitment",
            _ => "unknown",
        }
    }
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(error) => error.fmt(f),
            Self::PhaseOrder { kind, phase } => {
                write!(f, "frame of kind {kind:?} has no place while {phase}")
            }
            Self::Contradiction(what) => write!(f, "peer's frame: {what}"),
            Self::Synchronisation(what) => write!(f, "the parties disagree: {what}"),
            Self::Budget(error) => error.fmt(f),
            Self::Timeout => f.write_str("timeout: nothing came from the peer in time"),
            Self::Rate(error) => error.fmt(f),
            Self::Pattern(error) => error.fmt(f),
            Self::Host(what) => write!(f, "host: {what}"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Contract(condition) => condition.fmt(f),
            Self::Count(error) => error.fmt(f),
            Self::Infeasible(error) => error.fmt(f),
            Self::EntropyDepleted(inequality) => write!(f, "entropy depleted: {inequality}"),
            Self::QberThreshold(error) => error.fmt(f),
            Self::Nsm(NsmViolation::Early(kind)) => {
                write!(f, "noisy-storage model: {kind:?} came before the waiting time was over")
            }
            Self::Nsm(NsmViolation::Late(kind)) => {
                write!(f, "noisy-storage model: {kind:?} came after the bases were told")
            }
            Self::Commitment(CommitmentMismatch) => {
                f.write_str("commitment: the detections are not those committed to")
            }
            Self::Peer(code) => {
                write!(f, "the peer ended it: {} (code {code})", Self::name_of(*code))
            }
        }
    }
}

impl core::error::Error for Abort {}

impl From<WireError> for Abort {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl From<BudgetExceeded> for Abort {
    fn from(error: BudgetExceeded) -> Self {
        Self::Budget(error)
    }
}

impl From<RateError> for Abort {
    fn from(error: RateError) -> Self {
        Self::Rate(error)
    }
}

impl From<PatternError> for Abort {
    fn from(error: PatternError) -> Self {
        Self::Pattern(error)
    }
}

impl From<UnlikelyCount> for Abort {
    fn from(error: UnlikelyCount) -> Self {
        Self::Count(error)
    }
}

impl From<LengthError> for Abort {
    fn from(error: LengthError) -> Self {
        Self::Host(error.what)
    }
}
