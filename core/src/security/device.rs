//! What honest devices do: source, channel, detectors; in range by construction.

use super::parameters::{ParameterError, Quantity};

/// What is counted by N.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Pairs {
    /// Rounds that Alice has detected: only Bob's arm loses photons.
    #[default]
    Heralded,
    /// Pairs that left the source: both arms lose photons.
    Emitted,
}

/// A [`Device`] as it is written down, not checked. Its default is that of [`NsmRecord`](super::NsmRecord).
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct DeviceRecord {
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
}

impl Default for DeviceRecord {
    fn default() -> Self {
        super::NsmRecord::default().device()
    }
}

/// A source of pairs, two arms, detectors.
///
/// ```
/// use caligo_core::security::{Device, DeviceRecord};
///
/// let refused = Device::new(DeviceRecord { detector_error: 0.6, ..DeviceRecord::default() }).unwrap_err();
/// assert_eq!(refused.to_string(), "detector_error: expected a number from 0 to 0.5, found 0.6");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "DeviceRecord", into = "DeviceRecord"))]
pub struct Device(DeviceRecord);

impl Device {
    /// `record`, checked.
    ///
    /// # Errors
    /// [`ParameterError::OutOfRange`] names the first number that is out of range.
    pub fn new(record: DeviceRecord) -> Result<Self, ParameterError> {
        for (quantity, value) in [
            (Quantity::Fidelity, record.channel_fidelity),
            (Quantity::Efficiency, record.detection_eff_eta),
            (Quantity::DetectorError, record.detector_error),
            (Quantity::DarkCounts, record.dark_count_prob),
            (Quantity::Pairs, record.num_pairs as f64),
        ] {
            quantity.check(value)?;
        }
        Ok(Self(record))
    }

    /// What it was made of.
    pub const fn record(&self) -> &DeviceRecord {
        &self.0
    }
}

impl TryFrom<DeviceRecord> for Device {
    type Error = ParameterError;

    fn try_from(record: DeviceRecord) -> Result<Self, ParameterError> {
        Self::new(record)
    }
}

impl From<Device> for DeviceRecord {
    fn from(device: Device) -> Self {
        device.0
    }
}
