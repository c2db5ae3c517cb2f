//! What a run would give on average, and which inequality forbids it.

use core::fmt;

use super::length::{Budget, split};
use super::parameters::{Epsilon, NsmParameters, ParameterError, Quantity};
use super::source::Coincidences;
use super::storage::Memory;
use super::uncertainty::min_entropy_rate;
use crate::limits::{entropy, inverse_entropy};
use crate::verify::TAG_BITS;

/// [`Targets`] as they are written down, not checked.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct TargetRecord {
    /// Failure of the min-entropy bound: smoothing, and statistics of the rounds.
    pub epsilon: f64,
    /// Distance of the output from uniform.
    pub epsilon_pa: f64,
    /// Failure of error correction, and of the bound of the error rate.
    pub epsilon_ec: f64,
    /// f: bits sent to correct errors, over n h(Q).
    pub efficiency: f64,
    /// Part of all rounds that is disclosed to estimate the error rate, before sets are told.
    pub test_fraction: f64,
}

impl Default for TargetRecord {
    fn default() -> Self {
        Self { epsilon: 1e-10, epsilon_pa: 1e-10, epsilon_ec: 1e-3, efficiency: 1.5, test_fraction: 0.05 }
    }
}

/// Which failures are allowed, and what error correction costs.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "TargetRecord", into = "TargetRecord"))]
pub struct Targets {
    epsilon: Epsilon,
    epsilon_pa: Epsilon,
    epsilon_ec: Epsilon,
    efficiency: f64,
    test_fraction: f64,
}

impl Targets {
    /// `record`, checked.
    ///
    /// # Errors
    /// [`ParameterError::OutOfRange`] names the first number that is out of range.
    pub fn new(record: TargetRecord) -> Result<Self, ParameterError> {
        Ok(Self {
            epsilon: Epsilon::new(record.epsilon)?,
            epsilon_pa: Epsilon::new(record.epsilon_pa)?,
            epsilon_ec: Epsilon::new(record.epsilon_ec)?,
            efficiency: Quantity::CodeEfficiency.check(record.efficiency)?,
            test_fraction: Quantity::TestFraction.check(record.test_fraction)?,
        })
    }

    /// What they were made of.
    pub const fn record(&self) -> TargetRecord {
        TargetRecord {
            epsilon: self.epsilon.value(),
            epsilon_pa: self.epsilon_pa.value(),
            epsilon_ec: self.epsilon_ec.value(),
            efficiency: self.efficiency,
            test_fraction: self.test_fraction,
        }
    }

    /// Failure of the min-entropy bound.
    pub const fn epsilon(&self) -> Epsilon {
        self.epsilon
    }

    /// Distance of the output from uniform.
    pub const fn epsilon_pa(&self) -> Epsilon {
        self.epsilon_pa
    }

    /// Part of all rounds that is disclosed to estimate the error rate.
    pub const fn test_fraction(&self) -> f64 {
        self.test_fraction
    }

    /// Failure of error correction.
    pub const fn epsilon_ec(&self) -> Epsilon {
        self.epsilon_ec
    }
}

impl TryFrom<TargetRecord> for Targets {
    type Error = ParameterError;

    fn try_from(record: TargetRecord) -> Result<Self, ParameterError> {
        Self::new(record)
    }
}

impl From<Targets> for TargetRecord {
    fn from(targets: Targets) -> Self {
        targets.record()
    }
}

/// Which argument bounds what Bob does not know of the string that he has not chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// The strong converse of his memory, whatever code he uses and however he divides the rounds: finite
    /// size (König, Wehner and Wullschleger 2012; Erven et al. 2014).
    StrongConverse,
    /// The max bound of a memory that keeps photons one by one, and of a rational Bob, with sets that he
    /// cannot choose: what is measured counts at finite size, what is stored asymptotically (Lupo et al.
    /// 2023).
    MaxBound,
}

impl Proof {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::StrongConverse, Self::MaxBound];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StrongConverse => "strong_converse",
            Self::MaxBound => "max_bound",
        }
    }

    /// H_min^eps(X_{1-C} | B) in bits, of sets of `set_bits` bits each out of `kept` rounds, where `memory` can take
    /// the part nu of `pairs` qubits.
    ///
    /// Bob chooses the rounds that are in neither set, knowing the bases: each costs a bit at most, and is taken to
    /// cost it in the set that counts.
    pub fn min_entropy(self, memory: Memory, epsilon: Epsilon, pairs: f64, kept: f64, set_bits: f64) -> f64 {
        let lambda = min_entropy_rate(kept, epsilon);
        let (stored, dropped) = (memory.rate() * pairs, (kept - 2.0 * set_bits).max(0.0));
        match self {
            Self::StrongConverse => memory.min_entropy(split(lambda * kept - dropped, epsilon), stored),
            Self::MaxBound => (0.5 * kept * kept_rate(memory, lambda, stored, kept) - dropped).max(0.0),
        }
    }
}

/// Part of `kept` rounds that may be in a memory of `stored` qubits.
fn stored_part(stored: f64, kept: f64) -> f64 {
    if stored < kept { stored / kept } else { 1.0 }
}

/// Min-entropy rate of the max bound: of what is measured at finite size, of what is stored asymptotically.
fn kept_rate(memory: Memory, lambda: f64, stored: f64, kept: f64) -> f64 {
    let part = stored_part(stored, kept);
    (1.0 - part) * lambda + part * memory.max_bound().min(lambda)
}

/// An inequality a run needs, with its two sides: the first has to be less than the second.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Inequality {
    /// Each set needs bits at all.
    Rounds {
        /// Bits needed.
        needed: f64,
        /// Bits of each set, on average.
        expected: f64,
    },
    /// C_N nu < 1/2, where interactive hashing divides the rounds (König, Wehner and Wullschleger 2012).
    Capacity {
        /// C_N nu in bits a pair.
        used: f64,
        /// 1/2.
        limit: f64,
    },
    /// The memory must not be able to store what Bob does not know, else the model gives nothing:
    /// C_N nu N < lambda m/2 - 1 - log2(1/(2 eps)), which is R > C_N (equation 7 of Erven et al. 2014).
    Storage {
        /// Bits the memory can store.
        capacity_bits: f64,
        /// Bits of one string that are unknown without it.
        unknown_bits: f64,
    },
    /// Some min-entropy has to be left by the memory: 0 < h.
    Noise {
        /// 0.
        none: f64,
        /// Min-entropy rate in bits a bit.
        rate: f64,
    },
    /// f h(Q) has to be less than the min-entropy rate: the QBER threshold.
    Qber {
        /// f h(Q) in bits a bit.
        leak_rate: f64,
        /// Min-entropy rate in bits a bit.
        entropy_rate: f64,
    },
    /// Key distribution: errors have to be looked for in either basis.
    Tested {
        /// 0.
        needed: f64,
        /// Test rounds in each basis.
        expected: f64,
    },
    /// Key distribution: what is spent has to leave at least one bit of the key.
    Key {
        /// Bits left out, leak, hashing, and a bit of the key.
        spent_bits: f64,
        /// Min-entropy of all key bits.
        min_entropy_bits: f64,
    },
    /// Key distribution: tags have to be as sure as was asked for.
    Correctness {
        /// Bound on the chance that keys differ unnoticed, over all tags.
        chance: f64,
        /// eps_cor.
        allowed: f64,
    },
    /// What is spent has to leave at least one bit of each string, else the min-entropy is depleted.
    Entropy {
        /// Leak, hashing, and a bit of each string.
        spent_bits: f64,
        /// Min-entropy.
        min_entropy_bits: f64,
    },
}

impl Inequality {
    /// Its name in reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Rounds { .. } => "rounds",
            Self::Capacity { .. } => "capacity",
            Self::Storage { .. } => "storage",
            Self::Noise { .. } => "noise",
            Self::Qber { .. } => "qber_threshold",
            Self::Entropy { .. } => "entropy",
            Self::Tested { .. } => "tested",
            Self::Key { .. } => "key",
            Self::Correctness { .. } => "correctness",
        }
    }

    /// It in words and symbols.
    pub const fn statement(&self) -> &'static str {
        match self {
            Self::Rounds { .. } => "1 < bits of each set",
            Self::Capacity { .. } => "C_N nu < 1/2",
            Self::Storage { .. } => "C_N nu N < unknown bits",
            Self::Noise { .. } => "0 < min-entropy rate",
            Self::Qber { .. } => "f h(Q) < min-entropy rate",
            Self::Entropy { .. } => "leak, hashing and 2 bits < min-entropy",
            Self::Tested { .. } => "0 < test rounds in each basis",
            Self::Key { .. } => "bits left out, leak, hashing and a bit < min-entropy",
            Self::Correctness { .. } => "chance of a wrong key < epsilon_cor",
        }
    }

    /// Left and right side.
    pub const fn sides(&self) -> (f64, f64) {
        match *self {
            Self::Rounds { needed, expected } | Self::Tested { needed, expected } => (needed, expected),
            Self::Capacity { used, limit } => (used, limit),
            Self::Storage { capacity_bits, unknown_bits } => (capacity_bits, unknown_bits),
            Self::Noise { none, rate } => (none, rate),
            Self::Qber { leak_rate, entropy_rate } => (leak_rate, entropy_rate),
            Self::Entropy { spent_bits, min_entropy_bits } | Self::Key { spent_bits, min_entropy_bits } => {
                (spent_bits, min_entropy_bits)
            }
            Self::Correctness { chance, allowed } => (chance, allowed),
        }
    }

    /// Whether it is true.
    pub fn holds(&self) -> bool {
        let (left, right) = self.sides();
        left < right
    }

    /// Right side less left side: by how much it holds, or if negative or 0, fails.
    pub fn margin(&self) -> f64 {
        let (left, right) = self.sides();
        right - left
    }
}

/// ```
/// use caligo_core::security::Inequality;
///
/// let inequality = Inequality::Qber { leak_rate: 0.75, entropy_rate: 0.5 };
/// assert_eq!(inequality.to_string(), "f h(Q) < min-entropy rate: 0.75 < 0.5 fails by 0.25");
/// ```
impl fmt::Display for Inequality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, right) = self.sides();
        let (verb, margin) = (if self.holds() { "holds" } else { "fails" }, self.margin().abs());
        write!(f, "{}: {left} < {right} {verb} by {margin}", self.statement())
    }
}

/// No string of even one bit is secure: the first inequality that fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Infeasible(pub Inequality);

impl fmt::Display for Infeasible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "infeasible: {}", self.0)
    }
}

impl core::error::Error for Infeasible {}

/// Averages of a run, and what follows from them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Of the source and the detectors.
    pub coincidences: Coincidences,
    /// Rounds in which both sides clicked, those disclosed included.
    pub rounds: f64,
    /// Disclosed bits of rounds where bases agree, by which the error rate is estimated.
    pub test_bits: f64,
    /// Bits of each of the two sets.
    pub set_bits: f64,
    /// Qubits that the memory can take.
    pub stored: f64,
    /// Part of the rounds kept that may be in it: at most 1.
    pub stored_part: f64,
    /// lambda: min-entropy rate of measured bits.
    pub min_entropy_rate: f64,
    /// C_N nu.
    pub capacity_used: f64,
    /// C_N nu N.
    pub capacity_bits: f64,
    /// Bits of one string unknown to a Bob without memory, who divides the rounds as he likes.
    pub unknown_bits: f64,
    /// f h(Q).
    pub leak_rate: f64,
    /// Greatest QBER that the min-entropy rate of the max bound allows.
    pub qber_limit: f64,
    /// By the strong converse.
    pub strong_converse: Budget,
    /// By the max bound.
    pub max_bound: Budget,
}

impl Forecast {
    /// The forecast for `parameters`.
    ///
    /// Qubits stored count as nu N, whatever the losses: a dishonest Bob loses nothing, and reports as
    /// detected what he stored.
    pub fn of(parameters: &NsmParameters, targets: &Targets) -> Self {
        let (pairs, memory) = (parameters.record().num_pairs as f64, parameters.memory());
        let coincidences = parameters.coincidences();
        let rounds = pairs * coincidences.probability;
        let kept = rounds * (1.0 - targets.test_fraction);
        let set_bits = 0.5 * kept;
        let stored = memory.rate() * pairs;
        let lambda = min_entropy_rate(kept, targets.epsilon);
        let unknown_bits = split(lambda * kept, targets.epsilon);
        let leak_rate = targets.efficiency * entropy(coincidences.qber);
        let leak_bits = leak_rate * set_bits + TAG_BITS as f64;
        let kept_rate = kept_rate(memory, lambda, stored, kept);
        let budget = |proof: Proof| {
            let bits = proof.min_entropy(memory, targets.epsilon, pairs, kept, set_bits);
            Budget::new(bits, leak_bits, targets.epsilon_pa)
        };
        Self {
            coincidences,
            rounds,
            test_bits: 0.5 * rounds * targets.test_fraction,
            set_bits,
            stored,
            stored_part: stored_part(stored, kept),
            min_entropy_rate: lambda,
            capacity_used: memory.capacity() * memory.rate(),
            capacity_bits: memory.capacity() * stored,
            unknown_bits,
            leak_rate,
            qber_limit: if kept_rate > 0.0 { inverse_entropy(kept_rate / targets.efficiency) } else { 0.0 },
            strong_converse: budget(Proof::StrongConverse),
            max_bound: budget(Proof::MaxBound),
        }
    }

    /// Greatest QBER that `proof` allows: that with f h(Q) equal to its min-entropy rate.
    pub fn qber_threshold(&self, proof: Proof, targets: &Targets) -> f64 {
        let bits = self.budget(proof).min_entropy_bits;
        if bits > 0.0 && self.set_bits > 0.0 {
            inverse_entropy((bits / self.set_bits / targets.efficiency).min(1.0))
        } else {
            0.0
        }
    }

    /// The budget by `proof`.
    pub const fn budget(&self, proof: Proof) -> Budget {
        match proof {
            Proof::StrongConverse => self.strong_converse,
            Proof::MaxBound => self.max_bound,
        }
    }

    /// C_N nu < 1/2, which a protocol with interactive hashing needs and this one does not.
    pub const fn capacity(&self) -> Inequality {
        Inequality::Capacity { used: self.capacity_used, limit: 0.5 }
    }

    /// What `proof` needs, first what the others need.
    pub fn inequalities(&self, proof: Proof) -> [Inequality; 4] {
        let budget = self.budget(proof);
        let rate = if self.set_bits > 0.0 { budget.min_entropy_bits / self.set_bits } else { 0.0 };
        [
            Inequality::Rounds { needed: 1.0, expected: self.set_bits },
            match proof {
                Proof::StrongConverse => {
                    Inequality::Storage { capacity_bits: self.capacity_bits, unknown_bits: self.unknown_bits }
                }
                Proof::MaxBound => Inequality::Noise { none: 0.0, rate },
            },
            Inequality::Qber { leak_rate: self.leak_rate, entropy_rate: rate },
            Inequality::Entropy {
                spent_bits: budget.leak_bits + budget.hashing_bits + 2.0,
                min_entropy_bits: budget.min_entropy_bits,
            },
        ]
    }

    /// The budget by `proof`, of at least one bit of each string.
    ///
    /// # Errors
    /// [`Infeasible`] has the inequality that fails.
    pub fn feasible(&self, proof: Proof) -> Result<Budget, Infeasible> {
        match self.inequalities(proof).into_iter().find(|inequality| !inequality.holds()) {
            Some(inequality) => Err(Infeasible(inequality)),
            None => Ok(self.budget(proof)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameters::NsmRecord;
    use super::*;

    fn forecast(change: impl Fn(&mut NsmRecord)) -> Forecast {
        let mut record = NsmRecord { num_pairs: 200_000, ..NsmRecord::default() };
        change(&mut record);
        let targets = Targets::new(TargetRecord::default()).unwrap();
        Forecast::of(&NsmParameters::new(record).unwrap(), &targets)
    }

    #[test]
    fn good_parameters_give_bits() {
        let good = forecast(|p| {
            (p.storage_noise_r, p.storage_rate_nu) = (Some(0.3), 0.01);
            (p.channel_fidelity, p.detection_eff_eta) = (0.99, 0.9);
        });
        for proof in Proof::ALL {
            let budget = good.feasible(proof).unwrap();
            assert!(budget.length() > 10_000, "{proof:?}: {budget:?}");
            assert!(good.inequalities(proof).iter().all(Inequality::holds));
        }
        assert!(good.capacity().holds());
    }

    #[test]
    fn impossible_parameters_name_the_inequality() {
        let open =
            forecast(|p| (p.storage_noise_r, p.storage_rate_nu, p.channel_fidelity) = (Some(1.0), 1.0, 0.6));
        let Err(Infeasible(storage)) = open.feasible(Proof::StrongConverse) else { panic!("feasible") };
        assert_eq!(storage.name(), "storage");
        assert!((storage.margin() - (open.unknown_bits - 200_000.0)).abs() < 1e-6);
        let Err(Infeasible(noise)) = open.feasible(Proof::MaxBound) else { panic!("feasible") };
        assert_eq!((noise, noise.margin()), (Inequality::Noise { none: 0.0, rate: 0.0 }, 0.0));
        assert!(!open.capacity().holds());

        let noisy = forecast(|p| p.channel_fidelity = 0.6);
        for proof in Proof::ALL {
            let Err(infeasible) = noisy.feasible(proof) else { panic!("feasible") };
            assert_eq!(infeasible.0.name(), "qber_threshold");
            assert!(infeasible.0.margin() < -0.5, "{infeasible}");
        }
        assert!(noisy.qber_limit < noisy.coincidences.qber);

        let few = forecast(|p| p.num_pairs = 1000);
        let Err(Infeasible(entropy)) = few.feasible(Proof::MaxBound) else { panic!("feasible") };
        assert_eq!(entropy.name(), "entropy");
        let one = forecast(|p| p.num_pairs = 1);
        for proof in Proof::ALL {
            assert!(matches!(one.feasible(proof), Err(Infeasible(Inequality::Rounds { .. }))));
        }
    }

    /// Losses give a dishonest Bob a choice of which rounds to report.
    #[test]
    fn storage_counts_against_the_rounds_kept() {
        let lossy = forecast(|p| (p.detection_eff_eta, p.storage_rate_nu) = (0.1, 0.05));
        assert!((lossy.stored_part - 0.05 / (lossy.coincidences.probability * 0.95)).abs() < 1e-12);
        assert_eq!(forecast(|p| (p.detection_eff_eta, p.storage_rate_nu) = (0.1, 0.2)).stored_part, 1.0);
    }

    #[test]
    fn what_bob_drops_costs_min_entropy() {
        let (memory, epsilon) = (Memory::new(0.3, 0.01).unwrap(), Epsilon::new(1e-10).unwrap());
        for proof in Proof::ALL {
            let bits = |set_bits| proof.min_entropy(memory, epsilon, 2e5, 1.7e5, set_bits);
            let (all, fewer) = (bits(8.5e4), bits(8.49e4));
            assert!(all > fewer + 99.0 && all < fewer + 201.0, "{proof:?}: {all} {fewer}");
            assert_eq!(bits(1e4), 0.0);
        }
    }

    #[test]
    fn targets_are_checked() {
        let refused = |change: fn(&mut TargetRecord)| {
            let mut record = TargetRecord::default();
            change(&mut record);
            Targets::new(record).unwrap_err()
        };
        for error in [
            refused(|t| t.epsilon = 0.0),
            refused(|t| t.epsilon_pa = 1.0),
            refused(|t| t.epsilon_ec = f64::NAN),
            refused(|t| t.efficiency = 0.99),
            refused(|t| t.test_fraction = 1.0),
        ] {
            assert!(matches!(error, ParameterError::OutOfRange { .. }));
        }
        assert_eq!(Targets::new(TargetRecord::default()).unwrap().record(), TargetRecord::default());
    }
}
