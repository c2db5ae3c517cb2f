//! What a depolarising memory keeps.
//!
//! Each qubit stored becomes N_r(rho) = r rho + (1 - r) I/2 until the bases are told. Its classical capacity
//! bounds what can be sent through such a memory at all, the strong converse how fast success fails above it
//! (König, Wehner and Wullschleger 2012). For one photon, one qubit, two bounds of the min-entropy rate of
//! Alice's bits hold for any noise: of collisions (Dupuis, Fawzi and Wehner 2015) and of virtual erasure
//! (Lupo, Peat, Andersson and Kok 2023, arXiv 2302.04236).

use core::f64::consts::LN_2;

use libm::log2;

use super::divergence::{deviance, divergence};
use super::parameters::{ParameterError, Quantity};
use crate::limits::{entropy, inverse_entropy};

/// Dishonest Bob's quantum memory when the bases are told.
///
/// ```
/// use caligo_core::security::Memory;
///
/// let memory = Memory::new(0.75, 0.002)?;
/// assert!((memory.capacity() - 0.45644).abs() < 5e-6);
/// assert!((memory.max_bound() - 0.25).abs() < 1e-15);
/// # Ok::<(), caligo_core::security::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    pub(super) r: f64,
    pub(super) nu: f64,
}

impl Memory {
    /// A memory that leaves a qubit as it was with probability `r` and can store the part `nu` of all qubits.
    ///
    /// # Errors
    /// [`ParameterError::OutOfRange`] unless both are from 0 to 1.
    pub fn new(r: f64, nu: f64) -> Result<Self, ParameterError> {
        Ok(Self { r: Quantity::StorageNoise.check(r)?, nu: Quantity::StorageRate.check(nu)? })
    }

    /// r.
    pub const fn noise(&self) -> f64 {
        self.r
    }

    /// nu.
    pub const fn rate(&self) -> f64 {
        self.nu
    }

    /// C_N = 1 - h((1 + r)/2) in bits a qubit (King 2003): the rate above which storage fails.
    pub fn capacity(&self) -> f64 {
        ((deviance(self.r) + deviance(-self.r)) / (2.0 * LN_2)).min(1.0)
    }

    /// Exponent of the strong converse: storing R bits a qubit succeeds with probability at most
    /// 2^(-gamma_r(R)) a qubit,
    ///
    /// gamma_r(R) = max over alpha >= 1 of ((alpha - 1)/alpha) (R - 1 + S_alpha),
    /// S_alpha = log2(l1^alpha + l2^alpha)/(1 - alpha), l1 = (1 + r)/2, l2 = (1 - r)/2
    ///
    /// (König and Wehner 2009; König, Wehner and Wullschleger 2012).
    ///
    /// In 1/alpha this is concave, and its slope vanishes where the coin that l1^alpha and l2^alpha weigh has
    /// entropy 1 - R. So it is 0 up to the capacity, then D(d || l2) with h(d) = 1 - R, and from R = 1 on,
    /// where alpha has no bound, R - log2(1 + r).
    pub fn strong_converse(&self, rate: f64) -> f64 {
        if rate >= 1.0 {
            return (rate - log2(1.0 + self.r)).max(0.0);
        }
        let flipped = 0.5 * (1.0 - self.r);
        let error = inverse_entropy(1.0 - rate.max(0.0));
        if rate <= self.capacity() || error >= flipped { 0.0 } else { divergence(error, flipped) }
    }

    /// Min-entropy in bits, given the memory, of a string of `entropy` bits without it, where `stored` qubits
    /// are kept and any code may be used: stored · gamma_r(entropy / stored), or `entropy` if nothing is kept
    /// (König, Wehner and Wullschleger 2012). Negative arguments count as 0.
    pub fn min_entropy(&self, entropy: f64, stored: f64) -> f64 {
        let (entropy, stored) = (entropy.max(0.0), stored.max(0.0));
        if stored <= entropy {
            entropy - stored * log2(1.0 + self.r)
        } else {
            stored * self.strong_converse(entropy / stored)
        }
    }

    /// Collision entropy rate h2 = 1 - log2(1 + 3 r^2) of a stored half of a Bell pair (Dupuis, Fawzi and
    /// Wehner 2015; equation 27 of Lupo et al. 2023); from -1 to 1.
    pub fn collision_rate(&self) -> f64 {
        1.0 - log2(1.0 + 3.0 * self.r * self.r)
    }

    /// h_A = Gamma(h2): min-entropy rate of a bit whose qubit is stored.
    pub fn collision_bound(&self) -> f64 {
        gamma(self.collision_rate())
    }

    /// h_B = 1 - r: the same by telling Bob which qubits were depolarised (Lupo et al. 2023).
    pub fn erasure_bound(&self) -> f64 {
        1.0 - self.r
    }

    /// h = max(h_A, h_B): min-entropy rate if every qubit is stored, asymptotically (equation 36 of Lupo et
    /// al. 2023).
    pub fn max_bound(&self) -> f64 {
        self.collision_bound().max(self.erasure_bound())
    }

    /// min(1/2, h): Bob rather measures at once than store in a memory worse than that (equation 37).
    pub fn rational_bound(&self) -> f64 {
        self.max_bound().min(0.5)
    }

    /// 1/2 + nu (h - 1/2): the part nu is stored, the rest measured (equation 49).
    pub fn bounded_storage(&self) -> f64 {
        0.5 + self.nu * (self.max_bound() - 0.5)
    }

    /// The same for a rational Bob, at most 1/2 (equation 50).
    pub fn rational_bounded_storage(&self) -> f64 {
        self.bounded_storage().min(0.5)
    }
}

/// Gamma of Dupuis, Fawzi and Wehner 2015: x from 1/2 on, else the y in [0, 1/2] with h(y) + y - 1 = x; 0 for
/// x <= -1. Of a collision entropy rate it makes the min-entropy rate of bits measured in BB84 bases.
///
/// ```
/// assert!((caligo_core::security::storage::gamma(0.0) - 0.227092).abs() < 5e-7);
/// ```
pub fn gamma(x: f64) -> f64 {
    if x >= 0.5 {
        return x;
    }
    let (mut low, mut high) = (0.0, 0.5);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if entropy(middle) + middle - 1.0 < x { low = middle } else { high = middle }
    }
    // From below, as the bound it is.
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance, "{a} is not {b}");
    }

    fn memory(r: f64) -> Memory {
        Memory::new(r, 1.0).unwrap()
    }

    /// r, C_N, h2, Gamma, 1 - r, gamma_r(1/2).
    #[test]
    fn table_of_the_literature_page() {
        for (r, capacity, collision, bound, erasure, exponent) in [
            (0.25, 0.04557, 0.75207, 0.75207, 0.75, 0.25916),
            (0.5, 0.18872, 0.19265, 0.30515, 0.5, 0.08943),
            (0.75, 0.45644, -0.42626, 0.10114, 0.25, 0.00153),
            (0.9, 0.71360, -0.77821, 0.02957, 0.1, 0.0),
        ] {
            let memory = memory(r);
            close(memory.capacity(), capacity, 5e-6);
            close(memory.collision_rate(), collision, 5e-6);
            close(memory.collision_bound(), bound, 5e-6);
            close(memory.erasure_bound(), erasure, 5e-6);
            close(memory.strong_converse(0.5), exponent, 5e-6);
            close(memory.max_bound(), bound.max(erasure), 5e-6);
        }
    }

    #[test]
    fn single_values() {
        close(gamma(0.0), 0.227092, 5e-7);
        close(gamma(0.25), 0.33252, 5e-6);
        close(memory(0.779944).capacity(), 0.5, 1e-6);
    }

    /// The maximum as it is written, over a fine grid of 1/alpha.
    fn by_definition(r: f64, rate: f64) -> f64 {
        let (l1, l2) = (0.5 * (1.0 + r), 0.5 * (1.0 - r));
        let at = |t: f64| {
            if t == 0.0 {
                return rate - 1.0 - log2(l1);
            }
            let alpha = 1.0 / t;
            // log2(l1^alpha + l2^alpha), which would underflow.
            let sum = alpha * log2(l1) + libm::log1p(libm::pow(l2 / l1, alpha)) / LN_2;
            (1.0 - t) * (rate - 1.0) - t * sum
        };
        (0..=20_000).map(|i| at(f64::from(i) / 20_000.0)).fold(0.0, f64::max)
    }

    #[test]
    fn closed_form_is_the_maximum() {
        for r in [0.0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0] {
            for rate in [-1.0, 0.0, 0.01, 0.2, 0.5, 0.7, 0.999, 1.0, 1.5, 3.0] {
                close(memory(r).strong_converse(rate), by_definition(r, rate), 2e-8);
            }
        }
    }

    #[test]
    fn ends_of_the_noise() {
        let (none, all) = (memory(1.0), memory(0.0));
        assert_eq!((none.capacity(), all.capacity()), (1.0, 0.0));
        assert_eq!((none.max_bound(), all.max_bound()), (0.0, 1.0));
        assert_eq!((none.collision_rate(), none.collision_bound()), (-1.0, 0.0));
        assert_eq!((none.strong_converse(1.0), none.strong_converse(2.5)), (0.0, 1.5));
        assert_eq!(none.bounded_storage(), 0.0);
        close(all.strong_converse(0.3), 0.3, 1e-14);
        assert_eq!(Memory::new(1.0, 0.25).unwrap().bounded_storage(), 0.375);
        let better = Memory::new(0.1, 0.5).unwrap();
        assert!(better.bounded_storage() > 0.7);
        assert_eq!((better.rational_bounded_storage(), better.rational_bound()), (0.5, 0.5));
    }

    #[test]
    fn what_is_not_stored_is_not_lost() {
        let memory = memory(0.75);
        assert_eq!(memory.min_entropy(1000.0, 0.0), 1000.0);
        close(memory.min_entropy(1000.0, 1e-300), 1000.0, 1e-9);
        close(memory.min_entropy(1000.0, 500.0), 1000.0 - 500.0 * log2(1.75), 1e-9);
        close(memory.min_entropy(500.0, 1000.0), 1000.0 * memory.strong_converse(0.5), 1e-9);
        assert_eq!((memory.min_entropy(0.0, 0.0), memory.min_entropy(-1.0, 10.0)), (0.0, 0.0));
        // A code at a rate below the capacity saves all.
        assert_eq!(memory.min_entropy(400.0, 1000.0), 0.0);
    }
}
