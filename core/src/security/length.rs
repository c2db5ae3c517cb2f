//! How many bits of min-entropy remain as secret bits.

use libm::{floor, log, sqrt};

use super::parameters::{Epsilon, ParameterError, Quantity};
use super::storage::Memory;
use super::uncertainty::{Relation, min_entropy_rate_by};
use crate::limits::entropy;

/// What the length of each of the two strings is made of, in bits:
///
/// 2 l <= H_min^eps(X_{1-C} | B) - leak(X_{1-C}) - 2 log2(1/(2 eps_PA)).
///
/// The two-universal hash takes the last term (leftover hash lemma, Tomamichel, Schaffner, Smith and Renner
/// 2011); the other string, of which Bob may know all, takes l more, and so the factor 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// H_min^eps(X_{1-C} | B): what Bob does not know of the string that he has not chosen.
    pub min_entropy_bits: f64,
    /// What syndromes, reveals and tags of one set tell at most.
    pub leak_bits: f64,
    /// 2 log2(1/(2 eps_PA)).
    pub hashing_bits: f64,
}

impl Budget {
    /// The budget where `epsilon` is allowed to privacy amplification.
    pub fn new(min_entropy_bits: f64, leak_bits: f64, epsilon: Epsilon) -> Self {
        Self { min_entropy_bits, leak_bits, hashing_bits: 2.0 * epsilon.hashing_bits() }
    }

    /// What is left for both strings in bits; negative where it does not suffice.
    pub fn surplus_bits(&self) -> f64 {
        self.min_entropy_bits - self.leak_bits - self.hashing_bits
    }

    /// l: whole bits of each string, 0 where nothing is left.
    ///
    /// ```
    /// use caligo_core::security::{Budget, Epsilon};
    ///
    /// let budget = Budget::new(1000.0, 400.0, Epsilon::new(0.5_f64.powi(33))?);
    /// assert_eq!((budget.hashing_bits, budget.length()), (64.0, 268));
    /// # Ok::<(), caligo_core::security::ParameterError>(())
    /// ```
    pub fn length(&self) -> u64 {
        floor(0.5 * self.surplus_bits().max(0.0)) as u64
    }
}

/// An experiment as Erven et al. 2014 describe theirs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Erven {
    /// n: pairs, before losses.
    pub pairs: f64,
    /// m: rounds in which both sides clicked.
    pub rounds: f64,
    /// m1: least number of those with a single pair.
    pub single_pairs: f64,
    /// The memory; it stores nu n qubits.
    pub memory: Memory,
    /// epsilon.
    pub epsilon: Epsilon,
    /// f of the error correction.
    pub code_efficiency: f64,
    /// Q.
    pub qber: f64,
}

/// The parts of [`Erven::length`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErvenLength {
    /// zeta = sqrt(ln(1/eps)/(2 n)): how far a rate over n rounds may stray (Hoeffding).
    pub zeta: f64,
    /// C_BB84: min-entropy rate of the m1 single pairs.
    pub min_entropy_rate: f64,
    /// R = (C_BB84 m1/2 - 1 - log2(1/(2 eps)))/(nu n) in bits a stored qubit; infinite where none is stored.
    pub rate: f64,
    /// C_N, which R has to exceed.
    pub capacity: f64,
    /// nu n gamma(R): what Bob does not know, in bits.
    pub min_entropy_bits: f64,
    /// (m/2) f h(Q): the syndrome of one set.
    pub leak_bits: f64,
    /// log2(1/(2 eps)).
    pub hashing_bits: f64,
    /// l as a real number, negative where nothing is left.
    pub length: f64,
}

impl Erven {
    /// The published experiment (Erven, Ng, Gigov, Laflamme, Wehner and Weihs 2014, table I and text around
    /// equations 3 to 8). n is known to .06e7, Q to .0002, m and m1 to four digits.
    pub const PUBLISHED: Self = Self {
        pairs: 8.00e7,
        rounds: 1.128e6,
        single_pairs: 1.049e6,
        memory: Memory { r: 0.75, nu: 0.002 },
        epsilon: match Epsilon::new(2.5e-7) {
            Ok(epsilon) => epsilon,
            Err(_) => unreachable!(),
        },
        code_efficiency: 1.491,
        qber: 0.0093,
    };

    /// The length that was published, in bits.
    pub const PUBLISHED_LENGTH: u64 = 1366;

    /// l = (1/2) nu n gamma(R) - (m/2) f h(Q) - log2(1/(2 eps)), the length of each string where Bob chooses
    /// which rounds belong to which (equation 8 of Erven et al. 2014). C_BB84 is that of `relation`.
    ///
    /// # Errors
    /// [`ParameterError`] if n, m or m1 is not from 1 to 1e15, f not from 1 to 10 or Q not from 0 to 1/2.
    pub fn length(&self, relation: Relation) -> Result<ErvenLength, ParameterError> {
        let n = Quantity::Rounds.check(self.pairs)?;
        let m = Quantity::Rounds.check(self.rounds)?;
        let single = Quantity::Rounds.check(self.single_pairs)?;
        let f = Quantity::CodeEfficiency.check(self.code_efficiency)?;
        let qber = Quantity::Qber.check(self.qber)?;
        let hashing_bits = self.epsilon.hashing_bits();
        let min_entropy_rate = min_entropy_rate_by(relation, single, self.epsilon);
        let classical = split(min_entropy_rate * single, self.epsilon);
        let stored = self.memory.rate() * n;
        let min_entropy_bits = self.memory.min_entropy(classical, stored);
        let leak_bits = 0.5 * m * f * entropy(qber);
        Ok(ErvenLength {
            zeta: sqrt(log(1.0 / self.epsilon.value()) / (2.0 * n)),
            min_entropy_rate,
            rate: if stored > 0.0 { classical / stored } else { f64::INFINITY },
            capacity: self.memory.capacity(),
            min_entropy_bits,
            leak_bits,
            hashing_bits,
            length: 0.5 * min_entropy_bits - leak_bits - hashing_bits,
        })
    }
}

/// What Bob does not know of one of two strings if he does not know `bits` of them together, whichever way he
/// divides them and before any memory: bits/2 - 1 - log2(1/(2 eps)), not negative (equation 7 of Erven et al.
/// 2014).
pub(super) fn split(bits: f64, epsilon: Epsilon) -> f64 {
    (0.5 * bits - 1.0 - epsilon.hashing_bits()).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance, "{a} is not {b}");
    }

    /// The two lengths and the slope that the literature page gives.
    #[test]
    fn published_experiment() {
        let length = |erven: Erven, relation| erven.length(relation).unwrap().length;
        let ours = length(Erven::PUBLISHED, Relation::NgBertaWehner);
        close(ours, 1487.0, 0.5);
        close(length(Erven::PUBLISHED, Relation::AsPrinted), 1807.0, 0.5);
        close(ours, Erven::PUBLISHED_LENGTH as f64, 500.0);
        let more = Erven { pairs: 8.06e7, ..Erven::PUBLISHED };
        close(length(more, Relation::NgBertaWehner) - ours, -484.0, 0.5);
    }

    /// Computed with 40 digits.
    #[test]
    fn parts_of_the_published_experiment() {
        let parts = Erven::PUBLISHED.length(Relation::NgBertaWehner).unwrap();
        close(parts.zeta, 0.00030823899938890937, 1e-15);
        close(parts.min_entropy_rate, 0.4961500715135394, 1e-14);
        close(parts.rate, 1.6263048808767846, 1e-13);
        close(parts.leak_bits, 64007.79507327286, 1e-8);
        close(parts.length, 1487.2700636905126, 1e-8);
        assert!(parts.rate > parts.capacity);
        let printed = Erven::PUBLISHED.length(Relation::AsPrinted).unwrap();
        close(printed.min_entropy_rate, 0.4973702777870069, 1e-14);
        close(printed.length, 1807.2691589073518, 1e-8);
    }

    #[test]
    fn nothing_stored_and_nothing_known() {
        let none = Erven { memory: Memory { r: 1.0, nu: 0.0 }, ..Erven::PUBLISHED };
        let parts = none.length(Relation::NgBertaWehner).unwrap();
        assert_eq!(parts.rate, f64::INFINITY);
        close(parts.min_entropy_bits, 0.49615007 * 1.049e6 / 2.0 - 1.0 - parts.hashing_bits, 0.01);
        let all = Erven { memory: Memory { r: 1.0, nu: 1.0 }, ..Erven::PUBLISHED };
        assert_eq!(all.length(Relation::NgBertaWehner).unwrap().min_entropy_bits, 0.0);
        for wrong in [
            Erven { pairs: 0.0, ..Erven::PUBLISHED },
            Erven { rounds: f64::NAN, ..Erven::PUBLISHED },
            Erven { single_pairs: f64::INFINITY, ..Erven::PUBLISHED },
            Erven { code_efficiency: 0.9, ..Erven::PUBLISHED },
            Erven { qber: 0.6, ..Erven::PUBLISHED },
        ] {
            assert!(wrong.length(Relation::NgBertaWehner).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn budgets_are_sums() {
        let epsilon = Epsilon::new(1e-10).unwrap();
        let budget = Budget::new(5000.0, 1000.0, epsilon);
        close(budget.surplus_bits(), 4000.0 - 2.0 * libm::log2(5e9), 1e-9);
        assert_eq!(budget.length(), 1967);
        assert_eq!(Budget::new(10.0, 1000.0, epsilon).length(), 0);
        assert_eq!(Budget::new(3.0, 0.0, Epsilon::new(0.9).unwrap()).length(), 1);
    }
}
