//! Parameters of a run in the noisy-storage model, in range by construction.

use core::fmt;

use libm::exp;

use super::device::{Device, DeviceRecord, Pairs};
use super::storage::Memory;
pub use crate::wire::Strategy;

/// A number that may be given, by the name it has in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quantity {
    /// r: probability that a stored qubit is as it was; otherwise it is random.
    StorageNoise,
    /// T: time constant of a Markovian memory, in nanoseconds.
    StorageCoherence,
    /// nu: qubits that dishonest Bob can store, over the pairs N.
    StorageRate,
    /// Delta t: waiting time before bases are told, in nanoseconds.
    WaitingTime,
    /// F: fidelity of a pair with the Bell state that it should be in. A product state reaches 1/2.
    Fidelity,
    /// eta: probability that a photon of one arm is detected.
    Efficiency,
    /// e_det: probability that a detected photon is taken for the other value.
    DetectorError,
    /// P_dark: probability that a detector clicks without a photon, in one round.
    DarkCounts,
    /// N: pairs, heralded or emitted.
    Pairs,
    /// A failure probability.
    Epsilon,
    /// f: bits sent to correct errors, over n h(Q).
    CodeEfficiency,
    /// Part of the rounds that is disclosed to estimate the error rate.
    TestFraction,
    /// Q: error rate where bases agree.
    Qber,
    /// Rounds of an experiment.
    Rounds,
}

/// Which numbers are in range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Least, or what it has to exceed.
    pub low: f64,
    /// Whether `low` is in range.
    pub with_low: bool,
    /// Greatest, or what it has to stay below.
    pub high: f64,
    /// Whether `high` is in range.
    pub with_high: bool,
    /// Whether only whole numbers are.
    pub whole: bool,
}

impl Range {
    const fn closed(low: f64, high: f64) -> Self {
        Self { low, with_low: true, high, with_high: true, whole: false }
    }

    const fn whole(low: f64, high: f64) -> Self {
        Self { whole: true, ..Self::closed(low, high) }
    }

    /// Whether `value` is in range.
    pub fn contains(&self, value: f64) -> bool {
        (value > self.low || self.with_low && value == self.low)
            && (value < self.high || self.with_high && value == self.high)
            && (!self.whole || libm::trunc(value) == value)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.whole { "a whole number" } else { "a number" })?;
        write!(f, " {} {}", if self.with_low { "from" } else { "above" }, self.low)?;
        match (self.with_low, self.with_high) {
            (true, true) => write!(f, " to {}", self.high),
            (true, false) => write!(f, " to below {}", self.high),
            (false, true) => write!(f, " and at most {}", self.high),
            (false, false) => write!(f, " and below {}", self.high),
        }
    }
}

impl Quantity {
    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StorageNoise => "storage_noise_r",
            Self::StorageCoherence => "storage_coherence_ns",
            Self::StorageRate => "storage_rate_nu",
            Self::WaitingTime => "delta_t_ns",
            Self::Fidelity => "channel_fidelity",
            Self::Efficiency => "detection_eff_eta",
            Self::DetectorError => "detector_error",
            Self::DarkCounts => "dark_count_prob",
            Self::Pairs => "num_pairs",
            Self::Epsilon => "epsilon",
            Self::CodeEfficiency => "efficiency",
            Self::TestFraction => "test_fraction",
            Self::Qber => "qber",
            Self::Rounds => "rounds",
        }
    }

    /// What it may be.
    pub const fn range(self) -> Range {
        match self {
            Self::StorageNoise | Self::StorageRate | Self::DarkCounts => Range::closed(0.0, 1.0),
            Self::StorageCoherence => Range { with_low: false, ..Range::closed(0.0, 1e15) },
            Self::WaitingTime => Range::whole(1.0, 1e15),
            Self::Fidelity => Range::closed(0.25, 1.0),
            Self::Efficiency => Range { with_low: false, ..Range::closed(0.0, 1.0) },
            Self::DetectorError | Self::Qber => Range::closed(0.0, 0.5),
            Self::Pairs => Range::whole(1.0, 1e12),
            Self::Epsilon => Range { with_low: false, with_high: false, ..Range::closed(0.0, 1.0) },
            Self::CodeEfficiency => Range::closed(1.0, 10.0),
            Self::TestFraction => Range { with_high: false, ..Range::closed(0.0, 1.0) },
            Self::Rounds => Range::closed(1.0, 1e15),
        }
    }

    /// `value` if it is in range.
    ///
    /// # Errors
    /// [`ParameterError::OutOfRange`] if not.
    pub fn check(self, value: f64) -> Result<f64, ParameterError> {
        if self.range().contains(value) { Ok(value) } else { Err(self.refuse(value)) }
    }

    const fn refuse(self, found: f64) -> ParameterError {
        ParameterError::OutOfRange { quantity: self, found }
    }
}

/// Why parameters are refused.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ParameterError {
    /// A number is not in its range.
    OutOfRange {
        /// Which.
        quantity: Quantity,
        /// What it is.
        found: f64,
    },
    /// Neither r nor the memory's time constant.
    NoStorage,
    /// Both of them.
    StorageTwice,
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (noise, coherence) = (Quantity::StorageNoise.name(), Quantity::StorageCoherence.name());
        match *self {
            Self::OutOfRange { quantity, found } => {
                write!(f, "{}: expected {}, found {found}", quantity.name(), quantity.range())
            }
            Self::NoStorage => write!(f, "expected {noise} or {coherence}, found neither"),
            Self::StorageTwice => write!(f, "expected {noise} or {coherence}, found both"),
        }
    }
}

impl core::error::Error for ParameterError {}

/// A failure probability, above 0 and below 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "f64", into = "f64"))]
pub struct Epsilon(f64);

impl Epsilon {
    /// The probability `value`.
    ///
    /// # Errors
    /// [`ParameterError::OutOfRange`] unless it is above 0 and below 1.
    pub const fn new(value: f64) -> Result<Self, ParameterError> {
        if value > 0.0 && value < 1.0 { Ok(Self(value)) } else { Err(Quantity::Epsilon.refuse(value)) }
    }

    /// The number.
    pub const fn value(self) -> f64 {
        self.0
    }

    /// log2(1/epsilon), positive.
    pub fn bits(self) -> f64 {
        -libm::log2(self.0)
    }

    /// log2(1/(2 epsilon)), what hashing takes for a distance of epsilon from uniform; 0 from 1/2 on.
    pub fn hashing_bits(self) -> f64 {
        (self.bits() - 1.0).max(0.0)
    }
}

impl TryFrom<f64> for Epsilon {
    type Error = ParameterError;

    fn try_from(value: f64) -> Result<Self, ParameterError> {
        Self::new(value)
    }
}

impl From<Epsilon> for f64 {
    fn from(epsilon: Epsilon) -> Self {
        epsilon.0
    }
}

/// [`NsmParameters`] as they are written down, not checked. Its default is a good device and a small memory.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct NsmRecord {
    /// r, from 0 to 1. Either this or `storage_coherence_ns`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub storage_noise_r: Option<f64>,
    /// T in nanoseconds: the storage is Markovian and r = exp(-Delta t / T).
    #[cfg_attr(feature = "serde", serde(default))]
    pub storage_coherence_ns: Option<f64>,
    /// nu: qubits stored over pairs, from 0 to 1.
    pub storage_rate_nu: f64,
    /// Delta t in nanoseconds.
    pub delta_t_ns: u64,
    /// F, from 1/4 (no correlation at all) to 1.
    pub channel_fidelity: f64,
    /// eta of each arm, above 0.
    pub detection_eff_eta: f64,
    /// e_det on Bob's side, from 0 to 1/2.
    pub detector_error: f64,
    /// P_dark of each detector and round.
    pub dark_count_prob: f64,
    /// N.
    pub num_pairs: u64,
    /// What N counts.
    #[cfg_attr(feature = "serde", serde(default))]
    pub pairs: Pairs,
    /// How errors are corrected.
    #[cfg_attr(feature = "serde", serde(default))]
    pub strategy: Strategy,
}

impl Default for NsmRecord {
    fn default() -> Self {
        Self {
            storage_noise_r: Some(0.75),
            storage_coherence_ns: None,
            storage_rate_nu: 0.002,
            delta_t_ns: 1_000_000_000,
            channel_fidelity: 0.98,
            detection_eff_eta: 0.85,
            detector_error: 0.01,
            dark_count_prob: 1e-6,
            num_pairs: 1_000_000,
            pairs: Pairs::Heralded,
            strategy: Strategy::Baseline,
        }
    }
}

impl NsmRecord {
    /// What of it is the honest devices'.
    pub const fn device(&self) -> DeviceRecord {
        DeviceRecord {
            channel_fidelity: self.channel_fidelity,
            detection_eff_eta: self.detection_eff_eta,
            detector_error: self.detector_error,
            dark_count_prob: self.dark_count_prob,
            num_pairs: self.num_pairs,
            pairs: self.pairs,
        }
    }
}

/// Parameters of a run: what dishonest Bob can store, what honest devices do, how many pairs there are.
///
/// Delta t is a timing barrier. It enters a formula only where the memory is known to be Markovian.
///
/// ```
/// use caligo_core::security::{NsmParameters, NsmRecord};
///
/// let record = NsmRecord { storage_noise_r: None, storage_coherence_ns: Some(1e9), ..NsmRecord::default() };
/// let parameters = NsmParameters::new(record)?;
/// assert!((parameters.memory().noise() - (-1.0_f64).exp()).abs() < 1e-15);
///
/// let blind = NsmRecord { detection_eff_eta: 0.0, ..NsmRecord::default() };
/// let refused = NsmParameters::new(blind).unwrap_err();
/// assert_eq!(refused.to_string(), "detection_eff_eta: expected a number above 0 and at most 1, found 0");
/// # Ok::<(), caligo_core::security::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "NsmRecord", into = "NsmRecord"))]
pub struct NsmParameters {
    record: NsmRecord,
    device: Device,
    memory: Memory,
}

impl NsmParameters {
    /// `record`, checked.
    ///
    /// # Errors
    /// [`ParameterError`] names the first number that is out of range.
    pub fn new(record: NsmRecord) -> Result<Self, ParameterError> {
        Quantity::WaitingTime.check(record.delta_t_ns as f64)?;
        let device = Device::new(record.device())?;
        let noise = match (record.storage_noise_r, record.storage_coherence_ns) {
            (Some(noise), None) => noise,
            (None, Some(coherence)) => markovian_noise(record.delta_t_ns, coherence)?,
            (None, None) => return Err(ParameterError::NoStorage),
            (Some(_), Some(_)) => return Err(ParameterError::StorageTwice),
        };
        Ok(Self { record, device, memory: Memory::new(noise, record.storage_rate_nu)? })
    }

    /// What they were made of.
    pub const fn record(&self) -> &NsmRecord {
        &self.record
    }

    /// What honest devices do.
    pub const fn device(&self) -> Device {
        self.device
    }

    /// Dishonest Bob's memory when the bases are told.
    pub const fn memory(&self) -> Memory {
        self.memory
    }
}

/// r = exp(-Delta t / T) of a Markovian memory, times in nanoseconds.
///
/// # Errors
/// [`ParameterError::OutOfRange`] unless T is above 0 and finite.
pub fn markovian_noise(delta_t_ns: u64, coherence_ns: f64) -> Result<f64, ParameterError> {
    let coherence = Quantity::StorageCoherence.check(coherence_ns)?;
    Ok(exp(-(delta_t_ns as f64) / coherence))
}

impl TryFrom<NsmRecord> for NsmParameters {
    type Error = ParameterError;

    fn try_from(record: NsmRecord) -> Result<Self, ParameterError> {
        Self::new(record)
    }
}

impl From<NsmParameters> for NsmRecord {
    fn from(parameters: NsmParameters) -> Self {
        parameters.record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl Fn(&mut NsmRecord)) -> ParameterError {
        let mut record = NsmRecord::default();
        change(&mut record);
        NsmParameters::new(record).unwrap_err()
    }

    #[test]
    fn each_number_has_a_range() {
        type Set = fn(&mut NsmRecord, f64);
        let table: [(Quantity, Set, &[f64], &[f64]); 9] = [
            (Quantity::StorageNoise, |p, x| p.storage_noise_r = Some(x), &[0.0, 1.0], &[-1e-9, 1.1]),
            (Quantity::StorageRate, |p, x| p.storage_rate_nu = x, &[0.0, 1.0], &[-1.0, 1.0001]),
            (
                Quantity::StorageCoherence,
                |p, x| (p.storage_noise_r, p.storage_coherence_ns) = (None, Some(x)),
                &[1e-3, 1e15],
                &[0.0, -1.0, 2e15],
            ),
            (Quantity::WaitingTime, |p, x| p.delta_t_ns = x as u64, &[1.0, 1e15], &[0.0, 2e15]),
            (Quantity::Fidelity, |p, x| p.channel_fidelity = x, &[0.25, 1.0], &[0.2, 1.01]),
            (Quantity::Efficiency, |p, x| p.detection_eff_eta = x, &[1e-9, 1.0], &[0.0, 1.5]),
            (Quantity::DetectorError, |p, x| p.detector_error = x, &[0.0, 0.5], &[-0.1, 0.51]),
            (Quantity::DarkCounts, |p, x| p.dark_count_prob = x, &[0.0, 1.0], &[-1e-9, 1.5]),
            (Quantity::Pairs, |p, x| p.num_pairs = x as u64, &[1.0, 1e12], &[0.0, 2e12]),
        ];
        for (quantity, set, good, bad) in table {
            for &value in good {
                let mut record = NsmRecord::default();
                set(&mut record, value);
                assert!(NsmParameters::new(record).is_ok(), "{quantity:?} {value}");
            }
            for &found in bad {
                assert_eq!(refused(|p| set(p, found)), ParameterError::OutOfRange { quantity, found });
            }
            if !quantity.range().whole {
                for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                    assert!(matches!(
                        refused(|p| set(p, value)),
                        ParameterError::OutOfRange { quantity: q, .. } if q == quantity
                    ));
                }
            }
        }
    }

    #[test]
    fn storage_is_given_once() {
        assert_eq!(refused(|p| p.storage_noise_r = None), ParameterError::NoStorage);
        assert_eq!(refused(|p| p.storage_coherence_ns = Some(1.0)), ParameterError::StorageTwice);
        let noise = |delta_t, coherence| markovian_noise(delta_t, coherence).unwrap();
        assert!((noise(2_000_000, 1e6) - exp(-2.0)).abs() < 1e-16);
        assert_eq!(noise(1_000_000_000_000_000, 1e-9), 0.0);
        assert_eq!(noise(1, 1e15), exp(-1e-15));
    }

    #[test]
    fn epsilon_is_a_probability() {
        for bad in [0.0, 1.0, -0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Epsilon::new(bad).is_err(), "{bad}");
        }
        let epsilon = Epsilon::new(0.25).unwrap();
        assert_eq!((epsilon.bits(), epsilon.hashing_bits()), (2.0, 1.0));
        assert_eq!(Epsilon::new(0.75).unwrap().hashing_bits(), 0.0);
        assert!(Epsilon::new(f64::from_bits(1)).unwrap().bits() > 1073.9);
    }
}
