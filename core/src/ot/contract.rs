//! What each phase of a transfer promises the next, as types: each is made in one place, which checks its conditions and
//! takes the former phase's.
//!
//! | type | made by | conditions |
//! |---|---|---|
//! | [`Detected`] | both | POST-Q-001 to POST-Q-005 |
//! | [`Estimated`] | both | POST-CE-001, POST-CE-002 |
//! | [`Sifted`] | both | POST-S-001 to POST-S-003, POST-SKM-001 |
//! | [`Reconciled`] | Alice | POST-R-001, POST-R-002 |
//! | [`Amplified`] | Alice | POST-AMP-001, POST-AMP-002 |
//!
//! They hold numbers, no bits. Bob's last phases promise him nothing: he may not believe his string. Nobody else can make
//! one:
//!
//! ```compile_fail
//! use caligo_core::ot::contract::Detected;
//! let unchecked = Detected { rounds: 10, reported: 10, common: 10 };
//! ```

use core::fmt;

use super::{Abort, Instant, Terms};
use crate::bits;
use crate::leakage::{LeakBits, Receipt};
use crate::qber::{Disclosed, Estimate, QberThreshold};
use crate::security::{Budget, Forecast, Inequality};
use crate::sift::{check_count, is_within, tolerance};
use crate::verify::TAG_BITS;

/// A condition by its name in the design documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// POST-Q-001: rounds detected are rounds of the run.
    Rounds,
    /// POST-Q-002: rounds detected by both were reported by Bob.
    Reported,
    /// POST-Q-003: their numbers are likely. Its violation is [`Abort::Count`].
    Counts,
    /// POST-Q-004: bases are told once all detections are fixed. Its violation is [`Abort::Nsm`].
    Fixed,
    /// POST-Q-005: Delta t has passed since the detections were fixed.
    Barrier,
    /// POST-CE-001: the sample has the size agreed, and lies in the rounds that both detected.
    Sample,
    /// POST-CE-002: the error rate is below the threshold. Its violation is [`Abort::QberThreshold`].
    Qber,
    /// POST-S-001: the sets are disjoint and lie in the rounds that both detected and none disclosed.
    Sets,
    /// POST-S-002: they are equal in size.
    Sizes,
    /// POST-S-003: no more rounds are in neither set than honest bases explain. Its violation is [`Abort::Count`].
    Dropped,
    /// POST-SKM-001: min-entropy is left for syndromes, tags and a bit of each string. Its violation is
    /// [`Abort::EntropyDepleted`].
    MinEntropy,
    /// POST-R-001: what each set disclosed is within its budget, and the same for both.
    Leakage,
    /// POST-R-002: each set was verified by one tag of its own.
    Tags,
    /// POST-AMP-001: strings are no longer than the budget allows. Its violation is [`Abort::EntropyDepleted`].
    Length,
    /// POST-AMP-002: each seed has a bit for every diagonal of its matrix.
    Seed,
}

impl Condition {
    /// Its name in the design documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rounds => "POST-Q-001",
            Self::Reported => "POST-Q-002",
            Self::Counts => "POST-Q-003",
            Self::Fixed => "POST-Q-004",
            Self::Barrier => "POST-Q-005",
            Self::Sample => "POST-CE-001",
            Self::Qber => "POST-CE-002",
            Self::Sets => "POST-S-001",
            Self::Sizes => "POST-S-002",
            Self::Dropped => "POST-S-003",
            Self::MinEntropy => "POST-SKM-001",
            Self::Leakage => "POST-R-001",
            Self::Tags => "POST-R-002",
            Self::Length => "POST-AMP-001",
            Self::Seed => "POST-AMP-002",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "contract: {} does not hold: {self:?}", self.name())
    }
}

pub(crate) fn require(holds: bool, condition: Condition) -> Result<(), Abort> {
    if holds { Ok(()) } else { Err(Abort::Contract(condition)) }
}

/// Rounds that both detected, fixed before the bases were told.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub struct Detected {
    /// Rounds of the run.
    pub rounds: usize,
    /// Rounds that Bob reported.
    pub reported: usize,
    /// Rounds that both detected.
    pub common: usize,
}

impl Detected {
    /// `report` is Bob's, `common` what of it Alice detected too; detections were `fixed` at a moment, and bases told
    /// at another, each by the clock of who checks.
    pub(super) fn check(
        terms: &Terms<'_>,
        report: &[u64],
        common: &[u64],
        fixed: Instant,
        told: Instant,
    ) -> Result<Self, Abort> {
        let record = terms.parameters.record();
        let rounds = record.num_pairs as usize;
        require(is_within(report, report, rounds), Condition::Rounds)?;
        require(is_within(common, report, rounds), Condition::Reported)?;
        require(told.0 >= fixed.0.saturating_add(terms.delta_t_us()), Condition::Barrier)?;
        let (reported, both) = (bits::count_ones(report), bits::count_ones(common));
        let dark = record.dark_count_prob * (2.0 - record.dark_count_prob);
        let clicks = record.detection_eff_eta + (1.0 - record.detection_eff_eta) * dark;
        let epsilon = terms.targets.epsilon();
        check_count("rounds reported", reported, rounds, clicks, epsilon)?;
        let coincidences = terms.parameters.coincidences().probability;
        check_count("rounds detected by both", both, rounds, coincidences, epsilon)?;
        Ok(Self { rounds, reported, common: both })
    }
}

/// An error rate to plan by.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub struct Estimated {
    /// The former phase.
    pub detected: Detected,
    /// What the sample showed, if there was one.
    pub estimate: Option<Estimate>,
    /// The error rate that blocks are planned for: the estimate's bound, or that of the parameters.
    pub qber: f64,
    /// Rounds not disclosed.
    pub kept: usize,
}

impl Estimated {
    /// `disclosed` are both parties' bases and outcomes in the rounds of `sample`.
    pub(super) fn check(
        terms: &Terms<'_>,
        detected: Detected,
        sample: &[u64],
        common: &[u64],
        disclosed: Option<Disclosed<'_>>,
    ) -> Result<Self, Abort> {
        let size = bits::count_ones(sample);
        let whole = size == terms.sample_size(detected.common) && is_within(sample, common, detected.rounds);
        require(whole, Condition::Sample)?;
        let estimate = disclosed.map(|disclosed| Estimate::of(&disclosed, terms.targets.epsilon_ec()));
        let qber = estimate.map_or(terms.parameters.coincidences().qber, |estimate| estimate.upper);
        let limit =
            Forecast::of(&terms.parameters, &terms.targets).qber_threshold(terms.proof, &terms.targets);
        if let Some(estimate) = estimate
            && estimate.upper > limit
        {
            return Err(Abort::QberThreshold(QberThreshold { estimate, limit }));
        }
        let kept = detected.common - size;
        Ok(Self { detected, estimate, qber, kept })
    }
}

/// Two sets of rounds.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub struct Sifted {
    /// The former phase.
    pub estimated: Estimated,
    /// Rounds of each set.
    pub set_bits: usize,
    /// H_min^eps(X_{1-C} | B) before anything is disclosed of the sets.
    pub min_entropy_bits: f64,
    /// What hashing takes.
    pub hashing_bits: f64,
}

impl Sifted {
    /// The sets out of the rounds `kept`.
    pub(super) fn check(
        terms: &Terms<'_>,
        estimated: Estimated,
        kept: &[u64],
        sets: [&[u64]; 2],
    ) -> Result<Self, Abort> {
        let rounds = estimated.detected.rounds;
        let disjoint = sets[0].iter().zip(sets[1]).all(|(a, b)| a & b == 0);
        require(disjoint && sets.iter().all(|set| is_within(set, kept, rounds)), Condition::Sets)?;
        let sizes = sets.map(bits::count_ones);
        require(sizes[0] == sizes[1] && sizes[0] > 0, Condition::Sizes)?;
        let (set_bits, all) = (sizes[0], estimated.kept as f64);
        // Twice the tolerance of the larger set.
        let dropped = estimated.kept - 2 * set_bits;
        let likely = 2.0 * tolerance(all, terms.targets.epsilon());
        if dropped as f64 > likely {
            let what = "rounds in neither set";
            let count =
                crate::sift::UnlikelyCount { what, found: dropped as f64, expected: 0.0, tolerance: likely };
            return Err(Abort::Count(count));
        }
        let (memory, epsilon) = (terms.parameters.memory(), terms.targets.epsilon());
        let bits = terms.proof.min_entropy(memory, epsilon, rounds as f64, all, set_bits as f64);
        let hashing_bits = Budget::new(bits, 0.0, terms.targets.epsilon_pa()).hashing_bits;
        let sifted = Self { estimated, set_bits, min_entropy_bits: bits, hashing_bits };
        sifted.affords(LeakBits(TAG_BITS as u64)).map(|()| sifted)
    }

    /// Whether a bit of each string is left after `leak`.
    pub(super) fn affords(&self, leak: LeakBits) -> Result<(), Abort> {
        let spent_bits = leak.0 as f64 + self.hashing_bits + 2.0;
        let inequality = Inequality::Entropy { spent_bits, min_entropy_bits: self.min_entropy_bits };
        // Exactly two bits left are one of each string.
        if spent_bits <= self.min_entropy_bits { Ok(()) } else { Err(Abort::EntropyDepleted(inequality)) }
    }

    /// What may be charged to either set at most.
    pub(super) fn cap(&self, terms: &Terms<'_>) -> LeakBits {
        let bits = libm::floor(self.min_entropy_bits - self.hashing_bits - 2.0).max(0.0);
        LeakBits(bits as u64).min(terms.cap)
    }
}

/// Syndromes, reveals and tags of both sets are sent.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub struct Reconciled {
    /// The former phase.
    pub sifted: Sifted,
    /// Blocks of each set.
    pub blocks: u32,
    /// Reveals of each set.
    pub reveals: u32,
    /// The books of each set, closed.
    pub receipts: [Receipt; 2],
}

impl Reconciled {
    pub(super) fn check(
        terms: &Terms<'_>,
        sifted: Sifted,
        (blocks, reveals): (u32, u32),
        receipts: [Receipt; 2],
    ) -> Result<Self, Abort> {
        let cap = sifted.cap(terms);
        let within = receipts.iter().all(|receipt| receipt.total() <= cap);
        require(within && receipts[0] == receipts[1], Condition::Leakage)?;
        let one = LeakBits(TAG_BITS as u64);
        require(receipts.iter().all(|receipt| receipt.disclosed().tag == one), Condition::Tags)?;
        Ok(Self { sifted, blocks, reveals, receipts })
    }

    /// What was charged to the set that was charged most.
    pub fn leak(&self) -> LeakBits {
        let [a, b] = [self.receipts[0].total(), self.receipts[1].total()];
        a.max(b)
    }
}

/// Lengths of the strings are fixed.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub struct Amplified {
    /// The former phase.
    pub reconciled: Reconciled,
    /// What the length is made of.
    pub budget: Budget,
    /// Bits of each string.
    pub length: usize,
    /// Bits of each seed.
    pub seed_bits: usize,
}

impl Amplified {
    /// Strings as long as the budget allows, up to `most` bits.
    pub(super) fn check(terms: &Terms<'_>, reconciled: Reconciled, most: usize) -> Result<Self, Abort> {
        let sifted = &reconciled.sifted;
        let leak = reconciled.leak();
        let budget = Budget::new(sifted.min_entropy_bits, leak.0 as f64, terms.targets.epsilon_pa());
        sifted.affords(leak)?;
        let length = usize::try_from(budget.length()).unwrap_or(usize::MAX).min(most);
        let seed_bits = sifted.set_bits + length - 1;
        require(length > 0 && length <= sifted.set_bits, Condition::Seed)?;
        Ok(Self { reconciled, budget, length, seed_bits })
    }
}
