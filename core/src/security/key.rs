//! Length of a key by what was seen in test rounds, at finite size.
//!
//! Both parties measure each round in one of two conjugate bases, drawn uniformly, and keep rounds with equal ones. What
//! an eavesdropper does not know of the key bits follows from how few errors the other basis would have shown in their
//! rounds (Tomamichel and Renner 2011):
//!
//! H_min^eps(X | E) >= sum over both bases b of n_b (1 - h(e_b)), e_b = Q_b' + mu(n_b, k_b'),
//!
//! where n_b key bits were measured in b, and Q_b' is the part of errors among k_b' test rounds of the other basis b'. The
//! test rounds of b' are a random part of themselves and the key rounds of b: bases were drawn independently of all that
//! happened before, so that it is by chance which of these rounds were measured in b' and tested. So the number of errors
//! follows from sampling without replacement, and mu is that of Tomamichel, Lim, Gisin and Renner 2012 (Tight finite-key
//! analysis for quantum cryptography, Nature Communications 3, 634; arXiv 1103.4130), whose key has one basis and whose
//! tests the other. A length of l bits is then secret but for eps_sec if
//!
//! l <= H_min^eps(X | E) - leak - 2 log2(1/eps_sec), with mu at eps_sec/sqrt(2) in their formula.
//!
//! eps_sec is 2 eps + (1/2) 2^((l - H)/2) with half of it for either, so that mu has to hold but for eps^2 = eps_sec^2/16;
//! the two bases share that, which is what sqrt(2) is for. Their log2(2/eps_cor) are the bits of tags, here part of the
//! leak as it was booked. Lengths may follow from the errors seen: averaged over these, the smoothing is no more than that
//! of all of them together, for a mean of roots is at most the root of the mean.

use libm::floor;

use super::device::Device;
use super::forecast::{Inequality, Infeasible};
use super::parameters::{Epsilon, ParameterError, Quantity};
use super::sampling::serfling_mu;
use crate::limits::entropy;
use crate::verify::TAG_BITS;

/// [`KeyTargets`] as they are written down, not checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyTargetRecord {
    /// Distance of the key from one that is uniform and independent of what anybody else knows.
    pub epsilon_sec: f64,
    /// Probability that the parties' keys differ and neither knows.
    pub epsilon_cor: f64,
    /// Failure of the bound of the error rate that blocks are planned by.
    pub epsilon_ec: f64,
    /// f: bits sent to correct errors, over n h(Q).
    pub efficiency: f64,
    /// Part of the rounds with equal bases that is disclosed to estimate the error rates, of either basis.
    pub test_fraction: f64,
}

impl Default for KeyTargetRecord {
    fn default() -> Self {
        Self { epsilon_sec: 1e-10, epsilon_cor: 1e-12, epsilon_ec: 1e-3, efficiency: 1.5, test_fraction: 0.1 }
    }
}

/// Which failures of a key distribution are allowed, and what error correction costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyTargets {
    epsilon_sec: Epsilon,
    epsilon_cor: Epsilon,
    epsilon_ec: Epsilon,
    efficiency: f64,
    test_fraction: f64,
}

impl KeyTargets {
    /// `record`, checked.
    ///
    /// # Errors
    /// [`ParameterError::OutOfRange`] names the first number that is out of range.
    pub fn new(record: KeyTargetRecord) -> Result<Self, ParameterError> {
        Ok(Self {
            epsilon_sec: Epsilon::new(record.epsilon_sec)?,
            epsilon_cor: Epsilon::new(record.epsilon_cor)?,
            epsilon_ec: Epsilon::new(record.epsilon_ec)?,
            efficiency: Quantity::CodeEfficiency.check(record.efficiency)?,
            test_fraction: Quantity::TestFraction.check(record.test_fraction)?,
        })
    }

    /// What they were made of.
    pub const fn record(&self) -> KeyTargetRecord {
        KeyTargetRecord {
            epsilon_sec: self.epsilon_sec.value(),
            epsilon_cor: self.epsilon_cor.value(),
            epsilon_ec: self.epsilon_ec.value(),
            efficiency: self.efficiency,
            test_fraction: self.test_fraction,
        }
    }

    /// Distance of the key from an ideal one.
    pub const fn epsilon_sec(&self) -> Epsilon {
        self.epsilon_sec
    }

    /// Probability that the keys differ.
    pub const fn epsilon_cor(&self) -> Epsilon {
        self.epsilon_cor
    }

    /// Failure of the bound that blocks are planned by.
    pub const fn epsilon_ec(&self) -> Epsilon {
        self.epsilon_ec
    }

    /// f.
    pub const fn efficiency(&self) -> f64 {
        self.efficiency
    }

    /// Rounds to be disclosed out of `sifted` with equal bases.
    pub fn sample_size(&self, sifted: usize) -> usize {
        (sifted as f64 * self.test_fraction) as usize
    }
}

/// Rounds in which both measured in one basis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BasisCounts {
    /// Key bits: not disclosed.
    pub kept: u64,
    /// Disclosed.
    pub tested: u64,
    /// Errors among these.
    pub errors: u64,
}

impl BasisCounts {
    fn observed(&self) -> f64 {
        if self.tested == 0 { 0.5 } else { self.errors as f64 / self.tested as f64 }
    }
}

/// What the errors of a sample may be exceeded by in the key bits of either basis, where `counts` are those of Z and X:
/// mu(n_Z, k_X) and mu(n_X, k_Z). 1/2 where nothing was tested, 0 where nothing is to be bounded.
///
/// ```
/// use caligo_core::security::{BasisCounts, Epsilon, key};
///
/// let counts = [BasisCounts { kept: 40_500, tested: 4_500, errors: 60 }; 2];
/// let [z, x] = key::deviations(&counts, Epsilon::new(1e-10)?);
/// assert!((z - 0.078196).abs() < 5e-7 && z == x);
/// # Ok::<(), caligo_core::security::ParameterError>(())
/// ```
pub fn deviations(counts: &[BasisCounts; 2], epsilon_sec: Epsilon) -> [f64; 2] {
    // Above 0 and below 1 as epsilon_sec is; where it underflows the bound is that of epsilon_sec, and so no key is left.
    let each = Epsilon::new(epsilon_sec.value() / core::f64::consts::SQRT_2);
    [(0, 1), (1, 0)].map(|(this, other): (usize, usize)| {
        let (kept, tested) = (counts[this].kept, counts[other].tested);
        if kept == 0 {
            return 0.0;
        }
        each.ok().and_then(|each| serfling_mu(kept, tested, each)).map_or(0.5, |mu| mu.min(0.5))
    })
}

/// e_Z and e_X: upper bounds of the error rates that the other basis would have shown among key bits measured in Z, and
/// in X; at most 1/2.
pub fn phase_errors(counts: &[BasisCounts; 2], epsilon_sec: Epsilon) -> [f64; 2] {
    let [z, x] = deviations(counts, epsilon_sec);
    [(counts[1].observed() + z).min(0.5), (counts[0].observed() + x).min(0.5)]
}

/// H_min^eps(X | E) in bits of all key bits together.
pub fn min_entropy(counts: &[BasisCounts; 2], epsilon_sec: Epsilon) -> f64 {
    let bounds = phase_errors(counts, epsilon_sec);
    counts.iter().zip(bounds).map(|(counts, bound)| counts.kept as f64 * (1.0 - entropy(bound))).sum()
}

/// Greatest error rate that may be seen where it may be exceeded by `deviation` and errors are corrected at `efficiency`:
/// that with f h(Q) = 1 - h(Q + deviation). 0 if there is none.
pub fn qber_threshold(deviation: f64, efficiency: f64) -> f64 {
    let spent = |q: f64| efficiency * entropy(q) + entropy((q + deviation).min(0.5));
    let (mut low, mut high) = (0.0, 0.5);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if spent(middle) < 1.0 { low = middle } else { high = middle }
    }
    low
}

/// What the length of a key is made of, in bits:
///
/// l <= H_min^eps(X | E) - dropped - leak - 2 log2(1/eps_sec).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyBudget {
    /// H_min^eps(X | E) of all key bits.
    pub min_entropy_bits: f64,
    /// Key bits that were left out: which ones depends on errors, so each is taken to have been secret.
    pub dropped_bits: f64,
    /// What syndromes, reveals and tags tell.
    pub leak_bits: f64,
    /// 2 log2(1/eps_sec).
    pub hashing_bits: f64,
}

impl KeyBudget {
    /// The budget for a key that is secret but for `epsilon_sec`.
    pub fn new(min_entropy_bits: f64, dropped_bits: f64, leak_bits: f64, epsilon_sec: Epsilon) -> Self {
        Self { min_entropy_bits, dropped_bits, leak_bits, hashing_bits: 2.0 * epsilon_sec.bits() }
    }

    /// What is left in bits; negative where it does not suffice.
    pub fn surplus_bits(&self) -> f64 {
        self.min_entropy_bits - self.dropped_bits - self.leak_bits - self.hashing_bits
    }

    /// l: whole bits of the key, 0 where nothing is left.
    pub fn length(&self) -> u64 {
        floor(self.surplus_bits().max(0.0)) as u64
    }

    /// What a key of one bit needs.
    pub fn inequality(&self) -> Inequality {
        Inequality::Key {
            spent_bits: self.dropped_bits + self.leak_bits + self.hashing_bits + 1.0,
            min_entropy_bits: self.min_entropy_bits,
        }
    }
}

/// Averages of a key distribution, and what follows from them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyForecast {
    /// Rounds of either basis.
    pub counts: BasisCounts,
    /// Q.
    pub qber: f64,
    /// f h(Q).
    pub leak_rate: f64,
    /// H_min^eps(X | E) a key bit.
    pub entropy_rate: f64,
    /// What a length is made of, with no part of the key left out.
    pub budget: KeyBudget,
}

impl KeyForecast {
    /// The forecast for `device`.
    ///
    /// ```
    /// use caligo_core::security::{Device, DeviceRecord, KeyForecast, KeyTargetRecord, KeyTargets};
    ///
    /// let device = Device::new(DeviceRecord { num_pairs: 1_000_000, ..DeviceRecord::default() })?;
    /// let forecast = KeyForecast::of(&device, &KeyTargets::new(KeyTargetRecord::default())?);
    /// assert!(forecast.feasible().is_ok_and(|budget| budget.length() > 100_000));
    /// # Ok::<(), caligo_core::security::ParameterError>(())
    /// ```
    pub fn of(device: &Device, targets: &KeyTargets) -> Self {
        let coincidences = device.coincidences();
        let sifted = floor(0.25 * device.record().num_pairs as f64 * coincidences.probability) as usize;
        let tested = targets.sample_size(sifted) as u64;
        let kept = sifted as u64 - tested;
        let qber = coincidences.qber;
        let counts = BasisCounts { kept, tested, errors: floor(tested as f64 * qber) as u64 };
        let both = [counts; 2];
        let min_entropy_bits = min_entropy(&both, targets.epsilon_sec);
        let bits = 2.0 * kept as f64;
        let leak_rate = targets.efficiency * entropy(qber);
        let leak_bits = leak_rate * bits + TAG_BITS as f64;
        Self {
            counts,
            qber,
            leak_rate,
            entropy_rate: if bits > 0.0 { min_entropy_bits / bits } else { 0.0 },
            budget: KeyBudget::new(min_entropy_bits, 0.0, leak_bits, targets.epsilon_sec),
        }
    }

    /// What a key needs, first what the others need.
    pub fn inequalities(&self) -> [Inequality; 3] {
        [
            Inequality::Tested { needed: 0.0, expected: self.counts.tested as f64 },
            Inequality::Qber { leak_rate: self.leak_rate, entropy_rate: self.entropy_rate },
            self.budget.inequality(),
        ]
    }

    /// The budget of a key of at least one bit.
    ///
    /// # Errors
    /// [`Infeasible`] has the inequality that fails.
    pub fn feasible(&self) -> Result<KeyBudget, Infeasible> {
        match self.inequalities().into_iter().find(|inequality| !inequality.holds()) {
            Some(inequality) => Err(Infeasible(inequality)),
            None => Ok(self.budget),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::device::DeviceRecord;
    use super::*;

    fn close(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance, "{a} is not {b}");
    }

    fn epsilon(value: f64) -> Epsilon {
        Epsilon::new(value).unwrap()
    }

    const fn counts(kept: u64, tested: u64, errors: u64) -> BasisCounts {
        BasisCounts { kept, tested, errors }
    }

    /// Counts of Z and X, leak, eps_sec; e_Z, e_X, min-entropy, length. Computed with 40 digits, from Serfling's tail
    /// exp(-2 mu^2 n k^2/((n + k)(k + 1))) = eps_sec^2/32 and not from mu as it is written.
    #[test]
    fn lengths_of_the_formula() {
        for (z, x, leak, eps, [e_z, e_x, bits], length) in [
            (
                counts(40_500, 4_500, 60),
                counts(40_500, 4_500, 60),
                12_000.0,
                1e-10,
                [0.0915293845406176, 0.0915293845406176, 45234.10929174408],
                33_167,
            ),
            (
                counts(191_250, 21_250, 490),
                counts(190_800, 21_200, 500),
                57_000.0,
                1e-10,
                [0.05960410396090117, 0.05904409545699686, 257976.8611464913],
                200_910,
            ),
            (
                counts(900_000, 100_000, 1000),
                counts(30_000, 20_000, 600),
                250_000.0,
                1e-6,
                [0.05819103822733037, 0.03595707622922505, 635097.2709878488],
                385_057,
            ),
        ] {
            let both = [z, x];
            let [z, x] = phase_errors(&both, epsilon(eps));
            close(z, e_z, 1e-14);
            close(x, e_x, 1e-14);
            let found = min_entropy(&both, epsilon(eps));
            close(found, bits, 1e-7);
            assert_eq!(KeyBudget::new(found, 0.0, leak, epsilon(eps)).length(), length);
            assert_eq!(KeyBudget::new(found, 100.0, leak, epsilon(eps)).length(), length - 100);
        }
    }

    /// n (1 - h(Q + mu)) - leak - log2(2/(eps_sec^2 eps_cor)) with n = 100,000, k = 20,000, Q = 1 %, leak 1.1 n h(Q),
    /// eps_sec = eps_cor = 1e-10 is 63110.71 (40 digits): the key in one basis, all tests in the other. Where the test is
    /// of the other basis alone, ours is that with sqrt(2) in the failure and the tag in the leak.
    #[test]
    fn one_basis_is_the_published_length() {
        let both = [counts(100_000, 0, 0), counts(0, 20_000, 200)];
        let (eps, tag) = (epsilon(1e-10), 1.0 + epsilon(1e-10).bits());
        let leak = 1.1 * 100_000.0 * entropy(0.01) + tag;
        let ours = |eps_mu| KeyBudget::new(min_entropy(&both, eps_mu), 0.0, leak, eps).surplus_bits();
        close(ours(epsilon(1e-10 * core::f64::consts::SQRT_2)), 63110.71381859427, 1e-6);
        assert!(ours(eps) < 63110.7 && ours(eps) > 62900.0);
    }

    #[test]
    fn thresholds_are_where_the_rates_meet() {
        close(qber_threshold(0.05, 1.2), 0.07433909244549495, 1e-12);
        close(qber_threshold(0.078, 1.5), 0.05203463948240232, 1e-12);
        close(qber_threshold(0.0, 1.0), 0.11002786443835955, 1e-12);
        assert_eq!((qber_threshold(0.5, 1.0), qber_threshold(0.7, 1.5)), (0.0, 0.0));
    }

    #[test]
    fn bounds_are_monotone() {
        let eps = epsilon(1e-10);
        let bits = |kept, tested, errors| min_entropy(&[counts(kept, tested, errors); 2], eps);
        // More errors are worse, more tests with the same share of errors better, more key bits more.
        for errors in [0, 10, 50, 100, 400, 2000] {
            let [now, then] =
                [errors, errors + 10].map(|errors| phase_errors(&[counts(50_000, 5_000, errors); 2], eps));
            assert!(now[0] < then[0] && now[1] < then[1]);
            assert!(bits(50_000, 5_000, errors) > bits(50_000, 5_000, errors + 10));
        }
        for scale in 1..20 {
            assert!(
                bits(50_000, 1000 * scale, 10 * scale) < bits(50_000, 1000 * (scale + 1), 10 * (scale + 1))
            );
            assert!(bits(5_000 * scale, 5_000, 50) < bits(5_000 * (scale + 1), 5_000, 50));
        }
        // Errors of one basis count against the key bits of the other.
        let uneven = phase_errors(&[counts(1000, 500, 50), counts(1000, 500, 0)], eps);
        assert!(uneven[1] > uneven[0]);
        assert!(
            deviations(&[counts(1000, 500, 0); 2], epsilon(1e-6))[0]
                < deviations(&[counts(1000, 500, 0); 2], eps)[0]
        );
    }

    #[test]
    fn nothing_seen_is_nothing_known() {
        let eps = epsilon(1e-10);
        assert_eq!(min_entropy(&[counts(1000, 0, 0); 2], eps), 0.0);
        assert_eq!(min_entropy(&[BasisCounts::default(); 2], eps), 0.0);
        assert_eq!(min_entropy(&[counts(1000, 1000, 1000); 2], eps), 0.0);
        // Tests of Z alone say nothing about key bits of Z.
        let one = [counts(1000, 100_000, 0), counts(1000, 0, 0)];
        assert_eq!(phase_errors(&one, eps)[0], 0.5);
        assert!(phase_errors(&one, eps)[1] < 0.5);
        assert_eq!(deviations(&[counts(1000, 1000, 0); 2], epsilon(f64::from_bits(1))), [0.5; 2]);
    }

    fn forecast(change: impl Fn(&mut DeviceRecord)) -> KeyForecast {
        let mut record = DeviceRecord::default();
        change(&mut record);
        let targets = KeyTargets::new(KeyTargetRecord::default()).unwrap();
        KeyForecast::of(&Device::new(record).unwrap(), &targets)
    }

    type Change = fn(&mut DeviceRecord);

    #[test]
    fn impossible_devices_name_the_inequality() {
        let good = forecast(|_| {});
        assert!(good.feasible().is_ok_and(|budget| budget.length() > 150_000), "{good:?}");
        let table: [(Change, &str); 3] = [
            (|p| p.num_pairs = 30, "tested"),
            (|p| p.num_pairs = 5_000, "qber_threshold"),
            (|p| p.channel_fidelity = 0.8, "qber_threshold"),
        ];
        for (change, name) in table {
            let Err(Infeasible(inequality)) = forecast(change).feasible() else { panic!("feasible") };
            assert_eq!(inequality.name(), name);
            assert!(inequality.margin() <= 0.0);
        }
        let lengths = [1, 2, 3, 5, 10].map(|n| forecast(|p| p.num_pairs = n * 200_000).budget.length());
        assert!(lengths.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn targets_are_checked() {
        let refused = |change: fn(&mut KeyTargetRecord)| {
            let mut record = KeyTargetRecord::default();
            change(&mut record);
            KeyTargets::new(record).unwrap_err()
        };
        for error in [
            refused(|t| t.epsilon_sec = 0.0),
            refused(|t| t.epsilon_cor = 1.0),
            refused(|t| t.epsilon_ec = f64::NAN),
            refused(|t| t.efficiency = 0.99),
            refused(|t| t.test_fraction = 1.0),
        ] {
            assert!(matches!(error, ParameterError::OutOfRange { .. }));
        }
        assert_eq!(KeyTargets::new(KeyTargetRecord::default()).unwrap().record(), KeyTargetRecord::default());
    }
}
