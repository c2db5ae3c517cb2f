//! Configuration files: how to reconcile, in YAML.
//!
//! In: a path. Out: [`Settings`] that are in range and say nothing where the file says nothing, so that
//! command-line flags override them and defaults fill the rest. `docs/formats.md` has the table of keys.
//!
//! The text is first read to a tree that knows its lines, then walked: an error can so name the file, the
//! line and the key's whole path, which derived deserialisation cannot.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use caligo_core::decode::Schedule;
use caligo_core::leakage::{LeakBits, Policy};
pub use caligo_sim::Strategy;

use crate::kernel::{Effort, Tier};
use crate::matrix::library::Library;
use crate::session::local::{Config, QberSource};

pub mod campaign;
pub mod nsm;
pub mod qkd;
mod yaml;

use yaml::{Limit, Raw, Section};

/// Largest file, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// The QBER that decoding begins with where none is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Prior {
    /// `none`: nothing is known.
    Unknown,
    /// It is taken for this.
    Given(f64),
}

/// What a file says. `None`: it says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Strategy.
    pub strategy: Option<Strategy>,
    /// Code bits a frame. The caller compares it with the code's n.
    pub frame_size: Option<usize>,
    /// Rate of the mother code. The caller compares it with the code's.
    pub mother_rate: Option<f64>,
    /// Matrix file instead of the built-in code; a relative one has been joined to the file's directory.
    pub mother_matrix_path: Option<PathBuf>,
    /// Order file or directory of patterns; a relative one has been joined to the file's directory.
    pub pattern_directory: Option<PathBuf>,
    /// Decoder.
    pub decoder: DecoderSettings,
    /// Accounting.
    pub leakage: LeakageSettings,
    /// For [`Strategy::Baseline`].
    pub baseline: BaselineSettings,
    /// For [`Strategy::Blind`].
    pub blind: BlindSettings,
    /// For [`Strategy::Symmetric`].
    pub symmetric: SymmetricSettings,
    /// How long to wait for the other party.
    pub timeout: Option<Duration>,
    /// Keys that were understood and have no effect, one a line for the user.
    pub warnings: Vec<String>,
}

/// The section `decoder`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecoderSettings {
    /// Which arithmetics.
    pub tier: Option<Tier>,
    /// Order of updates.
    pub schedule: Option<Schedule>,
    /// Iterations of the last stage.
    pub max_iterations: Option<u16>,
    /// Positions guessed after a failure.
    pub guesses: Option<u16>,
}

/// The section `leakage`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeakageSettings {
    /// Most that a session may disclose.
    pub safety_cap: Option<LeakBits>,
    /// How disclosures are charged.
    pub policy: Option<Policy>,
}

/// The section `baseline`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BaselineSettings {
    /// Efficiency to choose the rate by, instead of the measured table.
    pub efficiency: Option<f64>,
    /// Frame error rate to choose the rate for.
    pub target_fer: Option<f64>,
    /// Error rate.
    pub qber: Option<QberSource>,
    /// Part of the key that is disclosed to estimate the error rate.
    pub sample_fraction: Option<f64>,
    /// What is added to the estimate.
    pub confidence_adjustment: Option<f64>,
}

/// The section `blind`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BlindSettings {
    /// Rounds, the first decoding among them.
    pub max_iterations: Option<u8>,
    /// Punctured and shortened positions over n.
    pub modulation_fraction: Option<f64>,
    /// QBER that decoding begins with.
    pub prior: Option<Prior>,
    /// What follows from a QBER foretold by the channel's model.
    pub nsm_gating: NsmGating,
}

/// The section `blind.nsm_gating`: a QBER that the channel's model foretells, without any bit disclosed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NsmGating {
    /// Whether it is used.
    pub use_heuristic: Option<bool>,
    /// The QBER foretold.
    pub heuristic_qber: Option<f64>,
    /// Part of the modulated positions that is shortened from the start.
    pub initial_shortening_fraction: Option<f64>,
    /// From this QBER on `extended_iterations` holds.
    pub high_qber_threshold: Option<f64>,
    /// Rounds on a bad channel, instead of `max_iterations`.
    pub extended_iterations: Option<u8>,
}

/// The section `symmetric`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SymmetricSettings {
    /// Rounds, the first decoding among them.
    pub max_iterations: Option<u8>,
    /// QBER that decoding begins with.
    pub prior: Option<Prior>,
}

impl BaselineSettings {
    fn apply(&self, config: &mut Config) {
        config.efficiency = self.efficiency.or(config.efficiency);
        config.target_fer = self.target_fer.unwrap_or(config.target_fer);
        config.qber = self.qber.unwrap_or(config.qber);
        config.sample_fraction = self.sample_fraction.unwrap_or(config.sample_fraction);
        config.sample_margin = self.confidence_adjustment.or(config.sample_margin);
    }
}

impl BlindSettings {
    fn apply(&self, config: &mut Config) {
        let gate = &self.nsm_gating;
        let gated = gate.use_heuristic == Some(true);
        config.rounds = self.max_iterations.unwrap_or(config.rounds);
        config.modulation = self.modulation_fraction.unwrap_or(config.modulation);
        config.qber = self.prior.map_or(config.qber, Into::into);
        if !gated {
            return;
        }
        config.initial_shortening = gate.initial_shortening_fraction.unwrap_or(config.initial_shortening);
        let Some(foretold) = gate.heuristic_qber else { return };
        if !matches!(self.prior, Some(Prior::Given(_))) {
            config.qber = QberSource::Given(foretold);
        }
        if foretold >= gate.high_qber_threshold.unwrap_or(f64::INFINITY) {
            config.rounds = gate.extended_iterations.unwrap_or(config.rounds);
        }
    }
}

impl From<Prior> for QberSource {
    fn from(prior: Prior) -> Self {
        match prior {
            Prior::Unknown => Self::Unknown,
            Prior::Given(qber) => Self::Given(qber),
        }
    }
}

/// A file, and a line of it if it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Counted from 1.
    pub line: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// Why a configuration file is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Reading failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// More than [`MAX_BYTES`].
    #[error("{}: expected at most {MAX_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is not one YAML document, or a larger one than any configuration.
    #[error("{place}: {message}")]
    Yaml {
        /// Where.
        place: Place,
        /// What the parser says.
        message: String,
    },
    /// A key that means nothing here.
    #[error("{place}: unknown key `{key}`{}, expected one of {known}", suggestion(*nearest))]
    UnknownKey {
        /// Where.
        place: Place,
        /// The key's path.
        key: String,
        /// The one of `known` that is much like it.
        nearest: Option<&'static str>,
        /// The keys that stand there.
        known: String,
    },
    /// A value of the wrong kind, out of range, or that is not supported.
    #[error("{place}: {key}: expected {expected}, found {found}")]
    Expected {
        /// Where.
        place: Place,
        /// The key's path.
        key: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
}

impl ConfigError {
    /// Numbers of the section `key` that are each in range and together are refused.
    fn out_of_range(path: &Path, key: &str, error: &dyn std::error::Error) -> Self {
        Self::Expected {
            place: Place { path: path.into(), line: None },
            key: key.into(),
            expected: "numbers in range".into(),
            found: error.to_string(),
        }
    }
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (nearest: `{name}`)"))
}

impl Settings {
    /// `defaults`, which are those of the strategy in use, with what the file says.
    pub fn apply(&self, defaults: Config) -> Config {
        let mut config = defaults;
        let decoder = &self.decoder;
        config.effort = Effort {
            tier: decoder.tier.unwrap_or(config.effort.tier),
            schedule: decoder.schedule.unwrap_or(config.effort.schedule),
            max_iterations: decoder.max_iterations.or(config.effort.max_iterations),
            guesses: decoder.guesses.or(config.effort.guesses),
            ..config.effort
        };
        config.budget = self.leakage.safety_cap.map(|cap| cap.0).or(config.budget);
        config.policy = self.leakage.policy.unwrap_or(config.policy);
        match config.strategy {
            Strategy::Baseline => self.baseline.apply(&mut config),
            Strategy::Blind => self.blind.apply(&mut config),
            Strategy::Symmetric => {
                config.rounds = self.symmetric.max_iterations.unwrap_or(config.rounds);
                config.qber = self.symmetric.prior.map_or(config.qber, Into::into);
            }
        }
        config
    }

    /// Whether `library` is the code that the file at `path` is meant for.
    ///
    /// # Errors
    /// [`ConfigError::Expected`] if not.
    pub fn check(&self, path: &Path, library: &Library) -> Result<(), ConfigError> {
        let Ok(code) = library.code() else { return Ok(()) };
        let rate = 1.0 - code.m() as f64 / code.n() as f64;
        let refused = |key: &str, expected: String, found: String| ConfigError::Expected {
            place: Place { path: path.into(), line: None },
            key: format!("reconciliation.{key}"),
            expected,
            found,
        };
        match (self.frame_size, self.mother_rate) {
            (Some(n), _) if n != code.n() => {
                Err(refused("frame_size", format!("{}, as the code in use has", code.n()), n.to_string()))
            }
            (_, Some(found)) if (found - rate).abs() > 1e-3 => {
                Err(refused("mother_rate", format!("{rate:.4}, as the code in use has"), found.to_string()))
            }
            _ => Ok(()),
        }
    }

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
        let settings = top.section("reconciliation", settings)?;
        top.finish()?;
        Ok(Self { warnings, ..settings })
    }
}

/// The text of the file at `path`.
fn text_of(path: &Path) -> Result<String, ConfigError> {
    let io = |source| ConfigError::Io { path: path.into(), source };
    let mut bytes = Vec::new();
    // Bounded while it is read, for the path may be a device or a pipe.
    File::open(path).and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)).map_err(io)?;
    if bytes.len() > MAX_BYTES {
        return Err(ConfigError::TooLarge { path: path.into() });
    }
    String::from_utf8(bytes).map_err(|_| io(io::Error::other("expected UTF-8 text")))
}

const QBER: Limit = ("a QBER, a number from 0 to below 0.5", |q| (0.0..0.5).contains(&q));
const PART: Limit = ("a number above 0 and below 1", |x| x > 0.0 && x < 1.0);
const PART_OR_NONE: Limit = ("a number from 0 to below 1", |x| (0.0..1.0).contains(&x));
const EFFICIENCY: Limit = ("a number from 1 to 10", |f| (1.0..=10.0).contains(&f));
const TARGET: Limit = ("a frame error rate, a number from 1e-6 to 0.5", |p| (1e-6..=0.5).contains(&p));
const SECONDS: Limit = ("a number from 0.001 to 86400", |s| (0.001..=86_400.0).contains(&s));
const ROUNDS: RangeInclusive<u8> = 1..=64;

fn settings(s: &mut Section<'_>) -> Result<Settings, ConfigError> {
    Ok(Settings {
        strategy: s.value_enum("strategy")?,
        frame_size: s.integer("frame_size", 64..=1 << 20)?,
        mother_rate: s.number("mother_rate", PART)?,
        mother_matrix_path: s.path("mother_matrix_path")?,
        pattern_directory: s.path("pattern_directory")?,
        decoder: s.section("decoder", decoder)?,
        leakage: {
            s.section("verification", verification)?;
            s.section("leakage", leakage)?
        },
        baseline: s.section("baseline", baseline)?,
        blind: s.section("blind", blind)?,
        symmetric: s.section("symmetric", |s| {
            Ok(SymmetricSettings {
                max_iterations: s.integer("max_iterations", ROUNDS)?,
                prior: s.prior("prior")?,
            })
        })?,
        timeout: {
            // Files written for the Python implementation have it.
            if let Some(node) = s.take("numba") {
                s.warn("numba", &node, "ignored");
            }
            s.number("timeout_seconds", SECONDS)?.map(Duration::from_secs_f64)
        },
        warnings: Vec::new(),
    })
}

fn decoder(s: &mut Section<'_>) -> Result<DecoderSettings, ConfigError> {
    let settings = DecoderSettings {
        tier: s.value_enum("tier")?,
        schedule: s
            .choice("schedule", &[("layered", Schedule::Layered), ("flooding", Schedule::Flooding)])?,
        max_iterations: s.integer("max_iterations", 1..=u16::MAX)?,
        guesses: s.integer("guesses", 0..=1024)?,
    };
    if let Some(node) = s.take("convergence_threshold") {
        s.warn("convergence_threshold", &node, "ignored: decoding ends when the syndrome is met");
    }
    Ok(settings)
}

/// What is not supported must not be taken for a choice.
fn verification(s: &mut Section<'_>) -> Result<(), ConfigError> {
    s.value("hash_bits", |raw| match raw {
        Raw::Integer(64) => Ok(()),
        _ => Err("64, the only length supported".into()),
    })?;
    s.value("hash_algorithm", |raw| match raw {
        Raw::Text(text) if text == "polynomial" => Ok(()),
        _ => Err("polynomial, the only one supported".into()),
    })?;
    Ok(())
}

fn leakage(s: &mut Section<'_>) -> Result<LeakageSettings, ConfigError> {
    s.value("abort_on_exceed", |raw| match raw {
        Raw::Bool(true) => Ok(()),
        _ => Err("true (the budget always aborts)".into()),
    })?;
    Ok(LeakageSettings {
        safety_cap: s.integer("safety_cap_bits", 1..=1_000_000_000_000)?.map(LeakBits),
        policy: s.choice(
            "policy",
            &[
                ("exact", Policy::Exact),
                ("syndrome-cap", Policy::SyndromeCap),
                ("conservative", Policy::Conservative),
            ],
        )?,
    })
}

fn baseline(s: &mut Section<'_>) -> Result<BaselineSettings, ConfigError> {
    let (sample_fraction, confidence_adjustment) = s.section("qber_estimation", |s| {
        Ok((s.number("sample_fraction", PART)?, s.number("confidence_adjustment", QBER)?))
    })?;
    Ok(BaselineSettings {
        efficiency: s.number("efficiency_target", EFFICIENCY)?,
        target_fer: s.number("target_fer", TARGET)?,
        qber: s.number_or("qber", QBER, "estimate", QberSource::Given, QberSource::Estimate)?,
        sample_fraction,
        confidence_adjustment,
    })
}

fn blind(s: &mut Section<'_>) -> Result<BlindSettings, ConfigError> {
    Ok(BlindSettings {
        max_iterations: s.integer("max_iterations", ROUNDS)?,
        modulation_fraction: s.number("modulation_fraction", PART)?,
        prior: s.prior("prior")?,
        nsm_gating: s.section("nsm_gating", |s| {
            Ok(NsmGating {
                use_heuristic: s
                    .value("use_heuristic", |raw| raw.bool().ok_or_else(|| "true or false".into()))?,
                heuristic_qber: s.number("heuristic_qber", QBER)?,
                initial_shortening_fraction: s.number("initial_shortening_fraction", PART_OR_NONE)?,
                high_qber_threshold: s.number("high_qber_threshold", QBER)?,
                extended_iterations: s.integer("extended_iterations", ROUNDS)?,
            })
        })?,
    })
}
