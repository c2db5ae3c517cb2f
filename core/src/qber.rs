//! The error rate of a run, from the rounds that both parties disclosed.
//!
//! In: which of these rounds had equal bases, and in which of them the outcomes differed. Out: an [`Estimate`], with the
//! bound that blocks are planned by. In oblivious transfer it decides about correctness alone: no error rate enters the
//! security formula. In key distribution lengths follow from the errors of either basis
//! ([`key`](crate::security::key)).

use core::fmt;

use crate::security::Epsilon;
use crate::security::sampling::clopper_pearson_upper;

/// What a sample showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Rounds disclosed, equal bases or not.
    pub sampled: u64,
    /// Those with equal bases.
    pub tested: u64,
    /// Errors among them.
    pub errors: u64,
    /// Upper bound of the error rate (Clopper and Pearson 1934).
    pub upper: f64,
}

/// Two bits that are compared, one of each party, for the rounds of a sample.
#[derive(Clone, Copy, Debug)]
pub struct Disclosed<'a> {
    /// Rounds in the sample.
    pub sampled: usize,
    /// Alice's and Bob's bases.
    pub bases: [&'a [u64]; 2],
    /// Alice's and Bob's outcomes.
    pub outcomes: [&'a [u64]; 2],
}

impl Estimate {
    /// Counts errors where bases are equal; the bound holds except with probability `epsilon`.
    ///
    /// ```
    /// use caligo_core::qber::{Disclosed, Estimate};
    /// use caligo_core::security::Epsilon;
    ///
    /// let bases = [&[0b1100][..], &[0b1010][..]];
    /// let outcomes = [&[0b0001][..], &[0b0110][..]];
    /// let estimate = Estimate::of(&Disclosed { sampled: 4, bases, outcomes }, Epsilon::new(0.05)?);
    /// // Bases agree in rounds 0 and 3, outcomes differ in 0.
    /// assert_eq!((estimate.tested, estimate.errors), (2, 1));
    /// assert!(estimate.upper > 0.97);
    /// # Ok::<(), caligo_core::security::ParameterError>(())
    /// ```
    pub fn of(disclosed: &Disclosed<'_>, epsilon: Epsilon) -> Self {
        Self::among(disclosed, epsilon, |a, b| !(a ^ b))
    }

    /// The same where both measured in `basis`, 0 or 1.
    pub fn of_basis(disclosed: &Disclosed<'_>, epsilon: Epsilon, basis: bool) -> Self {
        Self::among(disclosed, epsilon, |a, b| if basis { a & b } else { !(a | b) })
    }

    fn among(disclosed: &Disclosed<'_>, epsilon: Epsilon, counts: impl Fn(u64, u64) -> u64) -> Self {
        let [[a, b], [x, y]] = [disclosed.bases, disclosed.outcomes];
        let (mut tested, mut errors) = (0, 0);
        for (w, (((a, b), x), y)) in a.iter().zip(b).zip(x).zip(y).enumerate() {
            let used = disclosed.sampled.saturating_sub(w * 64);
            let mask = if used >= 64 { u64::MAX } else { (1 << used) - 1 };
            let counted = counts(*a, *b) & mask;
            tested += u64::from(counted.count_ones());
            errors += u64::from(((x ^ y) & counted).count_ones());
        }
        let upper = clopper_pearson_upper(errors, tested, epsilon).unwrap_or(1.0);
        Self { sampled: disclosed.sampled as u64, tested, errors, upper }
    }

    /// Errors over rounds tested; 1/2 if none were.
    pub fn observed(&self) -> f64 {
        if self.tested == 0 { 0.5 } else { self.errors as f64 / self.tested as f64 }
    }
}

/// The error rate may be too high for any string to be secure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QberThreshold {
    /// What the sample showed.
    pub estimate: Estimate,
    /// Greatest error rate allowed.
    pub limit: f64,
}

impl fmt::Display for QberThreshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Estimate { tested, errors, upper, .. } = self.estimate;
        let limit = self.limit;
        write!(f, "QBER: {errors} errors in {tested} rounds, at most {upper:.4}; expected at most {limit:.4}")
    }
}

impl core::error::Error for QberThreshold {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_add_up() {
        let bases = [&[0b0011_0101, 1][..], &[0b0011_0011, 1][..]];
        let outcomes = [&[0b0000_1110, 0][..], &[0b0101_0100, 1][..]];
        let disclosed = Disclosed { sampled: 65, bases, outcomes };
        let epsilon = Epsilon::new(1e-3).unwrap();
        let of = |basis| Estimate::of_basis(&disclosed, epsilon, basis);
        // Both 0 in rounds 3, 6 to 63; both 1 in 0, 4, 5, 64.
        assert_eq!((of(false).tested, of(false).errors), (59, 2));
        assert_eq!((of(true).tested, of(true).errors), (4, 2));
        let both = Estimate::of(&disclosed, epsilon);
        assert_eq!((both.tested, both.errors), (63, 4));
    }
}
