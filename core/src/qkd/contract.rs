//! What each phase of a key distribution promises the next, as types: each is made in one place, which checks its
//! conditions and takes the former phase's. They hold numbers, no bits. Conditions have the names of oblivious transfer's.
//!
//! | type | made by | conditions |
//! |---|---|---|
//! | [`Detected`] | [`Sifting`](super::Sifting) | POST-Q-001, POST-Q-002 |
//! | [`Sifted`] | [`Sifting`](super::Sifting) | rounds to test in either basis |
//! | [`Estimated`] | [`Sifting`](super::Sifting) | POST-CE-001, POST-CE-002, POST-SKM-001 |
//! | [`Reconciled`] | the host, of what its machine of reconciliation ended with | POST-R-001, POST-R-002 |
//! | [`Amplified`] | [`Amplifying`](super::Amplifying) | POST-AMP-001, POST-AMP-002 |
//!
//! Nobody else can make one:
//!
//! ```compile_fail
//! use caligo_core::qkd::contract::Detected;
//! let unchecked = Detected { rounds: 10, reported: 10, common: 10 };
//! ```

use super::{Abort, Terms};
use crate::bits;
use crate::leakage::{LeakBits, Receipt};
use crate::ot::contract::{Condition, require};
use crate::qber::{Disclosed, Estimate, QberThreshold};
use crate::reconcile::Finished;
use crate::security::key::{deviations, min_entropy, phase_errors, qber_threshold};
use crate::security::{BasisCounts, Inequality, Infeasible, KeyBudget};
use crate::sift::is_within;
use crate::verify::TAG_BITS;

/// Rounds that both detected.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub struct Detected {
    /// Rounds of the run.
    pub rounds: usize,
    /// Rounds that Bob reported, before bases were told.
    pub reported: usize,
    /// Rounds that both detected.
    pub common: usize,
}

impl Detected {
    /// `report` is Bob's, `common` what of it Alice detected too.
    pub(super) fn check(rounds: usize, report: &[u64], common: &[u64]) -> Result<Self, Abort> {
        require(is_within(report, report, rounds), Condition::Rounds)?;
        require(is_within(common, report, rounds), Condition::Reported)?;
        Ok(Self { rounds, reported: bits::count_ones(report), common: bits::count_ones(common) })
    }
}

/// Rounds in which both measured in the same basis.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub struct Sifted {
    /// The former phase.
    pub detected: Detected,
    /// Rounds in basis Z (0) and X (1).
    pub sifted: [usize; 2],
    /// How many of them are to be disclosed.
    pub tested: [usize; 2],
}

impl Sifted {
    /// `sifted` are rounds with equal bases, `bases` either party's.
    pub(super) fn check(
        terms: &Terms,
        detected: Detected,
        sifted: &[u64],
        bases: &[u64],
    ) -> Result<Self, Abort> {
        let counts = in_bases(sifted, bases);
        let tested = counts.map(|count| terms.targets.sample_size(count));
        for tested in tested {
            let inequality = Inequality::Tested { needed: 0.0, expected: tested as f64 };
            if !inequality.holds() {
                return Err(Abort::EntropyDepleted(inequality));
            }
        }
        Ok(Self { detected, sifted: counts, tested })
    }

    /// Whether `sample` is what was agreed: so many rounds of either basis. Asked before anything is disclosed for it.
    pub(super) fn admits(&self, sample: &[u64], sifted: &[u64], bases: &[u64]) -> Result<(), Abort> {
        let whole = is_within(sample, sifted, self.detected.rounds);
        require(whole && in_bases(sample, bases) == self.tested, Condition::Sample)
    }
}

/// How many of `rounds` are of basis 0, and of basis 1.
fn in_bases(rounds: &[u64], bases: &[u64]) -> [usize; 2] {
    let second = rounds.iter().zip(bases).map(|(rounds, bases)| (rounds & bases).count_ones() as usize).sum();
    [bits::count_ones(rounds) - second, second]
}

/// Error rates of either basis, and what follows from them.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub struct Estimated {
    /// The former phase.
    pub sifted: Sifted,
    /// What the samples of either basis showed.
    pub bases: [Estimate; 2],
    /// What both together showed; its bound is one to plan blocks by.
    pub estimate: Estimate,
    /// Rounds of either basis: kept, tested, errors.
    pub counts: [BasisCounts; 2],
    /// Bounds of the errors that the other basis would have shown among the key bits of either.
    pub phase_errors: [f64; 2],
    /// H_min^eps(X | E) of the key bits before anything else is disclosed.
    pub min_entropy_bits: f64,
    /// What hashing takes.
    pub hashing_bits: f64,
}

impl Estimated {
    /// `disclosed` are both parties' bases (equal) and outcomes in the sample.
    pub(super) fn check(terms: &Terms, sifted: Sifted, disclosed: &Disclosed<'_>) -> Result<Self, Abort> {
        let targets = &terms.targets;
        let (sec, ec) = (targets.epsilon_sec(), targets.epsilon_ec());
        let bases = [false, true].map(|basis| Estimate::of_basis(disclosed, ec, basis));
        let counts = [0, 1].map(|b| BasisCounts {
            kept: (sifted.sifted[b] - sifted.tested[b]) as u64,
            tested: bases[b].tested,
            errors: bases[b].errors,
        });
        require(bases.map(|basis| basis.tested as usize) == sifted.tested, Condition::Sample)?;
        let deviations = deviations(&counts, sec);
        for (basis, estimate) in bases.iter().enumerate() {
            // They bound the key bits of the other basis.
            let deviation = deviations[1 - basis];
            let limit = qber_threshold(deviation, targets.efficiency());
            if estimate.observed() > limit {
                let estimate = Estimate { upper: estimate.observed() + deviation, ..*estimate };
                return Err(Abort::QberThreshold(QberThreshold { estimate, limit: limit + deviation }));
            }
        }
        let min_entropy_bits = min_entropy(&counts, sec);
        let hashing_bits = KeyBudget::new(0.0, 0.0, 0.0, sec).hashing_bits;
        let estimate = Estimate::of(disclosed, ec);
        let phase_errors = phase_errors(&counts, sec);
        let estimated =
            Self { sifted, bases, estimate, counts, phase_errors, min_entropy_bits, hashing_bits };
        let least = KeyBudget::new(min_entropy_bits, 0.0, TAG_BITS as f64, sec);
        if least.surplus_bits() < 1.0 {
            return Err(Abort::EntropyDepleted(least.inequality()));
        }
        Ok(estimated)
    }

    /// Bits of the sifted key.
    pub const fn key_bits(&self) -> usize {
        (self.counts[0].kept + self.counts[1].kept) as usize
    }

    /// What reconciliation may disclose at most, for one bit of the key to be left: the budget of its session.
    pub fn cap(&self) -> LeakBits {
        LeakBits(libm::floor(self.min_entropy_bits - self.hashing_bits - 1.0).max(0.0) as u64)
    }
}

/// Both keys are equal, but for what tags miss.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub struct Reconciled {
    /// The former phase.
    pub estimated: Estimated,
    /// Bits that were verified; the others are left out.
    pub verified_bits: usize,
    /// Blocks, those left out included.
    pub blocks: u32,
    /// The books, closed.
    pub receipt: Receipt,
    /// log2 of the bound on the chance that the keys differ.
    pub undetected_log2: f64,
}

impl Reconciled {
    /// What a machine of reconciliation ended with, given the sifted key and [`Estimated::cap`], and the bits of the
    /// blocks that it released as verified.
    ///
    /// # Errors
    /// [`Abort::Contract`] if it disclosed more or gave more bits, [`Abort::Infeasible`] if tags were not sure enough,
    /// [`Abort::EntropyDepleted`] if too little is left.
    pub fn check(
        terms: &Terms,
        estimated: Estimated,
        verified_bits: usize,
        finished: Finished,
    ) -> Result<Self, Abort> {
        let Finished { receipt, blocks, undetected_log2, .. } = finished;
        require(receipt.total() <= estimated.cap(), Condition::Leakage)?;
        require(verified_bits <= estimated.key_bits(), Condition::Sizes)?;
        // One tag at least stands behind each bit.
        require(verified_bits == 0 || receipt.disclosed().tag.0 >= TAG_BITS as u64, Condition::Tags)?;
        let (chance, allowed) = (libm::exp2(undetected_log2), terms.targets.epsilon_cor().value());
        let sure = Inequality::Correctness { chance, allowed };
        if !sure.holds() {
            return Err(Abort::Infeasible(Infeasible(sure)));
        }
        Ok(Self { estimated, verified_bits, blocks, receipt, undetected_log2 })
    }
}

/// The length of the key is fixed.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub struct Amplified {
    /// The former phase.
    pub reconciled: Reconciled,
    /// What the length is made of.
    pub budget: KeyBudget,
    /// Bits of the key.
    pub length: usize,
    /// Bits of the seed.
    pub seed_bits: usize,
}

impl Amplified {
    /// A key as long as the budget allows.
    pub(super) fn check(terms: &Terms, reconciled: Reconciled) -> Result<Self, Abort> {
        let estimated = &reconciled.estimated;
        let budget = KeyBudget::new(
            estimated.min_entropy_bits,
            (estimated.key_bits() - reconciled.verified_bits) as f64,
            reconciled.receipt.total().0 as f64,
            terms.targets.epsilon_sec(),
        );
        let length = usize::try_from(budget.length()).unwrap_or(usize::MAX);
        if length == 0 {
            return Err(Abort::EntropyDepleted(budget.inequality()));
        }
        require(length <= reconciled.verified_bits, Condition::Length)?;
        let seed_bits = reconciled.verified_bits + length - 1;
        require(u32::try_from(seed_bits).is_ok(), Condition::Seed)?;
        Ok(Self { reconciled, budget, length, seed_bits })
    }
}
