//! How uncertain bits are that were measured in a basis nobody knew yet.

use core::f64::consts::LN_2;

use libm::{log1p, sinh, tanh};

use super::parameters::Epsilon;

/// Form of the finite-size penalty in the min-entropy rate of BB84 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Relation {
    /// (1 - 2 log2 epsilon)/(s n): the theorem of Ng, Berta and Wehner 2012.
    #[default]
    NgBertaWehner,
    /// log2(1/(2 epsilon))/(s n): equation 4 of Erven et al. 2014 as printed. It is smaller, and here only
    /// for comparison with that paper.
    AsPrinted,
}

/// Min-entropy rate, in bits a qubit, of `n` bits encoded in random BB84 bases, given the bases and anything
/// classical, except with probability `epsilon`:
///
/// H_min^eps(X^n | Theta K) >= n max over 0 < s <= 1 of [1 + s - log2(1 + 2^s)]/s + (2 log2 eps - 1)/(s n)
///
/// (Ng, Berta and Wehner 2012). Below 1/2; 0 where the formula gives less, or for n <= 0.
///
/// ```
/// use caligo_core::security::{Epsilon, uncertainty::min_entropy_rate};
///
/// let rate = min_entropy_rate(1e5, Epsilon::new(1e-6)?);
/// assert!((rate - 0.48810).abs() < 5e-6);
/// # Ok::<(), caligo_core::security::ParameterError>(())
/// ```
pub fn min_entropy_rate(n: f64, epsilon: Epsilon) -> f64 {
    min_entropy_rate_by(Relation::NgBertaWehner, n, epsilon)
}

/// [`min_entropy_rate`] with either form of the penalty.
pub fn min_entropy_rate_by(relation: Relation, n: f64, epsilon: Epsilon) -> f64 {
    let bits = match relation {
        Relation::NgBertaWehner => 1.0 + 2.0 * epsilon.bits(),
        Relation::AsPrinted => epsilon.hashing_bits(),
    };
    if n > 0.0 { best(bits / n) } else { 0.0 }
}

/// max over 0 < s <= 1 of [1 + s - log2(1 + 2^s) - penalty]/s.
///
/// The bracket is s/2 - k(s) - penalty with k(s) = log2 cosh(s ln 2 / 2), and the maximum is where
/// s k'(s) - k(s), which grows with s, equals the penalty.
fn best(penalty: f64) -> f64 {
    let excess = |s: f64| 0.5 * s * tanh(0.5 * LN_2 * s) - log_cosh(s);
    let (mut low, mut high) = (0.0, 1.0);
    if excess(1.0) <= penalty {
        low = 1.0;
    }
    while low < high {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if excess(middle) < penalty { low = middle } else { high = middle }
    }
    // Every s gives a bound, so that the error of this one is on the safe side.
    (0.5 - (log_cosh(high) + penalty) / high).max(0.0)
}

/// log2 cosh(s ln 2 / 2).
fn log_cosh(s: f64) -> f64 {
    let half = sinh(0.25 * LN_2 * s);
    log1p(2.0 * half * half) / LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(n: f64, epsilon: f64) -> f64 {
        min_entropy_rate(n, Epsilon::new(epsilon).unwrap())
    }

    /// At epsilon = 1e-6.
    #[test]
    fn table_of_the_literature_page() {
        for (n, expected) in [(1e4, 0.46239), (1e5, 0.48810), (1e6, 0.49624)] {
            assert!((rate(n, 1e-6) - expected).abs() <= 5e-6, "{n}: {}", rate(n, 1e-6));
        }
    }

    #[test]
    fn best_is_the_maximum_as_it_is_written() {
        for (n, epsilon) in [(1e2, 0.1), (1e3, 1e-3), (1e4, 1e-10), (1e6, 1e-6), (1e8, 1e-15)] {
            let at = |s: f64| {
                (1.0 + s - libm::log2(1.0 + libm::exp2(s))) / s + (2.0 * libm::log2(epsilon) - 1.0) / (s * n)
            };
            let grid = (1..=100_000).map(|i| at(f64::from(i) / 100_000.0)).fold(0.0, f64::max);
            assert!((rate(n, epsilon) - grid).abs() < 1e-7, "{n} {epsilon}: {grid}");
            assert!(rate(n, epsilon) >= grid - 1e-13);
        }
    }

    #[test]
    fn ends_are_limits() {
        assert_eq!((rate(0.0, 1e-6), rate(-1.0, 1e-6), rate(1.0, 1e-6)), (0.0, 0.0, 0.0));
        for n in [1e15, 1e100, f64::MAX] {
            assert!(rate(n, 1e-6) <= 0.5 && rate(n, 1e-6) > 0.49999, "{n}");
        }
        assert!(rate(1e9, f64::from_bits(1)) > 0.49);
        let likely = Epsilon::new(0.9).unwrap();
        assert!(min_entropy_rate_by(Relation::AsPrinted, 10.0, likely) <= 0.5);
    }
}
