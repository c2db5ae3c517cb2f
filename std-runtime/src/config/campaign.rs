//! Campaign files: what is sampled, where, and how much of it, in YAML.
//!
//! In: a path. Out: a [`Campaign`] that is in range, with defaults where the file says nothing. One table of `keys`
//! is what the parser walks, what the JSON schema is made of, and what tells two campaigns apart.

mod keys;
mod schema;

use std::collections::BTreeMap;
use std::path::Path;

use caligo_core::security::{Proof, TargetRecord, Targets};
use serde_json::Value;

use super::yaml::{self, Section};
use super::{ConfigError, Place, text_of};
use crate::campaign::design::{Assignment, Infeasible, Method};
use crate::campaign::space::Space;

pub use keys::paths;
pub use schema::schema;

/// Most samples of a campaign.
pub const MAX_SAMPLES: u64 = 1_000_000_000;

/// What a campaign file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Campaign {
    /// For reports.
    pub name: String,
    /// N: samples of the space-filling design.
    pub samples: u64,
    /// Samples of a shard: what a kill can lose, at most.
    pub batch: u64,
    /// Of everything that is drawn.
    pub seed: u64,
    /// How points are spread.
    pub method: Method,
    /// Which sample has which strategy. `None`: as [`assignment`](Self::assignment) says.
    pub given_assignment: Option<Assignment>,
    /// Samples of each point, with the same inputs and other random numbers.
    pub repeats: u64,
    /// What becomes of points that are infeasible.
    pub infeasible: Infeasible,
    /// Most points that are passed over for one sample.
    pub attempts: u64,
    /// By which proof a point is feasible, and lengths are computed.
    pub proof: Proof,
    /// Where points lie.
    pub space: Space,
    /// Models of the margin.
    pub models: Models,
    /// Samples that models choose.
    pub active: Active,
    /// Failures allowed, and what error correction is planned to cost: unchecked, see [`targets`](Self::targets).
    record: TargetRecord,
    /// The same, checked.
    targets: Targets,
    /// Keys that were understood and have no effect, one a line for the user.
    pub warnings: Vec<String>,
}

/// How models are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Models {
    /// Samples that hyperparameters are fitted to, at most.
    pub training_points: u64,
    /// Samples up to which a model is exact.
    pub exact_points: u64,
    /// Nearest samples that a model of more looks at.
    pub neighbours: u64,
}

impl Default for Models {
    fn default() -> Self {
        Self { training_points: 2500, exact_points: 5000, neighbours: 128 }
    }
}

/// What makes a sample worth its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquisition {
    /// 1.96 sigma - |mu| (Bryan et al. 2005).
    Straddle,
    /// The same with a factor that is drawn (Inatsu et al. 2024).
    RandomisedStraddle,
    /// What it is expected to take of the doubt about the sign, all over the space (Bect et al. 2012).
    UncertaintyReduction,
}

/// How models choose samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Active {
    /// Iterations at most.
    pub iterations: u64,
    /// Samples of each.
    pub batch: u64,
    /// What makes a sample worth its run.
    pub acquisition: Acquisition,
    /// Iterations between two fits.
    pub refit_every: u64,
    /// Expected error of the map at which it ends; 0 for never.
    pub uncertainty: f64,
    /// Whether foretold failures are left out.
    pub guardrail: bool,
    /// Predicted probability of failure above which they are.
    pub skip_above: f64,
    /// Part of them that is run all the same.
    pub audit: f64,
    /// Part of these that may succeed.
    pub false_skips: f64,
}

impl Default for Active {
    fn default() -> Self {
        Self {
            iterations: 20,
            batch: 16,
            acquisition: Acquisition::UncertaintyReduction,
            refit_every: 5,
            uncertainty: 0.0,
            guardrail: true,
            skip_above: 0.99,
            audit: 0.05,
            false_skips: 0.01,
        }
    }
}

impl Campaign {
    fn new(record: TargetRecord, targets: Targets) -> Self {
        Self {
            name: String::new(),
            samples: 2000,
            batch: 50,
            seed: 42,
            method: Method::LatinHypercube,
            given_assignment: None,
            repeats: 1,
            infeasible: Infeasible::Record,
            attempts: 10_000,
            proof: Proof::StrongConverse,
            space: Space::default(),
            models: Models::default(),
            active: Active::default(),
            record,
            targets,
            warnings: Vec::new(),
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
        let refused = |key: &str, expected: &str, found: String| ConfigError::Expected {
            place: Place { path: path.into(), line: None },
            key: key.into(),
            expected: expected.into(),
            found,
        };
        let unusable =
            |error: &dyn std::error::Error| refused("security", "numbers in range", error.to_string());
        let record = TargetRecord::default();
        let mut campaign = Self::new(record, Targets::new(record).map_err(|error| unusable(&error))?);
        let root = yaml::parse(text, path)?;
        let mut warnings = Vec::new();
        let mut top = Section::new(path, String::new(), root, &mut warnings)?;
        keys::read(&mut top, keys::ROOT, &mut campaign)?;
        top.finish()?;
        campaign.warnings = warnings;
        campaign.targets = Targets::new(campaign.record).map_err(|error| unusable(&error))?;
        if campaign.method == Method::Sobol && campaign.given_assignment == Some(Assignment::Alternate) {
            // Bit 0 of an index is the first binary digit of every coordinate of a Sobol point: each strategy would
            // have one half of the cube to itself.
            return Err(refused(
                "phase1.sampler.strategy",
                "stratified, for the method is sobol, whose even and odd points lie in different halves",
                "alternate".into(),
            ));
        }
        Ok(campaign)
    }

    /// Which sample has which strategy.
    pub fn assignment(&self) -> Assignment {
        self.given_assignment.unwrap_or(match self.method {
            Method::LatinHypercube => Assignment::Alternate,
            Method::Sobol => Assignment::Stratified,
        })
    }

    /// Failures allowed, and what error correction is planned to cost.
    pub const fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Every key that a sample depends on, by its path, with the value in force.
    pub fn identity(&self) -> BTreeMap<String, Value> {
        keys::identity(self, keys::Counts::Samples)
    }

    /// A campaign file that says the same, every key included: JSON, which is YAML.
    pub fn document(&self) -> Value {
        keys::document(keys::ROOT, self)
    }

    /// Every key that only the samples depend on that models choose.
    pub fn choices(&self) -> BTreeMap<String, Value> {
        keys::identity(self, keys::Counts::Choices)
    }
}
