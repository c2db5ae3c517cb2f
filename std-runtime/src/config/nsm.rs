//! Parameter files: a device, its adversary and the failures allowed, in YAML.
//!
//! In: a path. Out: [`Parameters`] that are in range. `docs/formats.md` has the table of keys.

use std::path::Path;

use caligo_core::ot::{Correction, SemiHonestAlice};
use caligo_core::security::{DeviceRecord, NsmParameters, NsmRecord, Pairs, Quantity, TargetRecord, Targets};

use super::yaml::{self, Section};
use super::{ConfigError, Strategy, text_of};

/// What a parameter file says, with defaults where it may say nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// The section `nsm`.
    pub nsm: NsmParameters,
    /// What that section assumes of Alice, for errors to be corrected.
    pub correction: Correction,
    /// The section `security`.
    pub targets: Targets,
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
        let targets = top.section("security", targets)?;
        let record = top.required("nsm", nsm);
        top.finish()?;
        let (record, correction) = record?;
        Ok(Self {
            nsm: NsmParameters::new(record)
                .map_err(|error| ConfigError::out_of_range(path, "nsm", &error))?,
            correction,
            targets: Targets::new(targets.unwrap_or_default())
                .map_err(|error| ConfigError::out_of_range(path, "security", &error))?,
        })
    }
}

fn nsm(s: &mut Section<'_>) -> Result<(NsmRecord, Correction), ConfigError> {
    let default = NsmRecord::default();
    let noise = s.quantity(Quantity::StorageNoise)?;
    let coherence = s.quantity(Quantity::StorageCoherence)?;
    let storage_rate_nu = s.needed(Quantity::StorageRate)?;
    // Ranges of whole numbers end where f64 has all of them.
    let delta_t_ns = s.needed(Quantity::WaitingTime)? as u64;
    let device = device(s)?;
    let record = NsmRecord {
        storage_noise_r: noise,
        storage_coherence_ns: coherence,
        storage_rate_nu,
        delta_t_ns,
        channel_fidelity: device.channel_fidelity,
        detection_eff_eta: device.detection_eff_eta,
        detector_error: device.detector_error,
        dark_count_prob: device.dark_count_prob,
        num_pairs: device.num_pairs,
        pairs: device.pairs,
        strategy: s.value_enum::<Strategy>("strategy")?.map_or(default.strategy, Into::into),
    };
    let blind = [("semi_honest_alice", Correction::BlindUnder(SemiHonestAlice))];
    let correction = s.choice("assume", &blind)?.unwrap_or_default();
    let (one, other) = (Quantity::StorageNoise.name(), Quantity::StorageCoherence.name());
    match (noise, coherence) {
        (None, None) => s.refuse(None, &format!("{one} or {other}"), "neither"),
        (Some(_), Some(_)) => s.refuse(None, &format!("{one} or {other}"), "both"),
        _ => {}
    }
    Ok((record, correction))
}

/// Source, channel and detectors, which key distribution needs too.
pub(super) fn device(s: &mut Section<'_>) -> Result<DeviceRecord, ConfigError> {
    Ok(DeviceRecord {
        channel_fidelity: s.needed(Quantity::Fidelity)?,
        detection_eff_eta: s.needed(Quantity::Efficiency)?,
        detector_error: s.needed(Quantity::DetectorError)?,
        dark_count_prob: s.needed(Quantity::DarkCounts)?,
        num_pairs: s.needed(Quantity::Pairs)? as u64,
        pairs: s
            .choice("pairs", &[("heralded", Pairs::Heralded), ("emitted", Pairs::Emitted)])?
            .unwrap_or_default(),
    })
}

fn targets(s: &mut Section<'_>) -> Result<Option<TargetRecord>, ConfigError> {
    let default = TargetRecord::default();
    let epsilon = Quantity::Epsilon.range();
    Ok(Some(TargetRecord {
        epsilon: s.ranged("epsilon", epsilon)?.unwrap_or(default.epsilon),
        epsilon_pa: s.ranged("epsilon_pa", epsilon)?.unwrap_or(default.epsilon_pa),
        epsilon_ec: s.ranged("epsilon_ec", epsilon)?.unwrap_or(default.epsilon_ec),
        efficiency: s.quantity(Quantity::CodeEfficiency)?.unwrap_or(default.efficiency),
        test_fraction: s.quantity(Quantity::TestFraction)?.unwrap_or(default.test_fraction),
    }))
}
