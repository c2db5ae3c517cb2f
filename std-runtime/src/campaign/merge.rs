//! Folders of one campaign, run in parts on several machines, into one.
//!
//! In: folders. Out: one that has every sample that any of them has, or why not: then nothing was copied.

use std::path::{Path, PathBuf};

use crate::campaign::rows::Counts;
use crate::campaign::run::{CampaignError, compact};
use crate::campaign::state::{Begin, Folder, FolderError, Phase, State, look, shards_of};
use crate::campaign::store::Store;

/// The state of the campaign in `dir`.
///
/// # Errors
/// [`CampaignError::NoCampaign`] if there is none.
pub fn state_of(dir: &Path) -> Result<State, CampaignError> {
    look(dir)?.ok_or_else(|| CampaignError::NoCampaign { dir: dir.to_owned() })
}

/// What the campaign in `dir` has recorded, for those who only look.
///
/// # Errors
/// [`CampaignError`] names what cannot be read.
pub fn recorded(dir: &Path) -> Result<(State, Store), CampaignError> {
    let state = state_of(dir)?;
    let store = Store::look(&shards_of(dir, Phase::Lhs), &state.config_hash, state.target)?;
    Ok((state, store))
}

/// Copies the shards of `from` into `dir`, which is made if there is none. How many samples it then has.
///
/// # Errors
/// [`CampaignError`] if the folders are not of one campaign, or two of them have different results of one sample.
pub fn merge(dir: &Path, from: &[PathBuf]) -> Result<Counts, CampaignError> {
    let mut states = Vec::new();
    for folder in from {
        states.push(state_of(folder)?);
    }
    let Some(first) = states.first() else { return Ok(Counts::default()) };
    for (state, folder) in states.iter().zip(from) {
        let differences = state.config.differences(&first.config);
        if !differences.is_empty() {
            return Err(FolderError::Changed { dir: folder.clone(), differences }.into());
        }
    }
    let begun = State::new(first.name.clone(), first.target, first.config.clone());
    let mut folder = Folder::open_as(dir, begun, Begin::Resume)?;
    let shards: Vec<PathBuf> =
        from.iter().map(PathBuf::as_path).chain([dir]).map(|dir| shards_of(dir, Phase::Lhs)).collect();
    // Together they must not contradict each other, before any is copied.
    let all = Store::look_all(&shards, &first.config_hash, first.target)?;
    let place = shards_of(dir, Phase::Lhs);
    drop(folder.store(Phase::Lhs, first.target)?);
    all.copy_to(&place)?;
    let store = folder.store(Phase::Lhs, first.target)?;
    folder.checkpoint(Phase::Lhs, &store)?;
    compact(&folder, &store)?;
    Ok(store.counts())
}
