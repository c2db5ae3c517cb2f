//! Models in a file.
//!
//! In: trained models. Out: one file of JSON with a version, the samples that they have seen, hyperparameters and guardrail;
//! factors follow from these. And back, or why not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use caligo_surrogate::forest::Forest;
use caligo_surrogate::{Hyper, Points, Scaling};
use serde::{Deserialize, Serialize};

use super::chance::SEEN;
use super::data::{STRATEGIES, Samples};
use super::model::Model;
use super::train::{Discrimination, Incident, Trained, Validation};
use crate::config::campaign::Models;
use crate::keyfile::{self, Access};

/// Name of the file in a campaign's folder.
pub const MODELS: &str = "models.json";

/// Version of the file.
pub const SCHEMA: u64 = 3;

const KIND: &str = "caligo models";

/// Why models are not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// It is not what its name says.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    kind: String,
    schema: u64,
    version: String,
    /// Hash of the campaign's configuration.
    config_hash: String,
    strategies: Vec<OfStrategy>,
    guardrail: Option<Forest>,
    discrimination: Discrimination,
    incidents: Vec<Incident>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfStrategy {
    strategy: String,
    validation: Validation,
    model: Option<Seen>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    scaling: Scaling,
    hyper: Hyper,
    inputs: Points,
    clearances: Vec<f64>,
}

/// Writes `trained`, of the campaign whose configuration has the hash `config_hash`, as a whole or not at all.
///
/// # Errors
/// [`ModelError::Io`].
pub fn save(path: &Path, trained: &Trained, config_hash: &str) -> Result<(), ModelError> {
    let seen = |model: &Model| Seen {
        scaling: model.scaling().clone(),
        hyper: model.hyper().clone(),
        inputs: model.samples().inputs.clone(),
        clearances: model.samples().values.clone(),
    };
    let of = |of: usize| OfStrategy {
        strategy: STRATEGIES[of].to_string(),
        validation: trained.validation[of],
        model: trained.models[of].as_ref().map(seen),
    };
    let file = File {
        kind: KIND.into(),
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").into(),
        config_hash: config_hash.into(),
        strategies: (0..STRATEGIES.len()).map(of).collect(),
        guardrail: trained.guardrail.clone(),
        discrimination: trained.discrimination,
        incidents: trained.incidents.clone(),
    };
    write_json(path, &file)
}

/// Writes `value` as a line of JSON, as a whole or not at all.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), ModelError> {
    let write = |out: &mut dyn io::Write| {
        serde_json::to_writer(&mut *out, value)?;
        out.write_all(b"\n")
    };
    keyfile::replace_durably(path, Access::Shared, write)
        .map_err(|source| ModelError::Io { path: path.to_owned(), source })
}

/// Reads `what` from a file of JSON; `None` if there is no file.
pub(super) fn read_json<T: for<'de> Deserialize<'de>>(
    path: &Path,
    what: &str,
) -> Result<Option<T>, ModelError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ModelError::Io { path: path.to_owned(), source }),
    };
    let damaged = |e: serde_json::Error| ModelError::Damaged {
        path: path.to_owned(),
        expected: what.into(),
        found: e.to_string(),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

/// Reads the models of the campaign whose configuration has the hash `config_hash`; `None` if there is no file.
///
/// # Errors
/// [`ModelError`] says what is wrong with the file.
pub fn load(path: &Path, config_hash: &str, models: &Models) -> Result<Option<Trained>, ModelError> {
    let Some(value) = read_json::<serde_json::Value>(path, "models of a campaign, JSON")? else {
        return Ok(None);
    };
    let damaged = |expected: &str, found: String| ModelError::Damaged {
        path: path.to_owned(),
        expected: expected.into(),
        found,
    };
    if value.get("kind").and_then(serde_json::Value::as_str) != Some(KIND) {
        return Err(damaged(KIND, "another JSON".into()));
    }
    let schema = value.get("schema").and_then(serde_json::Value::as_u64);
    if schema != Some(SCHEMA) {
        return Err(damaged(&format!("schema version {SCHEMA}"), format!("{schema:?}")));
    }
    let file: File = serde_json::from_value(value).map_err(|e| damaged("models", e.to_string()))?;
    if file.config_hash != config_hash {
        return Err(damaged(&format!("configuration {config_hash}"), file.config_hash));
    }
    let mut trained = Trained {
        models: [None, None],
        guardrail: file.guardrail,
        validation: [Validation::default(); 2],
        discrimination: file.discrimination,
        incidents: file.incidents,
    };
    for of in file.strategies {
        let Some(place) = STRATEGIES.iter().position(|strategy| strategy.to_string() == of.strategy) else {
            return Err(damaged("baseline or blind", of.strategy));
        };
        trained.validation[place] = of.validation;
        let Some(seen) = of.model else { continue };
        let (points, clearances) = (seen.inputs.len(), seen.clearances.len());
        if seen.inputs.dimension() != SEEN || points != clearances || seen.scaling.inputs() != SEEN {
            return Err(damaged(
                "eight inputs, an excess and a clearance a sample",
                format!("{points} and {clearances}"),
            ));
        }
        let samples = Samples { inputs: seen.inputs, values: seen.clearances };
        let model = Model::new(samples, seen.scaling, seen.hyper, models)
            .map_err(|e| damaged("a regular model", e.to_string()))?;
        trained.models[place] = Some(model);
    }
    Ok(Some(trained))
}
