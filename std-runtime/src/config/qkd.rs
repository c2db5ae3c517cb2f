//! Parameter files of key distribution: a device and the failures allowed, in YAML.
//!
//! In: a path. Out: [`Parameters`] that are in range. `docs/formats.md` has the table of keys.

use std::path::Path;

use caligo_core::security::{Device, DeviceRecord, KeyTargetRecord, KeyTargets, Quantity};

use super::yaml::{self, Section};
use super::{ConfigError, Strategy, nsm, text_of};

/// What a parameter file says, with defaults where it may say nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// The section `device`.
    pub device: Device,
    /// The section `qkd`, but for the strategy.
    pub targets: KeyTargets,
    /// How errors are corrected.
    pub strategy: Strategy,
}

impl Parameters {
    /// Reads `path`.
    ///
    /// # Errors
    /// [`ConfigError`] says where the file is not as it has to be.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&text_of(path)?, path)
    }

    /// Reads `text`, the content of the file at `path`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let root = yaml::parse(text, path)?;
        let mut warnings = Vec::new();
        let mut top = Section::new(path, String::new(), root, &mut warnings)?;
        // A misspelt section is worth more words than one that is missing.
        let qkd = top.section("qkd", |s| qkd(s).map(Some))?;
        let device = top.required("device", nsm::device);
        top.finish()?;
        let (targets, strategy) = qkd.unwrap_or((KeyTargetRecord::default(), Strategy::Baseline));
        Ok(Self {
            device: Device::new(device?)
                .map_err(|error| ConfigError::out_of_range(path, "device", &error))?,
            targets: KeyTargets::new(targets)
                .map_err(|error| ConfigError::out_of_range(path, "qkd", &error))?,
            strategy,
        })
    }

    /// The same for a recording of `rounds` rounds.
    #[must_use]
    pub fn with_rounds(self, rounds: u64) -> Option<Self> {
        let device = Device::new(DeviceRecord { num_pairs: rounds, ..*self.device.record() }).ok()?;
        Some(Self { device, ..self })
    }
}

fn qkd(s: &mut Section<'_>) -> Result<(KeyTargetRecord, Strategy), ConfigError> {
    let default = KeyTargetRecord::default();
    let epsilon = Quantity::Epsilon.range();
    let strategy = s.value_enum::<Strategy>("strategy")?.unwrap_or(Strategy::Baseline);
    let record = KeyTargetRecord {
        epsilon_sec: s.ranged("epsilon_sec", epsilon)?.unwrap_or(default.epsilon_sec),
        epsilon_cor: s.ranged("epsilon_cor", epsilon)?.unwrap_or(default.epsilon_cor),
        epsilon_ec: s.ranged("epsilon_ec", epsilon)?.unwrap_or(default.epsilon_ec),
        efficiency: s.quantity(Quantity::CodeEfficiency)?.unwrap_or(default.efficiency),
        test_fraction: s.quantity(Quantity::TestFraction)?.unwrap_or(default.test_fraction),
    };
    Ok((record, strategy))
}
